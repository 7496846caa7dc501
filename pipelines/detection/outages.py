"""Outages: a source of which nothing comes any more, seen by the clock and by how it used to speak."""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

from pipelines.contracts.enforce import computed
from pipelines.contracts.outages import OUTAGES

SHORTEST = timedelta(hours=1)
FACTOR = 2.0
"""A silence is an outage from so many times the longest usual one on."""
LOOK_BACK = timedelta(days=28)
LIVE = timedelta(hours=1)
"""Readings of a live source land before this time is over; what is imported from an archive falls silent by nature."""
WATCHED = timedelta(days=7)
"""An outage is not watched longer, and a silence that is older when it is first looked at is none."""
VERSION = hashlib.sha256(f"outages/1|{SHORTEST}|{FACTOR}|{LOOK_BACK}|{LIVE}|{WATCHED}".encode()).hexdigest()[:16]


def watched_until(newest: datetime | None, *, now: datetime) -> datetime | None:
    """The full hour up to which a source is known to have said nothing; None while its silence is short."""
    if newest is None or now - newest < SHORTEST:
        return None
    return min(now.replace(minute=0, second=0, microsecond=0), newest + WATCHED)


def outages(
    told: pl.DataFrame,
    windows: pl.Series,
    *,
    source: str,
    newest: datetime,
    landed_at: datetime,
    until: datetime | None,
) -> pl.DataFrame:
    """All outages of one source: those that were told, closed where it spoke again, and the one it is in.

    Args:
        told: `outages` contract: those known.
        windows: Starts of the windows in which it spoke, `LOOK_BACK` before `newest`.
        source: Its name.
        newest: Moment of its newest reading.
        landed_at: When that landed.
        until: Of `watched_until`.
    Returns:
        Columns of `outages` without `day` and `run_id`.
    """
    schema = computed(OUTAGES)
    rows = {row["since"]: row for row in told.select(schema.names()).to_dicts()}
    for row in rows.values():
        if row["is_open"] and row["since"] < newest:
            row.update(until=landed_at, is_open=False)
    if until is not None and newest in rows:
        rows[newest]["until"] = max(until, rows[newest]["until"])
    elif until is not None and landed_at - newest < LIVE and until - newest < WATCHED:
        usual = usual_silence(windows, [*rows])
        if until - newest >= max(SHORTEST, FACTOR * usual):
            seconds = int(usual.total_seconds())
            rows[newest] = dict(zip(schema, (source, newest, until, True, seconds), strict=True))
    return pl.DataFrame(list(rows.values()), schema=schema)


def usual_silence(windows: pl.Series, outages: Sequence[datetime]) -> timedelta:
    """Longest time from one window to the next, those in which an outage began left out; zero where there is none.

    Args:
        windows: Their starts.
        outages: Moments at which outages began.
    """
    starts = windows.unique().sort()
    gaps = pl.DataFrame({"since": starts.head(-1), "until": starts.tail(-1)})
    for moment in outages:
        gaps = gaps.filter(~((pl.col("since") <= moment) & (pl.col("until") > moment)))
    longest = (gaps["until"] - gaps["since"]).max()
    return longest if isinstance(longest, timedelta) else timedelta(0)
