"""How a contract is written down: typed columns with a meaning and a unit, a key, a time, lineage."""

from collections.abc import Mapping, Sequence

import pandera.polars as pa
import polars as pl

from pipelines.contracts.vocabulary import NAME, SOURCE

ID = r"^[a-z]+-[0-9a-f]{16}$"
TIME = pl.Datetime("us", "UTC")


def column(
    dtype: pl.DataType,
    about: str,
    *checks: pa.Check,
    unit: str | None = None,
    null: str | None = None,
    lineage: bool = False,
) -> pa.Column:
    """One column.

    Args:
        dtype: Polars type of the values.
        about: What the value says, for people; goes to every published view.
        checks: Rules for single values. A float needs both bounds: NaN passes a single one.
        unit: Unit of the values, as in `vocabulary.UNITS`.
        null: What a null means; None forbids nulls.
        lineage: Says how the row came to be, not what it says: two rows that differ here alone are equal.
    """
    meaning = about if null is None else f"{about} Null: {null}."
    return pa.Column(
        dtype,
        list(checks),
        nullable=null is not None,
        description=meaning,
        metadata={"unit": unit, "lineage": lineage},
    )


def named(pattern: str = NAME) -> pa.Check:
    return pa.Check.str_matches(pattern)


def between(low: float, high: float) -> pa.Check:
    return pa.Check.in_range(low, high)


def one_of(words: Sequence[str]) -> pa.Check:
    return pa.Check.isin(list(words))


def source() -> pa.Column:
    return column(pl.String(), "Plant, line or data set the row belongs to; the Dagster partition.", named(SOURCE))


def machine_id() -> pa.Column:
    return column(pl.String(), "Machine, unique over all sources: `<source>.<name>`.", named())


def identity(about: str, *, null: str | None = None) -> pa.Column:
    return column(pl.String(), about, named(ID), null=null)


def run_id() -> pa.Column:
    return column(pl.String(), "Dagster run that wrote the row.", lineage=True)


def contract(
    name: str,
    about: str,
    columns: Mapping[str, pa.Column],
    *,
    key: Sequence[str],
    time: str | None,
) -> pa.DataFrameSchema:
    """A table: its columns in this order, and `day` behind `source` where it has a time.

    Args:
        name: Table name, a plural noun.
        about: What one row is.
        columns: By name, in the order they are published.
        key: Columns that no two rows share.
        time: Column in event time that spans and `day` follow; None for a table without one.
    """
    shared = dict(columns)
    if time is not None:
        day = column(pl.Date(), f"UTC day of `{time}`; partition of the lake.")
        shared = {"source": shared.pop("source"), "day": day, **shared}
    return pa.DataFrameSchema(
        shared,
        name=name,
        description=about,
        strict=True,
        unique=list(key),
        metadata={"time": time, "key": tuple(key)},
    )
