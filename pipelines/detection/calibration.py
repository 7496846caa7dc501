"""From a detector's own statistic to a score in [0, 1]: 1 - the chance that a healthy window looks so or worse."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
TAIL_SHARE = 0.1


@dataclass(frozen=True)
class Tail:
    """Healthy values of a statistic (high is worse), and an exponential tail beyond their 90th percentile.

    A purely empirical rank could never say less than one in n. Above the percentile the chance falls exponentially
    with the mean excess, the peaks-over-threshold limit for light tails (Pickands 1975, Ann. Stat. 3, pp. 119-131).

    Attributes:
        healthy: Shape (n,), ascending.
        start: The 90th percentile.
        mean_excess: Mean of what lies beyond it, above zero.
    """

    healthy: Array
    start: float
    mean_excess: float

    @classmethod
    def fit(cls, healthy: Array) -> "Tail":
        """Learn from the statistic of healthy windows, shape (n,), finite."""
        ordered = np.sort(healthy)
        start = float(np.quantile(ordered, 1 - TAIL_SHARE))
        excess = ordered[ordered > start] - start
        # a constant statistic has no excess: then anything beyond it is as unlikely as can be
        mean_excess = float(excess.mean()) if excess.size else 1e-9
        return cls(ordered, start, max(mean_excess, 1e-9))

    def chance(self, statistic: Array) -> Array:
        """Chance of a healthy value this high or higher, shape of `statistic`, in (0, 1].

        Example:
            >>> tail = Tail.fit(np.arange(100.0))
            >>> tail.chance(np.array([0.0, 50.0, 500.0])).round(2).tolist()
            [1.0, 0.5, 0.0]
        """
        rank = self.healthy.size - np.searchsorted(self.healthy, statistic, side="left")
        body = (rank + 1) / (self.healthy.size + 1)
        beyond = np.maximum(statistic - self.start, 0.0) / self.mean_excess
        tail = (TAIL_SHARE * self.healthy.size + 1) / (self.healthy.size + 1) * np.exp(-beyond)
        # never zero, however far: exp underflows
        return np.maximum(np.where(statistic > self.start, tail, body), np.finfo(np.float64).tiny)


def combined(*chances: Array) -> Array:
    """Score of several detectors: one minus the smallest chance times their number.

    Bonferroni's bound: holds however the detectors depend on each other.
    """
    smallest = np.minimum.reduce(chances)
    return np.asarray(1.0 - np.minimum(1.0, len(chances) * smallest))
