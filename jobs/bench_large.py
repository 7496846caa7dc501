"""`bench large`: a file larger than memory into the lake, and what memory it took."""

import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from jobs.bench_row import row

GIGABYTES = 5.0
LIMIT_MB = 1024.0
MACHINES, PER_MACHINE, MINUTES = 20, 10, 2_500
START = datetime(2020, 1, 1, tzinfo=UTC)


def large(*, gigabytes: float | None = None) -> list[dict[str, Any]]:
    """Peak memory of `smartmaint import` of one long CSV, in a process of its own, beside the limit of 1 GB."""
    size = GIGABYTES if gigabytes is None else gigabytes
    with tempfile.TemporaryDirectory() as scratch:
        file = _large_file(Path(scratch, "large.csv"), int(size * 1e9))
        begun = time.monotonic()
        command = [sys.executable, "-m", "jobs", "import", "readings", str(file), "--home", f"{scratch}/home", "--json"]
        done = subprocess.run([sys.executable, "-c", MEASURED, *command], capture_output=True, text=True, check=True)  # noqa: S603 our own command
        seconds = time.monotonic() - begun
        peak_mb, receipt = done.stderr.splitlines()[-1], json.loads(done.stdout)
    assert receipt["rows_read"] == receipt["rows_landed"], receipt
    met = float(peak_mb) <= LIMIT_MB
    return [
        row(f"peak memory of a file of {size:g} GB", float(peak_mb), LIMIT_MB, "MB", goal=1.0, met=met),
        row("rows landed a second", receipt["rows_landed"] / seconds, 1.0, "rows/s", goal=None, met=None),
    ]


MEASURED = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024, file=sys.stderr)
sys.exit(code)
"""


def _large_file(path: Path, size: int) -> Path:
    """A plant minute by minute, in rows of the long layout, until the file is as large as asked for."""
    series = pl.DataFrame({"machine": range(MACHINES)}).join(pl.DataFrame({"n": range(PER_MACHINE)}), how="cross")
    names = series.select(machine_id=pl.format("pump-{}", "machine"), sensor=pl.format("sensor_{}", "n"))
    draw, begun = np.random.default_rng(1), START
    with path.open("wb") as file:
        while file.tell() < size:
            at = pl.datetime_range(begun, begun + timedelta(minutes=MINUTES - 1), "1m", eager=True)
            stamps = pl.DataFrame({"recorded_at": at.dt.strftime("%Y-%m-%dT%H:%M:%SZ")})
            rows = stamps.join(names, how="cross").select("machine_id", "sensor", "recorded_at")
            values = draw.normal(50.0, 5.0, rows.height).round(3)
            rows.with_columns(value=values).write_csv(file, include_header=begun == START)
            begun += timedelta(minutes=MINUTES)
    return path
