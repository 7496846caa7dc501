"""Sound features: what one channel's clip says."""

import pandera.polars as pa
import polars as pl

from pipelines.contracts.contract import TIME, between, column, contract, machine_id, named, run_id, source
from pipelines.contracts.snapshots import KEY, MOST_BYTES

REFUSED = "a sample is not finite or beyond 1e12, or the clip is shorter than a frame of 2,048 samples"
SILENT = f"{REFUSED}, or the clip is silent"
SERIES = {
    "spectral_centroid": ("frequency weighted by magnitude, in Hz", 1e8),
    "spectral_bandwidth": ("standard deviation of frequency weighted by magnitude, in Hz", 1e8),
    "rms": ("root mean square, in the sensor's unit", 1e12),
    "zero_crossing_rate": ("changes of sign a sample", 1.0),
}
OF_CLIP = {"mean": "Mean", "std": "Standard deviation (population)"}


def _decibel(about: str, *, null: str, low: float = -1e4) -> pa.Column:
    return column(pl.Float64(), about, between(low, 1e4), null=null)


def _mfcc(name: str, about: str, first: int, *, null: str) -> dict[str, pa.Column]:
    return {
        f"{name}_{what}_{n}": _decibel(
            f"{how} over the clip of MFCC {n}{about}.", null=null, low=0 if what == "std" else -1e4
        )
        for what, how in OF_CLIP.items()
        for n in range(first, 14)
    }


SOUND_FEATURES = contract(
    "sound_features",
    "MFCC, spectrum and level of one clip of one channel, frames of 2,048 samples, 512 apart; `free_*` and `tone_*` "
    "hold at any gain.",
    {
        "source": source(),
        "machine_id": machine_id(),
        "sensor": column(pl.String(), "Channel.", named()),
        "recorded_at": column(TIME, "When its first sample was taken."),
        "n_samples": column(pl.Int64(), "Samples.", between(1, MOST_BYTES)),
        "sample_rate_hz": column(pl.Float64(), "Samples a second.", between(1e-3, 1e8), unit="Hz"),
        **_mfcc("mfcc", "", 1, null=REFUSED),
        **{
            f"{name}_{what}": column(pl.Float64(), f"{how} over the clip: {about}.", between(0, most), null=REFUSED)
            for name, (about, most) in SERIES.items()
            for what, how in OF_CLIP.items()
        },
        **_mfcc("free_mfcc", " of the log-mel less its mean", 2, null=SILENT),
        **{
            f"tone_{n}": _decibel(
                f"Log-mel less its mean over the clip, mean of mel bands {16 * n - 15} to {16 * n}, in dB.", null=SILENT
            )
            for n in range(1, 9)
        },
        "rms_variation": column(pl.Float64(), "`rms_std` over `rms_mean`.", between(0, 1e6), null=SILENT),
        "batch_seq": column(pl.Int64(), "Batch the clip landed with.", lineage=True),
        "run_id": run_id(),
    },
    key=KEY,
    time="recorded_at",
)
