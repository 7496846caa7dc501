"""The inbox: files that arrived, the archive they go to, the quarantine of those that cannot be used."""

import errno
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

SETTLED_S = 0.5
POLL_S = 0.1
SOURCE = re.compile(r"[a-z][a-z0-9-]{0,62}")
SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")


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
        found = []
        for folder in self._landing.iterdir():
            if folder.is_dir() and SOURCE.fullmatch(folder.name):
                found += [(stat, path) for path in folder.iterdir() if _is_text(path) and (stat := _settled(path))]
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

    def strays(self) -> list[str]:
        """What lies in the inbox but can never be processed.

        Loose files, folders whose name is no source name, folders in folders, names that are no UTF-8.
        """
        found = []
        for path in self._landing.iterdir():
            if path.is_dir() and SOURCE.fullmatch(path.name):
                found += [below for below in path.iterdir() if below.is_dir() or not _is_text(below)]
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
        if not SOURCE.fullmatch(source):
            raise ValueError(f"source is {source!r}; expected lower-case letters, digits and -, such as line-1")
        folder = self._landing / source
        folder.mkdir(exist_ok=True)
        target = folder / path.name
        part = folder / f".{os.getpid()}-{time.monotonic_ns()}.part"  # the longest name has no room for an ending
        shutil.copyfile(path, part)
        try:
            os.link(part, target)
            part.unlink()
        except FileExistsError:  # another file of this name waits already: keep both
            target = folder / f"{path.stem[:50]}-{sha256(part)[:8]}{path.suffix}"
            part.replace(target)
        return f"{source}/{target.name}"

    def path(self, file: str) -> Path:
        return self._landing / file

    def has_archived(self, batch_id: str, *, source: str) -> bool:
        """Whether a file of this content has landed for the source."""
        return (self._archived(source, batch_id) / "landing.json").exists()

    def archive(self, file: str, *, batch_id: str, facts: Mapping[str, Any]) -> None:
        """Move a file whose rows are committed out of the inbox, for good, under its content's name."""
        path = self.path(file)
        folder = self._archived(path.parent.name, batch_id)
        if (folder / "landing.json").exists():  # the same bytes came before
            path.unlink(missing_ok=True)
            return
        _keep(path, folder, "landing.json", {"name": path.name, **facts})

    def _archived(self, source: str, batch_id: str) -> Path:
        return Path(self.root) / "archive" / source / batch_id[:2] / batch_id

    def quarantine(
        self, file: str, *, batch_id: str, at: datetime, reason: Mapping[str, Any], rows: pl.DataFrame | None = None
    ) -> str:
        """Keep a file that cannot be used, or the refused rows of one that is archived, with the reason.

        Args:
            file: Path below the inbox folder.
            batch_id: sha256 of its content.
            at: When; names the folder of the day.
            reason: For `reason.json`: code, message, remedy.
            rows: Refused rows; without it the file itself leaves the inbox for the quarantine.
        Returns:
            The folder, below the home.
        """
        path = self.path(file)
        below = Path("quarantine") / path.parent.name / f"{at:%Y-%m-%d}" / batch_id
        folder = Path(self.root) / below
        facts = {"name": path.name, "source": path.parent.name, "sha256": batch_id, "at": at.isoformat(), **reason}
        if rows is None:
            _keep(path, folder, "reason.json", facts)
            return str(below)
        folder.mkdir(parents=True, exist_ok=True)
        _keep_original(path, folder)
        rows.write_parquet(folder / "rows.parquet")
        _write_json(folder / "reason.json", facts)
        return str(below)


def sha256(path: Path) -> str:
    """Content hash of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _settled(path: Path) -> os.stat_result | None:
    """State of a file nobody writes to any more; None for one that is still coming, or no file."""
    if path.name.startswith(".") or path.suffix in (".part", ".tmp"):
        return None
    try:
        stat = path.stat()
    except FileNotFoundError:  # processed between listing and looking
        return None
    written = min(stat.st_mtime, stat.st_ctime)  # a sender's clock may be ahead, the kernel's is not
    return stat if path.is_file() and time.time() - written >= SETTLED_S else None


def _is_text(path: Path) -> bool:
    """Whether the name can be told: in a run's config, in a note."""
    return not any("\ud800" <= letter <= "\udfff" for letter in path.name)


def _keep(path: Path, folder: Path, note: str, facts: Mapping[str, Any]) -> None:
    """Move `path` into `folder` with a note beside it, surviving a crash at any point: the note is written last."""
    folder.mkdir(parents=True, exist_ok=True)
    with path.open("rb") as file:
        os.fsync(file.fileno())
    _keep_original(path, folder)
    _write_json(folder / note, facts)
    path.unlink(missing_ok=True)


def _keep_original(path: Path, folder: Path) -> None:
    original = folder / f"original{_suffix(path)}"
    if original.exists():
        return
    if not path.is_symlink():
        try:
            os.link(path, original)
        except OSError as error:
            if error.errno != errno.EXDEV:  # an inbox on a disk of its own cannot share the bytes: they are copied
                raise
        else:
            return
    part = folder / ".original.part"  # of a link the bytes are kept, not the link
    shutil.copyfile(path, part)
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(original)


def _write_json(path: Path, facts: Mapping[str, Any]) -> None:
    part = path.with_name(f".{path.name}.part")
    with part.open("w", encoding="utf-8") as file:
        json.dump(facts, file, indent=2, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _suffix(path: Path) -> str:
    return path.suffix.lower() if SUFFIX.fullmatch(path.suffix.lower()) else ""
