"""Limits in pictures."""

import numpy as np
import pytest

from xdgmm import GaussianMixture, Observations
from xdgmm.plotting import plot_corner, plot_density, plot_ellipses, plot_error_bars, plot_residuals

MIXTURE = GaussianMixture([1.0], [[0.0, 0.0]], [[[1.0, 0.5], [0.5, 1.0]]], names=["a", "b"])


@pytest.fixture
def observations():
    w = np.random.default_rng(0).standard_normal((60, 2))
    upper, lower = np.zeros(w.shape, bool), np.zeros(w.shape, bool)
    upper[:, 1], lower[:, 0] = w[:, 1] < -0.5, (w[:, 0] > 1.0) & (w[:, 1] >= -0.5)
    values = np.where(upper, -0.5, np.where(lower, 1.0, w))
    return Observations.with_limits(values, 0.1, upper=upper, lower=lower, names=["a", "b"])


def offsets(ax, label):
    (found,) = [each for each in ax.collections if each.get_label() == label]
    return np.asarray(found.get_offsets())


def test_a_limit_of_one_of_two_columns_is_an_arrow_at_the_value_of_the_other(observations, drawn):
    ax = drawn(plot_ellipses(MIXTURE, observations))
    below, right = observations.limits[:, 1] == -1, observations.limits[:, 0] == 1
    np.testing.assert_array_equal(offsets(ax, "upper limits"), observations.values[below])
    np.testing.assert_array_equal(offsets(ax, "lower limits"), observations.values[right])


def test_a_histogram_leaves_room_for_the_limits(observations, drawn):
    ax = drawn(plot_density(MIXTURE, observations, columns="b"))
    (histogram,) = [each for each in ax.patches if each.get_label().startswith("measured values")]
    counts, edges, _ = histogram.get_data()
    measured = (observations.limits[:, 1] == 0).mean()
    assert counts @ np.diff(edges) == pytest.approx(measured, rel=1e-12)
    np.testing.assert_array_equal(offsets(ax, "upper limits")[:, 0], -0.5)


def test_other_pictures_are_drawn(observations, drawn):
    drawn(plot_error_bars(MIXTURE, observations, columns="a"))
    drawn(plot_residuals(MIXTURE, observations, columns="b"))
    plot_corner(MIXTURE, observations)
