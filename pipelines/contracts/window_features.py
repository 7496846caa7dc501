"""Window features: what a sensor did in one window of time."""

import polars as pl

from pipelines.contracts.contract import TIME, between, column, contract, machine_id, named, one_of, run_id, source
from pipelines.contracts.vocabulary import STATES

VALUE = between(-1e12, 1e12)
# What values within those bounds can yield at most: two readings at opposite ends, a microsecond apart.
SPREAD = between(0, 2e12)
SLOPE = between(-1e22, 1e22)

FEW = "fewer than two readings"
DESCRIBED = {
    "n": column(pl.Int64(), "Readings in the window, `bad` ones left out.", between(1, 2**40)),
    "mean": column(pl.Float64(), "Mean.", VALUE),
    "std": column(pl.Float64(), "Sample standard deviation.", SPREAD, null=FEW),
    "min": column(pl.Float64(), "Smallest value.", VALUE),
    "max": column(pl.Float64(), "Largest value.", VALUE),
    "slope_per_h": column(pl.Float64(), "Least-squares slope per hour.", SLOPE, null=FEW),
    "median": column(pl.Float64(), "Median: where the sensor stood, whatever a few readings say.", VALUE),
    "iqr": column(
        pl.Float64(),
        "Interquartile range, quantiles linear between values: 1.349 standard deviations of a normal distribution.",
        SPREAD,
        null=FEW,
    ),
    "autocorrelation": column(
        pl.Float64(),
        "Correlation of each reading with the next (lag 1).",
        between(-1, 1),
        null="fewer than three readings, or all alike",
    ),
    "energy": column(pl.Float64(), "Mean square.", between(0, 2e24)),
    "entropy_bits": column(
        pl.Float64(),
        "Shannon entropy of the histogram of 16 equal bins between smallest and largest value; 0 where all are alike.",
        between(0, 4.001),
    ),
    "change_per_h": column(
        pl.Float64(),
        "Mean rate of change: sum of the absolute differences of neighbours, by the hours from the first to the last.",
        between(0, 1e22),
        null=FEW,
    ),
    "missing_share": column(
        pl.Float64(),
        "Share of readings that lack between the first and the last, at the median step of the window.",
        between(0, 1),
        null="fewer than three readings",
    ),
}
DESCRIPTORS = {name: told.dtype.type for name, told in DESCRIBED.items()}
"""Type of each descriptor by its name."""

WINDOW_FEATURES = contract(
    "window_features",
    "Descriptors of one sensor in one window. Its raw rows are the current readings of the key inside the window.",
    {
        "source": source(),
        "machine_id": machine_id(),
        "sensor": column(pl.String(), "Sensor.", named()),
        "recorded_at": column(TIME, "Start of the window."),
        "window_s": column(pl.Int64(), "Length of the window.", between(1, 31 * 86_400), unit="s"),
        "state": column(pl.String(), "Operating state of the machine in the window.", one_of(STATES)),
        "is_derived": column(pl.Boolean(), "Computed of other sensors of the machine, not measured."),
        **DESCRIBED,
        "batch_seq": column(pl.Int64(), "Newest batch that contributed a reading.", lineage=True),
        "run_id": run_id(),
    },
    key=("machine_id", "sensor", "recorded_at"),
    time="recorded_at",
)
