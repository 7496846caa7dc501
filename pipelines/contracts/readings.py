"""Readings: what the sensors said, every version of it."""

from datetime import UTC, datetime

import pandera.polars as pa
import polars as pl

from pipelines.contracts.contract import TIME, between, column, contract, machine_id, named, one_of, source
from pipelines.contracts.vocabulary import QUALITIES

KEY = ("machine_id", "sensor", "recorded_at")
EARLIEST, LATEST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
"""A clock beyond these is wrong; spans around year 1 or 9999 could not even be written down."""

READINGS = contract(
    "readings",
    "One value of one sensor, as it landed. A correction is a further row with a higher `batch_seq`.",
    {
        "source": source(),
        "machine_id": machine_id(),
        "sensor": column(pl.String(), "Sensor; its suffix states the unit.", named()),
        "recorded_at": column(TIME, "When it was measured, not when it arrived.", pa.Check.in_range(EARLIEST, LATEST)),
        "value": column(pl.Float64(), "Measured value, in the sensor's unit.", between(-1e12, 1e12)),
        "quality": column(pl.String(), "How far the sender trusts it.", one_of(QUALITIES)),
        "landed_at": column(TIME, "When its batch was committed.", lineage=True),
        "batch_id": column(pl.String(), "sha256 of the arrived file: the way back to the original.", lineage=True),
        "batch_seq": column(pl.Int64(), "Order of landing: the highest of a key is its current value.", lineage=True),
        "batch_row": column(pl.Int64(), "Row in the arrived file, from 0.", lineage=True),
    },
    key=(*KEY, "batch_seq"),
    time="recorded_at",
)
