"""Memberships known beforehand: the density of object i is ``sum_k p_ik N_k``, and no weight is fitted."""

import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import kstest, norm

from xdgmm import XDGMM, Background, Dirichlet, GaussianMixture, InputError, Observations, Prior, select
from xdgmm.diagnostics import residuals, simulate
from xdgmm.fitting import Fixed, Model, Settings, fit
from xdgmm.mixture.storage import contents_of
from xdgmm.objects import memberships, outlyingness
from xdgmm.prediction import total_log_likelihood
from xdgmm.uncertainty import bootstrap, laplace, profile_interval, width_limit
from xdgmm.widths import widths


def stars(n=400, seed=1, sigma=8.0):
    """Velocities of a dwarf galaxy before the Milky Way, with membership probabilities from their positions."""
    rng = np.random.default_rng(seed)
    p = rng.beta(0.6, 0.6, n)
    member = rng.random(n) < p
    v = np.where(member, rng.normal(50.0, sigma, n), rng.normal(20.0, 40.0, n))
    errors = rng.uniform(1.0, 4.0, n)
    return Observations.with_standard_errors(v + errors * rng.standard_normal(n), errors, names="v"), p


def by_definition(theta, observations, p):
    (m0, m1), (s0, s1) = theta[:2], np.exp(theta[2:])
    x, e = observations.values[:, 0], observations.noise[:, 0]
    first, second = norm.pdf(x, m0, np.hypot(s0, e)), norm.pdf(x, m1, np.hypot(s1, e))
    return float(np.log(p * first + (1.0 - p) * second).sum())


def test_the_fit_is_the_maximum_of_the_definition():
    observations, p = stars()
    result = fit(observations.with_memberships(p), 2)
    mixture = result.mixture
    theta = np.concatenate([mixture.means[:, 0], np.log(mixture.sigmas[:, 0])])
    assert result.log_likelihood == pytest.approx(by_definition(theta, observations, p), abs=1e-9)
    best = minimize(lambda t: -by_definition(t, observations, p), [50.0, 20.0, 2.0, 3.5], method="BFGS")
    np.testing.assert_allclose(theta, best.x, rtol=2e-5)
    assert result.converged
    assert result.n_parameters == 4
    np.testing.assert_allclose(mixture.weights, [p.mean(), 1.0 - p.mean()], rtol=1e-13)


def test_certain_memberships_are_separate_fits():
    observations, p = stars()
    member = p > 0.5
    together = fit(observations.with_memberships(member), 2).mixture
    for k, rows in enumerate((member, ~member)):
        alone = fit(observations.select(rows)).mixture
        np.testing.assert_allclose(together.means[k], alone.means[0], rtol=1e-7)
        np.testing.assert_allclose(together.sigmas[k], alone.sigmas[0], rtol=1e-6)


def test_equal_memberships_are_fixed_weights():
    observations, _ = stars()
    start = GaussianMixture([0.3, 0.7], [[50.0], [20.0]], [[[64.0]], [[1600.0]]], names="v")
    held = fit(observations, 2, Settings(start=start, model=Model(fixed=Fixed(weights=(0, 1)))))
    known = fit(observations.with_memberships(np.full(400, 0.3)), 2, Settings(start=start))
    assert known.log_likelihood == pytest.approx(held.log_likelihood, abs=1e-7)
    np.testing.assert_allclose(known.mixture.sigmas, held.mixture.sigmas, rtol=1e-5)
    assert known.n_parameters == held.n_parameters


def test_truth_is_recovered_where_cuts_and_weights_are_more_than_three_errors_off():
    observations, p = stars(3000, seed=4)
    known = observations.with_memberships(p)
    report = widths(fit(known, 2), known)
    assert "weights are means of the memberships" in " ".join(report.meta["remarks"])
    assert abs(report["sigma"][0] - 8.0) < 2.0 * report["sigma_error"][0]
    for rows, weights in ((p > 0.9, None), (np.full(3000, fill_value=True), p)):
        naive = replace(observations, weights=weights).select(rows)
        of_naive = widths(fit(naive), naive)
        assert of_naive["sigma"][0] - 8.0 > 3.0 * of_naive["sigma_error"][0]


