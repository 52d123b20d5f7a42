"""`Counts`: numbers of photons in bins, with exposure and response, a frozen value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.basics.arrays import as_floats, list_rows, read_only
from xdgmm.errors import InputError, KindError

from .axes import axis_kind
from .lsf import LSF

if TYPE_CHECKING:
    from astropy.units import Quantity, UnitBase
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

COUNTED = "", "ct", "ph", "electron"  # units of numbers of events


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Counts:
    """Counts of photons, or of other events, in n bins or in m channels of a detector.

    Parameters
    ----------
    edges : array or Quantity (n + 1,) or (n, 2)
        Edges of the bins, increasing or decreasing: energies, wavelengths, frequencies or velocities; or both edges of
        each bin, where there are gaps.
    counts : array (n,), or (m,) with a response
        Whole numbers, as they were detected.  NaN and masked values are left out.
    exposure : float, array (n,) or Quantity, optional
        By which fluxes are multiplied: a time, or time times effective area.  Bins where it is 0 or NaN are left out.
    response : array (m, n) or scipy sparse matrix, optional
        Probability that an event in each bin is counted in each channel, as a redistribution matrix of X-ray astronomy.
    lsf : LSF, optional
        Line spread function of the instrument; with a response, of what the response does not contain.
    mask : array (m,), optional
        True, or not 0, in channels (bins) to be left out.
    name : str, optional
        Name, for reports.

    Attributes
    ----------
    low, high, centres : ndarray (n,)
        Of the bins, increasing; all arrays are in this order.
    counts : ndarray (m,)
        As given; NaN where missing.
    exposure : ndarray (n,)
        1 where none was given.
    response : scipy.sparse.csr_matrix (m, n) or None
    good : ndarray of bool (m,)
        Channels that are fitted.
    unit, exposure_unit : astropy unit or None
        Of the edges, and of the exposure; plain numbers have none.

    Raises
    ------
    InputError
        If counts are no whole numbers or negative, edges are not sorted or overlap, or shapes do not match.

    Examples
    --------
    >>> import numpy as np
    >>> from xdgmm.spectra import Counts
    >>> Counts(np.arange(6490.0, 6500.5, 0.5), np.ones(20), name="Perseus")
    <Counts Perseus: 20 counts in 20 bins, 6490 to 6500>
    """

    low: Floats
    high: Floats
    counts: Floats
    exposure: Floats
    response: Any
    good: Bools
    lsf: LSF | None
    unit: UnitBase | None
    exposure_unit: UnitBase | None
    name: str | None

    def __init__(
        self,
        edges: ArrayLike | Quantity,
        counts: ArrayLike | Quantity,
        *,
        exposure: ArrayLike | Quantity | None = None,
        response: Any = None,
        lsf: LSF | None = None,
        mask: ArrayLike | None = None,
        name: str | None = None,
    ) -> None:
        if lsf is not None and not isinstance(lsf, LSF):
            raise KindError(f"`lsf` is of type {type(lsf).__name__}, but it must be an LSF: LSF(sigma=..., ...)")
        low, high, unit, decreasing = _as_bins(edges)
        matrix = None if response is None else _as_response(response, low.size, decreasing=decreasing)
        n_channels = low.size if matrix is None else matrix.shape[0]
        numbers = _as_counts(counts, n_channels)
        exposures, exposure_unit = _as_exposure(exposure, low.size)
        order = slice(None, None, -1 if decreasing else 1)
        numbers, exposures, masked = numbers[order], exposures[order], _as_mask(mask, n_channels)[order]
        good = np.isfinite(numbers) & ~masked
        if matrix is None:
            good &= exposures > 0
        if not good.any():
            raise InputError("no bin is left: all of `counts` is NaN, masked, or without exposure")
        self._freeze(
            low=low,
            high=high,
            counts=numbers,
            exposure=exposures,
            response=matrix,
            good=good,
            lsf=lsf,
            unit=unit,
            exposure_unit=exposure_unit,
            name=name,
        )

    def _freeze(self, **values: Any) -> None:
        for name, value in values.items():
            frozen = read_only(np.ascontiguousarray(value)) if isinstance(value, np.ndarray) else value
            object.__setattr__(self, name, frozen)

    @property
    def centres(self) -> Floats:
        """Centres of the bins (n,)."""
        return 0.5 * (self.low + self.high)

    @property
    def n_masked(self) -> int:
        """How many channels (bins) are left out."""
        return int((~self.good).sum())

    def __repr__(self) -> str:
        """One line."""
        unit = "" if self.unit is None else f" {self.unit}"
        what = "bins" if self.response is None else "channels"
        parts = [f"{self.counts[self.good].sum():.0f} counts in {self.counts.size} {what}"]
        parts.append(f"{self.low[0]:.6g} to {self.high[-1]:.6g}{unit}")
        parts += [f"{self.n_masked} of them left out"] if self.n_masked else []
        return f"<Counts{'' if self.name is None else f' {self.name}'}: {', '.join(parts)}>"


def _as_bins(edges: Any) -> tuple[Floats, Floats, UnitBase | None, bool]:
    """Lower and upper edges (n,), increasing, their unit, and whether they were decreasing."""
    given, unit = as_floats(edges, "edges")
    if not ((given.ndim == 1 and given.size > 1) or (given.ndim == 2 and given.shape[1] == 2 and given.size)):
        raise InputError(f"`edges` has shape {given.shape}, but n bins have n + 1 edges, or a table of two edges each")
    if not np.isfinite(given).all():
        raise InputError("`edges` has values that are missing or infinite; every bin has two edges")
    ends = np.stack([given[:-1], given[1:]]) if given.ndim == 1 else given.T
    low, high = np.sort(ends, axis=0)
    decreasing = bool(low[0] > low[-1]) or (low.size == 1 and bool(ends[0, 0] > ends[1, 0]))
    if decreasing:
        low, high = low[::-1], high[::-1]
    if not (high > low).all():
        raise InputError(f"a bin begins and ends at {low[~(high > low)][0]:.6g}; give two different edges")
    if not (low[1:] - high[:-1] >= -1e-6 * (high - low)[1:]).all():
        raise InputError(
            "`edges` are not sorted, or bins overlap; sort them, and give observations that overlap as a list of "
            "lines.Counts"
        )
    if axis_kind(unit, "edges") not in (None, "velocity") and low[0] <= 0:
        raise InputError(f"`edges` begin at {low[0]:.6g} {unit}, but they are positive on this axis")
    return low, high, unit, decreasing


def _as_response(response: Any, n_bins: int, *, decreasing: bool) -> Any:
    from scipy.sparse import csr_matrix, issparse

    matrix = csr_matrix(response if issparse(response) else as_floats(response, "response")[0], dtype=float)
    if matrix.shape[1] != n_bins:
        raise InputError(
            f"`response` has shape {matrix.shape}, but there are {n_bins} bins; it has a row for each channel and a "
            "column for each bin"
        )
    if not (np.isfinite(matrix.data) & (matrix.data >= 0)).all():
        raise InputError("`response` has elements that are negative, NaN or infinite; they are probabilities")
    if not matrix.data.any():
        raise InputError("`response` is zero everywhere, so that nothing would be counted; give probabilities")
    if decreasing:
        raise InputError("`edges` decrease; with a response give bins in increasing order, as its columns")
    return matrix


def _as_counts(counts: Any, n_channels: int) -> Floats:
    """Whole numbers (m,), NaN where missing."""
    unit = getattr(counts, "unit", None)
    if unit is not None and str(unit) not in COUNTED:
        raise InputError(f"`counts` is in {unit}, but it must be numbers of events: plain, or in ct or photon")
    numbers = as_floats(getattr(counts, "value", counts), "counts")[0]
    if numbers.shape != (n_channels,):
        raise InputError(f"`counts` has shape {numbers.shape}, but {n_channels} numbers are needed: one for each bin")
    seen = np.where(np.isnan(numbers), 0.0, numbers)
    kinds = {"negative": seen < 0, "infinite": np.isinf(seen), "no whole number": seen != np.floor(seen)}
    for what, wrong in kinds.items():
        if wrong.any():
            where = list_rows(np.flatnonzero(wrong)).replace("row", "bin")
            raise InputError(
                f"`counts` is {what} in {where}; give events as they were counted, not rates and with no background "
                "taken out, or use lines.fit_lines with errors"
            )
    return numbers


def _as_exposure(exposure: Any, n_bins: int) -> tuple[Floats, UnitBase | None]:
    """Of each bin (n,), 0 where missing, and its unit."""
    if exposure is None:
        return np.ones(n_bins), None
    numbers, unit = as_floats(exposure, "exposure")
    if numbers.shape not in ((), (n_bins,)):
        raise InputError(
            f"`exposure` has shape {numbers.shape}, but there are {n_bins} bins; give one number, or one for each"
        )
    numbers = np.broadcast_to(np.nan_to_num(numbers, nan=0.0), n_bins)
    if not ((numbers >= 0) & (numbers < np.inf)).all():
        raise InputError("`exposure` is negative or infinite; give times, or times multiplied by effective areas")
    return numbers, unit


def _as_mask(mask: Any, n_channels: int) -> Bools:
    if mask is None:
        return np.zeros(n_channels, bool)
    flags = np.asarray(mask)
    if flags.dtype.kind not in "biu" or flags.shape != (n_channels,):
        raise InputError(f"`mask` must hold {n_channels} values that are True (or not 0) in bins to leave out")
    return np.asarray(flags != 0)
