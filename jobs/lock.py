"""One `up` or rebuild of a home at a time: a lock that the system frees with the processes that hold it."""

import fcntl
import os
from pathlib import Path

from jobs.failures import CommandError
from resources.processes import is_alive

NAME = ".up.lock"


def hold(home: Path) -> int:
    """Take the lock of a home; a child that gets the descriptor keeps it too.

    Raises:
        CommandError: Another process holds it.
    """
    lock = os.open(home / NAME, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        pid = holder(home)
        who, how = (f" (process {pid})", f" with `kill {pid}`") if pid else ("", "")
        told = f"smartmaint up, or rebuild, is running on {home} already{who}; use it, or end it first{how}"
        raise CommandError(told) from None
    sign(lock, os.getpid())
    return lock


def sign(lock: int, *pids: int) -> None:
    """Say who holds the lock."""
    os.ftruncate(lock, 0)
    os.pwrite(lock, " ".join(map(str, pids)).encode(), 0)


def holder(home: Path) -> int | None:
    """A living process that holds the lock of a home; 0 where it is not known, None where nobody does."""
    try:
        lock = os.open(home / NAME, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        pids = [int(pid) for pid in os.pread(lock, 100, 0).decode().split()]
        return next((pid for pid in pids if is_alive(pid)), 0)
    else:
        return None
    finally:
        os.close(lock)
