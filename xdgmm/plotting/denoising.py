"""The picture of denoising: from what was measured to what is inferred."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.objects import denoise

from .colours import BARS, label_object_colours, object_colours
from .figures import prepared_axes
from .inputs import drawn, error_bars
from .labels import label_both, label_x
from .two_dimensions import draw_ellipses

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray

    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations
    from xdgmm.observations.inputs import Measurements

    Floats = NDArray[np.float64]


def plot_denoising(
    model: Any,
    X: Measurements,
    *,
    Xerr: ArrayLike | None = None,
    columns: str | Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw an arrow from each measured value to the mean of its posterior.

    Parameters
    ----------
    model : XDGMM, FitResult or GaussianMixture
    X, Xerr
        What was measured, as for `XDGMM.fit`.
    columns : str or sequence of str, optional
        One column or two; needed where the mixture has more.
    ax : Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Grey dots are measured values, and arrows lead to inferred ones, in the colour of the object's memberships.  Two
        columns: over the ellipses of the components.  One column: objects in the order of their values, grey bars are
        errors, coloured ones standard deviations of the posterior.  Objects without a measured value in these columns
        have no arrow.

    Raises
    ------
    InputError
        If X cannot be used or does not fit the mixture, or there are more than two columns and none are named.

    Notes
    -----
    Inferred values lie closer together than the true ones: their histogram is not the intrinsic distribution.
    """
    measured = "arrows from measured values"
    mixture, observations, places = drawn(model, X, Xerr, None, columns, (1, 2), measured)
    ax = prepared_axes(ax)
    some = observations.select(observations.present[:, places].all(axis=1))
    ax.plot([], [], ".", color=BARS, label="measured")
    ax.plot([], [], ls="none", marker=r"$\rightarrow$", ms=10, color="black", label="to inferred")
    (_draw_one if len(places) == 1 else _draw_two)(ax, mixture, some, places)
    ax.legend(frameon=False, fontsize="small", loc="lower right" if len(places) == 1 else "best")
    return ax


def _draw_two(ax: Axes, mixture: GaussianMixture, observations: Observations, places: list[int]) -> None:
    measured, inferred = (
        observations.values[:, places],
        denoise(mixture, observations, progress="never").means[:, places],
    )
    ax.plot(*measured.T, ".", ms=4, color=BARS, zorder=1)
    _arrows(ax, measured, inferred, object_colours(mixture, observations))
    draw_ellipses(ax, mixture, *places)
    label_both(ax, mixture, *places)


def _draw_one(ax: Axes, mixture: GaussianMixture, observations: Observations, places: list[int]) -> None:
    (place,) = places
    observations = observations.select(np.argsort(observations.values[:, place], kind="stable"))
    found, height = denoise(mixture, observations, progress="never"), np.arange(len(observations), dtype=float)
    measured, inferred = observations.values[:, place], found.means[:, place]
    (below, above), posterior = error_bars(observations, place), found.standard_deviations[:, place]
    colours = object_colours(mixture, observations)
    ax.hlines(height, measured - below, measured + above, color=BARS, lw=0.8, zorder=0)
    ax.hlines(height, inferred - posterior, inferred + posterior, color=colours, lw=2.2, alpha=0.35, zorder=1)
    ax.plot(measured, height, ".", ms=4, color=BARS, zorder=1)
    ax.plot([], [], color=BARS, lw=0.8, label="error of measurement")
    ax.plot([], [], color="black", lw=2.2, alpha=0.35, label="standard deviation of the posterior")
    label_object_colours(ax, mixture)
    _arrows(ax, np.c_[measured, height], np.c_[inferred, height], colours)
    label_x(ax, mixture.names[place], mixture.units[place])
    ax.set_ylabel("objects")
    ax.set_yticks([])


def _arrows(ax: Axes, start: Floats, end: Floats, colours: Floats) -> None:
    """Arrows from start to end (N, 2) in the coordinates of the axes."""
    both = np.concatenate([start, end])
    ax.update_datalim(both)
    ax.autoscale_view()
    ax.quiver(
        *start.T,
        *(end - start).T,
        color=colours,
        angles="xy",
        scale_units="xy",
        scale=1.0,
        width=0.0035,
        headwidth=4.0,
        headlength=5.0,
        minlength=0.0,
        zorder=3,
    )
