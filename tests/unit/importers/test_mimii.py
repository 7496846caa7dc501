"""MIMII and its relatives: machine, label and time by the name, samples as they stand in the file."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.io import wavfile
from snapshot_files import packed, wav

from pipelines.importers.mimii import read_mimii, read_name
from pipelines.importers.parsed import FileError, Parsed, joined
from pipelines.register import Source

MONO = wav(np.arange(160, dtype=np.int16).reshape(-1, 1))
STEP = timedelta(seconds=10)


def read(path: Path) -> Parsed:
    return joined(read_mimii(path, Source("mimii")))


def year(number: int) -> datetime:
    return datetime(number, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "machine", "at", "label"),
    [
        ("6_dB_fan/fan/id_00/normal/00000003.wav", "fan-id_00-6dB", year(2011) + 3 * STEP, "normal"),
        ("6_dB_fan/fan/id_00/abnormal/00000003.wav", "fan-id_00-6dB", year(2013) + 3 * STEP, "abnormal"),
        ("x/-6_dB_pump/pump/id_02/normal/00000000.wav", "pump-id_02--6dB", year(2011), "normal"),
        ("0_dB_valve/valve/id_06/normal/00000000.wav", "valve-id_06-0dB", year(2011), "normal"),
        ("dev_data/fan/train/normal_id_00_00000002.wav", "fan-id_00", year(2011) + 2 * STEP, "normal"),
        ("fan/test/normal_id_00_00000002.wav", "fan-id_00", year(2012) + 2 * STEP, "normal"),
        ("fan/test/anomaly_id_00_00000002.wav", "fan-id_00", year(2013) + 2 * STEP, "abnormal"),
        ("ToyCar/test/anomaly_id_01_00000002.wav", "ToyCar-id_01", year(2013) + 2 * STEP, "abnormal"),
        (
            "fan/test/section_00_source_test_normal_0002.wav",
            "fan-section_00",
            year(2012) + 2 * STEP,
            "normal",
        ),
        (
            "fan/source_test/section_01_target_test_anomaly_0002.wav",
            "fan-section_01",
            year(2017) + 2 * STEP,
            "abnormal",
        ),
        ("fan/train/section_00_target_train_normal_0000_m-n_X.wav", "fan-section_00", year(2015), "normal"),
        ("original_8_channel/fan_original.wav", "fan_original", year(2010), None),
        ("fan original.wav", "fan_original", year(2010), None),
    ],
)
def test_the_name_tells_machine_time_and_label(name, machine, at, label):
    clip = read_name(name)
    assert (clip.machine, clip.recorded_at, clip.label) == (machine, at, label)


def test_no_two_kinds_of_clip_with_one_number_meet_in_time():
    due = [
        f"fan/x/section_00_{domain}_{split}_{label}_0001.wav"
        for domain in ("source", "target")
        for split in ("train", "test")
        for label in ("normal", "anomaly")
    ]
    assert len({read_name(name).recorded_at for name in due}) == 8


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("00000000.wav", "do not tell the machine; expected files such as 6_dB_fan/fan/id_00/normal/00000000.wav"),
        ("fan/id_00/normal/00000000.wav", "do not tell the machine"),
        ("normal_id_00_00000000.wav", "do not tell the machine"),
        ("section_00_source_test_normal_0002.wav", "do not tell the machine"),
        ("6_dB_fan/fan/id_00/normal/99999999.wav", "expected at most 3000000"),
    ],
)
def test_a_name_that_leaves_machine_or_time_open_is_told(name, told):
    with pytest.raises(FileError, match=told):
        read_name(name)


def test_the_name_of_the_publishers_zip_tells_the_level_of_noise(tmp_path):
    parsed = read(packed(tmp_path / "6_dB_fan.zip", {"fan/id_00/normal/00000000.wav": MONO}))
    assert parsed.labels.select("machine_id", "label").rows() == [("mimii.fan-id_00-6dB", "normal")]
    assert parsed.snapshots["recorded_at"].to_list() == [year(2011)]


def test_a_second_clip_of_one_unknown_name_is_told(tmp_path):
    parsed = read(packed(tmp_path / "a.zip", {"a/fan.wav": MONO, "b/fan.wav": MONO, "b/pump.wav": MONO}))
    assert parsed.snapshots["machine_id"].to_list() == ["mimii.fan", "mimii.pump"]
    assert "a second clip called 'fan'" in parsed.broken["reasons"][0]


def test_a_label_lasts_as_long_as_its_clip(tmp_path):
    parsed = read(packed(tmp_path / "a.zip", {"6_dB_fan/fan/id_00/abnormal/00000001.wav": MONO}))
    at = year(2013) + STEP
    ended = at + timedelta(milliseconds=10)
    assert parsed.labels.rows() == [("mimii.fan-id_00-6dB", "sound", "abnormal", at, ended, 0)]
    assert parsed.snapshots.drop("samples", "digest").rows() == [
        ("mimii.fan-id_00-6dB", "mono_fs", at, "sound", 16_000.0, 160, "i2", 2**-15, None, None, "good", 0)
    ]


def test_every_real_clip_lands_as_scipy_reads_it(data_dir, tmp_path):
    root = data_dir("mimii")
    clips = {str(path.relative_to(root)): path for path in sorted(root.rglob("*.wav"))}
    assert len(clips) == 16
    parsed = read(packed(tmp_path / "a.zip", {name: path.read_bytes() for name, path in clips.items()}))
    assert (parsed.rows, parsed.broken.height, parsed.labels.height) == (16, 0, 15)
    assert parsed.labels["label"].value_counts().sort("label").rows() == [("abnormal", 4), ("normal", 11)]
    assert parsed.snapshots.height == 15 + 8
    assert set(parsed.snapshots.select("sample_rate_hz", "n_samples", "encoding").rows()) == {(16e3, 160_000, "i2")}
    assert parsed.snapshots.select("machine_id", "sensor", "recorded_at").is_unique().all()
    found = set(parsed.snapshots["samples"])
    for path in clips.values():
        _, reference = wavfile.read(path)
        assert {channel.tobytes() for channel in np.atleast_2d(reference.T)} <= found


def test_the_peaks_of_the_real_8_channel_file_are_those_of_its_readme(data_dir):
    parsed = read(data_dir("mimii") / "original_8_channel" / "fan_original.wav")
    assert parsed.snapshots["sensor"].to_list() == [f"channel_{number}_fs" for number in range(1, 9)]
    peaks = [int(np.abs(np.frombuffer(raw, "<i2").astype(int)).max()) for raw in parsed.snapshots["samples"]]
    assert (min(peaks), max(peaks)) == (1_006, 1_722)
    assert parsed.labels.equals(pl.DataFrame(schema=parsed.labels.schema))
