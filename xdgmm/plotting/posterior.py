"""Samples of a posterior, every pair of parameters: legible with a dozen of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.errors import InputError, KindError

from .colours import INTRINSIC, component_colour
from .figures import prepared_figure
from .labels import axis_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astropy.units import UnitBase
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.gridspec import GridSpec
    from numpy.typing import NDArray

    from xdgmm.uncertainty.mcmc import PosteriorSamples

    Array = NDArray[np.float64]

LEVELS = 0.865, 0.393  # probability inside two and one sigma of a normal distribution in the plane
QUANTILES = 0.15865, 0.5, 0.84135
FARTHEST = 0.001  # fraction of the samples that may lie beside each end of an axis
N_BINS, N_BARS, SMOOTH = 32, 30, 1.2  # of densities in the plane, of histograms; bins of smoothing
PANEL, LEFT, RIGHT = 1.2, 1.0, 0.3  # inches: of a panel, of labels at the left and below, of the other margins
SMALL = 7  # points


def plot_posterior(
    samples: PosteriorSamples, parameters: Sequence[str] | None = None, *, figure: Figure | None = None
) -> Figure:
    """Draw the posterior of every parameter, and of every pair of them.

    Contours hold 39% and 86% of the samples of a pair: one and two sigma of a normal distribution.  Above each
    histogram stand the median and the 68% interval, which dashed and dotted lines show.  Parameters of one
    component have its colour.

    Parameters
    ----------
    samples : PosteriorSamples
        From `sample_posterior`.
    parameters : sequence of str, optional
        Names in ``samples.parameters``; by default all, without the last of the weights where these add up to one.
    figure : Figure, optional
        Where to draw; a new one by default.

    Returns
    -------
    Figure

    Raises
    ------
    InputError
        If there is no parameter of that name.
    KindError
        If `samples` is something else, such as the model.

    Examples
    --------
    >>> from xdgmm import XDGMM, datasets
    >>> from xdgmm.plotting import new_figure, plot_posterior
    >>> stars = datasets.load("hydrus1")
    >>> samples = XDGMM().fit(stars["v"], Xerr=stars["e_v"]).sample_posterior(stars["v"], Xerr=stars["e_v"], rng=1)
    >>> figure = plot_posterior(samples, figure=new_figure())
    """
    if not hasattr(samples, "parameters"):
        raise KindError(
            f"`samples` is of type {type(samples).__name__}, but samples of a posterior are needed: what "
            "`sample_posterior` of a fitted model returns"
        )
    found = samples.parameters
    names = _chosen(found, parameters)
    columns = [np.asarray(getattr(found[name], "value", found[name])) for name in names]
    units = [getattr(found[name], "unit", None) for name in names]
    n = len(names)
    side = LEFT + PANEL * max(n, 2) + RIGHT
    figure = prepared_figure(figure, (side, side))
    grid = _grid(figure, n, side)
    ranges = [_range(column) for column in columns]
    for i in range(n):
        colour = _colour(names[i])
        for j in range(i + 1):
            ax = figure.add_subplot(grid[i, j])
            if i == j:
                _histogram(ax, columns[i], ranges[i], colour)
            else:
                _contours(ax, columns[j], columns[i], (ranges[j], ranges[i]), colour)
            _label(ax, (names[j], units[j]) if i == n - 1 else None, (names[i], units[i]) if j == 0 and i else None)
    figure.align_labels()
    return figure


def _grid(figure: Figure, n: int, side: float) -> GridSpec:
    """Panels of one size; a figure that holds something else keeps its layout."""
    if figure.axes or not hasattr(figure, "set_layout_engine"):
        return figure.add_gridspec(n, n)
    figure.set_layout_engine("none")
    edges = {"left": LEFT / side, "bottom": LEFT / side, "right": 1.0 - RIGHT / side, "top": 1.0 - RIGHT / side}
    return figure.add_gridspec(n, n, **edges, wspace=0.1, hspace=0.3)


def _chosen(found: dict[str, Any], parameters: Sequence[str] | None) -> list[str]:
    if parameters is not None:
        missing = [name for name in parameters if name not in found]
        if missing or not len(parameters):
            what = ", ".join(repr(name) for name in missing) or "nothing"
            raise InputError(f"`parameters` holds {what}, but the parameters are {', '.join(found)}")
        return list(parameters)
    weights = [name for name in found if name.startswith("weight[") or name == "background"]
    total = sum(found[name] for name in weights) if weights else np.zeros(1)
    redundant = weights[-1:] if np.ptp(total) < 1e-9 else []
    return [name for name in found if name not in redundant]


def _colour(name: str) -> str:
    component = re.match(r"\w+\[(\d+)", name)
    return INTRINSIC if component is None else component_colour(int(component[1]))


def _range(column: Array) -> tuple[float, float]:
    low, high = np.quantile(column, [FARTHEST, 1.0 - FARTHEST])
    room = 0.03 * (high - low) or 1.0
    return float(low - room), float(high + room)


def _histogram(ax: Axes, column: Array, ends: tuple[float, float], colour: str) -> None:
    ax.hist(column, bins=N_BARS, range=ends, color=colour, alpha=0.35, edgecolor="none")
    low, median, high = np.quantile(column, QUANTILES)
    for value, style in ((low, ":"), (median, "--"), (high, ":")):
        ax.axvline(value, color=INTRINSIC, linestyle=style, linewidth=0.7)
    ax.set_xlim(ends)
    ax.set_yticks([])
    digits = max(1 - int(np.floor(np.log10(max(min(median - low, high - median), 1e-300)))), 0)
    interval = f"{median:.{digits}f}^{{+{high - median:.{digits}f}}}_{{-{median - low:.{digits}f}}}"
    ax.set_title(f"${interval}$" if digits < 12 else f"{median:.4g}", fontsize=SMALL + 1, pad=4)


def _contours(ax: Axes, x: Array, y: Array, ends: tuple[tuple[float, float], tuple[float, float]], colour: str) -> None:
    from scipy.ndimage import gaussian_filter

    counts, edges_x, edges_y = np.histogram2d(x, y, N_BINS, ends)
    density = gaussian_filter(counts, SMOOTH).T
    centres = [0.5 * (edges[1:] + edges[:-1]) for edges in (edges_x, edges_y)]
    levels = np.unique([density_level(density, probability) for probability in LEVELS])
    ax.contourf(
        *centres, density, [*levels, 2.0 * density.max()], colors=[(colour, 0.25), (colour, 0.6)][: len(levels)]
    )
    ax.contour(*centres, density, levels, colors=[colour], linewidths=0.7)
    ax.set_xlim(ends[0])
    ax.set_ylim(ends[1])


def density_level(density: Array, probability: float) -> float:
    """The density above which a region holds this probability."""
    ordered = np.sort(density.ravel())[::-1]
    inside = np.cumsum(ordered)
    return float(ordered[np.searchsorted(inside, probability * inside[-1])])


def _label(ax: Axes, x: tuple[str, UnitBase | None] | None, y: tuple[str, UnitBase | None] | None) -> None:
    """Labels and ticks only at the outside, few and small."""
    from matplotlib.ticker import MaxNLocator

    ax.tick_params(labelsize=SMALL, direction="in", length=2.5)
    ax.xaxis.set_major_locator(MaxNLocator(3, prune="both"))
    if ax.get_yticks().size:
        ax.yaxis.set_major_locator(MaxNLocator(3, prune="both"))
    ax.tick_params(axis="x", labelrotation=45, labelbottom=x is not None)
    ax.tick_params(axis="y", labelleft=y is not None)
    for given, set_label in ((x, ax.set_xlabel), (y, ax.set_ylabel)):
        if given is not None:
            text, has_math = axis_label(*given)
            last = text.rfind("[")  # of the unit, or of component and columns
            text = f"{text[:last].rstrip()}\n{text[last:]}" if last > 0 else text
            set_label(text, parse_math=has_math, fontsize=SMALL + 1)
