"""The most impulsive band where there is next to nothing in it."""

import numpy as np
import pytest

from pipelines.features.envelope import most_impulsive
from pipelines.features.spectrum import spectra_of

T = np.arange(4096) / 4096


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("weak", [1e-15, 1e-18, 1e-19, 1e-20, 1e-21, 1e-22, 1e-25, 1e-30, 1e-160, 0.0])
def test_a_band_as_faint_as_rounding_is_passed_over_without_a_warning(weak):
    rng = np.random.default_rng(1)
    loud = np.zeros(4096 // 2 + 1, complex)
    loud[1:512] = rng.normal(size=511)  # one quarter of the band; all others hold `weak`
    loud[512:] = weak * rng.normal(size=loud.size - 512)
    spectra = spectra_of(np.zeros((1, 4096)), sample_rate_hz=4096.0)
    bands = most_impulsive(type(spectra)(loud[None], 4096, 4096.0))
    assert np.isfinite(bands.kurtosis).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scale", [1e-10, 1e-30, 1e-150])
def test_the_band_depends_on_no_amplitude(scale):
    strikes = np.exp(-200 * (T % 0.1)) * np.sin(2 * np.pi * 1_500 * T)
    plain, faint = (
        most_impulsive(spectra_of((factor * (strikes - strikes.mean()))[None], sample_rate_hz=4096.0))
        for factor in (1.0, scale)
    )
    assert (plain.first, plain.width) == (faint.first, faint.width)
    assert faint.kurtosis == pytest.approx(plain.kurtosis, rel=1e-3)
