"""Residuals: quantiles, probabilities, and their change with the error; the trace; widths."""

import numpy as np
import pytest
from scipy.stats import binom, norm

from xdgmm import XDGMM, GaussianMixture, InputError, datasets
from xdgmm.diagnostics import residuals
from xdgmm.errors import KindError
from xdgmm.plotting import (
    component_colour,
    plot_error_bars,
    plot_pit,
    plot_quantiles,
    plot_residuals,
    plot_trace,
    plot_widths,
)


@pytest.fixture(scope="module")
def neutron_stars():
    return datasets.load("neutron_stars")["m", "e_m"]


@pytest.fixture(scope="module")
def fitted(neutron_stars):
    return XDGMM(2, random_state=0).fit(neutron_stars)


def test_quantiles_are_those_of_the_residuals_and_their_band_holds_95_percent(truth, catalogue, drawn):
    ax = drawn(plot_quantiles(truth, catalogue(300)))
    _, found = ax.lines[1].get_data()
    np.testing.assert_allclose(found, np.sort(residuals(truth, catalogue(300)).ravel()))
    assert found.size == 900
    inside = []
    for seed in range(200):  # of normal numbers, the middle and the last one
        z = np.sort(np.random.default_rng(seed).normal(size=900))
        inside.append([low <= z[i] <= high for i, (low, high) in _band(ax, [450, 899]).items()])
    assert np.mean(inside, axis=0) == pytest.approx([0.95, 0.95], abs=0.05)  # 3 standard errors


def _band(ax, ranks):
    vertices = ax.collections[0].get_paths()[0].vertices
    expected = ax.lines[1].get_xdata()
    at = {i: vertices[np.isclose(vertices[:, 0], expected[i], atol=1e-12), 1] for i in ranks}
    return {i: (values.min(), values.max()) for i, values in at.items()}


def test_many_residuals_keep_their_ends(truth, catalogue):
    found = plot_quantiles(truth, catalogue(5000)).lines[1].get_ydata()
    z = residuals(truth, catalogue(5000))
    assert found.size <= 2000
    assert (found[0], found[-1]) == (z.min(), z.max())


def test_probabilities_are_counted_in_bins(truth, stars, drawn):
    ax = drawn(plot_pit(truth, stars, columns="v"))
    counts, edges, _ = ax.patches[0].get_data()
    z = residuals(truth, stars)[:, 2]
    np.testing.assert_array_equal(counts, np.histogram(norm.cdf(z), edges)[0])
    assert counts.sum() == len(stars)
    wrong = GaussianMixture(truth.weights, truth.means, 0.2 * truth.covariances, truth.names, truth.units)
    low, high = _of_band(ax)
    assert [low, high] == binom.ppf([0.025, 0.975], len(stars), 1 / counts.size).tolist()
    assert ((counts >= low) & (counts <= high)).mean() > 0.8
    counts = plot_pit(wrong, stars, columns="v").patches[0].get_data()[0]
    assert counts[0] > high
    assert counts[-1] > high


def _of_band(ax):
    label = "95% if the model is right"
    patch = next(each for each in ax.patches if each.get_label() == label)
    y = (
        patch.get_path().vertices
        if not hasattr(patch, "get_y")
        else np.array([[0, patch.get_y()], [0, patch.get_y() + patch.get_height()]])
    )
    return y[:, 1].min(), y[:, 1].max()


def test_residuals_stand_at_their_errors_with_their_scatter(truth, stars, drawn):
    ax = drawn(plot_residuals(truth, stars, columns="pm"))
    points = ax.collections[0].get_offsets()
    np.testing.assert_allclose(points, np.c_[np.sqrt(stars.variances[:, 1]), residuals(truth, stars)[:, 1]])
    squares = next(each.lines[0] for each in ax.containers if each.get_label() == "root mean square")
    assert squares.get_ydata() == pytest.approx(1.0, abs=0.45)
    assert len(squares.get_ydata()) == 8
    mean = np.sqrt(np.mean(squares.get_ydata() ** 2))
    assert mean == pytest.approx(np.sqrt(np.mean(points[:, 1] ** 2)), rel=0.02)
    with pytest.raises(InputError, match="all values are exact"):
        plot_residuals(GaussianMixture([1.0], [[0.0]], [[[1.0]]]), np.arange(5.0))


def test_the_legend_of_residuals_names_components_and_bands(truth, stars, drawn):
    ax = drawn(plot_residuals(truth, stars, columns="pm"))
    found = dict(zip(*ax.get_legend_handles_labels()[::-1], strict=True))
    for k in range(3):
        assert found[f"component {k}"].get_color() == component_colour(k)
    for width, probability in ((1.0, 68), (2.0, 95)):
        band = found[f"{probability}% if the model is right"]
        assert (band.get_y(), band.get_height()) == (-width, 2 * width)
    assert found["68% if the model is right"].get_alpha() == 1.0  # the legend shows what is seen over the other band
    ax.figure.canvas.draw()
    assert not ax.get_legend().get_window_extent().overlaps(ax.get_window_extent())


