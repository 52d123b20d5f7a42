"""Pictures by their names: what `XDGMM.plot` and `xdgmm plot` draw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from xdgmm.errors import InputError
from xdgmm.selection import table_of
from xdgmm.text import printable

from .candidates import plot_candidates
from .check import plot_check
from .corner import plot_corner
from .denoising import plot_denoising
from .fit import plot_fit
from .inputs import drawn_observations, mixture_of
from .memberships import plot_memberships
from .one_dimension import plot_density, plot_error_bars
from .relation import plot_relation
from .residuals import plot_pit, plot_quantiles, plot_residuals
from .trace import plot_trace
from .two_dimensions import plot_ellipses
from .widths import plot_widths

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

    from xdgmm.observations.inputs import Measurements

OF_DATA: dict[str, Callable[..., Any]] = {
    "fit": plot_fit,
    "density": plot_density,
    "error_bars": plot_error_bars,
    "ellipses": plot_ellipses,
    "corner": plot_corner,
    "memberships": plot_memberships,
    "denoising": plot_denoising,
    "relation": plot_relation,
    "residuals": plot_residuals,
    "quantiles": plot_quantiles,
    "pit": plot_pit,
}
WHOLE_FIGURES = ("fit", "corner", "check", "candidates")
WITHOUT_COLUMNS = ("trace", "check", "candidates")
KINDS = (*OF_DATA, "widths", "check", "trace", "candidates")


def plot(
    model: Any,
    X: Measurements | None = None,
    *,
    Xerr: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    kind: str = "fit",
    columns: str | Sequence[str] | None = None,
    ax: Axes | None = None,
    figure: Figure | None = None,
    **options: Any,
) -> Any:
    """Draw a picture of a fit by its name.

    Parameters
    ----------
    model : XDGMM, FitResult or GaussianMixture
    X, Xerr, sample_weight
        What was measured, as for `XDGMM.fit`; the kinds "trace" and "candidates" need none.
    kind : str
        "fit" (`plot_fit`), "density", "error_bars", "ellipses", "corner", "memberships", "denoising", "relation",
        "residuals", "quantiles", "pit", "widths" (a width report is made first), "check" (the fit is checked first),
        "trace" or "candidates": the function ``plot_<kind>`` of `xdgmm.plotting`, which says what is drawn.
    columns : str or sequence of str, optional
        Which columns to show.
    ax : Axes, optional
        Where to draw a picture of one panel; by default in a new figure.
    figure : Figure or SubFigure, optional
        Where to draw; by default in a new figure.
    **options
        Of the function of that kind, of `xdgmm.widths.widths` or of `xdgmm.diagnostics.check`.

    Returns
    -------
    matplotlib.axes.Axes or matplotlib.figure.Figure
        A figure for "fit", "corner", "check" and "candidates", which have several panels.

    Raises
    ------
    InputError
        If there is no such kind, or it cannot be drawn of what was given.
    """
    if kind not in KINDS:
        raise InputError(f"`kind` is {printable(repr(kind))}, but it must be one of {', '.join(KINDS)}")
    if columns is not None and kind in WITHOUT_COLUMNS:
        raise InputError(f"a picture of kind {kind!r} shows no single columns; leave `columns` out")
    if kind not in ("trace", "candidates") and X is None:
        raise InputError(f"a picture of kind {kind!r} needs the data that were fitted: give X, and Xerr")
    if kind in WHOLE_FIGURES:
        if ax is not None:
            raise InputError(f"a picture of kind {kind!r} has several panels; give `figure` instead of `ax`")
        where: dict[str, Any] = {"figure": figure}
    else:
        where = {"ax": figure.add_subplot() if ax is None and figure is not None else ax}
    if kind == "trace":
        return plot_trace(model, **where)
    if kind == "candidates":
        return plot_candidates(_candidates(model), **where, **options)
    observations = drawn_observations(mixture_of(model), X, Xerr, sample_weight)
    if kind in OF_DATA:
        return OF_DATA[kind](model, observations, columns=columns, **where, **options)
    fitted = getattr(model, "result_", model)
    if kind == "widths":
        from xdgmm.widths import widths

        return plot_widths(widths(fitted, observations, **options), columns=columns, **where)
    from xdgmm.diagnostics import check

    return plot_check(check(fitted, observations, **options), **where)


def _candidates(model: Any) -> Any:
    """The table of the candidates from which a model was chosen."""
    if hasattr(model, "table"):
        return model
    table = table_of(mixture_of(model))
    if table is None:
        raise InputError(
            "this model was not chosen among candidates; fit with `select`, or on the command line a range"
        )
    return table
