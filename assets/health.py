"""Health assessment: alarms become verdicts, features become health."""

from typing import Any

import dagster as dg

from assets.partitions import OWNERS, SOURCES
from assets.upkeep import Update, bring_up_to_date
from resources.lake import Lake, Taken


@dg.asset(
    group_name="health",
    partitions_def=SOURCES,
    deps=["alarms", "anomaly_scores", "window_features", "machines"],
    owners=OWNERS,
    kinds={"polars", "deltalake"},
)
def verdicts(context: dg.AssetExecutionContext, lake: Lake) -> dg.MaterializeResult[Any]:
    """Which alarms to believe: declarative rules over the evidence of each episode, every reason kept."""
    from pipelines.health.rules import RULES_VERSION
    from pipelines.health.verdict import verdicts as judged
    from pipelines.reporting.figures import confidence_bars

    source = context.partition_key
    inputs = ("alarms", "anomaly_scores", "window_features", "machines")

    def compute(_taken: Taken) -> Update:
        return Update(judged(*(lake.read(name, source=source) for name in inputs)))

    return bring_up_to_date(
        context,
        lake,
        "verdicts",
        inputs=inputs,
        compute=compute,
        definition=RULES_VERSION,
        figure=confidence_bars,
    )


@dg.asset(
    group_name="health",
    partitions_def=SOURCES,
    deps=["window_features", "anomaly_scores", "machines"],
    owners=OWNERS,
    kinds={"polars", "deltalake"},
)
def health_index(context: dg.AssetExecutionContext, lake: Lake) -> dg.MaterializeResult[Any]:
    """How far each machine is from each declared end of life: 1 is as new, 0 is the threshold."""
    from pipelines.health.index import health_index as index
    from pipelines.reporting.figures import health_lines

    source = context.partition_key
    inputs = ("window_features", "anomaly_scores", "machines")

    def compute(_taken: Taken) -> Update:
        return Update(index(*(lake.read(name, source=source) for name in inputs)))

    return bring_up_to_date(context, lake, "health_index", inputs=inputs, compute=compute, figure=health_lines)
