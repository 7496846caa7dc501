"""A warm parent: loads the heavy libraries once and forks a process for each try, so that hundreds of tries are cheap.

Started by `warm.py` with `syscalls.so` preloaded. Takes one JSON request a line and answers each with one JSON line.
Nothing here may start a thread pool: a fork would take over its locks and none of its threads.
"""

import ctypes
import importlib
import json
import os
import signal
import sys
import time
import traceback
from functools import cache
from typing import Any

HEAVY = (
    "jobs.cli",
    "jobs.importing",
    "jobs.running",
    "jobs.doctor",
    "pandera.polars",
    "duckdb",
    "sklearn.ensemble",
    "skops.io",
    "pyarrow.parquet",
    "matplotlib.figure",
    "prophet",
    "ortools.sat.python.cp_model",
)

RETURNED = {"calls": ctypes.c_long, "fired": ctypes.c_int, "what": ctypes.c_char_p, "path": ctypes.c_char_p}
armed: dict[int, int] = {}


@cache
def shim() -> ctypes.CDLL:
    """The preloaded library."""
    library = ctypes.CDLL(os.environ["FAULTS_SHIM"])
    library.faults_arm.restype = ctypes.c_void_p
    library.faults_arm.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_long, ctypes.c_int]
    for name, kind in RETURNED.items():
        getattr(library, f"faults_{name}").restype = kind
        getattr(library, f"faults_{name}").argtypes = [ctypes.c_void_p]
    return library


def start(target: str, args: list[Any], log: str, *, under: str, besides: str, at: int, act: int) -> dict[str, Any]:
    """Fork a process that calls `module:function`, with a fault armed below a folder."""
    control = shim().faults_arm(os.fsencode(under), os.fsencode(besides), at, act)
    pid = os.fork()
    if pid == 0:
        _become(target, args, log)
    shim().faults_disarm()
    armed[pid] = control
    return {"pid": pid}


def _become(target: str, args: list[Any], log: str) -> None:
    status = 70
    try:
        os.setsid()
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(out, 2)
        module, _, function = target.partition(":")
        status = int(getattr(importlib.import_module(module), function)(*args) or 0)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)


def wait(pid: int, *, seconds: float) -> dict[str, Any]:
    """Outcome of a process; one that lasts longer is ended and said to hang."""
    end, hangs = time.monotonic() + seconds, False
    while not (ended := os.waitpid(pid, os.WNOHANG))[0]:
        if time.monotonic() > end:
            hangs = True
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)
    control = armed.pop(pid)
    return {
        "status": os.waitstatus_to_exitcode(ended[1]),
        "hangs": hangs,
        "calls": shim().faults_calls(control),
        "fired": bool(shim().faults_fired(control)),
        "what": os.fsdecode(shim().faults_what(control)),
        "path": os.fsdecode(shim().faults_path(control)),
    }


def kill(pid: int) -> dict[str, Any]:
    os.kill(pid, signal.SIGKILL)
    return {}


def main() -> None:
    for name in HEAVY:
        importlib.import_module(name)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    answers.write("ready\n")
    answers.flush()
    for line in sys.stdin:
        request = json.loads(line)
        answer = {"start": start, "wait": wait, "kill": kill}[request.pop("do")](**request)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
