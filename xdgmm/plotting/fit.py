"""Pictures of a fit: the measured values, the intrinsic mixture, and the mixture convolved with the noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xdgmm.errors import InputError, deprecated_arguments
from xdgmm.files import atomic_write, check_output
from xdgmm.kernels import Independent
from xdgmm.observations.inputs import as_observations
from xdgmm.text import printable

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations
    from xdgmm.observations.inputs import Measurements

INTRINSIC, OBSERVED, DATA = "#0b5394", "#d95f02", "#9a9a9a"
PLOT_SUFFIXES = (".png", ".pdf", ".svg")
GRID = 600  # points of a curve
MOST_COORDINATES = 6  # in a corner plot
MOST_BARS = 400  # objects whose error bars are drawn
MOST_NOISES = 2000  # objects over which densities convolved with the noise are averaged


@deprecated_arguments(observations="X")
def plot_fit(
    mixture: GaussianMixture,
    X: Measurements,
    title: str | None = None,
    *,
    Xerr: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> Figure:
    """Draw a fitted mixture over its observations.

    Parameters
    ----------
    mixture : GaussianMixture
    X : Observations, Table, data frame, Quantity or array (N,) or (N, D)
        What was measured, as for `XDGMM.fit`; of a table, the columns that the mixture is named after.  It is drawn in
        the units of the mixture, in which numbers without a unit are taken to be.
    title : str, optional
    Xerr, sample_weight : optional
        Errors and weights, as for `XDGMM.fit`, of an X that holds none.

    Returns
    -------
    matplotlib.figure.Figure
        One coordinate: histogram, densities and the measurements with their error bars.  More (up to six): every
        pair, with the 1- and 2-sigma ellipses of the intrinsic components.  With projections the coordinates were not
        measured, so only the intrinsic mixture is drawn.

    Raises
    ------
    InputError
        If X cannot be used or has not the coordinates of the mixture, if these are more than six, or if units do not
        convert to those of the mixture.

    Examples
    --------
    >>> from xdgmm import XDGMM, datasets
    >>> from xdgmm.plotting import plot_fit
    >>> stars = datasets.load("hydrus1")
    >>> model = XDGMM().fit(stars["v"], Xerr=stars["e_v"])
    >>> figure = plot_fit(model.mixture_, stars["v"], "Hydrus I", Xerr=stars["e_v"])
    """
    from matplotlib.figure import Figure

    observations = as_observations(X, Xerr, sample_weight, mixture.names)
    D = mixture.n_dimensions
    if observations.n_dimensions != D:
        raise InputError(
            f"X has {observations.n_dimensions} coordinates, but the mixture has {D} ({', '.join(mixture.names)}); "
            "give the data it was fitted to"
        )
    observations = observations.select(observations.counts).in_units(mixture.units)
    if D > MOST_COORDINATES:
        raise InputError(f"a picture shows at most {MOST_COORDINATES} coordinates, but there are {D}; choose fewer")
    if D == 1 and observations.projections is None:
        figure = Figure(figsize=(7, 5.2), layout="constrained")
        _one(figure, mixture, observations)
    else:
        side = 2.2 + 2.1 * D
        figure = Figure(figsize=(side, side), layout="constrained")
        _pairs(figure, mixture, observations)
    if title:
        figure.suptitle(printable(title), parse_math=False)
    return figure


def save(figure: Figure, path: str | Path, *, overwrite: bool = False) -> None:
    """Write a figure in the format of the file name's ending; a failed run leaves no incomplete file.

    Raises
    ------
    OutputError
        If the path cannot be written, ends otherwise, or exists and `overwrite` is false.
    """
    check_output(path, overwrite=overwrite, suffixes=PLOT_SUFFIXES)
    with atomic_write(path, overwrite=overwrite) as temporary:
        figure.savefig(temporary, dpi=150)


def _label(mixture: GaussianMixture, axis: int) -> str:
    unit = mixture.units[axis]
    return printable(mixture.names[axis] if unit is None else f"{mixture.names[axis]} [{unit:unicode}]")


def _one(figure: Figure, mixture: GaussianMixture, observations: Observations) -> None:
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    _marginal(top, mixture, observations, 0)
    top.set_ylabel("density")
    top.legend(frameon=False, fontsize=9)
    values, errors = observations.values[:, 0], np.sqrt(observations.variances[:, 0])
    order = np.argsort(values, kind="stable")[:: max(1, values.size // MOST_BARS)]
    bottom.errorbar(
        values[order], np.arange(order.size), xerr=errors[order], fmt=".", ms=3, lw=0.8, color=DATA, ecolor="#c8c8c8"
    )
    bottom.set_yticks([])
    bottom.set_ylabel("objects")
    bottom.set_xlabel(_label(mixture, 0), parse_math=False)


def _marginal(axes: Axes, mixture: GaussianMixture, observations: Observations, axis: int) -> None:
    """Histogram of one coordinate, the intrinsic density, and this density convolved with the noise."""
    if observations.projections is not None:
        x = _range(mixture, mixture.means[:, axis], 0.0, axis)
        _intrinsic(axes, mixture, axis, x)
        return
    seen = observations.present[:, axis]
    values = observations.values[seen, axis]
    noise = observations.variances[seen, axis]
    x = _range(mixture, values, np.median(noise), axis)
    weights = observations.object_weights[seen]
    edges = np.histogram_bin_edges(values[(values >= x[0]) & (values <= x[-1])], bins="fd", range=(x[0], x[-1]))
    bins = np.linspace(x[0], x[-1], int(np.clip(edges.size, 10, 80))).tolist()
    axes.hist(values, bins, weights=weights, density=True, color="#e3e3e3", edgecolor="white", label="measured values")
    some = slice(None, None, max(1, noise.size // MOST_NOISES))
    if noise.any():
        curves = [_density(mixture, axis, x, variance) for variance in noise[some]]
        expected = np.average(curves, axis=0, weights=weights[some])
        axes.plot(x, expected, color=OBSERVED, ls="--", label="model convolved with the errors")
    _intrinsic(axes, mixture, axis, x)


def _intrinsic(axes: Axes, mixture: GaussianMixture, axis: int, x: NDArray[np.float64]) -> None:
    """The intrinsic density of one coordinate and its components."""
    sharp = mixture.sigmas[:, axis] < (x[1] - x[0]) / 2
    intrinsic = _density(mixture, axis, x, 0.0)
    if not sharp.all():
        axes.plot(x, intrinsic, color=INTRINSIC, lw=1.8, label="intrinsic distribution")
    for k in np.flatnonzero(sharp):
        axes.axvline(mixture.means[k, axis], color=INTRINSIC, lw=1.8, label=f"component {k}: width near zero")
    if mixture.n_components > 1:
        for k in np.flatnonzero(~sharp):
            one = mixture.weights[k] * _normal(x, mixture.means[k, axis], mixture.sigmas[k, axis] ** 2)
            axes.plot(x, one, color=INTRINSIC, lw=0.9, ls=":")
    axes.set_ylim(bottom=0)


def _range(mixture: GaussianMixture, values: NDArray[np.float64], noise: float, axis: int) -> NDArray[np.float64]:
    """Grid over most of the values and of the model convolved with a noise variance."""
    means, sigmas = mixture.means[:, axis], np.sqrt(mixture.sigmas[:, axis] ** 2 + noise)
    low, high = np.percentile(values, [0.5, 99.5])
    low, high = min(low, (means - 3 * sigmas).min()), max(high, (means + 3 * sigmas).max())
    margin = 0.05 * (high - low) or 1.0
    return np.linspace(low - margin, high + margin, GRID)


def _density(mixture: GaussianMixture, axis: int, x: NDArray[np.float64], noise: float) -> NDArray[np.float64]:
    """Marginal density on a grid, convolved with a noise variance; components without width are left out."""
    total = np.zeros_like(x)
    if mixture.background is not None:
        one = mixture.background.marginal([axis])
        errors = Independent(np.full((x.size, 1), np.sqrt(noise)))
        total += one.fraction * np.exp(one.log_densities(x[:, None], errors))
    for weight, mean, sigma in zip(mixture.weights, mixture.means[:, axis], mixture.sigmas[:, axis], strict=True):
        variance = sigma**2 + noise
        if variance > (0.5 * (x[1] - x[0])) ** 2:
            total += weight * _normal(x, mean, variance)
    return total


def _normal(x: NDArray[np.float64], mean: float, variance: float) -> NDArray[np.float64]:
    density: NDArray[np.float64] = np.exp(-0.5 * (x - mean) ** 2 / variance) / np.sqrt(2 * np.pi * variance)
    return density


def _pairs(figure: Figure, mixture: GaussianMixture, observations: Observations) -> None:
    D = mixture.n_dimensions
    axes = figure.subplots(D, D, squeeze=False, sharex="col")
    for i in range(D):
        for j in range(D):
            if j > i:
                axes[i, j].set_visible(False)
            elif i == j:
                _marginal(axes[i, i], mixture, observations, i)
                axes[i, i].set_yticks([])
            else:
                _scatter(axes[i, j], mixture, observations, j, i)
        axes[D - 1, i].set_xlabel(_label(mixture, i), parse_math=False)
        if i > 0:
            axes[i, 0].set_ylabel(_label(mixture, i), parse_math=False)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper right", frameon=False, fontsize=9)


def _scatter(axes: Axes, mixture: GaussianMixture, observations: Observations, x: int, y: int) -> None:
    """The measurements of two coordinates with their errors, under the ellipses of the components."""
    if observations.projections is None:
        _crosses(axes, observations, x, y)
    _ellipses(axes, mixture, x, y)


def _crosses(axes: Axes, observations: Observations, x: int, y: int) -> None:
    values, errors = observations.values, np.sqrt(observations.variances)
    some = slice(None, None, max(1, len(values) // MOST_BARS))
    axes.errorbar(
        values[some, x],
        values[some, y],
        xerr=errors[some, x],
        yerr=errors[some, y],
        fmt=".",
        ms=3,
        lw=0.6,
        color=DATA,
        ecolor="#d0d0d0",
    )


def _ellipses(axes: Axes, mixture: GaussianMixture, x: int, y: int) -> None:
    angle = np.linspace(0, 2 * np.pi, 200)
    circle = np.array([np.cos(angle), np.sin(angle)])
    for mean, covariance in zip(mixture.means, mixture.covariances, strict=True):
        block = covariance[np.ix_([x, y], [x, y])]
        values_, vectors = np.linalg.eigh(block)
        root = vectors * np.sqrt(np.maximum(values_, 0.0))
        for radius, width in ((1, 1.8), (2, 0.9)):
            ellipse = mean[[x, y], None] + radius * root @ circle
            axes.plot(*ellipse, color=INTRINSIC, lw=width, zorder=4)
