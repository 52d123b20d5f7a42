"""Completeness, Monte Carlo errors, and what else is asked of a fit with a selection function."""

import pickle

import numpy as np
import pytest
from scipy.stats import kstest, norm

from xdgmm import XDGMM, Background, GaussianMixture, InputError, Observations, SelectionFunction, select
from xdgmm.diagnostics import check, error_scale, influence, quick_checks, residuals, simulate, unusual_objects
from xdgmm.errors import XdgmmWarning
from xdgmm.objects import denoise, log_likelihoods, memberships, outlyingness
from xdgmm.uncertainty import (
    bootstrap,
    laplace,
    profile_interval,
    sample_posterior,
    selection_errors,
    width_limit,
)
from xdgmm.widths import widths

CUT = 20.3
BOX = SelectionFunction.box(high=[CUT])


def logistic(values):
    return 1.0 / (1.0 + np.exp((values[:, 0] - CUT) / 0.1))


def sample(n=1500, seed=1, function=None):
    rng = np.random.default_rng(seed)
    e = rng.choice([0.1, 0.3, 0.8], n)
    measured = rng.normal(20.0, 0.6, n) + e * rng.standard_normal(n)
    seen = measured < CUT if function is None else rng.random(n) < function(measured[:, None])
    return Observations.with_standard_errors(measured[seen, None], e[seen, None], names=["g"])


def fitted(selection, stars, **options):
    return XDGMM(selection_function=selection, random_state=0, **options).fit(stars)


def test_completeness_is_that_of_the_population():
    stars = sample()
    model = fitted(BOX, stars)
    found = selection_errors(model.mixture_, stars)
    assert found.completeness.value == pytest.approx(model.result_.completeness, rel=1e-12)
    assert abs(found.completeness.value - len(stars) / 1500) < 2 * found.completeness.error
    assert 0.005 < found.completeness.error < 0.1
    assert found.completeness_monte_carlo == found.log_likelihood_monte_carlo == 0.0
    assert found.monte_carlo(lambda mixture: mixture.sigmas[0, 0]) == 0.0

    def completeness(mixture):
        Z = norm.cdf((CUT - mixture.means[0, 0]) / np.sqrt(mixture.covariances[0, 0, 0] + stars.noise**2))
        return 1.0 / np.mean(1.0 / Z)

    expected = laplace(model.mixture_, stars, model=model.result_.model).propagate(completeness)
    assert found.completeness.value == pytest.approx(expected.value, rel=1e-9)
    assert found.completeness.error == pytest.approx(expected.error, rel=1e-4)


def test_monte_carlo_errors_are_the_scatter_of_fits_with_other_samples():
    stars = sample(500, function=logistic)
    fits = [fitted(SelectionFunction(logistic, 64, seed=seed), stars) for seed in range(12)]
    found = [selection_errors(each.mixture_, stars) for each in fits]
    for name, numbers, claimed in (
        ("mean", [each.means_.item() for each in fits], [f.monte_carlo(lambda m: m.means[0, 0]) for f in found]),
        ("sigma", [f.mixture_.sigmas.item() for f in fits], [f.monte_carlo(lambda m: m.sigmas[0, 0]) for f in found]),
        ("lnL", [f.result_.log_likelihood for f in fits], [f.log_likelihood_monte_carlo for f in found]),
        ("complete", [f.result_.completeness for f in fits], [f.completeness_monte_carlo for f in found]),
    ):
        assert 0.4 < np.std(numbers, ddof=1) / np.sqrt(np.mean(np.square(claimed))) < 2.5, name


def test_the_report_says_what_was_selected_and_warns_of_few_samples():
    stars = sample(function=logistic)
    report = widths(fitted(SelectionFunction(logistic, 256), stars).result_, stars)
    remarks = " ".join(report.meta["remarks"])
    assert "the mixture is that of all objects, of which the sample has" in remarks
    assert "(selection function: logistic)" in remarks
    assert "Monte Carlo errors of the widths, from importance samples: g of component 0" in remarks
    exact = sample(3000, function=logistic)
    same_noise = Observations.with_standard_errors(exact.values, 0.3, names=["g"])
    few = fitted(SelectionFunction(logistic, 64), same_noise)
    with pytest.warns(XdgmmWarning, match="raise `n_samples` of the selection function"):
        widths(few.result_, same_noise)


