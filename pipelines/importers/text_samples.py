"""Samples in text files: so many rows of so many numbers, or the difference is told."""

import polars as pl

from pipelines.importers.parsed import FileError


def read_samples(
    data: bytes, *, separator: str, columns: int, rows: int | None, header: str | None = None, ends: bool = True
) -> pl.DataFrame:
    """A text file of numbers as float64 columns `c0`, `c1`, ...; the nearest double to each text.

    Args:
        data: The file.
        separator: One character.
        columns: Numbers in a row.
        rows: Rows that must be there; None: one or more.
        header: First line that must be there; None: the first line is data.
        ends: The last line must have its line end; else it may lack it where a cut in its last number would show:
            where that has as many decimals as any other of its column.
    Raises:
        FileError: Another header, other counts, a cell that is no number, or cut in its last line.

    Example:
        >>> read_samples(b"0.1;2e+005\\n3;4\\n", separator=";", columns=2, rows=2).rows()
        [(0.1, 200000.0), (3.0, 4.0)]
    """
    first = data[: 1 << 12].split(b"\n", 1)[0].decode("utf-8-sig", "replace").rstrip("\r")
    if not data.strip():
        raise FileError("empty", f"the file is empty; expected {columns} columns")
    if header is not None and first != header:
        raise FileError("wrong_columns", f"expected the header {header!r}, found {first[:80]!r}")
    found = first.count(separator) + 1
    if found != columns:
        told = f"expected {columns} columns separated by {separator!r}, found {found} in {first[:80]!r}"
        raise FileError("wrong_columns", told)
    if not data.endswith(b"\n"):
        _refuse_cut(data.decode("utf-8", "replace"), separator, ends=ends)
    frame = _read(data.rstrip(b"\r\n"), separator, columns, header is not None)
    if rows is not None and frame.height != rows:
        raise FileError("wrong_rows", f"expected {rows} rows, found {frame.height}")
    nulls = sum(frame.null_count().row(0))
    if nulls:
        row = frame.select(pl.any_horizontal(pl.all().is_null()).arg_true().first()).item()
        raise FileError("wrong_value", f"row {row}: {nulls} cells are empty or missing; expected {columns} numbers")
    return frame


def _refuse_cut(text: str, separator: str, *, ends: bool) -> None:
    told = "the last line has no line end"
    if ends:
        raise FileError("cut_short", f"{told}, so its last value may be cut. Send the file again")
    *others, last = (line.rpartition(separator)[2].rstrip("\r") for line in text.splitlines())
    most = max(map(_decimals, others), default=0)
    if _decimals(last) < max(most, 1):
        told += f", and its last number, {last[:80]}, has fewer decimals than {most} of others: it may be cut"
        raise FileError("cut_short", f"{told}. Send the file again, or end it with a line end")


def _decimals(number: str) -> int:
    """Digits behind the point; none with an exponent, which could be cut as well."""
    digits = number.strip().partition(".")[2]
    return len(digits) if digits.isdigit() else 0


def _read(data: bytes, separator: str, columns: int, has_header: bool) -> pl.DataFrame:
    schema = {f"c{number}": pl.Float64() for number in range(columns)}
    try:
        return pl.read_csv(
            data,
            has_header=False,
            skip_rows=int(has_header),
            separator=separator,
            schema=schema,
            quote_char=None,
            raise_if_empty=False,
        )
    except pl.exceptions.PolarsError as error:
        raise FileError("wrong_value", f"not {columns} numbers in each row: {str(error).splitlines()[0]}") from None
