"""How faults grow: nothing before the onset, the declared size at the end of the span."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from pipelines.simulation.faults import FAULTS, severity

COURSES = {fault.kind: replace(fault, onset_h=100.0, grows_h=50.0) for fault in FAULTS}


@given(
    st.sampled_from(FAULTS), st.floats(0, 700), st.floats(50, 400), st.lists(st.floats(0, 800), min_size=1, max_size=20)
)
def test_there_is_no_severity_before_the_onset_and_it_never_shrinks_after(kind, onset_h, grows_h, hours):
    fault = replace(kind, onset_h=onset_h, grows_h=grows_h)
    ordered = np.sort(hours)
    course = fault.course(ordered)
    event(f"before: {ordered[0] <= onset_h}, after: {ordered[-1] > onset_h}")
    assert (course[ordered <= onset_h] == 0).all()
    assert (np.diff(course) >= 0).all()


@pytest.mark.parametrize(("kind", "size"), [("bearing_wear", 22.0), ("fouling", 18.0), ("misalignment", 4.0)])
def test_at_the_end_of_its_span_a_fault_has_its_full_size(kind, size):
    assert COURSES[kind].course(np.array([150.0])).item() == pytest.approx(size)


def test_a_plateau_is_approached_and_not_passed():
    half, end, late = COURSES["seal_leak"].course(np.array([125.0, 150.0, 9000.0]))
    assert 0 < half < end < late <= 5.0


def test_a_step_is_there_at_once():
    assert COURSES["misalignment"].course(np.array([100.0, 100.01])).tolist() == [0.0, 4.0]


def test_a_sensor_moves_by_its_share_and_to_its_side():
    at_end = np.array([150.0])
    assert severity(COURSES["bearing_wear"], "temperature_c", at_end).item() == pytest.approx(22.0 * 0.2)
    assert severity(COURSES["seal_leak"], "pressure_bar", at_end).item() < 0
    assert severity(COURSES["bearing_wear"], "flow_m3_h", at_end).item() == 0
    assert severity(None, "temperature_c", at_end).item() == 0


@pytest.mark.parametrize("kind", ["bearing_wear", "fouling"])
def test_a_fault_reaches_its_size_at_the_end_of_its_span(kind):
    fault = COURSES[kind]
    assert fault.hour_of(next(iter(fault.sensors)), fault.sigmas) == pytest.approx(150.0, abs=0.5)


def test_a_size_beyond_what_a_fault_can_be_is_never_reached():
    assert COURSES["seal_leak"].hour_of("pressure_bar", 6.0) is None
    assert COURSES["stuck_sensor"].hour_of("temperature_c", 0.1) is None


def test_only_a_stuck_sensor_is_stuck():
    assert {kind: fault.stuck for kind, fault in COURSES.items() if fault.stuck} == {"stuck_sensor": "temperature_c"}


@pytest.mark.parametrize("kind", [fault for fault in FAULTS if not fault.fails_as], ids=lambda fault: fault.kind)
@pytest.mark.parametrize("seed", range(5))
def test_a_fault_that_does_not_fail_begins_in_the_second_third(kind, seed):
    assert 240 <= kind.drawn(np.random.default_rng(seed), days=30).onset_h <= 480


@pytest.mark.parametrize("kind", [fault for fault in FAULTS if fault.fails_as], ids=lambda fault: fault.kind)
@pytest.mark.parametrize("seed", range(5))
def test_a_fault_that_fails_has_grown_when_its_end_asks_for_it(kind, seed):
    drawn = kind.drawn(np.random.default_rng(seed), days=30)
    before_end = 30 * 24 - drawn.onset_h - drawn.grows_h
    assert kind.fails_h[0] <= before_end <= kind.fails_h[1]
