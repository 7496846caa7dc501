"""The reference stage: which span is healthy, what sensors did in it, and that no more is read than must be."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from unit.tables import HOUR, MONDAY, finished, table

from pipelines.contracts.readings import EARLIEST, LATEST
from pipelines.detection.baseline import DEFINITION, MIN_WINDOWS
from pipelines.detection.reference import ASSUMED, VERSION, Span, baselines

UNKNOWN = table("baselines").clear()
DECLARED = {"healthy_from": MONDAY, "healthy_until": MONDAY + 60 * HOUR}


def windows(hours: Sequence[int], machine_id: str = "plant.pump-1", **every: Any) -> pl.DataFrame:
    """Hourly windows of two lively sensors; the same hour always says the same."""
    rows = []
    for hour in hours:
        rng = np.random.default_rng(hour + 1000)
        for sensor in ("v", "w"):
            mean, std = rng.normal(2.0, 0.1), 0.1 * np.exp(rng.normal(0, 0.1))
            rows.append({"sensor": sensor, "recorded_at": MONDAY + hour * HOUR, "mean": mean, "std": std})
    return table("window_features", rows, machine_id=machine_id, **every)


class Table:
    """Windows as they stand, read like the lake reads them; every read is counted."""

    def __init__(self, *frames: pl.DataFrame) -> None:
        self.rows = pl.concat(frames)
        self.reads: list[Mapping[str, Span]] = []

    def __call__(self, wanted: Mapping[str, Span]) -> pl.DataFrame:
        self.reads.append(dict(wanted))
        at, machine = pl.col("recorded_at"), pl.col("machine_id")
        within = [(machine == name) & (at >= since) & (at < until) for name, (since, until) in wanted.items()]
        return self.rows.filter(pl.any_horizontal(within))

    @property
    def newest(self) -> datetime | None:
        return None if self.rows.is_empty() else self.rows["recorded_at"].max() + HOUR


def declared(*names: str, **every: Any) -> pl.DataFrame:
    return table("machines", [{"machine_id": name} for name in names or ("plant.pump-1",)], **every)


def told(
    stand: Table,
    machines: pl.DataFrame,
    before: pl.DataFrame = UNKNOWN,
    changed: pl.DataFrame | None = None,
    **changes: Any,
) -> pl.DataFrame:
    newest = changes.get("newest", stand.newest)
    return finished("baselines", baselines(before, machines, changed, newest=newest, read=stand))


def one(frame: pl.DataFrame) -> dict[str, Any]:
    assert frame.height == 1
    return frame.row(0, named=True)


# --- which span, and what is in it


def test_a_declared_span_is_the_healthy_one_and_what_lies_outside_is_not_read():
    stand = Table(windows(range(-5, 100)))
    row = one(told(stand, declared(**DECLARED)))
    assert (row["healthy_from"], row["healthy_until"], row["is_assumed"]) == (*DECLARED.values(), False)
    assert (row["windows"], row["reason"]) == (60, None)
    assert row["model_version"] is not None
    assert stand.reads == [{"plant.pump-1": tuple(DECLARED.values())}]


def test_without_a_declared_span_the_first_48_hours_are_assumed_to_be_good():
    stand = Table(windows(range(3, 100)))
    row = one(told(stand, declared()))
    assert (row["healthy_from"], row["healthy_until"]) == (MONDAY + 3 * HOUR, MONDAY + 51 * HOUR)
    assert (row["is_assumed"], row["windows"], row["reason"]) == (True, 48, None)
    assert stand.reads == [{"plant.pump-1": (EARLIEST, LATEST)}]


@pytest.mark.parametrize(("hours", "reason"), [(59, "span_not_over"), (60, None), (300, None)])
def test_a_span_that_is_not_over_is_not_looked_into(hours, reason):
    stand = Table(windows(range(min(hours, 70))))
    row = one(told(stand, declared(**DECLARED), newest=MONDAY + hours * HOUR))
    assert (row["reason"], bool(stand.reads)) == (reason, reason is None)
    assert (row["model_version"] is None, row["windows"], row["sensors"]) == (
        (True, 0, []) if reason else (False, 60, row["sensors"])
    )


@pytest.mark.parametrize(("hours", "reason"), [(47, "span_not_over"), (48, None)])
def test_an_assumed_span_is_over_after_48_hours(hours, reason):
    row = one(told(Table(windows(range(hours))), declared()))
    assert (row["healthy_from"], row["healthy_until"]) == (MONDAY, MONDAY + ASSUMED)
    assert row["reason"] == reason


@pytest.mark.parametrize(("ran", "reason"), [(MIN_WINDOWS - 1, "too_few_windows"), (MIN_WINDOWS, None)])
def test_too_few_windows_of_running_are_no_model_but_tell_what_sensors_did(ran, reason):
    stand = Table(windows(range(ran)), windows(range(ran, 70), state="off"))
    row = one(told(stand, declared(**DECLARED)))
    assert (row["reason"], row["windows"], row["model_version"] is None) == (reason, ran, reason is not None)
    assert [sensor["sensor"] for sensor in row["sensors"]] == ["v", "w"]


def test_a_span_in_which_nothing_was_said_has_too_few_windows():
    row = one(told(Table(windows(range(70, 80))), declared(**DECLARED)))
    assert (row["reason"], row["windows"], row["sensors"]) == ("too_few_windows", 0, [])


@pytest.mark.parametrize("newest", [None, MONDAY + 500 * HOUR])
def test_a_machine_that_never_spoke_and_declares_nothing_has_no_span(newest):
    row = one(told(Table(windows([])), declared(), newest=newest))
    assert (row["healthy_from"], row["healthy_until"], row["is_assumed"]) == (None, None, True)
    assert (row["reason"], row["sensors"]) == ("never_spoke", [])


def test_every_machine_of_the_register_has_one_row_in_order_and_others_have_none():
    stand = Table(windows(range(100), "plant.b"), windows(range(100), "plant.a"), windows(range(100), "plant.x"))
    found = told(stand, declared("plant.c", "plant.b", "plant.a"))
    assert found.select("machine_id", "reason").rows() == [
        ("plant.a", None),
        ("plant.b", None),
        ("plant.c", "never_spoke"),
    ]


def sensors(*frames: pl.DataFrame) -> dict[str, dict[str, float]]:
    row = one(told(Table(windows(range(70)), *frames), declared(**DECLARED)))
    return {sensor.pop("sensor"): sensor for sensor in row["sensors"]}


def of_sensor(sensor: str, hours: Sequence[int], **every: Any) -> pl.DataFrame:
    return table("window_features", [{"recorded_at": MONDAY + hour * HOUR} for hour in hours], sensor=sensor, **every)


def test_level_and_spread_are_median_and_scaled_deviation_of_the_window_means():
    means = windows(range(60)).filter(pl.col("sensor") == "v")["mean"].to_numpy()
    found = sensors()["v"]
    assert found["level"] == pytest.approx(np.median(means))
    assert found["spread"] == pytest.approx(1.4826 * np.median(np.abs(means - np.median(means))))
    assert (found["present_share"], found["still_share"]) == (1.0, 0.0)


def test_windows_of_a_machine_at_rest_say_nothing_of_its_sensors():
    """Running for an hour in which `x` reads 5, then at rest at 0."""
    row = one(
        told(
            Table(of_sensor("x", range(50), mean=5.0), of_sensor("x", range(50, 70), mean=0.0, state="off")),
            declared(**DECLARED),
        )
    )
    assert (row["windows"], row["sensors"][0]["level"], row["sensors"][0]["spread"]) == (50, 5.0, 0.0)


def test_a_sensor_tells_how_often_it_spoke_and_in_what_share_of_these_windows_it_stood_still():
    found = sensors(of_sensor("x", range(0, 60, 4), std=0.0), of_sensor("y", range(0, 60, 10), std=0.5))
    assert (found["x"]["present_share"], found["x"]["still_share"]) == (0.25, 1.0)
    assert (found["y"]["present_share"], found["y"]["still_share"]) == (0.1, 0.0)


def test_a_sensor_that_did_not_speak_in_the_span_is_not_told():
    assert set(sensors(of_sensor("late", range(60, 70)))) == {"v", "w"}


def test_the_version_changes_with_any_healthy_window_and_with_nothing_later():
    stand = Table(windows(range(70)))
    at = pl.col("recorded_at")
    versions = [
        one(told(Table(frame), declared(**DECLARED), newest=stand.newest))["model_version"]
        for frame in (
            stand.rows,
            stand.rows.with_columns(mean=pl.when(at >= MONDAY + 60 * HOUR).then(99.0).otherwise("mean")),
            stand.rows.with_columns(mean=pl.when(at >= MONDAY + 59 * HOUR).then(99.0).otherwise("mean")),
        )
    ]
    assert versions[0] == versions[1] != versions[2]


# --- what is not read again


def unchanged(**every: Any) -> pl.DataFrame:
    return windows([], **every)


@pytest.mark.parametrize("span", [DECLARED, {}], ids=["declared", "assumed"])
def test_what_is_settled_is_not_read_again(span):
    stand = Table(windows(range(100)))
    before = told(stand, declared(**span))
    stand.rows = pl.concat([stand.rows, windows(range(100, 110))])
    after = told(stand, declared(**span), before, changed=windows(range(100, 110)))
    assert len(stand.reads) == 1
    assert after.equals(before)


def test_a_span_that_is_not_over_yet_is_not_read_though_windows_come():
    stand = Table(windows(range(20)))
    before = told(stand, declared(**DECLARED))
    stand.rows = pl.concat([stand.rows, windows(range(20, 30))])
    assert told(stand, declared(**DECLARED), before, changed=windows(range(20, 30))).equals(before)
    assert stand.reads == []


def test_a_span_that_has_come_to_its_end_is_read_once():
    stand = Table(windows(range(59)))
    before = told(stand, declared(**DECLARED))
    stand.rows = windows(range(60))
    after = told(stand, declared(**DECLARED), before, changed=windows([59]))
    assert (len(stand.reads), one(after)["reason"]) == (1, None)


def test_the_assumed_span_that_stands_is_the_one_that_is_read():
    stand = Table(windows(range(47)))
    before = told(stand, declared())
    stand.rows = windows(range(50))
    after = told(stand, declared(), before, changed=windows(range(47, 50)))
    assert stand.reads[1:] == [{"plant.pump-1": (MONDAY, MONDAY + ASSUMED)}]
    assert one(after)["windows"] == 48


def test_a_late_window_before_the_assumed_span_moves_it():
    stand = Table(windows(range(10, 100)))
    before = told(stand, declared())
    stand.rows = pl.concat([windows([2]), stand.rows])
    row = one(told(stand, declared(), before, changed=windows([2])))
    assert (row["healthy_from"], row["healthy_until"], row["windows"]) == (MONDAY + 2 * HOUR, MONDAY + 50 * HOUR, 41)
    assert row["reason"] == "too_few_windows"


def test_an_assumed_span_whose_first_window_went_begins_at_the_next():
    stand = Table(windows(range(100)))
    before = told(stand, declared())
    stand.rows = windows(range(7, 100))
    row = one(told(stand, declared(), before, changed=windows(range(7))))
    assert (row["healthy_from"], row["windows"]) == (MONDAY + 7 * HOUR, 48)


def test_a_machine_whose_windows_all_went_never_spoke():
    stand = Table(windows(range(100)))
    before = told(stand, declared())
    stand.rows = windows([])
    row = one(told(stand, declared(), before, changed=windows(range(100)), newest=MONDAY + 200 * HOUR))
    assert (row["reason"], row["healthy_from"], row["model_version"]) == ("never_spoke", None, None)


@pytest.mark.parametrize(
    ("hour", "until", "reads"), [(-1, 60.0, 0), (0, 60.0, 1), (59, 60.0, 1), (60, 60.0, 0), (60, 60.5, 0)]
)
def test_a_declared_span_is_read_again_where_a_window_in_it_changed(hour, until, reads):
    stand, span = Table(windows(range(-5, 100))), DECLARED | {"healthy_until": MONDAY + until * HOUR}
    before = told(stand, declared(**span))
    told(stand, declared(**span), before, changed=windows([hour]))
    assert len(stand.reads) == 1 + reads


@pytest.mark.parametrize(
    ("span", "version"),
    [(DECLARED, "same"), (DECLARED | {"healthy_until": MONDAY + 61 * HOUR}, "other"), ({}, "other")],
    ids=["declared as before", "longer", "withdrawn"],
)
def test_another_declaration_is_another_baseline(span, version):
    stand = Table(windows(range(100)))
    before = told(stand, declared(**DECLARED))
    after = told(stand, declared(**span), before, changed=unchanged())
    assert (one(after)["model_version"] == one(before)["model_version"]) == (version == "same")
    assert len(stand.reads) == (1 if version == "same" else 2)


def test_an_assumed_span_that_is_then_declared_is_assumed_no_more_and_the_other_way_round():
    stand, same = Table(windows(range(100))), {"healthy_from": MONDAY, "healthy_until": MONDAY + ASSUMED}
    assumed = told(stand, declared())
    stated = told(stand, declared(**same), assumed, changed=unchanged())
    withdrawn = told(stand, declared(), stated, changed=unchanged())
    assert [one(frame)["is_assumed"] for frame in (assumed, stated, withdrawn)] == [True, False, True]
    assert one(assumed)["model_version"] == one(stated)["model_version"] == one(withdrawn)["model_version"]


def test_a_span_is_not_over_again_when_the_windows_behind_it_went():
    stand = Table(windows([*range(58), 60, 61]))
    before = told(stand, declared(**DECLARED))
    assert one(before)["reason"] is None
    stand.rows = windows(range(58))
    assert one(told(stand, declared(**DECLARED), before, changed=windows([60, 61])))["reason"] == "span_not_over"


def test_only_machines_that_changed_are_read():
    stand = Table(windows(range(100), "plant.a"), windows(range(100), "plant.b"))
    machines = declared("plant.a", "plant.b", **DECLARED)
    before = told(stand, machines)
    told(stand, machines, before, changed=windows([5], "plant.b"))
    assert list(stand.reads[-1]) == ["plant.b"]


def test_without_a_feed_all_are_read():
    stand = Table(windows(range(100)))
    assert told(stand, declared(**DECLARED), told(stand, declared(**DECLARED))).height == 1
    assert len(stand.reads) == 2


def test_a_machine_that_left_the_register_has_no_row():
    stand = Table(windows(range(100)))
    before = told(stand, declared(**DECLARED))
    assert told(stand, declared("plant.other", **DECLARED), before, changed=unchanged())["machine_id"].to_list() == [
        "plant.other"
    ]


def test_baselines_follow_from_all_that_the_models_they_name_follow_from():
    assert DEFINITION in VERSION


HOURS = st.sets(st.integers(0, 75), max_size=12) | st.sets(st.integers(60, 75), max_size=5)
SPANS = st.sampled_from([{}, DECLARED, {"healthy_from": MONDAY, "healthy_until": MONDAY + 50 * HOUR}])


@given(st.data())
@settings(max_examples=30)
def test_whatever_comes_and_goes_the_rows_are_those_of_everything_read_at_once(data):
    there, before = set(data.draw(st.sampled_from([range(0), range(20, 70), range(10, 60)]))), UNKNOWN
    stand, reads, changed = Table(windows(sorted(there))), 0, None
    for _ in range(data.draw(st.integers(2, 4))):
        machines = declared(**data.draw(SPANS))
        before = told(stand, machines, before, changed)
        whole = told(Table(stand.rows), machines, newest=stand.newest)
        event(f"reason: {one(whole)['reason']}, read: {len(stand.reads) > reads}")
        assert before.equals(whole)
        come, gone, reads = data.draw(HOURS) - there, data.draw(HOURS) & there, len(stand.reads)
        there = (there | come) - gone
        stand.rows, changed = windows(sorted(there)), windows(sorted(come | gone))
