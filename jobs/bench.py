"""`smartmaint bench`: our speed as a ratio to a baseline measured in the same run."""

from collections.abc import Callable
from typing import Any

from jobs.bench_growth import growth
from jobs.bench_incidents import found_incidents
from jobs.bench_ingest import ingest
from jobs.bench_latency import latency
from jobs.bench_serving import load_speed, query_speed
from jobs.bench_vibration import vibration_speed
from jobs.bench_windows import windows

BENCHES: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "windows": windows,
    "incidents": found_incidents,
    "vibration": vibration_speed,
    "ingest": ingest,
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
