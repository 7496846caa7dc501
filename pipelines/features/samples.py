"""Samples of snapshots as arrays: equal ones together, so that NumPy works on many at once."""

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

Signals = NDArray[np.float64]
"""Shape (n_snapshots, n_samples)."""

MOST_SAMPLES = 1 << 22
"""Decoded at a time: 32 MiB of doubles."""

LARGEST = 1e12
"""A sample beyond it is no measurement (as of a reading)."""


class SignalError(ValueError):
    """An array that no feature is defined for; the message says what was found and what is expected."""


def batches(snapshots: pl.DataFrame, *, most: int = MOST_SAMPLES) -> Iterator[tuple[pl.DataFrame, Signals]]:
    """Rows of equal length, rate and encoding, and their decoded samples in the unit of the sensor.

    Args:
        snapshots: Columns of the `snapshots` contract.
        most: Samples decoded at a time; a snapshot that is longer comes alone.
    Raises:
        SignalError: The bytes of a row are not `n_samples` of its `encoding`.
    """
    same = ["n_samples", "sample_rate_hz", "encoding"]
    for (n_samples, _, encoding), rows in snapshots.group_by(same, maintain_order=True):
        at_once = max(1, most // n_samples)
        for piece in rows.iter_slices(at_once):
            yield piece, decoded(piece, n_samples=n_samples, encoding=encoding)


def decoded(rows: pl.DataFrame, *, n_samples: int, encoding: str) -> Signals:
    """`samples` x `scale` of rows that are equally long and encoded, as doubles.

    Raises:
        SignalError: The bytes of a row are not `n_samples` of `encoding`.
    """
    sample = np.dtype(f"<{encoding}")
    found = rows["samples"].bin.size()
    if (wrong := found != n_samples * sample.itemsize).any():
        raise SignalError(
            f"{rows['sensor'].filter(wrong)[0]}: samples hold {found.filter(wrong)[0]} bytes; expected "
            f"{n_samples * sample.itemsize}: {n_samples} samples of {encoding}"
        )
    stored = np.frombuffer(b"".join(rows["samples"]), sample).reshape(rows.height, n_samples)
    signals: Signals = np.multiply(stored, rows["scale"].to_numpy()[:, None], dtype=np.float64)
    return signals


def usable(signals: Signals) -> NDArray[np.bool_]:
    """Of each snapshot, whether all samples are finite and no larger than `LARGEST`; (n_snapshots,).

    Raises:
        SignalError: The array is not (n_snapshots, n_samples) with at least one sample.
    """
    if signals.ndim != 2 or signals.shape[1] == 0:
        raise SignalError(f"found an array of shape {signals.shape}; expected (n_snapshots, n_samples), samples >= 1")
    within: NDArray[np.bool_] = (signals.max(axis=1) <= LARGEST) & (signals.min(axis=1) >= -LARGEST)
    return within  # NaN keeps neither bound


def products(left: NDArray[np.floating], right: NDArray[np.floating]) -> NDArray[np.float64]:
    """Sum of products along the last axis.

    Not by BLAS: for so little work its threads would spin longer than they compute, the more so on a busy machine.
    """
    total: NDArray[np.float64] = np.einsum("...i,...i->...", left, right)
    return total


def channels_mixed(snapshots: pl.DataFrame, *, sensor: str = "mix") -> pl.DataFrame:
    """One snapshot a recording: the mean of the channels that a machine has of one moment and length.

    Args:
        snapshots: Columns of the `snapshots` contract.
        sensor: Name of the mixed channel; its suffix states the unit that all channels share.
    Returns:
        The same columns, `samples` as `f8` with `scale` 1; the rest is that of the first channel.
    """
    import hashlib

    mixed = []
    for _, rows in snapshots.group_by("machine_id", "recorded_at", "n_samples", "sample_rate_hz", maintain_order=True):
        total = sum(signals.sum(axis=0) for _, signals in batches(rows))
        samples = (np.asarray(total) / rows.height).astype("<f8").tobytes()
        digest = hashlib.sha256(samples).hexdigest()[:16]
        first = {"sensor": sensor, "encoding": "f8", "scale": 1.0, "samples": samples, "digest": digest}
        mixed.append(rows.row(0, named=True) | first | {"batch_seq": rows["batch_seq"].max()})
    return pl.DataFrame(mixed, schema=snapshots.schema)
