"""Centres of random starts."""

import numpy as np
import pytest
from sklearn.cluster import kmeans_plusplus as sklearn_kmeans_plusplus

from xdgmm.fitting.initialisation import kmeans_plusplus


@pytest.mark.parametrize("n_clusters", [2, 3, 8])
@pytest.mark.parametrize("n_dimensions", [1, 3])
@pytest.mark.parametrize("seed", range(5))
def test_centres_are_those_of_scikit_learn(n_clusters, n_dimensions, seed):
    rng = np.random.default_rng(seed)
    points, weights = rng.normal(size=(200, n_dimensions)), rng.uniform(0.1, 3.0, 200)
    rows = kmeans_plusplus(points, weights, n_clusters, np.random.RandomState(seed))
    expected = sklearn_kmeans_plusplus(points, n_clusters, sample_weight=weights, random_state=seed)[1]
    assert rows.tolist() == expected.tolist()


def test_objects_without_weight_are_never_centres():
    points, weights = np.arange(20.0)[:, None], np.repeat([0.0, 1.0], 10)
    for seed in range(20):
        assert (kmeans_plusplus(points, weights, 3, np.random.RandomState(seed)) >= 10).all()


def test_more_centres_than_distinct_points_are_some_of_them():
    points = np.repeat([[0.0], [1.0]], 5, axis=0)
    rows = kmeans_plusplus(points, np.ones(10), 4, np.random.RandomState(0))
    assert rows.shape == (4,)
    assert set(points[rows, 0]) == {0.0, 1.0}
