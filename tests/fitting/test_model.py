"""Fixed parameters, priors, backgrounds and projections against closed forms and other optimisers."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import dirichlet, invwishart, multivariate_normal, norm

from xdgmm import (
    XDGMM,
    Background,
    DegenerateError,
    Dirichlet,
    Fixed,
    GaussianMixture,
    InputError,
    InverseWishart,
    Normal,
    Observations,
    Prior,
)
from xdgmm.fitting import COVARIANCE_TYPES, Model, Settings, fit


def noisy(seed, N, D):
    """Values of one Gaussian with full noise covariances, and these covariances."""
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((N, D, D))
    S = root @ root.transpose(0, 2, 1) + 0.1 * np.eye(D)
    S = 0.5 * (S + S.transpose(0, 2, 1))
    return rng.standard_normal((N, D)) + np.einsum("nij,nj->ni", np.linalg.cholesky(S), rng.standard_normal((N, D))), S


# --- Fixed -----------------------------------------------------------------------------------------------------------


def test_with_a_fixed_covariance_the_mean_is_the_weighted_one():
    x, S = noisy(1, 50, 2)
    V = np.array([[0.7, 0.2], [0.2, 0.5]])
    model = XDGMM(1, means_init=[[3.0, 3.0]], covariances_init=V[None], fixed=Fixed(covariances=(0,))).fit(x, Xerr=S)
    P = np.linalg.inv(V + S)
    expected = np.linalg.solve(P.sum(axis=0), np.einsum("nij,nj->i", P, x))
    np.testing.assert_allclose(model.means_[0], expected, atol=1e-9)
    np.testing.assert_array_equal(model.covariances_[0], V)


def test_with_a_fixed_mean_the_covariance_is_that_about_it():
    x = np.random.default_rng(2).standard_normal((80, 2))
    mean = np.array([[0.5, -0.3]])
    model = XDGMM(1, means_init=mean, fixed=Fixed(means=(0,))).fit(x)
    np.testing.assert_allclose(model.covariances_[0], (x - mean).T @ (x - mean) / len(x), rtol=1e-9)
    np.testing.assert_allclose(model.means_, mean, rtol=1e-15)


def test_a_fixed_weight_leaves_the_others_to_share_the_rest():
    rng = np.random.default_rng(3)
    # Far apart, so that memberships are known: the free two divide 0.7 like their numbers of objects, 60 to 30.
    x = np.concatenate([rng.normal(0, 1, 50), rng.normal(100, 1, 60), rng.normal(200, 1, 30)])
    start = {"weights_init": [0.3, 0.35, 0.35], "means_init": [[0.0], [100.0], [200.0]]}
    model = XDGMM(3, **start, fixed=Fixed(weights=(0,))).fit(x)
    np.testing.assert_allclose(model.weights_, [0.3, 0.7 * 2 / 3, 0.7 / 3], rtol=1e-7)
    assert model.result_.n_parameters == 8 - 1


def test_everything_fixed_is_the_start_itself_with_its_likelihood():
    x, S = noisy(4, 30, 2)
    start = GaussianMixture([1.0], [[0.1, 0.2]], [np.eye(2)])
    model = XDGMM(1, init=start, fixed=Fixed((0,), (0,), (0,))).fit(x, Xerr=S)
    expected = sum(multivariate_normal.logpdf(w, start.means[0], np.eye(2) + s) for w, s in zip(x, S, strict=True))
    assert model.converged_
    assert model.result_.log_likelihood == pytest.approx(expected, abs=1e-9)
    assert model.result_.n_parameters == 0


def test_what_is_fixed_has_no_error_and_the_rest_has_that_of_the_smaller_problem():
    x, S = noisy(5, 60, 2)
    V = np.array([[0.7, 0.2], [0.2, 0.5]])
    model = XDGMM(1, means_init=[[0.0, 0.0]], covariances_init=V[None], fixed=Fixed(covariances=(0,))).fit(x, Xerr=S)
    report = model.widths(x, Xerr=S)
    information = np.linalg.inv(V + S).sum(axis=0)  # exact: the log-likelihood is quadratic in the mean
    np.testing.assert_allclose(report["mean_error"][:2], np.sqrt(np.diag(np.linalg.inv(information))), rtol=1e-4)
    assert report["sigma_error"].mask.all()
    assert not report["is_limit"].any()
    assert any("held fixed" in sentence for sentence in report.meta["remarks"])


# --- Priors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", COVARIANCE_TYPES)
def test_an_inverse_wishart_prior_adds_its_scale_and_its_count(kind):
    x = np.random.default_rng(6).standard_normal((40, 3)) * [1.0, 3.0, 0.2]
    scale, nu = np.array([[2.0, 0.3, 0.0], [0.3, 1.0, 0.1], [0.0, 0.1, 0.5]]), 7.0
    model = XDGMM(1, covariance_type=kind, prior=Prior(covariances=InverseWishart(scale, nu))).fit(x)
    d = x - x.mean(axis=0)
    expected = (d.T @ d + scale) / (len(x) + nu + 4)  # Gelman et al., BDA3 eq. 3.15 at its mode; D + 1 = 4
    expected = {
        "full": expected,
        "tied": expected,
        "diag": np.diag(expected),
        "spherical": np.trace(expected) / 3,
    }[kind]
    np.testing.assert_allclose(np.squeeze(model.covariances_), expected, rtol=1e-7, atol=1e-9)


def test_a_number_alone_is_the_w_of_bovy_in_data_units():
    x = np.random.default_rng(7).standard_normal((30, 2)) * [1e-3, 50.0]
    w = 0.4
    model = XDGMM(1, prior=Prior(covariances=InverseWishart(w))).fit(x)
    d = x - x.mean(axis=0)
    # Bovy et al. 2011, sec. 3.2: V = (sum + w I) / (q + 1)
    np.testing.assert_allclose(model.covariances_[0], (d.T @ d + w * np.eye(2)) / 31, rtol=1e-7)


def test_a_normal_prior_on_the_mean_is_one_more_measurement():
    x, S = noisy(8, 25, 2)
    V, centre, C = np.array([[0.5, 0.1], [0.1, 0.4]]), np.array([5.0, -3.0]), np.array([[0.2, 0.05], [0.05, 0.1]])
    model = XDGMM(
        1,
        means_init=[[0.0, 0.0]],
        covariances_init=V[None],
        fixed=Fixed(covariances=(0,)),
        prior=Prior(means=Normal(centre, C)),
    ).fit(x, Xerr=S)
    P, own = np.linalg.inv(V + S), np.linalg.inv(C)
    expected = np.linalg.solve(P.sum(axis=0) + own, np.einsum("nij,nj->i", P, x) + own @ centre)
    np.testing.assert_allclose(model.means_[0], expected, atol=1e-8)


def test_a_dirichlet_prior_adds_objects():
    rng = np.random.default_rng(9)
    x = np.concatenate([rng.normal(0, 1, 30), rng.normal(100, 1, 10)])
    model = XDGMM(2, means_init=[[0.0], [100.0]], prior=Prior(weights=Dirichlet([3.0, 7.0]))).fit(x)
    np.testing.assert_allclose(model.weights_, np.array([30 + 2, 10 + 6]) / 48, rtol=1e-7)


def test_the_parts_of_the_objective_are_scipys_densities():
    x, S = noisy(10, 40, 2)
    prior = Prior(Dirichlet([2.0, 3.0]), Normal([0.1, 0.2], [[2.0, 0.3], [0.3, 1.0]]), InverseWishart(np.eye(2), 4.0))
    result = XDGMM(2, prior=prior, random_state=0).fit(x, Xerr=S).result_
    mixture = result.mixture
    expected = {
        "weights": dirichlet.logpdf(mixture.weights / mixture.weights.sum(), [2.0, 3.0]),
        "means": sum(multivariate_normal.logpdf(m, [0.1, 0.2], [[2.0, 0.3], [0.3, 1.0]]) for m in mixture.means),
        "covariances": sum(invwishart.logpdf(V, 4.0, np.eye(2)) for V in mixture.covariances),
    }
    assert result.log_priors == pytest.approx(expected, abs=1e-9)
    assert result.log_posterior == pytest.approx(result.log_likelihood + sum(expected.values()), abs=1e-9)
    assert result.history[-1] == pytest.approx(result.log_posterior, abs=1e-6)


def test_a_prior_is_mapped_through_the_standardisation():
    x, S = noisy(11, 40, 2)
    A, b = np.array([1e4, 1e-3]), np.array([1e6, 5.0])
    small = Prior(means=Normal([0.3, 0.1], np.eye(2)), covariances=InverseWishart([[0.4, 0.1], [0.1, 0.3]], 3.0))
    large = Prior(
        means=Normal(A * [0.3, 0.1] + b, np.diag(A**2)),
        covariances=InverseWishart(np.array([[0.4, 0.1], [0.1, 0.3]]) * np.outer(A, A), 3.0),
    )
    one = XDGMM(1, prior=small).fit(x, Xerr=S)
    other = XDGMM(1, prior=large).fit(A * x + b, Xerr=S * np.outer(A, A))
    np.testing.assert_allclose(other.means_, A * one.means_ + b, rtol=1e-9)
    np.testing.assert_allclose(other.covariances_, one.covariances_ * np.outer(A, A), rtol=1e-6)


def test_a_prior_cures_a_collapse_and_leaves_no_limit():
    x = np.array([0.0, 0.0, 0.0, 5.0, 6.0, 7.0])
    with pytest.raises(DegenerateError, match="prior"):
        XDGMM(2, random_state=0).fit(x)
    model = XDGMM(2, prior=Prior(covariances=InverseWishart(0.1)), random_state=0).fit(x)
    np.testing.assert_allclose(np.sort(model.covariances_.ravel()), [0.1 / 4, (2.0 + 0.1) / 4], rtol=1e-3)
    report = model.widths(x, Xerr=0)
    assert not report["is_limit"].any()
    assert np.isfinite(np.asarray(report["sigma_error"])).all()
    assert any("no width has an upper limit" in sentence for sentence in report.meta["remarks"])


def test_errors_with_a_prior_are_those_of_the_posterior():
    x = np.random.default_rng(12).normal(1.0, 2.0, 50)
    nu, scale = 9.0, 3.0
    model = XDGMM(1, prior=Prior(means=Normal([0.0], [[1.0]]), covariances=InverseWishart(scale, nu))).fit(x)

    def lost(p):
        value = norm.logpdf(x, p[0], np.sqrt(p[1])).sum() + norm.logpdf(p[0]) + invwishart.logpdf(p[1], nu, scale)
        return -float(np.squeeze(value))

    best = np.array([model.means_[0, 0], model.covariances_[0, 0, 0]])
    h = 1e-4
    hessian = np.zeros((2, 2))
    for i in range(2):
        for j in range(2):
            a, b = h * np.eye(2)[i], h * np.eye(2)[j]
            hessian[i, j] = (lost(best + a + b) - lost(best + a - b) - lost(best - a + b) + lost(best - a - b)) / (
                4 * h * h
            )
    errors = np.sqrt(np.diag(np.linalg.inv(hessian)))
    report = model.widths(x, Xerr=0)
    assert report["mean_error"][0] == pytest.approx(errors[0], rel=1e-4)
    assert report["sigma_error"][0] == pytest.approx(errors[1] / (2 * np.sqrt(best[1])), rel=1e-4)


def test_a_prior_of_each_component_finds_its_component_from_any_start():
    rng = np.random.default_rng(13)
    x = np.concatenate([rng.normal(0, 1, 200), rng.normal(20, 1, 100)])
    prior = Prior(means=Normal([[20.0], [0.0]], [[1.0]]))
    for seed in range(3):
        model = XDGMM(2, prior=prior, random_state=seed).fit(x)
        assert model.means_.ravel() == pytest.approx([20.0, 0.0], abs=0.5)


def test_more_data_sampled_first_do_not_change_the_weight_of_the_prior():
    rng = np.random.default_rng(14)
    x = rng.standard_normal((60_000, 1))
    scale = 30_000.0
    model = XDGMM(2, prior=Prior(covariances=InverseWishart(scale, 1.0)), random_state=0, n_init=2).fit(x)
    likelihood = model.result_
    direct = XDGMM(2, init=model.mixture_, solver="quasi-newton", prior=model.prior).fit(x).result_
    assert likelihood.log_posterior == pytest.approx(direct.log_posterior, abs=1e-5)


# --- Background ------------------------------------------------------------------------------------------------------


def contaminated(seed, N):
    """Two narrow components and one twentieth of uniform outliers, with errors."""
    rng = np.random.default_rng(seed)
    truth = GaussianMixture([0.6, 0.4], [[0.0, 0.0], [4.0, 1.0]], [np.diag([1.0, 0.25]), [[0.5, 0.2], [0.2, 0.4]]])
    v, _ = truth.sample(N, rng)
    errors = rng.uniform(0.2, 0.8, (N, 2))
    w = v + errors * rng.standard_normal((N, 2))
    outlier = rng.random(N) < 0.05
    w[outlier] = rng.uniform(-20.0, 20.0, (outlier.sum(), 2))
    return truth, w, errors, outlier


def test_a_background_recovers_the_clean_widths_within_their_errors():
    truth, w, errors, outlier = contaminated(15, 4000)
    box = Background([-20.0, -20.0], [20.0, 20.0])
    model = XDGMM(2, background=box, random_state=0).fit(w, Xerr=errors)
    report = model.widths(w, Xerr=errors)
    named = report[: truth.sigmas.size]
    pulls = (named["sigma"] - truth.sigmas.ravel()) / named["sigma_error"]
    assert np.abs(pulls).max() < 3.0  # four pulls of unit variance
    assert np.sqrt((pulls**2).mean()) < 2.0
    fraction = report.meta["background"]
    assert abs(fraction["fraction"] - outlier.mean()) < 3 * fraction["fraction_error"]
    member = model.predict_proba(w, Xerr=errors)
    assert member.shape == (4000, 3)
    np.testing.assert_allclose(member.sum(axis=1), 1.0, rtol=1e-12)
    assert member[outlier, 2].mean() > 0.9 > 0.1 > member[~outlier, 2].mean()
    without = XDGMM(2, random_state=0).fit(w, Xerr=errors)  # the twin that must fail
    assert np.abs(without.mixture_.sigmas.ravel() / truth.sigmas.ravel() - 1).max() > 0.5
    assert any("background" in sentence for sentence in report.meta["remarks"])


def test_the_background_is_the_maximum_that_a_general_optimiser_finds():
    rng = np.random.default_rng(16)
    e = rng.uniform(0.1, 1.0, 150)
    x = np.where(rng.random(150) < 0.2, rng.uniform(-10, 10, 150), 1.0 + np.sqrt(0.5 + e**2) * rng.standard_normal(150))
    model = XDGMM(1, background=Background(-10.0, 10.0)).fit(x, Xerr=e)

    def lost(p):
        fraction, mean, variance = 1 / (1 + np.exp(-p[0])), p[1], np.exp(p[2])
        of_background = (norm.cdf(10.0, x, e) - norm.cdf(-10.0, x, e)) / 20.0
        return -np.log((1 - fraction) * norm.pdf(x, mean, np.sqrt(variance + e**2)) + fraction * of_background).sum()

    best = minimize(
        lost, [-1.0, 0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 4000}
    )
    assert model.background_fraction_ == pytest.approx(1 / (1 + np.exp(-best.x[0])), abs=1e-6)
    assert model.means_[0, 0] == pytest.approx(best.x[1], abs=1e-6)
    assert model.covariances_[0, 0, 0] == pytest.approx(np.exp(best.x[2]), abs=1e-5)
    assert model.result_.log_likelihood == pytest.approx(-best.fun, abs=1e-8)


def test_the_box_of_the_data_is_the_default_for_measured_values():
    _, w, errors, _ = contaminated(17, 500)
    model = XDGMM(2, background=Background(of="measured values"), random_state=0).fit(w, Xerr=errors)
    low, high = model.mixture_.background.box
    np.testing.assert_array_equal(low, w.min(axis=0))
    np.testing.assert_array_equal(high, w.max(axis=0))
    box = Background(low, high, of="measured values")
    stated = XDGMM(2, background=box, random_state=0).fit(w, Xerr=errors)
    np.testing.assert_allclose(stated.weights_, model.weights_, rtol=1e-9)


def test_a_background_where_there_is_none_vanishes():
    x = np.random.default_rng(18).standard_normal(400)
    model = XDGMM(1, background=Background(-50.0, 50.0)).fit(x, Xerr=0.3)
    plain = XDGMM(1).fit(x, Xerr=0.3)
    assert model.converged_
    assert model.background_fraction_ < 1e-6
    assert model.result_.log_likelihood == pytest.approx(plain.result_.log_likelihood, abs=1e-6)


def test_units_carry_through_a_background():
    import astropy.units as u

    _, w, errors, _ = contaminated(19, 400)
    plain = XDGMM(2, background=Background([-20.0, -20.0], [20.0, 20.0]), random_state=0).fit(w, Xerr=errors)
    box = Background([-2e4, -2e4] * u.m / u.s, [2e4, 2e4] * u.m / u.s)
    model = XDGMM(2, background=box, random_state=0).fit(w * u.km / u.s, Xerr=errors * u.km / u.s)
    assert model.background_fraction_ == pytest.approx(plain.background_fraction_, rel=1e-9)
    shifted = model.predict_proba(w * 1e3 * u.m / u.s, Xerr=errors * 1e3 * u.m / u.s)
    np.testing.assert_allclose(shifted, plain.predict_proba(w, Xerr=errors), atol=1e-9)


# --- Projections -----------------------------------------------------------------------------------------------------


def ellipsoid(seed, N, M=2, D=3):
    """Velocities of two components seen in M of D directions of each object's own."""
    rng = np.random.default_rng(seed)
    truth = GaussianMixture(
        [0.7, 0.3],
        [np.zeros(D), np.linspace(-4.0, 4.0, D)],
        [np.diag(np.linspace(1.0, 2.5, D) ** 2), np.eye(D) + 0.4],
    )
    v, _ = truth.sample(N, rng)
    R = np.linalg.qr(rng.standard_normal((N, D, D)))[0][:, :M]
    errors = rng.uniform(0.2, 0.6, (N, M))
    w = np.einsum("nij,nj->ni", R, v) + errors * rng.standard_normal((N, M))
    return truth, Observations.with_standard_errors(w, errors, projections=R), v


