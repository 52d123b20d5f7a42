"""`fit_events`: lines in single events, each with an error of its own, by extreme deconvolution beside a background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xdgmm.basics.arrays import as_floats, list_rows
from xdgmm.basics.constants import LIGHT
from xdgmm.errors import InputError
from xdgmm.spectra import LSF

from .axes import Axis
from .events_background import EventBackground
from .events_model import NARROWEST, EventModel, Events
from .events_scoring import Optimum, Problem, maximise
from .events_solution import EventSolution
from .events_starts import best_fit
from .events_window import EventWindow
from .groups import Group
from .line_fit import Header, LineFit, check_groups, warned
from .media import check_medium
from .model import Table
from .pieces import instrument_at
from .spectra_fit import FASTEST, INSTRUMENTS, MOVED, ROUNDS, assumed, windows_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Array = NDArray[np.float64]
Window = tuple[float, float]

RATIO = 1e-9  # of its upper bound: what is left of a ratio at a lower bound of zero
LEAST = 1e-12  # of all events: what is left of a line without a flux


@dataclass(frozen=True)
class EventData:
    """What was fitted, for flags and pictures.

    Attributes
    ----------
    events : Events
    ranges : tuple of (low, high)
        The window, or the whole axis.
    instruments : tuple of LSF
        The instrument, if it was given; none where events have errors of their own.
    centres : None
        There are no pixels.
    """

    events: Events
    ranges: tuple[Window, ...]
    instruments: tuple[LSF, ...]
    centres: None = None

    def views(self, solution: EventSolution) -> list[EventWindow]:
        """The window, for pictures."""
        return [EventWindow(solution)]


def fit_events(
    energy: ArrayLike | Any,
    *,
    groups: Group | Sequence[Group],
    sigma: ArrayLike | Any = None,
    lsf: LSF | None = None,
    window: Window | None = None,
    background: str | None = None,
    background_range: Window | None = None,
    thermal: Any = None,
    weights: ArrayLike | None = None,
    axis: str | None = None,
    convention: str | None = None,
    medium: str | None = None,
) -> LineFit:
    """Fit groups of lines to single events: photons with energies, or stars with velocities.

    Parameters
    ----------
    energy : array (N,) or Quantity
        Observed energies, wavelengths, frequencies or velocities, one for each event.
    groups : Group or sequence of Group
        Lines that share a velocity and an intrinsic width.
    sigma : float, array (N,) or Quantity
        1-sigma error of each event, in the unit of `energy`, or in km/s; or
    lsf : LSF
        The instrument, at the lines.  `includes_pixel` plays no part, since events have no pixels.
    window : (low, high), optional
        Observed range that is fitted; events outside are left out.  What of a line or a background lies outside is
        taken into account.
    background : {"uniform", "linear", "power law"}, optional
        Density of the events that belong to no line.  It goes on beyond the window, as a continuum does, or
    background_range : (low, high), optional
        range of true positions outside of which there is none.  Its density is then convolved with the error of each
        event, and falls off around both ends.
    thermal : Quantity or (number, unit), optional
        Temperature (or k T) of the ions, whose thermal width is not counted as intrinsic; needs `Group(element=)`.
    weights : array (N,), optional
        How often each event counts, as numbers of counts at one position.
    axis : {"energy", "wavelength", "frequency", "velocity"}, optional
        What plain numbers are; "energy" by default.
    convention : {"optical", "radio", "relativistic"}, optional
        Of velocities relative to the redshift: "optical" along wavelengths, "radio" along energies and frequencies.
    medium : {"air", "vacuum"}, optional
        Where the wavelengths of events and lines are measured.  Nothing is converted.

    Returns
    -------
    LineFit
        Fluxes are numbers of events.  `fit.solution.background` has the number of events in the background and its
        shape: the slope s of ``1 + s t`` (t from -1 to 1 over the range), or the index of ``x^-index``.

    Raises
    ------
    InputError
        If errors are missing or not positive, no event is in the window, a line is outside it, or units do not convert;
        the message says which.

    Warns
    -----
    ConvergenceWarning
        If the fit did not reach a maximum.
    XdgmmWarning
        If wavelengths have a unit, and it is not said whether they are in air or in vacuum, where that matters.

    Notes
    -----
    The density of event i is ``sum_l F_l N(x_i; m_l, V_l + e_i^2) + n_b B(x_i, e_i)``, each line's mean and variance
    following from velocity and intrinsic variance of its group.  Its Poisson likelihood is maximised with Newton's
    steps; kernels of the package give value and gradient (extreme deconvolution: Bovy, Hogg & Roweis 2011, Ann. Appl.
    Stat. 5, 1657).  The model is a mixture: variances and fluxes are not negative.

    Examples
    --------
    >>> import numpy as np
    >>> from xdgmm import lines
    >>> rng = np.random.default_rng(1)
    >>> energy = np.append(6586.5 + 4.5 * rng.normal(size=600), rng.uniform(6490, 6625, 400))
    >>> line = lines.Group("Fe", [6700.4], z=0.01726)
    >>> fit = lines.fit_events(energy, sigma=2.1, groups=line, window=(6490, 6625), background="uniform")
    >>> bool(160 < fit.intrinsic_sigma[0] < 200)  # 4.0 eV are 181 km/s
    True
    """
    chosen = check_groups(groups)
    x, unit = as_floats(energy, "energy")
    of_axis = Axis.of(unit, axis, convention, plain="energy")
    table = Table.of(chosen, of_axis, thermal)
    _check_gaussian(table)
    _check_ratios(table)
    span = None if window is None else _range(window, of_axis, "window")
    ends = None if background_range is None else _range(background_range, of_axis, "background_range")
    _check_instrument(sigma, lsf)
    x, errors, counts, remarks = _chosen_events(x, sigma, weights, of_axis, span)
    remarks += check_medium(medium, chosen, of_axis, float(np.median(x)))
    solution = _fitted(table, lsf, (x, errors, counts), span, (background, ends))
    data = EventData(
        solution.model.events, ((-np.inf, np.inf) if span is None else span,), () if lsf is None else (lsf,)
    )
    header = Header(_title(solution.model, span), _instrument(lsf, errors, unit), (*remarks, *_of_background(solution)))
    return warned(LineFit(solution, header, data=data))


def _fitted(
    table: Table,
    lsf: LSF | None,
    given: tuple[Array, Array, Array],
    span: Window | None,
    background: tuple[str | None, Window | None],
) -> EventSolution:
    """The best model; the instrument's width is that where lines are found."""
    x, errors, counts = given
    kind, ends = background
    blur = errors if lsf is None else _blur(lsf, x, table, needed=ends is not None or kind == "power law")
    shape = EventBackground.of(kind, span, ends, float(blur.max()))
    ones, nothing = np.ones((table.group.size, 1)), np.zeros((table.group.size, 1))
    instrument = (ones, nothing) if lsf is None else instrument_at(lsf, table, table.positions)
    fractions = (0.0, 0.0) if lsf is None else (lsf.error, lsf.scatter)
    model = EventModel(table, Events(x, errors, blur, counts), span, *instrument, shape, *fractions)
    _check_within(table, span)
    _check_number(model)
    problem = _problem(model)
    optimum = best_fit(problem)
    return EventSolution(problem, optimum) if lsf is None else EventSolution(*_read_again(problem, optimum, lsf))


