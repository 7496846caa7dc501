"""The decision stage: confidence x urgency x criticality to one advice a machine, with its rationale."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from pipelines.contracts.decisions import DECISIONS
from pipelines.contracts.enforce import computed
from pipelines.identity import stable_id

INSPECTION_SKILL = "inspection"


@dataclass(frozen=True)
class Policy:
    """Bounds of the policy; all in hours but the confidence.

    Attributes:
        high_h: A failure may come within this time: urgency is high.
        medium_h: Urgency is medium.
        believed: Confidence from which a verdict is acted on without asking.
        stale_h: Data older than this, seen from now, is history: nothing is planned on it.
        margin: Share of the lower end of the time to failure within which the work must be done.
        inspect_within_h: An inspection without a time to failure is due after this time.
        inspection_h: Length of an inspection.
    """

    high_h: float = 72.0
    medium_h: float = 240.0
    believed: float = 0.7
    stale_h: float = 48.0
    margin: float = 0.8
    inspect_within_h: float = 72.0
    inspection_h: float = 1.0

    @property
    def version(self) -> str:
        names = [rule.name for rule in RULES]
        return hashlib.sha256(f"{self!r}{names}".encode()).hexdigest()[:16]

    def urgency(self, ttf_low_h: float | None) -> str:
        """Urgency by the lower end of the time to failure; `none` without one."""
        if ttf_low_h is None:
            return "none"
        return "high" if ttf_low_h <= self.high_h else "medium" if ttf_low_h <= self.medium_h else "low"


@dataclass(frozen=True)
class Case:
    """What is known of one machine when it is decided on.

    Attributes:
        is_believed: Its open alarm is.
        is_anomaly: That alarm is about the machine, not about the data of a sensor.
    """

    is_stale: bool
    is_still: bool
    confidence: float
    is_believed: bool
    is_anomaly: bool
    urgency: str
    criticality: str


@dataclass(frozen=True)
class Rule:
    """First rule that applies decides."""

    name: str
    applies: Callable[[Case], bool]
    action: str


RULES = (
    Rule("the data is history", lambda case: case.is_stale, "monitor"),
    Rule("the machine stands still", lambda case: case.is_still, "monitor"),
    Rule(
        "believed and failing within days",
        lambda case: case.is_believed and case.is_anomaly and case.urgency in ("medium", "high"),
        "plan",
    ),
    Rule("failing within days by forecast alone", lambda case: case.urgency == "high", "ask"),
    Rule("believed and to be looked at", lambda case: case.is_believed, "inspect"),
    Rule("critical and not quiet", lambda case: case.criticality == "high" and case.confidence > 0, "ask"),
    Rule("nothing to act on", lambda _case: True, "monitor"),
)


def decisions(
    forecasts: pl.DataFrame,
    alarms: pl.DataFrame,
    verdicts: pl.DataFrame,
    machines: pl.DataFrame,
    *,
    now: datetime,
    policy: Policy = Policy(),
) -> pl.DataFrame:
    """One advice for each machine of the newest forecasts.

    Args:
        forecasts: `forecasts` contract, those of one moment.
        alarms: `alarms` contract of the source.
        verdicts: `verdicts` contract of the source.
        machines: `machines` contract.
        now: Present moment: forecasts that speak from long before it are history.
        policy: Bounds.
    Returns:
        Columns of `decisions` without `day` and `run_id`, one row a machine.
    """
    episodes = _open_episodes(alarms, verdicts)
    declared = {row["machine_id"]: row for row in machines.to_dicts()}
    rows = []
    for machine_id, own in sorted(forecasts.partition_by("machine_id", as_dict=True).items()):
        name = str(machine_id[0])
        forecast = _most_urgent(own)
        rows.append(_decided(forecast, episodes.get(name), declared.get(name, {}), now, policy))
    return pl.DataFrame(rows, schema=computed(DECISIONS))


def _decided(
    forecast: Mapping[str, Any],
    episode: Mapping[str, Any] | None,
    machine: Mapping[str, Any],
    now: datetime,
    policy: Policy,
) -> dict[str, Any]:
    at: datetime = forecast["issued_at"]
    confidence = episode["confidence"] if episode else 0.0
    case = Case(
        is_stale=now - at > timedelta(hours=policy.stale_h),
        is_still=forecast["reason"] == "no_recent_data",
        confidence=confidence,
        is_believed=bool(episode) and confidence >= policy.believed,
        is_anomaly=bool(episode and episode["kind"] == "anomaly"),
        urgency=policy.urgency(forecast["ttf_low_h"]),
        criticality=machine.get("criticality", "medium"),
    )
    rule = next(rule for rule in RULES if rule.applies(case))
    return {
        "source": forecast["source"],
        "machine_id": forecast["machine_id"],
        "decision_id": stable_id("decision", forecast["machine_id"], at),
        "decided_at": at,
        "action": rule.action,
        "failure_mode": forecast["failure_mode"],
        "confidence": confidence,
        "urgency": case.urgency,
        "criticality": case.criticality,
        **_work(rule.action, forecast, machine, policy),
        "rationale": f"{rule.name}: {_words(forecast, episode, case)}",
        "episode_at": episode["started_at"] if episode else None,
        "alarm_id": episode["alarm_id"] if episode else None,
        "verdict_id": episode["verdict_id"] if episode else None,
        "forecast_id": forecast["forecast_id"],
        "rules_version": policy.version,
    }


def _work(action: str, forecast: Mapping[str, Any], machine: Mapping[str, Any], policy: Policy) -> dict[str, Any]:
    """When the work is due, the skill it needs and how long it takes; nulls where there is none."""
    at: datetime = forecast["issued_at"]
    if action == "plan":
        mode = next(m for m in machine["failure_modes"] if m["failure_mode"] == forecast["failure_mode"])
        due = at + timedelta(hours=policy.margin * forecast["ttf_low_h"])
        return {"due_at": due, "skill": mode["skill"], "work_h": mode["repair_h"]}
    if action == "inspect":
        due = at + timedelta(hours=policy.inspect_within_h)
        return {"due_at": due, "skill": INSPECTION_SKILL, "work_h": policy.inspection_h}
    return {"due_at": None, "skill": None, "work_h": None}


def _words(forecast: Mapping[str, Any], episode: Mapping[str, Any] | None, case: Case) -> str:
    alarm = f"{episode['verdict']} alarm at {case.confidence:.2f}" if episode else "no open alarm"
    if forecast["reason"]:
        return f"{alarm}, no time to failure ({forecast['reason']}), criticality {case.criticality}"
    high = "beyond the horizon" if forecast["ttf_high_h"] is None else f"{forecast['ttf_high_h']:.0f} h"
    return (
        f"{alarm}, {forecast['failure_mode']} in {forecast['ttf_h']:.0f} h "
        f"({forecast['ttf_low_h']:.0f} h to {high}), criticality {case.criticality}"
    )


def _most_urgent(forecasts: pl.DataFrame) -> dict[str, Any]:
    return forecasts.sort("ttf_low_h", "failure_mode", nulls_last=True).row(0, named=True)


def _open_episodes(alarms: pl.DataFrame, verdicts: pl.DataFrame) -> dict[str, dict[str, Any]]:
    """Newest open episode of each machine with its verdict; one judged a false positive is not open.

    An anomaly comes before a defect of the data: it is about the machine, the other about a sensor.
    """
    joined = (
        alarms.filter("is_open")
        .join(verdicts.select("alarm_id", "verdict_id", "verdict", "confidence"), on="alarm_id")
        .filter(pl.col("verdict") != "false_positive")
        .sort(pl.col("kind") == "anomaly", "started_at", "alarm_id")
    )
    return {row["machine_id"]: row for row in joined.to_dicts()}
