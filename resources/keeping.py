"""Keeping files for good: whole or not at all, on the disk before anybody relies on it, whatever the file system."""

import errno
import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")
NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EXDEV, errno.ENOSYS, errno.EMLINK, errno.EACCES)
"""What a file system answers that has no hard links, or will not make this one."""


def keep_original(path: Path, folder: Path) -> Path:
    """The bytes of `path` in `folder`, as `original` with its plain suffix; where they lie there already, those."""
    original = folder / f"original{suffix(path)}"
    if not original.exists():
        sync(path)
        _duplicate(path, original)
    return original


def write_json(path: Path, facts: Mapping[str, Any]) -> None:
    """A note, whole or not at all, on the disk with the names of all files beside it."""
    part = path.with_name(f".{path.name}.part")
    with part.open("w", encoding="utf-8") as file:
        json.dump(facts, file, indent=2, ensure_ascii=False, default=str)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync(path.parent)


def read_json(path: Path) -> dict[str, Any] | None:
    """A note; None where there is none."""
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return facts


def make_folder(folder: Path) -> None:
    """A folder that survives a power cut: each that is new is on the disk in the one above it."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync(folder.parent)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One process at a time in a folder: two runs may keep the same bytes at once."""
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)  # freed with the process, however it ends
        yield
    finally:
        os.close(held)


def suffix(path: Path) -> str:
    """Ending of a file name where it is a plain one, in lower case; else none."""
    return path.suffix.lower() if SUFFIX.fullmatch(path.suffix.lower()) else ""


def _duplicate(path: Path, target: Path) -> None:
    """The bytes of `path` under another name too: a link where that can be, else a copy that shows whole."""
    if not path.is_symlink():  # of a link the bytes are kept, not the link
        try:
            os.link(path, target)
            return
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
    part = target.with_name(f".{target.name}.part")
    shutil.copyfile(path, part)
    sync(part)
    part.replace(target)


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    held = os.open(path, os.O_RDONLY)
    try:
        os.fsync(held)
    finally:
        os.close(held)
