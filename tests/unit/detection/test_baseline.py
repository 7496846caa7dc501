"""The healthy reference: what a model may learn from, and that it says the same wherever it is read from."""

from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from unit.tables import HOUR, MONDAY

from pipelines.detection.baseline import (
    MIN_WINDOWS,
    MachineModel,
    healthy_windows,
    model_version,
    running_windows,
)
from pipelines.detection.matrix import Matrix

RNG = np.random.default_rng(5)
COLUMNS = ("v:mean", "v:std", "w:mean", "w:std")


def matrix(values: np.ndarray, *, states: Sequence[str] | None = None, columns: tuple[str, ...] = COLUMNS) -> Matrix:
    n = values.shape[0]
    windows = pl.DataFrame(
        {
            "recorded_at": pl.Series([MONDAY + i * HOUR for i in range(n)], dtype=pl.Datetime("us", "UTC")),
            "window_s": pl.Series([3600] * n, dtype=pl.Int64),
            "state": states or ["running"] * n,
        }
    )
    return Matrix(windows, columns, values)


def normal(n: int) -> np.ndarray:
    return np.random.default_rng(n).normal((2.0, -1.0, 50.0, 0.0), (0.2, 0.1, 3.0, 0.1), (n, 4))


def healthy(whole: Matrix, *, hours: float, since: float = 0.0) -> Matrix | None:
    return healthy_windows(whole, since=MONDAY + since * HOUR, until=MONDAY + hours * HOUR)


@pytest.mark.parametrize(("running", "is_there"), [(MIN_WINDOWS - 1, False), (MIN_WINDOWS, True)])
def test_there_is_no_model_of_too_few_running_windows(running, is_there):
    states = ["running"] * running + ["off"] * (72 - running)
    assert (healthy(matrix(normal(72), states=states), hours=72) is not None) == is_there


@pytest.mark.parametrize(
    ("state", "is_used"),
    [("running", True), ("unknown", True), ("off", False), ("idle", False), ("startup", False), ("mixed", False)],
)
def test_only_windows_of_a_running_machine_are_healthy_ones(state, is_used):
    values = normal(80)
    found = healthy(matrix(values, states=["running"] * 60 + [state] * 20), hours=80)
    assert found.values.shape[0] == (80 if is_used else 60)
    assert set(found.windows["state"]) == ({"running", state} if is_used else {"running"})


def test_nothing_outside_the_span_is_used():
    values = normal(100)
    found = healthy(matrix(values), since=10, hours=70)
    assert found.values.tolist() == values[10:70].tolist()
    assert found.windows["recorded_at"].to_list() == [MONDAY + n * HOUR for n in range(10, 70)]


def test_running_windows_are_those_of_the_span_in_which_the_machine_ran_in_every_column():
    values, states = normal(10), ["running", "off", "unknown", "mixed", "running"] * 2
    values[:, 0] = np.nan
    found = running_windows(matrix(values, states=states), since=MONDAY + 2 * HOUR, until=MONDAY + 7 * HOUR)
    assert found.windows["recorded_at"].to_list() == [MONDAY + n * HOUR for n in (2, 4, 5)]
    assert found.columns == COLUMNS
    assert np.array_equal(found.values, values[[2, 4, 5]], equal_nan=True)


def test_a_window_that_goes_on_behind_the_healthy_span_is_no_part_of_it():
    values = normal(61)
    values[60] = 1e6
    assert np.array_equal(healthy(matrix(values), hours=60.5).values, healthy(matrix(values), hours=60).values)
    assert healthy(matrix(values), hours=61).values.max() == 1e6


def test_a_machine_without_windows_has_no_model():
    assert healthy(matrix(np.empty((0, 4))), hours=100) is None


def test_a_sensor_that_was_silent_in_the_healthy_span_has_no_reference():
    values = normal(100)
    values[:60, 2:] = np.nan
    assert healthy(matrix(values), hours=60).columns == ("v:mean", "v:std")


def test_the_spread_of_a_sensor_that_stood_still_in_the_healthy_span_has_no_reference():
    values = normal(100)
    values[:60:10, 3] = -np.inf
    assert healthy(matrix(values), hours=60).columns == ("v:mean", "v:std", "w:mean")


def test_one_still_window_does_not_end_the_reference_of_a_lively_sensor():
    values = normal(200)
    values[50, 3] = -np.inf
    assert healthy(matrix(values), hours=160).columns == COLUMNS


