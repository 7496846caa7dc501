"""`smartmaint up`: Dagster's web server, daemon and code server for one home, until stopped."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from jobs.failures import CommandError
from resources.settings import REPOSITORY, for_child

GRACE_S = 20.0


def serve(home: Path, *, port: int, told: Callable[[str], None]) -> int:
    """Run `dagster dev` on a prepared home and pass on whatever stops this process.

    Returns:
        Exit status: 0 when stopped from outside.
    Raises:
        CommandError: The port is in use.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise CommandError(
                f"port {port} is in use; stop what listens there, or choose another with --port"
            ) from None
    command = [sys.executable, "-m", "dagster", "dev", "-w", str(REPOSITORY / "workspace.yaml")]
    # a process group of its own: a background child of a script would never see the interrupt
    child = subprocess.Popen(  # noqa: S603 our own interpreter
        [*command, "-h", "127.0.0.1", "-p", str(port), "--log-level", "warning"],
        cwd=REPOSITORY,
        env=for_child(home),
        start_new_session=True,
    )
    stopped = _stop_with_us(child)
    told(f"http://127.0.0.1:{port}  (stop with Ctrl-C)")
    status = child.wait()
    return 0 if stopped else status


def _stop_with_us(child: "subprocess.Popen[bytes]") -> list[int]:
    """Pass an interrupt or termination on to the child, and end it if it does not go."""
    received: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        child.send_signal(signal.SIGINT if len(received) == 1 else signal.SIGKILL)
        end = time.monotonic() + GRACE_S
        while child.poll() is None and time.monotonic() < end:
            time.sleep(0.1)
        if child.poll() is None:
            child.kill()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    return received
