"""Arrays of fits for pictures: what was measured, what is expected, and one line on an axis of velocities."""

import numpy as np
import pytest
from scipy.special import erf

from xdgmm import lines
from xdgmm.errors import InputError

LIGHT = 299792.458
HA, NII = 6564.61, 6585.27


def spectrum(*, sigma=80.0, step=1.25, lsf=1.1, error=0.4, amount=100.0, seed=1, **given):
    """A spectrum of two lines over a slope, integrated over pixels."""
    rng = np.random.default_rng(seed)
    x = 6575.0 + step * (np.arange(90) - 45)
    edges = np.append(x - 0.5 * step, x[-1] + 0.5 * step)
    flux = 5.0 + 0.01 * (x - x.mean())
    for rest, factor in ((HA, 1.0), (NII, 0.6)):
        width = np.hypot(rest * sigma / LIGHT, lsf)
        flux = flux + factor * amount * np.diff(0.5 * erf((edges - rest) / (width * np.sqrt(2)))) / step
    return lines.Spectrum(x, flux + error * rng.normal(size=x.size), np.full(x.size, error), **given)


GROUP = lines.Group("ionised", [(HA, "Ha"), (NII, "NII")])
LSF = lines.LSF(sigma=1.1, includes_pixel=False)
WINDOWS = [(6550.0, 6575.0), (6578.0, 6600.0)]


@pytest.fixture(scope="module")
def fit():
    mask = np.arange(90) == 30
    return lines.fit_lines(spectrum(mask=mask), groups=GROUP, lsf=LSF, windows=WINDOWS)


def test_residuals_have_the_statistic_of_the_fit(fit):
    found = fit.curves()
    assert [curves.window for curves in found] == WINDOWS
    left = np.concatenate([curves.residuals for curves in found])
    assert np.nansum(left**2) == pytest.approx(fit.goodness.statistic, rel=1e-12)
    assert np.isnan(left).sum() == 1  # the masked pixel
    for curves in found:
        np.testing.assert_allclose(curves.total, curves.continuum + curves.lines.sum(axis=0))


@pytest.mark.parametrize(
    "settings",
    [
        {"lsf": lines.LSF(sigma=1.1, includes_pixel=True, error=0.1, scatter=0.05)},
        {"lsf": lines.LSF(weights=[0.7, 0.3], sigmas=[0.9, 1.7], includes_pixel=False)},
        {"continuum": "exponential"},
        {"continuum": (lambda x, a, b: a + b * (x - 6575.0) ** 2, (5.0, 0.0))},
        {"continuum": None},
        {"fluxes": "separate", "lsf": [LSF, lines.LSF(sigma=1.6, includes_pixel=False)]},
        {"fluxes": "shared", "windows": WINDOWS},
        {"groups": [lines.Group("a", [(HA, "Ha")], natural_width=1.0), lines.Group("b", [(NII, "NII")])]},
        {"groups": lines.Group("a", [(HA, "N"), (NII, "N", (0.1, 0.9))])},
    ],
)
def test_curves_are_the_model_that_was_fitted(settings):
    spectra = [spectrum(), spectrum(lsf=1.6, amount=70.0, step=1.0, seed=2)]
    fit = lines.fit_lines(spectra, **{"groups": GROUP, "lsf": LSF, "medium": "vacuum"} | settings)
    found = fit.curves()
    assert [curves.spectrum for curves in found] == ([0, 0, 1, 1] if "windows" in settings else [0, 1])
    statistic = sum(np.nansum(curves.residuals**2) for curves in found)
    assert statistic == pytest.approx(fit.goodness.statistic, rel=1e-10)
    for curves in found:
        np.testing.assert_allclose(curves.at(curves.x).total, curves.total, rtol=1e-9, atol=1e-9)


def test_what_is_expected_of_a_line_adds_up_to_its_flux():
    fit = lines.fit_lines(spectrum(), groups=GROUP, lsf=LSF)
    (curves,) = fit.curves()
    smooth = np.linspace(6530.0, 6620.0, 4001)
    fluxes = np.asarray(fit.lines["flux"])
    np.testing.assert_allclose(curves.lines @ (curves.high - curves.low), fluxes, rtol=1e-10)
    np.testing.assert_allclose(np.trapezoid(curves.at(smooth).lines, smooth), fluxes, rtol=1e-6)


