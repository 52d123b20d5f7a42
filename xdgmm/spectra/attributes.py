"""Spectra of other packages by their attributes, as specutils' `Spectrum` (and `Spectrum1D`) has them."""

from __future__ import annotations

from typing import Any

import numpy as np

from xdgmm.errors import KindError


def arguments_of(spectrum: Any) -> dict[str, Any]:
    """The arguments of `Spectrum` that an object holds.

    Raises
    ------
    KindError
        If it has no `spectral_axis` and `flux`, or its uncertainties are not standard deviations, variances or inverse
        variances.
    """
    axis, flux = getattr(spectrum, "spectral_axis", None), getattr(spectrum, "flux", None)
    if axis is None or flux is None:
        raise KindError(
            f"an object of type {type(spectrum).__name__} has no `spectral_axis` and `flux`, as one of specutils "
            "has; give the arrays: Spectrum(wave, flux, err)"
        )
    place = getattr(spectrum, "spectral_axis_index", None)
    arguments = {"wave": axis, "flux": flux, "mask": getattr(spectrum, "mask", None), **_errors(spectrum)}
    for name in ("flux", "mask", "err", "ivar"):
        if place is not None and arguments.get(name) is not None and np.ndim(arguments[name]) > 1:
            arguments[name] = np.moveaxis(arguments[name], place, -1)
    return arguments | _edges(axis)


def _errors(spectrum: Any) -> dict[str, Any]:
    """Errors or inverse variances of the attribute `uncertainty`, with the unit that the fluxes imply."""
    from astropy.units import Quantity

    uncertainty = getattr(spectrum, "uncertainty", None)
    if uncertainty is None:
        return {}
    kind = getattr(uncertainty, "uncertainty_type", None)
    power = {"std": 1, "var": 2, "ivar": -2}.get(str(kind))
    if power is None:
        raise KindError(
            f"`uncertainty` is of the kind {kind!r}, but 'std', 'var' or 'ivar' is needed: StdDevUncertainty, "
            "VarianceUncertainty or InverseVariance of astropy.nddata"
        )
    unit = getattr(uncertainty, "unit", None)
    of_flux = getattr(spectrum.flux, "unit", None)
    unit = of_flux**power if unit is None and of_flux is not None else unit
    numbers = uncertainty.array if unit is None else Quantity(uncertainty.array, unit)
    return {"ivar": numbers} if kind == "ivar" else {"err": np.sqrt(numbers) if kind == "var" else numbers}


def _edges(axis: Any) -> dict[str, Any]:
    """Edges of the pixels, where the axis was made of them."""
    edges = getattr(axis, "bin_edges", None)
    return {} if edges is None or len(edges) != len(axis) + 1 else {"edges": edges}
