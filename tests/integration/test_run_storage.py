"""Old runs go with every file they left; what is in flight and what an asset's page shows stays."""

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from resources.home import Home
from resources.removed import Removed
from resources.run_storage import RunStorage

SOURCES = dg.DynamicPartitionsDefinition(name="sources")
LATER = timedelta(days=31)


@dg.asset(partitions_def=SOURCES)
def scores(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    print("in the log")  # noqa: T201
    return dg.MaterializeResult(metadata={"rows": len(context.partition_key)})


class Config(dg.Config):
    fails: bool = False


@dg.asset
def plan(config: Config) -> None:
    if config.fails:
        raise ValueError("no crew")


class Installation:
    """An instance in a home, and what it holds."""

    def __init__(self, home: Home, instance: dg.DagsterInstance) -> None:
        self.home, self.instance = home, instance
        self.storage = RunStorage(instance, home.compute_logs)

    def materialize(self, source: str) -> str:
        self.instance.add_dynamic_partitions("sources", [source])
        return dg.materialize([scores], instance=self.instance, partition_key=source).run_id

    def plan(self, *, fails: bool = False) -> str:
        config = dg.RunConfig({"plan": Config(fails=fails)})
        return dg.materialize([plan], instance=self.instance, run_config=config, raise_on_error=False).run_id

    def prune(self) -> tuple[int, Removed]:
        before = datetime.now(UTC) + LATER - timedelta(days=30)
        return self.storage.prune(before=before, failed_before=before - timedelta(days=60))

    def runs(self) -> set[str]:
        return set(self.instance.get_run_ids())

    def files(self) -> set[str]:
        """Run ids that a file or folder is named by."""
        events = (self.home.root / "dagster" / "history" / "runs").glob("*-*.db*")
        logs = self.home.compute_logs.iterdir() if self.home.compute_logs.exists() else []
        return {path.name.split(".")[0] for path in [*events, *logs]}


@pytest.fixture
def installation(tmp_path) -> Iterator[Installation]:
    home = Home(tmp_path / "home")
    home.prepare()
    with dg.DagsterInstance.from_config(str(home.root)) as instance:
        yield Installation(home, instance)


def test_old_runs_go_with_their_rows_event_files_and_logs(installation):
    runs = [installation.materialize("a") for _ in range(4)]
    pruned, removed = installation.prune()
    assert pruned == 3
    assert installation.runs() == installation.files() == {runs[-1]}
    assert removed.files >= 6
    assert removed.bytes > 3 * 100_000
    assert [
        record.run_id for record in installation.instance.fetch_materializations(dg.AssetKey("scores"), 9).records
    ] == [runs[-1]]


def test_younger_runs_stay(installation):
    installation.materialize("a")
    installation.materialize("a")
    day = timedelta(days=1)
    now = datetime.now(UTC)
    assert installation.storage.prune(before=now - day, failed_before=now - day) == (0, (0, 0))
    assert len(installation.runs()) == 2


def test_an_asset_page_still_knows_the_latest_materialization_of_every_partition(installation):
    for _ in range(2):
        for source in ("a", "bb"):
            installation.materialize(source)
        installation.plan()
    installation.prune()
    assert len(installation.runs()) == 3

    key = dg.AssetKey("scores")
    records = installation.instance.fetch_materializations(dg.AssetRecordsFilter(key), limit=10).records
    assert {record.partition_key: record.asset_materialization.metadata["rows"].value for record in records} == {
        "a": 1,
        "bb": 2,
    }
    assert installation.instance.get_materialized_partitions(key) == {"a", "bb"}
    for asset in ("scores", "plan"):
        latest = installation.instance.get_latest_materialization_event(dg.AssetKey(asset))
        assert installation.instance.get_run_by_id(latest.run_id) is not None


def test_runs_in_flight_stay_however_old(installation):
    unfinished = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING]
    for status in unfinished:
        installation.instance.add_run(dg.DagsterRun(job_name="micro_batch", status=status))
    assert installation.prune()[0] == 0
    assert len(installation.runs()) == len(unfinished)


def test_failed_runs_stay_longer(installation):
    failed = installation.plan(fails=True)
    installation.plan()
    installation.plan()
    installation.prune()
    assert failed in installation.runs()
    far = datetime.now(UTC) + timedelta(days=200)
    installation.storage.prune(before=far, failed_before=far)
    assert failed not in installation.runs()


def test_files_of_runs_that_nobody_knows_go_when_they_are_no_longer_new(installation):
    orphan, known = installation.materialize("a"), installation.materialize("a")
    installation.instance.delete_run(orphan)  # leaves the file behind
    assert orphan in installation.files()
    assert installation.storage.sweep() == (0, 0)
    for path in installation.home.root.rglob(f"*{orphan}*"):
        os.utime(path, (time.time() - 7200,) * 2)
    for path in installation.home.root.rglob(f"*{known}*"):
        os.utime(path, (time.time() - 7200,) * 2)
    removed = installation.storage.sweep()
    assert removed.files >= 1
    assert removed.bytes > 100_000
    assert installation.files() == {known}


def test_what_sensors_logged_is_no_log_of_a_run_and_of_many_runs_some_are_asked_for_at_a_time(
    installation, monkeypatch
):
    monkeypatch.setattr("resources.run_storage.AT_ONCE", 2)
    logs = installation.home.compute_logs
    ticks = logs / "__repository__" / "landing_sensor" / "7.err"
    gone = [logs / f"{number:032}" / "compute_logs" / "step.err" for number in range(5)]
    for path in (ticks, *gone):
        path.parent.mkdir(parents=True)
        path.write_text("told")
        for each in (path, *path.parents[:3]):
            os.utime(each, (time.time() - 7200,) * 2)
    assert installation.storage.sweep() == (5, 20)
    assert ticks.exists()


def test_a_storage_that_is_no_sqlite_is_pruned_through_its_own_means(tmp_path):
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)) as instance:
        for _ in range(2):
            dg.materialize([plan], instance=instance)
        far = datetime.now(UTC) + LATER
        assert RunStorage(instance, Path(tmp_path, "none")).prune(before=far, failed_before=far)[0] == 1
