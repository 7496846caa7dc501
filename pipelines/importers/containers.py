"""Files inside files: a plain file, a gzip stream or the members of a zip, read by what really comes out."""

import gzip
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import IO, BinaryIO, cast

from pipelines.importers.parsed import FileError

ARCHIVES = (".zip", ".gz", ".7z", ".rar", ".tar", ".tgz", ".bz2", ".xz", ".zst")
MAGIC = (b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b\x08", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"BZh", b"\xfd7zXZ\x00")
"""First bytes of what `ARCHIVES` hold, whatever the name says."""
LITTER = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")
"""What file managers leave in archives unasked."""
MOST_MEMBERS = 300_000
"""They take about 1 kB of memory each."""
FREE, MOST_RATIO = 64 << 20, 100
"""So many bytes may come out of any archive; beyond them at most so many times what went in."""
MOST_NAME = 500
MOST_DIRECTORY = MOST_MEMBERS * 200
BLOCK = 512
LOCAL_HEADER, END, WIDE_END = 30, 22, 76
"""Bytes before a member's name, of the record that ends a zip, and of those before it in one beyond 4 GB."""
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    IndexError,
    OverflowError,
)
"""What `zipfile` and `gzip` raise on bytes that are not what they should be."""


@dataclass(frozen=True)
class Member:
    """One file to read.

    Attributes:
        name: Path inside the archive with forward slashes; of a plain file its name, of a gzip stream without `.gz`.
        open: Gives its bytes from the start, each time; reading raises `FileError` where they are damaged, a bomb or
            an archive again. Works as long as the member is held.
    """

    name: str
    open: Callable[[], BinaryIO]

    def contents(self, most: int) -> bytes:
        """All its bytes.

        Raises:
            FileError: More than `most`, or what reading raises.
        """
        with self.open() as stream:
            data = stream.read(most + 1)
        if len(data) > most:
            raise FileError("too_big", f"{self.name[:80]!r}: more than {most >> 20} MB; expected a short file")
        return data


def members(path: Path) -> Iterator[Member]:
    """What is in a file: itself, or what a `.gz` or `.zip` holds, in natural order of names.

    The whole of a zip is judged before its first member is given; what is wrong inside one member shows when it is
    read. Litter of file managers (`__MACOSX`, `.DS_Store`) is passed over.

    Raises:
        FileError: Not what its ending says, or an archive that nobody should unpack: names that lead outside, links,
            passwords, archives inside, members that share bytes, or more bytes than can be meant.
    """
    suffix = path.suffix.lower()
    if suffix == ".zip":
        yield from _zip_members(path)
    elif suffix == ".gz":
        name, most = path.name[: -len(suffix)], _limit(path)
        _refuse_nested(name, path.name)
        yield Member(name, lambda: _guarded(lambda: cast(IO[bytes], gzip.GzipFile(path, "rb")), path.name, most))
    elif suffix in ARCHIVES:
        raise FileError("unknown_archive", f"{path.name}: {suffix} archives are not read; send the files or a .zip")
    else:
        yield Member(path.name, lambda: _plain(path))


def _plain(path: Path) -> BinaryIO:
    file = path.open("rb")
    if _is_archive(file.peek(BLOCK)):
        file.close()
        told = "an archive, though its name does not say so; name it .zip or .gz if it is one of these"
        raise FileError("nested_archive", f"{path.name} is {told}")
    return file


def _is_archive(start: bytes) -> bool:
    return start.startswith(MAGIC) or start[257:262] == b"ustar"


def natural(name: str) -> list[tuple[int, int, str]]:
    """Key that sorts names as people count: `2.csv` before `10.csv`.

    Example:
        >>> sorted(["10.csv", "2.csv", "a"], key=natural)
        ['2.csv', '10.csv', 'a']
    """
    parts = re.split(r"([0-9]+)", name)  # digits stay text: a name may hold more of them than int() takes
    return [(0, len(n := part.lstrip("0")), n) if i % 2 else (1, 0, part) for i, part in enumerate(parts) if part]


def _zip_members(path: Path) -> Iterator[Member]:
    _refuse_crowd(path)
    try:
        archive = zipfile.ZipFile(path)  # closed when the last member is let go: they are opened later than listed
    except DAMAGE as error:
        raise FileError("not_zip", f"{path.name}: not readable as a zip: {error}. Send it again") from None
    entries = [entry for entry in archive.infolist() if not _is_passed_over(entry.orig_filename)]
    _refuse_hostile(path, entries)
    for entry in sorted(entries, key=lambda entry: (natural(entry.filename), entry.filename)):

        def opened(entry: zipfile.ZipInfo = entry) -> BinaryIO:
            return _guarded(lambda: archive.open(entry), f"{path.name}, {entry.filename[:80]!r}", entry.file_size)

        yield Member(entry.filename, opened)


