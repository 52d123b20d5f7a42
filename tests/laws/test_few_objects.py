"""Laws of reports about few objects: they are consistent, and depend on nothing but the data and the seed."""

import warnings

import numpy as np
import pytest

from xdgmm import XDGMM
from xdgmm.errors import DegenerateError, XdgmmWarning

NUMBERS = ("mean", "mean_low", "mean_high", "sigma", "sigma_low", "sigma_high", "sigma_limit")
TYPES = ("full", "tied", "diag", "spherical")
SLOW, EXHAUSTIVE = pytest.mark.slow, pytest.mark.exhaustive


def sample(seed):
    """Values, standard errors (both (N, D)), weights and the model: few objects, some much better than others."""
    rng = np.random.default_rng([15, seed])
    N, D = int(rng.integers(3, 10)), int(rng.integers(1, 3))
    E = (
        np.exp(rng.normal(0.0, 1.5, (N, D))),
        np.where(rng.random((N, 1)) < 0.3, 0.1, 4.0) * np.ones((N, D)),
        np.ones((N, D)),
    )[rng.integers(3)]
    X = E * rng.standard_normal((N, D)) + rng.choice([0.0, 1.0, 5.0]) * rng.standard_normal((N, D))
    if rng.random() < 0.2:
        X = np.where(rng.random(X.shape) < 0.15, np.nan, X)
    weights = (None, None, rng.integers(0, 3, N).astype(float), 3.0 * rng.random(N))[rng.integers(4)]
    return X, E, weights, TYPES[rng.integers(4)]


def reported(X, E, weights, covariance_type, **options):
    """The report, with no warning but those of this package."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", XdgmmWarning)
        model = XDGMM(covariance_type=covariance_type, random_state=0).fit(X, Xerr=E, sample_weight=weights)
        report = model.widths(X, Xerr=E, sample_weight=weights, **options)
        assert "nan" not in str(report)
    return report


def numbers(report, name):
    return np.ma.filled(np.ma.asarray(report[name], dtype=float), np.nan)


def check_consistent(report):
    """Ends hold the value, no limit is below it, and limits are in the order of the principal axes."""
    for name in ("mean", "sigma"):
        value, low, high = (numbers(report, name + ending) for ending in ("", "_low", "_high"))
        tiny = 1e-9 * np.abs(value)
        assert not (low > value + tiny).any()
        assert not (high < value - tiny).any()
    limit, sigma = numbers(report, "sigma_limit"), numbers(report, "sigma")
    assert not (limit < sigma * (1 - 1e-9)).any()
    principal = np.array([str(axis).startswith("principal") for axis in report["axis"]])
    of_axes = limit[principal]
    if np.isfinite(of_axes).all():
        assert (np.diff(of_axes) <= 1e-4 * of_axes[:-1]).all()
    if of_axes.size and not np.isnan(of_axes[0]):
        assert not (limit[~principal] > of_axes[0] * (1 + 1e-9)).any()


QUICK = [(1, "profile"), (4, "information"), (6, "information"), (9, "information")]


def more(first, last, mark):
    """Further samples with both methods."""
    return [pytest.param(i, method, marks=mark) for i in range(first, last) for method in ("information", "profile")]


@pytest.mark.parametrize(("seed", "method"), [*QUICK, *more(10, 20, SLOW), *more(20, 40, EXHAUSTIVE)])
def test_reports_are_consistent(seed, method):
    try:
        report = reported(*sample(seed), method=method)
    except DegenerateError:
        return
    check_consistent(report)


def same(report, other, scale=1.0, rtol=1e-5):
    """Are the numbers the same?  Sigmas along axes without width are zero within rounding."""
    for name in NUMBERS:
        a, b = numbers(report, name), numbers(other, name) / scale
        np.testing.assert_allclose(b, a, rtol=rtol, atol=1e-6 * np.nanmax(numbers(report, "observed_sigma")))


LAWS = [(1, "information")]


@pytest.mark.parametrize(("seed", "method"), [*LAWS, *more(2, 4, SLOW), *more(4, 10, EXHAUSTIVE)])
def test_simulated_numbers_depend_on_nothing_but_data_and_seed(seed, method):
    """Not on the order of rows, nor the unit, nor rows of weight zero, nor repeated rows in place of weights."""
    X, E, _, _ = sample(seed)
    rng = np.random.default_rng(seed)
    times = np.r_[1, 2, 0, rng.integers(1, 3, len(X) - 3)]
    options = {"method": method, "limit": "simulated"}
    weighted = reported(X, E, 1.0 * times, "diag", **options)
    order = rng.permutation(len(X))
    same(weighted, reported(X[order], E[order], 1.0 * times[order], "diag", **options))
    same(weighted, reported(X[times > 0], E[times > 0], 1.0 * times[times > 0], "diag", **options))
    same(weighted, reported(np.repeat(X, times, 0), np.repeat(E, times, 0), None, "diag", **options))
    same(weighted, reported(4 * X, 4 * E, 1.0 * times, "diag", **options), scale=4.0)
