"""The matrix: a row a window, a column a sensor and statistic, holes where a sensor was silent."""

import math
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from unit.tables import HOUR, MONDAY, table

from pipelines.detection.matrix import Matrix, machine_matrices

ROWS = [
    {"sensor": "w", "recorded_at": MONDAY + HOUR, "mean": 4.0, "std": 0.0},
    {"sensor": "v", "recorded_at": MONDAY + HOUR, "mean": 3.0, "std": None},
    {"sensor": "v", "recorded_at": MONDAY, "mean": 2.0, "std": math.e},
]


def machine_matrix(features: pl.DataFrame) -> Matrix:
    [matrix] = machine_matrices(features).values()
    return matrix


def test_windows_are_rows_in_order_of_time_and_columns_sensors_with_their_statistic():
    matrix = machine_matrix(table("window_features", ROWS))
    assert matrix.columns == ("v:mean", "v:std", "w:mean", "w:std")
    assert matrix.windows["recorded_at"].to_list() == [MONDAY, MONDAY + HOUR]
    assert matrix.values[:, 0].tolist() == [2.0, 3.0]


def test_the_spread_enters_as_its_logarithm_and_none_at_all_as_minus_infinity():
    values = machine_matrix(table("window_features", ROWS)).values
    assert values[0, 1] == pytest.approx(1.0)
    assert values[1, 3] == -math.inf


def test_a_silent_sensor_and_an_unknown_spread_leave_a_hole():
    values = machine_matrix(table("window_features", ROWS)).values
    assert np.isnan(values).tolist() == [[False, False, True, True], [False, True, False, False]]


def test_values_follow_the_columns_asked_for_with_holes_where_there_are_none():
    aligned = machine_matrix(table("window_features", ROWS)).aligned(("w:mean", "x:mean", "v:mean"))
    assert aligned[1].tolist()[::2] == [4.0, 3.0]
    assert np.isnan(aligned[:, 1]).all()


def test_no_windows_have_no_matrix():
    assert machine_matrices(table("window_features").clear()) == {}


def test_each_machine_has_its_own_windows_and_the_columns_of_its_own_sensors():
    one = table("window_features", ROWS[1:], machine_id="plant.pump-2", state="off")
    other = table("window_features", [ROWS[0] | {"sensor": "vv"}], machine_id="plant.pump-1")
    first, second = machine_matrices(pl.concat([one, other])).items()
    assert (first[0], first[1].columns, first[1].values[0, 0]) == ("plant.pump-1", ("vv:mean", "vv:std"), 4.0)
    assert (second[0], second[1].columns) == ("plant.pump-2", ("v:mean", "v:std"))
    assert second[1].windows.rows() == [(MONDAY, 3600, "off"), (MONDAY + HOUR, 3600, "off")]
    assert second[1].values[:, 0].tolist() == [2.0, 3.0]


WINDOW = st.tuples(st.sampled_from("ab"), st.sampled_from("vwx"), st.integers(0, 4))
SPREAD = st.none() | st.sampled_from([0.0, 0.5])


@given(st.dictionaries(WINDOW, st.tuples(st.floats(-9, 9), SPREAD), min_size=1, max_size=20), st.randoms())
@settings(max_examples=40)
def test_of_several_machines_each_has_the_matrix_that_it_has_alone_in_any_order_of_rows(said, chance):
    rows: list[dict[str, Any]] = [
        {"machine_id": f"plant.{machine}", "sensor": sensor, "recorded_at": MONDAY + hour * HOUR, "mean": m, "std": s}
        for (machine, sensor, hour), (m, s) in said.items()
    ]
    chance.shuffle(rows)
    features = table("window_features", rows)
    together = machine_matrices(features)
    event(f"machines: {len(together)}")
    assert list(together) == sorted(set(features["machine_id"]))
    for name, matrix in together.items():
        alone = machine_matrix(features.filter(pl.col("machine_id") == name))
        assert matrix.columns == alone.columns
        assert matrix.windows.equals(alone.windows)
        assert np.array_equal(matrix.values, alone.values, equal_nan=True)


def test_a_derived_sensor_has_no_columns_as_its_inputs_have_theirs():
    derived = table("window_features", sensor="power_kw", is_derived=True)
    assert (
        machine_matrix(pl.concat([table("window_features", ROWS), derived])).columns
        == machine_matrix(table("window_features", ROWS)).columns
    )
