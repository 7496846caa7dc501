"""Window features: what a sensor did in one window of time."""

import polars as pl

from pipelines.contracts.contract import TIME, between, column, contract, machine_id, named, one_of, run_id, source
from pipelines.contracts.vocabulary import STATES

VALUE = between(-1e12, 1e12)
# What values within those bounds can yield at most: two readings at opposite ends, a microsecond apart.
SPREAD = between(0, 2e12)
SLOPE = between(-1e22, 1e22)

WINDOW_FEATURES = contract(
    "window_features",
    "Statistics of one sensor in one window. Its raw rows are the current readings of the key inside the window.",
    {
        "source": source(),
        "machine_id": machine_id(),
        "sensor": column(pl.String(), "Sensor.", named()),
        "recorded_at": column(TIME, "Start of the window."),
        "window_s": column(pl.Int64(), "Length of the window.", between(1, 31 * 86_400), unit="s"),
        "state": column(pl.String(), "Operating state of the machine in the window.", one_of(STATES)),
        "n": column(pl.Int64(), "Readings in the window, `bad` ones left out.", between(1, 2**40)),
        "mean": column(pl.Float64(), "Mean.", VALUE),
        "std": column(pl.Float64(), "Sample standard deviation.", SPREAD, null="fewer than two readings"),
        "min": column(pl.Float64(), "Smallest value.", VALUE),
        "max": column(pl.Float64(), "Largest value.", VALUE),
        "slope_per_h": column(pl.Float64(), "Least-squares slope per hour.", SLOPE, null="fewer than two moments"),
        "batch_seq": column(pl.Int64(), "Newest batch that contributed a reading.", lineage=True),
        "run_id": run_id(),
    },
    key=("machine_id", "sensor", "recorded_at"),
    time="recorded_at",
)
