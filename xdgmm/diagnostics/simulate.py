"""`simulate`: catalogues like the user's that the model might have given, for tests of their own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.basics.parameters import as_generator
from xdgmm.errors import InputError
from xdgmm.fitting import Problem
from xdgmm.mixture import selection_of
from xdgmm.observations import Observations
from xdgmm.prediction import draw_observations
from xdgmm.tables.replacing import with_values
from xdgmm.uncertainty import SampledMixtures, laplace

from .inputs import check_observations, mixture_and_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xdgmm.fitting import Model
    from xdgmm.mixture import GaussianMixture

PARAMETERS = ("normal", "fixed")


def simulate(
    mixture: Any,
    observations: Observations,
    n: int = 1,
    rng: np.random.Generator | int | None = None,
    *,
    parameters: str | SampledMixtures = "normal",
    model: Model | None = None,
) -> list[Observations]:
    """Catalogues that might have been measured in the place of this one, if the model is right.

    Parameters
    ----------
    mixture : XDGMM, FitResult or GaussianMixture
        Fitted to these observations (for "fixed" any mixture of their coordinates).
    observations : Observations
    n : int
        How many catalogues.
    rng : numpy Generator, int or None
    parameters : {"normal", "fixed"} or SampledMixtures
        Each catalogue has parameters of its own, drawn from the normal approximation of their errors (the posterior
        predictive distribution), or those of the fit; or those of a posterior sample or a resample, if
        `xdgmm.uncertainty.sample_posterior` or `bootstrap` gave some.
    model : Model, optional
        Of a bare mixture: what was fitted.

    Returns
    -------
    list of Observations
        Row for row like the observations: names, units, errors, weights, projections and what is missing are the same.
        A limit is the threshold of its object: a draw on its other side is a value, measured with the error of the
        limit, or the opposite limit where this error is zero.  The thresholds of measured values are not known.

    Raises
    ------
    InputError
        If mixture and observations do not fit, `n` is not a whole number, or `parameters` is none of these.

    Notes
    -----
    Gelman, Meng & Stern 1996, Statistica Sinica 6, 733.  In the normal approximation widths that are zero stay zero,
    and what the data do not determine stays as it is in the fit.

    Examples
    --------
    >>> import numpy as np
    >>> from xdgmm import Observations, datasets
    >>> from xdgmm.diagnostics import simulate
    >>> from xdgmm.fitting import fit
    >>> stars = Observations.from_table(datasets.load("hydrus1"), "v")
    >>> ranges = [np.ptp(each.values) for each in simulate(fit(stars).mixture, stars, 200, rng=0)]
    >>> observed = np.ptp(stars.values)
    >>> print(f"a range above {observed:.1f} km/s in {100 * np.mean(ranges > observed):.0f}% of the catalogues")
    a range above 11.8 km/s in 74% of the catalogues
    """
    if isinstance(n, (bool, np.bool_)) or not isinstance(n, (int, np.integer)) or n < 0:
        raise InputError(f"`n` is {n!r}, but it must be a whole number, zero or positive: how many catalogues")
    check_observations(observations)
    mixture, model = mixture_and_model(mixture, model)
    rng = as_generator(rng)
    if parameters == "fixed":
        converted, mixtures = observations.in_units(mixture.units), iter([mixture] * n)
    else:
        converted = Problem.of(mixture, observations, model).observations
        mixtures = _mixtures(mixture, observations, n, rng, parameters, model)
    selection = selection_of(mixture) if model is None else model.selection_function
    selection = None if selection is None else selection.resolved(converted)
    drawn = (draw_observations(each, converted, 1, rng, selection=selection) for each in mixtures)
    return [_like(observations, each) for each in drawn]


def _mixtures(
    mixture: GaussianMixture,
    observations: Observations,
    n: int,
    rng: np.random.Generator,
    parameters: object,
    model: Model | None,
) -> Iterator[GaussianMixture]:
    """Mixtures of the catalogues."""
    if isinstance(parameters, SampledMixtures):
        every = list(parameters.mixtures())
        return iter([every[i] for i in rng.integers(len(every), size=n)])
    if parameters != "normal":
        raise InputError(
            f"`parameters` is {parameters!r}, but it must be one of {', '.join(PARAMETERS)}, or what bootstrap or "
            "sample_posterior returned"
        )
    return laplace(mixture, observations, model=model).mixtures(n, rng)


def _like(observations: Observations, drawn: Observations) -> Observations:
    """What was drawn, in the units of the observations."""
    if observations.projections is None:
        drawn = drawn.in_units(observations.units)
    return replace(observations, values=drawn.values, limits=drawn.limits)


def simulated_like(X: Any, observations: Observations, simulated: list[Observations]) -> list[Any]:
    """Simulated catalogues in the form of the X that the observations were made of: a table, a frame, an array."""
    if isinstance(X, Observations):
        return simulated
    if observations.limits is not None:
        raise InputError(
            "a simulated catalogue with limits has no place for them in a table or an array; make Observations of the "
            "table, and simulate these"
        )
    if hasattr(X, "columns"):
        return [with_values(X, observations, each.values) for each in simulated]
    unit, shape = getattr(X, "unit", None), np.shape(X)
    arrays = [each.values.reshape(shape) for each in simulated]
    return arrays if unit is None else [array * unit for array in arrays]
