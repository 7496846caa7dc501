"""`smartmaint up`: Dagster's web server, daemon and code server for one home, until stopped."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from jobs.doctor import examine
from jobs.failures import CommandError
from jobs.lock import hold, sign
from jobs.output import shown
from resources.settings import REPOSITORY, for_child

GRACE_S = 20.0


def serve(home: Path, *, port: int, told: Callable[[str], None]) -> int:
    """Run `dagster dev` on a prepared home and pass on whatever stops this process.

    Returns:
        Exit status: 0 when stopped from outside.
    Raises:
        CommandError: The port is in use, or another `up` is on this home.
    """
    lock = hold(home)
    for found in examine(home, mend=True, starts=True):
        told(shown(f"{found.state}: {found.check}: {found.what}: {found.where}: {found.remedy}"))
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise CommandError(
                f"port {port} is in use; stop what listens there, or choose another with --port"
            ) from None
    children: list[subprocess.Popen[bytes]] = []
    asked = _stop_with_us(children)  # before the start: a child inherits an ignored interrupt, but no handler
    command = [sys.executable, "-m", "dagster", "dev", "-w", str(REPOSITORY / "workspace.yaml")]
    # a process group of its own: Ctrl-C reaches us alone, and we pass it on once
    child = subprocess.Popen(  # noqa: S603 our own interpreter
        [*command, "-h", "127.0.0.1", "-p", str(port), "--log-level", "warning"],
        cwd=REPOSITORY,
        env=for_child(home),
        start_new_session=True,
        pass_fds=[lock],  # held as long as either lives
    )
    sign(lock, os.getpid(), child.pid)
    children.append(child)
    told(f"http://127.0.0.1:{port}  (stop with Ctrl-C)")
    while (status := _ended(child)) is None:
        if asked and time.monotonic() - asked[0] > GRACE_S:
            os.killpg(child.pid, signal.SIGKILL)
    return 0 if asked else status


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
