"""Prognosis: health becomes a time to failure, or the reason why there is none."""

from typing import Any

import dagster as dg

from assets.partitions import OWNERS, SOURCES
from assets.upkeep import Update, bring_up_to_date
from resources.lake import Lake, Taken, at_moment


@dg.asset(
    group_name="prognosis",
    partitions_def=SOURCES,
    deps=["health_index"],
    owners=OWNERS,
    kinds={"prophet", "deltalake"},
)
def forecasts(context: dg.AssetExecutionContext, lake: Lake) -> dg.MaterializeResult[Any]:
    """Time to the declared threshold with a 90 % interval; a reason code where there is none to name."""
    from pipelines.prognosis.forecast import TrendSettings
    from pipelines.prognosis.forecast import forecasts as forecast
    from pipelines.reporting.figures import interval_bars

    source, settings = context.partition_key, TrendSettings()

    def compute(_taken: Taken) -> Update:
        issued_at = lake.end_of("window_features", source=source)
        if issued_at is None:
            return Update(lake.read("forecasts").clear())
        rows = forecast(lake.read("health_index", source=source), issued_at=issued_at, settings=settings)
        return Update(rows, [at_moment(issued_at)], {"issued_at": issued_at.isoformat()})

    return bring_up_to_date(
        context,
        lake,
        "forecasts",
        inputs=("health_index",),
        compute=compute,
        definition=settings.version,
        figure=interval_bars,
    )
