"""The reference stage: which span of each machine is its healthy one, and what its sensors did in it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from pipelines.contracts.baselines import BASELINES
from pipelines.contracts.enforce import computed
from pipelines.contracts.readings import EARLIEST, LATEST
from pipelines.detection.baseline import DEFINITION, healthy_windows, model_version, running_windows
from pipelines.detection.matrix import Matrix, machine_matrices
from pipelines.detection.robust_z import SIGMA

ASSUMED = timedelta(hours=48)
VERSION = f"{ASSUMED}|{SIGMA}|{DEFINITION}"
"""What baselines follow from besides windows and declarations: a row names the model that is fitted by it."""
Span = tuple[datetime, datetime]
Read = Callable[[Mapping[str, Span]], pl.DataFrame]
"""Window features of machines, each in a span of its own."""


@dataclass(frozen=True)
class Known:
    """What is known of one machine before its windows are read.

    Attributes:
        declared: Known-good span of the register; None where none is declared.
        before: Its row of `baselines` as it stands; None for a new machine.
        touched: Starts and ends of its windows that changed; None: all of them.
    """

    source: str
    declared: Span | None
    before: Mapping[str, Any] | None
    touched: list[Span] | None

    @property
    def span(self) -> Span | None:
        """The span as far as it is known; None for an assumed one whose beginning must be looked up."""
        if self.declared is not None:
            return self.declared
        if self.before is None or self.before["healthy_from"] is None or not self.before["is_assumed"]:
            return None
        since = self.before["healthy_from"]
        if self.touched is None or any(start <= since for start, _ in self.touched):  # an earlier one, or it went
            return None
        return since, since + ASSUMED

    def is_settled(self, newest: datetime | None) -> bool:
        """Whether the row that stands still holds, without a look at the windows."""
        span, before = self.span, self.before
        if span is None or before is None or self.touched is None:
            return False
        if (before["healthy_from"], before["healthy_until"]) != span or before["is_assumed"] != (self.declared is None):
            return False
        if newest is None or newest < span[1]:
            return bool(before["reason"] == "span_not_over")
        is_touched = any(span[0] <= start and end <= span[1] for start, end in self.touched)
        return before["reason"] != "span_not_over" and not is_touched


def baselines(
    before: pl.DataFrame,
    machines: pl.DataFrame,
    changed: pl.DataFrame | None,
    *,
    newest: datetime | None,
    read: Read,
) -> pl.DataFrame:
    """Baseline of every machine; only those are computed anew whose span or whose windows in it changed.

    A span that is not over is not looked into: nothing is scored before its end.

    Args:
        before: `baselines` contract, as the table stands.
        machines: `machines` contract: the declared spans. Without one the machine's first 48 hours are assumed good.
        changed: Feed of `window_features`; None where it does not reach back.
        newest: End of the newest window of the source; None without windows.
        read: Gets the window features that are needed.
    Returns:
        Columns of `baselines` without `run_id`, in order of machines.
    """
    known = _known(before, machines, changed)
    due = {name: machine for name, machine in known.items() if not machine.is_settled(newest)}
    spans = {name: machine.span or (EARLIEST, LATEST) for name, machine in due.items()}
    wanted = {name: span for name, span in spans.items() if due[name].span is None or _is_over(span, newest)}
    matrices = machine_matrices(read(wanted)) if wanted else {}
    rows = [
        _row(name, machine, matrices.get(name), newest) if name in due else machine.before
        for name, machine in known.items()
    ]
    return pl.DataFrame(rows, schema=computed(BASELINES))


def _known(before: pl.DataFrame, machines: pl.DataFrame, changed: pl.DataFrame | None) -> dict[str, Known]:
    rows = {row["machine_id"]: row for row in before.drop("run_id").to_dicts()}
    touched: dict[str, list[Span]] = {}
    if changed is not None and not changed.is_empty():
        end = pl.col("recorded_at") + pl.duration(seconds="window_s")
        for name, start, ended in changed.select("machine_id", "recorded_at", end=end).unique().rows():
            touched.setdefault(name, []).append((start, ended))
    return {
        row["machine_id"]: Known(
            source=row["source"],
            declared=(row["healthy_from"], row["healthy_until"]) if row["healthy_from"] else None,
            before=rows.get(row["machine_id"]),
            touched=None if changed is None else touched.get(row["machine_id"], []),
        )
        for row in machines.sort("machine_id").to_dicts()
    }


def _row(name: str, machine: Known, matrix: Matrix | None, newest: datetime | None) -> dict[str, Any]:
    span = machine.span
    if span is None and matrix is not None:
        since = matrix.windows["recorded_at"][0]
        span = since, since + ASSUMED
    row: dict[str, Any] = {
        "source": machine.source,
        "machine_id": name,
        "healthy_from": span[0] if span else None,
        "healthy_until": span[1] if span else None,
        "is_assumed": machine.declared is None,
        "windows": 0,
        "sensors": [],
        "model_version": None,
    }
    if span is None:
        return row | {"reason": "never_spoke"}
    if not _is_over(span, newest):
        return row | {"reason": "span_not_over"}
    if matrix is None:
        return row | {"reason": "too_few_windows"}
    running = running_windows(matrix, since=span[0], until=span[1])
    healthy = healthy_windows(matrix, since=span[0], until=span[1])
    return row | {
        "windows": running.windows.height,
        "reason": "too_few_windows" if healthy is None else None,
        "sensors": _sensors(running),
        "model_version": None if healthy is None else model_version(healthy),
    }


def _sensors(running: Matrix) -> list[dict[str, Any]]:
    """What each sensor that spoke did in the windows."""
    at = {name: place for place, name in enumerate(running.columns)}
    told = []
    for sensor in sorted({name.split(":")[0] for name in running.columns}):
        mean, spread = running.values[:, at[f"{sensor}:mean"]], running.values[:, at[f"{sensor}:std"]]
        has_spoken = np.isfinite(mean)
        spoke = mean[has_spoken]
        if not spoke.size:
            continue
        level = float(np.median(spoke))
        told.append(
            {
                "sensor": sensor,
                "level": level,
                "spread": SIGMA * float(np.median(np.abs(spoke - level))),
                "present_share": spoke.size / mean.size,
                "still_share": float(np.isneginf(spread[has_spoken]).mean()),
            }
        )
    return told


def _is_over(span: Span, newest: datetime | None) -> bool:
    return newest is not None and newest >= span[1]
