"""Window features of one machine as a matrix: a row a window, a column a sensor and statistic."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

Array = NDArray[np.float64]
STATISTICS = ("mean", "std")


@dataclass(frozen=True)
class Matrix:
    """Attributes:
    windows: recorded_at, window_s, state; one row a window, in order of time.
    columns: `sensor:statistic`, sorted.
    values: Shape (windows, columns); NaN where a sensor was silent or its statistic undefined.
    """

    windows: pl.DataFrame
    columns: tuple[str, ...]
    values: Array

    def aligned(self, columns: tuple[str, ...]) -> Array:
        """Values in the order of `columns`; NaN for a column this machine does not have now."""
        at = {name: position for position, name in enumerate(self.columns)}
        out = np.full((self.windows.height, len(columns)), np.nan)
        for position, name in enumerate(columns):
            if name in at:
                out[:, position] = self.values[:, at[name]]
        return out


def machine_matrices(features: pl.DataFrame) -> dict[str, Matrix]:
    """Matrix of each machine's window features (contract columns, any order of rows), in order of machines.

    The spread enters as its logarithm: it is positive and skewed, and a stuck sensor has none. `-inf` stands for a
    spread of zero and is bounded where the baseline's scale is known. One pivot for all machines: a pivot each would
    cost most of what scoring does. Derived sensors are left out: they say what their inputs say once more.
    """
    index = ["machine_id", "recorded_at", "window_s", "state"]
    features = features.filter(~pl.col("is_derived"))
    if features.is_empty():
        return {}
    long = (
        features.select(*index, "sensor", "mean", std=pl.col("std").log())
        .unpivot(STATISTICS, index=[*index, "sensor"])
        .with_columns(column=pl.concat_str("sensor", pl.lit(":"), "variable"))
    )
    wide = long.pivot("column", index=index, values="value").sort("machine_id", "recorded_at")
    columns = np.array(sorted(wide.columns[len(index) :]))
    values = wide.select(columns.tolist()).cast(pl.Float64).fill_null(float("nan")).to_numpy().astype(np.float64)
    spoken = dict(features.group_by("machine_id").agg(pl.col("sensor").unique()).rows())
    windows, matrices, start = wide.select(*index[1:]), {}, 0
    for machine_id, count in wide.group_by("machine_id", maintain_order=True).len().rows():
        rows = slice(start, start + count)
        own = np.array([name.split(":")[0] in spoken[machine_id] for name in columns.tolist()])
        matrices[machine_id] = Matrix(windows[rows], tuple(columns[own].tolist()), values[rows][:, own])
        start += count
    return matrices
