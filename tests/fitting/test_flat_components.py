"""A field that is flat in some columns: its density, its fit, and everything that is asked about it afterwards."""

import warnings

import numpy as np
import pytest
from astropy import units as u
from scipy.integrate import quad, trapezoid
from scipy.stats import chi2, kstest, multivariate_normal, norm

from xdgmm import (
    XDGMM,
    Background,
    Fixed,
    Flat,
    GaussianMixture,
    InputError,
    InverseWishart,
    Normal,
    Observations,
    Prior,
    select,
)
from xdgmm.diagnostics import check, residuals, simulate
from xdgmm.diagnostics.influence import influence
from xdgmm.fitting import Model, Problem, Settings, fit
from xdgmm.fitting.coordinates import FactorCoordinates
from xdgmm.kernels.flat import FlatData
from xdgmm.mixture.packing import pack_beside
from xdgmm.objects import denoise, distances, memberships, outlyingness
from xdgmm.prediction import log_likelihoods, total_log_likelihood
from xdgmm.uncertainty import bootstrap, laplace, principal_limit, profile_interval, sample_posterior, width_limit
from xdgmm.widths import relations, widths

NAMES = ["ra", "dec", "pmra", "pmdec", "parallax"]
SKY = Flat(("ra", "dec"), [127.0, 17.0], [133.0, 23.0])
CLUSTER = np.array([130.0, 20.0, -36.0, -13.0, 5.4]), np.array([0.3, 0.25, 0.8, 0.8, 0.15])


def stars(n=3000, fraction=0.15, seed=1, *, sky_error=1e-6):
    """A cluster before a field that is uniform on the sky, and which stars are in the cluster."""
    rng = np.random.default_rng(seed)
    member = rng.random(n) < fraction
    field = np.hstack(
        [
            rng.uniform([127.0, 17.0], [133.0, 23.0], (n, 2)),
            rng.multivariate_normal([-5.0, -8.0, 2.0], [[90.0, 20.0, -6.0], [20.0, 80.0, -5.0], [-6.0, -5.0, 2.0]], n),
        ]
    )
    v = np.where(member[:, None], CLUSTER[0] + CLUSTER[1] * rng.standard_normal((n, 5)), field)
    errors = np.column_stack([np.full((n, 2), sky_error), rng.uniform(0.1, 0.4, (n, 2)), rng.uniform(0.05, 0.2, n)])
    return Observations.with_standard_errors(v + errors * rng.standard_normal(v.shape), errors, names=NAMES), member


def small(seed=0, *, noise="covariances", n=40):
    """Two columns, the first flat, and a mixture of two Gaussians and two flat components."""
    rng = np.random.default_rng(seed)
    mixture = GaussianMixture(
        [0.3, 0.2, 0.1, 0.4],
        [[1.0, 0.0], [-1.0, 2.0], [0.0, -1.0], [0.0, 3.0]],
        [[[0.4, 0.1], [0.1, 0.3]], [[0.2, 0.0], [0.0, 0.5]], np.diag([1.0, 2.0]), np.diag([1.0, 0.7])],
        names=["f", "o"],
        flat=Flat("f", -2.0, 3.0, n_components=2),
    )
    v, _ = mixture.sample(n, rng)
    size = {"exact": 0.0, "small errors": 0.05, "errors": 1.0}.get(noise)
    S = None if size is None else size * np.eye(2) * rng.uniform(0.05, 0.8, (n, 2, 1))
    if S is None:
        A = 0.4 * rng.standard_normal((n, 2, 2))
        S = A @ np.swapaxes(A, 1, 2) + 0.02 * np.eye(2)
    w = v + np.einsum("nij,nj->ni", np.linalg.cholesky(S + 1e-300 * np.eye(2)), rng.standard_normal((n, 2)))
    observations = Observations.with_covariances(w, 0.5 * (S + np.swapaxes(S, 1, 2)), names=["f", "o"])
    return mixture, observations


# --- Density and moments ----------------------------------------------------------------------------------------------


def test_moments_of_flat_components_are_those_of_the_box():
    mixture, _ = small()
    points, labels = mixture.sample(400_000, 1)
    of_flat = points[labels >= 2]
    assert of_flat[:, 0].min() >= -2.0
    assert of_flat[:, 0].max() <= 3.0
    np.testing.assert_allclose(mixture.means[2:, 0], 0.5)
    np.testing.assert_allclose(mixture.sigmas[2:, 0], 5.0 / np.sqrt(12.0))
    assert kstest((of_flat[:, 0] + 2.0) / 5.0, "uniform").pvalue > 0.01
    np.testing.assert_allclose(points.mean(axis=0), mixture.mean, atol=0.02)
    np.testing.assert_allclose(np.cov(points.T), mixture.covariance, atol=0.05)


