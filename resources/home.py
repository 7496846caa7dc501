"""The home: one folder with all run-time state, made ready before anything opens it."""

import hashlib
import json
import os
import re
import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.contracts.vocabulary import LANDED, SAID, TABLES
from pipelines.failures import StatedError
from resources.dagster_storage import storages
from resources.keeping import alone
from resources.lake import Lake
from resources.settings import REPOSITORY

FORMAT = 2
UNUSABLE = re.compile(r"[%=?*^|\\\[\]\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""What a table, a catalog or a run store cannot have in its path: deltalake, DuckDB, SQLite read a meaning into it."""
MACHINES_TEMPLATE = """\
# Machine register: what people know about machines. Read at every run; a mistake in it is refused with its place.
#
# [sources.line-1]
# importer = "readings"                                        # format of the files in landing/line-1
# window = "10m"                                               # length of a feature window
# zone = "UTC"                                                 # of times that name none, such as "Europe/Berlin"
# healthy = [2026-01-05T00:00:00Z, 2026-01-12T00:00:00Z]       # known-good span, in event time
#
# [[machines]]
# id = "line-1.pump-1"                                         # source, dot, name in the files
# class = "pump"
# site = "north"
# criticality = "high"                                         # low, medium, high
# running = { sensor = "speed_rpm", above = 100.0 }            # off below; or idle_above, startup = "15m", learn = true
# bearing = "6205-2RS"                                         # or "9x7.94x39.04x0": elements, ball, pitch, angle
# speed_rpm = 1480.0                                           # where snapshots do not say it
# iso_class = "group2-rigid"                                   # of ISO 20816-3; left out on test rigs
# nominal = { temperature_c = [10.0, 80.0] }                   # limits of normal operation
# failures = [                                                 # declared ends of life: without one, no time to failure
#   { mode = "bearing_wear", sensor = "vibration_mm_s", threshold = 7.1, skill = "mechanical", repair_hours = 6.0 },
# ]
"""
CREW_TEMPLATE = """\
# Who can work when; shifts in UTC. Skills are those that the machine register asks for, and "inspection".

[[technicians]]
id = "anna"
skills = ["mechanical", "inspection"]
days = ["mon", "tue", "wed", "thu", "fri"]
shift = ["06:00", "14:00"]

[[technicians]]
id = "ben"
skills = ["electrical", "inspection"]
days = ["mon", "tue", "wed", "thu", "fri"]
shift = ["14:00", "22:00"]

[[technicians]]
id = "carla"
skills = ["mechanical", "electrical"]
days = ["wed", "thu", "fri", "sat", "sun"]
shift = ["08:00", "16:00"]
"""


LAUNCHING = {  # what Dagster does unless it is told to keep workers warm
    "launcher_module": "dagster",
    "launcher_class": "DefaultRunLauncher",
    "launcher_config": "{}",
    "queue_module": "dagster.core.run_coordinator",
    "queue_class": "QueuedRunCoordinator",
    "micro_batches": "4",
}


class HomeError(StatedError):
    """The home cannot be used; the message says what was found and what to do."""


@dataclass(frozen=True)
class Home:
    """Where everything of one installation lies. `root` is absolute."""

    root: Path

    @property
    def landing(self) -> Path:
        return self.root / "landing"

    @property
    def lake(self) -> Path:
        return self.root / "lake"

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def catalog(self) -> Path:
        return self.root / "catalog.duckdb"

    @property
    def incidents(self) -> Path:
        return self.root / "incidents"

    @property
    def machines(self) -> Path:
        return self.root / "machines.toml"

    @property
    def crew(self) -> Path:
        return self.root / "crew.toml"

    @property
    def settings(self) -> Path:
        return self.root / "settings.toml"

    @property
    def disks(self) -> list[Path]:
        """Folders that are there and may be disks of their own."""
        names = (".", "landing", "lake", "models", "archive", "quarantine", "dagster")
        return [folder for name in names if (folder := self.root / name).is_dir()]

    @property
    def compute_logs(self) -> Path:
        return self.root / "dagster" / "logs"  # as in dagster.yaml

    @property
    def warm_workers(self) -> int:
        """Resident processes that run micro-batches when Dagster is up; 0 unless `prepare` was told otherwise."""
        return int(json.loads(self._mark.read_text()).get("warm_workers", 0))

    @property
    def _mark(self) -> Path:
        return self.root / "home.json"

    def prepare(self, *, warm_workers: int | None = None) -> None:
        """Make the home ready: folders, `dagster.yaml`, register files, every table. Done again, it changes nothing.

        Args:
            warm_workers: Resident processes that run micro-batches, from now on; None for as many as before.

        Raises:
            HomeError: Not a folder we may write to, or made by another version.
            StorageError, SettingsFileError: `settings.toml` does not say where Dagster keeps its history.
        """
        if found := UNUSABLE.search(str(self.root)):
            raise HomeError(
                f"home {self.root}: a path with {found[0]!r} cannot hold tables; choose another with --home"
            )
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with alone(self.root):  # of two that make a table at once both can succeed, the second undoing the first
                self._check_format()
                for folder in (self.landing, self.lake, self.models):
                    folder.mkdir(exist_ok=True)
                if warm_workers is not None:
                    _write(self._mark, json.dumps({"format": FORMAT, "warm_workers": warm_workers}) + "\n")
                _write(self.root / "dagster.yaml", render_dagster_yaml(self.root, warm_workers=self.warm_workers))
                _write_new(self.machines, MACHINES_TEMPLATE)
                _write_new(self.crew, CREW_TEMPLATE)
                self._create_tables()
        except OSError as error:
            raise HomeError(f"home {self.root}: {error.strerror or error}; choose another with --home") from None

    def _check_format(self) -> None:
        mark = self._mark
        if not mark.exists():
            names = {path.name for path in self.root.iterdir() if not path.name.startswith(f".{mark.name}.")}
            strangers = names - {"landing", "lake", "models", "settings.toml", "lost+found", ".DS_Store"}
            if strangers:
                raise HomeError(
                    f"{self.root} is not empty and no home: it holds {sorted(strangers)[:3]}; choose another"
                )
            _write(mark, json.dumps({"format": FORMAT}) + "\n")
            return
        try:
            found = json.loads(mark.read_text())["format"]
        except (ValueError, KeyError, TypeError):
            raise HomeError(f'{mark} is not readable; expected {{"format": {FORMAT}}}') from None
        if found != FORMAT:
            raise HomeError(
                f"home {self.root} has format {found}, this version keeps {FORMAT}: use the version it is of"
            )

    def _create_tables(self) -> None:
        made = self.root / "tables.json"
        wanted = json.dumps({"tables": TABLES, "columns": _columns_version()}) + "\n"
        if made.exists() and made.read_text() == wanted:
            return
        create_tables(Lake(root=str(self.lake)))
        _write(made, wanted)


def create_tables(lake: Lake, tables: Sequence[str] = TABLES) -> None:
    """Tables of the contracts, empty, where they are not there yet; those of an older version are brought to this one.

    What follows from what landed is made anew, empty: the next run computes it all.

    Raises:
        HomeError: A table that nothing computes again has other columns.
    """
    from pipelines.contracts.enforce import empty  # pandera loads only where tables are made
    from pipelines.contracts.registry import CONTRACTS

    for name in tables:
        like = empty(CONTRACTS[name])
        lake.create(name, like)
        if lake.columns(name).schema == like.schema:
            continue
        if name in (*LANDED, *SAID):
            told = f"the table {name} has columns of another version, and nothing computes it again"
            raise HomeError(f"{lake.uri(name)}: {told}; use the version that made it")
        lake.make_anew(name, like)


def _columns_version() -> str:
    """Changes with any column of any table, without loading what judges them."""
    contracts = sorted((REPOSITORY / "pipelines" / "contracts").glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in contracts)).hexdigest()[:16]


def render_dagster_yaml(root: Path, *, warm_workers: int = 0) -> str:
    """The template `dagster.yaml` with absolute paths: a relative one would silently start a second instance."""
    template = string.Template((REPOSITORY / "dagster.yaml").read_text())
    quoted = json.dumps(str(root), ensure_ascii=False)[1:-1]
    launching = {**LAUNCHING, **(_warm_launching(warm_workers) if warm_workers else {})}
    return template.substitute(launching, home=quoted, **storages(root))


def _warm_launching(workers: int) -> dict[str, str]:
    return {
        "launcher_module": "resources.launcher",
        "launcher_class": "WarmRunLauncher",
        "launcher_config": json.dumps({"workers": workers}),
        "queue_module": "resources.launcher",
        "queue_class": "WarmRunQueue",
        "micro_batches": str(workers),
    }


def _write_new(path: Path, text: str) -> None:
    if not path.exists():
        _write(path, text)


def _write(path: Path, text: str) -> None:
    """Whole or not at all; untouched where it already says so."""
    if path.exists() and path.read_text() == text:
        return
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(text)
    part.replace(path)
