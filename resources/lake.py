"""The lake: Delta tables that are appended to or brought up to date, each noting the input it has taken."""

import hashlib
import random
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import unquote

import dagster as dg
import polars as pl
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, RemoveAction
from pydantic import PrivateAttr

from resources.differences import Difference, Shape, difference
from resources.part_files import write_parts
from resources.spans import MOST_RANGES, Span, at_moment, predicate, rows_around, rows_within

CONFIGURATION = {  # read at creation only; on an existing table use alter.set_table_properties
    "delta.enableChangeDataFeed": "true",
    "delta.checkpointInterval": "20",
    "delta.logRetentionDuration": "interval 7 days",
    "delta.deletedFileRetentionDuration": "interval 7 days",
    "delta.setTransactionRetentionDuration": "interval 30 days",  # of notes with a time; the archive remembers longer
}
SEQ_STEP = 1 << 6  # numbers of a batch: its own, and those for rows that come back later and overrule one of its own
BYTES = 'PrimitiveType("binary")'
LAG = 100  # versions without news for a source before its note is moved on: a quiet source must not fall off the feed
T = TypeVar("T")
Rows = TypeVar("Rows", pl.DataFrame, pl.DataFrame | None)


class Taken(NamedTuple):
    """What a consumer has not taken yet of its inputs, and the notes to commit with its output.

    Attributes:
        changed: By input, the rows of the source that changed, deleted ones included (`_change_type`);
            None where the feed does not reach back to the note: recompute the source.
        notes: Of the definition, and of each input.
        output: The consumer's table as it was when its notes were read: a later commit by another run is a conflict.
        is_redefined: What else the output depends on is not what it was.
    """

    changed: Mapping[str, pl.DataFrame | None]
    notes: list[Transaction]
    output: DeltaTable
    is_redefined: bool = False

    @property
    def nothing_new(self) -> bool:
        return not self.is_redefined and all(rows is not None and rows.is_empty() for rows in self.changed.values())

    @property
    def news(self) -> Mapping[str, pl.DataFrame] | None:
        """Changed rows by input; None where any feed does not reach back: recompute the source."""
        known = {name: rows for name, rows in self.changed.items() if rows is not None}
        return None if self.is_redefined or len(known) < len(self.changed) else known


class Changes(NamedTuple):
    """What changed in a table for a consumer that keeps its note elsewhere, and the note to keep with it.

    Attributes:
        rows: Rows of the change feed, deleted ones included (`_change_type`), without columns where there are none;
            None where the feed does not reach back to the note: take the whole table.
        table_id: Of this table and commit: a table that was made anew or restored is another.
        version: Up to which.
    """

    rows: pl.DataFrame | None
    table_id: str
    version: int


