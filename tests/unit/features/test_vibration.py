"""Vibration features of landed snapshots: every encoding, length and channel, one row each, within the contract."""

import math
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.tables import HOUR, MONDAY, table

from pipelines.contracts.enforce import computed, conform
from pipelines.contracts.vibration_features import VIBRATION_FEATURES
from pipelines.contracts.vocabulary import ENCODINGS
from pipelines.features import vibration
from pipelines.features.samples import SignalError, batches
from pipelines.features.vibration import features_of

MACHINES = table("machines")
SIGNAL = np.round(1000 * np.sin(np.arange(4096) / 7) + np.arange(4096) % 90).astype(int)
FEATURES = [
    name
    for name in computed(VIBRATION_FEATURES)
    if name not in {*vibration.KEPT, "speed_rpm", "bearing", "iso_zone", "diagnosis"}
]


def snapshot(values: Any, *, encoding: str = "f8", **told: Any) -> dict[str, Any]:
    """One row; its samples in `encoding`."""
    stored = np.asarray(values).astype(f"<{encoding}")
    return {"samples": stored.tobytes(), "n_samples": stored.size, "encoding": encoding, **told}


def features(*rows: dict[str, Any], machines: pl.DataFrame = MACHINES) -> pl.DataFrame:
    """Features that keep the contract, one row a snapshot; snapshots an hour apart unless they say otherwise."""
    frame = table("snapshots", [{"recorded_at": MONDAY + n * HOUR, **row} for n, row in enumerate(rows)])
    found = features_of(frame, machines)
    assert found.schema == computed(VIBRATION_FEATURES)
    return conform(found.with_columns(run_id=pl.lit("r")), VIBRATION_FEATURES)


@pytest.mark.parametrize("encoding", [name for name in ENCODINGS if name != "u1"])
def test_the_encoding_of_a_snapshot_does_not_change_its_features(encoding):
    found = features(snapshot(SIGNAL), snapshot(SIGNAL, encoding=encoding)).select(FEATURES)
    assert found.row(0) == found.row(1)


def test_samples_of_one_byte_are_read_as_they_are():
    assert features(snapshot([0, 255, 1, 2], encoding="u1"))["max"].item() == 255.0


def test_a_sample_is_worth_its_scale():
    found = features(snapshot(SIGNAL), snapshot(SIGNAL, encoding="i2", scale=0.5))
    assert found["rms"][1] == pytest.approx(found["rms"][0] / 2)
    assert found["crest"][1] == pytest.approx(found["crest"][0])


def test_snapshots_of_any_length_rate_and_channel_have_a_row_each_in_order():
    rows = [
        snapshot(SIGNAL[:length], sensor=sensor, sample_rate_hz=rate, recorded_at=MONDAY + n * HOUR)
        for n, length in enumerate([4096, 7, 4096, 300])
        for sensor, rate in [("b_g", 5_000.0), ("a_g", 8_000.0)]
    ]
    found = features(*rows)
    assert found.select("sensor", "recorded_at").rows() == [
        (sensor, MONDAY + n * HOUR) for sensor in ("a_g", "b_g") for n in range(4)
    ]
    assert found["n_samples"].to_list() == [4096, 7, 4096, 300] * 2
    assert found["peak"].to_list() == [float(abs(SIGNAL[:length]).max()) for length in (4096, 7, 4096, 300)] * 2


def test_together_or_alone_a_snapshot_has_the_same_features():
    rng = np.random.default_rng(1)
    rows = [
        snapshot(rng.normal(size=20_480), sample_rate_hz=20_000.0, speed_rpm=2_000.0, bearing="ZA-2115")
        | {"recorded_at": MONDAY + n * HOUR}
        for n in range(30)  # more than are computed at once
    ]
    together, alone = features(*rows), pl.concat([features(row) for row in rows])
    numbers = together.select(FEATURES).to_numpy(), alone.select(FEATURES).to_numpy()
    np.testing.assert_allclose(*numbers, rtol=1e-5, equal_nan=True)
    assert together["diagnosis"].to_list() == alone["diagnosis"].to_list()


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf, 2e12])
def test_a_snapshot_with_a_sample_that_is_none_has_a_row_without_features(broken):
    values = SIGNAL.astype(float)
    values[17] = broken
    whole, found = (
        features(snapshot(SIGNAL), snapshot(values))
        .select(
            FEATURES,
        )
        .rows()
    )
    assert found == (None,) * len(FEATURES)
    assert whole == features(snapshot(SIGNAL)).select(FEATURES).row(0)


