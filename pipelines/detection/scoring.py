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


def baselines(features: pl.DataFrame, machines: pl.DataFrame) -> dict[str, Matrix]:
    """Healthy windows of every machine whose healthy span is over and long enough; the others have none.

    Args:
        features: `window_features` contract, all of the source.
        machines: `machines` contract: the declared spans.
    """
    spans = {row["machine_id"]: (row["healthy_from"], row["healthy_until"]) for row in machines.to_dicts()}
    newest = features.select((pl.col("recorded_at") + pl.duration(seconds="window_s")).max()).item()
    found = {}
    for machine_id, rows in _by_machine(features).items():
        since, until = spans.get(machine_id, (None, None))
        healthy = healthy_windows(machine_matrix(rows), healthy_from=since, healthy_until=until, newest=newest)
        if healthy is not None:
            found[machine_id] = healthy
    return found


def definition(healthy: Mapping[str, Matrix]) -> str:
    """Hash of all baselines of a source: another one means that every window is scored anew."""
    told = [f"{machine_id}={model_version(windows)}" for machine_id, windows in sorted(healthy.items())]
    return hashlib.sha256("|".join(told).encode()).hexdigest()[:16]


def fitted(healthy: Mapping[str, Matrix], *, keep: Keep) -> dict[str, Fitted]:
    """Model of each baseline, from the store or fitted now."""
    versions = {machine_id: model_version(windows) for machine_id, windows in healthy.items()}
    return {
        machine_id: (versions[machine_id], keep(versions[machine_id], partial(MachineModel.fit, windows)))
        for machine_id, windows in healthy.items()
    }


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
