"""Sound features: librosa's to 1e-4, and variants that no gain changes."""

import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.tables import HOUR, MONDAY, table

from pipelines.contracts.enforce import computed, conform
from pipelines.contracts.sound_features import SOUND_FEATURES
from pipelines.features.mel import cosine_transform, hz_of, mel_bank, mel_of
from pipelines.features.samples import SignalError, channels_mixed
from pipelines.features.sound import COLUMNS, clip_features, decibel, features_of, frames_of, free_log_mel

Find = Callable[[str], Path]
FREE = [name for name in COLUMNS if name.startswith(("free_", "tone_")) or name == "rms_variation"]
UNCHANGED = [name for name in COLUMNS if name.startswith(("spectral_", "zero_"))]
MACHINES = table("machines")

# librosa says so where a bank is finer than the bins: it is compared there as well
pytestmark = pytest.mark.filterwarnings("ignore:Empty filters detected")


def clip(*, n: int = 16_000, seed: int = 1) -> np.ndarray:
    """A hum, noise that swells, and a gap of silence: frames of every kind."""
    rng, t = np.random.default_rng(seed), np.arange(n) / n
    sound = 0.1 * np.sin(2 * np.pi * 150 * t) + 0.05 * (1 + np.sin(2 * np.pi * t)) * rng.normal(size=n)
    sound[n // 3 : n // 3 + n // 4] = 0.0
    return sound


def of_librosa(sound: np.ndarray, rate_hz: float) -> dict[str, float]:
    """The 34 features of the public table, as librosa's defaults give them."""
    import librosa

    mfcc = librosa.feature.mfcc(y=sound, sr=rate_hz, n_mfcc=13)
    series = {
        "spectral_centroid": librosa.feature.spectral_centroid(y=sound, sr=rate_hz),
        "spectral_bandwidth": librosa.feature.spectral_bandwidth(y=sound, sr=rate_hz),
        "rms": librosa.feature.rms(y=sound),
        "zero_crossing_rate": librosa.feature.zero_crossing_rate(sound),
    }
    return (
        {f"mfcc_mean_{n}": row.mean() for n, row in enumerate(mfcc, start=1)}
        | {f"mfcc_std_{n}": row.std() for n, row in enumerate(mfcc, start=1)}
        | {f"{name}_mean": values.mean() for name, values in series.items()}
        | {f"{name}_std": values.std() for name, values in series.items()}
    )


def one(sound: np.ndarray, *, rate_hz: float = 16_000.0) -> dict[str, float]:
    return {name: float(values[0]) for name, values in clip_features(sound[None], sample_rate_hz=rate_hz).items()}


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 22_050, 48_000])
@pytest.mark.parametrize(("n_fft", "n_mels"), [(512, 40), (1024, 64), (2048, 128), (400, 80)])
def test_the_mel_bank_is_that_of_librosa(rate_hz, n_fft, n_mels):
    import librosa

    theirs = librosa.filters.mel(sr=rate_hz, n_fft=n_fft, n_mels=n_mels)
    np.testing.assert_allclose(mel_bank(sample_rate_hz=rate_hz, n_fft=n_fft, n_mels=n_mels), theirs, atol=1e-7)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100])
@pytest.mark.parametrize(("n_fft", "hop"), [(2048, 512), (1024, 256), (512, 400), (400, 160)])
@pytest.mark.parametrize("n_mels", [40, 128])
def test_log_mel_and_mfcc_are_those_of_librosa(rate_hz, n_fft, hop, n_mels):
    import librosa

    sound = clip()
    mel = frames_of(sound, sample_rate_hz=rate_hz, n_fft=n_fft, hop=hop, n_mels=n_mels).mel
    theirs = librosa.power_to_db(
        librosa.feature.melspectrogram(y=sound, sr=rate_hz, n_fft=n_fft, hop_length=hop, n_mels=n_mels)
    )
    np.testing.assert_allclose(decibel(mel).T, theirs, atol=1e-4)
    ours = decibel(mel) @ cosine_transform(n_out=20, n_in=n_mels).T
    np.testing.assert_allclose(ours.T, librosa.feature.mfcc(S=theirs, n_mfcc=20), atol=1e-4)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100])
