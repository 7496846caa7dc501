"""The scoring stage: every window has a score or the reason why it has none."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pytest
from unit.tables import HOUR, MONDAY, finished, table

from pipelines.detection.baseline import MachineModel
from pipelines.detection.scoring import Fitted, anomaly_scores, baselines, definition, fitted

LENGTH = 100
SPAN = {"healthy_from": MONDAY, "healthy_until": MONDAY + 72 * HOUR}


def features(machine_id: str = "plant.pump-1", *, fault_from: int = LENGTH, **every: Any) -> pl.DataFrame:
    """Hourly windows of two sensors; from `fault_from` on one of them is ten spreads too high."""
    rng = np.random.default_rng(len(machine_id))
    rows = [
        {
            "sensor": sensor,
            "recorded_at": MONDAY + hour * HOUR,
            "mean": 2 + 0.1 * rng.normal() + (1.0 if sensor == "v" and hour >= fault_from else 0.0),
            "std": 0.1 * float(np.exp(0.1 * rng.normal())),
        }
        for hour in range(LENGTH)
        for sensor in ("v", "w")
    ]
    return table("window_features", rows, machine_id=machine_id, **every)


def machines(*names: str, **every: Any) -> pl.DataFrame:
    return table("machines", [{"machine_id": name} for name in names], **every)


def unsaved(_version: str, fit: Any) -> MachineModel:
    return fit()


@pytest.fixture(scope="module")
def models() -> dict[str, Fitted]:
    return fitted(baselines(features(), machines("plant.pump-1", **SPAN)), keep=unsaved)


def hours(scores: pl.DataFrame, of: Sequence[int]) -> pl.DataFrame:
    return scores.filter(pl.col("recorded_at").is_in([MONDAY + hour * HOUR for hour in of]))


def test_a_planted_fault_scores_above_every_healthy_window(models):
    scores = finished("anomaly_scores", anomaly_scores(features(fault_from=90), models))
    sound, faulty = hours(scores, range(90)), hours(scores, range(90, LENGTH))
    assert scores.height == LENGTH
    assert faulty["score"].min() > max(sound["score"].max(), 0.999)
    assert set(faulty["top_sensor"]) == {"v"}
    assert set(scores["model_version"]) == {models["plant.pump-1"][0]}
    assert scores["reason"].null_count() == LENGTH


@pytest.mark.parametrize("state", ["stopped", "mixed"])
def test_a_window_that_did_not_run_has_no_score_and_says_so(models, state):
    scores = finished("anomaly_scores", anomaly_scores(features(state=state), models))
    assert scores["score"].null_count() == scores["top_sensor"].null_count() == LENGTH
    assert set(scores["reason"]) == {"not_running"}


@pytest.mark.parametrize(
    ("state", "reason"), [("running", "no_baseline"), ("unknown", "no_baseline"), ("mixed", "not_running")]
)
def test_without_a_model_there_is_no_score_but_a_reason(state, reason):
    scores = finished("anomaly_scores", anomaly_scores(features(state=state), {}))
    assert scores["score"].null_count() == scores["model_version"].null_count() == LENGTH
    assert set(scores["reason"]) == {reason}


def test_machines_are_scored_by_their_own_model_alone(models):
    both = pl.concat([features(), features("plant.pump-2")])
    scores = finished("anomaly_scores", anomaly_scores(both, models))
    assert scores.group_by("machine_id").agg(pl.col("score").count()).sort("machine_id").rows() == [
        ("plant.pump-1", LENGTH),
        ("plant.pump-2", 0),
    ]


def test_a_span_scored_alone_has_the_scores_of_the_whole(models):
    whole = anomaly_scores(features(fault_from=90), models)
    part = anomaly_scores(hours(features(fault_from=90), range(80, 95)), models)
    assert part.equals(hours(whole, range(80, 95)))


def test_no_windows_have_no_scores(models):
    assert anomaly_scores(features().clear(), models).is_empty()
    assert baselines(features().clear(), machines("plant.pump-1")) == {}


def test_a_baseline_is_that_of_the_declared_span_of_each_machine():
    both = pl.concat([features(), features("plant.pump-2")])
    late = {"healthy_from": MONDAY, "healthy_until": MONDAY + 200 * HOUR}
    declared = table("machines", [{"machine_id": "plant.pump-1", **SPAN}, {"machine_id": "plant.pump-2", **late}])
    found = baselines(both, declared)
    assert {machine: windows.values.shape for machine, windows in found.items()} == {"plant.pump-1": (72, 4)}


def test_an_undeclared_machine_is_taken_to_be_healthy_for_its_first_48_hours():
    found = baselines(features(), machines("plant.other"))
    assert found["plant.pump-1"].values.shape == (48, 4)


def test_the_definition_changes_with_any_baseline_and_with_nothing_later():
    declared = machines("plant.pump-1", **SPAN)
    one = definition(baselines(features(), declared))
    assert definition(baselines(features(fault_from=72), declared)) == one
    assert definition(baselines(features(fault_from=71), declared)) != one
    assert definition({}) != one


def test_a_sensor_added_after_the_healthy_span_changes_no_score(models):
    added = features().filter((pl.col("sensor") == "v") & (pl.col("recorded_at") >= MONDAY + 80 * HOUR))
    more = pl.concat([features(), added.with_columns(sensor=pl.lit("x"), mean=pl.lit(900.0))])
    declared = machines("plant.pump-1", **SPAN)
    assert definition(baselines(more, declared)) == definition(baselines(features(), declared))
    assert anomaly_scores(more, models).sort("recorded_at").equals(anomaly_scores(features(), models))


def test_a_stored_model_is_asked_for_by_the_version_of_its_windows(models):
    asked = []
    version, model = models["plant.pump-1"]

    def stored(wanted: str, _fit: Any) -> MachineModel:
        asked.append(wanted)
        return model

    found = fitted(baselines(features(), machines("plant.pump-1", **SPAN)), keep=stored)
    assert asked == [version]
    assert found == {"plant.pump-1": (version, model)}