def _is_passed_over(name: str) -> bool:
    """Whether it is a folder, or litter."""
    return name.endswith("/") or any(part in LITTER or part.startswith("._") for part in name.split("/"))


def _refuse_crowd(path: Path) -> None:
    """Look at the size of the directory before `zipfile` makes an object of each entry.

    An entry takes 46 bytes and its name: a stated count may lie, the bytes that are read cannot.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - (1 << 16) - END - WIDE_END))
        tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < END:
        raise FileError("not_zip", f"{path.name}: not a zip, or cut off: it has no directory. Send it again")
    (directory,) = struct.unpack("<I", tail[at + 12 : at + 16])
    wide = tail[max(0, at - WIDE_END) : at]
    if len(wide) == WIDE_END and wide.startswith(b"PK\x06\x06"):
        (directory,) = struct.unpack("<Q", wide[40:48])
    if min(directory, size) > MOST_DIRECTORY:
        raise FileError("hostile_archive", f"{path.name}: a directory of {directory} bytes; at most {MOST_DIRECTORY}")


def _refuse_hostile(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    if not entries:
        raise FileError("empty", f"{path.name}: the archive holds no file")
    if len(entries) > MOST_MEMBERS:
        raise FileError("hostile_archive", f"{path.name}: {len(entries)} members; at most {MOST_MEMBERS} are taken")
    names = set()
    for entry in entries:
        _refuse_member(path, entry)
        if entry.filename in names:
            raise FileError("hostile_archive", f"{path.name}: member {entry.filename[:80]!r} is there twice")
        names.add(entry.filename)
    _refuse_overlap(path, entries)
    promised, most = sum(entry.file_size for entry in entries), _limit(path)
    if promised > most:
        told = f"{promised} bytes are to come out of {path.stat().st_size}, more than {MOST_RATIO} times its size"
        raise FileError("bomb", f"{path.name}: {told}; nothing was unpacked")


def _refuse_member(path: Path, entry: zipfile.ZipInfo) -> None:
    name = entry.orig_filename  # `filename` ends at the first NUL
    told = f"{path.name}: member {name[:80]!r}"
    if len(name) > MOST_NAME:
        raise FileError("hostile_archive", f"{told}: its name has {len(name)} characters; at most {MOST_NAME}")
    if name.startswith("/") or ".." in name.split("/") or "\\" in name or ":" in name[:2]:
        raise FileError("hostile_archive", f"{told} leads outside the archive; nothing was unpacked")
    if "\0" in name:
        raise FileError("hostile_archive", f"{told} hides a part of its name; nothing was unpacked")
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise FileError("hostile_archive", f"{told} is a link; send the files themselves")
    if entry.flag_bits & 1:
        raise FileError("encrypted", f"{told} needs a password; send it without one")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise FileError(
            "unknown_archive", f"{told} is packed by method {entry.compress_type}; expected deflate or none"
        )
    _refuse_nested(name, told)


def _refuse_nested(name: str, told: str) -> None:
    if name.lower().endswith(ARCHIVES):
        raise FileError("nested_archive", f"{told} is an archive itself; send what is in it")


def _refuse_overlap(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    """Members that share their bytes multiply without end (Fifield, A better zip bomb, WOOT 2019)."""
    ends = 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if entry.header_offset < ends:
            raise FileError("hostile_archive", f"{path.name}: member {entry.filename[:80]!r} overlaps the one before")
        ends = entry.header_offset + LOCAL_HEADER + len(entry.orig_filename) + entry.compress_size


def _limit(path: Path) -> int:
    """Bytes that may come out of an archive, whatever its headers promise."""
    return max(FREE, MOST_RATIO * path.stat().st_size)


def _guarded(opened: Callable[[], IO[bytes]], told: str, most: int) -> BinaryIO:
    return cast(BinaryIO, BufferedReader(_Guarded(opened, told, most), 1 << 20))


class _Guarded(RawIOBase):
    """A stream that counts what comes, at most `most` bytes, and tells damage in our words."""

    def __init__(self, opened: Callable[[], IO[bytes]], told: str, most: int) -> None:
        self._opened, self._told, self._left = opened, told, most
        self._stream: IO[bytes] | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        is_first = self._stream is None
        try:
            if self._stream is None:
                self._stream = self._opened()
            data = self._stream.read(len(buffer))
        except DAMAGE as error:
            raise FileError("damaged", f"{self._told}: damaged: {error}. Send the file again") from None
        if is_first and _is_archive(data):
            raise FileError("nested_archive", f"{self._told} is an archive itself; send what is in it")
        self._left -= len(data)
        if self._left < 0:
            told = f"more than {MOST_RATIO} times its size came out, which no signal packs to"
            raise FileError("bomb", f"{self._told}: {told}; nothing was kept")
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
        super().close()
