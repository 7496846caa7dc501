"""The real graph on a real lake: what lands is what comes out, and running again changes nothing."""

from datetime import datetime, timedelta
from typing import Any

import dagster as dg
import polars as pl
import pytest
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from homes import START, Plant, telemetry

from assets.detection import SPEAKS
from pipelines.contracts.enforce import lineage_columns
from pipelines.contracts.registry import CONTRACTS
from pipelines.contracts.vocabulary import LANDED

DERIVED = ("window_features", "anomaly_scores", "alarms", "verdicts", "health_index", "forecasts", "decisions")
REGISTER = """
[sources.line]
importer = "readings"
window = "10m"

[[machines]]
id = "line.pump-1"
criticality = "high"
failures = [{ mode = "overheating", sensor = "temperature_c", threshold = 120.0, repair_hours = 4.0 }]
"""


def versions(plant) -> dict[str, int]:
    return {table: plant.lake.version(table) for table in DERIVED}


def test_running_again_writes_nothing(plant):
    file = plant.drop(telemetry(96), "a.parquet")
    plant.materialize(files=[file])
    first = versions(plant)
    plant.materialize()
    assert versions(plant) == first


def test_a_machine_nobody_declared_is_scored_on_its_first_two_days(plant):
    plant.materialize(files=[plant.drop(telemetry(96), "a.parquet")])
    scores = plant.lake.read("anomaly_scores")
    assert scores.height == 96 * 6
    assert scores["score"].null_count() == 0
    assert plant.lake.read("forecasts")["reason"].to_list() == ["no_threshold"]


def test_nothing_is_scored_before_the_healthy_span_is_over(plant):
    plant.materialize(files=[plant.drop(telemetry(40), "a.parquet")])
    assert set(plant.lake.read("anomaly_scores")["reason"]) == {"no_baseline"}


def test_a_climbing_temperature_ends_in_a_planned_repair(plant):
    plant.home.machines.write_text(REGISTER)
    file = plant.drop(telemetry(120, ramp_from=60), "a.parquet")
    at = plant.runner.at((START + timedelta(hours=120)).isoformat())
    assert not at.run("micro_batch", source="line", files=[file]).failures
    assert not at.run("plan").failures

    forecast = plant.lake.read("forecasts").row(0, named=True)
    true_h = 60 + (120.0 - 50.0) / 0.5 - 120
    assert forecast["ttf_low_h"] <= true_h <= (forecast["ttf_high_h"] or float("inf"))
    decision = plant.lake.read("decisions").row(0, named=True)
    assert decision["action"] == "plan", decision["rationale"]
    order = plant.lake.read("work_orders").row(0, named=True)
    assert order["decision_id"] == decision["decision_id"]
    assert order["ends_at"] <= forecast["issued_at"] + timedelta(hours=true_h - 12)


def test_of_machines_that_all_stand_still_it_is_said_that_there_is_no_recent_data(plant):
    running = 'criticality = "high"\nrunning = { sensor = "current_a", above = 10.0 }'
    plant.home.machines.write_text(REGISTER.replace('criticality = "high"', running))
    current, stops_at = pl.col("sensor") == "current_a", START + timedelta(hours=72)
    stopped = pl.when(current & (pl.col("recorded_at") >= stops_at)).then(0.0).otherwise("value")
    readings = telemetry(98).with_columns(value=stopped)
    for when in (pl.col("recorded_at") < stops_at, pl.col("recorded_at") >= stops_at):
        plant.materialize(files=[plant.drop(readings.filter(when), "a.parquet")])
    said = plant.lake.read("forecasts").sort("issued_at").select("issued_at", "reason").rows()
    assert said == [(stops_at, "not_degrading"), (START + timedelta(hours=98), "no_recent_data")]


def test_a_declared_threshold_counts_from_the_next_run_on(plant):
    plant.materialize(files=[plant.drop(telemetry(96), "a.parquet")])
    plant.home.machines.write_text(REGISTER)
    plant.materialize()
    assert plant.lake.read("forecasts")["reason"].to_list() == ["not_degrading"]


def test_a_machine_that_was_a_slip_of_the_pen_leaves_with_it_and_those_that_spoke_stay(plant):
    def listed() -> list[str]:
        plant.materialize("machines")
        return plant.lake.read("machines").sort("machine_id")["machine_id"].to_list()

    plant.home.machines.write_text(REGISTER.replace("line.pump-1", "line.pmup-1"))
    plant.materialize(*LANDED, files=[plant.drop(telemetry(1), "a.parquet")])
    assert listed() == ["line.pmup-1", "line.pump-1"]
    plant.home.machines.write_text(REGISTER.replace("line.pump-1", "line.pump-2"))
    assert listed() == ["line.pump-1", "line.pump-2"]
    later = telemetry(1).with_columns(machine_id=pl.lit("pump-3"))
    plant.materialize(*LANDED, files=[plant.drop(later, "b.parquet")])
    assert listed() == ["line.pump-1", "line.pump-2", "line.pump-3"]


