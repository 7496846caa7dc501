"""Dagster's own record of runs: old ones taken away with every file they left, and what no run belongs to any more."""

import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import dagster as dg
from dagster._core.storage.event_log.sqlite import SqliteEventLogStorage

from resources.removed import Removed, remove

ENDED_WELL = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.CANCELED)
NEW = timedelta(hours=1)
"""A file of a run that the storage does not know is younger than this while the run is being made."""
AT_ONCE = 1000
"""Runs that one question names: a database takes only so many parameters."""


class RunStorage:
    """Runs, events and logs of one instance."""

    def __init__(self, instance: dg.DagsterInstance, logs: Path) -> None:
        """Args:
        instance: Whose runs.
        logs: Folder of compute logs, one folder a run.
        """
        self._instance, self._logs = instance, logs

    def prune(self, *, before: datetime, failed_before: datetime) -> tuple[int, Removed]:
        """Delete runs that ended before a moment, each with its events, event file and logs.

        Runs in flight stay, and so do those that last materialized an asset, or a partition of one: the asset's page
        shows what they said. Older materializations leave its history.

        Args:
            before: For runs that succeeded or were canceled.
            failed_before: For runs that failed.
        Returns:
            Runs, and the files they left.
        """
        old = [*self._ended(ENDED_WELL, before), *self._ended((dg.DagsterRunStatus.FAILURE,), failed_before)]
        kept = self._shown() if old else set()
        removed, runs = Removed(), 0
        for run_id in old:
            if run_id not in kept:
                removed, runs = removed.plus(self._delete(run_id)), runs + 1
        return runs, removed

    def sweep(self) -> Removed:
        """Delete event files and logs of runs that the storage does not know: a plain `delete_run` leaves them."""
        ids = sorted({run_id for run_id, written in self._files() if time.time() - written > NEW.total_seconds()})
        removed = Removed()
        for first in range(0, len(ids), AT_ONCE):
            some = ids[first : first + AT_ONCE]
            for run_id in set(some) - set(self._instance.get_run_ids(dg.RunsFilter(run_ids=some))):
                removed = removed.plus(self._unlink(run_id))
        return removed

    def purge_ticks(self, *, before: datetime) -> None:
        """Forget evaluations of sensors and schedules, also of those that were stopped for good."""
        if self._instance.schedule_storage is None:  # an instance that nothing is scheduled on
            return
        for state in self._instance.all_instigator_state():
            self._instance.purge_ticks(state.instigator_origin_id, state.selector_id, before.timestamp())

    def _ended(self, statuses: tuple[dg.DagsterRunStatus, ...], before: datetime) -> list[str]:
        return list(self._instance.get_run_ids(dg.RunsFilter(statuses=list(statuses), updated_before=before)))

    def _shown(self) -> set[str]:
        """Runs that an asset's page needs."""
        runs: set[str] = set()
        for record in self._instance.get_asset_records():
            entry = record.asset_entry
            runs |= {run_id for run_id in (entry.last_run_id, _run_of(entry.last_materialization)) if run_id}
            made = dg.DagsterEventType.ASSET_MATERIALIZATION
            latest = self._instance.event_log_storage.get_latest_storage_id_by_partition(entry.asset_key, made)
            if latest:
                only = dg.AssetRecordsFilter(asset_key=entry.asset_key, storage_ids=list(latest.values()))
                found = self._instance.fetch_materializations(only, limit=len(latest))
                runs |= {each.run_id for each in found.records}
        return runs

    def _delete(self, run_id: str) -> Removed:
        storage = self._instance.event_log_storage
        if not isinstance(storage, SqliteEventLogStorage):
            self._instance.delete_run(run_id)
            return self._unlink(run_id)
        # `delete_run` would open the run's own file, 50 ms, to empty what is unlinked next
        self._instance.run_storage.delete_run(run_id)
        with storage.index_connection() as connection:
            storage.delete_events_for_run(connection, run_id)
        storage.free_concurrency_slots_for_run(run_id)
        return self._unlink(run_id)

    def _files(self) -> Iterator[tuple[str, float]]:
        """Run ids that have a file or a folder, and when it was last written."""
        storage = self._instance.event_log_storage
        paths = list(self._logs.iterdir()) if self._logs.is_dir() else []
        if isinstance(storage, SqliteEventLogStorage):
            paths += [Path(storage.path_for_shard(run_id)) for run_id in storage.get_all_run_ids()]
        for path in paths:
            if not _is_run_id(path.stem):  # a folder of what sensors logged
                continue
            with suppress(FileNotFoundError):
                yield path.stem, path.stat().st_mtime

    def _unlink(self, run_id: str) -> Removed:
        removed = Removed()
        storage = self._instance.event_log_storage
        if isinstance(storage, SqliteEventLogStorage):
            shard = storage.path_for_shard(run_id)
            removed = remove(Path(f"{shard}{ending}") for ending in ("", "-wal", "-shm"))
        logs = self._logs / run_id
        if logs.is_dir():
            removed = removed.plus(remove([path for path in logs.rglob("*") if path.is_file()]))
            self._instance.compute_log_manager.delete_logs(prefix=[run_id])
        return removed


def _is_run_id(name: str) -> bool:
    try:
        UUID(name)
    except ValueError:
        return False
    return True


def _run_of(entry: dg.EventLogEntry | None) -> str | None:
    return entry.run_id if entry else None
