"""Calibration: a statistic becomes the chance that a healthy window looks so, comparable between detectors."""

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from pipelines.detection.calibration import Tail, combined

HEALTHY = st.lists(st.floats(0, 50) | st.integers(0, 3).map(float), min_size=2, max_size=80).map(np.array)


@given(HEALTHY, st.lists(st.floats(-1e6, 1e6) | st.floats(0, 50), min_size=2, max_size=30))
@settings(max_examples=50)
def test_the_higher_the_statistic_the_smaller_the_chance_and_never_outside_0_to_1(healthy, statistic):
    tail = Tail.fit(healthy)
    chance = tail.chance(np.sort(statistic))
    event(f"beyond the healthy: {max(statistic) > healthy.max()}, within: {min(statistic) <= healthy.max()}")
    assert (np.diff(chance) <= 1e-12).all()
    assert (chance > 0).all()
    assert (chance <= 1).all()


@pytest.mark.parametrize("draw", ["normal", "exponential", "uniform", "lognormal"])
def test_of_healthy_values_not_seen_before_one_in_ten_is_beyond_one_in_ten(draw):
    values = getattr(np.random.default_rng(1), draw)(size=4000)
    chance = Tail.fit(values[:2000]).chance(values[2000:])
    assert [(chance <= level).mean() for level in (0.01, 0.1, 0.5, 0.9)] == pytest.approx(
        [0.01, 0.1, 0.5, 0.9], abs=0.03
    )


def test_healthy_values_themselves_have_chances_spread_evenly():
    chance = np.sort(Tail.fit(np.arange(100.0)).chance(np.arange(90.0)))
    assert chance == pytest.approx(np.linspace(0.1, 1, 90), abs=0.02)


def test_far_beyond_the_healthy_there_is_almost_no_chance():
    tail = Tail.fit(np.abs(np.random.default_rng(1).normal(size=300)))
    four, ten = tail.chance(np.array([4.0, 10.0]))
    assert four < 0.01
    assert ten < 1e-6


def test_beyond_a_constant_statistic_anything_is_as_unlikely_as_can_be():
    chance = Tail.fit(np.full(50, 2.0)).chance(np.array([1.0, 2.0, 2.1, 1e9]))
    assert chance[:2].tolist() == [1.0, 1.0]
    assert (chance[2:] < 1e-300).all()
    assert (chance[2:] > 0).all()


def test_a_fit_does_not_depend_on_the_order_of_the_healthy_windows():
    values = np.random.default_rng(1).normal(size=50)
    assert Tail.fit(values).chance(values) == pytest.approx(Tail.fit(values[::-1]).chance(values))


@pytest.mark.parametrize(
    ("chances", "score"),
    [((1.0, 1.0), 0.0), ((0.5, 1.0), 0.0), ((0.01, 1.0), 0.98), ((0.5, 0.001), 0.998), ((0.01,), 0.99)],
)
def test_the_score_is_one_minus_the_smallest_chance_times_the_number_of_detectors(chances, score):
    assert combined(*(np.array([chance]) for chance in chances)) == pytest.approx([score])
