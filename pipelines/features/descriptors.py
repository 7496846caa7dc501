"""Descriptors of windows that hold equally many readings: one array operation describes all of them at once."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Times = NDArray[np.int64]

BINS = 16
"""Equal bins between the smallest and the largest value that the entropy is told of."""
HOUR_US = 3.6e9


def describe(values: Array, moments: Times) -> dict[str, NDArray[Any]]:
    """Every descriptor of windows of `n` readings each.

    Values are taken relative to the first of their window and then to the mean: a small ripple on a large offset keeps
    its digits, and a constant is exactly zero, so that its spread and its slope are. What is said of a window is the
    same to the last bit whichever others it is described with: NumPy adds up along the last axis, row by row.

    Args:
        values: Shape (windows, n), finite; readings in order of time.
        moments: Shape (windows, n), in microseconds; rising within each window.
    Returns:
        By name of the column, each of shape (windows,); NaN where a descriptor is undefined.
    """
    windows, n = values.shape
    from_first = values - values[:, :1]
    centre = from_first.mean(axis=1)
    deviation = from_first - centre[:, None]
    squares = np.square(deviation).sum(axis=1)
    ordered = np.sort(values, axis=1)
    low, high = ordered[:, 0], ordered[:, -1]
    elapsed_h = (moments - moments[:, :1]) / HOUR_US
    undefined = np.full(windows, np.nan)
    return {
        "n": np.full(windows, n),
        "mean": np.clip(values[:, 0] + centre, low, high),
        "std": np.sqrt(squares / (n - 1)) if n > 1 else undefined,
        "min": low,
        "max": high,
        "slope_per_h": _slope(deviation, elapsed_h) if n > 1 else undefined,
        "median": _quantile(ordered, 0.5),
        "iqr": _quantile(ordered, 0.75) - _quantile(ordered, 0.25) if n > 1 else undefined,
        "autocorrelation": _autocorrelation(deviation, squares) if n > 2 else undefined,
        "energy": np.square(values).mean(axis=1),
        "entropy_bits": _entropy_bits(values, low, high),
        "change_per_h": np.abs(np.diff(values)).sum(axis=1) / elapsed_h[:, -1] if n > 1 else undefined,
        "missing_share": missing_share(moments) if n > 2 else undefined,
    }


def missing_share(moments: Times) -> Array:
    """Share of the readings that should lie between the first and the last of a window and do not.

    The usual step is the median of the gaps. A gap of about k steps lacks k - 1 readings: rounded, half a step up.

    Args:
        moments: Shape (windows, n) of at least three, in microseconds; rising within each window.
    Returns:
        Shape (windows,), in [0, 1).
    Example:
        >>> missing_share(np.array([[0, 10, 20, 50]])).tolist()  # 30 and 40 are missing of six
        [0.3333333333333333]
    """
    gaps = np.diff(moments)
    missing = np.zeros(len(moments))
    uneven = (gaps != gaps[:, :1]).any(axis=1)  # of an even one nothing is missing: most windows need no median
    gaps = gaps[uneven]
    missing[uneven] = np.floor(gaps / np.median(gaps, axis=1)[:, None] - 0.5).clip(0).sum(axis=1)
    return np.asarray(missing / (missing + moments.shape[1]))


def _slope(deviation: Array, elapsed_h: Array) -> Array:
    """Least-squares slope per hour."""
    hours = elapsed_h - elapsed_h.mean(axis=1)[:, None]
    return np.asarray((hours * deviation).sum(axis=1) / np.square(hours).sum(axis=1))


def _autocorrelation(deviation: Array, squares: Array) -> Array:
    """Correlation of each reading with the next, whatever lies between them in time; NaN of a constant.

    Source:
        Box, Jenkins and Reinsel, Time Series Analysis, 2.1.5: the estimate r_1.
    """
    products = (deviation[:, 1:] * deviation[:, :-1]).sum(axis=1)
    r = np.divide(products, squares, out=np.full_like(squares, np.nan), where=squares > 0)
    return np.asarray(r.clip(-1.0, 1.0))


def _entropy_bits(values: Array, low: Array, high: Array) -> Array:
    """Shannon entropy of the histogram of `BINS` equal bins between the smallest and the largest value.

    Example:
        >>> _entropy_bits(np.array([[0.0, 1.0, 0.0, 1.0]]), np.zeros(1), np.ones(1)).tolist()
        [1.0]
    """
    windows, n = values.shape
    width = (high - low)[:, None]
    scaled = np.divide(values - low[:, None], width, out=np.zeros_like(values), where=width > 0)
    bins = np.minimum((scaled * BINS).astype(np.int64), BINS - 1) + BINS * np.arange(windows)[:, None]
    counts = np.bincount(bins.ravel(), minlength=windows * BINS)
    weight = np.arange(n + 1) * np.log2(np.maximum(np.arange(n + 1), 1))  # c log2 c of every count there can be
    entropy = np.log2(n) - weight[counts].reshape(windows, BINS).sum(axis=1) / n
    return np.where(width[:, 0] > 0, entropy.clip(0.0), 0.0)


def _quantile(ordered: Array, share: float) -> Array:
    """Quantile of values in order, between two of them linearly (definition 7 of Hyndman and Fan)."""
    n = ordered.shape[1]
    below, part = divmod((n - 1) * share, 1.0)
    lower, upper = ordered[:, int(below)], ordered[:, min(int(below) + 1, n - 1)]
    return np.asarray(lower + (upper - lower) * part)
