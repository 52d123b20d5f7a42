"""The fit of lines to the spectra of one source, with normal errors, by variable projection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from xdgmm.errors import InputError
from xdgmm.spectra import LSF, Counts, Spectrum

from .axes import Axis
from .continua import as_continuum, check_first
from .groups import Group
from .likelihoods import Normal
from .model import LineModel, Table
from .pieces import instrument_at, piece_of, usable_pixels, windows_of_each
from .scoring import TOLERANCE, Problem, maximise
from .solution import Goodness, Solved
from .starts import best_fit
from .windows import SpectrumWindow

Array = NDArray[np.float64]
Window = tuple[float, float]

ROUNDS = 5  # in which the instrument's width is read again where the lines were found
MOVED = 1e-9  # relative change of the instrument's width below which it is read no more
FASTEST = 1000.0  # km/s to both sides of the redshift where lines are looked for
INSTRUMENTS = 4.0  # or so many sigmas of the instrument, where these are more


@dataclass(frozen=True)
class Data:
    """What was fitted, for flags and pictures.

    Attributes
    ----------
    spectra : tuple of Spectrum
    instruments : tuple of LSF
    ranges : tuple of (low, high)
        The windows, over all spectra.
    centres : ndarray (n,)
        Positions of the pixels that were fitted.
    error : float
        Of each pixel of spectra without errors.
    """

    spectra: tuple[Spectrum, ...]
    instruments: tuple[LSF, ...]
    ranges: tuple[Window, ...]
    centres: Array
    error: float

    @classmethod
    def of(cls, spectra: Sequence[Spectrum], instruments: Sequence[LSF], model: LineModel, error: float) -> Data:
        """Of a model with a piece for each spectrum."""
        windows = [each for piece in model.pieces for each in piece.windows]
        centres = [piece.centres[pixels] for piece in model.pieces for pixels, _ in piece.windows]
        ranges = tuple(span for _, span in windows)
        return cls(tuple(spectra), tuple(instruments), ranges, np.concatenate(centres), error)

    def views(self, solution: Solved) -> list[SpectrumWindow]:
        """The windows, for pictures."""
        owners = [number for number, piece in enumerate(solution.model.pieces) for _ in piece.windows]
        return [
            SpectrumWindow(solution, self.spectra[piece], self.instruments[piece], piece, number, span, self.error)
            for number, (piece, span) in enumerate(zip(owners, self.ranges, strict=True))
        ]


def fit_normal(
    spectra: Sequence[Spectrum],
    groups: Sequence[Group],
    instruments: Sequence[LSF],
    *,
    axis: Axis,
    windows: Sequence[Window] | None,
    continuum: Any,
    thermal: Any,
    shared_fluxes: bool,
    error: float = 1.0,
) -> tuple[Solved, Data]:
    """The best model of lines in spectra of one source; those without pixels in any window are left out."""
    table = Table.of(groups, axis, thermal)
    ranges = windows_of_each(spectra, windows)
    shown = [number for number, own in enumerate(ranges) if own is None or own]
    spectra, instruments = [spectra[number] for number in shown], [instruments[number] for number in shown]
    of_each = zip(spectra, instruments, (ranges[number] for number in shown), strict=True)
    pieces, values = zip(*(piece_of(each, lsf, own, table, error) for each, lsf, own in of_each), strict=True)
    model = LineModel(table, pieces, as_continuum(continuum), shared_fluxes)
    likelihood = Normal(np.concatenate(values))
    n_parameters = model.n_coefficients + 2 * table.n_groups + table.bounded.size
    if likelihood.values.size <= n_parameters:
        raise InputError(
            f"{likelihood.values.size} pixels are too few for {n_parameters} parameters; widen the windows, or lower "
            "`continuum`"
        )
    check_within(model)
    for piece in model.pieces:
        check_first(model.continuum, piece.centres, "continuum")
    model, problem, maximum = maximised(model, likelihood, instruments)
    left = likelihood.values - maximum.point.expected
    statistic = float(left @ left)
    dof = likelihood.values.size - n_parameters - model.layout.continuum[0].stop + model.layout.continuum[0].start
    goodness = Goodness("chi-squared", statistic, dof, float(chi2.sf(statistic, dof)))
    return Solved(model, problem, maximum, goodness), Data.of(spectra, instruments, model, error)


def maximised(model: LineModel, likelihood: Any, instruments: Sequence[LSF]) -> tuple[LineModel, Problem, Any]:
    """The best fit; the instrument's width is that where lines are found."""
    problem = problem_of(model, likelihood)
    table = model.table
    maximum = best_fit(problem, table.n_groups, model.sizes, TOLERANCE)
    for _ in range(ROUNDS):
        means = model.means(maximum.point.theta)[0]
        pieces = []
        for piece, lsf in zip(model.pieces, instruments, strict=True):
            weights, sigmas = instrument_at(lsf, table, means)
            pieces.append(replace(piece, weights=weights, sigmas=sigmas))
        moved = max(
            np.max(np.abs(new.sigmas - old.sigmas) / np.where(old.sigmas > 0, old.sigmas, 1.0))
            for new, old in zip(pieces, model.pieces, strict=True)
        )
        if moved < MOVED:
            break
        model = model.with_pieces(pieces)
        problem = problem_of(model, likelihood)
        maximum = maximise(problem, maximum.point.theta)
    return model, problem, maximum


