"""How many components: criteria and the search over K."""

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture as SklearnMixture

import xdgmm.selection
from xdgmm import DegenerateError, InputError, Observations, datasets
from xdgmm.errors import XdgmmDeprecationWarning
from xdgmm.selection import ModelSelection, aic, bic, n_parameters, search


@pytest.fixture(scope="module")
def masses():
    return Observations.from_table(datasets.load("neutron_stars"), "m")


@pytest.mark.parametrize(("K", "D"), [(1, 1), (2, 1), (3, 4), (5, 2)])
def test_parameters_and_criteria_are_those_of_scikit_learn(K, D):
    x = np.random.default_rng(0).normal(size=(100, D))
    other = SklearnMixture(K, random_state=0).fit(x)
    log_likelihood = other.score(x) * 100
    assert aic(log_likelihood, n_parameters(K, D)) == pytest.approx(other.aic(x), rel=1e-12)
    assert bic(log_likelihood, n_parameters(K, D), 100) == pytest.approx(other.bic(x), rel=1e-12)


def test_bcg_has_the_published_criteria():
    table = datasets.load("bcg")
    trials = Observations.with_standard_errors(np.asarray(table["y"]), np.sqrt(np.asarray(table["var_y"])))
    selection = search(trials, [1])
    assert selection.bic[0] == pytest.approx(30.4601, abs=5.1e-5)
    assert aic(selection.result.log_likelihood, 2) == pytest.approx(29.3302, abs=5.1e-5)


def test_neutron_star_masses_are_two_populations(masses):
    selection = search(masses, [1, 2, 3], rng=0)
    assert selection.chosen == 2
    assert selection.bic[1] == pytest.approx(5.14, abs=0.005)
    assert selection.result.mixture.means[:, 0] == pytest.approx([1.3457, 1.7821], abs=5.1e-5)


def test_a_number_without_a_maximum_is_left_out_and_named():
    x = np.r_[np.zeros(5), np.random.default_rng(0).normal(5, 1, 5)]
    selection = search(Observations.exact(x), [1, 10], rng=0)
    assert selection.chosen == 1
    assert selection.degenerate == (10,)


@pytest.mark.parametrize(
    ("candidates", "said"),
    [([1, 2], "2 components are the most"), ([2, 3], "2 components are the fewest"), ([1, 2, 3], ""), ([2], "")],
)
def test_a_choice_at_the_end_of_the_range_is_said(masses, candidates, said):
    selection = search(masses, candidates, rng=0)
    assert selection.chosen == 2
    assert [remark.startswith(said) for remark in selection.remarks] == ([True] if said else [])


def test_one_component_has_no_smaller_number_and_all_objects_no_larger_one():
    hydrus = Observations.from_table(datasets.load("hydrus1"), "v")
    assert search(hydrus, [1, 2], rng=0).remarks == ()
    two = Observations.with_standard_errors([0.0, 100.0], 0.1)
    selection = search(two, [1, 2], rng=0)
    assert selection.chosen == 2
    assert selection.remarks == ()


def test_no_maximum_at_all_is_an_error():
    with pytest.raises(DegenerateError, match="no maximum; give errors"):
        search(Observations.exact(np.zeros(5)), [1])


@pytest.mark.parametrize("candidates", [[], [0], [1, 58], [1.5], ["two"]])
def test_numbers_that_cannot_be_are_refused(masses, candidates):
    with pytest.raises(InputError):
        search(masses, candidates)


def test_the_old_name_of_the_result_works_with_a_warning():
    with pytest.warns(XdgmmDeprecationWarning, match="ModelSelection"):
        assert xdgmm.selection.Selection is ModelSelection
