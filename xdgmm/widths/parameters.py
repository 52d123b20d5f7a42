"""The parameters of a report as functions of a mixture, and their values and intervals by each method.

Every method (curvature, sandwich, refits, posterior samples) propagates its uncertainty to these numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xdgmm.errors import InputError
from xdgmm.fitting import Model, Problem
from xdgmm.mixture import GaussianMixture
from xdgmm.mixture.families import HIGHEST_DOF, LOWEST_DOF, fwhm_factors, half_width_factors
from xdgmm.uncertainty import (
    Estimate,
    Laplace,
    PosteriorSamples,
    SampledMixtures,
    function_interval,
    mean_interval,
    profile_interval,
    weight_interval,
)
from xdgmm.uncertainty.simulated import Simulation

if TYPE_CHECKING:
    from xdgmm.fitting.problem import AnyObservations

ByName = dict[str, NDArray[np.float64]]

OF_T = {"sigmas": ("half_widths", "fwhms"), "principal": ("principal_half_widths", "principal_fwhms")}
ROUNDING = 4e-16  # for each dimension: eigenvalues of correlations have smaller errors


class Parameters:
    """Weights, means and sigmas of K components in D coordinates, laid out in one row.

    Attributes
    ----------
    shapes : dict
        Shape of each by its name: "weights" (K,), "background" (0 or 1), "means", "sigmas" and, from two coordinates
        on, "principal" (K, D): the sigmas along the principal axes, widest first.  With Student-t components also
        "inverse_dof" (K,), in which the likelihood is regular up to the Gaussian, and half-widths of 68% and full
        widths at half maximum along columns and principal axes (`OF_T`).
    """

    def __init__(self, mixture: GaussianMixture) -> None:
        K, D = mixture.means.shape
        self.shapes = {
            "weights": (K,),
            "background": (mixture.all_weights.size - K,),
            "means": (K, D),
            "sigmas": (K, D),
            "principal": (K, D if D > 1 else 0),
        }
        if mixture.dof is not None:
            of_axes = {name: self.shapes[of] for of, names in OF_T.items() for name in names}
            self.shapes |= {"inverse_dof": (K,), **of_axes}

    def __call__(self, mixture: GaussianMixture) -> NDArray[np.float64]:
        """The row of numbers (n,) of a mixture."""
        parts = [mixture.all_weights, mixture.means, mixture.sigmas]
        if mixture.n_dimensions > 1:
            parts.append(principal_axes(mixture)[0])
        if mixture.dof is not None:
            sigmas = mixture.sigmas, (parts[3] if mixture.n_dimensions > 1 else np.zeros((mixture.n_components, 0)))
            parts.append(1.0 / mixture.dof)
            for of_axes in sigmas:
                parts += [factors(mixture.dof)[:, None] * of_axes for factors in (half_width_factors, fwhm_factors)]
        return np.concatenate([np.ravel(part) for part in parts])

    def by_name(self, row: ArrayLike) -> ByName:
        """The numbers of a row (n,) by name, each in its shape."""
        sizes = [int(np.prod(shape)) for shape in self.shapes.values()]
        parts = np.split(np.asarray(row, dtype=float), np.cumsum(sizes)[:-1])
        return {name: part.reshape(shape) for part, (name, shape) in zip(parts, self.shapes.items(), strict=True)}


def _by_name(
    parameters: Parameters, value: ArrayLike, low: ArrayLike, high: ArrayLike
) -> tuple[ByName, ByName, ByName]:
    return parameters.by_name(value), parameters.by_name(low), parameters.by_name(high)


def principal_axes(mixture: GaussianMixture) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sigmas along the principal axes (K, D), widest first, and the axes (K, D, D), one in each row.

    The sign of an axis is that which makes its largest element positive.
    """
    values, vectors = np.linalg.eigh(mixture.covariances)
    D = mixture.n_dimensions
    values[np.arange(D) < _n_vanishing(mixture.covariances)[:, None]] = 0.0
    axes = np.swapaxes(vectors, 1, 2)[:, ::-1]
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=2)[:, :, None], axis=2)
    return np.sqrt(np.maximum(values[:, ::-1], 0.0)), axes * np.where(largest < 0, -1.0, 1.0)


def _n_vanishing(covariances: NDArray[np.float64]) -> NDArray[np.intp]:
    """In how many directions each covariance (K, D, D) is zero to rounding, whatever the units of the columns (K,)."""
    sigmas = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
    sigmas = np.where(sigmas > 0, sigmas, 1.0)
    correlations = covariances / sigmas[:, :, None] / sigmas[:, None]
    rounding = ROUNDING * covariances.shape[1]
    return np.asarray((np.abs(np.linalg.eigvalsh(correlations)) <= rounding).sum(axis=1))


def _half_width_interval(
    mixture: GaussianMixture, observations: AnyObservations, k: int, axis: int, level: float, model: Model | None
) -> Estimate:
    """Interval of the half-width of a Student-t component from its profile likelihood."""
    return function_interval(
        lambda moved: moved.half_widths[k, axis], mixture, observations, level, model, within=(0.0, np.inf), component=k
    )


