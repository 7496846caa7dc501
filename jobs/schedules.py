"""Schedules: what runs by the clock."""

from collections.abc import Iterator

import dagster as dg

from assets.maintenance import EVERY_COMMITS
from assets.partitions import SOURCES
from pipelines.contracts.vocabulary import TABLES
from resources.lake_maintenance import LakeMaintenance

RUNNING = dg.DefaultScheduleStatus.RUNNING


@dg.schedule(job_name="plan", cron_schedule="*/15 * * * *", default_status=RUNNING)
def plan_schedule(_context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Every quarter of an hour; a plan is made only where decisions or the crew changed."""
    return dg.RunRequest()


@dg.schedule(job_name="micro_batch", cron_schedule="20 * * * *", default_status=RUNNING)
def catch_up_schedule(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
    """Every hour each source once more: an edited register counts, and what a lost run left undone is done."""
    for source in context.instance.get_dynamic_partitions(SOURCES.name or ""):
        yield dg.RunRequest(partition_key=source, run_config={"ops": {"landing": {"config": {"files": []}}}})


@dg.schedule(job_name="compact", cron_schedule="*/10 * * * *", default_status=RUNNING)
def compaction_schedule(lake_maintenance: LakeMaintenance) -> dg.RunRequest | dg.SkipReason:
    """Every ten minutes, where a table has gathered many commits; the others wait for the night."""
    commits = {table: lake_maintenance.commits_since_compaction(table) for table in TABLES}
    if max(commits.values()) < EVERY_COMMITS:
        return dg.SkipReason(f"no table has {EVERY_COMMITS} commits since it was last compacted")
    return dg.RunRequest(run_config={"ops": {"compaction": {"config": {"commits": EVERY_COMMITS}}}})


@dg.schedule(job_name="care", cron_schedule="40 2 * * *", default_status=RUNNING)
def care_schedule(_context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Every night (UTC): compaction, vacuum, retention, pruning."""
    return dg.RunRequest()