def test_a_machine_whose_sensors_were_all_silent_has_no_model():
    assert healthy(matrix(np.full((60, 4), np.nan)), hours=60) is None


def test_the_same_windows_are_the_same_version_and_any_other_value_is_another():
    values = normal(60)
    other = values.copy()
    other[7, 2] = np.nextafter(other[7, 2], 100)
    assert model_version(matrix(values)) == model_version(matrix(values.copy()))
    assert model_version(matrix(values)) != model_version(matrix(other))
    assert model_version(matrix(values)) != model_version(matrix(values, columns=("a:mean", *COLUMNS[1:])))


@pytest.fixture(scope="module")
def model() -> MachineModel:
    return MachineModel.fit(matrix(normal(150)))


def scored(model: MachineModel, asked: Matrix) -> pl.DataFrame:
    return pl.DataFrame(model.scores(asked))


def shifted(column: int, sigmas: float, n: int = 5) -> np.ndarray:
    values = np.tile([2.0, -1.0, 50.0, 0.0], (n, 1))
    values[:, column] += sigmas * (0.2, 0.1, 3.0, 0.1)[column]
    return values


def test_a_model_out_of_its_parts_scores_alike(model):
    values = np.vstack([normal(40), shifted(0, 9)])
    copy = MachineModel.from_parts(model.parts())
    assert scored(copy, matrix(values)).equals(scored(model, matrix(values)))


def test_the_parts_of_a_model_are_arrays_of_numbers_and_names(model):
    parts = model.parts()
    assert {type(part) for part in parts.values()} == {np.ndarray}
    assert {part.dtype.kind for part in parts.values()} <= {"f", "i", "U"}
    assert tuple(parts["columns"].tolist()) == model.columns


def test_a_window_scored_alone_has_the_score_that_it_has_in_company_to_the_last_bit(model):
    values = np.vstack([normal(70), shifted(0, 3.0, 20), shifted(2, 60.0)])
    together = scored(model, matrix(values))
    alone = pl.concat([scored(model, matrix(values[[place]])) for place in range(len(values))])
    assert alone.equals(together)


def test_the_same_windows_are_the_same_model(model):
    values = normal(40)
    assert scored(MachineModel.fit(matrix(normal(150))), matrix(values)).equals(scored(model, matrix(values)))


@pytest.mark.parametrize(("column", "sensor"), [(0, "v"), (1, "v"), (2, "w"), (3, "w")])
@pytest.mark.parametrize("sigmas", [12.0, -12.0])
def test_a_planted_deviation_scores_high_and_names_its_sensor_and_side(model, column, sensor, sigmas):
    scores = scored(model, matrix(shifted(column, sigmas)))
    assert scores["score"].min() > 0.999
    assert set(scores["top_sensor"]) == {sensor}
    assert np.sign(scores["top_z"][0]) == np.sign(sigmas)
    assert set(scores["deviating_sensors"]) == {1}


def test_healthy_windows_not_seen_before_score_high_about_as_rarely_as_they_should(model):
    scores = scored(
        model, matrix(np.random.default_rng(77).normal((2.0, -1.0, 50.0, 0.0), (0.2, 0.1, 3.0, 0.1), (400, 4)))
    )
    assert scores["score"].is_between(0, 1).all()
    assert scores["isolation_score"].mean() == pytest.approx(0.5, abs=0.05)
    assert (scores["score"] > 0.9).mean() < 0.2
    assert (scores["score"] > 0.999).mean() < 0.02
    assert (scores["deviating_sensors"] == 0).mean() > 0.95


def test_a_stuck_sensor_scores_high(model):
    stuck = shifted(0, 0.0)
    stuck[:, 3] = -np.inf
    scores = scored(model, matrix(stuck))
    assert scores.select("top_sensor", "top_z").unique().rows() == [("w", -50.0)]
    assert scores["score"].min() > 0.999


def test_a_sensor_that_fell_silent_is_no_deviation(model):
    silent = matrix(shifted(0, 0.0)[:, :2], columns=COLUMNS[:2])
    assert scored(model, silent)["score"].max() < 0.9


def test_several_sensors_that_deviate_are_counted(model):
    both = shifted(0, 12.0)
    both[:, 2] += 40.0
    assert set(scored(model, matrix(both))["deviating_sensors"]) == {2}
