"""Downloads from a real server: whole and as the checksum says, or an error and no file."""

import hashlib
import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from resources.downloads import PLACES, SEEN, DownloadError, Place, Remote, fetch

DATA = b"timestamp,value\n" * 100_000
RIGHT, WRONG = f"sha256:{hashlib.sha256(DATA).hexdigest()}", f"sha256:{'0' * 64}"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the name it has there
        pass


@pytest.fixture
def served(tmp_path) -> Iterator[tuple[Path, str]]:
    """A folder with one file, and the address it is served at."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "a.csv").write_bytes(DATA)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def place(address: str, checksum: str | None, name: str = "data/a.csv") -> Place:
    return Place("http://publisher.example", "CC0", (Remote(name, f"{address}/a.csv", checksum),))


class Counted:
    """A progress bar that counts what it is told."""

    def __init__(self, name: str) -> None:
        self.name, self.total, self.seen = name, 0, 0

    def update(self, size: int) -> None:
        self.seen += size

    def reset(self) -> None:
        self.seen = 0

    def close(self) -> None:
        pass


def test_a_file_comes_whole_is_held_against_its_checksum_and_shows_its_progress(served, tmp_path):
    bars: list[Counted] = []

    def progress(name: str) -> Counted:
        bars.append(Counted(name))
        return bars[-1]

    told = fetch(place(served[1], RIGHT), tmp_path / "to", progress=progress)
    assert told == [{"name": "data/a.csv", "bytes": len(DATA), "checksum": RIGHT, "held_against": "publisher"}]
    assert (tmp_path / "to" / "data" / "a.csv").read_bytes() == DATA
    assert [(bar.name, bar.total) for bar in bars] == [("data/a.csv", len(DATA))]


def test_a_file_that_is_not_what_it_should_be_is_refused_and_not_left(served, tmp_path):
    with pytest.raises(DownloadError, match=r"data/a\.csv is not what it should be"):
        fetch(place(served[1], WRONG), tmp_path / "to")
    assert [path for path in (tmp_path / "to").rglob("*") if path.is_file()] == []


def test_a_file_without_a_published_checksum_is_held_against_the_first_download(served, tmp_path):
    folder, address = served
    assert fetch(place(address, None), tmp_path / "to")[0]["held_against"] == "nothing yet"
    assert json.loads((tmp_path / "to" / SEEN).read_text()) == {"data/a.csv": RIGHT}
    assert fetch(place(address, None), tmp_path / "to")[0]["held_against"] == "first download"
    (folder / "a.csv").write_bytes(DATA + b"altered\n")
    (tmp_path / "to" / "data" / "a.csv").unlink()
    with pytest.raises(DownloadError, match="not what it should be"):
        fetch(place(address, None), tmp_path / "to")


def test_a_file_that_is_there_is_not_fetched_again(served, tmp_path):
    fetch(place(served[1], RIGHT), tmp_path / "to")
    (served[0] / "a.csv").unlink()
    assert fetch(place(served[1], RIGHT), tmp_path / "to")[0]["bytes"] == len(DATA)


@pytest.mark.parametrize("address", ["/gone", "http://127.0.0.1:9"])
def test_what_cannot_be_reached_is_told_with_the_publishers_page(served, tmp_path, address):
    where = served[1] + address if address.startswith("/") else address
    with pytest.raises(DownloadError, match=r"ask again, or fetch it by hand from http://publisher\.example"):
        fetch(place(where, RIGHT), tmp_path / "to")


@pytest.mark.parametrize("dataset", ["kaggle-pump", "azure-pdm", "xjtu-sy"])
def test_what_a_person_has_to_ask_for_is_told_with_its_page(tmp_path, dataset):
    with pytest.raises(DownloadError, match=r"to people, not to programs .* fetch it by hand from https://"):
        fetch(PLACES[dataset], tmp_path)


def test_a_name_that_nothing_fits_is_told(served, tmp_path):
    with pytest.raises(DownloadError, match=r"no file fits 'b\*'; there are .*data/a.csv"):
        fetch(place(served[1], RIGHT), tmp_path, only="b*")
