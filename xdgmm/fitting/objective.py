"""The expectation step, and what is maximised: the log-likelihood of data, with the log-density of a prior."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import partial
from typing import TYPE_CHECKING, NoReturn, Self

import numpy as np

from xdgmm.kernels import OF_TYPICAL_ERRORS, RecordedData, Statistics, StreamedData
from xdgmm.mixture import Expansion

from .constraints import Constraints
from .families import pulled_back, pulled_back_gradients

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from xdgmm.kernels import Data, Gradients
    from xdgmm.mixture import GaussianMixture

    from .coordinates import FactorCoordinates
    from .priors import PriorTerms
    from .progress import Monitor, PassCounter

    Floats = NDArray[np.float64]

UNLIMITED = 10**9


@dataclass(frozen=True, eq=False, kw_only=True)
class PosteriorStatistics(Statistics):
    """`Statistics` whose derivatives are those of the log-posterior.

    Attributes
    ----------
    log_prior : float
        Term of the prior in the objective.
    prior : PriorTerms
        The prior whose derivatives are in `grad_mean` and `grad_covariance`.
    """

    log_prior: float
    prior: PriorTerms

    def __add__(self, other: Statistics) -> NoReturn:
        """Refuse a sum, in which the prior would count twice."""
        raise TypeError("statistics of a posterior do not add: the prior would count twice")

    @classmethod
    def of(cls, statistics: Statistics, prior: PriorTerms, mixture: GaussianMixture) -> PosteriorStatistics:
        """Add a prior to the statistics of a pass, which was made under this mixture."""
        log_prior, grad_mean, grad_covariance = prior.derivatives(mixture)
        values = {each.name: getattr(statistics, each.name) for each in fields(Statistics)}
        values["grad_mean"] = statistics.grad_mean + grad_mean
        values["grad_covariance"] = statistics.grad_covariance + grad_covariance
        return cls(**values, log_prior=log_prior, prior=prior)

    def ordered(self, order: NDArray[np.intp]) -> Self:
        """The same statistics with the components in another order (K,)."""
        return replace(super().ordered(order), prior=self.prior.ordered(order))

    @property
    def objective(self) -> float:
        """The log-likelihood plus the log-density of the prior, in nats."""
        return self.log_likelihood + self.log_prior

    @property
    def weight_counts(self) -> Floats:
        """Derivative of the objective with respect to ln weight (K,) or (K + 1,)."""
        return self.n_members + self.prior.concentration - 1.0

    @property
    def covariance_counts(self) -> Floats:
        """Number of objects that determine each covariance (K,), including those that the prior counts for."""
        return self.n_members[: len(self.grad_mean)] + self.prior.component_counts

    @property
    def rounding(self) -> float:
        """Size of the rounding error of the objective, in nats."""
        return super().rounding + 1e-13 * abs(self.log_prior)


def prior_of(statistics: Statistics) -> PriorTerms | None:
    """The prior whose derivatives are in the statistics, if any."""
    return statistics.prior if isinstance(statistics, PosteriorStatistics) else None


def information_of(statistics: Statistics) -> Floats:
    """The information (K, D, D) of statistics made by `expect`; those made by `differentiate` have none."""
    assert statistics.information is not None, "statistics without the information were given"
    return statistics.information


def expect(mixture: GaussianMixture, data: Data) -> Statistics:
    """`Statistics` of data under a mixture, with the information: one pass over the data."""
    return pulled_back(data.accumulate_with_information(*parameters(mixture)), mixture)


def differentiate(mixture: GaussianMixture, data: Data) -> Statistics:
    """`Statistics` without the information, in a slightly faster pass: log-likelihood and gradient."""
    return pulled_back(data.accumulate(*parameters(mixture)), mixture)


def log_likelihoods(mixture: GaussianMixture, data: Data) -> Floats:
    """``ln p(w_i)`` of every object (n_objects,)."""
    return data.log_likelihoods(*parameters(mixture))


def responsibilities(mixture: GaussianMixture, data: Data, counter: PassCounter | None = None) -> Floats:
    """Probability that each object belongs to each component (n_objects, K); rows sum to one.

    With a background there is one column more, the background's.  An object with density zero under every component
    (an exact value beside components without width) gets the weights.
    """
    if counter is not None:
        counter.add(data.n_objects, 1 if mixture.dof is None else mixture.n_components + 1)
    result = data.responsibilities(*parameters(mixture)) if mixture.dof is None else _of_t(mixture, data)
    impossible = np.isnan(result[:, 0])
    if impossible.any():
        result[impossible] = mixture.all_weights
    return result


def _of_t(mixture: GaussianMixture, data: Data) -> Floats:
    """Responsibilities of Student-t components, one pass for each: those of all Gaussians take much memory."""
    K, weights = mixture.n_components, mixture.all_weights
    total = data.log_likelihoods(*parameters(mixture))
    result = np.empty((data.n_objects, weights.size))
    for k in range(K):
        one = mixture.with_parameters(np.append(weights[[k]], 0.0 * weights[K:]), *of_one(mixture, k))
        with np.errstate(invalid="ignore"):  # zero density, which the caller replaces
            result[:, k] = np.exp(data.log_likelihoods(*parameters(one)) - total)
    if weights.size > K:
        result[:, K] = np.maximum(1.0 - result[:, :K].sum(axis=1), 0.0)
    return result


def of_one(mixture: GaussianMixture, k: int) -> tuple[Floats, Floats, Floats | None]:
    """Means, covariances and degrees of freedom of one component: (1, D), (1, D, D), and (1,) or None."""
    return mixture.means[[k]], mixture.covariances[[k]], None if mixture.dof is None else mixture.dof[[k]]


def parameters(mixture: GaussianMixture) -> tuple[Floats, Floats, Floats]:
    """Weights (the background's last), means and covariances of Gaussians: what a pass takes."""
    arrays = mixture.all_weights, mixture.means, mixture.covariances
    return arrays if mixture.expansion is None else mixture.expansion.parameters(*arrays)


def effective_sizes(mixture: GaussianMixture, data: Data, counter: PassCounter | None = None) -> Floats:
    """``(sum omega r)^2 / sum (omega r)^2`` of each component (K,): how many objects determine it."""
    if mixture.dof is None:
        if counter is not None:
            read = data.data if isinstance(data, RecordedData) else data
            counter.add(data.n_objects, 2 if isinstance(read, StreamedData) else 1)
        return data.effective_sizes(*parameters(mixture))
    weighted = data.object_weights[:, None] * responsibilities(mixture, data, counter)[:, : mixture.n_components]
    squares = (weighted**2).sum(axis=0)
    return np.asarray(weighted.sum(axis=0) ** 2 / np.where(squares > 0, squares, 1.0))


def typical_errors(mixture: GaussianMixture, data: Data, counter: PassCounter | None = None) -> Floats:
    """Median 1-sigma error of the members of each component in each coordinate (K, D).

    Members of Student-t components are found as those of Gaussians with their scale.
    """
    if counter is not None:
        counter.add(data.subsample(OF_TYPICAL_ERRORS).n_objects, mixture.n_components)
    return data.typical_errors(mixture.all_weights, mixture.means, mixture.covariances)


class OutOfPasses(Exception):  # noqa: N818 - a signal between solver and driver, not an error
    """The number of passes allowed has been used."""


class Objective:
    """The log-likelihood (or log-posterior) of one set of data; counts the passes over the data.

    Parameters
    ----------
    data : Data
    max_passes : int
        How many passes may be made; one more raises `OutOfPasses`.
    monitor : Monitor, optional
        Records every pass.
    constraints : Constraints, optional
        What is free, and the prior; by default everything is free, without a prior.
    counter : PassCounter, optional
        Counts the passes without reporting them, where there is no monitor.
    """

    def __init__(
        self,
        data: Data,
        max_passes: int = UNLIMITED,
        monitor: Monitor | None = None,
        constraints: Constraints | None = None,
        counter: PassCounter | None = None,
    ) -> None:
        self.data = data
        self.max_passes = max_passes
        self.monitor = monitor
        self.counter = counter if monitor is None else monitor.counter
        self._given = self._constraints = constraints
        self.history: list[float] = []
        self.gains: list[tuple[int, float]] = []
        self.best: tuple[GaussianMixture, Statistics] | None = None

    @property
    def constraints(self) -> Constraints:
        """What is free, and the prior; where none were given, known from the first pass on."""
        assert self._constraints is not None, "the objective has no constraints before its first pass"
        return self._constraints

    @property
    def passes(self) -> int:
        """Number of passes made so far."""
        return len(self.history)

    @property
    def passes_left(self) -> int:
        """Number of passes that may still be made."""
        return self.max_passes - self.passes

    def subsample(self, n_objects: int) -> Objective:
        """The objective of about so many of the objects, with as much of the prior, passes unlimited."""
        data = self.data.subsample(n_objects)
        fraction = data.total_weight / self.data.total_weight
        return Objective(data, constraints=self._given and self._given.tempered(fraction), counter=self.counter)

    def expect(self, mixture: GaussianMixture) -> Statistics:
        """`Statistics` under the mixture; keeps the best pair of mixture and statistics."""
        statistics = self._counted(mixture, expect)
        if self.best is None or statistics.objective >= self.best[1].objective:
            self.best = mixture, statistics
        return statistics

    def differentiate(self, mixture: GaussianMixture) -> Statistics:
        """`Statistics` without the information, and not kept as the best: for intermediate steps."""
        return self._counted(mixture, differentiate)

    def gradients(self, coordinates: FactorCoordinates, z: Floats) -> Floats:
        """Derivatives with respect to coordinates at many points z (W, size), for Hessians: (W, size).

        W passes, all in one call.
        """
        allowed = z[: max(self.passes_left, 0)]
        result = np.empty(z.shape)
        if len(allowed):
            _, result[: len(allowed)] = self.values_and_gradients(coordinates, allowed)
        if len(allowed) < len(z):
            raise OutOfPasses
        return result

    def values_and_gradients(self, coordinates: FactorCoordinates, z: Floats) -> tuple[Floats, Floats]:
        """The objective (W,) at coordinates z (W, size), and its derivatives with respect to them (W, size).

        W passes, all in one call; the caller sees to it that so many are left.
        """
        mixtures = coordinates.parameters_at(z)
        dof = coordinates.dof_at(z)
        found, grad_dof = self._gradients(mixtures, dof)
        counts, grad_means, grad_covariances = found.n_members, found.grad_means, found.grad_covariances
        objectives, prior = found.log_likelihoods, self.constraints.prior
        if prior is not None:
            each = (coordinates.mixture.with_parameters(*one) for one in zip(*mixtures, strict=True))
            log_priors, of_means, of_covariances = zip(*map(prior.derivatives, each), strict=True)
            objectives, counts = objectives + np.array(log_priors), counts + prior.concentration - 1.0
            grad_means, grad_covariances = grad_means + of_means, grad_covariances + of_covariances
        self.history.extend(objectives.tolist())
        if self.counter is not None:
            self.counter.add(self.data.n_objects, len(z))
        if self.monitor is not None:
            mixture_at = partial(_mixture_of, coordinates.mixture, mixtures if dof is None else (*mixtures, dof))
            self.monitor.record_passes(mixture_at, objectives, found.log_likelihoods, self.data)
        return objectives, coordinates.gradients(z, mixtures[0], counts, grad_means, grad_covariances, grad_dof)

    def _gradients(
        self, mixtures: tuple[Floats, Floats, Floats], dof: Floats | None
    ) -> tuple[Gradients, Floats | None]:
        """The derivatives of W passes, and those with respect to ln dof (W, K) where there are any."""
        if dof is None:
            return self.data.gradients(*mixtures), None
        expansion = Expansion.of(dof, self.data.n_dimensions)
        gaussians = expansion.parameters(*mixtures)
        return pulled_back_gradients(self.data.gradients(*gaussians), expansion, gaussians[2])

    def report_gain(self, gain: float) -> None:
        """Keep the predicted gain, in nats, with the number of passes made so far, and tell the monitor."""
        self.gains.append((self.passes, gain))
        if self.monitor is not None:
            self.monitor.predicted_gain = gain

    def _counted(
        self, mixture: GaussianMixture, make_pass: Callable[[GaussianMixture, Data], Statistics]
    ) -> Statistics:
        if self.passes_left <= 0:
            raise OutOfPasses
        if self._given is None:
            self._constraints = Constraints.none(mixture)
        statistics = make_pass(mixture, self.data)
        if self.constraints.prior is not None:
            statistics = PosteriorStatistics.of(statistics, self.constraints.prior, mixture)
        self.history.append(statistics.objective)
        if self.counter is not None:
            self.counter.add(self.data.n_objects)
        if self.monitor is not None:
            self.monitor.record_pass(mixture, statistics, self.data)
        return statistics


def _mixture_of(like: GaussianMixture, parameters: tuple[Floats, ...], w: int) -> GaussianMixture:
    """The w-th of many mixtures, whose arrays have one axis more in front."""
    return like.with_parameters(*(array[w] for array in parameters))
