"""Observations of which samples of posteriors are known, against Gaussian errors and direct sums."""

import numpy as np
import pytest
from astropy import units as u
from scipy.stats import norm

from xdgmm import XDGMM, GaussianMixture, Observations
from xdgmm.errors import InputError, XdgmmWarning
from xdgmm.prediction import log_likelihoods
from xdgmm.uncertainty import parameter_errors

MIXTURE = GaussianMixture([0.3, 0.7], [[-1.0], [2.0]], [[[0.5]], [[2.0]]])


def density(v):
    parts = zip(MIXTURE.weights, MIXTURE.means[:, 0], MIXTURE.sigmas[:, 0], strict=True)
    return sum(w * norm.pdf(v, m, s) for w, m, s in parts)


def log_prior(v):
    """A prior that falls towards high values."""
    return norm.logpdf(v[:, 0], 0.0, 3.0)


@pytest.mark.parametrize("prior", [None, log_prior])
def test_the_likelihood_is_the_mean_over_the_samples_divided_by_their_prior(prior):
    rng = np.random.default_rng(0)
    samples = [rng.normal(v, 1.0, n) for v, n in ((0.0, 200), (2.0, 300), (-1.0, 250))]
    found = log_likelihoods(MIXTURE, Observations.from_samples(samples, prior))
    for each, of_object in zip(samples, found, strict=True):
        divided = 1.0 if prior is None else np.exp(-prior(each[:, None]))
        expected = np.log(np.mean(density(each) * divided) / np.mean(divided))
        assert of_object == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("smoothing", [0.0, "auto"])
def test_samples_of_gaussian_posteriors_give_the_fit_of_gaussian_errors(smoothing):
    rng = np.random.default_rng(2)
    truth, errors = rng.normal(5.0, 1.0, 300), rng.uniform(0.3, 1.0, 300)
    values = truth + errors * rng.standard_normal(300)
    samples = [rng.normal(v, e, 1000) for v, e in zip(values, errors, strict=True)]
    one = Observations.with_standard_errors(values, errors)
    exact = XDGMM().fit(one).mixture_
    error = parameter_errors(exact, one)
    drawn = XDGMM().fit(Observations.from_samples(samples, smoothing=smoothing)).mixture_
    # Monte Carlo: 1000 samples each, 300 objects; a tenth of the errors is far above it, and far below a real change
    assert abs(drawn.means[0, 0] - exact.means[0, 0]) < 0.1 * error.means[0, 0]
    assert abs(drawn.sigmas[0, 0] - exact.sigmas[0, 0]) < 0.1 * error.sigmas[0, 0]


def test_a_prior_that_is_not_flat_is_divided_out():
    """Posteriors under a prior N(0, 2^2), which pulls each object down; two columns, one of them without errors."""
    rng = np.random.default_rng(4)
    truth = rng.multivariate_normal([5.0, 1.0], [[1.0, 0.4], [0.4, 0.5]], 150)
    values = truth + 0.8 * rng.standard_normal((150, 2))
    precision = 1.0 / 0.8**2 + 1.0 / 2.0**2
    samples = [rng.normal(v / 0.8**2 / precision, precision**-0.5, (1000, 2)) for v in values]
    one = Observations.with_standard_errors(values, 0.8)
    exact = XDGMM().fit(one).mixture_
    error = parameter_errors(exact, one)
    drawn = XDGMM().fit(Observations.from_samples(samples, lambda v: norm.logpdf(v, 0.0, 2.0).sum(axis=1))).mixture_
    assert (np.abs(drawn.means[0] - exact.means[0]) < 0.15 * error.means[0]).all()
    assert (np.abs(drawn.sigmas[0] - exact.sigmas[0]) < 0.2 * error.sigmas[0]).all()
    with pytest.warns(XdgmmWarning, match="samples are few"):  # the prior makes widths too small
        ignored = XDGMM().fit(Observations.from_samples(samples)).mixture_
    assert (exact.means[0, 0] - ignored.means[0, 0]) > 3.0 * error.means[0, 0]


@pytest.mark.parametrize("smoothing", [0.3, "auto"])
def test_smoothing_keeps_mean_and_covariance(smoothing):
    rng = np.random.default_rng(5)
    samples = [rng.multivariate_normal([1.0, 2.0], [[1.0, 0.5], [0.5, 2.0]], n) for n in (100, 200)]
    points = Observations.from_samples(samples)
    smooth = Observations.from_samples(samples, smoothing=smoothing)
    np.testing.assert_allclose(smooth.values, points.values, rtol=1e-13)
    np.testing.assert_allclose(smooth.noise_covariances, points.noise_covariances, rtol=1e-12)
    np.testing.assert_allclose(points.noise_covariances[0], np.cov(samples[0].T, bias=True), rtol=1e-12)


