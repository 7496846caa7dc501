"""What goes on from a snapshot into windows: a reading like any other, or nothing."""

import pytest
from unit.tables import table

from pipelines.contracts.readings import READINGS
from pipelines.features.scalars import FOLLOWED, scalars


def test_each_followed_number_becomes_a_reading_of_a_sensor_of_its_own_and_nulls_become_none():
    rows = scalars("vibration_features", table("vibration_features", rms=1.5, kurtosis=-1.2))
    assert rows.select("sensor", "value").sort("sensor").rows() == [
        ("horizontal_g.kurtosis", -1.2),
        ("horizontal_g.rms", 1.5),
    ]


@pytest.mark.parametrize("value", [1e12, 1e15])
def test_what_no_reading_can_be_has_no_row(value):
    rows = scalars("vibration_features", table("vibration_features", velocity_rms_mm_s=value))
    assert rows["value"].to_list() == [value] * (value <= 1e12)


@pytest.mark.parametrize("name", FOLLOWED)
def test_what_is_followed_is_there_and_can_be_named(name):
    frame = table(name, **dict.fromkeys(FOLLOWED[name], 0.5))
    rows = scalars(name, frame)
    assert rows.height == len(FOLLOWED[name])
    assert rows["sensor"].str.len_chars().max() <= 64
    assert set(rows.columns) <= set(READINGS.columns)
