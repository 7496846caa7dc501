"""The scoring stage: every window has a score or the reason why it has none."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from unit.tables import HOUR, MONDAY, finished, table

from pipelines.detection import reference
from pipelines.detection.baseline import MachineModel
from pipelines.detection.reference import Span
from pipelines.detection.scoring import BaselineMovedError, Fitted, Read, anomaly_scores, models

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


def read(windows: pl.DataFrame) -> Read:
    return lambda machine_id, since, until: windows.filter(
        (pl.col("machine_id") == machine_id) & pl.col("recorded_at").is_between(since, until, closed="left")
    )


def baselines(windows: pl.DataFrame, *names: str, **span: Any) -> pl.DataFrame:
    """What the reference stage says of machines that declare the span."""
    declared = table("machines", [{"machine_id": name} for name in names], **(span or SPAN))

    def wanted(spans: Mapping[str, Span]) -> pl.DataFrame:
        return pl.concat([read(windows)(name, *span) for name, span in spans.items()])

    found = reference.baselines(table("baselines").clear(), declared, None, newest=MONDAY + LENGTH * HOUR, read=wanted)
    return finished("baselines", found)


def unsaved(_version: str, fit: Any) -> MachineModel:
    return fit()


@pytest.fixture(scope="module")
def fitted() -> dict[str, Fitted]:
    known = baselines(features(), "plant.pump-1")
    return models(known, {"plant.pump-1"}, keep=unsaved, read=read(features()))


def hours(scores: pl.DataFrame, of: Sequence[int]) -> pl.DataFrame:
    return scores.filter(pl.col("recorded_at").is_in([MONDAY + hour * HOUR for hour in of]))


def test_a_planted_fault_scores_above_every_healthy_window(fitted):
    scores = finished("anomaly_scores", anomaly_scores(features(fault_from=90), fitted))
    sound, faulty = hours(scores, range(90)), hours(scores, range(90, LENGTH))
    assert scores.height == LENGTH
    assert faulty["score"].min() > max(sound["score"].max(), 0.999)
    assert set(faulty["top_sensor"]) == {"v"}
    assert set(scores["model_version"]) == {fitted["plant.pump-1"][0]}
    assert scores["reason"].null_count() == LENGTH


@pytest.mark.parametrize("state", ["off", "idle", "startup", "mixed"])
def test_a_window_that_did_not_run_has_no_score_and_says_so(fitted, state):
    scores = finished("anomaly_scores", anomaly_scores(features(state=state), fitted))
    assert scores["score"].null_count() == scores["top_sensor"].null_count() == LENGTH
    assert set(scores["reason"]) == {"not_running"}


@pytest.mark.parametrize(
    ("state", "reason"), [("running", "no_baseline"), ("unknown", "no_baseline"), ("mixed", "not_running")]
)
def test_without_a_model_there_is_no_score_but_a_reason(state, reason):
    scores = finished("anomaly_scores", anomaly_scores(features(state=state), {}))
    assert scores["score"].null_count() == scores["model_version"].null_count() == LENGTH
    assert set(scores["reason"]) == {reason}


def test_machines_are_scored_by_their_own_model_alone(fitted):
    both = pl.concat([features(), features("plant.pump-2")])
    scores = finished("anomaly_scores", anomaly_scores(both, fitted))
    assert scores.group_by("machine_id").agg(pl.col("score").count()).sort("machine_id").rows() == [
        ("plant.pump-1", LENGTH),
        ("plant.pump-2", 0),
    ]


def test_a_span_scored_alone_has_the_scores_of_the_whole(fitted):
    whole = anomaly_scores(features(fault_from=90), fitted)
    part = anomaly_scores(hours(features(fault_from=90), range(80, 95)), fitted)
    assert part.equals(hours(whole, range(80, 95)))


def test_no_windows_have_no_scores(fitted):
    nothing = anomaly_scores(features().clear(), fitted)
    assert nothing.is_empty()
    assert finished("anomaly_scores", nothing).is_empty()


def test_a_sensor_added_after_the_healthy_span_changes_no_score(fitted):
    added = features().filter((pl.col("sensor") == "v") & (pl.col("recorded_at") >= MONDAY + 80 * HOUR))
    more = pl.concat([features(), added.with_columns(sensor=pl.lit("x"), mean=pl.lit(900.0))])
    assert anomaly_scores(more, fitted).equals(anomaly_scores(features(), fitted))


def test_a_stored_model_is_asked_for_by_the_version_of_its_baseline_and_no_window_is_read(fitted):
    version, model = fitted["plant.pump-1"]
    asked = []

    def stored(wanted: str, _fit: Any) -> MachineModel:
        asked.append(wanted)
        return model

    def never(*_span: Any) -> pl.DataFrame:
        raise AssertionError("windows were read")

    known = baselines(features(), "plant.pump-1")
    assert models(known, {"plant.pump-1"}, keep=stored, read=never) == {"plant.pump-1": (version, model)}
    assert asked == [version]


def test_models_are_those_of_the_machines_that_are_needed_and_have_one():
    windows = pl.concat([features(name) for name in ("plant.a", "plant.bb")])
    known = pl.concat(
        [
            baselines(windows, "plant.a", "plant.bb"),
            baselines(windows, "plant.late", healthy_from=MONDAY, healthy_until=MONDAY + 200 * HOUR),
        ]
    )
    assert known["model_version"].null_count() == 1
    asked = []

    def wanted(name: str, since: datetime, until: datetime) -> pl.DataFrame:
        asked.append((name, since, until))
        return read(windows)(name, since, until)

    found = models(known, {"plant.bb", "plant.late", "plant.new"}, keep=unsaved, read=wanted)
    assert set(found) == {"plant.bb"}
    assert asked == [("plant.bb", *SPAN.values())]


@pytest.mark.parametrize(
    "now",
    [
        features().with_columns(mean=pl.col("mean") + 1e-9),
        features().filter(pl.col("recorded_at") != MONDAY + 71 * HOUR),
        features().clear(),
    ],
    ids=["another value", "a window less", "none"],
)
def test_healthy_windows_that_changed_meanwhile_are_no_model_and_the_step_is_told_to_run_again(now):
    with pytest.raises(BaselineMovedError, match=r"^plant\.pump-1: its healthy windows changed .*; run again$"):
        models(baselines(features(), "plant.pump-1"), {"plant.pump-1"}, keep=unsaved, read=read(now))


def test_windows_behind_the_healthy_span_do_not_move_the_baseline():
    known = baselines(features(), "plant.pump-1")
    found = models(known, {"plant.pump-1"}, keep=unsaved, read=lambda *_span: features(fault_from=72))
    assert found["plant.pump-1"][0] == known["model_version"].item()
