"""The instrument's width from lines of no width of their own: real arc lines, simulated trends, blends."""

import numpy as np
import pytest
from astropy import units as u
from scipy.optimize import minimize
from scipy.stats import norm

from xdgmm import InputError, lines
from xdgmm.errors import XdgmmWarning


def arc(rng, n=80, blended=0.25, slope=0.1, scatter=0.04):
    """Positions, widths, errors and which are blends: a width of 1.45 that rises by 2 * slope, and scatters."""
    x = np.sort(rng.uniform(4000.0, 7000.0, n))
    errors = np.exp(rng.uniform(np.log(0.01), np.log(0.06), n))
    widths = truth(x, slope) + np.hypot(scatter, errors) * rng.normal(size=n)
    blends = rng.random(n) < blended
    return x, widths + blends * np.abs(0.35 * rng.normal(size=n)), errors, blends


def truth(x, slope=0.1):
    return 1.45 + slope * (x - 5500.0) / 1500.0


def test_arc_lines_of_a_spectrograph_give_the_published_width(test_data):
    positions, widths, errors = np.loadtxt(test_data / "lines" / "lt_sprat_arc_widths.csv", delimiter=",").T
    lsf = lines.measure_lsf(positions, widths, errors, order=0)
    assert lsf(600.0) == pytest.approx(1.455, abs=0.001)
    assert lsf.scatter == pytest.approx(0.038, abs=0.001)
    fraction, excess, scatter = lsf.blends
    assert 1.455 + excess == pytest.approx(1.62, abs=0.01)
    assert scatter == pytest.approx(0.18, abs=0.005)
    assert 0.4 < fraction < 0.6
    sloping = lines.measure_lsf(positions, widths, errors, order=1)
    assert sloping(612.0) == pytest.approx(1.455, abs=0.01)
    assert lsf.blend_probabilities[positions == 606] > 0.99  # a width of 2.063 +- 0.060


def joint(parameters, scaled, widths, errors):
    """Minus the log-likelihood of trend and mixture together, in SciPy's densities."""
    m, c, log_s, fraction, excess, log_b = parameters
    left = widths - m - c * scaled
    core = (1 - fraction) * norm.pdf(left, 0, np.hypot(np.exp(log_s), errors))
    return -np.log(core + fraction * norm.pdf(left, excess, np.hypot(np.exp(log_b), errors))).sum()


def test_trend_and_errors_are_those_of_the_joint_likelihood():
    """Against a general optimiser and a Hessian by differences of all six parameters at once."""
    x, widths, errors, _ = arc(np.random.default_rng(3))
    lsf = lines.measure_lsf(x, widths, errors, order=1)
    scaled = (x - 0.5 * (x[0] + x[-1])) / (0.5 * (x[-1] - x[0]))
    start = np.array([*lsf.coefficients, np.log(lsf.scatter), *lsf.blends[:2], np.log(lsf.blends.scatter)])
    data = scaled, widths, errors
    assert -joint(start, *data) == pytest.approx(lsf.result.log_likelihood, abs=1e-9)
    best = minimize(joint, start, args=data, method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-10})
    assert joint(start, *data) - best.fun < 1e-6
    hessian = _hessian(lambda p: joint(p, *data), start)
    covariance = np.linalg.inv(hessian)[:2, :2]
    assert lsf.covariance == pytest.approx(covariance, rel=0.01)  # steps of differences


def _hessian(function, at, step=1e-4):
    units = step * np.eye(at.size)

    def second(a, b):
        return function(at + a + b) - function(at + a - b) - function(at - a + b) + function(at - a - b)

    return np.array([[second(a, b) for b in units] for a in units]) / (4 * step**2)


@pytest.mark.slow
def test_the_trend_is_found_within_its_errors_whatever_the_blends():
    rng = np.random.default_rng(11)
    places = np.array([4600.0, 5500.0, 6400.0])
    pulls, scatters, naive = [], [], []
    for _ in range(40):
        x, widths, errors, _ = arc(rng)
        lsf = lines.measure_lsf(x, widths, errors, order=1)
        pulls.append((lsf(places) - truth(places)) / lsf.error(places))
        scatters.append(lsf.scatter)
        naive.append(np.average(widths - truth(x), weights=1 / errors**2))
    pulls = np.array(pulls)
    # Blends with hardly any excess cannot be told from the instrument's lines, so a part of an error of bias remains.
    assert abs(pulls.mean()) < 0.8
    assert pulls.std() < 1.5
    assert np.median(scatters) == pytest.approx(0.04, abs=0.01)
    assert np.mean(naive) > 0.04  # what the weighted mean of all lines is off by: more than ten of its errors


def test_blends_are_named():
    x, widths, errors, blends = arc(np.random.default_rng(12))
    probability = lines.measure_lsf(x, widths, errors).blend_probabilities
    excess = widths - truth(x)
    assert (probability[blends & (excess > 0.25)] > 0.9).all()
    assert np.median(probability[~blends]) < 0.2


