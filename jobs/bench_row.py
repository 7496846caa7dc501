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
