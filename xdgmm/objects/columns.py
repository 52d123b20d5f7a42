"""What is known of each object, as columns of a catalogue, some rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xdgmm.basics.arrays import in_any_column
from xdgmm.basics.parameters import as_generator
from xdgmm.basics.progress import progress_bar
from xdgmm.basics.units import difference_unit
from xdgmm.mixture import GaussianMixture, selection_of
from xdgmm.observations import Observations
from xdgmm.prediction import (
    checked_observations,
    exact_outlyingness,
    has_exact_outlyingness,
    in_blocks,
    known,
    log_likelihoods,
    outlier_weights,
    outlyingness,
)
from xdgmm.tables import MISSING, Column


@dataclass(frozen=True, eq=False)
class ObjectColumns:
    """What `xdgmm apply` appends to a table: memberships, likelihood, outlyingness, denoised values.

    Parameters
    ----------
    mixture : GaussianMixture
    observations : Observations
        Row for row with the table; rows without any value get masked values.
    prefix : str
        What the names of the columns begin with.
    n_samples : int, optional
        Draws for the outlyingness of each object, where it is not exact; none: no such column.
    rng : numpy Generator, int or None
        Source of the draws; an int is a seed.

    Raises
    ------
    InputError
        If mixture and observations do not fit, in number or units of their coordinates.

    Examples
    --------
    >>> from xdgmm import GaussianMixture, Observations
    >>> from xdgmm.objects import ObjectColumns
    >>> stars = Observations.with_standard_errors([83.1, 76.0], 1.5, names="v", units="km/s")
    >>> found = ObjectColumns(GaussianMixture([1.0], [[80.5]], [[[7.3]]], units="km/s"), stars)
    >>> [column.name for column in found.columns]
    ['xd_membership_0', 'xd_component', 'xd_log_likelihood', 'xd_distance', 'xd_outlyingness', 'xd_v', 'xd_v_error']
    """

    mixture: GaussianMixture
    observations: Observations
    prefix: str = "xd_"
    n_samples: int | None = None
    rng: np.random.Generator | int | None = None

    def __post_init__(self) -> None:
        """Check that mixture and observations fit."""
        checked_observations(self.mixture, self.observations.select(slice(0, 1)))

    @property
    def columns(self) -> list[Column]:
        """The columns in their order: list of `Column`."""
        every = (*self._of_objects(), *self._denoised())
        return [replace(column, name=self.prefix + column.name) for column in every]

    @property
    def n_masked(self) -> int:
        """Number of rows without any value, which are masked in the new columns."""
        return len(self.observations) - int(self.observations.constrained.any(axis=1).sum())

    @property
    def _with_outlyingness(self) -> bool:
        return self.n_samples is not None or has_exact_outlyingness(self.mixture, self.observations)

    def _of_objects(self) -> Iterator[Column]:
        K = self.mixture.n_components
        for k in range(K):
            yield Column(f"membership_{k}", f"Probability that the object belongs to component {k}")
        beside = ""
        if self.mixture.background is not None:
            yield Column("membership_background", "Probability that the object belongs to the background")
            beside = f" ({K}: the background)"
        yield Column("component", f"Most probable component{beside}", whole=True)
        yield Column("log_likelihood", "Natural logarithm of the likelihood, noise taken into account")
        yield Column("distance", "Sigmas from the most probable component, noise taken into account")
        if self._with_outlyingness:
            yield Column("outlyingness", "Probability that an object with this noise is no more likely")
        if self.mixture.dof is not None:
            yield Column("outlier_weight", "Weight in a fit of Student-t components, small for outliers")

    def _denoised(self) -> Iterator[Column]:
        for name, unit in zip(self.observations.names, self.mixture.units, strict=True):
            yield Column(name, f"Posterior mean of the true {name}", unit)
            error = f"Posterior standard deviation of the true {name}"
            yield Column(f"{name}_error", error, difference_unit(unit))
        for one, other in combinations(self.observations.names, 2):
            name = f"{one}_{self.prefix}{other}_corr"  # both columns are named, so that the errors are found again
            yield Column(name, f"Posterior correlation of the true {one} and {other}")

    def blocks(self, progress: str = "auto") -> Iterator[list[NDArray[Any]]]:
        """Values of each column for some rows after the other: NaN, or `MISSING` of whole numbers, where masked."""
        rng = as_generator(self.rng)
        with progress_bar(progress, "objects", len(self.observations)) as bar:
            for _, block in in_blocks(self.observations):
                yield self._values(checked_observations(self.mixture, block), rng)
                if bar is not None:
                    bar.update(len(block))

    def values(self) -> list[NDArray[Any]]:
        """Values of each column for all rows."""
        return [np.concatenate(parts) for parts in zip(*self.blocks("never"), strict=True)]

    def _values(self, block: Observations, rng: np.random.Generator) -> list[NDArray[Any]]:
        found = known(self.mixture, block)
        component = found.responsibilities.argmax(axis=1)
        selected = selection_of(self.mixture) is not None
        likelihoods = log_likelihoods(self.mixture, block) if selected else found.log_likelihoods
        values = [*found.responsibilities.T, component, likelihoods, found.distances]
        if has_exact_outlyingness(self.mixture, self.observations):
            values.append(exact_outlyingness(found.distances, block))
        elif self.n_samples is not None:
            values.append(outlyingness(self.mixture, block, n_samples=self.n_samples, rng=rng, progress="never"))
        if self.mixture.dof is not None:
            values.append(outlier_weights(self.mixture, block))
        mean, covariance = found.means, found.covariances
        for i, of_one in enumerate(mean.T):
            values.extend((of_one, np.sqrt(covariance[:, i, i])))
        values.extend(_correlation(covariance, *pair) for pair in combinations(range(mean.shape[1]), 2))
        measured = in_any_column(block.constrained)
        if measured.all():
            return values
        return [np.where(measured, each, MISSING if each is component else np.nan) for each in values]


def _correlation(covariance: NDArray[np.float64], i: int, j: int) -> NDArray[np.float64]:
    """Correlations (N); 0 where one of the two is known exactly."""
    scale = np.sqrt(covariance[:, i, i] * covariance[:, j, j])
    return np.clip(np.divide(covariance[:, i, j], scale, out=np.zeros(len(scale)), where=scale > 0), -1.0, 1.0)
