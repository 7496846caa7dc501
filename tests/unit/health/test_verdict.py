"""Verdicts: the evidence of each episode is gathered from its own windows and judged by the rules."""

from typing import Any

import polars as pl
import pytest
from unit.tables import HOUR, MONDAY, finished, table

from pipelines.contracts.machines import LIMITS
from pipelines.health.rules import EVIDENCE, RULES_VERSION
from pipelines.health.verdict import concerned, evidence_spans, starts, verdicts

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
@pytest.mark.parametrize("state", ["off", "idle", "startup", "mixed"])
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
        (4.6, EPISODE, "off", "suspect"),
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
    scores = pl.concat([windows("anomaly_scores"), windows("anomaly_scores", range(50, 60), state="off")])
    found = judged(alarms=alarms, scores=scores).sort("started_at")
    assert found["verdict"].to_list() == ["credible", "false_positive"]
    assert found["verdict_id"].n_unique() == 2


def test_no_alarms_have_no_verdicts():
    assert judged(alarms=table("alarms").clear()).is_empty()


# --- the evidence of an old episode, and whom news concern


OLD = table("alarms", started_at=MONDAY - 100 * HOUR, last_at=MONDAY + 10 * HOUR)
RECENT = range(-38, 10)  # hours of its last two days


def test_an_old_episode_is_judged_by_its_last_two_days():
    """It ran when it began, and has stood since."""
    ran = windows("anomaly_scores", range(-100, -38))
    scores = [ran, windows("anomaly_scores", RECENT, state="off")]
    assert judged(alarms=OLD, scores=pl.concat(scores))["verdict"].item() == "false_positive"
    assert judged(alarms=OLD, scores=windows("anomaly_scores", RECENT))["verdict"].item() == "credible"
    assert judged(alarms=OLD, scores=ran)["verdict"].item() == "needs_evidence"


@pytest.mark.parametrize(("hour", "verdict"), [(-39, "suspect"), (-38, "credible")])
def test_a_limit_left_more_than_two_days_before_its_end_corroborates_no_more(hour, verdict):
    lonely = OLD.with_columns(deviating_sensors=pl.lit(1, pl.Int64), top_z=4.0)
    features = windows("window_features", [hour], mean=9.0)
    found = judged(alarms=lonely, scores=windows("anomaly_scores", RECENT), features=features)
    assert found["verdict"].item() == verdict


FAR, NEAR = {"top_z": -12.0, "deviating_sensors": 1}, {"top_z": 4.0, "deviating_sensors": 1}
MANY = {"top_z": 4.0, "deviating_sensors": 2}


@pytest.mark.parametrize(
    ("early", "late", "verdict"),
    [(FAR, NEAR, "suspect"), (MANY, NEAR, "suspect"), (NEAR, FAR, "credible"), (NEAR, MANY, "credible")],
)
def test_what_deviates_and_how_far_is_told_of_the_last_two_days_as_well(early, late, verdict):
    """Whatever the alarm says of its whole time."""
    spans = ((range(-100, -38), early), (RECENT, late))
    scores = [windows("anomaly_scores", hours, score=0.9995, **said) for hours, said in spans]
    found = judged(alarms=OLD.with_columns(top_z=99.0), scores=pl.concat(scores))
    assert found["verdict"].item() == verdict


def test_the_sensor_told_is_the_one_that_led_most_of_the_last_two_days_exceedances():
    """`a` led once, by far; `b` led most of them; quiet windows are not asked."""
    led = {"score": 0.9995, "deviating_sensors": 1}
    scores = [
        windows("anomaly_scores", [1], **led, top_sensor="a", top_z=40.0),
        windows("anomaly_scores", [2], **led, top_sensor="b", top_z=3.0),
        windows("anomaly_scores", [3], **led, top_sensor="b", top_z=5.0),
        windows("anomaly_scores", range(4, 10), score=0.9, top_sensor="c", top_z=50.0, deviating_sensors=9),
    ]
    reason = judged(scores=pl.concat(scores))["reasons"].item()[2]
    assert reason == "evidence is corroborated: no, 1 sensors deviate, b by +4.0 sigma"


@pytest.mark.parametrize("kind", ["silent", "stuck"])
def test_a_defect_of_the_data_is_credible_without_a_second_sensor(kind):
    defect = table("alarms", kind=kind, deviating_sensors=1, top_z=None, mean_score=1.0)
    assert judged(alarms=defect).select("verdict", "confidence").row(0) == ("credible", 1.0)


def test_evidence_lies_in_the_last_two_days_of_each_alarm_or_since_it_began():
    later = {"alarm_id": "alarm-0000000000000002", "machine_id": "plant.a"}
    other = {"alarm_id": "alarm-0000000000000003", "machine_id": "plant.b", "started_at": MONDAY + HOUR}
    alarms = pl.concat([table("alarms", [{"machine_id": "plant.c"}, later, other]), OLD])
    end = MONDAY + 10 * HOUR
    assert evidence_spans(alarms) == [
        (end - EVIDENCE, end, ("plant.pump-1",)),
        (MONDAY, end, ("plant.a", "plant.c")),
        (MONDAY + HOUR, end, ("plant.b",)),
    ]
    assert evidence_spans(alarms.clear()) == []


def test_what_evidence_spans_hold_is_all_that_verdicts_look_at():
    scores = pl.concat([windows("anomaly_scores", range(-100, -60), state="off"), windows("anomaly_scores", RECENT)])
    features = windows("window_features", range(-100, 30), mean=9.0)
    [(since, until, _)] = evidence_spans(OLD)
    within = pl.col("recorded_at").is_between(since, until, closed="left")
    part = judged(alarms=OLD, scores=scores.filter(within), features=features.filter(within))
    assert part.equals(judged(alarms=OLD, scores=scores, features=features))


@pytest.mark.parametrize(
    ("moments", "machines", "is_concerned"),
    [
        ({"plant.pump-1": MONDAY + 9 * HOUR}, [], True),
        ({"plant.pump-1": MONDAY + 10 * HOUR}, [], False),
        ({"plant.pump-1": MONDAY - 900 * HOUR}, [], True),
        ({"plant.pump-2": MONDAY}, [], False),
        ({}, ["plant.pump-1"], True),
        ({}, ["plant.pump-2"], False),
        ({}, [], False),
    ],
)
def test_an_alarm_is_judged_anew_when_a_window_before_its_end_or_its_machines_limits_changed(
    moments, machines, is_concerned
):
    assert table("alarms").filter(concerned(moments, machines)).height == is_concerned


def test_alarms_are_named_by_machine_and_start_once_whatever_feeds_they_are_in():
    other = table("alarms", started_at=MONDAY + HOUR)
    assert starts(other, pl.DataFrame(), pl.concat([table("alarms"), other])) == [
        ("plant.pump-1", MONDAY),
        ("plant.pump-1", MONDAY + HOUR),
    ]
    assert starts(pl.DataFrame()) == starts() == []