def test_rows_keep_their_memberships():
    observations, p = stars(60)
    observations = observations.with_memberships(np.column_stack([p, 1.0 - p]))
    rows = np.array([5, 3, 3])
    np.testing.assert_array_equal(observations.select(rows).memberships, observations.memberships[rows])
    np.testing.assert_array_equal(observations[10:20].memberships, observations.memberships[10:20])
    for other in (observations.transform([[2.0]]), observations.rescaled(3.0, 2.0), observations.in_units(["km/s"])):
        np.testing.assert_array_equal(other.memberships, observations.memberships)
    assert observations.with_memberships(None).memberships is None
    assert "memberships in 2 components known" in repr(observations)


def test_weights_of_objects_are_frequencies():
    observations, p = stars(80)
    times = np.random.default_rng(0).integers(1, 4, 80)
    known = replace(observations.with_memberships(p), weights=times.astype(float))
    repeated = observations.with_memberships(p).select(np.repeat(np.arange(80), times))
    one, other = fit(known, 2), fit(repeated, 2)
    assert one.log_likelihood == pytest.approx(other.log_likelihood, abs=1e-8)
    np.testing.assert_allclose(one.mixture.sigmas, other.mixture.sigmas, rtol=1e-5)


def test_memberships_of_the_fit_are_bayes_rule_with_known_ones():
    observations, p = stars()
    known = observations.with_memberships(p)
    mixture = fit(known, 2).mixture
    x, e = observations.values[:, 0], observations.noise[:, 0]
    joint = np.column_stack([p, 1.0 - p]) * np.stack(
        [norm.pdf(x, m, np.hypot(s, e)) for m, s in zip(mixture.means[:, 0], mixture.sigmas[:, 0], strict=True)], axis=1
    )
    np.testing.assert_allclose(memberships(mixture, known), joint / joint.sum(axis=1)[:, None], atol=1e-12)
    general = joint / np.column_stack([p, 1.0 - p]) * mixture.weights  # of new objects nothing is known
    np.testing.assert_allclose(memberships(mixture, observations), general / general.sum(axis=1)[:, None], atol=1e-12)
    assert total_log_likelihood(mixture, known) == pytest.approx(np.log(joint.sum(axis=1)).sum(), abs=1e-9)


def test_an_object_without_values_keeps_what_is_known():
    values = [[1.0], [2.0], [np.nan], [30.0], [31.0]]
    observations = Observations.with_standard_errors(values, 1.0).with_memberships([0.9, 0.8, 0.25, 0.1, 0.2])
    mixture = fit(observations, 2).mixture
    np.testing.assert_allclose(memberships(mixture, observations)[2], [0.25, 0.75])


def test_residuals_and_outlyingness_use_what_is_known():
    rng = np.random.default_rng(3)
    n = 2000
    p = np.where(rng.random(n) < 0.5, 0.97, 0.03)
    member = rng.random(n) < p
    mixture = GaussianMixture([0.5, 0.5], [[0.0], [10.0]], [[[1.0]], [[4.0]]])
    v = np.where(member, rng.normal(0.0, 1.0, n), rng.normal(10.0, 2.0, n)) + 0.5 * rng.standard_normal(n)
    observations = Observations.with_standard_errors(v, 0.5).with_memberships(p)
    assert kstest(residuals(mixture, observations)[:, 0], "norm").pvalue > 0.01
    first = observations.select(p > 0.5)
    assert kstest(residuals(mixture, first)[:, 0], "norm").pvalue > 0.01
    bare = replace(first, memberships=None)
    assert kstest(residuals(mixture, bare)[:, 0], "norm").pvalue < 1e-9
    few = first.select(slice(0, 300))
    assert kstest(outlyingness(mixture, few, n_samples=200, rng=1), "uniform").pvalue > 0.01


