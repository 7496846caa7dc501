"""Physical limits: what no sensor of a name can have measured. Declared in the vocabulary."""

import polars as pl

from pipelines.contracts.vocabulary import PHYSICAL

UNKNOWN = (-1e12, 1e12)
"""Of a name that says nothing of its quantity: the bounds of any reading."""
_ENDINGS = sorted(PHYSICAL, key=len, reverse=True)


def physical_range(sensor: str) -> tuple[float, float]:
    """Smallest and largest value that a sensor of this name can measure, both possible.

    Example:
        >>> physical_range("oil_temperature_c"), physical_range("sensor_04")
        ((-273.15, 2000.0), (-1000000000000.0, 1000000000000.0))
    """
    return next((PHYSICAL[ending] for ending in _ENDINGS if f"_{sensor}".endswith(f"_{ending}")), UNKNOWN)


def is_physical(sensor: str = "sensor", value: str = "value") -> pl.Expr:
    """Whether each value lies in the physical range of its sensor; false for NaN, null where the value is null.

    Args:
        sensor: Column of the names.
        value: Column of the values.
    """
    low, high = (_bound(pl.col(sensor), place) for place in (0, 1))
    return pl.col(value).is_between(low, high)


def _bound(sensor: pl.Expr, place: int) -> pl.Expr:
    """Bound by sensor, looked up once for each name: there are few of them among many readings."""

    def bounds(names: pl.Series) -> pl.Series:
        known = {name: physical_range(name)[place] for name in names.unique().drop_nulls()}
        return names.replace_strict(known, return_dtype=pl.Float64).cast(pl.Float64)  # of no name it stays text

    return sensor.map_batches(bounds, return_dtype=pl.Float64, is_elementwise=True)
