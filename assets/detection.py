"""State detection: features become scores, scores become alarms."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

import dagster as dg
import polars as pl

from assets.partitions import SOURCES
from assets.upkeep import Update, bring_up_to_date, specs_of
from resources.clock import Clock
from resources.lake import Lake, Taken
from resources.model_store import ModelStore
from resources.spans import Span, all_time, at_moment, rows_within, since

SPEAKS = "the_source_speaks"


class Tools(NamedTuple):
    """What some bodies need beside the lake."""

    models: ModelStore
    clock: Clock


def baselines(context: dg.AssetExecutionContext, lake: Lake, _tools: Tools) -> dg.MaterializeResult[Any]:
    """The healthy span of each machine, declared or assumed, and what its sensors did in it."""
    from pipelines.detection import reference

    source = context.partition_key

    def compute(taken: Taken) -> Update:
        rows = reference.baselines(
            lake.read("baselines", source=source),
            lake.read("machines", source=source),
            None if taken.news is None else taken.news["window_features"],
            newest=lake.end_of("window_features", source=source),
            read=lambda wanted: lake.read(
                "window_features", source=source, spans=[Span(*span, (name,)) for name, span in wanted.items()]
            ),
        )
        return Update(rows, facts={"models": rows["model_version"].count()})

    return bring_up_to_date(
        context, lake, "baselines", inputs=BODIES[baselines], compute=compute, definition=reference.VERSION
    )


def outages(context: dg.AssetExecutionContext, lake: Lake, tools: Tools) -> dg.MaterializeResult[Any]:
    """Sources that fell silent as a whole: by the clock, so that silence is noticed without news."""
    from pipelines.detection import outages as silence

    source = context.partition_key
    newest = lake.newest_moment("readings", source=source, time="recorded_at")
    until = silence.watched_until(newest, now=tools.clock.now())

    def compute(_taken: Taken) -> Update:
        told = lake.read("outages", source=source)
        if newest is None:
            return Update(told)
        last = lake.read("readings", source=source, spans=[Span(newest, newest + timedelta(milliseconds=1))])
        newest_at, landed_at = last.sort("recorded_at", "landed_at").select("recorded_at", "landed_at").row(-1)
        before = [Span(newest_at - silence.LOOK_BACK, newest_at)] if until else []
        windows = lake.read("window_features", source=source, spans=before)["recorded_at"]
        rows = silence.outages(told, windows, source=source, newest=newest_at, landed_at=landed_at, until=until)
        return Update(rows)

    definition = f"{silence.VERSION}|{until}"
    result = bring_up_to_date(context, lake, "outages", inputs=(), compute=compute, definition=definition)
    is_silent = until is not None and lake.read("outages", source=source)["is_open"].any()
    check = dg.AssetCheckResult(
        check_name=SPEAKS,
        passed=not is_silent,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"newest_reading": str(newest)},
    )
    return result._replace(check_results=[check])


def data_quality(context: dg.AssetExecutionContext, lake: Lake, _tools: Tools) -> dg.MaterializeResult[Any]:
    """Sensors that fell silent or stand still, in windows that are over."""
    from pipelines.changes import machines_that_differ, touched_windows
    from pipelines.detection import quality

    source = context.partition_key

    def compute(taken: Taken) -> Update:
        spans, newest = None, lake.newest_moment("window_features", source=source, time="recorded_at")
        if (news := taken.news) and not machines_that_differ(news["baselines"], quality.FOLLOWS_FROM):
            touched = touched_windows(news["window_features"])
            ended = quality.ended(touched, partial(lake.moment_before, "window_features", source=source))
            spans = [*(Span(*span) for span in touched), *([at_moment(ended)] if ended else [])]
        features = lake.read("window_features", source=source, spans=spans)
        rows = quality.data_quality(features, lake.read("baselines", source=source), newest=newest)
        return Update(rows, spans)

    return bring_up_to_date(
        context, lake, "data_quality", inputs=BODIES[data_quality], compute=compute, definition=quality.VERSION
    )


def anomaly_scores(context: dg.AssetExecutionContext, lake: Lake, tools: Tools) -> dg.MaterializeResult[Any]:
    """Robust z and isolation forest of each machine, calibrated on its healthy span to [0, 1]."""
    from pipelines.changes import machines_that_differ, touched_windows
    from pipelines.detection import scoring
    from pipelines.detection.baseline import DEFINITION
    from pipelines.reporting.figures import score_map

    source = context.partition_key

    def compute(taken: Taken) -> Update:
        spans = None
        if news := taken.news:
            refitted = machines_that_differ(news["baselines"], ("model_version",))
            spans = [*(Span(*span) for span in touched_windows(news["window_features"])), *all_time(refitted)]
        windows = lake.read("window_features", source=source, spans=spans)
        fitted = scoring.models(
            lake.read("baselines", source=source),
            set(windows["machine_id"]),
            keep=tools.models.keep,
            read=lambda name, since, until: lake.read(
                "window_features", source=source, spans=[Span(since, until, (name,))]
            ),
        )
        return Update(scoring.anomaly_scores(windows, fitted), spans)

    return bring_up_to_date(
        context,
        lake,
        "anomaly_scores",
        inputs=BODIES[anomaly_scores],
        compute=compute,
        definition=DEFINITION,
        figure=score_map,
    )


def exceedances(context: dg.AssetExecutionContext, lake: Lake, _tools: Tools) -> dg.MaterializeResult[Any]:
    """Windows that count towards an alarm, each going on with the run before it; refolded from where it changed."""
    from pipelines.changes import earliest
    from pipelines.detection.exceedances import LOOK_BACK, RULES, beyond
    from pipelines.detection.exceedances import exceedances as folded

    source = context.partition_key

    def compute(taken: Taken) -> Update:
        spans, carried = None, lake.columns("exceedances")
        if news := taken.news:
            moments = earliest(*news.values())
            spans = since(moments)
            before = [Span(span.since - LOOK_BACK, span.since, span.machines) for span in spans]
            # of many spans whole days are read: a run must not go on from a window that comes after it
            carried = lake.read("exceedances", source=source, spans=before).filter(rows_within(before, "recorded_at"))
        scores = lake.read("anomaly_scores", source=source, spans=spans, where=pl.col("score") >= RULES.threshold)
        windows = beyond(scores, lake.read("data_quality", source=source, spans=spans), RULES)
        return Update(folded(windows, carried), spans)

    return bring_up_to_date(
        context, lake, "exceedances", inputs=BODIES[exceedances], compute=compute, definition=RULES.version
    )


def alarms(context: dg.AssetExecutionContext, lake: Lake, _tools: Tools) -> dg.MaterializeResult[Any]:
    """Episodes: k of n windows beyond the threshold, silent or stuck raise one, a quiet gap ends it."""
    from pipelines.changes import earliest
    from pipelines.detection import alarms as episodes
    from pipelines.detection.exceedances import LOOK_BACK, RULES
    from pipelines.reporting.figures import episode_bars

    source = context.partition_key

    def compute(taken: Taken) -> Update:
        newest = lake.end_of("anomaly_scores", source=source)
        if taken.news is None:
            told = lake.read("alarms", source=source)
            return Update(episodes.alarms(lake.read("exceedances", source=source), told, newest=newest))
        moments = earliest(taken.news["exceedances"])
        runs = lake.read(
            "exceedances", source=source, spans=since({name: at - LOOK_BACK for name, at in moments.items()})
        )
        told = lake.read("alarms", source=source, where=episodes.concerned(moments, newest=newest))
        retold = episodes.retold(runs, told, moments, newest=newest)
        spans = [at_moment(at, name) for name, at in retold.starts]
        return Update(retold.among(lake.read("alarms", source=source, spans=spans, time="started_at")), spans)

    return bring_up_to_date(
        context, lake, "alarms", inputs=BODIES[alarms], compute=compute, definition=RULES.version, figure=episode_bars
    )


BODIES: Mapping[Callable[..., dg.MaterializeResult[Any]], Sequence[str]] = {
    baselines: ["window_features", "machines"],
    outages: ["window_features"],
    data_quality: ["window_features", "baselines"],
    anomaly_scores: ["window_features", "baselines"],
    exceedances: ["anomaly_scores", "data_quality"],
    alarms: ["exceedances", "anomaly_scores"],
}
"""What each follows from. Outages take no news of windows: they are looked for whenever the clock has moved on."""


@dg.multi_asset(
    name="detection",
    specs=specs_of("detection", BODIES, kinds={"scikitlearn", "polars", "deltalake"}),
    partitions_def=SOURCES,
    check_specs=[
        dg.AssetCheckSpec(SPEAKS, asset="outages", description="The source is not silent beyond what is usual for it.")
    ],
    can_subset=True,
)
def detection(
    context: dg.AssetExecutionContext, lake: Lake, models: ModelStore, clock: Clock
) -> Iterator[dg.MaterializeResult[Any]]:
    """What is healthy, what is not, and when that is an alarm."""
    for body in BODIES:
        if dg.AssetKey(body.__name__) in context.selected_asset_keys:
            yield body(context, lake, Tools(models, clock))
