"""What arrived is kept for as long as the home says: originals in the archive, refused ones in quarantine."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

from resources.removed import Removed, remove


def expire_archive(root: Path, *, before: datetime) -> Removed:
    """Remove originals that landed before a moment.

    `landing.json` stays beside the empty place: the file is known, and lands nothing if it comes again. The lake can
    no longer be rebuilt from what is removed here.
    """
    removed = Removed()
    for note in root.glob("archive/*/*/*/landing.json"):
        # one that does not say when is kept
        if (landed := _moment(note, "landed_at")) is not None and landed < before:
            removed = removed.plus(remove(note.parent.glob("original*")))
    return removed


def expire_quarantine(root: Path, *, before: datetime) -> Removed:
    """Remove refused files and rows of days that ended before a moment; their reasons go last.

    What is refused once more lies in the folder of its first day: its reason says when it last was.
    """
    removed = Removed()
    for folder in root.glob("quarantine/*/*/*"):
        reason = folder / "reason.json"
        refused = _moment(reason, "at")
        day = refused.date() if refused else _day(folder.parent.name)
        if day is None or day >= before.date() or not folder.is_dir():
            continue
        content = [path for path in folder.iterdir() if path != reason and path.is_file()]
        removed = removed.plus(remove(content)).plus(remove([reason]))
        for empty in (folder, folder.parent):
            if not any(empty.iterdir()):
                empty.rmdir()
    return removed


def _moment(note: Path, name: str) -> datetime | None:
    """A moment of a note, in UTC; None where it does not say."""
    try:
        moment = datetime.fromisoformat(json.loads(note.read_text(encoding="utf-8"))[name])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _day(name: str) -> date | None:
    try:
        return date.fromisoformat(name)
    except ValueError:
        return None
