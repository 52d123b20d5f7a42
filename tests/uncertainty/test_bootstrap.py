"""The bootstrap against closed forms, and that it is the same bootstrap every time."""

import warnings

import numpy as np
import pytest

from xdgmm import Background, DegenerateError, Fixed, GaussianMixture, InputError, Observations, datasets
from xdgmm.errors import XdgmmDeprecationWarning, XdgmmWarning
from xdgmm.fitting import Model, Settings, fit
from xdgmm.uncertainty import bootstrap, laplace
from xdgmm.uncertainty.bootstrap import Refits

PARTS = ("weights", "means", "covariances")


def two_groups(N=200, seed=1):
    rng = np.random.default_rng(seed)
    e = rng.uniform(0.2, 0.6, N)
    x = np.where(rng.random(N) < 0.6, rng.normal(0, 1, N), rng.normal(20, 2, N)) + e * rng.normal(size=N)
    return Observations.with_standard_errors(x, e)


def test_the_mean_has_the_textbook_error():
    x = np.random.default_rng(2).normal(3, 2, 60)
    observations = Observations.exact(x)
    samples = bootstrap(fit(observations), observations, n_resamples=1000, rng=3)
    estimate = samples.propagate(lambda m: m.means[0, 0], level=0.95)
    error = x.std() / np.sqrt(x.size)
    # A standard deviation from 1000 draws is good to 1 / sqrt(2000) = 2.2%, half a quantile range to 1.6 times that.
    assert samples.means[:, 0, 0].std() == pytest.approx(error, rel=4 * 0.022)
    assert estimate.error == pytest.approx(error, rel=4 * 0.037)
    assert estimate.value == pytest.approx(x.mean(), rel=1e-9)
    assert samples.means.mean() == pytest.approx(x.mean(), abs=4 * error / np.sqrt(1000))
    # Each refit is the maximum likelihood of its rows: at zero noise mean and variance of the rows drawn.
    assert samples.covariances.mean() == pytest.approx(x.var() * (1 - 1 / 60), rel=0.03)


def test_a_refit_is_the_fit_of_the_rows_repeated():
    observations = two_groups(80)
    result = fit(observations, 2, rng=0)
    seed = np.random.SeedSequence(5)
    weights, means, covariances, *_ = Refits(result, observations).refit(seed)
    rows = np.random.default_rng(seed).integers(80, size=80)
    expected = fit(observations.select(rows), 2, Settings(start=result.mixture)).mixture
    # Both are maxima to 1e-6 nats: a thousandth of a standard error.
    np.testing.assert_allclose(weights, expected.weights, atol=1e-4)
    np.testing.assert_allclose(means, expected.means, atol=1e-3)
    np.testing.assert_allclose(covariances, expected.covariances, rtol=2e-3)


def test_the_same_seed_gives_the_same_bits_with_any_number_of_processes():
    observations = two_groups()
    result = fit(observations, 2, rng=0)
    one, again, parallel, other = (
        bootstrap(result, observations, n_resamples=12, rng=seed, n_jobs=n_jobs)
        for seed, n_jobs in ((7, 1), (7, 1), (7, 2), (8, 1))
    )
    for name in PARTS:
        assert (getattr(one, name) == getattr(again, name)).all()
        assert (getattr(one, name) == getattr(parallel, name)).all()
        assert (getattr(one, name) != getattr(other, name)).any()
    # A generator moves on.
    rng = np.random.default_rng(7)
    first, second = (bootstrap(result, observations, n_resamples=12, rng=rng) for _ in range(2))
    assert (first.means == one.means).all()
    assert (second.means != one.means).any()


def test_well_separated_components_keep_their_labels():
    observations = two_groups()
    result = fit(observations, 2, rng=0)
    samples = bootstrap(result, observations, n_resamples=60, rng=1)
    uncertainty = laplace(result.mixture, observations)
    for name in ("weights", "means"):
        values = getattr(samples, name)
        assert np.abs(values - getattr(result.mixture, name)).max() < 3
        # Robust or not, here the model is right: 60 draws are good to 9%, and the errors differ by their own noise.
        error = uncertainty.propagate(lambda m, name=name: getattr(m, name)).error
        np.testing.assert_allclose(values.std(axis=0), error, rtol=0.45)


def test_components_that_come_out_in_another_order_are_matched_back():
    observations = two_groups()
    result = fit(observations, 2, rng=0)
    problem = Refits(result, observations)
    assert problem.order(problem.start).tolist() == [0, 1]
    assert problem.order(problem.start.ordered([1, 0])).tolist() == [1, 0]
    three = fit(observations, 3, rng=0)
    problem = Refits(three, observations)
    order = problem.order(problem.start.ordered([2, 0, 1]))
    assert np.array([2, 0, 1])[order].tolist() == [0, 1, 2]


def test_what_is_fixed_is_matched_with_itself():
    observations = two_groups()
    start = GaussianMixture([0.6, 0.4], [[0.0], [20.0]], [[[1.0]], [[4.0]]])
    result = fit(observations, 2, Settings(start=start, model=Model(fixed=Fixed(means=(0,)))))
    problem = Refits(result, observations)
    assert problem.order(problem.start.ordered([1, 0])).tolist() == [0, 1]
    samples = bootstrap(result, observations, n_resamples=10, rng=0)
    np.testing.assert_allclose(samples.means[:, 0], 0.0, atol=1e-12)
    assert samples.means[:, 1].std() > 0


