"""Diagnosis: a planted defect is named with its part, and nothing else is."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from pipelines.features.bearings import GEOMETRIES
from pipelines.features.diagnosis import LINES, NAMED_DB, line_levels, line_orders, named
from pipelines.features.envelope import most_impulsive
from pipelines.features.samples import Signals
from pipelines.features.spectrum import spectra_of

RIGS = {  # samples, rate, speed: as the public test rigs
    "ZA-2115": (20_480, 20_000.0, 2_000.0),
    "UER204": (32_768, 25_600.0, 2_100.0),
    "6205-2RS": (12_000, 12_000.0, 1_797.0),
}
SEEDS = 200
RESONANCE = [1, -2 * 0.97 * np.cos(2 * np.pi * 0.2), 0.97**2]  # rings at a fifth of the rate


def levels(signals: Signals, *, bearing: str | None, rate_hz: float, speed_rpm: float) -> dict:
    spectra = spectra_of(signals - signals.mean(axis=1, keepdims=True), sample_rate_hz=rate_hz)
    count = len(signals)
    lines, shaft_hz = line_orders([bearing] * count), np.full(count, speed_rpm / 60)
    return line_levels(spectra, most_impulsive(spectra), lines=lines, shaft_hz=shaft_hz)


def diagnosed(signals: Signals, **rig) -> list[str | None]:
    return named(levels(signals, **rig))[0]


def struck(bearing: str, line: str, *, strength: float, slip: float = 0.0, seed: int = 1) -> Signals:
    """Noise of unit variance in which a part strikes, with 1 % jitter; an inner race in and out of the load zone."""
    n, rate_hz, speed_rpm = RIGS[bearing]
    rng = np.random.default_rng(seed)
    order = float(line_orders([bearing])[0, LINES.index(line)]) * (1 + slip)
    period = rate_hz / (order * speed_rpm / 60)
    at = np.cumsum(period * (1 + rng.normal(0, 0.01, int(n / period))))
    at = at[at < n - 1]
    loud = 1 + 0.8 * np.cos(2 * np.pi * speed_rpm / 60 * at / rate_hz) if line == "bpfi" else np.ones(at.size)
    strikes = np.zeros(n)
    strikes[at.astype(int)] = strength * loud
    return (lfilter([1], RESONANCE, strikes) + rng.normal(size=n))[None]


@pytest.mark.parametrize(("line", "part"), [("bpfo", "outer_race"), ("bpfi", "inner_race"), ("bsf", "ball")])
@pytest.mark.parametrize("slip", [-0.006, -0.003, 0.0])  # elements slip behind
@pytest.mark.parametrize("bearing", RIGS)
def test_a_planted_defect_is_named_with_its_part(bearing, line, part, slip):
    _, rate_hz, speed_rpm = RIGS[bearing]
    signals = np.concatenate([struck(bearing, line, strength=12.0, slip=slip, seed=seed) for seed in range(5)])
    assert diagnosed(signals, bearing=bearing, rate_hz=rate_hz, speed_rpm=speed_rpm) == [part] * 5


def test_a_fault_beyond_the_tolerance_is_not_taken_for_slip():
    _, rate_hz, speed_rpm = RIGS["ZA-2115"]
    signals = struck("ZA-2115", "bpfo", strength=8.0, slip=-0.06)
    assert diagnosed(signals, bearing="ZA-2115", rate_hz=rate_hz, speed_rpm=speed_rpm) == ["none"]


def test_the_level_does_not_depend_on_the_gain():
    _, rate_hz, speed_rpm = RIGS["ZA-2115"]
    signals = struck("ZA-2115", "bpfi", strength=8.0)
    both = levels(np.concatenate([signals, 1e-6 * signals]), bearing="ZA-2115", rate_hz=rate_hz, speed_rpm=speed_rpm)
    assert both["bpfi_db"][0] == pytest.approx(both["bpfi_db"][1], abs=1e-3)


def test_the_sidebands_of_an_inner_race_stand_out():
    _, rate_hz, speed_rpm = RIGS["6205-2RS"]
    rig = {"bearing": "6205-2RS", "rate_hz": rate_hz, "speed_rpm": speed_rpm}
    inner, outer = (levels(struck("6205-2RS", line, strength=8.0), **rig) for line in ("bpfi", "bpfo"))
    assert inner["bpfi_sideband_db"][0] > 10 > outer["bpfi_sideband_db"][0]


def noise(rng: np.random.Generator, shape: tuple[int, int], rate_hz: float, shaft_hz: float) -> dict[str, Callable]:
    """What a healthy machine may sound like, by name."""
    t = np.arange(shape[1]) / rate_hz
    phase = rng.uniform(0, 2 * np.pi, (shape[0], 1))
    white = rng.normal(size=shape)

    def tone(frequency_hz: float) -> Signals:
        return np.sin(2 * np.pi * frequency_hz * t + phase)

    def clicks() -> Signals:
        at = rng.random(shape) < 20 / shape[1]
        return white + lfilter([1], RESONANCE, np.where(at, 20 * rng.normal(size=shape), 0.0))

    return {
        "white": lambda: white,
        "red": lambda: lfilter([1], [1, -0.95], white),
        "resonance": lambda: lfilter([1], RESONANCE, white),
        "shaft harmonics": lambda: white + sum(3 / k * tone(k * shaft_hz) for k in range(1, 21)),
        "noise modulated by the shaft": lambda: white * (1 + 0.5 * tone(shaft_hz) + 0.25 * tone(2 * shaft_hz)),
        "mains hum": lambda: white + 2 * tone(50.0) + tone(100.0),
        "noise modulated by mains": lambda: white * (1 + 0.3 * tone(100.0)),
        "clicks": clicks,
    }


NOISES = tuple(noise(np.random.default_rng(0), (1, 100), 1000.0, 30.0))


@pytest.mark.parametrize("kind", NOISES)
@pytest.mark.parametrize("bearing", RIGS)
def test_nothing_is_named_in_what_healthy_machines_sound_like(bearing, kind):
    n, rate_hz, speed_rpm = RIGS[bearing]
    signals = noise(np.random.default_rng(7), (SEEDS, n), rate_hz, speed_rpm / 60)[kind]()
    part, level = named(levels(signals, bearing=bearing, rate_hz=rate_hz, speed_rpm=speed_rpm))
    assert part == ["none"] * SEEDS
    assert level.max() < NAMED_DB - 3  # not by a hair


@pytest.mark.parametrize(
    ("bearing", "speed_rpm", "n", "judged"),
    [
        ("6205-2RS", 1_797.0, 12_000, True),
        (None, 1_797.0, 12_000, False),
        ("of-nobody", 1_797.0, 12_000, False),
        ("6205-2RS", np.nan, 12_000, False),
        ("6205-2RS", 0.0, 12_000, False),
        ("6205-2RS", 1_797.0, 7_900, False),  # fewer than 20 turns
        ("6205-2RS", 1_797.0, 8_100, True),
        ("6205-2RS", 1e6, 12_000, False),
    ],
)
def test_a_diagnosis_needs_geometry_speed_and_turns(bearing, speed_rpm, n, judged):
    signals = np.random.default_rng(1).normal(size=(1, n))
    found = diagnosed(signals, bearing=bearing, rate_hz=12_000.0, speed_rpm=speed_rpm)
    assert found == (["none"] if judged else [None])


@pytest.mark.parametrize("rings", [False, True])
def test_the_band_is_that_in_which_the_housing_rings(rings):
    rng = np.random.default_rng(1)
    strikes = np.zeros(20_480)
    strikes[:: 400 if rings else 30_000] = 6.0
    signal = lfilter([1], RESONANCE, strikes) + rng.normal(size=20_480)
    spectra = spectra_of((signal - signal.mean())[None], sample_rate_hz=20_000.0)
    band = most_impulsive(spectra)
    low, width = band.first[0] * spectra.bin_hz, band.width[0] * spectra.bin_hz
    if rings:
        assert low <= 4_000.0 <= low + width
        assert band.kurtosis[0] > 1
    else:
        assert band.kurtosis[0] < 1


def test_spectral_kurtosis_is_none_of_noise_and_minus_one_of_a_tone():
    rng = np.random.default_rng(1)
    assert most_impulsive(spectra_of(rng.normal(size=(50, 20_480)), sample_rate_hz=1.0)).kurtosis.mean() < 0.3
    tone = np.sin(2 * np.pi * 0.1 * np.arange(20_480))[None]
    loud = spectra_of(1e3 * tone + rng.normal(size=tone.shape), sample_rate_hz=1.0)
    assert most_impulsive(loud).first[0] != 1  # the tone is in the lowest eighth


@given(st.integers(1, 400), st.floats(1.0, 1e6), st.floats(0, 1e6), st.integers(0, 2**32))
@settings(max_examples=60)
def test_whatever_length_rate_and_speed_levels_are_numbers_or_undefined(n, rate_hz, speed_rpm, seed):
    signals = np.random.default_rng(seed).normal(size=(2, n))
    with np.errstate(all="raise", under="ignore"):
        found = levels(signals, bearing="UER204", rate_hz=rate_hz, speed_rpm=speed_rpm)
    values = np.stack(list(found.values()))
    assert not np.isinf(values).any()
    assert not (values < 0).any()


def test_every_bearing_of_the_catalogue_has_lines():
    assert np.isfinite(line_orders(list(GEOMETRIES))).all()
