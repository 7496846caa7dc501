"""What holds of a home after any fault and one recovery. Tells every breach in words; an empty list is health.

A recovery is a further plain `smartmaint run`, or a restart of `smartmaint up`: nothing done by hand.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import duckdb
import polars as pl
import psutil
import pyarrow as pa
from polars.testing import assert_frame_equal
from pyarrow.parquet import ParquetFile

from pipelines.contracts.enforce import lineage_columns
from pipelines.contracts.registry import CONTRACTS
from pipelines.contracts.vocabulary import SERVED, TABLES
from resources.home import Home
from resources.lake import Lake
from sensors.landing import UNFINISHED

KEY = ["machine_id", "sensor", "recorded_at"]
SPOKEN = {"forecasts": "issued_at", "decisions": "decided_at", "work_orders": "planned_at"}
"""Tables that keep what was said at each moment: how often was spoken differs, the last word does not."""
UNDONE = re.compile(r"\.(part|tmp)\b|^\.(?P<dot>.+)\.\d+$|#\d+$")
ACCOUNTED = ("rows_landed", "rows_duplicate", "rows_quarantined", "rows_empty")


@dataclass(frozen=True)
class Put:
    """What a test put in, and what must have come of it.

    Attributes:
        files: Content hashes of every file that arrived, by source.
        readings: Current readings that must result: `KEY` and `value`; None where only the twin knows.
        pending: Content hashes of files that still wait.
    """

    files: Mapping[str, set[str]]
    readings: pl.DataFrame | None = None
    pending: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Findings:
    """Attributes:
    lost: Files and readings that are nowhere.
    doubled: Readings that are there more than once.
    breaches: Every broken rule, in words.
    """

    lost: int
    doubled: int
    breaches: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.breaches)


@dataclass(frozen=True)
class Look:
    """One home, what was put in, and the home of a twin that took the same originals undisturbed (None: none)."""

    home: Home
    put: Put
    twin: Home | None

    @property
    def lake(self) -> Lake:
        return Lake(root=str(self.home.lake))


@dataclass(frozen=True)
class Breach:
    told: str
    lost: int = 0
    doubled: int = 0


def examine(root: Path, put: Put, *, twin: Path | None) -> Findings:
    """Hold every rule against a home.

    Args:
        root: The home after fault and recovery.
        put: What arrived.
        twin: Home of an undisturbed run over the same originals, for derived tables.
    """
    look = Look(Home(root), put, Home(twin) if twin else None)
    found = [breach for rule in RULES for breach in _held(rule, look)]
    return Findings(
        lost=sum(breach.lost for breach in found),
        doubled=sum(breach.doubled for breach in found),
        breaches=tuple(breach.told for breach in found),
    )


def every_file_is_in_one_place(look: Look) -> Iterator[Breach]:
    """Files arrived = archived + quarantined + pending."""
    for source, hashes in look.put.files.items():
        archived = dict(_kept(look.home.root / "archive" / source, "??/*", "landing.json"))
        quarantined = dict(_kept(look.home.root / "quarantine" / source, "*/*", "reason.json"))
        waiting = Counter(_hash(path) for path in (look.home.landing / source).glob("*") if path.is_file())
        for batch in sorted(hashes | archived.keys()):
            if batch not in hashes:
                yield Breach(f"archive of {source} holds {batch[:12]}, which nobody sent")
            elif batch not in archived.keys() | quarantined.keys() | waiting.keys():
                yield Breach(f"file {batch[:12]} of {source} is in no archive, quarantine or inbox", lost=1)
            if archived.get(batch) is False:
                yield Breach(f"archive of {source}: the original of {batch[:12]} is missing or altered", lost=1)
            if quarantined.get(batch) is False:
                yield Breach(f"quarantine of {source}: the original of {batch[:12]} is missing or altered", lost=1)
        for batch in sorted(waiting.keys() - look.put.pending):
            yield Breach(f"inbox of {source} still holds {batch[:12]} after the recovery")


def every_receipt_balances(look: Look) -> Iterator[Breach]:
    """Rows read = landed + duplicate + quarantined + empty, in every receipt that Dagster keeps."""
    with dg.DagsterInstance.from_config(str(look.home.root)) as instance:
        records = instance.fetch_materializations(dg.AssetKey("readings"), limit=10_000).records
    for record in records:
        assert record.asset_materialization
        facts = {name: value.value for name, value in record.asset_materialization.metadata.items()}
        if facts["rows_read"] != sum(facts[name] for name in ACCOUNTED):
            yield Breach(f"receipt of run {record.run_id[:8]}: {facts['rows_read']} rows read, of which {facts}")


def one_current_row_a_key(look: Look) -> Iterator[Breach]:
    """No version of a reading twice, and the current value of each is the one expected."""
    rows = look.lake.read("readings").sort("batch_seq")
    versions = rows.with_columns(before=pl.struct("value", "quality").shift().over(KEY))
    again = versions.filter(pl.col("before") == pl.struct("value", "quality"))
    if again.height:
        yield Breach(f"readings: {again.height} rows say what was said before: {_first(again)}", doubled=again.height)
    for table in TABLES:
        key = list((CONTRACTS[table].metadata or {})["key"])
        shared = look.lake.read(table).group_by(key).len().filter(pl.col("len") > 1)
        if shared.height:
            yield Breach(f"{table}: {shared.height} keys have several rows: {_first(shared)}", doubled=shared.height)
    if look.put.readings is not None:
        current = rows.unique(KEY, keep="last", maintain_order=True)
        yield from _unlike_expected(current, look.put.readings)


def readings_equal_those_of_the_twin(look: Look) -> Iterator[Breach]:
    """No row lost and none doubled, every earlier version included."""
    if look.twin is None:
        return
    told = ["source", *KEY, "value", "quality"]
    ours = _counted(look.lake.read("readings"), told)
    theirs = _counted(Lake(root=str(look.twin.lake)).read("readings"), told)
    both = theirs.join(ours, on=told, how="full", coalesce=True, suffix="_ours").fill_null(0)
    lost = both.filter(pl.col("len_ours") < pl.col("len"))
    more = both.filter(pl.col("len_ours") > pl.col("len"))
    if lost.height:
        yield Breach(f"readings: {lost.height} rows of an undisturbed twin are lost: {_first(lost)}", lost=lost.height)
    if more.height:
        yield Breach(f"readings: {more.height} rows that an undisturbed twin has not: {_first(more)}")


def every_lake_file_is_readable(look: Look) -> Iterator[Breach]:
    """Every Parquet file that a table's current version names."""
    for table in TABLES:
        for file in look.lake.files(table):
            try:
                ParquetFile(file).read()
            except (OSError, pa.ArrowException) as error:
                yield Breach(f"{table}: {file} cannot be read: {str(error).splitlines()[0]}")


