"""One contract for every solver, covariance type, form of noise, and everything that a model may add.

The objective is computed a second time here, from the readable NumPy twin of the pass and from SciPy's densities of the
priors; its finite differences must be the gradient that the solvers climb.
"""

from itertools import pairwise, product

import numpy as np
import pytest
from scipy.stats import invwishart, multivariate_normal, norm

from xdgmm import Background, Dirichlet, Fixed, Flat, GaussianMixture, InverseWishart, Normal, Observations, Prior
from xdgmm.fitting import COVARIANCE_TYPES, Model, Outcome, Settings, StoppingRule, fit
from xdgmm.fitting.coordinates import FactorCoordinates
from xdgmm.fitting.model import with_background
from xdgmm.fitting.objective import Objective
from xdgmm.fitting.solvers import NAMES
from xdgmm.kernels import NoiseMixture, reference
from xdgmm.mixture import pack_beside

N, D, K = 60, 2, 2
NOISES = (
    "none",
    "one for all",
    "standard errors",
    "covariances",
    "missing",
    "projections",
    "one projection",
    "limits",
    "split normals",
)
PRIOR = Prior(
    weights=Dirichlet([2.0, 4.0]),
    means=Normal([[-1.0, 0.0], [2.0, 1.0]], [[3.0, 0.5], [0.5, 2.0]]),
    covariances=InverseWishart([[[0.8, 0.2], [0.2, 0.5]], [[0.4, -0.1], [-0.1, 0.9]]], 5.0),
)
EXTRAS = {
    "nothing": {},
    "fixed": {"fixed": Fixed(weights=(0,), means=(1,), covariances=(0,))},
    "prior": {"prior": PRIOR},
    "background": {"background": Background([-12.0, -9.0], [11.0, 10.0], 0.2)},
    "fixed background": {"background": Background([-12.0, -9.0], [11.0, 10.0], 0.2), "fixed": Fixed(weights=(2,))},
    "t": {"family": "t"},
    "t of one dof, background": {"family": "t", "dof": "shared", "background": Background([-12, -9], [11, 10], 0.2)},
    "t and a Gaussian, prior": {"family": "t", "dof": (3.0, np.inf), "prior": PRIOR},
    "memberships": {},
    "memberships beside a background": {"background": Background([-12.0, -9.0], [11.0, 10.0], 0.2)},
    "flat": {"flat": Flat("x1", -5.0, 5.5)},
    "flat and fixed": {"flat": Flat("x2", -4.0, 4.0), "fixed": Fixed(weights=(1,), means=(1,), covariances=(0,))},
    "flat beside a background": {
        "flat": Flat("x1", -5.0, 5.5),
        "background": Background([-12.0, -9.0], [11.0, 10.0], 0.2),
    },
}
EVERYTHING = [
    (kind, noise, extra)
    for kind, noise, extra in product(COVARIANCE_TYPES, NOISES, EXTRAS)
    if not (any(each in extra for each in ("background", "memberships", "flat")) and "projection" in noise)
    and not ("flat" in extra and (kind in ("tied", "spherical") or noise in ("limits", "split normals")))
]
THAT_FAILED = [("full", "standard errors", extra, "auto") for extra in ("flat", "flat beside a background")]
WITH_SOLVERS = [
    pytest.param(*case, marks=pytest.mark.slow) if case in THAT_FAILED else case
    for case in ((*each, solver) for solver in NAMES for each in EVERYTHING)
]


def observed(noise, extra="nothing", *, weighted=True):
    """A small problem with this form of noise, and known memberships if they are asked for."""
    observations = measured(noise, weighted=weighted)
    if "memberships" not in extra:
        return observations
    known = np.random.default_rng(11).dirichlet(np.full(K + ("background" in extra), 0.7), N)
    known[3] = np.eye(known.shape[1])[0]
    return observations.with_memberships(known)


