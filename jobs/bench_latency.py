"""`smartmaint bench latency`: from a landed file to its verdict, in real processes on scratch homes.

A batch counts as done at the moment when a catalog is put in place that shows its newest readings. A run publishes the
catalog as its last step, after verdicts: what it shows of readings, it shows of all that follows from them.
"""

import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jobs.bench_row import row
from jobs.failures import CommandError
from jobs.simulate import Feed, Sent, send, send_history
from pipelines.simulation.fleet import Fleet
from resources.home import Home
from resources.serving.duckdb_catalog import Catalog
from resources.serving.interface import QueryError
from resources.settings import REPOSITORY, for_child

FLEET = Fleet(seed=1, machines=100, sensors=10)
SECONDS = 300.0
HISTORY_HOURS = 6.0
LOOK_S = 0.02  # how exactly the moment of a catalog is known
MEMORY_S = 5.0
START_S = 120.0
DRAIN_S = 300.0  # for history, and for what still waits when the feed ends; what is not done by then never was
GOALS = {"default": (8.0, 15.0), "warm": (3.0, 6.0)}  # s: p50, p95
PSS_GOAL_MB = 1200.0
DEFAULTS = """\
storage: {{sqlite: {{base_dir: "{0}/dagster"}}}}
local_artifact_storage:
  module: dagster._core.storage.root
  class: LocalArtifactStorage
  config: {{base_dir: "{0}/dagster"}}
telemetry: {{enabled: false}}
"""


@dataclass
class Measured:
    """What was seen of one installation.

    Attributes:
        seconds: From landed to queryable, of each batch; infinite for one that never was.
        pss_mb: Memory of all processes together, shared pages counted once, at several moments.
    """

    seconds: list[float] = field(default_factory=list)
    pss_mb: list[float] = field(default_factory=list)

    @property
    def p50(self) -> float:
        return statistics.median(self.seconds)

    @property
    def p95(self) -> float:
        return sorted(self.seconds)[int(0.95 * (len(self.seconds) - 1) + 0.5)]


def latency(*, seconds: float | None = None) -> list[dict[str, Any]]:
    """100 machines with 10 sensors at 1 Hz, a file a second: with either launcher, and with Dagster's own settings.

    Args:
        seconds: Length of each feed; None for five minutes.
    Raises:
        CommandError: An installation does not start or takes nothing, or psutil is not installed.
    """
    feed = Feed("fleet", seconds=seconds or SECONDS, history_hours=HISTORY_HOURS)
    bare = _measured("dagster", feed)
    rows = []
    for name, (p50, p95) in GOALS.items():
        ours = _measured(name, feed)
        rows += [
            _at_most(f"landed to verdict, p50, {name} launcher", ours.p50, bare.p50, "s", goal=p50),
            _at_most(f"landed to verdict, p95, {name} launcher", ours.p95, bare.p95, "s", goal=p95),
            _at_most(f"memory (PSS), {name} launcher", max(ours.pss_mb), max(bare.pss_mb), "MB", goal=PSS_GOAL_MB),
        ]
    return rows


def _measured(name: str, feed: Feed) -> Measured:
    """One installation, started, fed and stopped."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        home = Home(Path(folder).resolve() / "home")
        home.prepare(warm_workers=int(name == "warm"))
        with installed(name, home) as (process, _):
            watch = _CatalogWatch(home, feed.source)
            with watch.looking():
                watch.wait_for([send_history(home.root, FLEET, feed)], seconds=DRAIN_S)
                if not watch.shown:
                    raise CommandError(f"{name}: the history has not become queryable within {DRAIN_S:g} s")
                measured, sent = Measured(), []
                for file in send(home.root, FLEET, feed):
                    sent.append(file)
                    if len(sent) % MEMORY_S == 0:
                        measured.pss_mb.append(_pss_mb(process.pid))
                watch.wait_for(sent, seconds=DRAIN_S)
            measured.seconds = [watch.seconds_to(file) for file in sent]
            measured.pss_mb.append(_pss_mb(process.pid))
    return measured


@contextmanager
def installed(name: str, home: Home) -> "Iterator[tuple[subprocess.Popen[bytes], str]]":
    """Daemon, code server and web server as `smartmaint up` starts them, or as Dagster does unless told otherwise.

    Yields the process that all others are below, and the address of its pages.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = ["-m", "jobs", "up", "--home", str(home.root), "--port", port]
    if name == "dagster":
        (home.root / "dagster.yaml").write_text(DEFAULTS.format(home.root))
        command = ["-m", "dagster", "dev", "-m", "jobs.bench_defaults", "-p", port, "--log-level", "warning"]
    with (home.root / "bench.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 our own interpreter
            [sys.executable, *command],
            cwd=REPOSITORY,
            env=for_child(home.root),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _wait_for_page(f"http://127.0.0.1:{port}/server_info", process)
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_for_page(url: str, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=2).close()  # noqa: S310 our own server
        except OSError:
            time.sleep(0.5)
        else:
            return
    raise CommandError(f"{' '.join(map(str, process.args))} does not answer at {url}")  # type: ignore[arg-type]


class _CatalogWatch:
    """Notes when each catalog was put in place, and up to which moment it shows readings."""

    def __init__(self, home: Home, source: str) -> None:
        self._catalog = Catalog(path=str(home.catalog), lake_root=str(home.lake))
        self._query = f"select max(recorded_at) from readings where source = '{source}'"  # noqa: S608 a word of ours
        self._is_over = threading.Event()
        self.shown: list[tuple[datetime, datetime]] = []  # put in place at, newest reading

    @contextmanager
    def looking(self) -> Iterator[None]:
        thread = threading.Thread(target=self._look)
        thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            thread.join()

    def _look(self) -> None:
        path, seen = Path(self._catalog.path), 0
        while not self._is_over.wait(LOOK_S):
            if not path.exists() or path.stat().st_ino == seen:
                continue
            seen, now = path.stat().st_ino, datetime.now(UTC)
            try:
                newest = self._catalog.query(self._query).rows[0][0]
            except QueryError:  # replaced by the next one while it was read
                continue
            if newest is not None:
                self.shown.append((now, newest))

    def wait_for(self, sent: Sequence[Sent], *, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not all(self._done_at(file) for file in sent) and time.monotonic() < end:
            time.sleep(0.1)

    def seconds_to(self, file: Sent) -> float:
        """From its landing until it could be queried; infinite where it never could."""
        done = self._done_at(file)
        return (done - file.landed_at).total_seconds() if done else float("inf")

    def _done_at(self, file: Sent) -> datetime | None:
        return next((at for at, newest in list(self.shown) if newest >= file.newest), None)


def _pss_mb(pid: int) -> float:
    """Memory of a process and all below it, in MB; pages that several share are counted once."""
    try:
        import psutil
    except ImportError:
        raise CommandError("bench latency measures memory with psutil: install the `dev` extra") from None
    total = 0
    root = psutil.Process(pid)
    for process in [root, *root.children(recursive=True)]:
        try:
            total += process.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied):  # a run that has just ended
            continue
    return total / 1e6


def _at_most(what: str, ours: float, baseline: float, unit: str, *, goal: float) -> dict[str, Any]:
    """Lower is better; `goal` is the most that `ours` may be. `ratio` is what of the baseline is left."""
    return row(what, ours, baseline, unit, goal=goal, met=ours <= goal)
