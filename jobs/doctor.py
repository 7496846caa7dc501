"""`smartmaint doctor`: what is wrong with a home, and mends what is safe to mend. `smartmaint up` asks it at start."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import dagster as dg

from jobs.failures import CommandError
from jobs.findings import Check, Finding, Patient
from jobs.home_checks import catalog, clock, declarations, disk, inbox, incidents, quarantine, tables, temporary_files
from jobs.run_checks import daemon, held_slots, orphan_runs, sources, storage
from resources.home import Home

CHECKS: Sequence[Check] = (
    storage,
    daemon,
    sources,
    orphan_runs,
    held_slots,
    temporary_files,
    disk,
    clock,
    inbox,
    declarations,
    quarantine,
    tables,
    catalog,
    incidents,
)
"""In this order: the catalog is built over tables that are there, with no run in its way."""


def examine(root: Path, *, mend: bool, starts: bool = False) -> list[Finding]:
    """All that is found in a home, in the order of the checks.

    Args:
        root: Home.
        mend: Whether what is safe to mend is mended.
        starts: Whether a daemon is about to start on it.
    Raises:
        CommandError: There is no home.
    """
    home = Home(root)
    if not (root / "home.json").exists():
        raise CommandError(f"{root} is no home; name one with --home, or make one: every other command does")
    with ExitStack() as stack:
        patient = Patient(home, _instance(root, stack), mend, starts)
        return [finding for check in CHECKS for finding in _found(check, patient)]


def _found(check: Check, patient: Patient) -> list[Finding]:
    try:
        return list(check(patient))
    except Exception as error:  # the others go on, and `up` starts
        told = f"the check itself failed: {type(error).__name__}: {str(error).partition(chr(10))[0]}"
        return [Finding(check.__name__, told, str(patient.home.root), "see to the cause, then ask again")]


def _instance(root: Path, stack: ExitStack) -> dg.DagsterInstance | None:
    try:
        return stack.enter_context(dg.DagsterInstance.from_config(str(root)))
    except Exception:  # whatever it says: the storage cannot be opened
        return None
