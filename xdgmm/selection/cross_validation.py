"""Cross-validation: how probable are objects under a mixture that was fitted without them?

The objects are divided into folds at random.  Each fold is left out once, and all candidates are fitted to the others
from new starts, since a start from the fit of all objects would know the fold.  The log-likelihood of an object under
the fit without its fold is then an honest score (Smyth 2000, Stat. Comput. 10, 63).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm import prediction
from xdgmm.errors import InputError

from .candidates import Candidate, fit_candidates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xdgmm.fitting import Settings
    from xdgmm.observations import Observations

    Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Log-likelihoods of objects under the fits without their folds.

    Attributes
    ----------
    scores : dict
        Of each candidate: ``ln p`` of every object (N,); only of candidates that could be fitted without every fold.
    weights : ndarray (N,)
    """

    scores: dict[Candidate, Floats]
    weights: Floats

    def total(self, candidate: Candidate) -> float:
        """Sum over the objects, with their weights, in nats; NaN where the candidate has no score."""
        return float(self.weights @ self.scores[candidate]) if candidate in self.scores else np.nan

    @property
    def best(self) -> Candidate:
        """The candidate with the largest total."""
        return max(self.scores, key=self.total)

    def error(self, candidate: Candidate) -> float:
        """Standard error, in nats, of the difference between the total of a candidate and that of the best one.

        That of the *paired* differences of the objects: ``W s^2`` with their weighted variance s^2, and W the sum of
        the weights, which count as numbers of objects.  NaN where the candidate has no score.
        """
        if candidate not in self.scores:
            return np.nan
        total = self.weights.sum()
        differences = self.scores[self.best] - self.scores[candidate]
        about = differences - self.weights @ differences / total
        return float(np.sqrt(total / (total - 1.0) * (self.weights @ about**2))) if total > 1 else np.nan

    def simplest(self, n_parameters: dict[Candidate, int]) -> Candidate:
        """The candidate with the fewest parameters that is within one standard error of the best.

        Breiman, Friedman, Olshen & Stone 1984, *Classification and Regression Trees*, sec. 3.4.3.
        """
        highest = self.total(self.best)
        good = [each for each in self.scores if self.total(each) + np.nan_to_num(self.error(each)) >= highest]
        return min(good, key=lambda each: (n_parameters[each], -self.total(each)))


def cross_validate(
    observations: Observations,
    candidates: Sequence[Candidate],
    settings: Settings,
    seed: int,
    n_folds: int,
    n_jobs: int = 1,
    tick: Callable[[], Any] = lambda: None,
) -> HeldOut:
    """Score candidates on held-out objects.

    Parameters
    ----------
    observations : Observations
    candidates : sequence of Candidate
    settings : Settings
    seed : int
        Of the folds and the starts.
    n_folds : int
    n_jobs : int
        Processes (joblib).
    tick : callable
        Is called after every fit.

    Raises
    ------
    InputError
        If the objects without a fold cannot be fitted, or by no candidate.
    KeyboardInterrupt
        If the user ends it: a part of the scores compares nothing.
    """
    counted = observations.select(observations.counts)
    fold_of = folds(len(counted), n_folds, seed)
    scores = {each: np.full(len(counted), np.nan) for each in candidates}
    for fold in range(n_folds):
        held = fold_of == fold
        training = counted.select(~held)
        possible = [each for each in candidates if each.n_components <= len(training)]
        try:
            fits = fit_candidates(training, possible, settings, seed + fold + 1, n_jobs, tick)
        except InputError as error:
            raise InputError(f"the objects without one of {n_folds} folds cannot be fitted: {error}") from error
        if fits.ended is not None:
            raise KeyboardInterrupt
        for each, result in fits.results.items():
            scores[each][held] = prediction.log_likelihoods(result.mixture, counted.select(held))
    return HeldOut(_checked(scores), counted.object_weights)


def folds(n_objects: int, n_folds: int, seed: int) -> NDArray[np.intp]:
    """A fold for each object (N,), at random, their sizes as equal as possible."""
    return np.random.default_rng([seed, n_folds]).permutation(np.arange(n_objects) % n_folds)


def _checked(scores: dict[Candidate, Floats]) -> dict[Candidate, Floats]:
    """The scores of candidates that were fitted without every fold."""
    possible = {each: values for each, values in scores.items() if np.isfinite(values).all()}
    if not possible:
        raise InputError(
            "no candidate could be fitted without every fold, since components collapse; give errors, fit fewer "
            "components, or give a prior on the covariances"
        )
    return possible
