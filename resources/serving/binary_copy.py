"""PostgreSQL's binary COPY format, made of whole columns at once: a row at a time Python would be the slow part.

Format: https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format".
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import polars as pl

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
CHUNK_ROWS = 50_000
EPOCH_US = 946_684_800_000_000  # PostgreSQL counts from 2000-01-01
WIDTHS: Mapping[str, tuple[str, int]] = MappingProxyType(
    {
        "boolean": ("u1", 1),
        "integer": (">i4", 4),
        "bigint": (">i8", 8),
        "timestamptz": (">i8", 8),
        "double precision": (">f8", 8),
    }
)
"""Types of a fixed width: what they are in NumPy, and in how many bytes."""


def is_fixed_width(types: Mapping[str, str]) -> bool:
    """Whether rows of these columns can be written this way."""
    return set(types.values()) <= set(WIDTHS)


def encoded(frame: pl.DataFrame, types: Mapping[str, str]) -> Iterator[bytes]:
    """What COPY ... FROM STDIN (FORMAT binary) reads, in pieces.

    Args:
        frame: Columns of `types`, in this order; times in microseconds UTC.
        types: Type on the server by column, all of a fixed width.
    """
    yield HEADER
    for rows in frame.iter_slices(CHUNK_ROWS):
        yield _tuples(rows, types)
    yield TRAILER


def _tuples(rows: pl.DataFrame, types: Mapping[str, str]) -> bytes:
    """Of each row the number of fields, then length and value of each; a null is a length of -1 and nothing more."""
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    for name, kind in types.items():
        fields += [(f"{name} length", ">i4"), (name, WIDTHS[kind][0])]
    out = np.empty(rows.height, np.dtype(fields))
    out["fields"] = len(types)
    kept: npt.NDArray[np.bool_] | None = None  # bytes that are sent: all but those of nulls
    for name, kind in types.items():
        column = rows[name]
        out[f"{name} length"] = WIDTHS[kind][1]
        if column.null_count():
            missing = column.is_null().to_numpy()
            out[f"{name} length"][missing] = -1
            if kept is None:
                kept = np.ones((rows.height, out.itemsize), np.bool_)
            offset = out.dtype.fields[name][1] if out.dtype.fields else 0
            kept[missing, offset : offset + WIDTHS[kind][1]] = False
            column = column.fill_null(0) if kind != "timestamptz" else column.dt.epoch("us").fill_null(EPOCH_US)
        elif kind == "timestamptz":
            column = column.dt.epoch("us")
        values = column.to_numpy()
        out[name] = values - EPOCH_US if kind == "timestamptz" else values
    if kept is None:
        return out.tobytes()
    return out.view(np.uint8).reshape(rows.height, out.itemsize)[kept].tobytes()
