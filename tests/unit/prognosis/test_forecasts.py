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

from pipelines.contracts.forecasts import FORECASTS
from pipelines.contracts.health_index import HEALTH_INDEX
from pipelines.contracts.vocabulary import NO_TTF
from pipelines.prognosis.forecast import TrendSettings, forecasts

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


def rising(hours_left=60.0, *, hours=300):
    """From a healthy 2.0 in a straight line that reaches 7.0 in `hours_left` from now."""
    at = np.arange(hours) - hours + 0.5
    return np.maximum(2.0, 7.0 + (at - hours_left) * 0.025) + NOISE[:hours]


def flat(hours=300):
    return 2.0 + NOISE[:hours]


def only(frame, **options):
    rows = forecasts(frame, issued_at=NOW, **options)
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
    assert forecasts(whole, issued_at=NOW, settings=FEW_DRAWS).equals(
        forecasts(known, issued_at=NOW, settings=FEW_DRAWS)
    )


def test_the_same_rows_in_any_order_give_the_same_forecasts():
    oldest = health(rising(hours=350), name="c", threshold=None)
    frame = pl.concat([health(rising(), name="a"), health(flat(), name="b"), oldest])
    first = forecasts(frame, issued_at=NOW, settings=FEW_DRAWS)
    assert forecasts(frame.sample(fraction=1.0, shuffle=True, seed=3), issued_at=NOW, settings=FEW_DRAWS).equals(first)
    assert first["machine_id"].to_list() == ["plant.a", "plant.b", "plant.c"]
    assert keeps_contract(first).height == 3


def test_no_health_gives_no_forecast_but_its_columns():
    nothing = forecasts(health(flat()).clear(), issued_at=NOW)
    assert nothing.is_empty()
    keeps_contract(nothing)


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
    said = forecasts(health(values, threshold=threshold, healthy=healthy, spread=spread), issued_at=NOW)
    assert keeps_contract(said).height == 1
    assert (said["reason"].is_null() == said["ttf_h"].is_not_null()).all()


def test_importing_the_stage_does_not_import_prophet():
    script = "import sys, pipelines.prognosis.forecast; sys.exit('prophet' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
