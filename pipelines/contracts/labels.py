"""Labels: known truth. Only training and evaluation may read them; nothing that scores does."""

import polars as pl

from pipelines.contracts.contract import TIME, column, contract, machine_id, named, source

KEY = ("machine_id", "kind", "label", "started_at")

LABELS = contract(
    "labels",
    "One known condition of one machine over a span of time, as it landed. A correction is a further row.",
    {
        "source": source(),
        "machine_id": machine_id(),
        "kind": column(pl.String(), "What is known: `status`, `fault` or `failure`.", named()),
        "label": column(pl.String(), "The condition, such as BROKEN or bearing_wear.", named()),
        "started_at": column(TIME, "First moment it held."),
        "ended_at": column(TIME, "Last moment it is known to have held.", null="still holds or ends with the machine"),
        "landed_at": column(TIME, "When its batch was committed.", lineage=True),
        "batch_id": column(pl.String(), "sha256 of the arrived file.", lineage=True),
        "batch_seq": column(pl.Int64(), "Order of landing: the highest of a key is its current value.", lineage=True),
        "batch_row": column(pl.Int64(), "First row in the arrived file, from 0.", lineage=True),
    },
    key=(*KEY, "batch_seq"),
    time="started_at",
)
