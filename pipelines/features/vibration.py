"""Vibration features of snapshots: statistics, spectrum, severity, and the diagnosis of a bearing."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipelines.features.diagnosis import line_levels, line_orders, named
from pipelines.features.envelope import most_impulsive
from pipelines.features.samples import Signals, batches, usable
from pipelines.features.severity import iso_zone, velocity_rms_mm_s
from pipelines.features.spectrum import Values, spectra_of, spectral_shape
from pipelines.features.waveform import centred, constant, waveform_statistics

VERSION = "vibration-features/1"

AT_ONCE = 1 << 18
"""Samples whose features are computed together: 2 MiB of doubles, about ten times that with all that follows."""

KEPT = ("source", "machine_id", "sensor", "recorded_at", "n_samples", "sample_rate_hz", "batch_seq")
DECLARED = ("bearing", "speed_rpm", "iso_class")
"""What the features follow from of a machine's declaration."""
TEXTS = ("iso_zone", "diagnosis")


def features_of(snapshots: pl.DataFrame, machines: pl.DataFrame) -> pl.DataFrame:
    """Vibration features, one row a snapshot and channel.

    Args:
        snapshots: Current rows of the `snapshots` contract; other signals and `bad` ones are left out.
        machines: `machines` contract. Where it has them, `bearing`, `speed_rpm` and `iso_class` hold for snapshots that
            do not say otherwise.
    Returns:
        Columns of `vibration_features` without `day` and `run_id`, rows by machine, sensor and time.
    Raises:
        SignalError: The bytes of a snapshot do not fit its `n_samples`, or an `iso_class` has no limits.
    """
    from pipelines.contracts.enforce import computed  # pandera loads when a step needs it
    from pipelines.contracts.vibration_features import VIBRATION_FEATURES

    schema = computed(VIBRATION_FEATURES)
    meant = snapshots.filter(pl.col("signal") == "vibration", pl.col("quality") != "bad")
    rows = [_described(*batch) for batch in batches(_declared(meant, machines), most=AT_ONCE)]
    if not rows:
        return pl.DataFrame(schema=schema)
    return pl.concat(rows).select(schema.names()).cast(schema).sort("machine_id", "sensor", "recorded_at")


def batch_features(
    signals: Signals,
    *,
    sample_rate_hz: float,
    sensors: Sequence[str],
    speed_rpm: Values,
    bearings: Sequence[str | None],
    classes: Sequence[str | None],
) -> dict[str, NDArray[np.float64] | list[str | None]]:
    """The fixed feature list of snapshots of equal length and rate.

    Args:
        signals: Shape (n_snapshots, n_samples), each row in the unit its sensor states.
        sample_rate_hz: Samples per second.
        sensors: Channel of each snapshot.
        speed_rpm: Shaft speed of each; NaN where unknown.
        bearings: Of each, as `geometry_of` reads it; any other counts as unknown.
        classes: ISO class of each machine; None where none is declared.
    Returns:
        By column of `vibration_features`: numbers (n_snapshots,), NaN where not defined, and texts, None where not.
    Raises:
        SignalError: `signals` has another shape, the rate is not positive, or a class has no limits.
    """
    good = usable(signals)
    if not good.all():
        signals = np.where(good[:, None], signals, 0.0)
    deviation, mean = centred(signals)
    found = waveform_statistics(signals, deviation, mean)
    deviation[constant(found["std"], found["peak"])] = 0.0  # rounding has no spectrum
    spectra = spectra_of(deviation, sample_rate_hz=sample_rate_hz)
    found |= spectral_shape(spectra)
    found["velocity_rms_mm_s"] = np.empty(len(sensors))
    for sensor in set(sensors):
        same = np.array([name == sensor for name in sensors])
        found["velocity_rms_mm_s"][same] = velocity_rms_mm_s(spectra, sensor=sensor)[same]
    bands = most_impulsive(spectra)
    low = np.where(bands.width > 0, bands.first * spectra.bin_hz, np.nan)
    found |= {"band_low_hz": low, "band_high_hz": low + bands.width * spectra.bin_hz}
    found["spectral_kurtosis"] = bands.kurtosis
    levels = line_levels(spectra, bands, lines=line_orders(bearings), shaft_hz=speed_rpm / 60)
    found |= levels
    diagnosis, found["diagnosis_db"] = named(levels)
    for values in found.values():
        values[~good] = np.nan
    zones = iso_zone(found["velocity_rms_mm_s"], classes=classes, speed_rpm=speed_rpm)
    return found | {"diagnosis": diagnosis, "iso_zone": zones}


def _declared(snapshots: pl.DataFrame, machines: pl.DataFrame) -> pl.DataFrame:
    """Snapshots with `bearing`, `speed_rpm` and `iso_class`, from the register where they do not say it themselves."""
    told = {"bearing": pl.String, "speed_rpm": pl.Float64, "iso_class": pl.String}
    register = machines.select(
        "machine_id",
        *(
            (pl.col(name) if name in machines.columns else pl.lit(None)).cast(dtype).alias(f"declared_{name}")
            for name, dtype in told.items()
        ),
    )
    return snapshots.join(register, on="machine_id", how="left", maintain_order="left").with_columns(
        bearing=pl.coalesce("bearing", "declared_bearing"),
        speed_rpm=pl.coalesce("speed_rpm", "declared_speed_rpm"),
        iso_class=pl.col("declared_iso_class"),
    )


def _described(rows: pl.DataFrame, signals: Signals) -> pl.DataFrame:
    """Rows of equal length and rate, with their features instead of their samples."""
    features = batch_features(
        signals,
        sample_rate_hz=rows["sample_rate_hz"][0],
        sensors=rows["sensor"].to_list(),
        speed_rpm=rows["speed_rpm"].fill_null(float("nan")).to_numpy(),
        bearings=rows["bearing"].to_list(),
        classes=rows["iso_class"].to_list(),
    )
    texts = [pl.Series(name, features.pop(name), pl.String) for name in TEXTS]
    numbers = [pl.Series(name, values).fill_nan(None) for name, values in features.items()]
    return rows.select(*KEPT, "speed_rpm", "bearing").with_columns(*texts, *numbers)
