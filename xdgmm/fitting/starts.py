"""Starts that the user gives: a mixture, a label for every row, or some of the parameters."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.basics.arrays import as_floats, n_axes
from xdgmm.basics.units import as_floats_in, covariance_units
from xdgmm.errors import InputError
from xdgmm.mixture import GaussianMixture

from .initialisation import StartingPoints
from .model import Model, with_background
from .standardisation import Standardisation

if TYPE_CHECKING:
    from astropy.units import UnitBase
    from numpy.typing import ArrayLike, NDArray

    from xdgmm.mixture import Background
    from xdgmm.observations import Observations

    from .problem import Problem

    Floats = NDArray[np.float64]
    Units = tuple[UnitBase | None, ...]


def given_start(problem: Problem, start: GaussianMixture) -> GaussianMixture:
    """The user's start in standardised coordinates.

    Raises
    ------
    InputError
        If it has another shape than the problem, or the model contradicts it.
    """
    observations, K = problem.observations, problem.n_components
    if start.n_dimensions != observations.n_dimensions:
        raise InputError(
            f"the start has {start.n_dimensions} coordinates, but the observations have {observations.n_dimensions}"
        )
    if start.n_components != K:
        raise InputError(
            f"the start (a mixture, labels, or the last fit) has {start.n_components} components, but `n_components` "
            f"is {K}; make them agree"
        )
    start = _beside(start.in_units(observations.units), problem.model.background)
    if problem.model.flat is not None:
        start = replace(start, flat=problem.model.flat)
    if observations.memberships is not None:
        start = start.with_parameters(mean_memberships(observations), start.means, start.covariances)
    problem.model.check_start(start)
    return problem.constraints.impose_type(problem.standardised(start))


def start_of_memberships(problem: Problem) -> GaussianMixture | None:
    """The start, standardised, of weighted moments where the memberships are known; None where they are not."""
    observations, K = problem.observations, problem.n_components
    if observations.memberships is None:
        return None
    counted = observations.select(observations.counts)
    assert counted.memberships is not None
    points = StartingPoints(problem.scaling.observations(counted))
    start = points.start_from_memberships(counted.memberships[:, :K])
    start = with_background(start, problem.scaling.background(problem.model.background))
    start = replace(start, flat=problem.scaling.flat(problem.model.flat))
    weights = mean_memberships(observations)
    return problem.constraints.impose_type(start.with_parameters(weights, start.means, start.covariances))


def mean_memberships(observations: Observations) -> Floats:
    """Mean of the known memberships over the objects that count (S,)."""
    assert observations.memberships is not None, "the observations have no known memberships"
    counts = observations.counts
    means = np.average(observations.memberships[counts], axis=0, weights=observations.object_weights[counts])
    return np.asarray(means / means.sum())


def check_fixed(problem: Problem, start: GaussianMixture | None) -> None:
    """Fixed parameters need a start, except the background's fraction, and weights where memberships are known."""
    fixed = problem.model.fixed
    n_weights = 0 if problem.model.known_memberships else problem.n_components
    of_gaussians = replace(fixed, weights=tuple(k for k in fixed.weights if k < n_weights))
    if of_gaussians.anything and start is None:
        raise InputError(
            "`fixed` holds parameters at their starting values, so give these: `init` a GaussianMixture, or "
            "`means_init`, with `weights_init` and `covariances_init` where they matter"
        )
    prior, background = problem.model.prior, problem.model.background
    if background is not None and background.fraction == 0 and prior is not None and prior.weights is not None:
        raise InputError(
            "the background starts with a fraction of 0, where the prior on the weights is zero; start with more"
        )


def label_start(observations: Observations, labels: ArrayLike) -> GaussianMixture:
    """A starting mixture from a label 0 .. K - 1 for every row; all labels must occur.

    Raises
    ------
    InputError
        If there is not one whole number for every row, or a component has none.
    """
    given = np.asarray(labels)
    n_components = int(given.max()) + 1 if given.size and given.dtype.kind in "iu" else 0
    if given.shape != (len(observations),) or given.dtype.kind not in "iu" or given.min() < 0:
        raise InputError(
            f"`init` has shape {given.shape} and type {given.dtype}, but labels are whole numbers from 0 on, one for "
            f"each of the {len(observations)} rows"
        )
    counted = given[observations.counts]
    empty = np.setdiff1d(np.arange(n_components), counted)
    if empty.size:
        raise InputError(
            f"`init` has no object with label {empty[0]} that has both a value and a weight; every component needs one"
        )
    scaling, points = _standardised_points(observations)
    centres = points.means_of(counted, n_components)
    return scaling.original(points.start_from_labels(counted, centres), observations.names, observations.units)


