"""Pictures of two columns: objects, or their density where they are many, under the ellipses of the components."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import densities
from .colours import (
    BARS,
    DATA,
    DENSITY_MAP,
    MOST_LABELLED,
    NOISE,
    component_colour,
    component_label,
    component_style,
    object_colours,
)
from .figures import prepared_axes
from .inputs import drawn, error_bars, measured_values, typical_noise
from .labels import is_right_ascension, label_both
from .limits import draw_limits

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray

    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations
    from xdgmm.observations.inputs import Measurements

    Floats = NDArray[np.float64]

MOST_POINTS = 3000  # objects that are drawn as points: of more, their density
MOST_BARS = 150  # objects whose error bars are drawn
HEXAGONS = 50  # along the horizontal axis
PER_HEXAGON = "objects per hexagon"
RADII = (1.0, 2.0)  # of the ellipses, in sigmas
ANGLES = np.linspace(0.0, 2.0 * np.pi, 181)
CORNER, LARGEST = 0.04, 0.4  # of the panel: margin of the noise ellipse; larger ones are left to the error bars


def plot_ellipses(
    model: Any,
    X: Measurements,
    *,
    Xerr: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    columns: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw two columns: what was measured, and the intrinsic ellipses of the components.

    Parameters
    ----------
    model : XDGMM, FitResult or GaussianMixture
    X, Xerr, sample_weight
        What was measured, as for `XDGMM.fit`.
    columns : sequence of two str, optional
        Which columns, the horizontal one first; needed where the mixture has not two.
    ax : Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Ellipses of 1 and 2 sigma, their means as crosses; more than seven components have numbers above their ellipses.
        Up to 3000 objects are points, coloured by their memberships; more are shown as numbers of objects in hexagons,
        with their scale beside the panel.  In the lower left corner the 1-sigma ellipse of the noise of a typical
        object (median errors); up to 150 objects have their error bars too.  A limit in one of the columns is an arrow.

    Raises
    ------
    InputError
        If X cannot be used or does not fit the mixture, or there are not two columns of the mixture.

    Examples
    --------
    >>> import numpy as np
    >>> from xdgmm import XDGMM
    >>> from xdgmm.plotting import plot_ellipses
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 2)) @ [[2.0, 1.0], [0.0, 0.5]]
    >>> ax = plot_ellipses(XDGMM().fit(X, Xerr=0.2), X, Xerr=0.2)
    """
    mixture, observations, places = drawn(model, X, Xerr, sample_weight, columns, (2,))
    ax = prepared_axes(ax)
    draw_plane(ax, mixture, observations, *places)
    label_both(ax, mixture, *places)
    add_colour_bar(ax)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False, fontsize="small")
    return ax


def draw_plane(ax: Axes, mixture: GaussianMixture, observations: Observations, x: int, y: int) -> None:
    """Two columns: objects, noise and ellipses; of projections, which do not measure them, the ellipses alone."""
    ends = begin_plane(ax, mixture, observations, x, y)
    draw_ellipses(ax, mixture, x, y)
    ax.set(xlim=ends[0], ylim=ends[1])


def begin_plane(
    ax: Axes, mixture: GaussianMixture, observations: Observations, x: int, y: int
) -> list[tuple[float, float]]:
    """Set the ranges of both columns, and draw objects and noise where they were measured; returns the ranges."""
    ends = [densities.view(mixture, place, *measured_values(observations, place)[:2]) for place in (x, y)]
    if is_right_ascension(mixture.names[x], mixture.units[x]):
        ends[0] = ends[0][::-1]
    ax.set(xlim=ends[0], ylim=ends[1])
    if observations.projections is None:
        draw_objects(ax, mixture, observations, x, y)
        draw_limits(ax, observations, x, y)
        draw_typical_noise(ax, observations, x, y)
    return ends


def draw_objects(ax: Axes, mixture: GaussianMixture, observations: Observations, x: int, y: int) -> None:
    """Objects that have both values: points, or numbers of objects where they are many."""
    rows = np.flatnonzero(observations.present[:, [x, y]].all(axis=1))
    some = observations.select(rows)
    values = some.values[:, [x, y]]
    if rows.size > MOST_POINTS:
        _draw_counts(ax, values)
        return
    if rows.size <= MOST_BARS:
        ax.errorbar(
            values[:, 0],
            values[:, 1],
            xerr=error_bars(some, x),
            yerr=error_bars(some, y),
            fmt="none",
            ecolor=BARS,
            elinewidth=0.6,
            zorder=1,
            label="errors",
        )
    colours: Any = DATA if mixture.all_weights.size == 1 else object_colours(mixture, some)
    size = max(2.0, min(12.0, 3000.0 / max(rows.size, 1)))
    ax.scatter(values[:, 0], values[:, 1], s=size, c=colours, lw=0, zorder=2)


