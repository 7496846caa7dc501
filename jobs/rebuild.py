"""`smartmaint rebuild`: the lake anew from the archived originals, beside the old one, then in its place."""

import os
import shutil
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from assets.landing import File, commit, how_read, in_groups, opened_file
from jobs.failures import CommandError
from jobs.lock import hold
from jobs.running import end_of
from jobs.runs import Runner, opened
from pipelines.contracts.vocabulary import LANDED, SAID
from pipelines.importers.parsed import FileError
from pipelines.register import Register, Source
from resources.exchange import put_in_place
from resources.home import Home, create_tables
from resources.inbox import Inbox
from resources.lake import Lake
from resources.register import RegisterFile
from resources.serving.duckdb_catalog import Catalog


@dataclass
class Rebuilt:
    """What a new lake was made of.

    Attributes:
        sources: Whose rows it holds.
        files: Batches that were landed anew.
        values: Readings of them.
        carried: Batches whose rows were taken from the old lake, since the archive has no original that can be read.
        missing: Batches of which neither has anything: name and sha256.
        moved: Source and batch of files that are read otherwise than they landed, and how.
    """

    sources: list[str]
    files: int = 0
    values: int = 0
    carried: int = 0
    missing: list[str] = field(default_factory=list)
    moved: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)


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
        CommandError: `up` is there, a run is in flight or began meanwhile, or the lake cannot be replaced.
        RegisterError: The register is broken.
    """
    begun, at, home = time.monotonic(), end_of(day), Home(root)
    with opened(root) as runner, os.fdopen(hold(root)):  # no `up` begins meanwhile
        rebuilt, left = _replaced(home, runner)
    with opened(root, at=at) as runner:  # anew: nothing of it may still hold a table of the old lake
        known = sorted({*runner.sources(), *rebuilt.sources})
        runs = [runner.run("micro_batch", source=source) for source in known]
        runs.append(runner.run("plan"))
    return {
        "files": rebuilt.files,
        "values": rebuilt.values,
        "carried": rebuilt.carried,
        "missing": rebuilt.missing,
        "seconds": round(time.monotonic() - begun, 3),
        "runs": [ran.run_id for ran in runs],
        "failures": left + [f"{ran.source or 'all sources'}, {failure}" for ran in runs for failure in ran.failures],
    }


def _replaced(home: Home, runner: Runner) -> tuple[Rebuilt, list[str]]:
    """A new lake in the place of the old; what it was made of, and what could not be cleared away."""
    inbox = Inbox(root=str(home.root))
    place = home.lake.resolve()  # of a link the folder it names is replaced, not the link
    new = place.with_name(f"{place.name}.rebuilt")
    newest = runner.newest()
    _refuse_in_flight(runner)
    if place.is_mount():
        told = f"{place} is a mount point, and no folder can take its place; nothing has changed"
        raise CommandError(f"{told}. Let {home.lake} be a link to a folder below it, or mount one folder higher")
    _clear(new)  # of a rebuild that was cut short
    register = RegisterFile(machines=str(home.machines), crew=str(home.crew)).load()
    rebuilt = _build(Lake(root=str(new)), Lake(root=str(home.lake)), inbox, register)
    os.sync()  # deltalake waits for no disk
    if runner.newest() != newest:  # what it landed is in the old lake alone
        _clear(new)
        raise CommandError("a run began meanwhile; nothing has changed, rebuild again")
    put_in_place(new, place)
    for source, batch, how in rebuilt.moved:
        inbox.note_landing(batch, source=source, **how)
    Catalog(path=str(home.catalog), lake_root=str(home.lake)).rebuild()  # the old one names files of the old lake
    try:
        _clear(new)
    except CommandError as error:  # the new lake stands all the same
        return rebuilt, [str(error)]
    return rebuilt, []


def _clear(folder: Path) -> None:
    """Take away what bears the new lake's name: never build on it, for its rows would be there twice."""
    try:
        if folder.is_symlink():  # what it names may be a lake
            folder.unlink()
        elif folder.exists():
            shutil.rmtree(folder)
    except OSError as error:
        raise CommandError(f"{error.filename}: {error.strerror}; remove {folder} by hand") from None


def _refuse_in_flight(runner: Runner) -> None:
    if unfinished := runner.unfinished():
        raise CommandError(
            f"{len(unfinished)} runs are in flight ({unfinished[0]}): stop `smartmaint up` or wait, then rebuild; "
            "nothing has changed. Runs whose process was killed are ended by `smartmaint doctor`"
        )


