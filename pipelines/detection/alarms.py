"""Alarms: k of n exceedances begin an episode, a quiet gap ends it."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from pipelines.identity import stable_id


@dataclass(frozen=True)
class AlarmRules:
    """When a run of scores is an alarm.

    Attributes:
        threshold: Score from which a window exceeds.
        k: Exceedances ...
        n: ... among this many scored windows in a row that raise the alarm.
        gap: Quiet time after which the next exceedance begins a new episode.
    """

    threshold: float = 0.999
    k: int = 6
    n: int = 8
    gap: timedelta = timedelta(hours=24)

    @property
    def version(self) -> str:
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]


def alarms(scores: pl.DataFrame, rules: AlarmRules = AlarmRules()) -> pl.DataFrame:
    """Episodes in the scores of one source.

    Args:
        scores: `anomaly_scores` contract, all windows of the source; windows without a score are passed over.
        rules: When a run of scores is an alarm.
    Returns:
        Columns of `alarms` without `day` and `run_id`, one row an episode. An exceedance belongs to the episode it
        lies no further than `gap` from; a run that never reaches k of n is no episode.
    """
    by = pl.col("machine_id")
    end = pl.col("recorded_at") + pl.duration(seconds=pl.col("window_s"))
    timed = scores.sort("machine_id", "recorded_at").with_columns(end=end)
    scored = timed.with_columns(newest=pl.col("end").max().over(by)).drop_nulls("score")
    exceeds = pl.col("score") >= rules.threshold
    hot = exceeds.cast(pl.Int64).rolling_sum(rules.n, min_samples=rules.k).over(by) >= rules.k
    late = pl.col("recorded_at") - pl.col("end").shift(1).over(by) > rules.gap
    runs = (
        scored.with_columns(hot=hot.fill_null(False) & exceeds)
        .filter(exceeds)
        .with_columns(episode=late.fill_null(True).cum_sum().over(by))
        .group_by("source", "machine_id", "episode", maintain_order=True)
        .agg(
            started_at=pl.col("recorded_at").min(),
            raised_at=pl.col("end").filter(pl.col("hot")).min(),
            last_at=pl.col("end").max(),
            is_open=pl.col("newest").first() - pl.col("end").max() <= rules.gap,
            exceedances=pl.len().cast(pl.Int64),
            peak_score=pl.col("score").max(),
            mean_score=pl.col("score").mean(),
            top_sensor=pl.col("top_sensor").mode().sort().first(),
            deviating_sensors=pl.col("deviating_sensors").max(),
            model_version=pl.col("model_version").first(),
            sensors=pl.col("top_sensor"),
            z=pl.col("top_z"),
        )
        .drop_nulls("raised_at")
    )
    return _described(runs, rules)


def _described(runs: pl.DataFrame, rules: AlarmRules) -> pl.DataFrame:
    ids = [stable_id("alarm", machine, "anomaly", at) for machine, at in runs.select("machine_id", "started_at").rows()]
    leading = [
        pl.Series([z for s, z in zip(sensors, values, strict=True) if s == top]).median()
        for sensors, values, top in runs.select("sensors", "z", "top_sensor").rows()
    ]
    return runs.drop("episode", "sensors", "z").with_columns(
        alarm_id=pl.Series(ids, dtype=pl.String),
        top_z=pl.Series(leading, dtype=pl.Float64),
        kind=pl.lit("anomaly"),
        threshold=pl.lit(rules.threshold),
        supersedes=pl.lit(None, pl.String),
        rules_version=pl.lit(rules.version),
    )
