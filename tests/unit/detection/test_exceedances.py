"""Exceedances: each carries the run it goes on with, so that a fold goes on wherever it was cut."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from unit.courses import RULES, defects, exceeding, hour_of, scores
from unit.tables import HOUR, MONDAY, finished, table

from pipelines.detection import exceedances as module
from pipelines.detection.exceedances import LOOK_BACK, AlarmRules, beyond, exceedances
from pipelines.register import WINDOWS

NOTHING = table("exceedances").clear()


def runs(frame: pl.DataFrame) -> list[tuple[int | None, int, int | None]]:
    """Hour of the run's start, its windows so far and the hour it was raised, by exceedance."""
    told = frame.select("run_started_at", "run_windows", "run_raised_at").rows()
    return [(hour_of(started), windows, hour_of(raised)) for started, windows, raised in told]


@pytest.mark.parametrize(("score", "counts"), [(0.9, True), (1.0, True), (0.8999, False), (None, False)])
def test_a_window_counts_from_the_threshold_on(score, counts):
    assert exceeding(table("anomaly_scores", score=score)).height == counts


def test_defects_of_one_kind_in_one_window_count_as_one_and_name_the_first_sensor():
    quality = pl.concat([defects("X", sensor=sensor) for sensor in ("w", "v", "x")])
    rows = exceeding(scores(""), pl.concat([quality, defects("X", "stuck", sensor="a")]))
    assert rows.select("kind", "top_sensor", "deviating_sensors", "score", "top_z", "model_version").rows() == [
        ("silent", "v", 3, 1.0, None, None),
        ("stuck", "a", 1, 1.0, None, None),
    ]


@pytest.mark.parametrize(
    ("course", "expected"),
    [
        ("XXX", [(0, 1, None), (0, 2, None), (0, 3, 3)]),
        ("XX.X", [(0, 1, None), (0, 2, None), (0, 3, 4)]),
        ("X.XX", [(0, 1, None), (0, 2, None), (0, 3, 4)]),
        ("XX..X", [(0, 1, None), (0, 2, None), (0, 3, None)]),
        ("XX--X", [(0, 1, None), (0, 2, None), (0, 3, None)]),
        ("XX  X", [(0, 1, None), (0, 2, None), (0, 3, None)]),
        ("XXX...X", [(0, 1, None), (0, 2, None), (0, 3, 3), (0, 4, 3)]),
        ("X...XXX", [(0, 1, None), (0, 2, None), (0, 3, None), (0, 4, 7)]),
        ("X.....X", [(0, 1, None), (0, 2, None)]),
        ("X......X", [(0, 1, None), (7, 1, None)]),
    ],
)
def test_k_exceedances_within_the_time_of_n_windows_raise_and_the_gap_begins_another_run(course, expected):
    assert runs(exceeding(scores(course))) == expected


@pytest.mark.parametrize(("course", "raised"), [("X.X", 3), ("XX", 2), ("X..X", None)])
@pytest.mark.parametrize("kind", ["silent", "stuck"])
def test_a_defect_of_the_data_is_certain_and_raised_sooner(kind, course, raised):
    assert runs(exceeding(scores(""), defects(course, kind)))[-1][-1] == raised


def test_a_window_of_ten_minutes_counts_its_neighbours_by_minutes():
    rows = [{"recorded_at": MONDAY + timedelta(minutes=minute), "score": 0.95} for minute in (0, 10, 30, 40, 60)]
    found = exceeding(table("anomaly_scores", rows, window_s=600))
    assert [at and at - MONDAY for at in found["run_raised_at"]] == [None, None, *[timedelta(minutes=40)] * 3]


def test_kinds_and_machines_are_runs_of_their_own():
    scored = pl.concat([scores("X", machine_id="plant.a"), scores(".X", machine_id="plant.b")])
    found = exceeding(scored, pl.concat([defects("X", machine_id="plant.a"), defects(".X", "stuck")]))
    assert found["run_windows"].to_list() == [1, 1, 1, 1]


def test_a_run_tells_its_sum_its_worst_its_model_and_who_led():
    scored = scores("XXX").with_columns(
        score=pl.Series([0.92, 0.99, 0.94]),
        top_sensor=pl.Series(["w", "v", "w"]),
        top_z=pl.Series([-3.0, 8.0, 6.0]),
        deviating_sensors=pl.Series([1, 3, 2]),
        model_version=pl.Series(["m1", "m2", "m2"]),
    )
    last = exceeding(scored).row(-1, named=True)
    assert last["run_score_sum"] == pytest.approx(2.85)
    assert (last["run_peak_score"], last["run_deviating_sensors"], last["run_model_version"]) == (0.99, 3, "m1")
    assert last["run_leading"] == [
        {"sensor": "v", "windows": 1, "z_sum": 8.0},
        {"sensor": "w", "windows": 2, "z_sum": 3.0},
    ]


