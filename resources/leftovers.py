"""Temporary files of processes that died while writing them. Whoever lives renames or removes its own."""

import re
from collections.abc import Iterator
from pathlib import Path

from resources.processes import is_alive

QUIET_S = 60.0
LONG_S = 3600.0
OURS = re.compile(
    r"\.(?P<inbox>\d+)-\d+\.part"  # a copy into the inbox
    r"|catalog\.duckdb\.(?P<catalog>\d+)\.part(\.wal)?"
    r"|\.(?P<columns>\d+)\.part"
    r"|\..+\.(?P<rewritten>\d+)"  # a file of the home, a model
    r"|\.(original|(machines|crew)\.toml|(landing|reason)\.json)\.part"
)
"""Names that only our own code gives. A sender's `.part` in the inbox is not ours: it may still be coming."""
PLACES = (".", "models", "landing/*", "lake/.columns/**", "archive/*/*/*", "quarantine/*/*/*")


def leftovers(root: Path, *, now: float) -> list[Path]:
    """Temporary files below a home that nobody will finish.

    Nobody has written to them for a minute, and their process is dead or an hour has gone by.

    Args:
        root: Home.
        now: Seconds since 1970, by the clock of the file system.
    """
    return sorted(path for path, name in _named(root) if _is_dead(path, name, now))


def _named(root: Path) -> Iterator[tuple[Path, re.Match[str]]]:
    for place in PLACES:
        for folder in [root] if place == "." else root.glob(place):
            if folder.is_dir():
                named = ((path, OURS.fullmatch(path.name)) for path in folder.iterdir())
                yield from ((path, name) for path, name in named if name and path.is_file())


def _is_dead(path: Path, name: re.Match[str], now: float) -> bool:
    try:
        quiet = now - path.stat().st_mtime
    except FileNotFoundError:
        return False
    pid = next((int(found) for found in name.groupdict().values() if found), None)
    return quiet > LONG_S or (quiet > QUIET_S and pid is not None and not is_alive(pid))
