"""Care of the lake's tables: small files merged, files nobody needs removed. No row changes by it."""

import math
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

import dagster as dg
import polars as pl
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction

from resources.lake import redo_on_conflict
from resources.removed import Removed

COMPACTED = "compaction"
"""Note in a table: the version at which it was last compacted. A compaction's own commit cannot carry one."""


class LakeMaintenance(dg.ConfigurableResource["LakeMaintenance"]):
    """Compaction and vacuum of the tables below `root`, beside live writers and readers."""

    root: str

    def commits_since_compaction(self, table: str) -> int:
        """Versions since the table was last compacted."""
        delta = self._open(table)
        return delta.version() - (delta.transaction_version(COMPACTED) or 0)

    def damage(self, table: str) -> str | None:
        """What is wrong with a table: no log that can be read, or files it names that are gone or cut short."""
        if not DeltaTable.is_deltatable(f"{self.root}/{table}"):
            return "there is no table"
        try:
            files = self._files(table).select("path", "size_bytes").rows()
        except Exception as error:  # deltalake has no common type for a log it cannot read
            return f"its log cannot be read: {str(error).splitlines()[0]}"
        paths = [(Path(self.root, table, unquote(name)), size) for name, size in files]
        broken = [path for path, size in paths if not path.exists() or path.stat().st_size != size]
        return f"{len(broken)} of {len(files)} files are gone or cut short, such as {broken[0]}" if broken else None

    def compact(self, table: str) -> dict[str, int]:
        """Merge small files, then check-point the log and drop the part of it that is older than its retention.

        The rows stay as they are and the change feed tells of none, so consumers take nothing anew. A writer who
        replaces what is being merged goes first: the merge is done again.

        Returns:
            `files_merged`, `files_written`; `files_removed` and `bytes_freed` of the log.
        Raises:
            CommitFailedError: Others wrote the same files in between, again and again.
        """
        told = redo_on_conflict(lambda: self._merged(table))
        redo_on_conflict(lambda: self._note_compaction(table))
        self._open(table).create_checkpoint()
        before = _sizes(Path(self.root, table, "_delta_log"))
        self._open(table).cleanup_metadata()
        gone = before.keys() - _sizes(Path(self.root, table, "_delta_log")).keys()
        return {
            "files_merged": told["numFilesRemoved"],
            "files_written": told["numFilesAdded"],
            "files_removed": len(gone),
            "bytes_freed": sum(before[name] for name in gone),
        }

    def vacuum(self, table: str, *, grace: timedelta, now: datetime, read_since: datetime | None = None) -> Removed:
        """Remove files that no version within the grace names: replaced ones, old changes, leftovers of killed runs.

        A consumer whose changes are removed recomputes its source: `Lake.take` says so.

        Args:
            table: Whose files.
            grace: How long a file stays after the table has let go of it. Must outlast every run and every query.
            now: Present time.
            read_since: Moment of the oldest list of files that people may still read by, such as the catalog's:
                what was current then stays too.
        """
        redo_on_conflict(lambda: self._grant(table, grace))
        behind = now - read_since if read_since is not None else timedelta(0)
        hours = math.ceil(behind / timedelta(hours=1)) if behind > grace else None  # None: the table's own grace
        doomed = self._vacuumed(table, hours, dry_run=True)
        if not doomed:
            return Removed()
        sizes = {name: path.stat().st_size for name in doomed if (path := Path(self.root, table, name)).exists()}
        redo_on_conflict(lambda: self._vacuumed(table, hours, dry_run=False))
        gone = [size for name, size in sizes.items() if not Path(self.root, table, name).exists()]
        return Removed(len(gone), sum(gone))

    def _files(self, table: str) -> pl.DataFrame:
        return pl.DataFrame(pa.table(self._open(table).get_add_actions(flatten=True)))

    def _merged(self, table: str) -> dict[str, int]:
        delta = self._open(table)  # as it is at this try
        return delta.optimize.compact()

    def _note_compaction(self, table: str) -> None:
        delta = self._open(table)
        note = CommitProperties(app_transactions=[Transaction(COMPACTED, delta.version() + 1)])
        delta.create_write_transaction([], "append", delta.schema(), commit_properties=note)

    def _vacuumed(self, table: str, hours: int | None, *, dry_run: bool) -> list[str]:
        delta = self._open(table)
        # full: else neither what a killed run left nor old changes are found
        found = delta.vacuum(hours, dry_run=dry_run, enforce_retention_duration=False, full=True)
        return [unquote(name) for name in found]

    def _grant(self, table: str, grace: timedelta) -> None:
        """Write the grace into the table, where other tools that vacuum it find it too."""
        delta = self._open(table)
        wanted = {"delta.deletedFileRetentionDuration": _interval(grace)}
        if not wanted.items() <= delta.metadata().configuration.items():
            delta.alter.set_table_properties(wanted)

    def _open(self, table: str) -> DeltaTable:
        return DeltaTable(f"{self.root}/{table}")


def _interval(span: timedelta) -> str:
    if span.seconds or span.microseconds:
        return f"interval {math.ceil(span.total_seconds())} seconds"
    return f"interval {span.days} days"


def _sizes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in folder.iterdir() if path.is_file()}
