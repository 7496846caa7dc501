"""The healthy reference of one machine: what it is fitted on, what it is fitted to, and its scores."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipelines.detection import isolation, robust_z
from pipelines.detection.calibration import Tail, combined
from pipelines.detection.matrix import Matrix
from pipelines.detection.robust_z import RobustZ

Array = NDArray[np.float64]
SEED = 20260105
MIN_WINDOWS = 48
STILL = 0.01
ASSUMED = timedelta(hours=48)
SCORED_STATES = ("running", "unknown")
DEFINITION = "robust-z+isolation-forest/1"


def healthy_windows(
    matrix: Matrix, *, healthy_from: datetime | None, healthy_until: datetime | None, newest: datetime
) -> Matrix | None:
    """Running windows of the known-good span; None until the span is over and long enough.

    Without a declared span the machine's first 48 hours are assumed to be good: an assumption that the asset's
    metadata shows. Nothing after the span is used, so no score knows its future.

    Args:
        matrix: All windows of the machine, or at least those of the span.
        healthy_from: Start of the declared span.
        healthy_until: Its end, excluded.
        newest: End of the newest window of the source.
    """
    if matrix.windows.is_empty():
        return None
    since = healthy_from or matrix.windows["recorded_at"][0]
    until = healthy_until or since + ASSUMED
    at, state = matrix.windows["recorded_at"], matrix.windows["state"]
    rows = (at >= since) & (at < until) & state.is_in(SCORED_STATES)
    if newest < until or rows.sum() < MIN_WINDOWS:
        return None
    values = matrix.values[rows.to_numpy()]
    kept = _referenced(values)
    if not kept.any():
        return None
    columns = tuple(np.array(matrix.columns)[kept].tolist())
    return Matrix(matrix.windows.filter(rows), columns, values[:, kept])


def _referenced(healthy: Array) -> NDArray[np.bool_]:
    """Columns that have a healthy reference to be far from.

    Not those of a sensor that was silent then: when it speaks, any value would be far. And not the spread (`-inf`) of a
    sensor that stood still then: that is its way, and as a deviation it would hide all others.
    """
    spoke = np.isfinite(healthy).sum(axis=0) >= MIN_WINDOWS // 2
    return np.asarray(spoke & (np.isneginf(healthy).mean(axis=0) <= STILL))


def model_version(healthy: Matrix) -> str:
    """Content hash of all that a model follows from: the healthy windows and this module's definition."""
    digest = hashlib.sha256(f"{DEFINITION}|{SEED}|{'|'.join(healthy.columns)}".encode())
    digest.update(np.ascontiguousarray(healthy.values).tobytes())
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class MachineModel:
    """Both detectors of one machine, each calibrated on its healthy span.

    Attributes:
        columns: Of the matrix it was fitted on.
        forest: Fitted scikit-learn IsolationForest.
        widest: Largest absolute z of every column in the healthy span.
    """

    columns: tuple[str, ...]
    z: RobustZ
    forest: Any
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
            forest=isolation.fit_forest(values, seed=SEED),
            z_tail=Tail.fit(robust_z.statistic(values)),
            forest_tail=Tail.fit(isolation.unseen_statistic(values, seed=SEED)),
            widest=np.abs(values).max(axis=0),
        )

    def scores(self, matrix: Matrix) -> pl.DataFrame:
        """Scores of every window, columns as in `anomaly_scores` from `score` to `deviating_sensors`."""
        z = self.z.z(matrix.aligned(self.columns))
        z_chance = self.z_tail.chance(robust_z.statistic(z))
        forest_chance = self.forest_tail.chance(isolation.statistic(self.forest, z))
        top = np.abs(z).argmax(axis=1)
        sensors = [name.split(":")[0] for name in self.columns]
        return matrix.windows.with_columns(
            score=combined(z_chance, forest_chance),
            robust_z_score=1.0 - z_chance,
            isolation_score=1.0 - forest_chance,
            top_sensor=pl.Series([sensors[column] for column in top], dtype=pl.String),
            top_z=z[np.arange(len(top)), top],
            deviating_sensors=pl.Series(_deviating(np.abs(z) > 1.5 * self.widest, sensors), dtype=pl.Int64),
        )

    def parts(self) -> dict[str, Any]:
        """Plain arrays and the forest, for the model store."""
        return {
            "columns": list(self.columns),
            "median": self.z.median,
            "spread": self.z.spread,
            "forest": self.forest,
            "z_healthy": self.z_tail.healthy,
            "forest_healthy": self.forest_tail.healthy,
            "widest": self.widest,
        }

    @classmethod
    def from_parts(cls, parts: dict[str, Any]) -> "MachineModel":
        """The model that `parts` came from."""
        return cls(
            columns=tuple(parts["columns"]),
            z=RobustZ(parts["median"], parts["spread"]),
            forest=parts["forest"],
            z_tail=Tail.fit(parts["z_healthy"]),
            forest_tail=Tail.fit(parts["forest_healthy"]),
            widest=parts["widest"],
        )


def _deviating(beyond: NDArray[np.bool_], sensors: list[str]) -> list[int]:
    """Sensors of each window with any statistic beyond its healthy range."""
    by_sensor = [
        beyond[:, [i for i, s in enumerate(sensors) if s == name]].any(axis=1) for name in sorted(set(sensors))
    ]
    return [int(count) for count in np.sum(by_sensor, axis=0)]
