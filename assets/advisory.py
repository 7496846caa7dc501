"""Advisory: what to do about each machine, and who does it when. A person approves; nothing is ordered by itself."""

import hashlib
from typing import Any

import dagster as dg
import polars as pl

from assets.partitions import OWNERS, SOURCES
from assets.upkeep import Update, bring_up_to_date
from resources.clock import Clock
from resources.lake import Lake, Taken
from resources.register import RegisterFile
from resources.spans import at_moment

PLAN_SEED = 1
DECIDED_FROM = ("forecasts", "alarms", "verdicts", "machines")
PLANNED_FROM = ("decisions",)


@dg.asset(
    group_name="advisory",
    partitions_def=SOURCES,
    deps=DECIDED_FROM,
    owners=OWNERS,
    kinds={"polars", "deltalake"},
)
def decisions(context: dg.AssetExecutionContext, lake: Lake, clock: Clock) -> dg.MaterializeResult[Any]:
    """Monitor, inspect, ask or plan: by confidence, urgency and criticality, with the rationale."""
    from pipelines.advisory.decision import Policy
    from pipelines.advisory.decision import decisions as decide
    from pipelines.reporting.figures import urgency_map

    source, policy, now = context.partition_key, Policy(), clock.now()

    def compute(_taken: Taken) -> Update:
        issued_at = lake.newest_moment("forecasts", source=source, time="issued_at")
        if issued_at is None:
            return Update(lake.columns("decisions"))
        newest = lake.read("forecasts", source=source, spans=[at_moment(issued_at)], time="issued_at")
        alarms = lake.read("alarms", source=source, where=pl.col("is_open"))
        judged = pl.col("alarm_id").is_in(alarms["alarm_id"].implode())
        verdicts, machines = lake.read("verdicts", source=source, where=judged), lake.read("machines", source=source)
        rows = decide(newest, alarms, verdicts, machines, now=now, policy=policy)
        return Update(rows, [at_moment(issued_at)])

    return bring_up_to_date(
        context,
        lake,
        "decisions",
        inputs=DECIDED_FROM,
        compute=compute,
        definition=policy.version,
        figure=urgency_map,
    )


@dg.asset(group_name="advisory", deps=PLANNED_FROM, owners=OWNERS, kinds={"ortools", "deltalake"}, pool="plan")
def work_orders(
    context: dg.AssetExecutionContext, lake: Lake, register: RegisterFile, clock: Clock
) -> dg.MaterializeResult[Any]:
    """The plan over all sources: jobs that decisions ask for, placed into the crew's shifts. Proposed only."""
    from pipelines.advisory.crew import parse_crew
    from pipelines.advisory.open_work import VERSION, open_jobs, standing_slots, withdrawn
    from pipelines.advisory.plan import plan, work_orders_frame
    from pipelines.reporting.figures import gantt

    crew_text, now = register.crew_text(), clock.now()

    def compute(_taken: Taken) -> Update:
        advice = [at_moment(moment) for moment in lake.newest_moments("decisions", time="decided_at").values()]
        jobs = open_jobs(lake.read("decisions", spans=advice, time="decided_at"))
        planned = lake.moment_before("work_orders", now, time="planned_at")
        before = lake.read("work_orders", spans=[at_moment(planned)] if planned else [], time="planned_at")
        made = plan(jobs, parse_crew(crew_text), now=now, standing=standing_slots(before, now=now), seed=PLAN_SEED)
        gone = withdrawn(before, jobs, now=now)
        rows = work_orders_frame(jobs, made, gone, planned_at=now, rules_version=VERSION)
        facts = {"plan_status": made.status, "objective": made.objective, "bound": made.bound, "gap": made.gap}
        return Update(rows, [at_moment(now)], facts)

    definition = hashlib.sha256(f"{VERSION}{crew_text}".encode()).hexdigest()[:16]
    return bring_up_to_date(
        context, lake, "work_orders", inputs=PLANNED_FROM, compute=compute, definition=definition, figure=gantt
    )
