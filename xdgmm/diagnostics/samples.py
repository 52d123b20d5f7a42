"""Samples of a fitted model, each fitted and measured as the observations are: the parametric bootstrap of `check`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import log_ndtr, ndtr, ndtri

from xdgmm.errors import InputError
from xdgmm.fitting import Problem, solvers
from xdgmm.prediction import draw_observations
from xdgmm.uncertainty.refitted import single_objects

from .measures import Measure, measure, of_columns, of_components
from .quick import MOST, chosen_rows
from .refitting import refitted
from .residuals import chi_squared_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from xdgmm.fitting import Model
    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations

    Floats = NDArray[np.float64]

MOST_QUANTILES = 400
FARTHEST = 37.0  # a normal score beyond has a tail that underflows


class Statistics(NamedTuple):
    """What is measured of one sample.

    distances: by name, statistics of distributions, which are large where these are wrong; measures; quantiles (q,):
    the residuals at `Samples.probabilities`.
    """

    distances: dict[str, float]
    measures: list[Measure]
    quantiles: Floats

    def by_name(self) -> dict[str, float]:
        """All statistics."""
        return {**self.distances, **{each.name: each.effect for each in self.measures}}


class Samples:
    """The observations and samples of a fitted model, as `check` measures them; can be sent to another process.

    Parameters
    ----------
    mixture : GaussianMixture
    observations : Observations
    model : Model, optional
    against : mapping, optional
        Further columns (N,) by their names.

    Attributes
    ----------
    observations : Observations
        Those that are measured: of many objects so many, evenly over the rows, and of weights above one as many.
    mixture : GaussianMixture
        The maximum for these.
    against : dict
        Further columns at these.
    model : Model
        With the box of the background.
    probabilities : ndarray (q,)
        At which quantiles are taken.
    """

    def __init__(
        self,
        mixture: GaussianMixture,
        observations: Observations,
        model: Model | None,
        against: Mapping[str, Floats] | None = None,
    ) -> None:
        problem = Problem.of(mixture, observations, model)
        rows = chosen_rows(problem.observations, MOST)
        whole = len(rows) == problem.observations.n_objects
        chosen = problem.observations.select(rows)
        repeated, weights = single_objects(chosen)
        if repeated is not None:
            rows, chosen = rows[repeated], replace(chosen.select(repeated), weights=weights)
        self.against = {name: values[rows] for name, values in (against or {}).items()}
        self.model = replace(problem.model, background=mixture.background)
        self.observations = chosen
        self.mixture = mixture if whole else refitted(self.model, self.observations, mixture)
        n = min(int(chosen.constrained.sum()), MOST_QUANTILES)
        self.probabilities = (np.arange(n) + 0.5) / max(n, 1)

    def of_observations(self) -> Statistics:
        """Statistics of the observations.

        Raises
        ------
        InputError
            If there are too few values, or no residuals.
        """
        found = self._statistics(self.mixture, self.observations)
        if not found.measures:
            raise InputError("a fit can be checked with 20 values or more; these are fewer, or they are all equal")
        return found

    def of_sample(self, seed: int) -> Statistics | None:
        """Statistics of one sample; None if its likelihood has no maximum."""
        drawn = draw_observations(self.mixture, self.observations, 1, np.random.default_rng(seed))
        try:
            return self._statistics(refitted(self.model, drawn, self.mixture), drawn)
        except solvers.CollapseError:
            return None

    def _statistics(self, mixture: GaussianMixture, observations: Observations) -> Statistics:
        scores, z, weights, measures = measure(mixture, observations)
        of_objects = observations.object_weights
        distance, tails = distances(z, weights)
        found = {"distribution": distance, "tails of the distribution": tails}
        if scores.shape[1] > 1:
            objects = np.clip(-ndtri(chi_squared_of(scores)[1]), -FARTHEST, FARTHEST)
            found["chi-squared of objects"] = distances(objects, of_objects)[1]
        if measures:
            measures += of_components(mixture, observations)
            measures += of_columns(scores, of_objects, mixture.names, self.against)
        return Statistics(found, measures, _quantiles(z, weights, self.probabilities))


def distances(scores: Floats, weights: Floats) -> tuple[float, float]:
    """Kolmogorov and Smirnov's distance from normal, and Anderson and Darling's statistic per value, with weights."""
    order = np.argsort(scores)
    z, w = scores[order], weights[order] / weights.sum()
    above = np.cumsum(w)
    below = above - w
    F = ndtr(z)
    distance = float(max((above - F).max(), (F - below).max()))
    steps = w * (above + below)
    A2 = -1.0 - float((steps * log_ndtr(z) + (2.0 * w - steps) * log_ndtr(-z)).sum())
    return distance, A2


def _quantiles(scores: Floats, weights: Floats, probabilities: Floats) -> Floats:
    order = np.argsort(scores)
    w = weights[order] / weights.sum()
    return np.asarray(np.interp(probabilities, np.cumsum(w) - 0.5 * w, scores[order]))
