"""Picture of the candidates of a choice of the number of components."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.errors import InputError

from .colours import ACCENT, COMPONENTS, DATA, OUTSIDE
from .figures import prepared_figure, set_title

if TYPE_CHECKING:
    from astropy.table import QTable
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LABELS = {
    "bic": "BIC",
    "aic": "AIC",
    "aicc": "AICc",
    "icl": "ICL",
    "cv": "held-out lnL",
    "bootstrap": "p against K + 1",
}
COLOURS = dict(zip(("full", "tied", "diag", "spherical"), (ACCENT, *COMPONENTS[2:5]), strict=True))
LEVEL = 0.05
MANY_POWERS = 1000.0  # difference from which on the linear part has no ticks of its own
LINEAR = 10.0  # differences up to which the scale is linear: larger ones are decisive


def plot_candidates(selection: Any, title: str | None = None, *, figure: Figure | None = None) -> Figure:
    """Draw candidates with different numbers of components, and which was chosen.

    Parameters
    ----------
    selection : ModelSelection, EstimatorSelection or QTable
        What `select` returned, or its table, also read again (`xdgmm.selection.table_of`).
    title : str, optional
    figure : Figure or SubFigure, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.figure.Figure
        Above, the log-likelihood of each candidate relative to the first.  Below, the criterion: relative to the best
        one with the standard error of the difference ("cv"), the p-value with the level .05 ("bootstrap"), or relative
        to the lowest.  One colour for each covariance type; a ring stands around the chosen candidate.

    Raises
    ------
    InputError
        If this is no selection of candidates, or none of them was fitted.

    Examples
    --------
    >>> from xdgmm import datasets, select
    >>> from xdgmm.plotting import plot_candidates
    >>> stars = datasets.load("hydrus1")
    >>> found = select(stars["v"], Xerr=stars["e_v"], n_components=range(1, 4), random_state=0)
    >>> figure = plot_candidates(found, "Hydrus I")
    """
    from matplotlib.ticker import MaxNLocator

    table: QTable = getattr(selection, "table", selection)
    if "log_likelihood" not in getattr(table, "colnames", ()) or "criterion" not in table.meta:
        raise InputError(
            "`selection` is no table of candidates; give what `select` returned, or `xdgmm.selection.table_of(mixture)`"
        )
    if not np.isfinite(table["log_likelihood"]).any():
        raise InputError("no candidate of this table was fitted, so there is nothing to draw")
    figure = prepared_figure(figure, (6.4, 5.2))
    top, bottom = figure.subplots(2, 1, sharex=True)
    first = table["log_likelihood"][np.flatnonzero(np.isfinite(table["log_likelihood"]))[0]]
    top.set_ylabel("lnL relative to the first")
    _lines(top, table, np.asarray(table["log_likelihood"]) - first)
    if len(set(table["covariance_type"])) > 1:
        top.legend(frameon=False, fontsize="small")
    _criterion(bottom, table, str(table.meta["criterion"]))
    bottom.set_xlabel("number of components")
    bottom.xaxis.set_major_locator(MaxNLocator(integer=True))
    set_title(figure, title)
    return figure


def _criterion(axes: Axes, table: QTable, criterion: str) -> None:
    errors = None
    if criterion == "bootstrap":
        values = np.asarray(table["p_value"])
        axes.axhline(LEVEL, color=DATA, lw=0.8, ls="--")
        axes.set_ylabel(LABELS[criterion])
    else:
        values = np.asarray(table[criterion])
        values = values - (np.nanmax(values) if criterion == "cv" else np.nanmin(values))
        errors = np.asarray(table["cv_error"]) if criterion == "cv" else None
        _set_scale(axes, values)
        axes.set_ylabel(f"{LABELS[criterion]} relative to the best")
    _lines(axes, table, values, errors)
    chosen = int(table.meta["chosen"])
    axes.plot(table["n_components"][chosen], values[chosen], "o", ms=13, mfc="none", mec=OUTSIDE, mew=1.6)


def _set_scale(axes: Axes, values: Any) -> None:
    """A scale for candidates that nearly tie and those far away: linear around zero, logarithmic beyond."""
    axes.set_yscale("symlog", linthresh=LINEAR)
    reach = float(np.nanmax(np.abs(values)))
    powers = 10.0 ** np.arange(1, max(2.0, np.ceil(np.log10(max(reach, 1.0))) + 1))
    ticks = np.r_[0.0, 2.0, 4.0, 6.0, powers] if reach < MANY_POWERS else np.r_[0.0, powers]
    ticks = ticks[ticks <= 1.2 * max(reach, 2.0)] * (1.0 if np.nanmax(values) > 0 else -1.0)
    axes.set_yticks(ticks, [f"{tick + 0.0:g}".replace("-", "\N{MINUS SIGN}") for tick in ticks], minor=False)
    axes.minorticks_off()


def _lines(axes: Axes, table: QTable, values: Any, errors: Any = None) -> None:
    K, kinds = np.asarray(table["n_components"]), np.asarray(table["covariance_type"])
    for kind in dict.fromkeys(kinds.tolist()):
        own = kinds == kind
        error = None if errors is None else np.nan_to_num(errors[own])
        axes.errorbar(K[own], values[own], error, fmt="o-", ms=4, lw=1, color=COLOURS.get(kind, ACCENT), label=kind)
