"""`smartmaint rebuild`: the lake anew from the archived originals, beside the old one, then in its place."""

import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from assets.landing import AT_ONCE, File, commit, read_claimed
from jobs.failures import CommandError
from jobs.running import end_of
from jobs.runs import Runner, opened
from pipelines.importers.parsed import FileError
from pipelines.register import Register, Source
from resources.exchange import put_in_place
from resources.home import Home, create_tables
from resources.inbox import Inbox
from resources.lake import Lake
from resources.register import RegisterFile

RECORDS = ("outages", "forecasts", "decisions", "work_orders")
"""What was said at a moment that has passed: nothing computes it again."""


@dataclass
class Rebuilt:
    """What a new lake was made of.

    Attributes:
        files: Batches that were landed anew.
        values: Readings of them.
        carried: Batches whose rows were taken from the old lake, since the archive has no original that can be read.
        missing: Batches of which neither has anything: name and sha256.
        moved: Source and batch of files that are read with another zone than they landed with, and that zone.
    """

    files: int = 0
    values: int = 0
    carried: int = 0
    missing: list[str] = field(default_factory=list)
    moved: list[tuple[str, str, str]] = field(default_factory=list)


def rebuild(root: Path, *, day: str | None = None) -> dict[str, Any]:
    """Build the lake anew and everything that follows from it.

    Batches keep their order and the moment they first landed; they are read as the register declares now. What was
    said at past moments is carried over from the old lake, and so are the rows of batches that the archive has no more.
    The old lake stands until the new one is whole.

    Args:
        root: Home.
        day: What follows is computed as if it were the end of this UTC day; None for the present.
    Returns:
        `files`, `values`, `carried`, `missing`, `seconds`, `runs`, `failures`.
    Raises:
        CommandError: A run is in flight, or one began meanwhile.
        RegisterError: The register is broken.
    """
    begun, at, home = time.monotonic(), end_of(day), Home(root)
    inbox = Inbox(root=str(root))
    new = root / "lake.rebuilt"
    with opened(root) as runner:
        _refuse_in_flight(runner)
        shutil.rmtree(new, ignore_errors=True)  # of a rebuild that was cut short
        register = RegisterFile(machines=str(home.machines), crew=str(home.crew)).load()
        rebuilt = _build(Lake(root=str(new)), Lake(root=str(home.lake)), inbox, register)
        os.sync()  # deltalake waits for no disk
        _refuse_in_flight(runner)
        put_in_place(new, home.lake)
    shutil.rmtree(new, ignore_errors=True)
    for source, batch, zone in rebuilt.moved:
        inbox.note_landing(batch, source=source, zone=zone)
    with opened(root, at=at) as runner:  # anew: nothing of it may still hold a table of the old lake
        runs = [runner.run("micro_batch", source=source) for source in inbox.archived_sources()]
        runs.append(runner.run("plan"))
    return {
        "files": rebuilt.files,
        "values": rebuilt.values,
        "carried": rebuilt.carried,
        "missing": rebuilt.missing,
        "seconds": round(time.monotonic() - begun, 3),
        "runs": [ran.run_id for ran in runs],
        "failures": [f"{ran.source or 'all sources'}, {failure}" for ran in runs for failure in ran.failures],
    }


def _refuse_in_flight(runner: Runner) -> None:
    if unfinished := runner.unfinished():
        raise CommandError(
            f"{len(unfinished)} runs are in flight ({unfinished[0]}): stop `smartmaint up` or wait, then rebuild; "
            "nothing has changed. Runs whose process was killed are ended by `smartmaint doctor`"
        )


def _build(lake: Lake, old: Lake, inbox: Inbox, register: Register) -> Rebuilt:
    create_tables(lake)
    rebuilt = Rebuilt()
    for table in RECORDS:
        lake.fill(table, _rows(old, table, like=lake))
    held = {table: _rows(old, table, like=lake) for table in ("readings", "labels")}
    for source in sorted({*inbox.archived_sources(), *held["readings"]["source"], *held["labels"]["source"]}):
        mine = {table: rows.filter(pl.col("source") == source) for table, rows in held.items()}
        _build_source(source, mine, lake, inbox, register, rebuilt)
    return rebuilt


