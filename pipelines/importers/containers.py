"""Files inside files: a plain file, a gzip stream or the members of a zip, read by what really comes out."""

import gzip
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BufferedReader, RawIOBase
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, cast

from pipelines.importers.parsed import FileError

ARCHIVES = (".zip", ".gz", ".7z", ".rar", ".tar", ".tgz", ".bz2", ".xz")
MOST_MEMBERS = 1_000_000
FREE, MOST_RATIO = 64 << 20, 100
"""So many bytes may come out of any archive; beyond them at most so many times what went in."""


@dataclass(frozen=True)
class Member:
    """One file to read.

    Attributes:
        name: Path inside the archive with forward slashes; of a plain file its name, of a gzip stream without `.gz`.
        open: Gives its bytes from the start, each time; reading raises `FileError` where they are damaged or a bomb.
    """

    name: str
    open: Callable[[], BinaryIO]


def members(path: Path) -> Iterator[Member]:
    """What is in a file: itself, or what a `.gz` or `.zip` holds, in natural order of names.

    Raises:
        FileError: Not what its ending says, or an archive that nobody should unpack: names that lead outside, links,
            passwords, archives inside, or more bytes than can be meant.
    """
    suffix = path.suffix.lower()
    if suffix == ".zip":
        yield from _zip_members(path)
    elif suffix == ".gz":
        limit = _limit(path)
        yield Member(path.name[: -len(suffix)], lambda: _guarded(_gunzipped(path), path.name, limit))
    else:
        yield Member(path.name, lambda: path.open("rb"))


def _gunzipped(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.GzipFile(path, "rb"))


def natural(name: str) -> list[tuple[int, int | str]]:
    """Key that sorts names as people count: `2.csv` before `10.csv`.

    Example:
        >>> sorted(["10.csv", "2.csv", "a"], key=natural)
        ['2.csv', '10.csv', 'a']
    """
    import re

    return [(0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", name) if part]


def _zip_members(path: Path) -> Iterator[Member]:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise FileError("not_zip", f"{path.name}: not readable as a zip: {error}") from None
    with archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        _refuse_hostile(path, entries)
        limit = _limit(path)
        for entry in sorted(entries, key=lambda entry: natural(entry.filename)):

            def opened(entry: zipfile.ZipInfo = entry) -> BinaryIO:
                return _guarded(archive.open(entry), f"{path.name}, {entry.filename}", limit)

            yield Member(entry.filename, opened)


def _refuse_hostile(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    if not entries:
        raise FileError("empty", f"{path.name}: the archive holds no file")
    if len(entries) > MOST_MEMBERS:
        raise FileError("hostile_archive", f"{path.name}: {len(entries)} members; at most {MOST_MEMBERS} are taken")
    names = set()
    for entry in entries:
        told = f"{path.name}: member {entry.filename[:80]!r}"
        parts = PurePosixPath(entry.filename).parts
        if entry.filename.startswith("/") or ".." in parts or "\\" in entry.filename or ":" in entry.filename[:2]:
            raise FileError("hostile_archive", f"{told} leads outside the archive; nothing was unpacked")
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise FileError("hostile_archive", f"{told} is a link; send the files themselves")
        if entry.flag_bits & 1:
            raise FileError("encrypted", f"{told} needs a password; send it without one")
        if PurePosixPath(entry.filename).suffix.lower() in ARCHIVES:
            raise FileError("nested_archive", f"{told} is an archive itself; send what is in it")
        if entry.filename in names:
            raise FileError("hostile_archive", f"{told} is there twice")
        names.add(entry.filename)


def _limit(path: Path) -> "_Budget":
    return _Budget(max(FREE, MOST_RATIO * path.stat().st_size))


@dataclass
class _Budget:
    """Bytes that may still come out of one archive, whatever its headers promise."""

    left: int


def _guarded(stream: IO[bytes], name: str, budget: _Budget) -> BinaryIO:
    return cast(BinaryIO, BufferedReader(_Guarded(stream, name, budget), 1 << 20))


class _Guarded(RawIOBase):
    """A stream out of an archive: counts what comes, and tells damage in our words."""

    def __init__(self, stream: IO[bytes], name: str, budget: _Budget) -> None:
        self._stream, self._told, self._budget = stream, name, budget

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            data = self._stream.read(len(buffer))
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
            raise FileError("damaged_archive", f"{self._told}: damaged: {error}. Send the file again") from None
        self._budget.left -= len(data)
        if self._budget.left < 0:
            told = f"more than {MOST_RATIO} times its size came out, which no signal packs to"
            raise FileError("bomb", f"{self._told}: {told}; nothing was kept")
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()