def test_few_effective_samples_are_said():
    rng = np.random.default_rng(6)
    samples = [rng.normal(0.0, 1.0, 500), rng.normal(0.0, 1.0, 500)]
    with pytest.warns(XdgmmWarning, match=r"fewer than 50 effective samples.* in 2 objects .*draw more samples"):
        observations = Observations.from_samples(samples, lambda v: norm.logpdf(v[:, 0], 0.0, 0.7))
    assert "500 posterior samples of each object, of which" in observations.remarks[0]


def test_enough_samples_are_counted_too():
    rng = np.random.default_rng(6)
    assert Observations.from_samples([rng.normal(0, 1, 500)] * 2).remarks == (
        "500 posterior samples of each object, of which 500 to 500 count",
    )


def test_samples_may_have_a_unit():
    rng = np.random.default_rng(7)
    samples = [rng.normal(v, 0.1, 100) for v in (1.0, 2.0)]
    plain = Observations.from_samples(samples, units="km")
    mixed = Observations.from_samples([samples[0] * u.km, 1e3 * samples[1] * u.m])
    converted = Observations.from_samples([1e3 * each * u.m for each in samples], units="km")
    for one in (mixed, converted):
        assert one.units == plain.units
        np.testing.assert_allclose(one.values, plain.values, rtol=1e-14)
        np.testing.assert_allclose(one.variances, plain.variances, rtol=1e-12)


def test_lists_of_quantities_are_brought_to_the_unit_of_the_first():
    samples = [np.linspace(v, v + 1.0, 60) for v in (1.0, 2.0)]
    lists = [[v * u.km for v in samples[0]], [1e3 * v * u.m for v in samples[1]]]
    found = Observations.from_samples(lists)
    assert found.units == (u.km,)
    np.testing.assert_allclose(found.values[:, 0], [1.5, 2.5], rtol=1e-14)
    np.testing.assert_allclose(Observations.from_samples(lists, units="m").values[:, 0], [1500, 2500], rtol=1e-14)


def test_one_object_is_refused_for_what_it_is():
    samples = [np.random.default_rng(8).normal(0.0, 1.0, 400)]
    with pytest.raises(InputError, match=r"posterior samples, is largest without width .* give more objects"):
        XDGMM().fit(Observations.from_samples(samples))
    assert XDGMM().fit(Observations.from_samples(samples, smoothing="auto")).result_.converged


SAMPLES = [np.arange(60.0), np.arange(70.0)]


@pytest.mark.parametrize(
    ("samples", "options", "words"),
    [
        ([], {}, "`samples` is empty"),
        (3.0, {}, "`samples` must be a list"),
        ([*SAMPLES, [1.0]], {}, "fewer than two samples in row 2"),
        ([*SAMPLES, [1.0, np.nan]], {}, "`samples` is NaN or infinite in row 2"),
        ([*SAMPLES, np.ones((5, 2))], {}, "samples of object 2 have 2 columns, but those of object 0 have 1"),
        ([*SAMPLES, np.ones((5, 2, 2))], {}, r"samples of object 2 have shape \(5, 2, 2\)"),
        (
            SAMPLES,
            {"prior_log_density": lambda v: np.where(v[:, 0] > 65, np.nan, 0.0)},
            "NaN or infinite at samples of row 1",
        ),
        (SAMPLES, {"prior_log_density": np.sum}, r"returned shape \(\) for samples of shape \(130, 1\)"),
        ([SAMPLES[0] * u.km, SAMPLES[1]], {}, "object 0 have a unit, but those of object 1 have none"),
        ([SAMPLES[0], SAMPLES[1] * u.km], {"units": "km"}, "object 1 have a unit, but those of object 0 have none"),
        ([SAMPLES[0] * u.km, SAMPLES[1] * u.s], {}, "samples of object 1 has the unit s, which does not convert to km"),
        ([[1 * u.km, 2 * u.s]], {}, "samples of object 0 cannot be brought to one unit"),
        (SAMPLES, {"prior_log_density": lambda v: v[:, 1]}, "`prior_log_density` raised IndexError: index 1"),
        (SAMPLES, {"prior_log_density": 3.0}, "`prior_log_density` raised TypeError"),
        (SAMPLES, {"smoothing": 1.5}, "`smoothing` is 1.5"),
        (SAMPLES, {"smoothing": "some"}, "`smoothing` is 'some'"),
    ],
)
def test_bad_samples_are_refused(samples, options, words):
    with pytest.raises(InputError, match=words):
        Observations.from_samples(samples, **options)