def test_an_ellipsoid_is_recovered_from_projections_none_of_which_shows_it_whole():
    truth, observations, _ = ellipsoid(20, 5000)
    model = XDGMM(2, random_state=0).fit(observations)
    assert model.converged_
    report = model.widths(observations)[: truth.sigmas.size]
    pulls = (report["sigma"] - truth.sigmas.ravel()) / report["sigma_error"]
    assert np.abs(pulls).max() < 3.3  # six pulls of unit variance
    pulls = (report["mean"] - truth.means.ravel()) / report["mean_error"]
    assert np.abs(pulls).max() < 3.3
    assert report["observed_sigma"].mask.all()


def test_missing_values_are_projections_onto_the_others():
    rng = np.random.default_rng(21)
    x, S = noisy(21, 80, 3)
    seen = rng.random((80, 3)) < 0.7
    seen[:5] = True
    seen[~seen.any(axis=1), 0] = True
    missing = Observations.with_covariances(np.where(seen, x, np.nan), S)
    R = np.broadcast_to(np.eye(3), (80, 3, 3))
    projected = Observations.with_covariances(np.where(seen, x, np.nan), S, R)
    start = GaussianMixture([1.0], [np.zeros(3)], [np.eye(3)])
    one, other = (fit(each, 1, Settings(start=start)) for each in (missing, projected))
    np.testing.assert_allclose(one.mixture.means, other.mixture.means, atol=1e-6)
    np.testing.assert_allclose(one.mixture.covariances, other.mixture.covariances, atol=1e-6)
    assert one.log_likelihood == pytest.approx(other.log_likelihood, abs=1e-8)


