"""Judging what was read: which rows land, which are known, which go to quarantine and why."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

import pandera.polars as pa
import polars as pl

from pipelines.contracts.contract import TIME
from pipelines.contracts.enforce import split
from pipelines.contracts.labels import KEY as LABEL_KEY
from pipelines.contracts.labels import LABELS
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
    """What one batch adds to the lake, what goes to quarantine with its reasons, and the count of both."""

    readings: pl.DataFrame
    labels: pl.DataFrame
    rejected: pl.DataFrame
    receipt: Receipt


def sort_out(
    batch: Batch, readings: pl.DataFrame, labels: pl.DataFrame, *, source: str, landed_at: datetime
) -> Landing:
    """Judge the rows of one batch: new ones land, broken ones are quarantined, known ones are counted.

    Args:
        batch: The parsed file.
        readings: Those of the source that are current now, at least for the span of the batch.
        labels: Those of the source that are known now.
        source: Source the file arrived for.
        landed_at: Moment that is written into the rows.
    """
    good, bad = _judged(batch.parsed.readings, batch, READINGS, key=KEY, source=source, landed_at=landed_at)
    new = good.join(readings, on=[*KEY, "value", "quality"], how="anti")
    known, unknown = _judged(batch.parsed.labels, batch, LABELS, key=LABEL_KEY, source=source, landed_at=landed_at)
    new_labels = known.join(labels, on=[*LABEL_KEY, "ended_at"], how="anti", nulls_equal=True)
    rejected = pl.concat(
        [
            bad.select("batch_row", column="sensor", found=pl.col("value").cast(pl.String), reasons="broken_rules"),
            unknown.select("batch_row", column="kind", found="label", reasons="broken_rules"),
            batch.parsed.broken,
        ]
    )
    return Landing(new, new_labels, rejected, _receipt(batch.parsed, new, new_labels, rejected))


def _judged(
    frame: pl.DataFrame,
    batch: Batch,
    contract: pa.DataFrameSchema,
    *,
    key: Sequence[str],
    source: str,
    landed_at: datetime,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Good and broken rows in the columns of `contract`, with their lineage; of good rows with one key the last wins.

    Each is judged as if it came in a batch of its own, so that a broken row never takes a good one of its key along.
    """
    columns, row = list(contract.columns), pl.col("batch_row")
    lone = frame.with_columns(
        source=pl.lit(source),
        day=pl.col((contract.metadata or {})["time"]).dt.date(),
        landed_at=pl.lit(landed_at, TIME),
        batch_id=row.cast(pl.String),
        batch_seq=row,
    )
    good, bad = split(lone.select(columns), contract)
    latest = good.unique(subset=list(key), keep="last", maintain_order=True)
    own = latest.with_columns(batch_id=pl.lit(batch.batch_id), batch_seq=pl.lit(batch.batch_seq, pl.Int64))
    return own.select(columns), bad


def _receipt(parsed: Parsed, new: pl.DataFrame, labels: pl.DataFrame, rejected: pl.DataFrame) -> Receipt:
    landed = set(new["batch_row"]) | set(labels["batch_row"])
    quarantined = set(rejected["batch_row"]) - landed
    valued = landed | quarantined | set(parsed.readings["batch_row"]) | set(parsed.labels["batch_row"])
    return Receipt(
        files=1,
        rows_read=parsed.rows,
        rows_landed=len(landed),
        rows_duplicate=len(valued) - len(landed) - len(quarantined),
        rows_quarantined=len(quarantined),
        rows_empty=parsed.rows - len(valued),
        values_landed=new.height,
        values_quarantined=rejected.height,
        labels_landed=labels.height,
    )