def test_a_machine_without_a_reference_or_with_a_broken_one_holds_nobody_up(plant):
    readings = telemetry(96)
    short = telemetry(3).with_columns(machine_id=pl.lit("pump-2"))
    plant.materialize(files=[plant.drop(pl.concat([readings, short]), "a.parquet")])
    scored = plant.lake.read("anomaly_scores").group_by("machine_id").agg(pl.col("score").count()).sort("machine_id")
    assert scored["score"].to_list() == [96 * 6, 0]


def test_old_data_is_history_and_plans_nothing(plant):
    plant.home.machines.write_text(REGISTER)
    plant.materialize(files=[plant.drop(telemetry(120, ramp_from=60), "a.parquet")])  # the real clock
    decision = plant.lake.read("decisions").row(0, named=True)
    assert decision["action"] == "monitor"
    assert "history" in decision["rationale"]


def test_a_bad_file_is_quarantined_and_the_others_land(plant):
    good = plant.drop(telemetry(3), "good.parquet")
    bad = plant.home.landing / "line" / "bad.csv"
    bad.write_text("machine_id,sensor,recorded_at,value\npump-1,temperature_c,2026-01-05T00:0")
    plant.materialize(*LANDED, files=[good, "line/bad.csv"])
    assert plant.lake.count("readings") == 3 * 6 * 3
    assert not bad.exists()
    (reason,) = plant.home.root.glob("quarantine/line/*/*/reason.json")
    assert "cut off in its last line" in reason.read_text()


def test_rows_of_a_hostile_machine_are_refused_and_the_rest_lands(plant):
    frame = pl.concat([telemetry(1), telemetry(1).with_columns(machine_id=pl.lit("../../etc"))])
    plant.materialize(*LANDED, files=[plant.drop(frame, "a.parquet")])
    assert set(plant.lake.read("readings")["machine_id"]) == {"line.pump-1"}
    (rows,) = plant.home.root.glob("quarantine/line/*/*/rows.parquet")
    assert pl.read_parquet(rows).height == 18


@pytest.fixture(scope="module")
def lived(tmp_path_factory) -> tuple[Plant, str]:
    """A home after one run over a climbing temperature, and the id of that run."""
    plant = Plant(tmp_path_factory.mktemp("lived") / "home", dg.DagsterInstance.ephemeral())
    plant.home.machines.write_text(REGISTER)
    file = plant.drop(telemetry(120, ramp_from=60), "a.parquet")
    at = plant.runner.at((START + timedelta(hours=120)).isoformat())
    return plant, at.run("micro_batch", source="line", files=[file]).run_id


@pytest.mark.parametrize("table", DERIVED)
def test_every_table_keeps_its_contract_and_names_its_run(lived, table):
    plant, run_id = lived
    rows = plant.lake.read(table)
    CONTRACTS[table].validate(rows.select(list(CONTRACTS[table].columns)))
    assert not rows.is_empty()
    assert set(rows["run_id"]) == {run_id}
    assert "run_id" in lineage_columns(CONTRACTS[table])


def test_a_correction_wins_and_what_was_known_before_is_kept(plant):
    first = telemetry(2)
    plant.materialize(files=[plant.drop(first, "a.parquet")])
    fixed = first.filter(pl.col("sensor") == "current_a").with_columns(value=pl.lit(7.0))
    plant.materialize(files=[plant.drop(fixed, "b.parquet")])
    current = plant.lake.readings(source="line").filter(pl.col("sensor") == "current_a")
    assert set(current["value"]) == {7.0}
    assert plant.lake.count("readings") == first.height + fixed.height
    features = plant.lake.read("window_features").filter(pl.col("sensor") == "current_a")
    assert set(features["mean"]) == {7.0}


def test_a_source_of_which_nothing_comes_any_more_is_an_outage_without_news_until_it_is_heard(plant):
    def lived(at: datetime, frame: pl.DataFrame | None = None) -> tuple[list[dict[str, Any]], bool]:
        """Outages and whether the check passed, after a run with the clock standing at a moment."""
        files = [] if frame is None else [plant.drop(frame, f"{at:%d-%H}.parquet")]
        ran = plant.runner.at(at.isoformat()).run("micro_batch", source="line", files=files)
        assert not ran.failures
        key = dg.AssetCheckKey(dg.AssetKey("outages"), SPEAKS)
        (record,) = plant.instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
        rows = plant.lake.read("outages").sort("since").select("since", "until", "is_open").to_dicts()
        return rows, record.status == AssetCheckExecutionRecordStatus.SUCCEEDED

    readings, hour = telemetry(72), timedelta(hours=1)
    told = pl.col("recorded_at") <= START + 48 * hour
    last = START + 48 * hour
    assert lived(last + hour / 60, readings.filter(told)) == ([], True)
    assert lived(last + hour / 2) == ([], True)
    assert lived(last + 2.5 * hour) == ([{"since": last, "until": last + 2 * hour, "is_open": True}], False)
    assert lived(last + 5.5 * hour) == ([{"since": last, "until": last + 5 * hour, "is_open": True}], False)
    heard = pl.col("recorded_at") > last + 6 * hour
    back = START + 72 * hour
    closed = [{"since": last, "until": back, "is_open": False}]
    assert lived(back, readings.filter(heard)) == (closed, True)
    assert lived(back + hour / 2, readings.filter(~told & ~heard)) == (closed, True)  # sent late
    assert plant.lake.read("data_quality").is_empty()
