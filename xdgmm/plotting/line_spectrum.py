"""The picture of a fit of lines: spectrum, components, and residuals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.errors import KindError
from xdgmm.text import printable

from .colours import BACKGROUND, BARS, DATA, EXPECTED, HISTOGRAM, INTRINSIC, component_colour
from .figures import prepared_figure, set_title
from .line_labels import as_steps, draw_names, label_data, label_positions, line_names, width_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from xdgmm.lines import Curves, LineFit

    Floats = NDArray[np.float64]

MARGIN = 0.06  # of the length of a window, shown to both sides
PER_PIXEL, FEWEST, MOST = 8, 400, 8000  # points of smooth curves
SINGLE_BARS = 120  # pixels up to which each has its error bar
VISIBLE = 1e-3  # of the highest peak, below which the area of a line is not drawn
IN_A_ROW = 3  # panels
FEW, IN_A_LINE = 4, 6  # entries of the legend that have one line below one panel, or below several
ONE, EACH, WIDEST, HEIGHT = 7.2, 4.4, 12.5, 5.0  # inches: one panel, one of several, all of them, a row of them


def plot_line_spectrum(fit: LineFit, title: str | None = None, *, figure: Figure | None = None) -> Figure:
    """Draw the windows of a fit of lines: data, the model with each line over the continuum, and residuals below.

    Parameters
    ----------
    fit : LineFit
        What `xdgmm.lines.fit_lines` returned.
    title : str, optional
        By default the name of the spectrum, if it has one.
    figure : Figure or SubFigure, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.figure.Figure
        Two panels for each window of each spectrum.  Above: data as steps with their errors, the model, the continuum,
        and each line over the continuum in the colour of its group.  Below: residuals in units of the errors.  Pixels
        that were left out are shaded, the ends of a window are dotted lines, and data beside it are pale.  Names of the
        lines stand above the positions that were fitted.

    Raises
    ------
    InputError
        If this is no fit of lines.

    Examples
    --------
    >>> import numpy as np
    >>> from xdgmm import lines
    >>> from xdgmm.plotting import plot_line_spectrum
    >>> x = np.arange(6540.0, 6590.0)
    >>> flux = 3.0 + 20.0 * np.exp(-0.5 * ((x - 6564.0) / 2.0) ** 2) + np.random.default_rng(1).normal(size=x.size)
    >>> lsf = lines.LSF(sigma=1.5, includes_pixel=True)
    >>> fit = lines.fit_lines(x, flux, np.ones(x.size), groups=lines.Group("Ha", [6564.61]), lsf=lsf)
    >>> figure = plot_line_spectrum(fit)
    """
    check_fit(fit)
    windows = fit.curves(margin=MARGIN)
    places, rows, columns = _places(windows)
    figure = prepared_figure(figure, (ONE if columns == 1 else min(EACH * columns, WIDEST), HEIGHT * rows))
    grid = figure.add_gridspec(2 * rows, columns, height_ratios=(3, 1) * rows)
    panels = []
    for curves, (row, column) in zip(windows, places, strict=True):
        top = figure.add_subplot(grid[2 * row, column])
        bottom = figure.add_subplot(grid[2 * row + 1, column], sharex=top)
        panels += [top, bottom]
        _draw_panels(top, bottom, fit, curves)
    figure.align_ylabels(panels)
    names = list(dict.fromkeys(curves.name for curves in windows if curves.name))
    if len(names) > 1:
        for curves, top in zip(windows, panels[::2], strict=True):
            _write(top, curves.name)
    _legend(figure, fit, windows, columns)
    set_title(figure, names[0] if title is None and len(names) == 1 else title)
    return figure


def _places(windows: tuple[Curves, ...]) -> tuple[list[tuple[int, int]], int, int]:
    """Row and column of each window, and how many there are: a row for each of several spectra, if it is not long."""
    spectra = [curves.spectrum for curves in windows]
    longest = max(spectra.count(spectrum) for spectrum in spectra)
    if len(set(spectra)) > 1 and longest <= IN_A_ROW:
        first = {spectrum: spectra.index(spectrum) for spectrum in spectra}
        order = list(first)
        places = [(order.index(spectrum), i - first[spectrum]) for i, spectrum in enumerate(spectra)]
    else:
        places = [divmod(i, min(len(windows), IN_A_ROW)) for i in range(len(windows))]
    rows, columns = np.max(places, axis=0) + 1
    return places, int(rows), int(columns)


def _draw_panels(top: Axes, bottom: Axes, fit: LineFit, curves: Curves) -> None:
    draw_window(top, fit, curves)
    draw_residuals(bottom, curves)
    top.tick_params(labelbottom=False)
    label_positions(bottom, curves, fit.solution.table.axis.kind)
    bottom.set_ylabel("residual\n/ error")
    bottom.locator_params(axis="y", nbins=5, steps=[1, 2, 5, 10])
    _name_lines(top, fit, curves)


def _write(ax: Axes, name: str) -> None:
    """The name of a spectrum in a corner, over room that is made at the top of the panel."""
    bottom, top = ax.get_ylim()
    ax.set_ylim(bottom, bottom + 1.1 * (top - bottom))
    ax.annotate(
        printable(name),
        (0.02, 0.97),
        xycoords="axes fraction",
        va="top",
        fontsize="small",
        parse_math=False,
        bbox={"fc": "white", "ec": "none", "pad": 1.0},
    )


def check_fit(fit: Any) -> None:
    """Refuse what is no fit of lines.

    Raises
    ------
    InputError
        If it is another object.
    """
    if not hasattr(fit, "curves"):
        raise KindError(f"this is of type {type(fit).__name__}, but a fit of lines is needed: `lines.fit_lines(...)`")


def draw_window(ax: Axes, fit: LineFit, curves: Curves, *, errors: bool = True) -> None:
    """Data, model, components and continuum of one window."""
    ax.plot(*_steps(curves, curves.data), color=BARS, lw=0.8, zorder=1)
    ax.plot(*_steps(curves, np.where(curves.fitted, curves.data, np.nan)), color=DATA, lw=1.0, zorder=2, label="data")
    if errors:
        _draw_errors(ax, curves)
    draw_components(ax, fit, curves)
    _set_limits(ax, curves)
    label_data(ax, curves)
    _shade(ax, curves)


def draw_components(ax: Axes, fit: LineFit, curves: Curves) -> None:
    """The model, and each line over the continuum as an area in the colour of its group."""
    x = smooth_positions(curves)
    total, lines, continuum = curves.at(x)
    least = VISIBLE * np.abs(lines).max(initial=0.0)
    for line, group in zip(lines, fit.solution.table.group, strict=True):
        seen = np.abs(line) > least
        if not seen.any():
            continue
        colour = component_colour(int(group))
        ax.fill_between(x, continuum, continuum + line, where=seen, color=colour, alpha=0.25, lw=0, zorder=3)
        ax.plot(x, np.where(seen, continuum + line, np.nan), color=colour, lw=1.2, zorder=4)
    if continuum.any():
        ax.plot(x, continuum, color=BACKGROUND, lw=1.0, ls="--", zorder=4, label=_name_of_continuum(curves))
    ax.plot(x, total, color=INTRINSIC, lw=1.2, zorder=5, label="model")


def _name_of_continuum(curves: Curves) -> str:
    return "continuum" if curves.quantity == "flux" else "background"


def smooth_positions(curves: Curves) -> Floats:
    """Positions for smooth curves over a window."""
    n = int(np.clip(PER_PIXEL * curves.x.size, FEWEST, MOST))
    return np.linspace(*curves.window, n)


def draw_residuals(ax: Axes, curves: Curves) -> None:
    """Residuals in units of their errors, over bands of one and two of them."""
    for width, alpha in ((2.0, 0.45), (1.0, 1.0)):
        ax.axhspan(-width, width, color=EXPECTED, alpha=alpha, lw=0, zorder=0)
    ax.axhline(0.0, color=DATA, lw=0.8, zorder=1)
    ax.plot(*_steps(curves, curves.residuals), color=INTRINSIC, lw=0.9, zorder=2)
    largest = np.nanmax(np.abs(curves.residuals), initial=0.0)
    ax.set_ylim(*(np.array([-1.0, 1.0]) * 1.15 * max(3.0, largest)))
    _shade(ax, curves)


def _steps(curves: Curves, values: Floats) -> tuple[Floats, Floats]:
    return as_steps(curves.low, curves.high, values)


def _draw_errors(ax: Axes, curves: Curves) -> None:
    """An error bar for each pixel, or a band where there are many."""
    x, y, e = (each[curves.fitted] for each in (curves.x, curves.data, curves.errors))
    if x.size <= SINGLE_BARS:
        ax.errorbar(x, y, e, fmt="none", ecolor=DATA, elinewidth=0.7, zorder=2)
        return
    low, high = (np.where(curves.fitted, curves.data + sign * curves.errors, np.nan) for sign in (-1.0, 1.0))
    corners, lower = _steps(curves, low)
    ax.fill_between(corners, lower, _steps(curves, high)[1], color=BARS, alpha=0.6, lw=0, zorder=1)


def _set_limits(ax: Axes, curves: Curves) -> None:
    """Room for what was fitted; pixels that were left out may lie outside."""
    fitted = curves.fitted
    below = curves.errors[fitted] if curves.quantity == "flux" else 0.0  # counts are not negative
    shown = np.concatenate([curves.data[fitted] - below, curves.data[fitted] + curves.errors[fitted], curves.total])
    shown = np.append(shown[np.isfinite(shown)], curves.at(smooth_positions(curves)).total)
    low, high = float(shown.min()), float(shown.max())
    room = 0.06 * (high - low) or 1.0
    ax.set_ylim(low - room, high + room)
    ax.set_xlim(float(curves.low[0]), float(curves.high[-1]))


def _shade(ax: Axes, curves: Curves) -> None:
    """Pixels of the window that were left out, and the ends of the window where there are data beside it."""
    low, high = curves.window
    left_out = ~curves.fitted & (curves.x >= low) & (curves.x <= high)
    starts = np.flatnonzero(left_out & ~np.append(False, left_out[:-1]))
    ends = np.flatnonzero(left_out & ~np.append(left_out[1:], False))
    for first, last in zip(starts, ends, strict=True):
        ax.axvspan(curves.low[first], curves.high[last], color=HISTOGRAM, lw=0, zorder=0.5)
    for end in (low, high):
        if curves.x[0] < low or curves.x[-1] > high:
            ax.axvline(end, color=BACKGROUND, lw=0.9, ls=":", zorder=1)


def _name_lines(ax: Axes, fit: LineFit, curves: Curves) -> None:
    """Names of the lines in the window above the panel."""
    positions = fit.solution.positions.values
    low, high = curves.window
    inside = np.flatnonzero((positions >= low) & (positions <= high) & curves.has_positions)
    names = line_names(fit)
    groups = fit.solution.table.group
    draw_names(ax, positions[inside], [names[i] for i in inside], [component_colour(int(groups[i])) for i in inside])


def _legend(figure: Figure, fit: LineFit, windows: tuple[Curves, ...], columns: int) -> None:
    """What the lines and areas mean: below the panels."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [
        Line2D([], [], color=DATA, lw=1.0, label="data"),
        Line2D([], [], color=INTRINSIC, lw=1.2, label="model"),
    ]
    if any(np.nan_to_num(each.continuum).any() for each in windows):
        handles.append(Line2D([], [], color=BACKGROUND, lw=1.0, ls="--", label=_name_of_continuum(windows[0])))
    if any(((~each.fitted) & np.isfinite(each.total)).any() for each in windows):
        handles.append(Patch(color=HISTOGRAM, lw=0, label="left out"))
    if any(np.isnan(each.total).any() for each in windows):
        handles.append(Line2D([], [], color=BACKGROUND, lw=0.9, ls=":", label="end of a window"))
    for g, name in enumerate(fit.groups):
        colour = component_colour(g)
        patch = Patch(fc=(colour, 0.25), ec=colour, lw=1.2, label=f"{printable(name)}: {width_text(fit, g)}")
        handles.append(patch)
    legend = figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=IN_A_LINE if columns > 1 or len(handles) <= FEW else 3,
        frameon=False,
        fontsize="small",
        columnspacing=1.2,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
