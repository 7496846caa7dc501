"""The matrix: a row a window, a column a sensor and statistic, holes where a sensor was silent."""

import math

import numpy as np
import pytest
from unit.tables import HOUR, MONDAY, table

from pipelines.detection.matrix import machine_matrix

ROWS = [
    {"sensor": "w", "recorded_at": MONDAY + HOUR, "mean": 4.0, "std": 0.0},
    {"sensor": "v", "recorded_at": MONDAY + HOUR, "mean": 3.0, "std": None},
    {"sensor": "v", "recorded_at": MONDAY, "mean": 2.0, "std": math.e},
]


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
