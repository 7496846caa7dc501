"""`settings.toml` of a home: sections that people write, read at every use. No file means the defaults."""

import tomllib
from pathlib import Path
from typing import Any

from pipelines.failures import StatedError

SECTIONS = ("care", "dagster", "serving")


class SettingsFileError(StatedError):
    """`settings.toml` says something unreadable; the message names the file, the place and what is expected."""


def section(path: Path, name: str) -> dict[str, Any]:
    """Keys of section `[name]`; empty where there is no file or no such section.

    Raises:
        SettingsFileError: The file cannot be read, or holds a section that is not known.
    """
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SettingsFileError(f"{path}: {error}; mend it, or delete it to get the defaults") from None
    known = ", ".join(f"[{each}]" for each in SECTIONS)
    if strangers := sorted(set(told) - set(SECTIONS)):
        raise SettingsFileError(f"{path}: {strangers[0]} is not known; expected the sections {known}")
    found = told.get(name, {})
    if not isinstance(found, dict):
        raise SettingsFileError(f"{path}: {name} is {found!r}; expected a section [{name}]")
    return found
