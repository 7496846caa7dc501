"""Vibration features: what one channel's waveform says, snapshot by snapshot."""

import polars as pl

from pipelines.contracts.contract import TIME, between, column, contract, machine_id, named, one_of, run_id, source
from pipelines.contracts.snapshots import KEY, MOST_BYTES
from pipelines.contracts.vocabulary import DIAGNOSES, ISO_ZONES

REFUSED = "a sample is not finite or beyond 1e12"
CONSTANT = f"{REFUSED}, or the signal is constant"
ZERO = f"{REFUSED}, or all samples are zero"
SHORT = f"{CONSTANT}, or too short"
NO_ZONE = "no velocity, no class declared, or below 600 rpm"
NO_DIAGNOSIS = "no line could be judged"
NO_LINE = "no known bearing, no speed, fewer than 20 turns, or the line is beyond the band or among shaft multiples"
LEVEL = between(0, 4000)

VALUE, SPREAD = between(-1e12, 1e12), between(0, 2e12)
RATIO = between(0, 1e10)
FREQUENCY = between(0, 1e8)
SHARE = between(-1e-9, 1 + 1e-9)

VIBRATION_FEATURES = contract(
    "vibration_features",
    "Statistics, spectrum, severity and diagnosis of one snapshot of one channel. Levels are in the sensor's unit.",
    {
        "source": source(),
        "machine_id": machine_id(),
        "sensor": column(pl.String(), "Channel.", named()),
        "recorded_at": column(TIME, "When its first sample was taken."),
        "n_samples": column(pl.Int64(), "Samples.", between(1, MOST_BYTES)),
        "sample_rate_hz": column(pl.Float64(), "Samples a second.", between(1e-3, 1e8), unit="Hz"),
        "speed_rpm": column(
            pl.Float64(),
            "Shaft speed, by snapshot or register.",
            between(0, 1e6),
            unit="1/min",
            null="unknown",
        ),
        "bearing": column(pl.String(), "Bearing, by snapshot or register.", named(), null="unknown"),
        "mean": column(pl.Float64(), "Mean.", VALUE, null=REFUSED),
        "std": column(pl.Float64(), "Standard deviation of the population.", SPREAD, null=REFUSED),
        "rms": column(pl.Float64(), "Root mean square.", SPREAD, null=REFUSED),
        "min": column(pl.Float64(), "Smallest sample.", VALUE, null=REFUSED),
        "max": column(pl.Float64(), "Largest sample.", VALUE, null=REFUSED),
        "peak": column(pl.Float64(), "Largest absolute value.", SPREAD, null=REFUSED),
        "peak_to_peak": column(pl.Float64(), "Largest less smallest sample.", SPREAD, null=REFUSED),
        "mean_abs": column(pl.Float64(), "Mean absolute value.", SPREAD, null=REFUSED),
        "energy": column(pl.Float64(), "Sum of squares.", between(0, 1e33), null=REFUSED),
        "skewness": column(pl.Float64(), "Skewness of the population.", between(-1e5, 1e5), null=CONSTANT),
        "kurtosis": column(pl.Float64(), "Excess kurtosis of the population.", between(-2.01, 1e9), null=CONSTANT),
        "crest": column(pl.Float64(), "Peak over RMS.", RATIO, null=ZERO),
        "shape": column(pl.Float64(), "RMS over mean absolute value.", RATIO, null=ZERO),
        "impulse": column(pl.Float64(), "Peak over mean absolute value.", RATIO, null=ZERO),
        "clearance": column(pl.Float64(), "Peak over the squared mean root of |x|.", between(0, 1e18), null=ZERO),
        "velocity_rms_mm_s": column(
            pl.Float64(),
            "Velocity RMS, 10 to 1,000 Hz.",
            between(0, 1e16),
            unit="mm/s",
            null=f"{REFUSED}; not in g, m/s2 or mm/s; shorter than 0.5 s; or sampled below 2,560 Hz",
        ),
        "iso_zone": column(
            pl.String(),
            "Zone of ISO 20816-3.",
            one_of(ISO_ZONES),
            null=NO_ZONE,
        ),
        "spectral_centroid_hz": column(
            pl.Float64(), "Mean frequency, weighted by power.", FREQUENCY, unit="Hz", null=CONSTANT
        ),
        "spectral_spread_hz": column(
            pl.Float64(), "Standard deviation of frequency, weighted by power.", FREQUENCY, unit="Hz", null=CONSTANT
        ),
        "spectral_entropy": column(
            pl.Float64(), "Entropy of the power over its largest possible value.", SHARE, null=CONSTANT
        ),
        "dominant_hz": column(pl.Float64(), "Frequency of most power.", FREQUENCY, unit="Hz", null=CONSTANT),
        "power_below_1khz": column(pl.Float64(), "Share of power below 1 kHz.", SHARE, null=CONSTANT),
        "power_1_to_5khz": column(
            pl.Float64(), "Share of power from 1 to 5 kHz.", SHARE, null=f"{CONSTANT}, or sampled too slowly"
        ),
        "power_above_5khz": column(
            pl.Float64(), "Share of power from 5 kHz.", SHARE, null=f"{CONSTANT}, or sampled too slowly"
        ),
        "band_low_hz": column(
            pl.Float64(),
            "Lower edge of the most impulsive band.",
            FREQUENCY,
            unit="Hz",
            null=SHORT,
        ),
        "band_high_hz": column(
            pl.Float64(),
            "Upper edge of the most impulsive band.",
            FREQUENCY,
            unit="Hz",
            null=SHORT,
        ),
        "spectral_kurtosis": column(pl.Float64(), "Spectral kurtosis of that band.", between(-2.01, 1e9), null=SHORT),
        "bpfo_db": column(pl.Float64(), "Level of the outer race line.", LEVEL, unit="dB", null=NO_LINE),
        "bpfi_db": column(pl.Float64(), "Level of the inner race line.", LEVEL, unit="dB", null=NO_LINE),
        "bsf_db": column(pl.Float64(), "Level of the ball line, twice BSF.", LEVEL, unit="dB", null=NO_LINE),
        "ftf_db": column(pl.Float64(), "Level of the cage line.", LEVEL, unit="dB", null=NO_LINE),
        "bpfi_sideband_db": column(
            pl.Float64(), "Level of the inner race line's sidebands at shaft speed.", LEVEL, unit="dB", null=NO_LINE
        ),
        "bsf_sideband_db": column(
            pl.Float64(), "Level of the ball line's sidebands at cage speed.", LEVEL, unit="dB", null=NO_LINE
        ),
        "diagnosis": column(
            pl.String(),
            "Part whose line stands highest, from 15 dB on.",
            one_of(DIAGNOSES),
            null=NO_DIAGNOSIS,
        ),
        "diagnosis_db": column(pl.Float64(), "Level of the highest line.", LEVEL, unit="dB", null=NO_DIAGNOSIS),
        "batch_seq": column(pl.Int64(), "Batch the snapshot landed with.", lineage=True),
        "run_id": run_id(),
    },
    key=KEY,
    time="recorded_at",
)
