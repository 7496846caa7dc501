"""Text tables in pieces that fit memory: the whole file is checked for its structure before any of it is read.

A piece is cut at the end of a row. What cannot be a table of the stated columns is refused: a row with another number
of cells, a file that was cut short, bytes that are no text, a quotation mark that is never closed.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
import polars as pl

from pipelines.importers.containers import Member, members
from pipelines.importers.dialect import BLANKS, DecimalSign, Dialect
from pipelines.importers.parsed import BROKEN, FileError, Parsed, no_labels, no_readings

PIECE = 8 << 20
"""Bytes of text read at once."""
FIRST_ROWS = 1 << 20
LONGEST_LINE = 4 << 20
BOM = b"\xef\xbb\xbf"
ROW = "batch_row"
QUOTE, LINE_END = ord('"'), ord("\n")

Parse = Callable[[str, Dialect, Iterator[pl.DataFrame]], Iterator[Parsed]]


@dataclass(frozen=True)
class TextFormat:
    """What an importer of text tables knows of its format.

    Attributes:
        dialect: Of a file, by its name and first line; raises `FileError` where the file is none of the format.
        parse: Rows of one file out of its pieces: cells as text, null where empty, and `batch_row`.
        numeric: Columns that hold numbers, of a dialect: by them the decimal sign is found out.
        examine: Refuses a whole file for what stands in one of its pieces.
    """

    dialect: Callable[[str, str], Dialect]
    parse: Parse
    numeric: Callable[[Dialect], Sequence[str]]
    examine: Callable[[str, pl.DataFrame], None] | None = None


def read_text_files(path: Path, text: TextFormat, *, piece: int | None = None) -> Iterator[Parsed]:
    """Every text table in a file: the file itself, or those a `.gz` or `.zip` holds.

    All of them are checked before the first row is read. Of several a damaged one is told as a broken row, so that
    the others land; rows count on from one to the next.

    Raises:
        FileError: There is none that can be read.
    """
    size = piece or PIECE
    dialects: dict[str, Dialect] = {}
    refused: dict[str, FileError] = {}
    for member in members(path):
        try:
            dialects[member.name] = _checked(member, text, size)
        except FileError as error:
            refused[member.name] = error
    if not dialects:
        raise next(iter(refused.values()))
    row = 0
    for member in members(path):
        if member.name in refused:
            yield _refused(member.name, refused[member.name], row)
            row += 1
            continue
        dialect = dialects[member.name]
        for parsed in text.parse(member.name, dialect, _frames(member, dialect, row, size)):
            row += parsed.rows
            yield parsed


def first_line(member: Member) -> str:
    """The first line of a file, without its line end and byte order mark.

    Raises:
        FileError: The file is empty, or its first line is no text.
    """
    with member.open() as stream:
        line = stream.readline(LONGEST_LINE)
    if not line.strip():
        raise FileError("empty", f"{member.name}: the file is empty; expected a header line and rows")
    try:
        return line.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        told = "the first line is no UTF-8 text; is this a CSV file? Save it as CSV in UTF-8"
        raise FileError("not_text", f"{member.name}: {told}") from None


def first_rows(member: Member, dialect: Dialect, rows: int) -> pl.DataFrame:
    """The first rows of a file as text, with `batch_row`; nothing behind them is looked at.

    Raises:
        FileError: They are no table of these columns.
    """
    return next(_frames(member, dialect, 0, FIRST_ROWS)).head(rows)


def _refused(name: str, error: FileError, row: int) -> Parsed:
    broken = pl.DataFrame([(row, "file", name, str(error))], schema=BROKEN, orient="row")
    return Parsed(no_readings(), no_labels(), broken, 1)


def _checked(member: Member, text: TextFormat, size: int) -> Dialect:
    """The dialect of a file whose structure holds from its first to its last byte."""
    dialect = text.dialect(member.name, first_line(member))
    if ROW in dialect.columns:
        raise FileError("reserved_column", f"{member.name}: a column is called {ROW}, as our count of rows; rename it")
    row = 0
    last = b""
    holds_commas = False
    with member.open() as stream:
        pieces = _pieces(stream, member.name, dialect, size)
        for data in pieces:
            if not data.isascii():
                _refuse_no_text(data, member.name, row)
            shape = _shape(data, dialect, member.name, row)
            if shape.misfit is not None:
                is_last = shape.is_last and next(pieces, None) is None
                raise _ragged(member.name, row + shape.misfit, shape.cells, dialect, is_last=is_last)
            if text.examine is not None:
                text.examine(member.name, _cells(data, dialect, member.name, row))
            holds_commas = holds_commas or b"," in data
            row += shape.rows
            last = data[-1:]
    if last not in (b"", b"\n") and not dialect.ends_plainly:
        raise FileError(
            "cut_short",
            f"{member.name}: the last line has no line end, so its last value may be cut. Send the whole file again, "
            "or end it with a line end",
        )
    if dialect.separator in (",", BLANKS) or not holds_commas:
        return dialect
    return replace(dialect, decimal=_decimal_sign(member, text.numeric(dialect), dialect, size))


def _decimal_sign(member: Member, numeric: Sequence[str], dialect: Dialect, size: int) -> str:
    """Found out from the whole file: a comma far down makes the points above it doubtful."""
    sign = DecimalSign(member.name, dialect.separator)
    for frame in _frames(member, dialect, 0, size):
        sign.see(frame, numeric)
    return sign.sign


def _ragged(name: str, row: int, cells: int, dialect: Dialect, *, is_last: bool) -> FileError:
    columns = len(dialect.columns)
    if is_last and cells < columns:
        told = f"cut off in its last line: {cells} of {columns} cells. Send the whole file again"
        return FileError("cut_short", f"{name}: {told}")
    told = f"row {row} has {cells} cells, {'fewer' if cells < columns else 'more'} than the {columns} columns"
    return FileError("not_csv", f"{name}: not readable as CSV: {told}; nothing of it was read")


def _frames(member: Member, dialect: Dialect, row: int, size: int) -> Iterator[pl.DataFrame]:
    """Cells of a file as text, piece by piece: at least one frame, if only of no rows."""
    with member.open() as stream:
        none = True
        for data in _pieces(stream, member.name, dialect, size):
            frame = _cells(data, dialect, member.name, row)
            row += frame.height
            none = False
            yield frame
        if none:
            yield _cells(b"", dialect, member.name, row)


def _pieces(stream: BinaryIO, name: str, dialect: Dialect, size: int) -> Iterator[bytes]:
    """The rows of a file in pieces of about `size` bytes, each of whole rows; the header is left out."""
    rest = stream.read(len(BOM))
    rest = rest.removeprefix(BOM)
    if dialect.has_header:
        rest = (rest + stream.readline(LONGEST_LINE)).partition(b"\n")[2]
    while block := stream.read(size):
        if b'"' in block or b'"' in rest:
            block, rest = rest + block, b""
        if end := _end_of_rows(block):
            yield _normal(b"".join((rest, memoryview(block)[:end])), dialect)
            rest = block[end:]
        else:
            rest += block
        if len(rest) > LONGEST_LINE:
            told = f"a row of more than {LONGEST_LINE >> 20} MB, or a quotation mark that is never closed"
            raise FileError("not_csv", f"{name}: not readable as CSV: {told}")
    if rest.strip(b"\r\n"):
        if rest.count(b'"') % 2:
            told = "cut off in its last line, or a quotation mark is never closed. Send the whole file again"
            raise FileError("cut_short", f"{name}: {told}")
        yield _normal(rest, dialect)


def _end_of_rows(data: bytes) -> int:
    """Where the last whole row of `data` ends: a line end inside quotes ends none."""
    if b'"' not in data:
        return data.rfind(b"\n") + 1
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == LINE_END)
    quotes = np.flatnonzero(np.frombuffer(data, np.uint8) == QUOTE)
    whole = ends[np.searchsorted(quotes, ends) % 2 == 0]
    return int(whole[-1]) + 1 if whole.size else 0


def _normal(data: bytes, dialect: Dialect) -> bytes:
    if dialect.separator != BLANKS:
        return data
    return re.sub(rb"^ | (?=\r?$)", b"", re.sub(rb"[ \t]+", b" ", data), flags=re.MULTILINE)


@dataclass(frozen=True)
class _Shape:
    """Rows of a piece, and of the first that has another number of cells than there are columns its place and cells."""

    rows: int
    misfit: int | None = None
    cells: int = 0
    is_last: bool = False


def _shape(data: bytes, dialect: Dialect, name: str, row: int) -> _Shape:
    bare = _without_quoted(data, dialect, name, row) if b'"' in data else data
    separators = len(dialect.columns) - 1
    marks = bare.translate(None, _all_but(dialect.separator))
    line = dialect.separator.encode() * separators + b"\n"
    rows = len(marks) // len(line)
    if marks == line * rows:  # compared as a whole, which costs next to nothing
        return _Shape(rows)
    lines = bare.rstrip(b"\r\n").split(b"\n")
    counts = [text.count(dialect.separator.encode()) for text in lines]
    wrong = (place for place, count in enumerate(counts) if count != separators and lines[place].strip(b"\r"))
    place = next(wrong, None)
    if place is None:
        return _Shape(len(lines))
    return _Shape(len(lines), place, counts[place] + 1, place == len(lines) - 1)


@cache
def _all_but(separator: str) -> bytes:
    return bytes(code for code in range(256) if chr(code) not in (separator, "\n"))


def _without_quoted(data: bytes, dialect: Dialect, name: str, row: int) -> bytes:
    """`data` with whatever stands in quotation marks blotted out, so that only real separators and line ends are left.

    Raises:
        FileError: A quotation mark stands inside a cell that is not quoted as a whole.
    """
    codes = np.frombuffer(data, np.uint8)
    marks = codes == QUOTE
    places = np.flatnonzero(marks)
    around = np.frombuffer(b"\n" + data + b"\n", np.uint8)
    borders = np.frombuffer(dialect.separator.encode() + b'\r\n"', np.uint8)
    stray = np.concatenate(
        [
            places[::2][~np.isin(around[places[::2]], borders)],
            places[1::2][~np.isin(around[places[1::2] + 2], borders)],
        ]
    )
    if stray.size or places.size % 2:
        at = int(stray.min()) if stray.size else int(places[-1])
        found, near = data[max(0, at - 20) : at + 20].decode(errors="replace"), row + data.count(b"\n", 0, at)
        raise FileError(
            "not_csv",
            f"{name}: not readable as CSV: near row {near} a quotation mark stands inside a cell "
            f"or is never closed: {found!r}; quote the whole cell and double the marks in it",
        )
    inside = np.cumsum(marks, dtype=np.uint8) % 2 == 1
    return np.where(inside | marks, np.uint8(ord("x")), codes).tobytes()


def _refuse_no_text(data: bytes, name: str, row: int) -> None:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        at = row + data.count(b"\n", 0, error.start)
        raise FileError("not_text", f"{name}: row {at} holds invalid utf-8; save the file as UTF-8") from None


def _cells(data: bytes, dialect: Dialect, name: str, row: int) -> pl.DataFrame:
    if not data:
        return pl.DataFrame(schema={**dict.fromkeys(dialect.columns, pl.String), "batch_row": pl.Int64})
    try:
        frame = pl.read_csv(
            data,
            has_header=False,
            schema=dict.fromkeys(dialect.columns, pl.String),
            separator=dialect.separator,
            quote_char='"' if b'"' in data else None,
        )
    except pl.exceptions.PolarsError as error:
        first = str(error).splitlines()[0]
        raise FileError("not_csv", f"{name}: not readable as CSV: {first}") from None
    if b'""' in data:  # quoted or not, what is empty says nothing
        frame = frame.with_columns(pl.when(pl.all() != "").then(pl.all()))
    return frame.with_columns(batch_row=pl.int_range(row, row + frame.height, dtype=pl.Int64, eager=True))
