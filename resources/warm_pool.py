"""Warm workers: processes that have loaded everything beforehand and wait for runs on their standard input.

Belongs here: their lives. Does not: what a run is, which runs may come here, what becomes of a run that is lost.
"""

import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from resources.settings import REPOSITORY

PACKAGES = ("pipelines", "resources", "assets", "sensors", "jobs")
REST_S = 30.0  # after a worker that could not even load: the next one will not either
GRACE_S = 10.0  # for workers that were told to end
LOG = logging.getLogger("dagster.daemon.WarmPool")

Code = frozenset[tuple[str, int]]


@dataclass(frozen=True)
class Limits:
    """How many workers, and when one is replaced.

    Attributes:
        workers: Processes.
        max_runs: Runs of one process.
        max_memory_mb: Peak of one process, in MiB, looked at after each run.
    """

    workers: int
    max_runs: int
    max_memory_mb: int


@dataclass(eq=False)
class _Worker:
    """One process, as the pool sees it.

    Attributes:
        code: State of our source files when it was started.
        run_id: What it works on; None while it waits.
        is_ready: It has loaded everything.
        is_leaving: It was dismissed or cannot be reached: nothing is given to it any more.
        is_dismissed: It was told to end.
        runs: How many it has done.
        memory_mb: Its peak when it last told.
    """

    process: "subprocess.Popen[str]"
    code: Code
    run_id: str | None = None
    is_ready: bool = False
    is_leaving: bool = False
    is_dismissed: bool = False
    runs: int = 0
    memory_mb: int = 0

    def send(self, line: str) -> bool:
        """Whether the worker can be reached. It is not waited for."""
        assert self.process.stdin
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except OSError:  # it has died; its end is noticed elsewhere
            self.is_leaving = True
        return not self.is_leaving

    def dismiss(self) -> None:
        """Tell it to end: its input closes, as it also does when this process dies."""
        assert self.process.stdin
        self.is_leaving = self.is_dismissed = True
        with suppress(OSError):
            self.process.stdin.close()


class WarmPool:
    """Keeps so many warm workers, each doing one run at a time; safe to call from several threads."""

    def __init__(
        self, order: str, limits: Limits, *, lost: Callable[[str, int], None], sources: Path = REPOSITORY
    ) -> None:
        """Starts nothing yet.

        Args:
            order: First line that every worker reads (see `warm_worker`).
            limits: Of the workers.
            lost: Called with the run that a worker took along when it died, and its exit status.
            sources: Folder of our packages: when a file in them changes, workers are replaced.
        """
        self._order, self._limits, self._lost, self._sources = order, limits, lost, sources
        self._changed = threading.Condition()
        self._workers: list[_Worker] = []
        self._rests_until = 0.0
        self._is_closed = False

    def start(self) -> None:
        """Start missing workers; they load while others go on."""
        with self._changed:
            self._tend()

    def hand(self, run_id: str, *, patience_s: float, chosen: Callable[[int], None]) -> bool:
        """Give a run to a free worker, one that is ready if there is any.

        Args:
            run_id: Of the run.
            patience_s: How long to wait for one to become free.
            chosen: Called with the worker's process id before it gets the run.

        Returns:
            Whether there was one.
        """
        end = time.monotonic() + patience_s
        with self._changed:
            while True:
                code = self._tend()
                for worker in self._free(code):
                    chosen(worker.process.pid)
                    if worker.send(run_id):
                        worker.run_id = run_id
                        return True
                if not self._workers or not self._changed.wait(end - time.monotonic()):
                    return False

    def holds(self, run_id: str) -> bool:
        """Whether a worker of this pool is alive and on that run."""
        with self._changed:
            return any(worker.run_id == run_id for worker in self._workers)

    def pids(self) -> list[int]:
        """Process ids of all workers."""
        with self._changed:
            return [worker.process.pid for worker in self._workers]

    def close(self) -> None:
        """End all workers: one in mid-run is interrupted, and killed when that takes too long."""
        with self._changed:
            self._is_closed = True
            leaving = list(self._workers)
            for worker in leaving:
                worker.dismiss()
        end = time.monotonic() + GRACE_S
        for worker in leaving:
            try:
                worker.process.wait(timeout=max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()

    def _free(self, code: Code) -> Iterator[_Worker]:
        """Workers that may be given a run, the best first."""
        free = [w for w in self._workers if w.run_id is None and not w.is_leaving and w.code == code]
        yield from sorted(free, key=lambda worker: (not worker.is_ready, self._is_worn(worker)))

    def _is_worn(self, worker: _Worker) -> bool:
        return worker.runs >= self._limits.max_runs or worker.memory_mb > self._limits.max_memory_mb

    def _tend(self) -> Code:
        """Start successors, dismiss the worn once their successors are ready and the outdated at once."""
        code = code_state(self._sources)
        if self._is_closed or time.monotonic() < self._rests_until:
            return code
        fresh = [w for w in self._workers if not w.is_leaving and w.code == code and not self._is_worn(w)]
        is_covered = len(fresh) >= self._limits.workers and all(worker.is_ready for worker in fresh)
        fresh += [self._started(code) for _ in range(self._limits.workers - len(fresh))]
        for worker in self._workers:
            if worker not in fresh and worker.run_id is None and (is_covered or worker.code != code):
                worker.dismiss()
        return code

    def _started(self, code: Code) -> _Worker:
        process = subprocess.Popen(
            [sys.executable, "-m", "resources.warm_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
        )
        worker = _Worker(process, code)
        worker.send(self._order)
        self._workers.append(worker)
        threading.Thread(target=self._follow, args=(worker,), name=f"warm-{process.pid}", daemon=True).start()
        return worker

    def _follow(self, worker: _Worker) -> None:
        """Listen to a worker until its end."""
        assert worker.process.stdout
        for line in worker.process.stdout:
            with self._changed:
                if worker.is_ready:
                    worker.run_id, worker.runs, worker.memory_mb = None, worker.runs + 1, int(json.loads(line))
                worker.is_ready = True
                self._tend()
                self._changed.notify_all()
        worker.process.kill()  # it may have closed its output and live on
        status = worker.process.wait()
        with self._changed:
            self._workers.remove(worker)
            if not worker.is_ready and not worker.is_dismissed:
                LOG.error("a warm worker could not load (exit status %s); runs go their usual way for now", status)
                self._rests_until = time.monotonic() + REST_S
            self._tend()
            self._changed.notify_all()
        if worker.run_id is not None:
            self._lost(worker.run_id, status)


def code_state(root: Path) -> Code:
    """Every source file of ours with its time of change: what a process that loads now would load."""
    found = set()
    for package in PACKAGES:
        for path in (root / package).rglob("*.py"):
            with suppress(FileNotFoundError):  # an editor or a checkout puts another in its place
                found.add((str(path), path.stat().st_mtime_ns))
    return frozenset(found)
