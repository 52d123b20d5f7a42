"""Random problems of every kind: noise, missing values and weights."""

import numpy as np
import pytest
from hypothesis import strategies as st

from xdgmm import GaussianMixture, Observations

NOISES = ("none", "standard errors", "covariances")


class Problem:
    """Observations drawn from a known mixture, and a rough start."""

    def __init__(self, seed, N, D, K, *, noise="covariances", missing=0.0, weighted=False, size=1.0):
        rng = np.random.default_rng(seed)
        means = 3.0 * rng.standard_normal((K, D))
        roots = rng.standard_normal((K, D, D)) / np.sqrt(D) + 0.5 * np.eye(D)
        self.truth = GaussianMixture(rng.dirichlet(np.full(K, 5.0)), means, roots @ roots.transpose(0, 2, 1))
        v, _ = self.truth.sample(N, rng)
        weights = rng.uniform(0.2, 3.0, N) if weighted else None
        seen = rng.random((N, D)) >= missing
        seen[:, 0] |= ~seen.any(axis=0)[0]
        seen[0] = True

        def mask(values):
            return np.where(seen, values, np.nan)

        if noise == "none":
            self.observations = Observations.exact(mask(v), weights=weights)
        elif noise == "standard errors":
            errors = size * rng.uniform(0.1, 1.5, (N, D))
            values = mask(v + errors * rng.standard_normal((N, D)))
            self.observations = Observations.with_standard_errors(values, errors, weights=weights)
        else:
            root = size * rng.standard_normal((N, D, D)) / np.sqrt(D)
            values = mask(v + np.einsum("nij,nj->ni", root, rng.standard_normal((N, D))))
            S = root @ root.transpose(0, 2, 1) + 0.01 * size**2 * np.eye(D)
            S = 0.5 * (S + S.transpose(0, 2, 1))
            self.observations = Observations.with_covariances(values, S, weights=weights)
        root = rng.standard_normal((K, D, D + 1))
        self.start = GaussianMixture(
            rng.dirichlet(np.full(K, 5.0)),
            means + rng.standard_normal((K, D)),
            root @ root.transpose(0, 2, 1) / D + 0.2 * np.eye(D),
        )


@pytest.fixture(scope="session")
def problem():
    """Make a `Problem`."""
    return Problem


@pytest.fixture(scope="session")
def problems():
    """A hypothesis strategy over all kinds of `Problem`."""

    @st.composite
    def draw_problem(draw, **fixed):
        given = {
            "seed": draw(st.integers(0, 2**32)),
            "N": draw(st.integers(20, 150)),
            "D": draw(st.integers(1, 3)),
            "K": draw(st.integers(1, 3)),
            "noise": draw(st.sampled_from(NOISES)),
            "missing": draw(st.sampled_from([0.0, 0.3])),
            "weighted": draw(st.booleans()),
            "size": draw(st.sampled_from([0.3, 1.0, 5.0])),
        }
        return Problem(**given | fixed)

    return draw_problem
