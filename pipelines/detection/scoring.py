"""The scoring stage: window features of a source to anomaly scores, machine by machine."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial

import polars as pl

from pipelines.detection.baseline import SCORED_STATES, MachineModel, healthy_windows, model_version
from pipelines.detection.matrix import Matrix, machine_matrix

Fitted = tuple[str, MachineModel]
Keep = Callable[[str, Callable[[], MachineModel]], MachineModel]
"""Returns the stored model of a version, or fits and stores it."""

UNSCORED = {
    "score": pl.Float64(),
    "robust_z_score": pl.Float64(),
    "isolation_score": pl.Float64(),
    "top_sensor": pl.String(),
    "top_z": pl.Float64(),
    "deviating_sensors": pl.Int64(),
}


def fit_models(baseline: pl.DataFrame, machines: pl.DataFrame, *, newest: datetime, keep: Keep) -> dict[str, Fitted]:
    """Model of every machine whose healthy span is over and long enough; the others have none.

    Args:
        baseline: Window features that cover the healthy spans.
        machines: `machines` contract: the declared spans.
        newest: End of the newest window of the source.
        keep: Store of models by version.
    """
    spans = {row["machine_id"]: (row["healthy_from"], row["healthy_until"]) for row in machines.to_dicts()}
    models = {}
    for machine_id, features in _by_machine(baseline).items():
        since, until = spans.get(machine_id, (None, None))
        healthy = healthy_windows(machine_matrix(features), healthy_from=since, healthy_until=until, newest=newest)
        if healthy is not None:
            version = model_version(healthy)
            models[machine_id] = (version, keep(version, partial(MachineModel.fit, healthy)))
    return models


def anomaly_scores(features: pl.DataFrame, models: Mapping[str, Fitted]) -> pl.DataFrame:
    """Score of every machine and window in `features`, or the reason why there is none.

    Returns:
        Columns of `anomaly_scores` without `day` and `run_id`, in order of machine and time.
    """
    frames = []
    for machine_id, rows in _by_machine(features).items():
        matrix = machine_matrix(rows)
        scored = _scored(matrix, models.get(machine_id))
        frames.append(scored.with_columns(source=pl.lit(rows["source"][0]), machine_id=pl.lit(machine_id)))
    return pl.concat(frames) if frames else pl.DataFrame()


def _scored(matrix: Matrix, fitted: Fitted | None) -> pl.DataFrame:
    version, model = fitted if fitted else (None, None)
    if model is None:
        scores = matrix.windows.with_columns(*(pl.lit(None, dtype).alias(name) for name, dtype in UNSCORED.items()))
    else:
        scores = model.scores(matrix)
    running = pl.col("state").is_in(SCORED_STATES)
    otherwise = pl.lit("no_baseline" if model is None else None, pl.String)
    return scores.with_columns(
        *(pl.when(running).then(pl.col(name)).alias(name) for name in UNSCORED),
        reason=pl.when(running).then(otherwise).otherwise(pl.lit("not_running")),
        model_version=pl.lit(version, pl.String),
    )


def _by_machine(features: pl.DataFrame) -> dict[str, pl.DataFrame]:
    return {str(key[0]): rows for key, rows in sorted(features.partition_by("machine_id", as_dict=True).items())}
