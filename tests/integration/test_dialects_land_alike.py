"""The same data in every dialect, in one piece or in many, ends in the same rows of the lake."""

import gzip
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from assets import landing
from assets.landing import land
from pipelines.importers import text
from pipelines.importers.kaggle_pump import COLUMNS as COLUMNS_OF_PUMP
from pipelines.register import Source
from resources.home import Home
from resources.inbox import Inbox
from resources.lake import Lake

NOW = datetime(2026, 2, 1, tzinfo=UTC)
START = datetime(2026, 1, 5, tzinfo=UTC)
COLUMNS = ["machine_id", "sensor", "recorded_at", "value", "quality"]
ROWS = pl.DataFrame(
    [
        (f"pump-{n % 3}", "temperature_c", START + timedelta(minutes=n), value, "good")
        for n, value in enumerate([0.1, -273.15, 1234.5, 1e-7, 20.0, 19.99] * 40)
    ],
    schema=COLUMNS,
    orient="row",
)


def csv(separator: str = ",", *, decimal: str = ".", end: str = "\n", quote: str = "necessary") -> bytes:
    return ROWS.write_csv(
        separator=separator,
        decimal_comma=decimal == ",",
        line_terminator=end,
        quote_style=quote,
        datetime_format="%Y-%m-%dT%H:%M:%SZ",
    ).encode()


def plain(path: Path) -> Path:
    path.write_bytes(csv())
    return path


def zipped(path: Path) -> Path:
    """Two members that hold one half each."""
    head, *lines = csv().decode().splitlines(keepends=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("2.csv", head + "".join(lines[:100]))
        archive.writestr("10.csv", head + "".join(lines[100:]))
    return path


def parquet(path: Path) -> Path:
    ROWS.write_parquet(path)
    return path


def written(data: bytes):
    def write(path: Path) -> Path:
        path.write_bytes(data)
        return path

    return write


DIALECTS = {
    "bom.csv": written(b"\xef\xbb\xbf" + csv()),
    "crlf.csv": written(csv(end="\r\n")),
    "semicolon.csv": written(csv(";")),
    "decimal-comma.csv": written(csv(";", decimal=",")),
    "tabs.tsv": written(csv("\t")),
    "quotes.csv": written(csv(quote="always")),
    "packed.csv.gz": written(gzip.compress(csv())),
    "packed.zip": zipped,
    "rows.parquet": parquet,
}


def landed(root: Path, file: Path) -> pl.DataFrame:
    home = Home(root)
    home.prepare()
    lake, inbox = Lake(root=str(home.lake)), Inbox(root=str(root))
    done = land([inbox.put(file, source="line")], source=Source("line"), lake=lake, inbox=inbox, now=NOW, again=False)
    assert (done.receipt.rows_read, done.receipt.rows_landed) == (ROWS.height, ROWS.height), done
    return lake.read("readings").select(*COLUMNS, "batch_row").sort("machine_id", "recorded_at")


@pytest.fixture(scope="module")
def expected(tmp_path_factory) -> pl.DataFrame:
    place = tmp_path_factory.mktemp("plain")
    return landed(place / "home", plain(place / "plain.csv"))


@pytest.mark.parametrize("name", DIALECTS)
def test_the_same_data_in_every_dialect_gives_the_same_rows(tmp_path, expected, name):
    assert landed(tmp_path / "home", DIALECTS[name](tmp_path / name)).equals(expected)


@pytest.mark.parametrize("name", ["crlf.csv", "quotes.csv", "packed.csv.gz", "packed.zip"])
def test_a_file_that_lands_in_many_pieces_gives_the_rows_of_one_that_lands_at_once(
    tmp_path, expected, monkeypatch, name
):
    monkeypatch.setattr(text, "PIECE", 512)
    monkeypatch.setattr(landing, "BYTES_AT_ONCE", 4096)
    assert landed(tmp_path / "home", DIALECTS[name](tmp_path / name)).equals(expected)


def test_the_count_of_a_file_in_pieces_is_that_of_one_that_lands_at_once(tmp_path, monkeypatch):
    """A run of a status begins in one piece and ends in another: its row is counted once."""
    head = ",".join(COLUMNS_OF_PUMP)
    rows = [
        f"{n},2018-04-01 {n // 60:02}:{n % 60:02}:00,{','.join(['1.5'] * 52)},{'NORMAL' if n % 150 < 120 else 'BROKEN'}"
        for n in range(300)
    ]
    (tmp_path / "sensor.csv").write_text("\n".join([head, *rows]) + "\n")
    counts = []
    for name, size in (("one", 1 << 23), ("many", 8192)):
        monkeypatch.setattr(text, "PIECE", size)
        monkeypatch.setattr(landing, "BYTES_AT_ONCE", size)
        home = Home(tmp_path / name)
        home.prepare()
        inbox, lake = Inbox(root=str(home.root)), Lake(root=str(home.lake))
        put = inbox.put(tmp_path / "sensor.csv", source="pump")
        source = Source("pump", "kaggle-pump")
        counts.append(land([put], source=source, lake=lake, inbox=inbox, now=NOW, again=False).receipt)
    assert counts[0] == counts[1]
    assert (counts[1].rows_landed, counts[1].rows_empty, counts[1].labels_landed) == (300, 0, 4)
