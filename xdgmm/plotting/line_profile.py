"""The picture of one line: as observed, as the instrument shows a line without width, and intrinsic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xdgmm.text import printable

from .colours import DATA, INTRINSIC, component_colour
from .figures import legend_above, prepared_axes
from .line_labels import width_text
from .line_spectrum import check_fit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from xdgmm.lines import LineFit, VelocityProfile

    Floats = NDArray[np.float64]


def plot_line_profile(fit: LineFit, group: str | int = 0, line: str | int = 0, *, ax: Axes | None = None) -> Axes:
    """Draw one line on an axis of velocities: observed profile, instrument and intrinsic profile, all of height 1.

    Parameters
    ----------
    fit : LineFit
        What `xdgmm.lines.fit_lines` returned.
    group : str or int
        Name of the group, or its number.
    line : str or int
        Label of the line, or its number in the group.
    ax : Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Velocities from the centre of the line that was fitted.  Points are data less the continuum and other lines.
        The intrinsic profile is that of the fitted sigma, an area in the colour of the group; where the group is
        consistent with no width of its own, that of the upper limit, an outline.  `LineFit.velocity_profile` has the
        numbers.

    Raises
    ------
    InputError
        If this is no fit of lines, or there is no such group or line, or it is in no window.

    Examples
    --------
    >>> import numpy as np
    >>> from xdgmm import lines
    >>> from xdgmm.plotting import plot_line_profile
    >>> x = np.arange(6540.0, 6590.0)
    >>> flux = 3.0 + 20.0 * np.exp(-0.5 * ((x - 6564.0) / 2.0) ** 2) + np.random.default_rng(1).normal(size=x.size)
    >>> lsf = lines.LSF(sigma=1.5, includes_pixel=True)
    >>> fit = lines.fit_lines(x, flux, np.ones(x.size), groups=lines.Group("Ha", [6564.61]), lsf=lsf)
    >>> ax = plot_line_profile(fit, "Ha")
    """
    check_fit(fit)
    profile = fit.velocity_profile(group, line)
    ax = prepared_axes(ax)
    ax.axhline(0.0, color=DATA, lw=0.8, zorder=0)
    _draw_intrinsic(ax, profile, fit, group)
    if profile.instrument is not None:
        label = f"instrument and {'pixels' if profile.quantity == 'flux' else 'bins'}"
        ax.plot(profile.grid, profile.instrument, color=INTRINSIC, lw=1.2, ls="--", zorder=3, label=label)
    ax.plot(profile.grid, profile.observed, color=INTRINSIC, lw=1.5, zorder=4, label="observed, as fitted")
    _draw_data(ax, profile)
    _set_limits(ax, profile)
    ax.set_xlabel("velocity from the centre of the line [km/s]")
    ax.set_ylabel("depth / depth at the centre" if profile.is_absorption else "flux / flux at the peak")
    ax.annotate(
        f"{printable(profile.group)}, {printable(profile.line)}",
        (0.03, 0.96),
        xycoords="axes fraction",
        va="top",
        fontsize="small",
        parse_math=False,
    )
    legend_above(ax, 2)
    return ax


def _draw_intrinsic(ax: Axes, profile: VelocityProfile, fit: LineFit, group: str | int) -> None:
    g = fit.group(group)
    colour = component_colour(g)
    text = f"intrinsic: {width_text(fit, g)}"
    if profile.intrinsic is None:
        ax.plot([], [], color=colour, lw=1.5, label=text)
    elif profile.is_limit:
        ax.plot(profile.grid, profile.intrinsic, color=colour, lw=1.5, ls="-.", zorder=2, label=text)
    else:
        ax.fill_between(profile.grid, profile.intrinsic, color=colour, alpha=0.25, lw=0, zorder=1)
        ax.plot(profile.grid, profile.intrinsic, color=colour, lw=1.5, zorder=2, label=text)


def _draw_data(ax: Axes, profile: VelocityProfile) -> None:
    seen = profile.fitted
    x, y, e = (each[seen] for each in (profile.velocity, profile.data, profile.errors))
    label = "data less the rest of the model"
    ax.errorbar(x, y, e, fmt="o", ms=3.5, color=DATA, elinewidth=0.8, zorder=5, label=label)
    if (~seen).any():
        ax.plot(profile.velocity[~seen], profile.data[~seen], "x", ms=4, color=DATA, zorder=1, label="left out")


def _set_limits(ax: Axes, profile: VelocityProfile) -> None:
    """Room for the data that were fitted; those left out may lie outside."""
    data, errors = profile.data[profile.fitted], profile.errors[profile.fitted]
    low, high = min((data - errors).min(initial=0.0), 0.0), max((data + errors).max(initial=1.0), 1.0)
    room = 0.06 * (high - low)
    ax.set_ylim(low - room, high + 2.0 * room)
    ends = np.sort(profile.grid[[0, -1]])
    ax.set_xlim(*ends)
