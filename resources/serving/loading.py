"""Loading: one table of the lake brought onto a server, so that both say the same after every commit.

What was taken is a row in the same transaction as the rows themselves: a connection that is lost, a server or a process
that is killed leave what was there before, and the next call goes on from it (docs/adr/0009).
"""

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import polars as pl

from pipelines.changes import last_states
from resources.lake import Lake
from resources.serving import rollup
from resources.serving.dictionaries import with_ids
from resources.serving.interface import Published
from resources.serving.layout import Layout
from resources.serving.staging import (
    bring,
    compare,
    copy,
    hours_that_differ,
    is_empty_within,
    plan_freely,
    remove_others,
    remove_staged,
    stage,
)
from resources.spans import Span

GROUP_ROWS = 1_000_000  # of the lake that are in memory at once while a whole table is taken
DECOMPRESS = """
    SELECT set_config(name, '0', true) FROM pg_settings
    WHERE name = 'timescaledb.max_tuples_decompressed_per_dml_transaction'
"""
"""No limit where there is one: a chunk of the columnstore that is touched may hold more."""
BEGINNING, END = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)


class Part(NamedTuple):
    """Rows of the lake to be brought at once.

    Attributes:
        rows: What is current.
        gone: Rows whose keys are not there any more.
        all_of: Span of the table's time, of which `rows` are all there are; None where they are only what changed.
    """

    rows: pl.DataFrame
    gone: pl.DataFrame
    all_of: Span | None = None


class _Done(NamedTuple):
    upserted: int
    deleted: int
    hours: list[datetime]


def publish(connection: Any, lake: Lake, layout: Layout) -> Published | None:
    """Bring one table up to date; None where no row changed. One process at a time (`TimescaleServing` sees to it).

    Args:
        connection: Of psycopg, in autocommit.
        lake: Whose table.
        layout: The table.
    """
    begun, table = time.monotonic(), layout.table
    noted = connection.execute("SELECT table_id, version FROM store.taken WHERE table_name = %s", [table]).fetchone()
    changes = lake.changes(table, noted)
    if noted == (changes.table_id, changes.version):
        return None
    rows, done = 0, []
    with connection.transaction():
        connection.execute(DECOMPRESS)
        kept_from = _kept_from(connection, table)
        for part in _whole(lake, layout, kept_from) if changes.rows is None else _news(changes.rows, layout, kept_from):
            done.append(load(connection, layout, part))
            rows += part.rows.height + part.gone.height
        if table == "readings":
            gone = rollup.orphans(connection) if changes.rows is None else []
            rollup.touch(connection, [*gone, *(hour for each in done for hour in each.hours)])
        connection.execute(
            "INSERT INTO store.taken VALUES (%s, %s, %s, now()) ON CONFLICT (table_name) DO UPDATE SET "
            "table_id = excluded.table_id, version = excluded.version, taken_at = excluded.taken_at",
            [table, changes.table_id, changes.version],
        )
    if changes.rows is not None and not rows:  # commits that changed no row
        return None
    return Published(
        table,
        changes.version,
        changes.rows is None,
        rows,
        sum(each.upserted for each in done),
        sum(each.deleted for each in done),
        time.monotonic() - begun,
    )


def _kept_from(connection: Any, table: str) -> datetime:
    """Before this moment the server keeps nothing (`retention`)."""
    found = connection.execute("SELECT before FROM store.dropped WHERE table_name = %s", [table]).fetchone()
    return found[0] if found else BEGINNING


def _news(changed: pl.DataFrame, layout: Layout, kept_from: datetime) -> Iterator[Part]:
    if changed.is_empty():
        return
    if layout.is_big and layout.time is not None:
        changed = changed.filter(pl.col(layout.time) >= kept_from)
    states = last_states(changed, layout.seen_key, layout.order)
    gone = pl.col("_change_type") == "delete"
    yield Part(states.filter(~gone), states.filter(gone))


def _whole(lake: Lake, layout: Layout, kept_from: datetime) -> Iterator[Part]:
    """All rows, some days at a time; the spans of the parts follow each other without a gap."""
    if not layout.is_big:
        rows = _current(lake.read(layout.table), layout)
        yield Part(rows, rows.clear(), Span(BEGINNING, END))
        return
    assert layout.time is not None
    since = kept_from
    for until in [*_cuts(lake.rows_of_days(layout.table)), END]:
        if until > since:
            rows = _current(lake.read(layout.table, spans=[Span(since, until)], time=layout.time), layout)
            yield Part(rows, rows.clear(), Span(since, until))
            since = until


def _current(rows: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    return rows.sort(layout.order).unique(layout.seen_key, keep="last") if layout.order else rows


def _cuts(rows_of_days: dict[date, int]) -> Iterator[datetime]:
    """Midnights between groups of days, each of about as many rows as fit into memory with ease."""
    held = 0
    for day, rows in rows_of_days.items():
        if held and held + rows > GROUP_ROWS:
            yield datetime(day.year, day.month, day.day, tzinfo=UTC)
            held = 0
        held += rows


def load(connection: Any, layout: Layout, part: Part) -> _Done:
    """One part; straight in where the table has nothing in its span, else by way of a stage."""
    deleted, hours = _remove(connection, layout, part.gone)
    if part.rows.is_empty() and part.all_of is None:
        return _Done(0, deleted, hours)
    rows = with_ids(connection, layout, part.rows)
    within = part.all_of or _span_of(rows, layout)
    if layout.table == "readings":
        _note_series(connection, rows)
    if is_empty_within(connection, layout, within):
        if not rows.is_empty():
            copy(connection, layout, rows, into=f"store.{layout.table}")
        return _Done(rows.height, deleted, hours + _hours(rows, layout))
    stage(connection, layout, rows)
    upserted = compare(connection, layout, within, newer_only=part.all_of is None)
    if upserted:
        bring(connection, layout, within)
        hours += hours_that_differ(connection) if layout.table == "readings" else []
    if part.all_of is not None:
        others, at = remove_others(connection, layout, within, staged=rows.height)
        deleted += others
        hours += at if layout.table == "readings" else []
    plan_freely(connection)
    return _Done(upserted, deleted, hours)


def _remove(connection: Any, layout: Layout, gone: pl.DataFrame) -> tuple[int, list[datetime]]:
    if gone.is_empty():
        return 0, []
    rows = with_ids(connection, layout, gone)
    stage(connection, layout, rows)
    removed = remove_staged(connection, layout, _span_of(rows, layout))
    plan_freely(connection)
    return removed, _hours(rows, layout)


def _note_series(connection: Any, rows: pl.DataFrame) -> None:
    """Which sensors each machine has: the newest reading of each is looked up series by series."""
    series = rows.select("machine", "sensor").unique().sort("machine", "sensor")
    connection.execute(
        "INSERT INTO store.series SELECT * FROM unnest(%s::int[], %s::int[]) AS told (machine, sensor) "
        "WHERE NOT EXISTS (SELECT FROM store.series s WHERE s.machine = told.machine AND s.sensor = told.sensor)",
        [series["machine"].to_list(), series["sensor"].to_list()],
    )


def _span_of(rows: pl.DataFrame, layout: Layout) -> Span | None:
    if layout.time is None or rows.is_empty():
        return None
    first, last = rows.select(pl.col(layout.time).min().alias("a"), pl.col(layout.time).max().alias("b")).row(0)
    return Span(first, last + timedelta(microseconds=1))


def _hours(rows: pl.DataFrame, layout: Layout) -> list[datetime]:
    if layout.table != "readings":
        return []
    return rows["recorded_at"].dt.truncate("1h").unique().to_list()
