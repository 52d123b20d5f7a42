"""What was measured in each window and what a fit expects there, as arrays: for pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from xdgmm.errors import InputError
from xdgmm.kernels import line_profiles

if TYPE_CHECKING:
    from .line_fit import LineFit

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]

LIMIT_LEVEL = 0.95
REACH = 6.0  # observed sigmas to both sides of a line that a picture of it shows
POINTS = 801  # of a smooth curve


class Expected(NamedTuple):
    """What a fit expects at n positions.

    Attributes
    ----------
    total : ndarray (n,)
        Lines and continuum.
    lines : ndarray (L, n)
        Each line by itself, without the continuum.
    continuum : ndarray (n,)
    """

    total: Array
    lines: Array
    continuum: Array


class Pixels(NamedTuple):
    """Pixels in and beside a window, and what was measured in them."""

    x: Array
    low: Array
    high: Array
    data: Array
    errors: Array
    fitted: Bools


class View(Protocol):
    """A window, as kinds of data have it: its pixels, and what is expected anywhere in it.

    Attributes
    ----------
    name : str
    piece : int
        Number of the spectrum.
    window : (float, float)
    x_unit, data_unit : astropy unit or None
    quantity : {"flux", "counts", "events"}
    has_positions : bool
        Are pixels at positions of the axis?
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def piece(self) -> int: ...  # noqa: D102
    @property
    def window(self) -> tuple[float, float]: ...  # noqa: D102
    @property
    def x_unit(self) -> Any: ...  # noqa: D102
    @property
    def data_unit(self) -> Any: ...  # noqa: D102
    @property
    def quantity(self) -> str: ...  # noqa: D102
    @property
    def has_positions(self) -> bool: ...  # noqa: D102

    def pixels(self, margin: float) -> Pixels:
        """The pixels of the window, and those beside it up to a fraction of its length."""

    def edges(self, x: Array) -> tuple[Array, Array]:
        """Edges of pixels around positions."""

    def expected(self, low: Array, high: Array, x: Array) -> Expected:
        """What is expected in pixels."""

    def instrument(self, line: int, low: Array, high: Array, x: Array) -> Array | None:
        """The profile of a line without any width of its own; None where the instrument has none either."""


