"""Noise models whose errors are multiplied by a factor, and get a floor."""

import numpy as np
import pytest

from xdgmm.kernels import Correlated, Exact, Independent

FACTORS, FLOORS = np.array([0.0, 1.0, 2.5]), np.array([[0.0, 0.5], [0.0, 0.0], [1.0, 2.0]])
ERRORS = np.array([[0.3, 1.1], [0.7, 0.2], [0.4, 0.9]])
MATRICES = ERRORS[:, :, None] * ERRORS[:, None] * np.array([[1.0, 0.6], [0.6, 1.0]])


@pytest.mark.parametrize("noise", [Exact((3, 2)), Independent(ERRORS), Correlated(MATRICES)], ids=lambda n: n.kind)
def test_variances_are_multiplied_by_squares_and_floors_are_added_in_quadrature(noise):
    floors = FLOORS[:, :, None] ** 2 * np.eye(2)
    expected = FACTORS[:, None, None] ** 2 * noise.covariances() + floors
    assert noise.adjusted(FACTORS, FLOORS).covariances() == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("noise", [Exact((3, 2)), Independent(ERRORS), Correlated(MATRICES)], ids=lambda n: n.kind)
def test_a_factor_of_one_without_a_floor_changes_no_bit(noise):
    assert np.array_equal(noise.adjusted(np.ones(3), np.zeros((3, 2))).covariances(), noise.covariances())


def test_missing_values_keep_their_infinite_error():
    noise = Independent(np.array([[np.inf, 0.5]]))
    assert np.array_equal(noise.adjusted(np.zeros(1), np.ones((1, 2))).array, [[np.inf, 1.0]])
