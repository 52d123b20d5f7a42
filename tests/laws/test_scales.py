"""Values, errors and weights of any size: the same answer in other units, or a sentence."""

import numpy as np
import pytest
from astropy.table import Table

from xdgmm import XDGMM, Background, InputError, Observations
from xdgmm.uncertainty import function_interval
from xdgmm.widths import relations, widths

RNG = np.random.default_rng(5)
VALUES, ERRORS = RNG.normal(3.0, 2.0, (30, 2)), RNG.uniform(0.3, 3.0, (30, 2))
VALUES[3, 1] = np.nan
WIDTHS = ["mean", "mean_error", "sigma", "sigma_error", "sigma_low", "sigma_high", "sigma_limit", "observed_sigma"]


def numbers(column):
    return np.ma.filled(np.ma.asarray(column, dtype=float), -1.0)


def report(power, dimensions, n_components, method="information", n_objects=30):
    scale, values, errors = 2.0**power, VALUES[:n_objects, :dimensions], ERRORS[:n_objects, :dimensions]
    data = Observations.with_standard_errors(values * scale, errors * scale)
    result = XDGMM(n_components, random_state=0).fit(data).result_
    found = widths(result, data, method=method)
    assert "nan" not in str(found)
    shown = [numbers(found[name]) for name in WIDTHS]
    shown = [np.where(column == -1.0, -1.0, column / scale) for column in shown]
    if dimensions > 1:
        shown.append(numbers(relations(result, data)["error"][:1]))  # of the correlation
    return np.concatenate(shown)


SLOW = pytest.mark.slow


@pytest.mark.parametrize("power", [-490, pytest.param(-100, marks=SLOW), pytest.param(300, marks=SLOW), 490])
@pytest.mark.parametrize(("dimensions", "n_components"), [(1, 1), (2, 1), pytest.param(2, 2, marks=SLOW)])
def test_a_power_of_two_changes_nothing_but_the_scale(power, dimensions, n_components):
    """Up to 1e148: errors of variances, fourth powers of this, are too large for a float.

    Limits along principal axes were up to twice too small for values around 1e-30: roots had a fixed tolerance.
    """
    expected = report(0, dimensions, n_components)
    # derivatives of the report are differences, whose rounding depends on the size of the numbers
    np.testing.assert_allclose(report(power, dimensions, n_components), expected, rtol=1e-6)


@pytest.mark.parametrize("power", [-490, 490])
@pytest.mark.parametrize("n_objects", [7, pytest.param(30, marks=SLOW)])
def test_profiles_too(power, n_objects):
    """For few objects they are simulated, with the same random numbers."""
    expected = report(0, 1, 1, "profile", n_objects)
    np.testing.assert_allclose(report(power, 1, 1, "profile", n_objects), expected, rtol=1e-6)


@pytest.mark.parametrize("power", [-490, 490])
def test_intervals_of_functions_too(power):
    """Around 1e-148 the interval of a covariance had no width: its slopes were squared."""

    def interval(power):
        scale = 2.0**power
        data = Observations.with_standard_errors(VALUES * scale, ERRORS * scale)
        mixture = XDGMM(random_state=0).fit(data).mixture_
        found = function_interval(lambda of: of.covariances[0, 0, 1], mixture, data)
        return np.array([found.value, found.error, found.low, found.high]) / scale / scale

    np.testing.assert_allclose(interval(power), interval(0), rtol=1e-6)


def beside_a_background(power, dimensions, correlation, of):
    """A line on a continuum: edges, fraction and width, in units of the scale."""
    rng, scale, N = np.random.default_rng(3), 2.0**power, 40
    in_box = rng.random((N, 1)) < 0.5
    true = np.where(in_box, rng.uniform(-5.0, 5.0, (N, dimensions)), 0.3 * rng.standard_normal((N, dimensions)))
    e = rng.uniform(0.1, 0.5, (N, dimensions))
    values = (true + e * rng.standard_normal((N, dimensions))) * scale
    covariances = (e[:, :, None] * e[:, None]) * np.where(np.eye(dimensions), 1.0, correlation)
    data = Observations.with_covariances(values, covariances * scale**2)
    result = XDGMM(background=Background(of=of), random_state=0).fit(data).result_
    assert result.converged
    found, box = widths(result, data), np.ravel(result.mixture.background.box)
    shown = [np.ma.compressed(found[name]) / scale for name in ("mean", "mean_error", "sigma", "sigma_error")]
    return np.concatenate([box / scale, [result.mixture.background.fraction], *shown])


@pytest.mark.parametrize("power", [-490, 490])
@pytest.mark.parametrize(
    ("dimensions", "correlation", "of"),
    [
        (1, 0.0, "true values"),
        (1, 0.0, "measured values"),
        pytest.param(2, 0.5, "true values", marks=SLOW),  # joint integrals
    ],
)
def test_the_edges_of_a_background_too(power, dimensions, correlation, of):
    """Squares of slopes of around 1e148 are too large for a float: numpy warned, and no step was taken."""
    expected = beside_a_background(0, dimensions, correlation, of)
    np.testing.assert_allclose(beside_a_background(power, dimensions, correlation, of), expected, rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-152, 1e-200, 1e-300])
def test_values_whose_variance_is_lost_are_refused(scale):
    """Times 1e-200 they had the width zero without a word."""
    with pytest.raises(InputError, match=r"a column of `values` differ by less than 1e-150.*smaller unit"):
        Observations.with_standard_errors(VALUES * scale, ERRORS)
    table = {"v": VALUES[:, 0] * scale, "e_v": ERRORS[:, 0]}
    with pytest.raises(InputError, match="column 'v' differ by less than"):
        Observations.from_table(table, "v")
    with pytest.raises(InputError, match=r"`standard_errors` is below 1e-150 in rows 0, 1, .*smaller unit"):
        Observations.with_standard_errors(VALUES, ERRORS * scale)
    with pytest.raises(InputError, match="the error of 'v' is below 1e-150"):
        Observations.from_table({"v": VALUES[:, 0], "e_v": ERRORS[:, 0] * scale}, "v")


def test_variances_whose_root_is_lost_are_refused():
    covariances = np.tile(np.diag([1e-302, 1.0]), (30, 1, 1))
    with pytest.raises(InputError, match="`covariances` has a variance below 1e-300 in rows 0, 1"):
        Observations.with_covariances(VALUES, covariances)


@pytest.mark.parametrize("values", [[0.0, 1e-200, 1.0], [1e-200], [1e-200, 1e-200], [0.0, 0.0], [np.nan, 3.0]])
def test_small_numbers_beside_others_are_numbers(values):
    assert Observations.with_standard_errors(values, 0.1).n_objects >= 1
    assert Observations.with_standard_errors(values, 0.0).n_objects >= 1


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_weights_that_cannot_be_squared_are_refused(scale):
    weights = np.linspace(0.0, 1.0, 30) * scale
    with pytest.raises(InputError, match=r"the largest of `weights` is 1e.*divide all by it"):
        Observations.with_standard_errors(VALUES, ERRORS, weights=weights)
    table = Table({"v": VALUES[:, 0], "e_v": ERRORS[:, 0], "w": weights})
    with pytest.raises(InputError, match="the largest of weights column 'w' is"):
        Observations.from_table(table, "v", weights="w")
    with pytest.raises(InputError, match=r"the largest of `(sample_)?weights?`"):
        XDGMM().fit(VALUES, Xerr=ERRORS, sample_weight=weights)
