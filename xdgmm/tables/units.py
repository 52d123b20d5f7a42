"""Units as catalogues write them: read by any of astropy's parsers, or, where none knows them, by their own names."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

# The parser of FITS, which has had its turn, does not know uas, 1/deg^2 or erg/s/cm^2/AA; that of the CDS knows deg-2.
PARSERS = ("generic", "cds", "ogip")
POWER_WITHOUT_SIGN = re.compile(r"(?<=[A-Za-z])(?=-?\d)")  # before the number in nmgy-2
# A power of a bracket: one over (km/s)^2, or (km/s)^-2.
POWER_OF_BRACKET = re.compile(r"(?P<inverse>1\s*/\s*)?\((?P<base>[^()]+)\)(\^|\*\*)?\(?(?P<power>[+-]?\d)\)?")


def known_unit(unit: Any) -> Any:
    """A unit that astropy read as an unknown one, read by another of its parsers; unrecognised if none knows it."""
    from astropy.units import Unit

    if unit is None or not _is_unknown(unit):
        return unit
    text = str(unit)
    try:
        found = parsed(text)
    except ValueError:
        return Unit(text, parse_strict="silent")
    # [cm/s2] of the CDS is a logarithm: as a unit it cannot be converted
    return Unit(text, parse_strict="silent") if hasattr(found, "function_unit") else found


def _is_unknown(unit: Any) -> bool:
    """Whether a unit is unrecognised, or consists of units that are not enabled: a VOTable makes them of any name."""
    from astropy.units import IrreducibleUnit, Unit, UnrecognizedUnit

    if isinstance(unit, UnrecognizedUnit):
        return True
    if hasattr(unit, "function_unit"):
        return False
    bases = [base for base in getattr(unit.decompose(), "bases", ()) if isinstance(base, IrreducibleUnit)]
    return any(Unit(base.name, parse_strict="silent") != base for base in bases)


def with_unknown_names(units: Sequence[Any]) -> list[Any]:
    """The units, with each name in them that astropy does not know taken as a unit of its own.

    `nanomaggies` and `1/nanomaggies^2` become a unit and its inverse square, so that they convert.

    Raises
    ------
    ValueError
        If one of them is not a product of powers of names.
    """
    from astropy.units import Unit, UnrecognizedUnit, add_enabled_units, def_unit

    texts = [str(unit).strip() for unit in units]
    names = {name for text in texts for name in re.findall("[A-Za-z]+", text)}
    unknown = [name for name in names if isinstance(Unit(name, parse_strict="silent"), UnrecognizedUnit)]
    with add_enabled_units([def_unit(name) for name in unknown]):
        return [parsed(text) for text in texts]


def parsed(text: str) -> Any:
    """The unit that a text means to one of astropy's parsers; a bracket may have a power, as in (km/s)^-2.

    Raises
    ------
    ValueError
        If none knows it.
    """
    from astropy.units import Unit

    text = text.strip()
    power = POWER_OF_BRACKET.fullmatch(text)
    if power is not None:
        exponent = int(power["power"])
        return parsed(power["base"]) ** (-exponent if power["inverse"] else exponent)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on several slashes: they divide from left to right
        for parser in PARSERS:
            for written in (text, POWER_WITHOUT_SIGN.sub("^", text)):
                try:
                    return Unit(written, format=parser)
                except (ValueError, TypeError):
                    continue
    raise ValueError(f"'{text}' is not a unit")
