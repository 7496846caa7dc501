"""Landing of files that hold many snapshots: in pieces or at once, killed or sent again, the lake ends the same."""

import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from assets import landing
from assets.landing import Landed, land
from pipelines.importers import waveforms
from pipelines.register import Source
from resources.home import Home
from resources.inbox import Inbox
from resources.lake import Lake
from resources.snapshot_store import current_snapshots
from resources.spans import through

NOW = datetime(2026, 2, 1, tzinfo=UTC)
RIG = Source("rig", "femto")
FILES = {f"Bearing1_1/acc_{number:05}.csv": number for number in (1, 2, 3)} | {"Bearing2_1/acc_00001.csv": 4}


def snapshot_file(seed: int, *, second: int) -> str:
    """A file of the exact layout: hour, minute, second, microsecond, horizontal and vertical acceleration."""
    values = np.random.default_rng(seed).normal(0.0, 0.4, (2_560, 2)).round(3)
    return "".join(f"9,39,{second},{65664 + 39 * n},{h},{v}\n" for n, (h, v) in enumerate(values))


class Rig:
    """A home without Dagster, and archives that arrive there."""

    def __init__(self, root: Path) -> None:
        self.root, self.home = root, Home(root / "home")
        self.home.prepare()
        self.inbox = Inbox(root=str(self.home.root))

    @property
    def lake(self) -> Lake:
        return Lake(root=str(self.home.lake))

    def send(self, files: Mapping[str, int], name: str = "life.zip", **others: str) -> str:
        with zipfile.ZipFile(self.root / name, "w") as archive:
            texts = {member: snapshot_file(seed, second=10 * int(member[-9:-4])) for member, seed in files.items()}
            for member, text in (texts | others).items():
                archive.writestr(zipfile.ZipInfo(member), text)
        return self.inbox.put(self.root / name, source="rig")

    def land(self, *files: str) -> Landed:
        return land(files, source=RIG, lake=self.lake, inbox=self.inbox, now=NOW, again=False)

    def current(self) -> pl.DataFrame:
        frames = list(current_snapshots(self.lake, source="rig", signal="vibration", spans=None, at_once=50_000))
        assert len(frames) > 1
        told = pl.concat(frames).select("machine_id", "sensor", "recorded_at", "samples", "digest", "sample_rate_hz")
        return told.sort("machine_id", "recorded_at", "sensor")


@pytest.fixture
def rig(tmp_path) -> Rig:
    return Rig(tmp_path)


@pytest.fixture
def whole(tmp_path) -> pl.DataFrame:
    """What the lake holds when all came at once."""
    (tmp_path / "other").mkdir()
    rig = Rig(tmp_path / "other")
    rig.land(rig.send(FILES))
    return rig.current()


def test_every_channel_of_every_file_lands_with_its_samples_to_the_last_digit(rig):
    landed = rig.land(rig.send(FILES))
    assert (landed.receipt.rows_read, landed.receipt.rows_landed, landed.receipt.snapshots_landed) == (4, 4, 8)
    first = rig.current().row(0, named=True)
    text = snapshot_file(1, second=10).splitlines()
    assert (first["machine_id"], first["sensor"]) == ("rig.Bearing1_1", "horizontal_g")
    assert np.frombuffer(first["samples"], "<f8").tolist() == [float(line.split(",")[4]) for line in text]


def test_what_comes_again_lands_nothing_and_a_corrected_file_lands_on_top(rig, whole):
    rig.land(rig.send(FILES))
    again = rig.land(rig.send(FILES))
    assert (again.receipt.files_duplicate, again.receipt.snapshots_landed) == (1, 0)
    some = rig.land(rig.send({"Bearing1_1/acc_00002.csv": 2, "Bearing1_1/acc_00003.csv": 33}, "some.zip"))
    assert (some.receipt.rows_duplicate, some.receipt.rows_landed, some.receipt.snapshots_landed) == (1, 1, 2)
    now = rig.current()
    assert now.height == whole.height
    assert (now["digest"] != whole["digest"]).sum() == 2


def test_a_damaged_member_is_kept_with_its_reason_and_the_others_land(rig):
    landed = rig.land(rig.send(FILES, **{"README.md": "no", "Bearing1_1/acc_00007.csv": "1,2\n"}))
    assert (landed.receipt.rows_read, landed.receipt.rows_landed, landed.receipt.rows_quarantined) == (6, 4, 2)
    rows = rig.inbox.refused_rows(landed.refused[0]["folder"])
    assert rows is not None
    assert rows.filter(pl.col("found").str.contains("acc_00007"))["reasons"][0].startswith("expected")


