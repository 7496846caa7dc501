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


def machine_matrix(features: pl.DataFrame) -> Matrix:
    """Matrix of one machine's window features (contract columns, any order of rows).

    The spread enters as its logarithm: it is positive and skewed, and a stuck sensor has none. `-inf` stands for a
    spread of zero and is bounded where the baseline's scale is known.
    """
    long = (
        features.select("recorded_at", "window_s", "state", "sensor", "mean", std=pl.col("std").log())
        .unpivot(STATISTICS, index=["recorded_at", "window_s", "state", "sensor"])
        .with_columns(column=pl.concat_str("sensor", pl.lit(":"), "variable"))
    )
    wide = long.pivot("column", index=["recorded_at", "window_s", "state"], values="value").sort("recorded_at")
    columns = tuple(sorted(wide.columns[3:]))
    values = wide.select(columns).cast(pl.Float64).fill_null(float("nan")).to_numpy().astype(np.float64)
    return Matrix(wide.select("recorded_at", "window_s", "state"), columns, values)
