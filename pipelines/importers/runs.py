"""Known conditions that are written beside every row become one label for each unbroken run, over any cut."""

import polars as pl

from pipelines.importers.parsed import KNOWN, no_labels


class Runs:
    """The runs of a condition, machine by machine: one that is still open when a piece ends goes on in the next."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._open = no_labels()

    def ended_by(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Runs that have ended, in the columns of `KNOWN`.

        Args:
            frame: `machine_id`, `label` (null: nothing is known, which ends a run), `at` and `batch_row`, in order.
        """
        seen = frame.drop_nulls("at").select(
            "machine_id",
            "label",
            "batch_row",
            kind=pl.lit(self._kind),
            started_at="at",
            ended_at="at",
        )
        rows = pl.concat([self._open, seen.select(KNOWN.names())]).sort("machine_id", maintain_order=True)
        runs = (
            rows.group_by(run=pl.struct("machine_id", "label").rle_id(), maintain_order=True)
            .agg(
                pl.col("machine_id", "kind", "label", "started_at", "batch_row").first(),
                pl.col("ended_at").last(),
            )
            .select(KNOWN.names())
        )
        is_open = pl.col("machine_id").is_last_distinct()
        self._open = runs.filter(is_open)
        return _known(runs.filter(~is_open))

    def ended_by_the_file(self) -> pl.DataFrame:
        """Runs that were open when the file ended."""
        return _known(self._open)


def _known(runs: pl.DataFrame) -> pl.DataFrame:
    return runs.drop_nulls("label").sort("batch_row")
