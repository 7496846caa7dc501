"""The rules that judge an alarm: one predicate a rule, each with its reason in words."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Evidence:
    """What is known of one episode when it is judged: of its last two days, so that its age does not blur its state.

    Attributes:
        kind: What raised it.
        deviating_sensors: Most sensors beyond their healthy range at once.
        top_sensor: Sensor that led most exceedances.
        top_z: Its mean robust z in the exceedances that it led.
        beyond_nominal: Sensors whose window mean left the declared nominal limits in the episode.
        running_share: Share of the machine's windows in the episode that ran, in [0, 1].
        complete_share: Share of the episode's windows that hold readings at all, in [0, 1].
    """

    kind: str
    deviating_sensors: int
    top_sensor: str
    top_z: float | None
    beyond_nominal: tuple[str, ...]
    running_share: float
    complete_share: float


@dataclass(frozen=True)
class Rule:
    """A claim about the evidence.

    Attributes:
        name: What the claim is called in the reasons.
        holds: Whether it holds.
        says: What was found, in words.
        otherwise: Verdict when it does not hold.
        factor: What confidence is multiplied with then.
        kinds: Kinds of alarm it judges.
    """

    name: str
    holds: Callable[[Evidence], bool]
    says: Callable[[Evidence], str]
    otherwise: str
    factor: float
    kinds: tuple[str, ...]


EVIDENCE = timedelta(hours=48)
"""How long before its last exceedance an episode is looked at."""
COMPLETE = 0.7
RUNNING = 0.5
SENSORS = 2
FAR = 10.0


def _is_complete(evidence: Evidence) -> bool:
    return evidence.complete_share >= COMPLETE


def _was_running(evidence: Evidence) -> bool:
    return evidence.running_share >= RUNNING


def _is_corroborated(evidence: Evidence) -> bool:
    """A second sensor agrees, a nominal limit is broken, or one sensor is far beyond what weather and load do."""
    return evidence.deviating_sensors >= SENSORS or bool(evidence.beyond_nominal) or abs(evidence.top_z or 0.0) >= FAR


def _completeness(evidence: Evidence) -> str:
    return f"{evidence.complete_share:.0%} of the episode's windows hold readings"


def _running(evidence: Evidence) -> str:
    return f"the machine ran in {evidence.running_share:.0%} of them"


def _corroboration(evidence: Evidence) -> str:
    beyond = f", beyond nominal: {', '.join(evidence.beyond_nominal)}" if evidence.beyond_nominal else ""
    far = f"{evidence.top_sensor} by {evidence.top_z or 0.0:+.1f} sigma"
    return f"{evidence.deviating_sensors} sensors deviate, {far}{beyond}"


RULES = (
    Rule("data is complete", _is_complete, _completeness, "needs_evidence", 0.5, ("anomaly",)),
    Rule("machine was running", _was_running, _running, "false_positive", 0.2, ("anomaly", "stuck")),
    Rule("evidence is corroborated", _is_corroborated, _corroboration, "suspect", 0.6, ("anomaly",)),
)
"""In order: the first that does not hold names the verdict, every one that does not lowers the confidence."""

RULES_VERSION = hashlib.sha256(
    repr(
        [*((r.name, r.otherwise, r.factor, r.kinds) for r in RULES), EVIDENCE, COMPLETE, RUNNING, SENSORS, FAR]
    ).encode()
).hexdigest()[:16]


@dataclass(frozen=True)
class Judgement:
    """What the rules say: the verdict, the adjusted confidence in [0, 1], and every rule's reason."""

    verdict: str
    confidence: float
    reasons: tuple[str, ...]


def judge(evidence: Evidence, *, confidence: float) -> Judgement:
    """Apply every rule to one episode. A defect of the data is a fact.

    Only a machine at rest makes a stuck sensor a false one; a silent one is asked nothing, as none is called so then.

    Args:
        evidence: What is known of it.
        confidence: Mean score of all its exceedances.

    Example:
        >>> judge(Evidence("anomaly", 1, "current_a", 4.2, (), 1.0, 1.0), confidence=0.99).verdict
        'suspect'
    """
    verdict, reasons = "credible", []
    if evidence.kind != "anomaly":
        reasons.append(
            f"{evidence.kind}: {evidence.deviating_sensors} sensors at once, {evidence.top_sensor} among them"
        )
    for rule in (rule for rule in RULES if evidence.kind in rule.kinds):
        holds = rule.holds(evidence)
        reasons.append(f"{rule.name}: {'yes' if holds else 'no'}, {rule.says(evidence)}")
        if not holds:
            verdict = rule.otherwise if verdict == "credible" else verdict
            confidence *= rule.factor
    return Judgement(verdict, confidence, tuple(reasons))
