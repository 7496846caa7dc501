"""`smartmaint bench vibration`: the fixed feature list beside the bare transforms it needs, and beside TSFEL."""

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from jobs.bench_row import row
from pipelines.features.samples import Signals
from pipelines.features.spectrum import spectra_of, spectral_shape
from pipelines.features.vibration import AT_ONCE, batch_features
from pipelines.features.waveform import centred, moments

SNAPSHOTS, SAMPLES, RATE_HZ = 64, 20_480, 20_000.0
"""As a file of the IMS tests holds them."""

BEARING, SPEED_RPM = "ZA-2115", 2_000.0
REPEATS = 9
GOAL_BARE, GOAL_TSFEL = 0.5, 10.0
TSFEL_SNAPSHOTS = 8  # it takes one at a time, so a few tell its speed


def vibration_speed() -> list[dict[str, Any]]:
    """Million samples a CPU second: all features beside `rfft` + `hilbert`, and thirteen of them beside TSFEL."""
    signals = _snapshots()
    ours, bare = _median_cpu([lambda: _all_features(signals), lambda: _transforms(signals)])
    few = signals[:TSFEL_SNAPSHOTS]
    same, tsfel = _median_cpu([lambda: _same_as_tsfel(signals), lambda: _tsfel(few)])
    return [
        _compared("vibration features, beside rfft + hilbert", signals.size / ours, signals.size / bare, GOAL_BARE),
        _compared("thirteen of them, beside TSFEL", signals.size / same, few.size / tsfel, GOAL_TSFEL),
    ]


def _compared(what: str, ours: float, baseline: float, goal: float) -> dict[str, Any]:
    return row(what, ours / 1e6, baseline / 1e6, "M samples/CPU s", goal=goal, met=ours / baseline >= goal)


def _snapshots() -> Signals:
    """Noise in which an outer race strikes: every branch of the list has work to do."""
    rng = np.random.default_rng(1)
    struck = np.zeros((SNAPSHOTS, SAMPLES))
    struck[:, ::85] = 8.0  # about BPFO
    ring = np.exp(-np.arange(200) / 20) * np.sin(2 * np.pi * 0.2 * np.arange(200))
    rung = np.apply_along_axis(np.convolve, 1, struck, ring)[:, :SAMPLES]
    return np.asarray(rung + rng.normal(size=struck.shape))


def _blocks(signals: Signals) -> Iterator[Signals]:
    """As many at a time as the stage takes."""
    at_once = AT_ONCE // SAMPLES
    for first in range(0, SNAPSHOTS, at_once):
        yield signals[first : first + at_once]


def _all_features(signals: Signals) -> None:
    for block in _blocks(signals):
        batch_features(
            block,
            sample_rate_hz=RATE_HZ,
            sensors=["bearing_g"] * len(block),
            speed_rpm=np.full(len(block), SPEED_RPM),
            bearings=[BEARING] * len(block),
            classes=["group2-rigid"] * len(block),
        )


def _transforms(signals: Signals) -> None:
    from scipy.fft import rfft
    from scipy.signal import hilbert

    rfft(signals)
    hilbert(signals)


def _same_as_tsfel(signals: Signals) -> None:
    """Moments and spectral shape, of which TSFEL has thirteen; shares of power and peak come for the same passes."""
    for block in _blocks(signals):
        deviation, mean = centred(block)
        moments(block, deviation, mean)
        spectral_shape(spectra_of(deviation, sample_rate_hz=RATE_HZ))


def _tsfel(signals: Signals) -> None:
    """Mean, standard deviation, RMS, smallest, largest, peak to peak, skewness, kurtosis, energy; centroid, spread and
    entropy of the spectrum (TSFEL weighs the first two by magnitude, we by power), and its foremost line."""
    import tsfel

    in_time = ["calc_mean", "calc_std", "rms", "calc_min", "calc_max", "pk_pk_distance", "skewness", "kurtosis"]
    for signal in signals:
        for name in (*in_time, "abs_energy"):
            getattr(tsfel, name)(signal)
        for name in ("spectral_centroid", "spectral_spread", "spectral_entropy", "fundamental_frequency"):
            getattr(tsfel, name)(signal, RATE_HZ)


def _median_cpu(works: list[Callable[[], None]]) -> list[float]:
    """CPU seconds of each, after one try that counts for nothing.

    One after the other: threads that one of them left waiting would be counted with the next.
    """
    return [_one_median(work) for work in works]


def _one_median(work: Callable[[], None]) -> float:
    spent = []
    for _ in range(REPEATS + 1):
        begun = time.process_time()
        work()
        spent.append(time.process_time() - begun)
    return statistics.median(spent[1:])