def test_one_invertible_projection_is_a_change_of_variables():
    x, S = noisy(22, 70, 2)
    R = np.array([[2.0, 1.0], [-0.5, 3.0]])
    model = XDGMM(1).fit(Observations.with_covariances(x, S, R))
    rotated = XDGMM(1).fit(Observations.with_covariances(x, S).transform(np.linalg.inv(R)))
    np.testing.assert_allclose(model.means_, rotated.means_, atol=1e-6)
    np.testing.assert_allclose(model.covariances_, rotated.covariances_, atol=1e-6)


def test_a_mean_from_projections_is_generalised_least_squares():
    _, observations, _ = ellipsoid(23, 60)
    V = np.diag([1.0, 2.0, 3.0])
    start = {"means_init": np.zeros((1, 3)), "covariances_init": V[None]}
    model = XDGMM(1, **start, fixed=Fixed(covariances=(0,))).fit(observations)
    R, S = observations.projections, observations.noise_covariances
    P = np.linalg.inv(R @ V @ R.transpose(0, 2, 1) + S)
    normal = np.einsum("nai,nab,nbj->ij", R, P, R)
    expected = np.linalg.solve(normal, np.einsum("nai,nab,nb->i", R, P, observations.values))
    np.testing.assert_allclose(model.means_[0], expected, atol=1e-8)


