"""Data quality: sensors that fell silent or stand still, window by window."""

import polars as pl

from pipelines.contracts.contract import TIME, between, column, contract, machine_id, named, one_of, run_id, source
from pipelines.contracts.vocabulary import DEFECTS

DATA_QUALITY = contract(
    "data_quality",
    "One sensor with one defect in one window that is over. Judged against the machine's healthy span.",
    {
        "source": source(),
        "machine_id": machine_id(),
        "sensor": column(pl.String(), "Sensor.", named()),
        "recorded_at": column(TIME, "Start of the window."),
        "window_s": column(pl.Int64(), "Length of the window.", between(1, 31 * 86_400), unit="s"),
        "kind": column(
            pl.String(), "`silent`: no reading, as never when healthy; `stuck`: all readings alike.", one_of(DEFECTS)
        ),
        "value": column(pl.Float64(), "Value it is stuck at.", between(-1e12, 1e12), null="silent"),
        "run_id": run_id(),
    },
    key=("machine_id", "sensor", "recorded_at"),
    time="recorded_at",
)
