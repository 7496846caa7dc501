"""Manipulation: readings become features. Belongs here: descriptors. Does not: what they mean for a machine."""

from typing import Any

import dagster as dg

from assets.partitions import OWNERS, SOURCES
from assets.upkeep import Update, bring_up_to_date
from resources.lake import Lake, Taken
from resources.register import RegisterFile


@dg.asset(
    group_name="manipulation",
    partitions_def=SOURCES,
    deps=["readings", "machines"],
    owners=OWNERS,
    kinds={"polars", "deltalake"},
)
def window_features(context: dg.AssetExecutionContext, lake: Lake, register: RegisterFile) -> dg.MaterializeResult[Any]:
    """Statistics of every sensor in every window, brought up to date where readings changed."""
    from pipelines.features import windows
    from pipelines.reporting.figures import features_by_day

    source = context.partition_key
    every = register.load().source(source).window

    def compute(taken: Taken) -> Update:
        spans = taken.spans("readings", lambda rows: windows.touched_spans(rows, every=every))
        readings = lake.readings(source=source, spans=spans)
        features = windows.window_features(readings, lake.read("machines", source=source), every=every)
        return Update(features, spans, {"window": every, "spans": "all" if spans is None else len(spans)})

    return bring_up_to_date(
        context,
        lake,
        "window_features",
        inputs=("readings", "machines"),
        compute=compute,
        definition=every,
        figure=features_by_day,
    )
