"""Verdicts: which alarms to believe, and why."""

import polars as pl

from pipelines.contracts.contract import (
    TIME,
    between,
    column,
    contract,
    identity,
    machine_id,
    one_of,
    run_id,
    source,
)
from pipelines.contracts.vocabulary import VERDICTS

VERDICTS_TABLE = contract(
    "verdicts",
    "What the rules say of one alarm.",
    {
        "source": source(),
        "machine_id": machine_id(),
        "verdict_id": identity("Hash of the alarm and the rules."),
        "alarm_id": identity("The alarm judged."),
        "started_at": column(TIME, "Start of the episode."),
        "verdict": column(pl.String(), "How far to believe it.", one_of(VERDICTS)),
        "confidence": column(pl.Float64(), "Score of the episode, adjusted by the rules.", between(0.0, 1.0)),
        "reasons": column(pl.List(pl.String()), "What each rule found, in words."),
        "rules_version": column(pl.String(), "Hash of the rules."),
        "run_id": run_id(),
    },
    key=("verdict_id",),
    time="started_at",
)
