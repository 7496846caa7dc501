"""The healthy reference of one machine: what it is fitted on, what it is fitted to, and its scores."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipelines.contracts.vocabulary import RAN
from pipelines.detection import robust_z
from pipelines.detection.calibration import TAIL_SHARE, Tail, combined
from pipelines.detection.isolation import FOLDS, TREES, Forest, unseen_statistic
from pipelines.detection.matrix import Matrix
from pipelines.detection.robust_z import MOST, RobustZ

Array = NDArray[np.float64]
SEED = 20260105
MIN_WINDOWS = 48
STILL = 0.01
FOREST = "forest_"
DEFINITION = f"robust-z+isolation-forest/3|{SEED}|{MIN_WINDOWS}|{STILL}|{TREES}|{FOLDS}|{TAIL_SHARE}|{MOST}"
"""What models and their scores follow from besides windows."""


def healthy_windows(matrix: Matrix, *, since: datetime, until: datetime) -> Matrix | None:
    """Running windows of the known-good span in the columns that have a reference; None where there are too few.

    Nothing outside the span is used: a score behind it does not know its future, those within it and before it do.

    Args:
        matrix: All windows of the machine in the span, or more.
        since: Start of the span.
        until: Its end, excluded.
    """
    running = running_windows(matrix, since=since, until=until)
    if running.windows.height < MIN_WINDOWS:
        return None
    kept = _referenced(running.values)
    if not kept.any():
        return None
    return Matrix(running.windows, tuple(np.array(matrix.columns)[kept].tolist()), running.values[:, kept])


def running_windows(matrix: Matrix, *, since: datetime, until: datetime) -> Matrix:
    """Windows wholly within the span in which the machine ran: one that goes on behind it holds readings that do."""
    end = pl.col("recorded_at") + pl.duration(seconds="window_s")
    within = (pl.col("recorded_at") >= since) & (end <= until) & pl.col("state").is_in(RAN)
    rows = matrix.windows.select(within).to_series()
    return Matrix(matrix.windows.filter(rows), matrix.columns, matrix.values[rows.to_numpy()])


def _referenced(healthy: Array) -> NDArray[np.bool_]:
    """Columns that have a healthy reference to be far from.

    Not those of a sensor that was silent then: when it speaks, any value would be far. And not the spread (`-inf`) of a
    sensor that stood still then: that is its way, and as a deviation it would hide all others.
    """
    spoke = np.isfinite(healthy).sum(axis=0) >= MIN_WINDOWS // 2
    return np.asarray(spoke & (np.isneginf(healthy).mean(axis=0) <= STILL))


def model_version(healthy: Matrix) -> str:
    """Content hash of all that a model follows from: the healthy windows and the definition."""
    digest = hashlib.sha256(f"{DEFINITION}|{'|'.join(healthy.columns)}".encode())
    digest.update(np.ascontiguousarray(healthy.values).tobytes())
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class MachineModel:
    """Both detectors of one machine, each calibrated on its healthy span.

    Attributes:
        columns: Of the matrix it was fitted on.
        widest: Largest absolute z of every column in the healthy span.
    """

    columns: tuple[str, ...]
    z: RobustZ
    forest: Forest
    z_tail: Tail
    forest_tail: Tail
    widest: Array

    @classmethod
    def fit(cls, healthy: Matrix) -> "MachineModel":
        """Fit both detectors; same windows, same model."""
        z = RobustZ.fit(healthy.values)
        values = z.z(healthy.values)
        return cls(
            columns=healthy.columns,
            z=z,
            forest=Forest.fit(values, seed=SEED),
            z_tail=Tail.fit(robust_z.statistic(values)),
            forest_tail=Tail.fit(unseen_statistic(values, seed=SEED)),
            widest=np.abs(values).max(axis=0),
        )

    def scores(self, matrix: Matrix) -> dict[str, Any]:
        """Columns `score` to `deviating_sensors` of `anomaly_scores` for every window, in order of the matrix."""
        z = self.z.z(matrix.aligned(self.columns))
        z_chance = self.z_tail.chance(robust_z.statistic(z))
        forest_chance = self.forest_tail.chance(self.forest.statistic(z))
        top = np.abs(z).argmax(axis=1)
        sensors = [name.split(":")[0] for name in self.columns]
        return {
            "score": combined(z_chance, forest_chance),
            "robust_z_score": 1.0 - z_chance,
            "isolation_score": 1.0 - forest_chance,
            "top_sensor": [sensors[column] for column in top],
            "top_z": z[np.arange(len(top)), top],
            "deviating_sensors": _deviating(np.abs(z) > 1.5 * self.widest, sensors),
        }

    def parts(self) -> dict[str, NDArray[Any]]:
        """All of it as arrays, for the model store."""
        return {
            "columns": np.array(self.columns),
            "median": self.z.median,
            "spread": self.z.spread,
            **{f"{FOREST}{name}": np.asarray(part) for name, part in vars(self.forest).items()},
            "healthy_z": self.z_tail.healthy,
            "healthy_forest": self.forest_tail.healthy,
            "widest": self.widest,
        }

    @classmethod
    def from_parts(cls, parts: dict[str, NDArray[Any]]) -> "MachineModel":
        """The model that `parts` came from.

        Raises:
            KeyError: A part is missing.
        """
        forest: dict[str, Any] = {
            name.removeprefix(FOREST): part for name, part in parts.items() if name.startswith(FOREST)
        }
        return cls(
            columns=tuple(parts["columns"].tolist()),
            z=RobustZ(parts["median"], parts["spread"]),
            forest=Forest(**{**forest, "longest": float(forest["longest"])}),
            z_tail=Tail.fit(parts["healthy_z"]),
            forest_tail=Tail.fit(parts["healthy_forest"]),
            widest=parts["widest"],
        )


def _deviating(beyond: NDArray[np.bool_], sensors: list[str]) -> NDArray[np.int64]:
    """Sensors of each window with any statistic beyond its healthy range."""
    by_sensor = [
        beyond[:, [i for i, s in enumerate(sensors) if s == name]].any(axis=1) for name in sorted(set(sensors))
    ]
    return np.asarray(np.sum(by_sensor, axis=0), dtype=np.int64)
