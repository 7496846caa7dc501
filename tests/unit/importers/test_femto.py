"""FEMTO: both separators, exponents, whose day it is, clocks that stand still, temperatures, and the real lives."""

import zipfile
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from snapshot_files import femto_acceleration, femto_temperature, packed

from pipelines.importers import femto, waveforms
from pipelines.importers.femto import read_femto
from pipelines.importers.parsed import Parsed, joined
from pipelines.register import Source

SECOND = timedelta(seconds=1)
DAY = datetime(2012, 1, 1, tzinfo=UTC)


def read(path: Path) -> Parsed:
    return joined(read_femto(path, Source("femto")))


def life(clocks: dict[int, tuple[int, int, int, str]], *, folder: str = "Learning_set/Bearing1_1") -> dict[str, bytes]:
    """Acceleration files by their number; the values are the same in all."""
    _, values = femto_acceleration((0, 0, 0, "0"))
    body = [f",{x},{y}\n" for x, y in values]
    return {
        f"{folder}/acc_{number:05d}.csv": "".join(",".join(map(str, clock)) + line for line in body).encode()
        for number, clock in clocks.items()
    }


def clock_at(second: int) -> tuple[int, int, int, str]:
    return (second // 3_600 % 24, second // 60 % 60, second % 60, "6.5664e+004")


def times(path: Path) -> list[tuple[datetime, str]]:
    return read(path).snapshots.select("recorded_at", "quality").unique(maintain_order=True).rows()


@pytest.mark.parametrize("separator", [",", ";"])
@pytest.mark.parametrize("micro", ["4.2504e+005", "4.2504e+05", "425040"])
def test_either_separator_and_any_exponent_give_the_same(separator, micro, tmp_path):
    data, values = femto_acceleration((9, 39, 39, micro), separator=separator)
    parsed = read(packed(tmp_path / "a.zip", {"Bearing2_1/acc_00001.csv": data}))
    at = DAY + timedelta(hours=9, minutes=39, seconds=39, microseconds=425_040)
    assert parsed.snapshots.drop("samples", "digest").rows() == [
        ("femto.Bearing2_1", sensor, at, "vibration", 25_600.0, 2_560, "f8", 1.0, 1_650.0, "PRONOSTIA", "good", 0)
        for sensor in ("horizontal_g", "vertical_g")
    ]
    for column in range(2):
        assert np.array_equal(np.frombuffer(parsed.snapshots["samples"][column], "<f8"), values[:, column])


def test_the_day_goes_on_at_midnight(tmp_path):
    start = 23 * 3_600 + 59 * 60 + 45
    files = life({number: clock_at(start + 10 * (number - 1)) for number in range(1, 5)})
    found = times(packed(tmp_path / "a.zip", files))
    first = DAY + start * SECOND + timedelta(microseconds=65_664)
    assert found == [(first + 10 * number * SECOND, "good") for number in range(4)]


@given(
    start=st.integers(3 * 3_600 + 60, 27 * 3_600 - 60),
    numbers=st.sets(st.integers(1, 40_000), min_size=1, max_size=4),
    late=st.integers(0, 30),
)
def test_a_part_of_a_life_has_the_times_of_the_whole(start, numbers, late, tmp_path_factory):
    """Through days, with files missing, and a clock that loses up to half a minute."""
    assume(late != 10)  # then two files follow each other at the same time
    match = {number: femto.LAYOUT.files.search(f"Bearing1_1/acc_{number:05d}.csv") for number in numbers}
    clocks = {
        number: timedelta(seconds=(start + 10 * (number - 1) + late * (number % 2)) % 86_400) for number in numbers
    }
    runs: dict[str, femto.Run] = {}
    whole = {number: femto._moment(clocks[number], match[number], "run", runs) for number in sorted(numbers)}
    alone = {number: femto._moment(clocks[number], match[number], "run", {}) for number in numbers}
    assert alone == whole
    assert {quality for _, quality in whole.values()} == {"good"}
    for number, (at, _) in whole.items():
        assert at == DAY + (start + 10 * (number - 1) + late * (number % 2)) * SECOND


def test_a_clock_that_stands_still_is_no_midnight(tmp_path):
    """As files 02121 and 02122 of the real Bearing1_1."""
    stale = (9, 38, 46, "8.6566e+05")
    clocks = {number: clock_at(34_779 + 10 * (number - 1)) for number in range(2_119, 2_125)}
    found = times(packed(tmp_path / "a.zip", life({**clocks, 2_121: stale, 2_122: stale})))
    expected = DAY + (34_779 + 10 * 2_118) * SECOND + timedelta(microseconds=65_664)
    qualities = ["good", "good", "uncertain", "uncertain", "good", "good"]
    assert found == [(expected + 10 * number * SECOND, quality) for number, quality in enumerate(qualities)]


@pytest.mark.parametrize("lag", [0, 1])
def test_a_clock_that_stands_still_or_creeps_for_long_gives_no_moment_twice(lag, tmp_path):
    clocks = {number: clock_at(30_000 + 10 * number) for number in range(1, 4)}
    clocks |= {number: clock_at(30_030 + lag * (number - 3)) for number in range(4, 24)}
    found = times(packed(tmp_path / "a.zip", life(clocks)))
    assert len({at for at, _ in found}) == 23
    assert [at for at, _ in found] == sorted(at for at, _ in found)
    believed = 3 if lag == 0 else 9  # a second in ten: after six files it is more than STALE behind
    assert [quality for _, quality in found] == ["good"] * believed + ["uncertain"] * (23 - believed)


def test_a_pause_of_the_rig_is_believed(tmp_path):
    clocks = {1: clock_at(30_000), 2: clock_at(30_010), 3: clock_at(33_620), 4: clock_at(33_630)}
    found = times(packed(tmp_path / "a.zip", life(clocks)))
    micro = timedelta(microseconds=65_664)
    assert found == [(DAY + second * SECOND + micro, "good") for second in (30_000, 30_010, 33_620, 33_630)]


def test_the_lives_in_one_archive_keep_clocks_of_their_own(tmp_path):
    files = life({1: clock_at(50_000)}) | life({1: clock_at(40_000)}, folder="Learning_set/Bearing1_2")
    assert [quality for _, quality in times(packed(tmp_path / "a.zip", files))] == ["good", "good"]


@pytest.mark.parametrize("separator", [",", ";"])
def test_temperatures_are_readings_ten_a_second_through_midnight(separator, tmp_path):
    start = 864_000 - 300
    degrees = [70 + step / 1_000 for step in range(600)]
    data = femto_temperature(start, degrees, separator=separator)
    parsed = read(packed(tmp_path / "a.zip", {"Bearing1_3/temp_00001.csv": data}))
    assert parsed.readings["value"].to_list() == degrees
    assert parsed.readings["recorded_at"].to_list() == [
        DAY + timedelta(milliseconds=100 * (start + step)) for step in range(600)
    ]
    assert parsed.readings.drop("value", "recorded_at").unique(maintain_order=True).rows()[:2] == [
        ("femto.Bearing1_3", "temperature_c", "good", 0),
        ("femto.Bearing1_3", "temperature_c", "good", 1),
    ]
    assert parsed.rows == 600


def test_rows_of_both_kinds_are_counted_through(tmp_path, monkeypatch):
    files = life({1: clock_at(40_000), 2: clock_at(40_010)})
    files |= {
        "Learning_set/Bearing1_1/temp_00001.csv": femto_temperature(400_100, [70.0] * 600),
        "Learning_set/Bearing1_1/temp_00002.csv": femto_temperature(400_700, [71.0] * 7),
    }
    path = packed(tmp_path / "a.zip", files)
    whole = read(path)
    assert whole.snapshots["batch_row"].to_list() == [0, 0, 1, 1]
    assert whole.readings["batch_row"].to_list() == list(range(2, 609))
    assert whole.readings["recorded_at"].is_sorted()
    assert whole.rows == 609
    monkeypatch.setattr(waveforms, "PIECE", 1)
    pieces = list(read_femto(path, Source("femto")))
    assert len(pieces) == 4
    assert joined(pieces).readings.equals(whole.readings)
    assert joined(pieces).snapshots.equals(whole.snapshots)


GOOD = femto_acceleration((9, 0, 0, "0"))[0]


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("acc_00001.csv", femto_acceleration((9, 0, 0, "0"), rows=2_559)[0], "expected 2560 rows, found 2559"),
        ("acc_00001.csv", femto_acceleration((9, 0, 0, "0,1"))[0], "expected 6 columns"),
        ("acc_00001.csv", femto_acceleration((24, 0, 0, "0"))[0], "the clock is (24.0, 0.0, 0.0)"),
        ("acc_00001.csv", femto_acceleration((9, 0, 0, "1e6"))[0], "fraction of the second is 1000000.0"),
        ("acc_00001.csv", femto_acceleration((9, 0, 0, "0"), separator="\t")[0], "expected 6 columns separated by ','"),
        ("acc_00000.csv", GOOD, "start at 1"),
        ("acc_00001.csv", GOOD.replace(b"9,0,0,0,", b"9,0,0,0,nan", 1)[:-1], "no line end"),
        ("temp_00001.csv", femto_temperature(0, [70.0] * 601), "at most 600 rows, found 601"),
        ("temp_00001.csv", femto_temperature(0, [70.0]) + femto_temperature(40_000, [70.0]), "more than an hour"),
        ("temp_00001.csv", GOOD, "expected 5 columns"),
        ("acc_1.txt", GOOD, "expected files such as"),
    ],
)
def test_a_file_of_another_form_is_told_and_the_next_lands(name, data, told, tmp_path):
    parsed = read(packed(tmp_path / "a.zip", {f"Bearing1_1/{name}": data, "Bearing3_1/acc_00001.csv": GOOD}))
    assert parsed.snapshots["machine_id"].unique().to_list() == ["femto.Bearing3_1"]
    (broken,) = parsed.broken.to_dicts()
    assert told in broken["reasons"]


