"""`azure-pdm`: Microsoft's simulated 100 machines: telemetry, errors, failures, maintenance and the machines.

Each of the five files is known by its header.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from pipelines.importers.cells import broken_cells, moments, numbers
from pipelines.importers.dialect import Dialect, cells_of, difference, separator_of
from pipelines.importers.parsed import HAPPENED, Parsed, no_labels, no_readings
from pipelines.importers.text import TextFormat, read_text_files
from pipelines.importers.wide import long_readings
from pipelines.register import Source

SENSORS = ("volt", "rotate", "pressure", "vibration")
"""No units are published: their names state none."""
TELEMETRY = ("datetime", "machineID", *SENSORS)
MACHINES = ("machineID", "model", "age")
EVENTS = {"errorID": "error", "failure": "failure", "comp": "maintenance"}
"""Kind of the event by the last column of its file."""
LAYOUTS = (TELEMETRY, MACHINES, *(("datetime", "machineID", column) for column in EVENTS))
AGES_AT = datetime(2015, 1, 1, tzinfo=UTC)
"""The published data begin here, and `age` counts in years up to it; the file itself names no date."""


def read_azure_pdm(path: Path, declared: Source) -> Iterator[Parsed]:
    """Read one of the files: telemetry lands as readings, all others as events.

    A failure means that the component was replaced because it failed; maintenance lists planned and unplanned
    replacements alike. A machine is `commissioned` its age before `AGES_AT`, whichever year a copy was moved to.
    The clock names no zone: that of the source holds.

    Raises:
        FileError: The columns are those of none of the files, or it was cut short.
    """

    def parse(_: str, dialect: Dialect, frames: Iterator[pl.DataFrame]) -> Iterator[Parsed]:
        for frame in frames:
            named = frame.with_columns(machine_id=f"{declared.name}." + pl.col("machineID"))
            if dialect.columns == TELEMETRY:
                yield _telemetry(named, declared.zone, dialect.decimal)
            elif dialect.columns == MACHINES:
                yield _machines(named)
            else:
                yield _events(named, declared.zone, dialect.columns[-1])

    return read_text_files(path, TextFormat(_dialect, parse, lambda found: _numeric(found.columns)))


def _dialect(name: str, line: str) -> Dialect:
    separator = separator_of(line, lambda found: tuple(found) in LAYOUTS)
    found = tuple(cells_of(line, separator))
    if found not in LAYOUTS:
        raise difference(name, max(LAYOUTS, key=lambda layout: len(set(layout) & set(found))), found)
    return Dialect(found, separator, ends_plainly=found[-1] in EVENTS)


def _numeric(columns: tuple[str, ...]) -> tuple[str, ...]:
    return SENSORS if columns == TELEMETRY else ()


def _telemetry(frame: pl.DataFrame, zone: str, decimal: str) -> Parsed:
    at, broken = _moments(frame, zone)
    read = {sensor: numbers(frame[sensor], decimal=decimal) for sensor in SENSORS}
    mistakes = [broken_cells(frame, reasons, column=sensor) for sensor, (_, reasons) in read.items()]
    readings = long_readings(frame.with_columns(at=at), {sensor: value for sensor, (value, _) in read.items()})
    return Parsed(readings, no_labels(), pl.concat([broken, *mistakes]), frame.height)


def _events(frame: pl.DataFrame, zone: str, column: str) -> Parsed:
    at, broken = _moments(frame, zone)
    events = frame.with_columns(occurred_at=at, kind=pl.lit(EVENTS[column]), event=column, note=pl.lit(None, pl.String))
    return _happened(events.drop_nulls("occurred_at"), broken, frame.height)


def _machines(frame: pl.DataFrame) -> Parsed:
    age, _ = numbers(frame["age"])
    strange = age.is_null() | ~age.is_between(0, 25) | (age != age.floor())
    reasons = pl.select(pl.when(strange).then(pl.lit("age: expected whole years from 0 to 25"))).to_series()
    whole = frame.with_columns(years=age.cast(pl.Int64, strict=False).cast(pl.String)).filter(~strange)
    events = whole.with_columns(
        occurred_at=pl.lit(AGES_AT).dt.cast_time_unit("us").dt.offset_by("-" + pl.col("years") + "y"),
        kind=pl.lit("commissioned"),
        event="model",
        note="age " + pl.col("years") + " years at the beginning of the published data",
    )
    return _happened(events, broken_cells(frame, reasons, column="age"), frame.height)


def _moments(frame: pl.DataFrame, zone: str) -> tuple[pl.Series, pl.DataFrame]:
    at, reasons = moments(frame["datetime"], zone=zone)
    missing = pl.select(pl.when(frame["datetime"].is_null()).then(pl.lit("missing")).otherwise(reasons)).to_series()
    return at, broken_cells(frame, "datetime: " + missing, column="datetime")


def _happened(events: pl.DataFrame, broken: pl.DataFrame, rows: int) -> Parsed:
    events = events.with_columns(ended_at=pl.lit(None, HAPPENED["ended_at"])).select(HAPPENED.names()).cast(HAPPENED)
    return Parsed(no_readings(), no_labels(), broken, rows, events)
