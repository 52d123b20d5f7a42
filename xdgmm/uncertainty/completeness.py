"""What a selection function does to a fit: how complete the sample is, and what its importance samples add to errors.

The fit maximises an estimate of the likelihood, whose importance samples are held fixed.  Other samples would give
another gradient, ``d`` at the fitted mixture, and move the maximum by ``B^-1 d``, B being the observed information.
Some independent sets of samples show how large these moves are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from xdgmm.errors import InputError
from xdgmm.fitting import Problem
from xdgmm.fitting.objective import parameters
from xdgmm.fitting.result import FEW_SEEN
from xdgmm.kernels import SelectedData

from .estimates import Estimate
from .information import Laplace, laplace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xdgmm.fitting import Model
    from xdgmm.fitting.problem import Evaluation
    from xdgmm.kernels import Selection
    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations.inputs import Catalogue

    from .information import Function

    Floats = NDArray[np.float64]

UNCERTAIN = 0.5  # relative error of the completeness above which the sample hardly determines it
SETS = 8  # of other importance samples: a standard deviation from these has an error of a quarter


@dataclass(frozen=True, eq=False)
class SelectionErrors:
    """Completeness of a sample, and Monte Carlo errors of a fit with a selection function.

    Attributes
    ----------
    completeness : Estimate
        Fraction of all objects, seen and unseen, that the sample has, with its statistical error.
    completeness_monte_carlo : float
        Its Monte Carlo error.
    log_likelihood_monte_carlo : float
        Monte Carlo error of the log-likelihood, in nats.
    moves : Laplace
        Moves of the maximum under other samples, as deviations: none where there are no samples.
    """

    completeness: Estimate
    completeness_monte_carlo: float
    log_likelihood_monte_carlo: float
    moves: Laplace

    @property
    def extrapolated(self) -> bool:
        """Is the completeness below 1%, or its error, Monte Carlo error included, more than half of it, or unknown?

        The mean and the width of the mixture then follow from the shape of a small part of its tail.
        """
        value, error = self.completeness.value, float(np.hypot(self.completeness.error, self.completeness_monte_carlo))
        return value < FEW_SEEN or not error <= UNCERTAIN * value

    def monte_carlo(self, function: Function) -> Floats:
        """Monte Carlo error of a function of the mixture: a number, an array or a Quantity; zero without samples."""
        error: Floats = self.moves.propagate(function).error
        return error


def selection_errors(
    mixture: GaussianMixture, observations: Catalogue, *, model: Model | None = None
) -> SelectionErrors:
    """Completeness of the sample, and the Monte Carlo errors of a fit with a selection function.

    Parameters
    ----------
    mixture : GaussianMixture
        The fitted one.
    observations : Observations, StreamedObservations or a source of them
        Those that were fitted.
    model : Model, optional
        What was fitted: the `model` of the fit's result.  By default that of the mixture's record.

    Returns
    -------
    SelectionErrors

    Raises
    ------
    InputError
        If there was no selection function.

    Notes
    -----
    Monte Carlo errors are standard deviations over eight other sets of samples, by the delta method.  Cuts that need no
    samples have none.

    Examples
    --------
    >>> import numpy as np
    >>> from xdgmm import XDGMM, Observations, SelectionFunction
    >>> from xdgmm.uncertainty import selection_errors
    >>> x = np.random.default_rng(0).normal(20.0, 0.5, 1000)
    >>> stars = Observations.exact(x[x < 20.4], names="g")
    >>> model = XDGMM(selection_function=SelectionFunction.box(high={"g": 20.4})).fit(stars)
    >>> found = selection_errors(model.mixture_, stars)
    >>> print(f"{found.completeness.value:.2f} +- {found.completeness.error:.2f}, truth {np.mean(x < 20.4):.2f}")
    0.80 +- 0.03, truth 0.81
    """
    problem = Problem.of(mixture, observations, model)
    if problem.selector is None:
        raise InputError("the mixture was fitted without a selection function; there is nothing to be said of one")
    approximation = laplace(mixture, observations, model=model)
    evaluation = problem.at(mixture)
    if "selection" not in evaluation.memo:
        evaluation.memo["selection"] = _found(evaluation, approximation)
    found: SelectionErrors = evaluation.memo["selection"]
    return found


def _found(evaluation: Evaluation, approximation: Laplace) -> SelectionErrors:
    iterate, selector, data = evaluation.iterate, evaluation.problem.selector, evaluation.problem.data
    assert selector is not None
    assert isinstance(data, SelectedData)
    value, slope = _completeness(data, evaluation)
    along = slope @ approximation.deviations
    completeness = Estimate.symmetric(value, float(np.sqrt(along @ along)), 0.6827)
    if not selector.sampled:
        return SelectionErrors(completeness, 0.0, 0.0, _moves(approximation, np.zeros((0, slope.size))))
    others = [selector.with_other_samples(r).normaliser(data) for r in range(1, SETS + 1)]
    found = [each.accumulate(data.group_weights, *parameters(iterate.mixture)) for each in others]
    gradients = np.array([_gradient(each, evaluation) for each in found])
    steps = (gradients - gradients.mean(axis=0)) @ approximation.deviations @ approximation.deviations.T
    values = np.array([_fraction(data.group_weights, each.log_probabilities) for each in found])
    moved = values - values.mean() + steps @ slope
    likelihoods = np.array([each.sums.log_likelihood for each in found])
    errors = float(np.sqrt((moved**2).sum() / (SETS - 1.0))), float(likelihoods.std(ddof=1))
    return SelectionErrors(completeness, *errors, _moves(approximation, steps / np.sqrt(SETS - 1.0)))


def _moves(approximation: Laplace, steps: Floats) -> Laplace:
    """Moves of the maximum (n, size) of the coordinates, of which each is a deviation."""
    undetermined = np.zeros((steps.shape[1], 0))
    return replace(approximation, kind="Monte Carlo", deviations=steps.T, undetermined=undetermined)


def _fraction(group_weights: Floats, log_probabilities: Floats) -> float:
    """Objects that were seen over all objects."""
    return float(group_weights.sum() / (group_weights @ np.exp(-log_probabilities)))


def _completeness(data: SelectedData, evaluation: Evaluation) -> tuple[float, Floats]:
    """Completeness, and its derivatives with respect to the coordinates (size,)."""
    mixture = evaluation.iterate.mixture
    unseen = data.group_weights * np.exp(-data.normaliser.log_probabilities(*parameters(mixture)))
    slopes = unseen @ data.normaliser.slopes(*parameters(mixture)) / unseen.sum()
    value = float(data.total_weight / unseen.sum())
    return value, value * slopes @ evaluation.iterate.coordinates.jacobian()


def _gradient(selection: Selection, evaluation: Evaluation) -> Floats:
    """Derivative of ``-sum omega ln Z`` with respect to the coordinates (size,)."""
    sums = selection.sums
    statistics = replace(
        sums,
        n_members=-sums.n_members,
        grad_mean=-sums.grad_mean,
        grad_covariance=-sums.grad_covariance,
    )
    coordinates = evaluation.iterate.coordinates
    return coordinates.gradient(np.zeros(coordinates.size), evaluation.iterate.mixture, statistics)
