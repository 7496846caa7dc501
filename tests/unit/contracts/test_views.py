"""Views: every column of what people query is described once, and nothing that people query is left out."""

import polars as pl
import pytest

from pipelines.contracts.registry import CONTRACTS
from pipelines.contracts.views import RELATIONS, VIEWS
from pipelines.contracts.vocabulary import SERVED

VIEW_NAMES = sorted(VIEWS)


def test_every_served_table_is_a_view_and_two_more_are_made_of_readings():
    assert set(VIEWS) == {*SERVED, "readings_hourly", "latest_reading"}


@pytest.mark.parametrize("table", SERVED)
def test_a_table_is_seen_with_the_columns_of_its_contract(table):
    columns = [(column.name, column.dtype, column.nullable) for column in VIEWS[table].columns]
    contract = CONTRACTS[table].columns
    assert columns == [(name, column.dtype.type, column.nullable) for name, column in contract.items()]


@pytest.mark.parametrize("name", VIEW_NAMES)
def test_a_key_names_columns_of_its_view_that_are_never_null(name):
    columns = {column.name: column for column in VIEWS[name].columns}
    assert not any(columns[part].nullable for part in VIEWS[name].key)


@pytest.mark.parametrize("name", VIEW_NAMES)
def test_every_column_says_what_it_means_and_what_its_null_means(name):
    for column in VIEWS[name].columns:
        assert column.about.endswith("."), column
        assert ("Null: " in column.about) is column.nullable, column


def test_the_current_reading_of_a_moment_is_one_row():
    assert VIEWS["readings"].key == ("machine_id", "sensor", "recorded_at")
    assert CONTRACTS["readings"].metadata["key"] == (*VIEWS["readings"].key, "batch_seq")


def test_a_comment_carries_the_unit():
    columns = {column.name: column for column in VIEWS["forecasts"].columns}
    assert columns["ttf_h"].comment == "Time to the threshold, median. Null: none, see reason. [h]"
    assert columns["ttf_h"].dtype == pl.Float64()
    assert columns["failure_mode"].comment == "Declared mode, or `any`."


@pytest.mark.parametrize("relation", RELATIONS, ids=lambda relation: f"{relation.view} to {relation.of}")
def test_a_relation_names_a_whole_key_with_columns_of_the_same_name_and_type(relation):
    here, there = (
        {column.name: column.dtype for column in VIEWS[name].columns} for name in (relation.view, relation.of)
    )
    assert set(relation.columns) == set(VIEWS[relation.of].key)
    assert [here[name] for name in relation.columns] == [there[name] for name in relation.columns]


def test_every_view_that_names_a_machine_is_related_to_the_register():
    naming = {name for name, view in VIEWS.items() if "machine_id" in {column.name for column in view.columns}}
    assert {one.view for one in RELATIONS if one.of == "machines"} == naming - {"machines"}
