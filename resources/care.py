"""How long things are kept: section `[care]` of a home's `settings.toml`."""

from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from resources.settings_file import SettingsFileError, section

SHORTEST_DAYS = 1 / 24
"""A grace shorter than a run or a query takes away what it reads."""


@dataclass(frozen=True)
class Care:
    """Section `[care]`, in days; None keeps for good.

    Attributes:
        vacuum_grace_days: How long a file of the lake stays after the table has let go of it.
        archive_days: Originals of landed files; the note that they landed stays.
        quarantine_days: Refused files and rows with their reasons.
        run_days: Dagster's runs that succeeded or were canceled, with events and logs.
        failed_run_days: Those that failed.
    """

    vacuum_grace_days: float = 7.0
    archive_days: float | None = None
    quarantine_days: float | None = None
    run_days: float = 30.0
    failed_run_days: float = 90.0

    @property
    def vacuum_grace(self) -> timedelta:
        return timedelta(days=self.vacuum_grace_days)


class CareFile(dg.ConfigurableResource["CareFile"]):
    """Where `settings.toml` lies."""

    path: str

    def load(self) -> Care:
        """What is set now.

        Raises:
            SettingsFileError: The file cannot be read, or holds another key or value than a positive number of days.
        """
        path = Path(self.path)
        return Care(**{key: _days(path, key, value) for key, value in section(path, "care").items()})


def _days(path: Path, key: str, value: Any) -> float:
    known = [field.name for field in fields(Care)]
    if key not in known:
        raise SettingsFileError(f"{path}: care.{key} is not known; known are {', '.join(known)}")
    if isinstance(value, bool) or not isinstance(value, int | float) or not SHORTEST_DAYS <= value < float("inf"):
        raise SettingsFileError(
            f"{path}: care.{key} is {value!r}; expected days, at least {SHORTEST_DAYS:.3f} (an hour)"
        )
    return float(value)
