"""`kaggle-pump`: 52 unnamed sensors of one water pump, one row a minute (nphantawee/pump-sensor-data)."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from pipelines.importers.cells import NO_TIME, broken_cells, moments, numbers
from pipelines.importers.dialect import Dialect, expect_columns
from pipelines.importers.parsed import FileError, Parsed, no_broken, no_readings
from pipelines.importers.runs import Runs
from pipelines.importers.text import TextFormat, read_text_files
from pipelines.importers.wide import long_readings
from pipelines.register import Source

SENSORS = tuple(f"sensor_{number:02d}" for number in range(52))
COLUMNS = ("", "timestamp", *SENSORS, "machine_status")
STATUSES = ("NORMAL", "BROKEN", "RECOVERING")


def read_kaggle_pump(path: Path, declared: Source) -> Iterator[Parsed]:
    """Read `sensor.csv` or a part of it with the same header.

    The clock names no zone: that of the source holds. The status column is known truth: it goes to the labels, as one
    row for each unbroken run of a status, and never to the readings. `sensor_15` is empty in every published copy.

    Raises:
        FileError: Other columns, cut short, or a status or time that is none of the data set's.
    """

    def examine(name: str, frame: pl.DataFrame) -> None:
        _, reasons = moments(frame["timestamp"], zone=declared.zone)
        no_time = frame["timestamp"].is_null() | (reasons == NO_TIME).fill_null(False)
        _refuse(name, frame, no_time, "timestamp", "a time such as 2018-04-01 00:00:00")
        _refuse(name, frame, ~frame["machine_status"].is_in(STATUSES).fill_null(False), "machine_status", str(STATUSES))

    def parse(_: str, dialect: Dialect, frames: Iterator[pl.DataFrame]) -> Iterator[Parsed]:
        statuses = Runs("status")
        for frame in frames:
            yield _parsed(frame, declared, dialect, statuses)
        yield Parsed(no_readings(), statuses.ended_by_the_file(), no_broken(), 0)

    # the status is a known word, so a cut in it shows
    text = TextFormat(
        lambda name, line: expect_columns(name, COLUMNS, line, ends_plainly=True), parse, lambda _: SENSORS, examine
    )
    return read_text_files(path, text)


def _parsed(frame: pl.DataFrame, declared: Source, dialect: Dialect, statuses: Runs) -> Parsed:
    at, reasons = moments(frame["timestamp"], zone=declared.zone)
    read = {name: numbers(frame[name], decimal=dialect.decimal) for name in SENSORS}
    broken = [broken_cells(frame, bad, column=name) for name, (_, bad) in read.items()]
    broken.append(broken_cells(frame, "timestamp: " + reasons, column="timestamp"))
    frame = frame.select("batch_row", label="machine_status", at=at, machine_id=pl.lit(f"{declared.name}.pump"))
    readings = long_readings(frame, {name: value for name, (value, _) in read.items()})
    return Parsed(readings, statuses.ended_by(frame), pl.concat(broken), frame.height)


def _refuse(name: str, frame: pl.DataFrame, bad: pl.Series, column: str, expected: str) -> None:
    if not bad.any():
        return
    row, found = frame.filter(bad).select("batch_row", column).row(0)
    raise FileError("wrong_value", f"{name}, row {row}: {column} is {found!r}; expected {expected}")
