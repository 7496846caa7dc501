"""What every importer returns, and how it refuses a file."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import polars as pl

READ = pl.Schema(
    {
        "machine_id": pl.String(),
        "sensor": pl.String(),
        "recorded_at": pl.Datetime("us", "UTC"),
        "value": pl.Float64(),
        "quality": pl.String(),
        "batch_row": pl.Int64(),
    }
)
KNOWN = pl.Schema(
    {
        "machine_id": pl.String(),
        "kind": pl.String(),
        "label": pl.String(),
        "started_at": pl.Datetime("us", "UTC"),
        "ended_at": pl.Datetime("us", "UTC"),
        "batch_row": pl.Int64(),
    }
)
HAPPENED = pl.Schema(
    {
        "machine_id": pl.String(),
        "kind": pl.String(),
        "event": pl.String(),
        "occurred_at": pl.Datetime("us", "UTC"),
        "ended_at": pl.Datetime("us", "UTC"),
        "note": pl.String(),
        "batch_row": pl.Int64(),
    }
)
TAKEN = pl.Schema(
    {
        "machine_id": pl.String(),
        "sensor": pl.String(),
        "recorded_at": pl.Datetime("us", "UTC"),
        "signal": pl.String(),
        "sample_rate_hz": pl.Float64(),
        "n_samples": pl.Int64(),
        "encoding": pl.String(),
        "scale": pl.Float64(),
        "samples": pl.Binary(),
        "digest": pl.String(),
        "speed_rpm": pl.Float64(),
        "bearing": pl.String(),
        "quality": pl.String(),
        "batch_row": pl.Int64(),
    }
)
BROKEN = pl.Schema({"batch_row": pl.Int64(), "column": pl.String(), "found": pl.String(), "reasons": pl.String()})


class FileError(ValueError):
    """A file cannot be read as what its source declares. `code` is for machines, the message for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def _none_of(schema: pl.Schema) -> pl.DataFrame:
    return pl.DataFrame(schema=schema)


@dataclass(frozen=True)
class Parsed:
    """A file, or one piece of it, as its importer read it.

    Attributes:
        readings: One row a value, columns of `READ`; not yet judged. Empty cells have no row.
        labels: Known truth, columns of `KNOWN`.
        broken: Cells that are no value, columns of `BROKEN`.
        rows: Rows of the file, its header left out; of snapshots, files.
        events: What happened, columns of `HAPPENED`.
        snapshots: Waveforms, columns of `TAKEN`, one row a file and channel.
    """

    readings: pl.DataFrame
    labels: pl.DataFrame
    broken: pl.DataFrame
    rows: int
    events: pl.DataFrame = field(default_factory=lambda: _none_of(HAPPENED))
    snapshots: pl.DataFrame = field(default_factory=lambda: _none_of(TAKEN))


def joined(pieces: Iterable[Parsed]) -> Parsed:
    """The pieces of a file as one."""
    first, *others = pieces
    if not others:
        return first
    every = [first, *others]
    return Parsed(
        pl.concat([piece.readings for piece in every]),
        pl.concat([piece.labels for piece in every]),
        pl.concat([piece.broken for piece in every]),
        sum(piece.rows for piece in every),
        pl.concat([piece.events for piece in every]),
        pl.concat([piece.snapshots for piece in every]),
    )


def no_readings() -> pl.DataFrame:
    return _none_of(READ)


def no_labels() -> pl.DataFrame:
    return _none_of(KNOWN)


def no_broken() -> pl.DataFrame:
    return _none_of(BROKEN)
