"""From the inbox to the lake: read, judge, commit, then archive. A file leaves the inbox last."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from pipelines.register import Source
from resources.inbox import Claim, Inbox
from resources.lake import SEQ_STEP, Lake, redo_on_conflict
from resources.spans import Span

if TYPE_CHECKING:
    from pipelines.importers.parsed import Parsed
    from pipelines.importers.sorting import Landing, Receipt

AT_ONCE = 200  # files in one commit: what they hold is in memory together


@dataclass(frozen=True)
class File:
    """One file that could be read.

    Attributes:
        seq: Order in which it first landed, as the archive tells it; None for one that is not there.
        landed_at: Moment that is written into its new rows.
        judged_at: Landing clock that its times are held against.
    """

    claim: Claim
    parsed: "Parsed"
    seq: int | None
    landed_at: datetime
    judged_at: datetime


@dataclass(frozen=True)
class Committed:
    """What became of one file: its order, when it first landed, what it added and what was refused."""

    seq: int
    landed_at: datetime
    landing: "Landing"


@dataclass
class Landed:
    """What became of the files of one run.

    Attributes:
        receipt: Counts, in rows of the source.
        refused: Code, message and quarantine folder of every file or part of one that was refused.
        left: File and message of every file that could not be taken and waits in the inbox.
        days: Days of measurement that got new readings: the partitions of the lake that were written.
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
    for first in range(0, len(files), AT_ONCE):
        _land(files[first : first + AT_ONCE], source, lake, inbox, now, landed, again=again)
    return landed


def _land(
    files: Iterable[str], source: Source, lake: Lake, inbox: Inbox, now: datetime, landed: Landed, *, again: bool
) -> None:
    fresh = []
    for file in _read(files, source, inbox, now, landed, again=again):
        batch = file.claim.batch_id
        # a file whose run was killed before it was archived is judged once more, for what of it was refused
        if again or file.seq is None or not lake.knows("readings", source=source.name, batch=batch):
            fresh.append(file)
        else:
            landed.receipt += _known(file.parsed)
            _archive(file, {}, inbox, landed)
    committed = redo_on_conflict(lambda: commit(fresh, source.name, lake))
    refused = inbox.refused_batches(source=source.name)
    for file in fresh:
        done = committed[file.claim.batch_id]
        receipt, rejected = done.landing.receipt, done.landing.rejected
        landed.receipt += receipt
        landed.days.update(done.landing.readings["day"])
        if not rejected.is_empty():
            _refuse(
                file.claim, {**_row_reason(rejected), "counts": asdict(receipt)}, source, inbox, now, landed, rejected
            )
        facts = {"batch_seq": done.seq, "landed_at": done.landed_at, "judged_at": now}
        _archive(file, {"importer": source.importer, "zone": source.zone, **facts}, inbox, landed)
        if rejected.is_empty() and file.claim.batch_id in refused:
            inbox.release(refused[file.claim.batch_id])


def commit(files: Sequence[File], source: str, lake: Lake) -> dict[str, Committed]:
    """Append what the lake lacks of each file, all in one commit; what became of each, by batch.

    A batch that has landed before keeps its place in the order of landing, and is judged by what stood there then.

    Raises:
        CommitFailedError: Another run landed files of the source meanwhile; redo.
    """
    from pipelines.contracts.labels import KEY as LABEL_KEY
    from pipelines.contracts.readings import KEY
    from pipelines.importers.sorting import Batch, sort_out

    if not files:
        return {}
    base, labels_base = lake.base("readings"), lake.base("labels")
    first = lake.next_seq("readings", source=source, base=base)
    spans = [span for file in files if (span := _span(file.parsed.readings))]
    versions, known = lake.read("readings", source=source, spans=spans), lake.read("labels", source=source)
    committed: dict[str, Committed] = {}
    for place, file in enumerate(files):
        batch = file.claim.batch_id
        noted = lake.seq_of("readings", source=source, batch=batch, base=base)
        seq = next(one for one in (noted, file.seq, first + place * SEQ_STEP) if one is not None)
        landing = sort_out(
            Batch(batch, seq, file.parsed),
            _standing(_within(versions, _span(file.parsed.readings)), KEY, seq),
            _standing(known, LABEL_KEY, seq),
            source=source,
            landed_at=file.landed_at,
            now=file.judged_at,
        )
        versions = pl.concat([versions, landing.readings])
        known = pl.concat([known, landing.labels])
        committed[batch] = Committed(seq, _first_landed(batch, versions, known) or file.landed_at, landing)
    batches = {batch: done.seq for batch, done in committed.items()}
    readings, labels = ([getattr(done.landing, name) for done in committed.values()] for name in ("readings", "labels"))
    lake.append("labels", pl.concat(labels), source=source, batches=batches, base=labels_base)
    lake.append("readings", pl.concat(readings), source=source, batches=batches, base=base)
    return committed