def test_smooth_curves_go_through_the_pixels(fit):
    for curves in fit.curves():
        for found, name in zip(curves.at(curves.x), ("total", "lines", "continuum"), strict=True):
            np.testing.assert_allclose(found, getattr(curves, name), rtol=1e-10, atol=1e-12)


def test_the_margin_shows_data_that_were_not_fitted(fit):
    (first, _) = fit.curves(margin=0.1)
    outside = (first.x < 6550) | (first.x > 6575)
    assert outside.sum() == 4
    assert not first.fitted[outside].any()
    assert np.isnan(first.total[outside]).all()
    assert np.isfinite(first.data[outside]).all()
    assert "window 6550 to 6575" in repr(first)


def test_a_resolution_matrix_is_part_of_what_is_expected():
    """Rows of a matrix that are the Gaussian of the instrument: the same as that Gaussian."""
    x = spectrum().wave
    matrix = np.exp(-0.5 * ((x - x[:, None]) / 1.5) ** 2) * 1.25 / 1.5 / np.sqrt(2 * np.pi)
    through = lines.LSF(matrix=matrix, includes_pixel=True)
    (found,) = lines.fit_lines(spectrum(), groups=GROUP, lsf=through).curves()
    (same,) = lines.fit_lines(spectrum(), groups=GROUP, lsf=lines.LSF(sigma=1.5, includes_pixel=True)).curves()
    inside = slice(5, -5)
    np.testing.assert_allclose(found.total[inside], same.total[inside], rtol=5e-3)
    fit = lines.fit_lines(spectrum(), groups=GROUP, lsf=through)
    assert np.nansum(found.residuals**2) == pytest.approx(fit.goodness.statistic, rel=1e-10)
    np.testing.assert_allclose(found.at(found.x).total, found.total, rtol=1e-10)
    profile = fit.velocity_profile()
    near = np.abs(profile.grid) < 100
    kms = HA / LIGHT
    expected = np.exp(-0.5 * (profile.grid[near] * kms / 1.5) ** 2)
    np.testing.assert_allclose(profile.instrument[near], expected, atol=0.01)


def test_errors_that_are_estimated_are_those_of_the_residuals():
    values = spectrum()
    fit = lines.fit_lines(values.wave, values.flux, noise="estimate", groups=GROUP, lsf=LSF)
    (curves,) = fit.curves()
    assert np.sum(curves.residuals**2) == pytest.approx(fit.goodness.dof, rel=1e-6)


def test_a_profile_shows_three_widths():
    """Of Gaussians without pixels: observed, instrumental and intrinsic sigma from the drawn profiles."""
    fit = lines.fit_lines(spectrum(), groups=GROUP, lsf=lines.LSF(sigma=1.1, includes_pixel=True))
    profile = fit.velocity_profile("ionised", "NII")
    assert (profile.group, profile.line, profile.is_limit, profile.is_absorption) == ("ionised", "NII", False, False)
    table = fit.lines
    for name in ("observed", "instrument", "intrinsic"):
        values = getattr(profile, name)
        sigma = np.sqrt(np.sum(profile.grid**2 * values) / values.sum())
        column = {"instrument": "instrumental"}.get(name, name)
        assert sigma == pytest.approx(table[f"{column}_sigma_kms"][1], rel=1e-3)
        assert values.max() == pytest.approx(1.0, rel=1e-4)
    assert profile.sigma == fit.intrinsic_sigma[0]


def test_data_of_a_profile_are_those_of_one_line():
    fit = lines.fit_lines(spectrum(error=1e-3), groups=GROUP, lsf=LSF)
    profile = fit.velocity_profile(0, 0)
    model = np.interp(profile.velocity, profile.grid, profile.observed)
    np.testing.assert_allclose(profile.data, model, atol=2e-3)  # the other line is taken out
    assert profile.fitted.all()
    absorbed = lines.fit_lines(spectrum(amount=-20.0), groups=GROUP, lsf=LSF).velocity_profile()
    assert absorbed.is_absorption
    assert absorbed.observed.max() == 1.0
    assert absorbed.data[np.argmin(np.abs(absorbed.velocity))] > 0.5


