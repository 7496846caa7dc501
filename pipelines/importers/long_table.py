"""`readings`: the plain long layout, CSV or Parquet: machine_id, sensor, recorded_at, value and, if sent, quality.

A file with the columns machine_id, kind, label, started_at, ended_at holds labels instead.
"""

from pathlib import Path

import polars as pl

from pipelines.importers.cells import broken_cells, header, moments, numbers, read_text
from pipelines.importers.parsed import KNOWN, READ, FileError, Parsed, no_broken, no_labels

READINGS = ("machine_id", "sensor", "recorded_at", "value")
LABELS = ("machine_id", "kind", "label", "started_at", "ended_at")
TIMES = ("recorded_at", "started_at", "ended_at")


def read_long_table(path: Path, *, source: str, zone: str = "UTC") -> Parsed:
    """Read one file of the long layout.

    Args:
        path: `.csv` (UTF-8, commas, a header line) or `.parquet`.
        source: Machine names are prefixed with it.
        zone: Of times that name none.
    Raises:
        FileError: Another ending, unreadable, cut short, or other columns.
    """
    if path.suffix.lower() not in (".csv", ".parquet"):
        raise FileError("wrong_format", f"{path.name}: expected a .csv or .parquet file")
    if path.stat().st_size == 0:
        raise FileError("empty", f"{path.name}: the file is empty")
    frame = _csv(path) if path.suffix.lower() == ".csv" else _parquet(path)
    frame = frame.with_columns(machine_id=_prefixed(source))
    if "label" in frame.columns:
        return _labels(frame, zone)
    return _readings(frame, zone)


def _readings(frame: pl.DataFrame, zone: str) -> Parsed:
    if "quality" not in frame.columns:
        frame = frame.with_columns(quality=pl.lit("good"))
    untimed = frame.filter(pl.col("recorded_at").is_null() & pl.col("value").is_not_null()).select(
        "batch_row", column=pl.lit("recorded_at"), found=pl.lit(""), reasons=pl.lit("recorded_at: missing")
    )
    broken = [no_broken(), untimed]
    if frame["value"].dtype == pl.String:
        value, reasons = numbers(frame["value"])
        broken.append(broken_cells(frame, reasons, column="value"))
        frame = frame.with_columns(value)
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
    return Parsed(pl.DataFrame(schema=READ), labels, broken, frame.height)


def _timed(frame: pl.DataFrame, column: str, zone: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """`frame` with `column` read as moments, and the cells that are none."""
    at, reasons = moments(frame[column], zone=zone)
    return frame.with_columns(at.alias(column)), broken_cells(frame, f"{column}: " + reasons, column=column)


def _csv(path: Path) -> pl.DataFrame:
    _expect(path, header(path))
    return read_text(path, whole_last_line=True)


def _parquet(path: Path) -> pl.DataFrame:
    # not the reader of Polars: some damaged files take the whole process down with it
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            _expect(path, file.schema_arrow.names)
            frame = pl.DataFrame(file.read())
    except FileError:
        raise
    except (pa.ArrowException, pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as error:
        first = (str(error) or type(error).__name__).splitlines()[0]
        raise FileError("not_parquet", f"{path.name}: not readable as Parquet: {first}") from None
    for name, dtype in frame.schema.items():
        _refuse_type(path, name, dtype)
    return frame.with_row_index("batch_row").with_columns(pl.col("batch_row").cast(pl.Int64))


def _expect(path: Path, found: list[str]) -> None:
    if set(found) - {"quality"} in (set(READINGS), set(LABELS)) and len(set(found)) == len(found):
        return
    raise FileError("wrong_columns", f"{path.name}: expected {', '.join(READINGS)}[, quality]; found {found[:8]}")


def _refuse_type(path: Path, name: str, dtype: pl.DataType) -> None:
    if name == "value":
        fits, expected = dtype.is_numeric(), "a number"
    elif name in TIMES:
        fits, expected = isinstance(dtype, pl.Null | pl.Datetime), "a timestamp"
    else:
        fits = isinstance(dtype, pl.String | pl.Categorical | pl.Enum | pl.Null) or dtype.is_integer()
        expected = "text"
    if not fits:
        raise FileError("wrong_type", f"{path.name}: {name} is {dtype}; expected {expected}")


def _prefixed(source: str) -> pl.Expr:
    """Machine names with their source; null where there is none."""
    name = pl.col("machine_id").cast(pl.String).str.strip_prefix(f"{source}.")
    return pl.when(name != "").then(pl.lit(f"{source}.") + name)