def test_the_density_integrates_to_one_and_is_that_of_the_definition():
    mixture, _ = small()
    x = np.array([[0.4, 0.3], [-2.5, 1.0], [2.9, 3.0]])
    gaussians = sum(
        w * multivariate_normal(m, V).pdf(x)
        for w, m, V in zip(mixture.weights[:2], mixture.means[:2], mixture.covariances[:2], strict=True)
    )
    field = sum(
        w * norm.pdf(x[:, 1], m[1], np.sqrt(V[1, 1])) / 5.0
        for w, m, V in zip(mixture.weights[2:], mixture.means[2:], mixture.covariances[2:], strict=True)
    )
    inside = (x[:, 0] >= -2.0) & (x[:, 0] <= 3.0)
    np.testing.assert_allclose(np.exp(mixture.log_density(x)), gaussians + field * inside, rtol=1e-12)
    f, o = (np.linspace(low, high, 801) for low, high in ((-8.0, 9.0), (-10.0, 13.0)))
    f, o = 0.5 * (f[1:] + f[:-1]), 0.5 * (o[1:] + o[:-1])  # the edges of the box lie between the points
    points = np.stack(np.meshgrid(f, o, indexing="ij"), axis=-1).reshape(-1, 2)
    total = np.exp(mixture.log_density(points)).sum() * (f[1] - f[0]) * (o[1] - o[0])
    assert total == pytest.approx(1.0, abs=2e-3)  # half a point at each edge of the box


@pytest.mark.parametrize("at", [-2.3, -1.9, 0.5, 2.8, 3.4])
def test_the_likelihood_is_the_convolution_also_at_the_edges(at):
    mixture, _ = small()
    alone = mixture.only(3)
    e_f, e_o, o = 0.4, 0.3, 2.0
    observations = Observations.with_standard_errors([[at, o]], [[e_f, e_o]], names=["f", "o"])
    convolved = quad(lambda v: norm.pdf(at, v, e_f) / 5.0, -2.0, 3.0)[0]
    expected = convolved * norm.pdf(o, 3.0, np.sqrt(0.7 + e_o**2))
    assert np.exp(log_likelihoods(alone, observations)[0]) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("at", "error"), [(0.5, 1e-9), (-1.9, 0.35)])
def test_correlated_errors_are_exact_inside_and_left_out_at_the_edges(at, error):
    """Errors of flat and other columns that are correlated by .8, two sigmas off in the other column."""
    mixture, _ = small()
    alone, S, o = mixture.only(3), np.array([[0.04, 0.032], [0.032, 0.04]]), 3.4
    observations = Observations.with_covariances([[at, o]], [S], names=["f", "o"])
    T = 0.7 + S[1, 1]

    def given(v):
        """Density of what is measured, the flat coordinate being v: the other one integrated analytically."""
        gain = S[0, 1] / T
        return norm.pdf(at, v + gain * (o - 3.0), np.sqrt(S[0, 0] - gain * S[0, 1]))

    exact = quad(given, -2.0, 3.0, points=[at])[0] / 5.0 * norm.pdf(o, 3.0, np.sqrt(T))
    assert np.exp(log_likelihoods(alone, observations)[0]) == pytest.approx(exact, rel=error)


# --- The passes -------------------------------------------------------------------------------------------------------


def by_definition(mixture, observations):
    """Log of weight times density of every component (N, K), with missing values."""
    values, S = observations.values, observations.noise_covariances
    low, high = mixture.flat.box
    joint = np.zeros((len(values), mixture.n_components))
    for i, w in enumerate(values):
        for k in range(mixture.n_components):
            seen = np.isfinite(w) & ~mixture.is_flat[k]
            joint[i, k] = np.log(mixture.weights[k])
            if seen.any():
                T = (mixture.covariances[k] + S[i])[np.ix_(seen, seen)]
                joint[i, k] += multivariate_normal(mixture.means[k][seen], T).logpdf(w[seen])
            if mixture.is_flat[k].any() and np.isfinite(w[0]):
                e = np.sqrt(S[i, 0, 0])
                joint[i, k] += np.log((norm.cdf((high[0] - w[0]) / e) - norm.cdf((low[0] - w[0]) / e)) / 5.0)
    return joint