def test_rows_keep_their_weights_and_rows_without_any_are_never_drawn():
    x = np.r_[np.random.default_rng(4).normal(size=40), 1e3, np.nan]
    weights = np.r_[np.random.default_rng(5).uniform(0.3, 3, 40), 0.0, 1.0]
    observations = Observations.exact(x, weights=weights)
    result = fit(observations)
    samples = bootstrap(result, observations, n_resamples=600, rng=6)
    x, weights = x[:40], weights[:40]
    mean = np.average(x, weights=weights)
    # Rows are the independent objects: the sandwich's error; the ratio of two sums is good to some percent more.
    expected = np.sqrt(weights**2 @ (x - mean) ** 2) / weights.sum()
    assert samples.means.std() == pytest.approx(expected, rel=4 * 0.03)


def test_the_background_is_drawn_along():
    rng = np.random.default_rng(8)
    x = np.r_[rng.normal(0, 0.1, 150), rng.uniform(-50, 50, 50)]
    observations = Observations.with_standard_errors(x, 0.01)
    result = fit(observations, 1, Settings(model=Model(background=Background(fraction=0.2))), rng=0)
    samples = bootstrap(result, observations, n_resamples=200, rng=9)
    np.testing.assert_allclose(samples.weights[:, 0] + samples.background, 1.0, atol=1e-12)
    fraction = samples.propagate(lambda m: m.background.fraction)
    # Binomial; a half quantile range of 200 draws is good to 8%.
    assert fraction.error == pytest.approx(np.sqrt(0.25 * 0.75 / 200), rel=0.3)
    assert next(samples.mixtures()).background.box == result.mixture.background.box


def test_quantiles_are_those_of_the_function_not_of_the_parameters():
    observations = two_groups()
    samples = bootstrap(fit(observations, 2, rng=0), observations, n_resamples=40, rng=1)
    estimate = samples.propagate(lambda m: m.sigmas, level=0.9)
    sigmas = np.sqrt(samples.covariances[:, :, 0, :1].reshape(40, 2, 1))
    np.testing.assert_allclose(estimate.low, np.quantile(sigmas, 0.05, axis=0), rtol=1e-12)
    np.testing.assert_allclose(estimate.high, np.quantile(sigmas, 0.95, axis=0), rtol=1e-12)
    assert len(samples) == 40


def test_a_width_of_zero_is_told():
    schools = Observations.from_table(datasets.load("eight_schools"), "y")
    with pytest.warns(XdgmmWarning, match="inconsistent"):
        bootstrap(fit(schools), schools, n_resamples=10, rng=0)


def test_resamples_that_collapse_are_counted_and_told():
    x = np.r_[np.random.default_rng(10).normal(size=60), 30.0, 30.5, 31.0]
    observations = Observations.exact(x)  # a draw of one of the last three alone leaves no width
    result = fit(observations, 2, rng=0)
    assert result.mixture.weights[1] < 0.06
    with pytest.warns(XdgmmWarning, match="left out"):
        samples = bootstrap(result, observations, n_resamples=40, rng=1)
    assert 2 < samples.n_failed < 38
    assert len(samples) + samples.n_failed == 40
    with pytest.warns(XdgmmDeprecationWarning, match="n_failed"):
        assert samples.n_lost == samples.n_failed
    for name in PARTS:
        assert np.isfinite(getattr(samples, name)).all()


def test_when_all_collapse_there_is_one_sentence():
    observations = Observations.exact([1.0, 2.0])
    result = fit(observations)
    seeds = [seed for seed in range(40) if _all_lost(observations, seed)]
    with pytest.raises(DegenerateError, match="2 resamples"):
        bootstrap(result, observations, n_resamples=2, rng=seeds[0])


def _all_lost(observations, seed):
    children = np.random.default_rng(seed).integers(2**63, size=2)
    n = len(observations)
    return all(np.unique(np.random.default_rng(child).integers(n, size=n)).size == 1 for child in children)


def test_projections_and_missing_values_are_drawn_along():
    rng = np.random.default_rng(12)
    R = rng.normal(size=(150, 1, 2))
    v = rng.normal(size=(150, 2)) * [1.0, 3.0]
    values = np.einsum("nij,nj->ni", R, v) + 0.1 * rng.normal(size=(150, 1))
    values[:10] = np.nan
    observations = Observations.with_standard_errors(values, 0.1, projections=R)
    result = fit(observations)
    samples = bootstrap(result, observations, n_resamples=100, rng=0)
    uncertainty = laplace(result.mixture, observations)
    error = uncertainty.propagate(lambda m: m.means).error
    np.testing.assert_allclose(samples.means.std(axis=0), error, rtol=0.35)  # 100 draws: 7%, and their own noise


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"n_resamples": 1}, "`n_resamples` is 1"),
        ({"n_resamples": 2.5}, "`n_resamples` is 2.5"),
        ({"n_jobs": 0}, "`n_jobs` is 0"),
        ({"progress": "loud"}, "`progress`"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(given, sentence):
    observations = Observations.exact([1.0, 2.0, 4.0])
    with pytest.raises(InputError, match=sentence):
        bootstrap(fit(observations), observations, **given)


def test_other_data_are_refused():
    observations = Observations.exact([1.0, 2.0, 4.0])
    with pytest.raises(InputError, match="fitted to"):
        bootstrap(fit(observations), Observations.exact([1.0, 2.0, 4.0, 5.0]))


def test_a_bar_is_shown_where_it_is_asked_for(capsys):
    observations = two_groups(50)
    result = fit(observations, 2, rng=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", XdgmmWarning)
        bootstrap(result, observations, n_resamples=3, rng=0, progress="always")
        assert "3/3" in capsys.readouterr().err
        bootstrap(result, observations, n_resamples=3, rng=0)
        assert capsys.readouterr().err == ""
