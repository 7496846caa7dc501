"""From the inbox to the lake: read, judge, commit, then archive. A file leaves the inbox last."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from resources.inbox import Inbox, sha256
from resources.lake import Lake, redo_on_conflict
from resources.spans import Span

if TYPE_CHECKING:
    from pipelines.importers.parsed import Parsed
    from pipelines.importers.sorting import Receipt


@dataclass(frozen=True)
class File:
    """One file that could be read."""

    file: str
    batch_id: str
    parsed: "Parsed"


@dataclass
class Landed:
    """What became of the files of one run.

    Attributes:
        receipt: Counts, in rows of the source.
        refused: Code, message and quarantine folder of every file or part of one that was refused.
        days: Days of measurement that got new readings: the partitions of the lake that were written.
    """

    receipt: "Receipt"
    refused: list[dict[str, Any]] = field(default_factory=list)
    days: set[date] = field(default_factory=set)


def land(files: Iterable[str], *, source: str, importer: str, lake: Lake, inbox: Inbox, now: datetime) -> Landed:
    """Land files of one source: each is committed with its reason or its rows, once, whatever happens in between.

    Args:
        files: Below the inbox folder; one that is gone was taken by another run.
        source: Whose they are.
        importer: Format that the register declares for the source.
        lake: Where rows go.
        inbox: Where files come from and end up.
        now: Landing time.
    """
    from pipelines.importers.sorting import Receipt

    landed = Landed(Receipt())
    readable = list(_read(files, source, importer, inbox, now, landed))
    fresh = []
    for file in readable:
        if lake.knows("readings", source=source, batch=file.batch_id):
            landed.receipt += _again(file.parsed)
        else:
            fresh.append(file)
    receipts = redo_on_conflict(lambda: _commit(fresh, source, lake, now, landed.days))
    for file in fresh:
        receipt, rejected = receipts[file.batch_id]
        landed.receipt += receipt
        if not rejected.is_empty():
            reason = _row_reason(rejected)
            folder = inbox.quarantine(file.file, batch_id=file.batch_id, at=now, reason=reason, rows=rejected)
            landed.refused.append({"file": file.file, "folder": folder, **reason})
    for file in readable:
        inbox.archive(file.file, batch_id=file.batch_id, facts={"importer": importer, "landed_at": now.isoformat()})
    return landed


def _read(
    files: Iterable[str], source: str, importer: str, inbox: Inbox, now: datetime, landed: Landed
) -> Iterable[File]:
    """Files that can be read; the others go to quarantine on the way and hold nobody up."""
    from pipelines.importers.formats import read_file
    from pipelines.importers.parsed import FileError
    from pipelines.importers.sorting import Receipt

    seen = set()
    for file in files:
        path = inbox.path(file)
        if not path.exists():
            continue
        batch_id = sha256(path)
        try:
            parsed = read_file(path, importer=importer, source=source)
        except FileError as error:
            reason = {"code": error.code, "message": str(error)}
            folder = inbox.quarantine(file, batch_id=batch_id, at=now, reason=reason)
            landed.receipt += Receipt(files=1, files_quarantined=1)
            landed.refused.append({"file": file, "folder": folder, **reason})
            continue
        if batch_id in seen:
            landed.receipt += _again(parsed)
            path.unlink()
            continue
        seen.add(batch_id)
        yield File(file, batch_id, parsed)


def _again(parsed: "Parsed") -> "Receipt":
    """Receipt of a file that has landed before."""
    from pipelines.importers.sorting import Receipt

    return Receipt(files=1, files_duplicate=1, rows_read=parsed.rows, rows_duplicate=parsed.rows)


def _commit(
    files: Sequence[File], source: str, lake: Lake, now: datetime, days: set[date]
) -> "dict[str, tuple[Receipt, pl.DataFrame]]":
    """Append the new rows of all files in one commit; receipt and refused rows by batch."""
    from pipelines.contracts.readings import KEY
    from pipelines.importers.sorting import Batch, sort_out

    first = lake.next_seq("readings")
    current = lake.readings(source=source, spans=[span for file in files if (span := _span(file.parsed.readings))])
    known = lake.read("labels", source=source)
    readings, labels, receipts = [current.clear()], [known.clear()], {}
    for place, file in enumerate(files):
        batch = Batch(file.batch_id, first + place, file.parsed)
        landing = sort_out(batch, current, known, source=source, landed_at=now)
        current = pl.concat([current.join(landing.readings, on=KEY, how="anti"), landing.readings])
        known = pl.concat([known, landing.labels])
        readings.append(landing.readings)
        labels.append(landing.labels)
        days.update(landing.readings["day"])
        receipts[file.batch_id] = (landing.receipt, landing.rejected)
    batches = [file.batch_id for file in files]
    lake.append("labels", pl.concat(labels), source=source, batches=batches, seq=first)
    lake.append("readings", pl.concat(readings), source=source, batches=batches, seq=first)
    return receipts


def _span(readings: pl.DataFrame) -> Span | None:
    from pipelines.contracts.readings import EARLIEST, LATEST

    readings = readings.filter(pl.col("recorded_at").is_between(EARLIEST, LATEST))  # the others are refused
    since, until = readings["recorded_at"].min(), readings["recorded_at"].max()
    if not isinstance(since, datetime) or not isinstance(until, datetime):
        return None
    return Span(since, until + timedelta(microseconds=1))


def _row_reason(rejected: pl.DataFrame) -> dict[str, Any]:
    counts = rejected.group_by("reasons").len().sort("len", descending=True)
    told = "; ".join(f"{reasons} ({count} values)" for reasons, count in counts.head(5).rows())
    return {"code": "rows_refused", "message": told, "values": rejected.height}
