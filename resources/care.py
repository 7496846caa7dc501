"""How long things are kept: `settings.toml` of a home, read at every use. No file means the defaults."""

import tomllib
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from pipelines.failures import StatedError

SHORTEST_DAYS = 1 / 24
"""A grace shorter than a run or a query takes away what it reads."""


class CareError(StatedError):
    """`settings.toml` says something unreadable; the message names the file, the place and what is expected."""


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
            CareError: The file cannot be read, or holds another key or value than a positive number of days.
        """
        path = Path(self.path)
        try:
            told = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return Care()
        except (OSError, ValueError) as error:
            raise CareError(f"{path}: {error}; mend it, or delete it to get the defaults") from None
        section = told.get("care", {})
        if strangers := sorted(set(told) - {"care"}):
            raise CareError(f"{path}: {strangers[0]} is not known; expected the section [care]")
        if not isinstance(section, dict):
            raise CareError(f"{path}: care is {section!r}; expected a section [care]")
        return Care(**{key: _days(path, key, value) for key, value in section.items()})


def _days(path: Path, key: str, value: Any) -> float:
    known = [field.name for field in fields(Care)]
    if key not in known:
        raise CareError(f"{path}: care.{key} is not known; known are {', '.join(known)}")
    if isinstance(value, bool) or not isinstance(value, int | float) or not SHORTEST_DAYS <= value < float("inf"):
        raise CareError(f"{path}: care.{key} is {value!r}; expected days, at least {SHORTEST_DAYS:.3f} (an hour)")
    return float(value)