@pytest.mark.parametrize(("axis", "sign"), [("wavelength", 1.0), ("energy", -1.0)])
def test_receding_gas_is_on_the_right_of_a_profile(axis, sign):
    """A weaker line 150 km/s behind the one that is fitted."""
    x = np.arange(6540.0, 6590.0, 0.4)
    means = HA, HA * (1 + sign * 150.0 / LIGHT)
    flux = sum(a * np.exp(-0.5 * ((x - m) / 0.8) ** 2) for a, m in zip((100.0, 10.0), means, strict=True))
    group, lsf = lines.Group("a", [HA]), lines.LSF(sigma=0.5, includes_pixel=True)
    profile = lines.fit_lines(x, flux, np.ones(x.size), groups=group, lsf=lsf, axis=axis).velocity_profile()
    behind, before = (profile.data[side * profile.velocity > 120].sum() for side in (1.0, -1.0))
    assert behind > 2 * abs(before)


def test_a_line_without_width_shows_its_limit():
    fit = lines.fit_lines(spectrum(sigma=0.0, seed=2), groups=GROUP, lsf=LSF)
    profile = fit.velocity_profile()
    assert profile.is_limit
    assert profile.sigma == fit.upper_limit()[0]
    sigma = np.sqrt(np.sum(profile.grid**2 * profile.intrinsic) / profile.intrinsic.sum())
    assert sigma == pytest.approx(profile.sigma, rel=1e-3)


def test_without_an_instrument_there_is_no_profile_of_it():
    fit = lines.fit_lines(spectrum(), groups=GROUP, lsf=lines.LSF(sigma=0.0, includes_pixel=True))
    assert fit.velocity_profile().instrument is None


def test_what_is_not_there_is_refused(fit):
    with pytest.raises(InputError, match="no line 'OIII' in group 'ionised'; its lines are Ha, NII"):
        fit.velocity_profile("ionised", "OIII")
    with pytest.raises(InputError, match="there is no group 'broad'"):
        fit.velocity_profile("broad")
    tied = lines.Group("ionised", [(HA, "N"), (6300.0, "N", 0.3)])
    outside = lines.fit_lines(spectrum(), groups=tied, lsf=LSF)
    with pytest.raises(InputError, match="is in no window"):
        outside.velocity_profile(line=1)


def photons(**given):
    """Counts of two lines over a background, with an exposure that changes, and a masked bin."""
    rng = np.random.default_rng(4)
    edges = np.arange(6490.0, 6630.5, 1.0)
    exposure = np.linspace(0.5, 1.5, edges.size - 1)
    expected = np.full(edges.size - 1, 2.0)
    for mean, flux in ((6586.7, 600.0), (6524.0, 300.0)):
        expected += flux * np.diff(0.5 * erf((edges - mean) / (4.3 * np.sqrt(2))))
    mask = np.arange(edges.size - 1) == 40
    return lines.Counts(edges, rng.poisson(expected * exposure), exposure=exposure, mask=mask, **given)


FE = lines.Group("Fe", [(6586.7, "w"), (6524.0, "z")])


def test_counts_are_expected_in_their_bins():
    values = photons(name="Perseus")
    fit = lines.fit_counts(values, groups=FE, lsf=lines.LSF(sigma=2.0, includes_pixel=False))
    (curves,) = fit.curves()
    assert (curves.name, curves.quantity, curves.has_positions) == ("Perseus", "counts", True)
    np.testing.assert_array_equal(curves.fitted, values.good)
    np.testing.assert_allclose(curves.total[values.good], fit.data.expected[0], rtol=1e-12)
    np.testing.assert_allclose(curves.errors**2, curves.total)
    per_exposure = (curves.lines / values.exposure).sum(axis=1)
    np.testing.assert_allclose(per_exposure, fit.lines["flux"], rtol=1e-9)
    np.testing.assert_allclose(curves.at(curves.x).total, curves.total, rtol=1e-12)
    pearson = np.nansum(curves.residuals**2)
    assert pearson == pytest.approx(fit.goodness.statistic, rel=0.3)  # deviance and Pearson's chi-squared
    profile = fit.velocity_profile(line="z")
    assert profile.quantity == "counts"
    assert profile.observed.max() == pytest.approx(1.0)