@pytest.fixture
def with_gaps():
    mixture, observations = small()
    values = observations.values.copy()
    rng = np.random.default_rng(5)
    values[rng.random(values.shape) < 0.3] = np.nan
    values[0], values[1], values[2] = [0.3, np.nan], [np.nan, 1.0], [np.nan, np.nan]
    weights = rng.uniform(0.5, 2.0, len(values))
    return mixture, Observations.with_covariances(values, observations.noise, weights=weights, names=["f", "o"])


def test_passes_are_those_of_the_definition_with_missing_values(with_gaps):
    mixture, observations = with_gaps
    parameters = mixture.all_weights, mixture.means, mixture.covariances
    data = pack_beside(observations, None, mixture.flat)
    kept = np.flatnonzero(observations.counts)
    joint, omega = by_definition(mixture, observations.select(kept)), observations.weights[kept]
    totals = np.logaddexp.reduce(joint, axis=1)
    r = np.exp(joint - totals[:, None])
    np.testing.assert_array_equal(data.rows, kept)
    np.testing.assert_allclose(data.log_likelihoods(*parameters), totals, atol=1e-11)
    np.testing.assert_allclose(data.responsibilities(*parameters), r, atol=1e-11)
    np.testing.assert_allclose(data.responsibilities(*parameters, component=3), r[:, [3]], atol=1e-11)
    statistics = data.accumulate_with_information(*parameters)
    assert statistics.log_likelihood == pytest.approx(omega @ totals, rel=1e-12)
    assert data.total_log_likelihoods(*(p[None] for p in parameters))[0] == pytest.approx(omega @ totals, rel=1e-12)
    np.testing.assert_allclose(statistics.n_members, omega @ r, rtol=1e-11)
    np.testing.assert_allclose(data.effective_sizes(*parameters), (omega @ r) ** 2 / (omega**2 @ r**2), rtol=1e-10)
    assert not statistics.grad_mean[2:, 0].any()
    assert not statistics.grad_covariance[2:, 0].any()
    found = data.gradients(*(p[None] for p in parameters))
    np.testing.assert_allclose(found.grad_means[0], statistics.grad_mean, rtol=1e-12)
    half = data.take(np.arange(0, data.n_objects, 2))
    np.testing.assert_allclose(half.log_likelihoods(*parameters), totals[::2], atol=1e-11)
    assert data.subsample(10).n_objects <= 10
    impossible = np.array([[0.0, 0.0, 1.0, 0.0]])[0], mixture.means, 0.0 * mixture.covariances
    exact = Observations.exact([[9.0, 9.0]], names=["f", "o"])
    assert pack_beside(exact, None, mixture.flat).accumulate(*impossible).log_likelihood == -np.inf


def test_gradients_are_finite_differences(with_gaps):
    mixture, observations = with_gaps
    data, h = pack_beside(observations, None, mixture.flat), 1e-5
    statistics = data.accumulate(mixture.all_weights, mixture.means, mixture.covariances)

    def height(means, covariances):
        return data.accumulate(mixture.all_weights, means, covariances).log_likelihood

    for k in range(4):
        for i in range(2):
            step = np.zeros((4, 2))
            step[k, i] = h
            slope = (
                height(mixture.means + step, mixture.covariances) - height(mixture.means - step, mixture.covariances)
            ) / (2 * h)
            assert slope == pytest.approx(statistics.grad_mean[k, i], abs=1e-6)
        for i, j in ((0, 0), (0, 1), (1, 1)):
            step = np.zeros((4, 2, 2))
            step[k, i, j] = step[k, j, i] = h
            slope = (
                height(mixture.means, mixture.covariances + step) - height(mixture.means, mixture.covariances - step)
            ) / (2 * h)
            factor = 1.0 if i == j else 2.0
            assert slope == pytest.approx(factor * statistics.grad_covariance[k, i, j], abs=1e-6)


def test_only_flat_columns_can_be_measured():
    mixture, observations = small(noise="errors")
    values = observations.values.copy()
    values[:, 1] = np.nan
    bare = Observations.with_covariances(values, observations.noise, names=["f", "o"])
    data = pack_beside(bare, None, mixture.flat)
    assert isinstance(data, FlatData)
    assert data.others is None
    joint = by_definition(mixture, bare)
    parameters = mixture.all_weights, mixture.means, mixture.covariances
    np.testing.assert_allclose(data.log_likelihoods(*parameters), np.logaddexp.reduce(joint, axis=1), atol=1e-11)
    statistics = data.accumulate_with_information(*parameters)
    r = np.exp(joint - np.logaddexp.reduce(joint, axis=1)[:, None])
    np.testing.assert_allclose(statistics.n_members, r.sum(axis=0), rtol=1e-10)
    assert np.isfinite(data.posteriors(*parameters).means).all()