def start_from(
    observations: Observations,
    n_components: int,
    weights: ArrayLike | None = None,
    means: Any = None,
    covariances: Any = None,
    model: Model | None = None,
) -> GaussianMixture:
    """A starting mixture from some of its parameters; the others come from the objects nearest to each mean.

    Parameters
    ----------
    observations : Observations
    n_components : int
    weights, means, covariances : arrays (K,), (K, D), (K, D, D), optional
        In the units of the observations, or with units; `means` is needed with more than one component.  `covariances`
        may also have the shape of the covariance type.  With a background weights may sum to 1 with its fraction, and
        must where some are fixed.
    model : Model, optional

    Raises
    ------
    InputError
        If the means are missing or have the wrong shape, or the result is not a mixture.
    """
    model = Model() if model is None else model
    scaling, points = _standardised_points(observations)
    shape = (n_components, observations.n_dimensions)
    if means is None and n_components == 1:
        centres = points.mean()[None, :]
    elif means is None:
        raise InputError("`means_init` is needed beside `weights_init` and `covariances_init`; give starting means")
    else:
        means = _starting_means(means, shape, observations.units)
        centres = (means - scaling.location) / scaling.scale
    estimate = points.start_from_labels(points.nearest(centres), centres)
    estimate = scaling.original(estimate, observations.names, observations.units)
    return GaussianMixture(
        estimate.weights if weights is None else _starting_weights(weights, model),
        estimate.means if means is None else means,
        estimate.covariances if covariances is None else _starting_covariances(covariances, observations, shape, model),
        observations.names,
        observations.units,
    )


def _standardised_points(observations: Observations) -> tuple[Standardisation, StartingPoints]:
    scaling = Standardisation.of(observations)
    return scaling, StartingPoints(scaling.observations(observations.select(observations.counts)))


def _starting_weights(weights: ArrayLike, model: Model) -> Floats:
    """Weights (K,) that sum to 1, whether the background's fraction was left out of them or not."""
    weights, _ = as_floats(weights, "weights_init")
    if model.background is None:
        return weights
    rest = 1.0 - model.background.fraction
    if abs(weights.sum() - rest) < 1e-10 * max(weights.size, 1):
        return weights / rest
    if model.fixed.weights:
        raise InputError(
            f"`weights_init` sums to {weights.sum():g}, but with the background's fraction it must sum to 1, since "
            f"some weights are fixed: make it {rest:g}, or change the fraction of the Background"
        )
    return weights


def _starting_means(means: Any, shape: tuple[int, int], units: Units) -> Floats:
    """Means (K, D) as numbers in the units of the observations."""
    means = as_floats_in(means, "means_init", units)
    if means.shape != shape:
        raise InputError(f"`means_init` has shape {means.shape}, but {shape} is needed: one row per component")
    if not np.isfinite(means).all():
        raise InputError("`means_init` holds NaN or infinity; every starting mean must be finite")
    return np.asarray(means)


def _starting_covariances(covariances: Any, observations: Observations, shape: tuple[int, int], model: Model) -> Floats:
    """Covariances (K, D, D), from those or from the shape of the type, as numbers in the units squared."""
    units, own_shape = covariance_units(observations.units), {"diag": 2, "spherical": 1}
    if n_axes(covariances) == own_shape.get(model.covariance_type):
        units = np.diag(units) if model.covariance_type == "diag" else units[0, 0]
    numbers = as_floats_in(covariances, "covariances_init", units)
    if numbers.ndim != 3 or model.covariance_type == "full":
        return model.type.expanded(numbers, *shape)
    return numbers


def _beside(start: GaussianMixture, background: Background | None) -> GaussianMixture:
    """The start beside a background, with the start's own fraction of it if it has one."""
    if start.background is None:
        return with_background(start, background)
    if background is None:
        raise InputError(
            "the start (a mixture, or the last fit) has a background, but `background` is None; give one, or start "
            "from its `gaussians`"
        )
    background = background.with_fraction(start.background.fraction)
    coordinates = start.names, start.units
    arrays, dof, flat = (start.weights, start.means, start.covariances), start.dof, start.flat
    return GaussianMixture(*arrays, *coordinates, background, dof, flat)
