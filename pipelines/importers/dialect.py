"""How a text table is written: its separator and its decimal sign, by what is there and never by a guess."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from pipelines.importers.parsed import FileError

SEPARATORS = (",", ";", "\t")
BLANKS = " "
"""Separator of tables whose columns are set apart by one or more blanks."""
NUMBER = r"\s*[+-]?{}([eE][+-]?\d+)?\s*"
COMMA = "^" + NUMBER.format(r"(\d+,\d*|,\d+)") + "$"
POINT = "^" + NUMBER.format(r"(\d+\.\d*|\.\d+)") + "$"
THOUSANDS = r"^\s*[+-]?[1-9]\d{0,2},\d{3}\s*$"


@dataclass(frozen=True)
class Dialect:
    """How the rows of one file are written.

    Attributes:
        columns: Names, in their order.
        separator: Between cells; `BLANKS` stands for one or more of them.
        decimal: Sign before the decimals of a number.
        has_header: The first line names the columns.
        ends_plainly: A cut in the last cell would show, so that the last line may lack its line end.
    """

    columns: tuple[str, ...]
    separator: str = ","
    decimal: str = "."
    has_header: bool = True
    ends_plainly: bool = False


def cells_of(line: str, separator: str) -> list[str]:
    """Cells of one line.

    Example:
        >>> cells_of('a;"b;c";d', ";")
        ['a', 'b;c', 'd']
    """
    if separator == BLANKS:
        return line.split()
    try:
        return next(csv.reader([line], delimiter=separator), [""])
    except csv.Error:  # no header of any table
        return [line]


def separator_of(line: str, fits: Callable[[list[str]], bool]) -> str:
    """The separator that gives a header that fits; where none does, the one that gives the most cells.

    Example:
        >>> separator_of("time;flow, l/min", lambda names: "time" in names)
        ';'
    """
    for separator in SEPARATORS:
        if fits(cells_of(line, separator)):
            return separator
    return max(SEPARATORS, key=lambda separator: len(cells_of(line, separator)))


def difference(name: str, expected: Sequence[str], found: Sequence[str]) -> FileError:
    """What tells a file's columns from those expected."""
    missing = [column for column in expected if column not in found]
    surplus = [column for column in found if column not in expected]
    told = f"missing {missing[:5]}, surplus {surplus[:5]}" if missing or surplus else "the order differs"
    return FileError("wrong_columns", f"{name}: expected {len(expected)} columns, found {len(found)}: {told}")


def expect_columns(name: str, expected: Sequence[str], line: str, *, ends_plainly: bool = False) -> Dialect:
    """The dialect of a file whose columns must be exactly those expected, in their order.

    Raises:
        FileError: Other columns, with the difference.
    """
    separator = separator_of(line, lambda found: found == list(expected))
    found = cells_of(line, separator)
    if found != list(expected):
        raise difference(name, expected, found)
    return Dialect(tuple(expected), separator, ends_plainly=ends_plainly)


class DecimalSign:
    """Finds out the decimal sign of a file whose separator leaves the comma free, from all of its numbers.

    A comma is the decimal sign if every number that has one can be read so and no number has a point. Where both
    occur in one file, or where after tabs every comma could as well part thousands, nobody can say what was meant.
    """

    def __init__(self, name: str, separator: str) -> None:
        self._name, self._separator = name, separator
        self._comma: str | None = None
        self._point: str | None = None
        self._is_sure = separator != "\t"

    def see(self, frame: pl.DataFrame, columns: Sequence[str]) -> None:
        """Take in one piece: its cells as text."""
        for column in columns:
            text = frame[column]
            commas, points = (text.filter(text.str.contains(pattern)) for pattern in (COMMA, POINT))
            self._is_sure = self._is_sure or not commas.str.contains(THOUSANDS).all()
            self._comma = self._comma or next(iter(commas), None)
            self._point = self._point or next(iter(points), None)

    @property
    def sign(self) -> str:
        """The decimal sign.

        Raises:
            FileError: It cannot be told.
        """
        if self._comma is not None and self._point is not None:
            raise FileError(
                "mixed_decimals",
                f"{self._name}: numbers with a comma ({self._comma}) and with a point ({self._point}): which is the "
                "decimal sign? Write one of them only",
            )
        if not self._is_sure and self._comma is not None:
            raise FileError(
                "mixed_decimals",
                f"{self._name}: does the comma of {self._comma} part decimals or thousands? Every number of the file "
                "could be either; write a decimal point, or semicolons between the cells",
            )
        return "." if self._comma is None else ","
