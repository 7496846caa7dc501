"""Statistics of a waveform in time: level, spread and how much it strikes."""

import numpy as np
from numpy.typing import NDArray

from pipelines.features.samples import Signals, products

CONSTANT = 1e-12
"""Spread over peak that rounding alone can leave of a constant signal: what is smaller has no shape."""

SMALLEST = 1e-50
"""What is smaller counts as zero: its fourth power would be none."""


def centred(signals: Signals) -> tuple[Signals, NDArray[np.float64]]:
    """Snapshots less their mean, and the means (n_snapshots,)."""
    mean = signals.mean(axis=1)
    return signals - mean[:, None], mean


def constant(std: NDArray[np.float64], peak: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether what varies in a snapshot is no more than rounding; (n_snapshots,)."""
    return std <= np.maximum(CONSTANT * peak, SMALLEST)


def waveform_statistics(
    signals: Signals, deviation: Signals, mean: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Statistics over the samples x of each snapshot, in the unit of x where not said otherwise.

    All are those of the population: divided by n, not n - 1.

    Args:
        signals: Shape (n_snapshots, n_samples), finite.
        deviation, mean: As `centred` gives them.
    Returns:
        `mean`, `std`, `rms`, `min`, `max`; `peak`: largest |x|; `peak_to_peak`: max - min; `mean_abs`: mean of |x|;
        `energy`: sum of x², in the unit squared. Without unit: `skewness` and `kurtosis` (excess, 0 of a Gaussian), NaN
        of a constant signal; `crest` = peak / rms, `shape` = rms / mean_abs, `impulse` = peak / mean_abs,
        `clearance` = peak / (mean of sqrt |x|)², NaN of zeros.
    Source:
        Lei (2017), Intelligent Fault Diagnosis of Rotating Machinery, section 2.2.
    """
    found = moments(signals, deviation, mean)
    return found | factors(signals, peak=found["peak"], rms=found["rms"])


def moments(signals: Signals, deviation: Signals, mean: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Level, range and moments, as `waveform_statistics` tells them."""
    n = signals.shape[1]
    low, high = signals.min(axis=1), signals.max(axis=1)
    peak = np.maximum(high, -low)
    square = deviation * deviation
    second, third, fourth = square.mean(axis=1), products(square, deviation) / n, products(square, square) / n
    mean_square = second + mean**2
    std = np.sqrt(second)
    shaped = np.where(constant(std, peak), np.nan, std)
    return {
        "mean": mean,
        "std": std,
        "rms": np.sqrt(mean_square),
        "min": low,
        "max": high,
        "peak": peak,
        "peak_to_peak": high - low,
        "energy": n * mean_square,
        "skewness": third / shaped**3,
        "kurtosis": fourth / shaped**4 - 3.0,
    }


def factors(signals: Signals, *, peak: NDArray[np.float64], rms: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Mean |x| and the ratios of peak, RMS and means, as `waveform_statistics` tells them."""
    magnitude = np.abs(signals)
    mean_abs = magnitude.mean(axis=1)
    root = np.sqrt(magnitude, out=magnitude).mean(axis=1)
    some = np.where(peak > SMALLEST, 1.0, np.nan)
    return {
        "mean_abs": mean_abs,
        "crest": peak / (rms * some),
        "shape": rms / (mean_abs * some),
        "impulse": peak / (mean_abs * some),
        "clearance": peak / (root**2 * some),
    }
