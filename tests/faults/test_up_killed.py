"""A running installation of which parts are killed while files arrive: all land, and nobody has to help.

`smartmaint up` itself starts again what a part took along; where `up` is killed, a service manager would start it.
"""

import random
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import dagster as dg
import polars as pl
import psutil
import pytest
from faults.invariants import examine
from faults.story import HOT, Twins, expected, most, put

from resources.inbox import Inbox
from resources.serving.duckdb_catalog import Catalog
from resources.serving.interface import QueryError
from sensors.landing import UNFINISHED

pytestmark = [pytest.mark.process, pytest.mark.slow]
SEED = 20261124
ROUNDS = min(5, most(2))
PARTS = {
    "run worker": "spawn_main",
    "code server": "dagster api grpc",
    "daemon": "dagster._daemon",
    "webserver": "dagster_webserver",
}
"""What the command line of each part holds."""
WITHIN_S = 400.0


class Installation:
    """`smartmaint up`, started again whenever it has ended."""

    def __init__(self, home: Path, log: Path) -> None:
        self._home, self._log = home, log
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    def keep_up(self) -> None:
        """Start it where it is not running."""
        if self._process is not None and self._process.poll() is None:
            return
        self._reap()
        command = [sys.executable, "-m", "jobs", "up", "--home", str(self._home), "--port", str(self._port)]
        with self._log.open("a") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)

    def wait_until_it_answers(self) -> None:
        end = time.monotonic() + WITHIN_S
        while time.monotonic() < end:
            self.keep_up()
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self._port}/server_info", timeout=2).close()
            except OSError:
                time.sleep(0.5)
            else:
                return
        raise AssertionError(self._log.read_text())

    def parts(self, holds: str) -> list[psutil.Process]:
        """Processes that we started and whose command line holds a text, newest first."""
        found = []
        for process in self._all():
            try:
                words = " ".join(process.cmdline())
            except psutil.Error:
                continue
            if holds in words and "resource_tracker" not in words:
                found.append(process)
        return sorted(found, key=lambda process: -process.create_time())

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(timeout=60)
        self._reap()

    def _all(self) -> list[psutil.Process]:
        """Every process of this home, also of one whose parent died: each has our home in its environment."""
        ours = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("DAGSTER_HOME") == str(self._home):
                    ours.append(process)
            except psutil.Error:
                continue
        return ours

    def _reap(self) -> None:
        """End what a killed part left running, as a service manager ends a service's whole group."""
        for process in self._all():
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(self._all(), timeout=20)


@pytest.fixture
def installation(home: Path, tmp_path: Path) -> Iterator[Installation]:
    running = Installation(home, tmp_path / "up.log")
    running.keep_up()
    running.wait_until_it_answers()
    yield running
    running.stop()


def in_flight(home: Path) -> bool:
    """Whether a file waits or a run is under way: only then a kill interrupts anything."""
    with dg.DagsterInstance.from_config(str(home)) as instance:
        return bool(instance.get_runs(dg.RunsFilter(statuses=UNFINISHED), limit=1)) or bool(
            [path for path in (home / "landing" / "line").glob("[!.]*") if path.is_file()]
        )


def killed(installation: Installation, home: Path, part: str, chance: random.Random) -> None:
    """Kill a part while something is in flight."""
    end = time.monotonic() + WITHIN_S
    while time.monotonic() < end:
        found = installation.parts(PARTS[part])
        if found and in_flight(home):
            time.sleep(chance.uniform(0.0, 1.5))
            with suppress(psutil.Error):
                found[0].kill()
            return
        time.sleep(0.05)
    raise AssertionError(f"no {part} was ever under way")


def landed(home: Path) -> int:
    try:
        catalog = Catalog(path=str(home / "catalog.duckdb"), lake_root=str(home / "lake"))
        return catalog.query("select sum(n)::bigint from window_features").rows[0][0] or 0
    except QueryError:
        return 0


@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("part", PARTS)
def test_files_that_arrive_while_a_part_is_killed_all_land(
    part, installation, home, warm, twins: Twins, ledger, tmp_path
):
    chance = random.Random(f"{SEED} {part}")
    pieces = HOT.sort("recorded_at").iter_slices(HOT.height // (3 * ROUNDS))
    files, sent = [], []
    for number in range(ROUNDS):
        for _ in range(3 if number < ROUNDS - 1 else 3 * ROUNDS):
            piece = next(pieces, None)
            if piece is None:
                break
            files.append(tmp_path / f"{len(files):03}.parquet")
            piece.write_parquet(files[-1])
            sent.append(piece)
            Inbox(root=str(home)).put(files[-1], source="line")
        killed(installation, home, part, chance)
        time.sleep(5)
        installation.wait_until_it_answers()  # all parts are there again before files come that one of them could miss
    whole = pl.concat(sent)
    end = time.monotonic() + WITHIN_S
    while (landed(home) < whole.height or in_flight(home)) and time.monotonic() < end:
        installation.keep_up()
        time.sleep(1)
    installation.stop()
    findings = examine(home, put(*files, readings=expected(whole)), twin=twins.of(home, day=None))
    ledger.note(f"kill -9 of the {part} while files arrive", findings, tries=ROUNDS)
    assert findings.breaches == ()