def derived_tables_equal_a_recompute(look: Look) -> Iterator[Breach]:
    """What a fresh home makes of the archived originals, lineage aside; of what is spoken, the last word."""
    if look.twin is None:
        return
    for table in TABLES:
        if table == "readings":
            continue
        ours, theirs = (_told(lake, table) for lake in (look.lake, Lake(root=str(look.twin.lake))))
        try:
            assert_frame_equal(ours, theirs, rel_tol=1e-9)
        except AssertionError as error:
            heights = f"{ours.height} rows, recomputed {theirs.height}"
            yield Breach(f"{table} differs from a recompute ({heights}): {str(error).splitlines()[0]}")


def the_catalog_equals_the_lake(look: Look) -> Iterator[Breach]:
    """Every view answers, with the rows of the lake."""
    if not look.home.catalog.exists():
        yield Breach(f"there is no catalog at {look.home.catalog}")
        return
    with duckdb.connect(str(look.home.catalog), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for table in SERVED:
            rows = look.lake.read(table)
            if table == "readings":
                rows = rows.sort("batch_seq").unique(KEY, keep="last")
            key = list((CONTRACTS[table].metadata or {})["key"])
            try:
                shown = connection.sql(f'SELECT * FROM bi."{table}"').pl()
                assert_frame_equal(shown.sort(key), rows.sort(key), check_dtypes=False)
            except (duckdb.Error, AssertionError, pl.exceptions.PolarsError) as error:
                yield Breach(f"catalog: {table} is not what the lake says: {str(error).splitlines()[0]}")


def nothing_is_half_done(look: Look) -> Iterator[Breach]:
    """No temporary file, but those of living processes."""
    for path in sorted(look.home.root.rglob("*")):
        found = UNDONE.search(path.name)
        if found and path.is_file() and not any(psutil.pid_exists(int(pid)) for pid in re.findall(r"\d+", path.name)):
            yield Breach(f"a temporary file is left: {path.relative_to(look.home.root)}")


def no_run_is_unfinished(look: Look) -> Iterator[Breach]:
    """No run is left queued or started, and none holds a slot of a pool."""
    with dg.DagsterInstance.from_config(str(look.home.root)) as instance:
        for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
            yield Breach(f"run {run.run_id[:8]} of {run.job_name} is left {run.status.value}")
        storage = instance.event_log_storage
        for pool in sorted(storage.get_concurrency_keys()):
            held = storage.get_concurrency_info(pool)
            if held.active_slot_count or held.pending_step_count or held.assigned_step_count:
                yield Breach(
                    f"pool {pool}: slots are held by runs {sorted(held.active_run_ids | held.pending_run_ids)}"
                )


Rule = Callable[[Look], Iterator[Breach]]
RULES: tuple[Rule, ...] = (
    every_file_is_in_one_place,
    every_receipt_balances,
    one_current_row_a_key,
    readings_equal_those_of_the_twin,
    every_lake_file_is_readable,
    derived_tables_equal_a_recompute,
    the_catalog_equals_the_lake,
    nothing_is_half_done,
    no_run_is_unfinished,
)


def _held(rule: Rule, look: Look) -> list[Breach]:
    """What breaks a rule; that it could not even be asked breaks it too."""
    try:
        return list(rule(look))
    except (Exception, pl.exceptions.PanicException) as error:
        return [Breach(f"{rule.__name__}: cannot be told: {type(error).__name__}: {str(error).splitlines()[0]}")]


def _kept(folder: Path, below: str, note: str) -> Iterator[tuple[str, bool]]:
    """Every finished entry of archive or quarantine, and whether it holds the original that its name says."""
    for entry in sorted(folder.glob(below)):
        if (entry / note).exists():
            yield entry.name, {_hash(original) for original in entry.glob("original*")} == {entry.name}


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unlike_expected(current: pl.DataFrame, expected: pl.DataFrame) -> Iterator[Breach]:
    lost = expected.join(current, on=KEY, how="anti")
    more = current.join(expected, on=KEY, how="anti")
    if lost.height:
        yield Breach(f"readings: {lost.height} of {expected.height} keys are lost: {_first(lost)}", lost=lost.height)
    if more.height:
        yield Breach(f"readings: {more.height} keys that nobody sent: {_first(more)}")
    both = current.join(expected.select(*KEY, expected=pl.col("value")), on=KEY)
    other = both.filter(pl.col("value") != pl.col("expected"))
    if other.height:
        yield Breach(f"readings: {other.height} keys have another value than was sent last: {_first(other)}")


def _told(lake: Lake, table: str) -> pl.DataFrame:
    """Rows of a table as they compare: lineage left out, in order of the key, of what is spoken the last word."""
    contract = CONTRACTS[table]
    rows = lake.read(table)
    if time := SPOKEN.get(table):
        rows = rows.filter(pl.col(time) == pl.col(time).max().over("source"))
    return rows.sort(list((contract.metadata or {})["key"])).drop(lineage_columns(contract))


def _counted(rows: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    return rows.group_by(columns).agg(pl.len().cast(pl.Int64))


def _first(rows: pl.DataFrame) -> str:
    return ", ".join(f"{name} {value}" for name, value in rows.row(0, named=True).items() if name in (*KEY, "value"))
