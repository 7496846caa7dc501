"""The inbox: files that arrived, the archive they go to, the quarantine of those that cannot be used."""

import errno
import hashlib
import os
import re
import shutil
import struct
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from resources.keeping import NO_LINKS, alone, keep_original, make_folder, read_json, sync, write_json

SETTLED_S = 0.5
POLL_S = 0.1
PARQUET, FOOTER = b"PAR1", 8  # how such a file begins and ends, and how many bytes its end takes: length and mark
SOURCE = re.compile(r"[a-z][a-z0-9-]{0,62}")


@dataclass(frozen=True)
class Arrived:
    """One file in the inbox.

    Attributes:
        file: Path below the inbox folder, `<source>/<name>`.
        token: Changes whenever the file is written or put there anew.
    """

    file: str
    source: str
    token: str


@dataclass(frozen=True)
class Claim:
    """One file to land, as it was when its content was hashed.

    Attributes:
        name: It arrived under.
        batch_id: sha256 of the content.
        state: Changes when the file is written to.
        refused_in: Folder in quarantine it is brought back from; None for a file of the inbox.
    """

    source: str
    name: str
    path: Path
    batch_id: str
    state: tuple[int, ...]
    refused_in: Path | None = None

    @property
    def file(self) -> str:
        return f"{self.source}/{self.name}"

    def is_as_it_was(self) -> bool:
        """Whether nobody has written to the file, or put another in its place, since it was claimed."""
        return _state(self.path) == self.state


@dataclass(frozen=True)
class Refused:
    """What lies in quarantine of one file.

    Attributes:
        folder: Below the home.
        facts: Of `reason.json`.
    """

    folder: str
    facts: Mapping[str, Any]


