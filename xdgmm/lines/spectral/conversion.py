"""Fits of lines as the widths that `deconvolve` returns, for `population` and tables of many lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from xdgmm.lines.deconvolution import IntrinsicWidths, LineWidths

if TYPE_CHECKING:
    from .line_fit import LineFit


def widths_of(fits: Sequence[LineFit | None]) -> IntrinsicWidths:
    """Widths in km/s with a row for each group of each fit; of fits that failed (None) rows without a width.

    The width is that of the first line of the group.  Heat, where it was taken out, is counted to the instrument, so
    that the difference of the squares is the intrinsic variance of the fit.
    """
    from astropy.units import Unit

    first = next(fit for fit in fits if fit is not None)
    n_groups = len(first.groups)
    rows = [np.full((3, n_groups), np.nan) if fit is None else _rows(fit) for fit in fits]
    observed, error, instrument = np.concatenate(rows, axis=1)
    shared, scatter = _fractions(first)
    n = np.ones(observed.size)
    unit = None if first.solution.table.axis.unit is None else Unit("km/s")
    return IntrinsicWidths(LineWidths(observed, error, instrument, shared * n, scatter * n), shared=True, unit=unit)


def _rows(fit: LineFit) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Observed sigma, its error without that of the instrument, and the instrument's sigma, for each group, in km/s."""
    solution, table = fit.solution, fit.solution.table
    lines = np.array([np.flatnonzero(table.group == g)[0] for g in range(table.n_groups)])
    instrument2 = (solution.instrument[lines] / table.per_kms[lines]) ** 2 + table.thermal[lines]
    variances, errors = solution.variances
    observed = np.sqrt(np.maximum(variances + instrument2, 0.0))
    of_instrument = 2.0 * instrument2 * np.hypot(*_fractions(fit))
    own = np.sqrt(np.maximum(errors**2 - of_instrument**2, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.array([observed, 0.5 * own / observed, np.sqrt(instrument2)])


def _fractions(fit: LineFit) -> tuple[float, float]:
    """Fractional error of the instrument's width, shared, and scatter between lines."""
    lsf = fit.data.instruments[0]
    return lsf.error, lsf.scatter
