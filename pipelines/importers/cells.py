"""Reading text files strictly: another header, a cut or a cell that is no value is said, never guessed."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from pipelines.importers.parsed import FileError

TAIL = 1 << 16
INSTANTS = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M")
NO_TIME = "not a time"


def header(path: Path) -> list[str]:
    """Column names of a CSV file, as they stand there.

    Raises:
        FileError: The file is empty or its first line is no text.
    """
    with path.open("rb") as file:
        line = file.readline(TAIL)
    if not line.strip():
        raise FileError("empty", f"{path.name}: the file is empty; expected a header line and rows")
    try:
        return line.decode("utf-8-sig").rstrip("\r\n").split(",")
    except UnicodeDecodeError:
        raise FileError("not_text", f"{path.name}: the first line is no UTF-8 text; is this a CSV file?") from None


def expect_header(path: Path, expected: Sequence[str]) -> None:
    """Refuse a file whose columns are not exactly those expected, naming the difference."""
    found = header(path)
    if found == list(expected):
        return
    missing = [name for name in expected if name not in found]
    surplus = [name for name in found if name not in expected]
    told = f"missing {missing[:5]}, surplus {surplus[:5]}" if missing or surplus else "the order differs"
    raise FileError("wrong_columns", f"{path.name}: expected {len(expected)} columns, found {len(found)}: {told}")


def read_text(path: Path, *, whole_last_line: bool) -> pl.DataFrame:
    """All cells of a CSV file as text, null where empty, with the row number from 0 as `batch_row`.

    Args:
        path: The file.
        whole_last_line: The last line must have its line end, because a cut in its last cell would not show.
    Raises:
        FileError: Not readable as CSV, or cut off in its last line.
    """
    names = header(path)
    _refuse_cut(path, len(names), whole_last_line=whole_last_line)
    try:
        frame = pl.read_csv(path, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        first = str(error).splitlines()[0]
        raise FileError("not_csv", f"{path.name}: not readable as CSV: {first}") from None
    return frame.with_row_index("batch_row").with_columns(pl.col("batch_row").cast(pl.Int64))


def moments(times: pl.Series, *, zone: str) -> tuple[pl.Series, pl.Series]:
    """Moments in UTC, and the reason where there is none; both are null where nothing was said.

    Args:
        times: ISO 8601 text, or timestamps with a zone or without.
        zone: IANA name of the clock that wrote the times without a zone.

    Example:
        >>> at, why = moments(pl.Series(["2026-03-29T02:30:00", "2026-03-29T03:30:00"]), zone="Europe/Berlin")
        >>> [str(moment) for moment in at], why.to_list()
        (['None', '2026-03-29 01:30:00+00:00'], ['never in Europe/Berlin: the clock was put forward over it', None])
    """
    aware, naive = _stated(times)
    once = naive.dt.replace_time_zone(zone, ambiguous="null", non_existent="null").dt.convert_time_zone("UTC")
    some = naive.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    reason = (
        pl.when(times.is_null() | aware.is_not_null() | once.is_not_null())
        .then(None)
        .when(some.is_not_null())
        .then(pl.lit(f"twice in {zone}: the clock was put back over it"))
        .when(naive.is_not_null())
        .then(pl.lit(f"never in {zone}: the clock was put forward over it"))
        .otherwise(pl.lit(NO_TIME))
    )
    read = pl.select(at=pl.coalesce(aware, once), reason=reason.cast(pl.String))
    return read["at"], read["reason"]


def _stated(times: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Moments that name their zone, in UTC, and readings of a clock that do not; null where it is the other or none."""
    if isinstance(times.dtype, pl.Datetime):
        nothing = pl.repeat(None, len(times), dtype=pl.Datetime("us"), eager=True)
        read = times.dt.cast_time_unit("us")
        if times.dtype.time_zone is None:
            return nothing.dt.replace_time_zone("UTC"), read
        return read.dt.convert_time_zone("UTC"), nothing
    text = pl.lit(times.cast(pl.String)).str.strip_chars()
    text = text.str.replace(r"[zZ]$", "+00:00").str.replace(r"^(\S+) ", "${1}T")
    aware = [text.str.to_datetime(f + "%:z", time_unit="us", strict=False) for f in INSTANTS]
    naive = [text.str.to_datetime(f, time_unit="us", strict=False) for f in INSTANTS]
    both = pl.select(aware=pl.coalesce(aware).dt.convert_time_zone("UTC"), naive=pl.coalesce(naive))
    return both["aware"], both["naive"]


def broken_cells(frame: pl.DataFrame, reasons: pl.Series, *, column: str) -> pl.DataFrame:
    """Rows of `frame` that have a reason why their cell in `column` is no value, in the columns of `BROKEN`."""
    bad = frame.with_columns(reasons=reasons).drop_nulls("reasons")
    found = pl.col(column).cast(pl.String).str.head(80)
    return bad.select("batch_row", column=pl.lit(column), found=found, reasons="reasons")


def numbers(text: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The numbers in a column of text, and the reason where there is text that is none."""
    read = text.cast(pl.Float64, strict=False)
    bad = read.is_null() & text.is_not_null()
    return read, pl.select(pl.when(bad).then(pl.lit("value: not a number"))).to_series()


def _refuse_cut(path: Path, fields: int, *, whole_last_line: bool) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - TAIL))
        tail = file.read()
    last = tail.rstrip(b"\r\n").rsplit(b"\n", 1)[-1]
    found = last.count(b",") + 1
    if found < fields:
        raise FileError(
            "cut_short",
            f"{path.name}: cut off in its last line: {found} of {fields} cells. Send the whole file again",
        )
    if whole_last_line and not tail.endswith(b"\n"):
        raise FileError(
            "cut_short",
            f"{path.name}: the last line has no line end, so its last value may be cut. Send the whole file again, "
            "or end it with a line end",
        )