def test_known_memberships_can_be_combined():
    mixture, observations = small(noise="errors")
    p = np.random.default_rng(2).dirichlet(np.ones(4), len(observations))
    joint = by_definition(mixture, observations) - np.log(mixture.weights) + np.log(p)
    known = observations.with_memberships(p)
    np.testing.assert_allclose(log_likelihoods(mixture, known), np.logaddexp.reduce(joint, axis=1), atol=1e-11)
    result = fit(known, 4, Settings(model=Model(flat=mixture.flat)))
    assert result.converged
    np.testing.assert_allclose(result.mixture.weights, p.mean(axis=0), rtol=1e-12)


# --- Fits -------------------------------------------------------------------------------------------------------------


def test_truth_is_recovered_where_a_gaussian_field_is_more_than_three_errors_off():
    observations, member = stars(sky_error=0.15, n=4000)
    model = XDGMM(2, flat=SKY, random_state=0).fit(observations)
    report = model.widths(observations)
    cluster = report[(report["component"] == 0) & [axis in NAMES for axis in report["axis"]]]
    off = (cluster["sigma"] - CLUSTER[1]) / cluster["sigma_error"]
    assert np.abs(off).max() < 3.0
    assert (off**2).sum() < chi2.ppf(0.999, 5)
    assert abs(model.weights_[0] - member.mean()) < 3.0 * report["weight_error"][0]
    assert model.result_.n_parameters == 1 + (5 + 15) + (3 + 6)
    before = XDGMM(2, random_state=0).fit(observations)
    its = before.widths(observations)
    k = int(np.argmin(its["sigma"][its["axis"] == "parallax"]))
    weight, error = its["weight"][its["component"] == k][0], its["weight_error"][its["component"] == k][0]
    assert (
        abs(weight - 0.15) > 3.0 * error
        or total_log_likelihood(before.mixture_, observations) < model.result_.log_likelihood - 100
    )


def test_bic_chooses_two_components_beside_the_flat_sky_and_many_without():
    observations, _ = stars(n=2500, seed=3)
    flat = select(observations, n_components=range(2, 5), flat=SKY, random_state=0)
    assert flat.n_components == 2
    assert flat.estimator.mixture_.flat.columns == ("ra", "dec")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gaussian = select(observations, n_components=range(2, 5), random_state=0)
    assert gaussian.n_components == 4
    assert gaussian.estimator.result_.log_likelihood < flat.estimator.result_.log_likelihood


@pytest.mark.parametrize("kind", ["full", "diag"])
def test_flat_parameters_have_no_coordinates(kind):
    mixture, observations = small(noise="errors", n=200)
    result = fit(observations, 4, Settings(model=Model(kind, flat=mixture.flat), start=mixture))
    fitted = result.mixture
    of_each = 2 + (3 if kind == "full" else 2)
    assert result.n_parameters == 3 + 2 * of_each + 2 * 2
    problem = Problem.of(fitted, observations, result.model)
    evaluation = problem.at(fitted)
    coordinates = FactorCoordinates(evaluation.iterate.mixture, evaluation.statistics, problem.constraints)
    assert coordinates.size == result.n_parameters
    np.testing.assert_array_equal(fitted.means[2:, 0], 0.5)  # to the last bit
    np.testing.assert_array_equal(fitted.covariances[2:, 0, 0], 25.0 / 12.0)
    assert not fitted.covariances[2:, 0, 1].any()
    z = 0.3 * np.random.default_rng(0).standard_normal(coordinates.size)
    moved = coordinates.at(z)
    np.testing.assert_allclose(moved.means[2:, 0], evaluation.iterate.mixture.means[2:, 0], rtol=1e-13)


@pytest.mark.parametrize("solver", ["em", "implicit", "quasi-newton", "auto"])
def test_every_solver_reaches_the_same_maximum(solver):
    mixture, observations = small(noise="errors", n=300)
    settings = Settings(solver, model=Model(flat=mixture.flat), start=mixture)
    result = fit(observations, 4, settings)
    best = fit(observations, 4, Settings(model=Model(flat=mixture.flat), start=mixture))
    assert result.log_likelihood == pytest.approx(best.log_likelihood, abs=2e-3 if solver == "em" else 1e-5)


