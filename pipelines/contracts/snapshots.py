"""Snapshots: short stretches of waveform or sound, in the precision of the file they came in."""

import pandera.polars as pa
import polars as pl

from pipelines.contracts.contract import TIME, between, column, contract, machine_id, named, one_of, source
from pipelines.contracts.readings import EARLIEST, LATEST
from pipelines.contracts.vocabulary import ENCODINGS, QUALITIES, SIGNALS

KEY = ("machine_id", "sensor", "recorded_at")
MOST_BYTES = 1 << 28
"""Of one snapshot of one channel: more is a recording, to be cut by who sends it."""

SNAPSHOTS = contract(
    "snapshots",
    "One stretch of signal of one channel, as it landed. A correction is a further row with a higher `batch_seq`.",
    {
        "source": source(),
        "machine_id": machine_id(),
        "sensor": column(pl.String(), "Channel; its suffix states the unit of `scale` x sample.", named()),
        "recorded_at": column(TIME, "When its first sample was taken.", pa.Check.in_range(EARLIEST, LATEST)),
        "signal": column(pl.String(), "What kind of signal it is.", one_of(SIGNALS)),
        "sample_rate_hz": column(pl.Float64(), "Samples a second.", between(1e-3, 1e8), unit="Hz"),
        "n_samples": column(pl.Int64(), "Samples.", between(1, MOST_BYTES)),
        "encoding": column(pl.String(), "Type of a sample: NumPy's name, little-endian.", one_of(ENCODINGS)),
        "scale": column(pl.Float64(), "Value of a sample is this times what is stored.", between(1e-15, 1e15)),
        "samples": column(pl.Binary(), "The samples, one after the other, in `encoding`."),
        "digest": column(pl.String(), "sha256 of `samples`, first 16 hex digits.", named(r"^[0-9a-f]{16}$")),
        "speed_rpm": column(pl.Float64(), "Shaft speed.", between(0, 1e6), unit="1/min", null="not stated by the file"),
        "bearing": column(pl.String(), "Designation of the bearing.", named(), null="not stated by the file"),
        "quality": column(pl.String(), "How far the sender trusts it.", one_of(QUALITIES)),
        "landed_at": column(TIME, "When its batch was committed.", lineage=True),
        "batch_id": column(pl.String(), "sha256 of the arrived file: the way back to the original.", lineage=True),
        "batch_seq": column(pl.Int64(), "Order of landing: the highest of a key is its current value.", lineage=True),
        "batch_row": column(pl.Int64(), "Place of its file in the arrived one, from 0.", lineage=True),
    },
    key=(*KEY, "batch_seq"),
    time="recorded_at",
)
