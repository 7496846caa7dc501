"""Robust z: distance in healthy spreads; silence is not deviation, a stuck sensor is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.detection.robust_z import RobustZ, statistic

NORMAL = np.random.default_rng(1).normal(10.0, 2.0, (400, 1))


def test_a_value_is_told_in_healthy_standard_deviations():
    z = RobustZ.fit(NORMAL).z(np.array([[10.0], [16.0], [4.0]]))
    assert z[:, 0] == pytest.approx([0.0, 3.0, -3.0], abs=0.35)


def test_a_few_wild_healthy_windows_do_not_change_what_is_normal():
    wild = np.vstack([NORMAL, np.full((20, 1), 1e6)])
    one, other = RobustZ.fit(NORMAL), RobustZ.fit(np.vstack([NORMAL, NORMAL[:20]]))
    assert RobustZ.fit(wild).median == pytest.approx(one.median, rel=0.05)
    assert other.spread == pytest.approx(one.spread, rel=0.1)


def test_a_silent_sensor_does_not_deviate():
    assert RobustZ.fit(NORMAL).z(np.array([[np.nan]])).item() == 0.0


def test_the_spread_of_a_stuck_sensor_is_as_far_below_as_can_be():
    assert RobustZ.fit(NORMAL).z(np.array([[-np.inf]])).item() == -50.0


def test_silent_and_stuck_windows_of_the_healthy_span_are_left_out_of_what_is_normal():
    holes = np.vstack([NORMAL, np.full((50, 1), np.nan), np.full((50, 1), -np.inf)])
    assert RobustZ.fit(holes).median == RobustZ.fit(NORMAL).median
    assert RobustZ.fit(holes).spread == RobustZ.fit(NORMAL).spread


@pytest.mark.parametrize("level", [0.0, 1e-6, 5.0, -1e9])
def test_in_a_constant_column_any_change_is_far_but_finite(level):
    z = RobustZ.fit(np.full((60, 1), level))
    assert z.z(np.array([[level]])).item() == 0.0
    assert 10 < z.z(np.array([[level + max(abs(level), 1.0) * 0.1]])).item() <= 50


def test_in_a_constant_column_a_change_of_rounding_is_no_deviation():
    assert abs(RobustZ.fit(np.full((60, 1), 5.0)).z(np.array([[5.0001]])).item()) < 1


VALUE = st.floats(-1e12, 1e12) | st.sampled_from([np.nan, -np.inf])


@given(st.lists(VALUE, min_size=1, max_size=30), st.lists(VALUE, min_size=1, max_size=30))
@settings(max_examples=40)
def test_whatever_was_healthy_every_distance_is_finite(healthy, values):
    z = RobustZ.fit(np.array(healthy)[:, None]).z(np.array(values)[:, None])
    assert np.isfinite(z).all()
    assert (np.abs(z) <= 50).all()


def test_the_statistic_of_a_window_is_its_largest_distance_to_either_side():
    assert statistic(np.array([[1.0, -7.0, 3.0], [0.0, 0.5, -0.2]])).tolist() == [7.0, 0.5]
