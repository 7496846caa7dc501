"""Baselines: what each machine is like when it is healthy, and what its scores are calibrated on."""

import polars as pl

from pipelines.contracts.contract import TIME, between, column, contract, machine_id, one_of, run_id, source
from pipelines.contracts.vocabulary import NO_BASELINE

SENSORS = pl.List(
    pl.Struct(
        {
            "sensor": pl.String,
            "level": pl.Float64,
            "spread": pl.Float64,
            "present_share": pl.Float64,
            "still_share": pl.Float64,
        }
    )
)

BASELINES = contract(
    "baselines",
    "The healthy reference of one machine: its known-good span and what every sensor did in it.",
    {
        "source": source(),
        "machine_id": machine_id(),
        "healthy_from": column(TIME, "Start of the span.", null="the machine never spoke and declares none"),
        "healthy_until": column(TIME, "End of the span, excluded.", null="the same"),
        "is_assumed": column(pl.Boolean(), "Nobody declared the span: the machine's first 48 hours are taken."),
        "windows": column(pl.Int64(), "Windows of running in the span.", between(0, 2**40)),
        "reason": column(pl.String(), "Why there is no model.", one_of(NO_BASELINE), null="there is one"),
        "sensors": column(
            SENSORS,
            "By sensor: median of its window means in the span, 1.4826 x median absolute deviation of these, share of "
            "the windows it spoke in, share of those in which it stood still.",
        ),
        "model_version": column(pl.String(), "Content hash of what the model is fitted on.", null="no model"),
        "run_id": run_id(),
    },
    key=("machine_id",),
    time=None,
)
