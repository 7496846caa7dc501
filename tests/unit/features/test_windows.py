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
STATELESS = table("operating_states").clear()


def readings(values: Mapping[float, float], **every: Any) -> pl.DataFrame:
    """Values by the minute they were measured in."""
    return table("readings", [{"recorded_at": MONDAY + m * MINUTE, "value": v} for m, v in values.items()], **every)


def features(frame: pl.DataFrame, states: pl.DataFrame = STATELESS, *, every: str = "10m") -> pl.DataFrame:
    return finished("window_features", window_features(frame, states, every=every))


def test_a_window_is_told_with_its_start_its_length_and_its_readings():
    row = features(readings({0.0: 2.0, 1.5: 2.5, 4.0: 1.0, 9.99: 7.0})).row(0, named=True)
    assert (row["recorded_at"], row["window_s"], row["n"]) == (MONDAY, 600, 4)
    assert (row["mean"], row["min"], row["max"], row["is_derived"]) == (3.125, 1.0, 7.0, False)


@pytest.mark.parametrize("shuffled", [False, True])
def test_windows_of_any_number_of_readings_are_each_described_alone(shuffled):
    """Those with equally many are described together: none may get what is another's."""
    rng = np.random.default_rng(3)
    minutes = np.sort(rng.choice(np.arange(600), 200, replace=False)) / 2.0
    both = [readings(dict(zip(minutes, rng.normal(size=200), strict=True)), sensor=name) for name in ("v", "w")]
    frame = pl.concat(both)
    given_so = frame.sample(fraction=1.0, shuffle=True, seed=1) if shuffled else frame
    found = window_features(given_so, STATELESS, every="10m")
    window = pl.col("recorded_at").dt.truncate("10m")
    parts = [part for _, part in frame.sort("sensor", "recorded_at").group_by("sensor", window, maintain_order=True)]
    assert len({part.height for part in parts}) > 3
    assert found["n"].to_list() == [part.height for part in parts]
    alone = pl.concat([window_features(part, STATELESS, every="10m") for part in parts])
    assert found.equals(alone)


def test_windows_begin_at_whole_multiples_and_leave_out_their_end():
    frame = features(readings({9.999: 1.0, 10.0: 2.0, 19.0: 4.0, 30.0: 8.0}))
    assert frame.select("recorded_at", "n", "mean").rows() == [
        (MONDAY, 1, 1.0),
        (MONDAY + 10 * MINUTE, 2, 3.0),
        (MONDAY + 30 * MINUTE, 1, 8.0),
    ]


NULLABLE = ("std", "slope_per_h", "iqr", "change_per_h", "autocorrelation", "missing_share")


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([0.1], (None, None, None, None, None, None)),
        ([0.1, 0.1], (0.0, 0.0, 0.0, 0.0, None, None)),
        ([0.1, 0.1, 0.1], (0.0, 0.0, 0.0, 0.0, None, 0.0)),
    ],
)
def test_what_a_single_reading_and_a_constant_do_not_show_is_null(values, told):
    frame = features(readings(dict(enumerate(values))))
    assert frame.select(NULLABLE).row(0) == told
    assert frame.select("median", "entropy_bits").row(0) == (0.1, 0.0)
    assert frame["energy"].item() == pytest.approx(0.01)


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


def test_the_state_is_that_of_the_machine_in_the_window():
    frame = pl.concat([readings({2.0: 5.0, 12.0: 5.0}), readings({2.0: 5.0}, machine_id="plant.pump-2")])
    found = features(frame, table("operating_states", state="idle")).select("machine_id", "recorded_at", "state")
    assert found.rows() == [
        ("plant.pump-1", MONDAY, "idle"),
        ("plant.pump-1", MONDAY + 10 * MINUTE, "unknown"),
        ("plant.pump-2", MONDAY, "unknown"),
    ]


def test_derived_sensors_are_described_beside_the_measured_and_marked():
    frame = pl.concat(
        [readings({0.0: 10.0, 5.0: 20.0}, sensor="torque_n_m"), readings({5.0: 60.0}, sensor="speed_rpm")]
    )
    found = features(frame).select("sensor", "is_derived", "n", "mean").rows()
    power_kw = 20.0 * (2 * np.pi * 60.0 / 60) / 1000
    assert found == [
        ("power_kw", True, 1, pytest.approx(power_kw)),
        ("speed_rpm", False, 1, 60.0),
        ("torque_n_m", False, 2, 15.0),
    ]


def test_no_readings_have_no_windows():
    assert features(readings({})).is_empty()


def test_values_at_both_ends_a_microsecond_apart_are_described_too():
    frame = features(readings({0.0: -1e12, 1 / 6e7: 1e12}))
    assert frame["std"].item() == pytest.approx(1e12 * 2**0.5)
    assert frame["slope_per_h"].item() == pytest.approx(2e12 * 3.6e9)


STATES = table("operating_states", [{"recorded_at": MONDAY + n * 10 * MINUTE} for n in range(0, 22, 2)])
VALUES = st.floats(-1e12, 1e12) | st.sampled_from([1e12, -1e12, 0.0, 5e-324, 1e-160]) | st.floats(-10, 10)


@given(st.dictionaries(st.integers(0, 2) | st.integers(0, 1_800_000_000), VALUES, min_size=1, max_size=8))
@settings(max_examples=30)
def test_features_of_readings_that_keep_their_contract_keep_theirs(values):
    frame = readings({microseconds / 6e7: value for microseconds, value in values.items()})
    found = features(frame)
    numbers = found.select(pl.selectors.float().is_finite().all())
    assert numbers.row(0) == (True,) * numbers.width
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
    arrived, expected = whole.clear(), window_features(whole, STATES, every="10m")
    kept = expected.clear()
    for start, stop in zip([0, *cuts], [*cuts, whole.height], strict=True):
        batch = whole[order[start:stop]]
        arrived = pl.concat([arrived, batch])
        spans = touched_windows(windows_of(batch, every="10m"))
        within = pl.any_horizontal(pl.col("recorded_at").is_between(*span, closed="left") for span in spans)
        kept = pl.concat([kept.filter(~within), window_features(arrived.filter(within), STATES, every="10m")])
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
