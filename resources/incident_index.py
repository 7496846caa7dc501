"""The incident index: LanceDB over one row an episode, found by signature, by words, or by both.

It is derived and can be made anew at any time. `note.json` beside it names the folder of the index that stands and the
versions of the tables it has taken: without a note, or without the folder it names, there is no index.
"""

import shutil
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg
import numpy as np
import polars as pl
import pyarrow as pa
from pydantic import PrivateAttr

from pipelines.failures import StatedError
from pipelines.incidents.incident import INCIDENT
from resources.keeping import alone, make_folder, read_json, write_json

TABLE = "incidents"
KEY = "alarm_id"
FACTS = [name for name in INCIDENT if name not in ("signature", "text")]
EVERY_WRITES = 32
"""After so many writes their small files are merged: each costs a search a tenth of a millisecond and more."""
GRACE = timedelta(hours=1)
"""As long as this a reader may go on with a version that has been replaced."""
RRF = 60
"""Constant of reciprocal rank fusion: Cormack, Clarke and Buettcher (2009), SIGIR, pp. 758-759."""
WORDS = 0.5
"""What a place among the words counts beside one among the signatures: chosen on simulated faults, told on others."""
CANDIDATES = 50
"""At least so many of each search are fused."""
KEYED = {b"lance-schema:unenforced-primary-key": b"true"}
"""Without it two writers that merge one key at once write it twice."""


class IncidentIndexError(StatedError):
    """The index cannot be asked; the message says what to do."""


@dataclass(frozen=True)
class Note:
    """What an index is and has taken.

    Attributes:
        folder: Of the index, beside the note; empty for an index without incidents, which needs none.
        definition: What its rows follow from besides tables.
        taken: Id and version of each table.
        rows: Incidents in it.
        writes: Since small files were last merged.
        version: Of the Lance table, at least.
    """

    folder: str
    definition: str
    taken: dict[str, tuple[str, int]]
    rows: int = 0
    writes: int = 0
    version: int = 0


class News(NamedTuple):
    """What an update brings.

    Attributes:
        rows: In the columns of `INCIDENT`.
        gone: Alarms whose incident goes away; None where `rows` are all there are.
        taken: As in the note.
    """

    rows: pl.DataFrame
    gone: Sequence[str] | None
    taken: dict[str, tuple[str, int]]


class Written(NamedTuple):
    rows: int
    upserted: int
    removed: int
    is_rebuilt: bool


