"""The prognosis stage: which series get a time to failure, which a reason, and what stands beside."""

import hashlib
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.tables import table

from pipelines.contracts.forecasts import FORECASTS
from pipelines.contracts.health_index import HEALTH_INDEX
from pipelines.contracts.vocabulary import NO_TTF
from pipelines.prognosis.forecast import TrendSettings, forecasts, is_outdated, moment

NOW = datetime(2024, 3, 1, 12, tzinfo=UTC)
FEW_DRAWS = TrendSettings(draws=40)
RNG = np.random.default_rng(5)
NOISE = RNG.normal(scale=0.1, size=2000)


def health(values, *, name="pump-1", ends=NOW, threshold=7.0, healthy=2.0, spread=0.1, window_s=3600):
    """Windows of one machine without gaps, the newest ending at `ends`; the sensor reads `values`."""
    starts = [ends - timedelta(seconds=window_s * (len(values) - i)) for i in range(len(values))]
    return pl.DataFrame(
        {
            "source": "plant",
            "machine_id": f"plant.{name}",
            "failure_mode": "bearing_wear",
            "recorded_at": starts,
            "window_s": window_s,
            "sensor": "vibration_mm_s",
            "value": np.asarray(values, dtype=np.float64),
            "healthy_level": healthy,
            "healthy_spread": None if healthy is None else spread,
            "threshold": threshold,
            "health": 0.5,
            "run_id": "run",
        },
        schema={name: column.dtype.type for name, column in HEALTH_INDEX.columns.items() if name != "day"},
    )


def mode(failure_mode="bearing_wear", threshold=7.0, direction=None):
    return {
        "failure_mode": failure_mode, "sensor": "vibration_mm_s", "threshold": threshold, "direction": direction,
        "skill": "mechanical", "repair_h": 4.0,
    }  # fmt: skip


WEAR = (mode(),)


def machines(*names, modes=WEAR):
    rows = [{"machine_id": f"plant.{name}", "failure_modes": list(modes)} for name in names or ("pump-1",)]
    return table("machines", rows)


def rising(hours_left=60.0, *, hours=300):
    """From a healthy 2.0 in a straight line that reaches 7.0 in `hours_left` from now."""
    at = np.arange(hours) - hours + 0.5
    return np.maximum(2.0, 7.0 + (at - hours_left) * 0.025) + NOISE[:hours]


def flat(hours=300):
    return 2.0 + NOISE[:hours]


def only(frame, direction=None, **options):
    declared = machines(modes=(mode(direction=direction),))
    rows = forecasts(frame, declared, issued_at=NOW, **options)
    assert rows.height == 1
    return rows.row(0, named=True)


def keeps_contract(rows):
    whole = rows.with_columns(day=pl.col("issued_at").dt.date(), run_id=pl.lit("run"))
    return FORECASTS.validate(whole.select(list(FORECASTS.columns)), lazy=True)


def test_a_degrading_machine_gets_a_time_with_an_interval_and_a_baseline():
    said = only(health(rising(60.0)))
    assert said["reason"] is None
    assert 0 < said["ttf_low_h"] <= said["ttf_h"] <= said["ttf_high_h"]
    assert said["ttf_h"] == pytest.approx(60.0, rel=0.25)
    assert said["linear_ttf_h"] == pytest.approx(60.0, rel=0.25)
    assert said["value"] == pytest.approx(5.43, abs=0.1)
    assert (said["model"], said["nominal_coverage"]) == ("prophet_trend", 0.9)


SILENT = {
    "no_threshold": health(rising(), threshold=None),
    "no_threshold, but the healthy level declared as one": health(rising(), threshold=2.0),
    "too_little_data": health(rising()[-47:]),
    "too_little_data, no baseline": health(rising(), healthy=None),
    "too_little_data, back from a long stop": pl.concat(
        [health(flat(), ends=NOW - timedelta(hours=200)), health(rising()[-15:])]
    ),
    "no_recent_data": health(rising(), ends=NOW - timedelta(hours=25)),
    "not_degrading": health(flat()),
    "beyond_horizon": health(3.5 + np.arange(300) * 0.002 + NOISE[:300]),
}


