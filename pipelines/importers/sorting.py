"""Judging what was read: which rows land, which are known, which go to quarantine and why."""

from dataclasses import asdict, dataclass
from datetime import datetime

import polars as pl

from pipelines.contracts.enforce import conform, split
from pipelines.contracts.readings import KEY, READINGS
from pipelines.importers.parsed import Parsed


@dataclass(frozen=True)
class Batch:
    """One arrived file: its content hash, its place in the order of landing, its values."""

    batch_id: str
    batch_seq: int
    parsed: Parsed


@dataclass(frozen=True)
class Receipt:
    """What became of the files of one run, counted in rows of the source.

    `rows_read = rows_landed + rows_duplicate + rows_quarantined + rows_empty`: a row counts as landed if any of its
    values landed, else as quarantined if any was refused, else as duplicate, or as empty if it held no value.
    """

    files: int = 0
    files_duplicate: int = 0
    files_quarantined: int = 0
    rows_read: int = 0
    rows_landed: int = 0
    rows_duplicate: int = 0
    rows_quarantined: int = 0
    rows_empty: int = 0
    values_landed: int = 0
    values_quarantined: int = 0
    labels_landed: int = 0

    def __add__(self, other: "Receipt") -> "Receipt":
        return Receipt(**{name: count + getattr(other, name) for name, count in asdict(self).items()})


@dataclass(frozen=True)
class Landing:
    """Rows to append, rows to quarantine with their reasons, and the count of both."""

    new: pl.DataFrame
    rejected: pl.DataFrame
    receipt: Receipt


def sort_out(batch: Batch, current: pl.DataFrame, *, source: str, landed_at: datetime) -> Landing:
    """Judge the rows of one batch: new ones land, broken ones are quarantined, known ones are counted.

    Args:
        batch: The parsed file.
        current: Readings of the source that are current now, at least for the span of the batch.
        source: Source the file arrived for.
        landed_at: Moment that is written into the rows.
    """
    rows = batch.parsed.readings.with_columns(
        source=pl.lit(source),
        day=pl.col("recorded_at").dt.date(),
        landed_at=pl.lit(landed_at, READINGS.columns["landed_at"].dtype.type),
        batch_id=pl.lit(batch.batch_id),
        batch_seq=pl.lit(batch.batch_seq, pl.Int64),
    ).select(list(READINGS.columns))
    rows = rows.unique(subset=list(KEY), keep="last", maintain_order=True)  # within a file the later row wins
    good, refused = split(rows, READINGS)
    new = good.join(current, on=[*KEY, "value", "quality"], how="anti", nulls_equal=True)
    rejected = pl.concat(
        [
            refused.select("batch_row", column="sensor", found=pl.col("value").cast(pl.String), reasons="reasons"),
            batch.parsed.broken,
        ]
    )
    return Landing(conform(new, READINGS), rejected, _receipt(batch.parsed, new, rejected))


def _receipt(parsed: Parsed, new: pl.DataFrame, rejected: pl.DataFrame) -> Receipt:
    landed = new["batch_row"].unique()
    quarantined = rejected["batch_row"].unique().filter(~rejected["batch_row"].unique().is_in(landed.implode()))
    with_any = pl.concat([parsed.readings["batch_row"], rejected["batch_row"]]).n_unique()
    return Receipt(
        files=1,
        rows_read=parsed.rows,
        rows_landed=landed.len(),
        rows_duplicate=with_any - landed.len() - quarantined.len(),
        rows_quarantined=quarantined.len(),
        rows_empty=parsed.rows - with_any,
        values_landed=new.height,
        values_quarantined=rejected.height,
    )