class Lake(dg.ConfigurableResource["Lake"]):
    """Where the lake's tables are; never what they mean."""

    root: str
    _rows_read: int = PrivateAttr(default=0)
    _opened: dict[str, tuple[tuple[int, int], "_Table"]] = PrivateAttr(default_factory=dict)

    @property
    def rows_read(self) -> int:
        """Rows that this object has read so far, of tables and of their change feeds."""
        return self._rows_read

    def create(self, table: str, example: pl.DataFrame) -> None:
        """Make `table` if there is none; done for every contract at start, so that no write is ever the first."""
        if not DeltaTable.is_deltatable(self.uri(table)):
            partition_by: list[str] = [name for name in ("source", "day") if name in example.columns]
            DeltaTable.create(
                self.uri(table),
                schema=example.clear().to_arrow().schema,
                mode="ignore",
                partition_by=partition_by,
                configuration=CONFIGURATION,
            )

    def make_anew(self, table: str, example: pl.DataFrame) -> None:
        """An empty table in the place of one with other columns: to whoever takes from it, it is another."""
        shutil.rmtree(self.uri(table))
        self.create(table, example)

    def base(self, table: str) -> DeltaTable:
        """The table as it is and stays, to judge batches against and to append them to."""
        return _Table(self.uri(table))

    def next_seq(self, table: str, *, source: str, base: DeltaTable | None = None) -> int:
        """Order of the next batch of `source`: above that of each before, also where a rebuilt table counts anew."""
        delta = base or self._open(table)
        last = delta.transaction_version(source) or 0
        return max(delta.version() + 1, (last >> 16) + 1) << 16

    def seq_of(self, table: str, *, source: str, batch: str, base: DeltaTable | None = None) -> int | None:
        """Order in which a batch of `source` was appended; None where it was not, or too long ago to tell."""
        return (base or self._open(table)).transaction_version(f"{source}/{batch}")

    def knows(self, table: str, *, source: str, batch: str) -> bool:
        """Whether a batch of `source` has been appended, as far as the table remembers."""
        return self.seq_of(table, source=source, batch=batch) is not None

    def append(
        self,
        table: str,
        frame: pl.DataFrame,
        *,
        source: str,
        batches: Mapping[str, int],
        base: DeltaTable | None = None,
    ) -> None:
        """Add batches of one source, in one commit.

        Args:
            table: Whose rows.
            frame: Rows of the batches.
            source: Whose batches.
            batches: Order of each batch by its id. Each is noted: added again, its rows change nothing.
            base: The table as it was when `frame` was found to be what it lacks: rows of batches that it knows are
                added too.

        Raises:
            CommitFailedError: Another run appended to the same source since; read again and redo.
        """
        delta = base or self._open(table)
        fresh = {batch: seq for batch, seq in batches.items() if delta.transaction_version(f"{source}/{batch}") is None}
        rows = frame if base else frame.filter(pl.col("batch_id").is_in(list(fresh)))
        if rows.is_empty() and not fresh:
            return
        at = int(time.time() * 1000)  # a note without a time is kept for ever
        # two appends never conflict by themselves; a shared note of the source makes those of one source do so
        last = max(delta.transaction_version(source) or 0, *batches.values())
        notes = [Transaction(f"{source}/{batch}", seq, at) for batch, seq in fresh.items()] + [
            Transaction(source, last)
        ]
        if rows.is_empty():
            _note_only(delta, notes)
        else:
            self._add(table, delta, rows, notes)

    def fill(self, table: str, frame: pl.DataFrame) -> None:
        """Put rows into a table that was just made, for nobody's account."""
        if not frame.is_empty():
            self._add(table, self._open(table), frame, [])

    def take(self, inputs: Sequence[str], *, source: str | None, consumer: str, definition: str = "") -> Taken:
        """What changed in `inputs` since `consumer` last noted them.

        Args:
            inputs: Table names.
            source: Whose rows; None for those of all sources.
            consumer: Table the notes lie in.
            definition: What else the output depends on, such as a rules version; another one means recompute.
        """
        output = _Table(self.uri(consumer))  # of its own: it must stay at the version whose notes were read
        whose = source or "*"
        # 63 bits of the definition stand where a version would: another one, also an earlier one, differs
        defined = Transaction(f"definition/{whose}", int(hashlib.sha256(definition.encode()).hexdigest()[:15], 16))
        is_redefined = output.transaction_version(defined.app_id) != defined.version
        changed: dict[str, pl.DataFrame | None] = {}
        notes = [defined]
        for name in inputs:
            delta = self._open(name)
            note = Transaction(f"{delta.metadata().id}/{whose}", delta.version())  # a table made anew is another input
            noted = None if is_redefined else output.transaction_version(note.app_id)
            changed[name] = self._counted(_changes(delta, source, noted))
            notes.append(note)
        taken = Taken(changed, notes, output, is_redefined)
        if taken.nothing_new and any(_lags(note, output) for note in notes[1:]):
            _note_only(output, notes)
        return taken

    def changes(self, table: str, since: tuple[str, int] | None) -> Changes:
        """What changed in a table since a note (`table_id`, `version`); None of it: nothing was taken yet."""
        delta = self._open(table)
        version = delta.version()
        known = since is not None and since[0] == self._identity(table, since[1])
        rows = _changes(delta, None, since[1] if since is not None and known else None)
        return Changes(self._counted(rows), self._identity(table, version), version)

    def _identity(self, table: str, version: int) -> str:
        """The table and one of its commits: a lake that was restored gives the same number to another commit."""
        log = Path(self.uri(table), "_delta_log", f"{version:020}.json")
        commit = hashlib.sha256(log.read_bytes()).hexdigest()[:16] if log.exists() else ""
        return f"{self._open(table).metadata().id}/{commit}"

    def read(
        self,
        table: str,
        *,
        source: str | None = None,
        spans: Sequence[Span] | None = None,
        time: str = "recorded_at",
        where: pl.Expr | None = None,
        columns: Sequence[str] | None = None,
        keys: pl.DataFrame | None = None,
    ) -> pl.DataFrame:
        """Rows of a table: of one source or all, in spans of its time column or of all time, and where else it holds.

        Of more spans than fit one predicate, whole days around them are read; of no span nothing, at no cost.

        Args:
            table: Its name.
            source: Whose rows; None for those of all sources.
            spans: Of the time column; None for all time.
            time: The time column.
            where: What else must hold.
            columns: Which columns; None for all.
            keys: Only rows that share these columns with one of its rows; what else lies in the spans passes by in
                pieces and is not held in memory.
        """
        if spans is not None and not spans:
            nothing = self.columns(table)
            return nothing if columns is None else nothing.select(columns)
        rows = pl.scan_delta(self._open(table))
        if source is not None:
            rows = rows.filter(pl.col("source") == source)
        if spans is not None:
            rows = rows.filter(rows_around(spans, time))
        if where is not None:
            rows = rows.filter(where)
        if columns is not None:
            rows = rows.select(columns)
        if keys is None:
            return self._counted(rows.collect())
        rows = rows.join(keys.lazy(), on=keys.columns, how="semi")
        return self._counted(rows.collect(engine="streaming"))

    def readings(self, *, source: str, spans: Sequence[Span] | None = None) -> pl.DataFrame:
        """Current readings: of every key the version of the highest `batch_seq`."""
        rows = self.read("readings", source=source, spans=spans)
        return rows.sort("batch_seq").unique(("machine_id", "sensor", "recorded_at"), keep="last")

    def replace(
        self,
        table: str,
        frame: pl.DataFrame,
        *,
        source: str | None,
        taken: Taken,
        shape: Shape,
        spans: Sequence[Span] | None = None,
    ) -> Difference:
        """Swap the rows of `spans` (None: all of the source) and note the inputs taken, in one commit: all or nothing.

        Only rows that differ (lineage columns aside) are written, and what must be written with them: what says the
        same keeps its lineage, and consumers see no change where there is none.

        Args:
            table: Whose rows.
            frame: All rows of the spans, in the table's columns.
            source: Whose rows; None for a table over all sources.
            taken: What `frame` was computed from.
            shape: Key, time and lineage columns of the table.
            spans: Of the time column; None for all of it, and always for a table without one.

        Returns:
            What was written, and what it revised.
        Raises:
            CommitFailedError: Another run wrote the table since `taken`; take, compute and replace again.
        """
        time = shape.time
        old = self.read(table, source=source, spans=spans, time=time or "")
        if spans is not None and time is not None and len(spans) > MOST_RANGES:  # what lies between them stays
            within = rows_within(spans, time)
            frame = pl.concat([frame.filter(within), old.filter(~within)])
        found = difference(old, frame, shape)
        if found.is_none:
            _note_only(taken.output, taken.notes)
            return found
        clauses = [] if source is None else [f"source = '{source}'"]
        if time is not None:
            spans = found.spans(spans, time)
            frame = frame.filter(rows_around(spans, time))
            clauses.append(predicate(spans, time))
        write_deltalake(
            taken.output,
            frame.to_arrow(),
            mode="overwrite",
            predicate=" AND ".join(clauses) or None,
            commit_properties=_noting(taken.notes),
        )
        return found._replace(written=frame.height)

    def newest_moments(self, table: str, *, time: str) -> dict[str, datetime]:
        """Newest moment of a column by source, from the log alone, which cuts it to the millisecond.

        Sources without rows are missing.
        """
        files, column = self._files_of(table, None), f"max.{time}"
        if column not in files.columns:
            return {}
        return dict(files.drop_nulls(column).group_by("partition.source").agg(pl.col(column).max()).rows())

    def newest_moment(self, table: str, *, source: str | None, time: str) -> datetime | None:
        """The same of one source, or of all; None where there is no row."""
        moments = self.newest_moments(table, time=time)
        return max(moments.values(), default=None) if source is None else moments.get(source)

    def moment_before(
        self, table: str, moment: datetime, *, source: str | None = None, time: str = "recorded_at"
    ) -> datetime | None:
        """Newest moment of a column before `moment`; None where there is none. Looks back a day first."""
        at = pl.col(time)
        rows = pl.scan_delta(self._open(table)).filter(at < moment)
        if source is not None:
            rows = rows.filter(pl.col("source") == source)
        near = (at >= moment - timedelta(days=1)) & (pl.col("day") >= (moment - timedelta(days=1)).date())
        found = rows.filter(near).select(at.max()).collect().item() or rows.select(at.max()).collect().item()
        assert found is None or isinstance(found, datetime)
        return found

    def may_hold(self, table: str, *, source: str, spans: Sequence[Span]) -> bool:
        """Whether rows of a source can lie on a day of the spans, from the log alone."""
        files = self._files_of(table, source)
        if files.is_empty() or not spans:
            return False
        days = files["partition.day"]
        return any(days.is_between(span.since.date(), span.until.date()).any() for span in spans)

    def count(self, table: str, *, source: str | None = None) -> int:
        """Rows of a table, of one source or all, from the log alone."""
        return int(self._files_of(table, source)["num_records"].sum())

    def machine_ids(self, table: str, *, source: str) -> list[str]:
        """Machines of a source that have rows in a table."""
        rows = pl.scan_delta(self._open(table)).filter(pl.col("source") == source)
        return sorted(rows.select(pl.col("machine_id").unique()).collect().to_series())

    def rows_by_day(self, table: str, *, source: str) -> pl.DataFrame:
        """Columns `day` and `rows`, in order of days."""
        rows = pl.scan_delta(self._open(table)).filter(pl.col("source") == source)
        return rows.group_by("day").agg(rows=pl.len()).sort("day").collect()

    def rows_of_days(self, table: str) -> dict[date, int]:
        """Rows of all sources by day, in order of days, from the log alone."""
        files = self._files_of(table, None)
        if files.is_empty():
            return {}
        return dict(files.group_by("partition.day").agg(pl.col("num_records").sum()).sort("partition.day").rows())

    def end_of(self, table: str, *, source: str) -> datetime | None:
        """End of the newest window of a source in a table of windows; None where it has none."""
        newest = self.newest_moment(table, source=source, time="recorded_at")
        if newest is None:
            return None
        last = self.read(table, source=source, spans=[at_moment(newest)]).head(1)
        return newest + timedelta(seconds=last["window_s"].item())

    def columns(self, table: str) -> pl.DataFrame:
        """No rows, with the columns and types of a table."""
        return pl.scan_delta(self._open(table)).head(0).collect()

    def files(self, table: str) -> list[str]:
        """Absolute paths of the files of the current version."""
        return sorted(self._open(table).file_uris())

    def version(self, table: str) -> int:
        return self._open(table).version()

    def uri(self, table: str) -> str:
        return f"{self.root}/{table}"

    def _add(self, table: str, delta: DeltaTable, rows: pl.DataFrame, notes: list[Transaction]) -> None:
        partition_by = delta.metadata().partition_columns
        parts: list[AddAction | RemoveAction] = [*write_parts(Path(self.uri(table)), rows, partition_by=partition_by)]
        delta.create_write_transaction(parts, "append", delta.schema(), partition_by, commit_properties=_noting(notes))

    def _files_of(self, table: str, source: str | None) -> pl.DataFrame:
        """The table's current files with the statistics that the log keeps of each."""
        files = pl.DataFrame(self._open(table).get_add_actions(flatten=True))
        return files if source is None else files.filter(pl.col("partition.source") == source)

    def _counted(self, rows: Rows) -> Rows:
        self._rows_read += 0 if rows is None else rows.height
        return rows

    def _open(self, table: str) -> "_Table":
        """The table as it is now. One that was opened before is brought up to date: a fifth of opening it anew."""
        uri = self.uri(table)
        folder = Path(uri).stat()  # it changes with each new source, and where the table was put there anew
        made = folder.st_ino, folder.st_mtime_ns
        if table in self._opened and self._opened[table][0] == made:
            try:
                self._opened[table][1].update_incremental()
                return self._opened[table][1]
            except DeltaError:  # the log was cleaned since
                pass
        self._opened[table] = made, _Table(uri)
        return self._opened[table][1]


