"""Isolation forest: a rare combination of common values stands out."""

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from sklearn.ensemble import IsolationForest

from pipelines.detection.isolation import CHUNK, TREES, Forest, unseen_statistic

RNG = np.random.default_rng(3)
LOAD = np.repeat([0.0, 6.0], 150)  # idle and full load: both sensors are low, or both are high
TOGETHER = np.column_stack([LOAD + RNG.normal(0, 0.4, 300), LOAD + RNG.normal(0, 0.4, 300), RNG.normal(size=300)])[
    RNG.permutation(300)
]


@pytest.fixture(scope="module")
def forest() -> Forest:
    return Forest.fit(TOGETHER, seed=1)


def test_a_rare_combination_stands_out_although_each_value_is_common(forest):
    planted, common = np.array([[0.0, 6.0, 0.0], [6.0, 0.0, 0.0]]), np.array([[0.0, 0.0, 0.0], [6.0, 6.0, 0.0]])
    assert forest.statistic(planted).min() > np.quantile(forest.statistic(TOGETHER), 0.75)
    assert forest.statistic(planted).min() > forest.statistic(common).max()


def test_a_window_far_out_is_worse_than_one_in_the_middle(forest):
    middle, out = forest.statistic(np.array([[0.0, 0.0, 0.0], [16.0, 16.0, 6.0]]))
    assert 0 < middle < out < 1


def test_the_same_seed_grows_the_same_forest(forest):
    assert Forest.fit(TOGETHER, seed=1).statistic(TOGETHER).tolist() == forest.statistic(TOGETHER).tolist()


def test_healthy_windows_are_judged_by_forests_that_did_not_see_them():
    shifted = TOGETHER[:120].copy()
    shifted[90:] += 20.0
    unseen = unseen_statistic(shifted, seed=1)
    assert unseen.shape == (120,)
    assert unseen[90:].min() > unseen[:90].max()
    assert Forest.fit(shifted, seed=1).statistic(shifted)[90:].max() < unseen[90:].min()


@given(st.integers(0, 2**32), st.integers(2, 400), st.integers(1, 8), st.sampled_from([None, 0, 2]))
@settings(max_examples=8)
def test_it_says_what_the_fitted_forest_of_scikit_learn_says(seed, windows, columns, decimals):
    rng = np.random.default_rng(seed)
    healthy, asked = (rng.normal(size=(rows, columns)) * 3 for rows in (windows, 200))
    if decimals is not None:  # rounded: samples that no split parts, and values that lie on a threshold
        healthy, asked = healthy.round(decimals), asked.round(decimals)
    event(f"trees of a share of the windows: {windows > 256}, rounded: {decimals is not None}")
    fitted = IsolationForest(n_estimators=TREES, random_state=1).fit(healthy)
    for values in (asked, healthy):
        assert np.abs(Forest.fit(healthy, seed=1).statistic(values) + fitted.score_samples(values)).max() < 1e-12


def test_a_value_up_to_the_threshold_as_scikit_learn_compares_it_goes_left():
    """One tree of one split: whoever goes left ends deep, and looks ordinary."""
    stump = Forest(
        roots=np.array([0], np.int32),
        feature=np.array([1, 0, 0], np.int32),
        threshold=np.array([1.5, 0.0, 0.0]),
        children=np.array([2, 1, 1, 1, 2, 2], np.int32),
        depth=np.array([0.0, 2.0, 1.0]),
        longest=1.0,
    )
    as_32_bits = 1.5 + 1e-9  # is 1.5
    values = np.array([[9.0, value] for value in (1.4, 1.5, as_32_bits, 1.51)])
    assert stump.statistic(values).tolist() == [0.25, 0.25, 0.25, 0.5]


def test_more_windows_than_fit_the_cache_are_judged_like_each_alone(forest):
    many = np.random.default_rng(9).normal(3.0, 4.0, (2 * CHUNK + 3, 3))
    places = [0, CHUNK - 1, CHUNK, 2 * CHUNK, 2 * CHUNK + 2]
    alone = [forest.statistic(many[[place]]).item() for place in places]
    assert forest.statistic(many)[places].tolist() == alone


def test_no_windows_have_no_statistic(forest):
    assert forest.statistic(np.empty((0, 3))).shape == (0,)


def test_healthy_windows_that_are_all_alike_make_a_forest_too():
    constant = np.full((60, 2), 5.0)
    fitted = IsolationForest(n_estimators=TREES, random_state=1).fit(constant)
    asked = np.array([[5.0, 5.0], [9.0, 1.0]])
    assert Forest.fit(constant, seed=1).statistic(asked) == pytest.approx(-fitted.score_samples(asked), abs=1e-12)
