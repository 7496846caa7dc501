"""`bench ingest`: files of readings into the lake, beside bare Polars that writes the same rows in the same layout."""

import shutil
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from assets.landing import land
from jobs.bench_row import interleaved, row
from pipelines.contracts.readings import READINGS
from pipelines.importers.kaggle_pump import COLUMNS, SENSORS
from pipelines.register import Source
from resources.home import Home
from resources.inbox import Inbox
from resources.lake import Lake

REPEATS = 5
GOAL = 0.7
NOW = datetime(2026, 6, 1, tzinfo=UTC)
START = datetime(2026, 1, 1)  # noqa: DTZ001 as a file states it, without a zone
MACHINES, PER_MACHINE, SECONDS = 20, 10, 10_000
MINUTES = 40_000


def ingest() -> list[dict[str, Any]]:
    """Landing of one file, read, judged, committed and archived, against `read_csv` and `write_parquet`."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        return [
            _against_bare("long CSV to lake", _long_file(place), "readings", _bare_long, place),
            _against_bare("wide CSV (52 sensors) to lake", _wide_file(place), "kaggle-pump", _bare_wide, place),
        ]


def _against_bare(
    what: str, file: Path, importer: str, bare: Callable[[Path, Path], int], place: Path
) -> dict[str, Any]:
    values = bare(file, place / "bare")

    def fresh() -> Callable[[], object]:
        shutil.rmtree(place / "home", ignore_errors=True)
        home = Home(place / "home")
        home.prepare()
        inbox, lake = Inbox(root=str(home.root)), Lake(root=str(home.lake))
        put = inbox.put(file, source="line")
        source = Source("line", importer)
        return lambda: ours(put, source, lake, inbox)

    def ours(put: str, source: Source, lake: Lake, inbox: Inbox) -> None:
        landed = land([put], source=source, lake=lake, inbox=inbox, now=NOW, again=False)
        assert landed.receipt.values_landed == values, landed  # a file that is refused is refused fast

    def bare_again() -> Callable[[], object]:
        shutil.rmtree(place / "bare", ignore_errors=True)
        return lambda: bare(file, place / "bare")

    ours_s, bare_s = interleaved(fresh, bare_again, repeats=REPEATS)
    ratio = bare_s / ours_s
    return row(what, values / ours_s, values / bare_s, "values/s", goal=GOAL, met=ratio >= GOAL)


def _long_file(place: Path) -> Path:
    """A second of a plant after the other: 20 machines of 10 sensors, 2,000,000 rows."""
    at = pl.datetime_range(START, START + timedelta(seconds=SECONDS - 1), "1s", eager=True)
    series = pl.DataFrame({"machine": range(MACHINES)}).join(pl.DataFrame({"n": range(PER_MACHINE)}), how="cross")
    frame = (
        pl.DataFrame({"recorded_at": at.dt.strftime("%Y-%m-%dT%H:%M:%SZ")})
        .join(series, how="cross")
        .with_columns(value=np.random.default_rng(1).normal(50.0, 5.0, SECONDS * MACHINES * PER_MACHINE).round(3))
        .select(
            pl.format("pump-{}", "machine").alias("machine_id"),
            pl.format("sensor_{}", "n").alias("sensor"),
            "recorded_at",
            "value",
        )
    )
    frame.select("machine_id", "sensor", "recorded_at", "value").write_csv(place / "long.csv")
    return place / "long.csv"


def _wide_file(place: Path) -> Path:
    """The pump's layout: a minute a row, 40,000 rows of 52 sensors."""
    at = pl.datetime_range(START, START + timedelta(minutes=MINUTES - 1), "1m", eager=True)
    drawn = np.random.default_rng(1).normal(50.0, 5.0, (MINUTES, len(SENSORS))).round(6)
    frame = pl.DataFrame(drawn, schema=list(SENSORS)).with_columns(
        pl.int_range(pl.len()).alias(""), timestamp=at.dt.strftime("%F %T"), machine_status=pl.lit("NORMAL")
    )
    frame.select(COLUMNS).write_csv(place / "sensor.csv", quote_style="never")
    return place / "sensor.csv"


def _bare_long(file: Path, target: Path) -> int:
    read = pl.read_csv(file, try_parse_dates=True).with_row_index("batch_row")
    return _written(read.with_columns(machine_id=pl.lit("line.") + pl.col("machine_id")), target)


def _bare_wide(file: Path, target: Path) -> int:
    read = pl.read_csv(file, try_parse_dates=True).with_row_index("batch_row")
    values = read.unpivot(SENSORS, index=["timestamp", "batch_row"], variable_name="sensor", value_name="value")
    at = pl.col("timestamp").dt.replace_time_zone("UTC")
    return _written(values.with_columns(machine_id=pl.lit("line.pump"), recorded_at=at), target)


def _written(values: pl.DataFrame, target: Path) -> int:
    """The rows with the columns that every reading has, partitioned like the lake."""
    values.with_columns(
        source=pl.lit("line"),
        day=pl.col("recorded_at").dt.date(),
        quality=pl.lit("good"),
        landed_at=pl.lit(NOW),
        batch_id=pl.lit("b" * 64),
        batch_seq=pl.lit(1, pl.Int64),
    ).select(list(READINGS.columns)).write_parquet(target, partition_by=["source", "day"], mkdir=True)
    return values.height
