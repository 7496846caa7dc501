"""XJTU-SY, on files of the exact layout: no real one could be had."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from snapshot_files import packed, xjtu

from pipelines.importers.parsed import Parsed, joined
from pipelines.importers.xjtu_sy import read_xjtu_sy
from pipelines.register import Source

DATA, VALUES = xjtu()
START = datetime(2019, 1, 1, tzinfo=UTC)


def read(path: Path) -> Parsed:
    return joined(read_xjtu_sy(path, Source("xjtu")))


def test_both_channels_land_to_the_last_digit(tmp_path):
    parsed = read(packed(tmp_path / "a.zip", {"XJTU-SY/35Hz12kN/Bearing1_1/1.csv": DATA}))
    assert parsed.snapshots.drop("samples", "digest").rows() == [
        ("xjtu.Bearing1_1", sensor, START, "vibration", 25_600.0, 32_768, "f8", 1.0, 2_100.0, "UER204", "good", 0)
        for sensor in ("horizontal_g", "vertical_g")
    ]
    for column in range(2):
        assert np.array_equal(np.frombuffer(parsed.snapshots["samples"][column], "<f8"), VALUES[:, column])


def test_files_are_minutes_in_the_order_of_their_numbers(tmp_path):
    files = {f"Bearing2_3/{number}.csv": DATA for number in (10, 9, 1)}
    taken = read(packed(tmp_path / "a.zip", files)).snapshots
    assert taken["recorded_at"].to_list()[::2] == [START + timedelta(minutes=minute) for minute in (0, 8, 9)]


@pytest.mark.parametrize(("folder", "speed"), [("35Hz12kN", 2_100.0), ("37.5Hz11kN", 2_250.0), ("40Hz10kN", 2_400.0)])
def test_all_fifteen_bearings_land_with_the_speed_of_their_condition(folder, speed, tmp_path):
    condition = {2_100.0: 1, 2_250.0: 2, 2_400.0: 3}[speed]
    names = [f"{folder}/Bearing{condition}_{number}/1.csv" for number in range(1, 6)]
    taken = read(packed(tmp_path / "a.zip", dict.fromkeys(names, DATA))).snapshots
    assert taken["machine_id"].n_unique() == 5
    assert taken["speed_rpm"].unique().to_list() == [speed]


@pytest.mark.parametrize("data", [xjtu(end="\r\n")[0], b"\xef\xbb\xbf" + DATA])
def test_line_ends_and_a_byte_order_mark_change_nothing(data, tmp_path):
    parsed = read(packed(tmp_path / "a.zip", {"Bearing1_1/1.csv": data}))
    assert np.array_equal(np.frombuffer(parsed.snapshots["samples"][1], "<f8"), VALUES[:, 1])


def ending(text: str) -> bytes:
    return DATA.rsplit(b",", 1)[0] + b"," + text.encode()


@pytest.mark.parametrize(("text", "value"), [("0.12345", 0.12345), ("-0.00001", -1e-5), ("0.12345\r", 0.12345)])
def test_the_last_line_end_may_be_missing_where_the_last_number_is_whole_to_see(text, value, tmp_path):
    taken = read(packed(tmp_path / "a.zip", {"Bearing1_1/1.csv": ending(text)})).snapshots
    assert np.frombuffer(taken["samples"][1], "<f8")[-1] == value


@pytest.mark.parametrize("text", ["0.1234", "0.", "0", "-", "1.5e-0", "1.5e-05"])
def test_a_file_cut_within_its_last_number_is_told(text, tmp_path):
    files = {"Bearing1_1/1.csv": ending(text), "Bearing1_1/2.csv": DATA}
    parsed = read(packed(tmp_path / "a.zip", files))
    assert parsed.snapshots.height == 2
    assert (
        f"no line end, and its last number, {text}, has fewer decimals than 5 of others" in parsed.broken["reasons"][0]
    )


def test_whole_numbers_do_not_show_a_cut(tmp_path):
    lines = ["Horizontal_vibration_signals,Vertical_vibration_signals", *["12,34"] * 32_768]
    parsed = read(packed(tmp_path / "a.zip", {"Bearing1_1/1.csv": "\n".join(lines).encode(), "Bearing1_1/2.csv": DATA}))
    assert "no line end" in parsed.broken["reasons"][0]


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("Bearing1_1/1.csv", DATA.split(b"\n", 1)[1], "expected the header"),
        ("Bearing1_1/1.csv", xjtu(rows=32_767)[0], "expected 32768 rows, found 32767"),
        ("40Hz10kN/Bearing1_1/1.csv", DATA, "ran at 35Hz12kN; found in the folder 40Hz10kN"),
        ("Bearing1_1/0.csv", DATA, "start at 1"),
        ("Bearing1_6/1.csv", DATA, "expected files such as"),
        ("Bearing1_1/1.csv", DATA.rsplit(b"\n", 2)[0] + b"\n1,\n", "row 32767: 1 cells are empty"),
    ],
)
def test_a_file_of_another_form_is_told_and_the_next_lands(name, data, told, tmp_path):
    parsed = read(packed(tmp_path / "a.zip", {name: data, "x/Bearing3_1/1.csv": DATA}))
    assert parsed.snapshots["machine_id"].unique().to_list() == ["xjtu.Bearing3_1"]
    (broken,) = parsed.broken.to_dicts()
    assert told in broken["reasons"]
