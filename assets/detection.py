"""State detection: features become scores, scores become alarms."""

from typing import Any

import dagster as dg

from assets.partitions import OWNERS, SOURCES
from assets.upkeep import Update, bring_up_to_date
from resources.lake import Lake, Taken
from resources.model_store import ModelStore
from resources.register import RegisterFile


@dg.asset(
    group_name="detection",
    partitions_def=SOURCES,
    deps=["window_features", "machines"],
    owners=OWNERS,
    kinds={"scikitlearn", "polars", "deltalake"},
)
def anomaly_scores(
    context: dg.AssetExecutionContext, lake: Lake, models: ModelStore, register: RegisterFile
) -> dg.MaterializeResult[Any]:
    """Robust z and isolation forest of each machine, calibrated on its healthy span to [0, 1]."""
    from pipelines.detection import scoring
    from pipelines.features.windows import touched_spans
    from pipelines.reporting.figures import score_map

    source = context.partition_key
    every = register.load().source(source).window
    features, machines = lake.read("window_features", source=source), lake.read("machines", source=source)
    healthy = scoring.baselines(features, machines)

    def compute(taken: Taken) -> Update:
        spans = taken.spans("window_features", lambda rows: touched_spans(rows, every=every))
        windows = lake.read("window_features", source=source, spans=spans)
        scores = scoring.anomaly_scores(windows, scoring.fitted(healthy, keep=models.keep))
        return Update(scores, spans, {"models": len(healthy)})

    return bring_up_to_date(
        context,
        lake,
        "anomaly_scores",
        inputs=("window_features", "machines"),
        compute=compute,
        definition=scoring.definition(healthy),
        figure=score_map,
    )


@dg.asset(
    group_name="detection",
    partitions_def=SOURCES,
    deps=["anomaly_scores"],
    owners=OWNERS,
    kinds={"polars", "deltalake"},
)
def alarms(context: dg.AssetExecutionContext, lake: Lake) -> dg.MaterializeResult[Any]:
    """Episodes of exceedances: k of n windows beyond the threshold raise one, a quiet gap ends it."""
    from pipelines.detection.alarms import AlarmRules
    from pipelines.detection.alarms import alarms as episodes
    from pipelines.reporting.figures import episode_bars

    rules = AlarmRules()

    def compute(_taken: Taken) -> Update:
        return Update(episodes(lake.read("anomaly_scores", source=context.partition_key), rules))

    return bring_up_to_date(
        context,
        lake,
        "alarms",
        inputs=("anomaly_scores",),
        compute=compute,
        definition=rules.version,
        figure=episode_bars,
    )
