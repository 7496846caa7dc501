"""Judging what was read: which rows land, which are known, which go to quarantine and why."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

import pandera.polars as pa
import polars as pl

from pipelines.contracts.contract import TIME
from pipelines.contracts.enforce import split
from pipelines.contracts.labels import KEY as LABEL_KEY
from pipelines.contracts.labels import LABELS
from pipelines.contracts.readings import KEY, READINGS
from pipelines.importers.parsed import Parsed

AHEAD = timedelta(minutes=10)
"""How far the clock of a sender may be ahead of the landing clock."""
STANDS_STILL = 3
"""So many different values of one sensor under one time in one file: that clock stands still. Two are a correction."""


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
    `values_corrected` are those landed whose key stood there with another value or quality: conflicts, the later wins.
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
    values_corrected: int = 0

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
    batch: Batch, readings: pl.DataFrame, labels: pl.DataFrame, *, source: str, landed_at: datetime, now: datetime
) -> Landing:
    """Judge the rows of one batch: new ones land, broken ones are quarantined, known ones are counted.

    Args:
        batch: The parsed file.
        readings: Those of the source that were current when the batch first landed, at least for its span; of a batch
            that has landed in part, its own rows too.
        labels: Likewise.
        source: Source the file arrived for.
        landed_at: Moment that is written into the rows.
        now: Landing clock: what was measured more than `AHEAD` after it was not measured then.
    """
    kept, broken = _judged(batch.parsed.readings, READINGS, source=source, landed_at=landed_at)
    good, mistimed = _in_time(kept, now)
    new, corrected = _new(_last(good, KEY), readings, batch, KEY, ("value", "quality"))
    known, unknown = _judged(batch.parsed.labels, LABELS, source=source, landed_at=landed_at)
    new_labels, _ = _new(_last(known, LABEL_KEY), labels, batch, LABEL_KEY, ("ended_at",))
    value = pl.col("value").cast(pl.String)
    rejected = pl.concat(
        [
            broken.select("batch_row", column="sensor", found=value, reasons="broken_rules"),
            mistimed.select("batch_row", column="sensor", found=value, reasons="reasons"),
            unknown.select("batch_row", column="kind", found="label", reasons="broken_rules"),
            batch.parsed.broken,
        ]
    )
    return Landing(new, new_labels, rejected, _receipt(batch.parsed, new, new_labels, rejected, corrected=corrected))


def rules_version() -> str:
    """Version of the rules that rows are judged by: changes with any of them.

    What was refused by one version may land by another: `reason.json` names it.
    """
    told = [
        f"{contract.name}.{name} {column.dtype} {column.nullable} {sorted(map(str, column.checks))}"
        for contract in (READINGS, LABELS)
        for name, column in contract.columns.items()
    ]
    return hashlib.sha256("|".join([*told, str(AHEAD), str(STANDS_STILL)]).encode()).hexdigest()[:16]


def _judged(
    frame: pl.DataFrame, contract: pa.DataFrameSchema, *, source: str, landed_at: datetime
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Good and broken rows in the columns of `contract`; `batch_id` and `batch_seq` are for the caller to set.

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
    judged = lone.select(columns)
    if judged.is_empty():  # most files hold readings alone, and asking pandera costs more than the rest
        return judged, judged.with_columns(broken_rules=pl.lit(""))
    return split(judged, contract)


def _last(good: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """Of the rows of a file with one key the last: within a file the later row wins."""
    return good.unique(subset=list(key), keep="last", maintain_order=True)


def _in_time(good: pl.DataFrame, now: datetime) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows whose clock can be right, and the others with their `reasons`.

    Of a clock that stands still every value is refused: nobody can say which of them was measured at that time.
    """
    crowded = good.group_by(KEY).agg(pl.col("value").n_unique()).filter(pl.col("value") >= STANDS_STILL)
    still = good.join(crowded, on=KEY, how="semi")
    still = still.select("batch_row", "sensor", stands=True)
    marked = good.join(still, on=["batch_row", "sensor"], how="left", maintain_order="left")
    minutes = AHEAD // timedelta(minutes=1)
    reasons = (
        pl.when(pl.col("recorded_at") > now + AHEAD)
        .then(pl.lit(f"recorded_at: more than {minutes} min ahead of the landing clock"))
        .when(pl.col("stands"))
        .then(pl.lit(f"recorded_at: the clock stands still: {STANDS_STILL} or more values at one time"))
    )
    marked = marked.with_columns(reasons=reasons).drop("stands")
    return marked.filter(pl.col("reasons").is_null()).drop("reasons"), marked.drop_nulls("reasons")


def _new(
    good: pl.DataFrame, standing: pl.DataFrame, batch: Batch, key: Sequence[str], values: Sequence[str]
) -> tuple[pl.DataFrame, int]:
    """Rows that do not stand there already, numbered, and how many of them correct one that does.

    A row that comes back from quarantine may overrule one that landed before it from its own file: it takes the next
    number above, of those that are left free behind each batch.
    """
    stood = standing.select(*key, stood="batch_seq")
    new = good.join(standing, on=[*key, *values], how="anti", nulls_equal=True, maintain_order="left")
    new = new.join(stood, on=list(key), how="left", maintain_order="left")
    seq = pl.lit(batch.batch_seq, pl.Int64)
    numbered = new.with_columns(
        batch_id=pl.lit(batch.batch_id),
        batch_seq=pl.when(pl.col("stood") >= seq).then(pl.col("stood") + 1).otherwise(seq),
    )
    return numbered.drop("stood"), new["stood"].count()


def _receipt(
    parsed: Parsed, new: pl.DataFrame, labels: pl.DataFrame, rejected: pl.DataFrame, *, corrected: int
) -> Receipt:
    landed = _rows_of(new) | _rows_of(labels)
    quarantined = _rows_of(rejected) - landed
    valued = landed | quarantined | _rows_of(parsed.readings) | _rows_of(parsed.labels)
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
        values_corrected=corrected,
    )


def _rows_of(values: pl.DataFrame) -> set[int]:
    """Rows of the file that the values are from, of which a wide file has many in one row."""
    return set(values["batch_row"].unique())
