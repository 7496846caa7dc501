"""The health index: 1 at the healthy level, 0 at the declared end of life, whichever side that lies on."""

from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from unit.tables import HOUR, MONDAY, finished, table

from pipelines.health.index import health_index

LEVEL = {"sensor": "vibration_mm_s", "level": 2.0, "spread": 0.1, "present_share": 1.0, "still_share": 0.0}
BASELINES = table("baselines", sensors=[LEVEL])


def mode(threshold: float, direction: str | None = None, **changes: Any) -> dict[str, Any]:
    plain = {"failure_mode": "wear", "sensor": "vibration_mm_s", "skill": "mechanical", "repair_h": 4.0}
    return plain | {"threshold": threshold, "direction": direction} | changes


def windows(values: Sequence[float], **every: Any) -> pl.DataFrame:
    rows = [{"recorded_at": MONDAY + n * HOUR, "mean": value} for n, value in enumerate(values)]
    return table("window_features", rows, **every)


def scores(values: Sequence[float | None], **every: Any) -> pl.DataFrame:
    rows = [{"recorded_at": MONDAY + n * HOUR, "score": value} for n, value in enumerate(values)]
    return table("anomaly_scores", rows, **every)


def index(
    features: pl.DataFrame,
    *modes: dict[str, Any],
    scored: Sequence[float | None] = (0.1,),
    baselines: pl.DataFrame = BASELINES,
) -> pl.DataFrame:
    machines = table("machines", failure_modes=list(modes))
    return finished("health_index", health_index(features, scores(scored), machines, baselines))


def health(values: Sequence[float], *modes: dict[str, Any]) -> list[float]:
    return index(windows(values), *modes)["health"].to_list()


@pytest.mark.parametrize(
    ("threshold", "direction", "course"),
    [
        (6.0, "above", [(2.0, 1.0), (3.0, 0.75), (4.0, 0.5), (6.0, 0.0), (9.0, 0.0), (1.0, 1.0)]),
        (1.0, "below", [(2.0, 1.0), (1.5, 0.5), (1.0, 0.0), (0.2, 0.0), (5.0, 1.0)]),
        (-2.0, "below", [(2.0, 1.0), (0.0, 0.5), (-2.0, 0.0)]),
    ],
)
def test_health_is_the_share_of_the_way_from_the_threshold_back_to_the_healthy_level(threshold, direction, course):
    values, expected = zip(*course, strict=True)
    assert health(values, mode(threshold, direction)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("threshold", "direction", "value", "expected"),
    [
        (1.0, "above", 2.0, 0.0),
        (1.0, "above", 0.5, 0.0),
        (6.0, "below", 2.0, 0.0),
        (2.0, "above", 1.0, 0.0),
        (1.0, None, 1.5, 0.5),
        (6.0, None, 3.0, 0.75),
    ],
)
def test_a_machine_that_was_beyond_the_limit_when_healthy_has_no_health_if_the_direction_is_declared(
    threshold, direction, value, expected
):
    assert health([value], mode(threshold, direction)) == [expected]


def test_a_row_tells_the_sensor_its_level_its_spread_and_the_threshold():
    row = index(windows([3.0]), mode(6.0)).row(-1, named=True)
    assert (row["failure_mode"], row["sensor"], row["value"], row["threshold"]) == ("wear", "vibration_mm_s", 3.0, 6.0)
    assert (row["healthy_level"], row["healthy_spread"]) == (2.0, 0.1)


@given(st.floats(-100, 100), st.lists(st.floats(-200, 200), min_size=1, max_size=6))
@settings(max_examples=20)
def test_health_lies_between_0_and_1_and_falls_towards_the_threshold(threshold, values):
    ordered = sorted(values, key=lambda value: abs(value - threshold), reverse=True)
    side = [value for value in ordered if (value - threshold) * (2.0 - threshold) > 0]
    event(f"on the healthy side: {bool(side)}, beyond: {len(side) < len(values)}")
    found = health([*side, threshold], mode(threshold, "above" if threshold > 2 else "below"))
    assert all(0 <= value <= 1 for value in found)
    assert found == sorted(found, reverse=True)
    assert found[-1] == 0.0


def test_each_declared_mode_has_a_health_of_its_own():
    two = [mode(6.0), mode(4.0, failure_mode="crack")]
    frame = index(windows([3.0]), *two)
    assert dict(frame.select("failure_mode", "health").rows()) == {"wear": 0.75, "crack": 0.5}


def test_without_a_declared_mode_health_is_one_minus_the_score():
    frame = index(windows([3.0]), scored=[0.25, None])
    assert frame.select("failure_mode", "health", "sensor", "threshold").rows() == [
        ("any", 0.75, None, None),
        ("any", None, None, None),
    ]


def test_a_machine_with_a_declared_mode_has_no_other():
    assert set(index(windows([3.0]), mode(6.0), scored=[0.25])["failure_mode"]) == {"wear"}


@pytest.mark.parametrize(
    ("state", "is_told"),
    [("running", True), ("unknown", True), ("off", False), ("idle", False), ("startup", False), ("mixed", False)],
)
def test_only_windows_of_a_running_machine_have_a_health(state, is_told):
    features = windows([3.0], state=state)
    machines = table("machines", failure_modes=[mode(6.0)])
    assert health_index(features, scores([0.1]), machines, BASELINES).is_empty() != is_told
    assert health_index(features, scores([0.1], state=state), table("machines"), BASELINES).is_empty() != is_told


@pytest.mark.parametrize(
    "baselines",
    [
        BASELINES.clear(),
        table("baselines", sensors=[], reason="span_not_over", model_version=None),
        table("baselines", sensors=[LEVEL | {"sensor": "temperature_c"}]),
        BASELINES.with_columns(machine_id=pl.lit("plant.pump-2")),
    ],
    ids=["no baseline", "none yet", "of another sensor", "of another machine"],
)
def test_without_a_healthy_level_of_the_sensor_there_is_a_value_and_no_health(baselines):
    row = index(windows([1.9]), mode(6.0), baselines=baselines).row(0, named=True)
    assert (row["value"], row["healthy_level"], row["healthy_spread"], row["health"]) == (1.9, None, None, None)


def test_a_level_is_there_before_there_are_windows_enough_for_a_model():
    few = BASELINES.with_columns(reason=pl.lit("too_few_windows"), model_version=pl.lit(None, pl.String))
    assert index(windows([4.0]), mode(6.0), baselines=few)["health"].to_list() == [0.5]


def test_a_threshold_at_the_healthy_level_leaves_no_way():
    assert health([2.0, 3.0, 1.0], mode(2.0)) == [0.0, 0.0, 1.0]


def test_other_sensors_and_other_machines_do_not_show_the_mode():
    assert index(windows([3.0], sensor="temperature_c"), mode(6.0)).is_empty()
    assert index(windows([3.0], machine_id="plant.pump-2"), mode(6.0)).is_empty()


def test_no_windows_have_no_health():
    assert index(windows([]).clear(), mode(6.0)).is_empty()
