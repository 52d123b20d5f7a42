"""What a result says of its fit: components that can follow chance."""

import numpy as np
import pytest

from xdgmm import XDGMM, GaussianMixture, InputError, InverseWishart, Observations, Prior
from xdgmm.errors import XdgmmWarning
from xdgmm.fitting import FitResult, Outcome
from xdgmm.selection import ModelSelection, select


def exact(seed, D=2):
    return np.random.default_rng(seed).standard_normal((1000, D))


@pytest.mark.parametrize(("seed", "D"), [(5, 2), (15, 2), (1, 1), (3, 1)])
def test_near_singular_components_on_exact_values_are_remarked_upon(seed, D):
    # One Gaussian made the values: whatever is very narrow follows chance.
    x = exact(seed, D)
    result = XDGMM(5, random_state=0).fit(x).result_
    assert result.converged
    assert result.near_singular
    for k, relative in result.near_singular.items():
        narrowest = np.sqrt(np.linalg.eigvalsh(result.mixture.covariances[k])[0])
        assert relative == pytest.approx(narrowest, rel=0.15)  # the whole has a width of about 1
    assert sum("can follow chance" in remark for remark in result.remarks) == len(result.near_singular)


def test_a_narrow_component_of_many_objects_is_none_of_them():
    rng = np.random.default_rng(3)
    x = np.concatenate([rng.normal(0.0, 1.0, 800), rng.normal(0.5, 0.01, 200)])
    result = XDGMM(2, random_state=0).fit(x).result_
    assert result.mixture.sigmas.min() == pytest.approx(0.01, rel=0.3)
    assert not result.near_singular


def test_errors_and_priors_keep_components_from_following_chance():
    x = exact(1)
    assert not XDGMM(5, random_state=0).fit(x, Xerr=0.5).result_.near_singular
    prior = Prior(covariances=InverseWishart(0.1))
    assert not XDGMM(5, random_state=0, prior=prior).fit(x).result_.near_singular


def test_a_selection_that_follows_chance_says_so():
    observations = Observations.exact(exact(1))
    assert isinstance(select(observations, [1], rng=0), ModelSelection)  # without a warning
    with pytest.warns(XdgmmWarning, match="chance"):
        found = select(observations, [5], rng=0)
    assert isinstance(found.result, FitResult)


@pytest.mark.parametrize("method", ["information", "sandwich", "bootstrap"])
def test_the_uncertainty_of_a_result_gives_errors_of_any_function(method):
    observations = Observations.with_standard_errors(exact(2, 1)[:200], 0.5)
    result = XDGMM().fit(observations).result_
    options = {"n_resamples": 100, "rng": 1} if method == "bootstrap" else {}
    mean = result.uncertainty(observations, method, **options).propagate(lambda mixture: mixture.means[0, 0])
    expected = np.sqrt((result.mixture.covariances[0, 0, 0] + 0.25) / 200)
    assert mean.error == pytest.approx(expected, rel=0.01 if method == "information" else 0.25)
    assert result.record is result.mixture.record
    assert result.record.log_likelihood == result.log_likelihood


def test_an_unknown_kind_of_uncertainty_is_refused():
    observations = Observations.with_standard_errors(exact(2, 1)[:20], 0.5)
    with pytest.raises(InputError, match="`method` is 'jackknife'"):
        XDGMM().fit(observations).result_.uncertainty(observations, "jackknife")


def test_the_outcomes_of_version_0_1_are_understood():
    sentence = "a maximum was reached: less is predicted to remain than the tolerance in nats"
    assert Outcome(sentence) is Outcome.CONVERGED
    with pytest.raises(ValueError, match="not a valid"):
        Outcome("nothing of the kind")


def test_a_mixture_takes_units_as_text():
    mixture = GaussianMixture([1.0], [[2.0]], [[[1.0]]], ["v"], ["km/s"])
    assert mixture.in_units("m/s").means.tolist() == mixture.in_units(["m/s"]).means.tolist() == [[2000.0]]
