"""Pictures of a check: residuals beside what the model lets expect, and how far out each test is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xdgmm.diagnostics import Check
from xdgmm.errors import InputError, KindError
from xdgmm.text import printable

from .colours import ACCENT, EXPECTED, OUTSIDE
from .figures import legend_above, prepared_figure, set_title
from .residuals import draw_quantiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


SAMPLES = "95% of samples of the model"


def plot_check(check: Check, title: str | None = None, *, figure: Figure | None = None) -> Figure:
    """Draw a check of a fit.

    Parameters
    ----------
    check : Check
        What `model.check` returned.
    title : str, optional
    figure : Figure or SubFigure, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.figure.Figure
        Left: quantiles of the residuals against those of a normal distribution, and the band that holds 95% of samples
        of the model.  If model and errors are right the points follow the diagonal; steeper ends are heavy tails.
        Right: the effect of each test, in standard deviations of samples of the model about their mean, with the range
        of 95% of these.  The scale is that of the arcsinh: linear near zero, logarithmic far out.  Open circles are
        outside their range, but one of so many tests is as far out in more than 5% of samples of a right model.

    Raises
    ------
    InputError
        If the check has no quantiles or simulations: it was read from a file.
    KindError
        If this is no check.

    Examples
    --------
    >>> from xdgmm import XDGMM, datasets
    >>> from xdgmm.plotting import plot_check
    >>> stars = datasets.load("hydrus1")
    >>> check = XDGMM().fit(stars["v"], Xerr=stars["e_v"]).check(stars["v"], Xerr=stars["e_v"], n_simulations=39)
    >>> figure = plot_check(check, "Hydrus I")
    """
    if not isinstance(check, Check):
        raise KindError(f"this is of type {type(check).__name__}, but the result of `model.check(...)` is needed")
    if check.quantiles is None or len(check.simulated) == 0:
        raise InputError("this check keeps no samples of the model, so there is nothing to draw; check the fit again")
    figure = prepared_figure(figure, (9.5, max(3.8, 0.32 * len(check.table) + 1.4)))
    left, right = figure.subplots(1, 2, width_ratios=(1, 1))
    _quantiles(left, check)
    _tests(right, check)
    set_title(figure, title)
    return figure


def _quantiles(axes: Axes, check: Check) -> None:
    q = check.quantiles
    assert q is not None
    draw_quantiles(axes, q["expected"], q["residual"], q["low"], q["high"], SAMPLES)


def _tests(axes: Axes, check: Check) -> None:
    """Effects in units of the scatter of the samples; signs and colours say which are outside their range, or fail."""
    names, y = list(map(str, check.table["name"])), np.arange(len(check.table))[::-1]
    centre = np.nanmean(check.simulated, axis=0)
    scatter = np.nanstd(check.simulated, axis=0)
    scatter = np.where(scatter > 0, scatter, 1.0)
    low, high = (np.nanquantile(check.simulated, [0.025, 0.975], axis=0) - centre) / scatter
    found = (np.asarray(check.table["effect"], dtype=float) - centre) / scatter
    shown, left, right = np.arcsinh([found, low, high])
    axes.barh(y, right - left, left=left, height=0.55, color=EXPECTED, label="95% of samples")
    failed = np.isin(names, [str(name) for name in check.failed["name"]])
    outside = ~failed & ((found < low) | (found > high))
    for which, colour, inner, label in (
        (~failed & ~outside, ACCENT, ACCENT, "within its range"),
        (outside, ACCENT, "white", f"outside, but not unusual among {len(names)} tests"),
        (failed, OUTSIDE, OUTSIDE, "does not pass"),
    ):
        if which.any():
            axes.plot(shown[which], y[which], "o", ms=5.5, color=colour, mfc=inner, mew=1.3, label=label)
    axes.set_yticks(y, [printable(name) for name in names], fontsize="small", parse_math=False)
    reach = float(np.sinh(np.abs([*axes.get_xlim()]).max()))
    ticks = [tick for tick in (-1000, -100, -10, -3, -1, 0, 1, 3, 10, 100, 1000) if abs(tick) <= reach]
    axes.set_xticks(np.arcsinh(ticks), [str(tick).replace("-", "\N{MINUS SIGN}") for tick in ticks])
    axes.set_xlabel("standard deviations of samples of the model\n(arcsinh scale)")
    legend_above(axes)
