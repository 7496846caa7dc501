"""The landing sensor: one run for each source that has files waiting."""

import hashlib
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import takewhile
from typing import Any

import dagster as dg

from assets.partitions import SOURCES
from pipelines.landing import MOST_FILES, pause_after, plan_micro_batch
from resources.inbox import Arrived, Inbox
from resources.run_tags import MICRO_BATCH

LIMIT = MOST_FILES
WAIT_S = 4.0  # a tick comes every 5 s at best, and must end within 60 s
POLL_S = 0.2  # while all that waits is in flight: each look asks the run storage
TAGS = {MICRO_BATCH: "true", "dagster/priority": "10"}  # live data before backfills and training
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
UNBEGUN = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
]
UNFINISHED = [*UNBEGUN, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


@dg.sensor(
    job_name="micro_batch",
    minimum_interval_seconds=1,
    default_status=dg.DefaultSensorStatus.RUNNING,
    tags={"wakes": "graph"},
)
def landing_sensor(context: dg.SensorEvaluationContext, inbox: Inbox) -> dg.SensorResult | dg.SkipReason:
    """Waits for files in the inbox and asks for a run of each source that has some.

    One run of a source may wait behind the one at work, no more: it gathers all that has arrived when it begins.
    """
    arrived, plan = _wait_for_work(context.instance, inbox)
    failures = {source: _failures(context.instance, source) for source in plan}
    now = datetime.now(UTC)
    due = [source for source, (count, last) in failures.items() if now - last >= pause_after(count)]
    if not due:
        waits = f"{sorted(plan)} failed and pause" if plan else "nothing waits in the inbox"
        # no line in the log: each tick would leave a file
        left = f"; left alone: {strays[:5]}, see `smartmaint doctor`" if (strays := inbox.strays()) else ""
        return dg.SkipReason(waits + left)
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(
                partition_key=source,
                run_key=run_key([one for one in arrived if one.file in plan[source]], failures[source][0]),
                run_config={"ops": {"landing": {"config": {"files": plan[source], "gather": True}}}},
                tags=TAGS,
            )
            for source in due
        ],
        dynamic_partitions_requests=[SOURCES.build_add_request(due)],
    )


def _wait_for_work(instance: dg.DagsterInstance, inbox: Inbox) -> tuple[list[Arrived], dict[str, list[str]]]:
    """Files in the inbox, and those to ask a run for, as soon as there are any."""
    end = time.monotonic() + WAIT_S
    while True:
        arrived = inbox.wait_for_pending(seconds=end - time.monotonic())
        runs = instance.get_runs(dg.RunsFilter(job_name="micro_batch", statuses=UNFINISHED)) if arrived else []
        expected = {run.tags.get("dagster/partition", "") for run in runs if run.status in UNBEGUN}
        inboxed = {one.file: one.source for one in arrived}
        plan = plan_micro_batch(inboxed, _in_flight(runs), limit=LIMIT, expected=expected)
        if plan or time.monotonic() >= end:
            return arrived, plan
        time.sleep(POLL_S)


def run_key(arrived: Sequence[Arrived], attempt: int) -> str:
    """Key of a run request. Dagster remembers it for good, so it holds what was written when, and the attempt."""
    told = "|".join(one.token for one in arrived)
    return f"{hashlib.sha256(told.encode()).hexdigest()}:{attempt}"


def _in_flight(runs: Iterable[dg.DagsterRun]) -> set[str]:
    """Files named by unfinished runs; a run that names none takes whatever waits, and finds it gone or known."""
    configs: list[Any] = [run.run_config for run in runs]
    steps = [config.get("ops", {}).get("landing", {}) for config in configs]
    return {file for step in steps for file in step.get("config", {}).get("files", ())}


def _failures(instance: dg.DagsterInstance, source: str) -> tuple[int, datetime]:
    """Runs of the source that failed since one last succeeded, and when the newest of them ended.

    Its files are still there and are asked for again.
    """
    tags = {"dagster/partition": source}
    records = instance.get_run_records(dg.RunsFilter(job_name="micro_batch", tags=tags), limit=50)
    failed = [
        record
        for record in takewhile(lambda record: record.dagster_run.status != dg.DagsterRunStatus.SUCCESS, records)
        if record.dagster_run.status in (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
    ]
    ended = [record.update_timestamp.replace(tzinfo=UTC) for record in failed]
    return len(failed), max(ended, default=LONG_AGO)
