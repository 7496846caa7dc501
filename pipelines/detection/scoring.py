"""The scoring stage: window features of a source to anomaly scores, machine by machine."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from pipelines.contracts.anomaly_scores import ANOMALY_SCORES
from pipelines.contracts.enforce import computed
from pipelines.contracts.vocabulary import RAN
from pipelines.detection.baseline import MachineModel, healthy_windows, model_version
from pipelines.detection.matrix import Matrix, machine_matrices

Fitted = tuple[str, MachineModel]
Keep = Callable[[str, Callable[[], MachineModel]], MachineModel]
"""Returns the stored model of a version, or fits and stores it."""
Read = Callable[[str, datetime, datetime], pl.DataFrame]
"""Window features of one machine in a span."""

NUMBERS = ("score", "robust_z_score", "isolation_score", "top_z", "deviating_sensors")
WORDS = ("top_sensor", "model_version")
SCORES = (*NUMBERS, "top_sensor")


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
    matrices, schema = machine_matrices(features), computed(ANOMALY_SCORES)
    if not matrices:
        return pl.DataFrame(schema=schema)
    said = [_said(matrix, models.get(machine_id)) for machine_id, matrix in matrices.items()]
    scores = pl.concat([matrix.windows for matrix in matrices.values()]).with_columns(
        pl.Series("machine_id", np.repeat(list(matrices), [matrix.windows.height for matrix in matrices.values()])),
        *(
            pl.Series(name, np.concatenate([own[name] for own in said]), schema[name], nan_to_null=True)
            for name in NUMBERS
        ),
        *(pl.Series(name, [word for own in said for word in own[name]], schema[name]) for name in WORDS),
        source=pl.lit(features["source"][0]),
    )
    running = pl.col("state").is_in(RAN)
    otherwise = pl.when(pl.col("model_version").is_null()).then(pl.lit("no_baseline"))
    return scores.with_columns(
        *(pl.when(running).then(pl.col(name)).alias(name) for name in SCORES),
        reason=pl.when(running).then(otherwise).otherwise(pl.lit("not_running")),
    )


def _fit(row: Mapping[str, Any], read: Read) -> MachineModel:
    since, until = row["healthy_from"], row["healthy_until"]
    matrix = machine_matrices(read(row["machine_id"], since, until)).get(row["machine_id"])
    healthy = None if matrix is None else healthy_windows(matrix, since=since, until=until)
    if healthy is None or model_version(healthy) != row["model_version"]:
        raise BaselineMovedError(
            f"{row['machine_id']}: its healthy windows changed since its baseline was taken; run again"
        )
    return MachineModel.fit(healthy)


def _said(matrix: Matrix, fitted: Fitted | None) -> dict[str, Any]:
    """What the machine's model says of every window: NaN and None without one."""
    n = matrix.windows.height
    if fitted is None:
        return {**dict.fromkeys(NUMBERS, np.full(n, np.nan)), **dict.fromkeys(WORDS, [None] * n)}
    version, model = fitted
    return {**model.scores(matrix), "model_version": [version] * n}
