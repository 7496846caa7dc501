"""The questions of docs/bi.md, on a plant in which each has an answer: before and after late readings, and on real data."""

import re
import shutil
from collections.abc import Mapping

import dagster as dg
import polars as pl
import pytest
from homes import Plant
from questions import QUESTIONS, Question, equal_answers, land_late, live

from pipelines.contracts.views import RELATIONS, VIEWS, Relation
from resources.home import Home
from resources.inbox import Inbox
from resources.lake import Lake
from resources.serving.duckdb_catalog import Catalog
from resources.serving.interface import Answer

HOMES = ("before late readings", "after them", "real pump")
FINE = (1, 3, 5, 7, 9, 10, 11, 13, 17, 21, 23, 24)
"""Questions without an answer on four days of a pump that is well, whose readings came years later and are all there is."""

each_question = pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: str(question.number))


def catalog_of(home: Home) -> Catalog:
    return Catalog(path=str(home.catalog), lake_root=str(home.lake))


@pytest.fixture(scope="module")
def plants(tmp_path_factory) -> Mapping[str, Home]:
    """The simulated plant, before and after late readings. The catalog names absolute paths: it is built anew."""
    roots = [tmp_path_factory.mktemp("questions") / "home" for _ in range(2)]
    with dg.DagsterInstance.ephemeral() as instance:
        plant = Plant(roots[0], instance)
        live(plant)
        shutil.copytree(*roots)
        before = Home(roots[1])
        catalog_of(before).rebuild()
        land_late(plant)
    return {"before late readings": before, "after them": plant.home}


@pytest.fixture(scope="module")
def pump(tmp_path_factory, data_dir) -> Home:
    """The whole graph on the real pump data."""
    file = data_dir("kaggle_pump") / "sensor.csv"
    with dg.DagsterInstance.ephemeral() as instance:
        plant = Plant(tmp_path_factory.mktemp("pump") / "home", instance)
        plant.home.machines.write_text('[sources.pump]\nimporter = "kaggle-pump"\nwindow = "10m"\n')
        plant.materialize(files=[Inbox(root=str(plant.home.root)).put(file, source="pump")], source="pump")
        return plant.home


@pytest.fixture(params=HOMES)
def home(request) -> Home:
    if request.param == "real pump":
        found = request.getfixturevalue("pump")
    else:
        found = request.getfixturevalue("plants")[request.param]
    assert isinstance(found, Home)
    return found


def test_the_questions_are_numbered_and_ask_about_every_view():
    assert [question.number for question in QUESTIONS] == list(range(1, len(QUESTIONS) + 1))
    named = {name for question in QUESTIONS for name in re.findall(r"\bbi\.(\w+)", question.sql)}
    assert named == set(VIEWS)


@each_question
def test_a_question_depends_on_no_clock_is_ordered_and_names_its_schema(question):
    assert not re.search(r"\bnow\(|\bcurrent_|\btoday\b|::", question.sql, re.IGNORECASE)
    assert re.search(r"\nORDER BY [^)]+\Z", question.sql)
    tables = re.findall(r"\b(?:FROM|JOIN) (?!\()([\w.]+)", re.sub(r"extract\(\w+ FROM", "", question.sql))
    local = re.findall(r"\b(\w+) AS \(", question.sql)
    assert {name for name in tables if name not in local} <= {f"bi.{name}" for name in VIEWS} | {"windows"}


@each_question
def test_a_question_has_an_answer_with_named_columns(home, question, request):
    answer = catalog_of(home).query(question.sql)
    assert all(re.fullmatch(r"[a-z_0-9]+", name) for name in answer.columns)
    assert len(set(answer.columns)) == len(answer.columns)
    is_fine = "real pump" in request.node.name and question.number in FINE
    assert bool(answer.rows) is not is_fine


@each_question
def test_no_row_of_an_answer_comes_twice(home, question: Question):
    rows = list(map(str, catalog_of(home).query(question.sql).rows))
    assert len(set(rows)) == len(rows)


def current(home: Home) -> pl.DataFrame:
    """Current readings, found by Polars."""
    rows = Lake(root=str(home.lake)).read("readings").sort("batch_seq")
    return rows.unique(("machine_id", "sensor", "recorded_at"), keep="last")


def asked(home: Home, view: str) -> Answer:
    return catalog_of(home).query(f"SELECT * FROM bi.{view} ORDER BY {', '.join(VIEWS[view].key)}")


def test_readings_are_those_that_polars_finds(home):
    rows = current(home).sort(VIEWS["readings"].key)
    equal_answers(asked(home, "readings"), Answer(rows.columns, rows.rows()))


def test_hours_are_those_that_polars_computes(home):
    value, at = pl.col("value"), pl.col("recorded_at")
    rows = (
        current(home)
        .filter(pl.col("quality") != "bad")
        .group_by("source", "machine_id", "sensor", hour=at.dt.truncate("1h"))
        .agg(
            n=pl.len(),
            mean=value.mean(),
            std=value.std(),
            min=value.min(),
            max=value.max(),
            last_value=value.sort_by(at).last(),
        )
        .sort(VIEWS["readings_hourly"].key)
    )
    equal_answers(asked(home, "readings_hourly"), Answer(rows.columns, rows.rows()))


def test_the_latest_readings_are_those_that_polars_finds(home):
    names = [column.name for column in VIEWS["latest_reading"].columns]
    rows = current(home).sort("recorded_at").unique(("machine_id", "sensor"), keep="last").select(names)
    rows = rows.sort(VIEWS["latest_reading"].key)
    equal_answers(asked(home, "latest_reading"), Answer(rows.columns, rows.rows()))


def test_late_readings_change_answers(plants):
    hours = "SELECT machine_id, sensor, hour, round(mean, 6) AS mean FROM bi.readings_hourly"
    before, after = (set(catalog_of(home).query(hours).rows) for home in plants.values())
    assert len(after - before) == len(before - after) == 2 * 3  # two hours of three sensors


@pytest.mark.parametrize(
    "relation", [one for one in RELATIONS if one.is_lasting], ids=lambda relation: f"{relation.view} to {relation.of}"
)
def test_a_row_that_is_named_is_there(home, relation: Relation):
    same = " AND ".join(f"there.{name} = here.{name}" for name in relation.columns)
    is_named = " AND ".join(f"here.{name} IS NOT NULL" for name in relation.columns)
    orphans = (
        f"SELECT count(*) FROM bi.{relation.view} AS here "
        f"WHERE {is_named} AND NOT EXISTS (SELECT 1 FROM bi.{relation.of} AS there WHERE {same})"
    )
    assert catalog_of(home).query(orphans).rows == [(0,)]


# --- when two answers are equal


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ([(1.0 + 1e-12, "a", None)], None),
        ([(1.0 + 1e-6, "a", None)], "row 0, x"),
        ([(1.0, "b", None)], "row 0, y"),
        ([(1.0, "a", 0)], "row 0, z"),
        ([], "1 rows are not 0"),
    ],
)
def test_answers_are_equal_but_for_the_last_digits_of_a_number(other, told):
    ours = Answer(["x", "y", "z"], [(1.0, "a", None)])
    if told is None:
        equal_answers(ours, Answer(ours.columns, other))
    else:
        with pytest.raises(AssertionError, match=told):
            equal_answers(ours, Answer(ours.columns, other))
