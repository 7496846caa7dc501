"""Decisions: the first rule that applies gives the advice, and says what it saw."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from unit.tables import HOUR, MONDAY, finished, table

from pipelines.advisory.decision import RULES, Case, Policy, decisions

NO_TTF = {"ttf_h": None, "ttf_low_h": None, "ttf_high_h": None, "nominal_coverage": None}
WEAR = {
    "failure_mode": "bearing_wear",
    "sensor": "vibration_mm_s",
    "threshold": 6.0,
    "direction": "above",
    "skill": "electrical",
    "repair_h": 6.0,
}
QUIET = {"reason": "not_degrading", **NO_TTF}
POLICY = Policy()


def decided(
    *forecasts: dict[str, Any],
    alarms: list[dict[str, Any]] | None = None,
    verdicts: list[dict[str, Any]] | None = None,
    criticality: str = "medium",
    now: timedelta = HOUR,
    policy: Policy = POLICY,
) -> dict[str, Any]:
    """What is decided about one machine; by default its alarm is open and believed."""
    return finished(
        "decisions",
        decisions(
            table(
                "forecasts", [{"forecast_id": f"forecast-{n:016x}", **row} for n, row in enumerate(forecasts or ({},))]
            ),
            table("alarms", [{}] if alarms is None else alarms),
            table("verdicts", [{}] if verdicts is None else verdicts),
            table("machines", criticality=criticality, failure_modes=[WEAR, WEAR | {"failure_mode": "crack"}]),
            now=MONDAY + now,
            policy=policy,
        ),
    ).row(0, named=True)


SILENT: dict[str, Any] = {"alarms": [], "verdicts": []}
STUCK: dict[str, Any] = {"alarms": [{"kind": "stuck"}]}
DOUBTED: dict[str, Any] = {"verdicts": [{"confidence": 0.69}]}


@pytest.mark.parametrize(
    ("forecast", "given_that", "rule", "action"),
    [
        ({}, {"now": 49 * HOUR}, "the data is history", "monitor"),
        ({"reason": "no_recent_data", **NO_TTF}, {}, "the machine stands still", "monitor"),
        ({}, {}, "believed and failing within days", "plan"),
        ({"ttf_low_h": 200.0}, {}, "believed and failing within days", "plan"),
        ({}, SILENT, "failing within days by forecast alone", "ask"),
        ({}, STUCK, "failing within days by forecast alone", "ask"),
        ({"ttf_low_h": 200.0}, STUCK, "believed and to be looked at", "inspect"),
        ({}, DOUBTED, "failing within days by forecast alone", "ask"),
        ({"ttf_low_h": 241.0}, {}, "believed and to be looked at", "inspect"),
        (QUIET, {}, "believed and to be looked at", "inspect"),
        (QUIET, DOUBTED | {"criticality": "high"}, "critical and not quiet", "ask"),
        (QUIET, DOUBTED, "nothing to act on", "monitor"),
        (QUIET, SILENT | {"criticality": "high"}, "nothing to act on", "monitor"),
        ({"ttf_low_h": 200.0}, SILENT, "nothing to act on", "monitor"),
    ],
)
def test_the_first_rule_that_applies_gives_the_advice(forecast, given_that, rule, action):
    row = decided(forecast, **given_that)
    assert (row["rationale"].split(": ")[0], row["action"]) == (rule, action)


CASES = st.builds(
    Case,
    is_stale=st.booleans(),
    is_still=st.booleans(),
    confidence=st.sampled_from([0.0, 0.3, 0.9]),
    is_believed=st.booleans(),
    is_anomaly=st.booleans(),
    urgency=st.sampled_from(["none", "low", "medium", "high"]),
    criticality=st.sampled_from(["low", "medium", "high"]),
)


@given(CASES)
@settings(max_examples=200)
def test_work_is_asked_for_only_on_fresh_data_of_a_running_machine_that_is_believed(case):
    action = next(rule.action for rule in RULES if rule.applies(case))
    event(action)
    if action in ("plan", "inspect"):
        assert case.is_believed
        assert not case.is_stale
        assert not case.is_still
    if action == "plan":
        assert case.urgency in ("medium", "high")


@pytest.mark.parametrize(("age_h", "action"), [(48, "plan"), (48.01, "monitor"), (5000, "monitor")])
def test_nothing_is_planned_on_data_that_has_become_history(age_h, action):
    row = decided(now=age_h * HOUR)
    assert row["action"] == action
    assert (row["due_at"] is None) == (row["skill"] is None) == (action == "monitor")


def test_a_repair_is_due_well_before_the_early_end_of_the_time_to_failure_and_needs_the_declared_skill():
    row = decided({"ttf_low_h": 50.0})
    assert row["due_at"] == MONDAY + 40 * HOUR
    assert (row["skill"], row["work_h"]) == ("electrical", 6.0)


def test_an_inspection_is_due_within_three_days_and_needs_an_inspector():
    row = decided(QUIET)
    assert row["due_at"] == MONDAY + 72 * HOUR
    assert (row["skill"], row["work_h"]) == ("inspection", 1.0)


@pytest.mark.parametrize("given_that", [SILENT, DOUBTED | {"criticality": "high"}])
def test_asking_and_watching_are_no_work(given_that):
    row = decided({"ttf_low_h": 30.0}, **given_that)
    assert row["action"] == "ask"
    assert (row["due_at"], row["skill"], row["work_h"]) == (None, None, None)


@pytest.mark.parametrize(
    ("low", "urgency"),
    [(None, "none"), (0.0, "high"), (72.0, "high"), (72.1, "medium"), (240.0, "medium"), (241.0, "low")],
)
def test_urgency_follows_from_the_early_end_of_the_time_to_failure(low, urgency):
    assert Policy().urgency(low) == urgency


@pytest.mark.parametrize(("confidence", "action"), [(0.7, "plan"), (0.69, "ask")])
def test_a_verdict_is_acted_on_from_the_confidence_of_the_policy(confidence, action):
    assert decided(verdicts=[{"confidence": confidence}])["action"] == action


def test_the_mode_that_may_fail_first_speaks_for_its_machine():
    row = decided({"ttf_low_h": 90.0}, {"failure_mode": "crack", "ttf_low_h": 30.0}, {"failure_mode": "leak", **QUIET})
    assert (row["failure_mode"], row["urgency"], row["forecast_id"]) == ("crack", "high", f"forecast-{1:016x}")


@pytest.mark.parametrize(
    ("alarm", "verdict"),
    [({"is_open": False}, {}), ({}, {"verdict": "false_positive"}), ({"machine_id": "plant.pump-2"}, {})],
    ids=["closed", "false positive", "other machine"],
)
def test_an_alarm_that_is_over_or_not_to_be_believed_or_not_its_own_does_not_speak(alarm, verdict):
    row = decided(alarms=[alarm], verdicts=[verdict])
    assert (row["confidence"], row["alarm_id"], row["verdict_id"], row["episode_at"]) == (0.0, None, None, None)
    assert row["action"] == "ask"


def test_of_several_open_alarms_the_newest_speaks():
    newer = {"alarm_id": "alarm-0000000000000002", "started_at": MONDAY + HOUR}
    judged = {**newer, "verdict_id": "verdict-0000000000000002", "confidence": 0.8}
    row = decided(alarms=[newer, {}], verdicts=[judged, {}])
    assert (row["alarm_id"], row["verdict_id"], row["confidence"]) == (newer["alarm_id"], judged["verdict_id"], 0.8)
    assert row["episode_at"] == MONDAY + HOUR


@pytest.mark.parametrize("kind", ["silent", "stuck"])
def test_an_open_anomaly_speaks_before_a_newer_defect_of_the_data(kind):
    defect = {"alarm_id": "alarm-0000000000000002", "started_at": MONDAY + HOUR, "kind": kind, "top_z": None}
    judged = {"verdict_id": "verdict-0000000000000002", "alarm_id": defect["alarm_id"], "confidence": 1.0}
    row = decided(alarms=[{}, defect], verdicts=[{}, judged])
    assert (row["alarm_id"], row["confidence"]) == ("alarm-0000000000000001", 0.9)
    row = decided(alarms=[{}, defect], verdicts=[{"verdict": "false_positive"}, judged])
    assert (row["alarm_id"], row["confidence"]) == (defect["alarm_id"], 1.0)


def test_of_two_alarms_of_one_start_the_same_speaks_in_any_order():
    alarms = [{"alarm_id": f"alarm-000000000000000{n}", "kind": kind} for n, kind in ((1, "silent"), (2, "stuck"))]
    verdicts = [{"verdict_id": f"verdict-000000000000000{n}", "alarm_id": f"alarm-000000000000000{n}"} for n in (1, 2)]
    spoken = {decided(alarms=alarms[::step], verdicts=verdicts)["alarm_id"] for step in (1, -1)}
    assert spoken == {"alarm-0000000000000002"}


@pytest.mark.parametrize(
    ("forecast", "given_that", "words"),
    [
        ({}, {}, "credible alarm at 0.90, bearing_wear in 100 h (50 h to 200 h), criticality medium"),
        (
            {"ttf_high_h": None},
            SILENT,
            "no open alarm, bearing_wear in 100 h (50 h to beyond the horizon), criticality",
        ),
        (QUIET, SILENT, "no open alarm, no time to failure (not_degrading), criticality medium"),
    ],
)
def test_the_rationale_tells_what_the_rule_saw(forecast, given_that, words):
    assert words in decided(forecast, **given_that)["rationale"]


def test_every_machine_of_the_forecasts_is_decided_on_once_and_undeclared_ones_too():
    rows = [{"machine_id": f"plant.pump-{n}", "forecast_id": f"forecast-{n:016x}", **QUIET} for n in (3, 1, 2)]
    none = table("alarms").clear(), table("verdicts").clear(), table("machines").clear()
    frame = finished("decisions", decisions(table("forecasts", rows), *none, now=MONDAY))
    assert frame["machine_id"].to_list() == ["plant.pump-1", "plant.pump-2", "plant.pump-3"]
    assert set(frame["criticality"]) == {"medium"}
    assert frame["decision_id"].n_unique() == 3


def test_the_same_moment_is_the_same_decision_and_another_another():
    assert (
        decided()["decision_id"]
        == decided(QUIET)["decision_id"]
        != decided({"issued_at": MONDAY + HOUR})["decision_id"]
    )


def test_the_rules_version_changes_with_the_policy():
    assert Policy().version != Policy(believed=0.8).version
    assert decided()["rules_version"] == Policy().version
