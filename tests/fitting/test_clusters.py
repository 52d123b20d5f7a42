"""Sums over clusters against NumPy's, with missing values, weights and noise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xdgmm.fitting import clusters


def points_of(seed, D, *, missing):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(50, D))
    if missing:
        values[rng.random((50, D)) < 0.3] = np.nan
    A = rng.normal(size=(50, D, D))
    present = np.isfinite(values)
    noise = np.where(present[:, :, None] & present[:, None, :], A @ A.mT, 0.0)
    return clusters.Points(values, noise, rng.uniform(0, 2, 50)), rng


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.booleans())
@settings(max_examples=40)
def test_labels_means_and_scatters_are_those_of_numpy(seed, D, missing):
    points, rng = points_of(seed, D, missing=missing)
    centres = rng.normal(size=(3, D))
    labels = clusters.nearest(points, centres)
    distances = np.array([np.nansum((points.values - centre) ** 2, axis=1) for centre in centres])
    np.testing.assert_array_equal(labels, distances.argmin(axis=0))
    means = clusters.means(points, labels, centres)
    found = clusters.scatter(points, labels, centres)
    for k in range(3):
        mine = labels == k
        w, x, S = points.weights[mine], points.values[mine], points.noise[mine]
        masked = np.ma.masked_invalid(x)
        expected = np.ma.filled(np.ma.average(masked, axis=0, weights=np.tile(w[:, None], D)), np.nan) if len(w) else []
        np.testing.assert_allclose(
            means[k], np.where(np.isnan(x).all(axis=0), centres[k], expected) if len(w) else centres[k]
        )
        d = np.nan_to_num(x - centres[k])
        both = np.isfinite(x).astype(float)
        total = np.einsum("n,ni,nj->ij", w, both, both)
        scatter = np.einsum("n,ni,nj->ij", w, d, d) / np.where(total > 0, total, 1)
        assert found.weights[k] == pytest.approx(w.sum())
        np.testing.assert_allclose(found.scatters[k], scatter, atol=1e-12)
        np.testing.assert_allclose(found.noise[k], np.einsum("n,nij->ij", w, S) / max(w.sum(), 1e-300), atol=1e-12)


def test_an_object_without_values_belongs_to_the_first_centre():
    points = clusters.Points(np.array([[np.nan, np.nan]]), np.zeros((1, 2, 2)), np.ones(1))
    np.testing.assert_array_equal(clusters.nearest(points, np.ones((3, 2))), [0])