def problem_of(model: LineModel, likelihood: Any) -> Problem:
    """Bounds and priors of the nonlinear parameters."""
    table, layout = model.table, model.layout
    low, high = np.full(layout.size, -np.inf), np.full(layout.size, np.inf)
    precision = np.zeros(layout.size)
    instrument, widest, _ = model.sizes
    lowest = np.max([piece.lowest_variances(table.per_kms) for piece in model.pieces], axis=0) - table.thermal
    for g, group in enumerate(table.groups):
        low[g], high[g] = group.velocity or _velocities(model, g, max(FASTEST, INSTRUMENTS * instrument[g]))
        v = layout.variances.start + g
        least, most = group.sigma or (None, widest[g])
        low[v] = lowest[table.group == g].max() if least is None else max(least**2, lowest[table.group == g].max())
        high[v] = most**2
    for at, line in enumerate(table.bounded, layout.ratios.start):
        low[at], high[at] = _line(table, line).ratio
    for number, piece in enumerate(model.pieces):
        if (shared := layout.scales[number]) is not None:
            precision[shared] = np.log1p(piece.error) ** -2
        if (own := layout.scatters[number]) is not None:
            precision[own : own + layout.n_lines] = np.log1p(piece.scatter) ** -2
    first = np.zeros(layout.size)
    for place in layout.continuum:
        first[place] = model.continuum.start
    return Problem(model, likelihood, low, high, first, precision)


def _velocities(model: LineModel, group: int, fastest: float) -> Window:
    """Velocities where a group is looked for: those that keep its lines in their windows, but not the largest."""
    table = model.table
    low, high = -fastest, fastest
    for line in np.flatnonzero(table.group == group):
        position = table.positions[line]
        for ends in (span for piece in model.pieces for _, span in piece.windows if span[0] <= position <= span[1]):
            distances = (np.array(ends) - position) / table.per_kms[line]
            low, high = max(low, distances[0]), min(high, distances[1])
    return float(low), float(high)


def _line(table: Table, number: int) -> Any:
    return [line for group in table.groups for line in group.lines][number]


def check_within(model: LineModel) -> None:
    """Refuse lines with a flux of their own that no window can show."""
    table = model.table
    for number, label in enumerate(table.labels):
        if _line(table, number).ratio is not None:
            continue
        if not any(
            low <= table.positions[number] <= high for piece in model.pieces for _, (low, high) in piece.windows
        ):
            group = table.groups[table.group[number]]
            raise InputError(
                f"the line '{label}' of group '{group.name}' is expected at {table.positions[number]:.6g}, outside the "
                "windows; widen them, check `z`, or leave the line out"
            )


def assumed(lsf: LSF, *, with_pixel: bool = True) -> str:
    """What is assumed of an instrument, in a line."""
    said = lsf.describe(with_pixel=with_pixel)
    return said if lsf.error or lsf.scatter else f"{said}, taken as exact"


def as_spectra(wave: Any, flux: Any, **given: Any) -> tuple[Spectrum, ...]:
    """The spectra that a user gave, in any form."""
    if isinstance(wave, (list, tuple)) and wave and all(isinstance(each, Spectrum) for each in wave):
        found = tuple(wave)
    elif isinstance(wave, Spectrum):
        found = (wave,)
    elif hasattr(wave, "spectral_axis"):
        found = (Spectrum.of(wave),)
    else:
        if flux is None:
            raise InputError("`flux` is missing; give wavelengths, fluxes and errors, or a lines.Spectrum")
        return (Spectrum(wave, flux, **given),)
    if flux is not None or any(each is not None for each in given.values()):
        raise InputError("a spectrum holds its fluxes and errors already; give `wave` alone, or arrays")
    units = {str(each.wave_unit) for each in found}
    if len(units) > 1:
        raise InputError(f"the spectra have the units {', '.join(sorted(units))}; convert them to one")
    return found


