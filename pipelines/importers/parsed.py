"""What every importer returns, and how it refuses a file."""

from dataclasses import dataclass

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
BROKEN = pl.Schema({"batch_row": pl.Int64(), "column": pl.String(), "found": pl.String(), "reasons": pl.String()})


class FileError(ValueError):
    """A file cannot be read as what its source declares. `code` is for machines, the message for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Parsed:
    """A file as its importer read it.

    Attributes:
        readings: One row a value, columns of `READ`; not yet judged. Empty cells have no row.
        labels: Known truth, columns of `KNOWN`.
        broken: Cells that are no value, columns of `BROKEN`.
        rows: Rows of the file, its header left out.
    """

    readings: pl.DataFrame
    labels: pl.DataFrame
    broken: pl.DataFrame
    rows: int


def no_labels() -> pl.DataFrame:
    return pl.DataFrame(schema=KNOWN)


def no_broken() -> pl.DataFrame:
    return pl.DataFrame(schema=BROKEN)
