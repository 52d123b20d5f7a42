"""Is the maximum that is found the highest?"""

import numpy as np
import pytest
from scipy.special import erf

from xdgmm import lines
from xdgmm.lines.spectral.scoring import maximise

LIGHT = 299792.458


def problem(seed):
    """One to three groups of one to three lines over a window, narrow and broad ones of the same line among them."""
    rng = np.random.default_rng([7, seed])
    step = rng.uniform(0.5, 2.0)
    lsf = step * rng.uniform(0.7, 2.0)
    x = 6500.0 + step * np.arange(rng.integers(80, 300))
    edges = np.append(x - step / 2, x[-1] + step / 2)
    flux, groups, truth = np.full(x.size, 5.0), [], []
    for g in range(rng.integers(1, 4)):
        rest = np.sort(rng.uniform(x[12], x[-12], rng.integers(1, 4)))
        velocity, sigma = rng.normal(0.0, 150.0), rng.choice([0.0, 30.0, 80.0, 200.0, 400.0])
        if g == 1 and rng.random() < 0.4:
            rest, sigma = np.array([line.rest for line in groups[0].lines]), 400.0
        for place in rest:
            width = np.hypot(sigma / LIGHT * place, lsf)
            shifted = place * (1 + velocity / LIGHT)
            flux = flux + rng.uniform(20, 200) * np.diff(0.5 * erf((edges - shifted) / (width * np.sqrt(2)))) / step
        groups.append(lines.Group(f"g{g}", list(rest)))
        truth.append((velocity, sigma**2))
    error = rng.choice([0.1, 0.5, 2.0])
    flux = flux + error * rng.normal(size=x.size)
    instrument = lines.LSF(sigma=lsf, includes_pixel=False)
    return (x, flux, np.full(x.size, error)), groups, instrument, np.array(truth).T.ravel()


def lost(seed):
    """By how much lnL is below the maximum that is reached from the truth."""
    spectrum, groups, lsf, truth = problem(seed)
    solution = lines.fit_lines(*spectrum, groups=groups, lsf=lsf).solution
    start = np.clip(truth, solution.problem.low, solution.problem.high)
    return maximise(solution.problem, start).point.value - solution.log_likelihood


@pytest.mark.slow
def test_fits_of_random_lines_end_no_lower_than_from_the_truth():
    """In all but a few of a hundred crowded fields, in which velocities scatter by many instrumental widths."""
    falls = np.array([lost(seed) for seed in range(100)])
    assert (falls > 0.1).sum() <= 4


@pytest.mark.parametrize("seed", range(6))
def test_a_narrow_and_a_broad_component_of_a_line_are_told_apart(seed):
    rng = np.random.default_rng(seed)
    x = 6500.0 + 0.8 * np.arange(120)
    edges = np.append(x - 0.4, x[-1] + 0.4)
    flux = np.full(x.size, 5.0)
    for amount, velocity, sigma in ((100.0, rng.normal(0, 60), 40.0), (60.0, rng.normal(0, 60), 400.0)):
        width, mean = np.hypot(sigma / LIGHT * 6548.0, 1.0), 6548.0 * (1 + velocity / LIGHT)
        flux = flux + amount * np.diff(0.5 * erf((edges - mean) / (width * np.sqrt(2)))) / 0.8
    flux += 0.1 * rng.normal(size=x.size)
    groups = [lines.Group("one", [6548.0]), lines.Group("other", [6548.0])]
    fit = lines.fit_lines(x, flux, np.full(x.size, 0.1), groups=groups, lsf=lines.LSF(sigma=1.0, includes_pixel=False))
    assert fit.goodness.probability > 1e-3
    np.testing.assert_allclose(np.sort(fit.intrinsic_sigma), [40, 400], rtol=0.1)
