"""What every derived table does: take what changed, compute, replace, note, tell. The formulas are elsewhere."""

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import dagster as dg
import polars as pl

from assets.partitions import OWNERS
from resources.differences import Difference, Shape
from resources.lake import Lake, Taken, redo_on_conflict
from resources.run_tags import MICRO_BATCH
from resources.spans import Span

PLOTTED_DAYS = 35
TOLD = 5  # revised rows shown with what they said before


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
    from pipelines.contracts.enforce import conform, shape_of
    from pipelines.contracts.registry import CONTRACTS

    contract = CONTRACTS[table]
    shape = Shape(**shape_of(contract))
    source = context.partition_key if context.has_partition_key and context.assets_def.partitions_def else None
    read_before = lake.rows_read

    def step() -> tuple[Update, Difference] | None:
        taken = lake.take(inputs, source=source, consumer=table, definition=definition)
        if taken.nothing_new:
            return None
        update = compute(taken)
        rows = update.rows
        if "run_id" in contract.columns:
            rows = rows.with_columns(run_id=pl.lit(context.run.run_id))
        frame = conform(rows, contract)
        return update, lake.replace(table, frame, source=source, taken=taken, shape=shape, spans=update.spans)

    done = redo_on_conflict(step)
    read = lake.rows_read - read_before
    return dg.MaterializeResult(
        asset_key=table,
        metadata={
            "dagster/row_count": lake.count(table, source=source),
            "dagster/column_schema": _table_schema(contract),
            "rows_read": read,
            "rows_written": done[1].written if done else 0,
            "up_to_date": done is None,
            **(_revised(done[1], shape) if done else {}),
            **_plot(context, lake, table, source, shape.time, figure),
            **(done[0].facts if done else {}),
        },
    )


def specs_of(group: str, bodies: Mapping[Callable[..., Any], Sequence[str]], **shared: Any) -> list[dg.AssetSpec]:
    """Assets that one step brings up to date, one after the other.

    A step of Dagster's costs more than most of these tables do, so those of a group share one. Each stays an asset with
    its own lineage, metadata and history, and can be chosen alone.

    Args:
        group: Name of the group.
        bodies: What each asset depends on, by the function that brings it up to date: its name is the asset's, its
            docstring the description.
        shared: Further attributes of all.
    """
    return [
        dg.AssetSpec(
            body.__name__,
            group_name=group,
            deps=deps,
            owners=OWNERS,
            description=inspect.getdoc(body),
            skippable=True,
            **shared,
        )
        for body, deps in bodies.items()
    ]


def _plot(
    context: dg.AssetExecutionContext,
    lake: Lake,
    table: str,
    source: str | None,
    time: str | None,
    figure: Callable[[pl.DataFrame], bytes] | None,
) -> dict[str, Any]:
    """The table's newest weeks as a picture; not in micro-batches, which would spend more on it than on all else."""
    if figure is None or time is None or context.run.tags.get(MICRO_BATCH):
        return {}
    newest = lake.newest_moment(table, source=source, time=time)
    if newest is None:
        return {}
    span = Span(newest - timedelta(days=PLOTTED_DAYS), newest + timedelta(seconds=1))
    return {"plot": picture(figure(lake.read(table, source=source, spans=[span], time=time)))}


def _revised(found: Difference, shape: Shape) -> dict[str, Any]:
    """Rows that say something else than before, the newest moment aside: there the data is still coming in."""
    time = shape.time
    newest = found.touched[time].max() if time else None
    rows = [
        (was, now)
        for was, now in zip(found.before.to_dicts(), found.after.to_dicts(), strict=True)
        if time is None or was[time] != newest
    ]
    if not rows:
        return {}
    told = [
        {
            **{name: was[name] for name in shape.key},
            **{f"{name}": {"before": was[name], "after": now[name]} for name in was if _differs(name, was, now, shape)},
        }
        for was, now in rows[:TOLD]
    ]
    return {"revised": len(rows), "before_and_after": dg.MetadataValue.json(json.loads(json.dumps(told, default=str)))}


def _differs(name: str, was: Mapping[str, Any], now: Mapping[str, Any], shape: Shape) -> bool:
    return name not in shape.lineage and was[name] != now[name]


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
