"""The questions of docs/bi.md get the same answers from the catalog and from a server, as its reader, whatever lands late."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import psycopg
import pytest
from homes import Plant
from questions import QUESTIONS, equal_answers, land_late, live

from pipelines.contracts.vocabulary import SERVED
from resources.serving.duckdb_catalog import Catalog
from resources.serving.interface import Answer
from resources.serving.timescale import TimescaleServing, home_id

pytestmark = [pytest.mark.service, pytest.mark.timeout(600)]


class Asked:
    """A home, and the two places that people ask."""

    def __init__(self, plant: Plant, url: str) -> None:
        self.plant = plant
        self.catalog = Catalog(path=str(plant.home.catalog), lake_root=str(plant.home.lake))
        self.server = TimescaleServing(url, home_id(plant.home.root))
        self.server.prepare(take_over=True)

    def publish(self) -> None:
        list(self.server.publish(self.plant.lake, SERVED))

    def differ(self) -> list[str]:
        """Questions that the two answer otherwise, or with no row at all."""
        return [told for question in QUESTIONS if (told := self._differ(question.number, question.sql))]

    def _differ(self, number: int, sql: str) -> str:
        try:
            equal_answers(self.catalog.query(sql), self.as_reader(sql))
        except AssertionError as error:
            return f"{number}: {error}"
        return ""

    def as_reader(self, sql: str) -> Answer:
        """Asked by the role that BI tools log in with."""
        with psycopg.connect(self.server.url, user="bi_reader") as connection:
            connection.execute("SET LOCAL TimeZone = 'UTC'; SET LOCAL search_path = bi; SET LOCAL ROLE bi_reader")
            cursor = connection.execute(sql)
            return Answer([column.name for column in cursor.description or ()], cursor.fetchall())


@pytest.fixture(scope="module")
def plant(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    with dg.DagsterInstance.ephemeral() as instance:
        plant = Plant(tmp_path_factory.mktemp("asked") / "home", instance)
        live(plant)
        yield plant


def test_simulated_data_before_and_after_late_readings(emptied, plant):
    asked = Asked(plant, emptied)
    asked.publish()
    assert asked.differ() == []
    assert all(asked.as_reader(question.sql).rows for question in QUESTIONS)
    land_late(plant)
    asked.publish()
    assert asked.differ() == []


def test_the_real_pump(emptied, tmp_path, data_dir):
    from jobs.importing import import_files
    from jobs.running import run_all

    root = tmp_path / "home"
    assert import_files(root, dataset="kaggle-pump", path=Path(data_dir("kaggle_pump")), source="pump")["files"]
    assert run_all(root, source=None, day="2018-04-04", select=None)["failures"] == []
    with dg.DagsterInstance.ephemeral() as instance:
        asked = Asked(Plant(root, instance), emptied)
        asked.publish()
        assert asked.server.query("SELECT count(*) > 1000 FROM readings").rows == [(True,)]
        assert asked.differ() == []
