"""Launching runs: micro-batches in warm workers, everything else in a process of its own (docs/adr/0007).

Named in `dagster.yaml` of a home that keeps warm workers, and loaded by every Dagster process of it; only the daemon
launches, so only there workers are started.
"""

import json
import threading
from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster._core.launcher.base import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from dagster._core.run_coordinator.queued_run_coordinator import QueuedRunCoordinator
from dagster._daemon import sensor
from dagster._serdes import ConfigurableClassData, serialize_value

from resources.processes import command_line
from resources.run_tags import MICRO_BATCH, WARM_WORKER
from resources.warm_pool import Limits, WarmPool

PATIENCE_S = 2.0  # the run before may be done for the queue, and its worker not free yet
PAUSE_S = 0.25  # between two looks at the queue
TICK_S = 1  # between two ticks of a sensor, where its own interval allows it


class WarmRunLauncher(dg.DefaultRunLauncher):
    """Dagster's default launcher, except that runs tagged `smartmaint/micro_batch` go to a warm worker.

    A run that finds no free worker, or no worker that can load, takes the default way too.
    """

    def __init__(self, limits: Limits, preload: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(inst_data)
        self._limits, self._preload = limits, preload
        self._lock = threading.Lock()
        self._pool: WarmPool | None = None

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        return {
            "workers": dg.Field(int, is_required=False, default_value=1),
            "max_runs": dg.Field(int, is_required=False, default_value=200),
            "max_memory_mb": dg.Field(int, is_required=False, default_value=1024),
            "preload": dg.Field(str, is_required=False, default_value="jobs.preload"),
        }

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> "WarmRunLauncher":
        limits = {name: config_value[name] for name in ("workers", "max_runs", "max_memory_mb")}
        return cls(Limits(**limits), config_value["preload"], inst_data)

    @property
    def pool(self) -> WarmPool:
        """The workers of this process; made when first asked for."""
        with self._lock:
            if self._pool is None:
                order = {"instance": serialize_value(self._instance.get_ref()), "preload": self._preload}
                self._pool = WarmPool(json.dumps(order), self._limits, lost=self._report_lost)
            return self._pool

    def launch_run(self, context: LaunchRunContext) -> None:
        run = context.dagster_run
        if run.tags.get(MICRO_BATCH) != "true":
            super().launch_run(context)
            return

        def tell(pid: int | str) -> None:
            self._instance.add_run_tags(run.run_id, {WARM_WORKER: str(pid)})

        if self.pool.hand(run.run_id, patience_s=PATIENCE_S, chosen=tell):
            self._run_ids.add(run.run_id)
        else:
            tell("none")  # a retry has inherited the worker of the run before
            super().launch_run(context)

    def terminate(self, run_id: str) -> bool:
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished or _worker_of(run) is None:
            return bool(super().terminate(run_id))  # type: ignore[no-untyped-call]
        self._instance.report_run_canceling(run)  # its worker looks every second, whoever asks
        return True

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Of a run in a warm worker, whether that lives. Other runs are watched by the code server they run under."""
        pid = _worker_of(run)
        if pid is None or self.pool.holds(run.run_id) or (pid not in self.pool.pids() and _is_warm_worker(pid)):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, f"warm worker {pid} is gone")

    def dispose(self) -> None:
        if self._pool is not None:
            self._pool.close()
        super().dispose()

    def _report_lost(self, run_id: str, status: int) -> None:
        """A worker died in mid-run: fail the run at once, so that it is retried."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return
        if run.status == dg.DagsterRunStatus.CANCELING:
            self._instance.report_run_canceled(run)
        else:
            self._instance.report_run_failed(run, f"The warm worker of this run ended with exit status {status}.")


class WarmRunQueue(QueuedRunCoordinator):
    """Dagster's run queue, in a hurry: with it, workers are warm before the first file comes."""

    @property
    def dequeue_interval_seconds(self) -> float:  # type: ignore[override]  # the daemon waits for fractions as well
        """Seconds between two looks at the queue.

        The daemon asks this once, when it starts, and nobody else ever does: so here is where a daemon gets warm. The
        launcher itself is made only when the first run is launched, seconds too late, and in other processes too.
        """
        launcher = self._instance.run_launcher
        assert isinstance(launcher, WarmRunLauncher)
        launcher.pool.start()
        sensor.MIN_INTERVAL_LOOP_TIME = TICK_S  # of 5 s: nearly twice as long as all that follows takes
        return PAUSE_S


def _worker_of(run: dg.DagsterRun) -> int | None:
    """Process id of the warm worker that a run was handed to."""
    pid = run.tags.get(WARM_WORKER, "")
    return int(pid) if run.tags.get(MICRO_BATCH) == "true" and pid.isdigit() else None


def _is_warm_worker(pid: int) -> bool:
    """Whether the process is a warm worker, of another daemon then: a process id alone may be anybody's by now."""
    return b"resources.warm_worker" in command_line(pid)
