"""The corner view: every column by itself, and every pair."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from xdgmm.errors import InputError
from xdgmm.text import printable

from .figures import legend_above, prepared_figure, set_title
from .inputs import drawn
from .labels import label_x, label_y
from .one_dimension import draw_density
from .two_dimensions import draw_plane

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations
    from xdgmm.observations.inputs import Measurements

MOST_COORDINATES = 6  # in a corner view, unless columns are named
MARGIN, PANEL, SMALLEST, LARGEST = 1.6, 1.9, 6.4, 16.0  # inches: of labels, one panel, the whole figure
TICKS = 4


def plot_corner(
    model: Any,
    X: Measurements,
    title: str | None = None,
    *,
    Xerr: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    columns: Sequence[str] | None = None,
    figure: Figure | None = None,
) -> Figure:
    """Draw every column by itself, and every pair of columns.

    Parameters
    ----------
    model : XDGMM, FitResult or GaussianMixture
    X, Xerr, sample_weight
        What was measured, as for `XDGMM.fit`.
    title : str, optional
    columns : sequence of str, optional
        Which columns, in this order: as many as you like.  By default all, if these are at most six.
    figure : Figure or SubFigure, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.figure.Figure
        On the diagonal what `plot_density` draws, below it what `plot_ellipses` draws.

    Raises
    ------
    InputError
        If X cannot be used or does not fit the mixture, a name is not one of a column, or there are more than six
        columns and none are named.

    Examples
    --------
    >>> import numpy as np
    >>> from xdgmm import XDGMM
    >>> from xdgmm.plotting import plot_corner
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> figure = plot_corner(XDGMM().fit(X, Xerr=0.2), X, Xerr=0.2)
    """
    mixture, observations, places = drawn(model, X, Xerr, sample_weight, columns)
    if columns is None and len(places) > MOST_COORDINATES:
        raise InputError(
            f"there are {len(places)} columns, but a corner view shows at most {MOST_COORDINATES} that are not named; "
            f"choose with `columns`, among {printable(', '.join(mixture.names))}"
        )
    side = min(MARGIN + PANEL * len(places), LARGEST) if len(places) > 2 else SMALLEST
    figure = prepared_figure(figure, (side, side))
    draw_corner(figure, mixture, observations, places)
    set_title(figure, title)
    return figure


def draw_corner(figure: Figure, mixture: GaussianMixture, observations: Observations, places: Sequence[int]) -> None:
    """The lower triangle of all pairs, the columns by themselves on its diagonal, and one legend."""
    n = len(places)
    panels = figure.subplots(n, n, squeeze=False, sharex="col")
    for row, y in enumerate(places):
        for column, x in enumerate(places):
            ax = panels[row, column]
            if column > row:
                ax.remove()
            elif row == column:
                draw_density(ax, mixture, observations, x)
                ax.set_yticks([])
            else:
                draw_plane(ax, mixture, observations, x, y)
                _set_ticks(ax, "y", labelled=column == 0)
    for i, place in enumerate(places):
        label_x(panels[n - 1, i], mixture.names[place], mixture.units[place])
        _set_ticks(panels[n - 1, i], "x", labelled=True)
        if i > 0:
            label_y(panels[i, 0], mixture.names[place], mixture.units[place])
    figure.align_labels(panels[n - 1, :].tolist() + panels[1:, 0].tolist())
    _legend(figure, panels[0, 0], panels[n - 1, 0])


def _set_ticks(ax: Axes, which: str, *, labelled: bool) -> None:
    """A few ticks, whose labels do not touch those of the neighbours."""
    from matplotlib.ticker import MaxNLocator

    axis = ax.xaxis if which == "x" else ax.yaxis
    axis.set_major_locator(MaxNLocator(TICKS, prune="both"))
    if which == "x":
        ax.tick_params(axis="x", labelsize="small", labelbottom=labelled, labelrotation=45)
    else:
        ax.tick_params(axis="y", labelsize="small", labelleft=labelled)


def _legend(figure: Figure, *panels: Axes) -> None:
    """One legend for all panels, above the diagonal; above the panel where there is only one."""
    if panels[0] is panels[-1]:
        legend_above(panels[0])
        return
    found: dict[str, Any] = {}
    for panel in panels:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            if not any(other.startswith(f"{label}:") for other in found):
                found.setdefault(label, handle)
    figure.legend(list(found.values()), list(found), loc="upper right", frameon=False, fontsize="small")
