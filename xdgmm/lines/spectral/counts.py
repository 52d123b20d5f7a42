"""`fit_counts`: lines in counts, by Poisson's likelihood of profiles that are integrated over bins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xdgmm.errors import InputError
from xdgmm.spectra import LSF, Counts
from xdgmm.spectra.resolution import row_widths

from .axes import Axis
from .continua import Continuum, Function, Polynomial, as_continuum, check_first
from .deviance import ExpectedDeviance, expected_deviance
from .line_fit import Header, LineFit, check_groups, warned
from .media import check_medium
from .model import LineModel, Piece, Table, Transform
from .pieces import chosen_pixels, instrument_at, slices_of
from .poisson import Poisson
from .scoring import Problem
from .solution import Goodness, Solved
from .spectra_fit import assumed, check_within, instruments_of, maximised, windows_of
from .windows import CountWindow

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from .groups import Group
    from .scoring import Maximum

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Window = tuple[float, float]

FEW = 50.0  # photons below which intervals of the width hold the truth noticeably less often than they say


@dataclass(frozen=True)
class CountData:
    """What was fitted, for flags and pictures.

    Attributes
    ----------
    observations : tuple of Counts
    instruments : tuple of LSF
    ranges : tuple of (low, high)
        The windows, over all observations.
    centres : ndarray (n,)
        Positions of the bins that were fitted.
    expected : tuple of ndarray
        Counts that the fit expects in the channels that were fitted, of each observation.
    chosen : tuple of ndarray
        Which channels these are.
    deviance : ExpectedDeviance
        What is expected of the deviance if the model is right.
    """

    observations: tuple[Counts, ...]
    instruments: tuple[LSF, ...]
    ranges: tuple[Window, ...]
    centres: Array
    expected: tuple[Array, ...]
    chosen: tuple[Integers, ...]
    deviance: ExpectedDeviance

    def views(self, solution: Solved) -> list[CountWindow]:
        """The windows, for pictures."""
        owners = [number for number, piece in enumerate(solution.model.pieces) for _ in piece.windows]
        return [
            CountWindow(solution, self.observations[piece], self.instruments[piece], piece, number, span)
            for number, (piece, span) in enumerate(zip(owners, self.ranges, strict=True))
        ]


def fit_counts(
    edges: ArrayLike | Counts | Sequence[Counts] | Any,
    counts: ArrayLike | None = None,
    *,
    groups: Group | Sequence[Group],
    lsf: LSF | Sequence[LSF] | None = None,
    windows: Sequence[Window] | None = None,
    background: Any = 1,
    exposure: ArrayLike | None = None,
    response: Any = None,
    mask: ArrayLike | None = None,
    axis: str | None = None,
    convention: str | None = None,
    thermal: Any = None,
    fluxes: str = "shared",
    medium: str | None = None,
) -> LineFit:
    """Fit groups of lines to counts in bins: velocities, intrinsic widths without the instrument, and fluxes.

    Parameters
    ----------
    edges : array (n + 1,) or (n, 2), Quantity, Counts, or a sequence of Counts
        Edges of the bins; or all of an observation, or several of one source, which share velocities and widths.
    counts : array (n,), or (m,) with a response
        Whole numbers, as they were detected.
    groups : Group or sequence of Group
        Lines that share a velocity and an intrinsic width.
    lsf : LSF, or one for each observation
        The instrument; by default that of the observations.  With a response it may be missing.
    windows : sequence of (low, high), optional
        Observed ranges that are fitted, those of bins whose centre is inside; each with a background of its own, but
        for observations with a response.
    background : int, "exponential", None, or (function, first values)
        Counts per unit of the axis (and of exposure) below the lines: a polynomial of this degree, one exponential,
        nothing, or any ``function(x, *parameters)``.  It is taken at the centres of bins, and is not negative in
        any.
    exposure : float, array (n,) or Quantity, optional
        Time, or time times effective area, by which fluxes and background are multiplied.
    response : array (m, n) or scipy sparse matrix, optional
        Probability that an event in each bin is counted in each channel; applied to lines and background.  Intrinsic
        variances are then 0 or more, unless `lsf` is given too.
    mask : bool array, optional
        Bins (channels) to leave out.
    axis : {"wavelength", "energy", "frequency", "velocity"}, optional
        What plain numbers are; "energy" by default.
    convention : {"optical", "radio", "relativistic"}, optional
        Of velocities relative to the redshift: "optical" along wavelengths, "radio" along energies and frequencies.
    thermal : Quantity or (number, unit), optional
        Temperature (or k T) of the ions, whose thermal width is not counted as intrinsic; needs `Group(element=)`.
    fluxes : {"shared", "separate"}
        Of several observations: has each line one flux, or one in each?
    medium : {"air", "vacuum"}, optional
        Where the wavelengths of bins and lines are measured.  Nothing is converted.

    Returns
    -------
    LineFit
        Fluxes are in counts, or counts per unit of exposure.

    Raises
    ------
    InputError
        If counts are no whole numbers, the instrument is missing, a window has no bins or no counts, a line is in no
        window, or units do not convert; the message says which.

    Warns
    -----
    ConvergenceWarning
        If the fit did not reach a maximum.
    XdgmmWarning
        If it is not said whether optical wavelengths are in air or in vacuum.

    Notes
    -----
    The likelihood is Poisson's, so that bins may be empty, and as narrow as one likes.  A line's flux may be negative
    (absorption), as far as no bin is expected to have negative counts.  The deviance (C statistic, Cash 1979) is
    compared with what is expected of it for so many counts (Kaastra 2017).

    Examples
    --------
    >>> import numpy as np
    >>> from xdgmm import lines
    >>> rng = np.random.default_rng(2)
    >>> energies = np.append(rng.normal(6600.0, np.hypot(2.0, 3.3), 400), rng.uniform(6560, 6640, 100))
    >>> counts, edges = np.histogram(energies, np.arange(6560.0, 6640.5, 0.5))
    >>> lsf = lines.LSF(sigma=2.0, includes_pixel=False)
    >>> fit = lines.fit_counts(edges, counts, groups=lines.Group("Fe", [6600.0]), lsf=lsf, background=0)
    >>> bool(140 < fit.intrinsic_sigma[0] < 170)  # 3.3 eV are 150 km/s
    True
    """
    chosen = check_groups(groups)
    given = {"exposure": exposure, "response": response, "mask": mask}
    observations = as_observations(edges, counts, **given)
    if fluxes not in ("shared", "separate"):
        raise InputError(f"`fluxes` is {fluxes!r}, but it must be 'shared' or 'separate'")
    instruments = instruments_of(_unless_in_response(lsf, observations), observations)
    of_axis = Axis.of(observations[0].unit, axis, convention, plain="energy")
    of_windows = windows_of(windows, of_axis)
    about_media = check_medium(medium, chosen, of_axis, float(observations[0].centres.mean()))
    solution, data = fit_poisson(
        observations,
        chosen,
        instruments,
        axis=of_axis,
        windows=of_windows,
        background=background,
        thermal=thermal,
        shared_fluxes=fluxes == "shared",
    )
    header = Header(
        _title(observations),
        "; ".join(dict.fromkeys(_described(*pair) for pair in zip(instruments, observations, strict=True))),
        (*about_media, *_remarks(observations, of_windows, data, solution)),
    )
    return warned(LineFit(solution, header, data=data, flux_unit=_flux_unit(observations[0])))


def fit_poisson(
    observations: Sequence[Counts],
    groups: Sequence[Group],
    instruments: Sequence[LSF],
    *,
    axis: Axis,
    windows: Sequence[Window] | None,
    background: Any,
    thermal: Any,
    shared_fluxes: bool,
) -> tuple[Solved, CountData]:
    """The best model of lines in counts of one source."""
    table = Table.of(groups, axis, thermal)
    below = _as_background(background)
    parts = [_Part.of(each, lsf, windows, table, below) for each, lsf in zip(observations, instruments, strict=True)]
    model = LineModel(table, tuple(part.piece for part in parts), below, shared_fluxes)
    likelihood = Poisson(
        np.concatenate([part.counts for part in parts]),
        np.concatenate([part.counted for part in parts]),
        _inside(model),
        model.n_fluxes,
    )
    n_windows = sum(len(part.piece.windows) for part in parts)
    n_parameters = model.n_coefficients + 2 * table.n_groups + table.bounded.size + n_windows * below.start.size
    n_bins = int(likelihood.counted.sum())
    if n_bins <= n_parameters:
        raise InputError(
            f"{n_bins} bins are too few for {n_parameters} parameters; widen the windows, or lower `background`"
        )
    if not likelihood.counts.any():
        raise InputError("all counts are zero, so that nothing can be fitted; widen the windows, or check `counts`")
    check_within(model)
    _check_positive(model, below)
    model, problem, maximum = maximised(model, likelihood, instruments)
    expected = expected_of(problem, maximum, likelihood)
    deviance = likelihood.deviance(maximum.point.expected)
    goodness = Goodness("deviance", deviance, n_bins - n_parameters, expected.probability(deviance))
    solution = Solved(model, problem, maximum, goodness)
    return solution, _data(observations, instruments, parts, solution, expected)


def expected_of(problem: Problem, maximum: Maximum, likelihood: Poisson) -> ExpectedDeviance:
    """What is expected of the deviance at a maximum."""
    point = maximum.point
    rows = np.concatenate([point.columns, problem.expectation.derivatives(point.theta, point.coefficients)])
    counted = likelihood.counted
    return expected_deviance(point.expected[counted], rows[:, counted], maximum.information)


def as_observations(edges: Any, counts: Any, **given: Any) -> tuple[Counts, ...]:
    """The observations that a user gave, in any form."""
    if isinstance(edges, (list, tuple)) and edges and all(isinstance(each, Counts) for each in edges):
        found = tuple(edges)
    elif isinstance(edges, Counts):
        found = (edges,)
    else:
        if counts is None:
            raise InputError("`counts` is missing; give edges of bins and counts, or a lines.Counts")
        return (Counts(edges, counts, **given),)
    if counts is not None or any(each is not None for each in given.values()):
        raise InputError("lines.Counts holds counts, exposure, response and mask; give `edges` alone, or arrays")
    units = {str(each.unit) for each in found}
    if len(units) > 1:
        raise InputError(f"the observations have the units {', '.join(sorted(units))}; convert them to one")
    if len({str(each.exposure_unit) for each in found}) > 1:
        raise InputError("the exposures of the observations have different units; convert them to one")
    return found


def _unless_in_response(lsf: Any, observations: Sequence[Counts]) -> Any:
    """No width of its own for an observation whose response is all of the instrument."""
    none = LSF(sigma=0.0, includes_pixel=False)
    if lsf is not None or not any(each.response is not None for each in observations):
        return lsf
    return [none if each.lsf is None and each.response is not None else each.lsf for each in observations]


@dataclass(frozen=True)
class _Part:
    """An observation as it is fitted: its bins, counts, and places where the background is watched.

    Attributes
    ----------
    piece : Piece
    counts : ndarray (n,)
        0 where only the background is watched.
    counted : ndarray of bool (n,)
    chosen : ndarray (m,)
        Channels that are fitted.
    """

    piece: Piece
    counts: Array
    counted: NDArray[np.bool_]
    chosen: Integers

    @classmethod
    def of(
        cls, counts: Counts, lsf: LSF, windows: Sequence[Window] | None, table: Table, background: Continuum
    ) -> _Part:
        if lsf.matrix is not None:
            raise InputError("`lsf` is a resolution matrix; for counts give the matrix as `response`")
        chosen = _channels(counts, windows)
        channels = np.concatenate(chosen)
        through = counts.response is not None
        bins = np.arange(counts.low.size) if through else channels
        low, high, centres = counts.low[bins], counts.high[bins], counts.centres[bins]
        span = float(low[0]), float(high[-1])
        slices: Any = ((slice(0, bins.size), span),)
        if not through:
            slices = slices_of(chosen, windows or [span], centres)
        watched = _watched(background, slices)
        lines, below = _transforms(counts, channels, bins, watched)
        weights, sigmas = instrument_at(lsf, table, table.positions)
        piece = Piece(
            centres if lsf.includes_pixel else low,
            centres if lsf.includes_pixel else high,
            centres,
            slices,
            weights,
            sigmas,
            lines,
            below,
            error=lsf.error,
            scatter=lsf.scatter,
            row_sigmas=_response_sigmas(counts, table, weights, sigmas),
        )
        counted = np.arange(channels.size + watched.size) < channels.size
        return cls(piece, np.append(counts.counts[channels], np.zeros(watched.size)), counted, channels)


def _response_sigmas(counts: Counts, table: Table, weights: Array, sigmas: Array) -> Array | None:
    """Sigma of the instrument at the lines, columns of the response included; None where channels have no positions."""
    if counts.response is None or counts.counts.size != counts.low.size:
        return None
    of_columns = row_widths(counts.response.T, counts.centres)
    seen = np.isfinite(of_columns)
    if not seen.any():
        return None
    own = np.interp(table.positions, counts.centres[seen], of_columns[seen])
    return np.asarray(np.sqrt(own**2 + (weights * sigmas**2).sum(axis=1)))


def _channels(counts: Counts, windows: Sequence[Window] | None) -> list[Integers]:
    """Channels that are fitted, in each window."""
    if windows is not None and counts.counts.size != counts.low.size:
        raise InputError(
            f"`windows` cannot choose among {counts.counts.size} channels, whose positions are not given; leave "
            "channels out by `mask`"
        )
    positions = counts.centres if counts.counts.size == counts.low.size else np.arange(counts.counts.size, dtype=float)
    return chosen_pixels(positions, counts.good, windows)


def _watched(background: Continuum, windows: Sequence[tuple[slice, Window]]) -> Integers:
    """Bins where a background must not be negative: the outermost ones of a window, or all."""
    if isinstance(background, Polynomial) and background.degree < 0:
        return np.zeros(0, dtype=int)
    bins = [np.arange(pixels.start, pixels.stop) for pixels, _ in windows]
    if isinstance(background, Polynomial) and background.degree < 2:
        bins = [each[[0, -1]] for each in bins]
    return np.concatenate(bins)


def _transforms(counts: Counts, channels: Integers, bins: Integers, watched: Integers) -> tuple[Transform, Transform]:
    """From densities in bins to counts in channels, and in the watched bins: of lines, and of the background."""
    per_density = (counts.high - counts.low)[bins] * counts.exposure[bins]
    matrix = None if counts.response is None else counts.response[channels]

    scale = np.where(per_density > 0, per_density, 1.0)
    return (
        partial(_of_lines, matrix, per_density, watched.size),
        partial(_of_background, matrix, per_density, scale, watched),
    )


def _counted(matrix: Any, per_density: Array, rows: Array) -> Array:
    return np.asarray((matrix @ (rows * per_density).T).T if matrix is not None else rows * per_density)


def _of_lines(matrix: Any, per_density: Array, n_watched: int, rows: Array) -> Array:
    return np.concatenate([_counted(matrix, per_density, rows), np.zeros((len(rows), n_watched))], axis=1)


def _of_background(matrix: Any, per_density: Array, scale: Array, watched: Integers, rows: Array) -> Array:
    return np.concatenate([_counted(matrix, per_density, rows), (rows * scale)[:, watched]], axis=1)


def _as_background(background: Any) -> Continuum:
    try:
        return as_continuum(background)
    except InputError as error:
        raise InputError(str(error).replace("`continuum`", "`background`")) from None


def _inside(model: LineModel) -> Array:
    """Coefficients of columns that are positive: fluxes, and the first of each background."""
    result = np.zeros(model.n_coefficients)
    result[: model.n_fluxes] = 1.0
    if model.continuum.n_columns:
        result[model.n_fluxes :: model.continuum.n_columns] = 1.0
    return result


def _check_positive(model: LineModel, background: Continuum) -> None:
    """Refuse a function that begins with negative values."""
    if not isinstance(background, Function):
        return
    for piece in model.pieces:
        for pixels, (low, high) in piece.windows:
            check_first(background, piece.centres[pixels], "background")
            values = background.offset(piece.centres[pixels])(background.start)
            if not (values > 0).all():
                raise InputError(
                    f"the function of `background` is not positive between {low:.6g} and {high:.6g} for the first "
                    "values of its parameters; give others"
                )


def _data(
    observations: Sequence[Counts],
    instruments: Sequence[LSF],
    parts: Sequence[_Part],
    solution: Solved,
    deviance: ExpectedDeviance,
) -> CountData:
    pieces = solution.model.pieces
    expected, first = [], 0
    for part in parts:
        expected.append(solution.maximum.point.expected[first : first + part.chosen.size])
        first += part.counts.size
    return CountData(
        tuple(observations),
        tuple(instruments),
        tuple(span for piece in pieces for _, span in piece.windows),
        np.concatenate([piece.centres[pixels] for piece in pieces for pixels, _ in piece.windows]),
        tuple(expected),
        tuple(part.chosen for part in parts),
        deviance,
    )


def _described(lsf: LSF, counts: Counts) -> str:
    if counts.response is None:
        return assumed(lsf)
    m, n = counts.response.shape
    own = "" if not np.any(lsf.at(counts.centres[:1], counts.unit)[1]) else f", after {assumed(lsf)}"
    return f"response of {m} channels to {n} bins{own}"


def _remarks(
    observations: Sequence[Counts], windows: Sequence[Window] | None, data: CountData, solution: Solved
) -> list[str]:
    deviance = data.deviance
    remarks = [f"a right model has a deviance of {deviance.mean:.5g} +- {deviance.sigma:.3g} for so many counts"]
    n_masked = sum(int((_inside_windows(each, windows) & ~each.good).sum()) for each in observations)
    remarks += [f"{n_masked} bins left out: masked, missing or without exposure"] if n_masked else []
    for group, n in zip(solution.table.groups, photons_of(solution), strict=True):
        if n < FEW:
            remarks.append(
                f"'{group.name}' has {n:.0f} photons: intervals of widths hold the truth somewhat less often than they "
                "say where there are so few"
            )
    return remarks


def _inside_windows(counts: Counts, windows: Sequence[Window] | None) -> NDArray[np.bool_]:
    """Which channels are in a window."""
    inside = np.full(counts.counts.size, windows is None)
    for low, high in windows or ():
        inside |= (counts.centres >= low) & (counts.centres <= high)
    return inside


def photons_of(solution: Solved) -> Array:
    """Counts that are expected of the lines of each group (G,); of absorption, those that are missing."""
    model, point = solution.model, solution.maximum.point
    likelihood = solution.problem.likelihood
    assert isinstance(likelihood, Poisson)
    of_columns = np.abs(point.coefficients) * (np.abs(point.columns) @ likelihood.counted)
    of_fluxes = of_columns[: model.n_fluxes].reshape(-1, model.table.n_fluxes).sum(axis=0)
    groups = [model.table.group[model.table.flux == flux][0] for flux in range(of_fluxes.size)]
    return np.bincount(groups, of_fluxes, model.table.n_groups).astype(float)


def _title(observations: Sequence[Counts]) -> str:
    names = [each.name for each in observations if each.name]
    return ", ".join(names) if names else "counts" if len(observations) == 1 else f"{len(observations)} observations"


def _flux_unit(counts: Counts) -> Any:
    """Counts, per unit of exposure; None where the exposure has no unit."""
    from astropy.units import ct

    if counts.exposure_unit is not None:
        return ct / counts.exposure_unit
    return ct if counts.unit is not None and (counts.exposure == 1.0).all() else None
