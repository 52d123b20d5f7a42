"""The limited-memory quasi-Newton method on functions whose minima are known, and beside SciPy's."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize, rosen, rosen_der

from xdgmm.fitting.lbfgs import Memory, Point, minimise


def run(function, y, *, iterations=200, length=20, **options):
    memory = Memory(y.size, length)
    options = {"first_step": 0.1, "rounding": 0.0, **options}
    return minimise(function, Point(y, *function(y)), memory, iterations=iterations, **options), memory


def quadratic(A, centre):
    return lambda y: (0.5 * (y - centre) @ A @ (y - centre), A @ (y - centre))


@given(st.integers(0, 2**32 - 1), st.integers(1, 12))
@settings(max_examples=50)
def test_a_quadratic_is_minimised(seed, n):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(n, n + 4))
    A, centre = root @ root.T, rng.normal(size=n)
    function = quadratic(A, centre)
    start = rng.normal(size=n)
    end, _ = run(function, start)
    np.testing.assert_allclose(end.y, centre, atol=1e-6 * np.linalg.cond(A))


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 9))
@settings(max_examples=50)
def test_the_memory_knows_the_last_step_and_is_positive_definite(seed, n, steps):
    """The secant condition: the change of the gradient along the last step leads back to that step."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(n, n + 4))
    function = quadratic(root @ root.T, np.zeros(n))
    points = [Point(y, *function(y)) for y in rng.normal(size=(steps + 1, n))]
    memory = Memory(n, 5)
    for before, after in pairwise(points):
        memory.add(before, after)
    np.testing.assert_allclose(
        memory.direction(points[-1].gradient - points[-2].gradient), points[-2].y - points[-1].y, rtol=1e-9, atol=1e-9
    )
    assert all(g @ memory.direction(g) < 0 for g in rng.normal(size=(5, n)))


@pytest.mark.parametrize("n", [2, 10, 30])
def test_rosenbrocks_valley_takes_no_more_calls_than_scipys_method(n):
    y = np.tile([-1.2, 1.0], n // 2)
    calls = []

    def function(y):
        calls.append(y)
        return rosen(y), rosen_der(y)

    end, _ = run(function, y, iterations=1000, small=1e-16)
    assert end.value < 1e-12
    options = {"maxcor": 20, "ftol": 0, "gtol": 1e-7, "maxiter": 1000}
    scipys = minimize(lambda y: (rosen(y), rosen_der(y)), y, jac=True, method="L-BFGS-B", options=options)
    assert len(calls) <= 1.3 * scipys.nfev


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=50)
def test_no_iteration_ends_higher_than_it_began(seed):
    rng = np.random.default_rng(seed)
    directions, shifts = rng.normal(size=(6, 3)), rng.normal(size=6)

    def wavy(y):
        phases = directions @ y + shifts
        return float(np.cos(phases).sum() + 0.01 * y @ y), -np.sin(phases) @ directions + 0.02 * y

    y = 3 * rng.normal(size=3)
    values = [wavy(y)[0], *(run(wavy, y, iterations=n)[0].value for n in range(1, 12))]
    assert (np.diff(values) <= 0).all()


def test_impossible_points_are_avoided():
    """ln y below zero has no value: the minimum of y - ln y is reached all the same, from a far too long first step."""

    def function(y):
        if (y <= 0).any():
            return np.inf, np.zeros_like(y)
        return float((y - np.log(y)).sum()), 1 - 1 / y

    end, _ = run(function, np.array([4.0, 0.5]), first_step=100.0)
    np.testing.assert_allclose(end.y, 1, atol=1e-8)


def test_where_values_are_all_rounding_the_slope_decides():
    """Near the minimum of 1e8 + y^2 the values are equal: the gradient still leads there."""

    def function(y):
        return float(1e8 + y @ y), 2 * y

    end, _ = run(function, np.array([1e-6, -2e-6]), rounding=1e-13 * 1e8, first_step=0.3)
    assert np.abs(end.y).max() < 1e-12


def test_it_ends_where_the_predicted_fall_is_small():
    calls = []

    def function(y):
        calls.append(y)
        return float(np.sum(y**4) + y @ y), 4 * y**3 + 2 * y

    run(function, np.ones(4), small=1e-3, trusted=1)
    early = len(calls)
    run(function, np.ones(4), small=1e-12, trusted=1)
    assert early < len(calls) - early
