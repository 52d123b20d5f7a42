"""The picture of a whole fit: one column with its error bars, or the corner view of several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from xdgmm.errors import deprecated_arguments

from .corner import plot_corner
from .figures import prepared_figure, set_title
from .inputs import drawn
from .labels import label_x
from .one_dimension import draw_density, draw_error_bars

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

    from xdgmm.observations.inputs import Measurements

SIZE = (6.6, 5.2)  # inches


@deprecated_arguments(observations="X", mixture="model")
def plot_fit(
    model: Any,
    X: Measurements,
    title: str | None = None,
    *,
    Xerr: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    columns: str | Sequence[str] | None = None,
    figure: Figure | None = None,
) -> Figure:
    """Draw a fitted mixture over its observations.

    Parameters
    ----------
    model : XDGMM, FitResult or GaussianMixture
    X : Observations, Table, data frame, Quantity or array (N,) or (N, D)
        What was measured, as for `XDGMM.fit`; of a table, the columns that the mixture is named after.  It is drawn in
        the units of the mixture, in which numbers without a unit are taken to be.
    title : str, optional
    Xerr, sample_weight : optional
        Errors and weights, as for `XDGMM.fit`, of an X that holds none.
    columns : str or sequence of str, optional
        Which columns to show; by default all, if these are at most six.
    figure : Figure or SubFigure, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.figure.Figure
        One column: `plot_density` above `plot_error_bars`.  More: `plot_corner`.  With projections the columns were not
        measured, so only the intrinsic mixture is drawn.

    Raises
    ------
    InputError
        If X cannot be used or has not the coordinates of the mixture, if these are more than six and none are named, or
        if units do not convert to those of the mixture.

    Examples
    --------
    >>> from xdgmm import XDGMM, datasets
    >>> from xdgmm.plotting import plot_fit
    >>> stars = datasets.load("hydrus1")
    >>> model = XDGMM().fit(stars["v"], Xerr=stars["e_v"])
    >>> figure = plot_fit(model, stars["v"], "Hydrus I", Xerr=stars["e_v"])
    """
    mixture, observations, places = drawn(model, X, Xerr, sample_weight, columns)
    if len(places) > 1 or observations.projections is not None:
        return plot_corner(mixture, observations, title, columns=_as_list(columns), figure=figure)
    figure = prepared_figure(figure, SIZE)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    draw_density(top, mixture, observations, places[0])
    draw_error_bars(bottom, mixture, observations, places[0])
    top.set_ylabel("density")
    top.legend(frameon=False, fontsize="small")
    bottom.set_ylabel("objects")
    label_x(bottom, mixture.names[places[0]], mixture.units[places[0]])
    figure.align_ylabels([top, bottom])
    set_title(figure, title)
    return figure


def _as_list(columns: str | Sequence[str] | None) -> Sequence[str] | None:
    return [columns] if isinstance(columns, str) else columns