@dataclass(frozen=True, eq=False, repr=False)
class Curves:
    """One window of a spectrum: what was measured, and what is expected.  All are plain numbers.

    Attributes
    ----------
    name : str
        Name of the spectrum; empty where it has none.
    spectrum : int
        Its number, counted from 0.
    window : (float, float)
        Ends of the window.
    x, low, high : ndarray (n,)
        Centres and edges of the pixels.
    data, errors : ndarray (n,)
        What was measured, and its 1-sigma errors; of counts, square roots of what is expected.
    fitted : ndarray of bool (n,)
        Which pixels were fitted: not those that are masked or outside the window.
    total, continuum : ndarray (n,)
        What the fit expects in the pixels, and the continuum of it.
    lines : ndarray (L, n)
        Each line by itself, in the order of `LineFit.lines`.  All are NaN outside the window.
    x_unit, data_unit : astropy unit or None
        Units of positions, and of data and everything expected.
    quantity : {"flux", "counts", "events"}
        What was measured.
    has_positions : bool
        Are `x` positions on the axis of the lines?  Channels of a response that has other bins are numbered instead.
    """

    name: str
    spectrum: int
    window: tuple[float, float]
    x: Array
    low: Array
    high: Array
    data: Array
    errors: Array
    fitted: Bools
    total: Array
    continuum: Array
    lines: Array
    x_unit: Any
    data_unit: Any
    quantity: str
    has_positions: bool
    _view: View

    @classmethod
    def of(cls, view: View, margin: float) -> Curves:
        """Of a window and what is beside it, up to a fraction of its length."""
        pixels = view.pixels(margin)
        values = {name: getattr(pixels, name) for name in pixels._fields}
        low, high = view.window
        inside = (pixels.x >= low) & (pixels.x <= high)
        found = view.expected(pixels.low, pixels.high, pixels.x)
        total, lines, continuum = (np.where(inside, each, np.nan) for each in found)
        return cls(
            name=view.name,
            spectrum=view.piece,
            window=view.window,
            **values,
            total=total,
            continuum=continuum,
            lines=lines,
            x_unit=view.x_unit,
            data_unit=view.data_unit,
            quantity=view.quantity,
            has_positions=view.has_positions,
            _view=view,
        )

    @property
    def residuals(self) -> Array:
        """Data less what is expected, in units of the errors (n,); NaN in pixels that were not fitted.

        Where the covariance of pixels was given, errors are the roots of its diagonal, and residuals are correlated.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.fitted, (self.data - self.total) / self.errors, np.nan)

    def at(self, x: Any) -> Expected:
        """What is expected in pixels around other positions of the window, for smooth curves.

        Parameters
        ----------
        x : array (n,)
            Positions; the pixels around them are as wide as those of the spectrum there.  Through a resolution matrix,
            what is expected is known in pixels only, and is interpolated by cubic splines.

        Returns
        -------
        Expected
        """
        x = np.atleast_1d(np.asarray(x, dtype=float))
        return self._view.expected(*self._view.edges(x), x)

    def __repr__(self) -> str:
        """One line."""
        low, high = self.window
        return f"<Curves{f' of {self.name}' if self.name else ''}: {self.x.size} pixels, window {low:g} to {high:g}>"


@dataclass(frozen=True, eq=False)
class VelocityProfile:
    """One line on an axis of velocities, as observed and without the instrument; all profiles have a peak of 1.

    Attributes
    ----------
    group, line : str
        Name of the group and label of the line.
    velocity : ndarray (n,)
        Pixels, in km/s from the centre of the line that was fitted; those of receding gas are positive.
    data, errors : ndarray (n,)
        What was measured less the continuum and other lines, in units of the peak of the line that was fitted.
    fitted : ndarray of bool (n,)
        Which pixels were fitted.
    grid : ndarray (m,)
        Velocities of the profiles.
    observed : ndarray (m,)
        The line as it was fitted.
    instrument : ndarray (m,) or None
        A line without any width as the instrument shows it, pixels included; None where it has no width.
    intrinsic : ndarray (m,) or None
        The line without instrument, pixels and heat: of the intrinsic sigma, or of its upper limit where `is_limit`;
        None without either.  A natural width is part of it.
    sigma : float
        The intrinsic sigma in km/s, or its upper limit.
    is_limit : bool
        Is the group consistent with having no width of its own?
    is_absorption : bool
        Is the flux of the line negative?  Then peaks are depths.
    quantity : {"flux", "counts", "events"}
        What was measured: in pixels, or in bins.
    """

    group: str
    line: str
    velocity: Array
    data: Array
    errors: Array
    fitted: Bools
    grid: Array
    observed: Array
    instrument: Array | None
    intrinsic: Array | None
    sigma: float
    is_limit: bool
    is_absorption: bool
    quantity: str


def velocity_profile(fit: LineFit, group: str | int, line: str | int) -> VelocityProfile:
    """The profile of one line of a group; see `LineFit.velocity_profile`."""
    g = fit.group(group)
    number = _line_of(fit, g, line)
    table, mean = fit.solution.table, float(fit.solution.positions.values[number])
    view = _view_of(fit, mean, table.labels[number])
    sigma = _sigma_or_limit(fit, g)
    ends = _ends(fit, view, number, sigma)
    x = np.linspace(*ends, POINTS)
    edges = view.edges(x)
    shape = view.expected(*edges, x).lines[number]
    peak = shape[np.argmax(np.abs(shape))] or 1.0
    instrument = view.instrument(number, *edges, x)
    per_kms = float(table.per_kms[number]) * (-1.0 if table.axis.kind in ("energy", "frequency") else 1.0)
    grid = (x - mean) / per_kms
    curves = Curves.of(view, 0.0)
    shown = (curves.x >= ends[0]) & (curves.x <= ends[1])
    others = np.nansum(np.delete(curves.lines, number, axis=0), axis=0)
    return VelocityProfile(
        group=fit.groups[g],
        line=table.labels[number],
        velocity=(curves.x - mean)[shown] / per_kms,
        data=((curves.data - curves.continuum - others) / peak)[shown],
        errors=(curves.errors / abs(peak))[shown],
        fitted=curves.fitted[shown],
        grid=grid,
        observed=shape / peak,
        instrument=None if instrument is None else instrument / instrument.max(),
        intrinsic=_intrinsic(grid, sigma, float(table.half_widths[number]) / abs(per_kms)),
        sigma=sigma,
        is_limit=bool(fit.is_limit[g]),
        is_absorption=bool(peak < 0),
        quantity=view.quantity,
    )


def _sigma_or_limit(fit: LineFit, group: int) -> float:
    """The intrinsic sigma of a group in km/s, or its upper limit where it is consistent with zero."""
    profile = fit.profiles[group]
    return float(np.sqrt(profile.upper_limit(LIMIT_LEVEL) if fit.is_limit[group] else profile.best))


def _ends(fit: LineFit, view: View, line: int, sigma: float) -> tuple[float, float]:
    """Ends of the part of a window that shows a line, and the profile of its intrinsic sigma."""
    table, mean = fit.solution.table, float(fit.solution.positions.values[line])
    (low,), (high,) = view.edges(np.array([mean]))
    intrinsic = 0.5 * sigma * table.per_kms[line] if np.isfinite(sigma) else 0.0
    observed = max(fit.observed_sigmas().values[line], fit.solution.instrument[line], 2.0 * table.half_widths[line])
    reach = REACH * max(observed, intrinsic, high - low)
    return max(mean - reach, view.window[0]), min(mean + reach, view.window[1])


def _intrinsic(velocities: Array, sigma: float, half_width: float) -> Array | None:
    if not np.isfinite(sigma) or not (sigma > 0 or half_width > 0):
        return None
    zero, one = np.zeros((1, 1)), np.ones((1, 1))
    at = np.append(velocities, 0.0)
    found = line_profiles(at, at, np.zeros(1), np.array([sigma**2]), one, zero, np.array([half_width])).density[0]
    return np.asarray(found[:-1] / found[-1])


def _line_of(fit: LineFit, group: int, line: str | int) -> int:
    """Number of a line of a group, over all groups, by its number in the group or its label."""
    members = np.flatnonzero(fit.solution.table.group == group)
    if isinstance(line, (int, np.integer)) and -members.size <= line < members.size:
        return int(members[line])
    labels = [fit.solution.table.labels[number] for number in members]
    if line in labels:
        return int(members[labels.index(str(line))])
    raise InputError(
        f"there is no line {line!r} in group '{fit.groups[group]}'; its lines are {', '.join(dict.fromkeys(labels))}"
    )


def _view_of(fit: LineFit, position: float, label: str) -> View:
    views: list[View] = fit.data.views(fit.solution)
    for view in views:
        if view.has_positions and view.window[0] <= position <= view.window[1]:
            return view
    if not any(view.has_positions for view in views):
        raise InputError("a profile needs the positions of channels, but the response has other bins; draw the counts")
    raise InputError(f"the line '{label}' is in no window; there are no data of it")