def test_search_keeps_flat_components_the_last():
    mixture, observations = small(noise="errors", n=600, seed=4)
    model = Model(flat=mixture.flat)
    results = [fit(observations, K, Settings(model=model), rng=1) for K in (3, 4, 5)]
    heights = [each.log_likelihood for each in results]
    assert heights[0] <= heights[1] + 1e-6
    for result in results:
        assert result.mixture.flat.n_components == 2
        np.testing.assert_array_equal(result.mixture.flat_components[-2:], np.ones(2, bool))
        assert result.mixture.flat_components.sum() == 2


def test_samples_of_many_objects_lead_to_the_maximum():
    rng = np.random.default_rng(0)
    truth = GaussianMixture(
        [0.3, 0.7],
        [[0.5, 1.0], [0.0, -1.0]],
        [np.diag([0.2, 0.3]) ** 2, np.diag([1.0, 1.5]) ** 2],
        ["f", "o"],
        flat=Flat("f", -1.0, 2.0),
    )
    errors = rng.uniform(0.05, 0.2, (60_000, 2))
    values = truth.sample(60_000, rng)[0] + errors * rng.standard_normal((60_000, 2))
    result = fit(
        Observations.with_standard_errors(values, errors, names=["f", "o"]), 2, Settings(model=Model(flat=truth.flat))
    )
    assert result.passes.samples > 0
    np.testing.assert_allclose(result.mixture.weights, truth.weights, atol=0.01)  # standard errors are 0.002
    np.testing.assert_allclose(result.mixture.sigmas[0], [0.2, 0.3], atol=0.02)


@pytest.mark.parametrize("criterion", ["cv", "icl"])
def test_candidates_are_compared_beside_flat_components(criterion):
    observations, _ = stars(n=500, seed=3)
    chosen = select(
        observations,
        n_components=(2, 3),
        covariance_types=["full", "diag"],
        flat=SKY,
        criterion=criterion,
        n_folds=2,
        random_state=0,
    )
    assert chosen.estimator.mixture_.flat_components.sum() == 1


def test_a_background_can_stand_beside():
    observations, _ = stars(n=1500, seed=6)
    low, high = observations.values.min(axis=0) - 1.0, observations.values.max(axis=0) + 1.0
    model = XDGMM(2, flat=SKY, background=Background(low, high, 0.02), random_state=0).fit(observations)
    assert model.background_fraction_ < 0.05
    assert model.predict_proba(observations).shape == (1500, 3)
    np.testing.assert_allclose(model.mixture_.sigmas[0], CLUSTER[1], rtol=0.25)


def test_what_is_fixed_keeps_its_value():
    mixture, observations = small(noise="errors", n=200)
    model = Model(flat=mixture.flat, fixed=Fixed(means=(3,), covariances=(2,)))
    fitted = fit(observations, 4, Settings(model=model, start=mixture)).mixture
    np.testing.assert_allclose(fitted.means[3], mixture.means[3], rtol=1e-13)
    np.testing.assert_allclose(fitted.covariances[2], mixture.covariances[2], rtol=1e-13)


@pytest.mark.parametrize("far_error", [0.1, 0.0], ids=["noisy", "exact"])
def test_objects_outside_the_box_are_counted_in_a_remark(far_error):
    rng = np.random.default_rng(3)
    v, e = rng.normal(0.0, 1.0, (80, 2)), np.full((80, 2), 0.1)
    v[7:9, 0], e[7:9, 0], v[20, 1] = [30.0, -33.0], far_error, 40.0
    box = Flat("a", -5.0, 5.0)

    def result():
        stars = Observations.with_standard_errors(v, e, names=["a", "b"])
        return XDGMM(2, flat=box, random_state=0).fit(stars).result_

    found = result()
    assert found.rows_beyond_flat == (7, 8)
    assert any(
        "2 of 80 objects (rows 7, 8) lie more than 8 standard errors outside the box of the flat components" in remark
        for remark in found.remarks
    )
    v[7:9, 0] = np.nan
    assert result().rows_beyond_flat == ()
    v[7:9, 0], e[7:9, 0] = [30.0, -33.0], 10.0
    assert result().rows_beyond_flat == ()


# --- Errors and reports -----------------------------------------------------------------------------------------------


