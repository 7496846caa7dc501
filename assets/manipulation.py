"""Manipulation: readings become features. Belongs here: descriptors. Does not: what they mean for a machine."""

from typing import Any

import dagster as dg

from assets.partitions import OWNERS, SOURCES
from assets.upkeep import Update, bring_up_to_date
from resources.lake import Lake, Taken
from resources.register import RegisterFile
from resources.spans import Span, all_time

FROM = ("readings", "machines")


@dg.asset(
    group_name="manipulation",
    partitions_def=SOURCES,
    deps=FROM,
    owners=OWNERS,
    kinds={"polars", "deltalake"},
)
def window_features(context: dg.AssetExecutionContext, lake: Lake, register: RegisterFile) -> dg.MaterializeResult[Any]:
    """Statistics of every sensor in every window, brought up to date where readings changed."""
    from pipelines.changes import machines_that_differ, touched_windows
    from pipelines.features import windows
    from pipelines.reporting.figures import features_by_day

    source = context.partition_key
    every = register.load().source(source).window

    def compute(taken: Taken) -> Update:
        spans = None
        if news := taken.news:
            retuned = machines_that_differ(news["machines"], ("running_sensor", "running_above"))
            touched = touched_windows(windows.windows_of(news["readings"], every=every))
            spans = [*(Span(*span) for span in touched), *all_time(retuned)]
        readings = lake.readings(source=source, spans=spans)
        features = windows.window_features(readings, lake.read("machines", source=source), every=every)
        return Update(features, spans, {"window": every})

    return bring_up_to_date(
        context,
        lake,
        "window_features",
        inputs=FROM,
        compute=compute,
        definition=f"{windows.VERSION}|{every}",
        figure=features_by_day,
    )
