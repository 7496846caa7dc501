"""`smartmaint bench`: our speed as a ratio to a baseline measured in the same run."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import polars as pl

from jobs.bench_growth import growth
from jobs.bench_latency import latency
from pipelines.contracts.enforce import empty
from pipelines.contracts.machines import MACHINES
from pipelines.features.windows import window_features
from pipelines.simulation.plant import simulate

REPEATS = 7


def windows() -> list[dict[str, Any]]:
    """Window features of the simulated plant against the bare Polars expression of the same statistics."""
    readings = simulate(seed=1, days=30).readings.with_columns(
        source=pl.lit("plant"), quality=pl.lit("good"), batch_seq=pl.lit(1, pl.Int64)
    )
    value = pl.col("value")

    def ours() -> object:
        return window_features(readings, empty(MACHINES), every="1h")

    def bare() -> object:
        grouped = readings.sort("recorded_at").group_by_dynamic(
            "recorded_at", every="1h", group_by=["machine_id", "sensor"]
        )
        return grouped.agg(pl.len(), value.mean(), std=value.std(), min=value.min(), max=value.max())

    speed, baseline = readings.height / _median_seconds(ours), readings.height / _median_seconds(bare)
    return [_row("readings to window features", speed, baseline, "rows/s", goal=0.5)]


BENCHES: dict[str, Callable[[], list[dict[str, Any]]]] = {"windows": windows}
LONG = ("latency", "growth")
"""Those that take many minutes unless told to be short: run only when named."""


def run_bench(name: str, *, seconds: float | None, batches: int | None) -> list[dict[str, Any]]:
    """Rows of one benchmark.

    Args:
        name: Which.
        seconds: Of latency: how long each feed lasts.
        batches: Of growth: how many land.
    """
    if name == "latency":
        return latency(seconds=seconds)
    if name == "growth":
        return growth(batches=batches)
    return BENCHES[name]()


def _row(what: str, ours: float, baseline: float, unit: str, *, goal: float) -> dict[str, Any]:
    ratio = ours / baseline
    return {
        "what": what,
        "ours": round(ours),
        "baseline": round(baseline),
        "ratio": round(ratio, 3),
        "unit": unit,
        "goal": goal,
        "met": ratio >= goal,
    }


def _median_seconds(work: Callable[[], object]) -> float:
    work()
    seconds = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds)
