"""`ConditionalMixtures`: what is still uncertain of each of many objects, once something of it is known."""

from dataclasses import dataclass, replace

import numpy as np

from xdgmm.basics.arrays import list_rows, read_only
from xdgmm.basics.parameters import as_generator, check_count
from xdgmm.errors import InputError

from .background import Background
from .mixture import GaussianMixture, square_roots
from .quantiles import WIDTH, check_levels, quantile


@dataclass(frozen=True, eq=False, repr=False)
class ConditionalMixtures:
    """N mixtures of the same D coordinates, one for each object; ``mixtures[i]`` is a `GaussianMixture`.

    Made by `GaussianMixture.condition` and by `xdgmm.objects.Denoised.posteriors`.

    Attributes
    ----------
    weights : ndarray (N, K)
        Of the components; a background's is the last column.
    means : ndarray (N, K, D)
        In `units`.
    covariances : ndarray (N, K, D, D)
        In `units` squared; one array in memory where they are the same for all objects.
    names, units : tuple
        Of the coordinates (D).
    uniform : ndarray of bool (N, D), optional
        Coordinates along which the last component is uniform instead of Gaussian, with this mean and variance and
        without correlations.

    Examples
    --------
    >>> from xdgmm import GaussianMixture
    >>> mixture = GaussianMixture([1.0], [[0.0, 1.0]], [[[1.0, 0.8], [0.8, 1.0]]], names=["a", "b"])
    >>> colours = mixture.condition({"b": [1.0, 2.0, 3.0]})
    >>> colours
    <ConditionalMixtures: 3 mixtures of 1 component in a>
    >>> colours.mean[:, 0].round(3), colours.standard_deviation[:, 0].round(3), colours[2].means
    (array([0. , 0.8, 1.6]), array([0.6, 0.6, 0.6]), array([[1.6]]))
    """

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray
    names: tuple
    units: tuple
    uniform: np.ndarray | None = None

    def __post_init__(self):
        """Freeze the arrays."""
        for name in ("weights", "means", "covariances", "uniform"):
            object.__setattr__(self, name, read_only(getattr(self, name)))

    def __repr__(self):
        """One line: how many, of how many components in which coordinates."""
        columns = ", ".join(n if u is None else f"{n} [{u}]" for n, u in zip(self.names, self.units, strict=True))
        N, K = self.weights.shape
        return f"<ConditionalMixtures: {N} mixture{'s'[: N > 1]} of {K} component{'s'[: K > 1]} in {columns}>"

    def __len__(self):
        """Number of mixtures N."""
        return len(self.weights)

    def __getitem__(self, rows):
        """One mixture for an integer, some of them for a slice, indices or a mask.

        Raises
        ------
        InputError
            If one is asked for whose last component is uniform along some coordinates and Gaussian along others.
        """
        if isinstance(rows, (int, np.integer)):
            return self._one(range(len(self))[rows])
        uniform = None if self.uniform is None else self.uniform[rows]
        arrays = {name: getattr(self, name)[rows] for name in ("weights", "means", "covariances")}
        return replace(self, **arrays, uniform=uniform)

    def _one(self, i):
        weights, means, covariances = self.weights[i], self.means[i], self.covariances[i]
        if self.uniform is None or not self.uniform[i].any():
            return GaussianMixture(weights, means, covariances, self.names, self.units)
        if not self.uniform[i].all():
            raise InputError(
                f"the background of {list_rows([i])} is uniform along some coordinates and Gaussian along others, "
                "which no GaussianMixture is; use `mean`, `covariance`, `sample` or `quantiles`"
            )
        half = 0.5 * WIDTH * np.sqrt(np.diagonal(covariances[-1]))
        background = Background(means[-1] - half, means[-1] + half).with_fraction(weights[-1])
        return GaussianMixture(weights[:-1], means[:-1], covariances[:-1], self.names, self.units, background)

    @property
    def mean(self):
        """Mean of each mixture (N, D)."""
        return np.einsum("nk,nki->ni", self.weights, self.means)

    @property
    def covariance(self):
        """Covariance of each mixture (N, D, D): within its components, and of their means."""
        offsets = self.means - self.mean[:, None]
        within = np.einsum("nk,nkij->nij", self.weights, self.covariances)
        return within + np.einsum("nk,nki,nkj->nij", self.weights, offsets, offsets)

    @property
    def standard_deviation(self):
        """Standard deviation of each mixture along each coordinate (N, D)."""
        return np.sqrt(np.diagonal(self.covariance, axis1=1, axis2=2))

    def sample(self, n_samples, rng=None):
        """Draw from each mixture: points (N, n_samples, D); `rng` is a Generator, or a seed."""
        rng, n_samples = as_generator(rng), check_count(n_samples)
        N, K, D = self.means.shape
        draws = rng.random((N, n_samples, 1))
        labels = (draws >= np.cumsum(self.weights, axis=1)[:, None, :-1]).sum(axis=2)
        white = rng.standard_normal((N, n_samples, D))
        points = np.empty_like(white)
        for k in range(K):
            roots = square_roots(self.covariances[: None if self.covariances.strides[0] else 1, k])
            mine = self.means[:, k, None] + white @ roots
            if k == K - 1 and self.uniform is not None:
                flat = self._flat_points(rng, n_samples)
                mine = np.where(self.uniform[:, None], flat, mine)
            np.copyto(points, mine, where=(labels == k)[:, :, None])
        return points

    def _flat_points(self, rng, n_samples):
        """Draws from the uniform densities of the last component along all coordinates."""
        sigmas = np.sqrt(np.diagonal(self.covariances[:, -1], axis1=1, axis2=2))
        flat = rng.uniform(-0.5, 0.5, (len(self), n_samples, len(self.names)))
        return self.means[:, -1, None] + sigmas[:, None] * WIDTH * flat

    def quantiles(self, q):
        """Quantiles of each coordinate by itself: (N, D) for a number, (Q, N, D) for an array of Q probabilities.

        Raises
        ------
        InputError
            If a probability does not lie between 0 and 1.
        """
        levels = check_levels(q)
        sigmas = np.sqrt(np.diagonal(self.covariances, axis1=2, axis2=3))
        uniform = np.zeros(self.means[:, 0].shape, bool) if self.uniform is None else self.uniform
        result = np.empty((levels.size, *uniform.shape))
        for place, level in enumerate(levels.flat):
            for i in range(len(self.names)):
                shapes = self.weights, self.means[:, :, i], sigmas[:, :, i], uniform[:, i]
                result[place, :, i] = quantile(level, *shapes)
        return result.reshape(levels.shape + uniform.shape)
