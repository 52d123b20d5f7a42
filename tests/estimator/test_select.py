"""`xdgmm.select`: the choice among candidates, with the arguments of `XDGMM.fit`."""

import pickle

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from sklearn.base import clone

from xdgmm import XDGMM, Background, ConvergenceWarning, InputError, InverseWishart, Observations, Prior, select


@pytest.fixture(scope="module")
def clumps():
    """Values and errors of two clumps."""
    rng = np.random.default_rng(0)
    errors = rng.uniform(0.2, 0.6, 80)
    return rng.normal(8.0 * rng.integers(2, size=80), 1.0) + errors * rng.standard_normal(80), errors


@pytest.fixture(scope="module")
def found(clumps):
    x, e = clumps
    return select(x, Xerr=e, n_components=range(1, 4), criterion="bic", random_state=0)


def test_it_has_the_chosen_candidate_as_a_fitted_estimator(found, clumps):
    x, e = clumps
    assert isinstance(found.estimator, XDGMM)
    assert found.n_components == found.estimator.n_components == 2
    assert found.estimator.bic(x, Xerr=e) == pytest.approx(found.table["bic"][1], abs=1e-9)
    assert found.estimator.result_ is found.result
    assert (found.estimator.predict(x, Xerr=e) == clone(found.estimator).fit(x, Xerr=e).predict(x, Xerr=e)).all()
    with pytest.raises(InputError, match="Xerr"):  # as after any fit with errors
        found.estimator.predict(x)


def test_the_same_seed_chooses_the_same(found, clumps):
    x, e = clumps
    again = select(x, Xerr=e, n_components=range(1, 4), random_state=0)
    np.testing.assert_array_equal(found.table["bic"], again.table["bic"])


def test_it_takes_what_fit_takes(found, clumps):
    x, e = clumps
    table = QTable({"v": x * u.km / u.s, "e_v": e * u.km / u.s})
    for data, options in (
        (table, {}),
        (Observations.from_table(table, "v"), {}),
        (x * 1000 * u.m / u.s, {"Xerr": e * u.km / u.s}),
        (x[:, None], {"Xerr": (e**2)[:, None, None]}),
        (x, {"Xerr": e, "sample_weight": np.ones(80)}),
    ):
        other = select(data, n_components=[1, 2], random_state=0, n_init=1, **options)
        assert np.diff(other.table["bic"]) == pytest.approx(np.diff(found.table["bic"][:2]), abs=1e-5)
    assert select(table, n_components=[1, 2]).estimator.feature_names_in_.tolist() == ["v"]


def test_the_parameters_of_the_estimator_are_those_of_all_candidates(clumps):
    x, e = clumps
    prior, background = Prior(covariances=InverseWishart(0.1)), Background(-20.0, 20.0)
    found = select(x, Xerr=e, n_components=[1, 2], prior=prior, background=background, n_init=1, random_state=0)
    assert found.estimator.prior is prior
    assert all(result.model.prior is prior for result in found.results)
    assert found.table["n_parameters"].tolist() == [3, 6]
    with pytest.warns(ConvergenceWarning):
        few = select(x, Xerr=e, n_components=[1, 2], max_iter=3, random_state=0)
    assert "unconverged" in few.table["status"].tolist()


def test_a_single_candidate_is_fitted_as_by_fit(clumps):
    x, e = clumps
    found = select(x, Xerr=e, n_components=2, random_state=3)
    alone = XDGMM(2, random_state=3).fit(x, Xerr=e)
    assert (found.estimator.means_ == alone.means_).all()
    assert found.estimator.n_init == alone.n_init
    start = select(x, Xerr=e, n_components=2, means_init=[[0.0], [8.0]], random_state=0)
    assert start.estimator.means_[:, 0] == pytest.approx(sorted(alone.means_[:, 0]), abs=1e-5)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n_components": None}, "`n_components` is None"),
        ({"n_components": []}, "no number of components"),
        ({"n_components": "1:4"}, "whole number"),
        ({"covariance_types": 3}, "must be one of full"),
        ({"covariance_type": "diag"}, "give `covariance_types`"),
        ({"criterion": "BIC"}, "must be one of bic"),
        ({"criterion": "cv", "n_folds": 81}, "only 80 objects"),
        ({"sample_weight": np.zeros(80)}, "zero for every object"),
        ({"n_components": [1, 81]}, "only 80 objects"),
        ({"random_state": "a"}, "`random_state`"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(clumps, options, said):
    x, e = clumps
    with pytest.raises(InputError, match=said):
        select(x, Xerr=e, **options)


def test_errors_in_the_place_of_labels_are_refused_as_by_fit(clumps):
    x, e = clumps
    with pytest.raises(InputError, match="Xerr="):
        select(x, e)


def test_it_can_be_pickled(found):
    again = pickle.loads(pickle.dumps(found))
    assert again.n_components == 2
    assert str(again) == str(found)
    assert (again.estimator.means_ == found.estimator.means_).all()
