"""The inbox: a file shows whole or not at all, leaves last, and its original is kept whatever its name."""

import errno
import io
import json
import os
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from resources import keeping
from resources.inbox import SETTLED_S, Claim, Inbox, sha256
from sensors.landing import run_key

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
REASON = {"code": "no_header", "message": "found 'x'; expected machine_id"}
HOSTILE = [
    "a'; DROP TABLE readings; --.csv", "ünï 🏭.csv", "..hidden", "...", "-rf", "%s%n.csv", "<b>x<b>.csv", "=1+1.csv",
    "a\nb.csv", "*", "C:\\x.csv", "{file}", "n" * 251 + ".csv", "x." + "y" * 200, "ß" * 127, "NUL", "~", "$HOME", " ",
]  # fmt: skip


class Landing:
    """An inbox in a fresh home."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "landing").mkdir(parents=True)
        self.inbox = Inbox(root=str(root))

    def write(self, name: str, content: bytes = b"1", *, age_s: float = 60.0, source: str = "line") -> Path:
        """A file as somebody's own tool writes it, `age_s` seconds ago."""
        path = self.root / "landing" / source / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (time.time() - age_s,) * 2)
        return path

    def seen_at_once(self, name: str, *, age_s: float, content: bytes = b"1") -> list[str]:
        """What is pending right after a file was written; on a busy machine that may take several tries."""
        while True:
            begun = time.monotonic()
            self.write(name, content, age_s=age_s)
            found = self.pending()
            if time.monotonic() - begun < SETTLED_S:
                return found

    def pending(self) -> list[str]:
        return [one.file for one in self.inbox.pending()]

    def claim(self, name: str) -> Claim:
        claim = self.inbox.claim(f"line/{name}")
        assert claim is not None
        return claim

    def archive(self, name: str, **facts: str) -> bool:
        return self.inbox.archive(self.claim(name), facts=facts)

    def refuse(self, name: str, rows: pl.DataFrame | None = None, **reason: str) -> Path:
        below = self.inbox.quarantine(self.claim(name), at=NOW, reason=REASON | reason, rows=rows)
        assert below is not None
        return self.root / below

    def tree(self) -> list[str]:
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file())


@pytest.fixture
def landing(tmp_path) -> Landing:
    return Landing(tmp_path / "home")


@pytest.fixture
def original(tmp_path) -> Path:
    path = tmp_path / "day-1.csv"
    path.write_bytes(b"machine_id,value\nm,1\n")
    return path


# --- putting


def test_a_file_put_there_is_a_copy_under_its_own_name(landing, original):
    assert landing.inbox.put(original, source="line-1") == "line-1/day-1.csv"
    assert landing.inbox.path("line-1/day-1.csv").read_bytes() == original.read_bytes()
    assert landing.tree() == ["landing/line-1/day-1.csv"]


def test_files_packed_from_anywhere_are_one_archive_of_the_same_bytes(landing, tmp_path):
    packed = []
    for place in ("here", "there"):
        (tmp_path / place).mkdir()
        for number in (2, 10):
            (tmp_path / place / f"{number}.csv").write_text(f"{number}\n" * 1000)
        files = {f"Bearing1_1/{n}.csv": tmp_path / place / f"{n}.csv" for n in (2, 10)}
        packed.append(landing.inbox.path(landing.inbox.pack(files, source="line", name="bearing.zip")))
    assert packed[0].name == "bearing.zip"
    assert packed[0].read_bytes() == packed[1].read_bytes()
    with zipfile.ZipFile(packed[0]) as archive:
        assert archive.namelist() == ["Bearing1_1/2.csv", "Bearing1_1/10.csv"]
        assert archive.read("Bearing1_1/10.csv") == b"10\n" * 1000


def test_a_file_being_put_there_is_seen_whole_or_not_at_all(landing, tmp_path):
    size = 32 * 2**20
    (tmp_path / "big.bin").write_bytes(os.urandom(2**20) * 32)
    folder, seen, over = landing.root / "landing" / "line", set(), threading.Event()
    folder.mkdir()

    def watch() -> None:
        while not over.is_set():
            for path in folder.iterdir():
                if not path.name.startswith("."):
                    seen.add(path.stat().st_size)

    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(watch)
        try:
            landing.inbox.put(tmp_path / "big.bin", source="line")
            time.sleep(0.05)
        finally:
            over.set()
        watching.result()
    assert seen == {size}


