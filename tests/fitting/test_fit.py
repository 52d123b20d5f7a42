"""What a fit must do whatever the solver: reach the maximum, never pass it, follow the data, say when there is none."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import logsumexp
from sklearn.mixture import GaussianMixture as Ordinary

from xdgmm import XDGMM, DegenerateError, GaussianMixture, InputError, Observations
from xdgmm.errors import ConvergenceWarning
from xdgmm.fitting import Model, Outcome, Problem, Settings, StoppingRule, fit, solvers
from xdgmm.fitting.em import step
from xdgmm.fitting.objective import expect
from xdgmm.fitting.optimality import Iterate
from xdgmm.kernels import reference
from xdgmm.observations import Correlated

every_solver = pytest.mark.parametrize("solver", solvers.NAMES)


def settings_of(solver="auto", tol=1e-8, max_iter=5000, start=None, n_init=10):
    return Settings(solver, StoppingRule(tol, max_iter), n_init, start)


def parameters(mixture):
    return mixture.weights, mixture.means, mixture.covariances


def likelihood_of(mixture, observations):
    """Total lnL by the plain NumPy pass."""
    counted = observations.counts
    return reference.accumulate(
        observations.values[counted],
        observations.noise_covariances[counted],
        observations.object_weights[counted],
        *parameters(mixture),
    ).log_likelihood


# Solvers


@every_solver
@pytest.mark.parametrize(("D", "K", "noise"), [(1, 1, "standard errors"), (1, 2, "covariances"), (2, 2, "none"),
                                               (2, 2, "standard errors"), (3, 2, "covariances")])  # fmt: skip
def test_every_solver_reaches_the_same_maximum(problem, solver, D, K, noise):
    case = problem(13, 300, D, K, noise=noise, missing=0.1, weighted=True, size=0.1)
    result = fit(case.observations, K, settings_of(solver, start=case.truth))
    best = fit(case.observations, K, settings_of("auto", start=case.truth))
    assert result.converged
    assert best.converged
    # each promises that less than 1e-8 nats remain; a quadratic model near the maximum is good to a factor of two
    assert result.log_likelihood == pytest.approx(best.log_likelihood, abs=2e-8)
    assert result.log_likelihood == pytest.approx(likelihood_of(result.mixture, case.observations), abs=1e-9)


@given(st.data())
def test_auto_never_ends_below_any_point_it_has_passed(problems, data):
    case = data.draw(problems(noise=data.draw(st.sampled_from(["standard errors", "covariances"]))))
    result = fit(case.observations, case.start.n_components, settings_of(max_iter=3000, start=case.start))
    # up to rounding, of which a step onto the boundary may use up a unit or two: 1e-13 of the sum of |lnL_i|
    assert result.log_likelihood >= result.history.max() - 1e-9
    assert result.converged


@given(st.data())
@settings(max_examples=15)
def test_auto_never_ends_below_em_where_there_is_one_basin(problems, data):
    case = data.draw(problems(K=1, noise=data.draw(st.sampled_from(["standard errors", "covariances"]))))
    em = fit(case.observations, 1, settings_of("em", tol=0, max_iter=300, start=case.start))
    auto = fit(case.observations, 1, settings_of("auto", start=case.start))
    # in one dimension several maxima are possible, of which the first implicit step takes the best
    assert auto.log_likelihood >= em.log_likelihood - 1e-8


@pytest.mark.parametrize("seed", range(6))
def test_auto_never_ends_below_em_from_its_own_starts(problem, seed):
    case = problem(seed, 200, 2, 2, noise="standard errors", size=1.0)
    auto = fit(case.observations, 2, settings_of("auto"), rng=seed)
    em = fit(case.observations, 2, settings_of("em", tol=0, max_iter=300), rng=seed)
    assert auto.log_likelihood >= em.log_likelihood - 1e-8


@every_solver
@pytest.mark.parametrize("max_iter", [1, 2, 7, 150])
def test_a_tolerance_of_zero_makes_exactly_as_many_passes_as_asked(problem, solver, max_iter):
    case = problem(12, 200, 2, 2)
    result = fit(case.observations, 2, settings_of(solver, tol=0, max_iter=max_iter, start=case.start))
    assert result.history.size == max_iter
    assert result.history.size == max_iter
    assert result.outcome is Outcome.ALL_PASSES


@every_solver
@pytest.mark.parametrize("D", [1, 2])
def test_a_tolerance_of_zero_makes_all_passes_where_the_maximum_is_reached_at_once(solver, D):
    observations = Observations.with_standard_errors(np.random.default_rng(1).standard_normal((50, D)), 0.5)
    result = fit(observations, 1, settings_of(solver, tol=0, max_iter=200))
    assert result.history.size == 200
    assert result.outcome is Outcome.ALL_PASSES


@every_solver
def test_running_out_of_passes_is_a_result(problem, solver):
    case = problem(13, 200, 2, 3, noise="covariances", size=3.0)
    result = fit(case.observations, 3, settings_of(solver, max_iter=4, start=case.start))
    assert result.outcome is Outcome.OUT_OF_PASSES
    assert not result.converged
    assert "raise max_iter" in result.outcome.value
    assert result.history.size == 4
    # what is handed back is the best of what was seen
    assert result.log_likelihood == pytest.approx(result.history.max(), abs=1e-9)


@every_solver
def test_the_result_is_never_below_the_start(problem, solver):
    for seed in range(5):
        case = problem(seed, 100, 2, 2, noise="standard errors")
        result = fit(case.observations, 2, settings_of(solver, max_iter=50, start=case.start))
        before = likelihood_of(case.start, case.observations)
        assert result.log_likelihood >= before - 1e-9
        assert result.history[0] == pytest.approx(before, abs=1e-9)


def test_the_history_of_em_never_falls(problem):
    case = problem(14, 200, 2, 3, missing=0.2)
    history = fit(case.observations, 3, settings_of("em", tol=0, max_iter=100, start=case.start)).history
    assert np.diff(history).min() >= -1e-12 * abs(history[-1])  # rounding of a sum of 200 terms


@every_solver
@pytest.mark.parametrize("width", [0.0, 1.0])
@pytest.mark.parametrize("D", [1, 2])
def test_a_fit_that_has_ended_gains_nothing_from_one_more_step(solver, width, D):
    # V = 0 is a fixed point of closed-form EM: a solver that leaves it must then go on.
    rng = np.random.default_rng(15)
    observations = Observations.with_standard_errors(rng.standard_normal((50, D)), 0.2)
    start = GaussianMixture([1.0], np.full((1, D), 0.3), [width * np.eye(D)])
    result = fit(observations, 1, settings_of(solver, start=start))
    blocks = observations.pack()
    after = expect(step(result.mixture, expect(result.mixture, blocks)), blocks)
    assert after.log_likelihood <= result.log_likelihood + 2e-8
    if solver != "em":
        assert result.log_likelihood == pytest.approx(fit(observations).log_likelihood, abs=2e-8)


def test_a_saddle_between_two_equal_components_is_not_called_a_maximum():
    # Two components in one place are one; the data have two groups, so both want to move apart.
    rng = np.random.default_rng(16)
    x = np.concatenate([rng.normal(0.0, 0.5, 50), rng.normal(5.0, 0.5, 50)])
    start = GaussianMixture([0.5, 0.5], [[0.0], [0.0]], [[[1.0]], [[1.0]]])
    result = fit(Observations.with_standard_errors(x, 0.2), 2, settings_of(start=start))
    separate = fit(Observations.with_standard_errors(x, 0.2), 2, rng=0)
    assert separate.log_likelihood > result.log_likelihood - 1e-8
    assert not result.converged or result.log_likelihood > separate.log_likelihood - 1e-6


# The maximum, found independently


def packed_objective(x, S, w, K, D):
    """-lnL and the mixture as functions of unconstrained parameters, written without the package."""
    rows, columns = np.tril_indices(D)

    def mixture(theta):
        logits, means, factors = np.split(theta, [K - 1, K - 1 + K * D])
        weights = np.exp(np.append(logits, 0.0) - logsumexp(np.append(logits, 0.0)))
        roots = np.zeros((K, D, D))
        roots[:, rows, columns] = factors.reshape(K, -1)
        return weights, means.reshape(K, D), roots @ roots.transpose(0, 2, 1)

    def objective(theta):
        weights, means, V = mixture(theta)
        T = V[:, None] + S[None]
        d = x[None] - means[:, None]
        quadratic = np.einsum("kni,kni->kn", d, np.linalg.solve(T, d[..., None])[..., 0])
        log_joint = np.log(weights)[:, None] - 0.5 * (quadratic + np.linalg.slogdet(2 * np.pi * T)[1])
        return -w @ logsumexp(log_joint, axis=0)

    return objective


@pytest.mark.parametrize(
    ("D", "K", "size"), [(1, 1, 1.0), (1, 2, 0.3), (2, 1, 2.0), (2, 2, 0.3), (1, 2, 3.0), (2, 1, 5.0)]
)
def test_the_maximum_is_reached_and_not_passed(problem, D, K, size):
    case = problem(21, 60, D, K, noise="standard errors", weighted=True, size=size)
    observations = case.observations
    result = fit(observations, K, rng=0)
    objective = packed_objective(observations.values, observations.noise_covariances, observations.object_weights, K, D)
    rows, columns = np.tril_indices(D)
    best = np.inf
    rng = np.random.default_rng(0)
    for trial in range(6):
        base = result.mixture if trial == 0 else case.truth
        roots = np.linalg.cholesky(base.covariances + 0.05 * (trial + 1) * np.eye(D))
        theta = np.concatenate(
            [
                np.log(base.weights[:-1] / base.weights[-1]),
                base.means.ravel() + 0.1 * trial * rng.standard_normal(K * D),
                roots[:, rows, columns].ravel(),
            ]
        )
        for method, options in (
            ("L-BFGS-B", {"maxiter": 5000, "maxfun": 10**5, "ftol": 1e-15, "gtol": 1e-8}),
            ("Nelder-Mead", {"maxiter": 4000, "xatol": 1e-9, "fatol": 1e-12}),
        ):
            found = minimize(objective, theta, method=method, options=options)
            theta, best = found.x, min(best, found.fun)
    assert result.converged
    # Nelder-Mead ends within 1e-6 nats in up to eleven dimensions; above the maximum only by rounding of 60 terms
    # when the independent search has found it.
    assert result.log_likelihood == pytest.approx(-best, abs=1e-6)


@given(st.data())
@settings(max_examples=25)
def test_the_reported_likelihood_is_that_of_the_reported_mixture(problems, data):
    case = data.draw(problems(noise=data.draw(st.sampled_from(["standard errors", "covariances"]))))
    result = fit(case.observations, case.start.n_components, settings_of(max_iter=200, n_init=2), rng=0)
    expected = likelihood_of(result.mixture, case.observations)
    # Mapping back rounds the covariances to 1e-16 of their largest element, which matters where the noise is 1e-3
    # of them; 150 objects of weight up to 3.
    assert result.log_likelihood == pytest.approx(expected, abs=1e-8)
    assert np.isfinite(result.log_likelihood)
    assert np.isfinite(result.mixture.covariances).all()
    assert result.n_objects == case.observations.n_objects
    assert result.total_weight == case.observations.total_weight


@pytest.mark.parametrize("D", [1, 2, 5])
def test_the_same_noise_for_all_leaves_the_difference_of_covariances(D):
    rng = np.random.default_rng(31)
    x = rng.standard_normal((400, D)) @ rng.standard_normal((D, D)) + 10.0
    S = np.cov(x.T, bias=True).reshape(D, D)
    E = 0.3 * np.linalg.eigvalsh(S)[0] * (np.eye(D) + 0.5)
    assert np.linalg.eigvalsh(S - E)[0] > 0
    result = fit(Observations.with_covariances(x, np.tile(E, (400, 1, 1))))
    # Newton's last step leaves the square of the one before; six digits are asked for, nine are there
    np.testing.assert_allclose(result.mixture.means[0], x.mean(axis=0), rtol=0, atol=1e-10)
    np.testing.assert_allclose(result.mixture.covariances[0], S - E, rtol=0, atol=1e-9 * np.abs(S).max())


@pytest.mark.parametrize("excess", [1.3, 3.0])
def test_the_same_noise_for_all_leaves_the_known_projection_where_it_exceeds_the_scatter(excess):
    # In coordinates where E is the identity the maximum cuts the negative eigenvalues of S - E to zero: V + E is then
    # W diag(max(lambda, 1)) W', the classical solution (Anderson, Anderson & Olkin 1986).
    rng = np.random.default_rng(32)
    x = rng.standard_normal((500, 2)) @ np.array([[2.0, 0.3], [0.0, 0.4]])
    S = np.cov(x.T, bias=True)
    E = np.array([[1.0, -0.3], [-0.3, 0.5]])
    E *= (
        excess / np.linalg.eigvals(np.linalg.solve(E, S)).min() ** -1
    )  # its smallest generalised eigenvalue: 1 / excess
    root = np.linalg.cholesky(E)
    values, axes = np.linalg.eigh(np.linalg.solve(root, np.linalg.solve(root, S).T))
    assert values[0] < 1 < values[1]
    V = root @ (axes * np.maximum(values - 1.0, 0.0)) @ axes.T @ root.T
    result = fit(Observations.with_covariances(x, np.tile(E, (500, 1, 1))))
    assert result.converged
    assert result.singular.tolist() == [1]
    np.testing.assert_allclose(result.mixture.covariances[0], V, rtol=0, atol=1e-9 * np.abs(V).max())


# An ordinary mixture where there is no noise


def ordinary(start, **options):
    """scikit-learn's mixture from the same start; it takes precisions."""
    return Ordinary(
        start.n_components,
        reg_covar=0.0,
        weights_init=start.weights,
        means_init=start.means,
        precisions_init=np.linalg.inv(start.covariances),
        **options,
    )


