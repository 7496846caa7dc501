"""Warm workers live, are replaced and die as they should: real processes, one at a time."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import psutil
import pytest
from dagster._serdes import serialize_value

from resources.warm_pool import Limits, WarmPool, code_state

pytestmark = pytest.mark.process
TOY = Path(__file__).parents[1] / "contract" / "toy.py"
WITHIN_S = 60.0


def eventually(look: Callable[[], object]) -> None:
    end = time.monotonic() + WITHIN_S
    while not look():
        assert time.monotonic() < end, f"not within {WITHIN_S} s"
        time.sleep(0.05)


class Bench:
    """A pool on a scratch instance, and what it lost."""

    def __init__(self, instance: dg.DagsterInstance, folder: Path) -> None:
        self.instance, self.folder = instance, folder
        self.lost: list[tuple[str, int]] = []
        self.given: list[int] = []
        (folder / "jobs").mkdir()
        self.source = folder / "jobs" / "a.py"
        self.source.write_text("")

    def pool(self, *, max_runs: int = 100, max_memory_mb: int = 4096, preload: str = "json") -> WarmPool:
        order = json.dumps({"instance": serialize_value(self.instance.get_ref()), "preload": preload})
        lost = lambda *told: self.lost.append(told)  # noqa: E731
        self._pool = WarmPool(order, Limits(1, max_runs, max_memory_mb), lost=lost, sources=self.folder)
        return self._pool

    def run(self, job: str) -> str:
        """Make a run of a toy job and give it away; its id."""
        recon = dg.reconstructable.__globals__["ReconstructableJob"].for_file(str(TOY), job)
        made = self.instance.create_run_for_job(recon.get_definition(), job_code_origin=recon.get_python_origin())
        assert self._pool.hand(made.run_id, patience_s=WITHIN_S, chosen=self.given.append)
        return made.run_id

    def done(self, job: str) -> int:
        """Process id that did a run of a job."""
        run_id = self.run(job)
        eventually(lambda: not self._pool.holds(run_id))
        assert self.instance.get_run_by_id(run_id).is_finished
        return self.given[-1]

    def at_work(self, run_id: str) -> int:
        note = Path(self.instance.root_directory) / "notes" / run_id
        eventually(note.exists)
        return int(note.read_text().split()[0])


@pytest.fixture
def bench(tmp_path) -> Iterator[Bench]:
    (tmp_path / "home").mkdir()
    with dg.instance_for_test(temp_dir=str(tmp_path / "home")) as instance:
        made = Bench(instance, tmp_path)
        yield made
        workers = made._pool.pids()
        made._pool.close()
        assert not any(psutil.pid_exists(pid) for pid in workers)


def test_a_worker_does_one_run_after_another_also_after_one_that_failed(bench):
    bench.pool()
    assert len({bench.done("passes"), bench.done("fails"), bench.done("passes")}) == 1


def test_a_worker_is_replaced_after_so_many_runs(bench):
    bench.pool(max_runs=2)
    old = bench.done("passes")
    assert bench.done("passes") == old
    eventually(lambda: not psutil.pid_exists(old))  # as soon as its successor has loaded
    assert bench.done("passes") != old


def test_a_worker_is_replaced_when_it_has_grown_too_big(bench):
    bench.pool(max_memory_mb=500)
    big = bench.done("fills")
    eventually(lambda: not psutil.pid_exists(big))
    assert bench.done("passes") != big


def test_a_worker_is_replaced_when_the_code_has_changed(bench):
    bench.pool()
    old = bench.done("passes")
    os.utime(bench.source, (1, 1))
    assert bench.done("passes") != old
    eventually(lambda: not psutil.pid_exists(old))


def test_an_idle_worker_that_was_killed_is_replaced_at_once(bench):
    pool = bench.pool()
    old = bench.done("passes")
    os.kill(old, signal.SIGKILL)
    eventually(lambda: pool.pids() and old not in pool.pids())
    assert bench.done("passes") != old
    assert bench.lost == []


def test_a_worker_that_was_killed_in_mid_run_tells_which_run_was_lost(bench):
    pool = bench.pool()
    run_id = bench.run("lasts")
    os.kill(bench.at_work(run_id), signal.SIGKILL)
    eventually(lambda: bench.lost)
    assert bench.lost == [(run_id, -signal.SIGKILL)]
    assert not pool.holds(run_id)


def test_without_a_free_worker_a_run_is_not_taken(bench):
    pool = bench.pool()
    bench.at_work(bench.run("lasts"))
    begun = time.monotonic()
    assert not pool.hand("another", patience_s=0.5, chosen=bench.given.append)
    assert 0.4 < time.monotonic() - begun < 5.0


def test_workers_that_cannot_load_are_given_up_for_a_while(bench, caplog):
    pool = bench.pool(preload="no_such_module")
    pool.start()
    eventually(lambda: not pool.pids())
    assert not pool.hand("a-run", patience_s=5.0, chosen=bench.given.append)
    assert "could not load" in caplog.text


def test_closing_interrupts_the_run_and_leaves_no_process(bench):
    pool = bench.pool()
    run_id = bench.run("lasts")
    worker = bench.at_work(run_id)
    pool.close()
    assert not psutil.pid_exists(worker)
    assert bench.instance.get_run_by_id(run_id).is_finished


def test_workers_end_when_their_daemon_is_killed(tmp_path):
    code = f"""
import json, sys, time
from pathlib import Path
import dagster as dg
from dagster._serdes import serialize_value
from resources.warm_pool import Limits, WarmPool
with dg.instance_for_test(temp_dir={str(tmp_path)!r}) as instance:
    order = json.dumps({{"instance": serialize_value(instance.get_ref()), "preload": "json"}})
    pool = WarmPool(order, Limits(2, 9, 999), lost=print)
    pool.start()
    print(*pool.pids(), flush=True)
    time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as daemon:
        workers = [int(pid) for pid in daemon.stdout.readline().split()]
        daemon.kill()
    assert len(workers) == 2
    eventually(lambda: not any(psutil.pid_exists(pid) for pid in workers))


def test_the_state_of_the_code_changes_with_every_source_file_and_with_nothing_else(tmp_path):
    for path in ("jobs/a.py", "pipelines/health/b.py", "docs/c.py", "jobs/d.txt"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("")
    before = code_state(tmp_path)
    for path in ("docs/c.py", "jobs/d.txt"):
        os.utime(tmp_path / path, (1, 1))
    assert code_state(tmp_path) == before
    os.utime(tmp_path / "pipelines/health/b.py", (1, 1))
    changed = code_state(tmp_path)
    (tmp_path / "jobs" / "new.py").write_text("")
    assert len({before, changed, code_state(tmp_path)}) == 3


def test_a_worker_that_is_outdated_before_it_has_loaded_is_replaced_without_a_pause(bench, caplog):
    bench.pool().start()
    os.utime(bench.source, (1, 1))
    bench.done("passes")
    assert "could not load" not in caplog.text