@pytest.mark.parametrize("wide", [1, 2])
def test_counts_in_channels_of_a_response(wide):
    rng = np.random.default_rng(5)
    edges = np.arange(6490.0, 6630.5, 1.0)
    x = edges[:-1] + 0.5
    channels = np.arange(6490.0 + 0.5 * wide, 6630.0, wide)
    response = np.exp(-0.5 * ((channels[:, None] - x) / 2.0) ** 2) * wide / 2.0 / np.sqrt(2 * np.pi)
    density = 2.0 + 500.0 * np.exp(-0.5 * ((x - 6586.7) / 3.7) ** 2) / 3.7 / np.sqrt(2 * np.pi)
    group = lines.Group("Fe", [(6586.7, "w")])
    fit = lines.fit_counts(edges, rng.poisson(response @ density), response=response, groups=group, background=0)
    (curves,) = fit.curves()
    assert curves.has_positions is (wide == 1)
    np.testing.assert_allclose(curves.total, fit.data.expected[0], rtol=1e-10)
    np.testing.assert_allclose(curves.at(curves.x).total, curves.total, rtol=1e-10)
    if wide == 2:
        with pytest.raises(InputError, match="a profile needs the positions of channels"):
            fit.velocity_profile()
        return
    profile = fit.velocity_profile()
    sigma = np.sqrt(np.sum(profile.grid**2 * profile.instrument) / profile.instrument.sum())
    assert sigma == pytest.approx(np.hypot(2.0, 1 / np.sqrt(12)) * LIGHT / 6586.7, rel=0.02)


def photon_list(n, errors):
    """Energies of two lines over a uniform background, each with an error, in a window of 6490 to 6625."""
    rng = np.random.default_rng(6)
    true = np.concatenate(
        [rng.normal(6586.7, 3.8, 6 * n), rng.normal(6524.0, 3.8, 3 * n), rng.uniform(6400.0, 6700.0, 10 * n)]
    )
    e = rng.uniform(*errors, true.size)
    return true + e * rng.normal(size=true.size), e


@pytest.mark.parametrize("errors", [(2.0, 2.0), (0.5, 5.0)])
def test_events_are_expected_in_the_bins_of_a_histogram(errors):
    energy, e = photon_list(100, errors)
    fit = lines.fit_events(energy, sigma=e, groups=FE, window=(6490, 6625), background="uniform")
    (curves,) = fit.curves()
    assert curves.quantity == "events"
    inside = (energy >= 6490) & (energy <= 6625)
    edges = np.append(curves.low, curves.high[-1])
    np.testing.assert_array_equal(curves.data, np.histogram(energy, edges)[0])
    assert curves.data.sum() == inside.sum()
    assert curves.total.sum() == pytest.approx(inside.sum(), rel=1e-6)  # as many as there are, at the maximum
    np.testing.assert_allclose(curves.lines.sum(axis=1), fit.lines["flux"], rtol=1e-3)
    assert 0.5 < np.mean(curves.residuals**2) < 1.6
    np.testing.assert_allclose(curves.at(curves.x).total, curves.total, rtol=1e-9)
    profile = fit.velocity_profile(line="w")
    observed, instrument = (
        np.sqrt(np.sum(profile.grid**2 * values) / values.sum()) for values in (profile.observed, profile.instrument)
    )
    kms, bins = LIGHT / 6586.7, (edges[1] - edges[0]) / np.sqrt(12)
    assert instrument == pytest.approx(np.hypot(np.sqrt(np.mean(e**2)), bins) * kms, rel=0.03)
    assert observed == pytest.approx(np.hypot(fit.intrinsic_sigma[0], instrument), rel=0.01)


def test_events_without_a_window_or_through_an_instrument():
    rng = np.random.default_rng(7)
    group = lines.Group("stars", [(0.0, "members")])
    fit = lines.fit_events(rng.normal(30.0, 8.0, 200), sigma=2.0, groups=group, axis="velocity")
    (curves,) = fit.curves()
    assert not curves.continuum.any()
    assert curves.total.sum() == pytest.approx(200, rel=0.03)  # without the tails beyond the outermost events
    assert len(curves.x) >= 10
    energy, _ = photon_list(50, (2.0, 2.0))
    lsf = lines.LSF(sigma=2.0, includes_pixel=False)
    limits = {"window": (6490, 6625), "background": "uniform", "background_range": (6400, 6700)}
    fit = lines.fit_events(energy, lsf=lsf, groups=FE, **limits)
    (curves,) = fit.curves()
    assert curves.total.sum() == pytest.approx(curves.data.sum(), rel=1e-3)
