"""Forecasts: time to failure with an interval, or the reason why there is none."""

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
from pipelines.contracts.vocabulary import NO_TTF

HOURS = between(0.0, 1e6)

FORECASTS = contract(
    "forecasts",
    "What was said of one failure mode of one machine at one moment. Kept for good: nothing said is unsaid.",
    {
        "source": source(),
        "machine_id": machine_id(),
        "forecast_id": identity("Hash of machine, mode and moment."),
        "failure_mode": column(pl.String(), "Declared mode, or `any`.", named()),
        "issued_at": column(TIME, "Full hour at or before the end of the source's newest window: when it speaks."),
        "ttf_h": column(pl.Float64(), "Time to the threshold, median.", HOURS, unit="h", null="none, see reason"),
        "ttf_low_h": column(pl.Float64(), "Lower end of the interval.", HOURS, unit="h", null="none"),
        "ttf_high_h": column(
            pl.Float64(), "Upper end of the interval.", HOURS, unit="h", null="none, or beyond the horizon"
        ),
        "nominal_coverage": column(
            pl.Float64(), "Share of failures the interval should hold.", between(0, 1), null="none"
        ),
        "reason": column(pl.String(), "Why there is no time to failure.", one_of(NO_TTF), null="there is one"),
        "linear_ttf_h": column(
            pl.Float64(), "Baseline: straight line through the last days.", HOURS, unit="h", null="never crosses"
        ),
        "sensor": column(pl.String(), "Sensor that is extrapolated.", named(), null="none declared"),
        "threshold": column(pl.Float64(), "Declared end of life.", between(-1e12, 1e12), null="none declared"),
        "value": column(pl.Float64(), "Newest smoothed value.", between(-1e12, 1e12), null="no recent value"),
        "model": column(pl.String(), "What computed it.", named(), null="nothing was fitted"),
        "model_version": column(pl.String(), "Hash of the forecaster's settings."),
        "run_id": run_id(),
    },
    key=("forecast_id",),
    time="issued_at",
)
