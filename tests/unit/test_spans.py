"""Spans: the same rows are read, kept and replaced, whether Polars or Delta is told which."""

from datetime import UTC, date, datetime, timedelta

import duckdb
import polars as pl
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from unit.tables import DAY, HOUR, MONDAY

from resources.spans import (
    FIRST,
    LAST,
    LONGEST,
    MOST_RANGES,
    Span,
    all_time,
    at_moment,
    days_between,
    predicate,
    rows_around,
    rows_within,
    since,
)

MICROSECOND = timedelta(microseconds=1)
SCHEMA = {"machine_id": pl.String, "recorded_at": pl.Datetime("us", "UTC")}
MACHINES = ("a", "b", "it's")


def rows(*places: tuple[str, datetime]) -> pl.DataFrame:
    frame = pl.DataFrame(list(places), SCHEMA, orient="row").with_columns(day=pl.col("recorded_at").dt.date())
    return frame.with_row_index("row")


def hours(since: float, until: float, *machines: str) -> Span:
    return Span(MONDAY + since * HOUR, MONDAY + until * HOUR, machines)


def told(frame: pl.DataFrame, expression: pl.Expr) -> set[int]:
    return set(frame.filter(expression)["row"])


def told_by_sql(frame: pl.DataFrame, condition: str) -> set[int]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("frame", frame.to_arrow())
        return {row for (row,) in connection.execute(f"SELECT row FROM frame WHERE {condition}").fetchall()}


# --- making them


def test_a_moment_is_a_span_that_holds_it_and_nothing_else():
    frame = rows(*(("a", MONDAY + n * MICROSECOND) for n in (-1, 0, 1)), ("b", MONDAY))
    assert told(frame, rows_within([at_moment(MONDAY)], "recorded_at")) == {1, 3}
    assert told(frame, rows_within([at_moment(MONDAY, "b")], "recorded_at")) == {3}


def test_all_time_holds_every_row_of_the_machines_named_and_no_span_names_none():
    frame = rows(("a", FIRST), ("b", LAST - MICROSECOND), ("it's", MONDAY))
    assert told(frame, rows_within(all_time(["b", "a", "b"]), "recorded_at")) == {0, 1}
    assert all_time(["b", "a", "b"]) == [Span(FIRST, LAST, ("a", "b"))]
    assert all_time([]) == []


def test_since_a_moment_of_each_machine_machines_of_one_moment_share_a_span():
    moments = {"c": MONDAY, "a": MONDAY + DAY, "b": MONDAY}
    assert since(moments) == [Span(MONDAY, LAST, ("b", "c")), Span(MONDAY + DAY, LAST, ("a",))]
    frame = rows(("a", MONDAY), ("a", MONDAY + DAY), ("b", MONDAY - MICROSECOND), ("b", MONDAY), ("d", MONDAY))
    assert told(frame, rows_within(since(moments), "recorded_at")) == {1, 3}
    assert since({}) == []


def test_days_side_by_side_are_one_span():
    days = {date(2026, 1, 7), date(2026, 1, 5), date(2026, 1, 6), date(2026, 1, 9)}
    assert days_between(days) == [Span(MONDAY, MONDAY + 3 * DAY), Span(MONDAY + 4 * DAY, MONDAY + 5 * DAY)]
    assert days_between([]) == []


# --- the rows they hold


@pytest.mark.parametrize(
    ("spans", "held"),
    [
        ([], []),
        ([hours(0, 0)], []),
        ([hours(0, 1)], [0]),
        ([hours(23, 25)], [23, 24]),
        ([hours(1, 3), hours(2, 5)], [1, 2, 3, 4]),
        ([hours(1, 3, "b")], []),
        ([hours(1, 3, "b"), hours(2, 3, "a", "b")], [2]),
    ],
)
def test_a_span_holds_its_start_and_not_its_end_and_only_its_machines(spans, held):
    frame = rows(*(("a", MONDAY + hour * HOUR) for hour in range(26)))
    assert told(frame, rows_within(spans, "recorded_at")) == set(held)
    assert told(frame, rows_around(spans, "recorded_at")) == set(held)
    assert told_by_sql(frame, predicate(spans, "recorded_at")) == set(held)


def test_spans_follow_the_column_that_is_named():
    frame = rows(("a", MONDAY)).rename({"recorded_at": "started_at"})
    assert told(frame, rows_within([hours(0, 1)], "started_at")) == {0}
    assert told_by_sql(frame, predicate([hours(0, 1)], "started_at")) == {0}


def test_more_spans_than_fit_a_predicate_are_whole_days_of_all_machines():
    spans = [hours(2 * n, 2 * n + 1, "a") for n in range(MOST_RANGES + 1)]
    days = {span.since.date() for span in spans}
    frame = rows(*((name, MONDAY + hour * HOUR) for hour in range(-3, 120) for name in MACHINES))
    around = set(frame.filter(pl.col("day").is_in(days))["row"])
    assert told(frame, rows_around(spans, "recorded_at")) == around
    assert told_by_sql(frame, predicate(spans, "recorded_at")) == around
    assert len(told(frame, rows_within(spans, "recorded_at"))) == MOST_RANGES + 1