def test_an_unmeasured_direction_is_refused_without_a_prior():
    rng = np.random.default_rng(24)
    R = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    observations = Observations.with_standard_errors(rng.standard_normal((50, 2)), 0.1, projections=R)
    with pytest.raises(InputError, match=r"2 of the 3 directions, .*x3"):
        XDGMM(1).fit(observations)
    prior = Prior(means=Normal(np.zeros(3), np.eye(3)), covariances=InverseWishart(1.0, 5.0))
    model = XDGMM(1, prior=prior).fit(observations)
    assert model.means_[0, 2] == pytest.approx(0.0, abs=1e-6)  # nothing but the prior


@pytest.mark.parametrize("solver", ["em", "implicit", "quasi-newton", "auto"])
def test_projections_of_one_coordinate_are_a_unit_for_each_object(solver):
    rng = np.random.default_rng(40)
    x, e, R = rng.normal(3.0, 1.0, 80), rng.uniform(0.3, 1.5, 80), rng.uniform(0.5, 4.0, 80)
    x[:30] -= 9.0
    x = x + e * rng.standard_normal(80)
    start = GaussianMixture([0.5, 0.5], [[-5.0], [2.0]], [[[1.0]], [[1.0]]])
    projected = Observations.with_standard_errors((x * R)[:, None], (e * R)[:, None], projections=R[:, None, None])
    expected, found = (
        XDGMM(2, init=start, solver=solver, tol=1e-9, max_iter=3000).fit(observations).result_
        for observations in (Observations.with_standard_errors(x, e), projected)
    )
    assert found.log_likelihood == pytest.approx(expected.log_likelihood - np.log(R).sum(), abs=1e-7)
    np.testing.assert_allclose(found.mixture.sigmas, expected.mixture.sigmas, rtol=1e-4)  # the root of the tolerance