@pytest.mark.parametrize(("D", "K"), [(1, 2), (2, 3), (4, 2)])
@pytest.mark.parametrize("n_steps", [1, 5, 20])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_without_noise_em_makes_the_steps_of_scikit_learn(problem, D, K, n_steps):
    case = problem(41, 400, D, K, noise="none")
    x = case.observations.values
    model = ordinary(case.start, max_iter=n_steps, tol=0.0).fit(x)
    mixture, blocks = case.start, case.observations.pack()
    for _ in range(n_steps):
        mixture = step(mixture, expect(mixture, blocks))
    assert expect(mixture, blocks).log_likelihood / 400 == pytest.approx(model.score(x), abs=1e-8)
    # V' = V + V (C - A) V / q cancels what scikit-learn adds up: 20 steps of a few units of rounding
    np.testing.assert_allclose(mixture.means, model.means_, rtol=0, atol=1e-9)
    np.testing.assert_allclose(mixture.covariances, model.covariances_, rtol=0, atol=1e-9)
    np.testing.assert_allclose(mixture.weights, model.weights_, rtol=0, atol=1e-10)


@every_solver
@pytest.mark.parametrize(("D", "K"), [(1, 2), (2, 3), (4, 2)])
def test_without_noise_the_maximum_is_that_of_scikit_learn(problem, D, K, solver):
    case = problem(42, 400, D, K, noise="none")
    x = case.observations.values
    model = ordinary(case.truth, max_iter=100_000, tol=1e-14).fit(x)
    result = fit(case.observations, K, settings_of(solver, start=case.truth))
    assert result.converged
    assert result.log_likelihood / 400 == pytest.approx(model.score(x), abs=1e-8)


