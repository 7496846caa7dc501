"""The scoring stage: window features of a source to anomaly scores, machine by machine."""

import hashlib
from collections.abc import Callable, Mapping
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


def fit_models(features: pl.DataFrame, machines: pl.DataFrame, *, keep: Keep) -> dict[str, Fitted]:
    """Model of every machine whose healthy span is over and long enough; the others have none.

    Args:
        features: `window_features` contract, all of the source.
        machines: `machines` contract: the declared spans.
        keep: Store of models by version.
    """
    spans = {row["machine_id"]: (row["healthy_from"], row["healthy_until"]) for row in machines.to_dicts()}
    newest = features.select((pl.col("recorded_at") + pl.duration(seconds="window_s")).max()).item()
    models = {}
    for machine_id, rows in _by_machine(features).items():
        since, until = spans.get(machine_id, (None, None))
        healthy = healthy_windows(machine_matrix(rows), healthy_from=since, healthy_until=until, newest=newest)
        if healthy is not None:
            version = model_version(healthy)
            models[machine_id] = (version, keep(version, partial(MachineModel.fit, healthy)))
    return models


def definition(models: Mapping[str, Fitted]) -> str:
    """Hash of all models of a source: another one means that every window is scored anew."""
    told = [f"{machine_id}={version}" for machine_id, (version, _) in sorted(models.items())]
    return hashlib.sha256("|".join(told).encode()).hexdigest()[:16]


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
