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
    beside = {name: f"/{name}" for name in READ}  # a sensor may be called `value`, but none begins with a stroke
    known = {"machine_id": frame["machine_id"], "batch_row": frame["batch_row"], "recorded_at": frame["at"]}
    return (
        wide.with_columns(column.alias(beside[name]) for name, column in known.items())
        .unpivot(
            list(values),
            index=[beside[name] for name in known],
            variable_name=beside["sensor"],
            value_name=beside["value"],
        )
        .rename({told: name for name, told in beside.items() if name != "quality"})
        .drop_nulls(["value", "recorded_at"])
        .with_columns(quality=pl.lit("good"))
        .select(READ.names())
    )
