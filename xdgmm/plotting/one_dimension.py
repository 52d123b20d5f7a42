"""Pictures of one column: histogram and densities, and the measurements with their error bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.mixture import selection_of
from xdgmm.prediction import draw_observations

from . import densities
from .colours import (
    BACKGROUND,
    BARS,
    CONVOLVED,
    HISTOGRAM,
    INTRINSIC,
    MOST_LABELLED,
    component_colour,
    component_label,
    component_style,
    label_object_colours,
    object_colours,
)
from .figures import prepared_axes
from .inputs import drawn, error_bars, measured_values, rows_of_noise
from .labels import label_x
from .limits import draw_limits_below, weight_of_limits

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray

    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations
    from xdgmm.observations.inputs import Measurements

    Floats = NDArray[np.float64]

HEADROOM, CROPPED = 1.15, 2.5  # above the highest curve; of measured values, beyond which intrinsic curves are cut off
MARKS_AT = 0.03  # of the height: where the components are marked
RASTERIZED = 2000  # error bars from which on a vector file holds an image of them
DRAWN = 50_000  # objects from which the density of a selected sample is expected
MOST_BARS, RANKS = 10_000, 500  # objects that are drawn one by one; groups of more, in the order of the values


def plot_density(
    model: Any,
    X: Measurements,
    *,
    Xerr: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    columns: str | list[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw one column: the histogram of what was measured, and the mixture, as it is and convolved with the errors.

    Parameters
    ----------
    model : XDGMM, FitResult or GaussianMixture
    X, Xerr, sample_weight
        What was measured, as for `XDGMM.fit`.
    columns : str, optional
        Which column; needed where the mixture has several.
    ax : Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        In grey the histogram, whose area is the fraction of the objects that the axis holds, and dashed the density
        that is expected of it: the mixture convolved with the errors of all objects, and with the selection function if
        there was one.  Solid the intrinsic density; each
        component has its own colour, and at the foot a mark at its mean with a bar of one intrinsic sigma to either
        side, so that a component of few objects is seen too.  Limits are arrows at the foot: the histogram does not
        hold them, and its area is less by their fraction.

    Raises
    ------
    InputError
        If X cannot be used or does not fit the mixture, or the column is none of the mixture.

    Examples
    --------
    >>> from xdgmm import XDGMM, datasets
    >>> from xdgmm.plotting import plot_density
    >>> stars = datasets.load("hydrus1")
    >>> model = XDGMM().fit(stars["v"], Xerr=stars["e_v"])
    >>> ax = plot_density(model, stars["v"], Xerr=stars["e_v"])
    """
    mixture, observations, (place,) = drawn(model, X, Xerr, sample_weight, columns, (1,))
    ax = prepared_axes(ax)
    draw_density(ax, mixture, observations, place)
    label_x(ax, mixture.names[place], mixture.units[place])
    ax.set_ylabel("density")
    ax.legend(frameon=False, fontsize="small")
    return ax


