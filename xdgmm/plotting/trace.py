"""The picture of how a fit reached its maximum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.errors import InputError
from xdgmm.fitting import FitResult

from .colours import ACCENT, BARS, OUTSIDE
from .figures import prepared_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SMALLEST = 1e-12  # of the objective: a smaller difference is rounding


def plot_trace(model: Any, *, ax: Axes | None = None) -> Axes:
    """Draw how far below its maximum the log-likelihood was after each pass, and what further gain was predicted.

    Parameters
    ----------
    model : XDGMM or FitResult
        A fit; files do not keep its passes.
    ax : Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Over the passes from the winning start: as dots and a line how far, in nats, the objective (log-likelihood, plus
        log-prior if there is one) of each pass and of the best one so far is below the predicted maximum; as diamonds
        the gain that the fit predicted after a pass.  The predicted maximum is the best objective plus the last
        predicted gain, so that the line ends at the last diamond; an earlier diamond on the line was a prediction that
        came true.  Differences that are zero or rounding are left out of the logarithmic scale.  With several random
        starts the first passes compare these on a sample, and are no part of the history.

    Raises
    ------
    InputError
        If this is no fit, or one that was kept without its passes.

    Examples
    --------
    >>> from xdgmm import XDGMM, datasets
    >>> from xdgmm.plotting import plot_trace
    >>> stars = datasets.load("neutron_stars")["m", "e_m"]
    >>> ax = plot_trace(XDGMM(2, random_state=0).fit(stars))
    """
    result = getattr(model, "result_", model)
    if not isinstance(result, FitResult):
        raise InputError("a trace needs a fit of this session (a fitted XDGMM or its `result_`): files keep no passes")
    ax = prepared_axes(ax)
    history = np.asarray(result.history)
    smallest = SMALLEST * max(1.0, abs(float(np.max(history))))
    end = float(np.max(history)) + (result.predicted_gain if np.isfinite(result.predicted_gain) else 0.0)
    passes = np.arange(1, history.size + 1)
    below, best = (_above(end - each, smallest) for each in (history, np.maximum.accumulate(history)))
    ax.plot(passes, below, ".", ms=4, color=BARS, label="each pass")
    ax.plot(passes, best, "-", lw=1.6, color=ACCENT, label="the best so far")
    if len(result.gain_history):
        after, gains = np.asarray(result.gain_history).T
        ax.plot(after, np.maximum(gains, smallest), "D", ms=5, color=OUTSIDE, label="gain predicted after this pass")
    ax.set_yscale("log")
    ax.set_xlabel("pass over the data")
    ax.set_ylabel("nats below the predicted maximum")
    ax.set_title(f"ln L = {result.log_likelihood:.3f}".replace("-", "\N{MINUS SIGN}"), fontsize="medium")
    ax.legend(frameon=False, fontsize="small")
    return ax


def _above(values: Any, smallest: float) -> Any:
    """The values; NaN, which is not drawn, where they are at most the smallest, or infinite."""
    values = np.asarray(values, dtype=float)
    return np.where(np.isfinite(values) & (values > smallest), values, np.nan)
