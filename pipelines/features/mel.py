"""The mel scale: a bank of triangular filters over a power spectrum, and the cosine transform of its logarithm."""

import numpy as np
from numpy.typing import NDArray

LINEAR_HZ = 200 / 3
"""Width of a mel below 1 kHz."""

BREAK_HZ, BREAK_MEL = 1_000.0, 15.0
STEP = np.log(6.4) / 27
"""Logarithm of the ratio of two frequencies that lie a mel apart, above 1 kHz."""


def mel_of(frequency_hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mel by Slaney: linear below 1 kHz, logarithmic above.

    Source:
        Slaney (1998), Auditory Toolbox, Interval Research technical report 1998-010; the default of librosa.
    """
    above = BREAK_MEL + np.log(np.maximum(frequency_hz, BREAK_HZ) / BREAK_HZ) / STEP
    return np.where(frequency_hz < BREAK_HZ, frequency_hz / LINEAR_HZ, above)


def hz_of(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Frequency in Hz at a mel: the inverse of `mel_of`."""
    return np.where(mel < BREAK_MEL, mel * LINEAR_HZ, BREAK_HZ * np.exp(STEP * (mel - BREAK_MEL)))


def mel_bank(*, sample_rate_hz: float, n_fft: int, n_mels: int) -> NDArray[np.float64]:
    """Triangular filters, equally wide on the mel scale from 0 Hz to half the sample rate, each of unit area in Hz.

    Returns:
        Shape (n_mels, n_fft // 2 + 1): weights of the bins of a power spectrum.
    Source:
        As `librosa.filters.mel` with its defaults (McFee et al., 2015, SciPy proceedings).
    """
    frequency_hz = np.arange(n_fft // 2 + 1) * sample_rate_hz / n_fft
    corners = hz_of(np.linspace(0.0, float(mel_of(np.array(sample_rate_hz / 2))), n_mels + 2))
    low, centre, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    rising, falling = (frequency_hz - low) / (centre - low), (high - frequency_hz) / (high - centre)
    bank: NDArray[np.float64] = np.maximum(0.0, np.minimum(rising, falling)) * (2.0 / (high - low))
    return bank


def cosine_transform(*, n_out: int, n_in: int) -> NDArray[np.float64]:
    """Orthonormal DCT of type II as a matrix (n_out, n_in): its first `n_out` rows.

    Source:
        Ahmed, Natarajan and Rao (1974), IEEE Trans. Computers 23, pp. 90-93.
    """
    row, place = np.arange(n_out)[:, None], np.arange(n_in) + 0.5
    matrix: NDArray[np.float64] = np.sqrt(2 / n_in) * np.cos(np.pi / n_in * row * place)
    matrix[0] /= np.sqrt(2)
    return matrix
