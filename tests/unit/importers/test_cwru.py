"""CWRU: the publisher's number is the machine, the name or the number tells the fault, the rate is stated."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat
from snapshot_files import mat, packed

from pipelines.importers.cwru import read_cwru
from pipelines.importers.parsed import FileError, Parsed, joined
from pipelines.register import Source

WAVE = np.sin(np.arange(12_000))
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def read(path: Path) -> Parsed:
    return joined(read_cwru(path, Source("cwru")))


def recording(number: str, *, rpm: float | None = 1_797.0) -> bytes:
    variables = [(f"X{number}_{place}_time", WAVE + at) for at, place in enumerate(("DE", "FE", "BA"))]
    if rpm is not None:
        variables.append((f"X{number}RPM", np.array([rpm])))
    return mat([*variables, ("i", np.ones(1))])


def test_three_accelerometers_land_in_doubles_with_their_bearings(tmp_path):
    parsed = read(packed(tmp_path / "a.zip", {"12k_DE/IR007_0.mat": recording("105")}))
    at = EPOCH + timedelta(minutes=105)
    assert parsed.snapshots.drop("samples", "digest").rows() == [
        ("cwru.105", sensor, at, "vibration", 12_000.0, 12_000, "f8", 1.0, 1_797.0, bearing, "good", 0)
        for sensor, bearing in (("drive_end_g", "6205-2RS"), ("fan_end_g", "6203-2RS"), ("base_g", None))
    ]
    for row in range(3):
        assert np.array_equal(np.frombuffer(parsed.snapshots["samples"][row], "<f8"), WAVE + row)
    ended = at + timedelta(seconds=1)
    assert parsed.labels.rows() == [("cwru.105", "fault", "inner_race_0.007in", at, ended, 0)]


@pytest.mark.parametrize(
    ("name", "number", "fault"),
    [
        ("OR007@6_0.mat", "130", "outer_race_0.007in_6h"),
        ("x/OR021@12_3.mat", "258", "outer_race_0.021in_12h"),
        ("B014_1.mat", "186", "ball_0.014in"),
        ("Normal_0.mat", "097", "normal"),
        ("97.mat", "097", "normal"),
        ("normal_baseline/x.mat", "500", "normal"),
        ("normalized/IR007_0.mat", "105", "inner_race_0.007in"),
        ("normalized/x.mat", "500", None),
        ("105.mat", "105", "inner_race_0.007in"),
        ("3001.mat", "3001", "inner_race_0.028in"),
        ("146.mat", "146", "outer_race_0.007in_3h"),
        ("109.mat", "109", "inner_race_0.007in"),
        ("265.mat", "265", "outer_race_0.021in_12h"),
        ("x.mat", "500", None),
    ],
)
def test_the_name_or_the_number_tells_the_fault(name, number, fault, tmp_path):
    parsed = read(packed(tmp_path / "a.zip", {name: recording(number)}))
    assert parsed.labels["label"].to_list() == ([fault] if fault else [])
    assert parsed.snapshots["machine_id"].unique().to_list() == [f"cwru.{number}"]


@pytest.mark.parametrize(
    ("name", "number", "rate", "quality"),
    [
        ("12k_DE/IR007_0.mat", "105", 12_000, "good"),
        ("48k_DE/IR007_0.mat", "109", 48_000, "good"),
        ("Normal/Normal_0.mat", "097", 12_000, "uncertain"),
        ("48k_DE/Normal_0.mat", "097", 48_000, "good"),
        ("109.mat", "109", 48_000, "good"),
        ("IR014_0.mat", "173", 48_000, "good"),
        ("253.mat", "253", 48_000, "good"),
        ("12k_and_48k/105.mat", "105", 12_000, "good"),
        ("278.mat", "278", 12_000, "good"),
        ("3001.mat", "3001", 12_000, "good"),
        ("500.mat", "500", 12_000, "uncertain"),
        ("48k/500.mat", "500", 48_000, "good"),
    ],
)
def test_the_number_tells_the_rate_else_the_path_and_what_neither_tells_is_doubted(
    name, number, rate, quality, tmp_path
):
    taken = read(packed(tmp_path / "a.zip", {name: recording(number)})).snapshots
    assert taken["sample_rate_hz"].unique().to_list() == [rate]
    assert taken["quality"].unique().to_list() == [quality]


@pytest.mark.parametrize(
    ("name", "speeds", "expected"),
    [
        ("99.mat", {"098": 1_772.0}, [("cwru.099", None)]),
        ("normal_2_99.mat", {}, [("cwru.099", None)]),
        ("Normal_2.mat", {"098": 1_772.0}, [("cwru.098", 1_772.0), ("cwru.099", None)]),
        ("Normal_2.mat", {}, [("cwru.099", None)]),
        ("Normal_2.mat", {"099": 1_750.0}, [("cwru.099", 1_750.0)]),
        ("98.mat", {"098": 1_772.0}, [("cwru.098", 1_772.0)]),
    ],
)
def test_a_recording_left_over_from_another_file_does_not_land_without_its_speed(name, speeds, expected, tmp_path):
    """The published 99.mat holds 098 too: without a speed it would correct the 98.mat that landed before."""
    rpm = [(f"X{number}RPM", np.array([speed])) for number, speed in speeds.items()]
    both = mat([("X098_DE_time", WAVE), ("X099_DE_time", WAVE), *rpm])
    taken = read(packed(tmp_path / "a.zip", {name: both})).snapshots
    assert taken.select("machine_id", "speed_rpm").rows() == expected


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (mat([("Y", WAVE)]), "found ['Y']"),
        (mat([("X105RPM", WAVE)]), "expected variables such as X105_DE_time"),
        (recording("105")[:-1], "are promised"),
        (mat([("X105_DE_time", np.array([1.0, np.nan]))]), "drive_end_g, sample 1 is nan"),
    ],
)
def test_a_file_of_another_form_is_told_and_the_next_lands(data, told, tmp_path):
    parsed = read(packed(tmp_path / "a.zip", {"1.mat": data, "2.mat": recording("106")}))
    assert parsed.snapshots["machine_id"].unique().to_list() == ["cwru.106"]
    assert told in parsed.broken["reasons"][0]


def test_a_lone_file_that_is_none_is_refused(tmp_path):
    (tmp_path / "1.mat").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(500))
    with pytest.raises(FileError, match=r"7\.3"):
        read(tmp_path / "1.mat")


@pytest.mark.parametrize(
    ("name", "number", "length", "rpm", "fault"),
    [
        ("Normal/Normal_0.mat", "097", 243_938, 1_796, "normal"),
        ("12k_DE/IR007_0.mat", "105", 121_265, 1_797, "inner_race_0.007in"),
        ("12k_DE/OR007@6_0.mat", "130", 121_991, 1_796, "outer_race_0.007in_6h"),
    ],
)
def test_the_real_files_land_as_scipy_reads_them(name, number, length, rpm, fault, data_dir):
    path = data_dir("cwru") / "Data" / name
    parsed = read(path)
    assert parsed.snapshots["n_samples"].unique().to_list() == [length]
    assert parsed.snapshots["speed_rpm"].unique().to_list() == [rpm]
    assert parsed.labels["label"].to_list() == [fault]
    reference = loadmat(path)
    for sensor, place in (("drive_end_g", "DE"), ("fan_end_g", "FE"), ("base_g", "BA")):
        found = parsed.snapshots.filter(sensor=sensor)["samples"]
        if f"X{number}_{place}_time" in reference:
            assert np.array_equal(np.frombuffer(found[0], "<f8"), reference[f"X{number}_{place}_time"].ravel())
        else:
            assert found.is_empty()
