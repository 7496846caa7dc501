"""The sensor wakes the graph for what lies in the inbox, and for nothing else."""

import os
import threading
import time
from datetime import timedelta

import dagster as dg
import pytest
from homes import telemetry

from assets.partitions import SOURCES
from jobs.definitions import build_definitions
from resources.run_tags import MICRO_BATCH
from sensors import landing
from sensors.landing import landing_sensor


@pytest.fixture(autouse=True)
def patient_for_a_moment(monkeypatch):
    monkeypatch.setattr(landing, "WAIT_S", 0.2)


def tick(plant, instance):
    with dg.build_sensor_context(instance=instance, resources={"inbox": plant.inbox}) as context:
        return landing_sensor(context)


def settle(plant):
    """As if the files had been written a minute ago."""
    then = time.time() - 60
    for path in plant.home.landing.rglob("*.*"):
        os.utime(path, (then, then))


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def test_an_empty_inbox_asks_for_nothing(plant, instance):
    assert isinstance(tick(plant, instance), dg.SkipReason)


def test_what_can_never_land_is_named_where_nothing_else_is_to_do(plant, instance):
    (plant.home.landing / "loose.csv").write_text("x")
    assert tick(plant, instance).skip_message == (
        "nothing waits in the inbox; left alone: ['loose.csv'], see `smartmaint doctor`"
    )


def test_every_source_with_files_gets_one_run_and_its_partition(plant, instance):
    for source in ("line-a", "line-b"):
        plant.drop(telemetry(1), "a.parquet", source=source)
        plant.drop(telemetry(2), "b.parquet", source=source)
    settle(plant)
    result = tick(plant, instance)
    assert {request.partition_key for request in result.run_requests} == {"line-a", "line-b"}
    (partitions,) = result.dynamic_partitions_requests
    assert (partitions.partitions_def_name, set(partitions.partition_keys)) == (SOURCES.name, {"line-a", "line-b"})
    files = result.run_requests[0].run_config["ops"]["landing"]["config"]["files"]
    assert [file.split("/")[1] for file in files] == ["a.parquet", "b.parquet"]


def test_a_file_still_being_written_is_left_alone(plant, instance):
    plant.drop(telemetry(1), "a.parquet")
    assert isinstance(tick(plant, instance), dg.SkipReason | dg.SensorResult)
    (plant.home.landing / "line" / ".b.part").write_bytes(b"half")
    settle(plant)
    (request,) = tick(plant, instance).run_requests
    assert request.run_config["ops"]["landing"]["config"]["files"] == ["line/a.parquet"]


def test_a_file_in_flight_is_not_asked_for_again(plant, instance):
    plant.drop(telemetry(1), "a.parquet")
    settle(plant)
    (request,) = tick(plant, instance).run_requests
    run = dg.DagsterRun(job_name="micro_batch", run_config=request.run_config, status=dg.DagsterRunStatus.STARTED)
    instance.add_run(run)
    assert isinstance(tick(plant, instance), dg.SkipReason)


def test_a_failed_run_is_asked_for_again_after_a_pause_and_under_another_key(plant, instance, monkeypatch):
    plant.drop(telemetry(1), "a.parquet")
    settle(plant)
    (first,) = tick(plant, instance).run_requests
    tags = {"dagster/partition": "line"}
    failed = dg.DagsterRun(job_name="micro_batch", tags=tags, status=dg.DagsterRunStatus.FAILURE)
    instance.add_run(failed)
    assert isinstance(tick(plant, instance), dg.SkipReason)  # it pauses first
    monkeypatch.setattr(landing, "pause_after", lambda _failures: timedelta(0))
    (second,) = tick(plant, instance).run_requests
    assert first.run_key != second.run_key


def test_the_same_file_put_there_anew_has_another_key(plant, instance):
    keys = set()
    for _ in range(2):
        plant.drop(telemetry(1), "a.parquet")
        settle(plant)
        (request,) = tick(plant, instance).run_requests
        keys.add(request.run_key)
        (plant.home.landing / "line" / "a.parquet").unlink()
    assert len(keys) == 2


def test_no_more_than_the_limit_of_files_goes_into_one_run(plant, instance, monkeypatch):
    monkeypatch.setattr(landing, "LIMIT", 2)
    for number in range(5):
        plant.drop(telemetry(1), f"{number}.parquet")
    settle(plant)
    (request,) = tick(plant, instance).run_requests
    assert len(request.run_config["ops"]["landing"]["config"]["files"]) == 2


def test_its_runs_may_go_to_a_warm_worker_and_before_others(plant, instance):
    plant.drop(telemetry(1), "a.parquet")
    settle(plant)
    (request,) = tick(plant, instance).run_requests
    assert request.tags.items() >= {MICRO_BATCH: "true", "dagster/priority": "10"}.items()


def test_a_run_gathers_what_arrived_after_it_was_asked_for(plant, instance):
    plant.drop(telemetry(1), "a.parquet")
    settle(plant)
    (request,) = tick(plant, instance).run_requests
    plant.drop(telemetry(2), "b.parquet")
    settle(plant)
    job = build_definitions(plant.home).resolve_job_def("import_batch")
    instance.add_dynamic_partitions(SOURCES.name, ["line"])
    job.execute_in_process(instance=instance, partition_key="line", run_config=request.run_config)
    assert plant.inbox.pending() == []


@pytest.mark.parametrize(
    ("status", "asked"),
    [
        (dg.DagsterRunStatus.NOT_STARTED, False),
        (dg.DagsterRunStatus.STARTING, False),
        (dg.DagsterRunStatus.STARTED, True),
        (dg.DagsterRunStatus.SUCCESS, True),
    ],
)
def test_behind_the_run_at_work_one_waits_and_no_more(plant, instance, status, asked):
    plant.drop(telemetry(1), "a.parquet")
    instance.add_run(dg.DagsterRun(job_name="micro_batch", tags={"dagster/partition": "line"}, status=status))
    plant.drop(telemetry(1), "a.parquet", source="other")
    settle(plant)
    sources = [request.partition_key for request in tick(plant, instance).run_requests]
    assert sorted(sources) == (["line", "other"] if asked else ["other"])


def test_a_file_that_arrives_while_another_is_in_flight_is_noticed_within_the_same_tick(plant, instance, monkeypatch):
    monkeypatch.setattr(landing, "WAIT_S", 10.0)
    plant.drop(telemetry(1), "a.parquet")
    settle(plant)
    (request,) = tick(plant, instance).run_requests
    run = dg.DagsterRun(job_name="micro_batch", run_config=request.run_config, status=dg.DagsterRunStatus.STARTED)
    instance.add_run(run)
    threading.Timer(0.5, lambda: plant.drop(telemetry(2), "b.parquet")).start()
    begun = time.monotonic()
    (second,) = tick(plant, instance).run_requests
    assert time.monotonic() - begun < 5.0
    assert second.run_config["ops"]["landing"]["config"]["files"] == ["line/b.parquet"]
