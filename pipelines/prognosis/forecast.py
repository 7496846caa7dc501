"""The prognosis stage: health index to one forecast a machine and failure mode."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from pipelines.contracts.enforce import computed
from pipelines.contracts.forecasts import FORECASTS
from pipelines.identity import stable_id
from pipelines.prognosis.trend import Series, is_degrading, level, line_crossing

METHOD = "prophet-trend/1"
"""Of `trend` and `prophet_trend`, whose constants are not asked: the latter loads too slowly for it."""
UNDECLARED = {"failure_mode": "any", "sensor": None, "threshold": None, "direction": None}


@dataclass(frozen=True)
class TrendSettings:
    """When to speak, and how.

    Attributes:
        min_windows: Fewer windows of a machine than this are too little data.
        min_medians: Fewer medians than this within `trend_h` are too: a machine back from a long stop shows no trend.
        stale_h: A machine silent or off for longer than this before now is not forecast.
        least_spreads: Deviation of the newest day, in healthy spreads, from which a machine may be degrading.
        least_share: The same as a share of the way to the threshold.
        trend_h: How far back a trend is sought.
        p_value: Of the trend test.
        fit_h: How far back Prophet looks.
        step_h: Step of the medians it sees.
        horizon_h: A crossing later than this is beyond the horizon.
        coverage: Share of failures the interval should hold.
        draws: Futures drawn for the interval.
        seed: Of what is drawn.
    """

    min_windows: int = 48
    min_medians: int = 8
    stale_h: float = 24.0
    least_spreads: float = 3.0
    least_share: float = 0.1
    trend_h: float = 120.0
    p_value: float = 0.01
    fit_h: float = 240.0
    step_h: float = 3.0
    horizon_h: float = 720.0
    coverage: float = 0.9
    draws: int = 200
    seed: int = 1

    @property
    def look_back(self) -> timedelta:
        """How far back anything is looked at."""
        return timedelta(hours=max(self.fit_h, self.trend_h))

    @property
    def version(self) -> str:
        return hashlib.sha256(f"{METHOD}|{self!r}".encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Outlook:
    """What is said: a time with its interval, or a reason; all times in hours."""

    reason: str | None = None
    ttf_h: float | None = None
    ttf_low_h: float | None = None
    ttf_high_h: float | None = None
    model: str | None = None


def moment(end: datetime) -> datetime:
    """When to speak, for a source whose newest window ends at `end`: at the full hour before.

    A machine's life is no matter of minutes, and a plant whose readings come every second is not looked at as often.
    """
    return end.replace(minute=0, second=0, microsecond=0)


def is_outdated(health: pl.DataFrame, machines: pl.DataFrame, issued_at: datetime) -> bool:
    """Whether what was said at `issued_at` must be said anew.

    Args:
        health: Feed of `health_index`; empty (also without columns) where nothing changed.
        machines: Feed of `machines`, the same.
        issued_at: What lies behind it was not looked at.
    """
    if health.is_empty():
        return not machines.is_empty()
    end = pl.col("recorded_at") + pl.duration(seconds="window_s")
    return not machines.is_empty() or bool(health.select((end <= issued_at).any()).item())


def forecasts(
    health: pl.DataFrame, machines: pl.DataFrame, *, issued_at: datetime, settings: TrendSettings = TrendSettings()
) -> pl.DataFrame:
    """One forecast for every failure mode of every machine; one of `any` mode where none is declared.

    Args:
        health: `health_index` contract of one source, `settings.look_back` before `issued_at`; rows behind it are not
            looked at.
        machines: `machines` contract.
        issued_at: Moment to speak from.
        settings: When to speak, and how.
    Returns:
        Columns of `forecasts` without `day` and `run_id`.
    """
    end = pl.col("recorded_at") + pl.duration(seconds="window_s")
    known = health.filter(end <= issued_at).sort("recorded_at")
    said = known.partition_by("machine_id", "failure_mode", as_dict=True)
    rows = [
        _row(said[key], mode["direction"], issued_at, settings)
        if key in said
        else _silent(machine, mode, issued_at, settings)
        for machine in machines.sort("machine_id").to_dicts()
        for mode in sorted(machine["failure_modes"], key=lambda mode: mode["failure_mode"]) or [UNDECLARED]
        if (key := (machine["machine_id"], mode["failure_mode"]))
    ]
    return pl.DataFrame(rows, schema=computed(FORECASTS))


def _silent(
    machine: Mapping[str, Any], mode: Mapping[str, Any], issued_at: datetime, settings: TrendSettings
) -> dict[str, Any]:
    """What is said of a machine that has not run for as long as anybody looks back."""
    return {
        "source": machine["source"],
        "machine_id": machine["machine_id"],
        "forecast_id": stable_id("forecast", machine["machine_id"], mode["failure_mode"], issued_at),
        "failure_mode": mode["failure_mode"],
        "issued_at": issued_at,
        **vars(Outlook("no_threshold" if mode["threshold"] is None else "no_recent_data")),
        "sensor": mode["sensor"],
        "threshold": mode["threshold"],
        "model_version": settings.version,
    }


def _row(rows: pl.DataFrame, direction: str | None, issued_at: datetime, settings: TrendSettings) -> dict[str, Any]:
    newest = rows.row(-1, named=True)
    series = _series(rows, newest, direction, issued_at)
    said = _outlook(series, newest, issued_at, settings)
    line = None if series is None else line_crossing(series)
    recent = rows.filter(pl.col("recorded_at") > newest["recorded_at"] - timedelta(hours=6))
    return {
        "source": newest["source"],
        "machine_id": newest["machine_id"],
        "forecast_id": stable_id("forecast", newest["machine_id"], newest["failure_mode"], issued_at),
        "failure_mode": newest["failure_mode"],
        "issued_at": issued_at,
        **vars(said),
        "nominal_coverage": settings.coverage if said.reason is None else None,
        "linear_ttf_h": line,
        "sensor": newest["sensor"],
        "threshold": newest["threshold"],
        "value": None if _is_stale(newest, issued_at, settings) else recent["value"].median(),
        "model_version": settings.version,
    }


def _outlook(series: Series | None, newest: dict[str, Any], issued_at: datetime, settings: TrendSettings) -> Outlook:
    """The first reason not to speak, or a time to failure."""
    threshold = newest["threshold"]
    if threshold is None or (series is None and threshold == newest["healthy_level"]):  # the latter has no direction
        return Outlook("no_threshold")
    if series is None or series.hours.size < settings.min_windows:
        return Outlook("too_little_data")
    if _is_stale(newest, issued_at, settings):
        return Outlook("no_recent_data")
    if series.distance <= 0 or level(series, span_h=6.0) >= series.distance:
        return Outlook(None, 0.0, 0.0, 0.0)
    if series.last(settings.trend_h).medians(settings.step_h).hours.size < settings.min_medians:
        return Outlook("too_little_data")
    degrades = is_degrading(
        series,
        least_spreads=settings.least_spreads,
        least_share=settings.least_share,
        trend_h=settings.trend_h,
        step_h=settings.step_h,
        p_value=settings.p_value,
    )
    return _extrapolated(series, settings) if degrades else Outlook("not_degrading")


def _is_stale(newest: dict[str, Any], issued_at: datetime, settings: TrendSettings) -> bool:
    end = newest["recorded_at"] + timedelta(seconds=newest["window_s"])
    return bool(issued_at - end > timedelta(hours=settings.stale_h))


def _extrapolated(series: Series, settings: TrendSettings) -> Outlook:
    from pipelines.prognosis.prophet_trend import crossing_times  # a second of imports that most runs do not need

    times = crossing_times(
        series.last(settings.fit_h),
        horizon_h=settings.horizon_h,
        step_h=settings.step_h,
        draws=settings.draws,
        seed=settings.seed,
    )
    tail = (1 - settings.coverage) / 2
    low, median, high = np.quantile(times, [tail, 0.5, 1 - tail], method="higher")
    if not np.isfinite(median):
        return Outlook("beyond_horizon", model="prophet_trend")
    return Outlook(None, float(median), float(low), float(high) if np.isfinite(high) else None, "prophet_trend")


def _series(rows: pl.DataFrame, newest: dict[str, Any], direction: str | None, issued_at: datetime) -> Series | None:
    """The series as seen from `issued_at`; None without both ends, and a direction, to measure the way between."""
    healthy, threshold = newest["healthy_level"], newest["threshold"]
    if healthy is None or threshold is None or (threshold == healthy and direction is None):
        return None
    middle = pl.col("recorded_at") + pl.duration(seconds=pl.col("window_s") / 2)
    hours = rows.select((middle - issued_at).dt.total_seconds() / 3600.0).to_series().to_numpy()
    towards = np.sign(threshold - healthy) if direction is None else {"above": 1.0, "below": -1.0}[direction]
    deviation = towards * (rows["value"].to_numpy() - healthy)
    return Series(hours, deviation, newest["healthy_spread"] or 0.0, towards * (threshold - healthy))
