"""The cheap looks: medians, level, screen and straight line."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.prognosis.trend import Series, is_degrading, level, line_crossing

SCREEN = {"least_spreads": 3.0, "least_share": 0.1, "trend_h": 120.0, "step_h": 3.0, "p_value": 0.01}


def series(deviation, *, spread=1.0, distance=20.0, every_h=1.0):
    """Windows of `every_h` hours, the newest ending now."""
    deviation = np.asarray(deviation, dtype=np.float64)
    return Series((np.arange(deviation.size) - deviation.size + 0.5) * every_h, deviation, spread, distance)


def noise(size):
    return np.random.default_rng(7).normal(scale=0.5, size=size)


@given(st.floats(0.001, 5.0), st.floats(0.0, 19.0))
def test_a_straight_line_crosses_where_its_slope_says(slope, now):
    hours = np.arange(-71.5, 0.0)
    found = line_crossing(Series(hours, now + slope * hours, 1.0, 20.0))
    assert found == pytest.approx((20.0 - now) / slope, rel=1e-6)


@pytest.mark.parametrize(
    ("slope", "now", "crossing"),
    [(-0.1, 10.0, None), (0.0, 10.0, None), (1e-5, 10.0, None), (0.1, 20.5, 0.0), (-0.1, 25.0, 0.0)],
    ids=["leads away", "flat", "in a hundred years", "just reached", "beyond, on its way back"],
)
def test_a_line_that_does_not_cross_within_a_hundred_thousand_hours_has_no_time(slope, now, crossing):
    hours = np.arange(-71.5, 0.0)
    assert line_crossing(Series(hours, now + slope * hours, 1.0, 20.0)) == crossing


def test_the_line_looks_at_three_days_only():
    assert line_crossing(series(np.r_[np.full(100, 19.0), np.linspace(0, 7.2, 72)])) == pytest.approx(126.7, abs=1.0)


@pytest.mark.parametrize("windows", [0, 2])
def test_fewer_than_three_recent_values_make_no_line(windows):
    hours = np.r_[np.arange(-300.0, -200.0), np.arange(windows) - 2.5]
    assert line_crossing(Series(hours, hours + 300.0, 1.0, 1000.0)) is None


@pytest.mark.parametrize("every_h", [1.0, 1 / 6], ids=["hourly", "ten minutes"])
def test_a_single_odd_window_moves_no_median(every_h):
    calm = np.full(int(48 / every_h), 2.0)
    odd = calm.copy()
    odd[20] = 1e6
    assert np.array_equal(series(odd, every_h=every_h).medians(3.0).deviation, np.full(16, 2.0))


@given(st.lists(st.tuples(st.integers(-5000, -1), st.floats(-50, 50)), min_size=1, max_size=60))
def test_medians_stay_in_order_and_among_the_values_they_stand_for(windows):
    windows.sort()
    tenths, deviation = np.array(windows).T
    hours = tenths / 10
    found = Series(hours, deviation, 1.0, 20.0).medians(3.0)
    assert (np.diff(found.hours) >= 3.0).all()
    for hour, value in zip(found.hours, found.deviation, strict=True):
        of = deviation[(hours >= hour - 1.5) & (hours < hour + 1.5)]
        assert of.min() <= value <= of.max()


def test_last_and_before_part_the_past_at_an_hour():
    whole = series(np.arange(10.0))
    assert whole.last(4.0).deviation.tolist() == [6.0, 7.0, 8.0, 9.0]
    assert whole.before(-4.0).deviation.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


def test_the_level_is_that_of_the_newest_hours_with_values():
    hours = np.array([-100.0, -30.0, -26.0, -25.0, -24.5])  # stopped for a day
    assert level(Series(hours, np.array([9.0, 9.0, 1.0, 2.0, 3.0]), 1.0, 20.0), span_h=4.0) == 2.0


def test_a_series_that_climbs_far_off_its_healthy_level_is_degrading():
    assert is_degrading(series(np.linspace(0.0, 8.0, 240) + noise(240)), **SCREEN)


@pytest.mark.parametrize(
    ("deviation", "distance"),
    [
        (np.linspace(0.0, 2.5, 240), 20.0),
        (np.linspace(0.0, 8.0, 240), 100.0),
        (np.full(240, 8.0), 20.0),
        (np.linspace(12.0, 8.0, 240), 20.0),
        (np.linspace(0.0, -8.0, 240), 20.0),
    ],
    ids=["within weather and load", "a small share of the way", "stepped, then flat", "coming back", "leading away"],
)
def test_a_series_without_both_shift_and_trend_is_not_degrading(deviation, distance):
    assert not is_degrading(series(deviation + noise(240), distance=distance), **SCREEN)
