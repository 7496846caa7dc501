"""Data quality: which sensors fell silent or stand still, seen from what they did when the machine was healthy."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime

import polars as pl

from pipelines.contracts.vocabulary import RAN

ALWAYS = 0.9
"""Share of healthy windows from which a sensor counts as one that speaks in every window."""
NEVER = 0.01
"""Share of healthy windows up to which a sensor counts as one that never stands still."""
FOLLOWS_FROM = ("healthy_until", "sensors")
"""What the judgement takes from a baseline."""
Span = tuple[datetime, datetime]
VERSION = hashlib.sha256(f"silent-and-stuck/1|{ALWAYS}|{NEVER}".encode()).hexdigest()[:16]


def data_quality(features: pl.DataFrame, baselines: pl.DataFrame, *, newest: datetime | None) -> pl.DataFrame:
    """Defects of every sensor in windows that are over.

    A sensor is *silent* where it has no reading in a window in which the source spoke, although it spoke in nearly
    every healthy window. It is not, while its machine stands still. It is *stuck* where two readings or more in a
    window of running are all alike, although it never stood still when healthy. Nothing is judged before the healthy
    span is over, and a window is over as soon as the source has spoken in a later one.

    Args:
        features: `window_features` contract: all rows of whole windows of the source.
        baselines: `baselines` contract.
        newest: Start of the newest window of the source; it and later ones are not judged.
    Returns:
        Columns of `data_quality` without `day` and `run_id`.
    """
    measured = features.filter(~pl.col("is_derived"))  # of a derived one its inputs are judged
    over = measured.filter(pl.col("recorded_at") < newest) if newest is not None else measured.clear()
    expected = (
        baselines.drop_nulls("healthy_until")
        .select("source", "machine_id", "healthy_until", "sensors")
        .explode("sensors")
        .drop_nulls("sensors")
        .unnest("sensors")
    )
    return pl.concat([_silent(over, expected), _stuck(over, expected)]).sort("machine_id", "sensor", "recorded_at")


def ended(touched: Sequence[Span], before: Callable[[datetime], datetime | None]) -> datetime | None:
    """The untouched window that is to be judged too: it was the newest before others came, or is it now that they went.

    Args:
        touched: Spans of the windows that changed, in order and apart.
        before: Start of the newest window of the source before a moment; None where there is none.
    """
    for since, _ in reversed(touched):
        moment = before(since)
        if moment is None or not any(start <= moment < end for start, end in touched):
            return moment
    return None


def _silent(features: pl.DataFrame, expected: pl.DataFrame) -> pl.DataFrame:
    windows = features.select("recorded_at", "window_s").unique("recorded_at")
    states = features.group_by("machine_id", "recorded_at").agg(pl.col("state").first())
    # a machine of which no sensor spoke has no state: it is judged, as nobody said that it stands still
    return (
        expected.filter(pl.col("present_share") >= ALWAYS)
        .join(windows, how="cross")
        .filter(pl.col("recorded_at") >= pl.col("healthy_until"))
        .join(features, on=["machine_id", "sensor", "recorded_at"], how="anti")
        .join(states, on=["machine_id", "recorded_at"], how="left")
        .filter(pl.col("state").is_null() | pl.col("state").is_in(RAN))
        .select(*_KEY, "window_s", kind=pl.lit("silent"), value=pl.lit(None, pl.Float64))
    )


def _stuck(features: pl.DataFrame, expected: pl.DataFrame) -> pl.DataFrame:
    moving = expected.filter(pl.col("still_share") <= NEVER).select("machine_id", "sensor", "healthy_until")
    return (
        features.filter((pl.col("n") >= 2) & (pl.col("min") == pl.col("max")) & pl.col("state").is_in(RAN))
        .join(moving, on=["machine_id", "sensor"])
        .filter(pl.col("recorded_at") >= pl.col("healthy_until"))
        .select(*_KEY, "window_s", kind=pl.lit("stuck"), value="min")
    )


_KEY = ("source", "machine_id", "sensor", "recorded_at")
