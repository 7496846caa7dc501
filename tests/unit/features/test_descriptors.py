"""Descriptors: what plain NumPy says of each window, to nine digits, also of a ripple on a large offset."""

from typing import Any

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipelines.features.descriptors import describe, missing_share

MINUTE_US = 60_000_000
EPOCH_US = 1_767_571_200_000_000


def described(values: Any, moments: Any = None) -> dict[str, Any]:
    """The descriptors of one window."""
    series = np.asarray(values, dtype=float)[None, :]
    at = np.arange(series.size) * MINUTE_US if moments is None else np.asarray(moments)
    return {name: column.item() for name, column in describe(series, EPOCH_US + at[None, :]).items()}


def plain(values: Any, moments: Any) -> dict[str, float]:
    """The same as textbooks have them, a window at a time. The offset is taken off where NumPy would lose digits."""
    ripple, hours = values - values[0], (moments - moments[0]) / 3.6e9
    deviation = ripple - ripple.mean()
    low, high = values.min(), values.max()
    counts = np.bincount(np.minimum(((values - low) / (high - low) * 16).astype(int), 15))
    shares = counts[counts > 0] / values.size
    return {
        "n": values.size,
        "mean": values[0] + ripple.mean(),
        "std": ripple.std(ddof=1),
        "min": low,
        "max": high,
        "slope_per_h": np.polyfit(hours, ripple, 1)[0],
        "median": np.median(values),
        "iqr": np.subtract(*np.quantile(values, [0.75, 0.25])),
        "autocorrelation": (deviation[1:] * deviation[:-1]).sum() / (deviation**2).sum(),
        "energy": (values**2).mean(),
        "entropy_bits": -(shares * np.log2(shares)).sum(),
        "change_per_h": np.abs(np.diff(values)).sum() / hours[-1],
    }


@pytest.mark.parametrize("n", [2, 3, 6, 59, 600])
@pytest.mark.parametrize("offset", [0.0, -40.0, 1e9])
def test_a_window_is_described_as_numpy_would(n, offset):
    rng = np.random.default_rng(n)
    moments = np.sort(rng.choice(3_600_000, n, replace=False)) * 1000
    values = offset + rng.normal(size=n)
    expected, found = plain(values, moments), described(values, moments)
    if n < 3:
        assert np.isnan(found.pop("autocorrelation"))
        del expected["autocorrelation"]
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("n", [2, 7, 130, 1000])
def test_many_windows_are_described_as_each_alone_to_the_last_bit(n):
    rng = np.random.default_rng(5)
    values, moments = rng.normal(size=(40, n)), np.sort(rng.integers(0, 10**9, (40, n)), axis=1)
    together = describe(values, moments)
    for window in range(40):
        alone = {name: column.item() for name, column in describe(values[[window]], moments[[window]]).items()}
        np.testing.assert_equal({name: column[window] for name, column in together.items()}, alone)


@pytest.mark.parametrize(
    ("values", "bits"),
    [([3.0, 3.0, 3.0], 0.0), ([0.0, 1.0], 1.0), ([0.0, 1.0, 1.0, 1.0], 0.8112781244591328), (range(16), 4.0)],
)
def test_entropy_is_zero_of_a_constant_and_four_bits_where_all_bins_are_alike(values, bits):
    assert described(values)["entropy_bits"] == pytest.approx(bits)


@pytest.mark.parametrize(
    ("values", "r"), [([1.0, -1.0] * 50, -0.99), (range(100), 0.97), ([0.0] * 50 + [1.0] * 50, 0.97)]
)
def test_autocorrelation_is_high_of_what_lasts_and_low_of_what_alternates(values, r):
    assert described(values)["autocorrelation"] == pytest.approx(r, abs=0.01)


@pytest.mark.parametrize(
    ("minutes", "share"),
    [
        ([0, 10, 20, 30], 0.0),
        ([0, 10, 20, 40], 1 / 5),
        ([0, 10, 20, 34], 0.0),
        ([0, 10, 20, 35], 1 / 5),
        ([0, 1, 2, 3, 103], 99 / 104),
        ([0, 1, 11, 21], 0.0),
    ],
)
def test_a_gap_of_k_steps_lacks_one_reading_less(minutes, share):
    assert missing_share(np.array([minutes]) * MINUTE_US).item() == pytest.approx(share)


def test_the_rate_of_change_counts_the_way_and_not_where_it_leads():
    assert described([0.0, 3.0, 0.0], [0, MINUTE_US, 2 * MINUTE_US])["change_per_h"] == pytest.approx(6.0 / (2 / 60))


ANY = st.floats(-1e12, 1e12) | st.sampled_from([1e12, -1e12, 5e-324, -1e-160, 0.1])
DEFINED = ("mean", "min", "max", "median", "energy", "entropy_bits")


@given(st.integers(1, 12).flatmap(lambda n: arrays(float, (3, n), elements=ANY)), st.integers(1, 10**10))
@settings(max_examples=60)
def test_whatever_the_values_a_descriptor_is_finite_or_undefined_for_its_reason(values, step_us):
    n = values.shape[1]
    moments = np.tile(np.arange(n) * step_us, (3, 1))
    found = describe(values, moments)
    event(f"constant: {bool((values == values[0, 0]).all())}, readings: {min(n, 3)}")
    for name, column in found.items():
        needs = 1 if name in (*DEFINED, "n") else 3 if name in ("autocorrelation", "missing_share") else 2
        if name == "autocorrelation":
            assert not np.isinf(column).any()
            assert (np.abs(column[np.isfinite(column)]) <= 1).all()
        else:
            assert np.isfinite(column).all() == (n >= needs), name
    assert ((found["min"] <= found["mean"]) & (found["mean"] <= found["max"])).all()
