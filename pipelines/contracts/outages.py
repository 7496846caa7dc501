"""Outages: sources that fell silent as a whole."""

import polars as pl

from pipelines.contracts.contract import TIME, between, column, contract, run_id, source

OUTAGES = contract(
    "outages",
    "One time in which a live source sent nothing at all, as the clock saw it: one cause, however many machines.",
    {
        "source": source(),
        "since": column(TIME, "Its newest reading."),
        "until": column(TIME, "When it was heard again; of an open outage the full hour up to which it was watched."),
        "is_open": column(pl.Boolean(), "It has not spoken since."),
        "usual_s": column(pl.Int64(), "Longest silence in the four weeks before.", between(0, 2**40), unit="s"),
        "run_id": run_id(),
    },
    key=("source", "since"),
    time="since",
)