def _read(
    files: Iterable[str], source: Source, inbox: Inbox, now: datetime, landed: Landed, *, again: bool
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
            parsed = read_claimed(claim, source)
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
        if not claim.is_as_it_was():
            landed.left += [_still_written(claim)] if claim.path.exists() else []
        elif claim.batch_id in seen:
            landed.receipt += _known(parsed)
            inbox.discard(claim)
        else:
            seen.add(claim.batch_id)
            note = inbox.landing_note(claim.batch_id, source=claim.source) or {}
            yield File(claim, parsed, note.get("batch_seq"), landed_at=now, judged_at=now)


def read_claimed(claim: Claim, source: Source) -> "Parsed":
    """Read a file as its source declares.

    Raises:
        FileError: It is not what it should be, or the importer failed on it in a way that nobody foresaw.
        OSError: The file cannot be had; says nothing of what is in it.
    """
    from pipelines.importers.formats import read_file
    from pipelines.importers.parsed import FileError, joined

    try:
        return joined(read_file(claim.path, source))
    except FileError as error:
        raise FileError(error.code, str(error).replace(claim.path.name, claim.name, 1)) from None
    except MemoryError:
        raise
    except (Exception, pl.exceptions.PanicException) as error:  # one poison file must not hold up the others
        if isinstance(error, OSError) and error.errno is not None:
            raise
        told = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise FileError("unreadable", f"{claim.name}: the importer {source.importer} failed on it: {told}") from error


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

    how = {"importer": source.importer, "zone": source.zone, "version": rules_version()}
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


def _known(parsed: "Parsed") -> "Receipt":
    """Receipt of a file that has landed before."""
    from pipelines.importers.sorting import Receipt

    return Receipt(files=1, files_duplicate=1, rows_read=parsed.rows, rows_duplicate=parsed.rows)


def _within(readings: pl.DataFrame, span: Span | None) -> pl.DataFrame:
    if span is None:
        return readings.clear()
    return readings.filter(pl.col("recorded_at").is_between(span.since, span.until))


def _standing(versions: pl.DataFrame, key: Sequence[str], seq: int) -> pl.DataFrame:
    """Of every key the version that was current when the batch of that order had landed."""
    then = versions.filter(pl.col("batch_seq") < seq + SEQ_STEP)
    return then.sort("batch_seq").unique(key, keep="last")


def _first_landed(batch: str, *tables: pl.DataFrame) -> datetime | None:
    """When the first row of a batch landed, as the rows tell it."""
    moments = [table.filter(pl.col("batch_id") == batch)["landed_at"].min() for table in tables]
    return min((moment for moment in moments if isinstance(moment, datetime)), default=None)


def _span(readings: pl.DataFrame) -> Span | None:
    from pipelines.contracts.readings import EARLIEST, LATEST

    readings = readings.filter(pl.col("recorded_at").is_between(EARLIEST, LATEST))  # the others are refused
    since, until = readings["recorded_at"].min(), readings["recorded_at"].max()
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
