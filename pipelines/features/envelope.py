"""Envelope analysis: the band in which a bearing rings, and the spectrum of how loudly it does."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.features.samples import products
from pipelines.features.spectrum import Spectra, Values

DIVISIONS = (4, 8)
"""The half spectrum is cut into so many bands of equal width: narrow enough to leave out shaft and blades, wide enough
to hold several harmonics of a line."""

FEWEST_BINS = 32
"""Of a band: what is narrower has too few independent values for a kurtosis."""

EDGE = 16
"""One part in so many is left out at either end, where the ends of a snapshot meet in the Fourier transform."""

SILENCE = np.float32(1e-18)
"""Of a band's share in the power of a snapshot: less is the rounding of the transform, and its square no number."""


@dataclass(frozen=True)
class Bands:
    """The most impulsive band of each snapshot, arrays (n_snapshots,); `width` is 0 where there is none.

    Attributes:
        first: Its lowest bin.
        width: Its bins.
        kurtosis: Its spectral kurtosis: 0 of stationary noise, -1 of a steady tone, large of repeated strikes.
    """

    first: NDArray[np.int64]
    width: NDArray[np.int64]
    kurtosis: Values


def most_impulsive(spectra: Spectra) -> Bands:
    """The band whose envelope has the largest kurtosis, over all bands of all `DIVISIONS`.

    A bank of ideal band-pass filters: the bins of a band, transformed back alone, are its complex envelope at the
    rate of the band's width. Kurtosis needs no more, so single precision and a decimated envelope serve.

    Returns:
        Bands of width 0 and kurtosis NaN where all bands are narrower than `FEWEST_BINS` or a snapshot has no power.
    Source:
        Antoni and Randall (2006), Mech. Syst. Signal Process. 20, pp. 308-331; Antoni (2007), 21, pp. 108-124.
    """
    from scipy.fft import ifft

    count = spectra.bins.shape[0]
    first, width = np.ones(count, np.int64), np.zeros(count, np.int64)
    kurtosis = np.full(count, np.nan)
    for division in DIVISIONS:
        bins_each = (spectra.n_samples // 2) // division
        if bins_each < FEWEST_BINS:
            break
        bands = spectra.single[:, 1 : 1 + division * bins_each].reshape(count, division, bins_each)
        edge = bins_each // EDGE
        found = _kurtosis(ifft(bands, norm="ortho")[:, :, edge : bins_each - edge])
        best = found.argmax(axis=1)
        found = found[np.arange(count), best]
        better = found > np.where(width > 0, kurtosis, -np.inf)
        first[better], width[better] = 1 + best[better] * bins_each, bins_each
        kurtosis[better] = found[better]
    return Bands(first, width, kurtosis)


def _kurtosis(envelope: NDArray[np.complex64]) -> NDArray[np.float64]:
    """Of complex envelopes along the last axis; -inf where one is silent."""
    square = envelope.real**2
    square += envelope.imag**2
    second, fourth = square.mean(axis=-1), products(square, square) / square.shape[-1]
    sounds = second > SILENCE
    return np.where(sounds, fourth / np.where(sounds, second, 1.0) ** 2 - 2.0, -np.inf)


def squared_envelope(
    spectra: Spectra, rows: NDArray[np.int64], *, first: NDArray[np.int64], width: int
) -> NDArray[np.float32]:
    """Squared envelope inside a band of each of `rows`, at twice the rate of the band's width.

    The bins of the band are transformed back alone. The squared envelope reaches up to the width, so nothing folds.

    Args:
        rows: Which snapshots, (n_rows,).
        first: Lowest bin of the band of each, (n_rows,).
        width: Bins of the bands.
    Returns:
        Shape (n_rows, 2 * width), of no particular scale.
    Source:
        Randall and Antoni (2011), Mech. Syst. Signal Process. 25, pp. 485-520, section 4.
    """
    from scipy.fft import ifft

    inside = spectra.single[rows[:, None], first[:, None] + np.arange(width)]
    analytic = ifft(inside, n=2 * width, norm="ortho")
    square: NDArray[np.float32] = analytic.real**2
    square += analytic.imag**2
    return square


def mean_spectrum(squares: NDArray[np.float32], *, segments: int) -> NDArray[np.float64]:
    """Power spectrum of squared envelopes: mean over segments of equal length, each less its mean and Hann-weighted.

    Returns:
        Shape (n_rows, n_bins); bins are one over the length of a segment apart.
    Source:
        Welch (1967), IEEE Trans. Audio Electroacoustics 15, pp. 70-73.
    """
    from scipy.fft import rfft

    length = squares.shape[1] // segments
    cut = squares[:, : segments * length].reshape(squares.shape[0], segments, length)
    window = np.hanning(length + 1)[:-1].astype(np.float32)
    bins = rfft((cut - cut.mean(axis=2, keepdims=True)) * window)
    power: NDArray[np.float64] = (bins.real**2 + bins.imag**2).mean(axis=1, dtype=np.float64)
    return power
