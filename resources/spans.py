"""Spans: which rows of a table a step reads and replaces, told to Polars and to Delta alike."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import polars as pl

MOST_RANGES = 40  # ranges in one predicate; beyond it whole days are read and written
LONGEST = timedelta(days=400)  # a span no longer than this can be told as a list of days
TIME = pl.Datetime("us", "UTC")
FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


class Span(NamedTuple):
    """A stretch of a table's time column, of some machines or of all."""

    since: datetime
    until: datetime  # excluded
    machines: tuple[str, ...] = ()  # none named: all


def at_moment(moment: datetime, *machines: str) -> Span:
    """The span that holds one moment and nothing else."""
    return Span(moment, moment + timedelta(microseconds=1), machines)


def through(first: datetime, last: datetime, *machines: str) -> Span:
    """The span from one moment to another, both within."""
    return Span(first, last + timedelta(microseconds=1), machines)


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
    return [Span(*pair) for pair in _joined((_midnight(day), _midnight(day) + timedelta(days=1)) for day in days)]


def rows_within(spans: Sequence[Span], time: str) -> pl.Expr:
    """Rows that lie in any of the spans, to the microsecond."""
    if len(spans) > MOST_RANGES:
        return _looked_up(spans, time)
    return pl.any_horizontal(pl.lit(False), *(_inside(span, time) for span in spans))


def few(spans: Sequence[Span]) -> Sequence[Span]:
    """The spans; of too many for one predicate the long ones, those that begin on one day as one from its midnight on.

    A thousand ranges, as of so many machines each from a moment of its own on, would take Delta a quarter of a minute.
    """
    if len(spans) <= MOST_RANGES:
        return spans
    long: dict[tuple[datetime, datetime, bool], set[str]] = {}
    for since, until, machines in spans:
        if until - since > LONGEST:
            long.setdefault((_midnight(since), until, not machines), set()).update(machines)
    return [Span(since, until, tuple(sorted(machines))) for (since, until, _), machines in sorted(long.items())]


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


def _looked_up(spans: Sequence[Span], time: str) -> pl.Expr:
    """The same as the ranges, for any number of them: their bounds are searched, not tried one after the other."""
    at, machine = pl.col(time), pl.col("machine_id")
    own: dict[str, list[tuple[datetime, datetime]]] = {}
    for span in spans:
        for name in span.machines:
            own.setdefault(name, []).append((span.since, span.until))
    bounds = [bound for pair in _joined(span[:2] for span in spans if not span.machines) for bound in pair]
    held = [pl.lit(pl.Series(bounds, dtype=TIME)).search_sorted(at, side="right") % 2 == 1] if bounds else []
    own = {name: _joined(pairs) for name, pairs in own.items()}
    for number in range(max(map(len, own.values()), default=0)):  # the first of each machine, the second of each, ...
        pairs = {name: pairs[number] for name, pairs in own.items() if number < len(pairs)}
        since, until = (
            machine.replace_strict(list(pairs), list(bounds), default=None, return_dtype=TIME)
            for bounds in zip(*pairs.values(), strict=True)
        )
        held.append(((at >= since) & (at < until)).fill_null(False))
    return pl.any_horizontal(pl.lit(False), *held)


def _joined(pairs: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """The same stretches of time in order and apart."""
    joined: list[tuple[datetime, datetime]] = []
    for since, until in sorted(pairs):
        if joined and since <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(until, joined[-1][1]))
        else:
            joined.append((since, until))
    return joined


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


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