def measured(noise, *, weighted):
    """Values with this form of noise."""
    rng = np.random.default_rng([7, NOISES.index(noise)])
    labels = rng.random(N) < 0.4
    v = np.where(labels[:, None], [-1.5, 0.5], [2.0, 1.0]) + rng.standard_normal((N, D)) * [0.9, 0.6]
    weights = rng.uniform(0.3, 2.0, N) if weighted else None
    if noise == "none":
        return Observations.exact(v, weights)
    if noise == "standard errors":
        errors = rng.uniform(0.1, 0.9, (N, D))
        return Observations.with_standard_errors(v + errors * rng.standard_normal((N, D)), errors, weights)
    if noise == "limits":
        errors = rng.uniform(0.1, 0.9, (N, D))
        upper = np.column_stack([np.zeros(N, bool), rng.random(N) < 0.25])
        lower = np.column_stack([rng.random(N) < 0.25, np.zeros(N, bool)]) & ~upper[:, 1:]
        w = np.where(rng.random((N, D)) < 0.1, np.nan, v + errors * rng.standard_normal((N, D)))
        w = np.where(upper | lower, v + 0.5, w)
        w[0] = v[0]
        return Observations.with_limits(w, errors, upper=upper, lower=lower, weights=weights)
    if noise == "split normals":
        lower, upper = rng.uniform(0.2, 0.9, (2, N, D))
        upper[::4] = lower[::4]
        below, size = rng.random((N, D)) < upper / (lower + upper), np.abs(rng.standard_normal((N, D)))
        w = np.where(rng.random((N, D)) < 0.1, np.nan, v + np.where(below, -upper * size, lower * size))
        w[0] = v[0]
        return Observations.with_asymmetric_errors(w, lower, upper, weights)
    M = {"projections": 1, "one projection": 3}.get(noise, D)
    root = 0.5 * rng.standard_normal((N, M, M))
    S = root @ root.transpose(0, 2, 1) + 0.05 * np.eye(M)
    S = 0.5 * (S + S.transpose(0, 2, 1))
    if noise == "one for all":
        S[:] = S[0]
    errors = np.einsum("nij,nj->ni", np.linalg.cholesky(S), rng.standard_normal((N, M)))
    if "projection" not in noise:
        w = v + errors
        if noise == "missing":
            w[rng.random((N, D)) < 0.25] = np.nan
            w[0] = v[0]
        return Observations.with_covariances(w, S, weights=weights)
    R = rng.standard_normal((N, M, D)) if noise == "projections" else rng.standard_normal((M, D))
    return Observations.with_covariances(
        np.einsum("...ij,nj->ni" if R.ndim == 2 else "nij,nj->ni", R, v) + errors, S, R, weights
    )


def model_of(kind, extra):
    settings = dict(EXTRAS[extra])
    if kind == "tied" and "fixed" in settings:
        settings["fixed"] = Fixed(settings["fixed"].weights, settings["fixed"].means)
    model = Model(kind, **settings)
    observations = observed("none", extra)
    return model.with_memberships(observations, K).with_flat(observations, K)


def start_of(model):
    """A rough start that conforms to the model."""
    V = np.array([[[1.2, 0.3], [0.3, 0.7]], [[0.9, -0.2], [-0.2, 1.1]]])
    V = model.type.combined(V, np.array([0.35, 0.65]))
    dof = model.constraints(K, D).dof
    start = GaussianMixture([0.35, 0.65], [[-1.0, 0.2], [1.5, 0.8]], V, dof=dof, flat=model.flat)
    return with_background(start, model.background)


def objective(mixture, observations, model):
    """Log-likelihood from the twin, log-prior from SciPy."""
    counts = observations.counts
    part = observations.select(counts)
    background = mixture.background
    densities = None if background is None else background.log_densities(part.values, part.noise_model, part.limits)
    known = part.memberships
    if known is not None and background is not None:
        with np.errstate(divide="ignore"):
            densities = densities + np.log(known[:, K])
    gaussians = mixture.expanded()
    if isinstance(part.noise_model, NoiseMixture):
        return log_likelihood_of_rows(part, gaussians, densities) + log_prior(mixture, model)
    if mixture.flat is not None:
        return beside_flat(mixture, part, densities)
    total = reference.accumulate(
        part.values,
        part.noise_covariances,
        part.object_weights,
        gaussians.all_weights,
        gaussians.means,
        gaussians.covariances,
        part.projections,
        densities,
        None if known is None else known[:, :K],
        limits=part.limits,
    ).log_likelihood
    return total + log_prior(mixture, model)


def log_likelihood_of_rows(part, gaussians, densities):
    """Each object the sum of the twin's densities at the rows of its noise."""
    noise, rows = part.noise_model, part.rows
    given = rows.values, rows.noise_covariances
    known = part.memberships
    with np.errstate(divide="ignore"):  # of what has vanished
        log_weights = np.log(gaussians.all_weights)[:, None] if known is None else np.log(known[noise.owners].T)
    parameters = zip(log_weights, gaussians.means, gaussians.covariances, strict=False)
    of_rows = np.logaddexp.reduce([w + reference.component(*given, m, V)[0] for w, m, V in parameters])
    of_rows = of_rows + np.log(noise.weights)
    totals = [np.logaddexp.reduce(of_rows[slice(*ends)]) for ends in pairwise(noise.starts)]
    if densities is not None:
        log_weight = log_weights[-1] if known is None else 0.0  # the membership is in the density
        totals = np.logaddexp(totals, log_weight + densities)
    return part.object_weights @ totals


