"""`bench load` and `bench query`: the server's own speed, and what is left of it on our way there."""

import math
import shutil
import statistics
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import numpy as np
import polars as pl

from jobs.bench_row import row
from jobs.failures import CommandError
from resources.serving.binary_copy import encoded
from resources.serving.dictionaries import with_ids
from resources.serving.layout import LAYOUTS
from resources.serving.loading import BEGINNING, END, Part, load
from resources.serving.rollup import catch_up, touch
from resources.serving.timescale import TimescaleServing
from resources.settings import from_environment
from resources.spans import Span

READINGS = LAYOUTS["readings"]
START = datetime(2026, 1, 5, tzinfo=UTC)
NEWEST = """
    SELECT DISTINCT ON (machine, sensor) machine, sensor, recorded_at, value
    FROM store.readings ORDER BY machine, sensor, recorded_at DESC
"""
LOADS, QUERIES, SLOW_QUERIES = 5, 40, 5
SIZE = "SELECT sum(pg_total_relation_size(c)) FROM show_chunks('store.readings') c"


def load_speed(rows: int = 1_000_000) -> list[dict[str, Any]]:
    """A million readings: straight in, by way of a stage, and once more unchanged, against `psql \\copy` of the same.

    Raises:
        CommandError: No server is named, or psql is not there.
    """
    if shutil.which("psql") is None:
        raise CommandError("psql is not there; the baseline is its \\copy (Debian: postgresql-client)")
    frame = fleet(machines=50, sensors=20, moments=rows // 1000, every=timedelta(minutes=15))
    part, whole = Part(frame, frame.clear()), Part(frame, frame.clear(), Span(BEGINNING, END))
    took: dict[str, list[float]] = {"psql": [], "direct": [], "first": [], "again": []}
    grown = 1.0
    with _database() as server, server.connected() as connection, TemporaryDirectory() as folder:
        file = Path(folder, "rows.bin")
        types = {column.name: column.type for column in READINGS.columns}
        file.write_bytes(b"".join(encoded(with_ids(connection, READINGS, frame), types)))
        for _ in range(LOADS):
            _emptied(connection)
            took["psql"].append(_seconds(lambda: _psql(server.url, file)))
            _emptied(connection)
            took["direct"].append(_seconds(lambda: _loaded(connection, part)))
            _emptied(connection, keep=frame.head(1))  # its window is not empty: all go by way of the stage
            took["first"].append(_seconds(lambda: _loaded(connection, part)))
            before = connection.execute(SIZE).fetchone()[0]
            took["again"].append(_seconds(lambda: _loaded(connection, whole)))
            grown = max(grown, float(connection.execute(SIZE).fetchone()[0] / before))
    speed = {name: rows / statistics.median(seconds) for name, seconds in took.items()}
    told = (
        ("straight in", "direct", 0.9),
        ("by a stage, first", "first", 0.45),
        ("by a stage, unchanged", "again", 0.6),
    )
    return [
        row(
            f"readings {what}", speed[name], speed["psql"], "rows/s", goal=goal, met=speed[name] / speed["psql"] >= goal
        )
        for what, name, goal in told
    ] + [row("size after the unchanged load", grown, 1.0, "x", goal=1.0, met=grown <= 1.0)]


def query_speed() -> list[dict[str, Any]]:
    """What dashboards ask, of 1,600 series at 15 minutes and one at 1 Hz over 35 days, against the same of raw rows.

    Raises:
        CommandError: No server is named.
    """
    with _database() as server, server.connected() as connection:
        _fill(connection)
        _settle(connection)
        machine, until = "fleet.m-07", START + timedelta(days=34)
        series = f"machine_id = '{machine}' AND sensor = 'sensor_03'"
        day = f"recorded_at >= '{until - timedelta(days=1)}' AND recorded_at < '{until}'"
        latest, scanned = (
            _p95(connection, sql, repeats)
            for sql, repeats in (
                ("SELECT * FROM bi.latest_reading", QUERIES),
                (NEWEST, SLOW_QUERIES),
            )
        )
        asked = f"SELECT recorded_at, value FROM bi.readings WHERE {series} AND {day} ORDER BY recorded_at"
        one_day = _p95(connection, asked, QUERIES)
        connection.execute("SET enable_indexscan = off; SET enable_bitmapscan = off")
        one_day_scanned = _p95(connection, asked, SLOW_QUERIES)
        connection.execute("RESET enable_indexscan; RESET enable_bitmapscan")
        slow = _month(machine, "sensor_03", until), _month("fast.m-00", "sensor_00", until)
        rolled, raw = ([_median(connection, pair[place]) for pair in slow] for place in (0, 1))
    return [
        row("newest reading of 1,600 series, p95", latest, scanned, "s", goal=0.1, met=latest <= 0.1),
        row("24 h of one sensor, p95", one_day, one_day_scanned, "s", goal=0.01, met=one_day <= 0.01),
        _times_faster("30 days by the hour at 15 minutes", rolled[0], raw[0], goal=2.0),
        _times_faster("30 days by the hour at 1 Hz", rolled[1], raw[1], goal=20.0),
    ]


def fleet(
    *, machines: int, sensors: int, moments: int, every: timedelta, source: str = "fleet", since: datetime = START
) -> pl.DataFrame:
    """Readings of a regular fleet, as the lake has them."""
    at = pl.datetime_range(since, since + every * (moments - 1), every, time_unit="us", eager=True)
    series = [(f"{source}.m-{m:02}", f"sensor_{s:02}") for m in range(machines) for s in range(sensors)]
    n = len(series) * moments
    return pl.DataFrame(
        {
            "source": source,
            "day": pl.concat([at.dt.date()] * len(series)),
            "machine_id": pl.Series([name for name, _ in series]).gather(np.repeat(np.arange(len(series)), moments)),
            "sensor": pl.Series([name for _, name in series]).gather(np.repeat(np.arange(len(series)), moments)),
            "recorded_at": pl.concat([at] * len(series)),
            "value": np.random.default_rng(1).normal(50.0, 5.0, n),
            "quality": "good",
            "landed_at": pl.Series([since]).dt.cast_time_unit("us").gather(np.zeros(n, np.int64)),
            "batch_id": "b",
            "batch_seq": np.full(n, 65536),
            "batch_row": np.arange(n),
        }
    )


def _times_faster(what: str, rolled: float, raw: float, *, goal: float) -> dict[str, Any]:
    told = row(f"{what}, rollup against raw, median", rolled, raw, "s", goal=goal, met=raw / rolled >= goal)
    return {**told, "ratio": round(raw / rolled, 3)}


def _month(machine: str, sensor: str, until: datetime) -> tuple[str, str]:
    """The same answer from the rollup and from raw rows."""
    since = until - timedelta(days=30)
    series = f"machine_id = '{machine}' AND sensor = '{sensor}'"
    rolled = (
        f"SELECT hour, n, mean, min, max FROM bi.readings_hourly WHERE {series} AND hour >= '{since}' "
        f"AND hour < '{until}' ORDER BY hour"
    )
    raw = (
        "SELECT date_trunc('hour', recorded_at), count(*), avg(value), min(value), max(value) FROM bi.readings "
        f"WHERE {series} AND recorded_at >= '{since}' AND recorded_at < '{until}' GROUP BY 1 ORDER BY 1"
    )
    return rolled, raw


def _fill(connection: Any) -> None:
    days, quarter = 35, timedelta(minutes=15)
    for first in range(0, days, 7):  # a chunk at a time
        since = START + timedelta(days=first)
        for frame in (
            fleet(machines=80, sensors=20, moments=96 * 7, every=quarter, since=since),
            fleet(machines=1, sensors=1, moments=86_400 * 7, every=timedelta(seconds=1), source="fast", since=since),
        ):
            _loaded(connection, Part(frame, frame.clear()))
        touch(connection, [since + timedelta(hours=hour) for hour in range(24 * 7)])
        catch_up(connection)


def _settle(connection: Any) -> None:
    """As autovacuum leaves a table some minutes later."""
    for table in ("readings", "readings_hourly", "machine_names", "sensor_names", "words", "series"):
        connection.execute(f"ANALYZE store.{table}")


def _loaded(connection: Any, part: Part) -> None:
    with connection.transaction():
        load(connection, READINGS, part)


def _emptied(connection: Any, *, keep: pl.DataFrame | None = None) -> None:
    connection.execute("TRUNCATE store.readings")
    if keep is not None:
        _loaded(connection, Part(keep, keep.clear()))
    connection.execute("CHECKPOINT")


def _psql(url: str, file: Path) -> None:
    names = ", ".join(READINGS.names)
    command = f"\\copy store.readings ({names}) from '{file}' with (format binary)"
    subprocess.run(["psql", url, "-qXc", command], check=True)  # noqa: S603, S607 the client on the path is meant


def _seconds(work: Callable[[], None]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _p95(connection: Any, sql: str, repeats: int) -> float:
    """Time until all rows are here, planning included, that 95 of 100 answers keep within; of few the longest."""
    return sorted(_answered(connection, sql, repeats))[math.ceil(0.95 * repeats) - 1]


def _median(connection: Any, sql: str) -> float:
    return statistics.median(_answered(connection, sql, 3 * SLOW_QUERIES))


def _answered(connection: Any, sql: str, repeats: int) -> list[float]:
    connection.prepare_threshold = None  # as a dashboard asks: planned anew each time
    connection.execute(sql).fetchall()
    return [_seconds(lambda: connection.execute(sql).fetchall()) for _ in range(repeats)]


@contextmanager
def _database() -> Iterator[TimescaleServing]:
    """A database of its own on the server that is named; dropped at the end.

    Raises:
        CommandError: None is named.
    """
    import psycopg

    url = from_environment().serving_url
    if not url:
        raise CommandError("this needs a server: name it in SMARTMAINT_SERVING_URL, as a role that may make databases")
    name = f"smartmaint_bench_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    try:
        server = TimescaleServing(urlunsplit(urlsplit(url)._replace(path=f"/{name}")), home_id="bench")
        server.prepare()
        yield server
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
