"""Alarms: episodes of exceedances; one row is one episode."""

import polars as pl

from pipelines.contracts.contract import (
    ID,
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
from pipelines.contracts.vocabulary import ALARM_KINDS

ALARMS = contract(
    "alarms",
    "One episode on one machine: k of n windows beyond the threshold, until quiet for longer than the gap.",
    {
        "source": source(),
        "machine_id": machine_id(),
        "alarm_id": identity("Hash of machine, kind and start of the episode."),
        "kind": column(pl.String(), "What raised it.", one_of(ALARM_KINDS)),
        "started_at": column(TIME, "Start of the first window of the episode."),
        "raised_at": column(TIME, "End of the window whose exceedance made it k of n: nobody could know earlier."),
        "last_at": column(TIME, "End of its last exceedance so far."),
        "is_open": column(pl.Boolean(), "Not yet quiet for longer than the gap."),
        "exceedances": column(pl.Int64(), "Windows beyond the threshold.", between(1, 2**40)),
        "peak_score": column(pl.Float64(), "Highest score.", between(0.0, 1.0)),
        "mean_score": column(pl.Float64(), "Mean score of the exceedances.", between(0.0, 1.0)),
        "top_sensor": column(pl.String(), "Sensor that led most exceedances.", named()),
        "top_z": column(pl.Float64(), "Its mean robust z in them.", between(-1e18, 1e18), null="a defect of the data"),
        "deviating_sensors": column(
            pl.Int64(), "Most sensors beyond their range, silent or stuck at once.", between(0, 10_000)
        ),
        "threshold": column(
            pl.Float64(), "Score from which a window exceeds.", between(0.0, 1.0), null="a defect of the data"
        ),
        "supersedes": column(
            pl.String(),
            "Alarm of the same episode before late data moved its start.",
            named(ID),
            null="none",
            lineage=True,
        ),
        "model_version": column(pl.String(), "Model of the first exceedance.", null="a defect of the data"),
        "rules_version": column(pl.String(), "Hash of the alarm rules."),
        "run_id": run_id(),
    },
    key=("alarm_id",),
    time="started_at",
)