def test_without_noise_one_component_is_the_mean_and_the_covariance():
    x = np.random.default_rng(43).standard_normal((200, 3)) @ np.array([[1.0, 0.2, 0], [0, 2, 0.3], [0, 0, 0.1]])
    for observations in (Observations.exact(x), Observations.with_standard_errors(x, 0.0)):
        result = fit(observations)
        np.testing.assert_allclose(result.mixture.means[0], x.mean(axis=0), rtol=0, atol=1e-10)
        np.testing.assert_allclose(result.mixture.covariances[0], np.cov(x.T, bias=True), rtol=0, atol=1e-9)


# What may not matter, and what the fit must follow


@pytest.mark.parametrize("noise", ["none", "standard errors", "covariances"])
def test_integer_weights_equal_repeated_rows(problem, noise):
    case = problem(51, 80, 2, 2, noise=noise, size=0.5)
    obs = case.observations
    counts = np.random.default_rng(1).integers(0, 4, 80)
    rows = np.repeat(np.arange(80), counts)
    weighted = {
        "none": lambda: Observations.exact(obs.values, weights=counts),
        "standard errors": lambda: Observations.with_standard_errors(obs.values, obs.noise, weights=counts),
        "covariances": lambda: Observations.with_covariances(obs.values, obs.noise, weights=counts),
    }[noise]()
    one = fit(weighted, 2, settings_of(start=case.truth))
    other = fit(obs.select(rows), 2, settings_of(start=case.truth))
    assert one.total_weight == other.total_weight == other.n_objects == counts.sum()
    assert one.log_likelihood == pytest.approx(other.log_likelihood, abs=2e-8)
    # a gain of 1e-8 nats is a step of 1e-4 standard errors of about 0.1
    np.testing.assert_allclose(one.mixture.means, other.mixture.means, rtol=0, atol=2e-5)
    np.testing.assert_allclose(one.mixture.covariances, other.mixture.covariances, rtol=0, atol=2e-5)


