"""What a report holds, as functions of a mixture: any way of finding errors carries them to these numbers."""

import numpy as np


class Quantities:
    """Weights, means and sigmas of K components in D coordinates, laid out in one row.

    Attributes
    ----------
    names : tuple of str
        "weights" (K,), "background" (0 or 1), "means", "sigmas" and, from two coordinates on, "principal" (K, D): the
        sigmas along the principal axes, widest first.
    """

    def __init__(self, mixture):
        K, D = mixture.means.shape
        self.shapes = {
            "weights": (K,),
            "background": (mixture.all_weights.size - K,),
            "means": (K, D),
            "sigmas": (K, D),
            "principal": (K, D if D > 1 else 0),
        }

    def __call__(self, mixture):
        """The row of numbers (n,) of a mixture."""
        parts = [mixture.all_weights, mixture.means, mixture.sigmas]
        if mixture.n_dimensions > 1:
            parts.append(principal_axes(mixture)[0])
        return np.concatenate([np.ravel(part) for part in parts])

    def of(self, row):
        """The numbers by name, each in its shape."""
        sizes = [int(np.prod(shape)) for shape in self.shapes.values()]
        parts = np.split(np.asarray(row, dtype=float), np.cumsum(sizes)[:-1])
        return {name: part.reshape(shape) for part, (name, shape) in zip(parts, self.shapes.items(), strict=True)}


def principal_axes(mixture):
    """Sigmas along the principal axes (K, D), widest first, and the axes (K, D, D), one in each row.

    The sign of an axis is that which makes its largest element positive.
    """
    values, vectors = np.linalg.eigh(mixture.covariances)
    axes = np.swapaxes(vectors, 1, 2)[:, ::-1]
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=2)[:, :, None], axis=2)
    return np.sqrt(np.maximum(values[:, ::-1], 0.0)), axes * np.where(largest < 0, -1.0, 1.0)
