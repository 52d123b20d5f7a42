"""What the instrument and the groups can be."""

from itertools import pairwise

import numpy as np
import pytest
from astropy import units as u
from scipy.integrate import quad
from scipy.special import erf, voigt_profile

from xdgmm import lines
from xdgmm.errors import InputError

LIGHT = 299792.458
REST = 6564.61


def pixels(n=100, step=1.0, centre=REST):
    x = centre + step * (np.arange(n) - n / 2)
    return x, np.append(x - 0.5 * step, x[-1] + 0.5 * step)


def shape(edges, mean, sigma):
    return np.diff(0.5 * erf((edges - mean) / (sigma * np.sqrt(2)))) / np.diff(edges)


def test_an_instrument_of_several_gaussians():
    x, edges = pixels()
    own = 2.0
    flux = 4.0 + 100 * (0.8 * shape(edges, REST, np.hypot(own, 1.0)) + 0.2 * shape(edges, REST, np.hypot(own, 3.0)))
    lsf = lines.LSF(weights=[0.8, 0.2], sigmas=[1.0, 3.0], includes_pixel=False)
    fit = lines.fit_lines(x, flux, np.full(x.size, 0.1), groups=lines.Group("a", [REST]), lsf=lsf)
    assert fit.intrinsic_sigma[0] == pytest.approx(own / REST * LIGHT, rel=1e-6)
    assert fit.goodness.statistic < 1e-6
    assert fit.lines["instrumental_sigma"][0] == pytest.approx(np.sqrt(0.8 + 0.2 * 9.0))


def test_an_instrument_that_changes_along_the_spectrum_is_read_where_the_line_is():
    """Also where the line is far from its redshift: the width is read again at the fitted position."""
    x, edges = pixels()
    mean = REST * (1 + 800 / LIGHT)
    wide = lambda position: 1.0 + 0.01 * (position - REST)  # noqa: E731
    flux = 4.0 + 100 * shape(edges, mean, np.hypot(2.0, wide(mean)))
    grid = np.linspace(6500, 6640, 300)
    for lsf in (
        lines.LSF(sigma=wide, includes_pixel=False),
        lines.LSF(sigma=wide(grid), x=grid, includes_pixel=False),
    ):
        fit = lines.fit_lines(x, flux, np.full(x.size, 0.1), groups=lines.Group("a", [REST]), lsf=lsf)
        assert fit.intrinsic_sigma[0] == pytest.approx(2.0 / REST * LIGHT, rel=1e-6)
        assert fit.velocity[0] == pytest.approx(800.0, rel=1e-6)


def test_gratings_with_their_own_widths_share_the_line():
    rng = np.random.default_rng(3)
    spectra = []
    for step, lsf in ((1.0, 1.2), (2.5, 3.5)):
        x, edges = pixels(n=round(100 / step), step=step)
        flux = 4.0 + 100 * shape(edges, REST, np.hypot(2.0, lsf)) + 0.3 * rng.normal(size=x.size)
        instrument = lines.LSF(sigma=lsf, includes_pixel=False)
        spectra.append(lines.Spectrum(x, flux, np.full(x.size, 0.3), lsf=instrument))
    group = lines.Group("a", [REST])
    alone = [lines.fit_lines(spectrum, groups=group, continuum=0) for spectrum in spectra]
    shared, separate = (
        lines.fit_lines(spectra, groups=group, continuum=0, fluxes=each) for each in ("shared", "separate")
    )
    for fit in (shared, separate):
        assert abs(fit.intrinsic_sigma[0] - 2.0 / REST * LIGHT) < 10
        assert fit.intrinsic_variance_error[0] < min(each.intrinsic_variance_error[0] for each in alone)
    weights = np.array([each.intrinsic_variance_error[0] ** -2 for each in alone])
    mean = np.average([each.intrinsic_variance[0] for each in alone], weights=weights)
    assert separate.intrinsic_variance[0] == pytest.approx(mean, abs=0.3 * separate.intrinsic_variance_error[0])
    assert separate.goodness.dof == shared.goodness.dof - 1
    np.testing.assert_allclose(shared.lines["instrumental_sigma"], [1.2, 3.5])
    assert shared.lines["flux"][0] == shared.lines["flux"][1]
    for own, row in zip(alone, separate.lines, strict=True):
        assert abs(row["flux"] - own.lines["flux"][0]) < own.lines["flux_error"][0]
    assert "spectrum" in repr(separate)
    assert "spectrum" not in alone[0].lines.colnames


