"""Health assessment: alarms become verdicts, features become health."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
import polars as pl

from assets.incidents import nearest
from assets.partitions import SOURCES
from assets.upkeep import Update, bring_up_to_date, specs_of
from resources.incident_index import IncidentIndex
from resources.lake import Lake, Taken
from resources.spans import Span, all_time, at_moment


def verdicts(context: dg.AssetExecutionContext, lake: Lake, index: IncidentIndex) -> dg.MaterializeResult[Any]:
    """Which alarms to believe: declarative rules over the evidence of each episode, every reason kept."""
    from pipelines.changes import earliest, machines_that_differ
    from pipelines.health import verdict
    from pipelines.health.rules import RULES_VERSION
    from pipelines.reporting.figures import confidence_bars

    source = context.partition_key
    judged: list[pl.DataFrame] = []

    def compute(taken: Taken) -> Update:
        spans = None
        if news := taken.news:
            moments = earliest(news["anomaly_scores"], news["window_features"])
            relimited = machines_that_differ(news["machines"], ("nominal_limits",))
            near = lake.read("alarms", source=source, where=verdict.concerned(moments, relimited))
            spans = [at_moment(at, name) for name, at in verdict.starts(near, news["alarms"])]
            if not spans:  # as nearly always
                return Update(lake.columns("verdicts"), spans)
        alarms = lake.read("alarms", source=source, spans=spans, time="started_at")
        known = lake.read("verdicts", source=source, spans=spans, time="started_at")["alarm_id"]
        judged[:] = [alarms.filter(~pl.col("alarm_id").is_in(known.implode()))]
        evidence = [Span(*span) for span in verdict.evidence_spans(alarms)]
        scores, features = (
            lake.read(name, source=source, spans=evidence) for name in ("anomaly_scores", "window_features")
        )
        return Update(verdict.verdicts(alarms, scores, features, lake.read("machines", source=source)), spans)

    result = bring_up_to_date(
        context,
        lake,
        "verdicts",
        inputs=BODIES[verdicts],
        compute=compute,
        definition=RULES_VERSION,
        figure=confidence_bars,
    )
    return result._replace(metadata={**(result.metadata or {}), **_alike(context, lake, index, judged)})


def _alike(
    context: dg.AssetExecutionContext, lake: Lake, index: IncidentIndex, judged: Sequence[pl.DataFrame]
) -> Mapping[str, Any]:
    """The incidents that alarms judged for the first time are like. The verdicts stand, whatever comes of this."""
    try:
        return nearest(lake, index, judged[-1]) if judged and not judged[-1].is_empty() else {}
    except Exception as error:
        context.log.warning(f"the nearest incidents are not told: {error}")
        return {}


def health_index(context: dg.AssetExecutionContext, lake: Lake, _index: IncidentIndex) -> dg.MaterializeResult[Any]:
    """How far each machine is from each declared end of life: 1 is as new, 0 is the threshold."""
    from pipelines.changes import machines_that_differ, touched_windows
    from pipelines.health import index
    from pipelines.reporting.figures import health_lines

    source = context.partition_key

    def compute(taken: Taken) -> Update:
        spans = None
        if news := taken.news:
            redeclared = machines_that_differ(news["machines"], ("failure_modes",))
            releveled = machines_that_differ(news["baselines"], ("sensors",))
            touched = touched_windows(news["window_features"], news["anomaly_scores"])
            spans = [*(Span(*span) for span in touched), *all_time({*redeclared, *releveled})]
        windows = (lake.read(name, source=source, spans=spans) for name in ("window_features", "anomaly_scores"))
        declared = (lake.read(name, source=source) for name in ("machines", "baselines"))
        return Update(index.health_index(*windows, *declared), spans)

    return bring_up_to_date(
        context,
        lake,
        "health_index",
        inputs=BODIES[health_index],
        compute=compute,
        definition=index.VERSION,
        figure=health_lines,
    )


BODIES: Mapping[Callable[..., dg.MaterializeResult[Any]], Sequence[str]] = {
    verdicts: ["alarms", "anomaly_scores", "window_features", "machines"],
    health_index: ["window_features", "anomaly_scores", "machines", "baselines"],
}
"""What each follows from."""


@dg.multi_asset(
    name="health",
    specs=specs_of("health", BODIES, kinds={"polars", "deltalake"}),
    partitions_def=SOURCES,
    can_subset=True,
)
def health(
    context: dg.AssetExecutionContext, lake: Lake, incident_index: IncidentIndex
) -> Iterator[dg.MaterializeResult[Any]]:
    """Which alarms to believe, and how far each machine is from its end of life."""
    for body in BODIES:
        if dg.AssetKey(body.__name__) in context.selected_asset_keys:
            yield body(context, lake, incident_index)