@pytest.mark.parametrize("case", SILENT)
def test_a_forecast_that_names_no_time_names_its_reason(case):
    said = only(SILENT[case], settings=FEW_DRAWS)
    assert said["reason"] == case.partition(",")[0]
    assert {said[name] for name in ("ttf_h", "ttf_low_h", "ttf_high_h", "nominal_coverage")} == {None}
    assert said["model"] == ("prophet_trend" if case == "beyond_horizon" else None)


def test_every_reason_of_the_vocabulary_has_a_case_here():
    assert {case.partition(",")[0] for case in SILENT} == set(NO_TTF)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (health(rising()[-9:], threshold=None, ends=NOW - timedelta(hours=25)), "no_threshold"),
        (health(rising()[-9:], ends=NOW - timedelta(hours=25)), "too_little_data"),
        (health(flat() + 9.0, ends=NOW - timedelta(hours=25)), "no_recent_data"),
    ],
    ids=["threshold first", "then data", "then age, before the threshold is compared"],
)
def test_of_several_reasons_the_first_is_told(frame, reason):
    assert only(frame)["reason"] == reason


def test_the_newest_window_may_end_a_day_ago_and_no_longer():
    assert only(health(flat(), ends=NOW - timedelta(hours=24)))["reason"] == "not_degrading"
    assert only(health(flat(), ends=NOW - timedelta(hours=24, seconds=1)))["reason"] == "no_recent_data"


def test_a_machine_without_recent_windows_has_no_recent_value():
    assert only(SILENT["no_recent_data"])["value"] is None
    assert only(SILENT["not_degrading"])["value"] == pytest.approx(2.0, abs=0.2)


@pytest.mark.parametrize("threshold", [7.0, -3.0], ids=["rises to it", "falls to it"])
def test_at_the_threshold_the_time_left_is_nothing(threshold):
    said = only(health(np.r_[flat(200), np.full(100, threshold)], threshold=threshold))
    assert (said["ttf_low_h"], said["ttf_h"], said["ttf_high_h"], said["reason"]) == (0.0, 0.0, 0.0, None)
    assert said["model"] is None


@pytest.mark.parametrize(
    ("threshold", "direction"), [(1.0, "above"), (7.0, "below"), (2.0, "above")], ids=["below it", "above it", "at it"]
)
def test_of_a_healthy_level_beyond_the_declared_limit_the_time_left_is_nothing(threshold, direction):
    said = only(health(flat(), threshold=threshold), direction)
    assert (said["ttf_low_h"], said["ttf_h"], said["ttf_high_h"], said["reason"]) == (0.0, 0.0, 0.0, None)
    assert said["linear_ttf_h"] == 0.0 or threshold == 2.0
    assert only(health(flat()), "above")["reason"] == "not_degrading"


def test_one_window_beyond_the_threshold_is_not_the_end():
    values = flat()
    values[-1] = 9.0
    assert only(health(values))["reason"] == "not_degrading"


def test_a_fall_to_a_low_threshold_is_forecast_like_a_rise_to_a_high_one():
    up, down = only(health(rising())), only(health(4.0 - rising(), threshold=-3.0))
    for name in ("ttf_low_h", "ttf_h", "ttf_high_h", "linear_ttf_h"):
        assert down[name] == pytest.approx(up[name], rel=1e-6)


@pytest.mark.parametrize("case", [name for name in SILENT if "baseline" not in name and "no_threshold" not in name])
def test_the_line_stands_beside_a_silent_forecast_too(case):
    frame = SILENT[case].with_columns(value=2.0 + (pl.int_range(pl.len()) / pl.len()))
    assert only(frame, settings=FEW_DRAWS)["linear_ttf_h"] > 0


def test_ten_minute_windows_are_forecast_like_hourly_ones():
    at = (np.arange(1800) - 1800 + 0.5) / 6
    values = np.maximum(2.0, 7.0 + (at - 60.0) * 0.025) + NOISE[:1800]
    assert only(health(values, window_s=600))["ttf_h"] == pytest.approx(60.0, rel=0.25)


