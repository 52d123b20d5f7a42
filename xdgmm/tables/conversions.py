"""Columns of errors, variances and covariances, read in the unit that belongs to the columns that they describe."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import mul
from typing import TYPE_CHECKING, Any

from xdgmm.basics.units import difference_unit
from xdgmm.errors import InputError

from .columns import read_column
from .units import with_unknown_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from .table_types import NamedColumns


@dataclass(frozen=True)
class ExpectedUnit:
    """The unit that a column of errors, variances or covariances must convert to.

    Attributes
    ----------
    what : str
        What the column holds, for messages.
    described : tuple of str
        Names of the columns of values that it describes, for messages.
    units : tuple of astropy units or None
        Units of which the expected one is the product: twice the same for a variance, none for a correlation.
    power : int
        1, or -1 for inverse variances.
    """

    what: str
    described: tuple[str, ...]
    units: tuple[Any, ...]
    power: int = 1

    @property
    def phrase(self) -> str:
        """The columns that it describes, as a phrase."""
        names = " and ".join(f"'{name}'" for name in dict.fromkeys(self.described))
        return f"column{'s' if len(set(self.described)) > 1 else ''} {names}"

    def unit(self) -> Any:
        """The unit; None if it has no powers, as a unit that astropy does not know."""
        try:
            return self._product(self.units)
        except (ValueError, TypeError):
            return None

    def factor(self, own: Any) -> float | None:
        """The factor from the unit of a column to the expected one; None if it does not convert.

        Names of units that astropy does not know convert to themselves: 1/nanomaggies^2 is the inverse square of
        nanomaggies.
        """
        from astropy.units import UnrecognizedUnit

        try:
            if any(isinstance(unit, UnrecognizedUnit) for unit in (own, *self.units)):
                own, *units = with_unknown_names((own, *self.units))
            else:
                units = list(self.units)
            return float(difference_unit(own).to(self._product(units)))
        except (ValueError, TypeError):  # UnitConversionError is a TypeError
            return None

    def _product(self, units: Sequence[Any]) -> Any:
        from astropy.units import dimensionless_unscaled

        # An error is a difference: that of a mag(AB) is in mag.
        product = reduce(mul, [difference_unit(unit) for unit in units], dimensionless_unscaled)
        return product if self.power == 1 else product**self.power


def read_converted(table: NamedColumns, name: str, expected: ExpectedUnit) -> NDArray[np.float64]:
    """A column (N,) in the expected unit; a column without a unit is taken to be in that unit.

    Raises
    ------
    InputError
        If it has a unit that does not convert; the message names both columns.
    """
    values, own = read_column(table, name)
    factor = factor_to(expected, name, own)
    return values if factor == 1.0 else values * factor


def factor_to(expected: ExpectedUnit, name: str, own: Any) -> float:
    """The factor from the unit of a column to the expected one; 1 for a column without a unit.

    Raises
    ------
    InputError
        If it does not convert; the message names both columns.
    """
    if own is None or [str(own)] == [str(unit) for unit in expected.units]:
        return 1.0
    if None in expected.units:
        none = "has none" if len(set(expected.described)) == 1 else "have no product of units"
        raise InputError(
            f"{expected.what} '{name}' has the unit {own}, but {expected.phrase} {none}; give both or neither"
        )
    wanted = expected.unit()
    factor = expected.factor(own)
    if factor is None:
        target = f"powers of {expected.units[0]}" if wanted is None else str(wanted) or "dimensionless numbers"
        of = f" of {expected.phrase}" if expected.units else " of a correlation"
        given = f"in {own}" if str(own) else "dimensionless"
        raise InputError(f"{expected.what} '{name}' is {given}, which does not convert to the {target}{of}")
    return abs(factor) if len(expected.units) == 1 else factor  # 1 dex is -2.5 mag, but an error has no sign