def test_a_missing_coordinate_equals_leaving_that_measurement_out():
    # Coordinates are independent in truth and model: a row with one value says exactly what it says alone.
    rng = np.random.default_rng(52)
    x, e = rng.normal([5.0, -3.0], [1.0, 2.0], (150, 2)), rng.uniform(0.2, 1.0, (150, 2))
    x[:40, 0], x[100:, 1] = np.nan, np.nan
    observations = Observations.with_standard_errors(x, e)
    model = GaussianMixture([1.0], [[5.0, -3.0]], [np.diag([1.0, 4.0])])
    total = 0.0
    for axis in range(2):
        seen = np.isfinite(x[:, axis])
        alone = Observations.with_standard_errors(x[seen, axis], e[seen, axis])
        total += likelihood_of(
            GaussianMixture([1.0], model.means[:, [axis]], model.covariances[:, [axis]][:, :, [axis]]), alone
        )
    assert expect(model, observations.pack()).log_likelihood == pytest.approx(total, rel=1e-13)


def test_a_missing_coordinate_whatever_its_error_and_its_place_fits_the_same(problem):
    case = problem(53, 200, 3, 2, noise="covariances", missing=0.3, size=0.5)
    obs = case.observations
    changed = obs.noise.copy()
    missing = ~obs.present
    changed[missing[:, :, None] | missing[:, None, :]] = 1e7
    other = replace(obs, noise_model=Correlated(changed))
    one, two = (fit(o, 2, settings_of(start=case.truth)) for o in (obs, other))
    assert one.log_likelihood == two.log_likelihood
    np.testing.assert_array_equal(one.mixture.covariances, two.mixture.covariances)


