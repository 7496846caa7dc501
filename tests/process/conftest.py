"""`smartmaint up` for real: daemon, code server and web server of a home, stopped at the end."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

STARTED_WITHIN_S = 120.0


@dataclass(frozen=True)
class Up:
    """A running installation."""

    home: Path
    url: str


@pytest.fixture(scope="session")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    folder = tmp_path_factory.mktemp("up")
    # the README's picture is taken of a home that has lived: `make picture` names it
    home = Path(os.environ.get("SMARTMAINT_PICTURE_OF") or folder / "home")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "jobs", "up", "--home", str(home), "--port", str(port)]
    log = (folder / "up.log").open("w")
    process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | {"PYTHONUNBUFFERED": "1"})
    try:
        _wait_for(f"http://127.0.0.1:{port}/server_info", process, folder / "up.log")
        yield Up(home, f"http://127.0.0.1:{port}")
        children = psutil.Process(process.pid).children(recursive=True)
    finally:
        process.send_signal(signal.SIGTERM)
        status = process.wait(timeout=60)
    _, alive = psutil.wait_procs(children, timeout=20)
    assert status == 0
    assert not alive, f"left behind: {[child.cmdline() for child in alive]}"


def _wait_for(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + STARTED_WITHIN_S
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(url, timeout=2).close()  # noqa: S310 our own server
        except OSError:
            time.sleep(0.5)
        else:
            return
    raise AssertionError(f"{url} does not answer: {log.read_text()}")
