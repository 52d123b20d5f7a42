"""`measure_lsf`: the width of the instrument along the spectrum, from lines that have no width of their own."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import least_squares, minimize

from xdgmm.basics.argument_names import called, columns_called
from xdgmm.basics.arrays import as_floats, read_only
from xdgmm.basics.units import as_floats_in
from xdgmm.errors import InputError, XdgmmWarning
from xdgmm.fitting import FitResult, Settings, fit
from xdgmm.mixture import GaussianMixture
from xdgmm.observations import Observations
from xdgmm.prediction import memberships
from xdgmm.uncertainty import laplace

from .inputs import check_widths

if TYPE_CHECKING:
    from astropy.units import Quantity, UnitBase

Array = NDArray[np.float64]

CORE = 0.5  # fraction of the lines that the narrow component starts from: those that lie closest together
STEP = 1e-3  # of the scatter, in which derivatives by the trend are taken
GAIN = 4.0  # nats by which blends must improve the fit: 5 to 10 of 100 samples without any exceed it
FAR = 4.0  # errors (scatter included) that blends must be off by, typically
SPARE = 2  # lines more than parameters that a trend needs


def measure_lsf(
    positions: ArrayLike | Quantity, widths: ArrayLike | Quantity, width_errors: ArrayLike | Quantity, order: int = 1
) -> InstrumentWidth:
    """Measure the instrument's width, and how it depends on position, on lines of no intrinsic width.

    Parameters
    ----------
    positions : array or Quantity (N,)
        Where the lines are: pixels, wavelengths, energies.
    widths, width_errors : array or Quantity (N,)
        Their measured widths (sigma, or FWHM for an instrument in FWHM) and 1-sigma errors; NaN or masked: missing.
    order : int
        Degree of the polynomial in position that the width follows; 0: the same everywhere.

    Returns
    -------
    InstrumentWidth
        ``lsf(positions)``, with its error and the scatter of lines around it, ready for `deconvolve`.

    Raises
    ------
    InputError
        If widths or errors are not positive, shapes or units do not match, or there are too few lines for the order.

    Notes
    -----
    Extreme deconvolution of the widths less a polynomial, with two components: lines that follow the instrument, and
    blends and misidentified lines, which are wider on average and scatter more.  The polynomial is the one of largest
    likelihood.  The second component is kept only where it is wider, typically by four errors, and raises the
    log-likelihood by more than 4 nats.

    Examples
    --------
    >>> import numpy as np
    >>> from xdgmm import lines
    >>> rng = np.random.default_rng(2)
    >>> x = np.linspace(4000.0, 7000.0, 40)
    >>> widths = 1.2 + 1e-4 * (x - 5500.0) + 0.02 * rng.normal(size=40)
    >>> widths[::8] += 0.5  # blends
    >>> lsf = lines.measure_lsf(x, widths, np.full(40, 0.02))
    >>> lsf([4500.0, 6500.0]).round(2), float(lsf.blends.fraction.round(2))
    (array([1.1, 1.3]), 0.13)
    """
    if not isinstance(order, (int, np.integer)) or isinstance(order, bool) or order < 0:
        raise InputError(f"`order` is {order!r}, but it must be a whole number from 0")
    with called(**columns_called(positions=positions, widths=widths, width_errors=width_errors)):
        lines = _Lines.of(positions, widths, width_errors)
    needed = int(order) + 4 + SPARE
    if lines.width.size < needed:
        raise InputError(f"{lines.width.size} lines are too few for `order` {order}; {needed} are needed")
    if np.unique(lines.position).size <= order:
        raise InputError(f"the lines have {np.unique(lines.position).size} different positions; `order` must be less")
    two = _Trend.maximised(lines, int(order), n_components=2)
    one = _Trend.maximised(lines, int(order), n_components=1)
    return (two if _shows_blends(two, one) else one).measured()


def _shows_blends(two: _Trend, one: _Trend) -> bool:
    """Is there a second component that is far from the lines of the instrument, and that the data ask for?"""
    means, sigmas = two.result.mixture.means[:, 0], two.result.mixture.sigmas[:, 0]
    excess = means[1] - means[0]
    gain = two.result.log_likelihood - one.result.log_likelihood
    usual = np.hypot(sigmas[0], np.median(two.lines.error))
    return bool(gain > GAIN and excess > 0 and np.hypot(excess, sigmas[1]) > FAR * usual)


@dataclass(frozen=True, eq=False)
class _Lines:
    """Lines with a width, in plain numbers; positions go from -1 to 1."""

    position: Array
    width: Array
    error: Array
    span: tuple[float, float]
    seen: NDArray[np.bool_]
    units: tuple[UnitBase | None, UnitBase | None]

    @classmethod
    def of(cls, positions: Any, widths: Any, errors: Any) -> _Lines:
        positions, position_unit = as_floats(positions, "positions")
        widths, unit = as_floats(widths, "widths")
        if getattr(errors, "unit", None) is not None and unit is None:
            raise InputError(f"`width_errors` has the unit {errors.unit}, but `widths` has none; give both or neither")
        errors, _ = as_floats(errors, "width_errors", unit)
        errors = np.full(widths.shape, float(errors)) if errors.ndim == 0 else errors
        for name, array in (("positions", positions), ("width_errors", errors)):
            if widths.ndim != 1 or array.shape != widths.shape:
                raise InputError(
                    f"`{name}` has shape {array.shape} and `widths` {widths.shape}; one number for each line is needed"
                )
        check_widths(widths, errors, ("widths", "width_errors"))
        seen = ~np.isnan(widths)
        if not np.isfinite(positions[seen]).all():
            raise InputError("`positions` is not finite where there is a width; give every line its position")
        span = float(positions[seen].min()), float(positions[seen].max())
        scaled = _scaled(positions[seen], span)
        return cls(scaled, widths[seen], errors[seen], span, seen, (position_unit, unit))


def _scaled(positions: Array, span: tuple[float, float]) -> Array:
    low, high = span
    return (positions - 0.5 * (low + high)) / (0.5 * (high - low) or 1.0)


def _basis(position: Array, order: int) -> Array:
    """Legendre polynomials of degrees 1 to `order` (..., order)."""
    return np.asarray(legendre.legvander(position, order)[..., 1:], dtype=float)


class _Trend:
    """The best mixture for widths less a trend, as a function of the trend's coefficients.

    The gradient of the likelihood, maximised over the mixture, is that at fixed mixture.
    """

    def __init__(self, lines: _Lines, basis: Array, coefficients: Array, start: GaussianMixture) -> None:
        self.lines, self.basis, self.coefficients = lines, basis, coefficients
        left = lines.width - basis @ coefficients
        self.observations = Observations.with_standard_errors(left, lines.error, names=["width"])
        self.result = fit(self.observations, start.n_components, Settings(start=start))

    @classmethod
    def maximised(cls, lines: _Lines, order: int, n_components: int) -> _Trend:
        """The trend of largest likelihood, from a robust one."""
        basis = _basis(lines.position, order)
        coefficients = _robust(lines, basis)
        trend = cls(lines, basis, coefficients, _start(lines.width - basis @ coefficients, n_components))
        if order == 0:
            return trend
        scale = float(np.std(lines.width)) or 1.0
        found = minimize(
            lambda c: trend.at(c * scale).slope(scale),
            coefficients / scale,
            jac=True,
            method="BFGS",
            options={"gtol": 1e-6 * lines.width.size},
        )
        return trend.at(found.x * scale)

    def at(self, coefficients: Array) -> _Trend:
        """With other coefficients, from the mixture found here."""
        return _Trend(self.lines, self.basis, coefficients, self.result.mixture)

    def slope(self, scale: float) -> tuple[float, Array]:
        """What `minimize` asks for: minus the log-likelihood and its gradient, by coefficients in units of `scale`."""
        return -self.result.log_likelihood, -scale * self.gradient

    @property
    def gradient(self) -> Array:
        """Of the log-likelihood by the coefficients: ``sum_i b_i sum_k r_ik (w_i - m_k) / (V_k + e_i^2)``."""
        mixture = self.result.mixture
        left = self.observations.values - mixture.means[:, 0]
        pull = left / (mixture.covariances[:, 0, 0] + self.lines.error[:, None] ** 2)
        return np.asarray(self.basis.T @ (memberships(mixture, self.observations) * pull).sum(axis=1))

    @property
    def mean(self) -> float:
        return float(self.result.mixture.means[0, 0])

    def measured(self) -> InstrumentWidth:
        """The result, with the joint covariance of the mean of the narrow component and the coefficients."""
        laplace_of = laplace(self.result.mixture, self.observations)
        error = laplace_of.propagate(lambda mixture: mixture.means[0, 0]).error
        covariance = np.zeros((1 + self.coefficients.size,) * 2)
        covariance[0, 0] = error**2
        if self.coefficients.size:
            curvature, slope = self._by_coefficients()
            of_trend = np.linalg.inv(curvature)
            covariance[1:, 1:] = of_trend
            covariance[0, 1:] = covariance[1:, 0] = of_trend @ slope
            covariance[0, 0] += slope @ of_trend @ slope
        return self._as_instrument(covariance)

    def _by_coefficients(self) -> tuple[Array, Array]:
        """By differences: minus the Hessian of the profile likelihood of the coefficients; derivatives of the mean."""
        step = STEP * np.sqrt(np.mean(self.lines.error**2) + self.result.mixture.covariances[0, 0, 0])
        steps = step * np.eye(self.basis.shape[1])
        ends = [(self.at(self.coefficients + each), self.at(self.coefficients - each)) for each in steps]
        curvature = -np.array([(up.gradient - down.gradient) / (2 * step) for up, down in ends])
        slope = np.array([(up.mean - down.mean) / (2 * step) for up, down in ends])
        return 0.5 * (curvature + curvature.T), slope

    def _as_instrument(self, covariance: Array) -> InstrumentWidth:
        blends = np.full(self.lines.seen.shape, np.nan)
        blends[self.lines.seen] = memberships(self.result.mixture, self.observations)[:, 1:].sum(axis=1)
        return InstrumentWidth(
            np.append(self.mean, self.coefficients),
            covariance,
            self.lines.span,
            self.observations,
            self.result,
            blends,
            *self.lines.units,
        )


def _robust(lines: _Lines, basis: Array) -> Array:
    """Coefficients by least absolute deviations, smoothed."""
    if basis.shape[1] == 0:
        return np.zeros(0)
    design = np.column_stack([np.ones(lines.width.size), basis])
    spread = np.median(np.abs(lines.width - np.median(lines.width))) or 1.0
    found = least_squares(
        lambda c: (lines.width - design @ c) / spread,
        np.append(np.median(lines.width), np.zeros(basis.shape[1])),
        loss="soft_l1",
        f_scale=0.1,
    )
    return np.asarray(found.x[1:])


def _start(widths: Array, n_components: int) -> GaussianMixture:
    """A narrow component where widths crowd, and a wide one for all of them."""
    if n_components == 1:
        return GaussianMixture([1.0], [[widths.mean()]], [[[widths.var()]]])
    ordered = np.sort(widths)
    count = int(np.ceil(CORE * widths.size))
    first = np.argmin(ordered[count - 1 :] - ordered[: widths.size - count + 1])
    core = ordered[first : first + count]
    return GaussianMixture([0.5, 0.5], [[core.mean()], [widths.mean()]], [[[core.var()]], [[widths.var()]]])


@dataclass(frozen=True, eq=False, repr=False)
class InstrumentWidth:
    """The instrument's width along the spectrum; made by `measure_lsf`, called with positions.

    Attributes
    ----------
    coefficients : ndarray (order + 1,)
        Of Legendre polynomials in the position, scaled so that `span` becomes -1 to 1.
    covariance : ndarray (order + 1, order + 1)
        Their covariance.
    span : (float, float)
        Positions of the first and the last line.
    observations : Observations
        Widths less the trend.
    result : FitResult
        Of the mixture behind them: lines that follow the instrument first, blends (if any) second.
    blend_probabilities : ndarray (N,)
        That each line is a blend; NaN where its width is missing.
    """

    coefficients: Array
    covariance: Array
    span: tuple[float, float]
    observations: Observations
    result: FitResult
    blend_probabilities: Array
    position_unit: UnitBase | None = None
    unit: UnitBase | None = None

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        for name in ("coefficients", "covariance", "blend_probabilities"):
            object.__setattr__(self, name, read_only(getattr(self, name)))

    def __call__(self, positions: ArrayLike | Quantity) -> Any:
        """The instrument's width at positions (any shape), in the unit of the widths.

        Raises
        ------
        InputError
            If positions do not convert to those that were measured.

        Warns
        -----
        XdgmmWarning
            If a position lies outside the measured lines: a polynomial says little there.
        """
        return self._with_unit(self._design(positions) @ self.coefficients)

    def error(self, positions: ArrayLike | Quantity) -> Any:
        """1-sigma error of the instrument's mean width at positions, without the scatter of lines about it."""
        return self._with_unit(self._mean_error(self._design(positions)))

    def fractional_error(self, positions: ArrayLike | Quantity) -> Any:
        """Error of the mean width as a fraction of it: `lsf_error` of `deconvolve`.

        Lines share it; before `population` give one number, as that at the middle of the lines.
        """
        design = self._design(positions)
        return self._mean_error(design) / (design @ self.coefficients)

    def fractional_scatter(self, positions: ArrayLike | Quantity) -> Any:
        """Scatter of single lines as a fraction of the width: `lsf_scatter` of `deconvolve`."""
        return self._scatter / (self._design(positions) @ self.coefficients)

    @property
    def order(self) -> int:
        """Degree of the polynomial."""
        return self.coefficients.size - 1

    @property
    def scatter(self) -> Any:
        """Scatter of single lines about the mean width, their errors taken out; 0 where these explain all of it."""
        return self._with_unit(self._scatter)

    @property
    def blends(self) -> Blends:
        """The component of blends: fraction, mean excess over the lines that follow the instrument, and scatter."""
        mixture = self.result.mixture
        if mixture.n_components == 1:
            return Blends(0.0, self._with_unit(0.0), self._with_unit(0.0))
        excess = mixture.means[1, 0] - mixture.means[0, 0]
        return Blends(mixture.weights[1], self._with_unit(excess), self._with_unit(mixture.sigmas[1, 0]))

    def __repr__(self) -> str:
        """What was measured, in a few lines."""
        from .report import instrument_text

        return instrument_text(self)

    @property
    def _scatter(self) -> float:
        return float(self.result.mixture.sigmas[0, 0])

    def _mean_error(self, design: Array) -> Any:
        return np.sqrt(np.einsum("...i,ij,...j->...", design, self.covariance, design))

    def _design(self, positions: Any) -> Array:
        positions = as_floats_in(positions, "positions", np.array(self.position_unit, dtype=object))
        low, high = self.span
        outside = (positions < low) | (positions > high)
        if self.order > 0 and outside.any():
            number = np.sum(outside)
            warnings.warn(
                f"{number} position{' lies' if number == 1 else 's lie'} outside the measured lines "
                f"({low:.6g} to {high:.6g}), where the polynomial is an extrapolation",
                XdgmmWarning,
                stacklevel=3,
            )
        scaled = np.asarray(_scaled(positions, self.span))
        return np.asarray(legendre.legvander(scaled, self.order), dtype=float).reshape(*scaled.shape, -1)

    def _with_unit(self, numbers: Any) -> Any:
        if self.unit is None:
            return numbers
        from astropy.units import Quantity

        return Quantity(numbers, self.unit)


class Blends(NamedTuple):
    """Lines that do not follow the instrument: their fraction, mean excess width and scatter."""

    fraction: float
    excess: Any
    scatter: Any
