"""The rules that judge an alarm: each changes verdict and confidence, and tells what it found."""

from dataclasses import replace

import pytest

from pipelines.contracts.vocabulary import ALARM_KINDS
from pipelines.health.rules import RULES, Evidence, judge

CREDIBLE = Evidence(
    kind="anomaly",
    deviating_sensors=2,
    top_sensor="vibration_mm_s",
    top_z=5.0,
    beyond_nominal=(),
    running_share=1.0,
    complete_share=1.0,
)
INCOMPLETE = {"complete_share": 0.69}
STOPPED = {"running_share": 0.49}
LONELY = {"deviating_sensors": 1}


def judged(**found: object) -> tuple[str, float]:
    judgement = judge(replace(CREDIBLE, **found), confidence=1.0)
    return judgement.verdict, pytest.approx(judgement.confidence)


def test_an_alarm_that_keeps_every_rule_is_credible_and_keeps_its_confidence():
    assert judge(CREDIBLE, confidence=0.97).confidence == 0.97
    assert judged() == ("credible", 1.0)


@pytest.mark.parametrize(
    ("found", "verdict", "confidence"),
    [
        (INCOMPLETE, "needs_evidence", 0.5),
        (STOPPED, "false_positive", 0.2),
        (LONELY, "suspect", 0.6),
    ],
)
def test_each_rule_changes_the_verdict_and_lowers_the_confidence(found, verdict, confidence):
    assert judged(**found) == (verdict, confidence)


@pytest.mark.parametrize(
    ("found", "verdict", "confidence"),
    [
        (INCOMPLETE | STOPPED, "needs_evidence", 0.1),
        (INCOMPLETE | LONELY, "needs_evidence", 0.3),
        (STOPPED | LONELY, "false_positive", 0.12),
        (INCOMPLETE | STOPPED | LONELY, "needs_evidence", 0.06),
    ],
)
def test_the_first_rule_that_is_broken_names_the_verdict_and_every_one_lowers_the_confidence(
    found, verdict, confidence
):
    assert judged(**found) == (verdict, confidence)


@pytest.mark.parametrize(
    "found",
    [
        {"complete_share": 0.7},
        {"running_share": 0.5},
        LONELY | {"top_z": 10.0},
        LONELY | {"top_z": -10.0},
        LONELY | {"beyond_nominal": ("temperature_c",)},
        {"deviating_sensors": 3},
    ],
)
def test_evidence_that_just_suffices_is_credible(found):
    assert judged(**found) == ("credible", 1.0)


@pytest.mark.parametrize("found", [LONELY | {"top_z": 9.99}, LONELY | {"top_z": -9.99}, {"deviating_sensors": 0}])
def test_one_sensor_that_is_not_far_off_is_suspect(found):
    assert judged(**found)[0] == "suspect"


def test_every_rule_gives_its_reason_whether_it_holds_or_not():
    reasons = judge(replace(CREDIBLE, **STOPPED, beyond_nominal=("temperature_c",)), confidence=1.0).reasons
    assert reasons == (
        "data is complete: yes, 100% of the episode's windows hold readings",
        "machine was running: no, the machine ran in 49% of them",
        "evidence is corroborated: yes, 2 sensors deviate, vibration_mm_s by +5.0 sigma, beyond nominal: temperature_c",
    )
    assert len(reasons) == len(RULES)


DEFECT = {"top_z": None, "deviating_sensors": 1, "top_sensor": "current_a"}


@pytest.mark.parametrize(
    ("kind", "found", "verdict", "confidence"),
    [
        ("silent", {}, "credible", 1.0),
        ("silent", INCOMPLETE | STOPPED, "credible", 1.0),
        ("stuck", {}, "credible", 1.0),
        ("stuck", INCOMPLETE, "credible", 1.0),
        ("stuck", STOPPED, "false_positive", 0.2),
    ],
)
def test_a_defect_of_the_data_is_a_fact_that_only_a_machine_at_rest_makes_a_false_one(kind, found, verdict, confidence):
    assert judged(kind=kind, **DEFECT, **found) == (verdict, confidence)


def test_a_defect_tells_its_sensors_before_the_rules_that_judge_it():
    silent = judge(replace(CREDIBLE, kind="silent", **DEFECT), confidence=1.0).reasons
    assert silent == ("silent: 1 sensors at once, current_a among them",)
    stuck = judge(replace(CREDIBLE, kind="stuck", **DEFECT), confidence=1.0).reasons
    assert stuck[1:] == ("machine was running: yes, the machine ran in 100% of them",)


def test_every_kind_of_alarm_is_judged():
    assert {kind for rule in RULES for kind in rule.kinds} <= set(ALARM_KINDS)
    assert all("anomaly" in rule.kinds for rule in RULES)
