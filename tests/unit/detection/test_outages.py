"""Outages: a live source that says nothing beyond what is usual for it is one; what is imported is not."""

import itertools
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.tables import HOUR, MONDAY, finished, table

from pipelines.detection.outages import WATCHED, outages, usual_silence, watched_until

MINUTE = timedelta(minutes=1)
WINDOW = 10 * MINUTE
NEWEST = MONDAY + 24 * HOUR
STEADY = [MONDAY + WINDOW * n for n in range(144)]


def looked(
    now: datetime,
    told: list[dict[str, Any]] | None = None,
    *,
    windows: list[datetime] = STEADY,
    newest: datetime = NEWEST,
    late: timedelta = MINUTE,
) -> list[dict[str, Any]]:
    rows = outages(
        table("outages", told or []),
        pl.Series(windows, dtype=pl.Datetime("us", "UTC")),
        source="plant",
        newest=newest,
        landed_at=newest + late,
        until=watched_until(newest, now=now),
    )
    return finished("outages", rows).sort("since").select("since", "until", "is_open", "usual_s").to_dicts()


def outage(until: datetime, *, since: datetime = NEWEST, is_open: bool = True, usual: timedelta = WINDOW):
    return {"since": since, "until": until, "is_open": is_open, "usual_s": int(usual.total_seconds())}


@pytest.mark.parametrize(
    ("silence", "found"),
    [
        (timedelta(0), []),
        (59 * MINUTE, []),
        (HOUR, [outage(NEWEST + HOUR)]),
        (3 * HOUR + 59 * MINUTE, [outage(NEWEST + 3 * HOUR)]),
        (WATCHED - MINUTE, [outage(NEWEST + WATCHED - HOUR)]),
        (WATCHED, []),
        (1000 * WATCHED, []),
    ],
)
def test_a_silence_is_an_outage_from_an_hour_to_a_week(silence, found):
    assert looked(NEWEST + silence) == found


def test_a_source_that_rests_at_night_is_out_when_it_rests_twice_as_long():
    days = [MONDAY + timedelta(days=day) + WINDOW * n for day in range(5) for n in range(96)]  # 16 of 24 hours
    newest, night = days[-1] + WINDOW, 8 * HOUR + WINDOW
    assert looked(newest + 2 * night - HOUR, windows=days, newest=newest) == []
    (found,) = looked(newest + 2 * night + HOUR, windows=days, newest=newest)
    assert (found["usual_s"], found["is_open"]) == (night.total_seconds(), True)


def test_an_outage_before_does_not_count_as_usual():
    before = outage(MONDAY + 12 * HOUR, since=MONDAY + 2 * HOUR, is_open=False)
    windows = [at for at in STEADY if not before["since"] < at < before["until"]]
    assert looked(NEWEST + 2 * HOUR, [before], windows=windows) == [before, outage(NEWEST + 2 * HOUR)]
    assert looked(NEWEST + 2 * HOUR, windows=windows) == []


def test_what_is_imported_long_after_it_was_measured_falls_silent_by_nature():
    assert looked(NEWEST + 3 * HOUR, late=HOUR - MINUTE) == [outage(NEWEST + 3 * HOUR)]
    assert looked(NEWEST + 3 * HOUR, late=HOUR) == []


def test_an_outage_grows_with_the_clock_for_a_week_and_is_closed_when_the_source_is_heard():
    told = looked(NEWEST + 2 * HOUR)
    told = looked(NEWEST + 5 * HOUR, told)
    assert told == [outage(NEWEST + 5 * HOUR)]
    assert looked(NEWEST + 4 * HOUR, told) == told  # a run that was asked for earlier
    assert looked(NEWEST + 2 * WATCHED, told) == [outage(NEWEST + WATCHED)]
    heard = NEWEST + 6 * HOUR
    closed = [outage(heard + MINUTE, is_open=False)]
    assert looked(heard, told, newest=heard) == closed
    assert looked(heard + 2 * HOUR, closed, newest=heard) == [*closed, outage(heard + 2 * HOUR, since=heard)]


@given(st.lists(st.integers(0, 200), max_size=20), st.lists(st.integers(0, 200), max_size=5))
def test_usual_is_the_longest_step_in_which_no_outage_began(hours, began):
    starts = sorted({MONDAY + hour * HOUR for hour in hours})
    outs = [MONDAY + hour * HOUR for hour in began]
    steps = [b - a for a, b in itertools.pairwise(starts) if not any(a <= out < b for out in outs)]
    series = pl.Series([MONDAY + hour * HOUR for hour in hours], dtype=pl.Datetime("us", "UTC"))
    assert usual_silence(series, outs) == max(steps, default=timedelta(0))
