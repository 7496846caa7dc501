"""`smartmaint bench windows`: every descriptor of a window against the bare Polars expression, and against TSFEL."""

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from jobs.bench_row import median_seconds, row
from pipelines.contracts.enforce import empty
from pipelines.contracts.registry import CONTRACTS
from pipelines.features.windows import window_features
from pipelines.simulation.plant import simulate

REPEATS = 7
GOAL = 0.5  # the least that may be left of the bare speed
TSFEL_GOAL = 50.0
TSFEL_WINDOWS = 200
EVERY = "1h"
SERIES = ["machine_id", "sensor"]


def windows() -> list[dict[str, Any]]:
    """Window features of the simulated plant against both; TSFEL is given a sample of the same windows."""
    readings = simulate(seed=1, days=30).readings.with_columns(
        source=pl.lit("plant"), quality=pl.lit("good"), batch_seq=pl.lit(1, pl.Int64)
    )
    states = empty(CONTRACTS["operating_states"])
    sample = readings.group_by(*SERIES, pl.col("recorded_at").dt.truncate(EVERY), maintain_order=True).agg("value")
    signals = [np.array(values) for values in sample["value"].head(TSFEL_WINDOWS).to_list()]

    def ours() -> object:
        return window_features(readings, states, every=EVERY)

    def bare() -> object:
        return bare_features(readings, every=EVERY)

    def theirs() -> object:
        return [[describe(signal) for describe in features] for signal in signals]

    features = tsfel_features()
    speed, baseline = (readings.height / median_seconds(work, repeats=REPEATS) for work in (ours, bare))
    tsfel = sum(map(len, signals)) / median_seconds(theirs, repeats=3)
    return [
        row("readings to window features", speed, baseline, "rows/s", goal=GOAL, met=speed / baseline >= GOAL),
        row("the same against TSFEL", speed, tsfel, "rows/s", goal=TSFEL_GOAL, met=speed / tsfel >= TSFEL_GOAL),
    ]


def bare_features(readings: pl.DataFrame, *, every: str) -> pl.DataFrame:
    """Every descriptor of `window_features` as one plain expression in Polars."""
    at, value = pl.col("recorded_at"), pl.col("value")
    hours, deviation, gap = at.dt.epoch("us") / 3.6e9, value - value.mean(), at.diff().dt.total_microseconds()
    bins = ((value - value.min()) / (value.max() - value.min()) * 16).floor().clip(0, 15).fill_nan(0)
    missing = (gap / gap.median() - 0.5).floor().clip(0).sum()
    return (
        readings.sort("recorded_at")
        .group_by_dynamic("recorded_at", every=every, group_by=SERIES)
        .agg(
            n=pl.len(),
            mean=value.mean(),
            std=value.std(),
            min=value.min(),
            max=value.max(),
            slope_per_h=pl.cov(hours, value) / hours.var(),
            median=value.median(),
            iqr=value.quantile(0.75, "linear") - value.quantile(0.25, "linear"),
            autocorrelation=(deviation * deviation.shift()).sum() / (deviation**2).sum(),
            energy=(value**2).mean(),
            entropy_bits=bins.unique_counts().entropy(base=2),
            change_per_h=value.diff().abs().sum() / (hours.last() - hours.first()),
            missing_share=missing / (missing + pl.len()),
            batch_seq=pl.col("batch_seq").max(),
        )
    )


def tsfel_features() -> list[Callable[[NDArray[np.float64]], object]]:
    """Functions of TSFEL that say what the descriptors say.

    In their order: mean, std, min, max, slope, median, interquartile range, autocorrelation, energy, entropy, rate of
    change. TSFEL has no share of missing readings: it knows no times.
    """
    import tsfel

    return [
        tsfel.calc_mean,
        tsfel.calc_std,
        tsfel.calc_min,
        tsfel.calc_max,
        tsfel.slope,
        tsfel.calc_median,
        tsfel.interq_range,
        tsfel.autocorr,
        lambda signal: tsfel.average_power(signal, 1),
        tsfel.entropy,
        tsfel.mean_abs_diff,
    ]
