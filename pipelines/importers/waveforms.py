"""Snapshot files: members of a zip, or one file, turned into rows of `snapshots` piece by piece."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from re import Match
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipelines.importers.containers import Member, members
from pipelines.importers.layouts import Layout
from pipelines.importers.parsed import BROKEN, KNOWN, TAKEN, FileError, Parsed, no_readings

MOST_FILE = 64 << 20
"""Bytes of one snapshot file: an hour of sound is a recording, not a snapshot."""
PIECE = 32 << 20
"""Bytes of samples and readings after which a piece is given."""
TOLD = 200


@dataclass(frozen=True)
class Snapshot:
    """One channel of one file.

    Attributes:
        machine_id, sensor, recorded_at, signal, sample_rate_hz, speed_rpm, bearing, quality: As in the contract.
        samples: Shape (n_samples,), in the precision of the file: float64, float32, int32 or int16.
        scale: Value of a sample, in the unit of the sensor's suffix, is this times the sample.
    """

    machine_id: str
    sensor: str
    recorded_at: datetime
    signal: str
    sample_rate_hz: float
    samples: NDArray[Any]
    scale: float = 1.0
    speed_rpm: float | None = None
    bearing: str | None = None
    quality: str = "good"


@dataclass(frozen=True)
class Label:
    """What is known of the machine while a file was recorded."""

    machine_id: str
    kind: str
    label: str
    started_at: datetime
    ended_at: datetime


@dataclass(frozen=True)
class Content:
    """What one file holds: snapshots and labels under one row number, or readings under one each.

    `readings` has the columns of `READ`, its `batch_row` counted from 0 in the file; `rows` says how many it takes.
    """

    snapshots: Sequence[Snapshot] = ()
    labels: Sequence[Label] = ()
    readings: pl.DataFrame = field(default_factory=no_readings)
    rows: int = 1


Read = Callable[[Match[str], Member], Content]


def read_members(path: Path, layout: Layout, read: Read) -> Iterator[Parsed]:
    """Read every file of a layout, in natural order, in pieces of about `PIECE` bytes.

    Of a zip, a member that is damaged or none of the layout is a broken row, and the others land.

    Args:
        path: A file of the layout, or a zip of them.
        layout: Which files, by name.
        read: Makes one file's content of the match of its name and its bytes; `FileError` where it cannot.
    Raises:
        FileError: The archive is no good, no file of the layout is in it, or the one file is broken.
    """
    found = list(members(path))
    if not any(layout.files.search(member.name) for member in found):
        told = f"expected files such as {layout.expected}; found {found[0].name[:TOLD]!r}"
        raise FileError("wrong_layout", f"{path.name}: {told}" + (" and others" if len(found) > 1 else ""))
    is_alone = path.suffix.lower() != ".zip"
    piece = _Piece()
    for member in found:
        try:
            piece.add(_read(member, layout, read))
        except FileError as error:
            if is_alone:
                told = str(error).removeprefix(f"{member.name}: ")
                raise FileError(error.code, f"{member.name}: {told}") from None
            piece.refuse(member.name, str(error))
        if piece.size > PIECE:
            yield piece.parsed()
            piece = _Piece(piece.row)
    if piece.rows:
        yield piece.parsed()


def _read(member: Member, layout: Layout, read: Read) -> Content:
    match = layout.files.search(member.name)
    if match is None:
        raise FileError("wrong_layout", f"not a file of this data set; expected files such as {layout.expected}")
    content = read(match, member)
    for snapshot in content.snapshots:
        _refuse_infinite(snapshot)
    return content


def _refuse_infinite(snapshot: Snapshot) -> None:
    samples = snapshot.samples
    if samples.dtype.kind == "f" and not np.isfinite(samples).all():
        at = int(np.flatnonzero(~np.isfinite(samples))[0])
        raise FileError("wrong_value", f"{snapshot.sensor}, sample {at} is {samples[at]}; expected a finite number")


class _Piece:
    """Gathers files until they are enough for one piece; row numbers go on from piece to piece."""

    def __init__(self, row: int = 0) -> None:
        self.row, self._start = row, row
        self.size = 0
        self._taken: list[tuple[Any, ...]] = []
        self._labels: list[tuple[Any, ...]] = []
        self._readings: list[pl.DataFrame] = []
        self._broken: list[tuple[int, str, str, str]] = []

    @property
    def rows(self) -> int:
        return self.row - self._start

    def add(self, content: Content) -> None:
        self._taken += [_taken(snapshot, self.row) for snapshot in content.snapshots]
        self._labels += [
            (known.machine_id, known.kind, known.label, known.started_at, known.ended_at, self.row)
            for known in content.labels
        ]
        if not content.readings.is_empty():
            self._readings.append(content.readings.with_columns(pl.col("batch_row") + self.row))
        self.size += int(content.readings.estimated_size()) + sum(
            snapshot.samples.nbytes for snapshot in content.snapshots
        )
        self.row += content.rows

    def refuse(self, name: str, reason: str) -> None:
        self._broken.append((self.row, "file", name[:TOLD], reason))
        self.size += len(name[:TOLD]) + len(reason)
        self.row += 1

    def parsed(self) -> Parsed:
        return Parsed(
            readings=pl.concat(self._readings) if self._readings else no_readings(),
            labels=pl.DataFrame(self._labels, schema=KNOWN, orient="row"),
            broken=pl.DataFrame(self._broken, schema=BROKEN, orient="row"),
            rows=self.rows,
            snapshots=pl.DataFrame(self._taken, schema=TAKEN, orient="row"),
        )


def _taken(snapshot: Snapshot, row: int) -> tuple[Any, ...]:
    """One row in the columns of `TAKEN`."""
    samples = np.ascontiguousarray(snapshot.samples)
    little = samples.astype(samples.dtype.newbyteorder("<"), copy=False)
    raw = little.tobytes()
    return (
        snapshot.machine_id,
        snapshot.sensor,
        snapshot.recorded_at,
        snapshot.signal,
        snapshot.sample_rate_hz,
        samples.size,
        f"{samples.dtype.kind}{samples.dtype.itemsize}",
        snapshot.scale,
        raw,
        hashlib.sha256(raw).hexdigest()[:16],
        snapshot.speed_rpm,
        snapshot.bearing,
        snapshot.quality,
        row,
    )
