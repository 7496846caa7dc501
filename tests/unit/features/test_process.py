"""Process physics: what is derived is right in its unit, at the moments at which all inputs were read."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from unit.tables import MONDAY, table

from pipelines.contracts.vocabulary import DERIVED, inputs_of, unit_of
from pipelines.features.process import derived_readings

MINUTE = timedelta(minutes=1)
COLUMNS = ["source", "machine_id", "sensor", "recorded_at", "value", "batch_seq"]


def measured(*rows, **every):
    """Readings as (sensor, minute, value)."""
    told = [
        {"sensor": sensor, "recorded_at": MONDAY + minute * MINUTE, "value": value} for sensor, minute, value in rows
    ]
    return table("readings", told, **every).select(COLUMNS)


def derived(*frames):
    return derived_readings(pl.concat(frames), every="10m")


@pytest.mark.parametrize(
    ("inputs", "sensor", "value"),
    [
        ({"torque_n_m": 40.0, "speed_rpm": 1500.0}, "power_kw", 40.0 * 2 * np.pi * 1500.0 / 60 / 1000),
        ({"process_temperature_c": 35.5, "air_temperature_c": 25.0}, "temperature_difference_k", 10.5),
        ({"tool_wear_min": 200.0, "torque_n_m": 40.0}, "wear_torque", 8000.0),
        ({"differential_pressure_bar": 6.0, "flow_m3_h": 120.0}, "hydraulic_power_kw", 6e5 * 120.0 / 3600 / 1000),
    ],
)
def test_a_derived_sensor_is_right_in_its_unit(inputs, sensor, value):
    found = derived(measured(*((name, 0, given) for name, given in inputs.items())))
    assert found.columns == COLUMNS
    assert found.select("source", "machine_id", "sensor", "recorded_at").rows() == [
        ("plant", "plant.pump-1", sensor, MONDAY)
    ]
    assert found["value"].item() == pytest.approx(value, rel=1e-12)


def test_it_is_derived_at_the_moments_at_which_all_inputs_were_read():
    torque = [("torque_n_m", minute, 10.0) for minute in (0, 1, 3)]
    found = derived(measured(*torque, ("speed_rpm", 1, 60.0), ("speed_rpm", 2, 60.0), ("speed_rpm", 3, 60.0)))
    assert found["recorded_at"].to_list() == [MONDAY + MINUTE, MONDAY + 3 * MINUTE]


def test_the_inputs_of_two_machines_are_not_mixed():
    speed = measured(("speed_rpm", 0, 60.0), machine_id="plant.pump-2")
    assert derived(measured(("torque_n_m", 0, 1.0)), speed).is_empty()


def test_a_machine_that_measures_it_itself_is_believed_in_that_window():
    inputs = [(name, minute, 10.0) for name in ("torque_n_m", "speed_rpm") for minute in (5, 15)]
    own = measured(("power_kw", 0, 7.0))
    other = measured(*inputs, machine_id="plant.pump-2")
    found = derived(measured(*inputs), own, other).select("machine_id", "recorded_at").rows()
    assert found == [
        ("plant.pump-1", MONDAY + 15 * MINUTE),
        ("plant.pump-2", MONDAY + 5 * MINUTE),
        ("plant.pump-2", MONDAY + 15 * MINUTE),
    ]


def test_it_names_the_newest_batch_of_its_inputs():
    found = derived(measured(("torque_n_m", 0, 1.0), batch_seq=3), measured(("speed_rpm", 0, 1.0), batch_seq=5))
    assert found["batch_seq"].item() == 5


def test_nothing_is_derived_beyond_the_bounds_of_a_reading():
    assert derived(measured(("torque_n_m", 0, 1e12), ("speed_rpm", 0, 1e12))).is_empty()


def test_of_no_readings_nothing_is_derived():
    assert derived(measured()).is_empty()


@pytest.mark.parametrize("sensor", DERIVED.values(), ids=lambda sensor: sensor.name)
def test_every_declaration_has_measured_inputs_and_the_unit_its_name_states(sensor):
    assert inputs_of(sensor.name) == sensor.inputs
    assert not set(sensor.inputs) & set(DERIVED)
    assert unit_of(sensor.name) in (None, sensor.unit)
