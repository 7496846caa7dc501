"""What every contract keeps: names, units, meanings, lineage, and no way past a bound."""

import math

import polars as pl
import pytest
from unit.tables import PLAIN, loose, table

from pipelines.contracts import vocabulary
from pipelines.contracts.enforce import ContractError, computed, conform, empty, lineage_columns, shape_of, split
from pipelines.contracts.registry import CONTRACTS

DESCRIBED = ("vibration_features", "sound_features", "window_features")
FOLLOWING = tuple(name for name in vocabulary.TABLES if name not in (*vocabulary.LANDED, "machines"))
FLOATS = {
    name: [column for column, dtype in empty(contract).schema.items() if dtype == pl.Float64]
    for name, contract in CONTRACTS.items()
    if pl.Float64 in empty(contract).schema.values()
}


def refusals(name: str, frame: pl.DataFrame) -> list[str]:
    """What is said of each row; every row shares its key, so none is good."""
    time = CONTRACTS[name].metadata["time"]
    dated = frame.with_columns(day=pl.col(time).dt.date()) if time else frame
    return split(dated.select(list(CONTRACTS[name].columns)), CONTRACTS[name])[1]["broken_rules"].to_list()


def test_the_vocabulary_lists_the_tables_of_the_registry_in_its_order():
    assert tuple(CONTRACTS) == vocabulary.TABLES


def test_known_truth_and_what_alarms_carry_are_the_tables_that_are_not_served():
    assert set(vocabulary.TABLES) - set(vocabulary.SERVED) == {"labels", "exceedances", "snapshots"}


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_contract_carries_the_name_it_is_registered_by(name):
    assert CONTRACTS[name].name == name
    assert CONTRACTS[name].description


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_contract_accepts_its_own_empty_frame(name):
    frame = empty(CONTRACTS[name])
    assert conform(frame, CONTRACTS[name]).schema == frame.schema


@pytest.mark.parametrize("name", PLAIN)
def test_a_contract_accepts_a_plausible_row(name):
    assert table(name).height == 1


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_contract_has_its_key_its_time_and_its_day(name):
    contract = CONTRACTS[name]
    time = contract.metadata["time"]
    assert set(contract.unique) <= set(contract.columns)
    assert ("day" in contract.columns) == (time is not None)
    assert time is None or time in contract.columns
    assert next(iter(contract.columns)) == "source"


@pytest.mark.parametrize("name", CONTRACTS)
def test_two_rows_with_the_same_key_are_refused(name):
    with pytest.raises(ContractError, match=f"^{name}: 2 of 2 rows"):
        table(name, [{}, {}])


@pytest.mark.parametrize(
    ("name", "lineage"),
    [
        *((name, ["landed_at", "batch_id", "batch_seq", "batch_row"]) for name in vocabulary.LANDED),
        ("machines", ["register_version"]),
        *((name, ["batch_seq", "run_id"]) for name in DESCRIBED),
        ("alarms", ["supersedes", "run_id"]),
        *((name, ["run_id"]) for name in FOLLOWING if name not in (*DESCRIBED, "alarms")),
    ],
)
def test_a_row_says_how_it_came_to_be(name, lineage):
    assert lineage_columns(CONTRACTS[name]) == lineage


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("alarms", {"key": ("alarm_id",), "time": "started_at", "lineage": ("supersedes", "run_id")}),
        ("baselines", {"key": ("machine_id",), "time": None, "lineage": ("run_id",)}),
    ],
)
def test_the_shape_of_a_table_is_its_key_its_time_and_its_lineage(name, shape):
    assert shape_of(CONTRACTS[name]) == shape


def test_what_a_stage_returns_is_the_table_without_day_and_run():
    schema = computed(CONTRACTS["alarms"])
    assert schema.names() == [name for name in CONTRACTS["alarms"].columns if name not in ("day", "run_id")]
    assert schema == empty(CONTRACTS["alarms"]).drop("day", "run_id").schema
    assert "day" not in computed(CONTRACTS["baselines"])


@pytest.mark.parametrize("name", ["machines", *FOLLOWING])
def test_the_key_of_a_row_that_is_replaced_says_what_it_is_about_and_not_how_it_came_to_be(name):
    shape = shape_of(CONTRACTS[name])
    assert set(shape["key"]) == set(CONTRACTS[name].unique)
    assert not set(shape["key"]) & set(shape["lineage"])


@pytest.mark.parametrize("name", CONTRACTS)
def test_the_time_of_a_row_is_among_the_columns_of_which_the_log_keeps_statistics(name):
    time, columns = CONTRACTS[name].metadata["time"], list(CONTRACTS[name].columns)
    assert time is None or columns.index(time) < 32  # Delta's `dataSkippingNumIndexedCols`


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_column_says_what_it_means_and_what_a_null_means(name):
    columns = CONTRACTS[name].columns.items()
    assert [column for column, told in columns if not told.description] == []
    assert [column for column, told in columns if told.nullable != ("Null:" in told.description)] == []


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_column_whose_name_ends_in_a_unit_states_that_unit(name):
    stated = {c: told.metadata["unit"] for c, told in CONTRACTS[name].columns.items() if "_per_" not in c}
    assert stated == {column: vocabulary.unit_of(column) for column in stated}


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_bound_lets_nan_or_infinity_pass(name, value):
    frame = loose(name, [{column: value} for column in FLOATS[name]])
    passed = [c for c, told in zip(FLOATS[name], refusals(name, frame), strict=True) if f"{c}: in_range" not in told]
    assert passed == []


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_null_is_accepted_exactly_where_it_has_a_meaning(name):
    columns = [column for column in CONTRACTS[name].columns if column != "day"]
    told = refusals(name, loose(name, [{column: None} for column in columns]))
    refused = {column for column, rules in zip(columns, told, strict=True) if f"{column}: not_nullable" in rules}
    assert refused == {column for column in columns if not CONTRACTS[name].columns[column].nullable}


@pytest.mark.parametrize(
    ("column", "unit"),
    [("vibration_mm_s", "mm/s"), ("window_s", "s"), ("speed_rpm", "1/min"), ("sensor_04", None), ("has", None)],
)
def test_a_unit_is_read_from_the_suffix(column, unit):
    assert vocabulary.unit_of(column) == unit