def test_the_scale_of_the_instrument_is_found_where_lines_tell():
    """Two lines of one group at places where the instrument differs by a factor of two: the scale is in the data."""
    x, edges = pixels(n=400, centre=6650.0)
    wide = lambda position: 1.0 + (position > 6650.0)  # noqa: E731
    flux = 4.0 + 2000 * (
        shape(edges, REST, np.hypot(1.5, 1.15)) + shape(edges, 6732.67, np.hypot(1.5 * 6732.67 / REST, 2.3))
    )
    lsf = lines.LSF(sigma=lambda position: np.where(position > 6650.0, 2.0, 1.0), includes_pixel=False, error=0.3)
    assert wide(REST) == 1
    fit = lines.fit_lines(x, flux, np.full(x.size, 0.1), groups=lines.Group("a", [REST, 6732.67]), lsf=lsf, continuum=0)
    scale, error = (float(each[0]) for each in fit.solution.log_scale)
    assert scale == pytest.approx(np.log(1.15), abs=3 * error)
    assert error < 0.01
    assert fit.intrinsic_sigma[0] == pytest.approx(1.5 / REST * LIGHT, rel=0.01)
    assert "times 1.15" in repr(fit)


def test_scatter_of_the_instrument_averages_out_over_lines():
    places = [6480.0, 6520.0, 6560.0, 6600.0, 6640.0]
    x, edges = pixels(n=260, centre=6560.0)
    flux = 4.0 + sum(2000 * shape(edges, at, np.hypot(1.0 * at / 6560.0, 1.5)) for at in places)
    errors = []
    for number in (1, 5):
        lsf = lines.LSF(sigma=1.5, includes_pixel=False, scatter=0.05)
        chosen = places[2:3] if number == 1 else places
        windows = [(at - 15, at + 15) for at in chosen]
        fit = lines.fit_lines(x, flux, np.full(x.size, 1e-2), groups=lines.Group("a", chosen), lsf=lsf, windows=windows)
        errors.append(fit.intrinsic_variance_error[0])
    expected = 2 * np.log1p(0.05) * (1.5 / 6560.0 * LIGHT) ** 2
    assert errors[0] == pytest.approx(expected, rel=0.02)
    assert errors[1] == pytest.approx(expected / np.sqrt(5), rel=0.03)


def test_bounded_ratios_stay_within_their_bounds():
    x, edges = pixels(n=80, centre=6725.0)
    for true, expected in ((1.0, 1.0), (2.0, 1.45), (0.2, 0.44)):
        flux = 4.0 + 50 * (shape(edges, 6732.67, 2.0) + true * shape(edges, 6718.29, 2.0))
        group = lines.Group("SII", [(6732.67, "SII"), (6718.29, "SII", (0.44, 1.45))])
        lsf = lines.LSF(sigma=1.0, includes_pixel=False)
        fit = lines.fit_lines(x, flux, np.full(x.size, 0.3), groups=group, lsf=lsf)
        found = fit.lines["flux"]
        assert found[1] / found[0] == pytest.approx(expected, rel=1e-3)


def test_voigt_profiles_are_those_of_quadrature():
    x, edges = pixels(n=160, step=0.5)
    half, sigma = 0.8, np.hypot(1.2, 0.9)
    values = [quad(lambda t: voigt_profile(t - REST, sigma, half), low, high)[0] / 0.5 for low, high in pairwise(edges)]
    flux = 3.0 + 70 * np.array(values)
    group = lines.Group("a", [REST], natural_width=2 * half)
    lsf = lines.LSF(sigma=0.9, includes_pixel=False)
    fit = lines.fit_lines(x, flux, np.full(x.size, 0.1), groups=group, lsf=lsf, continuum=0)
    assert fit.intrinsic_sigma[0] == pytest.approx(1.2 / REST * LIGHT, rel=1e-5)
    assert fit.lines["flux"][0] == pytest.approx(70.0, rel=1e-5)


