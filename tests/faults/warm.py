"""Processes that are cheap to start and whose n-th change on disk can be made to fail: the tries of this suite."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
PATIENCE_S = 120.0


class Act(IntEnum):
    """What happens at the n-th change; the numbers are those of `syscalls.c`."""

    COUNT = 0
    KILL_BEFORE = 1
    KILL_AFTER = 2
    """A write is done by half, everything else whole."""
    NO_SPACE = 3
    """From the n-th change on, all that needs room fails: a full disk stays full."""
    IO_ERROR = 4


@dataclass(frozen=True)
class Fault:
    """A fault at the n-th change below a folder, or the mere counting of them.

    Attributes:
        under: Folder below which changes count.
        besides: Folder below which they do not.
        at: Which change, from 1.
        act: What happens there.
    """

    under: Path
    besides: Path | None = None
    at: int = 0
    act: Act = Act.COUNT


@dataclass(frozen=True)
class Outcome:
    """How a process ended.

    Attributes:
        status: Exit status; -9 where it was killed.
        calls: Changes below the folder, up to its end.
        fired: The fault happened, and so was met with a change in flight.
        what: The call it happened in, and on which path.
        output: What the process said.
    """

    status: int
    hangs: bool
    calls: int
    fired: bool
    what: str
    path: str
    output: str


class Warm:
    """Runs functions in forks of a process that has loaded everything already."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "output.log"
        shim = compiled(folder)
        self._server = subprocess.Popen(
            [sys.executable, str(HERE / "forkserver.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(folder / "server.log").open("w"),
            text=True,
            env={
                **os.environ,
                "LD_PRELOAD": str(shim),
                "FAULTS_SHIM": str(shim),
                "OPENBLAS_NUM_THREADS": "1",
                "PYTHONPATH": os.pathsep.join([str(HERE.parents[1]), str(HERE.parent)]),
            },
        )
        assert self._server.stdout is not None
        assert self._server.stdout.readline() == "ready\n", (folder / "server.log").read_text()

    def start(self, target: str, *args: Any, fault: Fault | None = None) -> int:
        """Begin `module:function` with these arguments; its process id."""
        fault = fault or Fault(Path("/nowhere"))
        self._log.unlink(missing_ok=True)
        request = {"under": str(fault.under), "besides": str(fault.besides or ""), "at": fault.at, "act": fault.act}
        return self._ask("start", target=target, args=args, log=str(self._log), **request)["pid"]

    def wait(self, pid: int, *, seconds: float = PATIENCE_S) -> Outcome:
        """How the process ended."""
        answer = self._ask("wait", pid=pid, seconds=seconds)
        return Outcome(**answer, output=self._log.read_text(errors="replace") if self._log.exists() else "")

    def run(self, target: str, *args: Any, fault: Fault | None = None) -> Outcome:
        return self.wait(self.start(target, *args, fault=fault))

    def smartmaint(self, home: Path, *words: str, fault: Fault | None = None) -> Outcome:
        """A command of the command line."""
        return self.run("faults.acts:smartmaint", [*words, "--home", str(home)], fault=fault)

    def kill(self, pid: int) -> None:
        self._ask("kill", pid=pid)

    def close(self) -> None:
        self._server.stdin.close()
        self._server.wait(timeout=30)

    def _ask(self, do: str, **request: Any) -> dict[str, Any]:
        self._server.stdin.write(json.dumps({"do": do, **request}) + "\n")
        self._server.stdin.flush()
        return json.loads(self._server.stdout.readline())


def compiled(folder: Path) -> Path:
    """The library that counts and breaks; skips the test where it cannot be made."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("faults at the n-th write need Linux and a C compiler: `apt install gcc`")
    library = folder / "syscalls.so"
    made = subprocess.run(
        [compiler, "-O2", "-Wall", "-fPIC", "-shared", "-o", library, HERE / "syscalls.c", "-ldl"],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"the compiler cannot make the library that breaks writes: {made.stderr[:200]}")
    return library