class _Table(DeltaTable):
    """Names files as the file system does: `%20` in a path is no space to polars and DuckDB (polars issue 20944)."""

    def file_uris(self, file_pruning_predicate: Any = None) -> list[str]:
        return [unquote(uri) for uri in super().file_uris(file_pruning_predicate)]


def redo_on_conflict(step: Callable[[], T], *, tries: int = 20) -> T:
    """Run a whole step (take, read, compute, replace) again while another run commits in between."""
    for attempt in range(tries):
        try:
            return step()
        except CommitFailedError:
            if attempt == tries - 1:
                raise
            time.sleep(min(0.05 * 2**attempt, 5.0) * random.uniform(0.5, 1.5))  # noqa: S311 jitter is no secret
    raise AssertionError("unreachable")


def _changes(delta: DeltaTable, source: str | None, taken: int | None) -> pl.DataFrame | None:
    if taken is None or taken > delta.version():  # a restored table is behind its notes
        return None
    if taken == delta.version():
        return pl.DataFrame()
    try:
        only = None if source is None else f"source = '{source}'"
        feed = delta.load_cdf(taken + 1, delta.version(), predicate=only, columns=_telling(delta)).read_all()
    except Exception as error:  # deltalake has no type for it: the log was cleaned, or a file vacuumed
        if "Invalid table version" not in str(error) and "not found" not in str(error):
            raise
        return None
    return pl.DataFrame(feed)


def _telling(delta: DeltaTable) -> list[str] | None:
    """Columns that a change is told by: all, but of a table that holds bytes those that say which row it is."""
    fields = delta.schema().fields
    if all(str(field.type) != BYTES for field in fields):
        return None
    return [field.name for field in fields if str(field.type) != BYTES] + ["_change_type"]


def _lags(note: Transaction, output: DeltaTable) -> bool:
    return note.version - (output.transaction_version(note.app_id) or 0) > LAG


def _note_only(output: DeltaTable, notes: list[Transaction]) -> None:
    output.create_write_transaction([], "append", output.schema(), commit_properties=_noting(notes))


def _noting(notes: list[Transaction]) -> CommitProperties:
    return CommitProperties(app_transactions=notes)