def log_prior(mixture, model):
    if model.prior is None:
        return 0.0
    total = 0.0
    covariances = mixture.covariances[:1] if model.covariance_type == "tied" else mixture.covariances
    concentration = np.array(model.prior.weights.concentration)
    total += (concentration - 1.0) @ np.log(mixture.weights)
    for mean, centre in zip(mixture.means, model.prior.means.mean, strict=True):
        total += multivariate_normal.logpdf(mean, centre, model.prior.means.covariance)
    for V, scale in zip(covariances, model.prior.covariances.scale, strict=False):  # a tied one has the first
        total += invwishart.logpdf(V, model.prior.covariances.degrees_of_freedom, np.array(scale))
    return total


def beside_flat(mixture, observations, of_background):
    """Log-likelihood of a Gaussian and a component that is flat in one of the two columns."""
    flat, weights = mixture.flat.in_columns, mixture.all_weights
    seen = np.where(mixture.is_flat[1], np.nan, observations.values)
    noise, V = observations.noise_covariances, mixture.covariances
    first = reference.component(observations.values, noise, mixture.means[0], V[0])[0]
    second = reference.component(seen, noise, mixture.means[1], V[1])[0]
    low, high = mixture.flat.box
    f, e = observations.values[:, flat[0]], np.sqrt(observations.variances[:, flat[0]])
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = np.where(e > 0, norm.cdf((high - f) / e) - norm.cdf((low - f) / e), (low <= f) & (f <= high))
        second = second + np.where(np.isfinite(f), np.log(inside / (high - low)), 0.0)
        log_weights = np.log(weights)
    parts = [log_weights[0] + first, log_weights[1] + second]
    if of_background is not None:
        parts.append(log_weights[2] + of_background)
    return float(observations.object_weights @ np.logaddexp.reduce(parts, axis=0))


def likelihood_of(observations, model, max_passes=10_000):
    blocks = pack_beside(observations, model.background, model.flat)
    return Objective(blocks, max_passes, constraints=model.constraints(K, D))


@pytest.mark.pairwise
@pytest.mark.parametrize(("kind", "noise", "extra"), EVERYTHING)
def test_the_gradient_is_that_of_the_twins_objective(kind, noise, extra):
    observations, model = observed(noise, extra), model_of(kind, extra)
    start, likelihood = start_of(model), likelihood_of(observations, model)
    coordinates = FactorCoordinates(start, likelihood.expect(start), likelihood.constraints)
    rng = np.random.default_rng(3)
    z = 0.5 * rng.standard_normal(coordinates.size)
    mixture = coordinates.at(z)
    gradient = coordinates.gradient(z, mixture, likelihood.differentiate(mixture))
    h = 1e-4
    for i in range(coordinates.size):
        step = h * np.eye(coordinates.size)[i]
        ends = [objective(coordinates.at(z + s * step), observations, model) for s in (1.0, -1.0)]
        # One unit is about one standard error: third derivatives are of order one to ten, h^2 times that is 1e-7;
        # rounding is 1e-13 over h.
        assert (ends[0] - ends[1]) / (2 * h) == pytest.approx(gradient[i], abs=1e-6, rel=1e-6)


@pytest.mark.pairwise
@pytest.mark.parametrize(("kind", "noise", "extra"), EVERYTHING)
def test_every_free_parameter_has_one_coordinate_and_every_fixed_one_none(kind, noise, extra):
    observations, model = observed(noise, extra), model_of(kind, extra)
    start, likelihood = start_of(model), likelihood_of(observations, model)
    coordinates = FactorCoordinates(start, likelihood.expect(start), likelihood.constraints)
    jacobian = coordinates.jacobian()
    if start.dof is not None:
        jacobian = np.vstack([jacobian[:-K], jacobian[-K:][np.isfinite(start.dof)]])
    assert np.linalg.matrix_rank(jacobian) == coordinates.size == model.n_parameters(K, D)
    h = 1e-5
    for i in range(coordinates.size):  # and the Jacobian is the derivative of `at`
        ends = [flat(coordinates.at(s * h * np.eye(coordinates.size)[i])) for s in (1.0, -1.0)]
        np.testing.assert_allclose((ends[0] - ends[1]) / (2 * h), jacobian[:, i], atol=1e-9)


def flat(mixture):
    i, j = np.tril_indices(D)
    parts = mixture.all_weights, mixture.means.ravel(), mixture.covariances[:, i, j].ravel()
    return np.concatenate(parts if mixture.dof is None else (*parts, mixture.dof[np.isfinite(mixture.dof)]))


