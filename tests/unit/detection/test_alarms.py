"""Alarms: k of n exceedances begin an episode, a quiet gap ends it, and later rows rename nothing."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from unit.tables import HOUR, MONDAY, finished, table

from pipelines.detection.alarms import AlarmRules, alarms

RULES = AlarmRules(threshold=0.9, k=3, n=4, gap=timedelta(hours=5))


def scores(course: str, **every: Any) -> pl.DataFrame:
    """Hourly windows: `X` exceeds, `.` does not, `-` has no score, a blank is no window at all."""
    rows = [
        {
            "recorded_at": MONDAY + hour * HOUR,
            "score": {"X": 0.95, ".": 0.2, "-": None}[mark],
            "state": "stopped" if mark == "-" else "running",
        }
        for hour, mark in enumerate(course)
        if mark != " "
    ]
    return table("anomaly_scores", rows, **every)


def episodes(frame: pl.DataFrame, rules: AlarmRules = RULES) -> pl.DataFrame:
    return finished("alarms", alarms(frame, rules))


def raised(course: str) -> list[tuple[int, int, int]]:
    """Hour of the start, of the alarm and of the last exceedance of each episode."""
    told = episodes(scores(course)).select("started_at", "raised_at", "last_at").rows()
    return [tuple(int((at - MONDAY) / HOUR) for at in row) for row in told]


@pytest.mark.parametrize(
    ("course", "expected"),
    [
        ("....XXX...", [(4, 7, 7)]),
        ("XXX", [(0, 3, 3)]),
        ("X.XX......", [(0, 4, 4)]),
        ("X..XX.....", []),
        ("X.X.X.X.X.X.", []),
        ("XX........", []),
        ("..........", []),
        ("", []),
        ("XX--XX....", [(0, 5, 6)]),
        ("XX  XX....", [(0, 5, 6)]),
        ("XXX....XX.", [(0, 3, 9)]),
        ("XXX.....XXX", [(0, 3, 11)]),
        ("XXX......XXX", [(0, 3, 3), (9, 12, 12)]),
        ("X....XXX", [(0, 8, 8)]),
    ],
)
def test_an_alarm_is_raised_when_k_of_n_windows_exceed_and_ends_after_a_quiet_gap(course, expected):
    assert raised(course) == expected


def test_an_exceedance_begins_at_the_threshold():
    frame = scores("XXX").with_columns(score=pl.lit(0.9))
    assert episodes(frame).height == 1
    assert episodes(frame.with_columns(score=pl.lit(0.8999))).is_empty()


@pytest.mark.parametrize(("quiet", "is_open"), [(0, True), (5, True), (6, False), (50, False)])
def test_an_episode_is_open_until_it_was_quiet_for_longer_than_the_gap(quiet, is_open):
    assert episodes(scores("XXX" + "." * quiet))["is_open"].to_list() == [is_open]


def test_windows_without_a_score_let_time_pass():
    assert episodes(scores("XXX" + "-" * 6))["is_open"].to_list() == [False]


def test_an_episode_tells_its_worst_its_mean_and_the_sensor_that_led():
    frame = scores("XXXX.").with_columns(
        score=pl.Series([0.92, 0.99, 0.94, 0.95, 0.1]),
        top_sensor=pl.Series(["w", "v", "v", "w", "x"]),
        top_z=pl.Series([-3.0, 8.0, 6.0, -4.0, 99.0]),
        deviating_sensors=pl.Series([1, 3, 2, 1, 9]),
    )
    row = episodes(frame).row(0, named=True)
    assert (row["exceedances"], row["peak_score"], row["deviating_sensors"]) == (4, 0.99, 3)
    assert row["mean_score"] == pytest.approx(0.95)
    assert (row["top_sensor"], row["top_z"]) == ("v", 7.0)
    assert (row["threshold"], row["rules_version"], row["kind"]) == (0.9, RULES.version, "anomaly")


@pytest.mark.parametrize(
    ("one", "other", "alarmed"), [("XX", "XXX", ["plant.pump-2"]), ("XX", "XX", []), ("X", "XX", [])]
)
def test_exceedances_of_one_machine_do_not_count_for_another(one, other, alarmed):
    both = pl.concat([scores(one, machine_id="plant.pump-1"), scores(other, machine_id="plant.pump-2")])
    assert episodes(both)["machine_id"].to_list() == alarmed


def test_episodes_have_ids_of_their_own():
    assert episodes(scores("XXX......XXX"))["alarm_id"].n_unique() == 2


def test_the_rules_version_changes_with_every_rule():
    rules = [
        RULES,
        AlarmRules(0.91, 3, 4, RULES.gap),
        AlarmRules(0.9, 2, 4, RULES.gap),
        AlarmRules(0.9, 3, 5, RULES.gap),
    ]
    assert len({rule.version for rule in [*rules, AlarmRules(0.9, 3, 4)]}) == 5


COURSES = st.text("X.-", max_size=25) | st.lists(st.sampled_from(["XXX", "X", ".", "......", "-"]), max_size=10).map(
    "".join
)


@given(COURSES, st.text("X.-", max_size=10))
@settings(max_examples=25)
def test_later_windows_rename_no_alarm_and_move_no_beginning(course, later):
    before = alarms(scores(course), RULES).select("alarm_id", "started_at", "raised_at").rows()
    after = alarms(scores(course + later), RULES).select("alarm_id", "started_at", "raised_at").rows()
    event(f"alarms before: {len(before)}, after: {len(after)}")
    assert after[: len(before)] == before


@given(COURSES)
@settings(max_examples=25)
def test_an_alarm_is_raised_at_the_end_of_a_window_that_made_it_k_of_n(course):
    frame = alarms(scores(course), RULES)
    scored = [(hour, mark) for hour, mark in enumerate(course) if mark != "-"]
    event(f"alarms: {frame.height}")
    for started, at in frame.select("started_at", "raised_at").rows():
        place = next(i for i, (hour, _) in enumerate(scored) if MONDAY + (hour + 1) * HOUR == at)
        last: Sequence[str] = [mark for _, mark in scored[max(0, place - RULES.n + 1) : place + 1]]
        assert last[-1] == "X"
        assert last.count("X") >= RULES.k
        assert started < at
