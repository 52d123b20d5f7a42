"""Scores of held-out objects, and the rule of one standard error."""

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture as SklearnMixture
from sklearn.model_selection import GridSearchCV

from xdgmm import XDGMM, InputError, Observations
from xdgmm.fitting import Settings, fit
from xdgmm.selection import select
from xdgmm.selection.candidates import Candidate
from xdgmm.selection.cross_validation import HeldOut, cross_validate, folds

ONE, TWO, THREE = (Candidate(K, "full") for K in (1, 2, 3))


def test_the_score_of_one_gaussian_without_noise_is_that_of_scikit_learn():
    x = np.random.default_rng(0).normal(size=(50, 2)) * [1, 3]
    found = cross_validate(Observations.exact(x), [ONE], Settings(), 7, 5)
    fold_of, expected = folds(50, 5, 7), np.empty(50)
    for fold in range(5):
        held = fold_of == fold
        expected[held] = SklearnMixture(1, reg_covar=0).fit(x[~held]).score_samples(x[held])
    assert found.scores[ONE] == pytest.approx(expected, abs=1e-7)
    assert found.total(ONE) == pytest.approx(expected.sum(), abs=1e-6)


def test_folds_hold_every_object_once_and_are_equally_large():
    fold_of = folds(23, 5, 0)
    assert sorted(np.bincount(fold_of)) == [4, 4, 5, 5, 5]
    assert (fold_of == folds(23, 5, 0)).all()
    assert (fold_of != folds(23, 5, 1)).any()


def test_fits_do_not_see_the_held_out_objects():
    rng = np.random.default_rng(1)
    x = rng.normal(5.0 * rng.integers(2, size=60), 1.0)
    moved = x.copy()
    moved[17] += 3.0
    one, other = (
        cross_validate(Observations.with_standard_errors(each, 0.5), [ONE, TWO], Settings(n_init=2), 3, 4)
        for each in (x, moved)
    )
    fold_of = folds(60, 4, 3)
    same_fold = (fold_of == fold_of[17]) & (np.arange(60) != 17)
    for candidate in (ONE, TWO):
        assert (one.scores[candidate][same_fold] == other.scores[candidate][same_fold]).all()
        assert (one.scores[candidate][fold_of != fold_of[17]] != other.scores[candidate][fold_of != fold_of[17]]).any()


def test_the_error_is_that_of_paired_differences():
    rng = np.random.default_rng(2)
    common = rng.normal(size=40)  # objects differ more from each other than candidates do
    scores = {ONE: common - 0.3 + 0.1 * rng.normal(size=40), TWO: common + 0.1 * rng.normal(size=40)}
    found = HeldOut(scores, np.ones(40))
    differences = scores[TWO] - scores[ONE]
    assert found.best == TWO
    assert found.error(ONE) == pytest.approx(np.sqrt(40) * differences.std(ddof=1))
    assert found.error(TWO) == 0.0
    weights = rng.integers(1, 4, 40)
    repeated = np.repeat(differences, weights)
    weighted = HeldOut(scores, weights.astype(float))
    assert weighted.error(ONE) == pytest.approx(np.sqrt(repeated.size) * repeated.std(ddof=1))
    assert weighted.total(ONE) == pytest.approx(np.repeat(scores[ONE], weights).sum())


@pytest.mark.parametrize(("gap", "chosen"), [(0.5, ONE), (1.5, TWO)])
def test_the_simplest_candidate_within_one_standard_error_is_chosen(gap, chosen):
    noise = np.tile([1.0, -1.0], 50)
    error = np.sqrt(100) * noise.std(ddof=1)
    lower = noise - gap * error / 100
    scores = {ONE: lower, TWO: np.zeros(100), THREE: np.full(100, -1e-9)}
    n_parameters = {ONE: 2, TWO: 5, THREE: 8}
    assert HeldOut(scores, np.ones(100)).simplest(n_parameters) == chosen


def test_the_table_has_scores_errors_and_the_choice():
    rng = np.random.default_rng(4)
    observations = Observations.with_standard_errors(rng.normal(8.0 * rng.integers(2, size=80), 1.0), 0.3)
    found = select(observations, [1, 2, 3], rng=5, criterion="cv", n_folds=4)
    table = found.table
    assert found.n_components == 2
    assert table["cv_error"][np.argmax(table["cv"])] == 0.0
    within = table["cv"] + table["cv_error"] >= table["cv"].max()
    assert found.n_components == table["n_components"][within].min()


def test_rows_that_do_not_count_are_in_no_fold():
    rng = np.random.default_rng(5)
    x, weights = rng.normal(size=(30, 1)), np.ones(30)
    x[3], weights[7] = np.nan, 0.0
    observations = Observations.with_standard_errors(x, 0.2, weights=weights)
    assert cross_validate(observations, [ONE], Settings(), 0, 28).scores[ONE].shape == (28,)


def test_leaving_out_one_object_at_a_time_is_n_folds_of_one():
    x = np.random.default_rng(6).normal(size=12)
    found = cross_validate(Observations.with_standard_errors(x, 0.4), [ONE], Settings(), 0, 12)
    rest = fit(Observations.with_standard_errors(x[1:], 0.4)).mixture
    variance = rest.covariances[0, 0, 0] + 0.16
    expected = -0.5 * ((x[0] - rest.means[0, 0]) ** 2 / variance + np.log(2 * np.pi * variance))
    assert found.scores[ONE][0] == pytest.approx(expected, abs=1e-9)


def test_candidates_with_more_components_than_a_fold_leaves_objects_have_no_score():
    observations = Observations.with_standard_errors([0.0, 1.0, 5.0, 9.0], 0.3)
    found = select(observations, [1, 4], rng=0, criterion="cv", n_folds=2)
    assert found.n_components == 1
    assert np.isnan(found.table["cv"][1])


def test_folds_that_cannot_be_fitted_are_said():
    x = np.full((6, 2), np.nan)
    x[:, 0], x[0, 1] = np.arange(6), 1.0
    with pytest.raises(InputError, match="the objects without one of 3 folds cannot be fitted"):
        select(Observations.with_standard_errors(x, 0.5), [1, 2], criterion="cv", n_folds=3, rng=0)
    with pytest.raises(InputError, match="no candidate could be fitted without every fold"):
        select(Observations.exact([0.0, 0.0, 1.0]), [1], criterion="cv", n_folds=3, rng=0)


def test_grid_search_of_scikit_learn_chooses_by_held_out_objects_too():
    rng = np.random.default_rng(7)
    observations = Observations.with_standard_errors(rng.normal(10.0 * rng.integers(2, size=120), 1.0), 0.5)
    grid = GridSearchCV(XDGMM(random_state=0), {"n_components": [1, 2], "covariance_type": ["full", "tied"]}, cv=3)
    chosen = grid.fit(observations).best_params_
    assert chosen["n_components"] == 2
    found = select(observations, [1, 2], covariance_types=["full", "tied"], criterion="cv", n_folds=3, rng=0)
    assert found.n_components == 2
    # scores per object agree where folds differ only by chance
    best = found.table["cv"].max() / 120
    assert grid.best_score_ == pytest.approx(best, abs=0.05)
