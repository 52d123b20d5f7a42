"""`Group`: lines that share one velocity and one intrinsic variance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.errors import InputError

from .media import MEDIA

if TYPE_CHECKING:
    from astropy.units import Quantity

Bounds = tuple[float, float]
Entry = Any  # a position, (position, label), or (position, label, ratio)

# Standard atomic weights, abridged (IUPAC 2021): of elements whose lines are wide enough that heat is asked about.
ATOMIC_WEIGHTS = {
    "H": 1.008, "He": 4.0026, "C": 12.011, "N": 14.007, "O": 15.999, "Ne": 20.180, "Na": 22.990, "Mg": 24.305,
    "Al": 26.982, "Si": 28.085, "S": 32.06, "Ar": 39.95, "Ca": 40.078, "Cr": 51.996, "Mn": 54.938, "Fe": 55.845,
    "Ni": 58.693,
}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One line of a group.

    Attributes
    ----------
    rest : float or Quantity
        Rest wavelength, energy or frequency, or velocity on an axis of velocities.
    label : str
    ratio : float or (low, high) or None
        Flux relative to the first line of this label: fixed, within bounds, or free (None).
    natural_width : float or Quantity
        Full width at half maximum of the natural (Lorentzian) profile; 0 for a Gaussian line.
    """

    rest: Any
    label: str
    ratio: float | Bounds | None = None
    natural_width: Any = 0.0

    @property
    def fixed_ratio(self) -> float:
        """Flux over that of the parameter it belongs to: 1 for a flux of its own, NaN where it is fitted."""
        if isinstance(self.ratio, tuple):
            return np.nan
        return 1.0 if self.ratio is None else self.ratio

    @property
    def is_bounded(self) -> bool:
        """Is the ratio of its flux fitted between bounds?"""
        return isinstance(self.ratio, tuple)


@dataclass(frozen=True, init=False)
class Group:
    """Lines that share one velocity and one intrinsic variance, both in km/s.

    Parameters
    ----------
    name : str
    lines : sequence
        For each line its rest position (plain numbers are in the unit of the spectrum), or ``(position, label)``, or
        ``(position, label, ratio)``: the ratio is its flux relative to the first line with that label, a number, or a
        pair ``(low, high)`` between which it is fitted.
    z : float
        Redshift, from which velocities are counted.
    element : str, optional
        Symbol of the ion's element ("Fe"), whose mass gives the thermal width; or give its `mass`.
    mass : float, optional
        In atomic mass units.
    velocity : (low, high), optional
        Bounds of the velocity relative to `z` in km/s.  By default 1000 km/s to both sides, or four times the
        instrument's sigma where that is larger.
    sigma : (low, high), optional
        Bounds of the intrinsic sigma in km/s, as for a broad component.  By default there are none, and the intrinsic
        variance may come out negative, as it does for half of all lines without a width of their own.
    natural_width : float, Quantity, or a sequence with one for each line, optional
        Full width at half maximum of the natural profile, for Voigt profiles.
    medium : {"air", "vacuum"}, optional
        Where the wavelengths of the lines are measured: it must be that of the spectrum.

    Raises
    ------
    InputError
        If a line is no such entry, two lines are at one position, a position is not positive (on an axis of velocities
        any number is possible), or bounds are not in order.

    Examples
    --------
    >>> from xdgmm import lines
    >>> lines.Group("ionised", [6564.61, (6585.27, "NII"), (6549.86, "NII", 1 / 3.05)], z=0.00386)
    Group('ionised': 6564.61, NII 6585.27, NII 6549.86; z = 0.00386)
    """

    name: str
    lines: tuple[Line, ...]
    z: float
    mass: float | None
    velocity: Bounds | None
    sigma: Bounds | None
    medium: str | None

    def __init__(
        self,
        name: str,
        lines: Sequence[Entry] | Quantity | float,
        z: float = 0.0,
        *,
        element: str | None = None,
        mass: float | None = None,
        velocity: Bounds | None = None,
        sigma: Bounds | None = None,
        natural_width: Any = 0.0,
        medium: str | None = None,
    ) -> None:
        if not isinstance(name, str) or not name:
            raise InputError(f"the name of a group is {name!r}, but it must be a text, as in Group('ionised', [...])")
        entries = _entries(lines, name)
        widths = _natural_widths(natural_width, len(entries), name)
        of_group = tuple(_line(*pair, name) for pair in zip(entries, widths, strict=True))
        _check_ratios(of_group, name)
        _check_different(of_group, name)
        if medium not in (None, *MEDIA):
            raise InputError(f"`medium` of group '{name}' is {medium!r}, but it must be 'air' or 'vacuum'")
        values = {
            "name": name,
            "lines": of_group,
            "z": _redshift(z, name),
            "mass": _mass(element, mass, name),
            "velocity": _bounds(velocity, "velocity", name),
            "sigma": _bounds(sigma, "sigma", name, least=0.0),
            "medium": medium,
        }
        for attribute, value in values.items():
            object.__setattr__(self, attribute, value)

    def at(self, z: float) -> Group:
        """The same lines at another redshift.

        Raises
        ------
        InputError
            If it is no number above -1.
        """
        result = object.__new__(Group)
        for attribute, value in {**vars(self), "z": _redshift(z, self.name)}.items():
            object.__setattr__(result, attribute, value)
        return result

    def __repr__(self) -> str:
        """The name, the lines and the redshift."""
        texts = [
            f"{line.rest:g}" if line.label == _name_of(line.rest) else f"{line.label} {line.rest:g}"
            for line in self.lines
        ]
        return f"Group('{self.name}': {', '.join(texts)}; z = {self.z:g})"


