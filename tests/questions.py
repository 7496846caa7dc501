"""The questions of docs/bi.md, a plant in which each has an answer, and when two databases answer alike."""

import math
import re
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
from homes import START, Plant, telemetry
from serving_rows import SIGNALS, land_signals

from resources.serving.interface import Answer

PAGE = Path(__file__).resolve().parents[1] / "docs" / "bi.md"
CLOSE = 1e-9
HOUR = timedelta(hours=1)
REGISTER = """
[sources.line]
importer = "readings"
window = "30m"

[sources.hall]
importer = "readings"
window = "30m"

[[machines]]
id = "hall.pump-1"
running = { sensor = "current_a", above = 50.2, idle_above = 49.8 }

[[machines]]
id = "line.pump-1"
criticality = "high"
failures = [{ mode = "overheating", sensor = "temperature_c", threshold = 120.0, repair_hours = 4.0 }]

[[machines]]
id = "line.pump-2"
criticality = "high"
failures = [
    { mode = "overheating", sensor = "temperature_c", threshold = 120.0, repair_hours = 4.0, skill = "nobodys" },
]
"""


@dataclass(frozen=True)
class Question:
    number: int
    title: str
    sql: str


def questions() -> list[Question]:
    """As they stand on the page."""
    found = re.findall(r"^### (\d+)\. (.+?)\n.*?^```sql\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return [Question(int(number), title, sql.strip()) for number, title, sql in found]


QUESTIONS = questions()


def live(plant: Plant) -> None:
    """Five days of two sources after which every question has an answer.

    Of `line`, pump-1 and pump-2 get hot, and nobody has the skill for the second; of pump-3 one sensor sticks and one
    falls silent; pump-4 is well; pump-5 spoke too briefly for a baseline. The whole of `hall` falls silent;
    its pump is declared to be off and to idle in between. Beside them snapshots and events (`land_signals`).
    """
    plant.home.machines.write_text(REGISTER + SIGNALS)
    hours = (pl.col("recorded_at") - START) / HOUR
    broken, hall = telemetry(120, every_min=30), telemetry(120, every_min=30)
    stuck = pl.when((pl.col("sensor") == "vibration_mm_s") & (hours >= 100)).then(7.0).otherwise("value")
    silent = (pl.col("sensor") == "current_a") & hours.is_between(100, 110)
    line = [
        telemetry(120, every_min=30, ramp_from=60),
        telemetry(120, every_min=30, ramp_from=60),
        broken.with_columns(value=stuck).filter(~silent),
        telemetry(120, every_min=30, level=30.0),
        telemetry(2, every_min=30),
    ]
    _run(plant, hall.filter(hours < 116), source="hall", at=116)
    _run(plant, pl.concat(_named(frame, number) for number, frame in enumerate(line, 1)), at=120)
    _run(plant, None, source="hall", at=120)
    land_signals(plant)
    assert not plant.runner.at((START + 120 * HOUR).isoformat()).run("plan").failures


def land_late(plant: Plant) -> None:
    """Readings of days that are over: new ones, corrected ones, and one that nobody may compute with."""
    hour = pl.col("recorded_at").dt.truncate("1h")
    early = telemetry(60, every_min=10).filter(hour.is_in([START + 40 * HOUR, START + 50 * HOUR]))
    late = early.with_columns(value=pl.col("value") + 0.25, quality=pl.lit("good"))
    bad = late.head(1).with_columns(recorded_at=pl.col("recorded_at") + timedelta(minutes=1), quality=pl.lit("bad"))
    _run(plant, _named(pl.concat([late, bad]), 4), at=121)


def _named(frame: pl.DataFrame, number: int) -> pl.DataFrame:
    return frame.with_columns(machine_id=pl.lit(f"pump-{number}"))


def _run(plant: Plant, frame: pl.DataFrame | None, *, at: float, source: str = "line") -> None:
    files = [] if frame is None else [plant.drop(frame, f"{source}-{at}.parquet", source=source)]
    ran = plant.runner.at((START + at * HOUR).isoformat()).run("micro_batch", source=source, files=files)
    assert not ran.failures, ran.failures


def equal_answers(ours: Answer, theirs: Answer) -> None:
    """Columns, rows and their order are the same; of numbers, `CLOSE` is the same.

    Sums of floats depend on the order in which a database adds them.

    Raises:
        AssertionError: They are not; tells the first difference.
    """
    assert ours.columns == theirs.columns, f"{ours.columns} are not {theirs.columns}"
    assert len(ours.rows) == len(theirs.rows), f"{len(ours.rows)} rows are not {len(theirs.rows)}"
    for number, (mine, other) in enumerate(zip(ours.rows, theirs.rows, strict=True)):
        for column, a, b in zip(ours.columns, mine, other, strict=True):
            assert _alike(a, b), f"row {number}, {column}: {a!r} is not {b!r}"


def _alike(a: Any, b: Any) -> bool:
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, int | float | Decimal) and isinstance(b, int | float | Decimal):
        return math.isclose(a, b, rel_tol=CLOSE, abs_tol=CLOSE)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_alike, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_alike(a[name], b[name]) for name in a)
    return bool(a == b)
