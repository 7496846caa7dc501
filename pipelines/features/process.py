"""Process physics: sensors that nobody mounted, computed of those that are there. Declared in the vocabulary."""

import polars as pl

from pipelines.contracts.vocabulary import DERIVED, Derived

MOMENT = ["source", "machine_id", "recorded_at"]
MOST = 1e12
"""Beyond the bounds of a reading nothing is derived."""


def derived_readings(measured: pl.DataFrame, *, every: str) -> pl.DataFrame:
    """Values of the derived sensors, at the moments at which all their inputs were read.

    A machine that measures a sensor of the name itself in a window is believed: nothing is derived there.

    Args:
        measured: Columns source, machine_id, sensor, recorded_at, value, batch_seq; whole windows, `bad` ones left out.
        every: Length of a window.
    Returns:
        The same columns; `batch_seq` is the newest of the inputs'.
    """
    present = set(measured["sensor"].unique())
    told = [_derived(measured, sensor) for sensor in DERIVED.values() if present.issuperset(sensor.inputs)]
    derived = pl.concat(told) if told else measured.clear()
    if present.isdisjoint(derived["sensor"].unique()):
        return derived
    window = pl.col("recorded_at").dt.truncate(every).alias("window")
    own = measured.select("machine_id", "sensor", window).unique()
    return derived.with_columns(window).join(own, on=["machine_id", "sensor", "window"], how="anti").drop("window")


def _derived(measured: pl.DataFrame, sensor: Derived) -> pl.DataFrame:
    first, second = (
        measured.filter(pl.col("sensor") == name).select(*MOMENT, "value", "batch_seq") for name in sensor.inputs
    )
    a, b = pl.col("value"), pl.col("value_second")
    value = {"product": a * b, "difference": a - b}[sensor.operation] * sensor.factor
    return (
        first.join(second, on=MOMENT, suffix="_second", maintain_order="left")
        .select(
            "source",
            "machine_id",
            "recorded_at",
            sensor=pl.lit(sensor.name),
            value=value,
            batch_seq=pl.max_horizontal("batch_seq", "batch_seq_second"),
        )
        .filter(pl.col("value").abs() <= MOST)
        .select(measured.columns)
    )
