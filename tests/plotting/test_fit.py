"""Pictures: what is drawn, and how it is written."""

import warnings

import astropy.units as u
import numpy as np
import pandas as pd
import pytest
from astropy.table import QTable

from xdgmm import GaussianMixture, InputError, Observations
from xdgmm.errors import XdgmmDeprecationWarning
from xdgmm.plotting import PLOT_SUFFIXES, plot_fit, save

ONE = GaussianMixture([0.4, 0.6], [[0.0], [5.0]], [[[1.0]], [[0.0]]], names=["v"], units=["km/s"])


def observed(D=1, N=60):
    rng = np.random.default_rng(0)
    return Observations.with_standard_errors(rng.normal(size=(N, D)), rng.uniform(0.1, 1, (N, D)))


def test_one_coordinate_shows_histogram_densities_and_error_bars():
    figure = plot_fit(ONE, observed(), "a title")
    top, bottom = figure.axes
    labels = top.get_legend_handles_labels()[1]
    assert "intrinsic distribution" in labels
    assert "model convolved with the errors" in labels
    assert "component 1: width near zero" in labels
    assert bottom.get_xlabel() == r"v [$\mathrm{km\,s^{-1}}$]"
    assert figure.get_suptitle() == "a title"


def drawn(figure):
    """Everything that a picture of one coordinate shows, as numbers."""
    top, bottom = figure.axes
    bars = top.patches[0].get_data().values
    lines = [line.get_xydata().ravel() for axes in (top, bottom) for line in axes.lines]
    return np.concatenate([bars, *lines])


def test_whatever_fit_takes_can_be_drawn():
    rng = np.random.default_rng(0)
    v, e, weights = rng.normal(size=60), rng.uniform(0.1, 1, 60), rng.uniform(0.5, 1.5, 60)
    kms = u.km / u.s
    expected = drawn(plot_fit(ONE, Observations.with_standard_errors(v, e)))
    extra = {"w": rng.normal(size=60), "e_w": np.ones(60)}
    frame = pd.DataFrame({"v": v})
    for X, options in (
        (v, {"Xerr": e}),
        (v[:, None], {"Xerr": e[:, None]}),
        (v * kms, {"Xerr": e * kms}),
        (v[:, None], {"Xerr": (e**2)[:, None, None]}),
        (frame, {"Xerr": pd.DataFrame({"v": e})}),
        (QTable({"v": v * kms, "e_v": e * kms, **extra}), {}),
    ):
        np.testing.assert_allclose(drawn(plot_fit(ONE, X, **options)), expected, rtol=1e-12, atol=1e-12)
    in_metres = drawn(plot_fit(ONE, (1000 * v) * (u.m / u.s), Xerr=e * kms))
    np.testing.assert_allclose(in_metres, expected, rtol=1e-9, atol=1e-9)
    weighted = drawn(plot_fit(ONE, v, Xerr=e, sample_weight=weights))
    assert np.abs(weighted - expected).max() > 1e-3
    np.testing.assert_array_equal(weighted, drawn(plot_fit(ONE, Observations.with_standard_errors(v, e, weights))))


def test_data_of_other_coordinates_are_refused_and_the_old_argument_works():
    with pytest.raises(InputError, match=r"X has 2 coordinates, but the mixture has 1 \(v\)"):
        plot_fit(ONE, np.zeros((5, 2)), Xerr=1.0)
    with pytest.warns(XdgmmDeprecationWarning, match="X="):
        plot_fit(ONE, observations=observed())


def test_the_intrinsic_curve_integrates_to_the_weight_of_what_has_a_width():
    top = plot_fit(ONE, observed()).axes[0]
    curve = next(line for line in top.lines if line.get_label() == "intrinsic distribution")
    x, y = curve.get_data()
    assert np.trapezoid(y, x) == pytest.approx(0.4, abs=0.01)  # the grid leaves out the outer 0.3% of the tails


def test_exact_values_have_no_noisy_curve():
    mixture = GaussianMixture([1.0], [[0.0]], [[[1.0]]])
    labels = plot_fit(mixture, Observations.exact(np.arange(9.0))).axes[0].get_legend_handles_labels()[1]
    assert "model convolved with the errors" not in labels


def test_several_coordinates_are_drawn_in_pairs_with_missing_values():
    D = 3
    observations = observed(D)
    values = observations.values.copy()
    values[0, 1] = np.nan
    mixture = GaussianMixture([1.0], np.zeros((1, D)), np.eye(D)[None])
    figure = plot_fit(mixture, Observations.with_standard_errors(values, observations.noise))
    assert len([axes for axes in figure.axes if axes.get_visible()]) == D * (D + 1) // 2


def test_too_many_coordinates_are_refused():
    with pytest.raises(InputError, match="at most 6"):
        plot_fit(GaussianMixture([1.0], np.zeros((1, 7)), np.eye(7)[None]), observed(7))


def test_repeated_values_and_a_single_object_can_be_drawn(tmp_path):
    mixture = GaussianMixture([1.0], [[3.0]], [[[0.0]]])
    for values in ([3.0], [3.0, 3.0, 3.0]):
        save(plot_fit(mixture, Observations.with_standard_errors(values, 0.5)), tmp_path / "a.png", overwrite=True)


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg"])
def test_figures_are_written_in_the_format_of_their_name(tmp_path, suffix):
    path = tmp_path / f"fit{suffix}"
    assert suffix in PLOT_SUFFIXES
    save(plot_fit(ONE, observed()), path)
    start = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}[suffix]
    assert path.read_bytes().startswith(start)


def test_an_existing_or_unknown_file_is_refused(tmp_path):
    figure = plot_fit(ONE, observed())
    path = tmp_path / "fit.png"
    path.write_text("mine")
    with pytest.raises(InputError, match="exists"):
        save(figure, path)
    assert path.read_text() == "mine"
    with pytest.raises(InputError, match="end in"):
        save(figure, tmp_path / "fit.docx")


@pytest.mark.parametrize("name", ["$\\foo$", "50% [x]", "a_b^c", "星"])
def test_names_are_shown_as_they_are(tmp_path, name):
    mixture = GaussianMixture([1.0], [[0.0]], [[[1.0]]], names=[name])
    figure = plot_fit(mixture, observed(), title=name)
    assert figure.axes[1].get_xlabel() == name
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # the font may lack a letter
        save(figure, tmp_path / "fit.png")


def test_the_noisy_curve_counts_the_weights():
    rng = np.random.default_rng(2)
    e = np.r_[np.full(50, 0.1), np.full(50, 3.0)]
    observations = Observations.with_standard_errors(
        rng.normal(size=100), e, weights=np.r_[np.ones(50), np.full(50, 1e-9)]
    )
    mixture = GaussianMixture([1.0], [[0.0]], [[[1.0]]])
    curve = next(line for line in plot_fit(mixture, observations).axes[0].lines if "convolved" in line.get_label())
    # With the noisy half weighing nothing, the peak is that of a sigma of sqrt(1 + 0.01).
    assert curve.get_ydata().max() == pytest.approx(1 / np.sqrt(2 * np.pi * 1.01), rel=1e-3)
