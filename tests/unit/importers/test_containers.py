"""Archives from strangers: what is in them comes out whole, and whatever is not meant well is refused in words."""

import gzip
import io
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from snapshot_files import damaged, packed

from pipelines.importers import containers
from pipelines.importers.containers import MOST_NAME, members, natural
from pipelines.importers.parsed import FileError


def read(path: Path) -> dict[str, bytes]:
    return {member.name: member.contents(1 << 26) for member in members(path)}


def refused(path: Path) -> str:
    with pytest.raises(FileError) as refusal:
        read(path)
    assert path.name in str(refusal.value)
    return refusal.value.code


def changed(name: str = "a.csv", **facts: int | str) -> Callable[[Path], Path]:
    """Makes a zip of one member with these facts in its entry, and another member after it."""

    def make(path: Path) -> Path:
        with zipfile.ZipFile(path, "w") as archive:
            entry = zipfile.ZipInfo(name)
            for fact, value in facts.items():
                setattr(entry, fact, value)
            archive.writestr(entry, b"1,2\n")
            archive.writestr("z.csv", b"3,4\n")
        return path

    return make


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_the_members_of_a_zip_come_in_natural_order(tmp_path, method):
    path = packed(tmp_path / "a.ZIP", {"x/10.csv": b"ten", "x/2.csv": b"two", "x/empty.csv": b""}, method=method)
    assert list(read(path).items()) == [("x/2.csv", b"two"), ("x/10.csv", b"ten"), ("x/empty.csv", b"")]


def test_a_plain_file_is_its_own_member_and_a_gzip_one_has_the_name_inside(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"1,2\n")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"1,2\n") + gzip.compress(b"3,4\n"))
    assert read(tmp_path / "a.csv") == {"a.csv": b"1,2\n"}
    assert read(tmp_path / "a.csv.gz") == {"a.csv": b"1,2\n3,4\n"}


def test_members_can_be_read_again_after_all_were_listed(tmp_path):
    listed = list(members(packed(tmp_path / "a.zip", {"a.csv": b"1", "b.csv": b"2"})))
    assert [[member.contents(9) for member in listed] for _ in range(2)] == [[b"1", b"2"]] * 2


def test_folders_and_the_litter_of_file_managers_are_passed_over(tmp_path):
    litter = {"__MACOSX/x/._1.csv": b"", "x/.DS_Store": b"", "x/._2.csv": b"", "Thumbs.db": b"", "x/": b""}
    assert read(packed(tmp_path / "a.zip", {**litter, "x/1.csv": b"1"})) == {"x/1.csv": b"1"}


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (changed("../a.csv"), "hostile_archive"),
        (changed("x/../../a.csv"), "hostile_archive"),
        (changed("/etc/a.csv"), "hostile_archive"),
        (changed("x\\..\\a.csv"), "hostile_archive"),
        (changed("C:/a.csv"), "hostile_archive"),
        (changed("c:a.csv"), "hostile_archive"),
        (changed("a" * (MOST_NAME + 1)), "hostile_archive"),
        (changed(external_attr=(stat.S_IFLNK | 0o777) << 16), "hostile_archive"),
        (changed("inner.zip"), "nested_archive"),
        (changed("inner.tar.GZ"), "nested_archive"),
        (lambda path: packed(path, {"a.csv": b"1", "b.csv": gzip.compress(b"1")}), "nested_archive"),
        (lambda path: packed(path, {"a.csv": packed(path, {"b": b"1"}).read_bytes()}), "nested_archive"),
        (lambda path: packed(path, {"a.csv": b"\0" * 257 + b"ustar"}), "nested_archive"),
        (lambda path: packed(path, {}), "empty"),
        (lambda path: packed(path, {"__MACOSX/a.csv": b"1"}), "empty"),
        (lambda path: packed(path, {"a.csv": b"1" * 99}, method=zipfile.ZIP_LZMA), "unknown_archive"),
        (lambda path: packed(path, {"a.csv": b"1" * 99}, method=zipfile.ZIP_BZIP2), "unknown_archive"),
    ],
)
def test_an_archive_that_nobody_should_unpack_is_refused(make, code, tmp_path):
    assert refused(make(tmp_path / "a.zip")) == code


@pytest.mark.parametrize("name", [b"a.csv\0.exe", b"\0.csv+.exe", b"x/\0sv+.exe"])
def test_a_part_of_a_name_hidden_behind_a_nul_is_refused(name, tmp_path):
    """The second was found by the fuzz run: `zipfile` fails on a name of nothing."""
    path = packed(tmp_path / "a.zip", {"a.csv+.exe": b"1", "b.csv": b"2"})
    path.write_bytes(path.read_bytes().replace(b"a.csv+.exe", name))
    assert refused(path) == "hostile_archive"


def test_a_name_that_is_there_twice_is_refused(tmp_path):
    path = packed(tmp_path / "a.zip", {"a.csv": b"1", "b.csv": b"2"})
    path.write_bytes(path.read_bytes().replace(b"b.csv", b"a.csv"))
    assert refused(path) == "hostile_archive"


def test_a_password_is_refused(tmp_path):
    path = packed(tmp_path / "a.zip", {"a.csv": b"1"})
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    assert refused(path) == "encrypted"


def test_members_that_share_their_bytes_are_refused(tmp_path):
    path = packed(tmp_path / "a.zip", {"a.csv": b"1" * 50, "b.csv": b"2" * 50})
    data = bytearray(path.read_bytes())
    second = data.rindex(b"PK\x01\x02")
    data[second + 42 : second + 46] = struct.pack("<I", 10)  # begins inside the first
    path.write_bytes(data)
    assert refused(path) == "hostile_archive"