def _read_again(problem: Problem, optimum: Optimum, lsf: LSF) -> tuple[Problem, Optimum]:
    """The fit with the instrument where lines were found."""
    for _ in range(ROUNDS):
        model = problem.model
        weights, sigmas = instrument_at(lsf, model.table, model.means(optimum.theta)[0])
        if np.max(np.abs(sigmas - model.sigmas) / np.where(model.sigmas > 0, model.sigmas, 1.0)) < MOVED:
            break
        problem = _problem(model.with_instrument(weights, sigmas))
        optimum = maximise(problem, optimum.theta)
    return problem, optimum


def _problem(model: EventModel) -> Problem:
    """Bounds of the parameters."""
    table, layout, events = model.table, model.layout, model.events
    low, high = np.full(layout.size, -np.inf), np.full(layout.size, np.inf)
    instrument, widest, _ = model.sizes
    for g, group in enumerate(table.groups):
        low[g], high[g] = group.velocity or _velocities(model, g, max(FASTEST, INSTRUMENTS * instrument[g]))
        least, most = group.sigma or (0.0, float(widest[g]))
        if not (events.sigma.any() or model.sigmas[table.group == g].all()):
            least = max(least, NARROWEST * float(widest[g]))  # exact events: a line on a single one would be infinite
        low[layout.variances.start + g], high[layout.variances.start + g] = least**2, most**2
    lines = [line for group in table.groups for line in group.lines]
    for at, number in enumerate(table.bounded, layout.ratios.start):
        low[at], high[at] = lines[number].ratio
        low[at] = max(low[at], RATIO * high[at])
    low[layout.amounts] = LEAST * events.total
    if model.background is not None:
        low[layout.shape], high[layout.shape] = model.background.shape.low, model.background.shape.high
    return Problem(model, low, high)


