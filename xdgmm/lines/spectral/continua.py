"""The continuum below lines: polynomials, an exponential, or a function of the user's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

from xdgmm.errors import InputError

Array = NDArray[np.float64]

HIGHEST = 30
STEP = 6e-6  # cube root of the rounding error: central differences


class Continuum(Protocol):
    """What lies below the lines of one window: columns with linear coefficients, and a function of parameters.

    Attributes
    ----------
    n_columns : int
        How many linear coefficients there are.
    start : ndarray (P,)
        First values of the nonlinear parameters.
    """

    @property
    def n_columns(self) -> int: ...  # noqa: D102
    @property
    def start(self) -> Array: ...  # noqa: D102

    def columns(self, x: Array, span: tuple[float, float], parameters: Array) -> Array:
        """What the linear coefficients multiply, (C, n), at positions x (n,) of a window `span`."""

    def columns_by(self, x: Array, span: tuple[float, float], parameters: Array) -> Array:
        """Derivatives of the columns by the parameters, (P, C, n)."""

    def offset(self, x: Array) -> Callable[[Array], Array] | None:
        """What is added to the columns, as a function of the parameters; None for nothing."""


@dataclass(frozen=True)
class Polynomial:
    """Legendre polynomials up to a degree, over the window; -1 for no continuum."""

    degree: int

    @property
    def n_columns(self) -> int:
        """One coefficient more than the degree."""
        return self.degree + 1

    @property
    def start(self) -> Array:
        """No nonlinear parameters."""
        return np.zeros(0)

    def columns(self, x: Array, span: tuple[float, float], parameters: Array) -> Array:  # noqa: ARG002
        """Polynomials (degree + 1, n)."""
        if self.degree < 0:
            return np.zeros((0, x.size))
        return np.asarray(legendre.legvander(_scaled(x, span), self.degree).T)

    def columns_by(self, x: Array, span: tuple[float, float], parameters: Array) -> Array:  # noqa: ARG002
        """No derivatives."""
        return np.zeros((0, self.n_columns, x.size))

    def offset(self, x: Array) -> None:  # noqa: ARG002
        """Nothing is added."""
        return


@dataclass(frozen=True)
class Exponential:
    """One exponential, ``c exp(-rate t)``, t going from -1 to 1 over the window."""

    n_columns = 1

    @property
    def start(self) -> Array:
        """A rate of zero: a constant."""
        return np.zeros(1)

    def columns(self, x: Array, span: tuple[float, float], parameters: Array) -> Array:
        """The exponential (1, n)."""
        return np.asarray(np.exp(-np.clip(parameters[0] * _scaled(x, span), -300, 300))[None])

    def columns_by(self, x: Array, span: tuple[float, float], parameters: Array) -> Array:
        """Its derivative by the rate (1, 1, n)."""
        return -_scaled(x, span)[None, None] * self.columns(x, span, parameters)

    def offset(self, x: Array) -> None:  # noqa: ARG002
        """Nothing is added."""
        return


@dataclass(frozen=True)
class Function:
    """A function of the user's, ``function(x, *parameters)``, all of whose parameters are fitted."""

    function: Callable[..., Any]
    first: tuple[float, ...]
    n_columns = 0

    @property
    def start(self) -> Array:
        """What the user gave."""
        return np.array(self.first)

    def columns(self, x: Array, span: tuple[float, float], parameters: Array) -> Array:  # noqa: ARG002
        """No linear coefficients."""
        return np.zeros((0, x.size))

    def columns_by(self, x: Array, span: tuple[float, float], parameters: Array) -> Array:  # noqa: ARG002
        """No columns, no derivatives."""
        return np.zeros((len(self.first), 0, x.size))

    def offset(self, x: Array) -> Callable[[Array], Array]:
        """The function at positions."""

        def values(parameters: Array) -> Array:
            found = np.asarray(self.function(x, *parameters), dtype=float)
            return np.broadcast_to(found, x.shape)

        return values


def check_first(continuum: Continuum, x: Array, name: str) -> None:
    """Refuse a function that cannot be called at positions (n,) with its first values, or is not finite there.

    Raises
    ------
    InputError
        If so; the message says what the function answered.
    """
    if not isinstance(continuum, Function):
        return
    try:
        with np.errstate(all="ignore"):
            values = continuum.offset(x)(continuum.start)
    except (TypeError, ValueError) as problem:
        raise InputError(
            f"the function of `{name}` cannot be called as function(x, *parameters) with {len(continuum.first)} "
            f"parameters and {x.size} positions, or does not answer with one number for each: {problem}"
        ) from None
    if not np.isfinite(values).all():
        raise InputError(
            f"the function of `{name}` is not finite between {x.min():.6g} and {x.max():.6g} for the first values of "
            "its parameters; give others"
        )


def differences(function: Callable[[Array], Array], parameters: Array) -> Array:
    """Central differences of a function by its parameters (P, n)."""
    steps = STEP * np.maximum(np.abs(parameters), 1e-3)
    rows = [
        (function(parameters + step * unit) - function(parameters - step * unit)) / (2.0 * step)
        for step, unit in zip(steps, np.eye(parameters.size), strict=True)
    ]
    return np.array(rows)


def as_continuum(continuum: Any) -> Continuum:
    """From what a user gave: a degree, None, "exponential", or a function with first values of its parameters."""
    if continuum is None:
        return Polynomial(-1)
    if isinstance(continuum, (int, np.integer)) and not isinstance(continuum, bool):
        if -1 < continuum <= HIGHEST:
            return Polynomial(int(continuum))
    elif continuum == "exponential":
        return Exponential()
    elif isinstance(continuum, Sequence) and len(continuum) == 2 and callable(continuum[0]):
        function, first = continuum
        try:
            numbers = np.atleast_1d(np.asarray(first, dtype=float))
        except (TypeError, ValueError):
            numbers = np.array([np.nan])
        if numbers.ndim == 1 and np.isfinite(numbers).all():
            return Function(function, tuple(float(number) for number in numbers))
    raise InputError(
        f"`continuum` is {continuum!r}, but it must be the degree of a polynomial (0 to {HIGHEST}), 'exponential', "
        "None, or a pair (function, first values) of a function(x, *parameters) and finite first values of its "
        "parameters"
    )


def _scaled(x: Array, span: tuple[float, float]) -> Array:
    low, high = span
    return (x - 0.5 * (low + high)) / (0.5 * (high - low) or 1.0)
