"""Partitions of points, for starts: nearest centres, and sums over the points of each cluster, in compiled loops."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xdgmm.kernels.compiling import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]


class Points(NamedTuple):
    """Points with errors.

    Attributes
    ----------
    values : ndarray (N, D)
        Not a number where one is missing.
    noise : ndarray (N, D, D)
        Zero where a value is missing.
    weights : ndarray (N,)
    """

    values: Floats
    noise: Floats
    weights: Floats


class Scatter(NamedTuple):
    """Weights (K,), covariances about the centres and mean noise covariances (K, D, D) of clusters."""

    weights: Floats
    scatters: Floats
    noise: Floats


def nearest(points: Points, centres: Floats) -> Indices:
    """Index of the nearest centre (N,), counting only the coordinates that are present."""
    labels = np.empty(len(points.values), np.intp)
    _nearest(points.values, centres, labels)
    return labels


def squared_distances(points: Floats, centre: Floats) -> Floats:
    """Squared distances (N,) of points (N, D), all present, from one of them (D,)."""
    result = np.empty(len(points))
    _squared_distances(points, np.array(centre), result)
    return result


def means(points: Points, labels: Indices, default: Floats) -> Floats:
    """Weighted mean of the values present in each coordinate of each cluster (K, D); the default without any."""
    sums, totals = np.zeros(default.shape), np.zeros(default.shape)
    _add(points.values, points.weights, labels, sums, totals)
    return np.where(totals > 0, sums / np.where(totals > 0, totals, 1.0), default)


def scatter(points: Points, labels: Indices, centres: Floats) -> Scatter:
    """Weights, covariances about the centres (K, D), missing values left out as uncorrelated, and mean noise."""
    K, D = centres.shape
    weights, totals = np.zeros(K), np.zeros((K, D, D))
    scatters, noise = np.zeros((K, D, D)), np.zeros((K, D, D))
    _add_squares(*points, labels, centres, weights, totals, scatters, noise)
    scatters /= np.where(totals > 0, totals, 1.0)
    noise /= np.maximum(weights, 1e-300)[:, None, None]
    return Scatter(weights, scatters, noise)


@kernel
def _nearest(values: Floats, centres: Floats, labels: Indices) -> None:
    for n in range(len(values)):
        smallest, labels[n] = np.inf, 0
        for k in range(len(centres)):
            distance = 0.0
            for i in range(values.shape[1]):
                difference = values[n, i] - centres[k, i]
                if difference == difference:
                    distance += difference * difference
            if distance < smallest:
                smallest, labels[n] = distance, k


@kernel
def _squared_distances(points: Floats, centre: Floats, result: Floats) -> None:
    for n in range(len(points)):
        distance = 0.0
        for i in range(points.shape[1]):
            difference = points[n, i] - centre[i]
            distance += difference * difference
        result[n] = distance


@kernel
def _add(values: Floats, weights: Floats, labels: Indices, sums: Floats, totals: Floats) -> None:
    for n in range(len(values)):
        for i in range(values.shape[1]):
            value = values[n, i]
            if value == value:
                sums[labels[n], i] += weights[n] * value
                totals[labels[n], i] += weights[n]


@kernel
def _add_squares(
    values: Floats,
    noise: Floats,
    weights: Floats,
    labels: Indices,
    centres: Floats,
    counts: Floats,
    totals: Floats,
    scatters: Floats,
    of_noise: Floats,
) -> None:
    D = values.shape[1]
    for n in range(len(values)):
        k, omega = labels[n], weights[n]
        counts[k] += omega
        for i in range(D):
            first = values[n, i] - centres[k, i]
            if first != first:
                continue
            for j in range(D):
                second = values[n, j] - centres[k, j]
                if second == second:
                    totals[k, i, j] += omega
                    scatters[k, i, j] += omega * first * second
                    of_noise[k, i, j] += omega * noise[n, i, j]