@pytest.mark.parametrize("n", [2_048, 16_000, 300_001])  # the last in several blocks of frames
def test_the_34_features_are_those_of_librosa(rate_hz, n):
    sound = clip(n=n)
    theirs = of_librosa(sound, rate_hz)
    assert list(theirs) == list(COLUMNS[:26]) + [
        f"{n}_{w}"
        for w in ("mean", "std")
        for n in ("spectral_centroid", "spectral_bandwidth", "rms", "zero_crossing_rate")
    ]
    ours = one(sound, rate_hz=rate_hz)
    assert {name: ours[name] for name in theirs} == pytest.approx(theirs, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize(("n_fft", "hop"), [(2048, 512), (400, 160)])
def test_every_crossing_of_a_frame_is_counted_as_librosa_does(n_fft, hop):
    import librosa

    sound = clip()
    theirs = librosa.feature.zero_crossing_rate(sound, frame_length=n_fft, hop_length=hop)
    ours = frames_of(sound, sample_rate_hz=16_000.0, n_fft=n_fft, hop=hop).crossing_rate
    np.testing.assert_allclose(ours, theirs[0], atol=1e-12)


@pytest.mark.parametrize("values", [np.zeros(4096), np.full(4096, 0.25), np.resize([1e-11, -1e-11], 4096)])
def test_silence_and_a_constant_are_those_of_librosa(values):
    theirs, ours = of_librosa(values, 16_000), one(values)
    assert {name: ours[name] for name in theirs} == pytest.approx(theirs, rel=1e-4, abs=1e-4)


def test_silence_has_no_feature_that_is_free_of_level():
    assert np.isnan([one(np.zeros(4096))[name] for name in FREE]).all()


@given(st.floats(-6, 6), st.integers(0, 2**32))
@settings(max_examples=30)
def test_a_gain_changes_no_feature_that_is_free_of_level(exponent, seed):
    sound = clip(n=6_000, seed=seed)
    ours, louder = one(sound), one(sound * 10**exponent)
    same = [*FREE, *(UNCHANGED if exponent > -3 else [])]  # the quietest samples have no sign below 1e-10
    assert {name: louder[name] for name in same} == pytest.approx(
        {name: ours[name] for name in same}, rel=1e-6, abs=1e-6
    )
    assert louder["rms_mean"] == pytest.approx(ours["rms_mean"] * 10**exponent)


def test_what_carries_the_level_changes_with_it():
    sound = clip()
    assert one(10 * sound)["mfcc_mean_1"] - one(sound)["mfcc_mean_1"] > 100


def test_log_mel_free_of_level_has_no_mean():
    free = free_log_mel(frames_of(clip(), sample_rate_hz=16_000.0).mel)
    assert free.mean() == pytest.approx(0.0, abs=1e-9)
    assert np.ptp(free) == pytest.approx(80.0)


@pytest.mark.parametrize(("n", "known"), [(2_047, False), (2_048, True)])
def test_a_clip_needs_a_whole_frame(n, known):
    assert np.isfinite(list(one(clip(n=4_000)[:n]).values())).all() == known


@pytest.mark.parametrize("broken", [np.nan, np.inf, 2e12])
def test_a_clip_with_a_sample_that_is_none_has_no_features(broken):
    sound = clip()
    sound[99] = broken
    assert np.isnan(list(one(sound).values())).all()


@pytest.mark.parametrize(("shape", "rate_hz"), [((2, 3), 1.0), ((0,), 1.0), ((9,), 0.0), ((9,), np.nan)])
def test_what_is_no_clip_is_refused(shape, rate_hz):
    with pytest.raises(SignalError, match="expected \\(n_samples,\\) at a positive rate"):
        frames_of(np.zeros(shape), sample_rate_hz=rate_hz)


@given(st.floats(0, 1e5))
def test_a_mel_and_its_frequency_are_one(frequency_hz):
    assert hz_of(mel_of(np.array(frequency_hz))) == pytest.approx(frequency_hz, abs=1e-9)


def test_the_cosine_transform_is_orthonormal():
    whole = cosine_transform(n_out=40, n_in=40)
    np.testing.assert_allclose(whole @ whole.T, np.eye(40), atol=1e-12)


def snapshot(values: np.ndarray, **told: Any) -> dict[str, Any]:
    stored = np.round(values).astype("<i2")
    plain = {"signal": "sound", "sample_rate_hz": 16_000.0, "encoding": "i2", "scale": 1 / 32_768}
    return {**plain, "samples": stored.tobytes(), "n_samples": stored.size, **told}


def features(frame: pl.DataFrame) -> pl.DataFrame:
    found = features_of(frame, MACHINES)
    assert found.schema == computed(SOUND_FEATURES)
    return conform(found.with_columns(run_id=pl.lit("r")), SOUND_FEATURES)


def test_landed_clips_have_a_row_each_and_other_signals_none():
    loud = 3e4 * clip() / abs(clip()).max()
    rows = [
        snapshot(loud, sensor="channel_1"),
        snapshot(loud[:3_000], sensor="channel_2"),
        snapshot(loud[:100], sensor="channel_3"),
        snapshot(loud, sensor="channel_4", quality="bad"),
        snapshot(loud, sensor="channel_5", signal="vibration"),
    ]
    found = features(table("snapshots", rows))
    assert found["sensor"].to_list() == ["channel_1", "channel_2", "channel_3"]
    assert found["mfcc_mean_1"].is_null().to_list() == [False, False, True]
    assert found["rms_mean"][0] == pytest.approx(one(np.round(loud) / 32_768)["rms_mean"])


def test_no_clips_have_no_features():
    assert features(table("snapshots", [{}])).is_empty()


def test_the_features_fit_a_table_of_fewer_than_80_columns_in_the_order_of_the_list():
    assert len(SOUND_FEATURES.columns) < 80
    assert [name for name in SOUND_FEATURES.columns if name in COLUMNS] == list(COLUMNS)


def test_the_mix_of_channels_is_their_mean_by_machine_and_moment():
    rows = [
        snapshot(np.full(3, 100 * n + 10 * hour), sensor=f"channel_{n}", recorded_at=MONDAY + hour * HOUR, batch_seq=n)
        for hour in range(2)
        for n in range(1, 4)
    ]
    mixed = channels_mixed(table("snapshots", rows))
    assert mixed.select("sensor", "recorded_at", "encoding", "batch_seq").rows() == [
        ("mix", MONDAY + hour * HOUR, "f8", 3) for hour in range(2)
    ]
    values = [np.frombuffer(samples) * 32_768 for samples in mixed["samples"]]
    np.testing.assert_allclose(values, [[200.0] * 3, [210.0] * 3])


def test_the_columns_of_the_public_table_are_the_first_34(data_dir: Find):
    path = data_dir("mimii") / "derived" / "fan_6dB_id00_features_normal_0001_0600.csv"
    told = pl.read_csv(path).drop("label", "id", "clip_fk")
    assert told.columns == list(COLUMNS[:34])


def test_a_real_clip_is_described_as_librosa_would(data_dir: Find):
    with wave.open(str(data_dir("mimii") / "6_dB_fan/fan/id_02/normal/00000012.wav")) as file:
        sound = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32_768
    theirs, ours = of_librosa(sound, 16_000), one(sound)
    assert {name: ours[name] for name in theirs} == pytest.approx(theirs, rel=1e-4, abs=1e-4)
