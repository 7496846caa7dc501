"""Retention on a server: old chunks dropped, on every edition in the same way. The lake keeps what it has."""

from datetime import datetime
from typing import Any

from resources.serving.layout import BIG
from resources.serving.rollup import is_aggregate


def drop_before(connection: Any, moment: datetime) -> int:
    """Drop chunks that end before a moment; what comes from before it is not published again.

    Args:
        connection: Of the schema's owner, in autocommit.
        moment: UTC.

    Returns:
        How many chunks went.
    """
    dropped = 0
    with connection.transaction():
        for table in BIG:
            dropped += _drop(connection, table, moment)
            newest = f"(SELECT min(recorded_at) FROM store.{table})"  # the chunk that holds the moment stays whole
            connection.execute(
                f"INSERT INTO store.dropped SELECT %s, coalesce(least({newest}, %s), %s) "
                "ON CONFLICT (table_name) DO UPDATE SET before = greatest(excluded.before, store.dropped.before)",
                [table, moment, moment],
            )
        if not is_aggregate(connection):
            _drop(connection, "readings_hourly", moment)
    if is_aggregate(connection):
        with connection.transaction():
            _drop(connection, "readings_hourly", moment)
    return dropped


def _drop(connection: Any, table: str, moment: datetime) -> int:
    return len(connection.execute(f"SELECT drop_chunks('store.{table}', older_than => %s)", [moment]).fetchall())
