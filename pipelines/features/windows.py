"""Window features of slow signals: what a sensor did in ten minutes or an hour."""

from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipelines.contracts.window_features import DESCRIPTORS
from pipelines.features.descriptors import describe
from pipelines.features.process import derived_readings

KEYS = ["source", "machine_id", "sensor"]
VERSION = "window-features/2"
MICROSECOND = timedelta(microseconds=1)
Index = NDArray[np.int64]


def windows_of(readings: pl.DataFrame, *, every: str) -> pl.DataFrame:
    """The windows that readings lie in, as columns `recorded_at` and `window_s`; of none, whatever came.

    Args:
        readings: Rows with `recorded_at`; empty (also without columns) where nothing changed.
        every: Length of a window, such as `1h`.
    """
    if readings.is_empty():
        return readings
    starts = readings.select(pl.col("recorded_at").dt.truncate(every)).unique()
    return starts.with_columns(window_s=seconds(every))


def window_features(readings: pl.DataFrame, states: pl.DataFrame, *, every: str) -> pl.DataFrame:
    """Descriptors of every sensor, measured or derived, in every window that holds a reading.

    Args:
        readings: Current readings, whole windows of them; `bad` ones are left out.
        states: `operating_states` contract; a machine and window without a row is `unknown`.
        every: Length of a window; windows begin at whole multiples of it.
    Returns:
        Columns of `window_features` without `day` and `run_id`, one row a machine, sensor and window, in that order.
    """
    measured = readings.filter(pl.col("quality") != "bad").select(*KEYS, "recorded_at", "value", "batch_seq")
    derived = derived_readings(measured, every=every)
    described = [
        descriptors(frame, every=every).with_columns(is_derived=pl.lit(is_derived))
        for frame, is_derived in ((measured, False), (derived, True))
        if not (is_derived and frame.is_empty())
    ]
    moment = ["machine_id", "recorded_at"]
    return (
        pl.concat(described)
        .join(states.select(*moment, "state"), on=moment, how="left", maintain_order="left")
        .with_columns(state=pl.col("state").fill_null("unknown"), window_s=seconds(every))
        .sort("machine_id", "sensor", "recorded_at")
    )


def descriptors(readings: pl.DataFrame, *, every: str) -> pl.DataFrame:
    """Descriptors of every sensor in every window, in order of machine, sensor and time.

    Windows with equally many readings are described together, as the rows of one array. Most windows of a source
    hold the same number, so that few arrays take the place of an expression evaluated window by window.

    Args:
        readings: Columns source, machine_id, sensor, recorded_at, value, batch_seq, in any order; a moment of a sensor
            occurs once.
        every: Length of a window.
    Returns:
        The keys, `recorded_at` (start of the window), the descriptors and the newest `batch_seq`.
    """
    moments = readings["recorded_at"].cast(pl.Int64).to_numpy()
    length = window_length(every) // MICROSECOND
    series = _series(readings)
    order = _order(series, moments)
    window, owner = moments[order] // length, series[order]
    is_first = np.ones(order.size, dtype=bool)
    is_first[1:] = (np.diff(window) != 0) | (np.diff(owner) != 0)
    starts = np.flatnonzero(is_first)
    counts = np.diff(starts, append=order.size)
    told = _described(readings["value"].to_numpy(), moments, order, starts, counts)
    seq = readings["batch_seq"].to_numpy()[order]
    return readings[order[starts]].select(
        *KEYS,
        pl.Series("recorded_at", window[starts] * length).cast(readings.schema["recorded_at"]),
        *(pl.Series(name, told[name], dtype, nan_to_null=True) for name, dtype in DESCRIPTORS.items()),
        pl.Series("batch_seq", np.maximum.reduceat(seq, starts) if starts.size else seq, pl.Int64),
    )


def _described(
    values: NDArray[np.float64], moments: Index, order: Index, starts: Index, counts: Index
) -> dict[str, NDArray[Any]]:
    """What `describe` says of each window, in the order of `starts`."""
    told = {name: np.zeros(starts.size) for name in DESCRIPTORS}
    for n in np.unique(counts):
        alike = np.flatnonzero(counts == n)
        rows = order[starts[alike][:, None] + np.arange(n)]
        for name, column in describe(values[rows], moments[rows]).items():
            told[name][alike] = column
    return told


def _series(readings: pl.DataFrame) -> Index:
    """Number of the machine and sensor of each reading, in order of their names."""
    machine, sensor = (_rank(readings[name]) for name in ("machine_id", "sensor"))
    return np.asarray(machine * (sensor.max(initial=0) + 1) + sensor)


def _rank(names: pl.Series) -> Index:
    return names.cast(pl.Enum(names.unique().sort())).to_physical().to_numpy().astype(np.int64)


def _order(series: Index, moments: Index) -> Index:
    """Places of the readings in order of series and time. What lies in order of time already is only dealt out."""
    by_time = np.argsort(moments, kind="stable")
    fits = series.size and series.max() <= np.iinfo(np.uint16).max
    dealt = series[by_time].astype(np.uint16) if fits else series[by_time]  # NumPy sorts 16 bits by radix
    return by_time[np.argsort(dealt, kind="stable")]


def seconds(every: str) -> pl.Expr:
    return pl.lit(int(window_length(every).total_seconds()), pl.Int64)


def window_length(every: str) -> timedelta:
    """`10m` or `1h` as a length of time."""
    unit = {"m": "minutes", "h": "hours"}[every[-1]]
    return timedelta(**{unit: int(every[:-1])})
