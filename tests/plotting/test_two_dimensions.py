"""Two columns and more: objects, ellipses, the noise of a typical object, axes of the sky."""

import astropy.units as u
import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from xdgmm import GaussianMixture, InputError, Observations
from xdgmm.plotting import (
    component_colour,
    new_figure,
    plot_corner,
    plot_denoising,
    plot_density,
    plot_ellipses,
    plot_relation,
)
from xdgmm.plotting.labels import axis_label, is_right_ascension


def ellipses(ax, k):
    """The lines (n, 2) of the ellipses of component k."""
    return [
        each.get_xydata() for each in ax.lines if each.get_color() == component_colour(k) and each.get_xdata().size > 9
    ]


def test_axes_of_ellipses_are_the_eigenvalues(truth, stars, drawn):
    ax = drawn(plot_ellipses(truth, stars, columns=["ra", "pm"]))
    for k in range(3):
        for radius, edge in zip((1.0, 2.0), ellipses(ax, k), strict=True):
            distance = np.linalg.norm(edge - truth.means[k, :2], axis=1) / radius
            values = np.linalg.eigvalsh(truth.covariances[k, :2, :2])
            assert distance.min() == pytest.approx(np.sqrt(values[0]), rel=1e-3)
            assert distance.max() == pytest.approx(np.sqrt(values[1]), rel=1e-3)


def test_every_object_is_drawn_as_a_point_or_counted(truth, catalogue):
    for n in (100, 3000, 3001, 20_000):
        ax = plot_ellipses(truth, catalogue(n), columns=["pm", "v"])
        assert ("errors" in ax.get_legend_handles_labels()[1]) == (n <= 150)
        if n <= 3000:
            assert len(ax.collections[-1].get_offsets()) == n
        else:
            assert np.sum(ax.collections[0].get_array()) == n


def test_hexagons_have_a_scale_of_their_numbers(truth, catalogue, drawn):
    many = catalogue(3001)
    for ax in (plot_ellipses(truth, many, columns=["pm", "v"]), plot_relation(truth, many, columns=["pm", "v"])):
        (scale,) = [each for each in drawn(ax).figure.axes if each is not ax]
        assert scale.get_ylabel() == "objects per hexagon"
        assert ax.collections[0].colorbar.ax is scale
        assert not any("hexagon" in label for label in ax.get_legend_handles_labels()[1])
    figure = drawn(plot_corner(truth, many, figure=new_figure()))
    (legend,) = figure.legends
    labels = [text.get_text() for text in legend.get_texts()]
    sign = legend.legend_handles[labels.index("objects per hexagon: many where dark")]
    assert len(set(sign.get_facecolor()[:3])) == 1  # grey, as the hexagons are
    hexagons = figure.axes[1].collections[0].get_facecolors()
    assert len(np.unique(hexagons, axis=0)) > 5
    assert len(figure.axes) == 6
    assert len(plot_ellipses(truth, catalogue(300), columns=["pm", "v"]).figure.axes) == 1


def test_objects_without_one_of_the_values_are_not_drawn(truth, stars):
    values = stars.values.copy()
    values[:7, 1] = np.nan
    gaps = Observations.with_standard_errors(values, stars.noise, names=truth.names, units=truth.units)
    assert len(plot_ellipses(truth, gaps, columns=["ra", "pm"]).collections[-1].get_offsets()) == len(stars) - 7
    assert len(plot_ellipses(truth, gaps, columns=["ra", "v"]).collections[-1].get_offsets()) == len(stars)


def test_the_noise_ellipse_is_that_of_a_typical_object():
    S = np.array([[0.04, 0.018], [0.018, 0.09]])
    rng = np.random.default_rng(0)
    covariances = S * rng.uniform(0.5, 1.5, 401)[:, None, None]
    values = rng.normal(size=(401, 2)) * 3
    observations = Observations.with_covariances(values, covariances)
    ax = plot_ellipses(GaussianMixture([1.0], [[0.0, 0.0]], [9 * np.eye(2)]), observations)
    edge = ax.patches[0].get_xy()
    half = np.ptp(edge, axis=0) / 2
    np.testing.assert_allclose(half, np.median(np.sqrt(covariances[:, [0, 1], [0, 1]]), axis=0), rtol=1e-3)
    centred = edge - (edge.max(axis=0) + edge.min(axis=0)) / 2
    assert (np.linalg.norm(centred, axis=1).max()) ** 2 == pytest.approx(
        np.linalg.eigvalsh(np.median(covariances, axis=0))[1], rel=1e-2
    )
    exact = plot_ellipses(GaussianMixture([1.0], [[0.0, 0.0]], [9 * np.eye(2)]), values)
    assert not exact.patches
    assert "typical error" not in exact.get_legend_handles_labels()[1]


