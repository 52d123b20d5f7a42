"""What is done with the spectra of a source: groups, windows, continuum; checked once, whether for one or for many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.errors import InputError

from .axes import Axis, thermal_variance
from .continua import as_continuum
from .line_fit import Header, LineFit, check_groups
from .media import check_media
from .spectra_fit import (
    Window,
    assumed,
    check_choices,
    check_errors,
    fit_normal,
    flux_unit_of,
    instruments_of,
    remarks_on,
    title_of,
    windows_of,
)

if TYPE_CHECKING:
    from xdgmm.spectra import Spectrum

    from .groups import Group


@dataclass(frozen=True)
class Plan:
    """What `fit_lines` does with each source, checked once.

    Attributes
    ----------
    groups : sequence of Group
    axis : Axis
    windows : tuple of (low, high), or None
    moved : bool
        Are windows given at rest, and moved by the redshift?
    continuum, thermal
        As in `fit_lines`.
    noise, fluxes : str or None
        As in `fit_lines`.
    remarks : tuple of str
    """

    groups: Sequence[Group]
    axis: Axis
    windows: tuple[Window, ...] | None
    moved: bool
    continuum: Any
    thermal: Any
    noise: str | None
    fluxes: str
    remarks: tuple[str, ...]

    @classmethod
    def of(
        cls,
        spectra: Sequence[Spectrum],
        groups: Any,
        *,
        windows: Any,
        rest_windows: Any,
        continuum: Any,
        noise: str | None,
        axis: str | None,
        convention: str | None,
        thermal: Any,
        fluxes: str,
        medium: str | None,
    ) -> Plan:
        """From what a user gave; spectra are of one or several sources.

        Raises
        ------
        InputError
            If something is wrong whatever the fluxes are.
        """
        chosen = check_groups(groups)
        check_choices(noise, fluxes)
        as_continuum(continuum)
        of_axis = Axis.of(spectra[0].wave_unit, axis, convention)
        if windows is not None and rest_windows is not None:
            raise InputError("`windows` and `rest_windows` were both given; leave one of them out")
        ranges = windows_of(windows if rest_windows is None else rest_windows, of_axis)
        for group in chosen:
            of_axis.rest_positions(group)
            thermal_variance(thermal, group)
        remarks = check_media(spectra, chosen, of_axis, medium, stacklevel=4)
        return cls(chosen, of_axis, ranges, rest_windows is not None, continuum, thermal, noise, fluxes, tuple(remarks))

    def fit(self, spectra: Sequence[Spectrum], lsf: Any, z: float | None) -> LineFit:
        """The lines of one source.

        Raises
        ------
        InputError
            As in `fit_lines`.
        """
        for spectrum in spectra:
            check_errors(spectrum, self.noise)
        instruments = instruments_of(lsf, spectra)
        groups = self.groups if z is None else [group.at(z) for group in self.groups]
        settings: dict[str, Any] = {
            "axis": self.axis,
            "windows": self._observed(groups),
            "continuum": self.continuum,
            "thermal": self.thermal,
            "shared_fluxes": self.fluxes == "shared",
        }
        solution, data = fit_normal(spectra, groups, instruments, **settings)
        remarks = [*self.remarks, *remarks_on(spectra, instruments, settings["windows"])]
        if self.noise == "estimate":
            scale = float(np.sqrt(solution.goodness.statistic / solution.goodness.dof))
            solution, data = fit_normal(spectra, groups, instruments, **settings, error=scale)
            remarks.append(f"errors were not given: {scale:.4g} for each pixel, estimated from the residuals")
        instrument = "; ".join(dict.fromkeys(assumed(each) for each in instruments))
        header = Header(title_of(spectra, "spectrum"), instrument, tuple(remarks))
        return LineFit(solution, header, data=data, flux_unit=flux_unit_of(spectra[0]))

    def _observed(self, groups: Sequence[Group]) -> tuple[Window, ...] | None:
        """The windows as observed."""
        if self.windows is None or not self.moved:
            return self.windows
        redshifts = {group.z for group in groups}
        if len(redshifts) > 1:
            raise InputError(
                "`rest_windows` are moved by one redshift, but the groups have "
                f"{', '.join(f'{z:g}' for z in sorted(redshifts))}; give `windows` as observed"
            )
        (z,) = redshifts
        factor = self.axis.stretch(z)
        return tuple((low * factor, high * factor) for low, high in self.windows)
