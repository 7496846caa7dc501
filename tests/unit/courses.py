"""Courses of windows written as text, an hour a letter, for what is told of exceedances and alarms."""

from datetime import datetime, timedelta
from typing import Any

import polars as pl
from unit.tables import HOUR, MONDAY, finished, table

from pipelines.detection.exceedances import AlarmRules, beyond
from pipelines.detection.exceedances import exceedances as folded

RULES = AlarmRules(threshold=0.9, k=3, n=4, k_defect=2, n_defect=3, gap=timedelta(hours=5))


def scores(course: str, **every: Any) -> pl.DataFrame:
    """Hourly windows: `X` exceeds, `.` does not, `-` has no score, a blank is no window at all."""
    rows = [
        {
            "recorded_at": MONDAY + hour * HOUR,
            "score": {"X": 0.95, ".": 0.2, "-": None}[mark],
            "state": "off" if mark == "-" else "running",
        }
        for hour, mark in enumerate(course)
        if mark != " "
    ]
    return table("anomaly_scores", rows, **every)


def defects(course: str, kind: str = "silent", **every: Any) -> pl.DataFrame:
    """Hourly windows: `X` has the defect."""
    rows = [{"recorded_at": MONDAY + hour * HOUR} for hour, mark in enumerate(course) if mark == "X"]
    return table("data_quality", rows, kind=kind, value=2.0 if kind == "stuck" else None, **every)


def exceeding(scored: pl.DataFrame, quality: pl.DataFrame | None = None, rules: AlarmRules = RULES) -> pl.DataFrame:
    """All exceedances in their contract, folded at once."""
    windows = beyond(scored, table("data_quality").clear() if quality is None else quality, rules)
    return finished("exceedances", folded(windows, table("exceedances").clear(), rules))


def hour_of(at: datetime | None) -> int | None:
    return None if at is None else int((at - MONDAY) / HOUR)