def test_right_ascension_increases_to_the_left(truth, stars):
    ax = plot_ellipses(truth, stars, columns=["ra", "pm"])
    assert ax.xaxis_inverted()
    assert not ax.yaxis_inverted()
    assert not plot_ellipses(truth, stars, columns=["pm", "v"]).xaxis_inverted()
    assert plot_density(truth, stars, columns="ra").xaxis_inverted()
    noise = ax.patches[0].get_xy().mean(axis=0)
    shown = ax.transAxes.inverted().transform(ax.transData.transform(noise))
    assert (shown < 0.2).all()  # in the lower left corner all the same


@pytest.mark.parametrize(
    ("name", "unit", "expected"),
    [
        ("ra", "deg", True),
        ("RAJ2000", "deg", True),
        ("ra_icrs", "hourangle", True),
        ("ALPHA_J2000", "deg", True),
        ("_RA", "deg", True),
        ("ra", None, False),
        ("ra", "mas", False),
        ("pmra", "mas/yr", False),
        ("ratio", "deg", False),
        ("rate", "deg", False),
        ("dec", "deg", False),
    ],
)
def test_which_columns_are_right_ascensions(name, unit, expected):
    assert is_right_ascension(name, None if unit is None else u.Unit(unit)) is expected


def test_labels_have_units_as_mathematics_and_names_as_they_are():
    assert axis_label("v", u.km / u.s) == (r"v [$\mathrm{km\,s^{-1}}$]", True)
    assert axis_label("v_$r", None) == ("v_$r", False)
    assert axis_label("$x$", u.mag)[0].startswith(r"\$x\$ [")
    assert axis_label("n", u.dimensionless_unscaled) == ("n", False)
    with mpl.rc_context({"text.usetex": True}):
        assert axis_label("v_r", u.km)[0] == r"v\_r [$\mathrm{km}$]"


@pytest.mark.parametrize("unit", ["mag(AB)", "deg_C", "km2 s-2 kpc-1", "dex(cm / s2)", "10**-17 erg / (s cm2 AA)", "%"])
def test_any_unit_can_be_drawn(unit, drawn):
    mixture = GaussianMixture([1.0], [[1.0]], [[[1.0]]], names=["x"], units=[unit])
    ax = drawn(plot_density(mixture, np.random.default_rng(0).normal(size=20), Xerr=0.1))
    assert ax.get_xlabel().startswith("x [")


def test_a_corner_view_has_every_pair_and_the_same_colours(truth, stars, drawn):
    figure = drawn(plot_corner(truth, stars, "a title", figure=new_figure()))
    assert len(figure.axes) == 6
    assert figure.get_suptitle() == "a title"
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(labels) == len(set(labels))
    assert {"component 0", "component 1", "component 2", "typical error", "measured values"} <= set(labels)
    for ax in figure.axes:
        marks = [each for each in ax.lines if each.get_marker() in ("P", "o") and each.get_xdata().size == 1]
        assert [each.get_color() for each in marks] == [component_colour(k) for k in range(3)]
    assert [ax.get_xlabel() for ax in figure.axes[-3:]] == [
        axis_label(*each)[0] for each in zip(truth.names, truth.units, strict=True)
    ]
    first_column = [ax for ax in figure.axes if ax.get_subplotspec().colspan.start == 0]
    assert all(ax.xaxis_inverted() for ax in first_column)


def test_many_components_have_numbers_above_their_ellipses():
    rng = np.random.default_rng(0)
    many = GaussianMixture(np.full(8, 1 / 8), rng.normal(0, 9, (8, 2)), np.tile(np.eye(2), (8, 1, 1)))
    ax = plot_ellipses(many, rng.normal(0, 9, (50, 2)), Xerr=0.1)
    assert [text.get_text() for text in ax.texts] == [str(k) for k in range(8)]
    np.testing.assert_allclose([text.xy for text in ax.texts], many.means + np.array([0.0, 2.0]), atol=1e-3)


def test_the_legend_of_a_corner_view_covers_no_panel(truth, stars):
    for columns in (["ra", "pm"], ["ra", "pm", "v"]):
        figure = plot_corner(truth, stars, columns=columns, figure=new_figure())
        figure.canvas.draw()
        legend = figure.legends[0].get_window_extent()
        assert not any(legend.overlaps(ax.get_window_extent()) for ax in figure.axes)
    figure = plot_corner(truth, stars, "one column", columns=["v"], figure=new_figure())
    figure.canvas.draw()
    legend = figure.axes[0].get_legend()
    assert not legend.get_window_extent().overlaps(figure.axes[0].get_window_extent())
    assert not figure.legends
    assert "component 2" in [text.get_text() for text in legend.get_texts()]


