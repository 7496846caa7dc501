"""`readings`: the plain long layout, CSV or Parquet: machine_id, sensor, recorded_at, value and, if sent, quality.

A file with the columns machine_id, kind, label, started_at, ended_at holds labels instead.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import polars as pl

from pipelines.importers.cells import broken_cells, moments, numbers
from pipelines.importers.dialect import Dialect, cells_of, separator_of
from pipelines.importers.parquet import read_parquet
from pipelines.importers.parsed import KNOWN, READ, FileError, Parsed, no_broken, no_labels, no_readings
from pipelines.importers.text import TextFormat, read_text_files
from pipelines.register import Source

READINGS = ("machine_id", "sensor", "recorded_at", "value")
LABELS = ("machine_id", "kind", "label", "started_at", "ended_at")
TIMES = ("recorded_at", "started_at", "ended_at")
PACKED = (".gz", ".zip")
TABLES = (".csv", ".tsv", ".txt")


def read_long_table(path: Path, declared: Source) -> Iterator[Parsed]:
    """Read one file of the long layout, in any dialect (`pipelines.importers.dialect`).

    Args:
        path: `.csv`, `.tsv` or `.txt` with a header line, packed in `.gz` or `.zip` or not, or `.parquet`.
        declared: Machine names are prefixed with its name; its zone is that of times that name none.
    Raises:
        FileError: Another ending, unreadable, cut short, or other columns.
    """
    suffix = path.suffix.lower()
    if suffix not in (*TABLES, *PACKED, ".parquet"):
        raise FileError("wrong_format", f"{path.name}: expected a .csv or .parquet file")
    if path.stat().st_size == 0:
        raise FileError("empty", f"{path.name}: the file is empty")
    if suffix == ".parquet":
        return _from_parquet(path, declared)

    def parse(_: str, dialect: Dialect, frames: Iterator[pl.DataFrame]) -> Iterator[Parsed]:
        for frame in frames:
            yield _parsed(frame, declared, dialect.decimal)

    return read_text_files(path, TextFormat(_dialect, parse, lambda _: ("value",)))


def _dialect(name: str, line: str) -> Dialect:
    if PurePosixPath(name).suffix.lower() not in TABLES:
        raise FileError("wrong_format", f"{name}: expected a .csv file")
    separator = separator_of(line, _fits)
    found = cells_of(line, separator)
    _expect(name, found)
    return Dialect(tuple(found), separator)


def _from_parquet(path: Path, declared: Source) -> Iterator[Parsed]:
    for frame in read_parquet(path, lambda found: _expect(path.name, found)):
        for name, dtype in frame.drop("batch_row").schema.items():
            _refuse_type(path, name, dtype)
        yield _parsed(frame, declared, ".")


def _parsed(frame: pl.DataFrame, declared: Source, decimal: str) -> Parsed:
    frame = frame.with_columns(machine_id=_prefixed(frame["machine_id"], declared.name))
    if "label" in frame.columns:
        return _labels(frame, declared.zone)
    return _readings(frame, declared.zone, decimal)


def _readings(frame: pl.DataFrame, zone: str, decimal: str) -> Parsed:
    if "quality" not in frame.columns:
        frame = frame.with_columns(quality=pl.lit("good"))
    untimed = frame.filter(pl.col("recorded_at").is_null() & pl.col("value").is_not_null()).select(
        "batch_row", column=pl.lit("recorded_at"), found=pl.lit(""), reasons=pl.lit("recorded_at: missing")
    )
    broken = [no_broken(), untimed]
    if frame["value"].dtype == pl.String:
        value, reasons = numbers(frame["value"], decimal=decimal)
        broken.append(broken_cells(frame, reasons, column="value"))
        frame = frame.with_columns(value.alias("value"))
    frame, mistimed = _timed(frame, "recorded_at", zone)
    frame = frame.with_columns(pl.col("quality").cast(pl.String).fill_null("good"))
    readings = frame.select(READ.names()).cast(READ).drop_nulls(["value", "recorded_at"])
    return Parsed(readings, no_labels(), pl.concat([*broken, mistimed]), frame.height)


def _labels(frame: pl.DataFrame, zone: str) -> Parsed:
    frame, unstarted = _timed(frame, "started_at", zone)
    frame, unended = _timed(frame, "ended_at", zone)
    broken = pl.concat([unstarted, unended])
    # an end that cannot be read is not the same as none
    labels = frame.select(KNOWN.names()).cast(KNOWN).join(broken, on="batch_row", how="anti", maintain_order="left")
    return Parsed(no_readings(), labels, broken, frame.height)


def _timed(frame: pl.DataFrame, column: str, zone: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """`frame` with `column` read as moments, and the cells that are none."""
    at, reasons = moments(frame[column], zone=zone)
    return frame.with_columns(at.alias(column)), broken_cells(frame, f"{column}: " + reasons, column=column)


def _fits(found: Sequence[str]) -> bool:
    return set(found) - {"quality"} in (set(READINGS), set(LABELS)) and len(set(found)) == len(found)


def _expect(name: str, found: Sequence[str]) -> None:
    if not _fits(found):
        told = f"expected {', '.join(READINGS)}[, quality]; found {list(found)[:8]}"
        raise FileError("wrong_columns", f"{name}: {told}")


def _refuse_type(path: Path, name: str, dtype: pl.DataType) -> None:
    if name == "value":
        fits, expected = dtype.is_numeric(), "a number"
    elif name in TIMES:
        fits, expected = isinstance(dtype, pl.Null | pl.Datetime | pl.Date), "a timestamp or a date"
    else:
        fits = isinstance(dtype, pl.String | pl.Categorical | pl.Enum | pl.Null) or dtype.is_integer()
        expected = "text"
    if not fits:
        raise FileError("wrong_type", f"{path.name}: {name} is {dtype}; expected {expected}")


def _prefixed(names: pl.Series, source: str) -> pl.Series:
    """Machine names with their source; null where there is none. Each name is worked on once: there are few."""
    frame = pl.DataFrame({"name": names.cast(pl.String)})
    distinct = frame.unique()
    name = pl.col("name").str.strip_prefix(f"{source}.")
    told = distinct.select("name", machine_id=pl.when(name != "").then(pl.lit(f"{source}.") + name))
    return frame.select(pl.col("name").replace_strict(told["name"], told["machine_id"], return_dtype=pl.String))["name"]
