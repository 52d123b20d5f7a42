"""Fits of candidates improve each other: the likelihood falls neither with K nor along nested covariance types."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xdgmm import Background, Dirichlet, GaussianMixture, InverseWishart, Observations, Prior
from xdgmm.fitting import Model, Settings, StoppingRule, fit, fit_above, fit_from
from xdgmm.fitting.split_merge import duplicate, examine, merge, split
from xdgmm.selection import select
from xdgmm.selection.candidates import Candidate, fit_candidates

TYPES = ("spherical", "diag", "tied", "full")
NESTED = [("spherical", "diag"), ("diag", "full"), ("spherical", "full"), ("tied", "full")]
ROUNDING = 1e-7  # nats


def clumps(seed, N=60, D=2, *, missing=0.0, weighted=False, noise=0.5, projected=False):
    """Observations of three clumps of random shapes."""
    rng = np.random.default_rng(seed)
    centres, widths = rng.normal(0, 4, (3, D)), np.exp(rng.normal(0, 0.5, (3, D)))
    label = rng.integers(3, size=N)
    true_values = centres[label] + widths[label] * rng.standard_normal((N, D))
    weights = rng.uniform(0.5, 3.0, N) if weighted else None
    if projected:
        R = rng.standard_normal((N, 2, D))
        values = np.einsum("nij,nj->ni", R, true_values)
        return Observations.with_standard_errors(values, np.full(values.shape, noise), weights=weights, projections=R)
    errors = noise * rng.uniform(0.5, 1.5, (N, D))
    values = true_values + errors * rng.standard_normal((N, D))
    hidden = rng.random((N, D)) < missing
    hidden[: 3 * D] = False
    return Observations.with_standard_errors(np.where(hidden, np.nan, values), errors, weights=weights)


def heights(fits):
    return {each: result.log_likelihood for each, result in fits.results.items()}


def assert_lawful(found):
    """Log-likelihoods by candidate rise with K and along nested types."""
    for kind in {each.covariance_type for each in found}:
        of_type = [found[each] for each in sorted(found) if each.covariance_type == kind]
        assert all(after >= before - ROUNDING for before, after in pairwise(of_type)), (kind, of_type)
    for special, general in NESTED:
        for each, height in found.items():
            other = each._replace(covariance_type=general)
            if each.covariance_type == special and other in found:
                assert found[other] >= height - ROUNDING, (each, general)


@settings(max_examples=4)
@given(
    seed=st.integers(0, 2**32),
    D=st.integers(1, 3),
    missing=st.sampled_from([0.0, 0.2]),
    weighted=st.booleans(),
    noise=st.sampled_from([0.3, 1.0, 4.0]),
)
def test_the_likelihood_never_falls_with_freedom(seed, D, missing, weighted, noise):
    observations = clumps(seed, N=40, D=D, missing=missing, weighted=weighted, noise=noise)
    candidates = [Candidate(K, kind) for K in (1, 2, 4) for kind in TYPES]
    fits = fit_candidates(observations, candidates, Settings(n_init=1), seed)
    assert not fits.degenerate
    assert_lawful(heights(fits))


@pytest.mark.slow
@settings(max_examples=10)
@given(seed=st.integers(0, 2**32), D=st.integers(1, 3), weighted=st.booleans(), noise=st.sampled_from([0.3, 1.0, 4.0]))
def test_the_likelihood_never_falls_with_freedom_in_many_samples(seed, D, weighted, noise):
    observations = clumps(seed, N=40, D=D, weighted=weighted, noise=noise)
    candidates = [Candidate(K, kind) for K in (1, 2, 3, 5) for kind in TYPES]
    assert_lawful(heights(fit_candidates(observations, candidates, Settings(n_init=1), seed)))


@pytest.mark.parametrize("passes", [3, 30])
def test_it_does_not_fall_where_no_fit_converges(passes):
    rule = StoppingRule(max_passes=passes)
    candidates = [Candidate(K, kind) for K in (1, 2, 3, 4) for kind in ("diag", "full")]
    fits = fit_candidates(clumps(1), candidates, Settings(n_init=1, stopping=rule), 0)
    assert any(fits.status(each) == "unconverged" for each in candidates)
    assert_lawful(heights(fits))


def test_it_does_not_fall_behind_projections():
    candidates = [Candidate(K, kind) for K in (1, 2) for kind in ("diag", "full")]
    assert_lawful(heights(fit_candidates(clumps(2, projected=True), candidates, Settings(n_init=1), 0)))


@pytest.mark.parametrize(
    ("background", "D"), [(Background(-20.0, 20.0), 2), pytest.param(Background(), 1, marks=pytest.mark.slow)]
)
def test_it_does_not_fall_beside_a_background(background, D):
    candidates = [Candidate(K, kind) for K in (1, 2, 3) for kind in ("diag", "full")]
    chosen = Settings(n_init=1, model=Model(background=background))
    assert_lawful(heights(fit_candidates(clumps(3, D=D), candidates, chosen, 0)))


def test_fresh_fits_alone_do_fall():
    observations = clumps(6, N=100, noise=1.0)
    quick = Settings(n_init=1, quick=True)
    alone = [fit(observations, K, quick, np.random.default_rng([0, K, 0, 0])).log_likelihood for K in range(1, 6)]
    assert any(after < before - 0.01 for before, after in pairwise(alone)), alone
    fits = fit_candidates(observations, [Candidate(K, "full") for K in range(1, 6)], quick, 0)
    assert_lawful(heights(fits))


def test_exact_values_keep_degenerate_candidates_apart():
    x = np.r_[np.zeros(5), np.random.default_rng(0).normal(5, 1, 30)]
    fits = fit_candidates(Observations.exact(x), [Candidate(K, "full") for K in (1, 2, 12)], Settings(), 0)
    assert [fits.status(each) for each in (Candidate(1, "full"), Candidate(12, "full"))] == ["converged", "degenerate"]


def test_the_result_does_not_depend_on_the_processes():
    observations = clumps(4)
    one, two = (select(observations, [1, 2], rng=3, n_jobs=n, criterion="cv", n_folds=2) for n in (1, 2))
    for name in one.table.colnames:
        np.testing.assert_array_equal(one.table[name], two.table[name])  # NaN where there is nothing
    assert (one.result.mixture.covariances == two.result.mixture.covariances).all()


def test_fresh_fits_do_not_depend_on_the_other_candidates():
    observations = clumps(5)
    few, many = (
        fit_candidates(observations, [Candidate(K, "full") for K in range(1, last)], Settings(n_init=2), 7)
        for last in (3, 5)
    )
    assert few.results[Candidate(1, "full")].log_likelihood == many.results[Candidate(1, "full")].log_likelihood


def test_priors_give_the_same_candidates_and_only_raise_the_posterior():
    prior = Prior(weights=Dirichlet(2.0), covariances=InverseWishart(0.1))
    chosen = Settings(n_init=1, model=Model(prior=prior))
    candidates = [Candidate(K, "full") for K in (1, 2, 3)]
    fits = fit_candidates(clumps(6), candidates, chosen, 0)
    for each in candidates:
        alone = fit(clumps(6), each.n_components, chosen, np.random.default_rng([0, each.n_components, 0, 0]))
        assert fits.results[each].log_posterior >= alone.log_posterior - 0.1


def test_a_duplicate_has_the_same_density_and_a_split_or_merger_one_component_more_or_fewer():
    observations = clumps(7)
    covariances = [np.eye(2), [[2.0, 0.5], [0.5, 1.0]], np.diag([3.0, 0.2])]
    mixture = GaussianMixture([0.2, 0.3, 0.5], [[0.0, 0.0], [3.0, 1.0], [-1.0, 4.0]], covariances)
    scores = examine(mixture, observations)
    points = observations.values
    assert duplicate(mixture, 1).log_density(points) == pytest.approx(mixture.log_density(points), abs=1e-12)
    parted, merged = split(mixture, 0, scores.directions[0], -1.0), merge(mixture, 0, 2)
    assert (parted.n_components, merged.n_components) == (4, 2)
    for other in (parted, merged):  # total weight and mean are kept
        assert other.weights.sum() == pytest.approx(1.0, abs=1e-14)
        assert other.mean == pytest.approx(mixture.mean, abs=1e-12)
    assert merged.covariance == pytest.approx(mixture.covariance, rel=1e-10)


def test_fits_from_neighbours_find_what_they_should():
    observations = clumps(8, N=300)
    three = fit(observations, 3, rng=0)
    four = fit(observations, 4, rng=0)
    assert fit_from(observations, 3, [four.mixture], Settings()).log_likelihood >= three.log_likelihood - 1.0
    assert fit_from(observations, 3, [four.mixture], Settings(), incumbent=three) is None
    above = fit_above(observations, 5, four.mixture, Settings())
    assert above.mixture.n_components == 5
    assert above.log_likelihood >= four.log_likelihood - ROUNDING
