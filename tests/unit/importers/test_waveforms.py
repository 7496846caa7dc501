"""Snapshot files of every layout: each channel lands once, a broken member is told, pieces are the whole."""

import hashlib
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from snapshot_files import chunk, damaged, packed, riff, wav, wav_format

from pipelines.contracts.enforce import split
from pipelines.contracts.snapshots import SNAPSHOTS
from pipelines.importers import waveforms
from pipelines.importers.formats import read_file
from pipelines.importers.parsed import BROKEN, KNOWN, READ, TAKEN, FileError, Parsed, joined
from pipelines.register import Source

SOUND = Source("plant", "mimii")
CLIP = np.arange(800, dtype=np.int16).reshape(400, 2)


def clips(count: int) -> dict[str, bytes]:
    return {f"6_dB_fan/fan/id_00/normal/{number:08d}.wav": wav(CLIP + number) for number in range(count)}


def read(path: Path) -> list[Parsed]:
    return list(read_file(path, SOUND))


def test_a_channel_is_one_row_with_its_samples_as_they_stand_in_the_file(tmp_path):
    (parsed,) = read(packed(tmp_path / "a.zip", clips(2)))
    assert parsed.snapshots.schema == TAKEN
    assert parsed.labels.schema == KNOWN
    assert parsed.readings.schema == READ
    assert parsed.broken.schema == BROKEN
    assert parsed.rows == 2
    assert parsed.snapshots["batch_row"].to_list() == [0, 0, 1, 1]
    row = parsed.snapshots.row(3, named=True)
    assert (row["sensor"], row["encoding"], row["scale"], row["n_samples"]) == ("channel_2_fs", "i2", 2**-15, 400)
    assert np.array_equal(np.frombuffer(row["samples"], "<i2"), CLIP[:, 1] + 1)
    assert row["digest"] == hashlib.sha256(row["samples"]).hexdigest()[:16]


def test_what_is_read_keeps_the_contract(tmp_path):
    (parsed,) = read(packed(tmp_path / "a.zip", clips(2)))
    landed = parsed.snapshots.with_columns(
        source=pl.lit("plant"),
        landed_at=pl.col("recorded_at"),
        batch_id=pl.lit("b"),
        batch_seq=pl.lit(1, pl.Int64),
        day=pl.col("recorded_at").dt.date(),
    )
    good, broken = split(landed.select(list(SNAPSHOTS.columns)), SNAPSHOTS)
    assert (good.height, broken.height) == (4, 0)


def test_pieces_are_the_whole_and_share_no_row(tmp_path, monkeypatch):
    files = clips(9) | {"6_dB_fan/fan/id_00/normal/00000004.wav": b"broken"}
    path = packed(tmp_path / "a.zip", files)
    (whole,) = read(path)
    monkeypatch.setattr(waveforms, "PIECE", 3_000)
    pieces = read(path)
    assert len(pieces) > 2
    together = joined(pieces)
    assert together.snapshots.equals(whole.snapshots)
    assert together.labels.equals(whole.labels)
    assert together.broken.equals(whole.broken)
    assert together.rows == whole.rows == 9


@pytest.mark.parametrize(("spoilt", "told"), [("in the archive", "damaged"), ("before", "not a WAV file")])
def test_a_broken_member_is_a_broken_row_and_the_others_land(spoilt, told, tmp_path):
    files = clips(3)
    second = files["6_dB_fan/fan/id_00/normal/00000001.wav"]
    if spoilt == "in the archive":
        path = damaged(packed(tmp_path / "a.zip", files), second, by=b"RIFX")
    else:
        path = packed(tmp_path / "a.zip", files | {"6_dB_fan/fan/id_00/normal/00000001.wav": b"RIFF" + second[:-9:-1]})
    (parsed,) = read(path)
    assert parsed.snapshots["batch_row"].unique().sort().to_list() == [0, 2]
    (broken,) = parsed.broken.to_dicts()
    assert (broken["batch_row"], broken["column"], broken["found"]) == (
        1,
        "file",
        "6_dB_fan/fan/id_00/normal/00000001.wav",
    )
    assert told in broken["reasons"]


def test_a_member_that_is_none_of_the_data_set_is_told(tmp_path):
    (parsed,) = read(packed(tmp_path / "a.zip", {"README.md": b"# words", **clips(1)}))
    assert parsed.rows == 2
    (told,) = parsed.broken.to_dicts()
    assert told["found"] == "README.md"
    assert "expected files such as 6_dB_fan/fan/id_00/normal/00000000.wav" in told["reasons"]


@pytest.mark.parametrize(
    ("importer", "expected"),
    [
        ("mimii", r"\.wav"),
        ("femto", "Bearing1_1/acc_00001.csv"),
        ("xjtu-sy", "35Hz12kN/Bearing1_1/1.csv"),
        ("nasa-ims", "2nd_test/2004.02.12.10.32.39"),
        ("cwru", "IR007_0.mat"),
    ],
)
def test_an_archive_without_any_file_of_the_data_set_is_refused(importer, expected, tmp_path):
    path = packed(tmp_path / "a.zip", {"README.md": b"", "x.txt": b""})
    with pytest.raises(FileError, match=expected) as refusal:
        next(read_file(path, Source("plant", importer)))
    assert "found 'README.md' and others" in str(refusal.value)


def test_a_lone_file_that_is_broken_is_refused(tmp_path):
    (tmp_path / "fan.wav").write_bytes(wav(CLIP)[:-1])
    with pytest.raises(FileError, match="are promised"):
        next(read_file(tmp_path / "fan.wav", SOUND))


def test_a_sample_that_is_no_finite_number_is_told(tmp_path):
    samples = np.array([0, 1, np.nan, np.inf], np.float32)
    (tmp_path / "fan.wav").write_bytes(riff(wav_format(1, 8_000, 32, code=3), chunk(b"data", samples.tobytes())))
    with pytest.raises(FileError, match="mono_fs, sample 2 is nan"):
        next(read_file(tmp_path / "fan.wav", SOUND))
