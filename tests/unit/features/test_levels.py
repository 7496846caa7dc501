"""Learned levels: found where they are clearly apart, from the first windows alone, whatever the order of arrival."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from unit.tables import HOUR, MONDAY, table

from pipelines.features.levels import LEAST, WINDOWS, Levels, learned, split, standing, unsettled

RNG = np.random.default_rng(7)
REST, PACE, IDLE = (RNG.normal(level, noise, 200) for level, noise in ((0.0, 0.02), (1480.0, 4.0), (600.0, 10.0)))


def windows(values, *, machine_id="plant.pump-1", since=0):
    frame = pl.DataFrame({"level": values}, schema={"level": pl.Float64}).with_row_index("hour", since)
    return frame.select(
        "level",
        machine_id=pl.lit(machine_id),
        recorded_at=MONDAY + pl.col("hour") * HOUR,
        window_s=pl.lit(3600, pl.Int64),
    )


def mix(*parts):
    return np.concatenate([values[:n] for values, n in parts])


def test_two_levels_are_off_and_running():
    found = split(mix((REST, 40), (PACE, 104)))
    assert 0.1 < found.running_above < 1460.0
    assert found[1:] == (None, None, None)


def test_three_levels_are_off_idle_and_running():
    found = split(mix((REST, 40), (IDLE, 30), (PACE, 74)))
    assert 0.1 < found.idle_above < 560.0
    assert 640.0 < found.running_above < 1460.0


def test_a_lower_level_far_from_zero_is_idle_and_off_lies_near_zero():
    found = split(mix((IDLE, 40), (PACE, 104)))
    assert found.idle_above == pytest.approx(148.0, rel=0.01)
    assert 640.0 < found.running_above < 1460.0


@pytest.mark.parametrize("running", [RNG.uniform(40.0, 100.0, 200), RNG.normal(70.0, 8.0, 200)])
def test_a_load_that_varies_is_one_level_of_running(running):
    found = split(mix((REST, 40), (running, 104)))
    assert found.idle_above is None
    assert 0.1 < found.running_above <= running[:104].min()


@pytest.mark.parametrize(
    "values",
    [
        PACE[:144],
        REST[:144],
        RNG.uniform(0.0, 100.0, 144),
        RNG.exponential(10.0, 144),
        50.0 + 20.0 * np.sin(np.arange(144) / 8.0),
        np.repeat([5.0, 5.1], 72),
        np.repeat([1400.0, 1000.0], 72),
        np.repeat([0.0, -100.0], 72),
        np.full(144, 3.0),
        mix((PACE, 144 - LEAST + 1), (REST, LEAST - 1)),
    ],
    ids=["noise", "rest", "uniform", "skewed", "swings", "resolution", "two-paces", "negative", "constant", "strays"],
)
def test_what_shows_no_two_levels_clearly_apart_has_one(values):
    assert split(values) == Levels(reason="one_level")


def test_the_last_digit_of_a_resting_sensor_is_no_idle_level():
    found = split(np.repeat([0.0, 0.1, 1480.0], [20, 20, 104]))
    assert found[:2] == ((0.1 + 1480.0) / 2, None)


def test_a_few_windows_of_transition_move_no_level():
    found = split(np.concatenate([mix((REST, 40), (PACE, 98)), np.linspace(100.0, 1400.0, 6)]))
    assert 0.1 < found.running_above < 1460.0
    assert found.idle_above is None


def test_nothing_is_learned_before_the_windows_are_complete():
    values = mix((REST, 40), (PACE, 104))
    assert learned(windows(values[: WINDOWS - 1])) == {"plant.pump-1": Levels()}
    assert learned(windows(values))["plant.pump-1"].until == MONDAY + WINDOWS * HOUR


def test_windows_in_which_the_sensor_said_nothing_do_not_count():
    values = [None, *mix((REST, 40), (PACE, 104))]
    assert learned(windows(values))["plant.pump-1"].until == MONDAY + (WINDOWS + 1) * HOUR


@given(st.permutations(range(WINDOWS + 30)), st.integers(0, 30))
def test_neither_the_order_nor_what_comes_later_moves_a_level(order, later):
    first = windows(mix((REST, 40), (PACE, 104)))
    whole = pl.concat([first, windows(RNG.normal(300.0, 100.0, later), since=WINDOWS)])
    event(f"later: {later > 0}")
    shuffled = whole[[place for place in order if place < whole.height]]
    assert learned(shuffled) == learned(first)


def test_machines_learn_for_themselves():
    both = pl.concat([windows(mix((REST, 40), (PACE, 104))), windows(PACE[:144], machine_id="plant.pump-2")])
    assert {name: told.reason for name, told in learned(both).items()} == {
        "plant.pump-1": None,
        "plant.pump-2": "one_level",
    }


@pytest.mark.parametrize(
    ("row", "levels"),
    [
        ({"running_above": 7.0, "learned_until": MONDAY}, Levels(7.0, None, MONDAY, None)),
        ({"running_above": 7.0, "learned_until": MONDAY, "reason": "silent"}, Levels(7.0, None, MONDAY, None)),
        ({"running_above": None, "reason": "learning"}, Levels()),
        (
            {"running_above": None, "learned_until": MONDAY, "reason": "one_level"},
            Levels(until=MONDAY, reason="one_level"),
        ),
    ],
)
def test_the_rows_say_what_was_learned(row, levels):
    rows = pl.concat(
        [table("operating_states", [row], basis="learned"), table("operating_states", machine_id="plant.b")]
    )
    assert standing(rows) == {"plant.pump-1": levels}


@pytest.mark.parametrize(
    ("levels", "minutes", "is_settled"),
    [
        (Levels(7.0, None, MONDAY, None), 0, True),
        (Levels(7.0, None, MONDAY, None), -1, False),
        (Levels(until=MONDAY, reason="one_level"), 5, True),
        (Levels(), 5, False),
        (None, 5, False),
    ],
)
def test_levels_are_looked_at_again_where_a_window_they_were_learned_from_changed(levels, minutes, is_settled):
    known = {} if levels is None else {"plant.pump-1": levels}
    since = {"plant.pump-1": MONDAY + minutes * timedelta(minutes=1)}
    assert unsettled(known, since) == ([] if is_settled else ["plant.pump-1"])
