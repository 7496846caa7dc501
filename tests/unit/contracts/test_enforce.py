"""Keeping contracts: no row is lost, every refusal names its rule."""

import math
import re
from collections import Counter
from datetime import date

import polars as pl
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from unit.tables import HOUR, MONDAY, loose, table

from pipelines.contracts.contract import NAME
from pipelines.contracts.enforce import ContractError, all_keep, conform, empty, split
from pipelines.contracts.readings import EARLIEST, KEY, LATEST, READINGS
from pipelines.contracts.registry import CONTRACTS

VALUES = st.none() | st.floats() | st.floats(-1e12, 1e12) | st.sampled_from([1e12, -1e12, math.nan, math.inf, 1.1e12])
NAMES = st.none() | st.text(max_size=70) | st.sampled_from(["plant.pump-1", "plant.pump-2", "../x", "a" * 64, "a" * 65])
ROWS = st.fixed_dictionaries(
    {
        "value": VALUES,
        "machine_id": NAMES,
        "quality": st.sampled_from([None, "good", "uncertain", "bad", "GOOD", ""]),
        "recorded_at": st.sampled_from([MONDAY, MONDAY + HOUR, None, EARLIEST, LATEST, LATEST + HOUR]),
    }
)
GOOD_ROWS = st.fixed_dictionaries(
    {
        "value": st.floats(-1e12, 1e12),
        "recorded_at": st.integers(0, 500).map(lambda n: MONDAY + n * HOUR),
    }
)


def readings(rows: list[dict]) -> pl.DataFrame:
    """Readings as they arrive, right or wrong, numbered by `batch_row`."""
    frame = loose("readings", [{**row, "batch_row": number} for number, row in enumerate(rows)])
    return frame.with_columns(day=pl.col("recorded_at").dt.date()).select(list(READINGS.columns))


def is_good(row: dict, shared: Counter) -> bool:
    """The contract of readings, written down a second time in plain Python."""
    return (
        row["value"] is not None
        and -1e12 <= row["value"] <= 1e12
        and row["quality"] in ("good", "uncertain", "bad")
        and row["machine_id"] is not None
        and re.fullmatch(NAME, row["machine_id"]) is not None
        and row["recorded_at"] is not None
        and EARLIEST <= row["recorded_at"] <= LATEST
        and shared[tuple(row[name] for name in KEY)] == 1
    )


@given(st.lists(ROWS | GOOD_ROWS, max_size=12))
@settings(max_examples=60)
def test_split_refuses_exactly_the_rows_that_break_a_rule_and_loses_none(rows):
    frame = readings(rows)
    good, rejected = split(frame, READINGS)
    shared = Counter(tuple(row[name] for name in KEY) for row in frame.to_dicts())
    expected = [row["batch_row"] for row in frame.to_dicts() if is_good(row, shared)]
    event(f"good rows: {bool(expected)}, refused rows: {len(expected) < frame.height}")
    assert good["batch_row"].to_list() == expected
    assert rejected["batch_row"].to_list() == [n for n in range(frame.height) if n not in expected]
    assert all(rejected["broken_rules"])


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ({"value": math.nan}, "value: in_range(-1000000000000.0, 1000000000000.0)"),
        ({"value": -math.inf}, "value: in_range(-1000000000000.0, 1000000000000.0)"),
        ({"value": None}, "value: not_nullable"),
        ({"quality": "GOOD"}, "quality: isin(['good', 'uncertain', 'bad'])"),
        ({"machine_id": "plant.pump 1"}, f"machine_id: str_matches('{NAME}')"),
        ({"machine_id": "plant.pump-1\n"}, f"machine_id: str_matches('{NAME}')"),
        ({"recorded_at": LATEST + HOUR}, "recorded_at: in_range(1990-01-01"),
    ],
)
def test_a_refused_row_names_the_column_and_the_rule(broken, told):
    good, rejected = split(readings([{}, {"recorded_at": MONDAY + HOUR, **broken}]), READINGS)
    assert good["batch_row"].to_list() == [0]
    assert rejected["broken_rules"].item().startswith(told)


