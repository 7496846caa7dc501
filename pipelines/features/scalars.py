"""What is followed of each snapshot: single numbers that go on into windows, as readings of a sensor do."""

from collections.abc import Mapping
from types import MappingProxyType

import polars as pl

FOLLOWED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "vibration_features": (
            "rms",
            "kurtosis",
            "crest",
            "velocity_rms_mm_s",
            "spectral_centroid_hz",
            "bpfo_db",
            "bpfi_db",
            "bsf_db",
            "ftf_db",
        ),
        "sound_features": (
            "spectral_centroid_mean",
            "spectral_bandwidth_mean",
            "zero_crossing_rate_mean",
            "rms_variation",
            *(f"tone_{band}" for band in range(1, 9)),
        ),
    }
)
"""By table. Of sound those that hold at any gain: a microphone that was moved is no fault of the machine."""

MOST = 1e12
"""Bound of any reading: a velocity, integrated, can lie beyond it."""


def scalars(table: str, features: pl.DataFrame) -> pl.DataFrame:
    """The followed numbers as readings, such as `horizontal_g.rms`; what is null or no reading can be has no row.

    Args:
        table: Whose contract `features` keeps, one of `FOLLOWED`.
        features: One row a snapshot and channel.
    Returns:
        Columns source, machine_id, sensor, recorded_at, value, quality, batch_seq.
    """
    rows = features.unpivot(
        FOLLOWED[table],
        index=["source", "machine_id", "sensor", "recorded_at", "batch_seq"],
        variable_name="scalar",
        value_name="value",
    ).filter(pl.col("value").abs() <= MOST)
    sensor = pl.concat_str("sensor", "scalar", separator=".")
    return rows.select(
        "source", "machine_id", sensor, "recorded_at", "value", pl.lit("good").alias("quality"), "batch_seq"
    )
