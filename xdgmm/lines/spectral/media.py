"""Air or vacuum?  Wavelengths differ by 83 km/s between the two, and nothing here converts them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from xdgmm.errors import InputError, XdgmmWarning

if TYPE_CHECKING:
    from xdgmm.spectra import Spectrum

    from .axes import Axis
    from .groups import Group

MEDIA = "air", "vacuum"
SHORTEST, LONGEST = 2000.0, 30_000.0  # Angstrom: wavelengths that are given in air at times


def check_media(
    spectra: Sequence[Spectrum], groups: Sequence[Group], axis: Axis, medium: str | None, stacklevel: int = 4
) -> list[str]:
    """A remark that says where wavelengths are measured.

    Raises
    ------
    InputError
        If spectra and lines are said to be in different media.

    Warns
    -----
    XdgmmWarning
        If nothing is said, and the unit shows that it matters.
    """
    said = {f"spectrum {spectrum.name}" if spectrum.name else "the spectrum": spectrum.medium for spectrum in spectra}
    return check_medium(medium, groups, axis, float(spectra[0].wave.mean()), said, stacklevel=stacklevel + 1)


def check_medium(
    medium: str | None,
    groups: Sequence[Group],
    axis: Axis,
    typical: float,
    said: Mapping[str, str | None] | None = None,
    *,
    stacklevel: int = 3,
) -> list[str]:
    """The same of wavelengths about a `typical` one, with what is `said` of media, by names for messages."""
    if medium is not None and medium not in MEDIA:
        raise InputError(f"`medium` is {medium!r}, but it must be 'air' or 'vacuum'")
    said = {**(said or {}), **{f"group '{group.name}'": group.medium for group in groups}, "`medium`": medium}
    known = {name: value for name, value in said.items() if value is not None}
    if len(set(known.values())) > 1:
        listed = ", ".join(f"{name} in {value}" for name, value in known.items())
        raise InputError(f"wavelengths are in different media: {listed}; convert one (nothing is converted here)")
    if axis.kind != "wavelength":
        return []
    if known:
        return [f"wavelengths of spectrum and lines in {next(iter(known.values()))}"]
    if axis.unit is not None and SHORTEST < typical * axis.unit.to("AA") < LONGEST:
        warnings.warn(
            "it is not said whether wavelengths are in air or in vacuum: if the spectrum and the lines differ, "
            "velocities are wrong by 83 km/s; say `medium='air'` or 'vacuum'",
            XdgmmWarning,
            stacklevel=stacklevel,
        )
    return ["it is not said whether wavelengths are in air or in vacuum"]