def _number(value: Any) -> float:
    """One number, also from a Quantity without unit; NaN from anything else."""
    if isinstance(value, str):
        return np.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        return np.nan


def _redshift(z: float, name: str) -> float:
    number = _number(z)
    if not np.isfinite(number) or number <= -1:
        raise InputError(f"`z` of group '{name}' is {z}, but a redshift is a number above -1")
    return number


def _entries(lines: Any, name: str) -> list[Entry]:
    if getattr(lines, "isscalar", False) or isinstance(lines, (int, float)):
        return [lines]
    try:
        entries = [] if isinstance(lines, (str, dict)) else list(lines)
    except TypeError:
        entries = []
    if not entries:
        raise InputError(f"group '{name}' has no lines; give at least one rest position")
    return entries


def _line(entry: Entry, natural_width: Any, name: str) -> Line:
    """A line from what a user gave for it."""
    parts = tuple(entry) if isinstance(entry, (tuple, list)) else (entry,)
    if not 1 <= len(parts) <= 3 or (len(parts) > 1 and not isinstance(parts[1], str)):
        raise InputError(
            f"{entry!r} is no line of group '{name}'; give a rest position, (position, label), or (position, label, "
            "ratio)"
        )
    rest = parts[0]
    number = _number(getattr(rest, "value", rest))
    if not np.isfinite(number):
        raise InputError(f"the rest position {rest!r} in group '{name}' is no finite number")
    rest = rest if hasattr(rest, "unit") else number
    label = parts[1] if len(parts) > 1 else _name_of(rest)
    return Line(rest, label, _ratio(parts[2], label, name) if len(parts) > 2 else None, natural_width)


def _name_of(rest: Any) -> str:
    return f"{rest:g}"


def _ratio(ratio: Any, label: str, name: str) -> float | Bounds:
    if np.ndim(ratio):
        low, high = (_number(end) for end in ratio) if len(ratio) == 2 else (np.nan, np.nan)
        if not (np.isfinite([low, high]).all() and low < high):
            raise InputError(
                f"the ratio {ratio!r} of '{label}' in group '{name}' must be a number or a pair (low, high)"
            )
        return low, high
    number = _number(ratio)
    if not np.isfinite(number):
        raise InputError(f"the ratio {ratio!r} of '{label}' in group '{name}' is no finite number")
    return number


def _check_ratios(lines: tuple[Line, ...], name: str) -> None:
    """A ratio refers to the first line of its label, which must have a flux of its own."""
    seen: set[str] = set()
    for line in lines:
        if line.ratio is not None and line.label not in seen:
            raise InputError(
                f"the first line '{line.label}' of group '{name}' has a ratio, but ratios refer to it: leave it out "
                "there"
            )
        seen.add(line.label)


def _check_different(lines: tuple[Line, ...], name: str) -> None:
    """Of lines at one place, which move together, only the sum of the fluxes is seen."""
    seen: dict[tuple[float, str], str] = {}
    for line in lines:
        place = float(getattr(line.rest, "value", line.rest)), str(getattr(line.rest, "unit", ""))
        if place in seen:
            raise InputError(
                f"the lines '{seen[place]}' and '{line.label}' of group '{name}' are both at {line.rest:g}, so that "
                "only the sum of their fluxes is seen; leave one out, or give it a group of its own"
            )
        seen[place] = line.label


def _natural_widths(widths: Any, n_lines: int, name: str) -> list[Any]:
    try:
        numbers = np.asarray(getattr(widths, "value", widths), dtype=float)
    except (TypeError, ValueError):
        numbers = np.array(np.nan)
    if numbers.shape not in ((), (n_lines,)) or not ((numbers >= 0) & (numbers < np.inf)).all():
        raise InputError(
            f"`natural_width` of group '{name}' must be one full width of 0 or more, or one for each of its "
            f"{n_lines} lines"
        )
    if numbers.ndim == 0:
        return [widths] * n_lines
    return [widths[i] if hasattr(widths, "unit") else float(numbers[i]) for i in range(n_lines)]


def _mass(element: str | None, mass: float | None, name: str) -> float | None:
    if element is None:
        if mass is not None and not 0 < _number(mass) < np.inf:
            raise InputError(f"`mass` of group '{name}' is {mass}, but it must be positive (atomic mass units)")
        return mass
    if mass is not None:
        raise InputError(f"give `element` or `mass` of group '{name}', not both")
    if element not in ATOMIC_WEIGHTS:
        raise InputError(f"`element` of group '{name}' is {element!r}, whose mass is not known here; give `mass`")
    return ATOMIC_WEIGHTS[element]


def _bounds(bounds: Any, what: str, name: str, least: float = -np.inf) -> Bounds | None:
    if bounds is None:
        return None
    try:
        low, high = (float(end.to_value("km/s") if hasattr(end, "unit") else end) for end in bounds)
    except (TypeError, ValueError):
        low = high = np.nan
    if not (least <= low < high and low > -np.inf and (high < np.inf or what == "sigma")):
        order = "finite, low < high" if least == -np.inf else f"{least:g} <= low < high"
        raise InputError(
            f"`{what}` of group '{name}' is {bounds!r}, but it must be a pair (low, high) in km/s, {order}"
        )
    return low, high
