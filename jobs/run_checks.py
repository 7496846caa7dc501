"""What can be wrong with Dagster's side of a home: its storage, its daemon, its runs."""

import json
import platform
from collections.abc import Iterator
from datetime import UTC
from typing import Any

import dagster as dg
import yaml  # type: ignore[import-untyped]
from dagster._core.storage.tags import GRPC_INFO_TAG

from assets.partitions import SOURCES
from jobs.findings import Finding, Patient
from jobs.lock import holder
from resources.dagster_storage import DRIVER, StorageError, is_switched, storages
from resources.processes import is_alive
from resources.settings import REPOSITORY
from resources.settings_file import SettingsFileError
from sensors.landing import UNFINISHED

BEAT_S = 60.0  # a daemon beats every 30 s
START_S = 180.0  # a run that has no process by then will not get one; run monitoring gives up after 120 s


def storage(patient: Patient) -> Iterator[Finding]:
    """Whether Dagster's storage opens, by a driver that works."""
    where = str(patient.home.root / "dagster.yaml")
    try:
        storages(patient.home.root)
        if is_switched(patient.home.root):
            told = "names another storage than Dagster was last started with"
            yield Finding("storage", told, str(patient.home.settings), "any command but this one takes it", "note")
    except SettingsFileError:  # told by another check
        return
    except StorageError as error:
        yield Finding("storage", str(error), str(patient.home.settings), "mend it: no command works until then")
        return
    if patient.instance is None:
        yield Finding("storage", "Dagster's storage cannot be opened", where, "see that its server runs; then again")
    for path in (REPOSITORY / "dagster.yaml", patient.home.root / "dagster.yaml"):
        if path.exists() and any(_names_bare_driver(yaml.safe_load(path.read_text()))):
            told = "names a PostgreSQL address whose driver leaves runs queued for ever"
            yield Finding("storage", told, str(path), f"begin it with {DRIVER}://, or set scheme: {DRIVER}")


def daemon(patient: Patient) -> Iterator[Finding]:
    """Who else works on this home."""
    if patient.starts or patient.instance is None:
        return
    pid = holder(patient.home.root)
    if pid is not None:
        who = f" (process {pid})" if pid else ""
        yield Finding("daemon", f"smartmaint up, or rebuild, is running{who}", str(patient.home.root), "", "note")
    elif beat := _beats(patient):
        told = f"a daemon that smartmaint did not start was alive {beat:.0f} s ago"
        remedy = "end it, or leave it: two change nothing twice, but work twice"
        yield Finding("daemon", told, str(patient.home.root), remedy, "note")


def sources(patient: Patient) -> Iterator[Finding]:
    """Whether Dagster knows every source that landed: in a new or lost history it would never look at them again."""
    if patient.instance is None:
        return
    name = SOURCES.name or ""
    for source in sorted({*patient.inbox.archived_sources()} - {*patient.instance.get_dynamic_partitions(name)}):
        if patient.mends:
            patient.instance.add_dynamic_partitions(name, [source])
        told = "has landed files, and is no partition in Dagster's history"
        yield Finding("sources", told, f"source {source}", "is made known to it", patient.mended())


def orphan_runs(patient: Patient) -> Iterator[Finding]:
    """Runs whose process is gone, which nobody would end: their source waits for them."""
    if patient.instance is None:
        return
    for record in patient.instance.get_run_records(dg.RunsFilter(statuses=UNFINISHED)):
        told = _orphaned(patient, patient.instance, record)
        if told is None:
            continue
        run = record.dagster_run
        if patient.mends:
            _end(patient.instance, run, f"smartmaint doctor: {told}")
        remedy = "is failed; a daemon retries it, and what it left undone the next run does"
        yield Finding("orphan_runs", f"{run.status.value}, but {told}", f"run {run.run_id}", remedy, patient.mended())


def held_slots(patient: Patient) -> Iterator[Finding]:
    """Slots of pools that a finished run still holds, so that others wait for ever."""
    if patient.instance is None or not patient.instance.event_log_storage.supports_global_concurrency_limits:
        return
    for run_id in sorted(patient.instance.event_log_storage.get_concurrency_run_ids()):
        run = patient.instance.get_run_by_id(run_id)
        if run is not None and not run.is_finished:
            continue
        if patient.mends:
            patient.instance.event_log_storage.free_concurrency_slots_for_run(run_id)
        yield Finding("held_slots", "a slot is held, the run is over", f"run {run_id}", "is freed", patient.mended())


def _orphaned(patient: Patient, instance: dg.DagsterInstance, record: dg.RunRecord) -> str | None:
    """Why nobody will end a run; None where somebody may."""
    run = record.dagster_run
    waited = patient.now - record.update_timestamp.replace(tzinfo=UTC).timestamp()
    if run.status == dg.DagsterRunStatus.QUEUED:
        nobody = not patient.starts and holder(patient.home.root) is None and _beats(patient) is None
        return "no daemon is there to start it" if nobody and waited > START_S else None
    if _is_elsewhere(run):
        return None
    worker = _worker(instance, run.run_id)
    if worker is not None:
        pid, at = worker
        return None if is_alive(pid, since=at) else f"its process {pid} is gone"
    return f"it has had no process for {waited:.0f} s" if waited > START_S else None


def _is_elsewhere(run: dg.DagsterRun) -> bool:
    """Whether its process is on another machine, or in another container: what lives there cannot be told here."""
    host = json.loads(run.tags.get(GRPC_INFO_TAG, "{}")).get("host")
    return host not in (None, "localhost", "127.0.0.1", platform.node())


def _end(instance: dg.DagsterInstance, run: dg.DagsterRun, message: str) -> None:
    if run.status == dg.DagsterRunStatus.CANCELING:
        instance.report_run_canceled(run, message)
    else:
        instance.report_run_failed(run, message)


def _worker(instance: dg.DagsterInstance, run_id: str) -> tuple[int, float] | None:
    """The process that last said it works on a run, and when; None where none has."""
    for entry in reversed(instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)):
        data = entry.dagster_event.event_specific_data if entry.dagster_event else None
        pid = getattr(data, "metadata", {}).get("pid")
        if pid is not None:
            return int(pid.value), entry.timestamp
    return None


def _beats(patient: Patient) -> float | None:
    """Seconds since a daemon last told that it lives; None where that is long ago."""
    assert patient.instance is not None
    beats = [beat.timestamp for beat in patient.instance.get_daemon_heartbeats().values()]
    ago = patient.now - max(beats, default=0.0)
    return ago if ago < BEAT_S else None


def _names_bare_driver(told: Any) -> Iterator[bool]:
    """For every PostgreSQL address below a value of YAML, whether it leaves the driver to chance."""
    if isinstance(told, str):
        yield told.startswith(("postgres://", "postgresql://"))
    elif isinstance(told, list):
        for each in told:
            yield from _names_bare_driver(each)
    elif isinstance(told, dict):
        parts = told.get("postgres_db")
        yield isinstance(parts, dict) and parts.get("scheme", "postgresql") == "postgresql"
        for each in told.values():
            yield from _names_bare_driver(each)