def test_a_zip_that_promises_more_than_any_signal_packs_to_is_refused_before_anything_comes_out(tmp_path, monkeypatch):
    monkeypatch.setattr(containers, "FREE", 1 << 20)
    path = packed(tmp_path / "a.zip", {"a.csv": b"1", "b.csv": bytes(3 << 20)}, method=zipfile.ZIP_DEFLATED)
    with pytest.raises(FileError, match="times its size") as refusal:
        next(members(path))
    assert refusal.value.code == "bomb"


def test_a_header_that_promises_little_cannot_give_more(tmp_path):
    """The bytes that really come out are counted, whatever the header says."""
    path = packed(tmp_path / "a.zip", {"a.csv": bytes(1 << 20)}, method=zipfile.ZIP_DEFLATED)
    data = bytearray(path.read_bytes())
    for signature, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        start = data.index(signature) + at
        data[start : start + 4] = struct.pack("<I", 100)
    path.write_bytes(data)
    assert refused(path) == "damaged"


def test_a_gzip_bomb_is_stopped_by_the_bytes_that_came_out(tmp_path, monkeypatch):
    monkeypatch.setattr(containers, "FREE", 1 << 20)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(bytes(8 << 20)))
    assert refused(tmp_path / "a.csv.gz") == "bomb"


@pytest.mark.parametrize("kept", [0.2, 0.9, 0.999])
@pytest.mark.parametrize("name", ["a.zip", "a.csv.gz"])
def test_an_archive_that_is_cut_off_is_told(name, kept, tmp_path):
    path = tmp_path / name
    content = bytes(range(256)) * 40
    packed(path, {"a.csv": content}) if name == "a.zip" else path.write_bytes(gzip.compress(content))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    assert refused(path) in ("not_zip", "damaged")


def test_a_member_whose_checksum_fails_is_told_and_the_others_come(tmp_path):
    path = damaged(packed(tmp_path / "a.zip", {"a.csv": b"1,2", "b.csv": b"3,4"}), b"1,2", by=b"1,9")
    bad, good = members(path)
    assert good.contents(9) == b"3,4"
    with pytest.raises(FileError, match=r"a\.zip, 'a\.csv': damaged"):
        bad.contents(9)


def test_a_file_larger_than_asked_for_is_told(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"12345")
    (member,) = members(tmp_path / "a.csv")
    assert member.contents(5) == b"12345"
    with pytest.raises(FileError, match="more than 0 MB"):
        member.contents(4)


@pytest.mark.parametrize("name", ["a.7z", "a.rar", "a.tar", "a.tgz"])
def test_another_kind_of_archive_is_told(name, tmp_path):
    (tmp_path / name).write_bytes(b"x")
    assert refused(tmp_path / name) == "unknown_archive"


def test_an_archive_by_its_content_is_told_though_its_name_says_otherwise(tmp_path):
    packed(tmp_path / "a.csv", {"b.csv": b"1"})
    assert refused(tmp_path / "a.csv") == "nested_archive"


def test_text_called_zip_is_told(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"1,2\n" * 50)
    assert refused(tmp_path / "a.zip") == "not_zip"


def test_more_members_than_can_be_meant_are_refused_by_the_size_of_the_directory(tmp_path, monkeypatch):
    path = packed(tmp_path / "a.zip", {f"{number}.csv": b"" for number in range(50)})
    assert len(read(path)) == 50
    monkeypatch.setattr(containers, "MOST_MEMBERS", 49)
    assert refused(path) == "hostile_archive"
    monkeypatch.setattr(containers, "MOST_DIRECTORY", 1_000)
    with pytest.raises(FileError, match="a directory of"):
        next(members(path))


def test_a_hundred_thousand_members_are_listed_in_seconds(tmp_path):
    """The directory is written by hand: `zipfile` would take longer to write it than we to read it."""
    local = b"PK\x03\x04" + struct.pack("<HHHHHIIIHH", 20, 0, 0, 0, 33, 0, 0, 0, 9, 0)
    body, directory = io.BytesIO(), io.BytesIO()
    for number in range(100_000):
        name, at = b"%05d.csv" % number, body.tell()
        body.write(local + name)
        entry = struct.pack("<HHHHHHIIIHHHHHII", 20, 20, 0, 0, 0, 33, 0, 0, 0, 9, 0, 0, 0, 0, 0, at)
        directory.write(b"PK\x01\x02" + entry + name)
    size, start = directory.tell(), body.tell()
    wide = b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 100_000, 100_000, size, start)
    locator = b"PK\x06\x07" + struct.pack("<IQI", 0, start + size, 1)
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    (tmp_path / "a.zip").write_bytes(body.getvalue() + directory.getvalue() + wide + locator + end)
    found = list(members(tmp_path / "a.zip"))
    assert len(found) == 100_000
    assert found[-1].name == "99999.csv"
    assert found[-1].contents(9) == b""


@pytest.mark.parametrize(
    ("names", "sorted_names"),
    [
        (["b10", "b9", "a"], ["a", "b9", "b10"]),
        (["²", "1"], ["1", "²"]),
        ([f"1{'0' * 5_000}", "2"], ["2", f"1{'0' * 5_000}"]),
        (["", "0"], ["", "0"]),
    ],
)
def test_names_sort_as_people_count_whatever_is_in_them(names, sorted_names):
    assert sorted(names, key=natural) == sorted_names
