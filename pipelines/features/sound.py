"""Sound features of clips: MFCC, spectrum and level as librosa defines them, and variants that no gain can change."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipelines.features.mel import cosine_transform, mel_bank
from pipelines.features.samples import SignalError, Signals, batches, products, usable

VERSION = "sound-features/1"

N_FFT, HOP, N_MELS, N_MFCC = 2048, 512, 128, 13
"""Samples of a frame and from one to the next, mel filters, coefficients: the defaults of librosa."""

FLOOR_DB = 80.0
"""What is so far below the loudest of a clip counts as just so far."""

LEAST_POWER = 1e-10
SILENT = 1e-10
"""Samples that small have no sign, so that a dithered zero does not cross it."""

TONES = 8
"""Groups of mel bands that say where the power of a clip lies whatever its level."""

FRAMES_AT_ONCE = 512
KEPT = ("source", "machine_id", "sensor", "recorded_at", "n_samples", "sample_rate_hz", "batch_seq")


@dataclass(frozen=True)
class Frames:
    """What the frames of one clip say; frames are centred on multiples of the hop, zeros beyond the ends.

    Attributes:
        mel: Power by mel band, (n_frames, n_mels).
        centroid_hz: Mean frequency, weighted by magnitude, (n_frames,); 0 of a silent frame, as the next.
        bandwidth_hz: Standard deviation of frequency, weighted by magnitude.
        rms: Root mean square, in the unit of the samples.
        crossing_rate: Changes of sign a sample.
    """

    mel: NDArray[np.float64]
    centroid_hz: NDArray[np.float64]
    bandwidth_hz: NDArray[np.float64]
    rms: NDArray[np.float64]
    crossing_rate: NDArray[np.float64]


def features_of(snapshots: pl.DataFrame, machines: pl.DataFrame) -> pl.DataFrame:  # noqa: ARG001 as of every signal
    """Sound features, one row a clip and channel.

    Args:
        snapshots: Current rows of the `snapshots` contract; other signals and `bad` ones are left out.
        machines: `machines` contract; says nothing of sound yet.
    Returns:
        Columns of `sound_features` without `day` and `run_id`, rows by machine, sensor and time.
    Raises:
        SignalError: The bytes of a clip do not fit its `n_samples`.
    """
    from pipelines.contracts.enforce import computed  # pandera loads when a step needs it
    from pipelines.contracts.sound_features import SOUND_FEATURES

    schema = computed(SOUND_FEATURES)
    meant = snapshots.filter(pl.col("signal") == "sound", pl.col("quality") != "bad")
    rows = [_described(*batch) for batch in batches(meant)]
    if not rows:
        return pl.DataFrame(schema=schema)
    return pl.concat(rows).select(schema.names()).cast(schema).sort("machine_id", "sensor", "recorded_at")


def clip_features(signals: Signals, *, sample_rate_hz: float) -> dict[str, NDArray[np.float64]]:
    """The fixed feature list of clips of equal length and rate.

    `mfcc_mean_1` to `_13`, `mfcc_std_1` to `_13` and the mean and standard deviation (of the population) of
    `spectral_centroid`, `spectral_bandwidth`, `rms` and `zero_crossing_rate` over the frames of a clip are those of
    librosa with its defaults. Free of level: centroid, bandwidth and crossing rate as they are, `rms_variation` =
    rms_std / rms_mean, `free_mfcc_mean_2` to `_13` and `free_mfcc_std_2` to `_13` (of `free_log_mel`, without the
    coefficient that carries level), and `tone_1` to `tone_8`: mean of it over the clip and sixteen mel bands each.

    Args:
        signals: Shape (n_clips, n_samples).
        sample_rate_hz: Samples per second.
    Returns:
        By column of `sound_features`, each (n_clips,). All NaN where a sample is not finite or beyond 1e12, or a clip
        is shorter than a frame; of silence, those that are free of level.
    Raises:
        SignalError: `signals` has another shape, or the rate is not positive.
    """
    good = usable(signals) & (signals.shape[1] >= N_FFT)
    every = [_one(clip, sample_rate_hz=sample_rate_hz) if fit else {} for clip, fit in zip(signals, good, strict=True)]
    return {name: np.array([found.get(name, np.nan) for found in every]) for name in COLUMNS}


def frames_of(
    clip: NDArray[np.float64], *, sample_rate_hz: float, n_fft: int = N_FFT, hop: int = HOP, n_mels: int = N_MELS
) -> Frames:
    """What the frames of a clip (n_samples,) say, Hann-weighted where a spectrum is meant.

    Raises:
        SignalError: The clip has no sample or is no single channel, or the rate is not positive.
    Source:
        As librosa with its defaults (McFee et al., 2015, SciPy proceedings).
    """
    if clip.ndim != 1 or clip.size == 0 or not 0 < sample_rate_hz < float("inf"):
        raise SignalError(f"found {clip.shape} at {sample_rate_hz} Hz; expected (n_samples,) at a positive rate")
    bank = mel_bank(sample_rate_hz=sample_rate_hz, n_fft=n_fft, n_mels=n_mels).T
    frequency_hz = np.arange(n_fft // 2 + 1) * sample_rate_hz / n_fft
    pieces = [_frames(piece, bank, frequency_hz) for piece in _framed(clip, n_fft=n_fft, hop=hop)]
    mel, centroid, bandwidth, rms = (np.concatenate(every) for every in zip(*pieces, strict=True))
    return Frames(mel, centroid, bandwidth, rms, _crossing_rate(clip, n_fft=n_fft, hop=hop))


def decibel(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-mel: 10 lg of the power, at least that of 1e-10 and of 80 dB below the largest of the clip."""
    level = 10 * np.log10(np.maximum(mel, LEAST_POWER))
    floored: NDArray[np.float64] = np.maximum(level, level.max() - FLOOR_DB)
    return floored


