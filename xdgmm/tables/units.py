"""The unit that belongs to an error, a variance or a covariance, given the units of the values."""

from dataclasses import dataclass
from functools import reduce
from operator import mul

from xdgmm.basics.units import difference_unit
from xdgmm.errors import InputError

from .columns import numbers


@dataclass(frozen=True)
class Belonging:
    """What a column describes, and the unit it must convert to: a product of units to some power.

    Attributes
    ----------
    what : str
        What the column holds, for messages.
    owners : tuple of str
        The columns it describes, for messages.
    units : tuple of astropy units or None
        One is multiplied for each factor: twice the same for a variance, none for a correlation.
    power : int
        1, or -1 for inverse variances.
    """

    what: str
    owners: tuple
    units: tuple
    power: int = 1

    @property
    def described(self):
        """The columns it describes, as a phrase."""
        names = " and ".join(f"'{name}'" for name in dict.fromkeys(self.owners))
        return f"column{'s' if len(set(self.owners)) > 1 else ''} {names}"

    def wanted(self):
        """The unit, or None where it cannot be known: an unknown unit has no powers."""
        from astropy.units import dimensionless_unscaled

        # An error is a difference: that of a mag(AB) is in mag.
        units = [difference_unit(unit) for unit in self.units]
        try:
            unit = reduce(mul, units) if units else dimensionless_unscaled
            return unit if self.power == 1 else unit**self.power
        except (ValueError, TypeError):
            return None


def converted(catalogue, name, belonging):
    """A column (N,) in the unit that belongs to the columns it describes; without a unit it is taken to have that.

    Raises
    ------
    InputError
        If it has a unit that does not convert; the message names both columns.
    """
    values, own = numbers(catalogue, name)
    if own is None or [str(own)] == [str(unit) for unit in belonging.units]:
        return values
    if None in belonging.units:
        none = "has none" if len(set(belonging.owners)) == 1 else "have no product of units"
        raise InputError(
            f"{belonging.what} '{name}' has the unit {own}, but {belonging.described} {none}; give both or neither"
        )
    wanted = belonging.wanted()
    factor = None if wanted is None else _factor(difference_unit(own), wanted)
    if factor is None:
        target = f"powers of {belonging.units[0]}" if wanted is None else str(wanted) or "dimensionless numbers"
        of = f" of {belonging.described}" if belonging.units else " of a correlation"
        given = f"in {own}" if str(own) else "dimensionless"
        raise InputError(f"{belonging.what} '{name}' is {given}, which does not convert to the {target}{of}")
    if len(belonging.units) == 1:
        factor = abs(factor)  # astropy has -2.5 mag for 1 dex, but an error has no sign
    return values if factor == 1.0 else values * factor


def _factor(own, wanted):
    from astropy.units import UnitsError

    try:
        return float(own.to(wanted))
    except (UnitsError, ValueError, TypeError):  # ValueError: a unit that astropy does not know
        return None
