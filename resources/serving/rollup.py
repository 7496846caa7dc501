"""The hourly rollup of the readings: refreshed where readings changed, late ones too.

Where the edition has continuous aggregates it is one. Those are refreshed outside a transaction, so the stale hours
are noted with the rows that changed and taken off the list afterwards: a crash in between loses nothing. Elsewhere it
is a table, refreshed in the transaction of the rows.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from resources.spans import Span, days_between

HOUR = timedelta(hours=1)
MOST_RANGES = 50  # refreshed one by one; of more, whole days are
HOURS = """
    INSERT INTO store.readings_hourly
    SELECT machine, sensor, time_bucket(INTERVAL '1 hour', recorded_at), count(*), avg(value), stddev_samp(value),
           min(value), max(value), last(value, recorded_at)
    FROM store.readings
    WHERE quality <> 3 AND recorded_at >= %s AND recorded_at < %s
    GROUP BY 1, 2, 3
    ORDER BY 1, 2, 3 -- hours of a series lie together
"""


def is_aggregate(connection: Any) -> bool:
    """Whether the server keeps the rollup itself."""
    kind = connection.execute("SELECT relkind FROM pg_class WHERE oid = 'store.readings_hourly'::regclass").fetchone()
    return bool(kind[0] == "v")


def touch(connection: Any, hours: Iterable[datetime]) -> None:
    """Refresh hours whose readings changed, or note that it is to be done after the commit."""
    aggregate = is_aggregate(connection)
    for since, until, _ in _ranges(hours):
        if aggregate:
            connection.execute("INSERT INTO store.stale_hours VALUES (%s, %s)", [since, until])
        else:
            connection.execute("DELETE FROM store.readings_hourly WHERE hour >= %s AND hour < %s", [since, until])
            connection.execute(HOURS, [since, until])


def orphans(connection: Any) -> list[datetime]:
    """Hours that the rollup tells of series that have no reading in them any more."""
    asked = """
        SELECT DISTINCT hour FROM (
            SELECT machine, sensor, hour FROM store.readings_hourly
            EXCEPT
            SELECT machine, sensor, time_bucket(INTERVAL '1 hour', recorded_at) FROM store.readings
        ) AS told
    """  # two sets, not a join by ranges: that took the smaller server out of its memory
    return [row[0] for row in connection.execute(asked)]


def catch_up(connection: Any) -> None:
    """Refresh what was noted; outside a transaction."""
    for since, until in connection.execute(
        "SELECT DISTINCT since, until FROM store.stale_hours ORDER BY since"
    ).fetchall():
        connection.execute("CALL refresh_continuous_aggregate('store.readings_hourly', %s, %s)", [since, until])
        connection.execute("DELETE FROM store.stale_hours WHERE since = %s AND until = %s", [since, until])


def _ranges(hours: Iterable[datetime]) -> list[Span]:
    """The hours in order, neighbours joined; of too many pieces whole days around them."""
    told, joined = sorted(set(hours)), list[Span]()
    for hour in told:
        if joined and hour <= joined[-1].until:
            joined[-1] = Span(joined[-1].since, hour + HOUR)
        else:
            joined.append(Span(hour, hour + HOUR))
    return joined if len(joined) <= MOST_RANGES else days_between({hour.date() for hour in told})
