"""Landing a batch: every row is counted once, a repeat changes nothing, a correction lands on top."""

import math
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from unit.tables import HOUR, MONDAY

from pipelines.contracts.enforce import empty
from pipelines.contracts.labels import LABELS
from pipelines.contracts.readings import KEY, READINGS
from pipelines.contracts.registry import CONTRACTS
from pipelines.importers.formats import read_file
from pipelines.importers.parsed import KNOWN, READ, Parsed, joined, no_broken, no_labels
from pipelines.importers.sorting import KINDS, STANDS_STILL, Batch, Landing, Receipt, rules_version, sort_out
from pipelines.register import Source

NOW = datetime(2026, 2, 1, tzinfo=UTC)
NO_READINGS, NO_KNOWN = empty(READINGS), empty(LABELS)

Value = float | None


def parsed(rows: Sequence[tuple[int, Value]], **cells: str) -> Parsed:
    """A file whose rows say the hour and the value; rows without a value are empty."""
    named = {"machine_id": "plant.pump-1", "sensor": "vibration_mm_s", "quality": "good"} | cells
    readings = [
        {**named, "recorded_at": MONDAY + hour * HOUR, "value": value, "batch_row": number}
        for number, (hour, value) in enumerate(rows)
        if value is not None
    ]
    return Parsed(pl.DataFrame(readings, schema=READ), no_labels(), no_broken(), len(rows))


def known(rows: Sequence[tuple]) -> Parsed:
    frame = pl.DataFrame([(*row, number) for number, row in enumerate(rows)], schema=KNOWN, orient="row")
    return Parsed(pl.DataFrame(schema=READ), frame, no_broken(), len(rows))


def land(
    file: Parsed,
    readings: pl.DataFrame = NO_READINGS,
    labels: pl.DataFrame = NO_KNOWN,
    *,
    seq: int = 1,
    now: datetime = NOW,
) -> Landing:
    standing = {table: empty(CONTRACTS[table]) for table in KINDS} | {"readings": readings, "labels": labels}
    return sort_out(Batch(f"{seq:064x}", seq, file), standing, source="plant", landed_at=NOW, now=now)


def values(frame: pl.DataFrame) -> dict[datetime, float]:
    return dict(frame.sort("batch_seq").select("recorded_at", "value").rows())


def test_a_row_lands_with_its_lineage():
    landed = land(parsed([(0, 2.0)]), seq=7).readings
    assert landed.columns == list(READINGS.columns)
    assert landed.select("source", "landed_at", "batch_id", "batch_seq", "batch_row").row(0) == (
        "plant",
        NOW,
        f"{7:064x}",
        7,
        0,
    )


def test_a_batch_that_comes_again_lands_nothing():
    file = parsed([(0, 2.0), (1, 3.0), (2, None)])
    first = land(file)
    again = land(file, first.readings, seq=2)
    assert again.readings.is_empty()
    assert again.receipt == Receipt(files=1, rows_read=3, rows_duplicate=2, rows_empty=1)


@pytest.mark.parametrize(
    ("sensor", "possible", "impossible"),
    [
        ("oil_c", -273.15, -274.0),
        ("pressure_bar", -1.257, -2.1),
        ("speed_rpm", -1500.0, 2e6),
        ("sensor_04", 9e11, None),
    ],
)
def test_a_value_that_no_such_sensor_can_measure_is_quarantined_and_the_others_land(sensor, possible, impossible):
    landing = land(parsed([(0, possible), (1, impossible)], sensor=sensor))
    assert landing.readings["value"].to_list() == [possible]
    refused = landing.rejected.select("batch_row", "column", "reasons").rows()
    assert len(refused) == (impossible is not None)
    assert all(row[:2] == (1, sensor) and row[2].startswith(f"value: no {sensor} can be: ") for row in refused)


def test_a_changed_value_lands_on_top_with_a_higher_seq_and_both_stay():
    first = land(parsed([(0, 2.0), (1, 3.0)]))
    second = land(parsed([(0, 2.0), (1, 4.0)]), first.readings, seq=2)
    assert second.readings.select("recorded_at", "value", "batch_seq").rows() == [(MONDAY + HOUR, 4.0, 2)]
    assert values(pl.concat([first.readings, second.readings])) == {MONDAY: 2.0, MONDAY + HOUR: 4.0}
    assert (second.receipt.rows_landed, second.receipt.rows_duplicate, second.receipt.values_corrected) == (1, 1, 1)


