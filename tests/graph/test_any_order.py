"""Whatever the order and the cutting in which readings arrive, every table ends the same."""

from datetime import timedelta
from itertools import pairwise

import dagster as dg
import polars as pl
import pytest
from homes import START, Plant, telemetry
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.contracts.enforce import lineage_columns
from pipelines.contracts.registry import CONTRACTS
from resources.spans import MOST_RANGES

REGISTER = """
[sources.line]
window = "1h"

[[machines]]
id = "line.pump-1"
healthy = [2026-01-05T00:00:00Z, 2026-01-07T12:00:00Z]
failures = [{ mode = "overheating", sensor = "temperature_c", threshold = 120.0 }]
"""
HOURS = 130
SAID_ONCE = {"forecasts": "issued_at", "decisions": "decided_at"}
"""A record of what was said when: only what is said of the newest moment follows from the readings alone."""


def whole() -> pl.DataFrame:
    """A declared machine that heats up, and one that nobody declared, of which a sensor falls silent and one sticks."""
    hour = (pl.col("recorded_at") - START).dt.total_hours()
    heating = telemetry(HOURS, ramp_from=70)
    other = (
        telemetry(HOURS)
        .with_columns(machine_id=pl.lit("pump-2"))
        .filter(~((pl.col("sensor") == "current_a") & hour.is_between(60, 75)))
    )
    stuck = (pl.col("sensor") == "vibration_mm_s") & hour.is_between(80, 100)
    other = other.with_columns(value=pl.when(stuck).then(50.0).otherwise("value"))
    return pl.concat([heating, other]).sort("recorded_at", "machine_id", "sensor")


WHOLE = whole()


def tables(plant: Plant) -> dict[str, pl.DataFrame]:
    """What every table says, lineage aside, in order of its key."""
    told = {}
    for name, contract in CONTRACTS.items():
        rows = plant.lake.read(name)
        if name in SAID_ONCE:
            rows = rows.filter(pl.col(SAID_ONCE[name]) == pl.col(SAID_ONCE[name]).max())
        key = [column for column in (contract.metadata or {})["key"] if column not in lineage_columns(contract)]
        told[name] = rows.drop(lineage_columns(contract)).sort(key)
    return told


@st.composite
def deliveries(draw: st.DrawFn, pieces: int = 13) -> list[list[pl.DataFrame]]:
    """The readings shuffled, cut into files, some sent twice, and the files handed to a few runs."""
    size = -(-WHOLE.height // pieces)
    order = draw(st.permutations(range(0, WHOLE.height, size)))
    parts = [WHOLE.slice(start, size) for start in order]
    cuts = sorted(draw(st.sets(st.integers(1, len(parts) - 1), max_size=5)))
    files = [pl.concat(parts[a:b]) for a, b in zip([0, *cuts], [*cuts, len(parts)], strict=True)]
    files += draw(st.lists(st.sampled_from(files), max_size=2))
    stops = sorted(draw(st.sets(st.integers(1, len(files)), max_size=3)) | {0, len(files)})
    return [files[a:b] for a, b in pairwise(stops)]


def fresh(folder) -> Plant:
    plant = Plant(folder, dg.DagsterInstance.ephemeral())
    plant.home.machines.write_text(REGISTER)
    plant.runner = plant.runner.at((START + timedelta(hours=HOURS)).isoformat())
    return plant


@pytest.fixture(scope="module")
def at_once(tmp_path_factory) -> dict[str, pl.DataFrame]:
    plant = fresh(tmp_path_factory.mktemp("home"))
    plant.materialize(files=[plant.drop(WHOLE, "whole.parquet")])
    return tables(plant)


def arrives_so(runs, at_once, tmp_path_factory) -> None:
    piecewise = fresh(tmp_path_factory.mktemp("home"))
    for number, files in enumerate(runs):
        dropped = [piecewise.drop(frame, f"{number}-{place}.parquet") for place, frame in enumerate(files)]
        piecewise.materialize(files=dropped)
    told = tables(piecewise)
    for name, rows in at_once.items():
        assert told[name].equals(rows), name
    assert piecewise.lake.count("readings") == WHOLE.height


def test_the_readings_show_all_that_the_tables_tell(at_once):
    assert set(at_once["alarms"]["kind"]) == {"anomaly", "silent", "stuck"}
    assert at_once["forecasts"]["ttf_h"].count() == 1
    untold = ("labels", "outages", "work_orders")  # the last two follow from the clock as well
    untold += ("events", "snapshots", "vibration_features", "sound_features")  # test_snapshots.py
    assert not any(rows.is_empty() for name, rows in at_once.items() if name not in untold)


@settings(max_examples=3, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(deliveries())
def test_any_order_and_any_cutting_ends_in_the_same_tables(at_once, tmp_path_factory, runs):
    arrives_so(runs, at_once, tmp_path_factory)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(deliveries(pieces=40))
def test_any_order_and_any_finer_cutting_ends_in_the_same_tables(at_once, tmp_path_factory, runs):
    arrives_so(runs, at_once, tmp_path_factory)


DAY_OF_HEALTH = """
[sources.line]
window = "1h"
healthy = [2026-01-05T00:00:00Z, 2026-01-06T00:00:00Z]
"""


def test_corrections_of_more_machines_than_fit_one_predicate_end_as_if_they_had_come_at_once(tmp_path):
    """Each is stuck from an hour of its own on: no run may go on from a window that comes after it."""
    machines, hours = MOST_RANGES + 2, 72
    hour, number = pl.col("hour"), pl.col("number")
    stuck = (
        pl.DataFrame({"number": range(machines)})
        .join(pl.DataFrame({"hour": range(hours)}), how="cross")
        .join(pl.DataFrame({"minute": [0, 30]}), how="cross")
        .select(
            machine_id=pl.format("m{}", "number"),
            sensor=pl.lit("temperature_c"),
            recorded_at=START + pl.duration(hours="hour", minutes="minute"),
            value=pl.when(hour < 24 + number).then(50.0 + pl.col("minute") / 30).otherwise(50.0),
            is_corrected=(hour == 25 + number) & (pl.col("minute") == 30),
        )
    )
    corrected = stuck.filter("is_corrected").with_columns(value=pl.lit(51.0))
    told = []
    for name, together in (("at-once", True), ("piecewise", False)):
        plant = Plant(tmp_path / name, dg.DagsterInstance.ephemeral())
        plant.home.machines.write_text(DAY_OF_HEALTH)
        plant.runner = plant.runner.at((START + timedelta(hours=hours)).isoformat())
        files = [plant.drop(frame.drop("is_corrected"), f"{n}.parquet") for n, frame in enumerate((stuck, corrected))]
        for run in [files] if together else [[file] for file in files]:
            plant.materialize(files=run)
        told.append(tables(plant))
    whole, piecewise = told
    assert whole["alarms"].height == machines
    for name in ("data_quality", "exceedances", "alarms"):
        assert piecewise[name].equals(whole[name]), name