@pytest.mark.parametrize("until", [LAST, MONDAY + LONGEST + MICROSECOND])
def test_among_many_spans_one_too_long_for_a_list_of_days_stays_a_range_of_its_machines(until):
    spans = [*(hours(24 * n, 24 * n + 1, "a") for n in range(MOST_RANGES)), Span(MONDAY, until, ("b",))]
    frame = rows(("b", until - MICROSECOND), ("c", until - DAY), ("a", MONDAY + 5 * HOUR), ("a", MONDAY + 50 * DAY))
    assert told(frame, rows_around(spans, "recorded_at")) == {0, 2}
    assert told_by_sql(frame, predicate(spans, "recorded_at")) == {0, 2}
    assert "IN ('2026-01-05'" in predicate(spans, "recorded_at")


def test_a_span_that_ends_at_midnight_takes_no_further_day():
    spans = [hours(48 * n, 48 * n + 24) for n in range(MOST_RANGES + 1)]
    frame = rows(*(("a", MONDAY + n * DAY) for n in range(10)))
    assert told(frame, rows_around(spans, "recorded_at")) == {0, 2, 4, 6, 8}


def test_many_spans_that_are_too_long_for_days_are_ranges_from_midnight_on_one_for_all_machines_of_a_day():
    spans = since({f"m{n}": MONDAY + n * HOUR for n in range(MOST_RANGES + 1)})
    frame = rows(*((name, MONDAY + n * HOUR) for n in range(MOST_RANGES + 2) for name in ("m0", "m40", "m41")))
    assert len(told(frame, rows_within(spans, "recorded_at"))) == MOST_RANGES + 2 + 2
    around = {("m0", n) for n in range(MOST_RANGES + 2)} | {("m40", n) for n in range(24, MOST_RANGES + 2)}
    found = told(frame, rows_around(spans, "recorded_at"))
    assert {(name, (at - MONDAY) / HOUR) for row, name, at, _ in frame.rows() if row in found} == around
    assert told_by_sql(frame, predicate(spans, "recorded_at")) == found
    assert predicate(spans, "recorded_at").count("recorded_at >=") == 2


AT = (
    st.integers(-30, 80 * 24).map(lambda hour: MONDAY + hour * HOUR)
    | st.integers(-3, 3).map(lambda n: MONDAY + n * MICROSECOND)
    | st.sampled_from([FIRST, MONDAY + DAY - MICROSECOND, datetime(2099, 12, 31, 23, tzinfo=UTC)])
)
NAMES = st.lists(st.sampled_from(MACHINES), max_size=2, unique=True).map(tuple)
SHORT = st.builds(lambda at, n, names: Span(at, at + n * HOUR, names), AT, st.integers(0, 50), NAMES)
LONG = st.builds(lambda at, names: Span(at, LAST, names), AT, NAMES)
ANY = SHORT | LONG | st.builds(lambda at, names: at_moment(at, *names), AT, NAMES)
MANY = {"min_size": MOST_RANGES - 1, "max_size": MOST_RANGES + 3}
SPANS = st.lists(ANY, max_size=6) | st.lists(SHORT | ANY, **MANY) | st.lists(LONG, **MANY)


@given(SPANS, st.lists(st.tuples(st.sampled_from(MACHINES), AT), min_size=1, max_size=40))
@settings(max_examples=50)
def test_polars_and_sql_are_told_the_same_rows_and_all_that_lie_within(spans, places):
    held = [at for span in spans for at in (span.since, span.until, span.until - MICROSECOND) if at < LAST]
    frame = rows(*places, *((name, at) for name in MACHINES for at in held[:30]))
    within, around = (told(frame, name(spans, "recorded_at")) for name in (rows_within, rows_around))
    by_hand = {
        row
        for row, name, at, _ in frame.rows()
        if any(span.since <= at < span.until and (not span.machines or name in span.machines) for span in spans)
    }
    event(f"too many: {len(spans) > MOST_RANGES}, held: {bool(within)}, more around: {around != within}")
    assert within == by_hand
    assert around >= within
    assert told_by_sql(frame, predicate(spans, "recorded_at")) == around
    if len(spans) <= MOST_RANGES:
        assert around == within
    else:
        touched = {
            span.since.date() + n * DAY for span in spans for n in range(min((span.until - span.since).days + 2, 9))
        }
        long = told(frame, rows_within([span for span in spans if span.until - span.since > LONGEST], "recorded_at"))
        assert set(frame.filter(pl.col("row").is_in(around - long))["day"]) <= touched
