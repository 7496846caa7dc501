"""Operating states: what the levels say of each window, and that no order of arrival changes it."""

import random
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from unit.tables import MONDAY, finished, table

from pipelines.changes import touched_windows
from pipelines.features.levels import Levels
from pipelines.features.states import levels_of, longest_startup, operating_states, rules, windows_behind

MINUTE = timedelta(minutes=1)
DECLARED = {"running_sensor": "speed_rpm", "running_above": 700.0, "startup_s": 0}
LEARNING = DECLARED | {"running_above": None}
TWO_LEVELS = table("machines", **DECLARED)
THREE_LEVELS = table("machines", **DECLARED, idle_above=100.0)
SHARES = ("off_share", "idle_share", "running_share", "startup_share")


def speeds(values: Mapping[float, float], **every: Any) -> pl.DataFrame:
    """Speed by the minute it was measured in."""
    rows = [{"recorded_at": MONDAY + minute * MINUTE, "value": value} for minute, value in values.items()]
    return table("readings", rows, **{"sensor": "speed_rpm", **every})


def states(
    readings: pl.DataFrame, machines: pl.DataFrame = TWO_LEVELS, learned: Mapping[str, Levels] | None = None
) -> pl.DataFrame:
    return finished("operating_states", operating_states(readings, rules(machines, learned or {}), every="10m"))


@pytest.mark.parametrize(
    ("values", "state", "shares"),
    [
        ([900.0, 701.0], "running", (0.0, 0.0, 1.0, 0.0)),
        ([0.0, 100.0], "off", (1.0, 0.0, 0.0, 0.0)),
        ([101.0, 700.0], "idle", (0.0, 1.0, 0.0, 0.0)),
        ([0.0, 900.0, 900.0, 900.0], "mixed", (0.25, 0.0, 0.75, 0.0)),
        ([0.0, 500.0], "mixed", (0.5, 0.5, 0.0, 0.0)),
        ([500.0, 900.0], "mixed", (0.0, 0.5, 0.5, 0.0)),
    ],
)
def test_the_state_follows_from_the_levels(values, state, shares):
    row = states(speeds(dict(enumerate(values))), THREE_LEVELS).row(0, named=True)
    assert (row["state"], row["basis"], row["reason"]) == (state, "declared", None)
    assert tuple(row[name] for name in SHARES) == shares
    assert (row["sensor"], row["idle_above"], row["running_above"]) == ("speed_rpm", 100.0, 700.0)


def test_without_an_idle_level_what_does_not_run_is_off():
    found = states(speeds({0.0: 500.0, 10.0: 701.0}))
    assert found["state"].to_list() == ["off", "running"]
    assert found["level"].to_list() == [500.0, 701.0]


def test_running_is_startup_for_as_long_as_declared_after_the_last_rest():
    machines = table("machines", **DECLARED | {"startup_s": 15 * 60})
    found = states(speeds({5.0: 0.0, 9.0: 900.0, 12.0: 900.0, 19.9: 900.0, 20.0: 900.0, 31.0: 900.0}), machines)
    assert found["state"].to_list() == ["mixed", "startup", "running", "running"]
    assert found["startup_share"].to_list() == [0.5, 1.0, 0.0, 0.0]


def test_a_window_that_settles_within_it_is_startup_as_it_ran_throughout():
    machines = table("machines", **DECLARED | {"startup_s": 6 * 60})
    found = states(speeds({9.0: 0.0, 12.0: 900.0, 18.0: 900.0}), machines).filter(pl.col("recorded_at") > MONDAY)
    assert found.select("state", "running_share", "startup_share").row(0) == ("startup", 0.5, 0.5)


def test_a_machine_that_was_never_seen_at_rest_is_not_starting_up():
    machines = table("machines", **DECLARED | {"startup_s": 3600})
    assert states(speeds({0.0: 900.0}), machines)["state"].to_list() == ["running"]


@pytest.mark.parametrize(
    ("machines", "learned", "told"),
    [
        (table("machines"), {}, ("none", "no_rule", None)),
        (table("machines").clear(), {}, ("none", "no_rule", None)),
        (table("machines", **LEARNING), {}, ("learned", "learning", "speed_rpm")),
        (
            table("machines", **LEARNING),
            {"plant.pump-1": Levels(until=MONDAY, reason="one_level")},
            ("learned", "one_level", "speed_rpm"),
        ),
        (table("machines", **DECLARED | {"running_sensor": "power_kw"}), {}, ("declared", "silent", "power_kw")),
    ],
)
def test_a_state_that_nothing_tells_is_unknown_for_a_reason(machines, learned, told):
    row = states(speeds({0.0: 900.0}), machines, learned).row(0, named=True)
    assert (row["state"], row["basis"], row["reason"], row["sensor"]) == ("unknown", *told)
    assert [row[name] for name in SHARES] == [None] * 4


