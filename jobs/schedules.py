"""Schedules: what runs by the clock."""

from collections.abc import Iterator

import dagster as dg

from assets.partitions import SOURCES

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
