"""Three Gaussians in the place of a split normal, against its density, its moments and the best three Gaussians."""

import numpy as np
import pytest
from scipy.optimize import minimize

from xdgmm.observations.split_normals import split_normal_moments, three_gaussians

X = np.linspace(-12.0, 14.0, 8001)
STEP = X[1] - X[0]


def errors(ratio):
    """Upper and lower errors with this ratio, and a mean of 1."""
    return 2.0 * ratio / (1.0 + ratio), 2.0 / (1.0 + ratio)


def split_normal(upper, lower):
    return np.exp(-0.5 * (X / np.where(X > 0, upper, lower)) ** 2) / (np.sqrt(np.pi / 2) * (upper + lower))


def mixture(weights, means, sigmas):
    z = (X[:, None] - means) / sigmas
    return (weights / sigmas * np.exp(-0.5 * z**2)).sum(axis=1) / np.sqrt(2 * np.pi)


def found(ratio):
    return (each[0] for each in three_gaussians(*(np.array([error]) for error in errors(ratio))))


def variation(f, g):
    return 0.5 * np.abs(f - g).sum() * STEP


def divergence(f, g):
    used = f > 1e-14
    return (f[used] * np.log(f[used] / g[used])).sum() * STEP


@pytest.mark.parametrize("ratio", [1.0, 1.001, 1.3, 2.0, 3.0, 10.0, 99.0, 1e4, 0.5, 0.1])
def test_mean_and_variance_are_exact(ratio):
    weights, means, sigmas = found(ratio)
    mean, sd = (float(each[0]) for each in split_normal_moments(*(np.array([error]) for error in errors(ratio))))
    assert weights.sum() == pytest.approx(1.0, rel=1e-14)
    assert weights @ means == pytest.approx(mean, rel=1e-13, abs=1e-14)
    assert weights @ (sigmas**2 + (means - mean) ** 2) == pytest.approx(sd**2, rel=1e-13)


# the figures of the docstrings and of the page, rounded up
@pytest.mark.parametrize(
    ("ratio", "most"), [(1.1, 0.0015), (1.5, 0.003), (2, 0.004), (3, 0.0106), (5, 0.03), (10, 0.054)]
)
def test_densities_are_those_of_split_normals_to_what_is_stated(ratio, most):
    upper, lower = errors(ratio)
    f, g = split_normal(upper, lower), mixture(*found(ratio))
    assert variation(f, g) < most
    shift, sd = (float(each[0]) for each in split_normal_moments(np.array([upper]), np.array([lower])))
    gaussian = mixture(np.ones(1), shift, sd)
    assert variation(f, g) < 0.32 * variation(f, gaussian)


def test_exchanged_errors_mirror_the_density():
    weights, means, sigmas = found(3.0)
    mirrored = found(1.0 / 3.0)
    for one, other in zip((weights, -means, sigmas), mirrored, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-13)


def test_skewness_is_kept_to_two_percent_up_to_a_ratio_of_three():
    for ratio in (1.2, 1.5, 2.0, 3.0):
        upper, lower = errors(ratio)
        mean = np.sqrt(2 / np.pi) * (upper - lower)
        exact, of_three = (
            ((X - mean) ** 3 * f).sum() * STEP for f in (split_normal(upper, lower), mixture(*found(ratio)))
        )
        assert of_three == pytest.approx(exact, rel=0.021)


@pytest.mark.slow
@pytest.mark.parametrize("ratio", [1.5, 3.0, 10.0])
def test_no_three_gaussians_with_this_mean_and_variance_are_much_closer(ratio):
    """The divergence of the formula is within a tenth of the one that a search over all six parameters finds."""
    upper, lower = errors(ratio)
    f = split_normal(upper, lower)
    mean, sd = (float(each[0]) for each in split_normal_moments(np.array([upper]), np.array([lower])))

    def gaussians(p):
        weights = np.exp(np.append(p[:2], 0.0))
        weights /= weights.sum()
        means, sigmas = np.append(p[2:4], 0.0), np.exp(np.append(p[4:6], 0.0))
        centre = weights @ means
        scale = sd / np.sqrt(weights @ (sigmas**2 + (means - centre) ** 2))
        return weights, (means - centre) * scale + mean, sigmas * scale

    w, m, s = found(ratio)
    start = np.concatenate([np.log(w[[0, 2]] / w[1]), (m[[0, 2]] - m[1]) / s[1], np.log(s[[0, 2]] / s[1])])
    own = divergence(f, mixture(w, m, s))
    assert divergence(f, mixture(*gaussians(start))) == pytest.approx(own, rel=1e-6)
    best = min(
        minimize(lambda p: divergence(f, mixture(*gaussians(p))), start + change, method="BFGS").fun
        for change in (0.0, 0.1)
    )
    assert own < 1.1 * best
