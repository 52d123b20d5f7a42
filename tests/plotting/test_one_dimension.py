"""One column: histogram, curves, components, error bars, class probabilities."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from scipy.integrate import quad
from scipy.stats import norm

from xdgmm import Background, GaussianMixture, InputError, Observations
from xdgmm.plotting import component_colour, densities, plot_density, plot_error_bars, plot_memberships
from xdgmm.prediction import log_likelihoods, memberships


def line(ax, label):
    return next(each for each in ax.lines if each.get_label().startswith(label))


def test_the_intrinsic_curve_is_the_density_of_the_model_and_the_sum_of_its_components(truth, stars, drawn):
    ax = drawn(plot_density(truth, stars, columns="pm"))
    x, y = line(ax, "intrinsic").get_data()
    np.testing.assert_allclose(y, np.exp(truth.marginal("pm").log_density(x[:, None])), rtol=1e-9, atol=1e-300)
    assert np.trapezoid(y, x) == pytest.approx(1.0, abs=2e-3)  # between 4 sigmas
    parts = [line(ax, f"component {k}").get_ydata() for k in range(3)]
    np.testing.assert_allclose(np.sum(parts, axis=0), y, rtol=1e-12, atol=1e-300)
    assert [np.trapezoid(part, x) for part in parts] == pytest.approx(truth.weights, abs=2e-3)


def test_the_dashed_curve_is_the_mean_density_of_all_objects_with_their_noise(truth, catalogue):
    for stars in (catalogue(60), catalogue(5000)):  # of each error by itself, and in groups
        x, y = line(plot_density(truth, stars, columns="v"), "model convolved").get_data()
        some = slice(None, None, 97)
        errors = np.sqrt(stars.variances[:, 2])
        marginal = truth.marginal("v")
        expected = [
            np.exp(
                log_likelihoods(marginal, Observations.with_standard_errors(np.full(len(errors), at), errors))
            ).mean()
            for at in x[some]
        ]
        np.testing.assert_allclose(y[some], expected, rtol=2e-3, atol=1e-9)


def test_the_area_of_the_histogram_is_the_fraction_of_the_objects_on_the_axis():
    rng = np.random.default_rng(1)
    values = np.r_[rng.normal(size=997), 1e4, -1e4, 2e4]
    one = GaussianMixture([1.0], [[0.0]], [[[1.0]]])
    ax = plot_density(one, values, Xerr=0.1)
    counts, edges, _ = ax.patches[0].get_data()
    assert np.sum(counts * np.diff(edges)) == pytest.approx(0.997)
    assert "measured values (3 beyond the axis)" in ax.get_legend_handles_labels()[1]
    assert max(map(abs, ax.get_xlim())) < 10


def test_bins_are_no_combs():
    rng = np.random.default_rng(2)
    heavy = rng.standard_t(1.2, 5000)
    edges = densities.bin_edges(heavy, (-60.0, 60.0))
    assert densities.FEWEST_BINS <= edges.size - 1 <= densities.MOST_BINS
    rounded = np.round(rng.normal(0.0, 3.0, 4000))
    edges = densities.bin_edges(rounded, (-14.3, 14.3))
    steps = np.diff(edges)
    np.testing.assert_allclose(steps, np.round(steps))  # the same number of steps in each bin
    assert np.abs(edges - np.floor(edges) - 0.5).max() < 1e-9  # and no value on an edge
    assert edges[0] <= -14.3
    assert edges[-1] >= 14.3
    inner = np.histogram(rounded, edges)[0]
    assert (np.diff(np.sign(np.diff(inner[inner > 100]))) != 0).sum() <= 1  # up, then down


def test_a_small_component_is_marked_and_one_without_width_is_a_line(truth, stars):
    ax = plot_density(truth, stars, columns="pm")
    marks = [each for each in ax.containers if hasattr(each, "has_xerr") and each.has_xerr]
    assert len(marks) == 3
    for k, mark in enumerate(marks):
        (segment,) = mark.lines[2][0].get_segments()
        mean, sigma = truth.means[k, 1], truth.sigmas[k, 1]
        np.testing.assert_allclose(segment[:, 0], [mean - sigma, mean + sigma])
        assert 0 < segment[0, 1] < 0.2  # in parts of the height
        assert mark.lines[0].get_color() == component_colour(k)
    sharp = GaussianMixture([0.9, 0.1], [[0.0], [2.0]], [[[1.0]], [[0.0]]])
    ax = plot_density(sharp, np.linspace(-2, 2, 30), Xerr=0.3)
    assert line(ax, "component 1: width near zero").get_xdata() == [2.0, 2.0]


def test_a_very_narrow_component_does_not_flatten_the_rest():
    needle = GaussianMixture([0.99, 0.01], [[0.0], [1.0]], [[[1.0]], [[1e-6]]])
    values = np.random.default_rng(0).normal(size=400)
    ax = plot_density(needle, values, Xerr=0.2)
    counts = ax.patches[0].get_data()[0]
    assert ax.get_ylim()[1] < 4 * counts.max()
    curve = line(ax, "component 1")
    assert np.trapezoid(curve.get_ydata(), curve.get_xdata()) == pytest.approx(0.01, rel=0.05)


def test_the_background_has_its_curve():
    box = Background(low=[-10.0], high=[10.0], fraction=0.3)
    model = GaussianMixture([0.7], [[0.0]], [[[1.0]]], background=box)
    ax = plot_density(model, np.random.default_rng(0).normal(size=50), Xerr=0.2)
    x, y = line(ax, "background").get_data()
    assert y[np.abs(x) < 9].max() == pytest.approx(0.3 / 20)
    assert np.trapezoid(line(ax, "intrinsic").get_ydata(), x) == pytest.approx(1.0, abs=5e-3)


def test_error_bars_are_those_of_the_objects_in_the_colours_of_their_memberships(truth, stars, drawn):
    ax = drawn(plot_error_bars(truth, stars, columns="v"))
    bars = np.array(ax.collections[0].get_segments())
    order = np.argsort(stars.values[:, 2], kind="stable")
    values, errors = stars.values[order, 2], np.sqrt(stars.variances[order, 2])
    np.testing.assert_allclose(bars[:, :, 0], np.c_[values - errors, values + errors])
    assert ax.get_legend_handles_labels()[1] == ["errors", *(f"component {k}" for k in range(3))]
    points = ax.collections[1]
    np.testing.assert_array_equal(points.get_offsets()[:, 0], values)
    colours = np.array([to_rgb(component_colour(k)) for k in range(3)])
    expected = memberships(truth, stars)[order] @ colours
    np.testing.assert_allclose(points.get_facecolors()[:, :3], expected, atol=1e-9)


def test_many_objects_are_drawn_as_a_line_with_a_band_of_their_errors(truth, catalogue):
    many = catalogue(20_000)
    ax = plot_error_bars(truth, many, columns="v")
    values, height = ax.lines[0].get_data()
    assert ax.get_legend_handles_labels()[1] == ["median error", "mean of neighbours"]
    assert values.size == 500
    assert values.mean() == pytest.approx(many.values[:, 2].mean())  # of groups of 40: all objects count
    np.testing.assert_allclose(np.diff(height), 40)
    middle = ax.collections[0].get_paths()[0].vertices
    width = np.ptp(middle[np.isclose(middle[:, 1], height[250]), 0])
    assert width / 2 == pytest.approx(0.4, abs=0.05)  # errors are uniform from 0.2 to 0.6


def test_class_probabilities_are_stacked_to_one_and_follow_bayes(truth, stars, drawn):
    ax = drawn(plot_memberships(truth, stars, columns="pm"))
    error = np.median(np.sqrt(stars.variances[:, 1]))
    one = truth.marginal("pm")
    at = 1.5
    parts = [
        norm.pdf(at, m, np.hypot(s, error)) * w
        for w, m, s in zip(one.weights, one.means[:, 0], one.sigmas[:, 0], strict=True)
    ]
    edges = np.cumsum(parts) / np.sum(parts)
    for k, part in enumerate(ax.collections):
        vertices = part.get_paths()[0].vertices
        near = vertices[np.abs(vertices[:, 0] - at) < 0.03]
        assert near[:, 1].max() == pytest.approx(edges[k], abs=0.03)
        assert part.get_label() == f"component {k}"
        np.testing.assert_allclose(part.get_facecolor()[0][:3], to_rgb(component_colour(k)))
    assert ax.get_ylim() == (0.0, 1.0)
    assert densities.class_probabilities(truth, 1, np.linspace(-500, 500, 7), 0.1).sum(axis=0) == pytest.approx(1.0)


def test_components_of_one_colour_differ_in_lines_and_hatches():
    rng = np.random.default_rng(0)
    many = GaussianMixture(np.full(9, 1 / 9), np.arange(9.0)[:, None], np.full((9, 1, 1), 0.1))
    parts = plot_memberships(many, rng.normal(4, 3, 30), Xerr=0.1).collections
    looks = [(tuple(part.get_facecolor()[0]), part.get_hatch()) for part in parts]
    assert len(set(looks)) == 9
    lines = [each for each in plot_density(many, rng.normal(4, 3, 30), Xerr=0.1).lines if each.get_xdata().size > 99]
    assert len({(each.get_color(), each.get_linestyle()) for each in lines}) == 11  # with the whole, and convolved


def test_convolved_densities_integrate_to_one(truth):
    total = quad(lambda x: densities.component_densities(truth, 0, np.array([x]), 0.3).sum(), -30, 30, limit=200)[0]
    assert total == pytest.approx(1.0, abs=1e-8)


def test_columns_are_asked_for_and_must_exist(truth, stars):
    with pytest.raises(
        InputError, match="shows one column, but the mixture has 3; choose with `columns`, among ra, pm"
    ):
        plot_density(truth, stars)
    with pytest.raises(InputError, match="`columns` names 'q', but the mixture has ra, pm, v"):
        plot_density(truth, stars, columns="q")
