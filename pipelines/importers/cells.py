"""Reading text files strictly: another header, a cut or a cell that is no value is said, never guessed."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from pipelines.importers.parsed import FileError

TAIL = 1 << 16
INSTANTS = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M")


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


def instants(column: pl.Expr) -> pl.Expr:
    """ISO 8601 text to moments in UTC; a time without a zone is taken as UTC; null where it is no time.

    Example:
        >>> pl.select(instants(pl.lit("2026-01-05T01:30:00+01:00"))).item().isoformat()
        '2026-01-05T00:30:00+00:00'
    """
    text = column.str.strip_chars().str.replace(r"[zZ]$", "+00:00").str.replace(r"^(\S+) ", "${1}T")
    zoned = [text.str.to_datetime(f + "%:z", time_unit="us", strict=False) for f in INSTANTS]
    naive = [text.str.to_datetime(f, time_unit="us", strict=False).dt.replace_time_zone("UTC") for f in INSTANTS]
    return pl.coalesce([*(at.dt.convert_time_zone("UTC") for at in zoned), *naive])


def broken_cells(frame: pl.DataFrame, read: pl.Series, *, column: str, reason: str) -> pl.DataFrame:
    """Rows of `frame` whose text in `column` is no value although there is some, in the columns of `BROKEN`."""
    bad = frame.filter(read.is_null() & frame[column].is_not_null())
    return bad.select("batch_row", column=pl.lit(column), found=pl.col(column).str.head(80), reasons=pl.lit(reason))


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
