"""A warm worker: loads everything once, then executes the runs named on its standard input, one after another.

Started by `warm_pool`. First line of input: JSON with `instance` (a Dagster instance ref) and `preload` (a module to
import). Each further line: the id of a run. Output: an empty line when all is loaded, then after each run the peak
memory in MiB. When the input closes, whoever gave us work is gone or has had enough: a run in progress is interrupted,
and the process ends.
"""

import json
import os
import queue
import signal
import sys
import threading
from importlib import import_module
from typing import TextIO

import dagster as dg
from dagster._cli.api import _execute_run_command_body  # what `dagster api execute_run` runs: tests/upstream
from dagster._core.instance.ref import InstanceRef
from dagster._serdes import deserialize_value
from dagster._utils.interrupts import capture_interrupts

from resources.processes import peak_memory_mb

WATCH_S = 1.0  # between two looks at whether somebody wants the run to end
GRACE_S = 5.0  # for a run that was interrupted; beyond it the process ends, and its run with it
OVER = (dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED, dg.DagsterRunStatus.FAILURE)


def main() -> None:
    """Load, then work until the input closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a run has its own handler; between runs nothing is interrupted
    answers = _own_output()
    order = json.loads(sys.stdin.readline())
    runs: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_listen, args=(runs,), daemon=True).start()
    import_module(order["preload"])
    with dg.DagsterInstance.from_ref(deserialize_value(order["instance"], InstanceRef)) as instance:
        print(file=answers, flush=True)
        for run_id in iter(runs.get, None):
            _execute(run_id, instance)
            print(peak_memory_mb(), file=answers, flush=True)


def _own_output() -> TextIO:
    """The way back to the pool. What runs print goes to standard error instead."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


def _listen(runs: "queue.Queue[str | None]") -> None:
    for line in sys.stdin:
        runs.put(line.strip())
    runs.put(None)
    _interrupt_or_die(threading.Event())


def _execute(run_id: str, instance: dg.DagsterInstance) -> None:
    """One run, from start to end, as a process of its own would do it. All that goes wrong in it is its own event."""
    is_over = threading.Event()
    watch = threading.Thread(target=_watch, args=(run_id, instance, is_over), daemon=True)
    with capture_interrupts():
        watch.start()
        try:
            _execute_run_command_body(run_id, instance, lambda _event: None, set_exit_code_on_failure=False)
        finally:
            is_over.set()
            watch.join()  # or it could interrupt the next run


def _watch(run_id: str, instance: dg.DagsterInstance, is_over: threading.Event) -> None:
    """Interrupt the run when somebody ended it elsewhere: a person in the UI, or run monitoring."""
    while not is_over.wait(WATCH_S):
        run = instance.get_run_by_id(run_id)
        if run is None or run.status in OVER:
            _interrupt_or_die(is_over)
            return


def _interrupt_or_die(is_over: threading.Event) -> None:
    """A run that cannot be interrupted must not be worked on any more: nobody waits for it."""
    main_thread = threading.main_thread().ident
    assert main_thread
    signal.pthread_kill(main_thread, signal.SIGINT)
    if not is_over.wait(GRACE_S):
        os._exit(1)


if __name__ == "__main__":
    main()