def plot_error_bars(
    model: Any,
    X: Measurements,
    *,
    Xerr: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    columns: str | list[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw one column of every object with its error bar, in the order of the values.

    Parameters
    ----------
    model, X, Xerr, sample_weight, columns, ax
        As for `plot_density`.

    Returns
    -------
    matplotlib.axes.Axes
        The colour of an object is that of its component, or a mixture of the colours by its memberships.  Of more than
        10,000 objects, a line through the means of 500 groups of neighbours, and a band of their median errors.

    Raises
    ------
    InputError
        As `plot_density`; or if the columns themselves were not measured (projections).
    """
    mixture, observations, (place,) = drawn(model, X, Xerr, sample_weight, columns, (1,), "error bars")
    ax = prepared_axes(ax)
    draw_error_bars(ax, mixture, observations, place)
    label_x(ax, mixture.names[place], mixture.units[place])
    ax.set_ylabel("objects")
    ax.legend(frameon=False, fontsize="small", loc="lower right")
    return ax


def draw_density(ax: Axes, mixture: GaussianMixture, observations: Observations, place: int) -> None:
    """Histogram and densities of one column; of projections, which do not measure it, the intrinsic density alone."""
    values, variances, weights = measured_values(observations, place)
    ends = densities.view(mixture, place, values, variances)
    x = densities.grid(mixture, place, ends, variances)
    heights = [0.0]
    if values.size:
        edges = densities.bin_edges(values, ends)
        total = weights.sum() + weight_of_limits(observations, place)
        counts = np.histogram(values, edges, weights=weights)[0] / total / np.diff(edges)
        beyond = int(((values < edges[0]) | (values > edges[-1])).sum())
        label = f"measured values ({beyond} beyond the axis)" if beyond else "measured values"
        ax.stairs(counts, edges, fill=True, color=HISTOGRAM, label=label)
        heights.append(counts.max())
    if selection_of(mixture) is not None and values.size:
        expected = _of_sample(mixture, observations, place, edges)
        label = "expected in the sample, with its selection"
        ax.stairs(expected, edges, color=CONVOLVED, ls="--", lw=1.4, label=label)
        heights.append(expected.max())
    elif variances.any():
        rows = rows_of_noise(observations, place)
        if rows is None:
            expected = densities.convolved_density(mixture, place, x, variances, weights)
        else:
            expected = densities.density_of_rows(mixture, place, x, *rows)
        ax.plot(x, expected, color=CONVOLVED, ls="--", lw=1.4, label="model convolved with the errors")
        heights.append(expected.max())
    highest = _draw_intrinsic(ax, mixture, place, x, ends)
    measured = max(heights)
    top = min(highest, CROPPED * measured) if measured > 0 else highest
    ax.set_ylim(0.0, HEADROOM * max(measured, top) or 1.0)
    ax.set_xlim(ends)
    draw_limits_below(ax, observations, place)


def _of_sample(mixture: GaussianMixture, observations: Observations, place: int, edges: Floats) -> Floats:
    """Expected density of measured values in bins, of catalogues with the errors and the selection of this one."""
    counted = observations.select(observations.counts & observations.present[:, place])
    n_draws = -(-DRAWN // len(counted))
    drawn = draw_observations(mixture, counted, n_draws, np.random.default_rng(0), selection=selection_of(mixture))
    weights = drawn.object_weights
    counts = np.histogram(drawn.values[:, place], edges, weights=weights)[0]
    return np.asarray(counts / weights.sum() / np.diff(edges))


def _draw_intrinsic(ax: Axes, mixture: GaussianMixture, place: int, x: Floats, ends: tuple[float, float]) -> float:
    """The intrinsic density and its components; returns the highest value."""
    sharp = densities.sharp_components(mixture, place, ends)
    each = densities.component_densities(mixture, place, x)
    each[: mixture.n_components][sharp] = 0.0
    alone, labelled = len(each) == 1, mixture.n_components <= MOST_LABELLED
    if not sharp.all():
        colour = component_colour(0) if alone else INTRINSIC
        ax.plot(x, each.sum(axis=0), color=colour, lw=1.9, label="intrinsic distribution", zorder=3)
    for k in range(mixture.n_components):
        colour = component_colour(k)
        if sharp[k]:
            label = f"component {k}: width near zero"
            ax.axvline(mixture.means[k, place], color=colour, lw=1.8, label=label)
        elif not alone:
            label = component_label(k) if labelled else "_nolegend_"
            ax.plot(x, each[k], color=colour, lw=1.3, ls=component_style(k), label=label, zorder=4)
        _mark(ax, mixture, k, place)
    if mixture.background is not None:
        ax.plot(x, each[-1], color=BACKGROUND, lw=1.3, ls=":", label="background")
    return float(each.sum(axis=0).max())


def _mark(ax: Axes, mixture: GaussianMixture, k: int, place: int) -> None:
    """Mean and intrinsic sigma of a component, at the foot of the panel."""
    if mixture.is_flat[k, place]:
        return
    mean, sigma = mixture.means[k, place], mixture.sigmas[k, place]
    ax.errorbar(
        mean,
        MARKS_AT,
        xerr=sigma,
        transform=ax.get_xaxis_transform(),
        fmt="o",
        ms=4,
        mec="white",
        mew=0.6,
        color=component_colour(k),
        elinewidth=1.8,
        zorder=6,
    )


def draw_error_bars(ax: Axes, mixture: GaussianMixture, observations: Observations, place: int) -> None:
    """One column of every object, in the order of the values."""
    seen = np.flatnonzero(observations.present[:, place])
    values, (below, above) = observations.values[seen, place], error_bars(observations, place)[:, seen]
    order = np.argsort(values, kind="stable")
    ax.set_yticks([])
    if order.size > MOST_BARS:
        _draw_ranks(ax, values[order], below[order], above[order])
        return
    height, many = np.arange(order.size), order.size > RASTERIZED
    ax.hlines(
        height,
        (values - below)[order],
        (values + above)[order],
        color=BARS,
        lw=min(0.9, 150.0 / order.size + 0.2),
        rasterized=many,
    )
    ax.plot([], [], color=BARS, lw=0.9, label="errors")
    label_object_colours(ax, mixture)
    colours = object_colours(mixture, observations.select(seen[order]))
    ax.scatter(values[order], height, s=max(2.0, min(9.0, 900.0 / order.size)), c=colours, zorder=3, rasterized=many)


def _draw_ranks(ax: Axes, values: Floats, below: Floats, above: Floats) -> None:
    """Many objects, in the order of their values: means of groups of neighbours, with a band of their median errors."""
    groups = np.array_split(np.arange(values.size), RANKS)
    height, middle = (
        np.array([np.mean(group) for group in groups]),
        np.array([values[group].mean() for group in groups]),
    )
    below, above = (np.array([np.median(each[group]) for group in groups]) for each in (below, above))
    ax.fill_betweenx(height, middle - below, middle + above, color=BARS, lw=0, label="median error")
    ax.plot(middle, height, color=INTRINSIC, lw=1.2, label="mean of neighbours")