def test_a_changed_quality_is_a_correction_too():
    first = land(parsed([(0, 2.0)]))
    assert land(parsed([(0, 2.0)], quality="bad"), first.readings, seq=2).readings["quality"].to_list() == ["bad"]


def test_a_row_that_comes_back_overrules_the_one_of_its_own_file_that_landed_before_it():
    first = land(parsed([(0, 2.0), (1, 5.0)]), seq=64)
    back = land(parsed([(0, 2.0), (0, 3.0), (1, 5.0)]), first.readings, seq=64)
    assert back.readings.select("value", "batch_seq", "batch_row").rows() == [(3.0, 65, 1)]
    both = pl.concat([first.readings, back.readings])
    assert values(both) == {MONDAY: 3.0, MONDAY + HOUR: 5.0}
    READINGS.validate(both)
    standing = both.sort("batch_seq").unique(KEY, keep="last")
    assert land(parsed([(0, 2.0), (0, 3.0), (1, 5.0)]), standing, seq=64).readings.is_empty()


@pytest.mark.parametrize(("ahead_s", "landed"), [(-1, 1), (0, 1), (600, 1), (600.000001, 0), (86_400, 0)])
def test_a_time_more_than_ten_minutes_ahead_of_the_landing_clock_is_refused_alone(ahead_s, landed):
    landing = land(parsed([(-50, 1.0), (0, 2.0)]), now=MONDAY - timedelta(seconds=ahead_s))
    assert landing.receipt.values_landed == 1 + landed
    told = ["recorded_at: more than 10 min ahead of the landing clock"]
    assert landing.rejected["reasons"].to_list() == told * (1 - landed)
    assert landing.rejected["batch_row"].to_list() == [1] * (1 - landed)


def test_of_a_clock_that_stands_still_every_value_is_refused_and_the_other_times_land():
    landing = land(parsed([(0, 2.0), (1, 5.0), (0, 3.0), (2, 6.0), (0, 2.0), (0, 4.0)]))
    assert values(landing.readings) == {MONDAY + HOUR: 5.0, MONDAY + 2 * HOUR: 6.0}
    assert landing.rejected.rows() == [
        (row, "vibration_mm_s", found, "recorded_at: the clock stands still: 3 or more values at one time")
        for row, found in [(0, "2.0"), (2, "3.0"), (4, "2.0"), (5, "4.0")]
    ]


@pytest.mark.parametrize("cells", [[2.0] * 5, [2.0, 3.0, 2.0, 3.0], [2.0, 3.0, math.nan, 1e13]])
def test_a_clock_does_not_stand_still_for_less_than_three_different_good_values(cells):
    landing = land(parsed([(0, value) for value in cells]))
    assert landing.receipt.values_landed == 1
    assert not landing.rejected["reasons"].str.contains("stands still").any()


def test_sensors_that_share_a_time_are_no_clock_that_stands_still():
    rows = pl.concat([parsed([(0, float(n))], sensor=f"s{n}").readings for n in range(5)])
    assert (
        land(Parsed(rows.with_columns(batch_row=pl.lit(0, pl.Int64)), no_labels(), no_broken(), 1)).readings.height == 5
    )


def test_the_version_of_the_rules_is_the_same_in_every_process():
    code = "from pipelines.importers.sorting import rules_version; print(rules_version())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == rules_version()


def test_within_a_file_the_later_row_wins():
    landing = land(parsed([(0, 2.0), (1, 5.0), (0, 3.0)]))
    assert values(landing.readings) == {MONDAY: 3.0, MONDAY + HOUR: 5.0}
    assert (landing.receipt.rows_landed, landing.receipt.rows_duplicate) == (2, 1)


def test_a_broken_row_takes_no_good_one_of_its_key_along():
    landing = land(parsed([(0, 2.0), (0, math.nan)]))
    assert values(landing.readings) == {MONDAY: 2.0}
    assert landing.rejected["batch_row"].to_list() == [1]
    assert (landing.receipt.rows_landed, landing.receipt.rows_quarantined) == (1, 1)


