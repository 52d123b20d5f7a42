"""Quick checks: do the residuals show that the model or the errors are wrong?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from xdgmm.kernels import Correlated
from xdgmm.mixture import selection_of
from xdgmm.observations import ObservationSource, StreamedObservations, discovered

from .inputs import check_observations, mixture_and_model
from .measures import CLEAR, measure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations
    from xdgmm.observations.inputs import Catalogue

MOST = 20_000  # objects that are looked at, evenly over the rows
MOST_INTEGRATED = 2000  # of them, where a background has three columns or more with correlated errors
SPOKEN = 1e-3  # a finding has a smaller p-value


class Finding(NamedTuple):
    """What a check found.

    name: of the check; column: its name, empty for all of them; effect: excess kurtosis, skewness or correlation;
    p_value: two-sided, times the number of columns tried; sentence: for a reader, with what it does to the widths and
    what to try.
    """

    name: str
    column: str
    effect: float
    p_value: float
    sentence: str


def quick_checks(mixture: Any, observations: Catalogue, level: float = SPOKEN) -> list[Finding]:
    """Signs that widths may be wrong, in the residuals of a fit and in its errors.

    Parameters
    ----------
    mixture : XDGMM, FitResult or GaussianMixture
        Fitted to these observations.
    observations : Observations, StreamedObservations or a source of them
    level : float
        p-value below which something is a finding.

    Returns
    -------
    list of Finding
        Empty where nothing was found, or there are fewer than 20 values.

    Raises
    ------
    InputError
        As `residuals`.

    Notes
    -----
    Skewness and excess kurtosis of all residuals are compared with those of normal samples (D'Agostino 1970, Biometrika
    57, 679; Anscombe & Glynn 1983, Biometrika 70, 227).  In each column the score test of a common factor on the errors
    tells whether they are too small or too large, and Spearman's rank correlation whether they follow the values.
    Weights count as numbers of objects.  Up to 20,000 objects are looked at, of a catalogue that is read in parts those
    of its random sample.

    Examples
    --------
    >>> import numpy as np
    >>> from xdgmm import XDGMM, Observations
    >>> from xdgmm.diagnostics import quick_checks
    >>> rng = np.random.default_rng(0)
    >>> clumps = np.concatenate([rng.normal(-6, 1, 100), rng.normal(6, 1, 100)])
    >>> measured = Observations.with_standard_errors(clumps, 0.5)
    >>> [finding.name for finding in quick_checks(XDGMM(1).fit(measured).mixture_, measured)]
    ['kurtosis']
    """
    if isinstance(observations, (StreamedObservations, ObservationSource)):
        observations = discovered(observations).sample
    check_observations(observations)
    mixture, _ = mixture_and_model(mixture)
    if selection_of(mixture) is not None:  # residuals of a sample that was cut are not normal
        return []
    measures = measure(mixture, observations.select(chosen_rows(observations, _most(mixture, observations)))).measures
    return [
        Finding(each.kind, each.column, each.effect, each.p_value, each.sentence(each.p_value))
        for each in measures
        if each.p_value < level and abs(each.effect) > CLEAR[each.kind]
    ]


def _most(mixture: GaussianMixture, observations: Observations) -> int:
    """How many objects are looked at: fewer where each needs an integral over the box of a background."""
    integrated = mixture.background is not None and isinstance(observations.noise_model, Correlated)
    return MOST_INTEGRATED if integrated and observations.n_measured > 2 else MOST


def chosen_rows(observations: Observations, most: int) -> NDArray[np.intp]:
    """The rows that count, or so many of them, evenly spread."""
    rows = np.flatnonzero(observations.counts)
    return rows[:: max(-(-rows.size // most), 1)]
