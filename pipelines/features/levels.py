"""Learned levels: at which values of a sensor a machine is off, idle and running, from its own first windows."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

WINDOWS = 144
"""First windows that are learned from; what comes later moves nothing. A day of ten minutes, six days of hours."""
LEAST = 8
"""Windows a level must show in, one in eighteen: a few stray ones are none."""
APART = 3.0
"""Least distance of two levels in the sum of their spreads (1.4826 x median absolute deviation)."""
BELOW = 0.6
"""A level counts as another than running up to this share of the running level: two paces are no two states."""
OFF = 0.1
"""Up to this share of the running level a machine is off, not idle."""
SIGMA = 1.4826
Array = NDArray[np.float64]


class Levels(NamedTuple):
    """What was learned of one machine.

    Attributes:
        running_above: It runs above this value; None where no two levels are clearly apart, or not learned yet.
        idle_above: It idles above this one; None where what does not run is off.
        until: End of the windows that were learned from; None until there are enough.
        reason: Why there are no levels: `learning` or `one_level`.
    """

    running_above: float | None = None
    idle_above: float | None = None
    until: datetime | None = None
    reason: str | None = "learning"


def learned(windows: pl.DataFrame) -> dict[str, Levels]:
    """Levels of each machine from its first windows in event time: the same whatever the order of arrival.

    Args:
        windows: `machine_id`, `recorded_at`, `window_s` and `level`, the median of the rule's sensor; null where it
            said nothing, such windows do not count.
    """
    spoken = windows.drop_nulls("level").sort("machine_id", "recorded_at")
    told = {}
    for (name,), own in spoken.partition_by("machine_id", as_dict=True, maintain_order=True).items():
        if own.height < WINDOWS:
            told[str(name)] = Levels()
            continue
        first = own.head(WINDOWS)
        start, length = first.select("recorded_at", "window_s").row(-1)
        told[str(name)] = split(first["level"].to_numpy())._replace(until=start + timedelta(seconds=length))
    return told


def standing(states: pl.DataFrame) -> dict[str, Levels]:
    """What the rows of `operating_states` say was learned; all rows of a machine say the same."""
    newest = states.filter(pl.col("basis") == "learned").unique("machine_id")
    return {
        row["machine_id"]: Levels(
            row["running_above"],
            row["idle_above"],
            row["learned_until"],
            None if row["reason"] == "silent" else row["reason"],
        )
        for row in newest.to_dicts()
    }


def unsettled(levels: Mapping[str, Levels], since: Mapping[str, datetime]) -> list[str]:
    """Machines whose levels may be others now: not complete, or a window that they were learned from changed.

    Args:
        levels: As they stand.
        since: Of each machine in question the earliest moment that changed.
    """

    def is_settled(name: str, at: datetime) -> bool:
        until = levels[name].until if name in levels else None
        return until is not None and until <= at

    return [name for name, at in since.items() if not is_settled(name, at)]


def split(values: Array) -> Levels:
    """Two or three levels of a sensor that rises with what the machine does, where they are clearly apart.

    The values are cut where the absolute deviations from the medians of the groups are least (k-medians, which in one
    dimension every cut can be tried for). Three groups are off, idle and running, if neighbours are apart; else two are
    running and, by its distance from zero, off or idle; else there is one level. The border lies in the middle of the
    gap.

    Example:
        >>> split(np.repeat([0.0, 100.0], [20, 80]))[:2]
        (50.0, None)
        >>> split(np.repeat([0.0, 30.0, 100.0], [20, 20, 60]))[:2]
        (65.0, 15.0)
        >>> split(np.linspace(50.0, 100.0, 100)).reason
        'one_level'
    """
    ordered = np.sort(values)
    first, second, only = _cuts(ordered)
    off, idle, running = ordered[:first], ordered[first:second], ordered[second:]
    if off.size and _are_apart(off, idle) and _are_apart(idle, running) and _share(idle, running) > OFF:
        return Levels(_border(idle, running), _border(off, idle), reason=None)
    resting, running = ordered[:only], ordered[only:]
    if resting.size and _are_apart(resting, running):
        idle_above = float(OFF * np.median(running)) if _share(resting, running) > OFF else None
        return Levels(_border(resting, running), idle_above, reason=None)
    return Levels(reason="one_level")


def _cuts(ordered: Array) -> tuple[int, int, int]:
    """Where values in order are best cut into three (first and second cut) and into two; 0 where they are too few."""
    n = ordered.size
    sums = np.concatenate([[0.0], np.cumsum(ordered - ordered[n // 2])])
    start, stop = np.arange(n + 1)[:, None], np.arange(n + 1)[None, :]
    middle = start + stop
    cost = sums[stop] - sums[(middle + 1) // 2] - sums[middle // 2] + sums[start]  # above the median less below it
    cost = np.where(stop - start >= LEAST, cost, np.inf)
    three = cost[0][:, None] + cost + cost[:, n][None, :]
    first, second = np.unravel_index(np.argmin(three), three.shape)
    only = np.argmin(cost[0] + cost[:, n])
    return int(first), int(second), int(only)


def _are_apart(lower: Array, upper: Array) -> bool:
    low, high = np.median(lower), np.median(upper)
    if (
        not lower[-1] <= (low + high) / 2 <= upper[0]
    ):  # a group that was filled up to the least size with its neighbours
        return False
    spread = SIGMA * (np.median(np.abs(lower - low)) + np.median(np.abs(upper - high)))
    return bool(high > 0 and low <= BELOW * high and high - low >= APART * spread)


def _share(lower: Array, upper: Array) -> float:
    return float(np.median(lower) / np.median(upper))


def _border(lower: Array, upper: Array) -> float:
    return float((lower[-1] + upper[0]) / 2)
