"""Verdicts: the evidence of each episode is gathered from its own windows and judged by the rules."""

from typing import Any

import polars as pl
import pytest
from unit.tables import HOUR, MONDAY, finished, table

from pipelines.contracts.machines import LIMITS
from pipelines.health.rules import RULES_VERSION
from pipelines.health.verdict import verdicts

EPISODE = range(10)  # hours of the plain alarm
MACHINES = table("machines", nominal_limits=[{"sensor": "vibration_mm_s", "low": 0.5, "high": 4.5}])


def windows(name: str, hours: Any = EPISODE, **every: Any) -> pl.DataFrame:
    return table(name, [{"recorded_at": MONDAY + hour * HOUR} for hour in hours], **every)


def judged(
    *,
    alarms: pl.DataFrame | None = None,
    scores: pl.DataFrame | None = None,
    features: pl.DataFrame | None = None,
    machines: pl.DataFrame = MACHINES,
) -> pl.DataFrame:
    found = verdicts(
        table("alarms") if alarms is None else alarms,
        windows("anomaly_scores") if scores is None else scores,
        windows("window_features") if features is None else features,
        machines,
    )
    return finished("verdicts", found)


def test_an_alarm_with_all_its_windows_is_credible_and_keeps_its_mean_score():
    row = judged().row(0, named=True)
    assert (row["verdict"], row["confidence"]) == ("credible", 0.9995)
    assert (row["alarm_id"], row["started_at"]) == ("alarm-0000000000000001", MONDAY)
    assert (row["rules_version"], len(row["reasons"])) == (RULES_VERSION, 3)


@pytest.mark.parametrize(
    ("hours", "verdict"), [(range(7), "credible"), (range(6), "needs_evidence"), ([], "needs_evidence")]
)
def test_an_episode_whose_windows_are_missing_needs_evidence(hours, verdict):
    assert judged(scores=windows("anomaly_scores", hours))["verdict"].item() == verdict


@pytest.mark.parametrize(("stopped", "verdict"), [(5, "credible"), (6, "false_positive")])
@pytest.mark.parametrize("state", ["stopped", "mixed"])
def test_an_alarm_of_a_machine_that_mostly_stood_is_a_false_positive(stopped, state, verdict):
    ran, stood = windows("anomaly_scores", range(stopped, 10)), windows("anomaly_scores", range(stopped), state=state)
    assert judged(scores=pl.concat([ran, stood]))["verdict"].item() == verdict


LONELY = table("alarms", deviating_sensors=1, top_z=4.0)


@pytest.mark.parametrize(
    ("mean", "hours", "state", "verdict"),
    [
        (2.0, EPISODE, "running", "suspect"),
        (4.6, EPISODE, "running", "credible"),
        (0.4, [9], "unknown", "credible"),
        (4.6, EPISODE, "stopped", "suspect"),
        (4.6, [10, 11], "running", "suspect"),
        (4.6, [-1], "running", "suspect"),
    ],
)
def test_a_nominal_limit_left_by_a_running_machine_within_the_episode_corroborates(mean, hours, state, verdict):
    found = judged(alarms=LONELY, features=windows("window_features", hours, mean=mean, state=state))
    assert found["verdict"].item() == verdict


@pytest.mark.parametrize("machine_id", ["plant.pump-1", "plant.pump-2"])
def test_the_limits_of_one_machine_say_nothing_of_another(machine_id):
    limits = MACHINES.with_columns(machine_id=pl.lit(machine_id))
    found = judged(alarms=LONELY, features=windows("window_features", mean=9.0), machines=limits)
    assert found["verdict"].item() == ("credible" if machine_id == "plant.pump-1" else "suspect")


def test_machines_without_limits_are_judged_too():
    none = table("machines", nominal_limits=[])
    assert none.schema["nominal_limits"] == LIMITS
    assert judged(alarms=LONELY, machines=none)["verdict"].item() == "suspect"


def test_each_alarm_is_judged_by_its_own_windows():
    later = {"alarm_id": "alarm-0000000000000002", "started_at": MONDAY + 50 * HOUR, "last_at": MONDAY + 60 * HOUR}
    alarms = table("alarms", [{}, later])
    scores = pl.concat([windows("anomaly_scores"), windows("anomaly_scores", range(50, 60), state="stopped")])
    found = judged(alarms=alarms, scores=scores).sort("started_at")
    assert found["verdict"].to_list() == ["credible", "false_positive"]
    assert found["verdict_id"].n_unique() == 2


def test_no_alarms_have_no_verdicts():
    assert judged(alarms=table("alarms").clear()).is_empty()
