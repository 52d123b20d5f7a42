"""How many posterior samples of each object does a mixture use, and how noisy is its likelihood?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xdgmm.kernels import NoiseMixture, SampledNoise
from xdgmm.mixture import GaussianMixture
from xdgmm.observations import Observations

from .memberships import checked_observations, in_blocks, log_likelihoods, memberships

if TYPE_CHECKING:
    from xdgmm.fitting.problem import AnyObservations

FEW = 10.0  # effective samples in a component, with which ln p of an object has an error of .3
NOISY = 1.0  # variance of the log-likelihood in nats squared: its slope then shifts a width by a part of its error
MOST = 2000  # objects that are looked at


def effective_samples(mixture: GaussianMixture, observations: Observations) -> NDArray[np.float64]:
    """Effective number of the samples of each object under a mixture (N,): ``(sum q)^2 / sum q^2``.

    q is the density of the mixture at a sample, times the weight of the sample.  The logarithm of the likelihood of an
    object with n samples and n' effective ones has the Monte Carlo variance ``1/n' - 1/n``, and half of it is missing
    in its expectation.  One for objects that are no samples.

    Raises
    ------
    InputError
        If mixture and observations do not fit, in number or units of their coordinates.
    """
    observations = checked_observations(mixture, observations)
    result = np.ones(len(observations))
    if not isinstance(observations.noise_model, NoiseMixture):
        return result
    for rows, block in in_blocks(observations):
        noise = block.noise_model
        assert isinstance(noise, NoiseMixture)
        shares = noise.shares(log_likelihoods(mixture, block.rows))[1]
        result[rows] = 1.0 / noise.sums(shares**2)
    return result


def doubts_about_samples(mixture: GaussianMixture, all_observations: AnyObservations) -> Iterator[str]:
    """Sentences on a likelihood that is noisy, since it comes from few samples, and on widths below their spacing.

    Nothing where objects are no samples.  Of a catalogue that is read in parts each object of the random sample stands
    for as many.

    Notes
    -----
    The total variance should be below one (Talbot & Golomb 2023, MNRAS 526, 3495).
    """
    observations = all_observations.sample
    if not isinstance(observations.noise_model, SampledNoise):
        return
    rows = np.flatnonzero(observations.counts)
    some = observations.select(rows[:: max(-(-rows.size // MOST), 1)])
    noise = some.noise_model
    assert isinstance(noise, SampledNoise)
    variances = np.maximum(1.0 / effective_samples(mixture, some) - 1.0 / np.diff(noise.starts), 0.0)
    total = float(variances @ some.object_weights**2) * all_observations.n_objects / len(some)
    if total > NOISY:
        yield (
            f"posterior samples are few beside the widths: the log-likelihood has a Monte Carlo error of "
            f"{np.sqrt(total):.1f} nats, and widths come out too large; draw about {np.ceil(total):.0f} times as many "
            "samples of each object"
        )
    if noise.parts.array is None:
        yield from _narrow(mixture, some)


def _narrow(mixture: GaussianMixture, observations: Observations) -> Iterator[str]:
    members = memberships(mixture, observations) * observations.object_weights[:, None]
    alone, observations = (
        [mixture.only(k) for k in range(mixture.n_components)],
        replace(observations, memberships=None),
    )
    medians = [_median(effective_samples(one, observations), r) for one, r in zip(alone, members.T, strict=False)]
    narrow = [str(k) for k, median in enumerate(medians) if median < FEW]
    if narrow:
        yield (
            f"the widths of component{'s' if len(narrow) > 1 else ''} {', '.join(narrow)} are below the spacing of the "
            f"posterior samples: half of the members have fewer than {FEW:.0f} effective samples there, so that these "
            "widths follow from chance; draw more samples, give Observations.from_samples `smoothing='auto'`, or fit "
            "fewer components"
        )


def _median(numbers: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    order = np.argsort(numbers)
    reached = np.cumsum(weights[order])
    place = int(np.searchsorted(reached, 0.5 * reached[-1]))
    return float(numbers[order[min(place, order.size - 1)]])