def test_gaps_of_a_machine_that_rests_at_night_do_not_hide_its_course():
    resting = pl.col("recorded_at").dt.hour().is_between(6, 21)
    assert only(health(rising()).filter(resting))["ttf_h"] == pytest.approx(60.0, rel=0.3)


def test_an_upper_end_behind_the_horizon_is_left_open():
    values = rising(100.0) + 0.4 * RNG.normal(size=300)
    said = only(health(values))
    short = replace(TrendSettings(), horizon_h=(said["ttf_h"] + said["ttf_high_h"]) / 2)
    cut = only(health(values), settings=short)
    assert cut["ttf_h"] == pytest.approx(said["ttf_h"], rel=0.1)
    assert cut["ttf_high_h"] is None


def test_what_is_behind_the_moment_of_speaking_is_not_looked_at():
    values = np.r_[rising(), np.full(50, 2.0)]
    whole = health(values, ends=NOW + timedelta(hours=50))
    known = whole.filter(pl.col("recorded_at") < NOW)
    assert forecasts(whole, machines(), issued_at=NOW, settings=FEW_DRAWS).equals(
        forecasts(known, machines(), issued_at=NOW, settings=FEW_DRAWS)
    )


def test_the_same_rows_in_any_order_give_the_same_forecasts():
    oldest = health(rising(hours=350), name="c", threshold=None)
    frame = pl.concat([health(rising(), name="a"), health(flat(), name="b"), oldest])
    first = forecasts(frame, machines("c", "a", "b"), issued_at=NOW, settings=FEW_DRAWS)
    shuffled = frame.sample(fraction=1.0, shuffle=True, seed=3)
    assert forecasts(shuffled, machines("b", "c", "a"), issued_at=NOW, settings=FEW_DRAWS).equals(first)
    assert first["machine_id"].to_list() == ["plant.a", "plant.b", "plant.c"]
    assert keeps_contract(first).height == 3


NO_HEALTH = health(flat()).clear()


@pytest.mark.parametrize(
    ("modes", "expected"),
    [
        ([mode()], [("bearing_wear", "no_recent_data", "vibration_mm_s", 7.0)]),
        ([], [("any", "no_threshold", None, None)]),
        (
            [mode("wear"), mode("crack", 5.0)],
            [
                ("crack", "no_recent_data", "vibration_mm_s", 5.0),
                ("wear", "no_recent_data", "vibration_mm_s", 7.0),
            ],
        ),
    ],
    ids=["one mode", "none declared", "two modes, in order"],
)
def test_a_machine_that_has_not_run_for_long_has_a_forecast_of_every_declared_mode_too(modes, expected):
    said = keeps_contract(forecasts(NO_HEALTH, machines(modes=modes), issued_at=NOW))
    assert said.select("failure_mode", "reason", "sensor", "threshold").rows() == expected
    silent = ["ttf_h", "ttf_low_h", "ttf_high_h", "nominal_coverage", "linear_ttf_h", "value", "model"]
    assert said.select(silent).null_count().row(0) == (said.height,) * len(silent)


def test_a_mode_without_windows_stands_beside_one_that_has_them():
    frame = pl.concat([health(flat()), health(flat(), name="pump-3")])
    said = forecasts(frame, machines("pump-2", "pump-1", modes=[mode(), mode("crack")]), issued_at=NOW)
    assert keeps_contract(said).select("machine_id", "failure_mode", "reason").rows() == [
        ("plant.pump-1", "bearing_wear", "not_degrading"),
        ("plant.pump-1", "crack", "no_recent_data"),
        ("plant.pump-2", "bearing_wear", "no_recent_data"),
        ("plant.pump-2", "crack", "no_recent_data"),
    ]


def test_a_mode_that_is_declared_no_more_has_no_forecast():
    frame = pl.concat([health(flat()), health(flat()).with_columns(failure_mode=pl.lit("any"))])
    said = forecasts(frame, machines(modes=[mode("crack")]), issued_at=NOW)
    assert said["failure_mode"].to_list() == ["crack"]


def test_a_machine_whose_every_window_lies_behind_the_moment_is_silent_like_one_without():
    behind = health(flat(3), ends=NOW + timedelta(hours=3))
    assert only(behind) == only(NO_HEALTH)


