"""What processes that were killed left behind, ended and taken away before anything new begins."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

UNFINISHED = [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
PROCESS_TAG = "smartmaint/pid"
"""Of runs of the command line: the process they run in, which nobody but the next command looks after."""
OURS = re.compile(r"\.(\d+)(-\d+)?\.part$|^\..+\.(?P<dot>\d+)$|^catalog\.duckdb\.(?P<catalog>\d+)\.part")
"""Temporary names that end in, or hold, the number of the process that writes them."""
PLACES = (".", "models", "landing/*", "lake/.columns/**")


def end_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Fail runs whose process is gone, so that none looks started for ever or holds a slot; their ids.

    A run that names no process yet is left to Dagster's own monitoring.
    """
    ended = []
    for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
        pid = _process_of(run, instance)
        if pid is not None and not _lives(pid):
            instance.report_run_failed(
                run, f"its process {pid} was killed; what it left undone is done by the next run"
            )
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            ended.append(run.run_id)
    return ended


def remove_temporary_files(root: Path) -> list[Path]:
    """Take away files below a home that a process was writing when it died."""
    dead = [path for path, pid in _temporary(root) if not _lives(pid)]
    for path in dead:
        path.unlink(missing_ok=True)
    return dead


def _temporary(root: Path) -> Iterator[tuple[Path, int]]:
    for place in PLACES:
        for folder in [root] if place == "." else root.glob(place):
            for path in folder.iterdir() if folder.is_dir() else ():
                found = OURS.search(path.name)
                if found and path.is_file():
                    yield path, next(int(pid) for pid in found.groups() if pid and pid.isdigit())


def _process_of(run: dg.DagsterRun, instance: dg.DagsterInstance) -> int | None:
    if told := run.tags.get(PROCESS_TAG):
        return int(told)
    engine = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
    for entry in reversed(engine):
        event = entry.dagster_event
        pid = event.engine_event_data.metadata.get("pid") if event else None
        if pid is not None:
            return int(str(pid.value))
    return None


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it lives, and is somebody else's
        pass
    return True
