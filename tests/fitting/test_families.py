"""Fits of Student-t components: exact derivatives, monotonic EM, true values found again, and never below Gaussians."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import t as student

from xdgmm import XDGMM, Background, DegenerateError, Fixed, GaussianMixture, InputError, Observations, Prior
from xdgmm.fitting import Model, Problem, Settings, em, fit, implicit, model_of
from xdgmm.fitting.coordinates import FactorCoordinates
from xdgmm.fitting.objective import Objective, expect
from xdgmm.fitting.priors import InverseWishart, Normal
from xdgmm.fitting.split_merge import examine
from xdgmm.kernels.reference import ReferenceData
from xdgmm.uncertainty import bootstrap, parameter_errors
from xdgmm.uncertainty.information import object_scores

TWO = GaussianMixture(
    [0.6, 0.4], [[0.0, 0.0], [3.0, 1.0]], [[[1.0, 0.2], [0.2, 0.5]], [[2.0, 0.0], [0.0, 1.0]]], dof=[3.0, 8.0]
)
ONE = GaussianMixture([1.0], [[0.0]], [[[1.0]]], dof=4.0)


def observed(mixture, n, seed, largest=1.0):
    rng = np.random.default_rng(seed)
    errors = rng.uniform(0.1, largest, (n, mixture.n_dimensions))
    values = mixture.sample(n, rng)[0] + errors * rng.normal(size=errors.shape)
    return Observations.with_standard_errors(values, errors)


PRIOR = Prior(means=Normal([0.0, 0.0], np.eye(2)), covariances=InverseWishart(np.eye(2), 5.0))


@pytest.mark.parametrize("dof", ["fit", "shared", (3.0, 8.0)])
@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
@pytest.mark.parametrize("prior", [None, PRIOR])
def test_the_gradient_is_that_of_finite_differences(dof, kind, prior):
    data = observed(TWO, 60, 1).pack()
    constraints = Model(kind, family="t", dof=dof, prior=prior).constraints(2, 2)
    objective = Objective(data, constraints=constraints)
    mixture = constraints.impose_type(TWO)
    coordinates = FactorCoordinates(mixture, objective.expect(mixture), constraints)
    z, step = 0.3 * np.random.default_rng(2).normal(size=coordinates.size), 1e-5
    steps = step * np.eye(coordinates.size)
    values, gradients = objective.values_and_gradients(coordinates, z + np.vstack([0 * z, steps, -steps]))
    above, below = np.split(values[1:], 2)
    np.testing.assert_allclose(gradients[0], (above - below) / (2 * step), rtol=0, atol=3e-7)
    at_z = coordinates.at(z)
    statistics = objective.expect(at_z)
    assert statistics.objective == pytest.approx(values[0], rel=1e-13)
    np.testing.assert_allclose(coordinates.gradient(z, at_z, statistics), gradients[0], rtol=0, atol=1e-10)
    assert coordinates.size == constraints.n_parameters(2)


@pytest.mark.parametrize("background", [None, Background([-9, -9], [9, 9])])
def test_the_pass_is_that_of_plain_numpy(background):
    observations = observed(TWO, 50, 3)
    mixture = TWO
    log_densities = None
    if background is not None:
        background = background.with_fraction(0.1)
        mixture = GaussianMixture(0.9 * TWO.weights, TWO.means, TWO.covariances, background=background, dof=TWO.dof)
        log_densities = background.log_densities(observations.values, observations.noise_model)
    twin = ReferenceData.pack(observations.values, observations.noise_model, None, background=log_densities)
    found, expected = expect(mixture, observations.pack(background=log_densities)), expect(mixture, twin)
    for name, value in vars(expected).items():
        if value is not None:
            np.testing.assert_allclose(getattr(found, name), value, rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("iterate", [em.iterate, implicit.iterate])
@pytest.mark.parametrize("dof", ["fit", "shared", 5.0])
@pytest.mark.parametrize("prior", [None, PRIOR])
def test_no_step_lowers_the_objective(iterate, dof, prior):
    model = Model(family="t", dof=dof, prior=prior)
    objective = Objective(observed(TWO, 80, 4).pack(), constraints=model.constraints(2, 2))
    mixture = objective.constraints.impose_type(
        GaussianMixture([0.5, 0.5], [[-1.0, 0.0], [4.0, 2.0]], [np.eye(2), 3 * np.eye(2)])
    )
    statistics = objective.expect(mixture)
    for _ in range(20):
        before = statistics.objective
        mixture, statistics = iterate(mixture, statistics, objective)
        assert statistics.objective >= before - 10 * statistics.rounding


def test_a_step_of_em_is_the_one_of_its_definition():
    """Without noise: weights u of the objects from the closed form of the t distribution."""
    x = ONE.sample(100, rng=1)[0] + 0.3
    dof, mean, V = 4.0, 0.2, 1.7
    start = GaussianMixture([1.0], [[mean]], [[[V]]], dof=dof)
    objective = Objective(Observations.exact(x).pack(), constraints=Model(family="t", dof=dof).constraints(1, 1))
    found = em.step(start, objective.expect(start), objective.constraints)
    u = (dof + 1) / (dof + (x[:, 0] - mean) ** 2 / V)
    best = np.average(x[:, 0], weights=u)
    assert found.means[0, 0] == pytest.approx(best, rel=1e-4)  # u is good to 3e-5 at this dof
    assert found.covariances[0, 0, 0] == pytest.approx(np.mean(u * (x[:, 0] - best) ** 2), rel=1e-4)


def test_exact_values_have_the_maximum_that_scipy_finds():
    x = ONE.sample(300, rng=5)[0]
    result = fit(Observations.exact(x), 1, Settings(model=Model(family="t")))

    def objective(p):
        return -student.logpdf(x[:, 0], np.exp(p[0]), loc=p[1], scale=np.exp(p[2])).sum()

    best = minimize(objective, [1.0, 0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-9})
    assert result.log_likelihood == pytest.approx(-best.fun, abs=3e-4)
    found = result.mixture.dof[0], result.mixture.means[0, 0], result.mixture.sigmas[0, 0]
    np.testing.assert_allclose(found, [np.exp(best.x[0]), best.x[1], np.exp(best.x[2])], rtol=1e-3)


@pytest.mark.parametrize("solver", ["auto", "em", "implicit", "quasi-newton"])
def test_all_solvers_reach_the_same_maximum(solver):
    observations = observed(ONE, 300, 6)
    best = fit(observations, 1, Settings(model=Model(family="t")))
    model = XDGMM(family="t", solver=solver, tol=1e-6, max_iter=5000).fit(observations)
    assert model.result_.log_likelihood == pytest.approx(best.log_likelihood, abs=1e-5)
    assert model.converged_


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_truth_is_found_within_its_errors(seed):
    observations = observed(TWO, 2000, seed)
    result = fit(observations, 2, Settings(model=Model(family="t")), rng=1)
    errors = parameter_errors(result.mixture, observations)
    np.testing.assert_array_less(np.abs(result.mixture.sigmas - TWO.sigmas), 3.5 * errors.sigmas)
    np.testing.assert_array_less(np.abs(1 / result.mixture.dof - 1 / TWO.dof), 3.5 * errors.dof / result.mixture.dof**2)
    np.testing.assert_array_less(np.abs(result.mixture.means - TWO.means), 3.5 * errors.means)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("K", [1, 2])
def test_a_fit_does_not_end_below_the_gaussians(seed, K):
    gaussian = GaussianMixture([0.7, 0.3], [[0.0], [5.0]], [[[1.0]], [[4.0]]])
    observations = observed(gaussian, 150, seed)
    of_t = XDGMM(K, family="t", random_state=1).fit(observations)
    of_gaussians = XDGMM(K, random_state=1).fit(observations)
    assert of_t.result_.log_likelihood >= of_gaussians.result_.log_likelihood - 1e-8


def test_light_tails_end_as_a_gaussian():
    x = np.linspace(-1.0, 1.0, 200)[:, None]  # lighter tails than any Gaussian
    of_t, of_gaussian = (XDGMM(family=family).fit(x, Xerr=0.1) for family in ("t", "gaussian"))
    np.testing.assert_array_equal(of_t.dof_, [np.inf])
    np.testing.assert_allclose(of_t.covariances_, of_gaussian.covariances_, rtol=1e-6)
    assert of_t.result_.log_likelihood == pytest.approx(of_gaussian.result_.log_likelihood, abs=1e-8)
    errors = parameter_errors(of_t.mixture_, Observations.with_standard_errors(x, 0.1))
    np.testing.assert_array_equal(errors.dof, [0.0])


def test_tails_heavier_than_any_bound_end_at_the_lower_bound():
    rng = np.random.default_rng(1)
    x = np.exp(3 * np.abs(rng.normal(size=(300, 1)))) * rng.choice([-1, 1], (300, 1))
    model = XDGMM(family="t").fit(x, Xerr=0.1)
    np.testing.assert_array_equal(model.dof_, [1.0])
    assert model.converged_


def test_one_dof_for_all_is_one_parameter():
    observations = observed(TWO, 500, 7)
    shared, each = (
        XDGMM(2, family="t", dof=dof, random_state=1).fit(observations).result_ for dof in ("shared", "fit")
    )
    assert shared.mixture.dof[0] == shared.mixture.dof[1]
    assert (each.n_parameters, shared.n_parameters) == (13, 12)
    assert each.log_likelihood >= shared.log_likelihood


def test_given_dof_are_kept():
    observations = observed(TWO, 300, 8)
    model = XDGMM(2, family="t", dof=[3.0, np.inf], init=TWO).fit(observations)
    np.testing.assert_array_equal(model.dof_, [3.0, np.inf])
    assert model.result_.n_parameters == 11
    np.testing.assert_array_equal(parameter_errors(model.mixture_, observations).dof, [0.0, 0.0])


def test_contaminants_do_not_widen_the_core():
    """One in twenty is ten scales away: the t distribution keeps the half-width of 68%, the Gaussian does not."""
    rng = np.random.default_rng(11)
    values = np.where(rng.random(2000) < 0.05, 10.0 * rng.normal(size=2000), rng.normal(size=2000))
    errors = rng.uniform(0.1, 0.5, 2000)
    observations = Observations.with_standard_errors(
        (values + errors * rng.normal(size=2000))[:, None], errors[:, None]
    )
    of_t = fit(observations, 1, Settings(model=Model(family="t"))).mixture
    gaussian = fit(observations)
    half = of_t.sigmas[0, 0] * student.ppf(0.5 + 0.5 * 0.6827, of_t.dof[0])
    assert half == pytest.approx(1.0, rel=0.15)
    assert gaussian.mixture.sigmas[0, 0] - 1.0 > 3 * parameter_errors(gaussian.mixture, observations).sigmas[0, 0]


def test_scores_sum_to_zero_and_their_squares_to_the_information():
    observations = observed(TWO, 3000, 9)
    mixture = fit(observations, 2, Settings(model=Model(family="t")), rng=1).mixture
    evaluation = Problem.of(mixture, observations).at(mixture)
    scores = np.concatenate([s for _, s in object_scores(evaluation.iterate, evaluation.problem)])
    np.testing.assert_allclose(scores.sum(axis=0), 0.0, atol=1e-3)
    ratio = np.trace(np.linalg.solve(-evaluation.hessian, scores.T @ scores)) / scores.shape[1]
    assert ratio == pytest.approx(1.0, abs=0.15)  # Bartlett's identity, 3000 objects


def test_a_resample_keeps_the_free_dof_free():
    observations = observed(ONE, 300, 10)
    result = fit(observations, 1, Settings(model=Model(family="t")))
    samples = bootstrap(result, observations, n_resamples=30, rng=1)
    assert samples.dof.shape == (30, 1)
    errors = parameter_errors(result.mixture, observations)
    spread = np.std(1 / samples.dof[:, 0])
    assert spread == pytest.approx(errors.dof[0] / result.mixture.dof[0] ** 2, rel=0.5)  # 30 resamples: 13%


def test_the_record_makes_the_model_again(tmp_path):
    observations = observed(ONE, 100, 1)
    for dof in ("fit", "shared", 4.0):
        model = XDGMM(family="t", dof=dof).fit(observations)
        model.mixture_.write(tmp_path / "model.fits", overwrite=True)
        assert model_of(GaussianMixture.read(tmp_path / "model.fits")) == model.result_.model


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"family": "cauchy"}, r"`family` is 'cauchy', but it must be one of gaussian, t"),
        ({"dof": 4.0}, r"`dof` is 4.0, but Gaussian components have none; give `family='t'`"),
        ({"family": "t", "dof": 0.5}, r"`dof` holds 0.5, but degrees of freedom must be 1 or more"),
        ({"family": "t", "dof": "free"}, r"`dof` is 'free', but it must be numbers, or one of fit, shared"),
        ({"family": "t", "dof": True}, "`dof` is True, but it must be numbers"),
        ({"family": "t", "dof": [3.0, 4.0, 5.0]}, r"`dof` holds 3 numbers, but `n_components` is 2"),
    ],
)
def test_what_cannot_be_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        XDGMM(2, **arguments).fit(np.arange(20.0), Xerr=1.0)


def test_fixed_parameters_stay_beside_free_dof():
    observations = observed(TWO, 300, 12)
    model = XDGMM(2, family="t", fixed=Fixed(means=(0,), covariances=(1,)), init=TWO).fit(observations)
    np.testing.assert_allclose(model.means_[0], TWO.means[0], atol=1e-12)
    np.testing.assert_allclose(model.covariances_[1], TWO.covariances[1], rtol=1e-12)
    assert (model.dof_ != TWO.dof).all()


def test_beside_a_background_with_fitted_edges_a_fit_does_not_end_below_gaussians():
    rng = np.random.default_rng(3)
    values = np.concatenate([rng.normal(size=(60, 2)), rng.uniform(-9.0, 9.0, (20, 2))])
    observations = Observations.with_standard_errors(values, rng.uniform(0.1, 1.0, values.shape))
    of_t, of_gaussians = (
        XDGMM(background=Background(), family=family).fit(observations).result_ for family in ("t", "gaussian")
    )
    assert of_t.log_likelihood >= of_gaussians.log_likelihood - 0.5  # a dof of 1000 is not quite a Gaussian


def test_a_component_without_members_and_width_does_not_stop_the_search():
    observations = Observations.exact(np.random.default_rng(1).normal(size=(30, 2)))
    mixture = GaussianMixture([1.0, 0.0], np.zeros((2, 2)), [np.eye(2), np.zeros((2, 2))], dof=4.0)
    assert np.isfinite(examine(mixture, observations).scores).all()


def log_likelihoods_of_narrow(values, dof):
    """That of t distributions whose scale goes to zero around the value 1."""
    return [student.logpdf(values, dof, 1.0, scale).sum() for scale in (1e-4, 1e-6, 1e-8)]


@pytest.mark.parametrize(("dof", "n_bounded", "n_unbounded"), [("fit", 11, 4), (1.0, 11, 4), (4.0, 3, 1)])
def test_equal_exact_values_without_a_maximum_are_refused(dof, n_bounded, n_unbounded):
    lowest = 1.0 if dof == "fit" else dof
    for n_others in (n_bounded, n_unbounded):
        values = np.append(np.ones(9), np.linspace(2.0, 5.0, n_others))
        data = Observations.exact(values[:, None])
        rises = np.all(np.diff(log_likelihoods_of_narrow(values, lowest)) > 1e-6)
        assert rises == (n_others == n_unbounded)
        if not rises:
            assert fit(data, 1, Settings(model=Model(family="t", dof=dof))).log_likelihood > -60
            continue
        with pytest.raises(DegenerateError, match=rf"about 9 of the {values.size} members .* equal values without err"):
            fit(data, 1, Settings(model=Model(family="t", dof=dof)))


@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
def test_equal_values_in_one_column_or_in_all_are_refused(kind):
    rng = np.random.default_rng(11)
    whole = np.concatenate([np.zeros((60, 2)), rng.standard_t(2, (30, 2))])
    column = np.concatenate([[[0.0, 1.0]] * rng.normal(size=(80, 2)), rng.normal(size=(20, 2))])
    settings = Settings(model=Model(kind, family="t"))
    with pytest.raises(DegenerateError, match="about 60 of the 90 members"):
        fit(Observations.exact(whole), 1, settings)
    if kind == "spherical":  # the other column keeps the width of both
        assert fit(Observations.exact(column), 1, settings).converged
        return
    with pytest.raises(DegenerateError, match=r"about \d+ of the 100 members"):
        fit(Observations.exact(column), 1, settings)


def test_rounded_values_and_equal_values_with_errors_are_fitted():
    rng = np.random.default_rng(12)
    rounded = np.round(rng.standard_t(2, (300, 1)), 1)
    assert fit(Observations.exact(rounded), 1, Settings(model=Model(family="t"))).converged
    values = np.append(np.ones(9), [2.0, 3.0, 4.0, 5.0])[:, None]
    assert fit(Observations.with_standard_errors(values, 0.1), 1, Settings(model=Model(family="t"))).converged
    prior = Prior(covariances=InverseWishart([[0.1]], 3.0))
    assert fit(Observations.exact(values), 1, Settings(model=Model(family="t", prior=prior))).converged
