"""Isolation forest: a rare combination of common values stands out."""

import numpy as np
import pytest

from pipelines.detection.isolation import fit_forest, statistic, unseen_statistic

RNG = np.random.default_rng(3)
LOAD = np.repeat([0.0, 6.0], 150)  # idle and full load: both sensors are low, or both are high
TOGETHER = np.column_stack([LOAD + RNG.normal(0, 0.4, 300), LOAD + RNG.normal(0, 0.4, 300), RNG.normal(size=300)])[
    RNG.permutation(300)
]


@pytest.fixture(scope="module")
def forest():
    return fit_forest(TOGETHER, seed=1)


def test_a_rare_combination_stands_out_although_each_value_is_common(forest):
    planted, common = np.array([[0.0, 6.0, 0.0], [6.0, 0.0, 0.0]]), np.array([[0.0, 0.0, 0.0], [6.0, 6.0, 0.0]])
    assert statistic(forest, planted).min() > np.quantile(statistic(forest, TOGETHER), 0.75)
    assert statistic(forest, planted).min() > statistic(forest, common).max()


def test_a_window_far_out_is_worse_than_one_in_the_middle(forest):
    middle, out = statistic(forest, np.array([[0.0, 0.0, 0.0], [16.0, 16.0, 6.0]]))
    assert 0 < middle < out < 1


def test_the_same_seed_grows_the_same_forest(forest):
    assert statistic(fit_forest(TOGETHER, seed=1), TOGETHER).tolist() == statistic(forest, TOGETHER).tolist()


def test_healthy_windows_are_judged_by_forests_that_did_not_see_them():
    shifted = TOGETHER[:120].copy()
    shifted[90:] += 20.0
    unseen = unseen_statistic(shifted, seed=1)
    assert unseen.shape == (120,)
    assert unseen[90:].min() > unseen[:90].max()
    assert statistic(fit_forest(shifted, seed=1), shifted)[90:].max() < unseen[90:].min()
