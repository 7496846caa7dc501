"""Robust z: distance from the healthy median in units of the healthy spread, column by column."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
SIGMA = 1.4826  # median absolute deviation of a normal distribution to its standard deviation
MOST = 50.0


@dataclass(frozen=True)
class RobustZ:
    """Healthy median and spread of every column, shape (columns,) each."""

    median: Array
    spread: Array

    @classmethod
    def fit(cls, healthy: Array) -> "RobustZ":
        """Learn from healthy windows, shape (windows, columns); NaN and -inf are left out of the statistics."""
        finite = np.where(np.isfinite(healthy), healthy, np.nan)
        empty = np.isnan(finite).all(axis=0)
        finite[:, empty] = 0.0
        median = np.nanmedian(finite, axis=0)
        spread = SIGMA * np.nanmedian(np.abs(finite - median), axis=0)
        # a constant column has no spread: any change of it is then far, but not infinitely far
        floor = np.maximum(np.nanstd(finite, axis=0) * 0.1, np.abs(median) * 1e-3 + 1e-9)
        return cls(median, np.maximum(spread, floor))

    def z(self, values: Array) -> Array:
        """Signed distances, same shape, within +-50; 0 where there is no value: silence is not deviation."""
        z = (values - self.median) / self.spread
        return np.clip(np.where(np.isnan(z), 0.0, z), -MOST, MOST)


def statistic(z: Array) -> Array:
    """Largest absolute z of each window, shape (windows,); high is worse."""
    return np.asarray(np.abs(z).max(axis=1))
