"""What the system tells of processes: whether one still lives, its words, its memory."""

import os
import resource
import sys
from pathlib import Path

PROC = Path("/proc")


def is_alive(pid: int, *, since: float | None = None) -> bool:
    """Whether a process lives, or may live where the system does not tell.

    Its number alone does not say so, since numbers are used again.

    Args:
        pid: Its number.
        since: A moment at which it lived, in seconds since 1970: one that began later is another one.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it lives, and is somebody else's
        pass
    try:
        state, *_, ticks = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[:20]
        booted = next(line for line in (PROC / "stat").read_text().splitlines() if line.startswith("btime"))
    except (OSError, StopIteration):  # a system without /proc
        return True
    began = int(booted.split()[1]) + int(ticks) / os.sysconf("SC_CLK_TCK")
    # the boot time is told in whole seconds; a zombie waits for its parent to look
    return state != "Z" and (since is None or began <= since + 2.0)


def peak_memory_mb() -> int:
    """The most memory that this process ever held, in MiB."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit // 2**20


def command_line(pid: int) -> bytes:
    """Words of a process's command, each ended by a zero byte; empty where it is gone or a zombie."""
    try:
        return (PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return b""
