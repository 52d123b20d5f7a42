"""Fit several numbers of components, and keep the one with the lowest criterion."""

from dataclasses import dataclass

import numpy as np

from xdgmm.basics.parameters import as_generator
from xdgmm.errors import DegenerateError, InputError
from xdgmm.fitting import FitResult, Outcome, fit
from xdgmm.fitting.fit import check_n_components

from .criteria import bic


@dataclass(frozen=True, eq=False)
class Selection:
    """Fits with different numbers of components.

    Attributes
    ----------
    n_components : tuple of int
        The numbers that could be fitted.
    results : tuple of FitResult
    bic : ndarray
        Bayesian information criterion of each; the lowest wins.
    degenerate : tuple of int
        Numbers for which the likelihood has no maximum.
    """

    n_components: tuple
    results: tuple
    bic: np.ndarray
    degenerate: tuple = ()

    @property
    def chosen(self):
        """The number of components with the lowest criterion."""
        return self.n_components[int(np.argmin(self.bic))]

    @property
    def result(self):
        """The fit with that number."""
        return self.results[int(np.argmin(self.bic))]


def result_bic(result: FitResult):
    """BIC of one fit."""
    return bic(result.log_likelihood, result.n_parameters, result.total_weight)


def search(observations, candidates, settings=None, rng=None):
    """Fit every number of components in `candidates` and compare them by BIC.

    Parameters
    ----------
    observations : Observations
    candidates : iterable of int
    settings : Settings, optional
    rng : numpy Generator, int or None

    Returns
    -------
    Selection

    Raises
    ------
    InputError
        If there is no candidate, or one is not a number from 1 to the number of objects.
    DegenerateError
        If the likelihood has a maximum for none of them.

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
    fitted, degenerate = {}, []
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
    return Selection(tuple(fitted), results, np.array([result_bic(r) for r in results]), tuple(degenerate))