def test_a_report_of_profiles_has_all_rows_but_the_flat_ones():
    rng = np.random.default_rng(4)
    v = np.vstack([rng.normal(0.0, 0.5, (30, 2)), np.column_stack([rng.uniform(-6, 6, 30), rng.normal(9.0, 1.0, 30)])])
    observations = Observations.with_standard_errors(v + 0.1 * rng.standard_normal(v.shape), 0.1, names=["a", "b"])
    result = XDGMM(2, covariance_type="diag", flat=Flat("a", -6, 6), random_state=0).fit(observations).result_
    report = widths(result, observations, method="profile", limit="likelihood")
    rows = {(int(row["component"]), str(row["axis"])): row for row in report}
    assert {key for key in rows if not key[1].startswith("principal")} == {(0, "a"), (0, "b"), (1, "b")}
    expected = profile_interval(result.mixture, observations, 1, 1)
    assert rows[1, "b"]["sigma_low"] == pytest.approx(expected.low, rel=1e-6)
    assert rows[1, "b"]["sigma_high"] == pytest.approx(expected.high, rel=1e-6)
    with pytest.raises(InputError, match="component 1 is flat in 'a', where it has neither mean nor width of its own"):
        profile_interval(result.mixture, observations, 1, 0)


def test_errors_by_several_methods_agree():
    mixture, observations = small(noise="small errors", n=500)
    result = fit(observations, 4, Settings(model=Model(flat=mixture.flat), start=mixture))

    def sigma(of):
        return of.sigmas[3, 1]

    curved = laplace(result.mixture, observations).propagate(sigma).error
    sandwich = laplace(result.mixture, observations, kind="sandwich").propagate(sigma).error
    profile = profile_interval(result.mixture, observations, 3, 1)
    resampled = bootstrap(result, observations, n_resamples=40, rng=0, progress="never").propagate(sigma).error
    assert sandwich == pytest.approx(curved, rel=0.4)
    assert 0.5 * (profile.high - profile.low) == pytest.approx(curved, rel=0.25)
    assert resampled == pytest.approx(curved, rel=0.6)
    errors = laplace(result.mixture, observations)
    assert errors.propagate(lambda of: of.means[3, 0]).error == pytest.approx(0.0, abs=1e-12)


def test_reports_have_no_rows_for_flat_columns():
    observations, _ = stars(n=1200, seed=8)
    model = XDGMM(2, flat=SKY, random_state=0).fit(observations)
    report = model.widths(observations)
    rows = {(int(k), str(axis)) for k, axis in zip(report["component"], report["axis"], strict=True)}
    assert (0, "ra") in rows
    assert (1, "pmra") in rows
    assert not rows & {(1, "ra"), (1, "dec"), (1, "principal 1")}
    assert np.isfinite(report["sigma_error"]).all()
    assert any("flat in ra, dec" in remark for remark in report.meta["remarks"])
    related = relations(model.result_, observations)
    assert set(related["component"]) == {0}
    for question in (
        lambda: width_limit(model.mixture_, observations, 1, 0),
        lambda: principal_limit(model.mixture_, observations, 1),
        lambda: profile_interval(model.mixture_, observations, 1, 1),
    ):
        with pytest.raises(InputError, match="component 1 is flat in "):
            question()
    with pytest.raises(InputError, match="flat components cannot be sampled"):
        sample_posterior(model.result_, observations)


# --- Single objects ---------------------------------------------------------------------------------------------------


def test_memberships_are_bayes_rule_and_new_objects_have_them():
    mixture, observations = small(noise="errors")
    joint = by_definition(mixture, observations)
    r = np.exp(joint - np.logaddexp.reduce(joint, axis=1)[:, None])
    np.testing.assert_allclose(memberships(mixture, observations), r, atol=1e-11)
    assert np.isfinite(distances(mixture, observations)).all()


def test_denoised_values_are_moments_of_the_posterior():
    """At an edge, by quadrature: the flat coordinate is the measurement cut at the box."""
    mixture, _ = small()
    at, o, e_f, e_o = -1.9, 1.0, 0.4, 0.3
    observations = Observations.with_standard_errors(
        [[at, o], [np.nan, o], [np.nan, np.nan]], [[e_f, e_o]] * 3, names=["f", "o"]
    )
    found = denoise(mixture, observations, progress="never")

    f, v = np.linspace(-2.0, 1.5, 2001), np.linspace(-2.0, 4.0, 1201)  # the edge of the box is a point
    points = np.stack(np.meshgrid(f, v, indexing="ij"), axis=-1).reshape(-1, 2)
    p = np.exp(mixture.log_density(points)).reshape(f.size, v.size)
    p *= norm.pdf(at, f, e_f)[:, None] * norm.pdf(o, v, e_o)
    outside = np.linspace(-4.0, -2.0, 1001)[:-1]  # there are the Gaussians alone
    points = np.stack(np.meshgrid(outside, v, indexing="ij"), axis=-1).reshape(-1, 2)
    q = np.exp(mixture.log_density(points)).reshape(outside.size, v.size)
    q *= norm.pdf(at, outside, e_f)[:, None] * norm.pdf(o, v, e_o)

    def moment(power):
        inside = trapezoid(trapezoid(p * f[:, None] ** power, v, axis=1), f)
        beyond = trapezoid(trapezoid(q * outside[:, None] ** power, v, axis=1), outside)
        return inside + beyond

    mean = moment(1) / moment(0)
    assert found.means[0, 0] == pytest.approx(mean, abs=2e-3)
    assert found.covariances[0, 0, 0] == pytest.approx(moment(2) / moment(0) - mean**2, abs=2e-3)
    np.testing.assert_allclose(found.means[2], mixture.mean, rtol=1e-12)
    np.testing.assert_allclose(found.covariances[2], mixture.covariance, rtol=1e-12)


