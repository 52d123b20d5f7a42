"""Memberships and log-likelihoods of single objects, row for row with the observations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xdgmm import fitting
from xdgmm.basics.arrays import in_any_column
from xdgmm.basics.progress import progress_bar
from xdgmm.errors import InputError
from xdgmm.fitting.objective import parameters
from xdgmm.kernels import Data, NoiseMixture, run_in_threads
from xdgmm.mixture import (
    GaussianMixture,
    check_memberships,
    pack_beside,
    refuse_selection,
    selection_of,
)
from xdgmm.observations import Observations, StreamedObservations, all_in_memory, discovered

if TYPE_CHECKING:
    from xdgmm.mixture import Background, Flat
    from xdgmm.observations.inputs import Catalogue

AT_ONCE = 16_384  # objects: their arrays stay in the cache
BETWEEN_UPDATES = 64  # blocks between two updates of a progress bar
NANOSECONDS = 10.0  # or so, for each object and component


def memberships(mixture: GaussianMixture, observations: Observations) -> NDArray[np.float64]:
    """Probability that each object belongs to each component, its noise taken into account: (N, K).

    With a background there is one column more, the background's.  Of observations with known memberships these take the
    place of the mixture's weights.  A row without any value has the weights, or its known memberships.

    Raises
    ------
    InputError
        If mixture and observations do not fit, in number or units of their coordinates.
    """
    result = _row_for_row(fitting.responsibilities, mixture.all_weights, mixture, observations)
    if observations.memberships is not None:
        unmeasured = ~in_any_column(observations.present)
        result[unmeasured] = observations.memberships[unmeasured]
    return result


def log_likelihoods(mixture: GaussianMixture, observations: Observations) -> NDArray[np.float64]:
    """``ln p(w_i)`` of each object under the noise-convolved mixture (N,), in nats; 0 for a row without any value.

    Of a mixture that was fitted with a selection function ``ln p(w_i) - ln Z_i``, as in the fit.

    Raises
    ------
    InputError
        If mixture and observations do not fit, in number or units of their coordinates, or an object cannot be in a
        sample of the selection function.
    """
    result = _row_for_row(fitting.log_likelihoods, np.zeros(()), mixture, observations)
    if selection_of(mixture) is None:
        return result
    return result - fitting.log_selection_probabilities(mixture, checked_observations(mixture, observations))


def outlier_weights(mixture: GaussianMixture, observations: Observations) -> NDArray[np.float64]:
    """Weight of each object (N,) in a fit of Student-t components: small for outliers; 1 with Gaussian components.

    It is the posterior mean of the factor u by which the covariance of an object's component is divided.  Near the
    centre it is a little above 1, with exact values at most ``(dof + D) / dof``; at r scales from it
    ``(dof + D) / (dof + r^2)``.  A row without any value has 1.

    Parameters
    ----------
    mixture : GaussianMixture
    observations : Observations

    Raises
    ------
    InputError
        If mixture and observations do not fit, in number or units of their coordinates.

    Notes
    -----
    Lange, Little & Taylor 1989, J. Am. Stat. Assoc. 84, 881, eq. (4).  A background has no part in it: the weight is
    that of the object if it belongs to one of the components.

    Examples
    --------
    >>> from xdgmm import GaussianMixture, Observations
    >>> from xdgmm.objects import outlier_weights
    >>> observations = Observations.with_standard_errors([0.0, 3.0, 30.0], 0.5)
    >>> outlier_weights(GaussianMixture([1.0], [[0.0]], [[[1.0]]], dof=3), observations).round(3)
    array([1.26 , 0.398, 0.004])
    """

    def function(mixture: GaussianMixture, data: Data) -> NDArray[np.float64]:
        u = np.ones(mixture.n_components) if mixture.expansion is None else mixture.expansion.u
        r = data.responsibilities(*parameters(mixture))[:, : u.size]
        total = r.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            found = np.asarray((r @ u) / total)
        return np.where(total > 0, found, u.min())  # below every density: as far out as there is

    return _row_for_row(function, np.ones(()), mixture, observations)


def total_log_likelihood(mixture: GaussianMixture, observations: Catalogue) -> float:
    """``sum omega ln p(w_i)`` of the objects that count, omega their weights, in nats.

    A row of weight zero is left out, also where it is impossible under the mixture.

    Raises
    ------
    InputError
        If mixture and observations do not fit, in number or units of their coordinates, or a mixture that was fitted
        with a selection function is given a catalogue that is read in parts.
    """
    observations = discovered(observations)
    if isinstance(observations, StreamedObservations):
        return _total_of_parts(mixture, observations)
    counted = observations.counts
    return float(observations.object_weights[counted] @ log_likelihoods(mixture, observations)[counted])


@dataclass(frozen=True)
class _Beside:
    """Packs observations beside the background and the flat components of a mixture; can be sent elsewhere."""

    background: Background | None
    flat: Flat | None

    def __call__(self, observations: Observations) -> Data:
        return pack_beside(observations, self.background, self.flat)


def _total_of_parts(mixture: GaussianMixture, observations: StreamedObservations) -> float:
    """In one pass over the parts, wherever they are."""
    if selection_of(mixture) is not None:
        what = "the likelihood of a mixture with a selection function is that of all objects"
        return total_log_likelihood(mixture, all_in_memory(observations, what))
    checked_observations(mixture, observations.sample.select(slice(0, 1)))
    data = observations.in_units(mixture.units).packed(_Beside(mixture.background, mixture.flat))
    return float(data.accumulate(*parameters(mixture)).log_likelihood)


def _row_for_row(
    function: Callable[[GaussianMixture, Data], NDArray[np.float64]],
    unknown: NDArray[np.float64],
    mixture: GaussianMixture,
    observations: Observations,
) -> NDArray[np.float64]:
    """What a function gives for each object (N, ...); for a row without any value what is `unknown` (...)."""
    observations = checked_observations(mixture, observations)
    result = np.empty((len(observations), *unknown.shape))

    def task(rows: slice, block: Observations) -> None:
        for own, data in packed_rows(block, mixture):
            result[rows][own] = unknown if data is None else function(mixture, data)

    run_in_blocks(task, observations, NANOSECONDS * mixture.all_weights.size)
    return result


def packed_rows(observations: Observations, mixture: GaussianMixture) -> Iterator[tuple[Any, Data | None]]:
    """Rows of some observations (a slice, or indices) and their `Data`; None for rows without any value."""
    measured, beside = in_any_column(observations.constrained), (mixture.background, mixture.flat)
    if measured.all():
        yield slice(None), pack_beside(observations, *beside)
        return
    yield np.flatnonzero(~measured), None
    if measured.any():
        data = pack_beside(observations, *beside)
        yield data.rows, data


def checked_observations(mixture: GaussianMixture, observations: Observations) -> Observations:
    """The observations in the mixture's units, each object counting once.

    Raises
    ------
    InputError
        If the numbers of coordinates differ, a unit does not convert, there are projections beside a background,
        known memberships are not as many as the components, or flat components cannot be combined with these data.
    """
    if observations.n_dimensions != mixture.n_dimensions:
        raise InputError(
            f"the observations have {observations.n_dimensions} coordinates, but the mixture has "
            f"{mixture.n_dimensions}; choose the columns it was fitted to"
        )
    if mixture.background is not None:
        mixture.background.check_no_projections(observations)
    if mixture.flat is not None:
        mixture.flat.check_measured(observations)
    selection = selection_of(mixture)
    if selection is not None and selection.of == "true values":
        refuse_selection(mixture, "what is known of single objects")
    family = "gaussian" if mixture.dof is None else "t"
    check_memberships(observations, mixture.all_weights.size, mixture.background, family)
    return replace(observations.in_units(mixture.units), weights=None)


def _at_once(observations: Observations) -> int:
    """Objects in a block: fewer where their noise is a mixture, whose Gaussians are rows."""
    noise = observations.noise_model
    per_object = len(noise.weights) / max(len(noise), 1) if isinstance(noise, NoiseMixture) else 1.0
    return max(int(AT_ONCE / max(per_object, 1.0)), 1)


def in_blocks(observations: Observations) -> Iterator[tuple[slice, Observations]]:
    """Slices of rows that are computed at once, and the observations of each."""
    at_once = _at_once(observations)
    for start in range(0, len(observations), at_once):
        rows = slice(start, min(start + at_once, len(observations)))
        yield rows, observations.select(rows)


def run_in_blocks(
    task: Callable[[slice, Observations], None],
    observations: Observations,
    nanoseconds: float,
    progress: str = "never",
    at_once: int | None = None,
) -> None:
    """Call ``task(rows, block)`` for blocks of objects that make up all observations, in threads.

    Each block is converted, packed and evaluated while it is in the cache, so that little memory is needed besides the
    results.

    Parameters
    ----------
    task : callable
    observations : Observations
    nanoseconds : float
        About how long an object takes.
    progress : {"auto", "always", "never"}
    at_once : int, optional
        Objects in a block; by default `AT_ONCE`, or fewer with several rows each.
    """
    at_once = _at_once(observations) if at_once is None else at_once
    N, starts = len(observations), range(0, len(observations), at_once)

    def some(starts: range, first: int, last: int) -> None:
        for start in starts[first:last]:
            rows = slice(start, min(start + at_once, N))
            task(rows, observations.select(rows))

    with progress_bar(progress, "objects", N) as bar:
        n_blocks = len(starts) if bar is None else BETWEEN_UPDATES
        for first in range(0, len(starts), max(n_blocks, 1)):
            own = starts[first : first + n_blocks]
            run_in_threads(partial(some, own), len(own), len(own) * at_once * nanoseconds)
            if bar is not None:
                bar.update(min(len(own) * at_once, N - own.start))
