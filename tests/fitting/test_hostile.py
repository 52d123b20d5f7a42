"""Data as they come: whatever is in them, the answer is right or the refusal is clear; never NaN, never an abort."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from xdgmm import DegenerateError, Observations
from xdgmm.fitting import Settings, StoppingRule, fit

EVILS = ("repeated", "constant", "collinear", "outlier", "wide errors", "wide weights", "missing", "tiny errors")


@st.composite
def hostile(draw, most_dimensions=4):
    """Observations with any number of evils, all values noisy; and a number of components up to that of objects."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    N, D = draw(st.integers(1, 30)), draw(st.integers(1, most_dimensions))
    evils = draw(st.sets(st.sampled_from(EVILS), max_size=4))
    values, errors, weights = rng.standard_normal((N, D)), rng.uniform(0.2, 1.5, (N, D)), None
    if "repeated" in evils:
        values = np.round(values)
    if "constant" in evils:
        values[:, -1] = 3.0
    if "collinear" in evils:
        values[:] = values[:, :1] * np.arange(1, D + 1)
    if "wide errors" in evils:
        errors = 10.0 ** rng.uniform(-5, 5, (N, D))
    if "tiny errors" in evils:
        errors[0] = 1e-8
    if "outlier" in evils:
        values[0] = 1e6
    if "wide weights" in evils:
        weights = 10.0 ** rng.uniform(-5, 5, N)
    if "missing" in evils:
        values[rng.random((N, D)) < 0.3] = np.nan
        values[0] = 0.5
    observations = Observations.with_standard_errors(values, errors, weights=weights)
    return observations, draw(st.integers(1, min(4, observations.n_objects)))


def log_likelihood(mixture, observations):
    """From the definition, object by object."""
    total = 0.0
    for x, e, w in zip(observations.values, observations.noise, observations.object_weights, strict=True):
        seen = np.isfinite(x)
        if seen.any():
            logs = [
                multivariate_normal(m[seen], V[np.ix_(seen, seen)] + np.diag(e[seen] ** 2), allow_singular=True).logpdf(
                    x[seen]
                )
                for m, V in zip(mixture.means, mixture.covariances, strict=True)
            ]
            total += w * logsumexp(logs, b=mixture.weights)
    return total


@settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(hostile(), st.sampled_from(["auto", "em", "implicit", "quasi-newton"]))
def test_noisy_data_always_have_a_fit_and_its_likelihood_is_true(case, solver):
    observations, K = case
    rule = StoppingRule(max_passes=300)
    largest, smallest = np.nanmax(np.abs(observations.values)), np.nanmin(observations.noise)
    try:
        result = fit(observations, K, Settings(solver=solver, stopping=rule, n_init=2), rng=0)
    except DegenerateError as error:
        refusal = str(error)
    else:
        refusal = None
    if refusal is not None:  # in several dimensions squares beyond 1e12 of the smallest are lost in rounding
        assert "double precision does not resolve" in refusal or "without noise" in refusal
        assert observations.n_dimensions > 1
        assert largest / smallest > 1e5
        return
    mixture = result.mixture
    assert np.isfinite(mixture.means).all()
    assert mixture.weights.sum() == pytest.approx(1.0, rel=1e-12)
    for V in mixture.covariances:
        assert np.linalg.eigvalsh(V)[0] >= -1e-12 * np.trace(V)
    true = log_likelihood(mixture, observations)
    # SciPy decomposes T, whose condition reaches 1e20 where errors span ten decades: compare where it can
    if np.nanmax(observations.noise) / smallest < 1e4 and largest < 1e5:
        assert result.log_likelihood == pytest.approx(true, rel=1e-6, abs=1e-6 * observations.total_weight)
    for numbers in (result.residual, result.predicted_gain, *result.effective_sizes, *result.smallest_eigenvalues):
        assert not np.isnan(numbers)
    assert not np.isnan(result.noise_ratio).any()


@settings(max_examples=60)
@given(hostile(most_dimensions=1))
def test_one_width_is_the_highest_maximum_whatever_the_data(case):
    observations, _ = case
    result = fit(observations, 1)
    seen = np.isfinite(observations.values[:, 0])
    x, e2 = observations.values[seen, 0], observations.noise[seen, 0] ** 2
    w = observations.object_weights[seen]

    def height(variance):
        T = variance + e2
        mean = np.sum(w * x / T) / np.sum(w / T)
        return -0.5 * np.sum(w * (np.log(2 * np.pi * T) + (x - mean) ** 2 / T))

    grid = np.concatenate([[0.0], np.geomspace(1e-12, 1e14, 800)])
    heights = [height(variance) for variance in grid]
    best = int(np.argmax(heights))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, grid.size - 1)]
    refined = -minimize_scalar(lambda v: -height(v), bounds=(low, high), method="bounded", options={"xatol": 0.0}).fun
    top = max(heights[best], refined)
    # the fit stops 1e-8 nats short at most; its sums, and these, are rounded relative to their size
    assert result.log_likelihood >= top - 1e-7 - 1e-10 * abs(top)


@settings(max_examples=40)
@given(hostile(), st.sampled_from(["auto", "em", "implicit", "quasi-newton"]))
def test_exact_data_have_a_fit_or_a_clear_refusal(case, solver):
    observations, K = case
    exact = Observations.exact(observations.values, weights=observations.weights)
    try:
        result = fit(exact, K, Settings(solver=solver, stopping=StoppingRule(max_passes=200), n_init=2), rng=0)
    except DegenerateError as error:
        refusal = str(error)
    else:
        refusal = None
        assert np.isfinite(result.log_likelihood)
        assert np.isfinite(result.mixture.covariances).all()
    assert refusal is None or "without noise" in refusal
