"""What one pass finds for each object: `Posteriors`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class Posteriors(NamedTuple):
    """What is known of each object that counts, under a mixture of K Gaussians and maybe a background.

    Attributes
    ----------
    log_likelihoods : ndarray (n_objects,)
        ``ln p(w_i)``; minus infinity where the density is zero.
    responsibilities : ndarray (n_objects, K) or (n_objects, K + 1)
        Probability that the object belongs to each component, a background being the last.  The weights of the mixture
        where every component has density zero.
    distances : ndarray (n_objects,)
        Mahalanobis distance from the most probable Gaussian, noise taken into account; infinite where this has no
        width and the object lies beside it.
    means : ndarray (n_objects, D)
        Mean of the true value of an object that belongs to one of the Gaussians.
    covariances : ndarray (n_objects, D, D)
        Covariance of this true value.
    means_of_each : ndarray (n_objects, K, D) or None
        The same for an object that belongs to each of the Gaussians; only if requested.
    covariances_of_each : ndarray (n_objects, K, D, D) or None
    """

    log_likelihoods: Floats
    responsibilities: Floats
    distances: Floats
    means: Floats
    covariances: Floats
    means_of_each: Floats | None = None
    covariances_of_each: Floats | None = None