def _build(lake: Lake, old: Lake, inbox: Inbox, register: Register) -> Rebuilt:
    create_tables(lake)
    sources = {source for table in LANDED for source in _sources(old, table)}
    rebuilt = Rebuilt(sorted(sources.union(inbox.archived_sources())))
    for table in SAID:
        lake.fill(table, _rows(old, table, like=lake))
    for source in rebuilt.sources:
        _build_source(source, lake, old, inbox, register, rebuilt)
    return rebuilt


def _build_source(source: str, lake: Lake, old: Lake, inbox: Inbox, register: Register, rebuilt: Rebuilt) -> None:
    """Rows of one source: first those that only the old lake has, then the archive, in order of first landing."""
    notes = inbox.archived(source=source)
    here = {batch: note for batch, note in notes.items() if inbox.from_archive(batch, source=source)}
    carried = _carry(source, ~_of(here), lake, old)
    unreadable = _land(source, here, lake, inbox, register, rebuilt)
    if unreadable:
        carried |= _carry(source, _of(unreadable), lake, old)
    rebuilt.carried += len(carried)
    gone = [batch for batch in notes if (batch not in here or batch in unreadable) and batch not in carried]
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
    unreadable: list[str] = []
    for group in in_groups(_files(source, notes, inbox, register, rebuilt, unreadable)):
        for files in [group] if group[0].others is None else ([piece] for piece in group[0].pieces()):
            done = commit(files, source, lake)
            rebuilt.values += sum(one.landing.readings.height for one in done.values())
        rebuilt.files += len(group)
    return unreadable


def _files(
    source: str,
    notes: Mapping[str, Mapping[str, Any]],
    inbox: Inbox,
    register: Register,
    rebuilt: Rebuilt,
    unreadable: list[str],
) -> Iterator[File]:
    """Originals of the archive that can be read, in order of first landing."""
    for batch, note in notes.items():
        as_then = Source(source, note["importer"], zone=note["zone"], table=note.get("table"))
        how = register.sources.get(source) or as_then
        file = _file(batch, how, note, inbox)
        if file is None:
            unreadable.append(batch)
            continue
        if how_read(how) != how_read(as_then):
            rebuilt.moved.append((source, batch, how_read(how)))
        yield file


def _file(batch: str, source: Source, note: Mapping[str, Any], inbox: Inbox) -> File | None:
    claim = inbox.from_archive(batch, source=source.name)
    landed_at, judged_at = (datetime.fromisoformat(note[name]) for name in ("landed_at", "judged_at"))
    try:
        parsed, others = opened_file(claim, source) if claim else (None, None)
        if claim and others is not None:  # before any of it lands: what cannot be read is carried over whole
            deque(opened_file(claim, source)[1] or (), maxlen=0)
    except FileError:
        return None
    return File(claim, parsed, note["batch_seq"], landed_at, judged_at, others) if claim and parsed else None


def _of(batches: Iterable[str]) -> pl.Expr:
    return pl.col("batch_id").is_in(list(batches))


def _carry(source: str, which: pl.Expr, lake: Lake, old: Lake) -> set[str]:
    """Take over rows that only the old lake has; their batches."""
    kept = {table: _rows(old, table, like=lake, source=source, where=which) for table in reversed(LANDED)}
    orders = pl.concat([rows.select("batch_id", "batch_seq") for rows in kept.values()])
    batches = dict(orders.group_by("batch_id").agg(pl.col("batch_seq").min()).rows())
    if batches:
        for table, rows in kept.items():  # the readings last: their note says that a batch is there
            lake.append(table, rows, source=source, batches=batches)
    return set(batches)


def _sources(old: Lake, table: str) -> set[str]:
    """Sources that have rows in a table of a lake that may be damaged or gone; then none."""
    try:
        return set(old.newest_moments(table, time="landed_at"))
    except Exception:  # as below
        return set()


def _rows(
    old: Lake, table: str, *, like: Lake, source: str | None = None, where: pl.Expr | None = None
) -> pl.DataFrame:
    """Rows of a lake that may be damaged or gone; then none."""
    empty = like.columns(table)
    try:
        return old.read(table, source=source, where=where).select(empty.columns).cast(empty.schema)
    except Exception:  # whatever deltalake and polars say of it: what cannot be read cannot be carried over
        return empty
