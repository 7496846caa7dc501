"""`smartmaint bench`: our speed as a ratio to a baseline measured in the same run."""

from collections.abc import Callable
from typing import Any

from jobs.bench_growth import growth
from jobs.bench_incidents import found_incidents
from jobs.bench_ingest import ingest
from jobs.bench_large import large
from jobs.bench_latency import latency
from jobs.bench_serving import load_speed, query_speed
from jobs.bench_snapshots import snapshots
from jobs.bench_vibration import vibration_speed
from jobs.bench_windows import windows

BENCHES: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "windows": windows,
    "incidents": found_incidents,
    "vibration": vibration_speed,
    "ingest": ingest,
}
LONG: dict[str, Callable[..., list[dict[str, Any]]]] = {
    "large": large,
    "snapshots": snapshots,
    "latency": latency,
    "growth": growth,
    "load": load_speed,
    "query": query_speed,
}
"""Those that take minutes, or need a server: run only when named."""


def run_bench(name: str, *, seconds: float | None, batches: int | None) -> list[dict[str, Any]]:
    """Rows of one benchmark.

    Args:
        name: Which.
        seconds: Of latency: how long each feed lasts.
        batches: Of growth: how many land.
    """
    asked: dict[str, dict[str, Any]] = {"latency": {"seconds": seconds}, "growth": {"batches": batches}}
    return {**BENCHES, **LONG}[name](**asked.get(name, {}))
