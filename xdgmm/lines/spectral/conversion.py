"""Fits of lines as the widths that `deconvolve` returns, for `population` and tables of many lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xdgmm.lines.deconvolution import IntrinsicWidths, LineWidths

if TYPE_CHECKING:
    from .line_fit import LineFit

Array = NDArray[np.float64]


def widths_of(fit: LineFit) -> IntrinsicWidths:
    """Widths in km/s with a row for each group of a fit."""
    rows = rows_of(fit)
    fractions = np.tile(fractions_of(fit), (rows.shape[1], 1)).T
    return widths_of_rows(rows, fractions, with_unit=fit.solution.table.axis.unit is not None)


def widths_of_rows(rows: Array, fractions: Array, *, with_unit: bool) -> IntrinsicWidths:
    """Widths in km/s from what `rows_of` (3, ...) and `fractions_of` (2, ...) found of many groups.

    Missing ones are NaN.  An error of the instrument's width that is the same for all is one that they share.
    """
    from astropy.units import Unit

    seen = ~np.isnan(rows[0])
    errors, scatters = (np.where(seen, each, each[seen][0] if seen.any() else 0.0) for each in fractions)
    shared = bool((errors == errors.flat[0]).all())
    observed, error, instrument = rows
    widths = LineWidths(observed, error, instrument, errors, scatters)
    return IntrinsicWidths(widths, shared=shared, unit=Unit("km/s") if with_unit else None)


def rows_of(fit: LineFit) -> Array:
    """Observed sigma, its error without that of the instrument, and the instrument's sigma, (3, G), in km/s.

    The width is that of the first line of the group.  Heat, where it was taken out, is counted to the instrument, so
    that the difference of the squares is the intrinsic variance of the fit.
    """
    solution, table = fit.solution, fit.solution.table
    lines = np.array([np.flatnonzero(table.group == g)[0] for g in range(table.n_groups)])
    instrument2 = (solution.instrument[lines] / table.per_kms[lines]) ** 2 + table.thermal[lines]
    variances, errors = solution.variances
    observed = np.sqrt(np.maximum(variances + instrument2, 0.0))
    of_instrument = 2.0 * instrument2 * np.hypot(*fractions_of(fit))
    own = np.sqrt(np.maximum(errors**2 - of_instrument**2, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.array([observed, 0.5 * own / observed, np.sqrt(instrument2)])


def fractions_of(fit: LineFit) -> tuple[float, float]:
    """Fractional error of the instrument's width, shared, and scatter between lines; 0 where events have errors."""
    instruments = fit.data.instruments
    return (instruments[0].error, instruments[0].scatter) if instruments else (0.0, 0.0)
