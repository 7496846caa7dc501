"""What every benchmark tells: one row for each thing measured, beside its baseline; and how a short one is timed."""

import statistics
import time
from collections.abc import Callable
from typing import Any


def row(what: str, ours: float, baseline: float, unit: str, *, goal: float | None, met: bool | None) -> dict[str, Any]:
    """One line of the table; what never ended (infinite) is null."""
    told = {"ours": _finite(ours), "baseline": _finite(baseline), "ratio": _finite(ours / baseline)}
    return {"what": what, **told, "unit": unit, "goal": goal, "met": met}


def median_seconds(work: Callable[[], object], *, repeats: int) -> float:
    """Wall time of a piece of work, after one try that counts for nothing."""
    work()
    seconds = []
    for _ in range(repeats):
        begun = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds)


def _finite(value: float) -> float | None:
    return round(value, 3) if value < float("inf") else None


def interleaved(
    ours: Callable[[], Callable[[], object]], baseline: Callable[[], Callable[[], object]], *, repeats: int
) -> tuple[float, float]:
    """Median seconds of two works, taken in turns so that a noisy machine is noisy for both.

    Args:
        ours: Makes ready, untimed, and gives what is timed.
        baseline: Likewise.
        repeats: Of each; one more before them is not counted.
    """
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats + 1):
        for seconds, make_ready in zip(taken, (ours, baseline), strict=True):
            work = make_ready()
            begun = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - begun)
    return statistics.median(taken[0][1:]), statistics.median(taken[1][1:])
