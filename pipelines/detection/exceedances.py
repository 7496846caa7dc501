"""Exceedances: which windows count towards an alarm, and the run of them that each goes on with."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import polars as pl

from pipelines.contracts.enforce import computed
from pipelines.contracts.exceedances import EXCEEDANCES

LONGEST_WINDOW = timedelta(hours=4)


@dataclass(frozen=True)
class AlarmRules:
    """When windows are an alarm.

    Attributes:
        threshold: Score from which a window exceeds.
        k: Exceedances ...
        n: ... within the time of so many windows that raise an anomaly alarm.
        k_defect: The same for a defect of the data ...
        n_defect: ... of which each window is certain.
        gap: Quiet time after which the next exceedance begins a new run.
    """

    threshold: float = 0.999
    k: int = 6
    n: int = 8
    k_defect: int = 3
    n_defect: int = 4
    gap: timedelta = timedelta(hours=24)

    @property
    def version(self) -> str:
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]

    @property
    def look_back(self) -> timedelta:
        """How far before a window the run lies that it may go on with: the gap and the longest window."""
        return self.gap + LONGEST_WINDOW

    def of(self, kind: str) -> tuple[int, int]:
        """k and n of an alarm kind."""
        return (self.k, self.n) if kind == "anomaly" else (self.k_defect, self.n_defect)


RULES = AlarmRules()
LOOK_BACK = RULES.look_back


@dataclass(frozen=True)
class Run:
    """Exceedances of one machine and kind, none further apart than the gap, up to one of them.

    Attributes:
        recent: Starts of the newest windows, as many as it takes to raise; the last is this one.
        leading: By sensor, windows it led and the sum of its robust z in them; the latter is 0 for a defect.
    """

    started_at: datetime
    ends_at: datetime
    windows: int
    raised_at: datetime | None
    score_sum: float
    peak_score: float
    deviating_sensors: int
    leading: Mapping[str, tuple[int, float]]
    model_version: str | None
    recent: tuple[datetime, ...]

    @classmethod
    def begun(cls, window: Mapping[str, Any]) -> "Run":
        """A run before its first window is counted."""
        at = window["recorded_at"]
        return cls(at, at, 0, None, 0.0, 0.0, 0, {}, window["model_version"], ())

    def with_window(self, window: Mapping[str, Any], k: int, n: int) -> "Run":
        """The run after one more exceedance."""
        at, length = window["recorded_at"], timedelta(seconds=window["window_s"])
        recent = (*self.recent, at)[-k:]
        is_raised = len(recent) == k and at - recent[0] <= (n - 1) * length
        led, z_sum = self.leading.get(window["top_sensor"], (0, 0.0))
        leading = {**self.leading, window["top_sensor"]: (led + 1, z_sum + (window["top_z"] or 0.0))}
        return replace(
            self,
            ends_at=at + length,
            windows=self.windows + 1,
            raised_at=self.raised_at or (at + length if is_raised else None),
            score_sum=self.score_sum + window["score"],
            peak_score=max(self.peak_score, window["score"]),
            deviating_sensors=max(self.deviating_sensors, window["deviating_sensors"]),
            leading=leading,
            recent=recent,
        )


def beyond(scores: pl.DataFrame, quality: pl.DataFrame, rules: AlarmRules) -> pl.DataFrame:
    """Windows that count towards an alarm, one row a machine, kind and window.

    Args:
        scores: `anomaly_scores` contract.
        quality: `data_quality` contract.
        rules: From which score on a window exceeds.
    """
    shared = ["source", "machine_id", "recorded_at", "window_s"]
    anomalies = scores.filter(pl.col("score") >= rules.threshold).select(
        *shared, "score", "top_sensor", "top_z", "deviating_sensors", "model_version", kind=pl.lit("anomaly")
    )
    defects = (
        quality.group_by(*shared, "kind")
        .agg(top_sensor=pl.col("sensor").min(), deviating_sensors=pl.len().cast(pl.Int64))
        .with_columns(score=pl.lit(1.0), top_z=pl.lit(None, pl.Float64), model_version=pl.lit(None, pl.String))
    )
    return pl.concat([anomalies, defects.select(anomalies.columns)]).sort("machine_id", "kind", "recorded_at")


def exceedances(windows: pl.DataFrame, carried: pl.DataFrame, rules: AlarmRules = RULES) -> pl.DataFrame:
    """Each window with the run it goes on with.

    Args:
        windows: Of `beyond`, whole from some moment of each machine on.
        carried: `exceedances` contract: those before that moment, as far back as the gap. A run goes on from the last.
        rules: How far apart windows of a run are, and how many raise.
    Returns:
        Columns of `exceedances` without `day` and `run_id`, one row a window.
    """
    before = {key: list(rows) for key, rows in _by_kind(carried)}
    rows = [row for key, new in _by_kind(windows) for row in _folded(_carried(before.get(key, [])), new, key[1], rules)]
    return pl.DataFrame(rows, schema=computed(EXCEEDANCES))


def _folded(
    run: Run | None, windows: Iterable[Mapping[str, Any]], kind: str, rules: AlarmRules
) -> Iterator[dict[str, Any]]:
    k, n = rules.of(kind)
    for window in windows:
        if run is None or window["recorded_at"] - run.ends_at > rules.gap:
            run = Run.begun(window)
        run = run.with_window(window, k, n)
        yield {
            **window,
            "run_started_at": run.started_at,
            "run_windows": run.windows,
            "run_raised_at": run.raised_at,
            "run_score_sum": run.score_sum,
            "run_peak_score": run.peak_score,
            "run_deviating_sensors": run.deviating_sensors,
            "run_leading": [
                {"sensor": sensor, "windows": led, "z_sum": z_sum}
                for sensor, (led, z_sum) in sorted(run.leading.items())
            ],
            "run_model_version": run.model_version,
        }


def _carried(rows: list[Mapping[str, Any]]) -> Run | None:
    """The run that stands at the end of `rows`; None without any."""
    if not rows:
        return None
    last = rows[-1]
    return Run(
        started_at=last["run_started_at"],
        ends_at=last["recorded_at"] + timedelta(seconds=last["window_s"]),
        windows=last["run_windows"],
        raised_at=last["run_raised_at"],
        score_sum=last["run_score_sum"],
        peak_score=last["run_peak_score"],
        deviating_sensors=last["run_deviating_sensors"],
        leading={lead["sensor"]: (lead["windows"], lead["z_sum"]) for lead in last["run_leading"]},
        model_version=last["run_model_version"],
        recent=tuple(row["recorded_at"] for row in rows if row["run_started_at"] == last["run_started_at"]),
    )


def _by_kind(frame: pl.DataFrame) -> Iterator[tuple[tuple[str, str], Iterator[Mapping[str, Any]]]]:
    ordered = frame.sort("machine_id", "kind", "recorded_at").iter_rows(named=True)
    return groupby(ordered, key=lambda row: (row["machine_id"], row["kind"]))
