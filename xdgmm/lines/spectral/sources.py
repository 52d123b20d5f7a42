"""The spectra of many sources: a stack with the same pixels, a cube, or a list."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xdgmm.errors import InputError
from xdgmm.spectra import LSF, Spectrum

Array = NDArray[np.float64]
Source = tuple[Spectrum, ...]


class Task(NamedTuple):
    """The spectra of a source, its instrument and its redshift."""

    source: Source
    lsf: Any
    z: float | None


@dataclass(frozen=True, eq=False)
class Sources:
    """Where the spectra of each source come from.

    Attributes
    ----------
    shape : tuple of int
    listed : sequence of sources, or None
    stack : Spectrum or None
        With fluxes of more than one axis.
    lsf : LSF, None, or a sequence of them
    z : ndarray of the shape, or None
    """

    shape: tuple[int, ...]
    listed: tuple[Source, ...] | None
    stack: Spectrum | None
    lsf: Any
    z: Array | None

    def __len__(self) -> int:
        """How many there are."""
        return int(np.prod(self.shape))

    def task(self, number: int) -> Task:
        """Of one source, counted in the order of ``ravel()``."""
        z = None if self.z is None else float(self.z.ravel()[number])
        lsf = self.lsf if isinstance(self.lsf, LSF) or self.lsf is None else self.lsf[number]
        if self.stack is not None:
            return Task((self.stack.at(self.index(number)),), lsf, z)
        assert self.listed is not None
        return Task(self.listed[number], lsf, z)

    def index(self, number: int) -> tuple[int, ...]:
        """Place in an array of the shape."""
        return tuple(int(i) for i in np.unravel_index(number, self.shape))

    @property
    def names(self) -> list[str] | None:
        """Names of the spectra in a list; None where no spectrum has one."""
        if self.listed is None:
            return None
        names = [", ".join(each.name for each in source if each.name) for source in self.listed]
        return names if any(names) else None

    @property
    def first(self) -> Spectrum:
        """A spectrum, for units."""
        return self.stack if self.stack is not None else self.listed[0][0]  # type: ignore[index]


def listed_sources(sources: Any) -> tuple[Source, ...]:
    """The spectra of each source."""
    if isinstance(sources, Spectrum) or not isinstance(sources, Iterable):
        raise InputError("`sources` must be a list with the spectrum, or the spectra, of each source")
    result = []
    for number, source in enumerate(sources):
        one = isinstance(source, Spectrum) or hasattr(source, "spectral_axis")
        spectra = (source,) if one else tuple(source) if isinstance(source, (list, tuple)) else ()
        if not spectra or not all(isinstance(each, Spectrum) or hasattr(each, "spectral_axis") for each in spectra):
            raise InputError(
                f"source {number} is a {type(source).__name__}, but a lines.Spectrum is needed, or a list of them"
            )
        found = tuple(Spectrum.of(each) for each in spectra)
        if any(each.flux.ndim > 1 for each in found):
            raise InputError(f"source {number} holds many spectra; give them to `fit_lines`, or one by one")
        result.append(found)
    if not result:
        raise InputError("`sources` is empty; give at least one spectrum")
    units = {str(each.wave_unit) for source in result for each in source}
    if len(units) > 1:
        raise InputError(f"the spectra have the units {', '.join(sorted(units))}; convert them to one")
    return tuple(result)


def redshifts_of(z: Any, shape: tuple[int, ...]) -> Array | None:
    """Of each spectrum; NaN for those without one, which then fail."""
    if z is None:
        return None
    try:
        numbers = np.asarray(np.ma.filled(np.ma.asarray(getattr(z, "value", z), dtype=float), np.nan), dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"`z` is {z!r}, but redshifts are numbers above -1") from None
    if numbers.shape not in ((), shape):
        raise InputError(f"`z` has shape {numbers.shape}, but the spectra {shape}; give one redshift, or one for each")
    return np.array(np.broadcast_to(numbers, shape))