class IncidentIndex(dg.ConfigurableResource["IncidentIndex"]):
    """Where the incidents are. LanceDB takes seconds to load, so that is done where there is news or a question."""

    root: str
    _opened: dict[str, Any] = PrivateAttr(default_factory=dict)

    def note(self) -> Note | None:
        """Of the index that stands; None where there is none. Costs a look at two files."""
        try:
            facts = read_json(Path(self.root) / "note.json")
            if facts is None:
                return None
            taken = {name: (str(table_id), int(version)) for name, (table_id, version) in facts.pop("taken").items()}
            note = Note(**facts, taken=taken)
        except (OSError, ValueError, TypeError, KeyError):  # no note of ours
            return None
        if not note.folder:
            return note
        versions = Path(self.root) / note.folder / f"{TABLE}.lance" / "_versions"
        return note if versions.is_dir() and any(versions.iterdir()) else None

    def bring_up_to_date(self, compute: Callable[[Note | None], News], *, definition: str) -> Written:
        """Take what changed. One process at a time, from the note that is read to the one that is written.

        The merge comes first, its note after: killed in between, the same rows are merged again, which changes nothing.

        Args:
            compute: What an index with this note lacks; asked for everything (None) where there is none, where it was
                made to another definition, or where it is damaged.
            definition: What rows follow from besides tables.
        """
        make_folder(Path(self.root))
        with alone(Path(self.root)):
            note = self.note()
            if note is not None and note.definition == definition:
                news = compute(note)
                if news.gone is not None and (note.folder or news.rows.is_empty()):
                    try:
                        return self._merged(note, news)
                    except Exception:  # LanceDB has no type for it: what it has cannot be read or written
                        news = compute(None)
            else:
                news = compute(None)
            return self._rebuilt(news, definition)

    def search(
        self,
        signature: Sequence[float] | None = None,
        text: str | None = None,
        *,
        limit: int,
        before: datetime | None = None,
        without: Sequence[str] = (),
    ) -> pl.DataFrame:
        """The nearest incidents, the nearest first.

        Args:
            signature: Of the episode that others are compared with; None to go by words alone.
            text: Words; None to go by the signature alone. Of both, places in either list are added up.
            limit: Most incidents.
            before: Only those that began earlier.
            without: Alarms left out.
        Returns:
            `FACTS`, and `similarity`: cosine to `signature` in [-1, 1]; null without one.
        Raises:
            IncidentIndexError: There is no index, or it is damaged.
        """
        note = self._noted()
        if not note.rows:
            return pl.DataFrame(schema={**{name: INCIDENT[name] for name in FACTS}, "similarity": pl.Float64})
        table, where = self._open(note), _where(before, without)
        wanted = max(CANDIDATES, 2 * limit)
        try:
            with ThreadPoolExecutor(2) as pool:  # each waits for LanceDB's own threads
                lists = []
                if signature is not None:
                    lists.append((1.0, pool.submit(_by_signature, table, signature, where, wanted)))
                if text is not None:
                    lists.append((WORDS, pool.submit(_by_text, table, text, where, wanted)))
                nearest = _fused([(weight, found.result()) for weight, found in lists]).head(limit)
            found = _taken(table, nearest["_rowid"].to_list())
        except Exception as error:
            raise IncidentIndexError(_damaged(error)) from None
        cosine = pl.lit(None) if signature is None else pl.lit(_cosines(found["signature"], signature))
        told = found.select(*FACTS, similarity=cosine.cast(pl.Float64))
        return nearest.select(KEY).join(told, on=KEY, maintain_order="left").select(told.columns)

    def read(self) -> pl.DataFrame:
        """All incidents, in order of alarms.

        Raises:
            IncidentIndexError: As of `search`.
        """
        note = self._noted()
        if not note.folder:
            return pl.DataFrame(schema=INCIDENT)
        table = self._open(note)
        try:
            return pl.DataFrame(table.to_arrow()).cast(INCIDENT).sort(KEY)
        except Exception as error:
            raise IncidentIndexError(_damaged(error)) from None

    def rows(self) -> int:
        """Incidents in the index that stands.

        Raises:
            IncidentIndexError: There is none.
        """
        return self._noted().rows

    def incident(self, *, alarm: str | None = None, machine: str | None = None) -> dict[str, Any] | None:
        """One incident whole: that of an alarm, or the newest of a machine; None where there is none.

        Raises:
            IncidentIndexError: As of `search`.
        """
        column, value = (KEY, alarm) if alarm is not None else ("machine_id", machine or "")
        note = self._noted()
        if not note.folder:
            return None
        table = self._open(note)
        try:
            rows = pl.DataFrame(table.search().where(f"{column} = {_quoted(value)}").to_arrow())
        except Exception as error:
            raise IncidentIndexError(_damaged(error)) from None
        newest = rows.sort("started_at", KEY).tail(1)
        return newest.row(0, named=True) if newest.height else None

    def optimize(self) -> bool:
        """Merge small files and remove what nobody reads any more; False where nothing was written since.

        Raises:
            IncidentIndexError: It is damaged.
        """
        if not Path(self.root).is_dir():
            return False
        with alone(Path(self.root)):
            note = self.note()
            self._swept(note)
            if note is None or not note.writes:
                return False
            table = self._open(note)
            try:
                self._optimized(table, note)
            except Exception as error:
                raise IncidentIndexError(_damaged(error)) from None
        return True

    def damage(self, *, whole: bool = True) -> str | None:
        """What is wrong with the index that stands, in words; None where nothing is.

        Args:
            whole: Whether to read all of it, which loads LanceDB.
        """
        note = self.note()
        if note is None:
            return "its folder or its note is gone" if self._folders() else None
        if not whole or not note.folder:
            return None
        try:
            rows = self.read().height
        except IncidentIndexError as error:
            return str(error)
        return None if rows == note.rows else f"it holds {rows} incidents, and its note says {note.rows}"

    def forget(self) -> None:
        """Let there be no index: the next run of `incidents` makes it anew."""
        with alone(Path(self.root)):
            (Path(self.root) / "note.json").unlink(missing_ok=True)
            for folder in self._folders():
                shutil.rmtree(folder)

    def _noted(self) -> Note:
        note = self.note()
        if note is None:
            raise IncidentIndexError("there is no incident index yet: `smartmaint run` makes it")
        return note

    def _open(self, note: Note) -> Any:
        """The table as it is now. One that was opened before keeps what it has read of its indexes."""
        try:
            if note.folder not in self._opened:
                self._opened = {note.folder: self._connected(note.folder).open_table(TABLE)}
            table = self._opened[note.folder]
            table.checkout_latest()
        except Exception as error:
            raise IncidentIndexError(_damaged(error)) from None
        if table.version < note.version:
            raise IncidentIndexError(_damaged(f"version {table.version} is older than its note, {note.version}"))
        return table

    def _merged(self, note: Note, news: News) -> Written:
        gone, removed = list(news.gone or ()), 0
        if news.rows.is_empty() and not (gone and note.folder):
            if news.taken != note.taken:
                self._keep(replace(note, taken=news.taken))
            return Written(note.rows, 0, 0, is_rebuilt=False)
        table = self._open(note)
        if gone:
            removed = table.delete(_among(gone)).num_deleted_rows
        if not news.rows.is_empty():
            merging = table.merge_insert(KEY).when_matched_update_all().when_not_matched_insert_all()
            merging.execute(_arrow(news.rows))
        rows, writes = table.count_rows(), note.writes + 1
        now = replace(note, taken=news.taken, rows=rows, writes=writes, version=table.version)
        self._keep(now)
        if writes >= EVERY_WRITES:
            self._optimized(table, now)
        return Written(rows, news.rows.height, removed, is_rebuilt=False)

    def _rebuilt(self, news: News, definition: str) -> Written:
        """A new index beside the old one, with which readers may go on for a while."""
        self._swept(self.note())
        if news.rows.is_empty():
            self._keep(Note("", definition, news.taken))
            return Written(0, 0, 0, is_rebuilt=True)
        from lancedb.index import FTS

        folder = uuid.uuid4().hex
        table = self._connected(folder).create_table(TABLE, _arrow(news.rows))
        table.create_index("text", config=FTS())
        rows = table.count_rows()
        self._keep(Note(folder, definition, news.taken, rows, 0, table.version))
        return Written(rows, rows, 0, is_rebuilt=True)

    def _optimized(self, table: Any, note: Note) -> None:
        table.optimize(cleanup_older_than=GRACE)
        self._keep(replace(note, writes=0, version=table.version))

    def _connected(self, folder: str) -> Any:
        import lancedb

        return lancedb.connect(Path(self.root) / folder)

    def _folders(self) -> list[Path]:
        return [path for path in Path(self.root).iterdir() if path.is_dir()] if Path(self.root).is_dir() else []

    def _swept(self, note: Note | None) -> None:
        """Remove indexes that were replaced a while ago, and what a process that was killed left of one."""
        for folder in self._folders():
            is_old = time.time() - folder.stat().st_mtime > GRACE.total_seconds()
            if is_old and (note is None or folder.name != note.folder):
                shutil.rmtree(folder, ignore_errors=True)

    def _keep(self, note: Note) -> None:
        write_json(Path(self.root) / "note.json", asdict(note))


