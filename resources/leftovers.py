"""Temporary files of processes that died while writing them. Whoever lives renames or removes its own."""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from resources.processes import is_alive

QUIET_S = 60.0
LONG_S = 3600.0
PID = r"(\d{1,7})"  # no system gives longer numbers: what looks like one is a date of a sender's
ORIGINAL = r"original(?:\.[a-z0-9]{1,8})?"
OURS = {
    ".": rf"\.{PID}-0\.part"
    rf"|catalog\.duckdb\.{PID}\.part(?:\.wal)?"
    rf"|\.(?:home\.json|tables\.json|dagster\.yaml|machines\.toml|crew\.toml)\.{PID}"
    r"|\.(?:machines|crew)\.toml\.part",
    "models": rf"\..+\.npz\.{PID}",
    "incidents": r"\.note\.json\.part",
    "landing/*": rf"\.{PID}-\d+\.part",  # a sender's own `.part` may still be coming
    "lake/.columns/**": rf"\.{PID}\.part",
    "archive/*/*/*": rf"\.(?:{ORIGINAL}|landing\.json)\.part",
    "quarantine/*/*/*": rf"\.(?:{ORIGINAL}|reason\.json|rows)\.part",
}
"""By folder the names that only our own code gives there, with the number of the process where they hold one."""


def leftovers(root: Path, *, now: float) -> list[Path]:
    """Temporary files below a home that nobody will finish.

    Nobody has written to them for a minute, and their process is dead or an hour has gone by.

    Args:
        root: Home.
        now: Seconds since 1970, by the clock of the file system.
    """
    return sorted(path for path, name in _named(root) if _is_dead(path, name, now))


def _named(root: Path) -> Iterator[tuple[Path, re.Match[str]]]:
    for place, ours in OURS.items():
        for folder in [root] if place == "." else root.glob(place):
            with suppress(PermissionError, NotADirectoryError):  # what may not be looked into is another check's
                named = ((path, re.fullmatch(ours, path.name)) for path in folder.iterdir())
                yield from ((path, name) for path, name in named if name and path.is_file())


def _is_dead(path: Path, name: re.Match[str], now: float) -> bool:
    try:
        quiet = now - path.stat().st_mtime
    except FileNotFoundError:
        return False
    pid = next((int(found) for found in name.groups() if found), None)
    return quiet > LONG_S or (quiet > QUIET_S and pid is not None and not is_alive(pid))
