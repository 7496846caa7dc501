"""Spectra of a batch of snapshots: computed once, then read by all who need frequencies."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pipelines.features.samples import SignalError, Signals, products

Values = NDArray[np.float64]
"""One value a snapshot, (n_snapshots,); NaN where it is not defined."""

SHAPE = ("spectral_centroid_hz", "spectral_spread_hz", "spectral_entropy", "dominant_hz")
BANDS_HZ = {
    "power_below_1khz": (0.0, 1_000.0),
    "power_1_to_5khz": (1_000.0, 5_000.0),
    "power_above_5khz": (5_000.0, float("inf")),
}
"""Below 1 kHz lie shaft and blades, above it the resonances that a damaged bearing rings."""


@dataclass(frozen=True)
class Spectra:
    """Fourier coefficients of snapshots less their mean.

    Attributes:
        bins: Shape (n_snapshots, n_samples // 2 + 1), from 0 Hz on, unscaled.
        n_samples: Samples of each snapshot.
        sample_rate_hz: Samples per second.
    """

    bins: NDArray[np.complex128]
    n_samples: int
    sample_rate_hz: float

    @property
    def bin_hz(self) -> float:
        """Distance between two bins: one over the length of a snapshot."""
        return self.sample_rate_hz / self.n_samples

    @property
    def seconds(self) -> float:
        return self.n_samples / self.sample_rate_hz

    @cached_property
    def single(self) -> NDArray[np.complex64]:
        """`bins` over their norm, in single precision: of an envelope it leaves seven digits, for half the work."""
        norm = np.sqrt(products(self.bins.real, self.bins.real) + products(self.bins.imag, self.bins.imag))
        scaled = np.empty(self.bins.shape, np.complex64)
        return np.multiply(self.bins, 1 / np.where(norm > 0, norm, 1.0)[:, None], out=scaled, casting="same_kind")


def spectra_of(centred: Signals, *, sample_rate_hz: float) -> Spectra:
    """Fourier coefficients of snapshots whose mean is removed already.

    Raises:
        SignalError: The sample rate is no positive number.
    """
    from scipy.fft import rfft

    if not 0 < sample_rate_hz < float("inf"):
        raise SignalError(f"found a sample rate of {sample_rate_hz} Hz; expected a positive number")
    return Spectra(rfft(centred), centred.shape[1], sample_rate_hz)


def spectral_shape(spectra: Spectra) -> dict[str, Values]:
    """Where the power lies.

    Power is the squared magnitude of each bin but 0 Hz, unweighted by a window, in shares that sum to 1.

    Returns:
        `spectral_centroid_hz`: mean frequency, weighted by power. `spectral_spread_hz`: standard deviation about it.
        `spectral_entropy`: of the shares, over its largest possible value: 0 a single line, 1 white.
        `dominant_hz`: the bin of most power. `power_below_1khz`, `power_1_to_5khz` and `power_above_5khz`: shares of
        power; a frequency on an edge counts upwards; NaN where the snapshot holds no such frequency.
        All NaN where a snapshot has no power, or fewer than four samples (two bins).
    Source:
        Peeters (2004), CUIDADO report, sections 6.1 and 9; Misra et al. (2004), ICASSP, pp. 193-196 (entropy).
    """
    count, n_bins = spectra.bins.shape[0], spectra.bins.shape[1] - 1
    if n_bins < 2:
        return {name: np.full(count, np.nan) for name in (*SHAPE, *BANDS_HZ)}
    power = _shares(spectra)
    frequency_hz = np.arange(1, n_bins + 1) * spectra.bin_hz
    centroid = products(power, frequency_hz)
    variance = np.maximum(products(power, frequency_hz**2) - centroid**2, 0.0)
    entropy = -products(power, np.log(np.maximum(power, 1e-300))) / np.log(n_bins)
    dominant = np.where(np.isnan(centroid), np.nan, frequency_hz[power.argmax(axis=1)])
    edges = {name: np.searchsorted(frequency_hz, band) for name, band in BANDS_HZ.items()}
    shares = {
        name: power[:, low:high].sum(axis=1) if low < high else np.full(count, np.nan)
        for name, (low, high) in edges.items()
    }
    return dict(zip(SHAPE, (centroid, np.sqrt(variance), entropy, dominant), strict=True)) | shares


def _shares(spectra: Spectra) -> NDArray[np.float64]:
    """Share of each bin but 0 Hz in the power; NaN where there is none."""
    bins = spectra.bins[:, 1:]
    power = bins.real**2
    power += bins.imag**2
    if spectra.n_samples % 2 == 0:
        power[:, -1] /= 2  # every other bin stands for two of the two-sided spectrum
    total = power.sum(axis=1, keepdims=True)
    power /= np.where(total > 0, total, np.nan)
    return power
