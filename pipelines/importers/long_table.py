"""`readings`: the plain long layout, CSV or Parquet: machine_id, sensor, recorded_at, value and, if sent, quality.

A file with the columns machine_id, kind, label, started_at, ended_at holds labels instead.
"""

from pathlib import Path

import polars as pl

from pipelines.importers.cells import broken_cells, header, instants, read_text
from pipelines.importers.parsed import READ, FileError, Parsed, no_broken, no_labels

READINGS = ("machine_id", "sensor", "recorded_at", "value")
LABELS = ("machine_id", "kind", "label", "started_at", "ended_at")


def read_long_table(path: Path, *, source: str) -> Parsed:
    """Read one file of the long layout.

    Args:
        path: `.csv` (UTF-8, commas, a header line) or `.parquet`.
        source: Machine names are prefixed with it.
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
        return Parsed(pl.DataFrame(schema=READ), _labels(frame), no_broken(), frame.height)
    return _readings(frame)


def _readings(frame: pl.DataFrame) -> Parsed:
    if "quality" not in frame.columns:
        frame = frame.with_columns(quality=pl.lit("good"))
    broken = no_broken()
    if frame["value"].dtype == pl.String:
        value, at = frame["value"].cast(pl.Float64, strict=False), frame.select(instants(pl.col("recorded_at")))
        broken = pl.concat(
            [
                broken_cells(frame, value, column="value", reason="value: not a number"),
                broken_cells(frame, at.to_series(), column="recorded_at", reason="recorded_at: not a time"),
            ]
        )
        frame = frame.with_columns(value, recorded_at=at.to_series())
    frame = frame.with_columns(pl.col("quality").fill_null("good"))
    readings = frame.select(READ.names()).cast(READ).drop_nulls(["value", "recorded_at"])
    rows = frame.height
    return Parsed(readings, no_labels(), broken, rows)


def _labels(frame: pl.DataFrame) -> pl.DataFrame:
    if frame["started_at"].dtype == pl.String:
        frame = frame.with_columns(instants(pl.col("started_at", "ended_at").cast(pl.String)))
    return frame.select(*LABELS, "batch_row")


def _csv(path: Path) -> pl.DataFrame:
    _expect(path, header(path))
    return read_text(path, whole_last_line=True)


def _parquet(path: Path) -> pl.DataFrame:
    try:
        frame = pl.read_parquet(path, use_pyarrow=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        first = str(error).splitlines()[0]
        raise FileError("not_parquet", f"{path.name}: not readable as Parquet: {first}") from None
    _expect(path, frame.columns)
    if "value" in frame.columns and not (frame["value"].dtype.is_numeric() and _utc(frame["recorded_at"])):
        raise FileError(
            "wrong_type",
            f"{path.name}: value is {frame['value'].dtype}, recorded_at is {frame['recorded_at'].dtype}; "
            "expected a number and a timestamp in UTC",
        )
    return frame.with_row_index("batch_row").with_columns(pl.col("batch_row").cast(pl.Int64))


def _expect(path: Path, found: list[str]) -> None:
    if set(found) - {"quality"} in (set(READINGS), set(LABELS)):
        return
    raise FileError("wrong_columns", f"{path.name}: expected {', '.join(READINGS)}[, quality]; found {found[:8]}")


def _utc(column: pl.Series) -> bool:
    return isinstance(column.dtype, pl.Datetime) and column.dtype.time_zone == "UTC"


def _prefixed(source: str) -> pl.Expr:
    name = pl.col("machine_id").cast(pl.String).fill_null("")
    return pl.when(name.str.starts_with(f"{source}.")).then(name).otherwise(pl.lit(f"{source}.") + name)
