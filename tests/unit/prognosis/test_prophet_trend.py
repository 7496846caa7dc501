"""Prophet's trend carried on to the threshold."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.prognosis.prophet_trend import Scale, crossing_times
from pipelines.prognosis.trend import Series

HOURS = np.arange(-239.5, 0.0)


def crossings(deviation, *, distance=20.0, horizon_h=720.0, seed=1, hours=HOURS):
    series = Series(hours, np.asarray(deviation, dtype=np.float64), 1.0, distance)
    return crossing_times(series, horizon_h=horizon_h, step_h=3.0, draws=100, seed=seed)


def noisy(deviation, sigma, seed=3):
    return deviation + np.random.default_rng(seed).normal(scale=sigma, size=deviation.size)


@pytest.mark.parametrize(
    "law",
    [
        lambda hours: 12.0 + hours / 12.0,
        lambda hours: 20.0 * np.expm1(4.0 * (300.0 + hours - 96.0) / 300.0) / np.expm1(4.0),
    ],
    ids=["linear", "exponential"],
)
def test_a_course_without_noise_is_carried_on_to_its_end(law):
    at = np.arange(0.0, 400.0)
    end = at[np.argmax(law(at) >= 20.0)]
    assert np.median(crossings(law(HOURS))) == pytest.approx(end, rel=0.2)


def test_more_noise_makes_a_wider_interval():
    course = 14.0 + HOURS / 18.0
    calm, loud = (np.subtract(*np.quantile(crossings(noisy(course, s)), [0.95, 0.05])) for s in (0.2, 2.0))
    assert loud > 2.0 * calm


def test_a_crossing_behind_the_horizon_is_infinite():
    assert np.isinf(crossings(noisy(14.0 + HOURS / 18.0, 0.2), horizon_h=24.0)).all()


def test_a_course_already_beyond_the_threshold_crosses_now():
    assert not crossings(noisy(30.0 + HOURS / 12.0, 0.2)).any()


def test_the_same_seed_draws_the_same_futures_and_another_seed_others():
    course = noisy(14.0 + HOURS / 18.0, 1.0)
    first = crossings(course)
    np.random.seed(99)
    assert np.array_equal(crossings(course), first)
    assert not np.array_equal(crossings(course, seed=2), first)


def test_the_global_generator_is_left_as_it_was_found():
    before = np.random.get_state()[1].tolist(), np.random.get_state()[2]
    crossings(noisy(14.0 + HOURS / 18.0, 1.0))
    assert (np.random.get_state()[1].tolist(), np.random.get_state()[2]) == before


def test_a_single_day_with_nothing_to_hold_out_still_gives_times():
    hours = np.arange(-23.5, 0.0)
    assert np.median(crossings(noisy(14.0 + hours / 6.0, 0.1), hours=hours)) == pytest.approx(36.0, rel=0.3)


@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_the_unit_of_the_sensor_changes_nothing(unit):
    course = noisy(14.0 + HOURS / 18.0, 0.5)
    scaled = Series(HOURS, course * unit, unit, 20.0 * unit)
    times = crossing_times(scaled, horizon_h=720.0, step_h=3.0, draws=100, seed=1)
    assert np.median(times) == pytest.approx(np.median(crossings(course)), rel=0.02)


@given(st.none() | st.floats(0.1, 100.0), st.lists(st.floats(-0.49, 100.0), min_size=1, max_size=20))
def test_a_scale_leads_back_to_where_it_came_from(offset, shares):
    deviation = np.array(shares) * (offset or 1.0)
    scale = Scale(offset)
    assert scale.back(scale.to(deviation)) == pytest.approx(deviation, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("offset", [0.5, 3.0])
def test_no_deviation_is_too_low_for_a_logarithm(offset):
    assert np.isfinite(Scale(offset).to(np.array([-1e9, -offset, 0.0]))).all()


def test_importing_and_fitting_writes_nothing():
    script = (
        "import numpy as np\n"
        "from pipelines.prognosis.prophet_trend import crossing_times\n"
        "from pipelines.prognosis.trend import Series\n"
        "h = np.arange(-239.5, 0.0)\n"
        "crossing_times(Series(h, 12 + h / 12, 1.0, 20.0), horizon_h=240.0, step_h=3.0, draws=9, seed=1)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
