"""Where Dagster keeps its history: in files of the home, or in PostgreSQL where its `settings.toml` says so.

The file decides and the environment holds the address: a shell without the address is refused, since in files it would
begin another history.
"""

import json
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from sqlalchemy.exc import OperationalError

from pipelines.failures import StatedError
from resources.settings import DAGSTER_STORAGE, dagster_storage
from resources.settings_file import section

DRIVER = "postgresql+psycopg2"
"""A bare `postgresql://` picks psycopg 3, with which runs stay queued for ever and notifications fail."""
KINDS = ("sqlite", "postgres")


class StorageError(StatedError):
    """Dagster's history cannot be kept as the home says; the message never holds the address, which is a secret."""


def kind(settings: Path) -> str:
    """`storage` of section `[dagster]`: `sqlite` unless it says otherwise.

    Raises:
        SettingsFileError: The file cannot be read.
        StorageError: The section says something else.
    """
    told = section(settings, "dagster")
    if strangers := sorted(set(told) - {"storage"}):
        raise StorageError(f"{settings}: dagster.{strangers[0]} is not known; expected storage")
    found = told.get("storage", KINDS[0])
    if found not in KINDS:
        raise StorageError(f"{settings}: dagster.storage is {found!r}; expected one of {', '.join(KINDS)}")
    return str(found)


def storages(root: Path) -> dict[str, str]:
    """The three storages of a home's `dagster.yaml`, each as JSON, by their names there.

    Raises:
        SettingsFileError: `settings.toml` cannot be read.
        StorageError: It says something unknown, or the environment holds no address that works.
    """
    settings = root / "settings.toml"
    if kind(settings) == "sqlite":
        return {name: json.dumps(told, ensure_ascii=False) for name, told in _in_files(root).items()}
    address = dagster_storage()
    if not address:
        raise StorageError(
            f'{settings} says storage = "postgres", but the environment variable {DAGSTER_STORAGE} is not set; set it '
            f"to {DRIVER}://USER:PASSWORD@HOST/DATABASE"
        )
    if not address.startswith(f"{DRIVER}://"):
        scheme = address.partition("://")[0] if "://" in address else "no scheme"
        raise StorageError(
            f"the environment variable {DAGSTER_STORAGE} begins with {scheme}, with which runs would stay queued for "
            f"ever; begin it with {DRIVER}://"
        )
    return {name: json.dumps(told) for name, told in _in_postgres().items()}


def told_lost(error: BaseException | None, root: Path) -> str | None:
    """What to tell a person of a home whose PostgreSQL cannot be reached, or went away; None where it is not that."""
    while error is not None and not isinstance(error, OperationalError):
        error = error.__cause__ or error.__context__
    if error is None or kind(root / "settings.toml") == "sqlite":
        return None
    said = str(error.orig).strip().partition("\n")[0]
    return (
        f"Dagster's storage: {said}; see that the server and the database that {DAGSTER_STORAGE} names are there. What "
        "was begun is ended by `smartmaint doctor`, and done by the next run"
    )


def is_switched(root: Path) -> bool:
    """Whether `settings.toml` names another storage than the one Dagster was last started with."""
    rendered = root / "dagster.yaml"
    if not rendered.exists():
        return False
    was = yaml.safe_load(rendered.read_text()).get("run_storage", {}).get("module", "")
    return ("postgres" in was) != (kind(root / "settings.toml") == "postgres")


def _in_files(root: Path) -> dict[str, Any]:
    history = root / "dagster" / "history"
    return {
        "run_storage": _storage("dagster._core.storage.runs.SqliteRunStorage", base_dir=str(history)),
        # Dagster's own, with connections that stay open
        "event_log_storage": _storage("resources.event_log.PooledSqliteEventLog", base_dir=str(history / "runs")),
        "schedule_storage": _storage(
            "dagster._core.storage.schedules.SqliteScheduleStorage", base_dir=str(root / "dagster" / "schedules")
        ),
    }


def _in_postgres() -> dict[str, Any]:
    address = {"env": DAGSTER_STORAGE}
    return {
        "run_storage": _storage("resources.postgres_storage.PooledRunStorage", postgres_url=address),
        "event_log_storage": _storage("resources.postgres_storage.PooledEventLog", postgres_url=address),
        "schedule_storage": _storage("resources.postgres_storage.PooledScheduleStorage", postgres_url=address),
    }


def _storage(name: str, **config: Any) -> dict[str, Any]:
    module, _, of_it = name.rpartition(".")
    return {"module": module, "class": of_it, "config": config}
