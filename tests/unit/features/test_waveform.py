"""Time-domain statistics: what SciPy says of each snapshot, and what of one that says nothing."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipelines.features.samples import SignalError, usable
from pipelines.features.waveform import centred, waveform_statistics

SHAPED = ("skewness", "kurtosis")
RATIOS = ("crest", "shape", "impulse", "clearance")
samples = st.floats(-1e12, 1e12, allow_subnormal=False)


def statistics(signal) -> dict[str, float]:
    signals = np.atleast_2d(np.asarray(signal, float))
    deviation, mean = centred(signals)
    return {name: float(values[0]) for name, values in waveform_statistics(signals, deviation, mean).items()}


@given(arrays(float, st.integers(2, 40), elements=st.integers(-1000, 1000)))
def test_moments_are_those_of_the_population(signal):
    found = statistics(signal)
    assert found["std"] == pytest.approx(signal.std(), abs=1e-9)
    assert found["rms"] == pytest.approx(np.sqrt((signal**2).mean()))
    assert found["energy"] == pytest.approx((signal**2).sum())
    assert (found["min"], found["max"]) == (signal.min(), signal.max())
    assert found["peak"] == abs(signal).max()
    if np.ptp(signal):
        assert found["skewness"] == pytest.approx(scipy.stats.skew(signal), abs=1e-9)
        assert found["kurtosis"] == pytest.approx(scipy.stats.kurtosis(signal), abs=1e-9)
    else:
        assert np.isnan([found[name] for name in SHAPED]).all()


def test_factors_are_ratios_of_peak_and_means():
    found = statistics([1.0, -4.0, 0.0, 4.0])
    rms, mean_abs, root = np.sqrt(33 / 4), 9 / 4, 5 / 4
    expected = {"crest": 4 / rms, "shape": rms / mean_abs, "impulse": 4 / mean_abs, "clearance": 4 / root**2}
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert found["peak_to_peak"] == 8.0


def test_gaussian_noise_has_no_excess_kurtosis_and_a_sine_has_that_of_a_sine():
    assert statistics(np.random.default_rng(1).normal(size=200_000))["kurtosis"] == pytest.approx(0.0, abs=0.05)
    assert statistics(np.sin(2 * np.pi * np.arange(1000) / 100))["kurtosis"] == pytest.approx(-1.5)


@pytest.mark.parametrize("value", [0.1, -3.7, 1e12, 1e-9])
def test_a_constant_signal_has_a_level_and_no_shape(value):
    found = statistics(np.full(1000, value))
    assert np.isnan([found[name] for name in SHAPED]).all()
    assert found["mean"] == pytest.approx(value)
    assert [found[name] for name in RATIOS] == pytest.approx([1.0] * 4)


@pytest.mark.parametrize("length", [1, 1000])
def test_zeros_have_neither_shape_nor_factors(length):
    found = statistics(np.zeros(length))
    assert np.isnan([found[name] for name in (*SHAPED, *RATIOS)]).all()
    assert [value for name, value in found.items() if name not in (*SHAPED, *RATIOS)] == [0.0] * 9


@given(arrays(float, st.tuples(st.integers(1, 4), st.integers(1, 30)), elements=samples))
def test_whatever_the_samples_a_statistic_is_a_number_or_undefined(signals):
    deviation, mean = centred(signals)
    with np.errstate(all="raise", under="ignore"):
        found = waveform_statistics(signals, deviation, mean)
    assert not np.isinf(np.stack(list(found.values()))).any()


@given(arrays(float, st.tuples(st.integers(1, 4), st.integers(1, 8)), elements=st.floats(width=64)))
def test_only_finite_samples_of_a_measurable_size_are_usable(signals):
    assert usable(signals).tolist() == [bool((abs(row) <= 1e12).all()) for row in signals]


@pytest.mark.parametrize("shape", [(5,), (2, 0), (1, 2, 3)])
def test_another_shape_is_refused(shape):
    with pytest.raises(SignalError, match="expected \\(n_snapshots, n_samples\\)"):
        usable(np.zeros(shape))