def test_a_put_that_was_cut_short_is_never_pending(landing, tmp_path):
    with pytest.raises(FileNotFoundError):
        landing.inbox.put(tmp_path / "absent.csv", source="line")
    assert landing.pending() == []


@pytest.mark.parametrize("name", ["day.csv", "day", "n" * 251 + ".csv", "🏭" * 62 + ".csv"])
def test_of_two_files_of_one_name_both_are_kept(landing, tmp_path, name):
    for number in range(3):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / name).write_text(str(number))
        landing.inbox.put(folder / name, source="line")
    waiting = list((landing.root / "landing" / "line").iterdir())
    assert sorted(path.read_text() for path in waiting) == ["0", "1", "2"]
    assert {path.suffix for path in waiting} == {Path(name).suffix}


@pytest.mark.parametrize("source", [f"line-{number}" for number in range(12)])
def test_files_of_one_name_put_there_at_once_are_all_kept(landing, tmp_path, source):
    contents = [bytes([number]) * 200_000 for number in range(8)]
    ready = threading.Barrier(len(contents))

    def put(number: int) -> None:
        path = tmp_path / str(number) / "day.csv"
        path.parent.mkdir()
        path.write_bytes(contents[number])
        ready.wait(30)
        landing.inbox.put(path, source=source)

    with ThreadPoolExecutor(len(contents)) as pool:
        list(pool.map(put, range(len(contents))))
    assert sorted(path.read_bytes() for path in (landing.root / "landing" / source).iterdir()) == contents


def test_the_same_file_put_there_twice_waits_under_two_names_at_most(landing, original):
    for _ in range(3):
        landing.inbox.put(original, source="line")
    assert len(list((landing.root / "landing" / "line").iterdir())) == 2


@pytest.mark.parametrize(
    "source", ["", "Line", "1", "1a", "-a", "a_b", "a b", "../up", "a/b", "a" * 64, "ä", "a\n", "a.b", ".", "a'"]
)
def test_a_source_that_is_no_source_name_is_refused_and_makes_no_folder(landing, original, source):
    with pytest.raises(ValueError, match="expected lower-case letters, digits and -"):
        landing.inbox.put(original, source=source)
    assert not list((landing.root / "landing").iterdir())
    assert landing.tree() == []


# --- pending


def test_files_still_being_written_are_not_pending(landing):
    landing.write("done.csv")
    for name in (".hidden.csv", "half.csv.part", "half.tmp"):
        landing.write(name)
    assert landing.seen_at_once("fresh.csv", age_s=0.0) == ["line/done.csv"]


def test_a_fresh_file_is_pending_as_soon_as_nobody_writes_to_it(landing):
    begun = time.monotonic()
    landing.write("fresh.csv", age_s=0.0)
    assert [one.file for one in landing.inbox.wait_for_pending(seconds=5.0)] == ["line/fresh.csv"]
    assert SETTLED_S - 0.1 <= time.monotonic() - begun < 4.0


