"""The picture of the profile likelihood of an intrinsic variance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.text import printable

from .colours import BACKGROUND, BARS, DATA, HISTOGRAM, component_colour
from .figures import prepared_axes
from .line_labels import width_text
from .line_spectrum import check_fit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from xdgmm.lines import LineFit
    from xdgmm.lines.spectral.variance_profile import VarianceProfile

    Floats = NDArray[np.float64]

DEEPEST = 3.0  # errors from the maximum to which the curve goes
POINTS = 61
FAR = 8.0  # errors between zero and the best value, up to which zero is shown
TOP = 0.5  # of the panel, in ln L
CROWD = 0.06  # of the panel, between numbers of the upper axis
ROOM = 0.05  # of the range, to both sides
LEVELS = (0.6827, 0.95)
LIMIT_LEVEL = 0.95
ENDS = ("s", "D")  # of these intervals


def plot_line_likelihood(fit: LineFit, group: str | int = 0, *, ax: Axes | None = None) -> Axes:
    """Draw the profile likelihood of the intrinsic variance of a group, with its intervals and its upper limit.

    Parameters
    ----------
    fit : LineFit
        What `xdgmm.lines.fit_lines` returned.
    group : str or int
        Name of the group, or its number.
    ax : Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The logarithm of the likelihood, maximised over everything else, less its maximum, against the variance; the
        axis above has the sigma.  The dashed parabola is the normal approximation from the error of the variance.
        Squares and diamonds are the ends of the 68% and 95% intervals, the triangle is the one-sided 95% upper limit.
        Variances below zero, which no line can have but a fit may find, are shaded; below the lowest possible one,
        hatched, nothing would be left of the instrument's own width.  Zero is shown if it is within 8 errors of the
        best value.

    Raises
    ------
    InputError
        If this is no fit of lines, or there is no such group.

    Examples
    --------
    >>> import numpy as np
    >>> from xdgmm import lines
    >>> from xdgmm.plotting import plot_line_likelihood
    >>> x = np.arange(6540.0, 6590.0)
    >>> flux = 3.0 + 20.0 * np.exp(-0.5 * ((x - 6564.0) / 2.0) ** 2) + np.random.default_rng(1).normal(size=x.size)
    >>> lsf = lines.LSF(sigma=1.5, includes_pixel=True)
    >>> fit = lines.fit_lines(x, flux, np.ones(x.size), groups=lines.Group("Ha", [6564.61]), lsf=lsf)
    >>> ax = plot_line_likelihood(fit, "Ha")
    """
    check_fit(fit)
    g = fit.group(group)
    profile, lowest = fit.profiles[g], float(fit.solution.lowest_variances[g])
    ax = prepared_axes(ax)
    colour = component_colour(g)
    low, high = _range(profile, lowest)
    first, last = max(low, lowest), min(high, profile.highest)
    variances = np.unique(np.append(np.linspace(first, last, POINTS), profile.best))
    if np.isfinite(profile.error):
        x = np.linspace(low, high, 201)
        normal = -0.5 * ((x - profile.best) / profile.error) ** 2
        ax.plot(x, normal, color=DATA, lw=1.1, ls="--", zorder=2, label="normal approximation")
    ax.plot(variances, _falls(profile, variances), color=colour, lw=1.8, zorder=3, label="profile likelihood")
    ax.plot(profile.best, 0.0, "o", ms=6, color=colour, zorder=4, label="best value")
    deepest = _draw_ends(ax, profile, colour)
    _draw_regions(ax, low, lowest)
    ax.set_xlim(low, high)
    ax.set_ylim(min(-0.5 * DEEPEST**2, 1.1 * deepest), TOP)
    ax.set_xlabel("intrinsic variance V [(km/s)²]")
    ax.set_ylabel("ln L − maximum")
    ax.ticklabel_format(axis="x", useOffset=False, scilimits=(-3, 6))
    _sigma_above(ax)
    ax.annotate(
        f"{printable(fit.groups[g])}: {width_text(fit, g)}",
        (0.98, 0.97),
        xycoords="axes fraction",
        ha="right",
        va="top",
        fontsize="small",
        parse_math=False,
    )
    _legend(ax)
    return ax


def _falls(profile: VarianceProfile, variances: Floats) -> Floats:
    return np.array([-0.5 * profile.root(float(variance))[0] ** 2 for variance in variances])


def _range(profile: VarianceProfile, lowest: float) -> tuple[float, float]:
    """Variances from where the likelihood has fallen far to the same above; with zero, if that is not far."""
    ends = [end for end in profile.interval(LEVELS[-1]) if np.isfinite(end)]
    error = profile.error if np.isfinite(profile.error) else 0.5 * (max(ends) - profile.best)
    high = max(profile.best + DEEPEST * error, *ends)
    for _ in range(5):
        if high >= profile.highest or profile.root(high)[0] >= DEEPEST:
            break
        high = profile.best + 1.3 * (high - profile.best)
    high = min(high, profile.highest)
    low = profile.best - DEEPEST * error
    if profile.best < FAR * error:
        low = min(low, 0.0)
    room = ROOM * (high - max(low, lowest))
    return max(low, lowest) - room, high + room


def _draw_ends(ax: Axes, profile: VarianceProfile, colour: str) -> float:
    """Ends of intervals and the upper limit, on the curve; returns the lowest of them."""
    deepest = 0.0
    for level, marker in zip(LEVELS, ENDS, strict=True):
        ends = np.array([end for end in profile.interval(level) if np.isfinite(end)])
        y = _falls(profile, ends)
        ax.vlines(ends, y, 0.0, color=BARS, lw=0.8, zorder=1)
        ax.plot(ends, y, marker, ms=5, mfc="white", mec=colour, mew=1.3, zorder=4, label=f"{100 * level:.2g}% interval")
        deepest = min(deepest, float(y.min(initial=0.0)))
    limit = profile.upper_limit(LIMIT_LEVEL)
    if np.isfinite(limit):
        y = _falls(profile, np.array([limit]))
        label = f"{100 * LIMIT_LEVEL:.2g}% upper limit"
        ax.plot([limit], y, "<", ms=7, color=colour, mec="white", zorder=5, label=label)
    return deepest


def _draw_regions(ax: Axes, low: float, lowest: float) -> None:
    """Variances that no line can have, and those that no fit can find."""
    if low < 0.0:
        ax.axvline(0.0, color=BACKGROUND, lw=0.9, zorder=1)
        ax.axvspan(low, 0.0, color=HISTOGRAM, alpha=0.6, lw=0, zorder=0, label="below zero")
    if lowest > low:
        ax.axvspan(low, lowest, fc="none", ec=BACKGROUND, hatch="///", lw=0, zorder=0, label="not possible")
        ax.axvline(lowest, color=BACKGROUND, lw=0.9, ls=":", zorder=1)


def _sigma_above(ax: Axes) -> None:
    """An axis of sigma above the panel, for variances of zero and more."""
    from matplotlib.ticker import FixedLocator, MaxNLocator

    ends: Any = np.sqrt(np.maximum(ax.get_xlim(), 0.0))
    marks = MaxNLocator(7, steps=[1, 2, 5, 10]).tick_values(*ends)
    functions: Any = (_signed_root, _signed_square)
    above = ax.secondary_xaxis("top", functions=functions)
    above.xaxis.set_major_locator(FixedLocator(_without_crowd([m for m in marks if ends[0] <= m <= ends[1]], ax)))
    above.set_xlabel("intrinsic σ [km/s]")


def _without_crowd(marks: list[float], ax: Axes) -> list[float]:
    """Marks whose squares are not too near to each other."""
    first, last = ax.get_xlim()
    kept: list[float] = []
    for mark in marks:
        if not kept or mark**2 - kept[-1] ** 2 > CROWD * (last - first):
            kept.append(mark)
    return kept


def _signed_root(variance: Floats) -> Floats:
    return np.asarray(np.sign(variance) * np.sqrt(np.abs(variance)))


def _signed_square(sigma: Floats) -> Floats:
    return np.asarray(np.sign(sigma) * np.square(sigma))


def _legend(ax: Axes) -> None:
    ax.legend(frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(0.0, -0.17), ncols=3, borderaxespad=0)
