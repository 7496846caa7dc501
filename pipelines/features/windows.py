"""Window statistics of slow signals: what a sensor did in ten minutes or an hour."""

from datetime import timedelta

import polars as pl

KEYS = ["source", "machine_id", "sensor"]
VERSION = "window-features/1"


def windows_of(readings: pl.DataFrame, *, every: str) -> pl.DataFrame:
    """The windows that readings lie in, as columns `recorded_at` and `window_s`; of none, whatever came.

    Args:
        readings: Rows with `recorded_at`; empty (also without columns) where nothing changed.
        every: Length of a window, such as `1h`.
    """
    if readings.is_empty():
        return readings
    starts = readings.select(pl.col("recorded_at").dt.truncate(every)).unique()
    return starts.with_columns(window_s=_seconds(every))


def window_features(readings: pl.DataFrame, machines: pl.DataFrame, *, every: str) -> pl.DataFrame:
    """Statistics of every sensor in every window that holds a reading.

    Args:
        readings: Current readings, whole windows of them; `bad` ones are left out.
        machines: `machines` contract; its running rule gives the state, machines without one are `unknown`.
        every: Length of a window; windows begin at whole multiples of it.
    Returns:
        Columns of `window_features` without `day` and `run_id`, one row a machine, sensor and window.
    """
    at, value, hours = pl.col("recorded_at"), pl.col("value"), pl.col("hours")
    stats = (
        readings.filter(pl.col("quality") != "bad")
        .sort(*KEYS, "recorded_at")
        # into the window and over all rows at once: within each group it would cost three times as much
        .with_columns(
            recorded_at=at.dt.truncate(every), hours=(at - at.dt.truncate(every)).dt.total_microseconds() / 3.6e9
        )
        .group_by(*KEYS, "recorded_at", maintain_order=True)
        .agg(
            n=pl.len().cast(pl.Int64),
            mean=value.mean(),
            std=value.std(),
            min=value.min(),
            max=value.max(),
            spread=hours.var(),
            covariance=pl.cov(hours, value),
            batch_seq=pl.col("batch_seq").max(),
        )
        # least squares; null where fewer than two moments differ
        .with_columns(slope_per_h=pl.when(pl.col("spread") > 0).then(pl.col("covariance") / pl.col("spread")))
        .drop("spread", "covariance")
    )
    return (
        stats.join(_states(readings, machines, every=every), on=["machine_id", "recorded_at"], how="left")
        .with_columns(
            state=pl.col("state").fill_null("unknown"),
            window_s=_seconds(every),
        )
        .sort("machine_id", "sensor", "recorded_at")
    )


def _seconds(every: str) -> pl.Expr:
    return pl.lit(int(window_length(every).total_seconds()), pl.Int64)


def window_length(every: str) -> timedelta:
    """`10m` or `1h` as a length of time."""
    unit = {"m": "minutes", "h": "hours"}[every[-1]]
    return timedelta(**{unit: int(every[:-1])})


def _states(readings: pl.DataFrame, machines: pl.DataFrame, *, every: str) -> pl.DataFrame:
    """State by machine and window, where the machine declares a running rule and its sensor spoke."""
    rules = machines.filter(pl.col("running_sensor").is_not_null()).select(
        "machine_id", "running_above", sensor="running_sensor"
    )
    share = pl.col("share")
    return (
        readings.join(rules, on=["machine_id", "sensor"])
        .filter(pl.col("quality") != "bad")
        .group_by("machine_id", pl.col("recorded_at").dt.truncate(every))
        .agg(share=(pl.col("value") > pl.col("running_above")).mean())
        .select(
            "machine_id",
            "recorded_at",
            state=pl.when(share == 1)
            .then(pl.lit("running"))
            .when(share == 0)
            .then(pl.lit("stopped"))
            .otherwise(pl.lit("mixed")),
        )
    )
