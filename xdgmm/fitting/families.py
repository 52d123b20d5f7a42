"""What the solvers need to know of Student-t components: the chain rule of their expansion, and coordinates of dof.

A component with scale matrix V is a sum of Gaussians with covariances ``V / u_j``, of which the weights and the u_j
depend on the degrees of freedom (`xdgmm.mixture.Expansion`).  With ``G_j`` the derivative of the log-likelihood with
respect to the covariance of one Gaussian, that with respect to V is ``sum_j G_j / u_j``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import polygamma

from xdgmm.mixture.families import HIGHEST_DOF, LOWEST_DOF, information_on_dof

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xdgmm.kernels import Gradients, Statistics
    from xdgmm.mixture import Expansion, GaussianMixture

    Floats = NDArray[np.float64]

LOWEST_TAU, HIGHEST_TAU = 1.0 / HIGHEST_DOF, 1.0 / LOWEST_DOF
SPAN = HIGHEST_TAU - LOWEST_TAU
LONGEST_STEP = 0.2


def pulled_back(statistics: Statistics, mixture: GaussianMixture) -> Statistics:
    """The statistics of a mixture's components from those of its Gaussians.

    The information on a mean is the sum of those of its Gaussians; that on the variance, in one dimension, is
    ``sum_j B_j / u_j^2``.
    """
    expansion = mixture.expansion
    if expansion is None:
        return statistics
    u, of_members, G = expansion.u, statistics.n_members, statistics.grad_covariance
    information, squared = statistics.information, statistics.squared_information
    covariances = expansion.parameters(mixture.all_weights, mixture.means, mixture.covariances)[2]
    return replace(
        statistics,
        n_members=expansion.summed(of_members),
        grad_mean=expansion.summed(statistics.grad_mean, 0),
        grad_covariance=expansion.summed(G / u[:, None, None], 0),
        information=None if information is None else expansion.summed(information, 0),
        squared_information=None if squared is None else expansion.summed(squared / u**2),
        scaled_members=expansion.summed(of_members[: u.size] * u),
        grad_dof=expansion.dof_slopes(of_members, G, covariances),
    )


def pulled_back_gradients(gradients: Gradients, expansion: Expansion, covariances: Floats) -> tuple[Gradients, Floats]:
    """The same for gradients under W mixtures, whose Gaussians have these covariances; and those of ln dof (W, K)."""
    G = gradients.grad_covariances
    summed = gradients._replace(
        n_members=expansion.summed(gradients.n_members),
        grad_means=expansion.summed(gradients.grad_means, 1),
        grad_covariances=expansion.summed(G / expansion.u[..., None, None], 1),
    )
    return summed, expansion.dof_slopes(gradients.n_members, G, covariances)


class DofCoordinates:
    """Coordinates of the free degrees of freedom around a mixture, one unit being about one standard error.

    With ``tau = 1 / dof``, in which the likelihood is regular up to the Gaussian, ``tau = low + (high - low) sin^2 a``:
    any angle a keeps both bounds, at which its slope vanishes, as that of a variance does with respect to its factor.

    Parameters
    ----------
    dof : ndarray (K,) or None
        None where the components are Gaussian.
    indices : ndarray of int (K,)
        Which parameter each is; -1 where it is fixed.  An infinite one has no coordinate.
    counts : ndarray (K,)
        Number of objects in each component.
    n_dimensions : int

    Attributes
    ----------
    dof : ndarray (K,) or None
    owners : ndarray of int (K,)
        The coordinate of each component; -1 where there is none.  Only with Student-t components.
    size : int
        Number of coordinates.
    tau, information : ndarrays (size,)
        1 / dof, and the information on it if the values were exact and mean and scale known.
    """

    def __init__(self, dof: Floats | None, indices: NDArray[np.intp] | None, counts: Floats, n_dimensions: int) -> None:
        self.dof, self.size = dof, 0
        if dof is None:
            self.tau = self.information = np.zeros(0)
            return
        self.owners = np.full(len(counts), -1)
        if indices is not None:
            free = (indices >= 0) & (dof <= HIGHEST_DOF)
            self.owners[free] = np.unique(indices[free], return_inverse=True)[1]
        self.size = int(self.owners.max(initial=-1)) + 1
        mine = self.owners >= 0
        values = dof[mine]
        of_each = counts[mine] * information_on_dof(values, n_dimensions) * values**2
        self.information = np.bincount(self.owners[mine], of_each, self.size).astype(float)
        first = np.array([np.argmax(self.owners == place) for place in range(self.size)], dtype=int)
        self.tau = np.clip(1.0 / dof[first], LOWEST_TAU, HIGHEST_TAU)
        self._angles = np.arcsin(np.sqrt((self.tau - LOWEST_TAU) / SPAN))
        self._angles[self.tau == HIGHEST_TAU] = 0.5 * np.pi
        root = np.sqrt(self.information)
        slopes = SPAN * np.sin(2.0 * self._angles)
        self._scales = 1.0 / (root * np.sqrt(slopes**2 + SPAN / root))

    @property
    def at_bound(self) -> NDArray[np.bool_]:
        """Which are at a bound, where the coordinate has no slope (size,)."""
        return np.asarray((self.tau == LOWEST_TAU) | (self.tau == HIGHEST_TAU))

    def at(self, z: Floats) -> Floats | None:
        """Degrees of freedom (W, K) at coordinates z (W, size)."""
        if self.dof is None:
            return None
        tau = LOWEST_TAU + SPAN * np.sin(self._angles + z * self._scales) ** 2
        return self._spread(1.0 / tau)

    def with_tau(self, tau: Floats) -> Floats:
        """Degrees of freedom (K,) with other values (size,) of 1 / dof."""
        return np.asarray(self._spread(1.0 / tau))

    def _spread(self, values: Floats) -> Floats:
        """Degrees of freedom (..., K) from those of the parameters (..., size)."""
        assert self.dof is not None, "the components are Gaussian"
        result = np.broadcast_to(self.dof, (*values.shape[:-1], self.dof.size)).copy()
        mine = self.owners >= 0
        result[..., mine] = values[..., self.owners[mine]]
        return result

    def summed(self, array: Floats) -> Floats:
        """Sums (..., size) over the components (..., K) that share a parameter."""
        result = np.zeros((*array.shape[:-1], self.size))
        for k in np.flatnonzero(self.owners >= 0):
            result[..., self.owners[k]] += array[..., k]
        return result

    def gradients(self, z: Floats, grad_dof: Floats) -> Floats:
        """Derivatives with respect to z (W, size) from those with respect to ln dof (W, K)."""
        angles = self._angles + z * self._scales
        tau = LOWEST_TAU + SPAN * np.sin(angles) ** 2
        of_tau = -self.summed(grad_dof) / tau
        return np.asarray(of_tau * SPAN * np.sin(2.0 * angles) * self._scales)

    def tau_slopes(self, grad_dof: Floats) -> Floats:
        """Derivatives with respect to tau (size,) from those with respect to ln dof (K,)."""
        return np.asarray(-self.summed(grad_dof) / self.tau)

    def inward_slopes(self, grad_dof: Floats) -> Floats:
        """The same (size,), positive where the likelihood rises away from the bound that is nearer."""
        inwards = np.where(self.tau < 0.5 * (LOWEST_TAU + HIGHEST_TAU), 1.0, -1.0)
        return inwards * self.tau_slopes(grad_dof)

    def jacobian(self) -> Floats:
        """Derivatives of the degrees of freedom with respect to z at the origin (K, size)."""
        result = np.zeros((self.owners.size, self.size))
        for k in np.flatnonzero(self.owners >= 0):
            place = self.owners[k]
            of_tau = -(self.tau[place] ** -2)
            result[k, place] = of_tau * SPAN * np.sin(2.0 * self._angles[place]) * self._scales[place]
        return result


def next_dof(mixture: GaussianMixture, statistics: Statistics, indices: NDArray[np.intp] | None) -> Floats | None:
    """Degrees of freedom (K,) after one step of gradient EM; None where the components are Gaussian.

    One Newton step towards the maximum of the likelihood that the u of all objects would give if they were known
    (Lange 1995, J. R. Stat. Soc. B 57, 425), in ln dof, by a factor of 2 at most.
    """
    dof, slopes = mixture.dof, statistics.grad_dof
    if dof is None or indices is None or slopes is None:
        return dof
    counts = np.maximum(statistics.covariance_counts, 1e-300)
    coordinates = DofCoordinates(dof, indices, counts, mixture.n_dimensions)
    finite = np.where(np.isfinite(dof), dof, 1.0)
    known = coordinates.summed(counts * (0.25 * finite**2 * polygamma(1, 0.5 * finite) - 0.5 * finite))
    steps = np.clip(coordinates.summed(slopes) / np.maximum(known, 1e-300), -np.log(2.0), np.log(2.0))
    return coordinates.with_tau(np.clip(coordinates.tau * np.exp(-steps), LOWEST_TAU, HIGHEST_TAU))


def scored_dof(mixture: GaussianMixture, statistics: Statistics, indices: NDArray[np.intp] | None) -> Floats | None:
    """Degrees of freedom (K,) after one step of Fisher scoring in 1 / dof; None where the components are Gaussian.

    The information is that of exact values with known labels; the step is 0.2 in 1 / dof at most.
    """
    dof, slopes = mixture.dof, statistics.grad_dof
    if dof is None or indices is None or slopes is None:
        return dof
    counts = np.maximum(statistics.covariance_counts, 1e-300)
    coordinates = DofCoordinates(dof, indices, counts, mixture.n_dimensions)
    steps = np.clip(coordinates.tau_slopes(slopes) / coordinates.information, -LONGEST_STEP, LONGEST_STEP)
    return coordinates.with_tau(np.clip(coordinates.tau + steps, LOWEST_TAU, HIGHEST_TAU))
