"""Features from raw files equal what others published of the same files: FEMTO, IMS, CWRU."""

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipelines.features.samples import Signals
from pipelines.features.vibration import batch_features

Find = Callable[[str], Path]
FEMTO = {
    "mean": "mean",
    "std": "std",
    "rms": "rms",
    "peak": "peak",
    "p2p": "peak_to_peak",
    "skewness": "skewness",
    "kurtosis_excess": "kurtosis",
    "crest": "crest",
}
AXES = {"h": 4, "v": 5}
IMS = {"rms": "rms", "mean": "mean", "std": "std", "kurt": "kurtosis", "skew": "skewness"}
IMS_SPECTRAL = {
    "crest_factor": "crest",
    "shape_factor": "shape",
    "impulse_factor": "impulse",
    "clearance_factor": "clearance",
    "energy": "energy",
    "mean_abs": "mean_abs",
}
STARTED, STOPPED = "2004.02.12.10.32.39", "2004.02.19.06.22.39"


def features(signals: Signals, *, rate_hz: float, speed_rpm: float = np.nan, bearing: str | None = None) -> dict:
    count = signals.shape[0]
    return batch_features(
        signals,
        sample_rate_hz=rate_hz,
        sensors=["a_g"] * count,
        speed_rpm=np.full(count, speed_rpm),
        bearings=[bearing] * count,
        classes=[None] * count,
    )


def femto_files(archive: Path, *, every: int) -> Iterator[tuple[str, Signals]]:
    """Name and columns of each n-th file, whatever its separator."""
    with zipfile.ZipFile(archive) as packed:
        for name in sorted(packed.namelist())[::every]:
            cells = packed.read(name).replace(b";", b",").split()
            yield name.rsplit("/", 1)[-1], np.array([row.split(b",") for row in cells], float)


def proved_of_femto(root: Path, life: str, *, every: int) -> int:
    """Compare every column of the derived table; how many files there were."""
    read = list(femto_files(next((root / "Learning_set").glob(f"{life}*.zip")), every=every))
    told = pl.read_csv(root / "derived" / f"{life}_acc_statistics.csv")
    told = pl.DataFrame({"file": [name for name, _ in read]}).join(told, on="file", how="left", maintain_order="left")
    for axis, column in AXES.items():
        found = features(np.stack([columns[:, column] for _, columns in read]), rate_hz=25_600.0)
        for theirs, ours in FEMTO.items():
            np.testing.assert_allclose(found[ours], told[f"{axis}_{theirs}"].to_numpy(), rtol=1e-6, err_msg=theirs)
    return len(read)


@pytest.mark.parametrize("life", ["Bearing1_2", "Bearing2_2", "Bearing3_1"])
def test_some_femto_snapshots_are_described_as_published(data_dir: Find, life):
    assert proved_of_femto(data_dir("femto_pronostia"), life, every=12) > 10


@pytest.mark.slow
@pytest.mark.parametrize(("life", "files"), [("Bearing1_2", 871), ("Bearing2_2", 160), ("Bearing3_1", 515)])
def test_every_femto_snapshot_is_described_as_published(data_dir: Find, life, files):
    assert proved_of_femto(data_dir("femto_pronostia"), life, every=1) == files


@pytest.mark.parametrize("name", [STARTED, STOPPED])
def test_an_ims_snapshot_is_described_as_published(data_dir: Find, name):
    root = data_dir("nasa_ims")
    found = features(np.loadtxt(root / "2nd_test" / name).T, rate_hz=20_000.0)
    told = pl.read_csv(root / "derived" / "test2_raw.csv").filter(pl.col("filename") == name)
    assert told.height == 1
    for theirs, ours in IMS.items():
        expected = [told[f"Bearing{bearing}_ch1_{theirs}"].item() for bearing in range(1, 5)]
        np.testing.assert_allclose(found[ours], expected, rtol=1e-6, err_msg=theirs)
    largest = [told[f"Bearing{bearing}_ch1_max"].item() for bearing in range(1, 5)]
    np.testing.assert_allclose(found["peak"], largest, rtol=1e-6)  # their max is that of |x|


