"""Rows of the lake's tables: a test says what matters to it, the rest is plausible and keeps the contract."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import polars as pl

from pipelines.contracts.enforce import conform, empty
from pipelines.contracts.registry import CONTRACTS

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

LANDED = {"landed_at": MONDAY, "batch_id": "b" * 64, "batch_seq": 1, "batch_row": 0}
NOTHING_SAID = {  # a signal that cannot be described still has a row
    name: {column: None for column, told in CONTRACTS[name].columns.items() if told.nullable}
    for name in ("vibration_features", "sound_features")
}
PLAIN: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "readings": {
            "sensor": "vibration_mm_s",
            "recorded_at": MONDAY,
            "value": 2.0,
            "quality": "good",
            **LANDED,
        },
        "labels": {"kind": "fault", "label": "bearing_wear", "started_at": MONDAY, "ended_at": None, **LANDED},
        "events": {
            "kind": "maintenance",
            "event": "bearing",
            "occurred_at": MONDAY,
            "ended_at": None,
            "note": None,
            **LANDED,
        },
        "snapshots": {
            "sensor": "horizontal_g",
            "recorded_at": MONDAY,
            "signal": "vibration",
            "sample_rate_hz": 25_600.0,
            "n_samples": 2,
            "encoding": "f8",
            "scale": 1.0,
            "samples": bytes(16),
            "digest": "374708fff7719dd5",
            "speed_rpm": None,
            "bearing": None,
            "quality": "good",
            **LANDED,
        },
        "machines": {
            "machine_class": "pump",
            "site": "north",
            "criticality": "medium",
            "running_sensor": None,
            "running_above": None,
            "idle_above": None,
            "startup_s": None,
            "bearing": None,
            "speed_rpm": None,
            "iso_class": None,
            "healthy_from": None,
            "healthy_until": None,
            "nominal_limits": [],
            "failure_modes": [],
            "register_version": "v1",
        },
        "vibration_features": {
            "sensor": "horizontal_g",
            "recorded_at": MONDAY,
            "n_samples": 2_560,
            "sample_rate_hz": 25_600.0,
            "batch_seq": 1,
            **NOTHING_SAID["vibration_features"],
        },
        "sound_features": {
            "sensor": "mono_fs",
            "recorded_at": MONDAY,
            "n_samples": 160_000,
            "sample_rate_hz": 16_000.0,
            "batch_seq": 1,
            **NOTHING_SAID["sound_features"],
        },
        "operating_states": {
            "recorded_at": MONDAY,
            "window_s": 3600,
            "state": "running",
            "basis": "declared",
            "reason": None,
            "off_share": 0.0,
            "idle_share": 0.0,
            "running_share": 1.0,
            "startup_share": 0.0,
            "sensor": "speed_rpm",
            "level": 1480.0,
            "idle_above": None,
            "running_above": 700.0,
            "learned_until": None,
        },
        "window_features": {
            "sensor": "vibration_mm_s",
            "recorded_at": MONDAY,
            "window_s": 3600,
            "state": "running",
            "is_derived": False,
            "n": 6,
            "mean": 2.0,
            "std": 0.1,
            "min": 1.9,
            "max": 2.1,
            "slope_per_h": 0.0,
            "median": 2.0,
            "iqr": 0.13,
            "autocorrelation": 0.0,
            "energy": 4.01,
            "entropy_bits": 2.0,
            "change_per_h": 0.7,
            "missing_share": 0.0,
            "batch_seq": 1,
        },
        "baselines": {
            "healthy_from": MONDAY,
            "healthy_until": MONDAY + 48 * HOUR,
            "is_assumed": False,
            "windows": 48,
            "reason": None,
            "sensors": [
                {
                    "sensor": "vibration_mm_s",
                    "level": 2.0,
                    "spread": 0.1,
                    "present_share": 1.0,
                    "still_share": 0.0,
                }
            ],
            "model_version": "m1",
        },
        "outages": {
            "since": MONDAY,
            "until": MONDAY + 2 * HOUR,
            "is_open": True,
            "usual_s": 600,
        },
        "data_quality": {
            "sensor": "vibration_mm_s",
            "recorded_at": MONDAY,
            "window_s": 3600,
            "kind": "stuck",
            "value": 2.0,
        },
        "anomaly_scores": {
            "recorded_at": MONDAY,
            "window_s": 3600,
            "state": "running",
            "score": 0.1,
            "robust_z_score": 0.1,
            "isolation_score": 0.1,
            "top_sensor": "vibration_mm_s",
            "top_z": 0.5,
            "deviating_sensors": 0,
            "reason": None,
            "model_version": "m1",
        },
        "exceedances": {
            "kind": "anomaly",
            "recorded_at": MONDAY,
            "window_s": 3600,
            "score": 0.9995,
            "top_sensor": "vibration_mm_s",
            "top_z": 12.0,
            "deviating_sensors": 2,
            "model_version": "m1",
            "run_started_at": MONDAY,
            "run_windows": 1,
            "run_raised_at": None,
            "run_score_sum": 0.9995,
            "run_peak_score": 0.9995,
            "run_deviating_sensors": 2,
            "run_leading": [{"sensor": "vibration_mm_s", "windows": 1, "z_sum": 12.0}],
            "run_model_version": "m1",
        },
        "alarms": {
            "alarm_id": "alarm-0000000000000001",
            "kind": "anomaly",
            "started_at": MONDAY,
            "raised_at": MONDAY + 6 * HOUR,
            "last_at": MONDAY + 10 * HOUR,
            "is_open": True,
            "exceedances": 10,
            "peak_score": 1.0,
            "mean_score": 0.9995,
            "top_sensor": "vibration_mm_s",
            "top_z": 12.0,
            "deviating_sensors": 2,
            "threshold": 0.999,
            "supersedes": None,
            "model_version": "m1",
            "rules_version": "r1",
        },
        "verdicts": {
            "verdict_id": "verdict-0000000000000001",
            "alarm_id": "alarm-0000000000000001",
            "started_at": MONDAY,
            "verdict": "credible",
            "confidence": 0.9,
            "reasons": ["data is complete: yes"],
            "rules_version": "r1",
        },
        "health_index": {
            "failure_mode": "bearing_wear",
            "recorded_at": MONDAY,
            "window_s": 3600,
            "sensor": "vibration_mm_s",
            "value": 2.0,
            "healthy_level": 2.0,
            "healthy_spread": 0.1,
            "threshold": 6.0,
            "health": 1.0,
        },
        "forecasts": {
            "forecast_id": "forecast-0000000000000001",
            "failure_mode": "bearing_wear",
            "issued_at": MONDAY,
            "ttf_h": 100.0,
            "ttf_low_h": 50.0,
            "ttf_high_h": 200.0,
            "nominal_coverage": 0.9,
            "reason": None,
            "linear_ttf_h": 120.0,
            "sensor": "vibration_mm_s",
            "threshold": 6.0,
            "value": 4.0,
            "model": "prophet",
            "model_version": "f1",
        },
        "decisions": {
            "decision_id": "decision-0000000000000001",
            "decided_at": MONDAY,
            "action": "monitor",
            "failure_mode": "bearing_wear",
            "confidence": 0.0,
            "urgency": "none",
            "criticality": "medium",
            "due_at": None,
            "skill": None,
            "work_h": None,
            "rationale": "nothing to act on",
            "episode_at": None,
            "alarm_id": None,
            "verdict_id": None,
            "forecast_id": "forecast-0000000000000001",
            "rules_version": "p1",
        },
        "work_orders": {
            "work_order_id": "order-0000000000000001",
            "planned_at": MONDAY,
            "failure_mode": "bearing_wear",
            "kind": "repair",
            "status": "proposed",
            "technician": "anna",
            "skill": "mechanical",
            "starts_at": MONDAY + 8 * HOUR,
            "ends_at": MONDAY + 12 * HOUR,
            "due_at": MONDAY + 48 * HOUR,
            "priority": 10,
            "note": "in time",
            "plan_status": "optimal",
            "objective": 10.0,
            "bound": 10.0,
            "gap": 0.0,
            "decision_id": "decision-0000000000000001",
            "rules_version": "s1",
        },
    }
)


def table(name: str, rows: Sequence[Mapping[str, Any]] = ({},), **every: Any) -> pl.DataFrame:
    """Rows of table `name` in its contract, every rule kept.

    Args:
        name: Table.
        rows: What each row says that others do not.
        every: What all rows say.
    """
    return conform(loose(name, rows, **every), CONTRACTS[name])


def loose(name: str, rows: Sequence[Mapping[str, Any]] = ({},), **every: Any) -> pl.DataFrame:
    """The same without `day` and without a look at the rules, so that they can be broken."""
    schema = {column: dtype for column, dtype in empty(CONTRACTS[name]).schema.items() if column != "day"}
    own = {"source": "plant", "machine_id": "plant.pump-1", "run_id": "run-1", **PLAIN[name], **every}
    return pl.DataFrame([{key: (own | row)[key] for key in schema} for row in rows], schema=schema)


def finished(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """What a stage returned, with what its asset adds, in its contract: raises where it breaks a rule."""
    return conform(frame.with_columns(run_id=pl.lit("run-1")), CONTRACTS[name])
