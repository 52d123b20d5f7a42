"""Fits of samples that a selection function has left."""

import numpy as np
import pytest
from astropy import units as u
from astropy.units import Quantity
from scipy.optimize import minimize
from scipy.stats import norm, truncnorm

from xdgmm import XDGMM, Background, Fixed, InputError, Normal, Observations, Prior, SelectionFunction
from xdgmm.fitting import Model, fit
from xdgmm.mixture import GaussianMixture
from xdgmm.uncertainty import parameter_errors, selection_errors

CUT = 20.3


def logistic(values):
    return 1.0 / (1.0 + np.exp((values[:, 0] - CUT) / 0.1))


def flux_limited(n=3000, seed=1, errors=(0.1, 0.8)):
    """Magnitudes of a normal population, of which only those measured brighter than the limit are in the sample."""
    rng = np.random.default_rng(seed)
    e = rng.uniform(*errors, n)
    measured = rng.normal(20.0, 0.6, n) + e * rng.standard_normal(n)
    seen = measured < CUT
    return measured[seen, None], e[seen, None]


def hessian(function, x, step=1e-3):
    """Second derivatives by central differences."""
    e = step * np.eye(x.size)
    signs = [(1, 1, 1.0), (1, -1, -1.0), (-1, 1, -1.0), (-1, -1, 1.0)]
    return np.array(
        [
            [sum(s * function(x + a * e[i] + b * e[j]) for a, b, s in signs) for j in range(x.size)]
            for i in range(x.size)
        ]
    ) / (4.0 * step**2)


@pytest.mark.parametrize("of", ["measured values", "true values"])
def test_exact_values_below_a_cut_have_the_fit_of_a_truncated_normal(of):
    x = flux_limited(800, errors=(0.0, 0.0))[0]

    def minus_log_likelihood(p):
        sigma = np.exp(p[1])
        return -truncnorm.logpdf(x[:, 0], -np.inf, (CUT - p[0]) / sigma, loc=p[0], scale=sigma).sum()

    expected = minimize(minus_log_likelihood, [20.0, -0.5], method="BFGS", options={"gtol": 1e-6})
    best = expected.x
    model = XDGMM(selection_function=SelectionFunction.box(high=[CUT], of=of)).fit(x)
    assert model.means_[0, 0] == pytest.approx(expected.x[0], abs=1e-5)
    assert model.mixture_.sigmas[0, 0] == pytest.approx(np.exp(expected.x[1]), abs=1e-5)
    assert model.result_.log_likelihood == pytest.approx(-expected.fun, abs=1e-8)
    errors = parameter_errors(model.mixture_, Observations.exact(x), model=model.result_.model)
    assert errors.means[0, 0] == pytest.approx(
        np.sqrt(np.linalg.inv(hessian(minus_log_likelihood, best))[0, 0]), rel=1e-3
    )


@pytest.mark.parametrize(
    "selection", [SelectionFunction.box(high=[CUT]), SelectionFunction(logistic, 64)], ids=["box", "function"]
)
def test_a_flux_limited_population_comes_back(selection):
    x, e = flux_limited()
    if not selection.is_box:  # the same sample, thinned out by the function in the place of the cut
        rng = np.random.default_rng(4)
        all_e = rng.uniform(0.1, 0.8, 3000)
        w = rng.normal(20.0, 0.6, 3000) + all_e * rng.standard_normal(3000)
        seen = rng.random(3000) < logistic(w[:, None])
        x, e = w[seen, None], all_e[seen, None]
    naive, model = XDGMM().fit(x, Xerr=e), XDGMM(selection_function=selection).fit(x, Xerr=e)
    observations = Observations.with_standard_errors(x, e)
    of_naive = parameter_errors(naive.mixture_, observations)
    errors = parameter_errors(model.mixture_, observations, model=model.result_.model)
    assert abs(naive.means_[0, 0] - 20.0) > 5 * of_naive.means[0, 0]
    assert abs(naive.mixture_.sigmas[0, 0] - 0.6) > 3 * of_naive.sigmas[0, 0]
    assert abs(model.means_[0, 0] - 20.0) < 2 * errors.means[0, 0]
    assert abs(model.mixture_.sigmas[0, 0] - 0.6) < 2 * errors.sigmas[0, 0]
    assert model.converged_


def test_an_average_over_the_errors_of_the_sample_is_biased():
    # where faint objects have large errors, the errors of the sample are selected too
    rng = np.random.default_rng(3)
    n = 20_000
    e = np.where(rng.random(n) < 0.5, 0.05, 1.5)
    measured = rng.normal(21.0, 0.5, n) + e * rng.standard_normal(n)
    x, e = measured[measured < CUT, None], e[measured < CUT, None]
    own = XDGMM(selection_function=SelectionFunction.box(high=[CUT])).fit(x, Xerr=e)
    error = parameter_errors(own.mixture_, Observations.with_standard_errors(x, e), model=own.result_.model)

    def minus_average(p):  # one Z for all, averaged over the errors of the sample
        v = np.exp(2 * p[1])
        mean_Z = norm.cdf((CUT - p[0]) / np.sqrt(v + e**2)).mean()
        return -norm.logpdf(x, p[0], np.sqrt(v + e**2)).sum() + len(x) * np.log(mean_Z)

    averaged = minimize(minus_average, [20.5, -0.5], method="Nelder-Mead").x
    assert abs(own.means_[0, 0] - 21.0) < 2 * error.means[0, 0]
    assert abs(averaged[0] - 21.0) > 3 * error.means[0, 0]