def test_learned_levels_judge_as_declared_ones_do():
    learned = {"plant.pump-1": Levels(700.0, 100.0, MONDAY, None)}
    found = states(speeds({0.0: 500.0, 10.0: 900.0}), table("machines", **LEARNING), learned)
    assert found.select("state", "basis", "learned_until").rows() == [
        ("idle", "learned", MONDAY),
        ("running", "learned", MONDAY),
    ]


def test_bad_readings_say_nothing_of_the_state():
    frame = pl.concat([speeds({0.0: 900.0}), speeds({1.0: 0.0, 10.0: 0.0}, quality="bad")])
    assert states(frame).select("recorded_at", "state").rows() == [(MONDAY, "running")]


def test_a_window_in_which_another_sensor_spoke_has_a_row_too():
    frame = pl.concat([speeds({0.0: 900.0}), speeds({12.0: 4.0}, sensor="vibration_mm_s")])
    assert states(frame).select("state", "reason", "level").rows() == [
        ("running", None, 900.0),
        ("unknown", "silent", None),
    ]


def test_the_rule_of_one_machine_says_nothing_of_another():
    frame = speeds({0.0: 900.0}, machine_id="plant.pump-2")
    assert states(frame).select("state", "reason").rows() == [("unknown", "no_rule")]


def test_no_readings_have_no_states():
    assert states(speeds({})).is_empty()


def test_levels_are_medians_of_the_rules_sensor_by_window():
    frame = pl.concat([speeds({0.0: 1.0, 1.0: 2.0, 2.0: 90.0, 11.0: 4.0}), speeds({0.0: 7.0}, sensor="current_a")])
    found = levels_of(frame, TWO_LEVELS, every="10m").sort("recorded_at")
    assert found.select("recorded_at", "level", "window_s").rows() == [
        (MONDAY, 2.0, 600),
        (MONDAY + 10 * MINUTE, 4.0, 600),
    ]


@pytest.mark.parametrize(("startup", "windows"), [(0, 1), (1, 2), (600, 2), (601, 3)])
def test_a_changed_reading_touches_its_window_and_those_within_a_startup(startup, windows):
    changed = pl.DataFrame({"recorded_at": [MONDAY + 3 * MINUTE]})
    found = windows_behind(changed, every="10m", startup=timedelta(seconds=startup))
    assert touched_windows(found) == [(MONDAY, MONDAY + windows * 10 * MINUTE)]


def test_nothing_changed_touches_nothing():
    assert windows_behind(pl.DataFrame(), every="10m", startup=10 * MINUTE).is_empty()


@pytest.mark.parametrize(
    ("machines", "seconds"), [(TWO_LEVELS, 0), (table("machines"), 0), (table("machines", startup_s=900), 900)]
)
def test_the_longest_startup_is_that_of_any_machine(machines, seconds):
    assert longest_startup(machines) == timedelta(seconds=seconds)


@given(st.data())
@settings(max_examples=40)
def test_whatever_the_order_and_the_cuts_the_states_are_the_same(data):
    rng = random.Random(data.draw(st.integers(0, 2**32)))
    startup = data.draw(st.sampled_from([0, 300, 600, 1500]))
    told = rules(table("machines", **DECLARED | {"startup_s": startup, "idle_above": 100.0}), {})
    whole = speeds({4.0 * n: rng.choice([0.0, 300.0, 900.0, 900.0, 900.0]) for n in range(40)})
    order = data.draw(st.permutations(range(whole.height)))
    cuts = sorted(data.draw(st.sets(st.integers(1, whole.height - 1), max_size=4)))
    expected = operating_states(whole, told, every="10m")
    event(f"states: {sorted(set(expected['state']))}")
    arrived, kept = whole.clear(), expected.clear()
    for start, stop in zip([0, *cuts], [*cuts, whole.height], strict=True):
        batch = whole[order[start:stop]]
        arrived = pl.concat([arrived, batch])
        at, length = pl.col("recorded_at"), timedelta(seconds=startup)
        spans = touched_windows(windows_behind(batch, every="10m", startup=length))
        within = pl.any_horizontal(at.is_between(*span, closed="left") for span in spans)
        looked_at = pl.any_horizontal(at.is_between(since - length, until, closed="left") for since, until in spans)
        rows = operating_states(arrived.filter(looked_at), told, every="10m")
        kept = pl.concat([kept.filter(~within), rows.filter(within)])
    assert kept.sort("machine_id", "recorded_at").equals(expected)
