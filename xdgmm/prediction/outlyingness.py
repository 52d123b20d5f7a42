"""How unusual is an object, under the mixture and with its own noise?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from xdgmm.basics.parameters import as_generator
from xdgmm.errors import InputError
from xdgmm.kernels import NoiseMixture
from xdgmm.mixture import GaussianMixture, refuse_selection, selection_of
from xdgmm.observations import Observations

from .draws import draw_observations
from .limits import has_limits
from .memberships import NANOSECONDS, checked_observations, log_likelihoods, run_in_blocks
from .posteriors import known_of_gaussians

DRAWS_AT_ONCE = 65_536
DRAWING = 100.0  # nanoseconds or so, for each draw


def distances(mixture: GaussianMixture, observations: Observations) -> NDArray[np.float64]:
    """How many sigmas each object lies from its most probable component, its noise taken into account (N,).

    That is the Mahalanobis distance ``sqrt(d' T^-1 d)``, ``T = R V R' + S``, ``d = w - R m``: in one dimension the
    number of sigmas, in M dimensions about sqrt(M) for a typical object; of an object with a limit, the smallest one of
    what the limit allows.  With one component and no background `outlyingness` is the probability of a greater one.
    With more it is still defined, and cheap, but an object in a broad component can be nearer in sigmas, and less
    probable, than one at the edge of a narrow one: `outlyingness` ranks them rightly.  A background has no sigmas, and
    is not among the components.  0 for a row without any value, infinite for one that the component cannot have made.

    Raises
    ------
    InputError
        If mixture and observations do not fit, in number or units of their coordinates.

    Examples
    --------
    >>> from xdgmm import GaussianMixture, Observations
    >>> from xdgmm.objects import distances
    >>> mixture = GaussianMixture([0.5, 0.5], [[0.0], [9.0]], [[[3.0]], [[16.0]]])
    >>> distances(mixture, Observations.with_standard_errors([3.0, 19.0], [1.0, 3.0]))
    array([1.5, 2. ])
    """
    observations = checked_observations(mixture, observations)
    result = np.empty(len(observations))

    def task(rows: slice, block: Observations) -> None:
        result[rows] = known_of_gaussians(mixture, block).distances

    run_in_blocks(task, observations, NANOSECONDS * mixture.all_weights.size)
    return result


def component_distances(mixture: GaussianMixture, observations: Observations) -> NDArray[np.float64]:
    """Mahalanobis distance of each object from each Gaussian, its noise taken into account (N, K)."""
    observations = observations.with_memberships(None)
    alone = (mixture.only(k) for k in range(mixture.n_components))
    return np.stack([distances(one, observations) for one in alone], axis=1)


def nearest_tail(mixture: GaussianMixture, observations: Observations) -> NDArray[np.float64]:
    """Upper bound (N,) of the probability that an object of some component is farther from the nearest one than this.

    An object is at least as near to the nearest component as to its own, of which the distance is that of chi-squared;
    of a Student-t component with scale factor u at most that times ``max(1 / u, 1)``, whatever the noise.
    """
    from scipy.special import chdtrc

    squares = component_distances(mixture, observations).min(axis=1) ** 2
    n_present = np.maximum(observations.constrained.sum(axis=1), 1)
    if mixture.expansion is None:
        return np.asarray(chdtrc(n_present, squares))
    expansion = mixture.expansion
    tails = chdtrc(n_present[:, None], squares[:, None] * np.minimum(expansion.u, 1.0))
    return np.asarray(expansion.summed(expansion.fractions * tails).max(axis=1))


def outlyingness(
    mixture: GaussianMixture,
    observations: Observations,
    *,
    n_samples: int | None = None,
    rng: np.random.Generator | int | None = None,
    progress: str = "auto",
) -> NDArray[np.float64]:
    """Probability that an object with the same noise is no more likely than this one (N,): small for outliers.

    Under the mixture this is uniform between 0 and 1, whatever the noise, which values are missing, and the
    projections.

    Parameters
    ----------
    mixture : GaussianMixture
    observations : Observations
    n_samples : int, optional
        Draws for each object where there is no exact answer: several components, a background, or Student-t components.
        The smallest answer
        is then ``1 / (1 + n_samples)``, and the standard error of an answer p ``sqrt(p (1 - p) / n_samples)``.
    rng : numpy Generator, int or None
        Source of the draws; an int is a seed.
    progress : {"auto", "always", "never"}
        Whether a progress bar is shown; "auto": on a terminal, where it takes more than a second.

    Raises
    ------
    InputError
        If mixture and observations do not fit, or `n_samples` is needed and missing, or is no positive integer.

    Notes
    -----
    For one Gaussian without a background, and Gaussian errors, exactly ``p(chi^2_M > d' T^-1 d)``, M being the number
    of values seen.
    Otherwise ``(1 + #{draws with p(w') <= p(w)}) / (1 + n_samples)``, the p-value of a Monte Carlo test (Davison &
    Hinkley 1997, *Bootstrap Methods and their Application*, ch. 4).  The density includes the background, whose
    objects are drawn from its box, with their noise (not for a background of measured values).  1 for a row without any
    value, of which nothing can be unlikely.

    A limit counts as the side of it on which the noisy value lies.  For one Gaussian the distance to the nearest value
    that is allowed is compared with chi-bar-squared, ``(p(chi^2_M > d^2) + p(chi^2_(M+1) > d^2)) / 2`` (Shapiro 1988,
    Int. Stat. Rev. 56, 49): without measured values this is the probability of the limit below 1/2, and 1 above.

    Examples
    --------
    >>> from xdgmm import GaussianMixture, Observations
    >>> from xdgmm.objects import outlyingness
    >>> observations = Observations.with_standard_errors([1.0, 4.0], [0.0, 1.0])
    >>> outlyingness(GaussianMixture([1.0], [[0.0]], [[[1.0]]]), observations).round(4)
    array([0.3173, 0.0047])
    >>> mixture = GaussianMixture([0.5, 0.5], [[0.0], [3.0]], [[[1.0]], [[1.0]]])
    >>> outlyingness(mixture, observations, n_samples=999, rng=2).round(2)
    array([0.34, 0.24])
    """
    refuse_selection(mixture, "outlyingness")
    if n_samples is None and not has_exact_outlyingness(mixture, observations):
        raise InputError(
            "with several components, a background, Student-t components or errors that are not Gaussian outlyingness "
            "has no exact answer; say how many draws to make for each object, as n_samples=1000"
        )
    if has_exact_outlyingness(mixture, observations):
        return _exact(mixture, observations)
    if not isinstance(n_samples, (int, np.integer)) or n_samples < 1:
        raise InputError(f"`n_samples` is {n_samples!r}, but a positive integer is needed")
    return _monte_carlo(mixture, checked_observations(mixture, observations), n_samples, as_generator(rng), progress)


def has_exact_outlyingness(mixture: GaussianMixture, observations: Observations) -> bool:
    """Is the mixture one Gaussian without a background or a selection, and the noise Gaussian?"""
    gaussian = mixture.dof is None or bool(np.isinf(mixture.dof).all())
    gaussian = gaussian and not isinstance(observations.noise_model, NoiseMixture)
    alone = mixture.background is None and selection_of(mixture) is None
    return mixture.n_components == 1 and alone and gaussian


def _exact(mixture: GaussianMixture, observations: Observations) -> NDArray[np.float64]:
    return exact_outlyingness(distances(mixture, observations), observations)


def exact_outlyingness(distances: NDArray[np.float64], observations: Observations) -> NDArray[np.float64]:
    """Outlyingness under one Gaussian (N,), at these distances from it (N,)."""
    from scipy.special import chdtrc

    n_present, squares = observations.present.sum(axis=1), distances**2
    of_values = np.where(n_present > 0, chdtrc(np.maximum(n_present, 1), squares), np.where(squares > 0, 0.0, 1.0))
    if observations.limits is None:
        return of_values
    with_limit = np.where(squares > 0, 0.5 * (of_values + chdtrc(n_present + 1, squares)), 1.0)
    return np.where(has_limits(observations), with_limit, of_values)


def _monte_carlo(
    mixture: GaussianMixture, observations: Observations, n_samples: int, rng: np.random.Generator, progress: str
) -> NDArray[np.float64]:
    """Every object is compared with draws of its own, some objects and some draws at a time.

    Each block of objects has its own generator, so that the draws do not depend on the number of threads.
    """
    own = _likelihoods(mixture, observations)
    counts = np.zeros(len(observations), int)
    at_once = max(1, DRAWS_AT_ONCE // n_samples)
    seeds = rng.integers(2**63, size=-(-len(observations) // at_once))

    def task(rows: slice, block: Observations) -> None:
        own_rng = np.random.default_rng(seeds[rows.start // at_once])
        counts[rows] = _count(mixture, block, own[:, rows], n_samples, own_rng)

    nanoseconds = n_samples * (DRAWING + NANOSECONDS * mixture.all_weights.size)
    run_in_blocks(task, observations, nanoseconds, progress, at_once)
    return (1.0 + counts) / (1.0 + n_samples)


def _count(
    mixture: GaussianMixture,
    observations: Observations,
    own: NDArray[np.float64],
    n_samples: int,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """How many of so many draws are no more likely than each object (N,)."""
    counts = np.zeros(len(observations), int)
    for start in range(0, n_samples, DRAWS_AT_ONCE):
        n_draws = min(DRAWS_AT_ONCE, n_samples - start)
        drawn = draw_observations(mixture, observations, n_draws, rng, only_sides=True)
        others = _likelihoods(mixture, drawn).reshape(len(own), -1, n_draws)
        less, even = others[0] < own[0, :, None], others[0] == own[0, :, None]
        counts += (less | even & (others[-1] <= own[-1, :, None])).sum(axis=1)
    return counts


def _likelihoods(mixture: GaussianMixture, observations: Observations) -> NDArray[np.float64]:
    """Log-likelihoods (1, N); with a background (2, N), the second without it.

    Far from all Gaussians their part is lost in the sum, but still says which of two objects is less likely.
    """
    if mixture.background is None:
        return log_likelihoods(mixture, observations)[None]
    own = log_likelihoods(mixture.gaussians, _without_background(observations))
    return np.stack([log_likelihoods(mixture, observations), own])


def _without_background(observations: Observations) -> Observations:
    """The observations with known memberships in the Gaussians alone."""
    known = observations.memberships
    if known is None:
        return observations
    whole = known[:, :-1].sum(axis=1, keepdims=True)
    among = np.divide(
        known[:, :-1], whole, out=np.full(known[:, :-1].shape, 1.0 / (known.shape[1] - 1)), where=whole > 0
    )
    return replace(observations, memberships=among)
