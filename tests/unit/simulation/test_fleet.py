"""The fleet that speaks now: as many machines, sensors and moments as asked for, the same for the same arguments."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from pipelines.contracts.vocabulary import unit_of
from pipelines.simulation.fleet import KINDS, Fleet

SINCE = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_every_sensor_of_every_machine_speaks_once_a_step_and_before_the_end():
    readings = Fleet(1, machines=7, sensors=10).readings(SINCE, SINCE + 3 * SECOND, step=SECOND)
    assert readings.group_by("recorded_at").len().sort("recorded_at").rows() == [
        (SINCE + n * SECOND, 70) for n in range(3)
    ]
    assert not readings.select("machine_id", "sensor", "recorded_at").is_duplicated().any()
    assert readings["recorded_at"].is_sorted()
    assert readings["value"].is_finite().all()


def test_the_same_arguments_give_the_same_readings_and_another_seed_or_moment_others():
    fleet, until = Fleet(1, 2, 3), SINCE + SECOND
    readings = fleet.readings(SINCE, until, step=SECOND)
    assert readings.equals(fleet.readings(SINCE, until, step=SECOND))
    assert not readings.equals(Fleet(2, 2, 3).readings(SINCE, until, step=SECOND))
    later = fleet.readings(SINCE + SECOND, until + SECOND, step=SECOND)
    assert not readings["value"].equals(later["value"])


def test_a_sensor_keeps_its_level_from_file_to_file():
    fleet = Fleet(1, machines=3, sensors=len(KINDS))
    means = [
        fleet.readings(SINCE + n * timedelta(days=1), SINCE + (n + 1) * timedelta(days=1), step=timedelta(minutes=10))
        .group_by("machine_id", "sensor", maintain_order=True)
        .agg(pl.col("value").mean())["value"]
        for n in range(2)
    ]
    assert ((means[0] / means[1]) - 1).abs().max() < 0.02


@pytest.mark.parametrize("sensors", [1, len(KINDS), 25])
def test_sensors_have_names_of_their_own_that_state_a_unit(sensors):
    names = Fleet(1, 1, sensors).readings(SINCE, SINCE + SECOND, step=SECOND)["sensor"]
    assert names.n_unique() == sensors
    assert all(unit_of(name) for name in names)
