"""The health index: the way left from each machine's present level to its declared end of life."""

import polars as pl

from pipelines.contracts.machines import MODES
from pipelines.contracts.vocabulary import RAN

ANY = "any"
KEYS = ["machine_id", "failure_mode"]
VERSION = "way-to-threshold/2"


def health_index(
    features: pl.DataFrame, scores: pl.DataFrame, machines: pl.DataFrame, baselines: pl.DataFrame
) -> pl.DataFrame:
    """Health of every declared failure mode in every running window; of `any` mode where none is declared.

    Where a threshold is declared, health = (threshold - value) / (threshold - healthy level), within [0, 1], with the
    healthy level of the machine's baseline; 0 if that level lies beyond the threshold in the declared direction: the
    function was lost before anybody looked. Elsewhere health = 1 - score.

    Args:
        features: `window_features` contract of one source.
        scores: `anomaly_scores` contract of the same windows.
        machines: `machines` contract.
        baselines: `baselines` contract.
    Returns:
        Columns of `health_index` without `day` and `run_id`.
    """
    modes = machines.select("machine_id", mode="failure_modes").explode("mode")
    declared = modes.with_columns(pl.col("mode").cast(MODES.inner)).unnest("mode").drop_nulls("failure_mode")
    running = features.filter(pl.col("state").is_in(RAN))
    values = running.join(declared, on=["machine_id", "sensor"]).select(
        "source", *KEYS, "recorded_at", "window_s", "sensor", "threshold", "direction", value="mean"
    )
    levels = values.join(_levels(baselines), on=["machine_id", "sensor"], how="left")
    way = pl.col("threshold") - pl.col("healthy_level")
    left = ((pl.col("threshold") - pl.col("value")) / way).clip(0.0, 1.0).fill_nan(0.0)
    is_lost = ((pl.col("direction") == "above") & (way <= 0)) | ((pl.col("direction") == "below") & (way >= 0))
    measured = levels.with_columns(health=pl.when(is_lost).then(0.0).otherwise(left)).drop("direction")
    undeclared = scores.filter(
        pl.col("state").is_in(RAN) & ~pl.col("machine_id").is_in(declared["machine_id"].unique().implode())
    )
    scored = undeclared.select(
        "source", "machine_id", "recorded_at", "window_s", failure_mode=pl.lit(ANY), health=1.0 - pl.col("score")
    )
    return pl.concat([measured, scored], how="diagonal_relaxed").sort(*KEYS, "recorded_at")


def _levels(baselines: pl.DataFrame) -> pl.DataFrame:
    """Healthy level and spread by machine and sensor."""
    sensors = baselines.select("machine_id", "sensors").explode("sensors").drop_nulls("sensors").unnest("sensors")
    return sensors.select("machine_id", "sensor", healthy_level="level", healthy_spread="spread")
