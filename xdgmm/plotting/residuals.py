"""Pictures of residuals: their quantiles, the histogram of their probabilities, and their change with the error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.diagnostics import residuals
from xdgmm.errors import InputError

from .colours import ACCENT, DATA, EXPECTED, INTRINSIC, label_object_colours, object_colours
from .figures import legend_above, prepared_axes
from .inputs import drawn
from .labels import label_x, log_x
from .residual_numbers import normal_quantiles, pit_counts, scatter_by_error

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray

    from xdgmm.observations.inputs import Measurements

    Floats = NDArray[np.float64]

WIDE = 5.0  # ratio of errors from which on their scale is logarithmic
RASTERIZED = 3000


def plot_quantiles(
    model: Any,
    X: Measurements,
    *,
    Xerr: ArrayLike | None = None,
    columns: str | Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw quantiles of the residuals against those of a normal distribution (Q-Q).

    Parameters
    ----------
    model : XDGMM, FitResult or GaussianMixture
    X, Xerr
        What was measured, as for `XDGMM.fit`.
    columns : str or sequence of str, optional
        The residuals of which columns; by default of all together.
    ax : Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        If model and errors are right the points follow the line.  The band holds each point with a probability of 95%:
        the distribution of order statistics of independent normal numbers (beta quantiles).  Since the parameters were
        fitted to the same values, it is a little too wide; `plot_check` has the band of fitted samples.

    Raises
    ------
    InputError
        If X cannot be used or does not fit the mixture, or a name is not one of a column.

    Examples
    --------
    >>> from xdgmm import XDGMM, datasets
    >>> from xdgmm.plotting import plot_quantiles
    >>> stars = datasets.load("hydrus1")
    >>> ax = plot_quantiles(XDGMM().fit(stars["v"], Xerr=stars["e_v"]), stars["v"], Xerr=stars["e_v"])
    """
    _, expected, found, low, high = normal_quantiles(_finite(_residuals(model, X, Xerr, columns)))
    ax = prepared_axes(ax)
    draw_quantiles(ax, expected, found, low, high, "95% of normal residuals")
    return ax


def draw_quantiles(ax: Axes, expected: Floats, found: Floats, low: Floats, high: Floats, band: str) -> None:
    """Points of a Q-Q picture over their band and the diagonal."""
    ax.fill_between(expected, low, high, color=EXPECTED, lw=0, label=band)
    ends = np.array([expected[0], expected[-1]])
    ax.plot(ends, ends, color=DATA, lw=0.8, label="normal")
    ax.plot(expected, found, ".", ms=4, color=ACCENT, label="residuals", rasterized=found.size > RASTERIZED)
    ax.set_xlabel("normal quantile")
    ax.set_ylabel("residual")
    ax.legend(frameon=False, fontsize="small", loc="upper left")


def plot_pit(
    model: Any,
    X: Measurements,
    *,
    Xerr: ArrayLike | None = None,
    columns: str | Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the histogram of the probability of a lower value than the measured one (probability integral transform).

    Parameters
    ----------
    model, X, Xerr, columns, ax
        As for `plot_quantiles`.

    Returns
    -------
    matplotlib.axes.Axes
        If model and errors are right the histogram is flat, within the band that holds each bin with a probability of
        95% (binomial).  High at both ends: errors too small, or outliers; high in the middle: errors too large.

    Raises
    ------
    InputError
        As `plot_quantiles`.
    """
    z = _residuals(model, X, Xerr, columns)
    counts, edges, expected, low, high = pit_counts(_finite(z))
    ax = prepared_axes(ax)
    ax.stairs(counts, edges, color=INTRINSIC, lw=1.4, label="objects" if z.shape[1] == 1 else "values")
    ax.axhspan(low, high, color=EXPECTED, lw=0, zorder=0, label="95% if the model is right")
    ax.axhline(expected, color=DATA, lw=0.8)
    ax.set(xlim=(0.0, 1.0), ylim=(0.0, 1.3 * max(counts.max(), high)))
    ax.set_xlabel("probability of a lower value")
    ax.set_ylabel("number in each bin")
    ax.legend(frameon=False, fontsize="small", ncols=2)
    return ax


def plot_residuals(
    model: Any,
    X: Measurements,
    *,
    Xerr: ArrayLike | None = None,
    columns: str | list[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the residual of each object against its error.

    Parameters
    ----------
    model, X, Xerr
        As for `plot_quantiles`.
    columns : str, optional
        Which column; needed where the mixture has several.
    ax : Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Residuals are standard normal at any error, if model and errors are right: 68% of them lie in the darker band,
        95% in the lighter one.  The bars show, for groups of objects with similar errors, the root mean square residual
        to either side, with its standard error: outside one where errors are too small, inside where too large.

    Raises
    ------
    InputError
        As `plot_quantiles`; or if all values are exact.
    """
    mixture, observations, (place,) = drawn(model, X, Xerr, None, columns, (1,), "residuals against errors")
    z = residuals(mixture, observations)[:, place]
    seen = np.flatnonzero(np.isfinite(z))
    errors, z = np.sqrt(observations.variances_of(place)[seen]), z[seen]
    if not errors.any():
        raise InputError("all values are exact, so that no residual can change with the error; give `Xerr`")
    ax = prepared_axes(ax)
    for width, probability, alpha in ((2.0, 95, 0.45), (1.0, 68, 1.0)):
        label = f"{probability}% if the model is right"
        ax.axhspan(-width, width, color=EXPECTED, alpha=alpha, lw=0, zorder=0, label=label)
    ax.axhline(0.0, color=DATA, lw=0.8)
    colours = object_colours(mixture, observations.select(seen))
    size = max(2.0, min(14.0, 4000.0 / z.size))
    ax.scatter(errors, z, s=size, c=colours, lw=0, zorder=2, rasterized=z.size > RASTERIZED)
    label_object_colours(ax, mixture)
    _draw_scatter(ax, errors, z)
    positive = errors[errors > 0]
    if positive.size == errors.size and positive.max() > WIDE * positive.min():
        log_x(ax)
    ax.set_ylim(*(np.array([-1, 1]) * 1.15 * max(3.0, np.abs(z).max())))
    label_x(ax, f"error of {mixture.names[place]}", mixture.units[place])
    ax.set_ylabel("residual")
    legend_above(ax, 3)
    return ax


def _draw_scatter(ax: Axes, errors: Floats, z: Floats) -> None:
    """Root mean square residuals of groups of objects with similar errors, with their standard errors."""
    middle, scatter, error = scatter_by_error(errors, z)
    if not middle.size:
        return
    for sign in (1.0, -1.0):
        label = "root mean square" if sign > 0 else "_nolegend_"
        ax.errorbar(
            middle, sign * scatter, error, fmt="s", ms=5, mec="white", color=INTRINSIC, capsize=2, zorder=4, label=label
        )


def _residuals(model: Any, X: Measurements, Xerr: ArrayLike | None, columns: str | Sequence[str] | None) -> Floats:
    """Residuals (N, M), of the chosen columns."""
    measured = None if columns is None else "residuals of columns"
    mixture, observations, places = drawn(model, X, Xerr, None, columns, measured=measured)
    z = residuals(mixture, observations)
    return z if columns is None else z[:, places]


def _finite(z: Floats) -> Floats:
    return z[np.isfinite(z)]
