"""Outlyingness is a p-value: uniform under the model, small for outliers."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chi2, kstest, norm

from xdgmm import Background, GaussianMixture, Observations, set_num_threads
from xdgmm.errors import InputError
from xdgmm.objects import denoise
from xdgmm.prediction import distances, memberships, outlyingness

GAUSSIAN = GaussianMixture([1.0], [[1.0, 2.0]], [[[2.0, 0.5], [0.5, 1.0]]])
MIXTURE = GaussianMixture(
    [0.5, 0.3, 0.2],
    [[0.0, 0.0], [4.0, 1.0], [0.0, 9.0]],
    [[[1.0, 0.9], [0.9, 1.0]], [[0.2, 0.0], [0.0, 3.0]], [[4.0, -1.0], [-1.0, 1.0]]],
)
BESIDE = replace(MIXTURE, weights=0.7 * MIXTURE.weights, background=Background(-20.0, 20.0, fraction=0.3))
OF_MEASURED = replace(BESIDE, background=Background(-20.0, 20.0, fraction=0.3, of="measured values"))


def catalogue(mixture, N, seed, factor=1.0):
    """Observations as the model has them, a third with a value missing; noisier than they say, with a factor."""
    rng = np.random.default_rng(seed)
    truth, labels = mixture.sample(N, rng)
    roots = 0.7 * rng.normal(size=(N, 2, 2))
    noise = np.einsum("nij,nj->ni", roots, factor * rng.standard_normal((N, 2)))
    if mixture is OF_MEASURED:
        noise[labels == mixture.n_components] = 0.0
    gaps = (rng.random((N, 1)) < 0.3) & (rng.integers(0, 2, (N, 1)) == np.arange(2))
    return Observations.with_covariances(np.where(gaps, np.nan, truth + noise), roots @ roots.transpose(0, 2, 1))


def through_projections(mixture, N, seed):
    rng = np.random.default_rng(seed)
    truth, _ = mixture.sample(N, rng)
    R, errors = rng.normal(size=(N, 1, 2)), rng.uniform(0.1, 2.0, (N, 1))
    values = np.einsum("nai,ni->na", R, truth) + errors * rng.standard_normal((N, 1))
    return Observations.with_standard_errors(values, errors, projections=R)


EACH = {"one": GAUSSIAN, "several": MIXTURE, "background": BESIDE, "background of measured values": OF_MEASURED}


@pytest.mark.parametrize("mixture", EACH.values(), ids=EACH)
def test_it_is_uniform_for_data_from_the_model_and_not_for_noisier_ones(mixture):
    options = {"n_samples": 500, "rng": 1}
    assert kstest(outlyingness(mixture, catalogue(mixture, 2000, 0), **options), "uniform").pvalue > 0.01
    assert kstest(outlyingness(mixture, catalogue(mixture, 2000, 0, 2.0), **options), "uniform").pvalue < 1e-6


def test_it_is_uniform_beside_a_box_that_is_no_wider_than_the_errors():
    mixture = GaussianMixture([0.3], [[0.0]], [[[0.01]]], background=Background(-1.0, 1.0, fraction=0.7))
    rng = np.random.default_rng(5)
    errors = rng.uniform(0.5, 1.5, (1500, 1))
    values = mixture.sample(1500, rng)[0] + errors * rng.standard_normal((1500, 1))
    observations = Observations.with_standard_errors(values, errors)
    assert kstest(outlyingness(mixture, observations, n_samples=300, rng=1), "uniform").pvalue > 0.01
    measured = replace(mixture, background=Background(-1.0, 1.0, fraction=0.7, of="measured values"))
    assert kstest(outlyingness(measured, observations, n_samples=300, rng=1), "uniform").pvalue < 1e-6


@pytest.mark.parametrize("mixture", [GAUSSIAN, MIXTURE], ids=["one", "several"])
def test_it_is_uniform_through_projections(mixture):
    observations = through_projections(mixture, 2000, 3)
    assert kstest(outlyingness(mixture, observations, n_samples=500, rng=1), "uniform").pvalue > 0.01


def test_one_component_has_the_exact_answer_and_counts_the_values_seen():
    observations = Observations.with_standard_errors([[3.0, 1.0], [np.nan, 4.0]], [[1.0, 0.5], [0.0, 2.0]])
    offset, T = np.array([2.0, -1.0]), np.array([[3.0, 0.5], [0.5, 1.25]])
    squares = [offset @ np.linalg.solve(T, offset), 4.0 / 5.0]
    assert distances(GAUSSIAN, observations) == pytest.approx(np.sqrt(squares), rel=1e-12)
    assert outlyingness(GAUSSIAN, observations) == pytest.approx(chi2.sf(squares, [2, 1]), rel=1e-12)


def test_draws_agree_with_the_exact_answer_where_there_is_one():
    twice = replace(
        GAUSSIAN, weights=[0.5, 0.5], means=np.tile(GAUSSIAN.means, (2, 1)),
        covariances=np.tile(GAUSSIAN.covariances, (2, 1, 1)),
    )  # fmt: skip
    observations = catalogue(GAUSSIAN, 200, 4)
    exact = outlyingness(GAUSSIAN, observations)
    n = 5_000
    drawn = outlyingness(twice, observations, n_samples=n, rng=0)
    assert np.abs(drawn - exact).max() < 5 * np.sqrt(0.25 / n)
    assert (drawn == outlyingness(twice, observations, n_samples=n, rng=0)).all()


def test_between_two_components_it_is_the_integral_over_less_likely_values():
    mixture = GaussianMixture([0.3, 0.7], [[0.0], [5.0]], [[[1.0]], [[0.25]]])
    x, e = np.array([2.5, 5.0, -1.0]), np.array([0.5, 1.0, 2.0])
    grid = np.linspace(-30, 40, 200_001)
    for i in range(3):
        sigmas = np.hypot([1.0, 0.5], e[i])
        density = 0.3 * norm.pdf(grid, 0, sigmas[0]) + 0.7 * norm.pdf(grid, 5, sigmas[1])
        own = 0.3 * norm.pdf(x[i], 0, sigmas[0]) + 0.7 * norm.pdf(x[i], 5, sigmas[1])
        expected = np.trapezoid(np.where(density <= own, density, 0.0), grid)
        observations = Observations.with_standard_errors(x[i : i + 1], e[i])
        found = outlyingness(mixture, observations, n_samples=40_000, rng=2)
        assert found == pytest.approx(expected, abs=5 * np.sqrt(0.25 / 40_000))


def test_the_smallest_answer_says_how_many_draws_there_were(monkeypatch):
    monkeypatch.setattr(sys.modules["xdgmm.prediction.outlyingness"], "DRAWS_AT_ONCE", 40)
    observations = Observations.with_standard_errors([[1e6, 0.0], [0.0, 0.0]], 0.1)
    assert outlyingness(MIXTURE, observations, n_samples=99, rng=0)[0] == 0.01


def test_rows_without_a_value_are_no_outliers_and_impossible_ones_are():
    observations = Observations.exact([[np.nan, np.nan], [0.0, 1.0]])
    flat = GaussianMixture([1.0], [[0.0, 0.0]], [[[1.0, 1.0], [1.0, 1.0]]])
    assert outlyingness(flat, observations).tolist() == [1.0, 0.0]
    assert distances(flat, observations).tolist() == [0.0, np.inf]
    assert outlyingness(MIXTURE, observations, n_samples=9, rng=0)[0] == 1.0


def test_distances_are_from_the_most_probable_component():
    observations = catalogue(BESIDE, 300, 5)
    probable = memberships(BESIDE, observations)[:, :3].argmax(axis=1)
    found = distances(BESIDE, observations)
    for k in range(3):
        alone = GaussianMixture([1.0], MIXTURE.means[k : k + 1], MIXTURE.covariances[k : k + 1])
        mine = probable == k
        assert found[mine] == pytest.approx(distances(alone, observations)[mine], rel=1e-12)


@pytest.mark.parametrize("n_samples", [0, 1.5, "many"])
def test_draws_are_counted_in_positive_integers(n_samples):
    with pytest.raises(InputError, match="positive integer"):
        outlyingness(MIXTURE, Observations.exact([[0.0, 0.0]]), n_samples=n_samples)


def test_without_an_exact_answer_the_number_of_draws_is_asked_for():
    with pytest.raises(InputError, match="draws"):
        outlyingness(MIXTURE, Observations.exact([[0.0, 0.0]]))


def test_draws_and_answers_do_not_depend_on_the_number_of_threads(monkeypatch):
    monkeypatch.setattr(sys.modules["xdgmm.kernels.threads"], "LEAST_WORK", 1.0)
    monkeypatch.setattr(sys.modules["xdgmm.prediction.outlyingness"], "DRAWS_AT_ONCE", 1000)
    monkeypatch.setattr(sys.modules["xdgmm.prediction.memberships"], "AT_ONCE", 16)
    observations = catalogue(BESIDE, 200, 7)
    found = []
    for n_threads in (1, 2, 5):
        set_num_threads(n_threads)
        drawn = outlyingness(BESIDE, observations, n_samples=60, rng=3)
        denoised = denoise(BESIDE, observations)
        found.append([drawn, distances(BESIDE, observations), denoised.means, denoised.covariances])
    set_num_threads(None)
    for one, two, five in zip(*found, strict=True):
        assert (one == two).all()
        assert (one == five).all()