def _velocities(model: EventModel, group: int, fastest: float) -> Window:
    """Velocities where a group is looked for: those that keep its lines in the window, but not the largest."""
    low, high = -fastest, fastest
    for line in np.flatnonzero(model.table.group == group):
        position = model.table.positions[line]
        if model.window is not None and model.window[0] <= position <= model.window[1]:
            distances = (np.array(model.window) - position) / model.table.per_kms[line]
            low, high = max(low, distances[0]), min(high, distances[1])
    return float(low), float(high)


def _blur(lsf: LSF, x: Array, table: Table, *, needed: bool) -> Array:
    """Error with which each event of the background is measured."""
    if not needed:
        return np.zeros(x.size)
    weights, sigmas = lsf.at(x, table.axis.unit)
    return np.asarray(np.sqrt((weights * sigmas**2).sum(axis=1)))


def _range(given: Any, axis: Axis, name: str) -> Window:
    """A range in the unit of the axis."""
    try:
        low, high = given
    except (TypeError, ValueError):
        raise InputError(f"`{name}` is {given!r}, but it must be a pair (low, high)") from None
    (found,) = windows_of([(low, high)], axis) or ()
    return found


def _chosen_events(
    x: Array, sigma: Any, weights: Any, axis: Axis, span: Window | None
) -> tuple[Array, Array, Array, list[str]]:
    """Positions, errors and weights of the events that are fitted, and what was left out."""
    if x.ndim != 1 or not x.size:
        raise InputError(f"`energy` has shape {x.shape}, but one number for each event is needed, (N,)")
    errors = np.zeros(x.size) if sigma is None else _errors(sigma, x, axis)
    counts = np.ones(x.size) if weights is None else _weights(weights, x.size)
    known = np.isfinite(x) & np.isfinite(errors)
    seen = known if span is None else known & (x >= span[0]) & (x <= span[1])
    remarks = []
    if not known.all():
        remarks.append(f"{counts[~known].sum():.10g} events without a position or an error left out")
    if (known & ~seen).any():
        remarks.append(f"{counts[known & ~seen].sum():.10g} events outside the window left out")
    if weights is not None and not (counts == 1).all():
        remarks.append("weights count events; there is no test of the fit")
    chosen = seen & (counts > 0)
    if not chosen.any():
        if not known.any():
            raise InputError("no event has a finite position and error")
        first, last = x[known].min(), x[known].max()
        where = "" if span is None else f" in the window from {span[0]:g} to {span[1]:g}: events"
        raise InputError(
            f"there is no event{where} go from {first:.6g} to {last:.6g}" if where else "all weights are 0"
        )
    return x[chosen], errors[chosen], counts[chosen], remarks


def _errors(sigma: Any, x: Array, axis: Axis) -> Array:
    """Error of each event in the unit of the axis."""
    unit = getattr(sigma, "unit", None)
    in_kms = unit is not None and not axis.is_velocity and unit.is_equivalent("km/s")
    if unit is not None and axis.unit is None and not in_kms:
        raise InputError(f"`sigma` is in {unit}, but `energy` has no unit; give both or neither a unit")
    numbers, _ = as_floats(sigma, "sigma", "km/s" if in_kms else axis.unit)
    if numbers.shape not in ((), x.shape):
        raise InputError(f"`sigma` has shape {numbers.shape}, but there are {x.size} events; give one for each, or one")
    errors = np.broadcast_to(numbers, x.shape) * (np.abs(x) / LIGHT if in_kms else 1.0)
    wrong = np.flatnonzero(errors <= 0)
    if wrong.size:
        raise InputError(f"`sigma` is not positive in {list_rows(wrong)}; errors are 1-sigma, above zero")
    return errors