@pytest.mark.parametrize("told", [{"quality": "bad"}, {"signal": "sound"}])
def test_bad_snapshots_and_other_signals_are_left_out(told):
    assert features(snapshot(SIGNAL), snapshot(SIGNAL, **told)).height == 1
    assert features(snapshot(SIGNAL, **told)).is_empty()


def test_a_snapshot_whose_bytes_do_not_fit_is_refused_with_both_counts():
    row = snapshot(SIGNAL) | {"n_samples": 4000}
    with pytest.raises(SignalError, match="horizontal_g: samples hold 32768 bytes; expected 32000: 4000 samples of f8"):
        features(row)


NOISE = np.random.default_rng(1).normal(size=12_000)
TOLD = MACHINES.with_columns(bearing=pl.lit("6205-2RS"), speed_rpm=pl.lit(1_797.0), iso_class=pl.lit("group2-rigid"))


@pytest.mark.parametrize(
    ("own", "machines", "bearing", "speed_rpm", "zone", "judged"),
    [
        ({}, MACHINES, None, None, None, False),
        ({}, TOLD, "6205-2RS", 1_797.0, "D", True),
        ({"speed_rpm": 1_500.0}, TOLD, "6205-2RS", 1_500.0, "D", True),
        ({"speed_rpm": 300.0}, TOLD, "6205-2RS", 300.0, None, False),
        ({"bearing": "of-nobody"}, TOLD, "of-nobody", 1_797.0, "D", False),
        ({"machine_id": "plant.undeclared"}, TOLD, None, None, None, False),
        ({"bearing": "6205-2RS", "speed_rpm": 1_797.0}, MACHINES, "6205-2RS", 1_797.0, None, True),
    ],
)
def test_what_a_snapshot_says_itself_wins_over_the_register(own, machines, bearing, speed_rpm, zone, judged):
    row = features(snapshot(NOISE, sample_rate_hz=12_000.0, **own), machines=machines).row(0, named=True)
    assert (row["bearing"], row["speed_rpm"], row["iso_zone"]) == (bearing, speed_rpm, zone)
    assert (row["diagnosis"], row["diagnosis_db"] is None) == ("none" if judged else None, not judged)


def test_the_batch_of_a_snapshot_is_kept():
    assert features(snapshot(SIGNAL, batch_seq=7))["batch_seq"].item() == 7


@pytest.mark.parametrize("values", [[0.0], [3.0], [1.0, -1.0], np.zeros(1000), np.full(1000, 0.1)])
def test_what_hardly_is_a_signal_keeps_the_contract(values):
    assert features(snapshot(values)).height == 1


def test_the_rounding_of_a_constant_has_no_spectrum():
    values = np.where(np.arange(5_000) % 3 == 0, 0.1, np.nextafter(0.1, 1.0))
    row = features(snapshot(values, sample_rate_hz=20_000.0)).row(0, named=True)
    assert [row[name] for name in ("kurtosis", "spectral_centroid_hz", "power_below_1khz", "spectral_kurtosis")] == [
        None
    ] * 4


@given(
    st.lists(
        st.tuples(st.integers(1, 700), st.sampled_from([1e-60, 1e-9, 1.0, 1e12, 1e300]), st.floats(1e-3, 1e8)),
        max_size=6,
    ),
    st.integers(0, 2**32),
)
@settings(max_examples=40)
def test_whatever_lands_keeps_the_contract_and_has_a_row_each(snapshots, seed):
    rng = np.random.default_rng(seed)
    rows = [
        snapshot(scale * rng.standard_t(1.0, n), sample_rate_hz=rate, speed_rpm=1e4, bearing="UER204")
        for n, scale, rate in snapshots
    ]
    assert (features(*rows).height if rows else 0) == len(rows)


@given(st.integers(1, 50))
def test_a_batch_never_holds_more_samples_than_asked_unless_one_snapshot_does(most):
    frame = table(
        "snapshots", [{"recorded_at": MONDAY + n * HOUR, **snapshot(np.arange(1 + n % 5))} for n in range(12)]
    )
    pieces = list(batches(frame, most=most))
    assert sum(rows.height for rows, _ in pieces) == 12
    assert all(signals.size <= most or len(signals) == 1 for _, signals in pieces)
    assert all((signals == np.arange(signals.shape[1])).all() for _, signals in pieces)
