"""Care of the lake: files go, rows and what consumers noted stay, and nobody who reads or writes is disturbed."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

from resources.differences import Shape
from resources.lake import Lake, redo_on_conflict
from resources.lake_maintenance import LakeMaintenance

START = datetime(2026, 1, 5, tzinfo=UTC)
ROW = {
    "source": pl.String, "day": pl.Date, "recorded_at": pl.Datetime("us", "UTC"), "value": pl.Float64,
    "batch_id": pl.String,
}  # fmt: skip
SHAPE = Shape(key=("source", "recorded_at"), time="recorded_at", lineage=("batch_id",))
LONG, NONE = timedelta(days=7), timedelta(0)
Values = dict[int, float]  # value by hour after START


def rows(values: Values, *, source: str = "a", batch: str = "b1") -> pl.DataFrame:
    at = [(START + timedelta(hours=hour), value) for hour, value in values.items()]
    return pl.DataFrame([(source, when.date(), when, value, batch) for when, value in at], ROW, orient="row")


def land(lake: Lake, values: Values, *, batch: str, source: str = "a") -> None:
    lake.append(
        "readings", rows(values, source=source, batch=batch), source=source,
        batches={batch: lake.next_seq("readings", source=source)},
    )  # fmt: skip


def put(lake: Lake, values: Values, *, source: str = "a") -> None:
    def step() -> None:
        taken = lake.take(["readings"], source=source, consumer="features")
        lake.replace("features", rows(values, source=source), source=source, taken=taken, shape=SHAPE)

    redo_on_conflict(step)


def held(lake: Lake, table: str = "features") -> Values:
    frame = lake.read(table).sort("recorded_at")
    return {int((at - START) / timedelta(hours=1)): value for at, value in frame.select("recorded_at", "value").rows()}


@pytest.fixture
def lake(tmp_path) -> Lake:
    lake = Lake(root=str(tmp_path / "my lake"))
    for table in ("readings", "features"):
        lake.create(table, pl.DataFrame(schema=ROW))
    return lake


@pytest.fixture
def care(lake) -> LakeMaintenance:
    return LakeMaintenance(root=lake.root)


def vacuum(care: LakeMaintenance, table: str, *, grace: timedelta, read_since: datetime | None = None):
    return care.vacuum(table, grace=grace, now=datetime.now(UTC), read_since=read_since)


def on_disk(lake: Lake, table: str) -> set[str]:
    return {str(path) for path in Path(lake.uri(table)).rglob("*.parquet") if "_delta_log" not in path.parts}


# --- compaction


def test_a_compaction_merges_files_and_changes_no_row(lake, care):
    for hour in range(6):
        land(lake, {hour: float(hour)}, batch=f"b{hour}")
    before = lake.read("readings").sort("recorded_at")
    told = care.compact("readings")
    assert (told["files_merged"], told["files_written"]) == (6, 1)
    assert len(lake.files("readings")) == 1
    assert lake.read("readings").sort("recorded_at").equals(before)


def test_whoever_follows_takes_nothing_anew_after_a_compaction(lake, care):
    for hour in range(6):
        land(lake, {hour: 1.0}, batch=f"b{hour}")
    put(lake, {0: 1.0})
    care.compact("readings")
    assert lake.take(["readings"], source="a", consumer="features").nothing_new
    land(lake, {7: 1.0}, batch="b7")
    taken = lake.take(["readings"], source="a", consumer="features").changed["readings"]
    assert taken["batch_id"].to_list() == ["b7"]


def test_notes_and_known_batches_outlive_a_compaction_and_a_cut_log(lake, care):
    for hour in range(6):
        land(lake, {hour: 1.0}, batch=f"b{hour}")
    put(lake, {0: 1.0})
    for table in ("readings", "features"):
        DeltaTable(lake.uri(table)).alter.set_table_properties({"delta.logRetentionDuration": "interval 0 seconds"})
        care.compact(table)
    assert all(lake.knows("readings", source="a", batch=f"b{hour}") for hour in range(6))
    noted = DeltaTable(lake.uri("features")).transaction_version(f"{DeltaTable(lake.uri('readings')).metadata().id}/a")
    assert noted is not None


def test_a_log_older_than_its_retention_is_cut(lake, care):
    for hour in range(6):
        land(lake, {hour: 1.0}, batch=f"b{hour}")
    DeltaTable(lake.uri("readings")).alter.set_table_properties({"delta.logRetentionDuration": "interval 0 seconds"})
    told = care.compact("readings")
    assert told["files_removed"] >= 6
    assert told["bytes_freed"] > 0
    assert held(lake, "readings") == dict.fromkeys(range(6), 1.0)


def test_the_commits_since_a_compaction_are_counted(lake, care):
    land(lake, {0: 1.0}, batch="b0")
    land(lake, {1: 1.0}, batch="b1")
    assert care.commits_since_compaction("readings") == 2
    care.compact("readings")
    assert care.commits_since_compaction("readings") == 0
    land(lake, {2: 1.0}, batch="b2")
    assert care.commits_since_compaction("readings") == 1


def test_compactions_beside_live_writers_lose_and_double_nothing(lake, care):
    over = threading.Event()

    def compact() -> int:
        done = 0
        while not over.is_set():
            done += sum(care.compact(table)["files_merged"] for table in ("readings", "features"))
        return done

    def write(source: str) -> None:
        for number in range(12):
            redo_on_conflict(lambda n=number: land(lake, {n: float(n)}, batch=f"{source}{n}", source=source))
            put(lake, {hour: float(number) for hour in range(3)}, source=source)

    with ThreadPoolExecutor(3) as pool:
        compacting = pool.submit(compact)
        try:
            for writing in [pool.submit(write, source) for source in ("a", "b")]:
                writing.result()
        finally:
            over.set()
        assert compacting.result() > 0
    assert sorted(lake.read("readings").select("source", "value").rows()) == [
        (source, float(n)) for source in ("a", "b") for n in range(12)
    ]
    assert sorted(lake.read("features").select("source", "value").rows()) == [("a", 11.0)] * 3 + [("b", 11.0)] * 3


def test_a_merge_of_files_that_are_replaced_meanwhile_is_done_again(lake, care):
    for hour in range(3):
        lake.append("features", rows({hour: 1.0}, batch=f"b{hour}"), source="a", batches={f"b{hour}": hour})
    rivals = [lambda: put(lake, {0: 7.0})]

    class Late(LakeMaintenance):
        def _open(self, table: str) -> DeltaTable:
            delta = super()._open(table)
            while rivals:
                rivals.pop()()
            return delta

    Late(root=lake.root).compact("features")
    assert held(lake) == {0: 7.0}
    assert care.commits_since_compaction("features") == 0


# --- vacuum


def test_within_the_grace_nothing_is_removed(lake, care):
    for value in (1.0, 2.0, 3.0):
        put(lake, {0: value})
        land(lake, {int(value): value}, batch=f"b{value}")
    version = lake.version("features")
    assert vacuum(care, "features", grace=LONG) == (0, 0)
    assert lake.version("features") == version  # nor is it written to


def test_after_the_grace_what_no_version_needs_is_removed_and_counted(lake, care):
    for value in (1.0, 2.0, 3.0):
        land(lake, {int(value): value}, batch=f"b{value}")
        put(lake, {0: value})
    before = on_disk(lake, "features")
    removed = vacuum(care, "features", grace=NONE)
    gone = before - on_disk(lake, "features")
    assert removed.files == len(gone) > 0
    assert removed.bytes > 0
    assert held(lake) == {0: 3.0}


def test_what_a_killed_writer_left_goes_after_the_grace_and_not_before(lake, care):
    put(lake, {0: 1.0})
    folder = Path(lake.files("features")[0]).parent
    young, old = folder / "young.parquet", folder / "old.parquet"
    for path in (young, old):
        path.write_bytes(b"x")
    os.utime(old, (time.time() - 8 * 86400,) * 2)
    assert vacuum(care, "features", grace=LONG) == (1, 1)
    assert (young.exists(), old.exists()) == (True, False)


def test_a_file_that_a_list_of_readers_names_stays_beyond_the_grace(lake, care):
    put(lake, {0: 1.0})
    published = datetime.now(UTC)  # a catalog lists the files of this moment
    named = lake.files("features")
    land(lake, {1: 1.0}, batch="b1")
    put(lake, {0: 2.0})
    vacuum(care, "features", grace=NONE, read_since=published)
    assert all(Path(file).exists() for file in named)
    vacuum(care, "features", grace=NONE)
    assert not any(Path(file).exists() for file in named)


def test_the_grace_is_written_into_the_table_once(lake, care):
    put(lake, {0: 1.0})
    vacuum(care, "features", grace=timedelta(days=3))
    version = lake.version("features")
    vacuum(care, "features", grace=timedelta(days=3))
    assert lake.version("features") == version
    kept = DeltaTable(lake.uri("features")).metadata().configuration["delta.deletedFileRetentionDuration"]
    assert kept == "interval 3 days"


def test_a_new_grace_is_a_conflict_that_a_live_writer_survives(lake, care):
    put(lake, {0: 1.0})
    land(lake, {1: 1.0}, batch="b1")
    graces = iter([timedelta(days=3)])

    def step() -> None:
        taken = lake.take(["readings"], source="a", consumer="features")
        for grace in graces:
            vacuum(care, "features", grace=grace)
        lake.replace("features", rows({0: 5.0}), source="a", taken=taken, shape=SHAPE)

    redo_on_conflict(step)
    assert held(lake) == {0: 5.0}