@pytest.mark.pairwise
@pytest.mark.parametrize(("kind", "noise", "extra", "solver"), WITH_SOLVERS)
def test_every_solver_reaches_a_maximum_of_the_twins_objective(kind, noise, extra, solver):
    observations, model = observed(noise, extra), model_of(kind, extra)
    start = start_of(model)
    rule = StoppingRule(1e-6, 3000)
    result = fit(observations, K, Settings(solver, rule, start=start, model=model), rng=0)
    mixture, ended = result.mixture, objective(result.mixture, observations, model)
    missing_constant = 0.0 if model.prior is None else dirichlet_constant(model)
    assert result.log_posterior == pytest.approx(ended + missing_constant, abs=1e-9)
    assert ended >= objective(start, observations, model)
    np.testing.assert_allclose(
        mixture.covariances, model.type.combined(mixture.covariances, mixture.weights), atol=1e-13
    )
    for name, held in (
        ("all_weights", () if model.known_memberships else model.fixed.weights),  # which have no start
        ("means", model.fixed.means),
        ("covariances", model.fixed.covariances),
    ):
        for k in held:
            np.testing.assert_allclose(getattr(mixture, name)[k], getattr(start, name)[k], rtol=1e-13)
    assert result.converged or (solver == "em" and result.outcome is Outcome.OUT_OF_PASSES)  # it may creep
    if not result.converged:
        return
    likelihood = likelihood_of(observations, model)
    coordinates = FactorCoordinates(mixture, likelihood.expect(mixture), likelihood.constraints)
    for i, size in product(range(coordinates.size), (-0.1, -0.01, 0.01, 0.1)):  # a unit is about a standard error
        step = size * np.eye(coordinates.size)[i]
        assert objective(coordinates.at(step), observations, model) < ended + 2e-6  # the tolerance, and rounding


@pytest.mark.pairwise
@pytest.mark.parametrize(("kind", "noise", "extra"), EVERYTHING)
def test_em_never_lowers_the_objective(kind, noise, extra):
    observations, model = observed(noise, extra), model_of(kind, extra)
    settings = Settings("em", StoppingRule(0.0, 40), start=start_of(model), model=model)
    assert np.diff(fit(observations, K, settings).history).min() > -1e-11  # rounding: 1e-13 of a few hundred nats


def dirichlet_constant(model):
    from scipy.stats import dirichlet

    concentration = np.array(model.prior.weights.concentration)
    middle = np.full(concentration.size, 1.0 / concentration.size)
    return dirichlet.logpdf(middle, concentration) - (concentration - 1.0) @ np.log(middle)


@pytest.mark.parametrize(("kind", "expected"), [("full", 11), ("tied", 8), ("diag", 9), ("spherical", 7)])
def test_parameters_are_counted_as_scikit_learn_counts_them(kind, expected):
    from sklearn.mixture import GaussianMixture as Sklearn

    X = np.random.default_rng(0).random((30, 2))
    theirs = Sklearn(2, covariance_type=kind).fit(X)
    counted = (theirs.bic(X) + 2 * 30 * theirs.score(X)) / np.log(30)
    assert Model(kind).n_parameters(2, 2) == expected == pytest.approx(counted)
    assert Model(kind, background=EXTRAS["background"]["background"]).n_parameters(2, 2) == expected + 1


@pytest.mark.parametrize("kind", COVARIANCE_TYPES)
def test_without_noise_every_type_agrees_with_scikit_learn(kind):
    from sklearn.mixture import GaussianMixture as Sklearn

    from xdgmm import XDGMM

    rng = np.random.default_rng(12)
    X = rng.standard_normal((500, 3)) * [1.0, 2.0, 0.5]
    X[300:] += [6.0, -1.0, 2.0]
    means = X[[0, -1]]
    theirs = Sklearn(
        2, covariance_type=kind, tol=1e-13, max_iter=20_000, reg_covar=0.0, means_init=means, random_state=0
    )
    theirs.fit(X)
    ours = XDGMM(2, covariance_type=kind, means_init=theirs.means_ + 0.1).fit(X)
    # Its rule stops at 1e-13 nats per object and iteration: parameters agree to about the root of that.
    np.testing.assert_allclose(ours.weights_, theirs.weights_, atol=1e-5)
    np.testing.assert_allclose(ours.means_, theirs.means_, atol=1e-5)
    assert ours.covariances_.shape == theirs.covariances_.shape
    np.testing.assert_allclose(ours.covariances_, theirs.covariances_, atol=1e-5)
    assert ours.lower_bound_ >= theirs.lower_bound_ - 1e-12
    assert ours.bic(X, Xerr=0) == pytest.approx(theirs.bic(X), abs=1e-6)
    assert ours.aic(X, Xerr=0) == pytest.approx(theirs.aic(X), abs=1e-6)