class Inbox(dg.ConfigurableResource["Inbox"]):
    """Three places for what arrives: `landing/<source>/`, `archive/` and `quarantine/`, all below one home.

    A file leaves the inbox only after its rows are committed or quarantined, so what is pending is what lies there.
    Names that begin with a dot or end in .part or .tmp are still being written.
    """

    root: str

    @property
    def _landing(self) -> Path:
        return Path(self.root) / "landing"

    def pending(self) -> list[Arrived]:
        """Files to process, oldest arrival first; those still being written are left alone."""
        found = [(stat, path) for path in self._files() if (stat := _settled(path))]
        found.sort(key=lambda entry: (entry[0].st_mtime_ns, entry[1].name))
        return [
            Arrived(
                f"{path.parent.name}/{path.name}", path.parent.name, f"{path.name}:{stat.st_ctime_ns}:{stat.st_size}"
            )
            for stat, path in found
        ]

    def wait_for_pending(self, *, seconds: float) -> list[Arrived]:
        """What is pending, as soon as there is any: a sensor tick comes every 5 s at best, so it waits inside one."""
        end = time.monotonic() + seconds
        while not (found := self.pending()) and time.monotonic() < end:
            time.sleep(POLL_S)
        return found

    def settle(self, *, seconds: float) -> None:
        """Wait until nobody writes any more to what lies here now; what comes in the meantime is not waited for."""
        end = time.monotonic() + seconds
        lying = [path for path in self._files() if not _is_unfinished(path)]
        while any(path.is_file() and not _settled(path) for path in lying) and time.monotonic() < end:
            time.sleep(POLL_S)

    def strays(self) -> list[str]:
        """What lies in the inbox but can never be processed.

        Loose files, folders whose name is no source name, folders that may not be looked into, folders and dead links
        in folders, names that are no UTF-8.
        """
        found = []
        for path in self._landing.iterdir():
            if path.is_dir() and SOURCE.fullmatch(path.name) and not _is_closed(path):
                found += [below for below in path.iterdir() if not below.is_file() or not _is_text(below)]
            else:
                found.append(path)
        return sorted(str(path.relative_to(self._landing)) for path in found if not path.name.startswith("."))

    def put(self, path: Path, *, source: str) -> str:
        """Copy a file into the inbox: it shows there whole or not at all.

        Returns:
            Its path below the inbox folder.
        Raises:
            ValueError: `source` is no source name.
        """
        folder = self._folder(source)
        part = part_in(folder)
        shutil.copyfile(path, part)
        return _show(part, folder / path.name)

    def pack(self, members: Mapping[str, Path], *, source: str, name: str) -> str:
        """Put files into the inbox as one zip, under the names that say what they are.

        The same files under the same names give the same bytes, wherever they lie: what comes again is known.

        Returns:
            Its path below the inbox folder.
        Raises:
            ValueError: `source` is no source name.
        """
        folder = self._folder(source)
        part = part_in(folder)
        with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
            for member, path in members.items():
                entry = zipfile.ZipInfo(member)  # of 1980: when a file was copied says nothing of what is in it
                entry.external_attr = 0o644 << 16
                with path.open("rb") as file, archive.open(entry, "w", force_zip64=True) as packed:
                    shutil.copyfileobj(file, packed, 1 << 20)
        return _show(part, folder / name)

    def _folder(self, source: str) -> Path:
        if not SOURCE.fullmatch(source):
            raise ValueError(f"source is {source!r}; expected lower-case letters, digits and -, such as line-1")
        folder = self._landing / source
        folder.mkdir(exist_ok=True)
        return folder

    def path(self, file: str) -> Path:
        return self._landing / file

    def claim(self, file: str) -> Claim | None:
        """A file of the inbox, by its content; None where another run took it.

        Raises:
            OSError: It cannot be read.
        """
        return self._claimed(self.path(file), file.partition("/")[0], self.path(file).name)

    def bring_back(self, folder: str) -> Claim | None:
        """The original of a folder in quarantine, to be landed once more; None where it is there no more."""
        place = Path(self.root) / folder
        facts, original = read_json(place / "reason.json"), _original(place)
        if facts is None or original is None:
            return None
        return self._claimed(original, facts["source"], facts["name"], refused_in=place)

    def landing_note(self, batch_id: str, *, source: str) -> dict[str, Any] | None:
        """What the archive says of a batch: `batch_seq`, `landed_at`, how it was read; None where it is not there."""
        return read_json(self._archived(source, batch_id) / "landing.json")

    def has_archived(self, batch_id: str, *, source: str) -> bool:
        """Whether a file of this content has landed for the source."""
        return (self._archived(source, batch_id) / "landing.json").exists()

    def archived(self, *, source: str) -> dict[str, dict[str, Any]]:
        """What the archive says of every batch of a source, by its id, in order of first landing."""
        notes = (Path(self.root) / "archive" / source).glob("*/*/landing.json")
        told = {note.parent.name: read_json(note) or {} for note in notes}
        return dict(sorted(told.items(), key=lambda entry: entry[1].get("batch_seq", 0)))

    def from_archive(self, batch_id: str, *, source: str) -> Claim | None:
        """The original of a batch that has landed; None where it is there no more, or not what it was."""
        folder = self._archived(source, batch_id)
        original, note = _original(folder), read_json(folder / "landing.json")
        claim = self._claimed(original, source, note["name"]) if original and note else None
        return claim if claim and claim.batch_id == batch_id else None

    def note_landing(self, batch_id: str, *, source: str, **facts: Any) -> None:
        """Say something else of a batch in the archive."""
        note = self._archived(source, batch_id) / "landing.json"
        write_json(note, {**(read_json(note) or {}), **facts})

    def archived_sources(self) -> list[str]:
        """Sources that have an archive."""
        folders = (Path(self.root) / "archive").glob("*/")
        return sorted(folder.name for folder in folders if SOURCE.fullmatch(folder.name))

    def archive(self, claim: Claim, *, facts: Mapping[str, Any]) -> bool:
        """Keep a file whose rows are committed under its content's name, for good; a file of the inbox leaves it.

        Returns:
            False where the file was written to meanwhile: it is another one by now, and stays.
        """
        folder = self._archived(claim.source, claim.batch_id)
        make_folder(folder)
        with alone(folder):
            is_known = (folder / "landing.json").exists()
            if not is_known or claim.refused_in:
                if not claim.is_as_it_was():
                    return not claim.path.exists()
                keep_original(claim.path, folder)
                write_json(folder / "landing.json", {"name": claim.name, **facts})
        return self._leave(claim)

    def quarantine(
        self, claim: Claim, *, at: datetime, reason: Mapping[str, Any], rows: pl.DataFrame | None = None
    ) -> str | None:
        """Keep a file that cannot be used, or the refused rows of one that is archived, with the reason.

        The same content lies there once, with the newest reason.

        Args:
            claim: The file.
            at: When; names the folder of the day.
            reason: For `reason.json`: code, message, remedy.
            rows: Refused rows; without it the file itself leaves the inbox for the quarantine.
        Returns:
            The folder, below the home; None where the file was written to meanwhile: it is another one, and stays.
        """
        quarantine = Path(self.root) / "quarantine" / claim.source
        held = next(quarantine.glob(f"*/{claim.batch_id}"), None)
        folder = held or quarantine / f"{at:%Y-%m-%d}" / claim.batch_id
        facts = {"name": claim.name, "source": claim.source, "sha256": claim.batch_id, "at": at.isoformat(), **reason}
        below = str(folder.relative_to(self.root))
        make_folder(folder)
        with alone(folder):
            if not claim.is_as_it_was():
                return below if (folder / "reason.json").exists() else None
            if claim.refused_in is None:
                keep_original(claim.path, folder)
            if rows is None:
                (folder / "rows.parquet").unlink(missing_ok=True)
            else:
                rows.write_parquet(folder / ".rows.part")
                sync(folder / ".rows.part")
                (folder / ".rows.part").replace(folder / "rows.parquet")
            write_json(folder / "reason.json", facts)
        if rows is None:
            self._leave(claim)
        return below

    def refused(self, *, source: str | None = None) -> list[Refused]:
        """What lies in quarantine, of one source or all, newest first."""
        places = (Path(self.root) / "quarantine").glob(f"{source or '*'}/*/*/reason.json")
        found = [(str(place.parent.relative_to(self.root)), read_json(place)) for place in places]
        listed = [Refused(folder, facts) for folder, facts in found if facts is not None]
        return sorted(listed, key=lambda one: (one.facts["at"], one.folder), reverse=True)

    def refused_rows(self, folder: str) -> pl.DataFrame | None:
        """Rows that were refused of a file; None where the file was refused as a whole."""
        rows = Path(self.root) / folder / "rows.parquet"
        return pl.read_parquet(rows) if rows.exists() else None

    def refused_batches(self, *, source: str) -> dict[str, str]:
        """Folder below the home by content, of what lies in quarantine of a source."""
        folders = (Path(self.root) / "quarantine" / source).glob("*/*/")
        return {folder.name: str(folder.relative_to(self.root)) for folder in folders}

    def release(self, folder: str) -> None:
        """Empty a folder of quarantine of which nothing is refused any more; its original is in the archive."""
        place = Path(self.root) / folder
        for name in ("reason.json", "rows.parquet"):  # the reason first: without it there is no entry
            (place / name).unlink(missing_ok=True)
        shutil.rmtree(place, ignore_errors=True)
        with suppress(OSError):  # others of that day are still there
            place.parent.rmdir()

    def discard(self, claim: Claim) -> None:
        """Take a file out of the inbox whose content another one of the same run lands."""
        self._leave(claim)

    def _claimed(self, path: Path, source: str, name: str, *, refused_in: Path | None = None) -> Claim | None:
        try:
            state = _state(path)
            return Claim(source, name, path, sha256(path), state, refused_in)
        except FileNotFoundError:
            return None

    def _leave(self, claim: Claim) -> bool:
        if claim.refused_in is None:
            if not claim.is_as_it_was():
                return not claim.path.exists()
            claim.path.unlink(missing_ok=True)
        return True

    def _files(self) -> Iterator[Path]:
        for folder in self._landing.iterdir():
            if folder.is_dir() and SOURCE.fullmatch(folder.name) and not _is_closed(folder):
                yield from filter(_is_text, folder.iterdir())

    def _archived(self, source: str, batch_id: str) -> Path:
        return Path(self.root) / "archive" / source / batch_id[:2] / batch_id


