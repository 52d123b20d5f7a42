"""Denoised values: the posterior of the true value of each object, given the mixture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xdgmm.basics.arrays import read_only
from xdgmm.basics.parameters import as_generator, check_count
from xdgmm.mixture import ConditionalMixtures, GaussianMixture
from xdgmm.mixture.quantiles import check_levels
from xdgmm.observations import Observations
from xdgmm.prediction import (
    NANOSECONDS,
    checked_observations,
    draw_true_values,
    has_limits,
    in_blocks,
    known,
    posteriors,
    run_in_blocks,
)
from xdgmm.text import printable

if TYPE_CHECKING:
    from astropy.units import UnitBase


@dataclass(frozen=True, eq=False, repr=False)
class Denoised:
    """The posterior of the true values of N objects, made by `denoise`; row for row with the observations.

    Attributes
    ----------
    means : ndarray (N, D)
        Posterior means, in the units of the mixture.
    covariances : ndarray (N, D, D)
        Posterior covariances, in these units squared.
    mixture : GaussianMixture
        The prior.
    observations : Observations
        What was measured, in the units of the mixture.
    """

    means: NDArray[np.float64]
    covariances: NDArray[np.float64]
    mixture: GaussianMixture
    observations: Observations

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        for name in ("means", "covariances"):
            object.__setattr__(self, name, read_only(getattr(self, name)))

    def __repr__(self) -> str:
        """One line: how many objects, which coordinates."""
        return f"<Denoised: true values of {len(self)} objects in {printable(', '.join(self.names))}>"

    def __len__(self) -> int:
        """Number of objects N."""
        return len(self.means)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the coordinates (D)."""
        return self.mixture.names

    @property
    def units(self) -> tuple[UnitBase | None, ...]:
        """Units of the coordinates (D); None where there is none."""
        return self.mixture.units

    @property
    def standard_deviations(self) -> NDArray[np.float64]:
        """Posterior standard deviation of each object along each coordinate (N, D)."""
        return np.sqrt(np.diagonal(self.covariances, axis1=1, axis2=2))

    def posteriors(self, rows: ArrayLike | slice | None = None) -> ConditionalMixtures:
        """The whole posteriors of some objects (a slice, indices or a mask; all by default): `ConditionalMixtures`.

        One takes about ``8 K D (D + 1)`` bytes per object.  Student-t components are there as their 24 Gaussians each.

        Raises
        ------
        InputError
            If one of the objects has a limit: its posterior is no mixture of Gaussians.
        """
        rows = slice(None) if rows is None else rows if isinstance(rows, slice) else _indices(rows)
        return posteriors(self.mixture, self.observations.select(rows))

    def sample(self, n_samples: int, rng: np.random.Generator | int | None = None) -> NDArray[np.float64]:
        """Draw from each posterior: true values (N, n_samples, D); `rng` is a Generator, or a seed."""
        rng = as_generator(rng)
        result = np.empty((len(self), check_count(n_samples), len(self.names)))
        for rows, block in in_blocks(self.observations):
            limited = has_limits(block)
            if limited.any():
                result[rows][limited] = draw_true_values(self.mixture, block.select(limited), n_samples, rng)
            if not limited.all():
                result[rows][~limited] = posteriors(self.mixture, block.select(~limited)).sample(n_samples, rng)
        return result

    def quantiles(self, q: ArrayLike) -> NDArray[np.float64]:
        """Quantiles of each coordinate by itself: (N, D) for a number, (Q, N, D) for an array of Q probabilities.

        Raises
        ------
        InputError
            If a probability does not lie between 0 and 1, or an object has a limit.
        """
        result = np.empty((*check_levels(q).shape, *self.means.shape))
        for rows, block in in_blocks(self.observations):
            result[..., rows, :] = posteriors(self.mixture, block).quantiles(q)
        return result


def _indices(rows: ArrayLike) -> NDArray[Any]:
    rows = np.atleast_1d(rows)
    return rows if rows.size else rows.astype(int)


def denoise(mixture: GaussianMixture, observations: Observations, *, progress: str = "auto") -> Denoised:
    """True values of objects, given their measurements and the mixture that they come from.

    Parameters
    ----------
    mixture : GaussianMixture
    observations : Observations
        Missing values are imputed: their posterior is that given the values seen.  A row without any value has the
        mixture itself as its posterior.
    progress : {"auto", "always", "never"}
        Whether a progress bar is shown; "auto": on a terminal, where it takes more than a second.

    Returns
    -------
    Denoised

    Raises
    ------
    InputError
        If mixture and observations do not fit, in number or units of their coordinates.

    Notes
    -----
    The posterior is a mixture (Bovy, Hogg & Roweis 2011, Ann. Appl. Stat. 5, 1657): the weight of component k
    is the membership, its mean ``m_k + V_k R' T^-1 (w - R m_k)`` and its covariance ``V_k - V_k R' T^-1 R V_k``, where
    ``T = R V_k R' + S``.  An object of a background has no Gaussian around it: where it comes from there, its posterior
    is the measurement with its noise, cut at the edges of the box, and uniform over the box along missing coordinates.
    A background of measured values does not cut it.

    Given a limit, means and covariances under each component are those of a truncated normal distribution, exactly, and
    so are samples; quantiles of such objects have no closed form and are refused: take those of samples.

    Posterior means are closer together than the true values are, and measured ones further apart: a histogram of
    either has the wrong width.  The mixture has the right one, and so have samples.

    An object that no component can have made (an exact value beside components without width) keeps the weights of
    the mixture, and of each component the true value nearest to it.

    Examples
    --------
    >>> from xdgmm import GaussianMixture, Observations
    >>> from xdgmm.objects import denoise
    >>> stars = Observations.with_standard_errors([83.1, 76.0, 81.3], [1.7, 8.0, 0.0], names="v", units="km/s")
    >>> velocities = denoise(GaussianMixture([1.0], [[80.5]], [[[7.3]]], units="km/s"), stars)
    >>> velocities.means[:, 0].round(2), velocities.standard_deviations[:, 0].round(2)
    (array([82.36, 80.04, 81.3 ]), array([1.44, 2.56, 0.  ]))
    >>> velocities.quantiles([0.16, 0.84])[:, 0].round(2)
    array([[80.93],
           [83.79]])
    """
    observations = checked_observations(mixture, observations)
    N, D = len(observations), mixture.n_dimensions
    means, covariances = np.empty((N, D)), np.empty((N, D, D))

    def task(rows: slice, block: Observations) -> None:
        found = known(mixture, block)
        means[rows], covariances[rows] = found.means, found.covariances

    run_in_blocks(task, observations, NANOSECONDS * mixture.all_weights.size, progress)
    return Denoised(means, covariances, mixture, observations)
