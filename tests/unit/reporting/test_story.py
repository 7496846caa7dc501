"""What the demo tells: alarms are judged by the episodes they begin, beside the alarm most plants have."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from unit.tables import DAY, HOUR, MONDAY, table

from pipelines.reporting.story import (
    AlarmScore,
    Truth,
    forecast_errors,
    kept_in_time,
    repairs,
    score_alarms,
    three_sigma,
)

MACHINES = ("faulty", "failing", "healthy")
TRUTH = Truth(
    onset={"faulty": MONDAY + 14 * DAY, "failing": MONDAY + 10 * DAY},
    fails_at={"failing": MONDAY + 20 * DAY},
    machines=MACHINES,
    since=MONDAY + 7 * DAY,
    until=MONDAY + 28 * DAY,
)
HEALTHY_WEEKS = (7 + 3 + 21) / 7


def raised(*alarms: tuple[str, float]) -> pl.DataFrame:
    rows = [(machine, MONDAY + day * DAY) for machine, day in alarms]
    return pl.DataFrame(rows, schema={"machine_id": pl.String, "raised_at": pl.Datetime("us", "UTC")}, orient="row")


@pytest.mark.parametrize(
    ("alarm", "found", "false"),
    [
        (("faulty", 14.0), 1, 0),
        (("faulty", 27.9), 1, 0),
        (("faulty", 13.9), 0, 1),
        (("failing", 10.5), 1, 0),
        (("failing", 20.0), 1, 0),
        (("failing", 20.1), 0, 0),
        (("healthy", 15.0), 0, 1),
        (("healthy", 6.9), 0, 0),
        (("faulty", 6.9), 0, 0),
    ],
)
def test_a_fault_is_found_by_an_alarm_that_begins_while_it_lasts(alarm, found, false):
    score = score_alarms(raised(alarm), TRUTH)
    assert (score.found, score.faults, score.false_episodes) == (found, 2, false)
    assert score.false_per_machine_week == pytest.approx(false / HEALTHY_WEEKS)


def test_a_fault_found_twice_is_one_fault():
    assert score_alarms(raised(("faulty", 15), ("faulty", 20)), TRUTH) == AlarmScore(1, 2, 0, 0.0)


def test_a_fault_that_began_in_the_healthy_span_takes_no_time_from_the_others():
    early = replace(TRUTH, onset={"faulty": MONDAY + 3 * DAY, "failing": MONDAY + 10 * DAY})
    score = score_alarms(raised(("healthy", 15.0)), early)
    assert score.false_per_machine_week == pytest.approx(7 / (3 + 21))


def test_where_no_machine_is_ever_without_a_fault_no_alarm_is_false():
    early = replace(TRUTH, onset=dict.fromkeys(MACHINES, MONDAY + 3 * DAY))
    assert score_alarms(raised(("healthy", 15.0)), early) == AlarmScore(1, 3, 0, 0.0)


def test_an_alarm_that_is_always_on_finds_nothing_and_is_false_on_every_machine():
    always_on = raised(*((machine, 7.0) for machine in MACHINES))
    score = score_alarms(always_on, TRUTH)
    assert (score.found, score.false_episodes) == (0, 3)
    assert score.false_per_machine_week > 0.5


def test_an_alarm_that_goes_off_every_day_finds_all_and_costs_a_false_one_each_healthy_day():
    daily = raised(*((machine, day) for machine in MACHINES for day in range(7, 28)))
    score = score_alarms(daily, TRUTH)
    assert score.found == 2
    assert score.false_per_machine_week == pytest.approx(7.0)


def test_silence_finds_nothing_and_costs_nothing():
    assert score_alarms(raised(), TRUTH) == AlarmScore(0, 2, 0, 0.0)


ALARMS = st.lists(st.tuples(st.sampled_from(MACHINES), st.floats(0, 28)), max_size=12)


@given(ALARMS, st.permutations(range(12)))
@settings(max_examples=50)
def test_no_alarm_is_both_found_and_false_whatever_the_order(alarms, order):
    score = score_alarms(raised(*alarms), TRUTH)
    event(f"found: {score.found}, false: {score.false_episodes > 0}")
    assert score.found <= score.faults
    assert score.found + score.false_episodes <= len(alarms)
    assert score_alarms(raised(*(alarms[n] for n in order if n < len(alarms))), TRUTH) == score


def readings(values: Sequence[float], **every: Any) -> pl.DataFrame:
    rows = [{"recorded_at": MONDAY + hour * HOUR, "value": value} for hour, value in enumerate(values)]
    return table("readings", rows, **every)


HEALTHY = list(np.random.default_rng(1).normal(50.0, 2.0, 100))
UNTIL = MONDAY + 100 * HOUR


def alarmed(later: Sequence[float], **every: Any) -> list[int]:
    """Hours behind the healthy span at which three sigma goes off."""
    found = three_sigma(readings([*HEALTHY, *later], **every), healthy_until=UNTIL)
    return [int((at - UNTIL) / HOUR) for at in found["raised_at"]]


MEAN, SIGMA = float(np.mean(HEALTHY)), float(np.std(HEALTHY, ddof=1))


@pytest.mark.parametrize(("sigmas", "hours"), [(2.99, []), (3.01, [0]), (-3.01, [0]), (-2.99, [])])
def test_three_sigma_goes_off_beyond_three_healthy_standard_deviations_to_either_side(sigmas, hours):
    assert alarmed([MEAN + sigmas * SIGMA]) == hours


def test_three_sigma_episodes_end_after_a_quiet_day():
    high, usual = MEAN + 10, MEAN
    assert alarmed([high, usual, high]) == [0]
    assert alarmed([high] + [usual] * 23 + [high]) == [0]
    assert alarmed([high] + [usual] * 24 + [high]) == [0, 25]


def test_what_is_beyond_within_the_healthy_span_is_no_alarm():
    assert three_sigma(readings([*HEALTHY[:-1], 90.0]), healthy_until=UNTIL).is_empty()


def test_machines_and_sensors_have_their_own_mean_and_sensors_share_their_machines_episode():
    low = [value - 40 for value in HEALTHY]
    frame = pl.concat(
        [
            readings([*HEALTHY, MEAN, MEAN]),
            readings([*low, MEAN - 40, MEAN], machine_id="plant.pump-2"),
            readings([*low, MEAN, MEAN], machine_id="plant.pump-2", sensor="temperature_c"),
        ]
    )
    found = three_sigma(frame, healthy_until=UNTIL)
    assert found.rows() == [("plant.pump-2", UNTIL)]


def order(planned: float, starts: float, **changes: Any) -> dict[str, Any]:
    plain = {"work_order_id": "order-0000000000000001", "machine_id": "failing"}
    times = {"planned_at": planned, "starts_at": starts, "ends_at": starts + 0.2}
    return plain | {name: MONDAY + day * DAY for name, day in times.items()} | changes


FORECASTS = table(
    "forecasts",
    [
        {"issued_at": MONDAY + 15 * DAY, "forecast_id": "forecast-00000000000000aa"},
        {"issued_at": MONDAY + 17 * DAY, "ttf_h": 1.0},
    ],
    machine_id="failing",
)


def told(*orders: Mapping[str, Any]) -> dict[str, Any]:
    rows = repairs(table("work_orders", orders), FORECASTS, TRUTH)
    assert len(rows) == 1
    return rows[0]


def test_a_repair_is_told_with_what_was_said_when_it_was_first_proposed_and_what_happened():
    row = told(order(16, 18), order(17, 18))
    assert (row["machine"], row["failure_mode"], row["first_planned_at"]) == (
        "failing",
        "bearing_wear",
        MONDAY + 16 * DAY,
    )
    assert (row["ttf_h"], row["straight_line_h"], row["really_h"]) == (100.0, 120.0, 96.0)
    assert (row["slot_from"], row["slot_begins_before_failure_h"]) == (MONDAY + 18 * DAY, 48.0)


def test_a_slot_that_each_evening_is_moved_on_does_not_count():
    row = told(order(16, 17.5), order(17, 18.5), order(18, 19.5), order(19, 21.0))
    assert row["slot_from"] == MONDAY + 21 * DAY
    assert kept_in_time([row], TRUTH) == 0


def test_a_slot_that_began_before_the_next_plan_is_kept():
    row = told(order(16, 17.5), order(18, 19.5))
    assert row["slot_from"] == MONDAY + 17.5 * DAY


@pytest.mark.parametrize(("starts", "in_time"), [(19.5, 1), (19.6, 0), (18.0, 1)])
def test_a_repair_is_in_time_twelve_hours_before_the_failure(starts, in_time):
    assert kept_in_time([told(order(16, starts))], TRUTH) == in_time


@pytest.mark.parametrize("changes", [{"kind": "inspection"}, {"status": "withdrawn"}])
def test_only_proposed_repairs_are_told(changes):
    assert repairs(table("work_orders", [order(16, 18, **changes)]), FORECASTS, TRUTH) == []


def forecast(day: float, **said: Any) -> dict[str, Any]:
    return {
        "machine_id": "failing",
        "issued_at": MONDAY + day * DAY,
        "forecast_id": f"forecast-{int(day * 10):016x}",
    } | said


def test_the_error_of_a_forecast_is_told_beside_a_straight_line_and_a_constant():
    rows = [
        forecast(19, ttf_h=30.0, ttf_low_h=20.0, ttf_high_h=40.0, linear_ttf_h=48.0),
        forecast(18, ttf_h=48.0, ttf_low_h=50.0, ttf_high_h=None, linear_ttf_h=None),
        forecast(12, ttf_h=1.0),
        forecast(21, ttf_h=1.0),
    ]
    errors = forecast_errors(table("forecasts", rows), TRUTH)
    assert errors["n"] == 2
    assert errors["prophet"] == pytest.approx((6 / 24 + 0) / 2)
    assert errors["straight_line"] == pytest.approx((24 / 24 + (720 - 48) / 48) / 2)
    assert errors["constant"] == pytest.approx((36 / 24 + 12 / 48) / 2)
    assert errors["covered"] == 0.5


def test_foretold_failures_of_healthy_machines_are_counted_by_machine():
    rows = [
        forecast(day, machine_id="healthy", reason="not_degrading", ttf_h=None, linear_ttf_h=line)
        for day, line in ((10, 700.0), (11, 100.0), (12, None))
    ]
    errors = forecast_errors(table("forecasts", rows), TRUTH)
    assert (errors["straight_line_on_healthy"], errors["prophet_on_healthy"], errors["covered"]) == (1, 0, None)