def test_a_sample_that_has_only_a_tail_is_extrapolated():
    """Values that fall from the cut on, as an exponential distribution does, have no maximum beyond it."""
    tail = 0.31 + np.random.default_rng(0).exponential(1.0, 300)
    stars = Observations.with_standard_errors(tail, 0.05)
    with pytest.warns(XdgmmWarning, match="is extrapolated from its tail"):
        beyond = fitted(SelectionFunction.box(low=[0.3]), stars)
    assert selection_errors(beyond.mixture_, stars).extrapolated
    assert "is extrapolated from its tail" in " ".join(beyond.result_.remarks)
    with pytest.warns(XdgmmWarning, match=r"hardly determines the population outside .*are extrapolated; fix a"):
        report = widths(beyond.result_, stars)
    assert "hardly determines the population outside the selection" in " ".join(report.meta["remarks"])


@pytest.mark.parametrize("depth", [-1.5, 0.0], ids=["a few percent, badly known", "a half"])
def test_a_completeness_with_a_large_error_is_extrapolated(depth):
    x = np.random.default_rng(3).normal(0.0, 1.0, 4000)
    stars = Observations.exact(x[x < depth])
    found = selection_errors(fitted(SelectionFunction.box(high=[depth]), stars).mixture_, stars)
    assert found.extrapolated == (found.completeness.error > 0.5 * found.completeness.value) == (depth < -1.0)


@pytest.mark.parametrize("selection", [BOX, SelectionFunction(logistic, 128)], ids=["box", "function"])
def test_all_errors_see_the_selection(selection):
    stars = sample(600, function=None if selection.is_box else logistic)
    result = fitted(selection, stars).result_
    information = result.uncertainty(stars).propagate(lambda mixture: mixture.sigmas[0, 0])
    sandwich = result.uncertainty(stars, "sandwich").propagate(lambda mixture: mixture.sigmas[0, 0])
    resampled = bootstrap(result, stars, n_resamples=60, rng=0).propagate(lambda mixture: mixture.sigmas[0, 0])
    profile = profile_interval(result.mixture, stars, 0, 0, model=result.model)
    assert sandwich.error == pytest.approx(information.error, rel=0.2)
    assert resampled.error == pytest.approx(information.error, rel=0.35)
    assert profile.error == pytest.approx(information.error, rel=0.2)


def test_a_width_that_is_not_resolved_has_a_limit():
    rng = np.random.default_rng(2)
    measured = 20.0 + 0.3 * rng.standard_normal(150)
    stars = Observations.with_standard_errors(measured[measured < CUT, None], 0.3, names=["g"])
    result = fitted(BOX, stars).result_
    limit = width_limit(result.mixture, stars, 0, 0, model=result.model)
    assert limit.consistent_with_zero
    assert result.mixture.sigmas[0, 0] < limit.upper < 0.3


@pytest.mark.slow
def test_the_posterior_sees_the_selection():
    stars = sample(400)
    result = fitted(BOX, stars).result_
    samples = sample_posterior(result, stars, rng=0, progress="never")
    found = samples.propagate(lambda mixture: mixture.means[0, 0])
    expected = result.uncertainty(stars).propagate(lambda mixture: mixture.means[0, 0])
    assert abs(found.value - result.mixture.means[0, 0]) < 0.7 * expected.error
    assert found.error == pytest.approx(expected.error, rel=0.5)


@pytest.mark.parametrize("selection", [BOX, SelectionFunction(logistic, 256)], ids=["box", "function"])
def test_likelihoods_of_objects_are_those_of_the_fit(selection):
    stars = sample(400, function=None if selection.is_box else logistic)
    model = fitted(selection, stars)
    assert log_likelihoods(model.mixture_, stars).sum() == pytest.approx(model.result_.log_likelihood, rel=1e-10)
    assert model.score(stars) == pytest.approx(model.lower_bound_, rel=1e-10)
    assert model.bic(stars) == pytest.approx(2 * np.log(len(stars)) - 2 * model.result_.log_likelihood, rel=1e-10)
    part = stars.select(slice(5))
    np.testing.assert_allclose(log_likelihoods(model.mixture_, part), log_likelihoods(model.mixture_, stars)[:5])


def test_memberships_and_true_values_do_not_depend_on_a_selection_of_measured_values():
    # p(k | w) and p(v | w): S(w) cancels
    stars = sample(500)
    model = fitted(BOX, stars, n_components=2)
    bare = GaussianMixture(model.weights_, model.means_, model.covariances_, names=["g"])
    np.testing.assert_allclose(memberships(model.mixture_, stars), memberships(bare, stars))
    np.testing.assert_allclose(denoise(model.mixture_, stars).means, denoise(bare, stars).means)


