"""Health index: the way left to each declared end of life."""

import polars as pl

from pipelines.contracts.contract import TIME, between, column, contract, machine_id, named, run_id, source

VALUE = between(-1e12, 1e12)

HEALTH_INDEX = contract(
    "health_index",
    "One failure mode of one machine in one window of running. 1 is as new, 0 is the declared threshold.",
    {
        "source": source(),
        "machine_id": machine_id(),
        "failure_mode": column(pl.String(), "Declared mode, or `any` where none is declared.", named()),
        "recorded_at": column(TIME, "Start of the window."),
        "window_s": column(pl.Int64(), "Length of the window.", between(1, 31 * 86_400), unit="s"),
        "sensor": column(pl.String(), "Sensor that shows the mode.", named(), null="none declared"),
        "value": column(pl.Float64(), "Mean of the sensor in the window.", VALUE, null="none declared"),
        "healthy_level": column(pl.Float64(), "Median of the sensor in the healthy span.", VALUE, null="no baseline"),
        "healthy_spread": column(
            pl.Float64(), "1.4826 x median absolute deviation there.", between(0, 3e12), null="no baseline"
        ),
        "threshold": column(pl.Float64(), "Declared end of life.", VALUE, null="none declared"),
        "health": column(
            pl.Float64(),
            "Share of the way from threshold back to healthy level; 1 - score where no threshold is declared.",
            between(0.0, 1.0),
            null="no baseline and no score",
        ),
        "run_id": run_id(),
    },
    key=("machine_id", "failure_mode", "recorded_at"),
    time="recorded_at",
)
