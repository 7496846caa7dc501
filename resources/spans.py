"""Spans: which rows of a table a step reads and replaces, told to Polars and to Delta alike."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import polars as pl

MOST_RANGES = 40  # ranges in one predicate; beyond it whole days are read and written
LONGEST = timedelta(days=400)  # a span no longer than this can be told as a list of days
FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


class Span(NamedTuple):
    """A stretch of a table's time column, of some machines or of all."""

    since: datetime
    until: datetime  # excluded
    machines: tuple[str, ...] = ()  # none named: all


def at_moment(moment: datetime, *machines: str) -> Span:
    """The span that holds one moment and nothing else."""
    return Span(moment, moment + timedelta(microseconds=1), machines)


def all_time(machines: Iterable[str]) -> list[Span]:
    """Everything there is of some machines; no span where none is named."""
    named = tuple(sorted(set(machines)))
    return [Span(FIRST, LAST, named)] if named else []


def since(moments: Mapping[str, datetime]) -> list[Span]:
    """Of each machine what lies at its moment or later: one span for all machines of a moment."""
    machines: dict[datetime, list[str]] = {}
    for machine, moment in sorted(moments.items()):
        machines.setdefault(moment, []).append(machine)
    return [Span(moment, LAST, tuple(names)) for moment, names in sorted(machines.items())]


def days_between(days: Iterable[date]) -> list[Span]:
    """Whole days, neighbours joined."""
    joined: list[Span] = []
    for day in sorted(days):
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        if joined and joined[-1].until == start:
            joined[-1] = Span(joined[-1].since, start + timedelta(days=1))
        else:
            joined.append(Span(start, start + timedelta(days=1)))
    return joined


def rows_within(spans: Sequence[Span], time: str) -> pl.Expr:
    """Rows that lie in any of the spans, to the microsecond."""
    return pl.any_horizontal(pl.lit(False), *(_inside(span, time) for span in spans))


def few(spans: Sequence[Span]) -> Sequence[Span]:
    """The spans, or whole days around them where they are too many for one predicate."""
    if len(spans) <= MOST_RANGES:
        return spans
    return [span for span in spans if span.until - span.since > LONGEST]


def rows_around(spans: Sequence[Span], time: str) -> pl.Expr:
    """Rows to read for the spans: at least those within, and no more than whole days around them."""
    named = rows_within(few(spans), time)
    return named if len(spans) <= MOST_RANGES else named | pl.col("day").is_in(sorted(_days(spans)))


def predicate(spans: Sequence[Span], time: str) -> str:
    """The same rows as `rows_around`, as Delta's SQL."""
    told = [_within(span, time) for span in few(spans)]
    if len(spans) > MOST_RANGES and (days := sorted(_days(spans))):
        told.append(f"day IN ({', '.join(repr(day.isoformat()) for day in days)})")
    return f"({' OR '.join(told) or 'false'})"


def _days(spans: Iterable[Span]) -> set[date]:
    return {
        span.since.date() + timedelta(days=number)
        for span in spans
        if span.until - span.since <= LONGEST
        for number in range((span.until - timedelta(microseconds=1)).date().toordinal() - span.since.toordinal() + 1)
    }


def _inside(span: Span, time: str) -> pl.Expr:
    day, at = pl.col("day"), pl.col(time)
    rows = day.is_between(span.since.date(), span.until.date()) & at.is_between(span.since, span.until, closed="left")
    return rows & pl.col("machine_id").is_in(span.machines) if span.machines else rows


def _within(span: Span, time: str) -> str:
    told = (
        f"day >= '{span.since:%F}' AND day <= '{span.until:%F}'"
        f" AND {time} >= '{span.since:%FT%T.%fZ}' AND {time} < '{span.until:%FT%T.%fZ}'"
    )
    if span.machines:
        names = ", ".join("'" + name.replace("'", "''") + "'" for name in span.machines)
        told += f" AND machine_id IN ({names})"
    return f"({told})"
