"""Advisory: what to do about each machine, and who does it when. A person approves; nothing is ordered by itself."""

import hashlib
from collections.abc import Mapping
from typing import Any

import dagster as dg
import polars as pl

from assets.partitions import OWNERS, SOURCES
from assets.upkeep import Update, bring_up_to_date
from resources.clock import Clock
from resources.lake import Lake, Taken, at_moment
from resources.register import RegisterFile

PLAN_SEED = 1


@dg.asset(
    group_name="advisory",
    partitions_def=SOURCES,
    deps=["forecasts", "alarms", "verdicts", "machines"],
    owners=OWNERS,
    kinds={"polars", "deltalake"},
)
def decisions(context: dg.AssetExecutionContext, lake: Lake, clock: Clock) -> dg.MaterializeResult[Any]:
    """Monitor, inspect, ask or plan: by confidence, urgency and criticality, with the rationale."""
    from pipelines.advisory.decision import Policy
    from pipelines.advisory.decision import decisions as decide
    from pipelines.reporting.figures import urgency_map

    source, policy, now = context.partition_key, Policy(), clock.now()
    inputs = ("forecasts", "alarms", "verdicts", "machines")

    def compute(_taken: Taken) -> Update:
        newest = lake.newest("forecasts", source=source, time="issued_at")
        if newest.is_empty():
            return Update(lake.read("decisions").clear())
        others = (lake.read(name, source=source) for name in inputs[1:])
        return Update(decide(newest, *others, now=now, policy=policy), [at_moment(newest["issued_at"][0])])

    return bring_up_to_date(
        context,
        lake,
        "decisions",
        inputs=inputs,
        compute=compute,
        definition=policy.version,
        figure=urgency_map,
    )


@dg.asset(group_name="advisory", deps=["decisions"], owners=OWNERS, kinds={"ortools", "deltalake"}, pool="plan")
def work_orders(
    context: dg.AssetExecutionContext, lake: Lake, register: RegisterFile, clock: Clock
) -> dg.MaterializeResult[Any]:
    """The plan over all sources: jobs that decisions ask for, placed into the crew's shifts. Proposed only."""
    from pipelines.advisory.crew import parse_crew
    from pipelines.advisory.open_work import open_jobs, standing_slots, withdrawn
    from pipelines.advisory.plan import SETTINGS, plan, work_orders_frame
    from pipelines.reporting.figures import gantt

    crew_text, now = register.crew_text(), clock.now()

    def compute(_taken: Taken) -> Update:
        jobs, before = open_jobs(lake.read("decisions")), lake.read("work_orders")
        made = plan(jobs, parse_crew(crew_text), now=now, standing=standing_slots(before, now=now), seed=PLAN_SEED)
        rows = work_orders_frame(jobs, made, planned_at=now, run_id=context.run.run_id, rules_version=SETTINGS.version)
        facts = {"plan_status": made.status, "objective": made.objective, "bound": made.bound, "gap": made.gap}
        gone = withdrawn(before, jobs, now=now).with_columns(rules_version=pl.lit(SETTINGS.version), **_literals(facts))
        return Update(pl.concat([rows, gone.select(rows.columns)]), [at_moment(now)], facts)

    definition = hashlib.sha256(f"{SETTINGS.version}{crew_text}".encode()).hexdigest()[:16]
    return bring_up_to_date(
        context, lake, "work_orders", inputs=("decisions",), compute=compute, definition=definition, figure=gantt
    )


def _literals(values: Mapping[str, Any]) -> dict[str, pl.Expr]:
    return {name: pl.lit(value) for name, value in values.items()}