def test_simulated_catalogues_have_the_selection():
    stars = sample(800)
    model = fitted(BOX, stars)
    drawn = simulate(model, stars, 2, rng=1, parameters="fixed")
    assert all((each.values < CUT).all() for each in drawn)
    m, V, e = model.means_[0, 0], model.covariances_[0, 0, 0], stars.noise[:, 0]
    scale = np.sqrt(V + e**2)
    p = norm.cdf((drawn[0].values[:, 0] - m) / scale) / norm.cdf((CUT - m) / scale)
    assert kstest(p, "uniform").pvalue > 0.01


def test_simulated_catalogues_of_true_values_in_a_box():
    rng = np.random.default_rng(0)
    truth = rng.normal(20.0, 0.6, 1000)
    truth = truth[truth < CUT]
    stars = Observations.with_standard_errors(truth + 0.5 * rng.standard_normal(truth.size), 0.5, names=["g"])
    model = fitted(SelectionFunction.box(high={"g": CUT}, of="true values"), stars)
    drawn = simulate(model, stars, 1, rng=1, parameters="fixed")[0].values
    assert (drawn > CUT).any()
    assert drawn.mean() == pytest.approx(stars.values.mean(), abs=0.08)
    for question in (memberships, denoise, log_likelihoods):
        with pytest.raises(InputError, match="selection function has left"):
            question(model.mixture_, stars)
    with pytest.raises(InputError, match="sandwich of objects whose true values were selected"):
        model.result_.uncertainty(stars, "sandwich")


@pytest.mark.parametrize(
    "question",
    [
        residuals,
        check,
        influence,
        unusual_objects,
        outlyingness,
        error_scale,
        lambda mixture, stars: laplace(mixture, stars, information="expected"),
    ],
)
def test_what_does_not_know_selections_says_so(question):
    stars = sample(200)
    with pytest.raises(InputError, match="selection function"):
        question(fitted(BOX, stars).mixture_, stars)


def test_nothing_is_found_in_residuals_of_a_sample_that_was_cut():
    stars = sample(1500)
    assert quick_checks(fitted(BOX, stars).mixture_, stars) == []


def test_the_number_of_components_is_chosen_with_the_selection():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(18.0, 0.3, 600), rng.normal(20.0, 0.4, 600)])
    stars = Observations.exact(x[x < 19.9], names=["g"])
    chosen = select(
        stars, n_components=range(1, 4), selection_function=SelectionFunction.box(high=[19.9]), random_state=0
    )
    assert chosen.n_components == 2
    np.testing.assert_allclose(np.sort(chosen.estimator.means_[:, 0]), [18.0, 20.0], atol=0.15)


@pytest.mark.parametrize("suffix", [".fits", ".ecsv"])
def test_a_file_keeps_a_box(tmp_path, suffix):
    stars = sample(300)
    model = fitted(BOX, stars)
    model.mixture_.write(tmp_path / f"model{suffix}")
    read = GaussianMixture.read(tmp_path / f"model{suffix}")
    np.testing.assert_allclose(log_likelihoods(read, stars), log_likelihoods(model.mixture_, stars), rtol=1e-12)
    again = laplace(read, stars).standard_errors
    np.testing.assert_allclose(again, laplace(model.mixture_, stars).standard_errors, rtol=1e-9)


def test_a_file_keeps_the_name_of_a_function_and_refuses_what_needs_it(tmp_path):
    stars = sample(300, function=logistic)
    model = fitted(SelectionFunction(logistic, 64), stars)
    model.mixture_.write(tmp_path / "model.fits")
    read = GaussianMixture.read(tmp_path / "model.fits")
    with pytest.raises(InputError, match="fitted with the selection function 'logistic', which a file cannot hold"):
        laplace(read, stars)
    with pytest.raises(InputError, match="which a file cannot hold"):
        log_likelihoods(read, stars)
    np.testing.assert_allclose(memberships(read, stars), 1.0)


def test_results_can_be_pickled():
    stars = sample(200, function=logistic)
    result = fitted(SelectionFunction(logistic, 64), stars).result_
    again = pickle.loads(pickle.dumps(result))
    assert again.completeness == result.completeness
    np.testing.assert_allclose(log_likelihoods(again.mixture, stars), log_likelihoods(result.mixture, stars))


def test_without_a_selection_function_there_is_nothing_to_say():
    stars = sample(100)
    model = XDGMM(background=Background([15.0], [25.0])).fit(stars)
    assert model.result_.completeness is None
    with pytest.raises(InputError, match="without a selection function"):
        selection_errors(model.mixture_, stars)