def _draw_counts(ax: Axes, values: Floats) -> None:
    """Numbers of objects in hexagons, on a logarithmic scale of grey."""
    (left, right), (low, high) = sorted(ax.get_xlim()), sorted(ax.get_ylim())
    counts = ax.hexbin(
        *values.T,
        gridsize=HEXAGONS,
        extent=(left, right, low, high),
        bins="log",
        mincnt=1,
        cmap=DENSITY_MAP,
        lw=0.1,
        zorder=1,
        rasterized=True,
        label=f"{PER_HEXAGON}: many where dark",
    )
    counts.set_facecolor(NOISE)  # of its sign in a legend: here the numbers give the colours
    counts.set_clim(0.5, max(2.0, float(np.max(np.asarray(counts.get_array())))))


def add_colour_bar(ax: Axes) -> None:
    """A scale of the numbers of objects beside the panel, where they are drawn; a legend need not hold them then."""
    for each in ax.collections:
        if str(each.get_label()).startswith(PER_HEXAGON):
            each.set_label("_nolegend_")
            ax.figure.colorbar(each, ax=ax, label=PER_HEXAGON, pad=0.02)


def draw_typical_noise(ax: Axes, observations: Observations, x: int, y: int) -> None:
    """The 1-sigma ellipse of the noise of a typical object, in the lower left corner."""
    from matplotlib.colors import to_rgba

    noise = typical_noise(observations, [x, y])
    if noise is None:
        return
    edge = ellipse(np.zeros(2), noise)
    reach, length = np.abs(edge).max(axis=1), np.array([np.ptp(ax.get_xlim()), np.ptp(ax.get_ylim())])
    if (2.0 * reach > LARGEST * length).any():
        return
    inwards = np.array([-1.0 if ax.xaxis_inverted() else 1.0, 1.0])
    centre = np.array([ax.get_xlim()[0], ax.get_ylim()[0]]) + inwards * (CORNER * length + reach)
    ax.fill(*(centre[:, None] + edge), fc=to_rgba(NOISE, 0.35), ec=NOISE, lw=0.9, zorder=5)
    ax.plot([], [], "o", ms=8, mfc=to_rgba(NOISE, 0.35), mec=NOISE, mew=0.9, label="typical error")


def draw_ellipses(ax: Axes, mixture: GaussianMixture, x: int, y: int) -> None:
    """Ellipses of the components that are not flat in the two columns, and crosses at their means."""
    labelled = 1 < mixture.n_components <= MOST_LABELLED
    for k, (mean, covariance) in enumerate(zip(mixture.means, mixture.covariances, strict=True)):
        if mixture.is_flat[k, [x, y]].any():
            continue
        colour, block = component_colour(k), covariance[np.ix_([x, y], [x, y])]
        for radius in RADII:
            label = component_label(k) if labelled and radius == RADII[0] else "_nolegend_"
            width = 2.0 if radius == RADII[0] else 1.2
            edge = ellipse(mean[[x, y]], block, radius)
            ax.plot(*edge, color="white", lw=width + 1.2, alpha=0.7, zorder=4)
            ax.plot(*edge, color=colour, lw=width, ls=component_style(k), zorder=4.5, label=label)
        draw_mean(ax, mean[[x, y]], k)
        if mixture.n_components > MOST_LABELLED:
            top = tuple(edge[:, edge[1].argmax()])
            ax.annotate(
                str(k), top, (0, 2), textcoords="offset points", color=colour, ha="center", weight="bold", zorder=7
            )


def draw_mean(ax: Axes, mean: Floats, k: int) -> None:
    """A cross at the mean (2,) of component k."""
    ax.plot(*mean, "P", ms=7, color=component_colour(k), mec="white", mew=0.8, zorder=6)


def ellipse(mean: Floats, covariance: Floats, radius: float = 1.0) -> Floats:
    """Points (2, n) at so many sigmas from the mean."""
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    return np.asarray(mean[:, None] + radius * root @ np.array([np.cos(ANGLES), np.sin(ANGLES)]))
