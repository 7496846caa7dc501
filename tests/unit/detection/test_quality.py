"""Data quality: a sensor that fell silent or stands still is told, and what nobody can know is not."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from unit.tables import HOUR, MONDAY, finished, table

from pipelines.contracts.vocabulary import STATES
from pipelines.detection.quality import ALWAYS, NEVER, data_quality, ended

UNTIL = MONDAY  # the healthy span lies before the hours of a test
NEWEST = 10


def sensor(name: str, *, present: float = 1.0, still: float = 0.0) -> dict[str, Any]:
    return {"sensor": name, "level": 2.0, "spread": 0.1, "present_share": present, "still_share": still}


def baselines(*sensors: dict[str, Any], **every: Any) -> pl.DataFrame:
    plain = {"healthy_from": UNTIL - 48 * HOUR, "healthy_until": UNTIL}
    return table("baselines", sensors=list(sensors), **(plain | every))


def windows(hours: Sequence[int], name: str = "v", *, stuck: bool = False, **every: Any) -> pl.DataFrame:
    plain = {"min": 2.0, "max": 2.0 if stuck else 2.1}
    rows = [{"recorded_at": MONDAY + hour * HOUR} for hour in hours]
    return table("window_features", rows, sensor=name, **(plain | every))


def told(known: pl.DataFrame, *frames: pl.DataFrame, newest: int | None = NEWEST) -> list[tuple[str, int, str]]:
    """Sensor, hour and kind of each defect."""
    now = None if newest is None else MONDAY + newest * HOUR
    found = finished("data_quality", data_quality(pl.concat(frames), known, newest=now))
    assert found["value"].is_null().equals(found["kind"] == "silent")
    return [(name, int((at - MONDAY) / HOUR), kind) for name, at, kind in found.select(
        "sensor", "recorded_at", "kind"
    ).rows()]  # fmt: skip


BOTH = baselines(sensor("v"), sensor("w"))


def test_a_sensor_without_a_reading_in_a_window_in_which_the_source_spoke_is_silent():
    assert told(BOTH, windows(range(5)), windows([0, 1, 4], "w")) == [("w", 2, "silent"), ("w", 3, "silent")]


def test_a_machine_of_which_no_sensor_spoke_is_silent_as_a_whole():
    other = windows(range(3), machine_id="plant.pump-2")
    assert told(BOTH, windows([0, 2]), windows([0, 2], "w"), other) == [("v", 1, "silent"), ("w", 1, "silent")]


def test_while_the_whole_source_is_silent_nobody_is():
    assert told(BOTH, windows([0, 5]), windows([0, 5], "w")) == []


def test_all_readings_alike_in_a_window_of_running_are_stuck_at_their_value():
    stuck = windows([1, 2], stuck=True)
    assert told(baselines(sensor("v")), windows([0]), stuck) == [("v", 1, "stuck"), ("v", 2, "stuck")]
    found = data_quality(stuck, baselines(sensor("v")), newest=MONDAY + NEWEST * HOUR)
    assert found["value"].to_list() == [2.0, 2.0]


def test_one_reading_alone_is_not_stuck():
    assert told(baselines(sensor("v")), windows([0], stuck=True, n=1)) == []


@pytest.mark.parametrize(("is_derived", "kinds"), [(False, ["stuck"]), (True, [])])
def test_a_derived_sensor_has_no_defect_of_its_own(is_derived, kinds):
    stuck = windows([0], stuck=True, is_derived=is_derived)
    assert [kind for _, _, kind in told(baselines(sensor("v")), stuck)] == kinds


@pytest.mark.parametrize("state", STATES)
def test_only_a_machine_that_runs_or_may_run_is_judged(state):
    is_judged = state in ("running", "unknown")
    frames = [windows([0], state=state), windows([1], "w", state=state), windows([1], stuck=True, state=state)]
    expected = [("v", 1, "stuck"), ("w", 0, "silent")]
    assert told(BOTH, *frames) == (expected if is_judged else [])


@pytest.mark.parametrize(
    ("newest", "hours"), [(None, []), (0, []), (1, [0]), (3, [0, 1, 2])], ids=["never", "none", "one", "all but it"]
)
def test_the_newest_window_and_later_ones_are_not_over(newest, hours):
    frames = [windows(range(4), stuck=True)]
    assert told(baselines(sensor("v")), *frames, newest=newest) == [("v", hour, "stuck") for hour in hours]
    silent = told(baselines(sensor("w")), *frames, newest=newest)
    assert silent == [("w", hour, "silent") for hour in hours]


@pytest.mark.parametrize(("hours_from_end", "is_judged"), [(-1, False), (0, True)])
def test_nothing_is_judged_before_the_healthy_span_is_over(hours_from_end, is_judged):
    known = baselines(sensor("v"), sensor("w"), healthy_until=MONDAY - hours_from_end * HOUR)
    assert bool(told(known, windows([0], stuck=True))) == is_judged


@pytest.mark.parametrize(
    ("present", "still", "expected"),
    [
        (ALWAYS, NEVER, [("v", 1, "stuck"), ("w", 0, "silent"), ("w", 1, "silent")]),
        (ALWAYS - 0.01, NEVER, [("v", 1, "stuck")]),
        (ALWAYS, NEVER + 0.001, [("w", 0, "silent"), ("w", 1, "silent")]),
    ],
    ids=["both", "often silent when healthy", "stood still when healthy"],
)
def test_what_a_sensor_did_when_healthy_is_no_defect(present, still, expected):
    known = baselines(*(sensor(name, present=present, still=still) for name in "vw"))
    assert told(known, windows([0]), windows([1], stuck=True)) == expected


@pytest.mark.parametrize(
    "known",
    [
        baselines(),
        baselines(sensor("x"), machine_id="plant.pump-2", healthy_until=MONDAY + 100 * HOUR),
        baselines(sensor("v"), healthy_from=None, healthy_until=None, reason="never_spoke", model_version=None),
        baselines(sensor("v")).clear(),
    ],
    ids=["no sensor", "another machine", "no span", "no baseline"],
)
def test_without_a_healthy_reference_nothing_is_judged(known):
    assert told(known, windows(range(3), stuck=True)) == []


def test_a_sensor_of_the_same_name_on_another_machine_is_judged_by_its_own_past():
    known = pl.concat([baselines(sensor("v")), baselines(sensor("v", still=0.5), machine_id="plant.pump-2")])
    frames = [windows([0], stuck=True, machine_id=machine) for machine in ("plant.pump-1", "plant.pump-2")]
    found = data_quality(pl.concat(frames), known, newest=MONDAY + NEWEST * HOUR)
    assert found["machine_id"].to_list() == ["plant.pump-1"]


def test_no_windows_have_no_defects():
    assert told(BOTH, windows([])) == []


Said = Mapping[tuple[str, str, int], tuple[bool, int]]  # machine, sensor and hour: whether alike, and readings


def expected_of(said: Said, states: Mapping[tuple[str, int], str], newest: int) -> set[tuple[str, str, int, str]]:
    """The definition, word by word."""
    found = set()
    for machine in "ab":
        for name in "vw":
            for hour in {hour for _, _, hour in said}:
                spoke = {(m, h) for m, _, h in said}
                state = states[machine, hour] if (machine, hour) in spoke else None
                if hour >= newest or state not in (None, "running", "unknown"):
                    continue
                if (machine, name, hour) not in said:
                    found.add((machine, name, hour, "silent"))
                elif said[machine, name, hour][0] and said[machine, name, hour][1] >= 2:
                    found.add((machine, name, hour, "stuck"))
    return found


@pytest.mark.parametrize(
    ("touched", "windows", "found", "looks"),
    [
        ([(5, 7)], [0, 1, 4, 5, 6], 4, 1),
        ([(0, 2), (5, 7)], [0, 1, 4, 5, 6], 4, 1),
        ([(0, 1), (3, 4), (6, 7)], [0, 1, 3, 6], 1, 2),
        ([(0, 1), (3, 4)], [0, 3], None, 2),
        ([(6, 7)], [0, 1, 4], 4, 1),
        ([], [0, 1], None, 0),
    ],
    ids=["new ones", "late ones too", "past a touched one", "nothing before", "it went", "no news"],
)
def test_the_window_that_is_over_now_is_the_newest_before_those_that_came_and_is_looked_up_from_the_newest_back(
    touched, windows, found, looks
):
    asked = []

    def before(moment: datetime) -> datetime | None:
        asked.append(moment)
        return max((at for hour in windows if (at := MONDAY + hour * HOUR) < moment), default=None)

    spans = [(MONDAY + since * HOUR, MONDAY + until * HOUR) for since, until in touched]
    assert ended(spans, before) == (None if found is None else MONDAY + found * HOUR)
    assert len(asked) == looks


PLACE = st.tuples(st.sampled_from("ab"), st.sampled_from("vw"), st.integers(0, 4))
HOURLY = st.sampled_from(STATES)


@given(
    st.dictionaries(PLACE, st.tuples(st.booleans(), st.integers(1, 3)), min_size=1, max_size=16),
    st.lists(HOURLY, min_size=10, max_size=10),
    st.integers(0, 5),
)
@settings(max_examples=60)
def test_defects_are_those_of_the_definition_whatever_was_said(said, hourly, newest):
    states = {(machine, hour): hourly[5 * "ab".index(machine) + hour] for machine in "ab" for hour in range(5)}
    frames = [
        windows([hour], name, stuck=alike, n=n, state=states[machine, hour], machine_id=f"plant.{machine}")
        for (machine, name, hour), (alike, n) in said.items()
    ]
    known = pl.concat([baselines(sensor("v"), sensor("w"), machine_id=f"plant.{machine}") for machine in "ab"])
    found = finished("data_quality", data_quality(pl.concat(frames), known, newest=MONDAY + newest * HOUR))
    rows = {
        (machine.removeprefix("plant."), name, hours_after(at), kind)
        for machine, name, at, kind in found.select("machine_id", "sensor", "recorded_at", "kind").rows()
    }
    event(f"kinds: {sorted(set(found['kind']))}")
    assert rows == expected_of(said, states, newest)
    assert found.height == len(rows)


def hours_after(at: datetime) -> int:
    return int((at - MONDAY) / HOUR)
