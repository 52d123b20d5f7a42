"""Upper and lower errors: the mean and the standard deviation of the split normal distribution that they describe."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xdgmm.errors import InputError, XdgmmWarning
from xdgmm.observations.split_normals import split_normal_moments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

ASYMMETRIC = ("moments", "mixture")
FEW = 8  # rows, of which fewer may have such errors by chance
UNEQUAL = 0.2  # difference of upper and lower errors, relative to their mean, above which a warning is given


class ColumnErrors(NamedTuple):
    """The errors of a column, as they were read.

    standard_errors: zero, negative or NaN where they cannot be used; shift: of the mean from the value; upper, lower:
    distances from the value, equal where there is one error only.  All are (N,).
    """

    standard_errors: NDArray[np.float64]
    shift: NDArray[np.float64]
    upper: NDArray[np.float64]
    lower: NDArray[np.float64]

    @classmethod
    def equal(cls, standard_errors: NDArray[np.float64]) -> ColumnErrors:
        """One error upwards and downwards."""
        return cls(standard_errors, np.zeros(len(standard_errors)), standard_errors, standard_errors)


def check_asymmetric(asymmetric: str) -> None:
    """Refuse an `asymmetric` that is not one of `ASYMMETRIC`."""
    if asymmetric not in ASYMMETRIC:
        raise InputError(f"`asymmetric` is {asymmetric!r}, but it must be one of {', '.join(ASYMMETRIC)}")


def read_pair(
    name: str,
    names: tuple[str, ...],
    upper: NDArray[np.float64],
    lower: NDArray[np.float64],
    values: NDArray[np.float64],
    remarks: list[str],
    asymmetric: str = "moments",
) -> ColumnErrors:
    """Errors of a column from its upper and lower ones (N,) each; lower ones may be negative.

    The standard error is zero, negative or NaN, and there is no shift, where one of the two is invalid, or only one is
    zero.  Nothing is said of unequal ones where they stay unequal: `asymmetric` is "mixture".
    """
    present = np.isfinite(values)
    _warn_of_intervals(name, names, upper[present], lower[present], values[present])
    lower = -lower if _all_negative(lower[present]) else lower
    smallest = np.minimum(upper, lower)
    shift, sd = split_normal_moments(upper, lower)
    shift = np.where(present & (smallest > 0), shift, 0.0)
    usable = (smallest > 0) | ((upper == 0) & (lower == 0))
    if asymmetric == "moments":
        _remark_on_shift(name, shift, remarks)
        _warn_of_unequal(name, names, upper, lower, present & (smallest > 0), remarks)
    return ColumnErrors(np.where(usable, sd, np.where(smallest < 0, smallest, np.nan)), shift, upper, lower)


def _warn_of_intervals(
    name: str,
    names: Sequence[str],
    upper: NDArray[np.float64],
    lower: NDArray[np.float64],
    values: NDArray[np.float64],
) -> None:
    """Warn of percentiles in the place of errors, as Gaia gives them: every value lies between the two."""
    known = np.isfinite(upper) & np.isfinite(lower)
    between = (lower <= values) & (values <= upper) & (lower < upper)
    if known.sum() >= FEW and between[known].all():
        warnings.warn(
            f"{names[1]} <= {name} <= {names[0]} in all {known.sum()} rows, as if they were the ends of intervals; "
            "errors are distances from the value: if these are ends, subtract the value first",
            XdgmmWarning,
            stacklevel=2,
        )


def _all_negative(lower: NDArray[np.float64]) -> bool:
    """Whether lower errors are written with a minus sign."""
    lower = lower[~np.isnan(lower)]
    return bool((lower <= 0).all() and (lower < 0).any())


def _remark_on_shift(name: str, shift: NDArray[np.float64], remarks: list[str]) -> None:
    count = np.count_nonzero(shift)
    if count:
        remarks.append(
            f"{count} value{'s' if count > 1 else ''} of {name} with unequal upper and lower errors moved to the mean "
            f"of their split normal (by {_range(shift[shift != 0])})"
        )


def _range(shift: NDArray[np.float64]) -> str:
    smallest, largest = f"{shift.min():+.3g}", f"{shift.max():+.3g}"
    return smallest if smallest == largest else f"{smallest} to {largest}"


def _warn_of_unequal(
    name: str,
    names: Sequence[str],
    upper: NDArray[np.float64],
    lower: NDArray[np.float64],
    usable: NDArray[np.bool_],
    remarks: list[str],
) -> None:
    mean = 0.5 * (upper + lower)
    with np.errstate(invalid="ignore", divide="ignore"):
        difference = np.where(usable & np.isfinite(mean), np.abs(upper - lower) / mean, 0.0)
    unequal = int((difference > UNEQUAL).sum())
    if unequal == 0:
        return
    worst = int(np.argmax(difference))
    sentence = (
        f"upper and lower errors of {name} differ by more than {UNEQUAL:.0%} of their mean in {unequal} "
        f"row{'s' if unequal > 1 else ''}"
    )
    remarks.append(sentence)
    warnings.warn(
        f"{sentence} (most in row {worst}: +{upper[worst]:.3g} -{lower[worst]:.3g}, in {' and '.join(names)}); the fit "
        "takes the mean and the standard deviation of a split normal whose mode is the value, but not its skewness; "
        "set `asymmetric` to 'mixture' to keep it",
        XdgmmWarning,
        stacklevel=2,
    )
