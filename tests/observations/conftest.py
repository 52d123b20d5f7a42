"""The density of observations under one Gaussian, object after object, as it is defined."""

import numpy as np
import pytest


def rows_of(observations, i):
    """Rows of R, values and noise covariance of what is seen of object i."""
    seen = np.isfinite(observations.values[i])
    R = np.eye(observations.n_dimensions) if observations.projections is None else observations.projections
    R = R[i] if R.ndim == 3 else R
    return R[seen], observations.values[i, seen], observations.noise_covariances[i][np.ix_(seen, seen)]


def log_density(observations, i, mean, covariance):
    R, w, S = rows_of(observations, i)
    T, d = R @ covariance @ R.T + S, w - R @ mean
    return -0.5 * (d @ np.linalg.solve(T, d) + np.linalg.slogdet(T)[1] + d.size * np.log(2 * np.pi))


@pytest.fixture(scope="session")
def log_densities():
    """``ln N(w_i - R_i m, R_i V R_i' + S_i)`` of each object (N,)."""

    def of(observations, mean, covariance):
        return np.array([log_density(observations, i, mean, covariance) for i in range(len(observations))])

    return of