def _inverse_dof_interval(
    mixture: GaussianMixture, observations: AnyObservations, k: int, level: float, model: Model | None
) -> Estimate:
    """Interval of 1 / dof of a component from its profile likelihood."""
    within = 1.0 / HIGHEST_DOF, 1.0 / LOWEST_DOF
    return function_interval(
        lambda moved: 1.0 / _dof(moved)[k], mixture, observations, level, model, within=within, component=k
    )


def _dof(mixture: GaussianMixture) -> NDArray[np.float64]:
    assert mixture.dof is not None, "the components are Gaussian"
    return mixture.dof


@dataclass(frozen=True, eq=False)
class ParameterEstimates:
    """Value and interval of every parameter, as `Parameters` names them.

    Attributes
    ----------
    value, low, high : dict of ndarray
    remarks : tuple of str
        What a reader of the numbers should know.
    posterior : list of dict, optional
        Every posterior sample.
    """

    value: ByName
    low: ByName
    high: ByName
    remarks: tuple[str, ...] = ()
    posterior: list[ByName] | None = None

    @property
    def error(self) -> ByName:
        """Half of each interval."""
        return {name: 0.5 * (self.high[name] - self.low[name]) for name in self.low}

    @classmethod
    def from_laplace(cls, approximation: Laplace, level: float) -> ParameterEstimates:
        """From a normal approximation: symmetric intervals."""
        parameters = Parameters(approximation.mixture)
        found = approximation.propagate(parameters, level)
        return cls(*_by_name(parameters, found.value, found.low, found.high))

    @classmethod
    def from_samples(cls, samples: SampledMixtures, level: float) -> ParameterEstimates:
        """Quantiles of samples; of a posterior the value is the median, of refits it is the fit."""
        parameters = Parameters(samples.mixture)
        rows = np.stack([parameters(each) for each in samples.mixtures()])
        low, middle, high = np.quantile(rows, [0.5 - 0.5 * level, 0.5, 0.5 + 0.5 * level], axis=0)
        if not isinstance(samples, PosteriorSamples):
            return cls(*_by_name(parameters, parameters(samples.mixture), low, high))
        remarks = f"medians of the posterior, {samples.outcome.value}", f"prior: {samples.prior}"
        every = [parameters.by_name(row) for row in rows]
        return cls(*_by_name(parameters, middle, low, high), remarks, every)

    def with_profiles(
        self,
        mixture: GaussianMixture,
        observations: AnyObservations,
        given_model: Model | None,
        level: float,
        simulation: Simulation,
    ) -> ParameterEstimates:
        """The same with the intervals of free weights, means and sigmas of columns from their profile likelihoods."""
        model = Problem.of(mixture, observations, given_model).model
        if model.prior is not None:
            raise InputError("with a prior there is no profile of the likelihood; use `method='information'` or 'mcmc'")
        names = ["weights", "background", "means", "sigmas"]
        names += [] if mixture.dof is None else ["half_widths", "inverse_dof"]
        low, high = ({**of, **{name: of[name].copy() for name in names}} for of in (self.low, self.high))
        calibrated: dict[str, Any] = {
            "calibration": simulation.rule,
            "rng": simulation.seed,
            "n_jobs": simulation.n_jobs,
        }
        question = mixture, observations

        def keep(name: str, place: int | tuple[int, int], found: Estimate) -> None:
            low[name][place], high[name][place] = found.low, found.high

        for k, axis in np.argwhere(~mixture.is_flat).tolist():  # where a component is flat, it has no such parameters
            if k not in model.fixed.covariances:
                keep("sigmas", (k, axis), profile_interval(*question, k, axis, level, given_model, **calibrated))
            if k not in model.fixed.means:
                keep("means", (k, axis), mean_interval(*question, k, axis, level, given_model, **calibrated))
        K = mixture.n_components
        for k in range(mixture.all_weights.size):
            if mixture.all_weights.size > 1 and k not in model.fixed.weights:
                name, place = ("weights", k) if k < K else ("background", 0)
                keep(name, place, weight_interval(*question, k, level, given_model))
        if mixture.dof is not None:
            for k, axis in np.ndindex(mixture.means.shape):
                keep("half_widths", (k, axis), _half_width_interval(*question, k, axis, level, given_model))
            for component in np.flatnonzero(np.isfinite(mixture.dof)):
                k = int(component)
                keep("inverse_dof", k, _inverse_dof_interval(*question, k, level, given_model))
        return replace(self, low=low, high=high)

    def posterior_limit(self, name: str, place: tuple[int, int], level: float) -> float | None:
        """The value below which this fraction of the posterior samples lies; None where there is no posterior."""
        if self.posterior is None:
            return None
        return float(np.quantile([row[name][place] for row in self.posterior], level))