def test_objects_of_one_component_or_of_many_have_one_entry(drawn):
    X = np.random.default_rng(0).normal(size=40)
    for K, label in ((1, "objects"), (8, "objects, in the colours of their components")):
        mixture = GaussianMixture(np.full(K, 1 / K), np.arange(float(K))[:, None], np.ones((K, 1, 1)))
        for ax in (plot_residuals(mixture, X, Xerr=0.2), plot_error_bars(mixture, X, Xerr=0.2)):
            labels = drawn(ax).get_legend_handles_labels()[1]
            assert [each for each in labels if each.startswith(("objects", "component"))] == [label]


def test_a_trace_has_every_pass_and_every_predicted_gain(neutron_stars, drawn):
    start = GaussianMixture([0.5, 0.5], [[1.2], [2.0]], np.full((2, 1, 1), 0.1), names=["m"], units=["Msun"])
    model = XDGMM(2, init=start, solver="em", tol=1e-6).fit(neutron_stars)
    history, gains = model.result_.history, model.result_.gain_history
    assert gains[-1].tolist() == [history.size, model.result_.predicted_gain]
    assert (np.diff(gains[:, 0]) >= 0).all()
    ax = drawn(plot_trace(model))
    dots, best, diamonds = ax.lines
    below = history.max() + gains[-1, 1] - history
    shown = np.isfinite(dots.get_ydata())
    np.testing.assert_allclose(dots.get_ydata()[shown], below[shown])
    assert shown.all()
    assert np.nanmin(dots.get_ydata()) == pytest.approx(diamonds.get_ydata()[-1], rel=1e-3)  # no diamond above the end
    assert "predicted maximum" in ax.get_ylabel()
    assert (np.diff(best.get_ydata()[np.isfinite(best.get_ydata())]) <= 0).all()
    np.testing.assert_allclose(diamonds.get_ydata(), np.maximum(gains[:, 1], 1e-12 * max(1, abs(history.max()))))
    assert ax.get_yscale() == "log"
    with pytest.raises(InputError, match="files keep no passes"):
        plot_trace(model.mixture_)


def test_a_predicted_gain_is_what_is_gained_later(neutron_stars):
    start = GaussianMixture([0.5, 0.5], [[1.2], [2.0]], np.full((2, 1, 1), 0.1), names=["m"], units=["Msun"])
    result = XDGMM(2, init=start).fit(neutron_stars).result_
    first, gain = result.gain_history[0]
    gained = result.history.max() - result.history[: int(first)].max()
    assert gain == pytest.approx(gained, rel=0.5, abs=1e-8)


def test_widths_have_their_intervals_and_limits_their_arrows(fitted, neutron_stars, drawn):
    report = fitted.widths(neutron_stars)
    ax = drawn(plot_widths(report))
    bars = [each for each in ax.containers if each.has_xerr]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["m (component 0)", "m (component 1)"]
    for k, (row, bar) in enumerate(zip(report, bars, strict=True)):
        (segment,) = bar.lines[2][0].get_segments()
        np.testing.assert_allclose(segment[:, 0], [row["sigma_low"].value, row["sigma_high"].value])
        assert bar.lines[0].get_xdata()[0] == row["sigma"].value
        assert bar.lines[0].get_color() == component_colour(k)
    diamonds = [each.get_xdata()[0] for each in ax.lines if each.get_marker() == "D" and len(each.get_xdata())]
    np.testing.assert_allclose(diamonds, report["observed_sigma"].value)
    assert r"\odot" in ax.get_xlabel()


def test_a_width_consistent_with_zero_is_an_arrow_from_its_limit(drawn):
    rng = np.random.default_rng(1)
    values = rng.normal(0.0, 1.0, 40)
    report = XDGMM().fit(values, Xerr=1.2).widths(values, Xerr=1.2)
    assert report["is_limit"][0]
    ax = drawn(plot_widths(report))
    limit = report["sigma_limit"][0]
    (bar,) = [each for each in ax.containers if each.has_xerr]
    assert bar.lines[0].get_xdata()[0] == limit
    (segment,) = bar.lines[2][0].get_segments()
    assert segment[:, 0].min() < limit
    assert segment[:, 0].max() == limit
    assert any("upper limit (95%)" in text.get_text() for text in ax.get_legend().get_texts())


def test_widths_of_different_units_are_refused_and_columns_can_be_chosen(truth, stars):
    report = XDGMM(2, random_state=0).fit(stars).widths(stars)
    with pytest.raises(InputError, match="have different units"):
        plot_widths(report)
    ax = plot_widths(report, columns="v")
    assert len([each for each in ax.containers if each.has_xerr]) == 2
    assert "km" in ax.get_xlabel()
    with pytest.raises(InputError, match="`columns` names 'q'"):
        plot_widths(report, columns="q")
    with pytest.raises(KindError, match="a width report is needed"):
        plot_widths(truth)