def test_heat_is_taken_out():
    """Iron at k T = 4.05 keV: sigma = sqrt(k T / m) = 83.66 km/s."""
    x, edges = pixels(n=120, centre=6700.0, step=0.5)
    total = np.hypot(100.0, 83.66) / LIGHT * 6700.0
    flux = 3.0 + 70 * shape(edges, 6700.0, np.hypot(total, 2.1))
    group = lines.Group("Fe", [6700.0], element="Fe")
    lsf = lines.LSF(sigma=2.1, includes_pixel=False)
    arguments = {"groups": group, "lsf": lsf, "axis": "energy", "continuum": 0}
    hot = lines.fit_lines(x, flux, np.full(x.size, 0.1), thermal=(4.05, "keV"), **arguments)
    assert hot.intrinsic_sigma[0] == pytest.approx(100.0, abs=0.05)
    kelvin = lines.fit_lines(x, flux, np.full(x.size, 0.1), thermal=4.7e7 * u.K, **arguments)
    assert kelvin.intrinsic_sigma[0] == pytest.approx(100.0, abs=0.2)
    cold = lines.fit_lines(x, flux, np.full(x.size, 0.1), **arguments)
    assert cold.intrinsic_sigma[0] == pytest.approx(np.hypot(100.0, 83.66), abs=0.05)


@pytest.mark.parametrize("axis", ["wavelength", "energy"])
@pytest.mark.parametrize("convention", ["optical", "radio", "relativistic"])
def test_velocities_by_each_convention(axis, convention):
    """A line that is moved by 900 km/s: lambda = lambda_0 (1 + v/c), nu = nu_0 (1 - v/c), or special relativity."""
    beta = 900.0 / LIGHT
    stretch = {"optical": 1 + beta, "radio": 1 / (1 - beta), "relativistic": np.sqrt((1 + beta) / (1 - beta))}[
        convention
    ]
    x, edges = pixels(n=160, centre=6565.0)
    mean = REST * stretch if axis == "wavelength" else REST / stretch
    flux = 3.0 + 70 * shape(edges, mean, 2.0)
    lsf = lines.LSF(sigma=1.0, includes_pixel=False)
    options = {"axis": axis, "convention": convention, "lsf": lsf, "continuum": 0}
    fit = lines.fit_lines(x, flux, np.full(x.size, 0.1), groups=lines.Group("a", [REST]), **options)
    assert fit.velocity[0] == pytest.approx(900.0, abs=1e-3)
    assert convention in repr(fit)


def test_a_line_within_one_pixel_has_a_limit_and_no_error():
    """Nothing is known of a width far below a pixel but that it is there."""
    x, _ = pixels(n=40, step=4.0)
    flux = np.where(np.arange(40) == 20, 30.0, 1.0)
    lsf = lines.LSF(sigma=0.5, includes_pixel=False)
    fit = lines.fit_lines(x, flux, np.full(40, 0.5), groups=lines.Group("a", [REST]), lsf=lsf)
    assert fit.is_limit[0]
    assert np.isfinite(fit.upper_limit()[0])
    assert "1 pixel in its width" in fit.flags[0]
    assert repr(fit)


@pytest.mark.parametrize(
    ("sigma", "lsf", "phase"),
    [(0.5, 0.0, 0.0), (0.5, 0.1, 0.1), (0.45, 0.45, 0.0), (0.3, 0.3, 0.3), (0.2, 0.45, 0.1), (0.2, 0.1, 0.3)],
)
def test_a_line_narrower_than_its_pixels_keeps_its_width(sigma, lsf, phase):
    """A step that goes too far makes the line narrower than any pixel, where nothing would pull it wider again."""
    x, edges = pixels(n=40, centre=1000.0)
    flux = 3.0 + 100 * shape(edges, 1000.0 + phase, np.hypot(sigma, lsf))
    options = {"groups": lines.Group("a", [1000.3]), "lsf": lines.LSF(sigma=lsf, includes_pixel=False)}
    fit = lines.fit_lines(x, flux, np.ones(40), **options)
    assert fit.goodness.statistic < 1e-6
    assert fit.lines["intrinsic_sigma"][0] == pytest.approx(sigma, rel=1e-3)