def test_the_number_of_samples_and_their_seed_hardly_matter():
    x, e = flux_limited(300)
    fits = [
        XDGMM(selection_function=SelectionFunction(logistic, n, seed=seed)).fit(x, Xerr=e)
        for n, seed in ((64, 0), (128, 1), (512, 2))
    ]
    means, sigmas = ([getattr(each, name).item() for each in fits] for name in ("means_", "covariances_"))
    likelihoods = [each.result_.log_likelihood for each in fits]
    assert np.ptp(means) < 0.01
    assert np.ptp(sigmas) < 0.01
    assert np.ptp(likelihoods) < 0.1
    again = XDGMM(selection_function=SelectionFunction(logistic, 64)).fit(x, Xerr=e)
    np.testing.assert_array_equal(again.means_, fits[0].means_)


def test_weights_and_likelihood_do_not_depend_on_the_number_of_samples_within_their_stated_error():
    rng = np.random.default_rng(8)
    e = rng.choice([0.1, 0.3], 1200)
    w = np.where(rng.random(1200) < 0.6, 18.5, 20.0) + 0.4 * rng.standard_normal(1200) + e * rng.standard_normal(1200)
    seen = rng.random(1200) < logistic(w[:, None])
    stars = Observations.with_standard_errors(w[seen, None], e[seen, None])
    few, many = (
        XDGMM(2, selection_function=SelectionFunction(logistic, n), random_state=0).fit(stars) for n in (512, 32768)
    )
    stated = selection_errors(few.mixture_, stars)
    assert abs(few.result_.log_likelihood - many.result_.log_likelihood) < 4 * stated.log_likelihood_monte_carlo
    of_weights = stated.monte_carlo(lambda mixture: mixture.weights)
    assert (of_weights > 0).all()
    assert (np.abs(few.weights_ - many.weights_) < 4 * of_weights).all()


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
def test_every_covariance_type_with_missing_values_beside_a_background(covariance_type):
    rng = np.random.default_rng(6)
    n, D = 1200, 2
    truth = GaussianMixture([0.6, 0.4], [[0.0, 0.0], [2.0, 1.0]], 0.3 * np.stack([np.eye(2)] * 2))
    values = truth.sample(n, rng)[0] + 0.2 * rng.standard_normal((n, D))
    values[: n // 8] = rng.uniform(-4, 6, (n // 8, D)) + 0.2 * rng.standard_normal((n // 8, D))
    values = values[values[:, 0] < 2.2]
    values[::5, 1] = np.nan
    model = XDGMM(
        2,
        covariance_type=covariance_type,
        background=Background([-4, -4], [6, 6]),
        selection_function=SelectionFunction.box(high=[2.2, None]),
        random_state=0,
        n_init=2,
    ).fit(values, Xerr=0.2)
    assert model.converged_
    observations = Observations.with_standard_errors(values, 0.2)
    errors = parameter_errors(model.mixture_, observations, model=model.result_.model)
    order = np.argsort(model.means_[:, 0])
    assert (np.abs(model.means_ - truth.means[np.argsort(order)]) < 3 * errors.means).all()
    assert errors.means.max() < 0.15
    assert model.background_fraction_ == pytest.approx(1 / 8, abs=0.04)


def test_fixed_parameters_and_priors_hold():
    x, e = flux_limited(500)
    start = GaussianMixture([1.0], [[20.1]], [[[0.3]]])
    cut = SelectionFunction.box(high=[CUT])
    fixed = XDGMM(init=start, fixed=Fixed(means=(0,)), selection_function=cut).fit(x, Xerr=e)
    assert fixed.means_[0, 0] == pytest.approx(20.1, rel=1e-14)
    prior = Prior(means=Normal([20.6], [[0.01**2]]))
    held = XDGMM(prior=prior, selection_function=cut).fit(x, Xerr=e)
    assert held.means_[0, 0] == pytest.approx(20.6, abs=0.02)
    assert held.converged_


def test_edges_have_units_and_names():
    x, e = flux_limited(300)
    plain = XDGMM(selection_function=SelectionFunction.box(high=[CUT])).fit(x, Xerr=e)
    stars = Observations.with_standard_errors(Quantity(x, u.mag), Quantity(e, u.mag), names=["g"])
    named = XDGMM(selection_function=SelectionFunction.box(high={"g": 1e3 * CUT * u.mmag})).fit(stars)
    np.testing.assert_allclose(named.means_, plain.means_, rtol=1e-9)
    assert repr(named.selection_function) == "<SelectionFunction: measured g below 20300.0 mmag>"


X = np.array([[19.0], [19.5], [20.0], [20.2], [19.8]])


def raises(_):
    raise ZeroDivisionError("no map here")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda v: np.full(len(v), np.nan), "returned nan at \\(19\\), but a probability lies between 0 and 1"),
        (lambda v: np.full(len(v), 1.5), "returned 1.5 at \\(19\\), but a probability lies between 0 and 1"),
        (lambda v: np.zeros(len(v)), "zero for every object of the sample"),
        (
            lambda v: (v[:, 0] < 20.1).astype(float),
            "zero for row 3, so no such object is in a sample; leave this object out",
        ),
        (lambda v: np.ones((len(v), 2)), "returned shape \\(5, 2\\) for values of shape \\(5, 1\\)"),
        (lambda _: "often", "array that the selection function returned"),
        (raises, "the selection function raised ZeroDivisionError: no map here"),
    ],
)
def test_a_function_that_gives_no_probabilities_is_refused(function, message):
    with pytest.raises(InputError, match=message):
        XDGMM(selection_function=SelectionFunction(function)).fit(X, Xerr=0.1)


