"""Real servers of both editions, a home that has lived, and what makes two databases' answers equal."""

import math
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest
from databases import database
from homes import Plant, telemetry
from serving_rows import SIGNALS, land_signals

from pipelines.contracts.views import VIEWS
from resources.serving.duckdb_catalog import Catalog
from resources.serving.layout import BIG
from resources.serving.timescale import TimescaleServing, home_id

EDITIONS = {"apache": "SMARTMAINT_TEST_TIMESCALE", "community": "SMARTMAINT_TEST_TIMESCALE_COMMUNITY"}
REGISTER = """
[sources.line]
importer = "readings"
window = "10m"
healthy = [2026-01-05T00:00:00Z, 2026-01-07T00:00:00Z]

[[machines]]
id = "line.pump-1"
class = "pump"
site = "north"
criticality = "high"
nominal = { temperature_c = [0.0, 60.0] }
failures = [
  { mode = "overheating", sensor = "temperature_c", threshold = 90.0, skill = "mechanical", repair_hours = 4.0 },
]
"""


@pytest.fixture(scope="module", params=EDITIONS)
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A database on a server of each edition, without rows in its large tables."""
    dsn = os.environ.get(EDITIONS[request.param])
    if not dsn:
        pytest.skip(f"{EDITIONS[request.param]} names no server")
    if request.param == "apache":
        with database() as made:
            yield made
        return
    _empty(dsn)  # it has one database, shared by all
    yield dsn


@pytest.fixture
def emptied(url: str) -> str:
    """That database without what another home left there: a server in WebAssembly has no memory to compare many rows."""
    if url == os.environ.get(EDITIONS["community"]):
        _empty(url)
    return url


def _empty(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        if connection.execute("SELECT to_regclass('store.readings') IS NOT NULL").fetchone()[0]:
            for table in (*BIG, "dropped", "taken"):
                connection.execute(f"TRUNCATE store.{table}")


@pytest.fixture
def unprepared(url: str) -> Iterator[str]:
    """A database on the same server with nothing of ours in it."""
    if os.environ[EDITIONS["apache"]].rpartition("/")[0] not in url:
        pytest.skip("this server has one database")
    with database() as made:
        yield made


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose pump heats up from the third day on: rows in every table but `outages` and `data_quality`."""
    root = tmp_path_factory.mktemp("lived") / "home"
    with dg.DagsterInstance.ephemeral() as instance:
        plant = Plant(root, instance)
        plant.home.machines.write_text(REGISTER + SIGNALS)
        plant.runner = plant.runner.at("2026-01-11T00:00:00+00:00")
        frame = telemetry(24 * 6, ramp_from=24 * 4)
        plant.drop(frame, "days.parquet")
        plant.drop(telemetry(24), "other.parquet", source="second")
        for source in ("line", "second"):
            plant.materialize(source=source)
        land_signals(plant)
        assert not plant.runner.run("plan").failures
    return root


@pytest.fixture
def served(url: str, lived: Path, tmp_path: Path) -> Iterator["Served"]:
    """That home, published to a server."""
    with _published(url, lived, tmp_path / "home") as home:
        yield home


@pytest.fixture
def publishing(lived: Path, tmp_path: Path) -> Callable[[str], AbstractContextManager["Served"]]:
    """That home, published to the server of an address."""
    return lambda url: _published(url, lived, tmp_path / "home")


@pytest.fixture(scope="module")
def standing(url: str, lived: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator["Served"]:
    """The same, for tests that change nothing."""
    with _published(url, lived, tmp_path_factory.mktemp("standing") / "home") as home:
        yield home


@contextmanager
def _published(url: str, lived: Path, root: Path) -> Iterator["Served"]:
    shutil.copytree(lived, root)
    (root / "settings.toml").write_text(f'[serving]\nurl = "{url}"\n')
    with dg.DagsterInstance.ephemeral() as instance:
        served = Served(root, instance, url)
        served.catalog.rebuild()
        served.publish()
        yield served


class Served(Plant):
    """A home with its catalog and its server."""

    def __init__(self, root: Path, instance: dg.DagsterInstance, url: str) -> None:
        super().__init__(root, instance)
        self.catalog = Catalog(path=str(self.home.catalog), lake_root=str(self.home.lake))
        self.server = TimescaleServing(url, home_id(root))
        self.server.prepare(take_over=True)

    def publish(self) -> dict[str, Any]:
        from pipelines.contracts.vocabulary import SERVED

        return {done.table: done for done in self.server.publish(self.lake, SERVED)}

    def differing(self) -> list[str]:
        """Views whose rows the server tells otherwise than the catalog."""
        return [
            name for name in VIEWS if not self.is_equal(f"SELECT * FROM {name} ORDER BY {', '.join(VIEWS[name].key)}")
        ]

    def is_equal(self, sql: str) -> bool:
        here, there = self.catalog.query(sql), self.server.query(sql)
        return (
            here.columns == there.columns
            and len(here.rows) == len(there.rows)
            and all(map(alike, here.rows, there.rows))
        )


def alike(one: Any, other: Any) -> bool:
    """Equal, floats to nine digits: a mean depends on the order of its sum."""
    if isinstance(one, float) and isinstance(other, float | int):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[name], other[name]) for name in one)
    return bool(one == other)