def test_a_parquet_file_is_pending_at_once_when_its_footer_is_written(landing):
    buffer = io.BytesIO()
    pl.DataFrame({"value": range(1000)}).write_parquet(buffer)
    whole = buffer.getvalue()
    assert landing.seen_at_once("whole.parquet", age_s=0.0, content=whole) == ["line/whole.parquet"]
    for cut in (*range(0, len(whole), len(whole) // 16), len(whole) - 1):
        assert landing.seen_at_once("cut.parquet", age_s=0.0, content=whole[:cut]) == ["line/whole.parquet"]
    assert landing.seen_at_once("small.parquet", age_s=0.0, content=b"PAR1\x01\x00\x00\x00PAR1") == [
        "line/whole.parquet"
    ]


def test_what_lies_there_settles_and_what_is_no_whole_file_is_not_waited_for(landing):
    for name in (".hidden.csv", "half.csv.part"):
        landing.write(name, age_s=0.0)
    (landing.write("fresh.csv", age_s=0.0).parent / "folder").mkdir()
    begun = time.monotonic()
    landing.inbox.settle(seconds=5.0)
    assert SETTLED_S - 0.1 <= time.monotonic() - begun < 4.0
    assert landing.seen_at_once("later.csv", age_s=0.0) == ["line/fresh.csv"]


def test_waiting_ends_empty_handed_when_the_time_is_over(landing):
    begun = time.monotonic()
    assert landing.inbox.wait_for_pending(seconds=0.2) == []
    assert 0.2 <= time.monotonic() - begun < 2.0


def test_a_file_whose_sender_has_a_clock_ahead_of_ours_does_not_wait_for_that_day(landing):
    assert landing.seen_at_once("tomorrow.csv", age_s=-86_400.0) == []
    assert [one.file for one in landing.inbox.wait_for_pending(seconds=3.0)] == ["line/tomorrow.csv"]


def test_files_are_pending_oldest_first_over_all_sources_and_by_name_where_equally_old(landing):
    landing.write("b.csv", age_s=30.0)
    landing.write("c.csv", age_s=90.0, source="other")
    landing.write("z.csv", age_s=60.0)
    at = time.time() - 10.0
    for name in ("y.csv", "x.csv"):
        os.utime(landing.write(name), (at, at))
    assert landing.pending() == ["other/c.csv", "line/z.csv", "line/b.csv", "line/x.csv", "line/y.csv"]


def test_a_pending_file_names_its_source(landing):
    landing.write("a.csv", source="line-2")
    assert [(one.source, one.file) for one in landing.inbox.pending()] == [("line-2", "line-2/a.csv")]


@pytest.mark.parametrize("how", ["written over", "renamed over", "taken and put back"])
def test_the_token_changes_when_a_file_is_replaced_with_the_same_size_and_time(landing, how):
    path = landing.write("a.csv", b"1")
    [before] = landing.inbox.pending()
    state = path.stat()
    time.sleep(0.02)  # a kernel's clock ticks each 4 to 10 ms
    if how == "written over":
        path.write_bytes(b"2")
    elif how == "renamed over":
        path.with_name(".new").write_bytes(b"2")
        path.with_name(".new").replace(path)
    else:
        path.rename(landing.root / "elsewhere")
        (landing.root / "elsewhere").rename(path)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    [after] = landing.inbox.pending()
    assert (after.file, path.stat().st_size) == (before.file, state.st_size)
    assert after.token != before.token


def test_the_token_stays_while_nobody_touches_the_file(landing):
    landing.write("a.csv")
    assert landing.inbox.pending() == landing.inbox.pending()


def test_strays_are_told_and_never_pending(landing):
    landing.write("good.csv")
    folder = landing.root / "landing"
    (folder / "loose.csv").write_text("1")
    (folder / ".git").mkdir()
    (folder / "Line 1").mkdir()
    (folder / "Line 1" / "a.csv").write_text("1")
    (folder / "line" / "2026").mkdir()
    (folder / "line" / "2026" / "deep.csv").write_text("1")
    (folder / os.fsdecode(b"line/latin-\xfc.csv")).write_text("1")
    for path in folder.rglob("*"):
        os.utime(path, (0, 0))
    (folder / "line" / "round").symlink_to("round")
    (folder / "line" / "nowhere.csv").symlink_to("absent")
    assert landing.inbox.strays() == [
        "Line 1", "line/2026", "line/latin-\udcfc.csv", "line/nowhere.csv", "line/round", "loose.csv"
    ]  # fmt: skip
    assert landing.pending() == ["line/good.csv"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look everywhere")
@pytest.mark.parametrize("mode", [0o000, 0o200, 0o400, 0o600])
def test_a_folder_that_may_not_be_looked_into_holds_up_no_other_source_and_is_told(landing, mode):
    landing.write("a.csv", source="closed")
    landing.write("b.csv", source="line")
    (landing.root / "landing" / "closed").chmod(mode)
    assert landing.pending() == ["line/b.csv"]
    assert landing.inbox.strays() == ["closed"]
    landing.inbox.settle(seconds=0.0)


def test_an_empty_inbox_has_nothing_pending_and_no_strays(landing):
    assert (landing.inbox.pending(), landing.inbox.strays()) == ([], [])


@pytest.mark.parametrize("name", [name for name in HOSTILE if not name.startswith(".")])
def test_a_pending_file_of_any_name_can_be_asked_for_in_a_run(landing, name):
    landing.write(name)
    arrived = landing.inbox.pending()
    assert [one.file for one in arrived] == [f"line/{name}"]
    assert run_key(arrived, 0).endswith(":0")
    assert json.loads(json.dumps(arrived[0].file)) == f"line/{name}"


# --- archive


def archived(landing: Landing, batch_id: str, *, source: str = "line") -> Path:
    return landing.root / "archive" / source / batch_id[:2] / batch_id


def test_an_archived_file_leaves_the_inbox_and_is_kept_under_its_content(landing):
    path = landing.write("day.CSV", b"content")
    batch = sha256(path)
    assert not landing.inbox.has_archived(batch, source="line")
    assert landing.archive("day.CSV", importer="readings")
    assert landing.inbox.has_archived(batch, source="line")
    assert not landing.inbox.has_archived(batch, source="other")
    assert landing.tree() == [
        str(archived(landing, batch).relative_to(landing.root) / name) for name in ("landing.json", "original.csv")
    ]
    assert (archived(landing, batch) / "original.csv").read_bytes() == b"content"
    note = json.loads((archived(landing, batch) / "landing.json").read_text())
    assert note == {"name": "day.CSV", "importer": "readings"}


def test_the_same_bytes_that_come_again_leave_the_inbox_and_the_archive_as_it_was(landing):
    batch = sha256(landing.write("day.csv"))
    landing.archive("day.csv", landed_at="first")
    before = landing.tree()
    landing.write("again.txt")
    landing.archive("again.txt", landed_at="second")
    assert landing.tree() == before
    assert "first" in (archived(landing, batch) / "landing.json").read_text()


def test_archiving_a_file_that_another_run_archived_is_done(landing):
    landing.write("day.csv")
    claim = landing.claim("day.csv")
    assert [landing.inbox.archive(claim, facts={}) for _ in range(2)] == [True, True]
    assert landing.inbox.has_archived(claim.batch_id, source="line")
    assert landing.inbox.claim("line/day.csv") is None


@pytest.mark.parametrize("reached", ["folder", "original", "half a note", "note"])
def test_a_crash_between_the_steps_of_archiving_heals_at_the_next_try(landing, reached):
    path = landing.write("day.csv", b"content")
    batch = sha256(path)
    folder = archived(landing, batch)
    folder.mkdir(parents=True)
    if reached != "folder":
        keeping.keep_original(path, folder)
    if reached == "half a note":
        (folder / ".landing.json.part").write_text('{"na')
    if reached == "note":
        keeping.write_json(folder / "landing.json", {"name": "day.csv"})
    assert landing.inbox.has_archived(batch, source="line") is (reached == "note")
    assert landing.pending() == ["line/day.csv"]  # it leaves last

    assert landing.archive("day.csv")
    assert landing.pending() == []
    assert sorted(path.name for path in folder.iterdir()) == ["landing.json", "original.csv"]
    assert (folder / "original.csv").read_bytes() == b"content"
    assert json.loads((folder / "landing.json").read_text()) == {"name": "day.csv"}


@pytest.mark.parametrize("keep", ["archive", "quarantine"])
def test_of_a_link_the_bytes_are_kept_and_not_the_link(landing, tmp_path, keep):
    elsewhere = tmp_path / "elsewhere.csv"
    elsewhere.write_bytes(b"content")
    (landing.root / "landing" / "line").mkdir()
    (landing.root / "landing" / "line" / "link.csv").symlink_to(elsewhere)
    landing.archive("link.csv") if keep == "archive" else landing.refuse("link.csv")
    elsewhere.unlink()
    [kept] = landing.root.rglob("original.csv")
    assert kept.read_bytes() == b"content"
    assert not (landing.root / "landing" / "line" / "link.csv").is_symlink()


# --- quarantine


@pytest.mark.parametrize("name", HOSTILE)
def test_a_refused_file_is_kept_as_it_was_with_the_reason_whatever_its_name(landing, name):
    content = b"\x00\xff not a table \n"
    batch = sha256(landing.write(name, content))
    folder = landing.refuse(name)
    assert folder == landing.root / f"quarantine/line/2026-01-05/{batch}"
    [original] = folder.glob("original*")
    assert original.read_bytes() == content
    assert json.loads((folder / "reason.json").read_text("utf-8")) == {
        "name": name,
        "source": "line",
        "sha256": batch,
        "at": "2026-01-05T12:00:00+00:00",
        **REASON,
    }
    assert not list((landing.root / "landing" / "line").iterdir())
    assert len(landing.tree()) == 2


NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1).filter(
    lambda name: name not in (".", "..") and len(name.encode()) <= 255
)


@given(NAMES)
@example("a.b.c")
@example("." + "x" * 8)
@example("a." + "x" * 9)
@example("a.Ü")
def test_what_is_kept_is_called_original_with_a_plain_suffix_at_most(name):
    suffix = keeping.suffix(Path("line") / name)
    assert suffix == "" or (suffix[0] == "." and suffix[1:].isascii() and suffix[1:].isalnum() and len(suffix) <= 9)
    assert suffix in ("", Path(name).suffix.lower())


def test_refused_rows_are_kept_beside_the_original_which_stays_pending_until_it_is_archived(landing):
    landing.write("day.csv", b"content")
    rows = pl.DataFrame({"batch_row": [3], "reasons": ["value: in_range"]})
    for _ in range(2):  # a run that was killed does it again
        folder = landing.refuse("day.csv", rows)
    assert sorted(path.name for path in folder.iterdir()) == ["original.csv", "reason.json", "rows.parquet"]
    assert pl.read_parquet(folder / "rows.parquet").equals(rows)
    assert landing.pending() == ["line/day.csv"]

    landing.archive("day.csv")
    assert landing.pending() == []
    assert (folder / "original.csv").read_bytes() == b"content"


def test_the_same_bytes_refused_again_on_another_day_are_kept_once_with_the_newest_reason(landing):
    landing.write("a.csv")
    folder = landing.refuse("a.csv", pl.DataFrame({"batch_row": [3]}))
    landing.archive("a.csv")
    landing.write("b.csv")
    tomorrow = NOW + timedelta(days=1)
    landing.inbox.quarantine(landing.claim("b.csv"), at=tomorrow, reason={"code": "empty"})
    assert landing.pending() == []
    [entry] = landing.inbox.refused()
    assert (landing.root / entry.folder, entry.facts["code"], entry.facts["name"]) == (folder, "empty", "b.csv")
    assert landing.inbox.refused_rows(entry.folder) is None


def test_a_crash_before_the_reason_was_noted_heals_at_the_next_try(landing):
    path = landing.write("day.csv", b"content")
    batch = sha256(path)
    folder = landing.root / "quarantine" / "line" / "2026-01-05" / batch
    folder.mkdir(parents=True)
    keeping.keep_original(path, folder)
    landing.refuse("day.csv")
    assert landing.pending() == []
    assert sorted(path.name for path in folder.iterdir()) == ["original.csv", "reason.json"]


def test_a_content_hash_is_that_of_sha256sum(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    assert sha256(tmp_path / "x") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize("then", ["written over", "grown", "another put in its place"])
@pytest.mark.parametrize("keep", ["archive", "quarantine", "discard"])
def test_a_file_that_is_written_to_after_it_was_read_stays_as_another_one(landing, keep, then):
    path = landing.write("day.csv", b"old")
    claim = landing.claim("day.csv")
    if then == "another put in its place":
        path.unlink()
    path.write_bytes(b"new" if then == "written over" else b"much more")
    new = sha256(path)
    if keep == "archive":
        assert not landing.inbox.archive(claim, facts={})
    elif keep == "quarantine":
        assert landing.inbox.quarantine(claim, at=NOW, reason=REASON) is None
    else:
        landing.inbox.discard(claim)
    assert landing.claim("day.csv").batch_id == new
    assert not landing.inbox.has_archived(claim.batch_id, source="line")
    assert landing.inbox.refused() == []


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, errno.EXDEV])
def test_where_the_file_system_has_no_links_everything_is_kept_all_the_same(landing, original, monkeypatch, number):
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    names = {landing.inbox.put(original, source="line") for _ in range(2)}
    [name] = names
    os.utime(landing.inbox.path(name), (0, 0))
    landing.write("bad.csv", b"bad")
    folder = landing.refuse("bad.csv")
    assert (folder / "original.csv").read_bytes() == b"bad"
    claim = landing.inbox.claim(name)
    assert landing.inbox.archive(claim, facts={})
    assert (archived(landing, claim.batch_id) / "original.csv").read_bytes() == original.read_bytes()
    assert not [path for path in landing.tree() if path.startswith("landing") or ".part" in path]


def test_a_disk_that_is_full_is_no_file_system_without_links(landing, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    landing.write("day.csv")
    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(OSError, match="No space left"):
        landing.archive("day.csv")
    assert landing.pending() == ["line/day.csv"]


def test_what_is_kept_is_on_the_disk_with_every_folder_it_lies_in_before_the_file_leaves_the_inbox(
    landing, monkeypatch
):
    path, synced = landing.write("day.csv"), []
    sync = os.fsync

    def record(held: int) -> None:
        synced.append(Path(f"/proc/self/fd/{held}").readlink())
        assert path.exists()
        sync(held)

    monkeypatch.setattr(os, "fsync", record)
    landing.archive("day.csv")
    folder = archived(landing, sha256(next(landing.root.rglob("original.csv"))))
    chain = [folder, *folder.parents][: len(folder.relative_to(landing.root).parts) + 1]
    assert {path, folder / ".landing.json.part", *chain} <= set(synced)


def test_two_runs_that_keep_the_same_bytes_at_once_keep_them_once(landing):
    names = [f"{number}.csv" for number in range(6)]
    claims = [landing.claim(landing.write(name, b"same").name) for name in names]
    ready = threading.Barrier(len(claims))

    def keep(number: int) -> None:
        ready.wait(30)
        landing.inbox.quarantine(claims[number], at=NOW, reason=REASON, rows=pl.DataFrame({"batch_row": [1]}))
        landing.inbox.archive(claims[number], facts={"batch_seq": number})

    with ThreadPoolExecutor(len(claims)) as pool:
        list(pool.map(keep, range(len(claims))))
    assert landing.pending() == []
    assert len(landing.tree()) == 5


def test_what_is_refused_is_listed_newest_first_and_by_source(landing):
    for number, source in enumerate(("line", "other", "line")):
        landing.write("day.csv", bytes([number]), source=source)
        claim = landing.inbox.claim(f"{source}/day.csv")
        landing.inbox.quarantine(claim, at=NOW - timedelta(days=number), reason=REASON)
    listed = landing.inbox.refused()
    assert [entry.facts["at"][:10] for entry in listed] == ["2026-01-05", "2026-01-04", "2026-01-03"]
    assert [entry.facts["source"] for entry in landing.inbox.refused(source="other")] == ["other"]
    assert len(landing.inbox.refused_batches(source="line")) == 2


def test_a_file_brought_back_goes_to_the_archive_and_its_entry_is_released(landing):
    landing.write("day.csv", b"content")
    folder = landing.refuse("day.csv")
    [entry] = landing.inbox.refused()
    claim = landing.inbox.bring_back(entry.folder)
    assert (claim.file, claim.batch_id) == ("line/day.csv", sha256(folder / "original.csv"))
    assert landing.inbox.archive(claim, facts={"batch_seq": 64})
    landing.inbox.release(entry.folder)
    assert landing.inbox.landing_note(claim.batch_id, source="line") == {"name": "day.csv", "batch_seq": 64}
    assert list(landing.inbox.archived(source="line")) == [claim.batch_id]
    assert landing.inbox.from_archive(claim.batch_id, source="line").path.read_bytes() == b"content"
    assert landing.inbox.archived_sources() == ["line"]
    assert landing.inbox.refused() == []
    assert landing.inbox.bring_back(entry.folder) is None
    assert not list((landing.root / "quarantine" / "line").iterdir())


@pytest.mark.parametrize("state", ["gone", "changed"])
def test_an_original_that_is_gone_or_not_what_it_was_is_none(landing, state):
    claim = landing.claim(landing.write("day.csv", b"content").name)
    landing.inbox.archive(claim, facts={"batch_seq": 64})
    original = archived(landing, claim.batch_id) / "original.csv"
    original.unlink()
    if state == "changed":
        original.write_bytes(b"contenT")
    assert landing.inbox.from_archive(claim.batch_id, source="line") is None
    assert landing.inbox.archived(source="line")[claim.batch_id]["batch_seq"] == 64
