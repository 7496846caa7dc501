"""The lake: Delta tables that are appended to or brought up to date, each noting the input it has taken."""

import hashlib
import random
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple, TypeVar
from urllib.parse import unquote

import dagster as dg
import polars as pl
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError

CONFIGURATION = {  # read at creation only; on an existing table use alter.set_table_properties
    "delta.enableChangeDataFeed": "true",
    "delta.checkpointInterval": "20",
    "delta.logRetentionDuration": "interval 7 days",
    "delta.deletedFileRetentionDuration": "interval 7 days",
    "delta.setTransactionRetentionDuration": "interval 30 days",  # of notes with a time; the archive remembers longer
}
SEQ_STEP = 1 << 6  # numbers of a batch: its own, and those for rows that come back later and overrule one of its own
LAG = 100  # versions without news for a source before its note is moved on: a quiet source must not fall off the feed
MOST_RANGES = 40  # ranges in one predicate; beyond it they are read and written as one
T = TypeVar("T")


class Span(NamedTuple):
    since: datetime
    until: datetime  # excluded


def at_moment(moment: datetime) -> Span:
    """The span that holds one moment and nothing else."""
    return Span(moment, moment + timedelta(microseconds=1))


class Taken(NamedTuple):
    """What a consumer has not taken yet of its inputs, and the notes to commit with its output.

    Attributes:
        changed: By input, the rows of the source that changed, deleted ones included (`_change_type`);
            None where the feed does not reach back to the note: recompute the source.
        notes: Of the definition, and of each input.
        output: The consumer's table as it was when its notes were read: a later commit by another run is a conflict.
    """

    changed: Mapping[str, pl.DataFrame | None]
    notes: list[Transaction]
    output: DeltaTable

    @property
    def nothing_new(self) -> bool:
        return all(rows is not None and rows.is_empty() for rows in self.changed.values())

    def spans(
        self, name: str, touched: Callable[[pl.DataFrame], Sequence[tuple[datetime, datetime]]]
    ) -> list[Span] | None:
        """Spans that the changed rows of `name` touch; None where everything must be recomputed.

        That is where the feed of `name` does not reach back, or where any other input changed.
        """
        rows = self.changed[name]
        others = [changed for input_, changed in self.changed.items() if input_ != name]
        if rows is None or not all(changed is not None and changed.is_empty() for changed in others):
            return None
        return [Span(*span) for span in touched(rows)]


class Lake(dg.ConfigurableResource["Lake"]):
    """Where the lake's tables are; never what they mean."""

    root: str

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

    def base(self, table: str) -> DeltaTable:
        """The table as it is, to judge batches against and to append them to."""
        return self._open(table)

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
            write_deltalake(delta, rows.to_arrow(), mode="append", commit_properties=_noting(notes))

    def fill(self, table: str, frame: pl.DataFrame) -> None:
        """Put rows into a table that was just made, for nobody's account."""
        if not frame.is_empty():
            write_deltalake(self._open(table), frame.to_arrow(), mode="append")

    def take(self, inputs: Sequence[str], *, source: str | None, consumer: str, definition: str = "") -> Taken:
        """What changed in `inputs` since `consumer` last noted them.

        Args:
            inputs: Table names.
            source: Whose rows; None for those of all sources.
            consumer: Table the notes lie in.
            definition: What else the output depends on, such as a rules version; another one means recompute.
        """
        output = self._open(consumer)
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
            changed[name] = _changes(delta, source, noted)
            notes.append(note)
        taken = Taken(changed, notes, output)
        if taken.nothing_new and any(_lags(note, output) for note in notes[1:]):
            _note_only(output, notes)
        return taken

    def read(
        self,
        table: str,
        *,
        source: str | None = None,
        spans: Sequence[Span] | None = None,
        time: str = "recorded_at",
    ) -> pl.DataFrame:
        """Rows of a table: of one source or all, in spans of its time column or of all time."""
        rows = pl.scan_delta(self._open(table))
        if source is not None:
            rows = rows.filter(pl.col("source") == source)
        if spans is not None:
            rows = rows.filter(pl.any_horizontal(False, *(_inside(span, time) for span in _few(spans))))
        return rows.collect()

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
        lineage: Sequence[str],
        spans: Sequence[Span] | None = None,
        time: str | None = "recorded_at",
    ) -> int:
        """Swap the rows of `spans` (None: all of the source) and note the inputs taken, in one commit: all or nothing.

        Only days whose rows differ (lineage columns aside) are written: what says the same keeps its lineage, and
        consumers see no change where there is none.

        Args:
            table: Whose rows.
            frame: All rows of the spans, in the table's columns.
            source: Whose rows; None for a table over all sources.
            taken: What `frame` was computed from.
            lineage: Columns that say how a row came to be.
            spans: Of `time`; None for all of it.
            time: Column that spans follow; None for a table without days.

        Returns:
            Rows written.
        Raises:
            CommitFailedError: Another run wrote the table since `taken`; take, compute and replace again.
        """
        old = self.read(table, source=source, spans=spans, time=time or "")
        if spans is not None and time is not None and len(spans) > MOST_RANGES:  # what lies between them stays
            within = pl.any_horizontal(*(_inside(span, time) for span in spans))
            frame = pl.concat([frame.filter(within), old.filter(~within)])
        if _same(old, frame, lineage):
            _note_only(taken.output, taken.notes)
            return 0
        clauses = [] if source is None else [f"source = '{source}'"]
        if spans is None and time is not None:
            spans = _days_that_differ(old, frame, lineage)
            frame = frame.filter(pl.any_horizontal(False, *(_inside(span, time) for span in _few(spans))))
        if spans is not None and time is not None:
            clauses.append(f"({' OR '.join(_within(span, time) for span in _few(spans))})")
        write_deltalake(
            taken.output,
            frame.to_arrow(),
            mode="overwrite",
            predicate=" AND ".join(clauses) or None,
            commit_properties=_noting(taken.notes),
        )
        return frame.height

    def newest(self, table: str, *, source: str, time: str) -> pl.DataFrame:
        """Rows of a source at the newest moment of a column."""
        rows = pl.scan_delta(self._open(table)).filter(pl.col("source") == source)
        return rows.filter(pl.col(time) == pl.col(time).max()).collect()

    def count(self, table: str, *, source: str | None = None) -> int:
        """Rows of a table, of one source or all."""
        rows = pl.scan_delta(self._open(table))
        if source is not None:
            rows = rows.filter(pl.col("source") == source)
        return int(rows.select(pl.len()).collect().item())

    def machine_ids(self, table: str, *, source: str) -> list[str]:
        """Machines of a source that have rows in a table."""
        rows = pl.scan_delta(self._open(table)).filter(pl.col("source") == source)
        return sorted(rows.select(pl.col("machine_id").unique()).collect().to_series())

    def rows_by_day(self, table: str, *, source: str) -> pl.DataFrame:
        """Columns `day` and `rows`, in order of days."""
        rows = pl.scan_delta(self._open(table)).filter(pl.col("source") == source)
        return rows.group_by("day").agg(rows=pl.len()).sort("day").collect()

    def end_of(self, table: str, *, source: str) -> datetime | None:
        """End of the newest window of a source in a table of windows; None where it has none."""
        end = pl.col("recorded_at") + pl.duration(seconds=pl.col("window_s"))
        newest = pl.scan_delta(self._open(table)).filter(pl.col("source") == source).select(end.max()).collect().item()
        assert newest is None or isinstance(newest, datetime)
        return newest

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

    def _open(self, table: str) -> DeltaTable:
        return _Table(self.uri(table))


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
        feed = delta.load_cdf(taken + 1, delta.version(), predicate=only).read_all()
    except Exception as error:  # deltalake has no type for it: the log was cleaned, or a file vacuumed
        if "Invalid table version" not in str(error) and "not found" not in str(error):
            raise
        return None
    return pl.DataFrame(feed)