def test_projections_and_their_units_may_be_rescaled():
    _, observations, _ = ellipsoid(25, 400)
    scale = np.array([1e3, 1.0, 1e-4])
    stretched = Observations.with_standard_errors(
        observations.values, observations.noise, projections=observations.projections / scale
    )
    one, other = (XDGMM(1).fit(each) for each in (observations, stretched))
    np.testing.assert_allclose(other.means_, one.means_ * scale, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(other.covariances_, one.covariances_ * np.outer(scale, scale), rtol=1e-5)
    assert other.result_.log_likelihood == pytest.approx(one.result_.log_likelihood, abs=1e-7)


# --- Bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"covariance_type": "round"},
            "`covariance_type` is 'round', but it must be one of full, tied, diag, spherical",
        ),
        ({"fixed": (0,)}, "`fixed` is (0,), but it must be a Fixed"),
        ({"fixed": Fixed(means=(0,))}, "`fixed` holds parameters at their starting values, so give these"),
        ({"fixed": Fixed(means=(2,)), "means_init": [[0.0, 0], [1, 1]]}, "`means` of Fixed names component 2"),
        ({"fixed": Fixed(means=(-1,)), "means_init": [[0.0, 0], [1, 1]]}, "`means` of Fixed names component -1"),
        (
            {"fixed": Fixed(weights=(0, 1)), "means_init": [[0.0, 0], [1, 1]], "weights_init": [0.5, 0.6]},
            "`weights` must not be negative and must sum to 1",
        ),
        (
            {"fixed": Fixed(weights=(0,)), "means_init": [[0.0, 0], [1, 1]], "weights_init": [1.0, 0.0]},
            "the fixed weights sum to 1, which leaves nothing",
        ),
        (
            {"fixed": Fixed(covariances=(0,)), "means_init": [[0.0, 0], [1, 1]], "covariance_type": "tied"},
            "fix all or none",
        ),
        (
            {
                "fixed": Fixed(covariances=(0,)),
                "means_init": [[0.0, 0], [1, 1]],
                "covariances_init": [[[1, 0.5], [0.5, 1]]] * 2,
                "covariance_type": "diag",
            },
            "the fixed covariance of component 0 is not of covariance_type='diag'",
        ),
        ({"prior": 0.1}, "`prior` is 0.1, but it must be a Prior"),
        ({"prior": Prior(weights=Dirichlet([1.0, 2.0, 3.0]))}, "`concentration` has shape (3,)"),
        ({"prior": Prior(weights=Dirichlet(0.5))}, "must be at least 1"),
        ({"prior": Prior(means=Normal([0.0], np.eye(2)))}, "the mean of the prior has shape (1,)"),
        ({"prior": Prior(means=Normal([0.0, 0.0], np.eye(3)))}, "the covariance of the prior has shape (3, 3)"),
        ({"prior": Prior(covariances=InverseWishart(-1.0))}, "must be symmetric and positive definite"),
        ({"prior": Prior(covariances=InverseWishart([[1, 2], [2, 1]]))}, "must be symmetric and positive definite"),
        ({"prior": Prior(covariances=InverseWishart([[1, 2], [0, 5]]))}, "must be symmetric and positive definite"),
        ({"prior": Prior(covariances=InverseWishart(1.0, -3))}, "`degrees_of_freedom` is -3"),
        ({"background": True}, "`background` is True, but it must be a Background"),
        ({"covariances_init": np.ones((2, 3)), "means_init": [[0.0, 0], [1, 1]]}, "(2, 2, 2)"),
        (
            {"covariances_init": np.ones((2, 3)), "means_init": [[0.0, 0], [1, 1]], "covariance_type": "diag"},
            "with covariance_type='diag' they need (2, 2)",
        ),
    ],
)
def test_a_model_that_cannot_be_is_one_clear_sentence(settings, message):
    x = np.random.default_rng(0).standard_normal((20, 2))
    with pytest.raises(InputError) as raised:
        XDGMM(2, **settings).fit(x)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_objects_outside_the_box_of_measured_values_are_named():
    x = np.array([0.0, 1.0, 2.0, 30.0, 1.5])
    with pytest.raises(InputError, match="row 3"):
        XDGMM(1, background=Background(-5.0, 5.0, of="measured values")).fit(x, Xerr=0.1)


