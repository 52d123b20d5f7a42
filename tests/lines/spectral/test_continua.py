"""What lies below the lines."""

import numpy as np
import pytest
from scipy.special import erf

from xdgmm import lines
from xdgmm.errors import InputError

REST = 6564.61
LSF = lines.LSF(sigma=1.2, includes_pixel=False)
GROUP = lines.Group("a", [REST])


def spectrum(below, seed=1, n=90, error=0.3):
    x = REST + 1.0 * (np.arange(n) - n / 2)
    edges = np.append(x - 0.5, x[-1] + 0.5)
    profile = np.diff(0.5 * erf((edges - REST) / (np.hypot(1.6, 1.2) * np.sqrt(2))))
    return x, 60 * profile + below(x) + error * np.random.default_rng(seed).normal(size=n), np.full(n, error)


def same(
    one, other, names=("velocity", "variance", "variance_error", "sigma_low", "sigma_high", "sigma_limit"), rtol=1e-5
):
    for name in names:
        np.testing.assert_allclose(one.table[name], other.table[name], rtol=rtol)


def test_a_function_is_the_polynomial_that_it_is():
    """Its parameters are all nonlinear, with derivatives by differences; the answers are the same."""
    data = spectrum(lambda x: 8.0 + 0.03 * (x - REST))
    by_degree = lines.fit_lines(*data, groups=GROUP, lsf=LSF, continuum=1)
    by_function = lines.fit_lines(
        *data, groups=GROUP, lsf=LSF, continuum=(lambda x, level, slope: level + slope * (x - REST), (5.0, 0.0))
    )
    same(by_function, by_degree)
    assert by_function.goodness.dof == by_degree.goodness.dof
    for name in ("flux", "flux_error", "equivalent_width", "equivalent_width_error"):
        np.testing.assert_allclose(by_function.lines[name], by_degree.lines[name], rtol=1e-5)


def test_an_exponential_is_found():
    """And agrees with the same function of the user's."""
    data = spectrum(lambda x: 20.0 * np.exp(-0.02 * (x - REST)))
    built_in = lines.fit_lines(*data, groups=GROUP, lsf=LSF, continuum="exponential")
    assert 0.01 < built_in.goodness.probability < 0.99
    own = lines.fit_lines(
        *data, groups=GROUP, lsf=LSF, continuum=(lambda x, a, b: a * np.exp(-b * (x - REST)), (15.0, 0.01))
    )
    same(own, built_in)


def test_the_first_values_of_a_function_are_where_its_fit_begins():
    """Fringes, whose likelihood has a maximum at every frequency."""
    fringes = lambda x, level, height, frequency: level + height * np.sin(frequency * (x - REST))  # noqa: E731
    data = spectrum(lambda x: fringes(x, 10.0, 2.0, 0.5))
    fit = lines.fit_lines(*data, groups=GROUP, lsf=LSF, continuum=(fringes, (9.0, 1.0, 0.52)))
    assert fit.goodness.probability > 0.01
    assert abs(fit.lines["flux"][0] - 60.0) < 4 * fit.lines["flux_error"][0]


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_more_degrees_than_needed_cost_little(degree):
    data = spectrum(lambda x: 8.0 + 0 * x, seed=3)
    fit = lines.fit_lines(*data, groups=GROUP, lsf=LSF, continuum=degree)
    assert abs(fit.lines["flux"][0] - 60.0) < 4 * fit.lines["flux_error"][0]
    assert fit.goodness.dof == 90 - 3 - degree - 1


def test_equivalent_widths_are_fluxes_over_the_continuum_at_the_line():
    fit = lines.fit_lines(*spectrum(lambda x: 8.0 + 0.03 * (x - REST)), groups=GROUP, lsf=LSF)
    assert fit.lines["equivalent_width"][0] == pytest.approx(60.0 / 8.0, abs=4 * fit.lines["equivalent_width_error"][0])
    resampled = [
        lines.fit_lines(*spectrum(lambda x: 8.0 + 0.03 * (x - REST), seed), groups=GROUP, lsf=LSF).lines[
            "equivalent_width"
        ][0]
        for seed in range(150)
    ]
    assert np.std(resampled) == pytest.approx(fit.lines["equivalent_width_error"][0], rel=0.2)


def test_without_a_continuum_there_is_no_equivalent_width():
    fit = lines.fit_lines(*spectrum(lambda x: 0 * x), groups=GROUP, lsf=LSF, continuum=None)
    assert np.ma.getmaskarray(fit.lines["equivalent_width"]).all()
    assert "none" in repr(fit)


def test_each_window_has_a_continuum_of_its_own():
    step = lambda x: np.where(x > REST + 20, 30.0, 5.0)  # noqa: E731
    windows = [(6530.0, 6580.0), (6590.0, 6608.0)]
    fit = lines.fit_lines(*spectrum(step), groups=GROUP, lsf=LSF, windows=windows, continuum=0)
    assert fit.goodness.probability > 0.01
    alone = lines.fit_lines(*spectrum(step), groups=GROUP, lsf=LSF, windows=windows[:1], continuum=0)
    same(fit, alone, rtol=1e-6)


@pytest.mark.parametrize("continuum", [-1, 2.5, True, "cubic", (3, 4), (np.sin,), (np.sin, [np.nan]), 99])
def test_what_is_no_continuum_is_refused(continuum):
    with pytest.raises(InputError, match="`continuum`"):
        lines.fit_lines(*spectrum(lambda x: 8.0 + 0 * x), groups=GROUP, lsf=LSF, continuum=continuum)