def test_a_row_of_one_coordinate_is_a_projection_of_the_model(problem):
    # A data set in which every row has only its first value is the one-dimensional problem.
    case = problem(54, 200, 2, 1, noise="standard errors", size=0.5)
    obs = case.observations
    values = np.vstack([obs.values, np.column_stack([obs.values[:, 0] + 0.1, np.full(200, np.nan)])])
    errors = np.vstack([obs.noise, obs.noise])
    padded = Observations.with_standard_errors(values, errors)
    model = case.truth
    marginal = GaussianMixture(model.weights, model.means[:, :1], model.covariances[:, :1, :1])
    alone = Observations.with_standard_errors(values[200:, 0], errors[200:, 0])
    expected = likelihood_of(model, obs) + likelihood_of(marginal, alone)
    assert expect(model, padded.pack()).log_likelihood == pytest.approx(expected, rel=1e-13)


def test_rows_without_any_value_change_nothing(problem):
    case = problem(55, 100, 2, 2, noise="standard errors")
    obs = case.observations
    empty = np.full((7, 2), np.nan)
    padded = Observations.with_standard_errors(np.vstack([empty, obs.values]), np.vstack([empty, obs.noise]))
    one, two = fit(obs, 2, rng=3), fit(padded, 2, rng=3)
    assert two.n_objects == 100
    assert one.log_likelihood == two.log_likelihood


@every_solver
def test_the_order_of_the_objects_does_not_matter(problem, solver):
    case = problem(56, 250, 2, 2, missing=0.1, size=0.5)
    order = np.random.default_rng(1).permutation(250)
    one = fit(case.observations, 2, settings_of(solver, start=case.truth))
    two = fit(case.observations.select(order), 2, settings_of(solver, start=case.truth))
    assert one.log_likelihood == pytest.approx(two.log_likelihood, abs=2e-8)
    # 1e-8 nats are 1e-4 standard errors of about 0.1
    np.testing.assert_allclose(one.mixture.means, two.mixture.means, rtol=0, atol=2e-5)
    np.testing.assert_allclose(one.mixture.covariances, two.mixture.covariances, rtol=0, atol=2e-5)


@pytest.mark.parametrize("K", [1, 2])
@pytest.mark.parametrize("D", [1, 2])
@pytest.mark.parametrize("noisy", [False, True])
def test_a_shift_of_1e8_sigma_costs_no_digit(D, K, noisy):
    rng = np.random.default_rng(57)
    x = rng.normal(0.0, 1.0, (200, D)) + 6.0 * (np.arange(200)[:, None] % K)
    shifted = x + 1e8
    rounded = shifted - 1e8  # exactly: what the shifted values still say
    assert (rounded + 1e8 == shifted).all()
    assert (rounded != x).any()
    errors = rng.uniform(0.2, 0.8, (200, D))
    far, near = (
        fit(Observations.with_standard_errors(v, errors) if noisy else Observations.exact(v), K, rng=1)
        for v in (shifted, rounded)
    )
    np.testing.assert_allclose(far.mixture.sigmas, near.mixture.sigmas, rtol=1e-10)
    assert far.log_likelihood == pytest.approx(near.log_likelihood, rel=1e-13)


@every_solver
@pytest.mark.parametrize("scale", [1e-30, 1e30])
@pytest.mark.parametrize("noise", ["none", "standard errors", "covariances"])
def test_the_fit_follows_the_unit(problem, solver, scale, noise):
    case = problem(58, 150, 2, 2, noise=noise, size=0.1)
    obs = case.observations
    scaled = {
        "none": lambda: Observations.exact(obs.values * scale),
        "standard errors": lambda: Observations.with_standard_errors(obs.values * scale, obs.noise * scale),
        "covariances": lambda: Observations.with_covariances(obs.values * scale, obs.noise * scale**2),
    }[noise]()
    one, two = fit(obs, 2, settings_of(solver), rng=2), fit(scaled, 2, settings_of(solver), rng=2)
    assert one.converged
    assert two.converged
    assert two.log_likelihood == pytest.approx(one.log_likelihood - 300 * np.log(scale), abs=2e-8 + 1e-9)
    # 1e-8 nats are 1e-4 standard errors of about 0.1 of the width
    np.testing.assert_allclose(two.mixture.means / scale, one.mixture.means, rtol=0, atol=1e-4)
    np.testing.assert_allclose(two.mixture.sigmas / scale, one.mixture.sigmas, rtol=1e-4)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_the_width_follows_the_unit_to_ten_digits(scale):
    rng = np.random.default_rng(59)
    x, e = rng.normal(3.0, 1.0, 100), rng.uniform(0.3, 2.0, 100)
    one, two = (fit(Observations.with_standard_errors(s * x, s * e)).mixture for s in (1.0, scale))
    np.testing.assert_allclose(two.sigmas / scale, one.sigmas, rtol=1e-10)
    np.testing.assert_allclose(two.means / scale, one.means, rtol=1e-10)