@pytest.mark.parametrize(
    ("name", "files", "step"), [("Bearing1_2", 871, 10), ("Bearing3_1", 515, 10), ("Bearing2_2_every_5th", 160, 50)]
)
def test_the_real_lives_land_file_by_file(name, files, step, data_dir):
    """Counts of the README; per-file statistics of the derived table; every fifth life to the last digit."""
    path = data_dir("femto_pronostia") / "Learning_set" / f"{name}.zip"
    parsed = read(path)
    bearing = name.removesuffix("_every_5th")
    assert (parsed.rows, parsed.snapshots.height, parsed.broken.height) == (files, 2 * files, 0)
    assert parsed.snapshots["n_samples"].unique().to_list() == [2_560]
    horizontal = parsed.snapshots.filter(sensor="horizontal_g")
    assert horizontal["recorded_at"].diff().drop_nulls().unique().to_list() == [step * SECOND]
    derived = pl.read_csv(data_dir("femto_pronostia") / "derived" / f"{bearing}_acc_statistics.csv")
    table = derived.gather_every(step // 10)
    assert table.height == files
    samples = np.array([np.frombuffer(raw, "<f8") for raw in horizontal["samples"]])
    assert np.allclose(np.sqrt((samples**2).mean(axis=1)), table["h_rms"], rtol=1e-6)
    assert np.allclose(np.abs(samples).max(axis=1), table["h_peak"], rtol=1e-6)
    clocks = table.select(pl.datetime(2012, 1, 1, "hour", "minute", "second", time_zone="UTC")).to_series()
    assert horizontal["recorded_at"].dt.truncate("1s").to_list() == clocks.to_list()
    with zipfile.ZipFile(path) as archive, archive.open(sorted(archive.namelist())[-1]) as last:
        expected = np.loadtxt(last, delimiter=",")[:, 4]
    assert np.array_equal(samples[-1], expected)


@pytest.mark.parametrize("bearing", ["1_2", "2_1", "2_2", "3_1", "3_2"])
def test_the_clocks_of_the_other_lives_are_all_believed(bearing, data_dir):
    table = pl.read_csv(data_dir("femto_pronostia") / "derived" / f"Bearing{bearing}_acc_statistics.csv")
    runs: dict[str, femto.Run] = {}
    found = set()
    for number, hour, minute, second, micro in table.select("index", "hour", "minute", "second", "fraction").rows():
        match = femto.LAYOUT.files.search(f"Bearing{bearing}/acc_{number:05d}.csv")
        clock = timedelta(hours=hour, minutes=minute, seconds=second, microseconds=micro)
        found.add(femto._moment(clock, match, "run", runs)[1])
    assert found == {"good"}


def test_the_clocks_of_the_longest_life_are_told_from_the_stale_ones(data_dir):
    """Bearing1_1 by the clocks of all its 2,803 files: they stand in the derived table, its raw files do not."""
    table = pl.read_csv(data_dir("femto_pronostia") / "derived" / "Bearing1_1_acc_statistics.csv")
    runs: dict[str, femto.Run] = {}
    found = []
    for number, hour, minute, second, micro in table.select("index", "hour", "minute", "second", "fraction").rows():
        match = femto.LAYOUT.files.search(f"Bearing1_1/acc_{number:05d}.csv")
        clock = timedelta(hours=hour, minutes=minute, seconds=second, microseconds=micro)
        found.append((number, *femto._moment(clock, match, "run", runs)))
    assert [number for number, _, quality in found if quality == "uncertain"] == [2_121, 2_122]
    assert {later[1] - earlier[1] for earlier, later in pairwise(found)} == {10 * SECOND}