@pytest.mark.parametrize(("sigma", "excess"), [(0.5, 0.155), (1.0, 0.041)])
def test_a_fit_that_ignores_pixels_makes_lines_too_wide(sigma, excess):
    """A variance of 1/12 of a squared pixel more: 15.5% at a sigma of half a pixel, 4.1% at one, over all phases."""
    found = []
    for phase in np.arange(0.0, 1.0, 0.125):
        x, edges = pixels(n=40, centre=1000.0)
        flux = 100 * shape(edges, 1000.0 + phase, sigma)
        for includes_pixel in (True, False):
            lsf = lines.LSF(sigma=0.0, includes_pixel=includes_pixel)
            options = {"groups": lines.Group("a", [1000.3]), "continuum": None}
            fit = lines.fit_lines(x, flux, np.ones(40), lsf=lsf, **options)
            found.append(fit.lines["intrinsic_sigma"][0] / sigma)
    ignored, integrated = np.reshape(found, (-1, 2)).T
    assert ignored.mean() - 1.0 == pytest.approx(excess, rel=0.05)
    np.testing.assert_allclose(integrated, 1.0, rtol=1e-6)


def test_lines_near_the_edge_are_flagged():
    x, edges = pixels()
    flux = 3.0 + 70 * shape(edges, REST, 3.0)
    lsf = lines.LSF(sigma=1.0, includes_pixel=False)
    group = lines.Group("a", [REST], velocity=(-100, 100))
    inside = lines.fit_lines(x, flux, np.full(100, 0.1), groups=group, lsf=lsf, windows=[(6540, 6590)])
    cut = lines.fit_lines(x, flux, np.full(100, 0.1), groups=group, lsf=lsf, windows=[(6540, 6568)])
    assert inside.flags == [""]
    assert "edge" in cut.flags[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("", [REST]), "name of a group"),
        (("a", []), "no lines"),
        (("a", [(REST, 3)]), "no line of group"),
        (("a", [np.nan]), "no finite number"),
        (("a", [(REST, "x", 0.3)]), "has a ratio"),
        (("a", [REST, (6600.0, "x"), (6610.0, "x", (2, 1))]), "pair"),
        (("a", [(REST, "x"), (6600.0, "x", "1/3")]), "ratio '1/3' of 'x' in group 'a' is no finite number"),
        (("a", [(REST, "x"), (6600.0, "x", (1, "b"))]), "pair"),
        (("a", "6564"), "no lines"),
        (("a", None), "no lines"),
        (("a", [REST, (REST, "x")]), "'6564.61' and 'x' of group 'a' are both at 6564.61,"),
        (("a", [REST * u.AA, (REST * u.AA, "x")]), "both at 6564.61 Angstrom"),
    ],
)
def test_groups_that_are_none_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        lines.Group(*arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"z": -2.0}, "redshift"),
        ({"z": "a"}, "redshift"),
        ({"z": [0.1, 0.2]}, "redshift"),
        ({"z": None}, "redshift"),
        ({"natural_width": "x"}, "`natural_width`"),
        ({"mass": "x"}, "`mass`"),
        ({"element": "Xx"}, "mass"),
        ({"element": "Fe", "mass": 3.0}, "not both"),
        ({"mass": -1.0}, "positive"),
        ({"velocity": (3, 1)}, "`velocity`.*finite, low < high"),
        ({"velocity": (-np.inf, np.inf)}, "`velocity`"),
        ({"sigma": (70, 70)}, "0 <= low < high"),
        ({"sigma": (-3, 1)}, "`sigma`"),
        ({"natural_width": -1.0}, "`natural_width`"),
        ({"natural_width": [1.0, 2.0]}, "`natural_width`"),
        ({"medium": "water"}, "`medium`"),
    ],
)
def test_options_of_groups_are_checked(options, message):
    with pytest.raises(InputError, match=message):
        lines.Group("a", [REST], **options)