def test_columns_of_very_different_units_are_fitted_together(problem):
    case = problem(60, 200, 2, 1, noise="standard errors", size=0.5)
    obs, scale = case.observations, np.array([1e-20, 1e20])
    one, two = fit(obs), fit(Observations.with_standard_errors(obs.values * scale, obs.noise * scale))
    expected = one.mixture.covariances * scale[:, None] * scale
    np.testing.assert_allclose(two.mixture.covariances, expected, rtol=1e-8)


def test_the_same_seed_gives_the_same_bits(problem):
    case = problem(61, 300, 2, 3)
    one, two = (fit(case.observations, 3, rng=5) for _ in range(2))
    for a, b in zip(parameters(one.mixture), parameters(two.mixture), strict=True):
        assert a.tobytes() == b.tobytes()
    assert one.history.tobytes() == two.history.tobytes()
    generator = fit(case.observations, 3, rng=np.random.default_rng(5))
    assert generator.mixture.means.tobytes() == one.mixture.means.tobytes()


def test_the_global_random_state_is_neither_read_nor_changed(problem):
    case = problem(62, 100, 2, 2)
    np.random.seed(1)  # noqa: NPY002
    one = fit(case.observations, 2, rng=5)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    two = fit(case.observations, 2, rng=5)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002
    assert one.mixture.means.tobytes() == two.mixture.means.tobytes()