@pytest.mark.parametrize("name", [STARTED, STOPPED])
def test_an_ims_snapshot_has_the_published_factors(data_dir: Find, name):
    root = data_dir("nasa_ims")
    found = features(np.loadtxt(root / "2nd_test" / name).T, rate_hz=20_000.0)
    index = pl.read_csv(root / "derived" / "test2_raw.csv").filter(pl.col("filename") == name)["file_index"].item()
    told = pl.read_csv(root / "derived" / "test2_spectral.csv").filter(pl.col("file_index") == index)
    for theirs, ours in IMS_SPECTRAL.items():
        expected = [told[f"Bearing{bearing}_ch1_{theirs}"].item() for bearing in range(1, 5)]
        np.testing.assert_allclose(found[ours], expected, rtol=1e-5, err_msg=theirs)  # six digits are printed


@pytest.mark.parametrize("name", [STARTED, STOPPED])
def test_an_ims_snapshot_has_the_published_level_and_range(data_dir: Find, name):
    root = data_dir("nasa_ims")
    found = features(np.loadtxt(root / "2nd_test" / name).T, rate_hz=20_000.0)
    stamp = f"{name[:10].replace('.', '-')} {name[11:].replace('.', ':')}"
    told = pl.read_csv(root / "derived" / "Test2.csv").filter(pl.col("Timestamp") == stamp)
    assert told.height == 4  # bearing after bearing
    for theirs, ours in {"RMS": "rms", "min": "min", "max": "max", "range": "peak_to_peak", "mean": "mean"}.items():
        np.testing.assert_allclose(found[ours], told[theirs].to_numpy(), rtol=1e-6, err_msg=theirs)


@pytest.mark.parametrize("name", ["1st_test/2003.10.22.12.06.24", f"2nd_test/{STARTED}"])
def test_no_fault_is_named_at_the_start_of_an_ims_test(data_dir: Find, name):
    signals = np.loadtxt(data_dir("nasa_ims") / name).T
    found = features(signals, rate_hz=20_000.0, speed_rpm=2_000.0, bearing="ZA-2115")
    assert set(found["diagnosis"]) == {"none"}


def cwru(root: Path, file: str) -> tuple[Signals, float]:
    """Drive-end acceleration as one snapshot, and the speed in the file."""
    from scipy.io import loadmat

    variables = loadmat(root / "Data" / file)
    signal = next(value for name, value in variables.items() if name.endswith("_DE_time"))
    speed = next(value for name, value in variables.items() if name.endswith("RPM"))
    return signal.T, float(speed.item())


@pytest.mark.parametrize(
    ("file", "rate_hz", "part"),
    [
        ("12k_DE/IR007_0.mat", 12_000.0, "inner_race"),
        ("12k_DE/OR007@6_0.mat", 12_000.0, "outer_race"),
        ("Normal/Normal_0.mat", 48_000.0, "none"),
        ("Normal/Normal_0.mat", 12_000.0, "none"),  # the rate is disputed: it must not matter
    ],
)
@pytest.mark.parametrize("seconds", [None, 2.0, 1.0])
def test_the_damaged_part_of_a_cwru_bearing_is_named_and_none_where_there_is_none(
    data_dir: Find, file, rate_hz, part, seconds
):
    whole, speed = cwru(data_dir("cwru"), file)
    length = whole.shape[1] if seconds is None else int(seconds * rate_hz)
    signals = whole[0, : whole.shape[1] // length * length].reshape(-1, length)
    found = features(signals, rate_hz=rate_hz, speed_rpm=speed, bearing="6205-2RS")
    assert set(found["diagnosis"]) == {part}


def test_the_inner_race_of_cwru_carries_sidebands_at_shaft_speed(data_dir: Find):
    signals, speed = cwru(data_dir("cwru"), "12k_DE/IR007_0.mat")
    found = features(signals, rate_hz=12_000.0, speed_rpm=speed, bearing="6205-2RS")
    assert found["bpfi_sideband_db"][0] > 12
