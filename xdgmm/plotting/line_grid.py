"""The picture of many fits of lines: a grid of small panels."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from xdgmm.errors import InputError
from xdgmm.text import printable

from .colours import BACKGROUND, component_colour
from .figures import prepared_figure, set_title
from .line_labels import positions_label, width_text
from .line_spectrum import check_fit, draw_window

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from xdgmm.lines import LineFit, LineFits

MOST = 100  # panels
WIDEST, COLUMNS, MOST_ACROSS = 12.5, 5, 10  # inches; panels in a row by default, and of a cube
LETTERS, ROWS = 28, 5  # of the reason of a failure
PANEL = (2.4, 1.9)  # inches


def plot_line_grid(
    fits: LineFits | Iterable[LineFit | None],
    names: Sequence[str] | None = None,
    title: str | None = None,
    *,
    columns: int | None = None,
    window: int = 0,
    figure: Figure | None = None,
) -> Figure:
    """Draw many fits of lines as a grid of small panels, with the intrinsic sigma of each group, or its limit.

    Parameters
    ----------
    fits : LineFits, or a sequence of LineFit or None
        Of many spectra; those of `LineFits` are fitted again.  None is a fit that failed.
    names : sequence of str, optional
        Of the spectra; by default their own, or their numbers.
    title : str, optional
    columns : int, optional
        How many panels are in a row; by default as many as a row of a cube has, if these are at most ten.
    window : int
        Which window of each fit is shown, counted from 0.
    figure : Figure or SubFigure, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.figure.Figure
        A panel for each fit: data, model, and lines in the colours of their groups.  A fit that failed is an empty
        panel that says so, with the reason where `LineFits` keeps it; one that did not converge says that too.

    Raises
    ------
    InputError
        If there are no fits, or more than 100, or not as many names.
    """
    many = _many(fits)
    sized = list(fits) if many is None else many
    if not 0 < len(sized) <= MOST:
        raise InputError(f"there are {len(sized)} fits, but a grid has 1 to {MOST} panels; draw a part of them")
    if names is not None and len(names) != len(sized):
        raise InputError(f"there are {len(names)} names, but {len(sized)} fits; give one for each")
    reasons = [""] * len(sized) if many is None else [row.reason for row in many.rows]
    every = list(sized)
    for fit in every:
        if fit is not None:
            check_fit(fit)
    across = _columns(many, len(every)) if columns is None else columns
    down = -(-len(every) // across)
    figure = prepared_figure(figure, (min(PANEL[0] * across, WIDEST), PANEL[1] * down))
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for i, (ax, fit) in enumerate(zip(panels, every, strict=False)):
        name = names[i] if names is not None else _name(many, fit, i)
        ax.set_title(printable(name), fontsize="small", loc="left", pad=3.0, parse_math=False)
        if fit is None:
            _draw_failure(ax, reasons[i])
        else:
            _draw_fit(ax, fit, window)
    for ax in panels[len(every) :]:
        ax.set_axis_off()
    _label(figure, every, window)
    set_title(figure, title)
    return figure


def _many(fits: Any) -> LineFits | None:
    """Fits of a stack, a cube or a list, if these are what was given."""
    from xdgmm.lines import LineFits

    return fits if isinstance(fits, LineFits) else None


def _columns(many: LineFits | None, n: int) -> int:
    """Panels in a row: of a cube its own, if they are not many."""
    if many is not None and len(many.shape) > 1 and many.shape[-1] <= MOST_ACROSS:
        return many.shape[-1]
    return min(n, math.ceil(math.sqrt(1.5 * n)), COLUMNS)


def _name(many: LineFits | None, fit: LineFit | None, number: int) -> str:
    """Of the spectrum, or its place."""
    own = "" if fit is None else next((each.name for each in fit.curves() if each.name), "")
    if not own and many is not None:
        names, index = many.sources.names, many.sources.index(number)
        own = names[number] if names else ", ".join(map(str, index))
    return own or str(number)


def _draw_fit(ax: Axes, fit: LineFit, window: int) -> None:
    windows = fit.curves()
    if not -len(windows) <= window < len(windows):
        raise InputError(f"`window` is {window}, but a fit has {len(windows)} windows; count them from 0")
    draw_window(ax, fit, windows[window], errors=False)
    ax.ticklabel_format(axis="x", useOffset=False, style="plain")
    ax.tick_params(labelsize=6.5)
    ax.locator_params(axis="x", nbins=4)
    _write_widths(ax, fit)


def _label(figure: Figure, fits: Sequence[LineFit | None], window: int) -> None:
    """One label for all horizontal axes, one for all vertical ones."""
    fit = next((fit for fit in fits if fit is not None), None)
    if fit is None:
        return
    text, has_math = positions_label(fit.curves()[window], fit.solution.table.axis.kind)
    figure.supxlabel(text, fontsize="medium", parse_math=has_math)
    ylabel = next(ax.yaxis.label for ax in figure.axes if ax.get_ylabel())
    figure.supylabel(ylabel.get_text(), fontsize="medium", parse_math=ylabel.get_parse_math())
    for ax in figure.axes:
        ax.set_ylabel("")


def _write_widths(ax: Axes, fit: LineFit) -> None:
    """The widths of the groups in their colours, over room that is made at the top of the panel."""
    bottom, top = ax.get_ylim()
    texts = [width_text(fit, g) for g in range(len(fit.groups))]
    texts += [] if fit.converged else ["not converged"]
    line = 0.12
    ax.set_ylim(bottom, bottom + (top - bottom) / (1.0 - min(line * len(texts), 0.5)))
    for g, text in enumerate(texts):
        ax.annotate(
            text,
            (0.97, 0.97 - line * g),
            xycoords="axes fraction",
            ha="right",
            va="top",
            fontsize=7.0,
            color=component_colour(g) if g < len(fit.groups) else "black",
            parse_math=False,
        )


def _draw_failure(ax: Axes, reason: str) -> None:
    """An empty panel that says why."""
    ax.set(xticks=[], yticks=[], xlim=(0.0, 1.0), ylim=(0.0, 1.0))
    ax.plot([0.0, 1.0], [0.0, 1.0], color=BACKGROUND, lw=0.6)
    ax.plot([0.0, 1.0], [1.0, 0.0], color=BACKGROUND, lw=0.6)
    box: dict[str, Any] = {"fc": "white", "ec": "none"}
    rows = textwrap.wrap(printable(reason), LETTERS, max_lines=ROWS, placeholder=" ...")
    text = "\n".join(["failed", *rows])
    ax.annotate(text, (0.5, 0.5), ha="center", va="center", fontsize=7.0, bbox=box, parse_math=False)
