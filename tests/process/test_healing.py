"""Killed for real, an installation ends in the same rows with nobody's help; two of them are one too many or no harm."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import dagster as dg
import psutil
import pytest
from homes import telemetry

from jobs.run_checks import _worker
from pipelines.contracts.enforce import lineage_columns
from pipelines.contracts.registry import CONTRACTS
from pipelines.contracts.vocabulary import TABLES
from resources.home import Home
from resources.inbox import Inbox
from resources.lake import Lake
from sensors.landing import UNFINISHED

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(600)]
COMMAND = [sys.executable, "-m", "jobs"]
WITHIN_S = 240.0
READINGS = 3 * 96 * 6
T = TypeVar("T")


def wait_for(look: Callable[[], T], *, seconds: float = WITHIN_S, every: float = 0.1) -> T:
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(every)
    return found


def drop(home: Path, tmp_path: Path, *, source: str) -> None:
    file = tmp_path / f"{source}.parquet"
    telemetry(96).write_parquet(file)
    Inbox(root=str(home)).put(file, source=source)


def worker_of(instance: dg.DagsterInstance, source: str) -> int | None:
    """Process of the source's run that has started."""
    started = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED], tags={"dagster/partition": source})
    found = [_worker(instance, run.run_id) for run in instance.get_runs(started)]
    return next((worker[0] for worker in found if worker), None)


def healed(home: Path, instance: dg.DagsterInstance, source: str) -> bool:
    """Everything of the source is computed once, no run of it is unfinished, and nobody holds a slot."""
    lake = Lake(root=str(home / "lake"))
    unfinished = dg.RunsFilter(statuses=UNFINISHED, tags={"dagster/partition": source})
    return (
        lake.count("readings", source=source) == READINGS
        and lake.count("anomaly_scores", source=source) == 96 * 6
        and not instance.get_runs_count(unfinished)
        and not instance.event_log_storage.get_concurrency_run_ids()
        and not list((home / "landing" / source).iterdir())
    )


def statuses(instance: dg.DagsterInstance, source: str) -> list[str]:
    """Of the source's runs, oldest first."""
    runs = instance.get_runs(dg.RunsFilter(tags={"dagster/partition": source}))
    return [run.status.value for run in reversed(runs)]


@contextmanager
def running(home: Path, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with log.open("a") as out:
        process = subprocess.Popen([*COMMAND, "up", "--home", str(home), "--port", str(port)], stdout=out, stderr=out)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)


def test_a_killed_run_is_failed_and_done_again(up, tmp_path, capsys):
    with dg.DagsterInstance.from_config(str(up.home)) as instance:
        drop(up.home, tmp_path, source="killed")
        os.kill(wait_for(lambda: worker_of(instance, "killed")), signal.SIGKILL)
        killed = time.monotonic()
        wait_for(lambda: healed(up.home, instance, "killed"), every=0.5)
        with capsys.disabled():
            print(f"\nkilled run: healed in {time.monotonic() - killed:.0f} s, {statuses(instance, 'killed')}")  # noqa: T201
        assert statuses(instance, "killed")[0] == "FAILURE"
        assert statuses(instance, "killed")[-1] == "SUCCESS"


def test_after_everything_was_killed_the_next_up_finishes_what_was_begun(tmp_path, capsys):
    home, log = tmp_path / "home", tmp_path / "up.log"
    Home(home).prepare()
    with dg.DagsterInstance.from_config(str(home)) as instance:
        drop(home, tmp_path, source="line")
        with running(home, log) as process:
            wait_for(lambda: worker_of(instance, "line"))
            second = subprocess.run(
                [*COMMAND, "up", "--home", str(home), "--warm-workers", "2"],
                capture_output=True,
                text=True,
                check=False,
            )
            told = " ".join(second.stderr.split())
            assert second.returncode == 1, second
            assert f"smartmaint up, or rebuild, is running on {home} already (process {process.pid})" in told
            assert Home(home).warm_workers == 0  # whoever is refused changes nothing
            family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            for member in family:
                member.kill()
            process.wait()
        assert statuses(instance, "line") == ["STARTED"]
        begun = time.monotonic()
        with running(home, log):
            wait_for(lambda: healed(home, instance, "line"), every=0.5)
            with capsys.disabled():
                seconds = time.monotonic() - begun
                print(f"\nall killed: healed {seconds:.0f} s after the start, {statuses(instance, 'line')}")  # noqa: T201
        assert "orphan_runs" in log.read_text()


def family(up: "subprocess.Popen[bytes]") -> dict[str, psutil.Process]:
    """Processes below `up`, by the words of their command, once the web server is among them: it is started last."""

    def below() -> dict[str, psutil.Process]:
        found = {}
        for process in psutil.Process(up.pid).children(recursive=True):
            with suppress(psutil.Error):
                found[" ".join(process.cmdline())] = process
        return found

    wait_for(lambda: any("dagster_webserver" in words for words in below()))
    return below()


@pytest.mark.parametrize("killed", ["dagster api grpc", "dagster._daemon", "dagster_webserver", "up itself"])
def test_where_a_part_dies_soon_after_the_start_or_up_itself_none_of_it_goes_on(killed, tmp_path):
    with running(tmp_path / "home", tmp_path / "up.log") as up:
        parts = family(up)
        victims = [process for words, process in parts.items() if killed in words] or [up]
        victims[0].kill()
        assert up.wait(timeout=60) != 0
    _, alive = psutil.wait_procs(list(parts.values()), timeout=20)
    assert not alive, f"left behind: {[process.cmdline() for process in alive]}"


def test_two_processes_that_land_the_same_file_at_once_end_in_the_rows_of_one(tmp_path):
    def rows(home: Path) -> dict[str, list[str]]:
        lake = Lake(root=str(home / "lake"))
        frames = {table: lake.read(table).drop(lineage_columns(CONTRACTS[table])) for table in TABLES}
        return {table: sorted(map(str, frame.rows())) for table, frame in frames.items()}

    alone, both = tmp_path / "alone", tmp_path / "both"
    for home, times in ((alone, 1), (both, 2)):
        Home(home).prepare()
        drop(home, tmp_path, source="line")
        runs = [
            subprocess.Popen([*COMMAND, "run", "--home", str(home), "--json"], stdout=subprocess.PIPE)
            for _ in range(times)
        ]
        told = [run.communicate(timeout=WITHIN_S)[0].decode() for run in runs]
        assert [run.returncode for run in runs] == [0] * times, told
    assert Lake(root=str(both / "lake")).count("readings") == READINGS
    assert rows(both) == rows(alone)
    for home in (alone, both):
        assert len(list(home.glob("archive/line/*/*/landing.json"))) == 1
        assert not list(home.glob("quarantine/*/*/*"))
