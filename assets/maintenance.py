"""Maintenance: the installation looks after itself. Belongs here: what takes room back. No row changes by it."""

import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
from deltalake.exceptions import CommitFailedError
from pydantic import Field

from assets.partitions import OWNERS
from pipelines.contracts.vocabulary import TABLES
from resources.care import CareFile
from resources.clock import Clock
from resources.home import Home
from resources.inbox import Inbox
from resources.incident_index import IncidentIndex, IncidentIndexError
from resources.lake_maintenance import LakeMaintenance
from resources.leftovers import leftovers
from resources.removed import Removed, remove
from resources.retention import expire_archive, expire_quarantine
from resources.run_storage import RunStorage
from resources.serving.duckdb_catalog import Catalog

POOL = "maintenance"
EVERY_COMMITS = 200
"""Without compaction, an append to a table grows from 25 to 50 ms in 5,000 commits, and its log to 400 MB."""
MERGED = ("files_merged", "files_written", "files_removed", "bytes_freed")


class Due(dg.Config):
    """Which tables a compaction takes."""

    commits: int = Field(default=1, ge=0)
    """Those with at least so many commits since they were last compacted."""


@dg.asset(group_name="maintenance", owners=OWNERS, kinds={"deltalake"}, pool=POOL)
def compaction(
    config: Due, lake_maintenance: LakeMaintenance, catalog_file: Catalog, incident_index: IncidentIndex
) -> dg.MaterializeResult[Any]:
    """Small files of the lake merged and its logs cut, beside whoever writes and reads; then the catalog names them.

    The incident index too: it merges its own each time that many have gathered, and here once a day what is left.
    """
    begun, counts, busy = time.monotonic(), dict.fromkeys(MERGED, 0), []
    due = [table for table in TABLES if lake_maintenance.commits_since_compaction(table) >= config.commits]
    for table in due:
        try:
            done = lake_maintenance.compact(table)
        except CommitFailedError:  # written to without a pause: the next time is soon
            busy.append(table)
            continue
        counts = {name: counts[name] + done[name] for name in MERGED}
    if counts["files_merged"]:
        catalog_file.rebuild()
    try:
        is_merged = incident_index.optimize()
    except IncidentIndexError:  # the next plan makes it anew
        is_merged = False
    return _told(begun, {"tables": due, "busy": busy, **counts, "incidents_merged": is_merged})


@dg.asset(group_name="maintenance", deps=["compaction"], owners=OWNERS, kinds={"deltalake"}, pool=POOL)
def vacuum(
    lake_maintenance: LakeMaintenance, catalog_file: Catalog, care: CareFile, clock: Clock
) -> dg.MaterializeResult[Any]:
    """Files of the lake that no reader can need any more, removed after days of grace."""
    begun, removed, now = time.monotonic(), Removed(), clock.now()
    grace, read_since = care.load().vacuum_grace, catalog_file.read_since(now)
    for table in TABLES:
        removed = removed.plus(lake_maintenance.vacuum(table, grace=grace, now=now, read_since=read_since))
    return _told(begun, {"grace_days": grace / timedelta(days=1), **_counted(removed)})


@dg.asset(group_name="maintenance", owners=OWNERS, kinds={"file"}, pool=POOL)
def retention(inbox: Inbox, care: CareFile, clock: Clock) -> dg.MaterializeResult[Any]:
    """Originals and refused files older than the home keeps them, and what killed processes left half-written."""
    begun, kept, now, root = time.monotonic(), care.load(), clock.now(), Path(inbox.root)
    removed = remove(leftovers(root, now=time.time()))
    if kept.archive_days is not None:
        removed = removed.plus(expire_archive(root, before=now - timedelta(days=kept.archive_days)))
    if kept.quarantine_days is not None:
        removed = removed.plus(expire_quarantine(root, before=now - timedelta(days=kept.quarantine_days)))
    return _told(begun, _counted(removed))


@dg.asset(group_name="maintenance", owners=OWNERS, kinds={"dagster"}, pool=POOL)
def prune(context: dg.AssetExecutionContext, inbox: Inbox, care: CareFile, clock: Clock) -> dg.MaterializeResult[Any]:
    """Old runs of Dagster with their events, logs and orphan files; those that assets' pages show stay."""
    begun, kept, now = time.monotonic(), care.load(), clock.now()
    storage = RunStorage(context.instance, Home(Path(inbox.root)).compute_logs)
    before = now - timedelta(days=kept.run_days)
    runs, removed = storage.prune(before=before, failed_before=now - timedelta(days=kept.failed_run_days))
    storage.purge_ticks(before=before)
    return _told(begun, {"runs": runs, **_counted(removed.plus(storage.sweep()))})


def _counted(removed: Removed) -> dict[str, int]:
    return {"files_removed": removed.files, "bytes_freed": removed.bytes}


def _told(begun: float, facts: Mapping[str, Any]) -> dg.MaterializeResult[Any]:
    return dg.MaterializeResult(metadata={**facts, "seconds": round(time.monotonic() - begun, 3)})
