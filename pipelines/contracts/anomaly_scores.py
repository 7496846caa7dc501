"""Anomaly scores: how far a machine is from its own healthy self, window by window."""

import polars as pl

from pipelines.contracts.contract import TIME, between, column, contract, machine_id, named, one_of, run_id, source
from pipelines.contracts.vocabulary import NO_SCORE, STATES

UNIT = between(0.0, 1.0)

ANOMALY_SCORES = contract(
    "anomaly_scores",
    "One machine in one window. Scores lie in [0, 1], high is worse: 1 - the chance that a healthy window looks so.",
    {
        "source": source(),
        "machine_id": machine_id(),
        "recorded_at": column(TIME, "Start of the window."),
        "window_s": column(pl.Int64(), "Length of the window.", between(1, 31 * 86_400), unit="s"),
        "state": column(pl.String(), "Operating state.", one_of(STATES)),
        "score": column(pl.Float64(), "Both detectors combined.", UNIT, null="not scored, see reason"),
        "robust_z_score": column(pl.Float64(), "Largest robust z, calibrated.", UNIT, null="not scored"),
        "isolation_score": column(pl.Float64(), "Isolation forest, calibrated.", UNIT, null="not scored"),
        "top_sensor": column(pl.String(), "Sensor that deviates most.", named(), null="not scored"),
        "top_z": column(
            pl.Float64(), "Its robust z; positive is above normal.", between(-1e18, 1e18), null="not scored"
        ),
        "deviating_sensors": column(
            pl.Int64(), "Sensors beyond their own healthy range.", between(0, 10_000), null="not scored"
        ),
        "reason": column(pl.String(), "Why there is no score.", one_of(NO_SCORE), null="scored"),
        "model_version": column(pl.String(), "Content hash of the machine's model.", null="no model"),
        "run_id": run_id(),
    },
    key=("machine_id", "recorded_at"),
    time="recorded_at",
)