def test_the_observations_are_not_changed(problem):
    case = problem(63, 100, 2, 2, missing=0.2, weighted=True)
    obs = case.observations
    before = [a.copy() for a in (obs.values, obs.noise, obs.weights)]
    fit(obs, 2, rng=0)
    for array, copy in zip((obs.values, obs.noise, obs.weights), before, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_names_and_units_reach_the_mixture():
    observations = Observations.exact(
        np.random.default_rng(1).standard_normal((20, 2)), names=["v", "r"], units=["km/s", None]
    )
    for start in (None, GaussianMixture([1.0], [[0.0, 0.0]], [np.eye(2)])):
        mixture = fit(observations, 1, settings_of(start=start)).mixture
        assert mixture.names == ("v", "r")
        assert mixture.units == observations.units


# Boundaries and degeneracies


@every_solver
def test_one_object_with_noise_has_no_width(solver):
    result = fit(Observations.with_standard_errors([3.7], [0.4]), 1, settings_of(solver))
    assert result.mixture.means.tolist() == [[pytest.approx(3.7, rel=1e-12)]]
    # Closed-form EM creeps towards the boundary and stops where 1e-8 nats, V / 2 e^2, remain; the others reach it.
    assert result.mixture.covariances[0, 0, 0] <= (2e-8 * 0.4**2 if solver == "em" else 0.0)
    assert result.log_likelihood == pytest.approx(-np.log(0.4) - 0.5 * np.log(2 * np.pi), abs=1e-8)
    assert result.converged


def test_one_object_with_noise_in_two_dimensions_has_no_width():
    result = fit(Observations.with_covariances([[3.7, -1.0]], [[[1.0, 0.5], [0.5, 2.0]]]))
    np.testing.assert_allclose(result.mixture.means, [[3.7, -1.0]], rtol=1e-12)
    np.testing.assert_array_equal(result.mixture.covariances, np.zeros((1, 2, 2)))
    assert result.singular.tolist() == [2]


@pytest.mark.parametrize("values", [[2.0, 2.0, 2.0], [1e8, 1e8], [0.0, 0.0, 0.0, 0.0]])
def test_equal_values_with_noise_have_no_width(values):
    result = fit(Observations.with_standard_errors(values, np.linspace(0.5, 1.0, len(values))))
    assert result.mixture.covariances.tolist() == [[[0.0]]]
    assert result.mixture.means[0, 0] == values[0]


def exact_cases():
    rng = np.random.default_rng(71)
    x = rng.standard_normal(30)
    yield "one object", [[3.0]], 1
    yield "a constant column", np.full(10, 2.5), 1
    yield "a constant column of large values", np.full(10, 1e8 + 0.1), 1
    yield "a constant column beside another", np.column_stack([x, np.full(30, 0.1)]), 1
    yield "collinear points", np.column_stack([x, 2.0 * x + 1.0]), 1
    yield "collinear points in three dimensions", np.column_stack([x, x**2, 0.5 * x - x**2 + 3.0]), 1
    yield "fewer points than dimensions", rng.standard_normal((3, 5)), 1
    yield "as many components as points", x[:5], 5
    yield "two points, two components", [[0.0], [1.0]], 2
    yield "as many components as points in two dimensions", rng.standard_normal((6, 2)), 6


@every_solver
@pytest.mark.parametrize(("values", "K"), [case[1:] for case in exact_cases()], ids=[case[0] for case in exact_cases()])
def test_a_likelihood_without_maximum_is_said_to_have_none(values, K, solver):
    with pytest.raises(DegenerateError, match=r"no maximum; give errors"):
        fit(Observations.exact(values), K, settings_of(solver, max_iter=500), rng=0)


@pytest.mark.parametrize("solver", ["auto", "implicit", "quasi-newton"])
def test_repeated_exact_values_attract_a_spike_which_is_never_called_a_maximum(solver):
    values = np.concatenate([np.random.default_rng(72).standard_normal(50), np.full(20, 0.3)])
    try:
        result = fit(Observations.exact(values), 2, settings_of(solver), rng=0)
    except DegenerateError:
        return
    # A local maximum beside the singularity is legitimate; a spike is not.
    assert result.mixture.sigmas.min() > 1e-3
    assert np.isfinite(result.log_likelihood)


def test_some_exact_values_among_noisy_ones_are_fitted():
    rng = np.random.default_rng(73)
    e = np.where(np.arange(60) < 20, 0.0, rng.uniform(0.1, 1.0, 60))
    x = rng.normal(0.0, np.hypot(1.0, e))
    result = fit(Observations.with_standard_errors(x, e))
    assert result.converged
    # sigma is known to about 1 / sqrt(2 * 40)
    assert result.mixture.sigmas[0, 0] == pytest.approx(1.0, abs=4 * 0.11)


def test_one_exact_value_alone_attracts_one_gaussian():
    # T of the exact object is V alone: as V falls to zero about it the likelihood grows without bound.
    observations = Observations.with_standard_errors([0.0, 5.0, -4.0], [0.0, 10.0, 10.0])
    with pytest.raises(DegenerateError):
        fit(observations)


def test_a_single_exact_value_in_a_column_has_no_width_and_no_maximum():
    rng = np.random.default_rng(76)
    x = np.column_stack([np.full(40, np.nan), rng.standard_normal(40)])
    x[0] = [0.3, np.nan]
    with pytest.raises(DegenerateError):
        fit(Observations.exact(x))


def test_one_exact_value_among_many_noisy_ones_is_never_a_spike():
    # The global supremum is infinite, at V = 0 on the exact value; a start beside it must not end there.
    rng = np.random.default_rng(77)
    e = np.append(0.0, rng.uniform(0.5, 1.0, 60))
    x = np.append(0.0, rng.normal(0.0, np.hypot(1.0, e[1:])))
    start = GaussianMixture([0.5, 0.5], [[0.0], [0.1]], [[[1e-8]], [[1.0]]])
    try:
        result = fit(Observations.with_standard_errors(x, e), 2, settings_of(start=start))
    except DegenerateError:
        return
    assert result.mixture.sigmas.min() > 1e-3


def test_noise_that_leaves_a_direction_exact_is_named_when_the_fit_collapses_on_it():
    # Points on a line whose noise moves them along that line only: no object has an exact value, yet none is blurred
    # across it, so a message that "0 of 30 objects" have no noise would not help.
    x = np.random.default_rng(78).standard_normal(30)
    noise = np.tile(np.ones((2, 2)), (30, 1, 1))
    with pytest.raises(DegenerateError) as caught:
        fit(Observations.with_covariances(np.column_stack([x, x]), noise))
    assert "(0 of 30" not in str(caught.value)


def test_as_many_components_as_noisy_objects_are_a_fit():
    observations = Observations.with_standard_errors([0.0, 10.0, 20.0], [1.0, 1.0, 1.0])
    result = fit(observations, 3, rng=0)
    assert np.isfinite(result.log_likelihood)
    assert result.singular.sum() == 3
    np.testing.assert_allclose(np.sort(result.mixture.means[:, 0]), [0.0, 10.0, 20.0], atol=1e-6)


def test_an_outlier_at_a_million_sigma_gives_a_finite_fit():
    rng = np.random.default_rng(74)
    x = np.append(rng.standard_normal(100), 1e6)
    for K in (1, 2):
        result = fit(Observations.with_standard_errors(x, np.full(101, 0.5)), K, rng=0)
        assert result.converged
        assert np.isfinite(result.log_likelihood)
    assert np.sort(result.mixture.means[:, 0])[1] == pytest.approx(1e6, abs=1e-3)


def test_a_component_that_dies_is_no_obstacle():
    observations = Observations.with_standard_errors(np.random.default_rng(75).standard_normal(50), 0.3)
    start = GaussianMixture([0.5, 0.5], [[0.0], [1e5]], [[[1.0]], [[1.0]]])
    result = fit(observations, 2, settings_of(start=start))
    one = fit(observations, 1)
    assert np.isfinite(result.log_likelihood)
    assert result.log_likelihood >= one.log_likelihood - 1e-8


# What is asked for must make sense


@pytest.mark.parametrize(
    ("K", "message"),
    [
        (0, "`n_components` is 0,.* at least 1"),
        (-2, "`n_components` is -2,.* at least 1"),
        (4, "`n_components` is 4,.* 3 objects; .*fewer"),
        (1.0, "`n_components` is 1.0,.* whole number"),
        ("2", "`n_components` is '2',.* whole number"),
        (None, "`n_components` is None,.* whole number"),
        (True, "`n_components` is True,.* whole number"),
        (np.nan, "`n_components` is nan,.* whole number"),
    ],
)
def test_a_number_of_components_that_cannot_be_is_refused(K, message):
    with pytest.raises(InputError, match=message):
        fit(Observations.with_standard_errors([1.0, 2.0, 3.0, np.nan], 0.5), K)


def test_a_numpy_integer_is_a_whole_number():
    assert fit(Observations.with_standard_errors([1.0, 2.0, 3.0], 0.5), np.int64(1)).mixture.n_components == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Settings(solver="newton"),
            "`solver` is 'newton',.* auto, em, implicit, quasi-newton",
        ),
        (lambda: Settings(solver=None), "`solver` is None"),
        (lambda: Settings(stopping=StoppingRule(tolerance=-1.0)), "`tol` is -1.0,"),
        (lambda: Settings(stopping=StoppingRule(tolerance=np.nan)), "`tol` is nan"),
        (lambda: Settings(stopping=StoppingRule(max_passes=0)), "`max_iter` is 0,"),
        (lambda: Settings(stopping=StoppingRule(max_passes=2.5)), "`max_iter` is 2.5"),
        (lambda: Settings(n_init=0), "`n_init` is 0"),
        (lambda: Settings(n_init=True), "`n_init` is True"),
    ],
)
def test_settings_that_cannot_be_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize("tol", ["small", None])
def test_a_tolerance_that_is_no_number_is_refused(tol):
    with pytest.raises(InputError, match="`tol` is"):
        Settings(stopping=StoppingRule(tolerance=tol))