@pytest.mark.parametrize(
    ("value", "cells", "reason"),
    [
        (math.nan, {}, "value: in_range"),
        (math.inf, {}, "value: in_range"),
        (1e13, {}, "value: in_range"),
        (2.0, {"quality": "fine"}, "quality: isin"),
        (2.0, {"sensor": "a b"}, "sensor: str_matches"),
        (2.0, {"machine_id": "plant.%s"}, "machine_id: str_matches"),
    ],
)
def test_a_row_that_breaks_a_rule_goes_to_quarantine_with_the_reason(value, cells, reason):
    landing = land(parsed([(0, value)], **cells))
    assert landing.readings.is_empty()
    assert landing.rejected["reasons"].item().startswith(reason)
    assert landing.receipt == Receipt(files=1, rows_read=1, rows_quarantined=1, values_quarantined=1)


@pytest.mark.parametrize("year", [1, 1900, 2101, 9999])
def test_a_clock_that_cannot_be_right_goes_to_quarantine(year):
    file = parsed([(0, 2.0), (1, 3.0)])
    wrong = pl.when(pl.col("batch_row") == 0).then(datetime(year, 12, 31, 23, tzinfo=UTC)).otherwise("recorded_at")
    readings = file.readings.with_columns(recorded_at=wrong.cast(READ["recorded_at"]))
    landing = land(Parsed(readings, no_labels(), no_broken(), 2))
    assert values(landing.readings) == {MONDAY + HOUR: 3.0}
    assert landing.rejected["reasons"].item().startswith("recorded_at: in_range(1990-01-01")


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize(
    "name",
    ["../x", "..\\x", "'; DROP TABLE readings; --", "%s", "a\0b", "n" * 300, "<b>x</b>", "=1+1", "a b", "", "é", "a\n"],
)
def test_a_hostile_machine_name_is_refused_and_the_other_rows_land(tmp_path: Path, name, ending):
    rows = pl.DataFrame(
        {"machine_id": ["pump-1", name], "sensor": "v", "recorded_at": MONDAY, "value": [1.0, 2.0]},
        schema_overrides={"recorded_at": READ["recorded_at"]},
    )
    path = tmp_path / f"monday.{ending}"
    if ending == "csv":
        rows.with_columns(pl.col("recorded_at").dt.to_string("iso:strict")).write_csv(path)
    else:
        rows.write_parquet(path)
    landing = land(joined(read_file(path, Source("plant"))))
    assert landing.readings["machine_id"].to_list() == ["plant.pump-1"]
    assert landing.rejected["reasons"].item().startswith("machine_id: ")
    assert landing.receipt.rows_quarantined == 1


END = MONDAY + HOUR


def test_a_label_lands_once_and_again_when_its_end_becomes_known():
    first = land(known([("plant.pump-1", "fault", "wear", MONDAY, None)]))
    assert first.labels.columns == list(LABELS.columns)
    again = land(known([("plant.pump-1", "fault", "wear", MONDAY, None)]), labels=first.labels, seq=2)
    ended = land(known([("plant.pump-1", "fault", "wear", MONDAY, END)]), labels=first.labels, seq=3)
    assert (first.labels.height, again.labels.height) == (1, 0)
    assert ended.labels["ended_at"].to_list() == [END]
    assert [landing.receipt.labels_landed for landing in (first, again, ended)] == [1, 0, 1]
    reopened = land(known([("plant.pump-1", "fault", "wear", MONDAY, None)]), labels=ended.labels, seq=4)
    assert reopened.labels.select("ended_at", "batch_seq").rows() == [(None, 4)]


def test_a_label_told_twice_in_a_file_lands_once_and_the_later_row_wins():
    row = ("plant.pump-1", "fault", "wear", MONDAY)
    landing = land(known([(*row, None), (*row, None), (*row, END)]))
    assert landing.labels.select("ended_at", "batch_row").rows() == [(END, 2)]
    assert landing.rejected.is_empty()
    assert (landing.receipt.rows_landed, landing.receipt.rows_duplicate) == (1, 2)


def test_a_label_that_breaks_a_rule_goes_to_quarantine_and_the_other_lands():
    landing = land(
        known([("plant.pump-1", "fault", "wear", None, None), ("plant.pump-2", "fault", "wear", MONDAY, END)])
    )
    assert landing.labels["machine_id"].to_list() == ["plant.pump-2"]
    assert landing.rejected.select("batch_row", "found").rows() == [(0, "wear")]
    assert "started_at: not_nullable" in landing.rejected["reasons"].item()


