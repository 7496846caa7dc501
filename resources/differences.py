"""What a computation changes in a table: the rows that come, go or say something else."""

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from resources.spans import MOST_RANGES, Span, at_moment, days_between


class Shape(NamedTuple):
    """Columns of a table that mean more than what they say.

    Attributes:
        key: No two rows share these.
        time: Column that spans follow; None for a table without days.
        lineage: Say how a row came to be: two rows that differ in these alone are equal.
    """

    key: tuple[str, ...]
    time: str | None
    lineage: tuple[str, ...]


class Difference(NamedTuple):
    """What new rows change.

    Attributes:
        touched: Rows that come or go, in the columns of the table; with both versions of those that change.
        before: Those that are revised, as they were, in order of the key.
        after: The same, as they are.
        written: Rows that were written for it.
    """

    touched: pl.DataFrame
    before: pl.DataFrame
    after: pl.DataFrame
    written: int = 0

    @property
    def is_none(self) -> bool:
        return self.touched.is_empty()

    def spans(self, asked: Sequence[Span] | None, time: str) -> Sequence[Span]:
        """What must be written anew: the moments that differ; where these are too many, whole days or all asked for.

        Args:
            asked: What the new rows are all rows of; None for everything.
            time: Column of the moments.
        """
        machines = asked is not None and any(span.machines for span in asked)
        names = [pl.col("machine_id").unique().sort()] if machines else [pl.lit([], pl.List(pl.String)).first()]
        moments = self.touched.group_by(time).agg(*names).sort(time)
        if moments.height <= MOST_RANGES:
            return [at_moment(moment, *named) for moment, named in moments.rows()]
        return days_between(set(self.touched["day"])) if asked is None else asked


def difference(old: pl.DataFrame, new: pl.DataFrame, shape: Shape) -> Difference:
    """What `new` rows change of the `old`; both hold the same columns, and no key twice."""
    said = [name for name in new.columns if name not in shape.lineage]
    was, comes = _comparable(old.select(said)), _comparable(new.select(said))
    gone = old.filter(_unmatched(was, comes))
    come = new.filter(_unmatched(comes, was))
    key = list(shape.key)
    before = gone.join(come, on=key, how="semi", nulls_equal=True).sort(key)
    after = come.join(gone, on=key, how="semi", nulls_equal=True).sort(key)
    return Difference(pl.concat([gone, come.select(gone.columns)]), before, after)


def _unmatched(left: pl.DataFrame, right: pl.DataFrame) -> pl.Series:
    """Of each row of `left`, whether `right` has none like it."""
    marked = left.join(
        right.unique().with_columns(found=True), on=left.columns, how="left", nulls_equal=True, maintain_order="left"
    )
    return marked["found"].is_null()


def _comparable(frame: pl.DataFrame) -> pl.DataFrame:
    """Lists and structures as text: a join cannot compare them."""
    nested = [name for name, dtype in frame.schema.items() if dtype.is_nested()]
    return frame.with_columns(
        pl.Series(name, [repr(value) for value in frame[name].to_list()], pl.String) for name in nested
    )
