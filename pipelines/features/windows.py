"""Window statistics of slow signals: what a sensor did in ten minutes or an hour."""

from datetime import datetime, timedelta

import polars as pl

KEYS = ["source", "machine_id", "sensor"]
MOST_SPANS = 1000
VERSION = "window-features/1"


def touched_spans(changed: pl.DataFrame, *, every: str, most: int = MOST_SPANS) -> list[tuple[datetime, datetime]]:
    """Windows that the changed rows lie in, neighbours joined; too many are widened to whole days.

    Args:
        changed: Rows with `recorded_at`.
        every: Length of a window, such as `1h`.
        most: Beyond so many spans days cost less than telling them apart.
    """
    if changed.is_empty():
        return []
    start = pl.col("since")
    for width in (every, "1d"):
        spans = (
            changed.select(since=pl.col("recorded_at").dt.truncate(width))
            .unique()
            .sort("since")
            .with_columns(run=(start != start.shift(1).dt.offset_by(width)).fill_null(True).cum_sum())
            .group_by("run")
            .agg(start.min(), until=start.max().dt.offset_by(width))
            .sort("since")
            .select("since", "until")
        )
        if spans.height <= most:
            break
    return spans.rows()


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
            window_s=pl.lit(int(window_length(every).total_seconds()), pl.Int64),
        )
        .sort("machine_id", "sensor", "recorded_at")
    )


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