@pytest.mark.parametrize("far_error", [0.1, 0.0], ids=["noisy", "exact"])
def test_objects_that_the_noise_does_not_bring_into_the_box_are_named_in_a_remark(far_error):
    x = np.random.default_rng(3).normal(0.0, 1.0, 60)
    x[7:9], e = [30.0, 33.0], np.full(60, 0.1)
    e[7:9] = far_error
    result = XDGMM(1, background=Background(-5.0, 5.0)).fit(x, Xerr=e).result_
    assert result.rows_beyond_background == (7, 8)
    assert any("rows 7, 8" in remark and "8 standard errors outside the box" in remark for remark in result.remarks)
    e[7:9] = 10.0
    assert XDGMM(1, background=Background(-5.0, 5.0)).fit(x, Xerr=e).result_.rows_beyond_background == ()


def test_a_part_of_a_prior_that_is_something_else_is_refused():
    with pytest.raises(InputError, match="a Normal"):
        Prior(means=Dirichlet(2.0))
    with pytest.raises(InputError, match="part"):
        Prior()


def test_models_of_other_types_take_starts_in_their_own_shape():
    x = np.random.default_rng(0).standard_normal((50, 2))
    shapes = {"full": np.array([np.eye(2)] * 2), "tied": np.eye(2), "diag": np.ones((2, 2)), "spherical": np.ones(2)}
    for kind, covariances in shapes.items():
        start = {"means_init": [[-1.0, 0.0], [1.0, 0.0]], "covariances_init": covariances}
        model = XDGMM(2, covariance_type=kind, **start).fit(x, Xerr=0.5)
        assert model.covariances_.shape == covariances.shape
        assert model.mixture_.covariances.shape == (2, 2, 2)


def test_limits_respect_the_covariance_type():
    # The same profile, from one dimension: independent columns with the same values have the same limits.
    rng = np.random.default_rng(26)
    x = rng.standard_normal((40, 1))
    single = XDGMM(1).fit(x, Xerr=1.2).widths(x, Xerr=1.2)
    double = XDGMM(1, covariance_type="diag").fit(np.tile(x, 2), Xerr=1.2).widths(np.tile(x, 2), Xerr=1.2)
    assert single["is_limit"].all()
    np.testing.assert_allclose(double["sigma_limit"], single["sigma_limit"][0], rtol=1e-6)
    halved = XDGMM(1, covariance_type="spherical").fit(np.tile(x, 2), Xerr=1.2).widths(np.tile(x, 2), Xerr=1.2)
    twice = np.concatenate([x, x])  # a common width of two columns: twice as many objects
    expected = XDGMM(1).fit(twice, Xerr=1.2).widths(twice, Xerr=1.2)
    np.testing.assert_allclose(halved["sigma_limit"], expected["sigma_limit"][0], rtol=1e-6)


def test_a_tied_width_is_limited_by_all_components():
    rng = np.random.default_rng(27)
    x = np.concatenate([rng.standard_normal(30), 100 + rng.standard_normal(30)])
    tied = XDGMM(2, covariance_type="tied", means_init=[[0.0], [100.0]]).fit(x, Xerr=1.1)
    report = tied.widths(x, Xerr=1.1)
    centred = x - np.repeat(tied.means_.ravel(), 30)

    def profile(variance):
        return norm.logpdf(centred, 0.0, np.sqrt(variance + 1.21)).sum()

    from scipy.optimize import brentq

    top = max(profile(v) for v in np.linspace(0, 3, 3001))
    limit = np.sqrt(brentq(lambda v: 2 * (top - profile(v)) - 2.705543454, tied.covariances_[0, 0] + 1e-3, 10.0))
    if report["is_limit"][0]:
        np.testing.assert_allclose(report["sigma_limit"], limit, rtol=1e-3)
    else:
        np.testing.assert_array_equal(report["sigma"][0], report["sigma"][1])


