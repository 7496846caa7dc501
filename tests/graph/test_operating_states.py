"""States and features in the real graph: whatever the order of arrival, learned levels and start-ups end the same."""

from datetime import timedelta

import dagster as dg
import polars as pl
import pytest
from homes import START, Plant

from pipelines.contracts.enforce import lineage_columns
from pipelines.contracts.registry import CONTRACTS
from pipelines.features.levels import WINDOWS

REGISTER = """
[sources.line]
window = "1m"

[[machines]]
id = "line.pump-1"
running = { sensor = "speed_rpm", learn = true, startup = "150s" }

[[machines]]
id = "line.pump-2"
running = { sensor = "speed_rpm", above = 700.0, idle_above = 100.0, startup = "150s" }
"""
MINUTES = WINDOWS + 60
LANDING = ("readings", "labels", "events", "snapshots", "machines")
TABLES = ("operating_states", "window_features")


def whole() -> pl.DataFrame:
    """Two machines that rest twenty minutes of every sixty and idle ten, one without a rule; three readings a minute.

    In its first hour each runs but slowly: what is learned of it moves when that hour comes late.
    """
    second = pl.int_range(MINUTES * 3, eager=True) * 20
    minute = second // 60
    phase, noise = minute % 60, (second * 37 % 101) / 101 - 0.5
    pace = pl.when(minute < 60).then(1200.0).otherwise(1480.0)
    speed = pl.when(phase < 20).then(0.0).when(phase < 30).then(400.0).otherwise(pace) + noise
    frame = pl.DataFrame({"minute": minute, "noise": noise}).with_columns(
        speed_rpm=speed, torque_n_m=40.0 + noise, recorded_at=START + pl.duration(seconds=second)
    )
    long = frame.unpivot(["speed_rpm", "torque_n_m"], index="recorded_at", variable_name="sensor")
    return pl.concat([long.with_columns(machine_id=pl.lit(f"pump-{number}")) for number in (1, 2, 3)])


WHOLE = whole()
AT = (pl.col("recorded_at") - START).dt.total_minutes()
CUTS = {
    "in order": [AT < 100, AT.is_between(100, 150), AT > 150],
    "backwards": [AT > 160, AT.is_between(80, 160), AT < 80],
    "one machine late": [
        (pl.col("machine_id") != "line.pump-1") | (AT > 60),
        (pl.col("machine_id") == "line.pump-1") & (AT <= 60),
    ],
    "every third reading late": [AT % 3 != 1, (AT % 3 == 1) & (AT > 40), (AT % 3 == 1) & (AT <= 40)],
    "the rest before the start late": [~AT.is_between(18, 29), AT.is_between(18, 29)],
}


def fresh(folder, instance) -> Plant:
    plant = Plant(folder, instance)
    plant.home.machines.write_text(REGISTER)
    return plant


def land(plant: Plant, frame: pl.DataFrame, name: str) -> None:
    plant.materialize(*LANDING, *TABLES, files=[plant.drop(frame, f"{name}.parquet")])


def told(plant: Plant) -> dict[str, pl.DataFrame]:
    rows = {name: plant.lake.read(name).drop(lineage_columns(CONTRACTS[name])) for name in TABLES}
    return {name: frame.sort((CONTRACTS[name].metadata or {})["key"]) for name, frame in rows.items()}


@pytest.fixture(scope="module")
def at_once(tmp_path_factory) -> dict[str, pl.DataFrame]:
    with dg.DagsterInstance.ephemeral() as instance:
        plant = fresh(tmp_path_factory.mktemp("once") / "home", instance)
        land(plant, WHOLE, "whole")
        return told(plant)


def test_the_readings_show_every_state(at_once):
    states = at_once["operating_states"]
    assert set(states["state"]) == {"off", "idle", "running", "startup", "unknown"}
    assert set(states["basis"]) == {"learned", "declared", "none"}
    assert set(at_once["window_features"]["sensor"]) == {"speed_rpm", "torque_n_m", "power_kw"}


def test_what_is_learned_says_what_would_have_been_declared(at_once):
    learned, declared = (
        at_once["operating_states"].filter(pl.col("machine_id") == f"line.pump-{number}") for number in (1, 2)
    )
    assert learned["state"].to_list() == declared["state"].to_list()
    assert learned["learned_until"].unique().to_list() == [START + timedelta(minutes=WINDOWS)]


def test_the_features_of_a_window_carry_the_state_of_its_machine(at_once):
    both = at_once["window_features"].join(
        at_once["operating_states"], on=["machine_id", "recorded_at"], suffix="_told"
    )
    assert both.height == at_once["window_features"].height
    assert both["state"].equals(both["state_told"])


@pytest.mark.parametrize("cuts", CUTS.values(), ids=CUTS)
def test_whatever_comes_late_states_and_features_end_as_if_all_had_come_at_once(plant, at_once, cuts):
    plant.home.machines.write_text(REGISTER)
    frame = WHOLE.with_columns(machine_id=pl.format("line.{}", "machine_id"))
    for number, cut in enumerate(cuts):
        piece = frame.filter(cut).with_columns(pl.col("machine_id").str.strip_prefix("line."))
        land(plant, piece, str(number))
    assert plant.lake.count("readings") == WHOLE.height
    for name, rows in told(plant).items():
        assert rows.equals(at_once[name]), name


def test_another_rule_restates_the_machine_it_is_of_and_no_other(plant):
    plant.home.machines.write_text(REGISTER)
    land(plant, WHOLE, "whole")
    before = told(plant)
    plant.home.machines.write_text(REGISTER.replace("above = 700.0", "above = 1300.0"))
    plant.materialize("machines", *TABLES)
    for name, rows in told(plant).items():
        differs = pl.concat([rows, before[name]]).filter(~pl.struct(rows.columns).is_duplicated())
        assert set(differs["machine_id"]) == {"line.pump-2"}, name


def test_nothing_is_written_where_nothing_changed(plant):
    plant.home.machines.write_text(REGISTER)
    land(plant, WHOLE, "whole")
    versions = [plant.lake.version(name) for name in TABLES]
    plant.materialize("machines", *TABLES)
    assert [plant.lake.version(name) for name in TABLES] == versions


@pytest.mark.parametrize("sensor", ["speed_rpm", "absent_rpm"])
def test_news_behind_what_was_learned_costs_no_look_at_it_nor_does_a_sensor_that_never_speaks(plant, sensor):
    plant.home.machines.write_text(REGISTER.replace("speed_rpm", sensor))
    last = pl.col("recorded_at") >= START + timedelta(minutes=MINUTES - 1)
    land(plant, WHOLE.filter(~last), "before")
    file = plant.drop(WHOLE.filter(last), "last.parquet")
    ran = plant.runner.run("micro_batch", source="line", files=[file], select=(*LANDING, *TABLES))
    assert not ran.failures
    windows_of_a_day = MINUTES  # of the machine that learned: its rows say what
    assert int(ran.assets["operating_states"]["rows_read"]) < windows_of_a_day + 100 < WHOLE.height / 10