def test_correlated_errors_tell_of_the_flat_coordinate():
    """Far from the edges, against a Gaussian so wide that it is flat."""
    mixture = GaussianMixture([1.0], [[0.0, 3.0]], [np.diag([1.0, 0.7])], names=["f", "o"], flat=Flat("f", -2e4, 2e4))
    wide = GaussianMixture([1.0], [[0.0, 3.0]], [np.diag([1e10, 0.7])], names=["f", "o"])
    S = np.array([[0.5, 0.3], [0.3, 0.4]])
    observations = Observations.with_covariances([[0.4, 1.0], [0.4, np.nan]], [S, S], names=["f", "o"])
    one, other = (denoise(each, observations, progress="never") for each in (mixture, wide))
    np.testing.assert_allclose(one.means, other.means, atol=1e-6)
    np.testing.assert_allclose(one.covariances, other.covariances, atol=1e-6)


def test_residuals_and_outlyingness_are_right():
    mixture, observations = small(noise="errors", n=3000, seed=12)
    scores = residuals(mixture, observations)
    for column in scores.T:
        assert kstest(column, "norm").pvalue > 0.01
    few = observations.select(slice(0, 400))
    assert kstest(outlyingness(mixture, few, n_samples=200, rng=3, progress="never"), "uniform").pvalue > 0.01


@pytest.mark.slow
def test_a_right_model_passes_the_check_and_an_influence_is_found():
    observations, _ = stars(n=800, seed=14)
    model = XDGMM(2, flat=SKY, random_state=0).fit(observations)
    assert check(model.result_, observations, n_simulations=39, rng=1, progress="never").passed
    drawn = simulate(model.result_, observations, 1, rng=2)[0]
    assert (drawn.values[:, 0] >= 126.9).all()
    found = influence(model.result_, observations)
    assert not any(k == 1 and axis in ("ra", "dec") for k, axis in zip(found["component"], found["axis"], strict=True))


# --- Mixtures ---------------------------------------------------------------------------------------------------------


def test_mixtures_keep_their_flat_components():
    mixture, _ = small()
    rescaled = mixture.rescaled(np.array([1.0, 0.0]), np.array([-2.0, 3.0]), mixture.names)
    low, high = rescaled.flat.box
    assert (low[0], high[0]) == (-5.0, 5.0)
    x = np.array([[0.4, 0.3], [-2.5, 1.0]])
    np.testing.assert_allclose(
        rescaled.log_density(x * [-2.0, 3.0] + [1.0, 0.0]), mixture.log_density(x) - np.log(6.0), rtol=1e-12
    )
    mapped = mixture.affine([[0.0, 1.0], [2.0, 0.0]], names=["p", "q"])
    assert mapped.flat.columns == ("q",)
    np.testing.assert_allclose(
        mapped.log_density(x[:, ::-1] * [1.0, 2.0]), mixture.log_density(x) - np.log(2.0), rtol=1e-12
    )
    assert mixture.marginal("o").flat is None
    np.testing.assert_allclose(mixture.marginal("o").means, mixture.means[:, [1]])
    assert mixture.marginal(["o", "f"]).flat.in_columns == [1]
    conditional = mixture.condition({"f": 0.4})
    joint = np.exp(mixture.log_density([0.4, 1.2]))
    of_f = quad(lambda o: np.exp(mixture.log_density([0.4, o])), -12.0, 14.0)[0]
    assert np.exp(conditional.log_density([[1.2]]))[0] == pytest.approx(joint / of_f, rel=1e-7)
    assert "the last 2 flat in f" in repr(mixture)