def test_a_row_of_many_values_lands_if_any_of_them_does():
    readings = pl.concat([parsed([(0, 1.0)]).readings, parsed([(0, math.nan)], sensor="other").readings])
    receipt = land(Parsed(readings, no_labels(), no_broken(), 1)).receipt
    assert (receipt.rows_landed, receipt.rows_quarantined, receipt.values_landed, receipt.values_quarantined) == (
        1,
        0,
        1,
        1,
    )


def test_a_cell_that_was_no_value_is_counted_with_the_rows_that_break_a_rule(tmp_path: Path):
    row = "pump-1,v,2026-01-05T0{}:00:00Z,{}\n".format
    text = "machine_id,sensor,recorded_at,value\n" + row(0, 1) + row(1, "high") + row(2, 1e13) + row(3, "")
    (tmp_path / "monday.csv").write_text(text)
    landing = land(joined(read_file(tmp_path / "monday.csv", Source("plant"))))
    assert landing.rejected.select("batch_row", "found").sort("batch_row").rows() == [
        (1, "high"),
        (2, "10000000000000.0"),
    ]
    assert landing.receipt == Receipt(
        files=1, rows_read=4, rows_landed=1, rows_quarantined=2, rows_empty=1, values_landed=1, values_quarantined=2
    )


def test_receipts_add_up_field_by_field():
    assert Receipt(1, 0, 0, 5, 3, 1, 1) + Receipt(1, 1, 0, 2, 0, 2) == Receipt(2, 1, 0, 7, 3, 3, 1)


CELL = st.none() | st.floats(-5, 5).map(round) | st.sampled_from([math.nan, math.inf, 1e13])
FILES = st.lists(st.lists(st.tuples(st.integers(0, 4), CELL), max_size=6), min_size=1, max_size=3)


@given(FILES)
@settings(max_examples=40)
def test_whatever_arrives_counts_add_up_and_the_newest_good_value_stands(files):
    current, expected = NO_READINGS, {}
    for seq, rows in enumerate(files, start=1):
        landing = land(parsed(rows), current, seq=seq * 64)
        count = landing.receipt
        good = [(hour, value) for hour, value in rows if value is not None and abs(value) <= 1e12]
        still = {hour for hour, _ in good if len({value for at, value in good if at == hour}) >= STANDS_STILL}
        said = {MONDAY + hour * HOUR: value for hour, value in good if hour not in still}
        corrected = {at for at, value in said.items() if at in expected and expected[at] != value}
        broken = [n for n, (hour, v) in enumerate(rows) if v is not None and (not abs(v) <= 1e12 or hour in still)]
        event(f"landed {count.rows_landed > 0}, known {count.rows_duplicate > 0}, broken {bool(broken)}")
        event(f"stands still {bool(still)}, corrected {bool(corrected)}")
        assert count.rows_read == len(rows)
        assert count.rows_read == count.rows_landed + count.rows_duplicate + count.rows_quarantined + count.rows_empty
        assert count.rows_empty == sum(value is None for _, value in rows)
        assert count.values_landed == landing.readings.height
        assert sorted(landing.rejected["batch_row"]) == broken
        assert count.values_corrected == len(corrected)
        expected |= said
        current = pl.concat([current.join(landing.readings, on=KEY, how="anti"), landing.readings])
        assert values(current) == expected
    assert land(parsed(files[-1]), current, seq=9_999).readings.is_empty()


CORRECTED = st.lists(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2).map(float)), max_size=2), min_size=2, max_size=4
)


@given(CORRECTED, st.data())
@settings(max_examples=15)
def test_a_batch_judged_again_by_what_stood_when_it_landed_adds_nothing_whenever_that_is(files, data):
    versions, current = NO_READINGS, {}
    for number, rows in enumerate(files, start=1):
        for again in data.draw(st.lists(st.integers(1, number), max_size=3)):
            stood = versions.filter(pl.col("batch_seq") < (again + 1) * 64).sort("batch_seq").unique(KEY, keep="last")
            landing = land(parsed(files[again - 1]), stood, seq=again * 64)
            event(f"again {again < number}, lands {not landing.readings.is_empty()}")
            assert again == number or landing.readings.is_empty()
            versions = pl.concat([versions, landing.readings])
        stood = versions.sort("batch_seq").unique(KEY, keep="last")
        versions = pl.concat([versions, land(parsed(rows), stood, seq=number * 64).readings])
        current |= {MONDAY + hour * HOUR: value for hour, value in rows}
        assert values(versions.sort("batch_seq").unique(KEY, keep="last")) == current
        READINGS.validate(versions)
