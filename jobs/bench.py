"""`smartmaint bench`: our speed as a ratio to a baseline measured in the same run."""

from collections.abc import Callable
from typing import Any

import polars as pl

from jobs.bench_growth import growth
from jobs.bench_incidents import found_incidents
from jobs.bench_latency import latency
from jobs.bench_row import median_seconds, row
from jobs.bench_serving import load_speed, query_speed
from jobs.bench_vibration import vibration_speed
from pipelines.contracts.enforce import empty
from pipelines.contracts.machines import MACHINES
from pipelines.features.windows import window_features
from pipelines.simulation.plant import simulate

REPEATS = 7
GOAL = 0.5  # the least that may be left of the bare speed


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

    speed, baseline = (readings.height / median_seconds(work, repeats=REPEATS) for work in (ours, bare))
    met = speed / baseline >= GOAL
    return [row("readings to window features", speed, baseline, "rows/s", goal=GOAL, met=met)]


BENCHES: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "windows": windows,
    "incidents": found_incidents,
    "vibration": vibration_speed,
}
LONG = ("latency", "growth", "load", "query")
"""Those that take minutes, or need a server: run only when named."""


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
    if name == "load":
        return load_speed()
    if name == "query":
        return query_speed()
    return BENCHES[name]()