def _weights(weights: Any, n: int) -> Array:
    numbers, _ = as_floats(weights, "weights")
    if numbers.shape != (n,):
        raise InputError(f"`weights` has shape {numbers.shape}, but there are {n} events; give one for each")
    wrong = np.flatnonzero(~((numbers >= 0) & (numbers < np.inf)))
    if wrong.size:
        raise InputError(f"`weights` is negative or not finite in {list_rows(wrong)}; weights count events")
    return numbers


def _check_instrument(sigma: Any, lsf: Any) -> None:
    if (sigma is None) == (lsf is None):
        reason = "both were given" if lsf is not None else "both are missing"
        raise InputError(
            f"give `sigma`, the 1-sigma error of each event, or `lsf`, the instrument at the lines: {reason}"
        )
    if lsf is None:
        return
    if not isinstance(lsf, LSF):
        raise InputError(f"`lsf` is {lsf!r}, but it must be a lines.LSF")
    if lsf.matrix is not None:
        raise InputError("`lsf` is a resolution matrix, which belongs to pixels; events need a width")


def _check_gaussian(table: Table) -> None:
    for group, width in zip(table.group, table.half_widths, strict=True):
        if width > 0:
            raise InputError(
                f"group '{table.groups[group].name}' has a natural width, but lines of events are Gaussians; use "
                "`fit_counts` for Voigt profiles"
            )


def _check_ratios(table: Table) -> None:
    """Refuse lines whose numbers of events would be negative, or zero whatever the others are."""
    lines = [line for group in table.groups for line in group.lines]
    for group, line in zip(table.group, lines, strict=True):
        low, high = line.ratio if isinstance(line.ratio, tuple) else (line.fixed_ratio, line.fixed_ratio)
        if low < 0.0 or high <= 0.0:
            raise InputError(
                f"the ratio {line.ratio} of '{line.label}' in group '{table.groups[group].name}' makes no positive "
                "number of events; give a positive ratio, or leave the line out"
            )


def _check_within(table: Table, span: Window | None) -> None:
    """Refuse lines with a flux of their own that the window does not show."""
    lines = [line for group in table.groups for line in group.lines]
    for number, line in enumerate(lines):
        position = table.positions[number]
        if span is not None and line.ratio is None and not span[0] <= position <= span[1]:
            raise InputError(
                f"the line '{line.label}' of group '{table.groups[table.group[number]].name}' is expected at "
                f"{position:.6g}, outside the window; widen it, check `z`, or leave the line out"
            )


def _check_number(model: EventModel) -> None:
    n_parameters = model.layout.size - (model.precision > 0).sum()
    if model.events.x.size <= n_parameters:
        raise InputError(
            f"{model.events.x.size} events are too few for {n_parameters} parameters; widen the window, or tie lines"
        )


def _title(model: EventModel, span: Window | None) -> str:
    where = "" if span is None else f" from {span[0]:g} to {span[1]:g}{_of_unit(model.table.axis.unit)}"
    return f"{model.events.total:.10g} events{where}"


def _instrument(lsf: LSF | None, errors: Array, unit: Any) -> str:
    if lsf is not None:
        return assumed(lsf, with_pixel=False)
    low, middle, high = np.min(errors), np.median(errors), np.max(errors)
    if low == high:
        return f"sigma {low:.4g}{_of_unit(unit)} for each event"
    return f"sigma of each event, {low:.4g} to {high:.4g}{_of_unit(unit)} (median {middle:.4g})"


def _of_unit(unit: Any) -> str:
    return "" if unit is None else f" {unit}"


def _of_background(solution: EventSolution) -> list[str]:
    """What was found of the background."""
    from xdgmm.tables.printing import with_error

    if solution.background is None or solution.model.background is None:
        return []
    (number,), (error,) = solution.background[0]
    shape = solution.model.background.shape
    parts = [
        f"{name} {with_error(float(value), float(own))}"
        for name, value, own in zip(shape.names, *solution.background[1], strict=True)
    ]
    return [", ".join([f"background of {with_error(float(number), float(error))} events", *parts])]
