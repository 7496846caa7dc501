"""A full disk, told in one line: libraries say it in their own words, and none says where or how full."""

import os
import traceback
from pathlib import Path

from resources.home import Home

FULL = ("No space left on device", "database or disk is full", "StorageFull")
STARVED = ("disk I/O error", "unable to open database file", "os error 28")
"""What SQLite says of many troubles: it means a full disk only where there is no room."""
NO_ROOM = 1 << 16


def told_full(error: BaseException | str, root: Path) -> str | None:
    """What to say where a full disk is behind an error; None where it is not.

    Args:
        error: Or its text.
        root: Home.
    """
    text = error if isinstance(error, str) else "".join(traceback.format_exception(error))
    free, place = min((_free(place), place) for place in _places(root))
    if not any(word in text for word in FULL) and not (free < NO_ROOM and any(word in text for word in STARVED)):
        return None
    return f"{place}: the disk is full, {free} bytes are free; make room and do the same again: nothing is lost"


def _places(root: Path) -> list[Path]:
    """Folders of a home that may be disks of their own; where there is no home, that in which it would be."""
    return Home(root).disks or [next(place for place in root.parents if place.is_dir())]


def _free(place: Path) -> int:
    """Bytes that this user may still write below a folder."""
    disk = os.statvfs(place)
    return disk.f_bavail * disk.f_frsize
