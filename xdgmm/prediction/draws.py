"""Draw what might have been measured: the mixture, seen with the noise, the projections and the gaps of each object."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from xdgmm.basics.arrays import list_rows
from xdgmm.errors import InputError
from xdgmm.mixture import GaussianMixture, SelectionFunction, selection_of
from xdgmm.mixture.sampling import sample_mixture
from xdgmm.observations import Observations

TRIES = 10_000


def draw_observations(
    mixture: GaussianMixture,
    observations: Observations,
    n_draws: int,
    rng: np.random.Generator,
    *,
    only_sides: bool = False,
    selection: SelectionFunction | None = None,
) -> Observations:
    """Observations of n_draws other objects in the place of each one, one after the other (N n_draws rows).

    An object with known memberships keeps these: its component is drawn from them.  Those of a background of measured
    values are drawn from its box without further noise.  A limit is the threshold of its object: a draw on the same
    side of it is the same limit again.  One on the other side is a value, measured with the error of the limit; where
    this is zero, or `only_sides`, it is the opposite limit.  Where the mixture was fitted with a selection function, or
    one is given, draws are repeated until the object is in the sample.

    Raises
    ------
    InputError
        If a draw for some object is still not in the sample after 10,000 tries, or a file held only the name of the
        selection function.
    """
    selection = selection_of(mixture) if selection is None else selection
    if selection is not None:
        return _selected(mixture, observations, n_draws, rng, selection)
    repeated = observations.select(np.repeat(np.arange(len(observations)), n_draws))
    points, labels = sample_mixture(mixture, len(repeated), rng, repeated.memberships)
    noise = observations.noise_model.draw(n_draws, observations.constrained, rng).reshape(len(repeated), -1)
    if mixture.background is not None and mixture.background.of == "measured values":
        noise[labels == mixture.n_components] = 0.0
    drawn = np.where(repeated.constrained, _measured(points, repeated.projections) + noise, np.nan)
    if repeated.limits is None:
        return replace(repeated, values=drawn)
    return _behind_limits(repeated, drawn, only_sides=only_sides)


def _selected(
    mixture: GaussianMixture,
    observations: Observations,
    n_draws: int,
    rng: np.random.Generator,
    selection: SelectionFunction,
) -> Observations:
    """Draws that are in the sample, by rejection."""
    repeated = observations.select(np.repeat(np.arange(len(observations)), n_draws))
    drawn, left = np.full(repeated.values.shape, np.nan), np.flatnonzero(repeated.counts)
    of_measured = mixture.background is not None and mixture.background.of == "measured values"
    for _ in range(TRIES):
        some = repeated.select(left)
        points, labels = sample_mixture(mixture, left.size, rng)
        noise = some.noise_model.draw(1, some.present, rng)[:, 0]
        if of_measured:
            noise[labels == mixture.n_components] = 0.0
        values = np.where(some.present, _measured(points, some.projections) + noise, np.nan)
        probabilities = selection.probabilities(points if selection.of == "true values" else values)
        accepted = rng.random(left.size) < probabilities
        drawn[left[accepted]] = values[accepted]
        left = left[~accepted]
        if not left.size:
            return replace(repeated, values=drawn)
    raise InputError(
        f"after {TRIES:,} draws for {list_rows(np.unique(left // n_draws))} none is in the sample of the selection "
        "function; leave these objects out"
    )


def _behind_limits(observations: Observations, drawn: NDArray[np.float64], *, only_sides: bool) -> Observations:
    """Drawn values (N, M) as they would be known where the observations have limits."""
    limits = observations.limits
    assert limits is not None
    side = np.where(drawn > observations.values, 1, -1).astype(np.int8)
    is_value = (limits == 0) | ((side != limits) & (observations.variances > 0) & (not only_sides))
    values = np.where(is_value, drawn, observations.values)
    return replace(observations, values=values, limits=np.where(is_value, np.int8(0), side))


def _measured(points: NDArray[np.float64], projections: NDArray[np.float64] | None) -> NDArray[np.float64]:
    return points if projections is None else np.einsum("...ai,...i->...a", projections, points)
