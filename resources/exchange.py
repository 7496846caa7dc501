"""Putting one folder in the place of another, in one step where the system can."""

import ctypes
import os
from pathlib import Path

AT_WORKING_DIRECTORY, EXCHANGE = -100, 2  # of renameat2 (Linux)


def put_in_place(new: Path, place: Path) -> None:
    """`new` under the name `place`; what was there before, if anything was, lies under the name of `new` then."""
    if not place.exists():
        new.rename(place)
    elif not _exchanged(new, place):
        aside = place.with_name(f"{place.name}.aside")
        place.rename(aside)
        new.rename(place)
        aside.rename(new)


def _exchanged(one: Path, other: Path) -> bool:
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    status: int = rename(AT_WORKING_DIRECTORY, os.fsencode(one), AT_WORKING_DIRECTORY, os.fsencode(other), EXCHANGE)
    return status == 0