def test_a_corner_view_takes_any_columns_in_any_order(truth, stars):
    figure = plot_corner(truth, stars, columns=["v", "ra"], figure=new_figure())
    assert [ax.get_xlabel()[:2] for ax in figure.axes[-2:]] == ["v ", "ra"]
    D = 7
    wide = GaussianMixture([1.0], np.zeros((1, D)), np.eye(D)[None])
    X = np.random.default_rng(0).normal(size=(20, D))
    with pytest.raises(InputError, match="there are 7 columns, but a corner view shows at most 6 that are not named"):
        plot_corner(wide, X, Xerr=0.1)
    assert len(plot_corner(wide, X, Xerr=0.1, columns=wide.names, figure=new_figure()).axes) == 28


def test_arrows_lead_from_measured_to_denoised_values(truth, stars, drawn):
    from xdgmm.objects import denoise

    found = denoise(truth, stars)
    ax = drawn(plot_denoising(truth, stars, columns=["pm", "v"]))
    (arrows,) = [each for each in ax.collections if hasattr(each, "U")]
    np.testing.assert_allclose(arrows.XY, stars.values[:, 1:])
    np.testing.assert_allclose(arrows.XY + np.c_[arrows.U, arrows.V], found.means[:, 1:])
    ax = drawn(plot_denoising(truth, stars, columns="v"))
    (arrows,) = [each for each in ax.collections if hasattr(each, "U")]
    order = np.argsort(stars.values[:, 2])
    np.testing.assert_allclose(arrows.XY[:, 0] + arrows.U, found.means[order, 2])
    assert not arrows.V.any()
    handles = dict(zip(*ax.get_legend_handles_labels()[::-1], strict=True))
    thin, thick = [each for each in ax.collections if not hasattr(each, "U")]
    assert handles["error of measurement"].get_linewidth() == thin.get_linewidths()[0]
    assert handles["standard deviation of the posterior"].get_linewidth() == thick.get_linewidths()[0]
    assert handles["standard deviation of the posterior"].get_alpha() == thick.get_alpha()
    segments = np.array(thick.get_segments())[:, :, 0]
    np.testing.assert_allclose(np.ptp(segments, axis=1) / 2, found.standard_deviations[order, 2])
    assert [handles[f"component {k}"].get_color() for k in range(3)] == [component_colour(k) for k in range(3)]
    with pytest.raises(InputError, match="one column or 2 columns, but the mixture has 3"):
        plot_denoising(truth, stars)


@pytest.mark.parametrize("relation", ["y given x", "x given y", "major axis"])
def test_lines_and_bands_are_the_relations_of_the_report(truth, stars, relation, drawn):
    from xdgmm.tables.printing import plain
    from xdgmm.widths import relations

    pair = truth.marginal(["ra", "pm"])
    both = Observations.with_standard_errors(
        stars.values[:, :2], stars.noise[:, :2], names=pair.names, units=pair.units
    )
    table = relations(pair, both)
    ax = drawn(plot_relation(truth, stars, columns=["ra", "pm"], relation=relation))
    where = f"of the {relation}" if relation == "major axis" else f"of {relation}"
    scatter_name = "scatter across the major axis" if relation == "major axis" else f"scatter {where}"
    for k in range(2):
        of = {row["quantity"]: plain(row["value"]) for row in table if row["component"] == k}
        line = next(each for each in ax.lines if each.get_label() == f"relation, component {k}")
        (x0, y0), (x1, y1) = line.get_xydata()
        slope = of[f"slope {where}"]
        assert (x1 == x0) if not np.isfinite(slope) else (y1 - y0) == pytest.approx(slope * (x1 - x0), rel=1e-6)
        band = next(each for each in ax.patches if each.get_label() == f"intrinsic scatter, component {k}").get_xy()
        to_side = np.linalg.norm(band[0] - [x0, y0])
        assert to_side == pytest.approx(of[scatter_name], rel=1e-6)
        np.testing.assert_allclose((band[:4]).mean(axis=0), truth.means[k, :2], atol=1e-9)


def test_unknown_relations_and_widths_of_zero_are_refused():
    flat = GaussianMixture([1.0], [[0.0, 0.0]], [[[0.0, 0.0], [0.0, 1.0]]])
    X = np.random.default_rng(0).normal(size=(9, 2))
    with pytest.raises(InputError, match="`relation` is 'x', but it must be one of 'y given x'"):
        plot_relation(flat, X, Xerr=1.0, relation="x")
    with pytest.raises(InputError, match="no component has a width"):
        plot_relation(flat, X, Xerr=1.0)


def test_colours_of_objects_are_those_of_their_component(truth, stars):
    points = plot_ellipses(truth, stars, columns=["ra", "v"]).collections[-1]
    far = np.flatnonzero(stars.values[:, 2] > 4)  # the small component
    assert far.size
    for i in far:
        np.testing.assert_allclose(points.get_facecolors()[i, :3], to_rgb(component_colour(2)), atol=0.02)
