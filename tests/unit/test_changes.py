"""Change feeds: what they say over several commits, and which windows they touch."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from unit.tables import HOUR, MONDAY, loose

from pipelines.changes import earliest, last_states, machines_that_differ, touched_windows

NOTHING = pl.DataFrame()  # a feed without news has no columns either


def moments(*at: tuple[str, int], time: str = "recorded_at") -> pl.DataFrame:
    schema = {"machine_id": pl.String, time: pl.Datetime("us", "UTC")}
    return pl.DataFrame([(machine, MONDAY + hour * HOUR) for machine, hour in at], schema, orient="row")


def test_the_earliest_moment_is_that_of_each_machine_in_any_feed():
    feeds = moments(("b", 5), ("a", 7)), NOTHING, moments(("a", 3), ("a", 9), ("c", 1)).with_columns(other=1)
    assert earliest(*feeds) == {"a": MONDAY + 3 * HOUR, "b": MONDAY + 5 * HOUR, "c": MONDAY + HOUR}


@pytest.mark.parametrize("feeds", [(), (NOTHING,), (moments(), NOTHING)])
def test_without_news_there_is_no_earliest_moment(feeds):
    assert earliest(*feeds) == {}


def test_the_earliest_moment_may_be_that_of_another_column():
    assert earliest(moments(("a", 2), time="started_at"), time="started_at") == {"a": MONDAY + 2 * HOUR}


# --- machines that differ


LIMITS = [{"sensor": "v", "low": 0.5, "high": 4.5}]
Commit = tuple[str, str, int, dict[str, Any]]  # machine, change, version and what the row says


def feed(*commits: Commit) -> pl.DataFrame:
    rows = [{"machine_id": machine, **said} for machine, _, _, said in commits]
    changes = pl.DataFrame(
        {
            "_change_type": pl.Series([change for _, change, _, _ in commits], dtype=pl.String),
            "_commit_version": pl.Series([version for _, _, version, _ in commits], dtype=pl.Int64),
        }
    )
    return pl.concat([loose("machines", rows), changes], how="horizontal")


def revised(machine: str, version: int, was: dict[str, Any], now: dict[str, Any]) -> tuple[Commit, Commit]:
    return (machine, "delete", version, was), (machine, "insert", version, now)


NORTH, SOUTH, WEST = ({"site": site} for site in ("north", "south", "west"))


@pytest.mark.parametrize(
    ("commits", "differs"),
    [
        (revised("a", 4, NORTH, SOUTH), True),
        (revised("a", 4, NORTH, NORTH), False),
        ((*revised("a", 4, NORTH, SOUTH), *revised("a", 5, SOUTH, NORTH)), False),
        ((*revised("a", 4, NORTH, SOUTH), *revised("a", 5, SOUTH, WEST)), True),
        ((*revised("a", 5, SOUTH, NORTH), *revised("a", 4, NORTH, SOUTH)), False),
        ((("a", "insert", 4, NORTH),), True),
        ((("a", "insert", 4, NORTH), *revised("a", 5, NORTH, SOUTH)), True),
        ((("a", "delete", 4, NORTH),), True),
        ((("a", "delete", 4, NORTH), ("a", "insert", 6, NORTH)), False),
        ((("a", "delete", 4, NORTH), ("a", "insert", 6, SOUTH)), True),
        ((("a", "insert", 4, NORTH), ("a", "delete", 5, NORTH)), False),
        ((*revised("a", 4, NORTH, SOUTH), ("a", "delete", 5, SOUTH)), True),
    ],
    ids=[
        "revised",
        "written again",
        "and back",
        "twice",
        "and back, the later told first",
        "new",
        "new and revised",
        "gone",
        "gone and back",
        "gone and back as another",
        "came and went",
        "revised and gone",
    ],
)
def test_a_machine_differs_when_it_says_something_else_than_before_all_commits(commits, differs):
    assert machines_that_differ(feed(*commits), ["site"]) == (["a"] if differs else [])


def test_only_the_columns_that_count_are_compared():
    changed = feed(
        *revised("a", 1, NORTH, SOUTH), *revised("b", 1, {"machine_class": "pump"}, {"machine_class": "fan"})
    )
    assert machines_that_differ(changed, ["machine_class"]) == ["b"]
    assert machines_that_differ(changed, ["machine_class", "site"]) == ["a", "b"]


@pytest.mark.parametrize(
    ("was", "now", "differs"),
    [
        (LIMITS, LIMITS, False),
        (LIMITS, [{"sensor": "v", "low": 0.5, "high": 4.6}], True),
        (LIMITS, [], True),
        ([], [], False),
        (LIMITS, [*LIMITS, {"sensor": "w", "low": 0.0, "high": 1.0}], True),
    ],
)
def test_lists_and_structures_are_compared_too(was, now, differs):
    changed = feed(*revised("a", 1, {"nominal_limits": was}, {"nominal_limits": now}))
    assert machines_that_differ(changed, ["nominal_limits"]) == (["a"] if differs else [])


@pytest.mark.parametrize(("was", "now", "differs"), [(None, None, False), (None, "x", True), ("x", None, True)])
def test_nothing_said_is_something_said_too(was, now, differs):
    changed = feed(*revised("a", 1, {"running_sensor": was}, {"running_sensor": now}))
    assert machines_that_differ(changed, ["running_sensor"]) == (["a"] if differs else [])


def test_a_new_machine_that_says_nothing_differs_in_nothing():
    new = ("a", "insert", 1, {"running_sensor": None, "nominal_limits": []})
    assert machines_that_differ(feed(new), ["running_sensor"]) == []
    assert machines_that_differ(feed(("a", "insert", 1, NORTH), (*new[:2], 2, NORTH)), ["site"]) == ["a"]


def test_without_news_no_machine_differs():
    assert machines_that_differ(NOTHING, ["site"]) == machines_that_differ(feed(), ["site"]) == []


@given(st.data())
@settings(max_examples=60)
def test_machines_differ_exactly_where_their_first_and_last_states_do(data):
    first = data.draw(st.dictionaries(st.sampled_from("abc"), st.sampled_from(["north", "south", None]), max_size=3))
    state, commits = dict(first), []
    for version in range(data.draw(st.integers(1, 4))):
        for machine in data.draw(st.sets(st.sampled_from("abc"))):
            now = data.draw(st.sampled_from(["north", "south", None, "gone"]))
            if machine in state:
                commits.append((machine, "delete", version, {"running_sensor": state.pop(machine)}))
            if now != "gone":
                commits.append((machine, "insert", version, {"running_sensor": now}))
                state[machine] = now
    shuffled = data.draw(st.permutations(commits))
    expected = [machine for machine in "abc" if first.get(machine) != state.get(machine)]
    event(f"commits: {len({version for _, _, version, _ in commits})}, differ: {len(expected)}")
    assert machines_that_differ(feed(*shuffled), ["running_sensor"]) == expected


# --- windows that are touched


def windows(hours: Sequence[float], seconds: int = 3600) -> pl.DataFrame:
    schema = {"recorded_at": pl.Datetime("us", "UTC"), "window_s": pl.Int64}
    return pl.DataFrame([(MONDAY + hour * HOUR, seconds) for hour in hours], schema, orient="row")


def spans(*feeds: pl.DataFrame) -> list[tuple[float, float]]:
    return [((since - MONDAY) / HOUR, (until - MONDAY) / HOUR) for since, until in touched_windows(*feeds)]


def test_windows_side_by_side_are_one_span_and_others_apart():
    assert spans(windows([4, 1, 0, 1, 7]), windows([5])) == [(0, 2), (4, 6), (7, 8)]


def test_windows_of_several_lengths_are_joined_where_they_overlap():
    assert spans(windows([0], 4 * 3600), windows([1, 3.5, 4]), windows([6], 600)) == [(0, 5), (6, 6 + 1 / 6)]


@pytest.mark.parametrize("feeds", [(), (NOTHING,), (windows([]), NOTHING)])
def test_without_news_no_window_is_touched(feeds):
    assert touched_windows(*feeds) == []


@given(st.lists(st.tuples(st.integers(0, 60), st.sampled_from([600, 3600, 7200])), min_size=1, max_size=15))
@settings(max_examples=60)
def test_spans_cover_every_window_and_nothing_else_and_lie_apart(places):
    frames = [windows([place / 2], seconds) for place, seconds in places]
    found = touched_windows(*frames)
    minutes = {minute for place, seconds in places for minute in range(30 * place, 30 * place + seconds // 60)}
    covered = [
        minute
        for since, until in found
        for minute in range(int((since - MONDAY) / timedelta(minutes=1)), int((until - MONDAY) / timedelta(minutes=1)))
    ]
    event(f"joined: {len(found) < len(places)}")
    assert sorted(minutes) == covered
    assert all(until < since for (_, until), (since, _) in pairwise(found))


def test_of_a_key_the_last_commit_says_whether_it_is_there():
    rows = [
        ("a", 1.0, 1, "insert"),
        ("a", 1.0, 2, "delete"),
        ("a", 2.0, 2, "insert"),
        ("b", 1.0, 1, "insert"),
        ("b", 1.0, 3, "delete"),
    ]
    feed = pl.DataFrame(rows, schema=["key", "value", "_commit_version", "_change_type"], orient="row")
    for order in (feed, feed.reverse(), feed.sample(fraction=1.0, shuffle=True, seed=1)):
        told = last_states(order, ["key"]).sort("key").select("key", "value", "_change_type").rows()
        assert told == [("a", 2.0, "insert"), ("b", 1.0, "delete")]


def test_of_versions_of_a_key_the_highest_counts_whichever_came_last():
    rows = [("a", 9.0, 5, 1, "insert"), ("a", 1.0, 4, 2, "insert")]
    schema = ["key", "value", "batch_seq", "_commit_version", "_change_type"]
    feed = pl.DataFrame(rows, schema=schema, orient="row")
    assert last_states(feed, ["key"], "batch_seq")["value"].to_list() == [9.0]
    assert last_states(feed.clear(), ["key"]).is_empty()
