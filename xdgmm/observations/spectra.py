"""Spectra and images are no lists of objects: fluxes given as weights of pixels are asked about."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from xdgmm.errors import XdgmmWarning

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

FEWEST, MOST = 20, 1_000_000  # pixels
SMOOTH = 0.05  # relative difference of neighbouring steps of a grid: those of wavelengths change along it
REGULAR = 0.9  # fraction of the steps that must follow: some pixels may be missing
FILLED = 0.5  # fraction of the pixels of an image that must be there


def warn_of_spectrum(values: Floats, weights: Floats, names: Sequence[str]) -> None:
    """Warn of values (N, D) on a regular grid, each once, whose weights (N,) differ and are no counts.

    Objects at random do not lie so: neighbouring gaps between them differ by a factor of about 2.  Whole numbers as
    weights are counts of objects in bins, which a fit may have.
    """
    counts = np.isfinite(values).all(axis=1) & (weights > 0)
    values, weights = values[counts], weights[counts]
    if not FEWEST <= len(values) <= MOST or np.ptp(weights) == 0 or (weights == np.round(weights)).all():
        return
    axes = [np.unique(column) for column in values.T]
    pixels = float(np.prod([float(axis.size) for axis in axes]))
    if FILLED * pixels <= len(values) <= pixels and all(_is_regular(axis) for axis in axes):
        lies, pixels_of = ("lies", "a spectrum") if len(names) == 1 else ("lie", "an image")
        warnings.warn(
            f"{', '.join(names)} {lies} on a regular grid with weights that differ, as pixels of {pixels_of} with "
            "their fluxes: weights count objects, and fluxes do not, so that errors and limits of such a fit mean "
            "nothing; fit the profile of the line or source to the fluxes instead",
            XdgmmWarning,
            stacklevel=4,
        )


def _is_regular(places: Floats) -> bool:
    """Do the steps between these places, in order, change slowly or not at all?"""
    if places.size < 3:
        return False
    change = np.abs(np.diff(np.log(np.diff(places))))
    return bool((change < SMOOTH).mean() >= REGULAR)
