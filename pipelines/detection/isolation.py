"""Isolation forest: windows whose combination of values is rare, even where each value alone is common."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest

Array = NDArray[np.float64]
TREES = 64
FOLDS = 3


def fit_forest(healthy: Array, *, seed: int) -> IsolationForest:
    """Forest on healthy windows, shape (windows, columns), finite."""
    return IsolationForest(n_estimators=TREES, random_state=seed).fit(healthy)


def statistic(forest: IsolationForest, values: Array) -> Array:
    """Isolation of each window, shape (windows,), in (0, 1); high is worse. scikit-learn's sign is flipped here."""
    return np.asarray(-forest.score_samples(values), dtype=np.float64)


def unseen_statistic(healthy: Array, *, seed: int) -> Array:
    """Isolation of each healthy window by a forest that did not see its stretch of time.

    A forest finds its own training windows too ordinary; calibrated on them, every new window would look odd.
    """
    bounds = np.linspace(0, healthy.shape[0], FOLDS + 1).astype(int)
    out = np.empty(healthy.shape[0])
    for start, stop in pairwise(bounds):
        seen = np.delete(healthy, np.s_[start:stop], axis=0)
        out[start:stop] = statistic(fit_forest(seen, seed=seed), healthy[start:stop])
    return out
