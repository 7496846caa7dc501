"""Physical limits: the impossible is told from the improbable, by the name of the sensor."""

import polars as pl
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from pipelines.contracts.limits import UNKNOWN, is_physical, physical_range
from pipelines.contracts.vocabulary import PHYSICAL, UNITS


@pytest.mark.parametrize(
    ("sensor", "bounds"),
    [
        ("temperature_c", (-273.15, 2000.0)),
        ("oil_temperature_c", (-273.15, 2000.0)),
        ("pressure_bar", (-2.0, 1e4)),
        ("suction_pressure_bar", (-2.0, 1e4)),
        ("differential_pressure_bar", (-1e4, 1e4)),
        ("filter_differential_pressure_bar", (-1e4, 1e4)),
        ("vibration_mm_s", (-1e5, 1e5)),
        ("rpm", (-1e6, 1e6)),
        ("sensor_04", UNKNOWN),
        ("magic", UNKNOWN),
    ],
)
def test_the_longest_ending_of_the_name_gives_the_range(sensor, bounds):
    assert physical_range(sensor) == bounds


@pytest.mark.parametrize(
    ("sensor", "value", "is_possible"),
    [
        ("temperature_c", -273.15, True),
        ("temperature_c", -273.16, False),
        ("temperature_c", 2000.1, False),
        ("speed_rpm", -1480.0, True),
        ("speed_rpm", 2e6, False),
        ("pressure_bar", -1.01, True),
        ("pressure_bar", -3.0, False),
        ("load_pct", 130.0, True),
        ("sensor_04", -1e9, True),
        ("temperature_c", float("nan"), False),
        ("sensor_04", float("inf"), False),
        ("temperature_c", None, None),
    ],
)
def test_a_value_is_judged_by_the_range_of_its_sensor(sensor, value, is_possible):
    frame = pl.DataFrame({"sensor": [sensor], "value": [value]}, schema={"sensor": pl.String, "value": pl.Float64})
    assert frame.select(is_physical()).item() == is_possible


NAMES = st.sampled_from(["a_c", "b_c", "pressure_bar", "x_bar", "s_1", "v_mm_s", "n_rpm"])


@given(st.lists(st.tuples(NAMES, st.floats(-3e4, 3e4) | st.floats(-1e12, 1e12)), max_size=20))
def test_many_values_are_judged_as_each_alone(rows):
    frame = pl.DataFrame(rows, schema={"name": pl.String, "found": pl.Float64}, orient="row")
    expected = [physical_range(name)[0] <= value <= physical_range(name)[1] for name, value in rows]
    event(f"impossible: {not all(expected)}")
    assert frame.select(is_physical("name", "found")).to_series().to_list() == expected


def test_every_unit_has_a_range_and_every_range_both_bounds():
    assert set(UNITS) <= set(PHYSICAL)
    assert all(-1e12 <= low < high <= 1e12 for low, high in PHYSICAL.values())