def _by_signature(table: Any, signature: Sequence[float], where: str | None, limit: int) -> pl.DataFrame:
    """Alarms, the nearest first. Every signature is looked at: an approximate index does not pay below 100,000."""
    asked = table.search(list(signature), vector_column_name="signature", query_type="vector").distance_type("dot")
    return _found(asked, where, limit, "_distance").sort("_distance", KEY).select(KEY, "_rowid")


def _by_text(table: Any, text: str, where: str | None, limit: int) -> pl.DataFrame:
    """Alarms with any of the words, those with the most and the rarest first; no character has a meaning."""
    asked = table.search(text, query_type="fts", fts_columns="text")
    rows = _found(asked, where, limit, "_score")
    return rows.sort("_score", KEY, descending=[True, False]).select(KEY, "_rowid")


def _found(asked: Any, where: str | None, limit: int, order: str) -> pl.DataFrame:
    allowed = asked if where is None else asked.where(where, prefilter=True)
    return pl.DataFrame(allowed.select([KEY, order]).with_row_id(True).limit(limit).to_arrow())


def _fused(lists: Sequence[tuple[float, pl.DataFrame]]) -> pl.DataFrame:
    """Alarms by the sum of weight / (RRF + place) over the lists; of those with the same sum the smaller id first."""
    placed = [found.with_columns(share=weight / (RRF + 1 + pl.int_range(pl.len()))) for weight, found in lists]
    summed = pl.concat(placed).group_by(KEY, "_rowid").agg(pl.col("share").sum())
    return summed.sort("share", KEY, descending=[True, False])


def _taken(table: Any, rows: Sequence[int]) -> pl.DataFrame:
    """Facts and signatures of rows by their place in the version that is open; in no order."""
    if not rows:
        return pl.DataFrame(schema=INCIDENT)
    taken = table.take_row_ids(list(rows)).select([*FACTS, "signature"]).to_arrow()
    return pl.DataFrame(taken).cast({"signature": INCIDENT["signature"]})


def _cosines(signatures: pl.Series, signature: Sequence[float]) -> pl.Series:
    return pl.Series(signatures.to_numpy() @ np.array(signature, np.float32))


def _where(before: datetime | None, without: Sequence[str]) -> str | None:
    clauses = [f"started_at < timestamp '{before:%Y-%m-%d %H:%M:%S.%f}'"] if before is not None else []
    if without:
        clauses.append(f"NOT ({_among(without)})")
    return " AND ".join(clauses) or None


def _among(ids: Sequence[str]) -> str:
    return f"{KEY} IN ({', '.join(map(_quoted, ids))})"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _arrow(rows: pl.DataFrame) -> pa.Table:
    """The rows in LanceDB's types; the key is never null and marked as such."""
    types: Mapping[Any, pa.DataType] = {
        pl.String(): pa.string(),
        pl.Boolean(): pa.bool_(),
        pl.Float64(): pa.float64(),
        INCIDENT["started_at"]: pa.timestamp("us", "UTC"),
        INCIDENT["signature"]: pa.list_(pa.float32(), INCIDENT["signature"].size),  # type: ignore[attr-defined]
    }
    fields = [
        pa.field(name, types[dtype], nullable=name != KEY, metadata=KEYED if name == KEY else None)
        for name, dtype in INCIDENT.items()
    ]
    return rows.select(list(INCIDENT)).to_arrow().cast(pa.schema(fields))


def _damaged(error: object) -> str:
    told = str(error).partition("\n")[0][:200]
    return f"the incident index is damaged ({told}): `smartmaint doctor` lets it be made anew"
