"""Keeping contracts: split what arrives, refuse what we computed wrongly."""

from collections.abc import Sequence
from typing import Any

import pandera.polars as pa
import polars as pl
from pandera.errors import SchemaError, SchemaErrors


class ContractError(ValueError):
    """A frame of our own making does not keep its contract: a defect, not bad data."""


def split(frame: pl.DataFrame, contract: pa.DataFrameSchema) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows that keep `contract`, and the others with their `broken_rules`. No row is lost.

    Args:
        frame: Columns and types of the contract.
        contract: Its checks say which rows are good; of rows that share a key all are bad.
    Returns:
        `(good, rejected)`; `rejected` has a further column `broken_rules`, such as `value: in_range(-1e12, 1e12)`.
    Raises:
        ContractError: Columns are missing, surplus or of another type: no row could be judged.
    """
    judged, rules = _telling(frame, contract)
    try:
        rules.validate(judged, lazy=True)
        return frame, frame.clear().with_columns(broken_rules=pl.lit(""))
    except SchemaErrors as error:
        cases = error.failure_cases
        if cases["index"].null_count():
            raise ContractError(_told(contract, cases)) from None
    except SchemaError as error:
        raise ContractError(f"{contract.name}: {error}") from None
    told = cases.group_by(row=pl.col("index").cast(pl.UInt32)).agg(
        broken_rules=pl.concat_str("column", "check", separator=": ", ignore_nulls=True).unique().sort().str.join("; ")
    )
    marked = frame.with_row_index("row").join(told, on="row", how="left", maintain_order="left").drop("row")
    return marked.filter(pl.col("broken_rules").is_null()).drop("broken_rules"), marked.drop_nulls("broken_rules")


def _telling(frame: pl.DataFrame, contract: pa.DataFrameSchema) -> tuple[pl.DataFrame, pa.DataFrameSchema]:
    """Frame and rules with a word in the place of bytes: pandera cannot tell of a row that holds any."""
    held = [name for name, dtype in frame.schema.items() if dtype == pl.Binary and name in contract.columns]
    if not held:
        return frame, contract
    words = {name: pa.Column(pl.String, nullable=contract.columns[name].nullable) for name in held}
    told = [pl.when(pl.col(name).is_not_null()).then(pl.lit("bytes")).alias(name) for name in held]
    return frame.with_columns(told), pa.DataFrameSchema(
        {**contract.columns, **words}, name=contract.name, strict=True, unique=contract.unique
    )


def all_keep(frame: pl.DataFrame, contract: pa.DataFrameSchema, *, columns: Sequence[str]) -> bool:
    """Whether every value of `columns` keeps its rules, told by the few that can break them.

    Rules are for single values: of text every different one is looked at, of numbers and times the ends of their
    range, NaN and null. True says as much as `split` does, for a fraction of its cost; False does not say where.
    """
    return all(_keeps(frame[name], contract.columns[name]) for name in columns if name in contract.columns)


def _keeps(values: pl.Series, rules: pa.Column) -> bool:
    if values.is_empty():
        return True
    if values.dtype == pl.String:
        telling = values.unique()
    else:
        odd = values.is_null() | values.is_nan() if values.dtype.is_float() else values.is_null()
        ends = [values[0]] if values.dtype == pl.Binary else [values.min(), values.max()]
        telling = pl.concat([pl.Series(values.name, ends, values.dtype), values.filter(odd).unique()])
    try:
        pa.DataFrameSchema({values.name: rules}).validate(telling.to_frame(), lazy=True)
    except (SchemaErrors, SchemaError):
        return False
    return True


def conform(frame: pl.DataFrame, contract: pa.DataFrameSchema) -> pl.DataFrame:
    """`frame` with `day` added and columns in the contract's order, every rule kept.

    Raises:
        ContractError: A rule is broken; names the table, the rules and examples.
    """
    time = (contract.metadata or {}).get("time")
    if time in frame.columns:
        frame = frame.with_columns(day=pl.col(time).dt.date())
    missing = [name for name in contract.columns if name not in frame.columns]
    if missing:
        raise ContractError(f"{contract.name}: columns {missing} are missing; found {frame.columns}")
    frame = frame.select(list(contract.columns))
    good, rejected = split(frame, contract)
    if not rejected.is_empty():
        first = rejected["broken_rules"][0]
        raise ContractError(f"{contract.name}: {rejected.height} of {frame.height} rows: {first}")
    return good


def empty(contract: pa.DataFrameSchema) -> pl.DataFrame:
    """No rows, with the columns and types of `contract`."""
    return pl.DataFrame(schema={name: column.dtype.type for name, column in contract.columns.items()})


def computed(contract: pa.DataFrameSchema) -> pl.Schema:
    """Columns and types of what a stage returns: `day` and `run_id` are added when it is written."""
    columns = {name: column.dtype.type for name, column in contract.columns.items() if name not in ("day", "run_id")}
    return pl.Schema(columns)


def lineage_columns(contract: pa.DataFrameSchema) -> list[str]:
    """Columns that say how a row came to be, not what it says."""
    return [name for name, column in contract.columns.items() if (column.metadata or {}).get("lineage")]


def shape_of(contract: pa.DataFrameSchema) -> dict[str, Any]:
    """Columns of `contract` that mean more than what they say: `key`, `time` (None without one) and `lineage`."""
    told = contract.metadata or {}
    return {"key": told["key"], "time": told["time"], "lineage": tuple(lineage_columns(contract))}


def _told(contract: pa.DataFrameSchema, cases: pl.DataFrame) -> str:
    told = cases.select(pl.concat_str("column", "check", "failure_case", separator=" ", ignore_nulls=True)).unique()
    return f"{contract.name}: {'; '.join(sorted(told.to_series().to_list())[:5])}"