def test_no_windows_are_no_exceedances():
    nothing = exceedances(beyond(scores(""), defects(""), RULES), NOTHING, RULES)
    assert finished("exceedances", nothing).is_empty()


def test_the_rules_version_changes_with_every_rule():
    others = [{"threshold": 0.91}, {"k": 2}, {"n": 5}, {"k_defect": 1}, {"n_defect": 4}, {"gap": 2 * HOUR}]
    assert {name for change in others for name in change} == set(vars(RULES))
    assert len({RULES.version, *(replace(RULES, **change).version for change in others)}) == 1 + len(others)


# --- a fold that was cut goes on as if it had not been


@st.composite
def windows(draw: st.DrawFn, rules: AlarmRules, seconds: int) -> pl.DataFrame:
    """Windows beyond the threshold, of two machines and two kinds, in bursts and about the gap apart."""
    gap = int(rules.gap.total_seconds()) // seconds
    apart = st.sampled_from([1, 2, 3, gap, gap + 1, gap + 2])
    rows: list[dict[str, Any]] = []
    for machine, kind in [("a", "anomaly"), ("a", "silent"), ("b", "anomaly")]:
        place = draw(st.integers(0, 3))
        bursts = draw(st.lists(st.tuples(apart, st.integers(0, 8)), max_size=4))
        for further in [step for first, more in bursts for step in (first, *[1] * more)]:
            place += further
            rows.append(
                {
                    "machine_id": f"plant.{machine}",
                    "kind": kind,
                    "recorded_at": MONDAY + timedelta(seconds=place * seconds),
                    "window_s": seconds,
                    "score": draw(st.sampled_from([0.999, 0.9991, 1.0])),
                    "top_sensor": draw(st.sampled_from("vw")),
                    "top_z": None if kind == "silent" else draw(st.floats(-50, 50)),
                    "deviating_sensors": draw(st.integers(0, 3)),
                    "model_version": draw(st.sampled_from(["m1", "m2"])),
                }
            )
    columns = beyond(scores(""), defects(""), RULES).columns
    return table("exceedances", rows).select(columns)


def within(frame: pl.DataFrame, since: dict[str, datetime], until: dict[str, datetime]) -> pl.DataFrame:
    at, machine = pl.col("recorded_at"), pl.col("machine_id")
    wanted = [(machine == name) & (at >= since[name]) & (at < until[name]) for name in since]
    return frame.filter(pl.any_horizontal(wanted))


@given(st.data(), st.sampled_from([600, 3600, 14_400]))
@settings(max_examples=60)
def test_a_fold_cut_at_any_moment_of_each_machine_goes_on_as_if_it_had_not_been(data, seconds):
    rules = module.RULES
    new = data.draw(windows(rules, seconds))
    whole = finished("exceedances", exceedances(new, NOTHING, rules))
    moments = sorted({MONDAY, *(at for at in new["recorded_at"]), *(at + HOUR for at in new["recorded_at"])})
    cut = {name: data.draw(st.sampled_from(moments)) for name in ("plant.a", "plant.b")}
    far = dict.fromkeys(cut, MONDAY + 10_000 * HOUR)
    carried = within(whole, {name: at - LOOK_BACK for name, at in cut.items()}, cut)
    went_on = finished("exceedances", exceedances(within(new, cut, far), carried, rules))
    expected = within(whole, cut, far)
    started = expected.select("machine_id", "run_started_at").rows()
    event(f"goes on with a run: {any(at < cut[name] for name, at in started)}")
    event(f"raised: {whole['run_raised_at'].count() > 0}, of seconds: {seconds}")
    assert went_on.equals(expected)


@pytest.mark.parametrize("window", WINDOWS)
def test_the_run_that_a_window_goes_on_with_lies_within_the_look_back(window):
    length = timedelta(**{{"m": "minutes", "h": "hours"}[window[-1]]: int(window[:-1])})
    rules = module.RULES
    assert rules.gap + length <= LOOK_BACK
    assert max((rules.n - 1) * length, (rules.n_defect - 1) * length) <= LOOK_BACK
