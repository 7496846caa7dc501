"""The signature of an episode: how each sensor differed from its healthy self, as a direction in one shared space."""

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from functools import cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipelines.contracts.vocabulary import RAN

VERSION = "sign-projection/1"
LENGTH = 128
AGE = timedelta(days=2)
"""Of an episode its first two days count: a new one is compared with what the others were like at its age."""
USUAL = 1.0
"""Deviations up to this, in healthy spreads, are load and weather and count as none."""
FARTHEST = 1000.0
"""Deviations count up to this; a sensor that stood still when healthy is so far off as soon as it moves."""

Vectors = NDArray[np.float32]
Signs = NDArray[np.float64]


def spans(alarms: pl.DataFrame) -> pl.DataFrame:
    """Columns alarm_id, machine_id, since, until: the part of each episode that its signature follows from."""
    until = pl.min_horizontal("last_at", pl.col("started_at") + AGE)
    return alarms.select("alarm_id", "machine_id", since="started_at", until=until)


def deviations(alarms: pl.DataFrame, features: pl.DataFrame, baselines: pl.DataFrame) -> pl.DataFrame:
    """How far each sensor was from its healthy level in each episode.

    Args:
        alarms: `alarms` contract.
        features: `window_features` contract, at least the windows in which the machines ran in `spans`.
        baselines: `baselines` contract.
    Returns:
        Columns alarm_id, sensor, z: mean of the window means less the healthy level, in healthy spreads. Sensors
        without a healthy reference are left out.
    """
    healthy = baselines.select("machine_id", "sensors").explode("sensors").drop_nulls("sensors").unnest("sensors")
    windows = features.filter(pl.col("state").is_in(RAN)).select("machine_id", "sensor", "recorded_at", "mean")
    inside = pl.col("recorded_at").is_between("since", "until", closed="left")
    means = (
        windows.join(spans(alarms), on="machine_id")
        .filter(inside)
        .sort("alarm_id", "sensor", "recorded_at")  # the same sum in any order of arrival
        .group_by("alarm_id", "machine_id", "sensor", maintain_order=True)
        .agg(pl.col("mean").mean())
    )
    shift = pl.col("mean") - pl.col("level")
    z = pl.when(pl.col("spread") > 0).then(shift / pl.col("spread")).otherwise(shift.sign() * FARTHEST)
    known = means.join(healthy.select("machine_id", "sensor", "level", "spread"), on=["machine_id", "sensor"])
    return (
        known.select("alarm_id", "sensor", z=z.clip(-FARTHEST, FARTHEST).round(6))
        .drop_nulls("z")
        .sort("alarm_id", "sensor")
    )


def signatures(alarms: pl.DataFrame, deviating: pl.DataFrame) -> Vectors:
    """Signature of each alarm, in their order.

    An anomaly is the sum of its sensors' directions, each as long as the sensor deviates: asinh, so that a sensor ten
    times as far off does not drown the others. Where no level did, as when only the spread changed, it is a direction
    of the sensor that led it; a defect of the data is one of its kind and one of its sensor.

    Args:
        alarms: `alarms` contract.
        deviating: As `deviations` returns.
    Returns:
        Shape (n_alarms, LENGTH), of length one: the product of two is the cosine of their angle.
    Source:
        Weinberger et al. (2009), Feature hashing for large scale multitask learning, ICML, and Achlioptas (2003),
        Database-friendly random projections, J. Comput. Syst. Sci. 66: sensors of any number and name share one space.
    """
    place = {alarm_id: row for row, alarm_id in enumerate(alarms["alarm_id"])}
    sums = np.zeros((alarms.height, LENGTH))
    for alarm_id, sensor, z in deviating.iter_rows():
        beyond = max(abs(z) - USUAL, 0.0)
        sums[place[alarm_id]] += np.copysign(np.arcsinh(beyond), z) * direction(sensor)
    for alarm_id, kind, sensor in alarms.select("alarm_id", "kind", "top_sensor").iter_rows():
        if kind != "anomaly":
            sums[place[alarm_id]] = direction(f"kind {kind}") + direction(f"{kind} {sensor}")
        elif not sums[place[alarm_id]].any():
            sums[place[alarm_id]] = direction(f"shape {sensor}")
    return np.asarray(sums / np.linalg.norm(sums, axis=1, keepdims=True), np.float32)


@cache
def direction(name: str) -> Signs:
    """Signs that belong to a name, the same everywhere and for ever; those of two names are all but at right angles.

    Example:
        >>> direction("vibration_mm_s")[:4].tolist()
        [1.0, -1.0, -1.0, 1.0]
    """
    bits = np.unpackbits(np.frombuffer(hashlib.sha256(name.encode()).digest(), np.uint8))[:LENGTH]
    return np.asarray(bits * 2.0 - 1.0, np.float64)


def led_by(deviating: pl.DataFrame, *, least: float = 3.0, most: int = 8) -> dict[str, Sequence[tuple[str, float]]]:
    """Sensors that were clearly off in each episode, by alarm, the farthest first."""
    clear = deviating.filter(pl.col("z").abs() >= least).sort(pl.col("z").abs(), "sensor", descending=[True, False])
    told: dict[str, list[tuple[str, float]]] = {}
    for alarm_id, sensor, z in clear.iter_rows():
        told.setdefault(alarm_id, []).append((sensor, z))
    return {alarm_id: sensors[:most] for alarm_id, sensors in told.items()}
