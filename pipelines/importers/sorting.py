"""Judging what was read: which rows land, which are known, which go to quarantine and why."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from types import MappingProxyType

import pandera.polars as pa
import polars as pl

from pipelines.contracts import events, labels, readings, snapshots
from pipelines.contracts.contract import TIME
from pipelines.contracts.enforce import all_keep, split
from pipelines.contracts.limits import is_physical, physical_range
from pipelines.contracts.registry import CONTRACTS
from pipelines.contracts.vocabulary import PHYSICAL
from pipelines.importers.parsed import Parsed

AHEAD = timedelta(minutes=10)
"""How far the clock of a sender may be ahead of the landing clock."""
_NO_ROWS = pl.Series("batch_row", dtype=pl.Int64)
STANDS_STILL = 3
"""So many different values of one sensor under one time in one file: that clock stands still. Two are a correction."""


@dataclass(frozen=True)
class Kind:
    """What of a table's rows counts when one of them comes again.

    Attributes:
        key: Which row it is; a version of it with other words is a correction.
        said: What it says; the same again is a duplicate.
        column: Column that a refused row is told by.
        found: Column that is shown of a refused row.
    """

    key: tuple[str, ...]
    said: tuple[str, ...]
    column: str
    found: str


KINDS = MappingProxyType(
    {
        "readings": Kind(readings.KEY, ("value", "quality"), "sensor", "value"),
        "labels": Kind(labels.KEY, ("ended_at",), "kind", "label"),
        "events": Kind(events.KEY, ("ended_at", "note"), "kind", "event"),
        "snapshots": Kind(
            snapshots.KEY,
            ("digest", "encoding", "scale", "sample_rate_hz", "speed_rpm", "bearing", "quality"),
            "sensor",
            "digest",
        ),
    }
)
"""Every table that files land in."""


def standing_columns(table: str) -> list[str]:
    """Columns of a table that are needed to judge what comes after: waveforms are told apart by their digest."""
    kind = KINDS[table]
    return [*kind.key, *kind.said, "landed_at", "batch_id", "batch_seq"]


@dataclass(frozen=True)
class Batch:
    """One arrived file, or a piece of it.

    Attributes:
        batch_id: Content hash of the file.
        batch_seq: Its place in the order of landing.
        parsed: Its values.
        first_row: Row of the file with which the piece begins. A label may name an earlier one, at which it began.
    """

    batch_id: str
    batch_seq: int
    parsed: Parsed
    first_row: int = 0


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
    events_landed: int = 0
    snapshots_landed: int = 0
    values_corrected: int = 0

    def __add__(self, other: "Receipt") -> "Receipt":
        return Receipt(**{name: count + getattr(other, name) for name, count in asdict(self).items()})


@dataclass(frozen=True)
class Landing:
    """What one batch adds to each table, what goes to quarantine with its reasons, and the count of both."""

    tables: Mapping[str, pl.DataFrame]
    rejected: pl.DataFrame
    receipt: Receipt

    @property
    def readings(self) -> pl.DataFrame:
        return self.tables["readings"]

    @property
    def days(self) -> set[date]:
        """Days that get new rows."""
        return {day for rows in self.tables.values() for day in rows["day"].unique()}

    @property
    def labels(self) -> pl.DataFrame:
        return self.tables["labels"]


def sort_out(
    batch: Batch, standing: Mapping[str, pl.DataFrame], *, source: str, landed_at: datetime, now: datetime
) -> Landing:
    """Judge the rows of one batch: new ones land, broken ones are quarantined, known ones are counted.

    Args:
        batch: The parsed file, or a piece of it.
        standing: By table the rows of the source that were current when the batch first landed, in at least
            `standing_columns`, at least for its span; of a batch that has landed in part, its own rows too.
        source: Source the file arrived for.
        landed_at: Moment that is written into the rows.
        now: Landing clock: what was measured more than `AHEAD` after it was not measured then.
    """
    landing: dict[str, pl.DataFrame] = {}
    refused, corrected = [batch.parsed.broken], 0
    for table, kind in KINDS.items():
        kept, broken = _judged(getattr(batch.parsed, table), CONTRACTS[table], source=source, landed_at=landed_at)
        reasons = [broken.rename({"broken_rules": "reasons"})]
        if table == "readings":
            kept, impossible = _possible(kept)
            reasons.append(impossible)
        has_repeats = _has_repeats(kept, kind.key)
        if table in ("readings", "snapshots"):
            kept, mistimed = _in_time(kept, kind, now, has_repeats=has_repeats)
            reasons.append(mistimed)
        if has_repeats:
            kept = _last(kept, kind.key)
        landing[table], again = _new(kept, standing[table], batch, kind)
        corrected += again if table == "readings" else 0
        refused += [_told(rows, kind) for rows in reasons]
    rejected = pl.concat(refused)
    return Landing(landing, rejected, _receipt(batch, landing, rejected, corrected=corrected))


def rules_version() -> str:
    """Version of the rules that rows are judged by: changes with any of them.

    What was refused by one version may land by another: `reason.json` names it.
    """
    told = [
        f"{table}.{name} {column.dtype} {column.nullable} {sorted(map(str, column.checks))}"
        for table in KINDS
        for name, column in CONTRACTS[table].columns.items()
    ]
    return hashlib.sha256("|".join([*told, str(PHYSICAL), str(AHEAD), str(STANDS_STILL)]).encode()).hexdigest()[:16]


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
    if all_keep(judged, contract, columns=frame.columns):
        return judged, judged.clear().with_columns(broken_rules=pl.lit(""))
    return split(judged, contract)


def _told(rows: pl.DataFrame, kind: Kind) -> pl.DataFrame:
    """Refused rows with their `reasons`, in the columns of `BROKEN`."""
    found = pl.col(kind.found).cast(pl.String)
    return rows.select("batch_row", column=pl.col(kind.column), found=found, reasons="reasons")


def _last(good: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """Of the rows of a file with one key the last: within a file the later row wins."""
    return good.unique(subset=list(key), keep="last", maintain_order=True)


def _has_repeats(rows: pl.DataFrame, key: Sequence[str]) -> bool:
    """Whether two rows may share a key: most files have none, and to know that costs a fraction of a search."""
    return bool(rows.select(pl.struct(key).hash().n_unique()).item() < rows.height)


def _possible(good: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Readings that can have been measured, and the others with their `reasons`."""
    ends = good.group_by("sensor").agg(low=pl.col("value").min(), high=pl.col("value").max())
    strange = ends.filter(~(is_physical(value="low") & is_physical(value="high")))["sensor"]
    if strange.is_empty():
        return good, good.clear().with_columns(reasons=pl.lit(""))
    told = {sensor: "value: no {} can be: {:g} to {:g}".format(sensor, *physical_range(sensor)) for sensor in strange}
    possible = is_physical()
    reasons = pl.col("sensor").replace_strict(told, default=None, return_dtype=pl.String)
    return good.filter(possible), good.filter(~possible).with_columns(reasons=reasons)


