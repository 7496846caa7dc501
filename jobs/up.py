"""`smartmaint up`: Dagster's web server, daemon and code server for one home, until stopped.

This process lives as long as they do and only watches, so it loads none of the libraries: what needs them is done in a
process apart that ends.
"""

import ctypes
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from jobs.failures import CommandError
from jobs.lock import hold, sign
from jobs.output import shown
from resources.settings import REPOSITORY, for_child

T = TypeVar("T")
Parts = list["subprocess.Popen[bytes]"]
CODE = "jobs.definitions"
POLL_S = 0.2
GRACE_S = 20.0
SHORTEST_S = 60.0
"""What ends sooner than this after its start would end again: a person must see why."""
PR_SET_PDEATHSIG = 1


def serve(home: Path, *, port: int, warm_workers: int | None, told: Callable[[str], None]) -> int:
    """Run Dagster on a home, all of it again where a part died, and pass on whatever stops this process.

    Returns:
        Exit status: 0 when stopped from outside.
    Raises:
        CommandError: The port is in use, or another `up` is on this home.
        HomeError: The home cannot be used.
    """
    _apart(_prepare, home)
    lock = hold(home)
    _refuse_used(port)
    parts: Parts = []
    asked = _stop_with_us(parts)  # before the start: a child inherits an ignored interrupt, but no handler
    with tempfile.TemporaryDirectory(prefix="smartmaint-") as folder:  # the path of a socket must be short
        while not asked:
            for finding in _apart(_mended, home, warm_workers):
                told(shown(finding))
            begun = time.monotonic()
            for command in _commands(Path(folder), port, parts, asked):
                parts.append(_started(command, home, lock))
                sign(lock, os.getpid(), *(part.pid for part in parts))
            if all(part.poll() is None for part in parts):
                told(f"http://127.0.0.1:{port}  (stop with Ctrl-C)")
            status = _watched(parts, asked)
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


def _commands(folder: Path, port: int, parts: Parts, asked: list[float]) -> Iterator[list[str]]:
    """What to start: the code server, and when it serves, those who ask it.

    `dagster dev` starts these three too. It is a fourth and has a fifth before the code server, which reloads code from
    the UI: 180 MB that a plant has no use for.
    """
    served, workspace = folder / "code", folder / "workspace.yaml"
    served.unlink(missing_ok=True)
    workspace.write_text(f"load_from: [{{grpc_server: {{socket: {served}, location_name: {CODE}}}}}]\n")
    where, quiet = ["-w", str(workspace)], ["--log-level", "warning"]
    code = ["-m", CODE, "-d", str(REPOSITORY), "--location-name", CODE]
    yield ["dagster", "api", "grpc", *code, "-s", str(served), *quiet]
    while not served.exists():
        if asked or parts[0].poll() is not None:
            return
        time.sleep(POLL_S)
    yield ["dagster._daemon", "run", *where, *quiet]
    yield ["dagster_webserver", *where, "-h", "127.0.0.1", "-p", str(port), "--dagster-log-level", "warning"]


def _started(command: list[str], home: Path, lock: int) -> "subprocess.Popen[bytes]":
    # a process group of its own: Ctrl-C reaches us alone, and we pass it on once
    return subprocess.Popen(  # noqa: S603 our own interpreter
        [sys.executable, "-m", *command],
        cwd=home,  # Dagster warns of a `dagster.yaml` elsewhere, such as the template of the repository
        env=for_child(home),
        start_new_session=True,
        pass_fds=[lock],  # held as long as any lives
        preexec_fn=_end_with_parent,  # noqa: PLW1509 this process has one thread
    )


def _end_with_parent() -> None:
    """A part must not go on without whoever starts it again and ends it."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _watched(parts: Parts, asked: list[float]) -> int:
    """Wait until all are to end or one has ended, end the others, and give the exit status of the first that did."""
    ended: list[int] = []
    while not asked and not ended:
        time.sleep(POLL_S)
        ended += [status for part in parts if (status := part.poll()) is not None]
    if not asked:
        for part in parts:
            part.send_signal(signal.SIGINT)
    end = time.monotonic() + GRACE_S
    for part in parts:
        with suppress(subprocess.TimeoutExpired):
            part.wait(timeout=max(0.0, end - time.monotonic()))
        with suppress(ProcessLookupError):  # what it leaves behind would go on without the lock
            os.killpg(part.pid, signal.SIGKILL)
        ended.append(part.wait())
    parts.clear()
    return ended[0]


def _stop_with_us(parts: Parts) -> list[float]:
    """Pass an interrupt or termination on to the parts; the moments at which that was asked for."""
    asked: list[float] = []

    def stop(_number: int, _frame: FrameType | None) -> None:
        asked.append(time.monotonic())
        for part in parts:
            part.send_signal(signal.SIGINT)

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    return asked
