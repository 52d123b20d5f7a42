"""Fit several numbers of components, and choose the one with the lowest criterion."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xdgmm.basics.parameters import as_generator
from xdgmm.errors import DegenerateError, InputError, XdgmmWarning
from xdgmm.fitting import FitResult, Outcome, fit
from xdgmm.fitting.settings import check_n_components

from .criteria import bic

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from xdgmm.fitting import Settings
    from xdgmm.observations import Observations


@dataclass(frozen=True, eq=False)
class ModelSelection:
    """Fits with different numbers of components.

    Attributes
    ----------
    n_components : tuple of int
        The numbers that could be fitted.
    results : tuple of FitResult
    bic : ndarray
        Bayesian information criterion of each; the lowest is chosen.
    degenerate : tuple of int
        Numbers for which the likelihood has no maximum.
    """

    n_components: tuple[int, ...]
    results: tuple[FitResult, ...]
    bic: NDArray[np.float64]
    degenerate: tuple[int, ...] = ()

    @property
    def chosen(self) -> int:
        """The number of components with the lowest criterion."""
        return self.n_components[int(np.argmin(self.bic))]

    @property
    def result(self) -> FitResult:
        """The fit with the chosen number of components."""
        return self.results[int(np.argmin(self.bic))]

    @property
    def remarks(self) -> tuple[str, ...]:
        """A sentence where the chosen number is at an end of the range that was tried: another may be better."""
        tried, chosen = {*self.n_components, *self.degenerate}, self.chosen
        if len(tried) > 1 and chosen == max(tried) < self.result.n_objects:
            most, more = "most", "more"
        elif len(tried) > 1 and chosen == min(tried) > 1:
            most, more = "fewest", "fewer"
        else:
            return ()
        return (f"{chosen} components are the {most} that were tried, and BIC may be lower for {more}: try {more}",)


def search(
    observations: Observations,
    candidates: Iterable[int],
    settings: Settings | None = None,
    rng: np.random.Generator | int | None = None,
) -> ModelSelection:
    """Fit every number of components in `candidates` and compare them by BIC.

    Parameters
    ----------
    observations : Observations
    candidates : iterable of int
    settings : Settings, optional
    rng : numpy Generator, int or None

    Returns
    -------
    ModelSelection

    Raises
    ------
    InputError
        If there is no candidate, or one is not a number from 1 to the number of objects.
    DegenerateError
        If the likelihood has no maximum for any of them.

    Warns
    -----
    XdgmmWarning
        If the model that is chosen has components that can follow chance (`FitResult.near_singular`).

    Examples
    --------
    >>> from xdgmm import Observations, datasets
    >>> from xdgmm.selection import search
    >>> hydrus = Observations.from_table(datasets.load("hydrus1"), "v")
    >>> search(hydrus, [1, 2], rng=0).chosen
    1
    """
    candidates = tuple(candidates)
    if not candidates:
        raise InputError("no number of components to choose from; give at least one")
    for n_components in candidates:
        check_n_components(n_components, observations)
    rng = as_generator(rng)
    fitted: dict[int, FitResult] = {}
    degenerate = []
    for n_components in candidates:
        try:
            fitted[n_components] = fit(observations, n_components, settings, rng)
            if fitted[n_components].outcome is Outcome.INTERRUPTED:
                break
        except DegenerateError as error:
            degenerate.append(n_components)
            reason = error
    if not fitted:
        raise reason
    results = tuple(fitted.values())
    criteria = np.array([bic(result.log_likelihood, result.n_parameters, result.total_weight) for result in results])
    selection = ModelSelection(tuple(fitted), results, criteria, tuple(degenerate))
    if selection.result.near_singular:
        warnings.warn(
            f"the criterion chooses {selection.chosen} components, of which "
            f"{', '.join(map(str, selection.result.near_singular))} can follow chance: very narrow, with few objects, "
            "and not limited by errors; look at them, choose fewer components, or give a prior on the covariances",
            XdgmmWarning,
            stacklevel=2,
        )
    return selection
