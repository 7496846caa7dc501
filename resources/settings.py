"""Settings: the only reader of environment variables. Called by the definitions and by the command line."""

import os
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Settings:
    """Attributes:
    home: Folder of all run-time state, absolute.
    serving_url: Server that results are published to; empty where none is named here. A secret.
    """

    home: Path
    serving_url: str = ""


def from_environment() -> Settings:
    """`SMARTMAINT_HOME`, or `data/home` beside the code; `SMARTMAINT_SERVING_URL`."""
    home = os.environ.get("SMARTMAINT_HOME") or str(REPOSITORY / "data" / "home")
    return Settings(Path(home).expanduser().resolve(), os.environ.get("SMARTMAINT_SERVING_URL", ""))


def postgres_addresses() -> dict[str, str]:
    """Scheme of every PostgreSQL address in the environment, by the name of its variable. The address is a secret."""
    schemes = {name: value.partition("://")[0] for name, value in os.environ.items() if "://" in value}
    return {name: scheme for name, scheme in sorted(schemes.items()) if scheme.startswith("postgres")}


def for_child(home: Path) -> dict[str, str]:
    """Environment for a process that works on `home`: Dagster's own and ours name the same folder."""
    return {**os.environ, "SMARTMAINT_HOME": str(home), "DAGSTER_HOME": str(home)}