def test_model_is_a_value():
    assert Model() == Model()
    assert Model("diag").n_parameters(3, 2) == 2 + 6 + 6


# --- What no object measures ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["auto", "quasi-newton"])
@pytest.mark.parametrize("row", [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, -0.3]])
def test_priors_alone_decide_what_no_projection_sees(row, solver):
    rng = np.random.default_rng(28)
    y, e, R = rng.normal(3, 1, (200, 1)), 0.2, np.array([row])
    nu, scale = 4.0, 0.7 * np.eye(2)
    prior = Prior(means=Normal([1.0, 7.0], 4 * np.eye(2)), covariances=InverseWishart(scale, nu))
    result = XDGMM(1, solver=solver, prior=prior).fit(Observations.with_standard_errors(y, e, projections=R)).result_

    def lost(p):
        L = np.array([[np.exp(p[2]), 0.0], [p[3], np.exp(p[4])]])
        V, mean = L @ L.T, p[:2]
        likelihood = norm.logpdf(y, (R @ mean)[0], np.sqrt((R @ V @ R.T)[0, 0] + e**2)).sum()
        return -(likelihood + multivariate_normal.logpdf(mean, [1, 7], 4 * np.eye(2)) + invwishart.logpdf(V, nu, scale))

    best = minimize(lost, [3.0, 7.0, 0.0, 0.0, -1.0], method="BFGS", options={"gtol": 1e-7})
    assert result.converged
    assert result.log_posterior == pytest.approx(-best.fun, abs=1e-6)
    assert result.log_posterior >= -best.fun - 1e-7


@pytest.mark.parametrize("every", [2, 3, 500])
def test_catalogues_whose_rows_alternate_are_seen_whole(every):
    N = 42_000
    rng = np.random.default_rng(29)
    which = (np.arange(N) % every == 1).astype(int)
    observations = Observations.with_standard_errors(
        rng.standard_normal((N, 1)) * np.where(which, 5.0, 1.0)[:, None], 0.1, projections=np.eye(2)[which][:, None]
    )
    result = XDGMM(1).fit(observations).result_
    for axis, truth in enumerate((1.0, 5.0)):
        assert abs(result.mixture.sigmas[0, axis] / truth - 1) < 4 / np.sqrt(2 * (which == axis).sum())
    assert result.unmeasured_pairs == (("x1", "x2"),)
    assert "x1 and x2" in result.remarks[-1]


def test_columns_that_no_object_has_together_are_remarked_upon():
    x = np.random.default_rng(30).standard_normal((60, 3))
    x[:30, 0] = x[30:, 1] = np.nan
    result = XDGMM(1).fit(x, Xerr=0.1).result_
    assert result.unmeasured_pairs == (("x1", "x2"),)
    assert XDGMM(1, covariance_type="diag").fit(x, Xerr=0.1).result_.unmeasured_pairs == ()
    _, observations, _ = ellipsoid(31, 300)
    assert XDGMM(1).fit(observations).result_.unmeasured_pairs == ()


def test_unmeasured_coordinates_are_named():
    y = np.random.default_rng(32).standard_normal((40, 1))
    for row, words in (([[1.0, 0.0]], "nothing in V;"), ([[1.0, 1.0]], "combination of U, V;")):
        observations = Observations.with_standard_errors(y, 0.1, names=["U", "V"], projections=np.array(row))
        with pytest.raises(InputError, match=words):
            XDGMM(1).fit(observations)


def test_weights_alone_can_be_fitted_behind_any_projection():
    rng = np.random.default_rng(33)
    y = np.concatenate([rng.normal(0, 1, 60), rng.normal(30, 1, 20)])[:, None]
    observations = Observations.with_standard_errors(y, 0.1, projections=np.array([[1.0, 0.0]]))
    start = GaussianMixture([0.5, 0.5], [[0.0, 0.0], [30.0, 0.0]], [np.eye(2)] * 2)
    model = XDGMM(2, init=start, fixed=Fixed((), (0, 1), (0, 1))).fit(observations)
    np.testing.assert_allclose(model.weights_, [0.75, 0.25], atol=1e-7)


# --- Units, and shares of zero ---------------------------------------------------------------------------------------


def two_units(seed):
    """The same velocities in km/s and m/s, as a table, and as numbers in km/s."""
    import astropy.units as u
    from astropy.table import QTable

    rng = np.random.default_rng(seed)
    y, e = rng.normal(5.0, 1.0, (60, 2)), np.full((60, 2), 0.3)
    a, b = u.km / u.s, u.m / u.s
    return QTable({"a": y[:, 0] * a, "e_a": e[:, 0] * a, "b": 1e3 * y[:, 1] * b, "e_b": 1e3 * e[:, 1] * b}), y, e


