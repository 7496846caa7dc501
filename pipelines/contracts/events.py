"""Events: what happened to a machine, as people or controllers recorded it at the time."""

import pandera.polars as pa
import polars as pl

from pipelines.contracts.contract import TIME, column, contract, machine_id, named, one_of, source
from pipelines.contracts.readings import EARLIEST, LATEST
from pipelines.contracts.vocabulary import EVENT_KINDS

KEY = ("machine_id", "kind", "event", "occurred_at")

EVENTS = contract(
    "events",
    "One thing that happened to one machine, as it landed. A correction is a further row with a higher `batch_seq`.",
    {
        "source": source(),
        "machine_id": machine_id(),
        "kind": column(pl.String(), "What kind of thing.", one_of(EVENT_KINDS)),
        "event": column(pl.String(), "Its code: of an error, a failed or replaced component, a model.", named()),
        "occurred_at": column(TIME, "When it happened or began.", pa.Check.in_range(EARLIEST, LATEST)),
        "ended_at": column(TIME, "When it was over.", null="at once, or not known"),
        "note": column(pl.String(), "What was written beside it.", pa.Check.str_length(0, 2000), null="nothing"),
        "landed_at": column(TIME, "When its batch was committed.", lineage=True),
        "batch_id": column(pl.String(), "sha256 of the arrived file: the way back to the original.", lineage=True),
        "batch_seq": column(pl.Int64(), "Order of landing: the highest of a key is its current value.", lineage=True),
        "batch_row": column(pl.Int64(), "Row in the arrived file, from 0.", lineage=True),
    },
    key=(*KEY, "batch_seq"),
    time="occurred_at",
)
