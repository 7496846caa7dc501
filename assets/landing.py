"""From the inbox to the lake: read, judge, commit, then archive. A file leaves the inbox last."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import polars as pl

from pipelines.contracts.vocabulary import LANDED
from pipelines.register import Source
from resources.inbox import Claim, Inbox
from resources.lake import SEQ_STEP, Lake, redo_on_conflict
from resources.spans import Span

if TYPE_CHECKING:
    from pipelines.importers.parsed import Parsed
    from pipelines.importers.sorting import Landing, Receipt

PROGRESS: ContextVar[Callable[[int, int], None]] = ContextVar("progress", default=lambda _files, _rows: None)
"""Told of every commit: files that are done, and rows that were read. For whoever waits in front of a screen."""

FILES_AT_ONCE, BYTES_AT_ONCE = 200, 64 << 20
"""In one commit: what they hold is in memory together. A file that holds more lands piece by piece."""


@dataclass(frozen=True)
class File:
    """One file that could be read, or a piece of one.

    Attributes:
        seq: Order in which it first landed, as the archive tells it; None for one that is not there.
        landed_at: Moment that is written into its new rows.
        judged_at: Landing clock that its times are held against.
        others: The pieces that follow, where it is the first of many.
        first_row: Row of the file with which this piece begins.
    """

    claim: Claim
    parsed: "Parsed"
    seq: int | None
    landed_at: datetime
    judged_at: datetime
    others: "Iterator[Parsed] | None" = None
    first_row: int = 0

    def pieces(self) -> "Iterator[File]":
        """All of it, as many pieces at once as are committed together."""
        from pipelines.importers.parsed import joined

        gathered, held, row = [self.parsed], _bytes(self.parsed), 0
        for parsed in self.others or ():
            held += _bytes(parsed)
            if held > BYTES_AT_ONCE:
                piece = replace(self, parsed=joined(gathered), others=None, first_row=row)
                yield piece
                gathered, held, row = [], _bytes(parsed), row + piece.parsed.rows
            gathered.append(parsed)
        yield replace(self, parsed=joined(gathered), others=None, first_row=row)


@dataclass(frozen=True)
class Committed:
    """What became of one file.

    Attributes:
        order: `batch_seq`, and `landed_at`: when it first landed.
        landing: What it added and what was refused.
    """

    order: Mapping[str, Any]
    landing: "Landing"


@dataclass
class Landed:
    """What became of the files of one run.

    Attributes:
        receipt: Counts, in rows of the source.
        refused: Code, message and quarantine folder of every file or part of one that was refused.
        left: File and message of every file that could not be taken and waits in the inbox.
        days: Days that got new rows: the partitions of the lake that were written.
    """

    receipt: "Receipt"
    refused: list[dict[str, Any]] = field(default_factory=list)
    left: list[dict[str, str]] = field(default_factory=list)
    days: set[date] = field(default_factory=set)


def land(files: Sequence[str], *, source: Source, lake: Lake, inbox: Inbox, now: datetime, again: bool) -> Landed:
    """Land files of one source: each is committed with its reason or its rows, once, whatever happens in between.

    Args:
        files: Below the inbox folder; or, `again`, folders of quarantine below the home. One that is gone was taken
            by another run.
        source: Whose they are, and how they are read.
        lake: Where rows go.
        inbox: Where files come from and end up.
        now: Landing clock.
        again: What was refused is judged once more; of a batch that has landed in part the rest lands in its place in
            the order of landing, so that corrections which came later still win.
    """
    from pipelines.importers.sorting import Receipt

    landed = Landed(Receipt())
    for group in in_groups(_fresh(files, source, lake, inbox, now, landed, again=again)):
        if group[0].others is None:
            _land_together(group, source, lake, inbox, landed)
        else:
            _land_pieces(group[0], source, lake, inbox, landed)
    return landed


def in_groups(files: Iterable[File]) -> Iterator[list[File]]:
    """Files to commit together, as many as memory can hold; one that lands in pieces is a group of its own."""
    group: list[File] = []
    held = 0
    for file in files:
        held += _bytes(file.parsed)
        if group and (file.others or held > BYTES_AT_ONCE or len(group) == FILES_AT_ONCE):
            yield group
            group, held = [], _bytes(file.parsed)
        group.append(file)
        if file.others:
            yield group
            group, held = [], 0
    if group:
        yield group


def _fresh(
    files: Sequence[str], source: Source, lake: Lake, inbox: Inbox, now: datetime, landed: Landed, *, again: bool
) -> Iterator[File]:
    """Files of which anything may land; those that are known go to the archive on the way."""
    for file in _read(files, source, inbox, now, landed, again=again):
        # a file whose run was killed before it was archived is judged once more, for what of it was refused
        if again or file.seq is None or not lake.knows("readings", source=source.name, batch=file.claim.batch_id):
            yield file
        else:
            landed.receipt += _known(file)
            _archive(file, {}, inbox, landed)


def _land_together(files: Sequence[File], source: Source, lake: Lake, inbox: Inbox, landed: Landed) -> None:
    committed = redo_on_conflict(lambda: commit(files, source.name, lake))
    refused = inbox.refused_batches(source=source.name)
    for file in files:
        done = committed[file.claim.batch_id]
        landed.days.update(done.landing.days)
        PROGRESS.get()(0, done.landing.receipt.rows_read)
        _finish(file, done.order, done.landing.receipt, done.landing.rejected, source, inbox, landed)
        if done.landing.rejected.is_empty() and file.claim.batch_id in refused:
            inbox.release(refused[file.claim.batch_id])


def _land_pieces(file: File, source: Source, lake: Lake, inbox: Inbox, landed: Landed) -> None:
    """Land a file that is too large to be held at once: piece by piece, each in a commit of its own.

    A run that dies in between leaves the pieces it committed; the file is still in the inbox, and the next one finds
    them known.
    """
    from pipelines.importers.parsed import FileError, no_broken
    from pipelines.importers.sorting import Receipt

    order, receipt, rejected = None, Receipt(), [no_broken()]
    try:
        for piece in file.pieces():
            if not file.claim.is_as_it_was():
                landed.left += [_still_written(file.claim)] if file.claim.path.exists() else []
                return
            done = _committed(piece, source, lake)
            order = order or done.order
            receipt = replace(receipt + done.landing.receipt, files=1)
            rejected.append(done.landing.rejected)
            landed.days.update(done.landing.days)
            PROGRESS.get()(0, done.landing.receipt.rows_read)
    except FileError as error:  # an importer looks its file over first; what shows later is told all the same
        landed.receipt += replace(receipt, files=1, files_quarantined=1)
        reason = _file_reason(error)
        before = f"{receipt.rows_read} rows before it were read, {receipt.rows_landed} of them have landed"
        told = {**reason, "message": f"{reason['message']}; {before}", "counts": asdict(receipt)}
        _refuse(file.claim, told, source, inbox, file.judged_at, landed)
        return
    assert order is not None
    _finish(file, order, receipt, pl.concat(rejected), source, inbox, landed)
    refused = inbox.refused_batches(source=source.name)
    if receipt.values_quarantined == 0 and file.claim.batch_id in refused:
        inbox.release(refused[file.claim.batch_id])


def _committed(file: File, source: Source, lake: Lake) -> Committed:
    return redo_on_conflict(lambda: commit([file], source.name, lake))[file.claim.batch_id]


def _finish(
    file: File,
    order: Mapping[str, Any],
    receipt: "Receipt",
    rejected: pl.DataFrame,
    source: Source,
    inbox: Inbox,
    landed: Landed,
) -> None:
    """Count a file whose rows are committed, keep what of it was refused, and put it into the archive."""
    landed.receipt += receipt
    PROGRESS.get()(1, 0)
    if not rejected.is_empty():
        reason = {**_row_reason(rejected), "counts": asdict(receipt)}
        _refuse(file.claim, reason, source, inbox, file.judged_at, landed, rejected)
    _archive(file, {**how_read(source), **order, "judged_at": file.judged_at}, inbox, landed)


def how_read(source: Source) -> dict[str, Any]:
    """What else than the file its rows follow from, for the archive to keep beside it."""
    table = {} if source.table is None else {"table": source.table}
    return {"importer": source.importer, "zone": source.zone, **table}


def commit(files: Sequence[File], source: str, lake: Lake) -> dict[str, Committed]:
    """Append what the lake lacks of each file, all in one commit; what became of each, by batch.

    A batch that has landed before keeps its place in the order of landing, and is judged by what stood there then.

    Raises:
        CommitFailedError: Another run landed files of the source meanwhile; redo.
    """
    from pipelines.importers.sorting import KINDS, Batch, sort_out, standing_columns

    if not files:
        return {}
    bases = {table: lake.base(table) for table in KINDS if _hold(files, table) or table == "readings"}
    base = bases["readings"]
    first = lake.next_seq("readings", source=source, base=base)
    versions = {table: _versions(table, files, source, lake) for table in KINDS}
    committed: dict[str, Committed] = {}
    for place, file in enumerate(files):
        batch = file.claim.batch_id
        noted = lake.seq_of("readings", source=source, batch=batch, base=base)
        seq = next(one for one in (noted, file.seq, first + place * SEQ_STEP) if one is not None)
        landing = sort_out(
            Batch(batch, seq, file.parsed, file.first_row),
            {table: _standing(rows, KINDS[table].key, seq) for table, rows in versions.items()},
            source=source,
            landed_at=file.landed_at,
            now=file.judged_at,
        )
        for table, rows in landing.tables.items():
            if len(files) > 1 and not rows.is_empty():
                versions[table] = pl.concat([versions[table], rows.select(standing_columns(table))])
        landed_at = _first_landed(batch, versions.values()) or file.landed_at
        committed[batch] = Committed({"batch_seq": seq, "landed_at": landed_at}, landing)
    batches = {batch: done.order["batch_seq"] for batch, done in committed.items()}
    for table in reversed(bases):  # the readings last: their note says that a batch is there
        rows = pl.concat([done.landing.tables[table] for done in committed.values()])
        lake.append(table, rows, source=source, batches=batches, base=bases[table])
    return committed


def _read(
    files: Sequence[str], source: Source, inbox: Inbox, now: datetime, landed: Landed, *, again: bool
) -> Iterator[File]:
    """Files that can be read; the others go to quarantine on the way, or stay, and hold nobody up."""
    from pipelines.importers.parsed import FileError
    from pipelines.importers.sorting import Receipt

    seen = set()
    for file in files:
        try:
            claim = inbox.bring_back(file) if again else inbox.claim(file)
            if claim is None:
                continue
            parsed, others = opened_file(claim, source)
        except FileError as error:
            assert claim is not None
            landed.receipt += Receipt(files=1, files_quarantined=1)
            _refuse(claim, _file_reason(error), source, inbox, now, landed)
            continue
        except FileNotFoundError:  # another run took it while we read
            continue
        except OSError as error:  # not what it says but that it cannot be had: it may be had later
            landed.left.append({"file": file, "message": f"{file}: {error.strerror}; it stays where it is"})
            continue
        note = inbox.landing_note(claim.batch_id, source=claim.source) or {}
        taken = File(claim, parsed, note.get("batch_seq"), landed_at=now, judged_at=now, others=others)
        if not claim.is_as_it_was():
            landed.left += [_still_written(claim)] if claim.path.exists() else []
        elif claim.batch_id in seen:
            landed.receipt += _known(taken)
            inbox.discard(claim)
        else:
            seen.add(claim.batch_id)
            yield taken


def opened_file(claim: Claim, source: Source) -> "tuple[Parsed, Iterator[Parsed] | None]":
    """First piece of a file as its source declares it, and the pieces that follow; None where it is all of it.

    Raises:
        FileError: It is not what it should be, or the importer failed on it in a way that nobody foresaw.
        OSError: The file cannot be had; says nothing of what is in it.
    """
    pieces = _pieces(claim, source)
    first = next(pieces)
    second = next(pieces, None)
    return first, None if second is None else chain([second], pieces)


def _pieces(claim: Claim, source: Source) -> "Iterator[Parsed]":
    from pipelines.importers.formats import read_file
    from pipelines.importers.parsed import FileError

    try:
        with _under_its_name(claim) as path:
            yield from read_file(path, source)
    except (FileError, MemoryError):
        raise
    except (Exception, pl.exceptions.PanicException) as error:  # one poison file must not hold up the others
        if isinstance(error, OSError) and error.errno is not None:
            raise
        told = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise FileError("unreadable", f"{claim.name}: the importer {source.importer} failed on it: {told}") from error


@contextmanager
def _under_its_name(claim: Claim) -> Iterator[Path]:
    """The file under the name it arrived with, which may say what it is; kept originals have another."""
    if claim.path.name == claim.name:
        yield claim.path
        return
    with TemporaryDirectory() as folder:
        path = Path(folder, claim.name)
        path.symlink_to(claim.path.resolve())
        yield path


def _bytes(parsed: "Parsed") -> int:
    return sum(int(getattr(parsed, table).estimated_size()) for table in LANDED)


def _hold(files: Sequence[File], table: str) -> bool:
    return any(not getattr(file.parsed, table).is_empty() for file in files)


def _versions(table: str, files: Sequence[File], source: str, lake: Lake) -> pl.DataFrame:
    """What the lake has of the keys that the files name, every version of it."""
    from pipelines.contracts.registry import CONTRACTS
    from pipelines.importers.sorting import KINDS, standing_columns

    time = CONTRACTS[table].metadata["time"]
    rows = [getattr(file.parsed, table) for file in files]
    spans = [span for frame in rows if (span := _span(frame, time))]
    if not lake.may_hold(table, source=source, spans=spans):
        return lake.columns(table).select(standing_columns(table))
    keys = pl.concat([frame.select(KINDS[table].key) for frame in rows])
    return lake.read(table, source=source, spans=spans, time=time, columns=standing_columns(table), keys=keys)


def _refuse(
    claim: Claim,
    reason: Mapping[str, Any],
    source: Source,
    inbox: Inbox,
    now: datetime,
    landed: Landed,
    rows: pl.DataFrame | None = None,
) -> None:
    from pipelines.importers.sorting import rules_version

    how = {**how_read(source), "version": rules_version()}
    folder = inbox.quarantine(claim, at=now, reason={**reason, **how}, rows=rows)
    if folder is None:
        landed.left.append(_still_written(claim))
    else:
        told = {name: reason[name] for name in ("code", "message", "values") if name in reason}
        landed.refused.append({"file": claim.file, "folder": folder, **told})


def _archive(file: File, facts: Mapping[str, Any], inbox: Inbox, landed: Landed) -> None:
    if not inbox.archive(file.claim, facts=facts):
        landed.left.append(_still_written(file.claim))


def _still_written(claim: Claim) -> dict[str, str]:
    told = "was written to while it was read; what it holds now is taken next. Write under a name that ends in .part"
    return {"file": claim.file, "message": f"{claim.file}: {told}"}


def _known(file: File) -> "Receipt":
    """Receipt of a file that has landed before."""
    from pipelines.importers.sorting import Receipt

    rows = sum(piece.parsed.rows for piece in file.pieces())
    return Receipt(files=1, files_duplicate=1, rows_read=rows, rows_duplicate=rows)


def _standing(versions: pl.DataFrame, key: Sequence[str], seq: int) -> pl.DataFrame:
    """Of every key the version that was current when the batch of that order had landed."""
    then = versions.filter(pl.col("batch_seq") < seq + SEQ_STEP)
    return then.sort("batch_seq").unique(key, keep="last")


def _first_landed(batch: str, tables: Iterable[pl.DataFrame]) -> datetime | None:
    """When the first row of a batch landed, as the rows tell it."""
    moments = [table.filter(pl.col("batch_id") == batch)["landed_at"].min() for table in tables]
    return min((moment for moment in moments if isinstance(moment, datetime)), default=None)


def _span(rows: pl.DataFrame, time: str) -> Span | None:
    from pipelines.contracts.readings import EARLIEST, LATEST

    sane = rows[time].filter(rows[time].is_between(EARLIEST, LATEST))  # the others are refused
    since, until = sane.min(), sane.max()
    if not isinstance(since, datetime) or not isinstance(until, datetime):
        return None
    return Span(since, until + timedelta(microseconds=1))


def _file_reason(error: Any) -> dict[str, Any]:
    """What `reason.json` says of a file that is refused as a whole."""
    return {"code": error.code, "message": str(error), "rule": error.code, "row": None, "column": None, "value": None}


def _row_reason(rejected: pl.DataFrame) -> dict[str, Any]:
    """What `reason.json` says of refused rows: every rule in the message, the one broken most with its first row."""
    counts = rejected.group_by("reasons").len().sort(["len", "reasons"], descending=[True, False])
    told = "; ".join(f"{reasons} ({count} values)" for reasons, count in counts.head(5).rows())
    first = rejected.filter(pl.col("reasons") == counts["reasons"][0]).sort("batch_row").row(0, named=True)
    return {
        "code": "rows_refused",
        "message": told,
        "values": rejected.height,
        "rule": first["reasons"],
        "row": first["batch_row"],
        "column": first["column"],
        "value": first["found"],
    }