def _build_source(
    source: str, held: Mapping[str, pl.DataFrame], lake: Lake, inbox: Inbox, register: Register, rebuilt: Rebuilt
) -> None:
    """Rows of one source: first those that only the old lake has, then the archive, in order of first landing."""
    notes = inbox.archived(source=source)
    here = {batch: note for batch, note in notes.items() if inbox.from_archive(batch, source=source)}
    _carry(source, held, set(here), lake, rebuilt)
    unreadable = _land(source, here, lake, inbox, register, rebuilt)
    while late := {batch: note for batch, note in inbox.archived(source=source).items() if batch not in notes}:
        notes |= late  # landed while we built
        unreadable += _land(source, late, lake, inbox, register, rebuilt)
    if unreadable:
        _carry(source, held, set(here) - set(unreadable), lake, rebuilt)
    known = {batch for rows in held.values() for batch in rows["batch_id"]}
    gone = [batch for batch in notes if (batch not in here or batch in unreadable) and batch not in known]
    rebuilt.missing += [f"{source}/{notes[batch].get('name')} {batch[:12]}" for batch in gone]


def _land(
    source: str,
    notes: Mapping[str, Mapping[str, Any]],
    lake: Lake,
    inbox: Inbox,
    register: Register,
    rebuilt: Rebuilt,
) -> list[str]:
    """Land originals of the archive as they first landed; batches that cannot be read any more."""
    unreadable, batches = [], list(notes)
    for first in range(0, len(batches), AT_ONCE):
        files = []
        for batch in batches[first : first + AT_ONCE]:
            note = notes[batch]
            how = register.sources.get(source) or Source(source, note["importer"], zone=note["zone"])
            file = _file(batch, how, note, inbox)
            if file is None:
                unreadable.append(batch)
                continue
            files.append(file)
            if how.zone != note["zone"]:
                rebuilt.moved.append((source, batch, how.zone))
        done = commit(files, source, lake)
        rebuilt.files += len(files)
        rebuilt.values += sum(one.landing.readings.height for one in done.values())
    return unreadable


def _file(batch: str, source: Source, note: Mapping[str, Any], inbox: Inbox) -> File | None:
    claim = inbox.from_archive(batch, source=source.name)
    landed_at, judged_at = (datetime.fromisoformat(note[name]) for name in ("landed_at", "judged_at"))
    try:
        parsed = read_claimed(claim, source) if claim else None
    except FileError:
        return None
    return File(claim, parsed, note["batch_seq"], landed_at, judged_at) if claim and parsed else None


def _carry(source: str, held: Mapping[str, pl.DataFrame], archived: set[str], lake: Lake, rebuilt: Rebuilt) -> None:
    """Take over the rows of batches that are not in the archive and not in the new lake yet."""
    kept = {table: rows.filter(~pl.col("batch_id").is_in(list(archived))) for table, rows in held.items()}
    orders = pl.concat([rows.select("batch_id", "batch_seq") for rows in kept.values()])
    batches = dict(orders.group_by("batch_id").agg(pl.col("batch_seq").min()).rows())
    fresh = {batch: seq for batch, seq in batches.items() if not lake.knows("readings", source=source, batch=batch)}
    if not fresh:
        return
    for table in ("labels", "readings"):  # the readings last: their note says that a batch is there
        lake.append(table, kept[table], source=source, batches=fresh)
    rebuilt.carried += len(fresh)


def _rows(lake: Lake, table: str, *, like: Lake) -> pl.DataFrame:
    """Rows of a lake that may be damaged or gone; then none."""
    empty = like.columns(table)
    try:
        return lake.read(table).select(empty.columns).cast(empty.schema)
    except Exception:  # whatever deltalake and polars say of it: what cannot be read cannot be carried over
        return empty
