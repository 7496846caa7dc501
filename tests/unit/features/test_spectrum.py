"""Spectral shape and velocity: what a known sum of sines must give."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.contracts.vocabulary import ISO_LIMITS_MM_S
from pipelines.features.samples import SignalError
from pipelines.features.severity import iso_zone, velocity_rms_mm_s
from pipelines.features.spectrum import spectra_of, spectral_shape

RATE_HZ = 20_000.0
SHARES = ("power_below_1khz", "power_1_to_5khz", "power_above_5khz")


def sines(parts: dict[float, float], *, n: int = 20_000, rate_hz: float = RATE_HZ) -> np.ndarray:
    """Sum of sines by frequency and amplitude, one snapshot."""
    t = np.arange(n) / rate_hz
    return sum(a * np.sin(2 * np.pi * f * t + f) for f, a in parts.items())[None]


def shape(signal: np.ndarray, *, rate_hz: float = RATE_HZ) -> dict[str, float]:
    found = spectral_shape(spectra_of(signal - signal.mean(), sample_rate_hz=rate_hz))
    return {name: float(values[0]) for name, values in found.items()}


def velocity(signal: np.ndarray, *, sensor: str = "pump_m_s2", rate_hz: float = RATE_HZ) -> float:
    return float(velocity_rms_mm_s(spectra_of(signal - signal.mean(), sample_rate_hz=rate_hz), sensor=sensor)[0])


def test_two_lines_have_their_mean_spread_entropy_and_shares():
    found = shape(sines({500.0: 1.0, 6000.0: np.sqrt(3.0)}))  # a quarter and three quarters of the power
    assert found["spectral_centroid_hz"] == pytest.approx(4625.0)
    assert found["spectral_spread_hz"] == pytest.approx(np.sqrt(0.25 * 0.75) * 5500)
    assert found["dominant_hz"] == 6000.0
    assert [found[name] for name in SHARES] == pytest.approx([0.25, 0.0, 0.75], abs=1e-9)
    assert found["spectral_entropy"] == pytest.approx(0.5623 / np.log(10_000), abs=1e-3)


def test_the_last_bin_of_an_even_length_counts_once():
    alternating = np.tile([1.0, -1.0], 500)[None] + sines({100.0: np.sqrt(2.0)}, n=1000, rate_hz=1000.0)
    assert shape(alternating, rate_hz=1000.0)["spectral_centroid_hz"] == pytest.approx(300.0)


def test_a_band_beyond_half_the_rate_has_no_share():
    found = shape(sines({100.0: 1.0}, n=4000, rate_hz=4000.0), rate_hz=4000.0)
    assert found["power_1_to_5khz"] == pytest.approx(0.0, abs=1e-9)
    assert np.isnan(found["power_above_5khz"])


@given(st.integers(1, 300), st.integers(0, 2**32))
def test_shares_and_entropy_stay_within_their_bounds_or_are_undefined(n, seed):
    signal = np.random.default_rng(seed).normal(size=(1, n))
    found = shape(signal)
    assert np.isnan(list(found.values())).all() == (n < 4)
    if n >= 4:
        assert np.nansum([found[name] for name in SHARES]) == pytest.approx(1.0)
        assert -1e-9 <= found["spectral_entropy"] <= 1 + 1e-9


@pytest.mark.parametrize("rate_hz", [0.0, -1.0, float("nan"), float("inf")])
def test_a_rate_that_is_none_is_refused(rate_hz):
    with pytest.raises(SignalError, match="expected a positive number"):
        spectra_of(np.ones((1, 4)), sample_rate_hz=rate_hz)


@pytest.mark.parametrize("frequency_hz", [20.0, 33.4, 159.15, 900.3])
@pytest.mark.parametrize(("sensor", "unit"), [("pump_m_s2", 1e3), ("pump_g", 9.80665e3), ("a_mm_s2", 1.0)])
def test_acceleration_is_integrated_to_velocity(frequency_hz, sensor, unit):
    expected = unit / (2 * np.pi * frequency_hz) / np.sqrt(2)
    assert velocity(sines({frequency_hz: 1.0}), sensor=sensor) == pytest.approx(expected, rel=2e-3)


def test_velocity_itself_is_only_filtered():
    assert velocity(sines({50.0: 3.0, 2000.0: 9.0}), sensor="pump_mm_s") == pytest.approx(3.0 / np.sqrt(2), rel=1e-6)


@pytest.mark.parametrize("outside_hz", [4.0, 1_100.0, 6_000.0])
def test_what_lies_outside_the_band_adds_nothing(outside_hz):
    alone, both = velocity(sines({100.0: 1.0})), velocity(sines({100.0: 1.0, outside_hz: 1.0}))
    assert both == pytest.approx(alone, rel=1e-3)


def test_a_drift_through_the_snapshot_is_no_vibration():
    drift = np.linspace(-1.0, 1.0, 20_000)[None]
    assert velocity(sines({100.0: 1.0}) + drift) == pytest.approx(velocity(sines({100.0: 1.0})), rel=0.01)


@pytest.mark.parametrize(
    ("n", "rate_hz", "sensor", "known"),
    [
        (10_000, 20_000.0, "a_g", True),
        (9_999, 20_000.0, "a_g", False),  # shorter than half a second
        (2_560, 2_560.0, "a_g", True),
        (2_560, 2_559.0, "a_g", False),
        (20_000, 20_000.0, "channel_1", False),
        (20_000, 20_000.0, "a_v", False),
    ],
)
def test_velocity_is_known_where_unit_length_and_rate_allow(n, rate_hz, sensor, known):
    signal = np.random.default_rng(1).normal(size=(1, n))
    assert np.isfinite(velocity(signal, sensor=sensor, rate_hz=rate_hz)) == known


@pytest.mark.parametrize("name", ISO_LIMITS_MM_S)
def test_a_value_on_a_limit_lies_in_the_zone_below(name):
    limits = np.array(ISO_LIMITS_MM_S[name])
    values = np.concatenate([limits, np.nextafter(limits, np.inf)])
    assert iso_zone(values, classes=[name] * 6, speed_rpm=np.full(6, 1500.0)) == [*"ABC", *"BCD"]


@pytest.mark.parametrize(
    ("value", "name", "speed", "zone"),
    [
        (3.0, "group2-rigid", 1500.0, "C"),
        (3.0, "group2-rigid", np.nan, "C"),
        (3.0, "group2-rigid", 600.0, "C"),
        (3.0, "group2-rigid", 599.0, None),
        (3.0, None, 1500.0, None),
        (np.nan, "group2-rigid", 1500.0, None),
    ],
)
def test_a_zone_needs_a_velocity_a_class_and_no_slow_shaft(value, name, speed, zone):
    assert iso_zone(np.array([value]), classes=[name], speed_rpm=np.array([speed])) == [zone]


def test_an_unknown_class_is_refused_with_those_that_are_known():
    with pytest.raises(SignalError, match="found the class 'pump'; expected one of group1-rigid"):
        iso_zone(np.array([1.0]), classes=["pump"], speed_rpm=np.array([1500.0]))