def test_a_start_of_another_shape_is_refused():
    observations = Observations.with_standard_errors([1.0, 2.0, 3.0], 0.5)
    two_dimensional = GaussianMixture([1.0], [[0.0, 0.0]], [np.eye(2)])
    with pytest.raises(InputError, match=r"start has 2 .*observations have 1"):
        fit(observations, 1, settings_of(start=two_dimensional))
    one_component = GaussianMixture([1.0], [[0.0]], [[[1.0]]])
    with pytest.raises(InputError, match="start"):
        fit(observations, 2, settings_of(start=one_component))


@pytest.mark.parametrize("init", ["kmeans++", "random"])
def test_the_order_of_the_objects_does_not_change_the_starts(problem, init):
    case = problem(5, 60, 2, 4)
    reached = []
    for seed in range(4):
        rows = np.random.default_rng(seed).permutation(60)
        reached.append(fit(case.observations.select(rows), 4, Settings(n_init=1, init=init), rng=1).log_likelihood)
    np.testing.assert_allclose(reached, reached[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_a_variance_that_leaves_zero_is_followed_to_its_maximum(monkeypatch, seed):
    # zero is a stationary point of the factor: quasi-Newton ends there, and the predicted gain is that before the step
    # away from it
    monkeypatch.setattr(solvers, "hessian_affordable", lambda *_: False)
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((3000, 3)) @ rng.standard_normal((3, 3))
    observations = Observations.with_standard_errors(values + 0.5 * rng.standard_normal(values.shape), 0.5 + 0 * values)
    problem = Problem(observations, 1, Model())
    flat = problem.standardised(fit(observations).mixture).covariances[0]
    lowest, axis = np.linalg.eigh(flat)[0][0], np.linalg.eigh(flat)[1][:, 0]
    start = GaussianMixture([1.0], [np.zeros(3)], [flat - lowest * np.outer(axis, axis)])
    solution = solvers.run("quasi-newton", start, problem.objective(), 1e-8)
    assert solution.outcome.converged
    iterate = Iterate.at(solution.mixture, solution.statistics, problem.constraints)
    assert 0.5 * iterate.residual**2 < 1e-7
    assert solution.statistics.objective == pytest.approx(
        fit(observations).log_likelihood - problem.log_jacobian, abs=1e-6
    )


@pytest.mark.parametrize("max_iter", [15, 17, 19])
def test_a_saddle_is_no_maximum_where_few_passes_are_left(max_iter):
    """Two equal components on two clumps: the gradient is zero, and no pass is left for the Hessian that tells."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(-4, 1, 100), rng.normal(4, 1, 100)])
    start = GaussianMixture([0.5, 0.5], [[0.0], [0.0]], [[[17.0]], [[17.0]]])
    with pytest.warns(ConvergenceWarning):
        model = XDGMM(2, init=start, max_iter=max_iter).fit(x, Xerr=0.3)
    assert not model.result_.converged
