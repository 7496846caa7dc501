"""Window features: what NumPy says of each window, whatever the order in which its readings came."""

import itertools
import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from unit.tables import HOUR, MONDAY, finished, table

from pipelines.changes import touched_windows
from pipelines.contracts.readings import EARLIEST, LATEST
from pipelines.features.windows import window_features, window_length, windows_of
from pipelines.register import WINDOWS

MINUTE = timedelta(minutes=1)
TIME = pl.Datetime("us", "UTC")
MACHINES = table("machines", running_sensor="speed_rpm", running_above=700.0)
UNDECLARED = table("machines")


def readings(values: Mapping[float, float], **every: Any) -> pl.DataFrame:
    """Values by the minute they were measured in."""
    return table("readings", [{"recorded_at": MONDAY + m * MINUTE, "value": v} for m, v in values.items()], **every)


def features(frame: pl.DataFrame, machines: pl.DataFrame = UNDECLARED, *, every: str = "10m") -> pl.DataFrame:
    return finished("window_features", window_features(frame, machines, every=every))


def test_a_window_is_described_as_numpy_would():
    minutes, values = np.array([0.0, 1.5, 4.0, 9.99]), np.array([2.0, 2.5, 1.0, 7.0])
    row = features(readings(dict(zip(minutes, values, strict=True)))).row(0, named=True)
    assert row["recorded_at"] == MONDAY
    assert (row["n"], row["window_s"]) == (4, 600)
    assert row["mean"] == pytest.approx(values.mean())
    assert row["std"] == pytest.approx(values.std(ddof=1))
    assert (row["min"], row["max"]) == (1.0, 7.0)
    assert row["slope_per_h"] == pytest.approx(np.polyfit(minutes / 60, values, 1)[0])


def test_windows_begin_at_whole_multiples_and_leave_out_their_end():
    frame = features(readings({9.999: 1.0, 10.0: 2.0, 19.0: 4.0, 30.0: 8.0}))
    assert frame.select("recorded_at", "n", "mean").rows() == [
        (MONDAY, 1, 1.0),
        (MONDAY + 10 * MINUTE, 2, 3.0),
        (MONDAY + 30 * MINUTE, 1, 8.0),
    ]


def test_a_single_reading_has_no_spread_and_no_slope():
    assert features(readings({3.0: 1.0})).select("std", "slope_per_h").row(0) == (None, None)


def test_a_constant_value_has_no_slope_to_either_side():
    assert features(readings({0.0: 5.0, 4.0: 5.0, 9.0: 5.0})).select("std", "slope_per_h").row(0) == (0.0, 0.0)


@pytest.mark.parametrize("quality", ["good", "uncertain", "bad"])
def test_bad_readings_are_left_out_and_uncertain_ones_are_not(quality):
    frame = pl.concat([readings({0.0: 1.0}), readings({5.0: 3.0}, quality=quality)])
    assert features(frame)["mean"].item() == (1.0 if quality == "bad" else 2.0)


def test_a_window_of_bad_readings_alone_has_no_row():
    assert features(readings({0.0: 1.0}, quality="bad")).is_empty()


def test_sensors_and_machines_are_kept_apart():
    frames = [
        readings({0.0: float(number)}, machine_id=machine, sensor=sensor)
        for number, (machine, sensor) in enumerate([("plant.a", "v"), ("plant.a", "w"), ("plant.b", "v")])
    ]
    found = features(pl.concat(frames)).select("machine_id", "sensor", "mean").rows()
    assert found == [("plant.a", "v", 0.0), ("plant.a", "w", 1.0), ("plant.b", "v", 2.0)]


def test_a_window_names_the_newest_batch_that_contributed():
    frame = pl.concat([readings({0.0: 1.0}, batch_seq=4), readings({1.0: 1.0}, batch_seq=2)])
    assert features(frame)["batch_seq"].item() == 4


@pytest.mark.parametrize(
    ("speeds", "state"),
    [
        ({0.0: 900.0, 5.0: 701.0}, "running"),
        ({0.0: 0.0, 5.0: 700.0}, "stopped"),
        ({0.0: 900.0, 5.0: 0.0}, "mixed"),
        ({}, "unknown"),
        ({10.0: 900.0}, "unknown"),
    ],
)
def test_the_state_follows_from_the_running_rule(speeds, state):
    frame = pl.concat([readings({2.0: 5.0}), readings(speeds, sensor="speed_rpm")])
    found = features(frame, MACHINES).filter(pl.col("recorded_at") == MONDAY)
    assert set(found["state"]) == {state}
    assert found.height == 1 + (state != "unknown")


def test_a_bad_speed_says_nothing_of_the_state():
    speeds = [readings({0.0: 900.0}, sensor="speed_rpm"), readings({1.0: 0.0}, sensor="speed_rpm", quality="bad")]
    assert set(features(pl.concat([readings({2.0: 5.0}), *speeds]), MACHINES)["state"]) == {"running"}


