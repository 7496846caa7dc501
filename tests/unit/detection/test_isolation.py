"""Isolation forest: a rare combination of common values stands out."""

import numpy as np
import pytest

from pipelines.detection.isolation import fit_forest, statistic, unseen_statistic

RNG = np.random.default_rng(3)
LOAD = RNG.normal(size=300)
TOGETHER = np.column_stack([LOAD, LOAD + RNG.normal(0, 0.1, 300), RNG.normal(size=300)])


@pytest.fixture(scope="module")
def forest():
    return fit_forest(TOGETHER, seed=1)


def test_a_rare_combination_is_worse_than_every_healthy_window_although_each_value_is_common(forest):
    planted = np.array([[1.8, -1.8, 0.0], [-1.8, 1.8, 0.0]])
    assert (np.abs(planted) < np.abs(TOGETHER).max(axis=0)).all()
    assert statistic(forest, planted).min() > np.quantile(statistic(forest, TOGETHER), 0.98)


def test_a_window_far_out_is_worse_than_one_in_the_middle(forest):
    middle, out = statistic(forest, np.array([[0.0, 0.0, 0.0], [6.0, 6.0, 6.0]]))
    assert 0 < middle < out < 1


def test_the_same_seed_grows_the_same_forest(forest):
    assert statistic(fit_forest(TOGETHER, seed=1), TOGETHER).tolist() == statistic(forest, TOGETHER).tolist()


def test_healthy_windows_are_judged_by_forests_that_did_not_see_them():
    shifted = TOGETHER[:120].copy()
    shifted[90:] += 8.0
    unseen = unseen_statistic(shifted, seed=1)
    assert unseen.shape == (120,)
    assert unseen[90:].min() > unseen[:90].max()
    assert statistic(fit_forest(shifted, seed=1), shifted)[90:].max() < unseen[90:].min()
