"""Starting jobs through Dagster from the command line, in this process, on the home's own instance."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg

from assets.partitions import SOURCES
from assets.publishing import KEYS
from jobs.definitions import build_definitions
from jobs.disk import told_full
from jobs.failures import CommandError
from jobs.lock import holder
from resources.clock import Clock
from resources.dagster_storage import StorageError, is_switched, told_lost
from resources.home import Home
from resources.inbox import Inbox
from resources.keeping import alone
from sensors.landing import UNFINISHED

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Ran:
    """What a run did.

    Attributes:
        run_id: In the Dagster UI.
        job: Its job.
        source: Its partition; None for a job over all sources.
        seconds: Wall time.
        assets: Metadata of every table that was materialized, plain values only.
        failures: Step and message of every failed step and check.
    """

    run_id: str
    job: str
    source: str | None
    seconds: float
    assets: Mapping[str, Mapping[str, Any]]
    failures: Sequence[str] = field(default_factory=list)


class Runner:
    """Runs jobs of one home. The runs are in the instance that `smartmaint up` shows."""

    def __init__(self, home: Home, instance: dg.DagsterInstance, *, at: str = "") -> None:
        self._home, self._instance = home, instance
        self._definitions = build_definitions(home, clock=Clock(at=at))

    def at(self, moment: str) -> "Runner":
        """The same, with the clock standing still at a moment."""
        return Runner(self._home, self._instance, at=moment)

    def sources(self) -> list[str]:
        """Sources that ever landed a file, also where Dagster's history began after that."""
        archived = Inbox(root=str(self._home.root)).archived_sources()
        return sorted({*archived, *self._instance.get_dynamic_partitions(SOURCES.name or "")})

    def unfinished(self) -> list[str]:
        """Runs that wait or go on."""
        return [run.run_id for run in self._instance.get_runs(dg.RunsFilter(statuses=UNFINISHED))]

    def newest(self) -> str | None:
        """The run that was made last; None where there is none."""
        return next(iter(self._instance.get_run_ids(limit=1)), None)

    def run(
        self,
        job: str,
        *,
        source: str | None = None,
        files: Sequence[str] | None = None,
        again: Sequence[str] | None = None,
        select: Sequence[str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Ran:
        """Execute a job and wait for it.

        Args:
            job: Its name.
            source: Partition, made known to Dagster where it is new.
            files: What the landing step takes, below the inbox folder; None for whatever waits.
            again: Folders of quarantine that it takes instead.
            select: Assets of the job, to which those on a server are added; None for all.
            tags: Of the run.
        """
        if source is not None:
            self._instance.add_dynamic_partitions(SOURCES.name or "", [source])
        config: dict[str, Any] = dict(QUIET)
        if files is not None or again is not None:
            config["ops"] = {"landing": {"config": {"files": list(files or ()), "again": list(again or ())}}}
        begun = time.monotonic()
        result = self._definitions.resolve_job_def(job).execute_in_process(
            run_config=config,
            instance=self._instance,
            partition_key=source,
            tags=dict(tags or {}),
            asset_selection=[*map(dg.AssetKey, select), *self._published()] if select else None,
            raise_on_error=False,
        )
        return Ran(
            run_id=result.run_id,
            job=job,
            source=source,
            seconds=time.monotonic() - begun,
            assets={_name(event): _plain(event) for event in result.get_asset_materialization_events()},
            failures=[told_full(told, self._home.root) or told for told in map(_told, result.get_step_failure_events())]
            + [
                f"{check.check_name}: {check.description}"
                for check in result.get_asset_check_evaluations()
                if not check.passed and check.severity == dg.AssetCheckSeverity.ERROR
            ],
        )

    def _published(self) -> Sequence[dg.AssetKey]:
        """Tables on a server; none where the home has none."""
        return KEYS if "server" in (self._definitions.resources or {}) else ()


@contextmanager
def opened(root: Path, *, at: str = "") -> Iterator[Runner]:
    """A runner on a home, prepared first.

    Raises:
        CommandError: The disk is full, or `up` works with another storage than is wanted now.
        StorageError: Dagster's PostgreSQL cannot be reached, or went away.
    """
    home = Home(root)
    if is_switched(root) and holder(root) is not None:  # half of the history here, half there
        raise CommandError(f"{home.settings} names another storage than smartmaint up works with: stop that first")
    try:
        home.prepare()
        with alone(root):  # of two that make Dagster's storage at once, one would fail
            instance = dg.DagsterInstance.from_config(str(root))
        with instance:
            yield Runner(home, instance, at=at)
    except Exception as error:
        if full := told_full(error, root):
            raise CommandError(full) from None
        if lost := told_lost(error, root):
            raise StorageError(lost) from None
        raise


def _name(event: dg.DagsterEvent) -> str:
    return event.asset_key.to_user_string() if event.asset_key else ""


def _plain(event: dg.DagsterEvent) -> dict[str, Any]:
    """Numbers, words and JSON of a materialization; plots and schemas stay in the UI."""
    metadata = event.step_materialization_data.materialization.metadata
    shown = (
        dg.IntMetadataValue,
        dg.FloatMetadataValue,
        dg.TextMetadataValue,
        dg.BoolMetadataValue,
        dg.JsonMetadataValue,
    )
    return {name: value.value for name, value in metadata.items() if isinstance(value, shown)}


def _told(event: dg.DagsterEvent) -> str:
    """The error that a step died of, in one line: our own errors say all that a person needs."""
    error = event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    message = error.message.strip() if error else "failed"
    return f"{event.step_key}: {message.split(': ', 1)[-1] if 'Error: ' in message else message}"
