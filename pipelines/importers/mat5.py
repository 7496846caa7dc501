"""MATLAB 5 files: the real numeric arrays in them (MathWorks, MAT-File Format, 2023, chapter 1).

A reader of our own, because these files come from strangers: no size in them is believed beyond the bytes that are
there.
"""

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.importers.parsed import FileError

HEADER = 128
MATRIX, COMPRESSED = 14, 15
STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
"""How numbers are stored, whatever their class is: whole numbers take fewer bytes."""
NUMERIC = range(6, 16)
"""Classes from double to uint64."""
COMPLEX = 0x08
MOST = 128 << 20
"""Bytes that may come out of the packed variables of a file."""
MOST_NUMBERS = 8_000_000
"""In one file; as doubles they take 64 MB."""


def read_mat(data: bytes) -> dict[str, NDArray[Any]]:
    """Every real numeric array by the name of its variable, flat in MATLAB's order (column after column).

    They have the type they are stored in, which is no wider than their class. Text, structures, cells, sparse and
    complex arrays are passed over.

    Raises:
        FileError: No MATLAB 5 file, cut short, more than a recording holds, or sizes that contradict each other.
    """
    order = _byte_order(data)
    arrays: dict[str, NDArray[Any]] = {}
    for kind, body in _variables(data[HEADER:], order):
        if kind == MATRIX and body:
            _take(arrays, body, order)
        if sum(values.size for values in arrays.values()) > MOST_NUMBERS:
            raise FileError("too_big", f"more than {MOST_NUMBERS} numbers; expected a short recording")
    return arrays


def _variables(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    left = MOST
    for kind, body in _elements(data, order):
        if kind != COMPRESSED:
            yield kind, body
            continue
        unpacked = _unpacked(body, left)
        left -= len(unpacked)
        yield from _elements(unpacked, order)


def _byte_order(data: bytes) -> str:
    if data[:8] == b"\x89HDF\r\n\x1a\n" or data[:20].startswith(b"MATLAB 7.3"):
        raise FileError("not_mat", "a MATLAB 7.3 file; expected version 5 to 7: save it with `-v7`")
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    if order is None:
        raise FileError("not_mat", f"not a MATLAB 5 file: it begins with {data[:20]!r}")
    return order


@dataclass
class _Cursor:
    data: bytes
    at: int = 0


def _elements(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    cursor = _Cursor(data)
    while cursor.at < len(data):
        yield _element(cursor, order)


def _element(cursor: _Cursor, order: str) -> tuple[int, bytes]:
    """Type and bytes of the element at the cursor, which moves behind it; small ones carry both in 8 bytes."""
    data, at = cursor.data, cursor.at
    if len(data) - at < 8:
        raise FileError(
            "cut_short", f"the file ends within a tag, {len(data) - at} bytes before its end. Send it again"
        )
    first = _whole(data[at : at + 4], order)
    if first >> 16:
        kind, size, start, step = first & 0xFFFF, first >> 16, at + 4, 8
        if size > 4:
            raise FileError("not_mat", f"a small element of {size} bytes; expected at most 4")
    else:
        kind, size, start = first, _whole(data[at + 4 : at + 8], order), at + 8
        step = 8 + (size if kind == COMPRESSED else -(-size // 8) * 8)
    if size > len(data) - start:
        told = f"{size} bytes are promised, {len(data) - start} are there"
        raise FileError("cut_short", f"element of type {kind}: {told}. Send the file again")
    cursor.at = at + step
    return kind, data[start : start + size]


def _whole(raw: bytes, order: str) -> int:
    return int.from_bytes(raw, "little" if order == "<" else "big")


def _unpacked(body: bytes, most: int) -> bytes:
    unpack = zlib.decompressobj()
    try:
        data = unpack.decompress(body, most + 1)
    except zlib.error as error:
        raise FileError("damaged", f"a packed variable is damaged: {error}. Send the file again") from None
    if not unpack.eof:
        told = "it is cut short" if len(data) <= most else f"more than {MOST >> 20} MB come out of this file"
        raise FileError("damaged", f"a packed variable cannot be read: {told}")
    return data


def _take(arrays: dict[str, NDArray[Any]], body: bytes, order: str) -> None:
    cursor = _Cursor(body)
    _, flags = _element(cursor, order)
    if len(flags) < 8:
        raise FileError("not_mat", f"array flags of {len(flags)} bytes; expected 8")
    word = _whole(flags[:4], order)
    if word & 0xFF not in NUMERIC or (word >> 8) & COMPLEX:
        return
    _, shape = _element(cursor, order)
    _, name = _element(cursor, order)
    stored, numbers = _element(cursor, order)
    if stored not in STORED:
        raise FileError("not_mat", f"numbers of type {stored}; expected one of {sorted(STORED)}")
    dtype = np.dtype(order + STORED[stored])
    count = math.prod(_whole(shape[start : start + 4], order) for start in range(0, min(len(shape), 32), 4))
    if count * dtype.itemsize != len(numbers):
        told = f"{len(numbers)} bytes are there for {count} numbers of {dtype.itemsize}"
        raise FileError("not_mat", f"variable {name[:40]!r}: {told}")
    arrays[name.decode("latin-1")] = np.frombuffer(numbers, dtype)