def test_a_file_that_lands_piece_by_piece_ends_in_the_same_rows_and_the_same_count(rig, whole, monkeypatch):
    monkeypatch.setattr(waveforms, "PIECE", 1)
    monkeypatch.setattr(landing, "BYTES_AT_ONCE", 1)
    before = rig.lake.version("snapshots")
    landed = rig.land(rig.send(FILES))
    assert rig.lake.version("snapshots") == before + 4
    assert (landed.receipt.files, landed.receipt.rows_landed, landed.receipt.snapshots_landed) == (1, 4, 8)
    assert rig.current().equals(whole)


def test_a_run_that_died_between_two_pieces_is_completed_by_the_next(rig, whole, monkeypatch):
    monkeypatch.setattr(waveforms, "PIECE", 1)
    monkeypatch.setattr(landing, "BYTES_AT_ONCE", 1)
    commits, commit = [], landing.commit

    def dying(*args):
        if len(commits) == 2:
            raise KeyboardInterrupt
        commits.append(args)
        return commit(*args)

    monkeypatch.setattr(landing, "commit", dying)
    file = rig.send(FILES)
    with pytest.raises(KeyboardInterrupt):
        rig.land(file)
    monkeypatch.setattr(landing, "commit", commit)
    landed = rig.land(file)
    assert (landed.receipt.rows_duplicate, landed.receipt.rows_landed) == (2, 2)
    assert rig.current().equals(whole)
    assert rig.lake.read("snapshots")["batch_seq"].n_unique() == 1
    assert list(rig.inbox.pending()) == []


def test_a_file_whose_name_says_what_it_is_keeps_it_in_archive_and_quarantine(tmp_path):
    rig = Rig(tmp_path)
    lines = ["\t".join(f"{value:.3f}" for value in row) for row in np.random.default_rng(1).normal(0, 0.1, (20_480, 4))]
    (tmp_path / "2004.02.12.10.32.39").write_text("\n".join(lines) + "\n")
    (tmp_path / "2004.02.12.10.42.39").write_text("\n".join(lines[:5]) + "\n")
    files = [rig.inbox.put(path, source="ims") for path in sorted(tmp_path.glob("2004*"))]
    ims = Source("ims", "nasa-ims")
    landed = land(files, source=ims, lake=rig.lake, inbox=rig.inbox, now=NOW, again=False)
    assert landed.receipt.snapshots_landed == 4
    batch, note = next(iter(rig.inbox.archived(source="ims").items()))
    claim = rig.inbox.from_archive(batch, source="ims")
    assert claim is not None
    assert (claim.path.name, note["name"]) == ("original.39", "2004.02.12.10.32.39")
    assert landing.opened_file(claim, ims)[0].snapshots["recorded_at"].unique().to_list() == [
        datetime(2004, 2, 12, 10, 32, 39, tzinfo=UTC)
    ]
    again = [landed.refused[0]["folder"]]
    replayed = land(again, source=ims, lake=rig.lake, inbox=rig.inbox, now=NOW, again=True)
    assert replayed.refused[0]["message"].startswith("2004.02.12.10.42.39: expected")


def test_of_some_spans_only_what_lies_within_is_read(rig, whole):
    rig.land(rig.send(FILES))
    machine, at = "rig.Bearing1_1", whole["recorded_at"].unique().sort()[1]
    frames = current_snapshots(rig.lake, source="rig", signal="vibration", spans=[through(at, at, machine)])
    read = pl.concat(frames)
    assert read.select("machine_id", "recorded_at").unique().rows() == [(machine, at)]
    assert list(current_snapshots(rig.lake, source="rig", signal="sound", spans=None)) == []


def test_what_is_not_asked_for_is_not_held_in_memory(rig):
    """Another signal of the machine, and versions that were corrected, lie between."""
    rig.land(rig.send(FILES))
    rig.land(rig.send({"Bearing1_1/acc_00002.csv": 22}, "corrected.zip"))
    other = rig.lake.read("snapshots").with_columns(signal=pl.lit("sound"), sensor=pl.lit("mono_fs")).head(4)
    rig.lake.append("snapshots", other, source="rig", batches={"c" * 64: 1})
    lake = rig.lake
    keys = lake.read("snapshots", where=pl.col("signal") == "vibration", columns=["digest"]).height
    before = lake.rows_read
    read = sum(frame.height for frame in current_snapshots(lake, source="rig", signal="vibration", spans=None))
    assert read == 2 * len(FILES)
    assert lake.rows_read - before == keys + read
