"""Pictures of fits of lines: what is drawn are the numbers of the fit."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgba
from scipy.special import erf

from xdgmm import lines
from xdgmm.errors import InputError, KindError
from xdgmm.plotting import (
    component_colour,
    new_figure,
    plot_line_fit,
    plot_line_grid,
    plot_line_likelihood,
    plot_line_profile,
    plot_line_spectrum,
)
from xdgmm.plotting.line_labels import apart, as_steps, line_names

LIGHT = 299792.458
HA, NII, OIII = 6564.61, 6585.27, 5008.24
LSF = lines.LSF(sigma=1.1, includes_pixel=False)


def spectrum(*positions, low=6535.0, n=70, sigma=80.0, blur=1.1, error=0.6, amount=60.0, seed=1, **given):
    """Lines of the same flux over a constant, integrated over pixels of 1.25 Angstrom."""
    rng = np.random.default_rng(seed)
    x = low + 1.25 * np.arange(n)
    edges = np.append(x - 0.625, x[-1] + 0.625)
    flux = np.full(n, 5.0)
    for rest in positions:
        width = np.hypot(rest * sigma / LIGHT, blur) * np.sqrt(2)
        flux = flux + amount * np.diff(0.5 * erf((edges - rest) / width)) / 1.25
    return lines.Spectrum(x, flux + error * rng.normal(size=n), np.full(n, error), **given)


def fitted(groups, *args, lsf=LSF, windows=None, **given):
    return lines.fit_lines(spectrum(*args, **given), groups=groups, lsf=lsf, windows=windows, medium="vacuum")


@pytest.fixture(scope="module")
def fit():
    """Two groups in two windows, with a masked pixel."""
    groups = [lines.Group("hydrogen", [(HA, "Hα")]), lines.Group("nitrogen", [(NII, "NII")])]
    windows = [(6545.0, 6576.0), (6578.0, 6610.0)]
    return fitted(groups, HA, NII, windows=windows, mask=np.arange(70) == 18, name="a galaxy")


@pytest.fixture(scope="module")
def narrow():
    """A line that is narrower than the instrument says."""
    return fitted(lines.Group("OIII", [OIII]), OIII, low=4975.0, n=50, sigma=0.0, blur=0.9, seed=2)


def labelled(ax):
    return {artist.get_label(): artist for artist in [*ax.lines, *ax.collections, *ax.patches]}


def levels(line):
    """One height for each pixel of a line of steps."""
    return line.get_ydata()[::3]


def test_data_and_residuals_are_those_of_the_fit(fit, drawn):
    figure = drawn(plot_line_spectrum(fit, figure=new_figure()))
    tops, bottoms = figure.axes[::2], figure.axes[1::2]
    found = []
    for top, bottom, curves in zip(tops, bottoms, fit.curves(margin=0.06), strict=True):
        data = levels(labelled(top)["data"])
        np.testing.assert_array_equal(data, np.where(curves.fitted, curves.data, np.nan))
        residuals = levels(bottom.lines[1])
        np.testing.assert_array_equal(residuals, curves.residuals)
        np.testing.assert_array_equal(levels(top.lines[0]), curves.data)  # pale: also what was left out
        found.append(residuals)
        low, high = top.get_ylim()
        assert low < np.nanmin(data) < np.nanmax(data) < high
    assert np.nansum(np.concatenate(found) ** 2) == pytest.approx(fit.goodness.statistic)


def test_areas_over_the_continuum_are_the_fluxes(fit):
    tops = plot_line_spectrum(fit, figure=new_figure()).axes[::2]
    for number, top in enumerate(tops):
        colour = to_rgba(component_colour(number), 0.25)
        (area,) = [each for each in top.collections if np.array_equal(each.get_facecolor(), [colour])]
        x, y = np.concatenate([path.vertices for path in area.get_paths()]).T
        flux = 0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))
        assert flux == pytest.approx(fit.lines["flux"][number], rel=2e-3)  # without the far wings
        parts = labelled(top)
        x = parts["model"].get_xdata()
        expected = fit.curves()[number].at(x)
        np.testing.assert_array_equal(parts["model"].get_ydata(), expected.total)
        np.testing.assert_array_equal(parts["continuum"].get_ydata(), expected.continuum)


def test_errors_are_bars_or_a_band(fit):
    (top, *_) = plot_line_spectrum(fit, figure=new_figure()).axes
    curves = fit.curves()[0]
    (bars,) = top.containers
    segments = np.array(bars.lines[2][0].get_segments())
    np.testing.assert_allclose(np.diff(segments[:, :, 1], axis=1)[:, 0], 2 * curves.errors[curves.fitted])
    many = fitted(lines.Group("a", [HA]), HA, low=6400.0, n=200)
    (top, _) = plot_line_spectrum(many, figure=new_figure()).axes
    assert not top.containers
    (curves,) = many.curves()
    vertices = top.collections[0].get_paths()[0].vertices
    assert vertices[:, 1].max() == pytest.approx((curves.data + curves.errors).max())


def test_masked_pixels_and_ends_of_windows_are_seen(fit):
    figure = plot_line_spectrum(fit, figure=new_figure())
    for ax in figure.axes[:2]:
        shaded = [patch for patch in ax.patches if to_hex(patch.get_facecolor()) == "#dedede"]
        assert [(patch.get_x(), patch.get_width()) for patch in shaded] == [(6556.875, 1.25)]
        dotted = [line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == ":"]
        assert dotted == [6545.0, 6576.0]
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts[:5] == ["data", "model", "continuum", "left out", "end of a window"]
    whole = fitted(lines.Group("a", [HA]), HA)
    figure = plot_line_spectrum(whole, figure=new_figure())
    assert [text.get_text() for text in figure.legends[0].get_texts()][:3] == ["data", "model", "continuum"]
    assert not [line for line in figure.axes[0].lines if line.get_linestyle() == ":"]


def test_the_legend_has_the_widths(fit, narrow):
    def last(fit):
        return plot_line_spectrum(fit, figure=new_figure()).legends[0].get_texts()[-1].get_text()

    (low,), (high,) = (end[1:] for end in fit.interval())
    text = last(fit)
    assert text.startswith("nitrogen: σ = ")
    assert float(text.split("±")[1].removesuffix(" km/s")) == pytest.approx(0.5 * (high - low), rel=0.06)
    assert last(narrow) == f"OIII: σ < {narrow.upper_limit()[0]:.3g} km/s (95%)"


def test_names_stand_above_the_lines(fit):
    figure = plot_line_spectrum(fit, figure=new_figure())
    for number, (top, name) in enumerate(zip(figure.axes[::2], ("Hα", "NII"), strict=True)):
        (text,) = top.texts
        assert text.get_text() == name
        assert text.get_color() == component_colour(number)
        assert text.xy[0] == pytest.approx(fit.lines["position"][number])
    assert figure.get_suptitle() == "a galaxy"


def test_lines_with_one_label_have_different_names():
    groups = [
        lines.Group("narrow", [(HA, "Hα"), (NII, "NII"), (6549.86, "NII", 1 / 3.05)], sigma=(0.0, 200.0)),
        lines.Group("broad", [(HA, "Hα")], sigma=(200.0, 900.0)),
    ]
    found = line_names(fitted(groups, HA, NII))
    assert found == ["Hα, narrow", "NII 6585.27", "NII 6549.86", "Hα, broad"]


def test_names_are_moved_apart_as_little_as_possible():
    wanted = np.array([10.0, 11.0, 50.0, 99.0, 99.5])
    found = apart(wanted, 10.0, 100.0)
    np.testing.assert_allclose(found, [5.5, 15.5, 50.0, 90.0, 100.0])
    np.testing.assert_allclose(apart(np.zeros(5), 10.0, 20.0), [0.0, 5.0, 10.0, 15.0, 20.0])  # they do not fit


def test_texts_do_not_overlap_each_other_or_the_panels():
    near = [6550.0, 6551.0, 6552.0, 6560.0, 6561.0]
    crowded = fitted(lines.Group("many", [(x, f"line {i}") for i, x in enumerate(near)]), *near, sigma=20.0)
    figure = plot_line_spectrum(crowded, "crowded")
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    top = figure.axes[0]
    boxes = [text.get_window_extent(renderer) for text in top.texts]
    boxes += [figure.legends[0].get_window_extent(renderer), figure.texts[0].get_window_extent(renderer)]
    boxes += [ax.get_window_extent(renderer) for ax in figure.axes]
    boxes += [ax.xaxis.label.get_window_extent(renderer) for ax in figure.axes if ax.get_xlabel()]
    assert not [(i, j) for i, a in enumerate(boxes) for j, b in enumerate(boxes) if i < j and a.overlaps(b)]


def test_several_spectra_have_a_row_each():
    spectra = [spectrum(HA, name="first"), spectrum(HA, name="second", seed=5)]
    fit = lines.fit_lines(spectra, groups=lines.Group("a", [HA]), lsf=LSF, windows=[(6545, 6565), (6566, 6600)],
                          medium="vacuum")  # fmt: skip
    figure = plot_line_spectrum(fit, figure=new_figure())
    places = [ax.get_subplotspec() for ax in figure.axes[::2]]
    assert [(place.rowspan.start, place.colspan.start) for place in places] == [(0, 0), (0, 1), (2, 0), (2, 1)]
    names = [ax.texts[-1].get_text() for ax in figure.axes[::2]]
    assert names == ["first", "first", "second", "second"]


def test_small_fluxes_have_their_power_of_ten_beside_the_unit(drawn):
    from astropy import units as u

    unit = u.Unit("erg / (s cm2 Angstrom)")
    values = spectrum(HA)
    fit = lines.fit_lines(values.wave * u.AA, 1e-17 * values.flux * unit, 1e-17 * values.err * unit,
                          groups=lines.Group("a", [HA]), lsf=LSF, medium="vacuum")  # fmt: skip
    top, bottom = drawn(plot_line_spectrum(fit, figure=new_figure())).axes
    assert "10^{-16}" in top.get_ylabel()
    assert "erg" in top.get_ylabel()
    assert top.yaxis.get_major_formatter()(2e-16, 0) == "2"
    assert bottom.get_xlabel().startswith("observed wavelength [")
    assert levels(labelled(top)["data"]) == pytest.approx(1e-17 * values.flux)


def test_steps_are_broken_at_gaps():
    x, y = as_steps(np.array([0.0, 1.0, 5.0]), np.array([1.0, 2.0, 6.0]), np.array([3.0, 4.0, 5.0]))
    np.testing.assert_array_equal(x, [0, 1, 1, 1, 2, 2, 5, 6, 6])
    np.testing.assert_array_equal(y, [3, 3, 3, 4, 4, np.nan, 5, 5, np.nan])


def test_a_profile_shows_data_and_three_curves_of_one_height(fit, drawn):
    ax = drawn(plot_line_profile(fit, "nitrogen"))
    profile = fit.velocity_profile("nitrogen")
    parts = labelled(ax)
    for label, values in (("observed, as fitted", profile.observed), ("instrument and pixels", profile.instrument)):
        np.testing.assert_array_equal(parts[label].get_ydata(), values)
        assert values.max() == pytest.approx(1.0)
    (bars,) = ax.containers
    np.testing.assert_array_equal(bars.lines[0].get_ydata(), profile.data[profile.fitted])
    (label,) = [label for label in parts if label.startswith("intrinsic: σ = ")]
    line = parts[label]
    assert line.get_color() == component_colour(1)
    x, y = line.get_data()
    assert np.sqrt(np.sum(x**2 * y) / y.sum()) == pytest.approx(fit.intrinsic_sigma[1], rel=1e-3)
    masked = plot_line_profile(fit, "hydrogen")
    assert len(labelled(masked)["left out"].get_xdata()) == 1


def test_the_profile_of_an_unresolved_line_is_that_of_the_limit(narrow, drawn):
    ax = drawn(plot_line_profile(narrow))
    (line,) = [line for line in ax.lines if str(line.get_label()).startswith("intrinsic: σ < ")]
    x, y = line.get_data()
    assert np.sqrt(np.sum(x**2 * y) / y.sum()) == pytest.approx(narrow.upper_limit()[0], rel=1e-3)
    absorbed = plot_line_profile(fitted(lines.Group("a", [HA]), HA, amount=-10.0))
    assert absorbed.get_ylabel() == "depth / depth at the centre"


@pytest.mark.parametrize("which", ["fit", "narrow"])
def test_the_likelihood_has_its_maximum_ends_and_limit(which, request, drawn):
    fit = request.getfixturevalue(which)
    ax = drawn(plot_line_likelihood(fit, 0))
    parts = labelled(ax)
    best, error = fit.intrinsic_variance[0], fit.intrinsic_variance_error[0]
    assert parts["best value"].get_xdata() == [best]
    x, y = parts["profile likelihood"].get_data()
    assert x[np.argmax(y)] == best
    for i in (0, x.size // 2, -1):
        np.testing.assert_allclose(y[i], -fit.solution.profile(0, x[i]).fall, atol=1e-5)
    x, y = parts["normal approximation"].get_data()
    np.testing.assert_allclose(y, -0.5 * ((x - best) / error) ** 2)
    for label, level in (("68% interval", 0.6827), ("95% interval", 0.95)):
        low, high = (end[0] for end in fit.interval(level))
        np.testing.assert_allclose(np.sqrt(parts[label].get_xdata()), [low, high], rtol=1e-10)
    x, y = parts["95% upper limit"].get_data()
    assert np.sqrt(x) == pytest.approx(fit.upper_limit()[0])
    if best > 0:
        assert y == pytest.approx(-0.5 * 1.6448536**2, rel=1e-4)
    below = parts["below zero"]
    assert below.get_x() + below.get_width() == pytest.approx(0.0, abs=1e-9)
    assert (best < 0) == (which == "narrow")


def test_the_lowest_variance_is_marked_where_it_is_near():
    noisy = fitted(lines.Group("OIII", [OIII]), OIII, low=4975.0, n=50, error=2.0, amount=8.0, seed=3)
    ax = plot_line_likelihood(noisy)
    lowest = noisy.solution.lowest_variances[0]
    region = labelled(ax)["not possible"]
    assert region.get_x() + region.get_width() == pytest.approx(lowest)
    assert lowest < 0
    assert labelled(ax)["profile likelihood"].get_xdata()[0] == pytest.approx(lowest)


def test_a_line_that_is_known_to_be_much_wider_is_shown_without_zero():
    ax = plot_line_likelihood(fitted(lines.Group("a", [HA]), HA, error=0.02))
    assert ax.get_xlim()[0] > 0
    assert "below zero" not in labelled(ax)


def test_a_grid_has_a_panel_for_each_fit(fit, narrow, drawn):
    figure = drawn(plot_line_grid([fit, None, narrow], ["a", "b", "c"], "three", figure=new_figure()))
    first, failed, last = figure.axes[:3]
    assert [ax.get_title(loc="left") for ax in figure.axes[:3]] == ["a", "b", "c"]
    assert [text.get_text() for text in failed.texts] == ["failed"]
    assert [text.get_text().split()[1] for text in first.texts] == ["=", "="]
    assert last.texts[0].get_text().startswith("σ < ")
    np.testing.assert_array_equal(levels(labelled(last)["data"]), narrow.curves()[0].data)
    assert figure.get_supxlabel() == "observed wavelength"
    with pytest.raises(InputError, match="2 names, but 1 fits"):
        plot_line_grid([fit], ["a", "b"])
    with pytest.raises(InputError, match="there are 0 fits"):
        plot_line_grid([])
    with pytest.raises(InputError, match="`window` is 7"):
        plot_line_grid([fit], window=7, figure=new_figure())


def test_a_line_in_one_pixel_can_be_drawn(drawn):
    """Nothing is known of its velocity and its variance: the width of the instrument is much too large."""
    wide = lines.LSF(sigma=2.0, includes_pixel=False)
    values = spectrum(6560.0, sigma=0.0, blur=0.1)
    fit = lines.fit_lines(values, groups=lines.Group("a", [6560.0]), lsf=wide, medium="vacuum")
    assert fit.intrinsic_variance_error[0] > 1e10  # (km/s)^2, or infinite
    assert fit.velocity_error[0] > 1e4
    for kind in ("spectrum", "profile", "likelihood"):
        drawn(fit.plot(kind))


def test_kinds_by_their_names(fit):
    assert len(fit.plot(figure=new_figure()).axes) == 4
    ax = plt.figure().add_subplot()
    assert fit.plot("likelihood", group="nitrogen", ax=ax) is ax
    with pytest.raises(InputError, match="`kind` is 'pie', but it must be one of spectrum, profile, likelihood"):
        fit.plot("pie")
    with pytest.raises(KindError, match="this is of type int, but a fit of lines is needed"):
        plot_line_fit(3)
    with pytest.raises(KindError, match="a fit of lines is needed"):
        plot_line_grid([3])


def test_counts_are_drawn_over_their_background(drawn):
    rng = np.random.default_rng(6)
    edges = np.arange(6550.0, 6620.5, 1.0)
    expected = 1.0 + 300.0 * np.diff(0.5 * erf((edges - 6586.7) / (4.3 * np.sqrt(2))))
    counts = rng.poisson(expected)
    group, lsf = lines.Group("Fe", [(6586.7, "w")]), lines.LSF(sigma=2.0, includes_pixel=False)
    fit = lines.fit_counts(edges, counts, groups=group, lsf=lsf)
    figure = drawn(plot_line_spectrum(fit, figure=new_figure()))
    top, bottom = figure.axes
    np.testing.assert_array_equal(levels(labelled(top)["data"]), counts)
    (curves,) = fit.curves()
    np.testing.assert_array_equal(levels(bottom.lines[1]), (counts - curves.total) / np.sqrt(curves.total))
    assert top.get_ylabel() == "counts per bin"
    assert figure.legends[0].get_texts()[2].get_text() == "background"
    assert "instrument and bins" in labelled(drawn(fit.plot("profile")))
    response = np.eye(35).repeat(2, axis=1)  # two bins for each channel, as if they were seen perfectly
    fit = lines.fit_counts(edges, response @ counts, response=response, groups=group, lsf=lsf)
    top, bottom = drawn(fit.plot(figure=new_figure())).axes
    assert (top.get_ylabel(), bottom.get_xlabel()) == ("counts per channel", "channel")
    assert not top.texts


def test_a_unit_with_a_power_of_ten_has_no_factor_of_one(drawn):
    from astropy import units as u

    values, unit = spectrum(HA), u.Unit("1e-17 erg / (s cm2 Angstrom)")
    group, lsf = lines.Group("a", [HA]), lines.LSF(sigma=1.1 * u.AA, includes_pixel=False)
    fit = lines.fit_lines(
        values.wave * u.AA, values.flux * unit, values.err * unit, groups=group, lsf=lsf, medium="vacuum"
    )
    top = drawn(plot_line_spectrum(fit, figure=new_figure())).axes[0]
    assert top.get_ylabel().startswith(r"flux [$\mathrm{10^{-17}\,erg")


def test_a_grid_of_a_cube_has_its_rows_and_the_reasons_of_failures(drawn):
    stack = [spectrum(HA, seed=seed) for seed in range(6)]
    cube = np.array([each.flux for each in stack]).reshape(2, 3, -1)
    cube[1, 0] = np.nan
    fits = lines.fit_lines(stack[0].wave, cube, 0.6, groups=lines.Group("a", [HA]), lsf=LSF, medium="vacuum")
    figure = drawn(plot_line_grid(fits, figure=new_figure()))
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["0, 0", "0, 1", "0, 2", "1, 0", "1, 1", "1, 2"]
    assert {ax.get_subplotspec().get_gridspec().ncols for ax in figure.axes} == {3}
    (text,) = figure.axes[3].texts
    assert " ".join(text.get_text().split()).startswith(f"failed {fits.rows[3].reason[:20]}")
    np.testing.assert_array_equal(levels(labelled(figure.axes[4])["data"]), cube[1, 1])


def test_without_a_continuum_there_is_none_in_the_picture():
    x = np.arange(6540.0, 6590.0)
    flux = 20.0 * np.exp(-0.5 * ((x - HA) / 2.0) ** 2) + np.random.default_rng(1).normal(size=x.size)
    group = lines.Group("a", [HA])
    fit = lines.fit_lines(x, flux, np.ones(x.size), groups=group, lsf=LSF, continuum=None, medium="vacuum")
    figure = plot_line_spectrum(fit, figure=new_figure())
    assert [text.get_text() for text in figure.legends[0].get_texts()][:2] == ["data", "model"]
    assert "continuum" not in labelled(figure.axes[0])
    assert len(figure.legends[0].get_texts()) == 3


def test_a_part_of_a_figure_can_be_drawn_in(fit):
    left, right = plt.figure(figsize=(16, 6), layout="constrained").subfigures(1, 2)
    assert plot_line_spectrum(fit, figure=left) is left
    assert plot_line_grid([fit], figure=right) is right
    assert (len(left.axes), len(right.axes)) == (4, 1)
    left.figure.canvas.draw()
    assert left.legends


def test_events_are_drawn_as_a_histogram(drawn):
    rng = np.random.default_rng(8)
    energy = np.append(rng.normal(6586.7, 4.3, 300), rng.uniform(6550.0, 6620.0, 100))
    group = lines.Group("Fe", [(6586.7, "w")])
    fit = lines.fit_events(energy, sigma=2.0, groups=group, window=(6550, 6620), background="uniform")
    figure = drawn(plot_line_spectrum(fit, figure=new_figure()))
    assert figure.axes[0].get_ylabel() == "events per bin"
    assert np.nansum(levels(labelled(figure.axes[0])["data"])) == 400
    for kind in ("profile", "likelihood"):
        drawn(fit.plot(kind))
