"""What one reading of a catalogue has found, in a file: a later fit of the same files need not read them for it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from astropy.units import Unit

from xdgmm.errors import OutputError
from xdgmm.files import map_arrays, write_arrays
from xdgmm.kernels import Correlated, Exact, Independent, NoiseMixture

from .observations import Observations
from .streamed import StreamedObservations, Totals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

FIELDS = ("values", "noise_model", "weights", "names", "remarks", "projections", "limits", "memberships")


class Kept(NamedTuple):
    """What a file holds.

    Attributes
    ----------
    totals : Totals
    sample : tuple
        The fields of the sample that are named in `FIELDS`.
    units : tuple of str or None
        Its units.
    sample_rows : ndarray of int (n,)
    remarks : tuple of str
    lengths : tuple of int
        Number of rows of each block.
    """

    totals: Totals
    sample: tuple[Any, ...]
    units: tuple[str | None, ...]
    sample_rows: NDArray[Any]
    remarks: tuple[str, ...]
    lengths: tuple[int, ...]

    def observations(self, read: Callable[[], Iterable[Observations]], memory: float) -> StreamedObservations:
        """The catalogue, whose parts are read by a function; nothing has been read for it."""
        units = tuple(None if text is None else Unit(text) for text in self.units)
        sample = Observations(**dict(zip(FIELDS, self.sample, strict=True)), units=units)
        return StreamedObservations(read, sample, self.sample_rows, self.totals, memory, self.remarks, n_readings=0)


KINDS = {kind.__name__: kind for kind in (Correlated, Exact, Independent, Kept, NoiseMixture, Totals)}


def keep_discovery(path: Path, found: StreamedObservations, lengths: Sequence[int]) -> None:
    """Write what was found; nothing is written where a file cannot hold it, or the disk is full."""
    texts = tuple(None if unit is None else unit.to_string() for unit in found.units)
    sample = tuple(getattr(found.sample, name) for name in FIELDS)
    with suppress(OutputError, TypeError, ValueError):
        if [text and Unit(text) for text in texts] == list(found.units):
            write_arrays(path, Kept(found.totals, sample, texts, found.sample_rows, found.remarks, tuple(lengths)))


def kept_discovery(path: Path, advice: str) -> Kept | None:
    """What the file holds; None if there is none.

    Raises
    ------
    InputError
        If it is damaged.
    """
    kept: Kept | None = map_arrays(path, KINDS, checksum=True, advice=advice) if path.exists() else None
    return kept
