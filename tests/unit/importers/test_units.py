"""Units at the edge: whole columns, exact where the unit is the same, and nothing that cannot be meant."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.contracts.vocabulary import UNITS
from pipelines.importers.units import UnitError, conversion


@pytest.mark.parametrize(
    ("value", "unit", "sensor", "expected"),
    [
        (212.0, "degF", "t_c", 100.0),
        (-40.0, "degF", "t_c", -40.0),
        (273.15, "K", "t_c", 0.0),
        (491.67, "degR", "t_c", 0.0),
        (1.0, "psi", "p_bar", 0.06894757293168361),
        (250.0, "kPa", "p_bar", 2.5),
        (32.0, "l/min", "flow_m3_h", 1.92),
        (1.0, "in/s", "v_mm_s", 25.4),
        (1.0, "g", "a_m_s2", 9.80665),
        (9.80665, "m/s2", "a_g", 1.0),
        (1500.0, "1/min", "n_rpm", 1500.0),
        (50.0, "Hz", "n_rpm", 3000.0),
        (3000.0, "rpm", "f_hz", 50.0),
        (4.0, "mA", "i_a", 0.004),
        (1.0, "hp", "p_kw", 0.74569987158227022),
        (90.0, "min", "run_h", 1.5),
        (0.5, "percent", "load_pct", 0.5),
        (42.8, "Nm", "torque_n_m", 42.8),
        (1500.0, "RPM", "n_rpm", 1500.0),
        (14.5, "psig", "p_psi", 14.5),
        (14.5, "psia", "p_psi", 14.5),
        (2.5, "barg", "p_bar", 2.5),
        (2.5, "bara", "p_bar", 2.5),
        (750.061575845656, "mmHg", "p_bar", 1.0),
        (1.0, "gpm", "flow_m3_h", 0.22712470704),
        (100.0, "°C", "t_c", 100.0),
        (100.0, "C", "t_c", 100.0),
        (212.0, "°F", "t_c", 100.0),
        (212.0, "F", "t_c", 100.0),
        (50.0, "%", "load_pct", 50.0),
        (10.0, "K", "temperature_difference_k", 10.0),
        (10.0, "delta_degC", "temperature_difference_k", 10.0),
        (18.0, "delta_degF", "temperature_difference_k", 10.0),
        (18.0, "degR", "temperature_difference_k", 10.0),
    ],
)
def test_a_value_is_converted_to_the_unit_that_the_name_states(value, unit, sensor, expected):
    assert conversion(unit, sensor)(pl.Series([value])).item() == pytest.approx(expected, rel=1e-14, abs=1e-13)


@given(st.sampled_from(list(UNITS)), st.floats(allow_nan=False))
def test_a_value_in_the_units_own_unit_stays_as_it_is_to_the_last_bit(suffix, value):
    assert conversion(UNITS[suffix], f"x_{suffix}")(pl.Series([value])).item() == value


@pytest.mark.parametrize(
    ("unit", "sensor", "told"),
    [
        ("furlongs/blink", "v_mm_s", "unit 'furlongs/blink' is not known"),
        ("3 bar", "p_bar", "unit '3 bar' is not known"),
        ("degF", "p_bar", "is in bar, and 'degF' cannot be converted"),
        ("degC", "rise_k", "is a difference in K, and 'degC' counts from a zero of its own; write K or delta_degC"),
        ("degF", "rise_k", "write K or delta_degF"),
        ("°C", "rise_k", "write K or delta_degC"),
        ("C", "rise_k", "write K or delta_degC"),
        ("delta_degC", "t_c", "is a temperature in degC, and 'delta_degC' is a difference"),
        ("furlongs/blink", "v_mm_s", "known are %, 1/min"),
        ("R", "t_c", "did you mean degR?"),
        ("", "p_bar", "cannot be converted"),
        ("bar", "pressure", "states no unit, so 'bar' cannot be converted; end its name in one of _mm_s"),
    ],
)
def test_a_unit_that_cannot_be_meant_is_an_error(unit, sensor, told):
    with pytest.raises(UnitError) as error:
        conversion(unit, sensor)
    assert told in str(error.value)