def test_units_of_the_box_are_converted():
    flat = Flat("f", -120.0 * u.arcmin, 3.0 * u.deg)
    mixture = GaussianMixture([1.0], [[0.0, 3.0]], [np.eye(2)], ["f", "o"], ["deg", "km/s"], flat=flat)
    np.testing.assert_allclose(np.ravel(mixture.flat.box), [-2.0, 3.0])
    np.testing.assert_allclose(np.ravel(mixture.in_units(["arcmin", None]).flat.box), [-120.0, 180.0])


def test_conditional_densities_of_flat_columns_need_these():
    mixture, _ = small()
    with pytest.raises(InputError, match="components that are flat in f"):
        mixture.condition({"o": 1.0})
    with pytest.raises(InputError, match="must stay a box"):
        mixture.affine([[1.0, 1.0], [0.0, 1.0]])
    with pytest.raises(InputError, match="uniform in all columns"):
        mixture.marginal("f")


@pytest.mark.parametrize("suffix", ["fits", "ecsv"])
def test_files_hold_them(tmp_path, suffix):
    observations, _ = stars(n=600, seed=2)
    mixture = XDGMM(2, flat=SKY, random_state=0).fit(observations).mixture_
    mixture.write(tmp_path / f"model.{suffix}")
    again = GaussianMixture.read(tmp_path / f"model.{suffix}")
    for name in ("weights", "means", "covariances"):
        np.testing.assert_array_equal(getattr(again, name), getattr(mixture, name))
    assert again.flat.columns == ("ra", "dec")
    assert again.flat.n_components == 1
    np.testing.assert_array_equal(again.flat.box, mixture.flat.box)
    np.testing.assert_array_equal(
        widths(again, observations)["sigma_error"], widths(mixture, observations)["sigma_error"]
    )
    np.testing.assert_allclose(
        total_log_likelihood(again, observations), total_log_likelihood(mixture, observations), rtol=1e-14
    )


# --- What is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Flat((), 0.0, 1.0), "different names of columns"),
        (lambda: Flat(("a", "a"), 0.0, 1.0), "different names of columns"),
        (lambda: Flat("a", None, 1.0), "needs `low` and `high`"),
        (lambda: Flat("a", 1.0, 1.0), "must lie below `high`"),
        (lambda: Flat("a", 0.0, np.inf), "must be finite"),
        (lambda: Flat("a", 0.0, 1.0, n_components=0), "a whole number above zero"),
        (lambda: Flat(("a", "b"), [0.0], [1.0]).in_coordinates(("a", "b", "c"), (None,) * 3), "has 1 entries"),
        (lambda: Flat("z", 0.0, 1.0).in_coordinates(("a", "b"), (None, None)), "names 'z', but the columns are a, b"),
        (lambda: Flat(("a", "b"), 0.0, 1.0).in_coordinates(("a", "b"), (None, None)), "use a Background"),
    ],
)
def test_what_is_no_flat_component_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_what_cannot_be_combined_is_refused():
    mixture, observations = small(noise="errors", n=60)
    flat = Flat("f", -2.0, 3.0)
    for settings, message in (
        ({"covariance_type": "tied"}, "use 'full' or 'diag'"),
        ({"covariance_type": "spherical"}, "use 'full' or 'diag'"),
        ({"family": "t"}, "cannot be combined with `family='t'`"),
        ({"prior": Prior(means=Normal([0.0, 0.0], np.eye(2)))}, "a part on means or covariances"),
        ({"prior": Prior(covariances=InverseWishart(1.0))}, "a part on means or covariances"),
    ):
        with pytest.raises(InputError, match=message):
            fit(observations, 2, Settings(model=Model(flat=flat, **settings)))
    with pytest.raises(InputError, match="it counts the flat component too; give at least 2"):
        fit(observations, 1, Settings(model=Model(flat=flat)))
    with pytest.raises(InputError, match="`flat` is 'f'"):
        Model(flat="f")
    projected = Observations.with_standard_errors(np.ones((5, 1)), 0.1, names=["f", "o"], projections=[[1.0, 1.0]])
    limited = Observations.with_limits(
        observations.values, 0.1, upper=observations.values == observations.values.max(), names=["f", "o"]
    )
    for data, what in ((projected, "projections"), (limited, "limits")):
        with pytest.raises(InputError, match=f"cannot be combined with {what}"):
            fit(data, 2, Settings(model=Model(flat=flat)))
        with pytest.raises(InputError, match=f"cannot be combined with {what}"):
            log_likelihoods(mixture, data)
    with pytest.raises(InputError, match="cannot be combined with Student-t components"):
        GaussianMixture([1.0], [[0.0, 0.0]], [np.eye(2)], ["f", "o"], flat=flat, dof=3.0)