def test_without_a_running_rule_the_state_is_unknown():
    assert features(readings({0.0: 900.0}, sensor="speed_rpm"))["state"].to_list() == ["unknown"]


def test_the_rule_of_one_machine_says_nothing_of_another():
    frame = readings({0.0: 900.0}, sensor="speed_rpm", machine_id="plant.pump-2")
    assert features(frame, MACHINES)["state"].to_list() == ["unknown"]


def test_no_readings_have_no_windows():
    assert features(readings({}), MACHINES).is_empty()


def test_values_at_both_ends_a_microsecond_apart_are_described_too():
    frame = features(readings({0.0: -1e12, 1 / 6e7: 1e12}))
    assert frame["std"].item() == pytest.approx(1e12 * 2**0.5)
    assert frame["slope_per_h"].item() == pytest.approx(2e12 * 3.6e9)


VALUES = st.floats(-1e12, 1e12) | st.sampled_from([1e12, -1e12, 0.0]) | st.floats(-10, 10)


@given(st.dictionaries(st.integers(0, 2) | st.integers(0, 1_800_000_000), VALUES, min_size=1, max_size=8))
@settings(max_examples=30)
def test_features_of_readings_that_keep_their_contract_keep_theirs(values):
    frame = readings({microseconds / 6e7: value for microseconds, value in values.items()})
    found = features(frame)
    event(f"windows: {found.height}, extreme: {max(map(abs, values.values())) == 1e12}")
    assert found["n"].sum() == frame.height


@given(st.data())
@settings(max_examples=15)
def test_whatever_the_order_and_the_cuts_the_features_are_the_same(data):
    rng = random.Random(data.draw(st.integers(0, 2**32)))
    speed = readings({7.0 * n: rng.choice([0.0, 900.0]) for n in range(30)}, sensor="speed_rpm")
    whole = pl.concat([readings({7.0 * n + 1: rng.gauss(0, 3) for n in range(30)}), speed])
    order = data.draw(st.permutations(range(whole.height)))
    cuts = sorted(data.draw(st.sets(st.integers(1, whole.height - 1), max_size=4)))
    event(f"batches: {len(cuts) + 1}")
    arrived, expected = whole.clear(), window_features(whole, MACHINES, every="10m")
    kept = expected.clear()
    for start, stop in zip([0, *cuts], [*cuts, whole.height], strict=True):
        batch = whole[order[start:stop]]
        arrived = pl.concat([arrived, batch])
        spans = touched_windows(windows_of(batch, every="10m"))
        within = pl.any_horizontal(pl.col("recorded_at").is_between(*span, closed="left") for span in spans)
        kept = pl.concat([kept.filter(~within), window_features(arrived.filter(within), MACHINES, every="10m")])
    assert kept.sort("machine_id", "sensor", "recorded_at").equals(expected)


def changed(moments: Sequence[datetime]) -> pl.DataFrame:
    return pl.DataFrame({"recorded_at": pl.Series(moments, dtype=TIME)})


def test_moments_are_of_the_windows_they_lie_in_each_told_once():
    rows = changed([MONDAY + 25 * MINUTE, MONDAY + 3 * MINUTE, MONDAY + 9 * MINUTE])
    found = windows_of(rows, every="10m").sort("recorded_at")
    assert found.rows() == [(MONDAY, 600), (MONDAY + 20 * MINUTE, 600)]


@pytest.mark.parametrize("nothing", [changed([]), pl.DataFrame()])
def test_nothing_changed_touches_nothing(nothing):
    assert windows_of(nothing, every="1h").is_empty()


ANYWHEN = st.datetimes(EARLIEST.replace(tzinfo=None), LATEST.replace(tzinfo=None)).map(
    lambda at: at.replace(tzinfo=EARLIEST.tzinfo)
)
NEAR = st.integers(0, 60 * 24 * 90).map(lambda n: MONDAY + n * MINUTE)


@given(st.lists(ANYWHEN | NEAR | st.just(LATEST), min_size=1, max_size=60), st.sampled_from(WINDOWS))
@settings(max_examples=80)
def test_spans_cover_every_changed_row_in_whole_windows_apart(moments, every):
    spans = touched_windows(windows_of(changed(moments), every=every))
    length = window_length(every)
    windows = {at - (at - EARLIEST.replace(year=1970)) % length for at in moments}
    event(f"joined: {len(spans) < len(windows)}")
    assert all(any(since <= at < until for since, until in spans) for at in moments)
    assert all(until < since for (_, until), (since, _) in itertools.pairwise(spans))
    assert all((since - MONDAY) % length == (until - MONDAY) % length == timedelta(0) for since, until in spans)
    assert sum((until - since) // length for since, until in spans) == len(windows)


@pytest.mark.parametrize(("every", "length"), [("1m", MINUTE), ("30m", 30 * MINUTE), ("1h", HOUR), ("4h", 4 * HOUR)])
def test_a_window_is_as_long_as_it_says(every, length):
    assert window_length(every) == length
