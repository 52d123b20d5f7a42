"""What a mixture predicts for objects whose noise is a mixture, against quadrature and draws."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import kstest, norm

from xdgmm import XDGMM, GaussianMixture, Observations
from xdgmm.errors import InputError, XdgmmWarning
from xdgmm.mixture import Background
from xdgmm.objects import denoise, outlyingness
from xdgmm.prediction import doubts_about_samples, effective_samples, memberships, posteriors

MIXTURE = GaussianMixture([0.3, 0.7], [[-1.0], [2.0]], [[[0.5]], [[2.0]]])
BESIDE = GaussianMixture([0.2, 0.5], [[-1.0], [2.0]], [[[0.5]], [[2.0]]], background=Background([-3.0], [4.0], 0.3))
WEIGHTS, SHIFTS, ERRORS = np.array([0.6, 0.4]), np.array([-0.5, 1.5]), np.array([0.4, 1.2])
VALUES = np.array([0.3, -2.5, 4.5])


def observations():
    return Observations.with_noise_mixtures(VALUES, WEIGHTS, SHIFTS, standard_errors=ERRORS)


def joint(value, mixture):
    """Likelihood times density of each component, and of the background, as functions of the true value."""

    def likelihood(v):
        return WEIGHTS @ norm.pdf(value, v + SHIFTS, ERRORS)

    parts = zip(mixture.weights, mixture.means[:, 0], mixture.sigmas[:, 0], strict=True)
    functions = [lambda v, w=w, m=m, s=s: likelihood(v) * w * norm.pdf(v, m, s) for w, m, s in parts]
    if mixture.background is not None:
        (low,), (high,) = mixture.background.box
        fraction = mixture.background.fraction
        functions.append(lambda v: likelihood(v) * fraction / (high - low) * (low <= v <= high))
    return functions


def moment(function, power):
    edges = [-15.0, -3.0, 4.0, 15.0]
    return sum(quad(lambda v: v**power * function(v), *ends, epsabs=1e-13)[0] for ends in pairwise(edges))


@pytest.mark.parametrize("mixture", [MIXTURE, BESIDE], ids=["alone", "background"])
def test_memberships_and_true_values_are_those_of_integration(mixture):
    found, probabilities = denoise(mixture, observations()), memberships(mixture, observations())
    for i, value in enumerate(VALUES):
        moments = np.array([[moment(function, p) for p in range(3)] for function in joint(value, mixture)])
        whole = moments.sum(axis=0) / moments[:, 0].sum()
        np.testing.assert_allclose(probabilities[i], moments[:, 0] / moments[:, 0].sum(), rtol=0, atol=1e-8)
        assert found.means[i, 0] == pytest.approx(whole[1], abs=1e-8)
        assert found.covariances[i, 0, 0] == pytest.approx(whole[2] - whole[1] ** 2, abs=1e-8)


@pytest.mark.parametrize("mixture", [MIXTURE, BESIDE], ids=["alone", "background"])
def test_whole_posteriors_have_the_shape_of_the_noise(mixture):
    found = posteriors(mixture, observations())
    ends = np.array([-1.5, 0.5, 2.5])
    samples = found.sample(20_000, np.random.default_rng(0))[..., 0]
    for i, value in enumerate(VALUES):
        functions = joint(value, mixture)
        whole = sum(moment(function, 0) for function in functions)
        for end in ends:
            below = sum(quad(f, -15.0, end, points=[-3.0], epsabs=1e-12)[0] for f in functions) / whole
            assert np.mean(samples[i] < end) == pytest.approx(below, abs=4.0 * np.sqrt(0.25 / 20_000))
    np.testing.assert_allclose(found.mean, denoise(mixture, observations()).means, rtol=0, atol=1e-9)


def test_outlyingness_is_uniform_for_objects_of_the_mixture():
    rng = np.random.default_rng(1)
    which = rng.integers(2, size=400)
    truth = MIXTURE.sample(400, rng)[0][:, 0]
    chosen = rng.random(400) < WEIGHTS[0]
    noise = np.where(
        chosen, SHIFTS[0] + ERRORS[0] * rng.standard_normal(400), SHIFTS[1] + ERRORS[1] * rng.standard_normal(400)
    )
    measured = Observations.with_noise_mixtures(truth + noise, WEIGHTS, SHIFTS, standard_errors=ERRORS)
    assert which.size == len(measured)
    p = outlyingness(MIXTURE, measured, n_samples=200, rng=2)
    assert kstest(p, "uniform").pvalue > 0.01


def test_outlyingness_of_one_component_needs_draws_too():
    alone = MIXTURE.only(0)
    with pytest.raises(InputError, match="errors that are not Gaussian"):
        outlyingness(alone, observations())
    assert (outlyingness(alone, observations(), n_samples=50, rng=0) > 0).all()


def test_a_background_of_measured_values_is_refused():
    measured = Background([-3.0], [6.0], 0.3, of="measured values")
    with pytest.raises(InputError, match="background of measured values cannot stand beside errors that are not"):
        XDGMM(background=measured).fit(observations())


def test_samples_in_a_component_are_counted():
    rng = np.random.default_rng(3)
    measured = Observations.from_samples([rng.normal(0.0, 1.0, 4000), rng.normal(0.0, 1.0, 1000)])
    wide = effective_samples(GaussianMixture([1.0], [[0.0]], [[[1e4]]]), measured)
    np.testing.assert_allclose(wide, [4000, 1000], rtol=1e-3)
    narrow = GaussianMixture([1.0], [[0.0]], [[[0.1**2]]])
    # samples of density n phi(0) under a Gaussian q: (sum q)^2 / sum q^2 = 2 sqrt(pi) sigma times that density
    expected = 2.0 * np.sqrt(np.pi) * 0.1 * norm.pdf(0.0) * np.array([4000, 1000])
    np.testing.assert_allclose(effective_samples(narrow, measured), expected, rtol=0.15)


def test_few_samples_beside_the_widths_are_said():
    """Objects without intrinsic width: the Monte Carlo error makes it too large, and the fit says so."""
    rng = np.random.default_rng(5)
    means = rng.normal(0.0, 1.0, 400)
    few = Observations.from_samples([rng.normal(v, 1.0, 60) for v in means])
    with pytest.warns(XdgmmWarning, match=r"Monte Carlo error of .* widths come out too large; draw about \d+ times"):
        model = XDGMM().fit(few)
    assert model.mixture_.sigmas[0, 0] > 0.3
    assert any("Monte Carlo" in sentence for sentence in model.widths(few).meta["remarks"])


def test_enough_samples_are_not_mentioned():
    rng = np.random.default_rng(5)
    enough = Observations.from_samples([rng.normal(v, 0.5, 400) for v in rng.normal(0.0, 1.0, 100)])
    XDGMM().fit(enough)  # warnings are errors


def test_a_width_below_the_spacing_of_the_samples_is_said():
    rng = np.random.default_rng(5)
    samples = [rng.normal(v, 1.0, 60) for v in rng.normal(0.0, 1.0, 60)]
    narrow = GaussianMixture([1.0], [[0.0]], [[[0.03**2]]])
    (_, sentence) = doubts_about_samples(narrow, Observations.from_samples(samples))
    assert "width" in sentence
    assert "component 0 are below the spacing of the posterior samples" in sentence
    assert "`smoothing='auto'`" in sentence
    (_,) = doubts_about_samples(narrow, Observations.from_samples(samples, smoothing="auto"))
