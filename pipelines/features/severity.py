"""Severity of vibration: velocity RMS in the band of ISO 20816, and the zone it lies in."""

from collections.abc import Sequence

import numpy as np

from pipelines.contracts.vocabulary import ISO_LIMITS_MM_S, ISO_ZONES
from pipelines.features.samples import SignalError, products
from pipelines.features.spectrum import Spectra, Values

BAND_HZ = (10.0, 1_000.0)
LEAST_SECONDS = 0.5
"""Five periods of 10 Hz: in less, the lowest lines of the band cannot be told from a drift."""

LEAST_RATE_HZ = 2_560.0
"""2.56 times the upper edge: what a recorder with an anti-aliasing filter needs to pass 1 kHz."""

SLOWEST_RPM = 600.0
"""For slower machines ISO 20816-3 asks for a band from 2 Hz: this one says nothing of them."""

ACCELERATIONS_MM_S2 = {"_g": 9.80665e3, "_m_s2": 1e3, "_mm_s2": 1.0}
"""Millimetres per square second in a unit of acceleration, by the suffix of the sensor."""

VELOCITY = "_mm_s"


def velocity_rms_mm_s(spectra: Spectra, *, sensor: str) -> Values:
    """Velocity RMS between 10 and 1,000 Hz in mm/s, integrated in the frequency domain.

    The snapshot is Hann-weighted, as its ends need not meet, and its power corrected for that; both edges belong to the
    band.

    Args:
        spectra: Of acceleration, or of velocity where the unit is mm/s.
        sensor: Name of the channel; its suffix states the unit: `_g`, `_m_s2`, `_mm_s2`, `_mm_s`.
    Returns:
        NaN where the unit is none of these, a snapshot is shorter than 0.5 s or its rate lower than 2,560 Hz.
    Source:
        ISO 20816-1:2016, section 4.2; Harris (1978), Proc. IEEE 66, pp. 51-83 (weighting).
    Example:
        >>> from pipelines.features.spectrum import spectra_of
        >>> t = np.arange(10_000) / 10_000
        >>> one_g = spectra_of(np.sin(2 * np.pi * 100 * t)[None], sample_rate_hz=10_000.0)  # an amplitude of 1 g
        >>> velocity_rms_mm_s(one_g, sensor="pump_g").round(1).tolist(), round(9806.65 / (200 * np.pi) / 2**0.5, 1)
        ([11.0], 11.0)
    """
    count = spectra.bins.shape[0]
    acceleration = next((of for suffix, of in ACCELERATIONS_MM_S2.items() if sensor.endswith(suffix)), None)
    unknown = acceleration is None and not sensor.endswith(VELOCITY)
    if unknown or spectra.seconds < LEAST_SECONDS or spectra.sample_rate_hz < LEAST_RATE_HZ:
        return np.full(count, np.nan)
    first, last = int(np.ceil(BAND_HZ[0] / spectra.bin_hz)), int(BAND_HZ[1] // spectra.bin_hz)
    around = spectra.bins[:, first - 1 : last + 2]
    weighted = 0.5 * around[:, 1:-1] - 0.25 * (around[:, :-2] + around[:, 2:])  # a Hann window, in frequency
    power = weighted.real**2 + weighted.imag**2
    omega = 2 * np.pi * spectra.bin_hz * np.arange(first, last + 1)
    gain = np.ones_like(omega) if acceleration is None else acceleration / omega
    two_sides, window = 2.0, 3 / 8  # 3/8: mean of the squared window
    rms: Values = np.sqrt(products(power, gain**2) * two_sides / window) / spectra.n_samples
    return rms


def iso_zone(velocity_mm_s: Values, *, classes: Sequence[str | None], speed_rpm: Values) -> list[str | None]:
    """Zone of ISO 20816-3; a value on a limit lies in the zone below it.

    Args:
        velocity_mm_s: Velocity RMS, 10 to 1,000 Hz; NaN where unknown.
        classes: Class of each machine, of `ISO_LIMITS_MM_S`; None where none is declared, as for test rigs.
        speed_rpm: NaN where unknown.
    Returns:
        `A` to `D`; None without velocity or class, and below 600 rpm.
    Raises:
        SignalError: A class has no limits.
    Source:
        ISO 20816-3:2022, annex A (values as in ISO 10816-3:2009).
    Example:
        >>> at = np.array([1.4, 1.5, 9.0])
        >>> iso_zone(at, classes=["group2-rigid"] * 3, speed_rpm=np.full(3, 1500.0))
        ['A', 'B', 'D']
    """
    if unknown := sorted({name for name in classes if name is not None} - set(ISO_LIMITS_MM_S)):
        raise SignalError(f"found the class {unknown[0]!r}; expected one of {', '.join(ISO_LIMITS_MM_S)}")
    return [
        None
        if name is None or np.isnan(value) or speed < SLOWEST_RPM
        else ISO_ZONES[int(np.searchsorted(ISO_LIMITS_MM_S[name], value))]
        for value, name, speed in zip(velocity_mm_s, classes, speed_rpm, strict=True)
    ]
