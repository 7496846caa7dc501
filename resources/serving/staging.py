"""Staging: rows into a table where there are none, or beside it to be compared with what it holds.

What is compared is one join of all rows, and only what differs is written. `INSERT ... ON CONFLICT DO UPDATE WHERE`
says the same in one statement, but locks, and so writes, every row that it leaves as it is (docs/adr/0009).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import polars as pl

from resources.serving.binary_copy import encoded, is_fixed_width
from resources.serving.layout import Layout
from resources.spans import Span

FEW = 1_000


def is_empty_within(connection: Any, layout: Layout, within: Span | None) -> bool:
    """Whether the table has no row in a span of its time; None of it: no row at all."""
    condition, values = _within(layout, within)
    asked = f"SELECT NOT EXISTS (SELECT FROM store.{layout.table} t WHERE {condition})"
    return bool(connection.execute(asked, values).fetchone()[0])


def copy(connection: Any, layout: Layout, rows: pl.DataFrame, *, into: str) -> None:
    """Rows, as they are stored, into a table of the same columns."""
    types = {column.name: column.type for column in layout.columns}
    target = f"{into} ({_listed(layout.names)})"
    with connection.cursor() as cursor:
        if is_fixed_width(types):
            with cursor.copy(f"COPY {target} FROM STDIN (FORMAT binary)") as stream:
                for piece in encoded(rows, types):
                    stream.write(piece)
        else:
            with cursor.copy(f"COPY {target} FROM STDIN") as stream:
                for row in rows.iter_rows():
                    stream.write_row(row)


def stage(connection: Any, layout: Layout, rows: pl.DataFrame) -> None:
    """Rows, as they are stored, into a temporary table of the transaction: `pg_temp.stage`."""
    connection.execute("DROP TABLE IF EXISTS pg_temp.stage, pg_temp.differing")
    connection.execute(f"CREATE TEMP TABLE stage (LIKE store.{layout.table}) ON COMMIT DROP")
    copy(connection, layout, rows, into="pg_temp.stage")
    connection.execute("ANALYZE pg_temp.stage")
    _plan_for(connection, rows.height)


def _plan_for(connection: Any, rows: int) -> None:
    """Few rows are looked up by the key, many are joined by their hash.

    Said, not left to the planner: of a table that was just loaded it has no statistics yet, and then joins by part of
    the key (three minutes instead of one second for 130,000 rows).
    """
    few = rows <= FEW
    connection.execute("SET LOCAL enable_mergejoin = off")
    connection.execute(f"SET LOCAL enable_nestloop = {'on' if few else 'off'}")
    connection.execute(f"SET LOCAL enable_seqscan = {'off' if few else 'on'}")


def compare(connection: Any, layout: Layout, within: Span | None, *, newer_only: bool) -> int:
    """Put into `pg_temp.differing` what of the stage a table lacks or says otherwise.

    Args:
        connection: In the transaction of the stage.
        layout: Of the table.
        within: Of its time, where all rows of the stage lie.
        newer_only: Leave a row as it is that says more than the stage by `layout.order`.

    Returns:
        How many rows that are.
    """
    condition, values = _within(layout, within)
    told = f"({_listed(layout.rest, 't')}) IS DISTINCT FROM ({_listed(layout.rest, 's')})"
    if newer_only and layout.order:
        told += f" AND (t.{layout.order} IS NULL OR t.{layout.order} <= s.{layout.order})"
    made = connection.execute(
        f"CREATE TEMP TABLE differing ON COMMIT DROP AS SELECT s.*, t.{layout.key[0]} IS NOT NULL AS is_known "
        f"FROM pg_temp.stage s LEFT JOIN store.{layout.table} t ON {_same_key(layout, 's')} AND {condition} "
        f"WHERE {told}",
        values,
    )
    connection.execute("ANALYZE pg_temp.differing")
    return int(made.rowcount)


def bring(connection: Any, layout: Layout, within: Span | None) -> None:
    """Put what differs in its place."""
    condition, values = _within(layout, within)
    assigned = ", ".join(f'"{name}" = d."{name}"' for name in layout.rest)
    connection.execute(
        f"UPDATE store.{layout.table} t SET {assigned} FROM pg_temp.differing d "
        f"WHERE d.is_known AND {_same_key(layout, 'd')} AND {condition}",
        values,
    )
    names = _listed(layout.names)
    connection.execute(
        f"INSERT INTO store.{layout.table} ({names}) SELECT {names} FROM pg_temp.differing WHERE NOT is_known"
    )


def remove_staged(connection: Any, layout: Layout, within: Span | None) -> int:
    """Take away the rows whose keys are staged; how many there were."""
    condition, values = _within(layout, within)
    gone = f"DELETE FROM store.{layout.table} t USING pg_temp.stage s WHERE {_same_key(layout, 's')} AND {condition}"
    return int(connection.execute(gone, values).rowcount)


def remove_others(connection: Any, layout: Layout, within: Span | None, *, staged: int) -> list[Any]:
    """Take away the rows of a span whose keys are not staged, once all that are staged are there.

    Returns:
        Of each its time; a null where the table has none.
    """
    condition, values = _within(layout, within)
    counted = f"SELECT count(*) FROM store.{layout.table} t WHERE {condition}"
    if connection.execute(counted, values).fetchone()[0] == staged:
        return []
    gone = (
        f"DELETE FROM store.{layout.table} t WHERE {condition} "
        f"AND NOT EXISTS (SELECT FROM pg_temp.stage s WHERE {_same_key(layout, 's')}) RETURNING {layout.time or 'NULL'}"
    )
    return [row[0] for row in connection.execute(gone, values)]


def hours_that_differ(connection: Any) -> list[datetime]:
    """Hours of the readings in `pg_temp.differing`."""
    asked = "SELECT DISTINCT time_bucket(INTERVAL '1 hour', recorded_at) FROM pg_temp.differing"
    return [row[0] for row in connection.execute(asked)]


def _within(layout: Layout, within: Span | None) -> tuple[str, list[datetime]]:
    if within is None or layout.time is None:
        return "true", []
    return f"t.{layout.time} >= %s AND t.{layout.time} < %s", [within.since, within.until]


def _same_key(layout: Layout, other: str) -> str:
    return " AND ".join(f"t.{name} = {other}.{name}" for name in layout.key)


def _listed(names: Sequence[str], of: str = "") -> str:
    return ", ".join(f'{of}."{name}"' if of else f'"{name}"' for name in names)