def _in_time(good: pl.DataFrame, kind: Kind, now: datetime, *, has_repeats: bool) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows whose clock can be right, and the others with their `reasons`.

    Of a clock that stands still every value is refused: nobody can say which of them was measured at that time.
    """
    newest = good["recorded_at"].max()
    is_early = newest is None or (isinstance(newest, datetime) and newest <= now + AHEAD)
    if is_early and not has_repeats:
        return good, good.clear().with_columns(reasons=pl.lit(""))
    crowded = good.group_by(kind.key).agg(pl.col(kind.found).n_unique()).filter(pl.col(kind.found) >= STANDS_STILL)
    still = good.join(crowded, on=kind.key, how="semi")
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


def _new(good: pl.DataFrame, standing: pl.DataFrame, batch: Batch, kind: Kind) -> tuple[pl.DataFrame, int]:
    """Rows that do not stand there already, numbered, and how many of them correct one that does.

    A row that comes back from quarantine may overrule one that landed before it from its own file: it takes the next
    number above, of those that are left free behind each batch.
    """
    seq = pl.lit(batch.batch_seq, pl.Int64)
    numbered = {"batch_id": pl.lit(batch.batch_id), "batch_seq": seq}
    if standing.is_empty():
        return good.with_columns(**numbered), 0
    stood = standing.select(*kind.key, stood="batch_seq")
    known = standing.select(*kind.key, *kind.said)
    new = good.join(known, on=[*kind.key, *kind.said], how="anti", nulls_equal=True, maintain_order="left")
    new = new.join(stood, on=list(kind.key), how="left", maintain_order="left")
    numbered["batch_seq"] = pl.when(pl.col("stood") >= seq).then(pl.col("stood") + 1).otherwise(seq)
    return new.with_columns(**numbered).drop("stood"), new["stood"].count()


def _receipt(batch: Batch, new: Mapping[str, pl.DataFrame], rejected: pl.DataFrame, *, corrected: int) -> Receipt:
    parsed, first = batch.parsed, batch.first_row
    landed, refused = _rows_of(*new.values(), first=first), _rows_of(rejected, first=first)
    valued = _rows_of(rejected, *(getattr(parsed, table) for table in KINDS), first=first)
    quarantined = len(refused) if refused.is_empty() else int((~refused.is_in(landed.implode())).sum())
    return Receipt(
        files=1,
        rows_read=parsed.rows,
        rows_landed=len(landed),
        rows_duplicate=len(valued) - len(landed) - quarantined,
        rows_quarantined=quarantined,
        rows_empty=parsed.rows - len(valued),
        values_landed=new["readings"].height,
        values_quarantined=rejected.height,
        labels_landed=new["labels"].height,
        events_landed=new["events"].height,
        snapshots_landed=new["snapshots"].height,
        values_corrected=corrected,
    )


def _rows_of(*tables: pl.DataFrame, first: int) -> pl.Series:
    """Rows of the file from `first` on that values are from, of which a wide file has many in one row."""
    some, *others = [table["batch_row"].unique() for table in tables if not table.is_empty()] or [_NO_ROWS]
    rows = pl.concat([some, *others]).unique() if others else some
    return rows.filter(rows >= first) if first else rows