def test_priors_and_starts_are_converted_column_by_column():
    import astropy.units as u

    table, y, e = two_units(34)
    v = u.m / u.s
    as_quantities = [
        Prior(
            means=Normal([4000.0, 4000.0] * v, 1e4 * np.eye(2) * v**2),
            covariances=InverseWishart(1e6 * v**2, 100.0),
        ),
        Prior(
            means=Normal([4.0 * u.km / u.s, 4000.0 * v], 1e4 * np.eye(2) * v**2),
            covariances=InverseWishart(1e6 * np.eye(2) * v**2, 100.0),
        ),
    ]
    plain = Prior(means=Normal([4.0, 4.0], 0.01 * np.eye(2)), covariances=InverseWishart(1.0, 100.0))
    expected = XDGMM(1, prior=plain).fit(y, Xerr=e)
    for prior in as_quantities:
        model = XDGMM(1, prior=prior).fit(table)
        np.testing.assert_allclose(model.means_, expected.means_ * [1.0, 1e3], rtol=1e-8)
        np.testing.assert_allclose(model.covariances_, expected.covariances_ * [[1, 1e3], [1e3, 1e6]], rtol=1e-6)
    start = {"means_init": [[5000.0, 5000.0]] * v, "covariances_init": 1e6 * np.eye(2)[None] * v**2}
    held = XDGMM(1, **start, fixed=Fixed((), (0,), (0,))).fit(table)
    np.testing.assert_allclose(held.means_, [[5.0, 5000.0]])
    np.testing.assert_allclose(held.covariances_, [[[1.0, 0.0], [0.0, 1e6]]])
    diagonal = XDGMM(1, covariance_type="diag", means_init=[[5.0, 5000.0]], covariances_init=[[1e6, 1e6]] * v**2)
    np.testing.assert_allclose(diagonal.set_params(fixed=Fixed(covariances=(0,))).fit(table).covariances_, [[1.0, 1e6]])


def test_units_that_do_not_fit_a_prior_are_refused():
    import astropy.units as u

    table, y, e = two_units(35)
    for prior, message in (
        (Prior(covariances=InverseWishart(1.0 * u.km**2)), "unit km2"),
        (Prior(means=Normal([1.0, 1.0] * u.Mpc, np.eye(2))), "unit Mpc"),
        (Prior(weights=Dirichlet(2.0 * u.km)), "unit km"),
    ):
        for X, Xerr in ((table, None), (y, e)):
            with pytest.raises(InputError, match=message):
                XDGMM(1, prior=prior).fit(X, Xerr=Xerr)


def test_a_background_that_is_not_found_is_zero_with_an_upper_limit():
    x = np.random.default_rng(36).normal(0.0, 3.0, 200)
    model = XDGMM(1, background=Background(-40.0, 40.0)).fit(x, Xerr=0.3)
    assert model.background_fraction_ == 0.0
    assert model.weights_.tolist() == [1.0]
    report = model.widths(x, Xerr=0.3)

    def profile(fraction):
        def lost(p):
            return -np.log((1 - fraction) * norm.pdf(x, p[0], np.sqrt(np.exp(p[1]) + 0.09)) + fraction / 80).sum()

        return -minimize(lost, [0.0, 2.2], method="BFGS", options={"gtol": 1e-8}).fun

    limit = report.meta["background"]["fraction_limit"]
    assert 2 * (profile(0.0) - profile(limit)) == pytest.approx(2.705543454, abs=1e-3)
    assert f"none found (less than {100 * limit:.2g}% at 95%)" in report.meta["remarks"][0]
    assert np.ma.is_masked(report["weight_error"][0])


def test_the_fraction_of_a_background_can_be_held_without_a_start():
    _, w, errors, _ = contaminated(37, 500)
    box = Background([-20.0, -20.0], [20.0, 20.0], fraction=0.2)
    model = XDGMM(2, background=box, fixed=Fixed(weights=(2,)), random_state=0).fit(w, Xerr=errors)
    assert model.background_fraction_ == pytest.approx(0.2, rel=1e-12)
    assert model.weights_.sum() == pytest.approx(0.8, rel=1e-12)


def test_a_share_of_zero_is_refused_where_the_prior_excludes_it():
    x = np.random.default_rng(38).standard_normal(50)
    prior = Prior(weights=Dirichlet(2.0))
    with pytest.raises(InputError, match=r"background.* 0"):
        XDGMM(1, prior=prior, background=Background(-20, 20, fraction=0)).fit(x)
    start = GaussianMixture([0.0, 1.0], [[0.0], [1.0]], [[[1.0]], [[1.0]]])
    with pytest.raises(InputError, match=r"component 0 .*weight 0"):
        XDGMM(2, prior=prior, init=start).fit(x)


def test_a_callback_is_told_of_the_likelihood_without_the_prior():
    x = np.random.default_rng(39).standard_normal(200)
    seen = []
    prior = Prior(covariances=InverseWishart(5.0, 20.0))
    model = XDGMM(1, prior=prior, callback=lambda progress: seen.append(progress.mean_log_likelihood)).fit(x)
    assert max(seen) == pytest.approx(model.lower_bound_, abs=0.2)
    assert min(abs(np.array(seen) - model.lower_bound_)) < 1e-9