def test_simulated_catalogues_draw_components_from_what_is_known():
    observations, p = stars(500)
    known = observations.with_memberships(np.where(p > 0.5, 1.0, 0.0))
    mixture = GaussianMixture([0.5, 0.5], [[0.0], [1000.0]], [[[1.0]], [[1.0]]], names="v")
    drawn = simulate(mixture, known, 1, rng=2, parameters="fixed")[0]
    np.testing.assert_array_equal(drawn.values[:, 0] < 500.0, p > 0.5)
    np.testing.assert_array_equal(drawn.memberships, known.memberships)


@pytest.mark.parametrize("of", ["true values", "measured values"])
def test_a_background_has_the_last_column(of):
    rng = np.random.default_rng(6)
    n = 1500
    known = rng.dirichlet([0.5, 0.5, 0.3], n)
    label = (rng.random((n, 1)) > np.cumsum(known, axis=1)[:, :-1]).sum(axis=1)
    v = np.choose(label, [rng.normal(-3.0, 1.0, n), rng.normal(4.0, 2.0, n), rng.uniform(-20.0, 20.0, n)])
    errors = np.full(n, 0.3)
    w = v + errors * rng.standard_normal(n)
    observations = Observations.with_standard_errors(w, errors).with_memberships(known)
    background = Background(-25.0, 25.0, of=of)
    result = fit(observations, 2, Settings(model=Model(background=background)))
    mixture = result.mixture
    densities = np.stack(
        [norm.pdf(w, m, np.hypot(s, 0.3)) for m, s in zip(mixture.means[:, 0], mixture.sigmas[:, 0], strict=True)], 1
    )
    uniform = (norm.cdf((25.0 - w) / 0.3) - norm.cdf((-25.0 - w) / 0.3)) / 50.0
    total = np.log((known[:, :2] * densities).sum(axis=1) + known[:, 2] * uniform)
    assert result.log_likelihood == pytest.approx(total.sum(), abs=1e-8)
    assert result.n_parameters == 4
    np.testing.assert_allclose(mixture.all_weights, known.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(mixture.sigmas[:, 0], [1.0, 2.0], rtol=0.2)
    few = observations.select(slice(0, 50))
    assert (outlyingness(mixture, few, n_samples=20, rng=0) > 0).all()
    with pytest.raises(InputError, match=r"`memberships` has 2 columns, but 3 are needed.*the background's the last"):
        fit(
            observations.with_memberships(known[:, :2] / known[:, :2].sum(axis=1)[:, None]),
            2,
            Settings(model=Model(background=background)),
        )


def test_fitted_edges_of_a_background_use_what_is_known():
    rng = np.random.default_rng(8)
    n = 600
    p = rng.beta(0.5, 0.5, n)
    v = np.where(rng.random(n) < p, rng.normal(0.0, 1.0, n), rng.uniform(-10.0, 10.0, n))
    observations = Observations.with_standard_errors(v + 0.2 * rng.standard_normal(n), 0.2).with_memberships(p)
    background = fit(observations, 1, Settings(model=Model(background=Background()))).mixture.background
    np.testing.assert_allclose(np.ravel(background.box), [-10.0, 10.0], atol=0.3)
    assert background.fraction == pytest.approx(1.0 - p.mean())


def test_errors_by_every_method_agree():
    observations, p = stars(600, seed=9)
    known = observations.with_memberships(p)
    result = fit(known, 2)
    curved = laplace(result.mixture, known).propagate(lambda mixture: mixture.sigmas[0, 0]).error
    resampled = bootstrap(result, known, n_resamples=60, rng=1, progress="never")
    assert resampled.propagate(lambda mixture: mixture.sigmas[0, 0]).error == pytest.approx(curved, rel=0.4)
    np.testing.assert_allclose(resampled.weights, np.broadcast_to(result.mixture.weights, resampled.weights.shape))
    profile = profile_interval(result.mixture, known, 0, 0)
    assert 0.5 * (profile.high - profile.low) == pytest.approx(curved, rel=0.2)
    assert not width_limit(result.mixture, known, 0, 0).consistent_with_zero


def test_held_out_objects_are_scored_with_what_is_known():
    observations, p = stars(120)
    known = observations.with_memberships(p)
    chosen = select(known, n_components=2, covariance_types=["full", "tied"], criterion="cv", n_folds=3, random_state=0)
    assert chosen.covariance_type == "full"


def test_files_keep_that_they_were_known(tmp_path):
    observations, p = stars(100)
    known = observations.with_memberships(p)
    mixture = fit(known, 2).mixture
    assert contents_of(mixture).cards["XDGMMFMT"] == 6  # which older versions refuse
    assert contents_of(fit(observations, 2, rng=0).mixture).cards["XDGMMFMT"] == 3
    for suffix in ("fits", "ecsv"):
        mixture.write(tmp_path / f"model.{suffix}")
        again = GaussianMixture.read(tmp_path / f"model.{suffix}")
        assert again.record.model["memberships"] == "known"
        found = widths(again, known)
        np.testing.assert_array_equal(found["sigma_error"], widths(mixture, known)["sigma_error"])
        with pytest.raises(InputError, match=r"fitted with `memberships` known beforehand.*with_memberships"):
            widths(again, observations)


def test_the_estimator_takes_them_and_asks_for_them_again():
    observations, p = stars(100)
    x, e = observations.values, observations.noise
    model = XDGMM(2).fit(x, Xerr=e, membership=p)
    assert model.n_iter_ > 0
    known = observations.with_memberships(p)
    np.testing.assert_allclose(model.means_, XDGMM(2).fit(known).means_, rtol=1e-12)
    assert "membership=membership" in model.mixture_.record.recipe
    with pytest.raises(InputError, match=r"X must hold them too.*with_memberships"):
        model.widths(x, Xerr=e)
    with pytest.raises(InputError, match="X must hold them too"):
        model.bic(x, Xerr=e)
    unnamed = Observations.with_standard_errors(x, e).with_memberships(p)
    expected = -2.0 * model.result_.log_likelihood + 4 * np.log(100)
    assert model.bic(unnamed) == pytest.approx(expected)
    assert model.predict_proba(x, Xerr=e).shape == (100, 2)  # of new objects nothing is known beforehand
    with pytest.raises(InputError, match="beside Observations that hold their own"):
        XDGMM(2).fit(known, membership=p)


@pytest.mark.parametrize(
    ("memberships", "message"),
    [
        ([0.1, 0.2, 0.3], "has shape (3,), but (4, K) is needed"),
        ([[[0.5]] * 2] * 4, "is needed: a probability for each object and component"),
        ([0.1, np.nan, 0.3, 0.4], "is NaN or infinite in row 1; give what is known"),
        ([10.0, 20.0, 30.0, 40.0], "lies outside 0 to 1 in rows 0, 1, 2, 3; give probabilities (percentages"),
        ([[0.5, 0.4], [0.5, 0.5], [0.5, 0.5], [0.5, 0.5]], "must sum to 1, but those of row 0 do not"),
        ([1.0, 1.0, 1.0, 1.0], "gives no object to component 1; leave out this column"),
        (["a", "b", "c", "d"], "`memberships`"),
    ],
)
def test_what_are_no_memberships_is_refused(memberships, message):
    observations = Observations.with_standard_errors([1.0, 2.0, 3.0, 4.0], 0.1)
    with pytest.raises(InputError, match=re.escape(message)):
        observations.with_memberships(memberships)


def test_what_cannot_be_combined_is_refused():
    observations, p = stars(50)
    known = observations.with_memberships(p)
    with pytest.raises(InputError, match="known memberships cannot be combined with Student-t components"):
        fit(known, 2, Settings(model=Model(family="t", dof=4.0)))
    with pytest.raises(InputError, match="`memberships` has 2 columns, but 3 are needed"):
        fit(known, 3)
    with pytest.raises(InputError, match="`prior` has a part on the weights, but memberships"):
        fit(known, 2, Settings(model=Model(prior=Prior(weights=Dirichlet(2.0)))))
    with pytest.raises(InputError, match="`fixed` holds parameters at their starting values"):
        fit(known, 2, Settings(model=Model(fixed=Fixed(means=(0,)))))
    projected = Observations.with_standard_errors([[1.0]] * 4, 0.1, projections=[[1.0, 2.0]])
    with pytest.raises(InputError, match="`memberships` cannot be combined with projections"):
        projected.with_memberships([0.5] * 4)
    with pytest.raises(InputError, match="`memberships` has 2 columns, but 1 are needed"):
        memberships(GaussianMixture([1.0], [[0.0]], [[[1.0]]]), known)


def test_limits_of_values_can_be_combined_with_them():
    observations, p = stars(300, seed=2)
    x, e = observations.values[:, 0], observations.noise[:, 0]
    below = x < 0.0
    limited = Observations.with_limits(np.where(below, 0.0, x), np.where(below, 0.0, e), upper=below)
    result = fit(limited.with_memberships(p), 2)
    (m0, m1), (s0, s1) = result.mixture.means[:, 0], result.mixture.sigmas[:, 0]
    first = np.where(below, norm.cdf(0.0, m0, s0), norm.pdf(x, m0, np.hypot(s0, e)))
    second = np.where(below, norm.cdf(0.0, m1, s1), norm.pdf(x, m1, np.hypot(s1, e)))
    assert result.log_likelihood == pytest.approx(np.log(p * first + (1.0 - p) * second).sum(), abs=1e-8)


def test_tables_hold_them():
    observations, p = stars(50)
    table = {"v": observations.values[:, 0], "e_v": observations.noise[:, 0], "p_mem": p, "p_field": 1.0 - p}
    one = Observations.from_table(table, "v", memberships="p_mem")
    both = Observations.from_table(table, "v", memberships=["p_mem", "p_field"])
    np.testing.assert_allclose(one.memberships, np.column_stack([p, 1.0 - p]), rtol=1e-14)
    np.testing.assert_allclose(both.memberships, one.memberships, rtol=1e-14)
    assert "known memberships taken from p_mem" in one.remarks
    with pytest.raises(InputError, match="'p_men'"):
        Observations.from_table(table, "v", memberships="p_men")


def test_objects_without_weight_need_none():
    observations, p = stars(50)
    p[7] = np.nan
    weights = np.ones(50)
    weights[7] = 0.0
    known = replace(observations, weights=weights).with_memberships(p)
    assert fit(known, 2).n_objects == 49


def test_published_velocities_depend_on_the_cut(test_data):
    """Sculptor (Walker et al. 2009): the dispersion falls with the cut in p, and is known once p enters the density."""
    from astropy.table import Table

    table = Table.read(test_data / "dwarf_galaxies" / "walker2009_sculptor.csv")
    v, e, p = (np.array(table[name], dtype=float) for name in ("v", "e_v", "p_mem"))
    cut = [fit(Observations.with_standard_errors(v[p > c], e[p > c])).mixture.sigmas[0, 0] for c in (0.5, 0.9, 0.95)]
    np.testing.assert_allclose(cut, [9.246, 8.953, 8.803], atol=2e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        known = Observations.with_standard_errors(v, e).with_memberships(p)
        joint = widths(fit(known, 2), known)
    assert joint["sigma"][0] == pytest.approx(8.878, abs=2e-3)
    assert joint["sigma_error"][0] == pytest.approx(0.193, abs=2e-3)
