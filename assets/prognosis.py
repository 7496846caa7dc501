"""Prognosis: health becomes a time to failure, or the reason why there is none."""

from typing import Any

import dagster as dg

from assets.partitions import OWNERS, SOURCES
from assets.upkeep import Update, bring_up_to_date
from resources.lake import Lake, Taken
from resources.spans import Span, at_moment

FROM = ("window_features", "health_index", "machines")
"""Windows too: where all machines stand still they alone carry on, and that is to be said."""


@dg.asset(
    group_name="prognosis",
    partitions_def=SOURCES,
    deps=FROM,
    owners=OWNERS,
    kinds={"prophet", "deltalake"},
)
def forecasts(context: dg.AssetExecutionContext, lake: Lake) -> dg.MaterializeResult[Any]:
    """Time to the declared threshold with a 90 % interval; a reason code where there is none to name."""
    from pipelines.prognosis import forecast
    from pipelines.reporting.figures import interval_bars

    source, settings = context.partition_key, forecast.TrendSettings()

    def compute(taken: Taken) -> Update:
        end = lake.end_of("window_features", source=source)
        if end is None:
            return Update(lake.columns("forecasts"))
        issued_at = forecast.moment(end)
        said = lake.read("forecasts", source=source, spans=[at_moment(issued_at)], time="issued_at")
        news = taken.news
        if news and not said.is_empty() and not forecast.is_outdated(news["health_index"], news["machines"], issued_at):
            return Update(said, [at_moment(issued_at)])
        health = lake.read("health_index", source=source, spans=[Span(issued_at - settings.look_back, issued_at)])
        rows = forecast.forecasts(health, lake.read("machines", source=source), issued_at=issued_at, settings=settings)
        return Update(rows, [at_moment(issued_at)], {"issued_at": issued_at.isoformat()})

    return bring_up_to_date(
        context,
        lake,
        "forecasts",
        inputs=FROM,
        compute=compute,
        definition=settings.version,
        figure=interval_bars,
    )
