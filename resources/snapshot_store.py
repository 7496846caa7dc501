"""Snapshots out of the lake: the current ones of some spans, a few at a time, so that any number fits memory."""

from collections.abc import Iterator, Sequence

import polars as pl

from resources.lake import Lake
from resources.spans import MOST_RANGES, Span, rows_within

KEY = ["machine_id", "sensor", "recorded_at", "batch_seq"]
AT_ONCE = 64 << 20
"""Bytes of samples that are in memory together."""


def current_snapshots(
    lake: Lake, *, source: str, signal: str, spans: Sequence[Span] | None, at_once: int = AT_ONCE
) -> Iterator[pl.DataFrame]:
    """Current snapshots of one kind of signal, machine by machine in order of time, in frames of about `at_once` bytes.

    Args:
        lake: Where they are.
        source: Whose.
        signal: As in `vocabulary.SIGNALS`.
        spans: Of which machines and when; None for all.
        at_once: Bytes of samples in one frame.
    """
    keys = lake.read(
        "snapshots",
        source=source,
        spans=spans,
        where=pl.col("signal") == signal,
        columns=[*KEY, "day", "n_samples", "encoding"],
    )
    if spans is not None:
        keys = keys.filter(rows_within(spans, "recorded_at"))
    keys = keys.sort("batch_seq").unique(KEY[:3], keep="last").sort("machine_id", "recorded_at", "sensor")
    for chosen in _in_turn(keys, at_once):
        rows = lake.read("snapshots", source=source, spans=_around(chosen), keys=chosen.select(KEY))
        yield rows.sort("machine_id", "recorded_at", "sensor")


def _in_turn(keys: pl.DataFrame, at_once: int) -> Iterator[pl.DataFrame]:
    """The keys in groups that hold so many bytes of few enough machines for one predicate."""
    size = pl.col("n_samples") * pl.col("encoding").str.tail(1).cast(pl.Int64)
    numbered = keys.with_columns(chunk=size.cum_sum() // at_once, machine=pl.col("machine_id").rle_id() // MOST_RANGES)
    for _, group in numbered.group_by("chunk", "machine", maintain_order=True):
        yield group


def _around(chosen: pl.DataFrame) -> list[Span]:
    """One span a machine, from its first to its last moment."""
    at, after = pl.col("recorded_at"), pl.duration(microseconds=1)
    ends = chosen.group_by("machine_id", maintain_order=True).agg(since=at.min(), until=at.max() + after)
    return [Span(since, until, (machine,)) for machine, since, until in ends.rows()]
