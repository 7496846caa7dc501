"""Differences: what new rows change of old ones, lineage aside, and which spans must be written for it."""

from collections.abc import Mapping
from typing import Any

import polars as pl
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from unit.tables import DAY, HOUR, MONDAY

from resources.differences import Difference, Shape, difference
from resources.spans import MOST_RANGES, Span, at_moment, rows_around

SHAPE = Shape(key=("machine_id", "recorded_at"), time="recorded_at", lineage=("run_id",))
LIMITS = pl.List(pl.Struct({"sensor": pl.String, "high": pl.Float64}))
SCHEMA = {
    "machine_id": pl.String, "recorded_at": pl.Datetime("us", "UTC"), "value": pl.Float64, "limits": LIMITS,
    "run_id": pl.String,
}  # fmt: skip

Said = Mapping[tuple[str, int], Any]  # value by machine and hour


def rows(said: Said, *, run: str = "old", limits: Any = None) -> pl.DataFrame:
    told = [(machine, MONDAY + hour * HOUR, value, limits, run) for (machine, hour), value in said.items()]
    return pl.DataFrame(told, SCHEMA, orient="row").with_columns(day=pl.col("recorded_at").dt.date())


def changed(old: pl.DataFrame, new: pl.DataFrame) -> Difference:
    return difference(old, new, SHAPE)


def values(frame: pl.DataFrame) -> list[tuple[str, float | None]]:
    return frame.sort("machine_id", "recorded_at", "run_id").select("run_id", "value").rows()


OLD = {("a", 0): 1.0, ("a", 1): 2.0, ("b", 0): None}


def test_rows_that_say_the_same_in_any_order_and_of_another_run_are_no_difference():
    found = changed(rows(OLD), rows(dict(reversed(OLD.items())), run="new"))
    assert found.is_none
    assert (found.before.height, found.after.height, found.written) == (0, 0, 0)


def test_rows_that_come_go_and_change_are_touched_and_only_those_that_change_are_revised():
    found = changed(rows(OLD), rows({("a", 0): 1.0, ("a", 1): 3.0, ("c", 5): 4.0}, run="new"))
    assert not found.is_none
    assert values(found.touched) == [("new", 3.0), ("old", 2.0), ("old", None), ("new", 4.0)]
    assert (values(found.before), values(found.after)) == ([("old", 2.0)], [("new", 3.0)])


@pytest.mark.parametrize(
    ("was", "now", "differs"),
    [
        (None, None, False),
        (None, 0.0, True),
        (0.0, None, True),
        (1.0, 1.0 + 2**-52, True),
        (float("nan"), float("nan"), False),
    ],
)
def test_a_null_differs_from_a_value_and_from_no_null(was, now, differs):
    found = changed(rows({("a", 0): was}), rows({("a", 0): now}))
    assert (found.is_none, found.before.height) == (not differs, differs)


@pytest.mark.parametrize(
    ("now", "differs"),
    [([{"sensor": "v", "high": 1.0}], False), ([{"sensor": "v", "high": 2.0}], True), ([], True), (None, True)],
)
def test_lists_and_structures_are_compared_by_what_they_hold(now, differs):
    was = [{"sensor": "v", "high": 1.0}]
    found = changed(rows({("a", 0): 1.0}, limits=was), rows({("a", 0): 1.0}, limits=now))
    assert found.is_none != differs
    assert found.touched.schema["limits"] == LIMITS


def test_revised_rows_stand_in_order_of_the_key_before_and_after():
    old = {("b", 1): 1.0, ("a", 3): 1.0, ("a", 2): 1.0}
    found = changed(rows(old), rows(dict.fromkeys(sorted(old), 2.0)))
    keys = [frame.select(SHAPE.key).rows() for frame in (found.before, found.after)]
    assert keys[0] == keys[1] == sorted(keys[0])
    assert [machine for machine, _ in keys[0]] == ["a", "a", "b"]


@pytest.mark.parametrize(("old", "new"), [({}, {}), ({}, OLD), (OLD, {})])
def test_from_nothing_and_to_nothing_every_row_is_touched_and_none_revised(old, new):
    found = changed(rows(old), rows(new))
    assert (found.touched.height, found.before.height) == (len(old) + len(new), 0)


SOME = st.dictionaries(st.tuples(st.sampled_from("ab"), st.integers(0, 5)), st.sampled_from([1.0, 2.0, None]))


@given(SOME, SOME)
@settings(max_examples=80)
def test_a_difference_is_that_of_two_dictionaries(old, new):
    found = changed(rows(old), rows(new, run="new"))
    gone = {key: value for key, value in old.items() if key not in new or new[key] != value}
    come = {key: value for key, value in new.items() if key not in old or old[key] != value}
    event(f"gone: {bool(gone)}, come: {bool(come)}, revised: {bool(gone.keys() & come.keys())}")
    expected = pl.concat([rows(gone), rows(come, run="new")])
    order = ["machine_id", "recorded_at", "run_id"]
    assert found.touched.sort(order).equals(expected.sort(order))
    assert found.before.height == found.after.height == len(gone.keys() & come.keys())


# --- which spans must be written


EVERYTHING = None
WHOLE = Span(MONDAY, MONDAY + 400 * HOUR)


def touched(*places: tuple[str, int]) -> Difference:
    return changed(rows({}), rows(dict.fromkeys(places, 1.0)))


@pytest.mark.parametrize("asked", [EVERYTHING, [WHOLE]])
def test_a_few_moments_that_differ_are_written_each_for_all_machines(asked):
    found = touched(("a", 5), ("b", 5), ("a", 1)).spans(asked, "recorded_at")
    assert list(found) == [at_moment(MONDAY + HOUR), at_moment(MONDAY + 5 * HOUR)]


def test_where_machines_are_asked_for_only_theirs_are_written():
    asked = [Span(MONDAY, MONDAY + DAY, ("a", "b", "c")), Span(MONDAY + DAY, MONDAY + 2 * DAY)]
    found = touched(("b", 5), ("a", 5), ("a", 1)).spans(asked, "recorded_at")
    assert list(found) == [at_moment(MONDAY + HOUR, "a"), at_moment(MONDAY + 5 * HOUR, "a", "b")]


@pytest.mark.parametrize(("count", "is_told"), [(MOST_RANGES, True), (MOST_RANGES + 1, False)])
def test_moments_too_many_to_tell_are_whole_days_or_all_that_was_asked_for(count, is_told):
    found = touched(*(("a", hour) for hour in range(count)))
    moments = [at_moment(MONDAY + hour * HOUR) for hour in range(count)]
    assert list(found.spans(EVERYTHING, "recorded_at")) == (moments if is_told else [Span(MONDAY, MONDAY + 2 * DAY)])
    assert list(found.spans([WHOLE], "recorded_at")) == (moments if is_told else [WHOLE])


ASKED = st.sampled_from([EVERYTHING, [WHOLE], [Span(MONDAY, MONDAY + DAY, ("a",)), Span(MONDAY, MONDAY + 9 * DAY)]])


@given(st.sets(st.tuples(st.sampled_from("ab"), st.integers(0, 150)), min_size=1, max_size=60), ASKED)
@settings(max_examples=50)
def test_whatever_differs_lies_in_the_spans_that_are_written(places, asked):
    found = touched(*places)
    spans = found.spans(asked, "recorded_at")
    event(f"told one by one: {list(spans) != asked and len(spans) > 1}")
    assert found.touched.filter(rows_around(spans, "recorded_at")).height == len(places)