def test_a_row_that_breaks_two_rules_names_both():
    _, rejected = split(readings([{"value": None, "quality": "GOOD"}]), READINGS)
    assert rejected["broken_rules"].item() == "quality: isin(['good', 'uncertain', 'bad']); value: not_nullable"


def test_of_rows_that_share_a_key_all_are_refused():
    good, rejected = split(readings([{}, {}, {"recorded_at": MONDAY + HOUR}]), READINGS)
    assert good["batch_row"].to_list() == [2]
    assert rejected["batch_row"].to_list() == [0, 1]


@pytest.mark.parametrize(
    "frame",
    [
        readings([{}]).drop("value"),
        readings([{}]).with_columns(extra=pl.lit(1)),
        readings([{}]).with_columns(pl.col("value").cast(pl.String)),
        readings([{}]).with_columns(pl.col("recorded_at").dt.replace_time_zone(None)),
    ],
    ids=["missing", "surplus", "other type", "no zone"],
)
def test_a_frame_with_other_columns_cannot_be_judged_by_row(frame):
    with pytest.raises(ContractError, match="readings"):
        split(frame, READINGS)


def test_conform_adds_the_utc_day_and_puts_columns_in_the_order_of_the_contract():
    shuffled = loose("readings", recorded_at=MONDAY - HOUR).select(pl.all().reverse())
    kept = conform(shuffled.select(reversed(shuffled.columns)), READINGS)
    assert kept.columns == list(READINGS.columns)
    assert kept["day"].to_list() == [date(2026, 1, 4)]


def test_conform_leaves_out_columns_that_the_contract_does_not_know():
    assert "helper" not in conform(loose("readings").with_columns(helper=pl.lit(1)), READINGS).columns


def test_conform_names_the_table_the_count_and_the_broken_rule():
    with pytest.raises(ContractError, match=r"^readings: 1 of 3 rows: value: in_range\(-1000000000000.0, "):
        conform(
            loose("readings", [{"recorded_at": MONDAY + n * HOUR, "value": [1.0, math.nan][n == 1]} for n in range(3)]),
            READINGS,
        )


@pytest.mark.parametrize("column", ["recorded_at", "value"])
def test_conform_names_a_column_that_is_missing(column):
    with pytest.raises(ContractError, match=rf"^readings: columns \[.*'{column}'.*\] are missing"):
        conform(loose("readings").drop(column), READINGS)


def test_conform_keeps_what_it_is_given_twice():
    once = table("readings")
    assert conform(once, READINGS).equals(once)


def test_no_rows_keep_every_rule():
    good, rejected = split(empty(READINGS), READINGS)
    assert good.is_empty()
    assert rejected.columns == [*READINGS.columns, "broken_rules"]


@given(st.lists(ROWS, max_size=12))
def test_the_quick_look_finds_nothing_exactly_where_each_row_keeps_its_rules(rows):
    frame = readings(rows)
    alone = frame.with_columns(batch_seq=pl.int_range(pl.len()))  # no two of them share a key
    kept, _ = split(alone, READINGS)
    found = all_keep(frame, READINGS, columns=frame.columns)
    event(f"all keep: {found}")
    assert found == (kept.height == frame.height)


@pytest.mark.parametrize("name", ["readings", "labels", "events", "snapshots"])
def test_the_quick_look_sees_whatever_single_value_breaks_a_rule(name):
    contract = CONTRACTS[name]
    good = table(name, [{}, {"batch_row": 1, "batch_seq": 2}, {"batch_row": 2, "batch_seq": 3}])
    assert all_keep(good, contract, columns=good.columns)
    for column, rules in contract.columns.items():
        bad = good.with_columns(pl.when(pl.int_range(pl.len()) == 1).then(None).otherwise(pl.col(column)).alias(column))
        assert all_keep(bad, contract, columns=bad.columns) == rules.nullable, column
