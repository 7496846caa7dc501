"""What arrived is kept as long as the home says, and that it landed is never forgotten."""

import hashlib
import json
from datetime import UTC, datetime, timedelta

import pytest

from resources.inbox import Inbox
from resources.retention import expire_archive, expire_quarantine

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def inbox(tmp_path) -> Inbox:
    (tmp_path / "home" / "landing").mkdir(parents=True)
    return Inbox(root=str(tmp_path / "home"))


@pytest.fixture
def root(tmp_path):
    return tmp_path / "home"


def put(inbox: Inbox, tmp_path, text: str) -> tuple[str, str]:
    path = tmp_path / "a.csv"
    path.write_text(text)
    return inbox.put(path, source="line"), hashlib.sha256(text.encode()).hexdigest()


def archive(inbox: Inbox, tmp_path, text: str, *, at: datetime) -> str:
    file, batch = put(inbox, tmp_path, text)
    inbox.archive(inbox.claim(file), facts={"importer": "readings", "landed_at": at.isoformat()})
    return batch


def originals(root) -> list[str]:
    return sorted(path.read_text() for path in root.glob("archive/*/*/*/original*"))


def test_originals_older_than_they_are_kept_go_and_younger_ones_stay(inbox, root, tmp_path):
    archive(inbox, tmp_path, "old", at=NOW - 31 * DAY)
    archive(inbox, tmp_path, "young", at=NOW - 29 * DAY)
    assert expire_archive(root, before=NOW - 30 * DAY) == (1, 3)
    assert originals(root) == ["young"]
    assert expire_archive(root, before=NOW - 30 * DAY) == (0, 0)


def test_that_a_file_landed_is_remembered_when_its_original_is_gone(inbox, root, tmp_path):
    batch = archive(inbox, tmp_path, "old", at=NOW - 31 * DAY)
    expire_archive(root, before=NOW)
    assert inbox.has_archived(batch, source="line")
    again, _ = put(inbox, tmp_path, "old")
    inbox.archive(inbox.claim(again), facts={})
    assert not inbox.path(again).exists()
    assert originals(root) == []


@pytest.mark.parametrize("note", ["", "{}", "[]", '{"landed_at": 7}', '{"landed_at": "yesterday"}'])
def test_an_original_whose_note_does_not_say_when_it_landed_stays(inbox, root, tmp_path, note):
    archive(inbox, tmp_path, "old", at=NOW - 31 * DAY)
    next(root.glob("archive/*/*/*/landing.json")).write_text(note)
    assert expire_archive(root, before=NOW) == (0, 0)
    assert originals(root) == ["old"]


def test_quarantine_of_days_that_are_over_goes_with_its_folders(inbox, root, tmp_path):
    for text, at in (("old", NOW - 31 * DAY), ("young", NOW - 30 * DAY)):
        file, _ = put(inbox, tmp_path, text)
        inbox.quarantine(inbox.claim(file), at=at, reason={"code": "empty"})
    removed = expire_quarantine(root, before=NOW - 30 * DAY)
    assert removed.files == 2  # the original and its reason
    (left,) = root.glob("quarantine/*/*/*")
    assert left.parent.name == "2026-01-30"
    assert json.loads((left / "reason.json").read_text())["code"] == "empty"


def test_what_was_refused_once_more_is_kept_from_that_day_on(inbox, root, tmp_path):
    for at in (NOW - 31 * DAY, NOW - DAY):
        file, _ = put(inbox, tmp_path, "again")
        inbox.quarantine(inbox.claim(file), at=at, reason={"code": "empty"})
    (folder,) = root.glob("quarantine/*/*/*")
    assert expire_quarantine(root, before=NOW - 30 * DAY) == (0, 0)
    (folder / "reason.json").unlink()  # then the folder's day counts
    assert expire_quarantine(root, before=NOW - 30 * DAY).files == 1


def test_what_lies_in_quarantine_without_a_day_is_left_alone(root):
    folder = root / "quarantine" / "line" / "mine" / "abc"
    folder.mkdir(parents=True)
    (folder / "reason.json").write_text("{}")
    assert expire_quarantine(root, before=NOW) == (0, 0)
    assert folder.exists()