def test_without_blends_there_is_one_component():
    x, widths, errors, _ = arc(np.random.default_rng(13), blended=0.0)
    lsf = lines.measure_lsf(x, widths, errors)
    assert lsf.blends.fraction == 0
    assert np.abs((lsf(x) - truth(x)) / lsf.error(x)).max() < 3.5


@pytest.mark.parametrize("order", [0, 2])
def test_orders_nest(order):
    x, widths, errors, _ = arc(np.random.default_rng(14))
    likelihoods = [lines.measure_lsf(x, widths, errors, order=o).result.log_likelihood for o in (order, order + 1)]
    assert likelihoods[1] >= likelihoods[0] - 1e-6


def test_positions_may_be_shifted_scaled_and_shuffled():
    x, widths, errors, _ = arc(np.random.default_rng(15), n=40)
    here = lines.measure_lsf(x, widths, errors)
    order = np.random.default_rng(0).permutation(40)
    there = lines.measure_lsf((1e-4 * x[order] - 3.0) * u.um, widths[order] * u.AA, errors[order] * u.AA)
    at = (1e-4 * np.array([4500.0, 6000.0]) - 3.0) * u.um
    assert there(at).to_value("AA") == pytest.approx(here([4500.0, 6000.0]), rel=1e-6)
    assert there.error(at.to("nm")).to_value("AA") == pytest.approx(here.error([4500.0, 6000.0]), rel=1e-3)
    assert there.fractional_error(at) == pytest.approx(here.fractional_error([4500.0, 6000.0]), rel=1e-3)


def test_it_goes_into_deconvolve():
    x, widths, errors, _ = arc(np.random.default_rng(16))
    lsf = lines.measure_lsf(x, widths, errors)
    at = np.array([4500.0, 6000.0])
    known = {"lsf": lsf(at), "lsf_error": lsf.fractional_error(at), "lsf_scatter": lsf.fractional_scatter(at)}
    one = lines.deconvolve([2.0, 1.5], [0.05, 0.05], **known)
    assert one.instrumental_sigma == pytest.approx(lsf(at))
    assert one.lsf_total_error == pytest.approx(np.hypot(lsf.error(at), lsf.scatter) / lsf(at))


def test_outside_the_lines_a_warning_says_so():
    x, widths, errors, _ = arc(np.random.default_rng(17), n=40)
    lsf = lines.measure_lsf(x, widths, errors)
    with pytest.warns(XdgmmWarning, match=r"1 position .*outside"):
        lsf(9000.0)


def test_missing_widths_are_left_out():
    x, widths, errors, _ = arc(np.random.default_rng(18), n=40)
    holes = widths.copy()
    holes[::10] = np.nan
    lsf = lines.measure_lsf(x, holes, errors)
    kept = ~np.isnan(holes)
    assert lsf(5500.0) == pytest.approx(lines.measure_lsf(x[kept], widths[kept], errors[kept])(5500.0), rel=1e-9)
    assert np.isnan(lsf.blend_probabilities).sum() == 4


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"order": 1.5}, ["`order` is 1.5", "whole number"]),
        ({"order": -1}, ["`order` is -1"]),
        ({"order": 30}, ["too few for `order` 30"]),
        ({"positions": np.ones(12)}, ["1 different position"]),
        ({"positions": np.arange(11.0)}, ["`positions` has shape (11,)"]),
        ({"width_errors": np.zeros(12)}, ["`width_errors`", "zero", "rows 0, 1"]),
        ({"widths": -np.ones(12)}, ["`widths`", "negative"]),
        ({"width_errors": np.ones(12) * u.AA}, ["`width_errors` has the unit Angstrom", "`widths` has none"]),
        ({"positions": np.append(np.arange(11.0), np.nan)}, ["`positions` is not finite"]),
    ],
)
def test_what_cannot_be_used_gets_one_sentence(change, parts):
    given = {"positions": np.arange(12.0), "widths": 1.5 + 0.01 * np.arange(12), "width_errors": np.full(12, 0.02)}
    with pytest.raises(InputError) as caught:
        lines.measure_lsf(**given | change)
    for part in parts:
        assert part in str(caught.value)


def test_widths_that_lie_on_the_trend_leave_its_error():
    """Least squares: the covariance of a straight line through points of equal error."""
    x = np.arange(19.0)
    lsf = lines.measure_lsf(x, 1 + 0.01 * x, np.full(19, 0.1))
    design = np.column_stack([np.ones(19), (x - 9) / 9])
    expected = 0.01 * np.linalg.inv(design.T @ design)
    assert lsf.error(0.0) == pytest.approx(np.sqrt(np.array([1, -1]) @ expected @ [1, -1]), rel=1e-4)
    assert lsf.error(9.0) == pytest.approx(0.1 / np.sqrt(19), rel=1e-4)
    assert "±" in repr(lsf)