def test_no_machines_have_no_forecasts_but_their_columns():
    nothing = forecasts(health(flat()), machines().clear(), issued_at=NOW)
    assert nothing.is_empty()
    keeps_contract(nothing)


def test_a_silent_machine_is_told_under_the_same_id_as_one_that_is_not():
    assert only(NO_HEALTH)["forecast_id"] == only(health(flat()))["forecast_id"]
    assert only(NO_HEALTH)["model_version"] == TrendSettings().version


@pytest.mark.parametrize(
    ("minutes", "hour"), [(0, 12), (1, 12), (59, 12), (60, 13)], ids=["on the hour", "after", "long after", "the next"]
)
def test_forecasts_are_issued_at_the_full_hour_before_the_newest_window_ends(minutes, hour):
    assert moment(NOW + timedelta(minutes=minutes)) == NOW.replace(hour=hour)
    assert moment(NOW + timedelta(minutes=minutes, microseconds=999)) == NOW.replace(hour=hour)


NOTHING = pl.DataFrame()  # a feed without news has no columns either


@pytest.mark.parametrize(
    ("ends", "is_old"),
    [(timedelta(0), True), (timedelta(seconds=1), False), (timedelta(hours=-200), True), (timedelta(hours=9), False)],
)
@pytest.mark.parametrize("window_s", [600, 3600])
def test_what_was_said_is_outdated_by_windows_that_ended_before_it_was_said(ends, is_old, window_s):
    assert is_outdated(health([2.0], ends=NOW + ends, window_s=window_s), NOTHING, NOW) == is_old


def test_one_old_window_among_new_ones_outdates_what_was_said():
    assert is_outdated(health([2.0] * 2, ends=NOW + timedelta(hours=1)), NOTHING, NOW)
    assert not is_outdated(health([2.0], ends=NOW + timedelta(hours=1)), NOTHING, NOW)


def test_another_declaration_outdates_what_was_said_and_no_news_do_not():
    assert is_outdated(NOTHING, machines(), NOW)
    assert is_outdated(health([2.0], ends=NOW + timedelta(hours=9)), machines(), NOW)
    assert not is_outdated(NOTHING, NOTHING, NOW)
    assert not is_outdated(NO_HEALTH, NOTHING, NOW)


def test_nothing_older_than_the_look_back_is_looked_at():
    plain = TrendSettings()
    assert plain.look_back == timedelta(hours=240)
    assert replace(plain, trend_h=300.0).look_back == timedelta(hours=300)
    whole = health(rising(hours=600))
    recent = whole.filter(pl.col("recorded_at") >= NOW - plain.look_back)
    assert only(whole, settings=FEW_DRAWS)["ttf_h"] == only(recent, settings=FEW_DRAWS)["ttf_h"]


def test_the_id_is_the_hash_of_machine_mode_and_moment():
    text = f"plant.pump-1|bearing_wear|{NOW.isoformat()}"
    assert only(health(flat()))["forecast_id"] == "forecast-" + hashlib.sha256(text.encode()).hexdigest()[:16]


def test_the_version_follows_the_settings():
    assert TrendSettings().version == TrendSettings().version == only(health(flat()))["model_version"]
    assert len({TrendSettings().version, replace(TrendSettings(), horizon_h=100.0).version}) == 2


@settings(max_examples=40)
@given(
    st.lists(st.floats(-1e12, 1e12) | st.floats(1, 9), min_size=1, max_size=80),
    st.none() | st.floats(-1e12, 1e12) | st.floats(1, 9),
    st.none() | st.floats(-1e12, 1e12) | st.just(2.0),
    st.floats(0, 1e12) | st.just(0.1),
)
def test_whatever_is_measured_the_forecast_keeps_its_contract(values, threshold, healthy, spread):
    said = forecasts(health(values, threshold=threshold, healthy=healthy, spread=spread), machines(), issued_at=NOW)
    assert keeps_contract(said).height == 1
    assert (said["reason"].is_null() == said["ttf_h"].is_not_null()).all()


def test_importing_the_stage_does_not_import_prophet():
    script = "import sys, pipelines.prognosis.forecast; sys.exit('prophet' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
