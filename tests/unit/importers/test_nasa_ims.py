"""NASA IMS: the name is the time, every row is data, the test is told by folder or by columns and date."""

import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from snapshot_files import ims, packed

from pipelines.importers.nasa_ims import read_nasa_ims
from pipelines.importers.parsed import FileError, Parsed, joined
from pipelines.register import Source

EIGHT, EIGHT_VALUES = ims(8)
FOUR, FOUR_VALUES = ims(4)


def read(path: Path, zone: str = "UTC") -> Parsed:
    return joined(read_nasa_ims(path, Source("ims", zone=zone)))


def samples(parsed: Parsed, row: int) -> np.ndarray:
    return np.frombuffer(parsed.snapshots["samples"][row], "<f8")


def test_the_first_test_has_two_channels_a_bearing(tmp_path):
    parsed = read(packed(tmp_path / "a.zip", {"IMS/1st_test/2003.10.22.12.06.24": EIGHT}))
    assert parsed.snapshots.select("machine_id", "sensor").rows() == [
        (f"ims.test1-bearing{bearing}", sensor) for bearing in range(1, 5) for sensor in ("x_v", "y_v")
    ]
    assert all(np.array_equal(samples(parsed, row), EIGHT_VALUES[:, row]) for row in range(8))
    told = parsed.snapshots.select("recorded_at", "sample_rate_hz", "n_samples", "encoding", "speed_rpm", "bearing")
    assert set(told.rows()) == {(datetime(2003, 10, 22, 12, 6, 24, tzinfo=UTC), 20e3, 20_480, "f8", 2e3, "ZA-2115")}


@pytest.mark.parametrize(
    ("name", "test"),
    [
        ("2nd_test/2004.02.12.10.32.39", 2),
        ("3rd_test/2004.03.04.09.27.46", 3),
        ("4th_test/txt/2004.03.04.09.27.46", 3),
        ("3rd_test/4th_test/txt/2004.03.04.09.27.46", 3),
        ("2nd_test/2nd_test/2004.02.12.10.32.39", 2),
        ("2004.02.12.10.32.39", 2),
        ("txt/2004.04.18.02.42.55", 3),
    ],
)
def test_the_others_have_one_and_are_told_by_folder_or_date(name, test, tmp_path):
    parsed = read(packed(tmp_path / "a.zip", {name: FOUR}))
    assert parsed.snapshots["machine_id"].to_list() == [f"ims.test{test}-bearing{bearing}" for bearing in range(1, 5)]
    assert parsed.snapshots["sensor"].unique().to_list() == ["x_v"]


def test_eight_columns_alone_are_the_first_test(tmp_path):
    (tmp_path / "2003.10.22.12.06.24").write_bytes(EIGHT)
    assert read(tmp_path / "2003.10.22.12.06.24").snapshots["machine_id"][0] == "ims.test1-bearing1"


def test_the_clock_is_that_of_the_source(tmp_path):
    path = packed(tmp_path / "a.zip", {"2nd_test/2004.02.12.10.32.39": FOUR})
    assert read(path, "America/New_York").snapshots["recorded_at"][0] == datetime(2004, 2, 12, 15, 32, 39, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("1st_test/2003.10.22.12.06.24", FOUR, r"expected 8 columns separated by '\\t', found 4"),
        ("2nd_test/2004.02.12.10.32.39", EIGHT, "expected 4 columns"),
        ("2nd_test/2004.02.12.10.32.39", FOUR.split(b"\n", 1)[1], "expected 20480 rows, found 20479"),
        ("2nd_test/2004.02.12.10.32.39", FOUR + b"1\t2\t3\t4\n", "expected 20480 rows, found 20481"),
        ("2nd_test/2004.02.12.10.32.39", FOUR[:-2], "no line end"),
        ("2nd_test/2004.02.12.10.32.39", b"", "is empty"),
        ("2nd_test/2004.02.12.10.32.39", FOUR.replace(b".", b"x", 9), "could not parse"),
        ("2nd_test/2004.02.12.10.32.39", FOUR.replace(b"\t", b"\t\t", 1), "expected 4 columns"),
        ("2nd_test/2004.02.12.10.32.39", FOUR[:9_999].replace(b"\n", b"\n\n") + FOUR[9_999:], "expected 20480 rows"),
        ("2nd_test/2004.13.12.10.32.39", FOUR, "not a time"),
    ],
)
def test_a_file_of_another_form_is_told_and_the_next_lands(name, data, told, tmp_path):
    parsed = read(packed(tmp_path / "a.zip", {name: data, "2nd_test/2005.01.01.00.00.00": FOUR}))
    assert parsed.snapshots["batch_row"].unique().to_list() == [1]
    (broken,) = parsed.broken.to_dicts()
    assert (broken["batch_row"], broken["found"]) == (0, name)
    assert re.search(told, broken["reasons"])


def test_an_hour_that_comes_twice_in_the_zone_is_told(tmp_path):
    path = packed(tmp_path / "a.zip", {"1st_test/2003.10.26.01.30.00": EIGHT})
    assert "twice in America/New_York" in read(path, "America/New_York").broken["reasons"][0]


@pytest.mark.parametrize(
    ("name", "channels"),
    [("1st_test/2003.10.22.12.06.24", 8), ("2nd_test/2004.02.12.10.32.39", 4), ("2nd_test/2004.02.19.06.22.39", 4)],
)
def test_the_real_files_land_with_all_their_rows(name, channels, data_dir):
    path = data_dir("nasa_ims") / name
    parsed = read(path)
    assert parsed.snapshots["n_samples"].to_list() == [20_480] * channels
    expected = np.loadtxt(path)
    assert all(np.array_equal(samples(parsed, column), expected[:, column]) for column in range(channels))


def test_the_real_statistics_of_the_second_test_are_those_of_its_files(data_dir):
    """`Test2.csv`: min, max and RMS of bearing 1, first snapshot; it fails by the first row if that is lost."""
    table = pl.read_csv(data_dir("nasa_ims") / "derived" / "Test2.csv")
    first = samples(read(data_dir("nasa_ims") / "2nd_test" / "2004.02.12.10.32.39"), 0)
    found = {"min": first.min(), "max": first.max(), "rms": np.sqrt(np.mean(first**2))}
    for name, value in found.items():
        column = next(column for column in table.columns if column.lower() == name)
        assert value == pytest.approx(table[column][0], rel=1e-9)


def test_a_file_that_says_no_time_is_no_file_of_this_data_set(tmp_path):
    (tmp_path / "a.txt").write_bytes(FOUR)
    with pytest.raises(FileError, match="expected files such as"):
        read(tmp_path / "a.txt")
