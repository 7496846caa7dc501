"""Decisions: what to do about each machine, with the reasoning."""

import polars as pl

from pipelines.contracts.contract import (
    TIME,
    between,
    column,
    contract,
    identity,
    machine_id,
    named,
    one_of,
    run_id,
    source,
)
from pipelines.contracts.vocabulary import ACTIONS, CRITICALITIES, URGENCIES

DECISIONS = contract(
    "decisions",
    "What is advised for one machine at one moment. Kept for good.",
    {
        "source": source(),
        "machine_id": machine_id(),
        "decision_id": identity("Hash of machine and moment."),
        "decided_at": column(TIME, "Moment the advice speaks from: that of its forecasts."),
        "action": column(pl.String(), "What to do.", one_of(ACTIONS)),
        "failure_mode": column(pl.String(), "Mode that is most urgent, or `any`.", named()),
        "confidence": column(pl.Float64(), "Confidence of the open verdict; 0 without one.", between(0.0, 1.0)),
        "urgency": column(pl.String(), "From the lower end of the time to failure.", one_of(URGENCIES)),
        "criticality": column(pl.String(), "From the register.", one_of(CRITICALITIES)),
        "due_at": column(TIME, "When the work must be done.", null="nothing to do"),
        "skill": column(pl.String(), "Skill the work needs.", named(), null="nothing to do"),
        "work_h": column(pl.Float64(), "Length of the work.", between(0, 1e4), unit="h", null="nothing to do"),
        "rationale": column(pl.String(), "The rule that spoke and what it saw."),
        "episode_at": column(TIME, "Start of the open episode.", null="no open alarm"),
        "alarm_id": identity("Open alarm.", null="none"),
        "verdict_id": identity("Its verdict.", null="none"),
        "forecast_id": identity("Forecast used."),
        "rules_version": column(pl.String(), "Hash of the decision policy."),
        "run_id": run_id(),
    },
    key=("decision_id",),
    time="decided_at",
)
