"""Stepwise expectation maximisation, for data that arrive in batches.

Cappe & Moulines 2009, J. R. Stat. Soc. B 71, 593, with an average over the iterations.  Each batch moves the expected
moments of the true values of all objects towards its own, and the mixture is that with these moments.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from xdgmm.basics.blas import one_blas_thread
from xdgmm.errors import DegenerateError, InputError
from xdgmm.kernels import small_matrices

from .objective import differentiate
from .problem import Problem

if TYPE_CHECKING:
    from astropy.units import UnitBase
    from numpy.typing import NDArray

    from xdgmm.kernels import Statistics
    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations

    from .constraints import Constraints
    from .model import Model
    from .problem import Packing

    Floats = NDArray[np.float64]

EXPONENT = 0.6  # of the step size: between 1/2 and 1
LENGTH = 5.0  # its factor: the first mixture is forgotten as fast as the labels and the errors allow; averages are calm
NEEDED = 20.0  # objects for each parameter, beside which a batch with few objects moves little


@dataclass(frozen=True, eq=False)
class Moments:
    """Expected moments of the true values v of a population, per object.

    Attributes
    ----------
    weights : ndarray (K,)
        Mean of r, the probability that an object belongs to each component.
    firsts : ndarray (K, D)
        Mean of ``r E[v]``.
    seconds : ndarray (K, D, D)
        Mean of ``r E[v v']``.
    """

    weights: Floats
    firsts: Floats
    seconds: Floats

    @classmethod
    def of(cls, mixture: GaussianMixture) -> Moments:
        """Those of a mixture itself."""
        a, m, V = mixture.weights, mixture.means, mixture.covariances
        return cls(a, a[:, None] * m, a[:, None, None] * (V + m[:, :, None] * m[:, None, :]))

    @classmethod
    def expected(cls, mixture: GaussianMixture, statistics: Statistics) -> Moments:
        """Those of objects, whose true values are known through their measurements and the mixture.

        With b and B the mean and the covariance of v given a measurement, ``sum r b = q m + V g`` and
        ``sum r ((b - m)(b - m)' + B) = q V + V H V`` (Bovy, Hogg & Roweis 2011, eqs 16-17, in the sums of one pass):
        errors, missing values and projections of each object are in them.
        """
        q, m, V = statistics.n_members, mixture.means, mixture.covariances
        shift = np.einsum("kij,kj->ki", V, statistics.grad_mean)
        about = q[:, None, None] * V + 2.0 * V @ statistics.grad_covariance @ V
        cross = shift[:, :, None] * m[:, None, :]
        seconds = about + cross + np.swapaxes(cross, 1, 2) + q[:, None, None] * (m[:, :, None] * m[:, None, :])
        total = q.sum()
        return cls(q / total, (q[:, None] * m + shift) / total, seconds / total)

    def towards(self, other: Moments, step: float) -> Moments:
        """These moments, moved towards others by a fraction of the difference."""
        pairs = (
            (self.weights, other.weights),
            (self.firsts, other.firsts),
            (self.seconds, other.seconds),
        )
        return Moments(*((1.0 - step) * own + step * its for own, its in pairs))

    def maximised(self, mixture: GaussianMixture, constraints: Constraints) -> GaussianMixture:
        """The mixture with these moments; a component without members keeps its mean and covariance."""
        some = self.weights > 0
        counts = np.where(some, self.weights, 1.0)
        means = np.where(some[:, None], self.firsts / counts[:, None], mixture.means)
        matrices = self.seconds / counts[:, None, None] - means[:, :, None] * means[:, None, :]
        matrices = np.where(some[:, None, None], small_matrices.positive_parts(matrices), mixture.covariances)
        covariances = constraints.covariances(mixture.covariances, matrices, self.weights)
        return mixture.with_parameters(constraints.weights(mixture.all_weights, self.weights), means, covariances)


@dataclass(frozen=True, eq=False)
class StepwiseFit:
    """A mixture that was fitted to data in batches.

    Attributes
    ----------
    model : Model
        What is fitted.
    mixture : GaussianMixture
        In the user's coordinates: that of the average of the moments after each batch.
    iterate : GaussianMixture
        That after the last batch alone, standardised; the next batch is compared with it.
    moments, averaged : Moments
        After the last batch, and the average over all batches, later ones counting more.
    n_batches : int
        Those used so far; what was fitted before them counts as one.
    total_weight : float
        Sum of the weights of their objects.
    mean_log_likelihood : float
        Of the last batch, per object in nats, before it was used: that of new data.
    """

    model: Model
    mixture: GaussianMixture
    iterate: GaussianMixture
    moments: Moments
    averaged: Moments
    n_batches: int
    total_weight: float
    mean_log_likelihood: float
    _weight_of_average: float
    _packing: Packing
    _constraints: Constraints

    @classmethod
    def start(
        cls,
        mixture: GaussianMixture,
        observations: Observations,
        model: Model,
        total_weight: float,
        mean_log_likelihood: float,
    ) -> StepwiseFit:
        """From the maximum for some objects, whose expected moments are those of the mixture itself.

        Parameters
        ----------
        mixture : GaussianMixture
        observations : Observations
            Any with the same columns, from which location and scale of the coordinates are taken.
        model : Model
            What was fitted.
        total_weight : float
            Sum of the weights of the objects that were fitted.
        mean_log_likelihood : float
            Of these, per object in nats.

        Raises
        ------
        InputError
            If the model cannot be fitted in batches.
        """
        check_stepwise(model, observations)
        problem = Problem(observations.in_units(mixture.units), mixture.n_components, model)
        iterate = problem.standardised(mixture)
        moments = Moments.of(iterate)
        return cls(
            model,
            mixture,
            iterate,
            moments,
            moments,
            1,
            total_weight,
            mean_log_likelihood,
            total_weight**2,
            problem.packing,
            problem.constraints,
        )

    @one_blas_thread()
    def updated(self, observations: Observations, step: float | None = None) -> StepwiseFit:
        """The fit after one more batch.

        Parameters
        ----------
        observations : Observations
            With the same columns; units are converted.
        step : float, optional
            The step size, by default that of `step_size`.  With 1 the iterate makes one step of expectation
            maximisation on the batch.

        Raises
        ------
        InputError
            If no row of the batch can be used, a unit does not convert, or the batch has memberships.
        DegenerateError
            If an object without error is impossible under the mixture so far.
        """
        check_stepwise(self.model, observations)
        batch = observations.in_units(self.mixture.units)
        if not batch.n_objects:
            raise InputError(f"none of the {len(batch)} rows of the batch has a value and a weight above zero")
        statistics = differentiate(self.iterate, self._packing(batch))
        if not np.isfinite(statistics.log_likelihood):
            raise DegenerateError(
                "an object of the batch has no error and lies beside a mixture without width there; give errors, or "
                "fit a larger first batch"
            )
        weight = batch.total_weight
        total = self.total_weight + weight
        step = self.step_size(weight) if step is None else step
        moments = self.moments.towards(Moments.expected(self.iterate, statistics), step)
        weight_of_average = self._weight_of_average + weight * total
        averaged = self.averaged.towards(moments, weight * total / weight_of_average)
        log_likelihood = statistics.log_likelihood + self._packing.scaling.log_jacobian(batch)
        return replace(
            self,
            mixture=self._original(averaged.maximised(self.iterate, self._constraints), batch.names, batch.units),
            iterate=moments.maximised(self.iterate, self._constraints),
            moments=moments,
            averaged=averaged,
            n_batches=self.n_batches + 1,
            total_weight=total,
            mean_log_likelihood=log_likelihood / weight,
            _weight_of_average=weight_of_average,
        )

    def step_size(self, weight: float) -> float:
        """The step size for a batch: the smaller of ``5 (w / W)^0.6`` and ``w / (w + 20 p)``.

        w is the weight of the batch, W that of all objects so far, this batch included, and p the number of parameters.
        """
        total = self.total_weight + weight
        few = weight / (weight + NEEDED * self._constraints.n_parameters(self.mixture.n_dimensions))
        return float(min(LENGTH * (weight / total) ** EXPONENT, few))

    def _original(
        self, mixture: GaussianMixture, names: tuple[str, ...], units: tuple[UnitBase | None, ...]
    ) -> GaussianMixture:
        return self._packing.scaling.original(mixture, names, units)


def check_stepwise(model: Model, observations: Observations) -> None:
    """Refuse models whose maximisation step needs more than the moments of Gaussians.

    Raises
    ------
    InputError
        That names the part of the model.
    """
    parts = {
        "Student-t components": model.family == "t",
        "flat components": model.flat is not None,
        "a background": model.background is not None,
        "a selection function": model.selection_function is not None,
        "a prior": model.prior is not None,
        "fixed parameters": any(vars(model.fixed).values()),
        "memberships known beforehand": observations.memberships is not None,
    }
    for name, given in parts.items():
        if given:
            raise InputError(f"data in batches cannot be fitted with {name}; give all data to `fit`, or leave that out")
