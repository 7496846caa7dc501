"""What every derived table does: take what changed, compute, replace, note, tell. The formulas are elsewhere."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
import polars as pl

from resources.lake import Lake, Span, Taken, redo_on_conflict


@dataclass(frozen=True)
class Update:
    """Rows of a table, computed anew.

    Attributes:
        rows: In the contract's columns, `day` and `run_id` left out.
        spans: What they replace; None for all rows of the source.
        facts: Further metadata.
    """

    rows: pl.DataFrame
    spans: Sequence[Span] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


def bring_up_to_date(
    context: dg.AssetExecutionContext,
    lake: Lake,
    table: str,
    *,
    inputs: Sequence[str],
    compute: Callable[[Taken], Update],
    definition: str = "",
    figure: Callable[[pl.DataFrame], bytes] | None = None,
) -> dg.MaterializeResult[Any]:
    """Compute and replace rows of `table` where any of `inputs` changed since it last noted them.

    Args:
        context: Its partition is the source; an unpartitioned asset takes all sources.
        lake: Where the tables are.
        table: What is brought up to date.
        inputs: Tables it follows from.
        compute: Rows from what was taken; called again if another run commits in between.
        definition: What else the rows follow from, such as a rules version.
        figure: Plot of the table's rows of the source, as PNG.
    """
    from pipelines.contracts.enforce import conform, empty, lineage_columns
    from pipelines.contracts.registry import CONTRACTS

    contract = CONTRACTS[table]
    time = (contract.metadata or {})["time"]
    source = context.partition_key if context.has_partition_key and context.assets_def.partitions_def else None

    def step() -> tuple[Update, int] | None:
        taken = lake.take(inputs, source=source, consumer=table, definition=definition)
        if taken.nothing_new:
            return None
        update = compute(taken)
        rows = update.rows if update.rows.width else empty(contract)
        if "run_id" in contract.columns:
            rows = rows.with_columns(run_id=pl.lit(context.run.run_id))
        return update, lake.replace(
            table,
            conform(rows, contract),
            source=source,
            taken=taken,
            lineage=lineage_columns(contract),
            spans=update.spans,
            time=time,
        )

    done = redo_on_conflict(step)
    update, written = done or (None, 0)
    shown = figure(lake.read(table, source=source)) if figure and written else None
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": lake.count(table, source=source),
            "dagster/column_schema": _table_schema(contract),
            "rows_written": written,
            "up_to_date": done is None,
            **({"plot": picture(shown)} if shown else {}),
            **(update.facts if update else {}),
        }
    )


def picture(png: bytes) -> dg.MarkdownMetadataValue:
    """A plot that the Dagster UI shows beside the numbers."""
    import base64

    return dg.MetadataValue.md(f"![plot](data:image/png;base64,{base64.b64encode(png).decode()})")


def _table_schema(contract: Any) -> dg.TableSchema:
    columns = []
    for name, column in contract.columns.items():
        unit = (column.metadata or {}).get("unit")
        about = column.description + (f" [{unit}]" if unit else "")
        nullable = dg.TableColumnConstraints(nullable=column.nullable)
        columns.append(dg.TableColumn(name, str(column.dtype), description=about, constraints=nullable))
    return dg.TableSchema(columns=columns)