def _lags(note: Transaction, output: DeltaTable) -> bool:
    return note.version - (output.transaction_version(note.app_id) or 0) > LAG


def _note_only(output: DeltaTable, notes: list[Transaction]) -> None:
    output.create_write_transaction([], "append", output.schema(), commit_properties=_noting(notes))


def _noting(notes: list[Transaction]) -> CommitProperties:
    return CommitProperties(app_transactions=notes)


def _same(old: pl.DataFrame, new: pl.DataFrame, lineage: Sequence[str]) -> bool:
    if old.height != new.height:
        return False
    columns = [name for name in new.columns if name not in lineage]
    return _ordered(old.select(columns)).equals(_ordered(new.select(columns)))


def _ordered(frame: pl.DataFrame) -> pl.DataFrame:
    flat = [name for name, dtype in frame.schema.items() if not dtype.is_nested()]
    return frame.sort(flat)


def _days_that_differ(old: pl.DataFrame, new: pl.DataFrame, lineage: Sequence[str]) -> list[Span]:
    before = {key[0]: rows for key, rows in old.partition_by("day", as_dict=True).items()}
    after = {key[0]: rows for key, rows in new.partition_by("day", as_dict=True).items()}
    days = sorted(
        day
        for day in before.keys() | after.keys()
        if not _same(before.get(day, new.clear()), after.get(day, old.clear()), lineage)
    )
    return _joined([_day_span(day) for day in days])


def _day_span(day: Any) -> Span:
    assert isinstance(day, date)
    start = datetime.fromisoformat(f"{day.isoformat()}T00:00:00+00:00")
    return Span(start, start + timedelta(days=1))


def _joined(spans: list[Span]) -> list[Span]:
    joined: list[Span] = []
    for span in spans:
        if joined and joined[-1].until == span.since:
            joined[-1] = Span(joined[-1].since, span.until)
        else:
            joined.append(span)
    return joined


def _few(spans: Sequence[Span]) -> Sequence[Span]:
    if len(spans) <= MOST_RANGES:
        return spans
    return [Span(min(span.since for span in spans), max(span.until for span in spans))]


def _inside(span: Span, time: str) -> pl.Expr:
    day, at = pl.col("day"), pl.col(time)
    return day.is_between(span.since.date(), span.until.date()) & at.is_between(*span, closed="left")


def _within(span: Span, time: str) -> str:
    return (
        f"(day >= '{span.since:%F}' AND day <= '{span.until:%F}'"
        f" AND {time} >= '{span.since:%FT%T.%fZ}' AND {time} < '{span.until:%FT%T.%fZ}')"
    )
