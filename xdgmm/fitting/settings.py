"""Settings of a fit, checked when they are made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.basics.progress import check_progress
from xdgmm.errors import InputError

from . import solvers
from .initialisation import STARTS
from .model import Model

if TYPE_CHECKING:
    from collections.abc import Callable

    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations, StreamedObservations

    from .progress import Progress


@dataclass(frozen=True)
class StoppingRule:
    """When a solver stops.

    Attributes
    ----------
    tolerance : float
        Predicted gain, in total nats, below which a fit has converged; 0 makes exactly `max_passes` passes.
    max_passes : int
        Passes over the data allowed from one start.
    """

    tolerance: float = 1e-8
    max_passes: int = 2000


@dataclass(frozen=True)
class Settings:
    """How to fit.

    Attributes
    ----------
    solver : str
        "auto", "em", "implicit" or "quasi-newton".
    stopping : StoppingRule
    n_init : int
        Number of random starts compared where K > 1.
    start : GaussianMixture or None
        Where to start instead.
    init : str
        How random starts are made: "kmeans++" or "random".
    progress : str
        Whether a progress bar is shown: "auto" (on a terminal), "always" or "never".
    callback : callable or None
        Is called after every pass with a `Progress`; ends the fit by returning a true value.
    model : Model
        What is fitted: covariance type, fixed parameters, prior, background.
    quick : bool
        Whether only the best of the random starts is solved on all objects, without split and merge: for fits that are
        compared with others, and improved by `fit_from`.
    """

    solver: str = "auto"
    stopping: StoppingRule = field(default_factory=StoppingRule)
    n_init: int = 10
    start: GaussianMixture | None = None
    init: str = "kmeans++"
    progress: str = "never"
    callback: Callable[[Progress], Any] | None = None
    model: Model = field(default_factory=Model)
    quick: bool = False

    def __post_init__(self) -> None:
        """Refuse settings that cannot be used."""
        check_progress(self.progress, self.callback)
        if self.init not in STARTS:
            raise InputError(f"`init` is {self.init!r}, but it must be one of {', '.join(STARTS)}, or a start")
        if self.solver not in solvers.NAMES:
            raise InputError(f"`solver` is {self.solver!r}, but it must be one of {', '.join(solvers.NAMES)}")
        tolerance = self.stopping.tolerance
        if isinstance(tolerance, bool) or not isinstance(tolerance, (int, float, np.number)) or not tolerance >= 0:
            raise InputError(f"`tol` is {tolerance!r}, but it must be zero or positive: a number, in total nats")
        for name, value in (("max_iter", self.stopping.max_passes), ("n_init", self.n_init)):
            if not (isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value >= 1):
                raise InputError(f"`{name}` is {value!r}, but it must be a whole number of at least 1")


def check_n_components(n_components: int, observations: Observations | StreamedObservations) -> None:
    """K must be a whole number from 1 to the number of objects."""
    if isinstance(n_components, bool) or not isinstance(n_components, (int, np.integer)):
        raise InputError(f"`n_components` is {n_components!r}, but it must be a whole number")
    if n_components < 1:
        raise InputError(f"`n_components` is {n_components}, but it must be at least 1")
    if n_components > observations.n_objects:
        raise InputError(
            f"`n_components` is {n_components}, but there are only {observations.n_objects} objects; ask for fewer"
        )