def instruments_of(lsf: Any, spectra: Sequence[Spectrum | Counts]) -> tuple[LSF, ...]:
    """The instrument of each spectrum."""
    every = list(lsf) if isinstance(lsf, (list, tuple)) else [lsf] * len(spectra)
    if len(every) != len(spectra):
        raise InputError(
            f"`lsf` has {len(every)} entries, but there are {len(spectra)} spectra; give one, or one for each"
        )
    found: list[LSF] = []
    for own, spectrum in zip(every, spectra, strict=True):
        each = spectrum.lsf if own is None else own
        if each is None:
            raise InputError(
                "`lsf` is missing: give the instrument's width, as lines.LSF(sigma=..., includes_pixel=...); with "
                "sigma=0 widths are as observed"
            )
        if not isinstance(each, LSF):
            raise InputError(
                f"`lsf` is {each!r}, but it must be a lines.LSF, which says what the width is: "
                "lines.LSF(sigma=..., includes_pixel=...)"
            )
        found.append(each if isinstance(spectrum, Counts) else each.of_pixels(spectrum.wave, spectrum.wave_unit))
    return tuple(found)


def windows_of(windows: Any, axis: Axis) -> tuple[Window, ...] | None:
    """Ranges in the unit of the axis, in order."""
    if windows is None:
        return None
    result = []
    try:
        pairs = [
            (axis.number(low, "an end of a window"), axis.number(high, "an end of a window")) for low, high in windows
        ]
    except (TypeError, ValueError):
        raise InputError(f"`windows` is {windows!r}, but it must be a list of pairs (low, high)") from None
    for pair in pairs:
        low, high = sorted(pair)
        if not low < high:
            raise InputError(f"the window from {low:g} to {high:g} is empty")
        if not np.isfinite(pair).all():
            raise InputError(f"the window goes from {low:g} to {high:g}, but its ends must be finite")
        result.append((low, high))
    if not result:
        raise InputError("`windows` is empty; give at least one pair (low, high), or None for all of the spectrum")
    return tuple(result)


def check_choices(noise: str | None, fluxes: str) -> None:
    """Refuse names of choices that there are not."""
    if noise not in (None, "estimate"):
        raise InputError(f"`noise` is {noise!r}, but it must be 'estimate' or None")
    if fluxes not in ("shared", "separate"):
        raise InputError(f"`fluxes` is {fluxes!r}, but it must be 'shared' or 'separate'")


def check_errors(spectrum: Spectrum, noise: str | None) -> None:
    """Refuse spectra without errors, unless these are to be estimated, and with errors if they are."""
    if noise == "estimate" and spectrum.err is not None:
        raise InputError("errors were given, and `noise='estimate'` too; leave one of them out")
    if noise is None and spectrum.err is None:
        raise InputError(
            "errors are missing: give `err` (1-sigma) or `ivar`, or `noise='estimate'` for errors that are the same "
            "for all pixels and are estimated from the residuals of the fit"
        )


def remarks_on(spectra: Sequence[Spectrum], instruments: Sequence[LSF], windows: Sequence[Window] | None) -> list[str]:
    """What was left out."""
    n_masked = 0
    for spectrum, lsf in zip(spectra, instruments, strict=True):
        inside = np.ones(spectrum.wave.size, bool) if windows is None else np.zeros(spectrum.wave.size, bool)
        for low, high in windows or ():
            inside |= (spectrum.wave >= low) & (spectrum.wave <= high)
        n_masked += int(np.sum(inside & ~usable_pixels(spectrum, lsf)))
    said = [f"{n_masked} masked pixels left out"] if n_masked else []
    n_lost = sum(own is not None and not own for own in windows_of_each(spectra, windows))
    return said + ([f"{n_lost} of {len(spectra)} spectra have no pixels in the windows"] if n_lost else [])


def title_of(spectra: Sequence[Spectrum], what: str) -> str:
    """Names of the spectra, or how many there are."""
    names = [spectrum.name for spectrum in spectra if spectrum.name]
    return ", ".join(names) if names else what if len(spectra) == 1 else f"{len(spectra)} spectra"


def flux_unit_of(spectrum: Spectrum) -> Any:
    """Unit of the flux of a line."""
    if spectrum.flux_unit is None or spectrum.wave_unit is None:
        return spectrum.flux_unit
    return spectrum.flux_unit * spectrum.wave_unit
