"""Tables with a column for each sensor, made long: one row a value."""

from collections.abc import Mapping

import polars as pl

from pipelines.importers.parsed import READ


def long_readings(frame: pl.DataFrame, values: Mapping[str, pl.Series]) -> pl.DataFrame:
    """Readings in the columns of `READ`; where there is no value or no moment there is no row.

    Args:
        frame: `machine_id`, `at` and `batch_row` of every row.
        values: Of every row, by sensor.
    """
    wide = pl.DataFrame(dict(values), schema_overrides=dict.fromkeys(values, pl.Float64))
    return (
        wide.with_columns(frame["machine_id"], frame["batch_row"], frame["at"].alias("recorded_at"))
        .unpivot(
            list(values), index=["machine_id", "recorded_at", "batch_row"], variable_name="sensor", value_name="value"
        )
        .drop_nulls(["value", "recorded_at"])
        .with_columns(quality=pl.lit("good"))
        .select(READ.names())
    )
