"""The scoring stage: window features of a source to anomaly scores, machine by machine."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

import polars as pl

from pipelines.contracts.anomaly_scores import ANOMALY_SCORES
from pipelines.contracts.enforce import empty
from pipelines.detection.baseline import SCORED_STATES, MachineModel, healthy_windows, model_version
from pipelines.detection.matrix import Matrix, machine_matrices

Fitted = tuple[str, MachineModel]
Keep = Callable[[str, Callable[[], MachineModel]], MachineModel]
"""Returns the stored model of a version, or fits and stores it."""
Read = Callable[[str, datetime, datetime], pl.DataFrame]
"""Window features of one machine in a span."""

SCORES = ("score", "robust_z_score", "isolation_score", "top_sensor", "top_z", "deviating_sensors")


class BaselineMovedError(RuntimeError):
    """The healthy windows are not those of the baseline: another run changed them meanwhile. Run again."""


def models(baselines: pl.DataFrame, machines: set[str], *, keep: Keep, read: Read) -> dict[str, Fitted]:
    """Model of each machine that has one, from the store or fitted now.

    Args:
        baselines: `baselines` contract.
        machines: Whose models are needed.
        keep: The model store.
        read: Gets the healthy windows of a machine whose model is not stored.
    """
    fitted = baselines.filter(pl.col("machine_id").is_in(machines)).drop_nulls("model_version")
    return {
        row["machine_id"]: (row["model_version"], keep(row["model_version"], partial(_fit, row, read)))
        for row in fitted.to_dicts()
    }


def anomaly_scores(features: pl.DataFrame, models: Mapping[str, Fitted]) -> pl.DataFrame:
    """Score of every machine and window in `features`, or the reason why there is none.

    Returns:
        Columns of `anomaly_scores` without `day` and `run_id`, in order of machine and time.
    """
    frames = [
        _scored(matrix, models.get(machine_id)).with_columns(machine_id=pl.lit(machine_id))
        for machine_id, matrix in machine_matrices(features).items()
    ]
    if not frames:
        return empty(ANOMALY_SCORES).drop("day", "run_id")
    return pl.concat(frames).with_columns(source=pl.lit(features["source"][0]))


def _fit(row: Mapping[str, Any], read: Read) -> MachineModel:
    since, until = row["healthy_from"], row["healthy_until"]
    matrix = machine_matrices(read(row["machine_id"], since, until)).get(row["machine_id"])
    healthy = None if matrix is None else healthy_windows(matrix, since=since, until=until)
    if healthy is None or model_version(healthy) != row["model_version"]:
        raise BaselineMovedError(
            f"{row['machine_id']}: its healthy windows changed since its baseline was taken; run again"
        )
    return MachineModel.fit(healthy)


def _scored(matrix: Matrix, fitted: Fitted | None) -> pl.DataFrame:
    version, model = fitted if fitted else (None, None)
    said = dict.fromkeys(SCORES) if model is None else model.scores(matrix)
    schema = empty(ANOMALY_SCORES).schema
    scores = matrix.windows.with_columns(
        pl.Series(name, [None] * matrix.windows.height if values is None else values, schema[name])
        for name, values in said.items()
    )
    running = pl.col("state").is_in(SCORED_STATES)
    otherwise = pl.lit("no_baseline" if model is None else None, pl.String)
    return scores.with_columns(
        *(pl.when(running).then(pl.col(name)).alias(name) for name in SCORES),
        reason=pl.when(running).then(otherwise).otherwise(pl.lit("not_running")),
        model_version=pl.lit(version, pl.String),
    )
