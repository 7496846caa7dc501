"""What can be wrong with the files of a home: each check says what, where and what to do."""

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from jobs.findings import Finding, Patient
from pipelines.contracts.vocabulary import LANDED, SERVED, TABLES
from pipelines.register import RegisterError
from resources.care import CareFile
from resources.home import create_tables
from resources.leftovers import leftovers
from resources.register import RegisterFile
from resources.removed import remove
from resources.serving.interface import QueryError
from resources.serving.timescale import serving_settings
from resources.settings_file import SettingsFileError

LOW_BYTES = 1_000_000_000
LOW_FILES = 10_000
SKEW_S = 2.0
AHEAD = timedelta(minutes=10)


def temporary_files(patient: Patient) -> Iterator[Finding]:
    """What processes that died left half-written."""
    found = leftovers(patient.home.root, now=patient.now)
    if found and patient.mends:
        remove(found)
    for path in found:
        told = "written by a process that died"
        yield Finding("temporary_files", told, str(path), "is removed: it is no part of anything", patient.mended())


def disk(patient: Patient) -> Iterator[Finding]:
    """Room for what is to come, on every file system the home lies on."""
    devices: dict[int, Path] = {}
    for folder in patient.home.disks:
        devices.setdefault(folder.stat().st_dev, folder)
    for folder in devices.values():
        free, files = shutil.disk_usage(folder).free, os.statvfs(folder)
        if free < LOW_BYTES:
            yield Finding("disk", f"{free} bytes are free", str(folder), "make room, or set archive_days: docs/care.md")
        if files.f_files and files.f_favail < LOW_FILES:
            yield Finding("disk", f"{files.f_favail} more files fit", str(folder), "make room: the inodes run out")


def clock(patient: Patient) -> Iterator[Finding]:
    """Whether this machine, its file system and what landed agree about the time."""
    probe = patient.home.root / f".{os.getpid()}-0.part"
    probe.write_bytes(b"")
    skew = probe.stat().st_mtime - datetime.now(UTC).timestamp()
    probe.unlink()
    if abs(skew) > SKEW_S:
        told = f"the file system is {skew:+.0f} s off this machine's clock"
        yield Finding("clock", told, str(patient.home.root), "set both by NTP: files seem to come early or late")
    if patient.lake_maintenance.damage("readings") is not None:  # told by another check
        return
    landed = patient.lake.newest_moment("readings", source=None, time="landed_at")
    if landed is not None and landed - datetime.fromtimestamp(patient.now, UTC) > AHEAD:
        told = f"the newest readings landed at {landed:%F %T}, in the future"
        yield Finding("clock", told, patient.lake.uri("readings"), "this machine's clock was ahead, or is behind now")


def inbox(patient: Patient) -> Iterator[Finding]:
    """What lies in the inbox and can never land."""
    remedy = "put a file into landing/<source>/: lower-case letters, digits and -; remove links to nothing"
    folders = [path for path in sorted(patient.home.landing.iterdir()) if path.is_dir()]
    closed = [folder for folder in folders if not os.access(folder, os.R_OK | os.W_OK | os.X_OK)]
    for folder in closed:
        yield Finding("inbox", "may not be read and emptied", str(folder), f"chmod u+rwx {folder}")
    for stray in (patient.home.landing / name for name in patient.inbox.strays()):
        if stray not in closed:
            yield Finding("inbox", "is no file of a source", str(stray), remedy)
    for path in (path for folder in folders if folder not in closed for path in folder.iterdir()):
        if path.exists() and not os.access(path, os.R_OK):
            yield Finding("inbox", "may not be read", str(path), f"chmod u+r {path}")


def declarations(patient: Patient) -> Iterator[Finding]:
    """The files that people edit."""
    from pipelines.advisory.crew import CrewError, parse_crew

    home = patient.home
    register = RegisterFile(machines=str(home.machines), crew=str(home.crew))
    reads = (
        (home.machines, register.load),
        (home.crew, lambda: parse_crew(register.crew_text())),
        (home.settings, lambda: (CareFile(path=str(home.settings)).load(), serving_settings(home.settings))),
    )
    for path, read in reads:
        try:
            read()
        except (RegisterError, CrewError, SettingsFileError, UnicodeDecodeError) as error:
            yield Finding("declarations", str(error), str(path), "mend the entry: runs fail until then")


def quarantine(patient: Patient) -> Iterator[Finding]:
    """How much waits there for a person."""
    for folder in sorted(patient.home.root.glob("quarantine/*")):
        if count := sum(1 for _ in folder.glob("*/*/reason.json")):
            yield Finding("quarantine", f"{count} refused files", str(folder), "each has its reason.json", "note")


def tables(patient: Patient) -> Iterator[Finding]:
    """Every table of the contracts, its log and its files."""
    has_landed = any(patient.home.root.glob("archive/*/*/*/landing.json"))
    for table in TABLES:
        damage, uri = patient.lake_maintenance.damage(table), patient.lake.uri(table)
        if damage is None:
            continue
        if (Path(uri) / "_delta_log").exists():
            yield Finding("tables", damage, uri, "restore it from a backup, or run `smartmaint rebuild`")
            continue
        if table in LANDED and has_landed:
            yield Finding("tables", damage, uri, "mount or restore it, or run `smartmaint rebuild`")
            continue
        if patient.mends:
            create_tables(patient.lake, [table])
        yield Finding("tables", damage, uri, "is made, empty: what is derived is computed anew", patient.mended())


def catalog(patient: Patient) -> Iterator[Finding]:
    """Whether people query what the lake holds."""
    told = _catalog_fault(patient)
    if told is None:
        return
    if patient.mends:
        patient.catalog.rebuild()
    yield Finding("catalog", told, str(patient.home.catalog), "is built anew", patient.mended())


def incidents(patient: Patient) -> Iterator[Finding]:
    """Whether the incident index can be asked. At a start it is not read: that would take seconds."""
    if told := patient.incident_index.damage(whole=not patient.starts):
        if patient.mends:
            patient.incident_index.forget()
        remedy = "is removed; the next plan makes it anew from the lake"
        yield Finding("incidents", told, str(patient.home.incidents), remedy, patient.mended())


def _catalog_fault(patient: Patient) -> str | None:
    if any(patient.lake_maintenance.damage(table) for table in SERVED):
        return None  # it cannot be built
    current = {table: set(patient.lake.files(table)) for table in SERVED}
    if not patient.home.catalog.exists():
        return "there is none, and the lake holds rows" if any(current.values()) else None
    try:
        listed = {table: _of_the_lake(files) for table, files in patient.catalog.files().items()}
    except QueryError as error:
        return f"cannot be opened: {str(error).splitlines()[0]}"
    if gone := [file for files in listed.values() for file in files if not Path(file).exists()]:
        return f"lists {len(gone)} files that are gone"
    if listed.keys() != current.keys():
        return f"has no view of {sorted(current.keys() - listed.keys())}"
    return "lists an older state of the lake" if listed != current and _nothing_runs(patient) else None


def _of_the_lake(files: set[str]) -> set[str]:
    return {file for file in files if "/.columns/" not in file}


def _nothing_runs(patient: Patient) -> bool:
    """A run brings the catalog up to date at its end."""
    started = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])
    return patient.instance is None or patient.instance.get_runs_count(started) == 0
