"""What carries each component: how many objects in effect, and how large their errors are beside its width."""

import numpy as np

from xdgmm import kernels

ENOUGH = 20_000  # objects from which a median error is taken


def carried(mixture, blocks):
    """Effective objects (K,) and the median error over the intrinsic sigma (K, D), as named fields of a result."""
    K, D = mixture.means.shape
    parameters = mixture.shares, mixture.means, mixture.covariances
    effective, ratio = np.zeros(K), np.zeros((K, D))
    weights = blocks.weights
    for k in range(K):
        members = weights * np.nan_to_num(kernels.responsibilities(blocks, *parameters, component=k)[:, 0])
        members /= max(members.max(), 1e-300)  # whatever the unit of the weights, their squares must not overflow
        effective[k] = members.sum() ** 2 / max((members**2).sum(), 1.0) if members.any() else 0.0
    sample = blocks.thinned(ENOUGH)
    members = sample.weights[:, None] * np.nan_to_num(kernels.responsibilities(sample, *parameters))
    for i in range(D):
        errors, seen = np.sqrt(sample.noise_of(i)), sample.sees(i)
        order = np.argsort(errors)
        for k in range(K):
            median, sigma = _weighted_median(errors, order, members[:, k] * seen), mixture.sigmas[k, i]
            ratio[k, i] = 0.0 if median == 0 else median / sigma if sigma > 0 else np.inf
    return {"effective_objects": effective, "noise_ratio": ratio}


def _weighted_median(values, order, weights):
    """The value up to which half of the weight lies; 0 where there is no weight."""
    shares = np.cumsum(weights[order])
    return values[order][np.searchsorted(shares, 0.5 * shares[-1])] if shares[-1] > 0 else 0.0
