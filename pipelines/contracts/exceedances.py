"""Exceedances: windows that count towards an alarm, each with the run it continues."""

import polars as pl

from pipelines.contracts.contract import TIME, between, column, contract, machine_id, named, one_of, run_id, source
from pipelines.contracts.vocabulary import ALARM_KINDS

LEADING = pl.List(pl.Struct({"sensor": pl.String, "windows": pl.Int64, "z_sum": pl.Float64}))
COUNT = between(1, 2**40)

EXCEEDANCES = contract(
    "exceedances",
    "One window of one machine that counts towards an alarm, and its run so far: what the next window goes on from.",
    {
        "source": source(),
        "machine_id": machine_id(),
        "kind": column(pl.String(), "What was exceeded.", one_of(ALARM_KINDS)),
        "recorded_at": column(TIME, "Start of the window."),
        "window_s": column(pl.Int64(), "Length of the window.", between(1, 31 * 86_400), unit="s"),
        "score": column(pl.Float64(), "Its score; 1 for a defect of the data.", between(0.0, 1.0)),
        "top_sensor": column(pl.String(), "Sensor that led.", named()),
        "top_z": column(pl.Float64(), "Its robust z.", between(-1e18, 1e18), null="a defect of the data"),
        "deviating_sensors": column(pl.Int64(), "Sensors concerned.", between(0, 10_000)),
        "model_version": column(pl.String(), "Model of the score.", null="a defect of the data"),
        "run_started_at": column(TIME, "Start of the first window of its run: none is further apart than the gap."),
        "run_windows": column(pl.Int64(), "Exceedances of the run so far.", COUNT),
        "run_raised_at": column(TIME, "End of the window that first made it k of n.", null="not k of n so far"),
        "run_score_sum": column(pl.Float64(), "Sum of the scores so far.", between(0.0, 1e12)),
        "run_peak_score": column(pl.Float64(), "Highest score so far.", between(0.0, 1.0)),
        "run_deviating_sensors": column(pl.Int64(), "Most sensors concerned at once so far.", between(0, 10_000)),
        "run_leading": column(LEADING, "By sensor: windows it led so far, and the sum of its robust z in them."),
        "run_model_version": column(pl.String(), "Model of the first exceedance.", null="a defect of the data"),
        "run_id": run_id(),
    },
    key=("machine_id", "kind", "recorded_at"),
    time="recorded_at",
)