def free_log_mel(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-mel less its mean over the clip, floored at 80 dB below the largest alone: the same at any gain.

    Returns:
        Shape of `mel`, in dB; NaN of silence.
    """
    largest = mel.max()
    if largest <= 0:
        return np.full(mel.shape, np.nan)
    level = 10 * np.log10(np.maximum(mel / largest, 10 ** (-FLOOR_DB / 10)))
    free: NDArray[np.float64] = level - level.mean()
    return free


def _one(clip: NDArray[np.float64], *, sample_rate_hz: float) -> dict[str, float]:
    frames = frames_of(clip, sample_rate_hz=sample_rate_hz)
    transform = cosine_transform(n_out=N_MFCC, n_in=N_MELS).T
    free = free_log_mel(frames.mel)
    loudness = float(frames.rms.mean())
    series = {
        "spectral_centroid": frames.centroid_hz,
        "spectral_bandwidth": frames.bandwidth_hz,
        "rms": frames.rms,
        "zero_crossing_rate": frames.crossing_rate,
    }
    return {
        **_over_clip("mfcc", decibel(frames.mel) @ transform, first=1),
        **{f"{name}_mean": float(values.mean()) for name, values in series.items()},
        **{f"{name}_std": float(values.std()) for name, values in series.items()},
        **_over_clip("free_mfcc", (free @ transform)[:, 1:], first=2),
        **{f"tone_{n}": float(bands.mean()) for n, bands in enumerate(np.split(free, TONES, axis=1), start=1)},
        "rms_variation": float(frames.rms.std()) / loudness if loudness > 0 else float("nan"),
    }


def _over_clip(name: str, series: NDArray[np.float64], *, first: int) -> dict[str, float]:
    means = {f"{name}_mean_{n}": float(value) for n, value in enumerate(series.mean(axis=0), start=first)}
    return means | {f"{name}_std_{n}": float(value) for n, value in enumerate(series.std(axis=0), start=first)}


def _framed(clip: NDArray[np.float64], *, n_fft: int, hop: int) -> Iterator[NDArray[np.float64]]:
    """Overlapping frames (n_frames, n_fft), a few hundred at a time: a long clip would not fit otherwise."""
    padded = np.pad(clip, n_fft // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop]
    for first in range(0, frames.shape[0], FRAMES_AT_ONCE):
        yield frames[first : first + FRAMES_AT_ONCE]


def _frames(
    frames: NDArray[np.float64], bank: NDArray[np.float64], frequency_hz: NDArray[np.float64]
) -> tuple[NDArray[np.float64], ...]:
    """Mel power, centroid, bandwidth and RMS of frames."""
    from scipy.fft import rfft

    bins = rfft(frames * np.hanning(frames.shape[1] + 1)[:-1])
    power = bins.real**2 + bins.imag**2
    magnitude = np.sqrt(power)
    total = magnitude.sum(axis=1)
    total[total == 0] = 1.0
    centroid = products(magnitude, frequency_hz) / total
    variance = products(magnitude, frequency_hz**2) / total - centroid**2
    rms = np.sqrt(products(frames, frames) / frames.shape[1])
    return power @ bank, centroid, np.sqrt(np.maximum(variance, 0.0)), rms


def _crossing_rate(clip: NDArray[np.float64], *, n_fft: int, hop: int) -> NDArray[np.float64]:
    """Changes of sign in each frame over its samples; the ends of the clip go on as they are."""
    negative = clip < -SILENT
    padded = np.pad(negative, n_fft // 2, mode="edge")
    crossed = np.concatenate([[0], np.cumsum(padded[1:] != padded[:-1])])  # until and with each sample
    starts = np.arange(0, padded.size - n_fft + 1, hop)
    rate: NDArray[np.float64] = (crossed[starts + n_fft - 1] - crossed[starts]) / n_fft
    return rate


def _described(rows: pl.DataFrame, signals: Signals) -> pl.DataFrame:
    """Rows of equal length and rate, with their features instead of their samples."""
    features = clip_features(signals, sample_rate_hz=rows["sample_rate_hz"][0])
    return rows.select(*KEPT).with_columns(pl.Series(name, values).fill_nan(None) for name, values in features.items())


def _columns() -> tuple[str, ...]:
    series = ("spectral_centroid", "spectral_bandwidth", "rms", "zero_crossing_rate")
    return (
        *(f"mfcc_{what}_{n}" for what in ("mean", "std") for n in range(1, N_MFCC + 1)),
        *(f"{name}_{what}" for name in series for what in ("mean", "std")),
        *(f"free_mfcc_{what}_{n}" for what in ("mean", "std") for n in range(2, N_MFCC + 1)),
        *(f"tone_{n}" for n in range(1, TONES + 1)),
        "rms_variation",
    )


COLUMNS = _columns()
"""Names of all features, in the order of the contract; the first 34 carry the level."""
