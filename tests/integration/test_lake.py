"""The lake: a batch lands once, a consumer takes what changed once, and whoever comes late starts again."""

import shutil
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError
from hypothesis import event, given, settings
from hypothesis import strategies as st

from resources.differences import Difference, Shape
from resources.lake import LAG, Lake, Taken, redo_on_conflict
from resources.spans import MOST_RANGES, Span, all_time, at_moment, since

START = datetime(2026, 1, 5, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
READING = {
    "source": pl.String, "day": pl.Date, "machine_id": pl.String, "sensor": pl.String,
    "recorded_at": pl.Datetime("us", "UTC"), "value": pl.Float64, "batch_id": pl.String, "batch_seq": pl.Int64,
}  # fmt: skip
FEATURE = {
    "source": pl.String, "day": pl.Date, "machine_id": pl.String, "recorded_at": pl.Datetime("us", "UTC"), "value": pl.Float64,
    "run_id": pl.String,
}  # fmt: skip
MACHINE = {"source": pl.String, "machine_id": pl.String, "site": pl.String, "register_version": pl.String}
FEATURES = Shape(key=("source", "machine_id", "recorded_at"), time="recorded_at", lineage=("run_id",))
MACHINES = Shape(key=("source", "machine_id"), time=None, lineage=("register_version",))

Values = dict[int, float]  # value by hour after START


def readings(values: Values, *, source: str = "a", batch: str = "b1", seq: int = 1) -> pl.DataFrame:
    rows = [
        (source, (START + hour * HOUR).date(), f"{source}.m", "s", START + hour * HOUR, value, batch, seq)
        for hour, value in values.items()
    ]
    return pl.DataFrame(rows, READING, orient="row")


def features(values: Values, *, source: str = "a", machine: str = "m", run: str = "run-1") -> pl.DataFrame:
    rows = [
        (source, (START + hour * HOUR).date(), f"{source}.{machine}", START + hour * HOUR, value, run)
        for hour, value in values.items()
    ]
    return pl.DataFrame(rows, FEATURE, orient="row")


def new_lake(root: Path) -> Lake:
    lake = Lake(root=str(root))
    for table, columns in (("readings", READING), ("features", FEATURE), ("machines", MACHINE)):
        lake.create(table, pl.DataFrame(schema=columns))
    return lake


@pytest.fixture
def lake(tmp_path) -> Lake:
    return new_lake(tmp_path)


def land(lake: Lake, values: Values, *, batch: str, source: str = "a") -> None:
    seq = lake.next_seq("readings", source=source)
    frame = readings(values, source=source, batch=batch, seq=seq)
    lake.append("readings", frame, source=source, batches={batch: seq})


def take(lake: Lake, *, source: str | None = "a", definition: str = "") -> Taken:
    return lake.take(["readings"], source=source, consumer="features", definition=definition)


def put(
    lake: Lake,
    values: Values,
    *,
    taken: Taken | None = None,
    spans: list[Span] | None = None,
    source: str = "a",
    run: str = "run-1",
) -> Difference:
    return lake.replace(
        "features",
        features(values, source=source, run=run),
        source=source,
        taken=taken or take(lake, source=source),
        shape=FEATURES,
        spans=spans,
    )


def held(lake: Lake, *, source: str = "a") -> Values:
    frame = lake.read("features", source=source).sort("recorded_at")
    assert frame["recorded_at"].is_unique().all()
    return {int((at - START) / HOUR): value for at, value in frame.select("recorded_at", "value").rows()}


def runs(lake: Lake, *, source: str = "a") -> dict[int, str]:
    """The run that wrote each row, by hour."""
    frame = lake.read("features", source=source).sort("recorded_at")
    return {int((at - START) / HOUR): run for at, run in frame.select("recorded_at", "run_id").rows()}


def hours(since: int, until: int) -> Span:
    return Span(START + since * HOUR, START + until * HOUR)


# --- tables and batches


def test_creating_a_table_again_keeps_its_rows_and_its_history(lake):
    land(lake, {0: 1.0}, batch="b1")
    table, version = DeltaTable(lake.uri("readings")).metadata().id, lake.version("readings")
    lake.create("readings", pl.DataFrame(schema=READING))
    assert (DeltaTable(lake.uri("readings")).metadata().id, lake.version("readings")) == (table, version)
    assert lake.count("readings") == 1


def test_a_table_is_cut_by_source_and_day_where_it_has_them_and_keeps_a_change_feed(lake):
    cut = {name: DeltaTable(lake.uri(name)).metadata().partition_columns for name in ("readings", "machines")}
    assert cut == {"readings": ["source", "day"], "machines": ["source"]}
    assert DeltaTable(lake.uri("machines")).metadata().configuration["delta.enableChangeDataFeed"] == "true"


@pytest.mark.parametrize("place", ["plain", "my plant", "Anlage für Öl", "it's 100 $home", "werk 🏭", "a#b{c}"])
def test_a_lake_may_lie_in_a_folder_of_any_language(tmp_path, place):
    lake = new_lake(tmp_path / place)
    land(lake, {0: 1.0}, batch="b1")
    put(lake, {0: 1.0})
    put(lake, {0: 2.0}, spans=[hours(0, 1)])
    assert held(lake) == {0: 2.0}
    assert all(Path(file).is_file() for table in ("readings", "features") for file in lake.files(table))


def test_a_batch_appended_again_changes_nothing(lake):
    land(lake, {0: 1.0, 1: 2.0}, batch="b1")
    version = lake.version("readings")
    land(lake, {0: 1.0, 1: 2.0}, batch="b1")
    assert lake.version("readings") == version
    assert lake.count("readings") == 2


def test_of_several_batches_only_the_unknown_are_appended(lake):
    land(lake, {0: 1.0}, batch="b1")
    both = pl.concat([readings({0: 1.0}, batch="b1", seq=7), readings({1: 2.0}, batch="b2", seq=8)])
    lake.append("readings", both, source="a", batches={"b1": 7, "b2": 8})
    assert sorted(lake.read("readings")["batch_id"]) == ["b1", "b2"]


def test_a_batch_without_rows_is_known_afterwards(lake):
    lake.append("readings", readings({}), source="a", batches={"empty": 9})
    assert lake.knows("readings", source="a", batch="empty")
    assert lake.count("readings") == 0


def test_a_batch_is_known_for_the_source_it_landed_for_alone(lake):
    land(lake, {0: 1.0}, batch="b1", source="a")
    assert lake.knows("readings", source="a", batch="b1")
    assert not lake.knows("readings", source="b", batch="b1")
    assert not lake.knows("features", source="a", batch="b1")


def test_a_batch_judged_against_a_table_that_another_run_appended_to_conflicts_and_lands_when_redone(lake):
    base, seq = lake.base("readings"), lake.next_seq("readings", source="a")
    land(lake, {0: 1.0}, batch="first")
    late = readings({0: 2.0}, batch="late", seq=seq)
    with pytest.raises(CommitFailedError):
        lake.append("readings", late, source="a", batches={"late": seq}, base=base)
    assert lake.read("readings")["batch_id"].to_list() == ["first"]

    redo_on_conflict(lambda: land(lake, {0: 2.0}, batch="late"))
    assert lake.readings(source="a")["value"].to_list() == [2.0]  # what came late counts: its seq is higher


def test_two_appends_of_two_sources_from_one_version_both_land(lake):
    base, seq = lake.base("readings"), lake.next_seq("readings", source="a")
    land(lake, {0: 1.0}, batch="first", source="b")
    late = readings({0: 2.0}, batch="late", seq=seq)
    lake.append("readings", late, source="a", batches={"late": seq}, base=base)
    assert sorted(lake.read("readings")["batch_id"]) == ["first", "late"]


def test_rows_that_a_known_batch_lacks_are_added_through_the_table_they_were_judged_against(lake):
    land(lake, {0: 1.0}, batch="b1")
    seq = lake.seq_of("readings", source="a", batch="b1")
    more = readings({1: 2.0}, batch="b1", seq=seq)
    lake.append("readings", more, source="a", batches={"b1": seq})
    assert lake.count("readings") == 1
    stale = lake.base("readings")
    lake.append("readings", more, source="a", batches={"b1": seq}, base=lake.base("readings"))
    assert lake.readings(source="a").select("value", "batch_seq").sort("value").rows() == [(1.0, seq), (2.0, seq)]
    with pytest.raises(CommitFailedError):
        lake.append("readings", more, source="a", batches={"b1": seq}, base=stale)


def test_the_order_of_a_batch_is_remembered_and_an_older_one_that_comes_late_does_not_move_the_next_back(lake):
    land(lake, {0: 1.0}, batch="b1")
    land(lake, {0: 2.0}, batch="b2")
    first, second = (lake.seq_of("readings", source="a", batch=batch) for batch in ("b1", "b2"))
    assert lake.readings(source="a")["batch_seq"].to_list() == [second]
    assert lake.seq_of("readings", source="a", batch="b3") is None
    lake.append("readings", readings({5: 1.0}, batch="b0", seq=3), source="a", batches={"b0": 3})
    assert lake.next_seq("readings", source="a") > second > first > 3


def test_in_a_table_that_counts_its_versions_anew_the_next_batch_is_above_those_that_it_holds(lake):
    old = 900 << 16
    lake.append("readings", readings({0: 1.0}, seq=old), source="a", batches={"b1": old})
    land(lake, {0: 2.0}, batch="b2")
    land(lake, {0: 3.0}, batch="b3")
    assert lake.readings(source="a")["value"].to_list() == [3.0]


def test_batches_are_forgotten_after_a_time_and_the_order_of_a_source_never(tmp_path, monkeypatch):
    lake = new_lake(tmp_path)
    long_ago = time.time() - 40 * 86_400
    with monkeypatch.context() as past:
        past.setattr(time, "time", lambda: long_ago)
        lake.append("readings", readings({0: 1.0}, seq=900 << 16), source="a", batches={"b1": 900 << 16})
    assert not lake.knows("readings", source="a", batch="b1")
    assert lake.next_seq("readings", source="a") == 901 << 16


def test_the_next_seq_is_above_all_that_was_committed_before(lake):
    seqs = []
    for number in range(3):
        seqs.append(lake.next_seq("readings", source="a"))
        land(lake, {0: float(number)}, batch=f"b{number}")
    assert seqs == sorted(set(seqs))
    assert lake.next_seq("readings", source="a") > lake.read("readings")["batch_seq"].max()
    assert seqs[1] - seqs[0] >= 200  # files of one run are numbered from there on


@settings(max_examples=12)
@given(st.lists(st.dictionaries(st.integers(0, 30), st.floats(-9, 9), min_size=1, max_size=4), min_size=1, max_size=4))
def test_of_every_key_the_reading_that_landed_last_is_current(batches):
    with TemporaryDirectory() as root:
        lake, current = new_lake(Path(root)), {}
        for number, values in enumerate(batches):
            land(lake, values, batch=f"b{number}")
            land(lake, dict.fromkeys(values, 99.0), batch=f"b{number}", source="other")
            current |= values
        frame = lake.readings(source="a")
        assert {int((at - START) / HOUR): value for at, value in frame.select("recorded_at", "value").rows()} == current
        within = lake.readings(source="a", spans=[hours(5, 20)])
        assert within.height == len([hour for hour in current if 5 <= hour < 20])


def test_rows_are_read_by_source_and_by_spans_whose_end_is_excluded(lake):
    put(lake, {hour: float(hour) for hour in range(30)})
    put(lake, {0: 7.0}, source="b")
    spans = [hours(0, 2), hours(23, 26)]
    assert sorted(lake.read("features", source="a", spans=spans)["value"]) == [0.0, 1.0, 23.0, 24.0, 25.0]
    assert lake.read("features", spans=spans).height == 6
    assert lake.read("features", spans=[]).is_empty()
    assert lake.read("features", source="a", spans=[at_moment(START)])["value"].to_list() == [0.0]


def test_a_table_tells_its_counts_machines_and_days(lake):
    land(lake, {0: 1.0, 1: 2.0, 25: 3.0}, batch="b1")
    land(lake, {2: 9.0}, batch="b2", source="b")
    assert (lake.count("readings"), lake.count("readings", source="a")) == (4, 3)
    assert (lake.count("features"), lake.count("readings", source="none")) == (0, 0)
    assert lake.machine_ids("readings", source="b") == ["b.m"]
    assert lake.rows_by_day("readings", source="a").rows() == [(date(2026, 1, 5), 2), (date(2026, 1, 6), 1)]
    assert lake.columns("readings").schema == pl.Schema(READING)


def test_a_table_tells_the_newest_moment_of_each_source_and_of_all(lake):
    assert lake.newest_moments("readings", time="recorded_at") == {}
    assert lake.newest_moment("readings", source=None, time="recorded_at") is None
    land(lake, {0: 1.0, 25: 3.0}, batch="b1")
    land(lake, {3: 9.0}, batch="b2", source="b")
    newest = {"a": START + 25 * HOUR, "b": START + 3 * HOUR}
    assert lake.newest_moments("readings", time="recorded_at") == newest
    asked = [lake.newest_moment("readings", source=source, time="recorded_at") for source in ("a", "b", "none", None)]
    assert asked == [newest["a"], newest["b"], None, newest["a"]]


def test_the_newest_moment_and_the_count_follow_rows_that_go(lake):
    put(lake, {0: 1.0, 25: 3.0, 26: 3.0})
    put(lake, {}, spans=[hours(26, 27)])
    assert (lake.newest_moment("features", source="a", time="recorded_at"), lake.count("features")) == (
        START + 25 * HOUR,
        2,
    )
    put(lake, {})
    assert (lake.newest_moment("features", source="a", time="recorded_at"), lake.count("features")) == (None, 0)


def test_counts_and_newest_moments_are_told_from_the_log_alone(lake):
    put(lake, {0: 1.0, 25: 3.0})
    for file in lake.files("features"):
        Path(file).unlink()
    assert (lake.count("features"), lake.rows_read) == (2, 0)
    assert lake.newest_moments("features", time="recorded_at") == {"a": START + 25 * HOUR}


@pytest.mark.parametrize(
    ("moment", "before"),
    [(0, None), (1, 0), (25, 23), (24, 23), (100, 23), (101, 100), (1000, 100)],
    ids=["none", "the one before", "the day before", "across midnight", "long before", "near again", "long after"],
)
def test_the_moment_before_is_the_newest_that_is_earlier_however_far(lake, moment, before):
    put(lake, {0: 1.0, 23: 1.0, 100: 1.0})
    put(lake, {24: 1.0, 99: 1.0}, source="b")
    found = lake.moment_before("features", START + moment * HOUR, source="a")
    assert found == (None if before is None else START + before * HOUR)


def test_the_moment_before_is_found_in_files_of_the_day_before_where_it_lies_there(lake):
    put(lake, {0: 1.0, 100: 1.0})
    [old] = [file for file in lake.files("features") if "day=2026-01-05" in file]
    Path(old).unlink()
    assert lake.moment_before("features", START + 101 * HOUR, source="a") == START + 100 * HOUR


def test_the_moment_before_may_be_that_of_any_source_and_of_another_column(lake):
    put(lake, {0: 1.0})
    put(lake, {5: 1.0}, source="b")
    assert lake.moment_before("features", START + 9 * HOUR) == START + 5 * HOUR
    started = features({3: 1.0}).rename({"recorded_at": "started_at"})
    lake.create("episodes", started)
    taken = lake.take(["readings"], source="a", consumer="episodes")
    shape = FEATURES._replace(key=("source", "started_at"), time="started_at")
    lake.replace("episodes", started, source="a", taken=taken, shape=shape)
    assert lake.moment_before("episodes", START + 9 * HOUR, time="started_at") == START + 3 * HOUR


def test_rows_are_read_where_else_a_condition_holds(lake):
    put(lake, {0: 1.0, 1: 2.0, 2: 2.0})
    found = lake.read("features", spans=[hours(0, 2)], where=pl.col("value") > 1)
    assert found["recorded_at"].to_list() == [START + HOUR]


def test_rows_that_were_read_are_counted_and_so_are_those_of_the_feed(lake):
    land(lake, {0: 1.0, 1: 2.0, 25: 3.0}, batch="b1")
    assert take(lake).news is None
    assert lake.rows_read == 0
    put(lake, {0: 1.0})  # reads the table it replaces: none there
    assert lake.rows_read == 0
    assert lake.read("readings", spans=[hours(0, 2)]).height == lake.rows_read == 2
    land(lake, {7: 1.0}, batch="b2")
    take(lake)
    assert lake.rows_read == 3
    put(lake, {0: 2.0}, taken=take(lake))
    assert lake.rows_read == 3 + 1 + 1


def test_the_end_of_the_newest_window_is_its_start_and_its_length(lake):
    windows = features({0: 1.0, 3: 1.0}).with_columns(window_s=pl.lit(600, pl.Int64))
    lake.create("windows", windows)
    taken = lake.take(["readings"], source="a", consumer="windows")
    lake.replace("windows", windows, source="a", taken=taken, shape=FEATURES)
    assert lake.end_of("windows", source="a") == START + timedelta(hours=3, seconds=600)
    assert lake.end_of("windows", source="b") is None


# --- taking what changed


def test_the_first_take_means_recompute(lake):
    land(lake, {0: 1.0}, batch="b1")
    taken = take(lake)
    assert taken.changed == {"readings": None}
    assert not taken.nothing_new
    assert taken.news is None


def test_what_was_replaced_is_taken_and_nothing_is_new(lake):
    land(lake, {0: 1.0}, batch="b1")
    put(lake, {0: 1.0})
    assert take(lake).nothing_new


def test_what_was_taken_and_not_committed_comes_again(lake):
    land(lake, {0: 1.0}, batch="b1")
    put(lake, {0: 1.0})
    land(lake, {1: 2.0}, batch="b2")
    assert not take(lake).nothing_new
    assert not take(lake).nothing_new


def test_rows_that_changed_since_are_the_feed_and_no_others(lake):
    land(lake, {0: 1.0, 1: 1.0}, batch="b1")
    put(lake, {0: 1.0, 1: 1.0})
    land(lake, {1: 2.0, 30: 3.0}, batch="b2")
    rows = take(lake).changed["readings"]
    assert sorted(rows.select("recorded_at", "value", "_change_type").rows()) == [
        (START + HOUR, 2.0, "insert"),
        (START + 30 * HOUR, 3.0, "insert"),
    ]


def test_rows_that_were_deleted_are_in_the_feed(lake):
    lake.create("scores", pl.DataFrame(schema=FEATURE))
    put(lake, {0: 1.0, 1: 2.0})
    taken = lake.take(["features"], source="a", consumer="scores")
    lake.replace("scores", features({0: 1.0}), source="a", taken=taken, shape=FEATURES)

    put(lake, {}, spans=[hours(1, 2)])
    rows = lake.take(["features"], source="a", consumer="scores").changed["features"]
    assert rows.select("value", "_change_type").rows() == [(2.0, "delete")]


def test_what_changed_for_another_source_is_no_news(lake):
    put(lake, {})
    land(lake, {0: 1.0}, batch="b1", source="b")
    taken = take(lake)
    assert taken.nothing_new
    assert taken.news["readings"].is_empty()


def test_news_are_the_rows_of_each_input_and_none_where_one_does_not_reach_back(lake):
    def both() -> Taken:
        return lake.take(["readings", "machines"], source="a", consumer="features")

    put(lake, {}, taken=both())
    land(lake, {3: 1.0}, batch="b1")
    news = both().news
    assert news["readings"]["recorded_at"].to_list() == [START + 3 * HOUR]
    assert news["machines"].is_empty()

    shutil.rmtree(lake.uri("machines"))
    lake.create("machines", pl.DataFrame(schema=MACHINE))
    assert both().changed["readings"].height == 1
    assert both().news is None


@pytest.mark.parametrize("definitions", [("A", "B"), ("A", "B", "A"), ("", "A"), ("A", "")])
def test_another_definition_means_recompute_and_so_does_going_back_to_an_earlier_one(lake, definitions):
    for definition in definitions:
        taken = take(lake, definition=definition)
        assert taken.changed == {"readings": None}, definition
        put(lake, {0: 1.0}, taken=taken)  # equal rows after the first: the note alone says so
        assert take(lake, definition=definition).nothing_new


def test_the_definition_of_one_source_is_not_that_of_another(lake):
    put(lake, {0: 1.0}, taken=take(lake, definition="A"))
    put(lake, {0: 1.0}, source="b", taken=take(lake, source="b", definition="B"))
    assert take(lake, definition="A").nothing_new
    assert take(lake, source="b", definition="B").nothing_new


def test_an_input_that_was_deleted_and_made_anew_means_recompute(lake):
    land(lake, {0: 1.0}, batch="b1")
    put(lake, {0: 1.0})
    shutil.rmtree(lake.uri("readings"))
    lake.create("readings", pl.DataFrame(schema=READING))
    land(lake, {0: 1.0}, batch="b1")  # the same version as before
    assert take(lake).changed == {"readings": None}


def test_an_input_that_came_back_from_a_backup_means_recompute(lake, tmp_path):
    land(lake, {0: 1.0}, batch="b1")
    shutil.copytree(lake.uri("readings"), tmp_path / "backup")
    land(lake, {1: 2.0}, batch="b2")
    put(lake, {0: 1.0, 1: 2.0})
    shutil.rmtree(lake.uri("readings"))
    shutil.copytree(tmp_path / "backup", lake.uri("readings"))
    assert take(lake).changed == {"readings": None}


def test_a_consumer_over_all_sources_takes_the_changes_of_each(lake):
    frame = pl.concat([features({0: 1.0}), features({0: 2.0}, source="b")])
    lake.replace("features", frame, source=None, taken=take(lake, source=None), shape=FEATURES)
    assert take(lake, source=None).nothing_new
    land(lake, {0: 1.0}, batch="b1", source="b")
    assert take(lake, source=None).changed["readings"]["source"].to_list() == ["b"]

    lake.replace("features", frame.head(1), source=None, taken=take(lake, source=None), shape=FEATURES)
    assert (held(lake), held(lake, source="b")) == ({0: 1.0}, {})


def age(lake: Lake, table: str, *, versions: int) -> None:
    """Further commits that bring no rows, as busy sources do to a quiet one."""
    for _ in range(versions):
        delta = DeltaTable(lake.uri(table))
        delta.create_write_transaction([], "append", delta.schema())


def noted(lake: Lake) -> int | None:
    """Version of the readings that the features of source `a` note as taken."""
    table = DeltaTable(lake.uri("readings")).metadata().id
    return DeltaTable(lake.uri("features")).transaction_version(f"{table}/a")


def test_the_note_of_a_quiet_source_is_moved_on_before_it_falls_off_the_feed(lake):
    put(lake, {0: 1.0})
    before = noted(lake)
    age(lake, "readings", versions=LAG)
    assert take(lake).nothing_new
    assert noted(lake) == before

    age(lake, "readings", versions=1)
    assert take(lake).nothing_new
    assert noted(lake) == before + LAG + 1
    version = lake.version("features")
    assert take(lake).nothing_new  # and not moved again
    assert (lake.version("features"), held(lake)) == (version, {0: 1.0})


def test_a_feed_whose_files_were_vacuumed_means_recompute(lake):
    lake.create("scores", pl.DataFrame(schema=FEATURE))
    for value in (1.0, 2.0, 3.0):
        put(lake, {0: value})
        if value == 1.0:
            taken = lake.take(["features"], source="a", consumer="scores")
            lake.replace("scores", features({0: 1.0}), source="a", taken=taken, shape=FEATURES)
    DeltaTable(lake.uri("features")).vacuum(0, dry_run=False, enforce_retention_duration=False, full=True)
    assert lake.take(["features"], source="a", consumer="scores").changed == {"features": None}


def test_a_feed_whose_log_was_cleaned_means_recompute(lake):
    land(lake, {0: 1.0}, batch="b1")
    put(lake, {0: 1.0})
    land(lake, {1: 1.0}, batch="b2")
    DeltaTable(lake.uri("readings")).alter.set_table_properties({"delta.logRetentionDuration": "interval 0 seconds"})
    land(lake, {2: 1.0}, batch="b3")
    delta = DeltaTable(lake.uri("readings"))
    delta.create_checkpoint()
    delta.cleanup_metadata()
    assert take(lake).changed == {"readings": None}
    assert lake.readings(source="a").height == 3


# --- replacing


def test_rows_outside_the_spans_stay_as_they_are(lake):
    put(lake, {0: 1.0, 1: 1.0, 2: 1.0, 23: 1.0, 24: 1.0, 47: 1.0}, run="old")
    put(lake, {1: 2.0, 24: 2.0}, spans=[hours(1, 2), hours(23, 25)], run="new")
    assert held(lake) == {0: 1.0, 1: 2.0, 2: 1.0, 24: 2.0, 47: 1.0}
    assert runs(lake) == {0: "old", 1: "new", 2: "old", 24: "new", 47: "old"}


def test_rows_of_another_source_stay_as_they_are(lake):
    put(lake, {0: 1.0}, source="b", run="old")
    put(lake, {0: 5.0, 1: 5.0}, spans=[hours(0, 2)])
    put(lake, {0: 6.0})
    assert (held(lake, source="b"), runs(lake, source="b")) == ({0: 1.0}, {0: "old"})


@pytest.mark.parametrize(
    ("span", "left"),
    [
        (Span(START, START + HOUR), [3.0]),
        (Span(START + HOUR - timedelta(microseconds=1), START + HOUR), [1.0, 3.0]),
        (at_moment(START + HOUR), [1.0, 2.0]),
        (Span(START + timedelta(microseconds=1), START + 2 * HOUR), [1.0]),
    ],
)
def test_a_span_begins_and_ends_on_the_microsecond(lake, span, left):
    at = [START, START + HOUR - timedelta(microseconds=1), START + HOUR]
    frame = features({0: 1.0, 1: 2.0, 2: 3.0}).with_columns(recorded_at=pl.Series(at, dtype=FEATURE["recorded_at"]))
    lake.replace("features", frame, source="a", taken=take(lake), shape=FEATURES)
    put(lake, {}, spans=[span])
    assert sorted(lake.read("features")["value"]) == left


def test_the_rows_of_one_moment_are_replaced_by_those_of_the_same_moment(lake):
    put(lake, {0: 1.0, 1: 1.0})
    put(lake, {1: 2.0}, spans=[at_moment(START + HOUR)])
    assert held(lake) == {0: 1.0, 1: 2.0}


def test_a_replace_of_everything_writes_the_days_that_differ_alone(lake):
    put(lake, {0: 1.0, 24: 1.0, 48: 1.0, 72: 1.0}, run="old")
    before = set(lake.files("features"))
    assert put(lake, {0: 1.0, 24: 2.0, 25: 2.0, 48: 1.0, 72: 3.0}, run="new").written == 3
    assert runs(lake) == {0: "old", 24: "new", 25: "new", 48: "old", 72: "new"}
    kept = before & set(lake.files("features"))
    assert sorted(Path(file).parent.name for file in kept) == ["day=2026-01-05", "day=2026-01-07"]


def test_days_that_vanished_are_removed_by_a_replace_of_everything(lake):
    put(lake, {0: 1.0, 24: 1.0, 48: 1.0}, run="old")
    assert put(lake, {0: 1.0, 48: 1.0}, run="new").written == 0
    assert runs(lake) == {0: "old", 48: "old"}
    put(lake, {})
    assert held(lake) == {}


def test_whoever_follows_sees_no_change_on_days_that_stayed_the_same(lake):
    lake.create("scores", pl.DataFrame(schema=FEATURE))
    put(lake, {0: 1.0, 24: 1.0}, run="old")
    taken = lake.take(["features"], source="a", consumer="scores")
    lake.replace("scores", features({}), source="a", taken=taken, shape=FEATURES)
    put(lake, {0: 1.0, 24: 2.0}, run="new")
    changed = lake.take(["features"], source="a", consumer="scores").changed["features"]
    assert set(changed["day"]) == {date(2026, 1, 6)}


@pytest.mark.parametrize("spans", [None, [hours(0, 48)]])
def test_a_replace_by_equal_rows_writes_none_and_moves_the_note(lake, spans):
    put(lake, {0: 1.0, 24: 2.0}, run="old")
    files, version = lake.files("features"), lake.version("features")
    land(lake, {5: 9.0}, batch="b1")
    assert put(lake, {24: 2.0, 0: 1.0}, spans=spans, run="new").is_none
    assert lake.files("features") == files
    assert set(runs(lake).values()) == {"old"}
    assert lake.version("features") == version + 1
    assert take(lake).nothing_new


def test_rows_that_differ_in_a_nested_column_alone_are_written(lake):
    limits = pl.DataFrame({"source": ["a"], "machine_id": ["a.m"], "limits": [[{"sensor": "s", "high": 1.0}]]})
    lake.create("limits", limits)

    def declare(frame: pl.DataFrame) -> int:
        taken = lake.take(["readings"], source="a", consumer="limits")
        return lake.replace("limits", frame, source="a", taken=taken, shape=MACHINES._replace(lineage=())).written

    assert declare(limits) == 1
    assert declare(limits) == 0
    wider = limits.with_columns(limits=pl.Series([[{"sensor": "s", "high": 2.0}]]))
    assert declare(wider) == 1
    assert lake.read("limits").equals(wider)


def test_a_table_without_a_day_is_replaced_source_by_source(lake):
    def declare(site: str, *, source: str, version: str) -> int:
        frame = pl.DataFrame([(source, f"{source}.m", site, version)], MACHINE, orient="row")
        taken = lake.take(["readings"], source=source, consumer="machines", definition=version)
        return lake.replace("machines", frame, source=source, taken=taken, shape=MACHINES).written

    assert declare("north", source="a", version="v1") == 1
    assert declare("south", source="b", version="v1") == 1
    assert declare("north", source="a", version="v2") == 0  # says the same: the row keeps its lineage
    assert declare("west", source="a", version="v3") == 1
    assert sorted(lake.read("machines").rows()) == [("a", "a.m", "west", "v3"), ("b", "b.m", "south", "v1")]


def test_more_spans_than_fit_into_a_predicate_leave_what_lies_between_them(lake):
    count = 3 * (MOST_RANGES + 1)
    old = dict.fromkeys(range(count), 1.0)
    put(lake, old)
    changed = dict.fromkeys(range(0, count, 3), 2.0)
    spans = [hours(hour, hour + 1) for hour in changed]
    assert len(spans) > MOST_RANGES
    put(lake, changed, spans=spans)
    assert held(lake) == old | changed


def test_more_spans_than_fit_into_a_predicate_may_come_with_rows_between_them_as_they_are_read(lake):
    count = 3 * (MOST_RANGES + 1)
    put(lake, dict.fromkeys(range(count), 1.0))
    spans = [hours(hour, hour + 1) for hour in range(0, count, 3)]
    frame = lake.read("features", source="a", spans=spans).with_columns(value=pl.lit(2.0))
    lake.replace("features", frame, source="a", taken=take(lake), shape=FEATURES, spans=spans)
    assert all(held(lake)[hour] == 2.0 for hour in range(0, count, 3))
    assert sorted(held(lake)) == list(range(count))


def test_more_days_that_differ_than_fit_into_a_predicate_are_all_written(lake):
    days = 2 * MOST_RANGES + 6
    put(lake, {24 * day: 1.0 for day in range(days)})
    new = {24 * day: 2.0 if day % 2 else 1.0 for day in range(days)}
    put(lake, new)
    assert held(lake) == new


def test_what_a_replace_revised_is_told_before_and_after(lake):
    put(lake, {0: 1.0, 1: 2.0, 2: 3.0}, run="old")
    found = put(lake, {0: 1.0, 1: 5.0, 3: 4.0}, run="new")
    assert found.before.select("recorded_at", "value", "run_id").rows() == [(START + HOUR, 2.0, "old")]
    assert found.after.select("recorded_at", "value", "run_id").rows() == [(START + HOUR, 5.0, "new")]
    assert sorted(found.touched["value"]) == [2.0, 3.0, 4.0, 5.0]
    assert (found.written, found.is_none) == (2, False)


def machines_put(lake: Lake, places: dict[tuple[str, int], float], spans: list[Span] | None, run: str) -> Difference:
    frames = [features({hour: value}, machine=machine, run=run) for (machine, hour), value in places.items()]
    frame = pl.concat([features({}), *frames])
    return lake.replace("features", frame, source="a", taken=take(lake), shape=FEATURES, spans=spans)


def by_machine(lake: Lake, column: str) -> dict[tuple[str, int], Any]:
    frame = lake.read("features", source="a")
    assert frame.select("machine_id", "recorded_at").is_unique().all()
    return {
        (machine.removeprefix("a."), int((at - START) / HOUR)): value
        for machine, at, value in frame.select("machine_id", "recorded_at", column).rows()
    }


def test_spans_of_one_machine_leave_those_of_another_as_they_are(lake):
    machines_put(lake, {("m", 0): 1.0, ("n", 0): 1.0, ("m", 1): 1.0, ("n", 1): 1.0}, None, "old")
    assert machines_put(lake, {("m", 0): 2.0}, [Span(START, START + 2 * HOUR, ("a.m",))], "new").written == 1
    assert by_machine(lake, "value") == {("m", 0): 2.0, ("n", 0): 1.0, ("n", 1): 1.0}
    assert by_machine(lake, "run_id")["n", 0] == "old"


def test_all_of_a_machine_is_replaced_and_no_other(lake):
    machines_put(lake, {("m", 0): 1.0, ("m", 900): 1.0, ("n", 0): 1.0}, None, "old")
    machines_put(lake, {("m", 5): 3.0}, all_time(["a.m"]), "new")
    assert by_machine(lake, "value") == {("m", 5): 3.0, ("n", 0): 1.0}


def test_what_lies_since_a_moment_of_each_of_many_machines_is_replaced(lake):
    count = MOST_RANGES + 5
    machines = {f"m{n:02}": n for n in range(count)}
    machines_put(lake, {(name, hour): 1.0 for name in machines for hour in (-1, 60)}, None, "old")
    came = dict.fromkeys(machines.items(), 2.0)
    stayed = {(name, 60): 1.0 for name in machines if name != "m07"}
    moments = {f"a.{name}": START + n * HOUR for name, n in machines.items()}
    machines_put(lake, came | stayed, since(moments), "new")
    assert by_machine(lake, "value") == {(name, -1): 1.0 for name in machines} | stayed | came


@st.composite
def asked(draw: st.DrawFn) -> list[Span] | None:
    """Spans of all machines or of some, a few or more than fit a predicate; or everything."""
    names = st.sampled_from([(), (), ("a.m",), ("a.n",), ("a.m", "a.n")])
    start, length = st.integers(0, 80), st.sampled_from([1, 1, 3, 30, 900 * 24])
    span = st.builds(lambda at, n, who: Span(START + at * HOUR, START + (at + n) * HOUR, who), start, length, names)
    many = st.lists(span, min_size=MOST_RANGES + 1, max_size=MOST_RANGES + 2)
    return draw(st.none() | st.lists(span, min_size=1, max_size=4) | many)


def lies_within(spans: list[Span] | None, place: tuple[str, int]) -> bool:
    machine, at = f"a.{place[0]}", START + place[1] * HOUR
    return spans is None or any(
        span.since <= at < span.until and (not span.machines or machine in span.machines) for span in spans
    )


@settings(max_examples=30)
@given(data=st.data())
def test_a_replace_ends_in_the_same_rows_as_a_dictionary_would(data):
    places = st.tuples(st.sampled_from("mn"), st.integers(0, 80))
    some = st.dictionaries(places, st.sampled_from([1.0, 2.0]), max_size=12)
    with TemporaryDirectory() as root:
        lake, model, written_by = new_lake(Path(root)), {}, {}
        for number in range(data.draw(st.integers(1, 4))):
            spans = data.draw(asked())
            kept = {place: value for place, value in model.items() if not lies_within(spans, place)}
            stays = data.draw(st.sampled_from([0.0, 1.0]))  # all that stood says the same, or none of it
            again = {place: value for place, value in model.items() if stays and place not in kept}
            new = again | {place: value for place, value in data.draw(some).items() if lies_within(spans, place)}
            before, model = model, kept | new
            machines_put(lake, new, spans, f"run-{number}")
            event(f"many: {spans is not None and len(spans) > MOST_RANGES}, differs: {before != model}")
            assert by_machine(lake, "value") == model
            moments = {place[1] for place in before.keys() | model.keys() if before.get(place) != model.get(place)}
            if len(moments) <= MOST_RANGES:  # what is not at a moment that differs keeps its lineage
                told = by_machine(lake, "run_id")
                assert all(run == written_by[place] for place, run in told.items() if place[1] not in moments)
            written_by = by_machine(lake, "run_id")


# --- several writers


@pytest.mark.parametrize("late", [{0: 1.0}, {0: 3.0}], ids=["equal rows", "other rows"])
def test_a_late_writer_is_told_and_changes_nothing(lake, late):
    put(lake, {0: 1.0})
    land(lake, {0: 2.0}, batch="b1")
    stale = take(lake)
    land(lake, {0: 3.0}, batch="b2")
    put(lake, {0: 1.0})
    moved = noted(lake)
    with pytest.raises(CommitFailedError):
        put(lake, late, taken=stale)
    assert (held(lake), noted(lake)) == ({0: 1.0}, moved)  # nor is the note moved back


def test_writers_of_two_sources_do_not_stand_in_each_others_way(lake):
    put(lake, {0: 1.0})
    put(lake, {0: 1.0}, source="b")
    a, b = take(lake, definition="x"), take(lake, source="b", definition="x")
    put(lake, {0: 2.0}, source="b", taken=b)
    put(lake, {0: 3.0}, taken=a)
    assert (held(lake), held(lake, source="b")) == ({0: 3.0}, {0: 2.0})


def test_a_step_that_lost_the_race_is_redone_from_its_start(lake):
    land(lake, {0: 1.0}, batch="b1")
    rivals = [{1: 2.0}, {2: 3.0}]
    attempts = []

    def follow(*, run: str) -> None:
        taken = take(lake)
        values = {
            int((at - START) / HOUR): value
            for at, value in lake.readings(source="a").select("recorded_at", "value").rows()
        }
        if run == "late":
            attempts.append(values)
            if rivals:
                land(lake, rivals.pop(0), batch=f"b-{len(rivals)}")
                follow(run="rival")
        put(lake, values, taken=taken, run=run)

    redo_on_conflict(lambda: follow(run="late"))
    assert [len(values) for values in attempts] == [1, 2, 3]
    assert held(lake) == {0: 1.0, 1: 2.0, 2: 3.0}
    assert take(lake).nothing_new


def test_who_loses_every_race_is_told_in_the_end():
    attempts = []

    def lose() -> None:
        attempts.append(1)
        raise CommitFailedError("again")

    with pytest.raises(CommitFailedError, match="again"):
        redo_on_conflict(lose, tries=3)
    assert len(attempts) == 3


def test_a_step_that_fails_for_another_reason_is_not_redone():
    attempts = []

    def fail() -> None:
        attempts.append(1)
        raise ValueError("bad data")

    with pytest.raises(ValueError, match="bad data"):
        redo_on_conflict(fail)
    assert len(attempts) == 1


# --- notes kept elsewhere


def test_whoever_keeps_a_note_elsewhere_is_told_what_changed_since(lake):
    land(lake, {0: 1.0}, batch="b1")
    first = lake.changes("readings", None)
    assert first.rows is None  # nothing was taken yet: the whole table
    note = (first.table_id, first.version)
    assert lake.changes("readings", note).rows.is_empty()
    land(lake, {1: 2.0}, batch="b2")
    later = lake.changes("readings", note)
    assert later.rows.select("value", "_change_type").rows() == [(2.0, "insert")]
    assert later.version > first.version


def test_a_note_of_another_table_or_of_a_later_version_reaches_nowhere(lake):
    land(lake, {0: 1.0}, batch="b1")
    found = lake.changes("readings", None)
    assert lake.changes("readings", ("another", found.version)).rows is None
    assert lake.changes("readings", (found.table_id, found.version + 1)).rows is None
