"""`smartmaint up`: Dagster's web server, daemon and code server for one home, until stopped.

This process lives as long as they do and only watches, so it loads none of the libraries: what needs them is done in a
process apart that ends.
"""

import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from jobs.failures import CommandError
from jobs.lock import hold, sign
from jobs.output import shown
from resources.processes import child_processes, command_line
from resources.settings import REPOSITORY, for_child

T = TypeVar("T")
GRACE_S = 20.0
SHORTEST_S = 60.0
"""What ends sooner than this after its start would end again: a person must see why."""
SUPERSEDED = "ignore:Function `dev_command` is superseded"  # by `dg dev`, which wants a project in the working folder
DEAF_S = 10.0
"""So long a code server may be gone: one that is reloaded is back at once."""


def serve(home: Path, *, port: int, warm_workers: int | None, told: Callable[[str], None]) -> int:
    """Run `dagster dev` on a home, again where a part of it died, and pass on whatever stops this process.

    Returns:
        Exit status: 0 when stopped from outside.
    Raises:
        CommandError: The port is in use, or another `up` is on this home.
        HomeError: The home cannot be used.
    """
    _apart(_prepare, home)
    lock = hold(home)
    _refuse_used(port)
    children: list[subprocess.Popen[bytes]] = []
    asked = _stop_with_us(children)  # before the start: a child inherits an ignored interrupt, but no handler
    while not asked:
        for finding in _apart(_mended, home, warm_workers):
            told(shown(finding))
        begun = time.monotonic()
        children[:] = [_started(home, port, lock)]
        told(f"http://127.0.0.1:{port}  (stop with Ctrl-C)")
        status = _watched(children[0], asked)
        with suppress(ProcessLookupError):  # what it leaves behind would go on without the lock
            os.killpg(children[0].pid, signal.SIGKILL)
        if not asked and time.monotonic() - begun < SHORTEST_S:
            return status
        if not asked:
            told("a part of Dagster ended: all of it starts again")
    return 0


def _apart(work: Callable[..., T], *arguments: Any) -> T:
    """What a function of this module returns or raises, in a process of its own."""
    context, ignored = multiprocessing.get_context("spawn"), (signal.SIGINT, signal.SIG_IGN)
    with ProcessPoolExecutor(1, context, initializer=signal.signal, initargs=ignored) as pool:
        return pool.submit(work, *arguments).result()


def _prepare(home: Path) -> None:
    from resources.home import Home

    Home(home).prepare()


def _mended(home: Path, warm_workers: int | None) -> list[str]:
    from jobs.doctor import examine
    from resources.home import Home

    Home(home).prepare(warm_workers=warm_workers)  # only now: whoever is refused changes nothing
    found = examine(home, mend=True, starts=True)
    return [f"{one.state}: {one.check}: {one.what}: {one.where}: {one.remedy}" for one in found]


def _refuse_used(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise CommandError(
                f"port {port} is in use; stop what listens there, or choose another with --port"
            ) from None


def _started(home: Path, port: int, lock: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-W", SUPERSEDED, "-m", "dagster", "dev", "-w", str(REPOSITORY / "workspace.yaml")]
    # a process group of its own: Ctrl-C reaches us alone, and we pass it on once
    child = subprocess.Popen(  # noqa: S603 our own interpreter
        [*command, "-h", "127.0.0.1", "-p", str(port), "--log-level", "warning"],
        cwd=home,  # Dagster warns of a `dagster.yaml` elsewhere, such as the template of the repository
        env=for_child(home),
        start_new_session=True,
        pass_fds=[lock],  # held as long as either lives
    )
    sign(lock, os.getpid(), child.pid)
    return child


def _watched(child: "subprocess.Popen[bytes]", asked: list[float]) -> int:
    """Exit status of `dagster dev`, which is ended where its code server is gone: by itself it would go on without."""
    heard = None
    while (status := _ended(child)) is None:
        now = time.monotonic()
        if _has_code_server(child.pid):
            heard = now
        is_deaf = heard is not None and now - heard > DEAF_S
        if is_deaf or (asked and now - asked[0] > GRACE_S):
            os.killpg(child.pid, signal.SIGKILL)
    return status


def _has_code_server(pid: int) -> bool:
    """Whether a process has a living grandchild that serves our code; False where the system does not tell."""
    below = [each for child in child_processes(pid) for each in child_processes(child)]
    return any(b"\0api\0grpc\0" in command_line(each) for each in below)


def _ended(child: "subprocess.Popen[bytes]") -> int | None:
    try:
        return child.wait(timeout=0.5)
    except subprocess.TimeoutExpired:
        return None


def _stop_with_us(children: "list[subprocess.Popen[bytes]]") -> list[float]:
    """Pass an interrupt or termination on to the children; the moments at which that was asked for."""
    asked: list[float] = []

    def stop(_number: int, _frame: FrameType | None) -> None:
        asked.append(time.monotonic())
        for child in children:
            child.send_signal(signal.SIGINT)

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    return asked
