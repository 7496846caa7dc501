"""`kaggle-pump`: 52 unnamed sensors of one water pump, one row a minute (nphantawee/pump-sensor-data)."""

from pathlib import Path

import polars as pl

from pipelines.importers.cells import NO_TIME, broken_cells, expect_header, moments, numbers, read_text
from pipelines.importers.parsed import READ, FileError, Parsed

SENSORS = tuple(f"sensor_{number:02d}" for number in range(52))
COLUMNS = ("", "timestamp", *SENSORS, "machine_status")
STATUSES = ("NORMAL", "BROKEN", "RECOVERING")


def read_kaggle_pump(path: Path, *, source: str, zone: str = "UTC") -> Parsed:
    """Read `sensor.csv` or a piece of it with the same header.

    The clock names no zone: `zone` says which. The status column is known truth: it goes to the labels, as one row
    for each unbroken run of a status, and never to the readings. `sensor_15` is empty in every published copy.

    Raises:
        FileError: Other columns, cut short, or a status or time that is none of the data set's.
    """
    expect_header(path, COLUMNS)
    frame = read_text(path, whole_last_line=False)  # the status is a known word, so a cut in it shows
    at, reasons = moments(frame["timestamp"], zone=zone)
    no_time = frame["timestamp"].is_null() | (reasons == NO_TIME).fill_null(False)
    _refuse(path, frame, no_time, "timestamp", "a time such as 2018-04-01 00:00:00")
    _refuse(path, frame, ~frame["machine_status"].is_in(STATUSES).fill_null(False), "machine_status", str(STATUSES))
    read = {name: numbers(frame[name]) for name in SENSORS}
    broken = [broken_cells(frame, bad, column=name) for name, (_, bad) in read.items()]
    broken.append(broken_cells(frame, "timestamp: " + reasons, column="timestamp"))
    machine = pl.lit(f"{source}.pump")
    readings = (
        pl.DataFrame({name: value for name, (value, _) in read.items()})
        .with_columns(recorded_at=at, batch_row=frame["batch_row"])
        .unpivot(SENSORS, index=["recorded_at", "batch_row"], variable_name="sensor", value_name="value")
        .drop_nulls(["value", "recorded_at"])
        .with_columns(machine_id=machine, quality=pl.lit("good"))
        .select(READ.names())
    )
    labels = _status_runs(frame, at).with_columns(machine_id=machine)
    return Parsed(readings, labels, pl.concat(broken), frame.height)


def _status_runs(frame: pl.DataFrame, at: pl.Series) -> pl.DataFrame:
    return (
        frame.select("batch_row", label="machine_status", at=at)
        .drop_nulls("at")
        .with_columns(run=pl.col("label").rle_id())
        .group_by("run", maintain_order=True)
        .agg(
            pl.col("label").first(),
            pl.col("batch_row").first(),
            started_at=pl.col("at").first(),
            ended_at=pl.col("at").last(),
        )
        .with_columns(kind=pl.lit("status"))
        .drop("run")
    )


def _refuse(path: Path, frame: pl.DataFrame, bad: pl.Series, column: str, expected: str) -> None:
    if not bad.any():
        return
    row, found = frame.filter(bad).select("batch_row", column).row(0)
    raise FileError("wrong_value", f"{path.name}, row {row}: {column} is {found!r}; expected {expected}")