def test_booleans_of_a_function_are_zeros_and_ones():
    values, errors = flux_limited(300)
    found = [
        XDGMM(selection_function=SelectionFunction(function, n_samples=256)).fit(values, Xerr=errors).mixture_
        for function in (lambda v: v[:, 0] < CUT, lambda v: np.where(v[:, 0] < CUT, 1.0, 0.0))
    ]
    np.testing.assert_array_equal(found[0].covariances, found[1].covariances)


def test_new_objects_outside_the_cut_are_refused_in_a_sentence_that_holds_for_them():
    x, e = flux_limited(300)
    model = XDGMM(selection_function=SelectionFunction.box(high=[CUT])).fit(x, Xerr=e)
    message = "rows 0, 2 lie outside the selection function's cut in x1, which lets no such .*; leave these objects out"
    with pytest.raises(InputError, match=message):
        model.score_samples([[CUT + 1.0], [CUT - 1.0], [CUT + 2.0]], Xerr=0.1)


def test_nan_stands_for_a_missing_value():
    values = np.column_stack([X, X])
    values[1, 1] = np.nan
    with pytest.raises(InputError, match="NaN stands for a missing value there"):
        XDGMM(selection_function=SelectionFunction(lambda v: 0.01 * v[:, 1])).fit(values, Xerr=0.1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "a box of a selection function needs `low` or `high`"),
        ({"high": [20.5, 3.0]}, "`high` of the selection function has 2 entries, but there are 1 columns"),
        ({"high": {"g": 20.5}}, "`high` of the selection function names 'g', but the columns are x1"),
        ({"low": [21.0], "high": [20.5]}, "`low` of the selection function must lie below `high`"),
        (
            {"high": [20.1]},
            "row 3 lies outside the selection function's cut in x1, which lets no such object in; leave this",
        ),
        ({"high": 20.5}, "give one number for each coordinate"),
        ({"high": [20.5], "of": "stars"}, "`of` of the selection function is 'stars'"),
        ({"high": [20.5 * u.mag]}, "has the unit mag, but 'x1' has none"),
    ],
)
def test_a_box_that_does_not_fit_is_refused(given, message):
    with pytest.raises(InputError, match=message):
        XDGMM(selection_function=SelectionFunction.box(**given)).fit(X, Xerr=0.1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((0.5,), "`function` of the selection function is 0.5, but it must be callable"),
        (
            (logistic, 63),
            "is 63, but it must be a whole number from 64 to 1048576, since fewer samples bias the widths",
        ),
    ],
)
def test_arguments_of_a_function_are_checked(given, message):
    with pytest.raises(InputError, match=message):
        SelectionFunction(*given)


def test_what_cannot_be_combined_is_refused():
    cut = SelectionFunction.box(high=[None, 20.5])
    with pytest.raises(InputError, match="edges of a background cannot be fitted"):
        Model(background=Background(), selection_function=cut)
    with pytest.raises(InputError, match="cannot be combined"):
        Model(family="t", selection_function=cut)
    with pytest.raises(InputError, match="must be a SelectionFunction"):
        XDGMM(selection_function=logistic).fit(X)
    missing = np.column_stack([X, X])
    missing[2, 1] = np.nan
    with pytest.raises(InputError, match="row 2 has no value there"):
        fit(Observations.exact(missing), 1, settings_of(cut))
    projected = Observations.with_standard_errors(X, 0.1 * np.ones_like(X), projections=np.ones((5, 1, 1)))
    with pytest.raises(InputError, match="can only cut the measured values"):
        fit(projected, 1, settings_of(SelectionFunction.box(high=[20.5], of="true values")))


def settings_of(selection):
    from xdgmm.fitting import Settings

    return Settings(model=Model(selection_function=selection))
