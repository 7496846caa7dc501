"""What care took away: counted file by file, so that every clean-up can say what it freed."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


class Removed(NamedTuple):
    """Attributes:
    files: Files taken away.
    bytes: What they held.
    """

    files: int = 0
    bytes: int = 0

    def plus(self, other: "Removed") -> "Removed":
        return Removed(self.files + other.files, self.bytes + other.bytes)


def remove(paths: Iterable[Path]) -> Removed:
    """Take files away; one that is gone already is not counted."""
    files = freed = 0
    for path in paths:
        try:
            size = path.lstat().st_size
            path.unlink()
        except FileNotFoundError:
            continue
        files, freed = files + 1, freed + size
    return Removed(files, freed)