def _show(part: Path, target: Path) -> str:
    """Let a whole file show under its name; its path below the inbox folder."""
    try:
        os.link(part, target)
        part.unlink()
    except OSError as error:
        if error.errno not in (errno.EEXIST, *NO_LINKS):
            raise
        # another file of this name waits already, or there are no links to find out: keep both
        target = target.with_name(f"{target.stem[:50]}-{sha256(part)[:8]}{target.suffix}")
        part.replace(target)
    return f"{target.parent.name}/{target.name}"


def part_in(folder: Path) -> Path:
    """Where to write what is put into a folder of the inbox under its name when it is whole.

    It says whose it is, so that it goes when its process died; the longest name has no room for an ending.
    """
    return folder / f".{os.getpid()}-{time.monotonic_ns()}.part"


def sha256(path: Path) -> str:
    """Content hash of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _settled(path: Path) -> os.stat_result | None:
    """State of a file nobody writes to any more; None for one that is still coming, or no file."""
    if _is_unfinished(path):
        return None
    try:
        stat = path.stat()
    except OSError:  # processed between listing and looking, or a link to nowhere
        return None
    if not path.is_file():
        return None
    written = min(stat.st_mtime, stat.st_ctime)  # a sender's clock may be ahead, the kernel's is not
    return stat if time.time() - written >= SETTLED_S or _is_whole_parquet(path, stat.st_size) else None


def _is_whole_parquet(path: Path, size: int) -> bool:
    """Whether it ends in a footer: that is written last, so nobody is writing to it any more."""
    if path.suffix != ".parquet" or size < len(PARQUET) + FOOTER:
        return False
    try:
        with path.open("rb") as file:
            file.seek(size - FOOTER)
            length, magic = struct.unpack("<i4s", file.read(FOOTER))
    except (OSError, struct.error):
        return False
    return bool(magic == PARQUET and 0 < length <= size - len(PARQUET) - FOOTER)


def _is_unfinished(path: Path) -> bool:
    """Whether its name says that it is still being written."""
    return path.name.startswith(".") or path.suffix in (".part", ".tmp")


def _is_closed(folder: Path) -> bool:
    """Whether a folder may not be looked into: then its files wait, and those of other sources do not."""
    try:
        with os.scandir(folder):
            return not os.access(folder, os.X_OK)
    except OSError:
        return True


def _is_text(path: Path) -> bool:
    """Whether the name can be told: in a run's config, in a note."""
    return not any("\ud800" <= letter <= "\udfff" for letter in path.name)


def _state(path: Path) -> tuple[int, ...]:
    """What changes when a file is written to or replaced; empty where there is none. A link counts as what it names."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return ()
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns


def _original(folder: Path) -> Path | None:
    return next(folder.glob("original*"), None)
