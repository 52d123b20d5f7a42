"""The data as solvers use them: passes over them, samples of them, their totals.

The solvers, and what `fitting` and `uncertainty` do with their passes, use measurements only through `Data`, in
standardised coordinates.  `PackedData` (in the memory of this machine, compiled passes), `CensoredData` (objects with
limits), `JoinedData` (several of them), `StreamedData` (parts that are read anew for each pass) and `ReferenceData`
(plain NumPy) implement it; `Observations.pack` makes one.
To add a backend or a source of data, write a class with these methods and add it to the list of
`tests/kernels/test_data.py`: its tests are the contract.

What is made once of single objects still reads `Observations`: robust location and spread, starts, the scores of the
sandwich and resamples.

Arrays are those of a mixture: weights (K,), means (K, D) and covariances (K, D, D).  With a background there is one
weight more (K + 1,): the background's, which comes last, as it does in members and responsibilities.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .posteriors import Posteriors
    from .statistics import Gradients, Statistics

    Floats = NDArray[np.float64]


class SigmaProfile(Protocol):
    """Likelihood of the sigma of one component, maximised over its mean, responsibilities held fixed (one coordinate).

    Attributes
    ----------
    span : float
        Largest less smallest value of the members.
    lowest : float
        Smallest value of the members.
    any_exact : bool
        Does some member have no error?
    """

    @property
    def span(self) -> float: ...  # noqa: D102

    @property
    def lowest(self) -> float: ...  # noqa: D102

    @property
    def any_exact(self) -> bool: ...  # noqa: D102

    def __call__(self, variance: float) -> tuple[float, float, float, float]:
        """At an intrinsic variance, with ``t = variance + e^2`` and weights omega r.

        Returns
        -------
        mean, precision, squares, log_likelihood
            Mean ``mu = (sum w x / t) / (sum w / t)``, ``sum w / t``, ``sum w (x - mu)^2 / t^2``, and the log-likelihood
            up to a constant.
        """


@runtime_checkable
class Data(Protocol):
    """Measurements of the objects that count (at least one value, weight above zero) and passes over them.

    Attributes
    ----------
    n_objects : int
    n_dimensions : int
        Number of coordinates D of the mixture.
    total_weight : float
        Sum of the object weights.
    object_weights : ndarray (n_objects,)
    rows : ndarray of int (n_objects,)
        Which rows of the caller's observations the objects are.
    projected : bool
        Are the values projections of the coordinates?
    has_sigma_profile : bool
        Does `sigma_profile` hold for all objects, if D = 1?
    """

    @property
    def n_objects(self) -> int: ...  # noqa: D102

    @property
    def n_dimensions(self) -> int: ...  # noqa: D102

    @property
    def total_weight(self) -> float: ...  # noqa: D102

    @property
    def object_weights(self) -> Floats: ...  # noqa: D102

    @property
    def rows(self) -> NDArray[np.intp]: ...  # noqa: D102

    @property
    def projected(self) -> bool: ...  # noqa: D102

    @property
    def has_sigma_profile(self) -> bool: ...  # noqa: D102

    def accumulate(self, weights: Floats, means: Floats, covariances: Floats) -> Statistics:
        """One pass: log-likelihood and gradient."""

    def accumulate_with_information(self, weights: Floats, means: Floats, covariances: Floats) -> Statistics:
        """One pass: log-likelihood, gradient and information."""

    def gradients(self, weights: Floats, means: Floats, covariances: Floats) -> Gradients:
        """Log-likelihood and gradient under each of W mixtures, whose arrays have one axis more in front."""

    def log_likelihoods(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """``ln p(w_i)`` of each object (n_objects,); minus infinity where the density is zero."""

    def responsibilities(
        self, weights: Floats, means: Floats, covariances: Floats, component: int | None = None
    ) -> Floats:
        """Probability that each object belongs to each component (n_objects, K), or to one of them (n_objects, 1).

        Not a number for an object at which every component has density zero.
        """

    def total_log_likelihoods(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """Log-likelihood of all objects under each of W mixtures, whose arrays have one axis more in front (W,)."""

    def posteriors(self, weights: Floats, means: Floats, covariances: Floats, *, of_each: bool = False) -> Posteriors:
        """What is known of each object: `Posteriors`; `of_each`: under each Gaussian too."""

    def subsample(self, n_objects: int) -> Data:
        """About so many of the objects, always the same ones; the data themselves if they hold no more objects."""

    def with_background(self, log_densities: Floats) -> Data:
        """The same objects with other log-densities (n_objects,) of the background that they were packed with."""

    def effective_sizes(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """``(sum omega r)^2 / sum (omega r)^2`` of each Gaussian component (K,): how many objects determine it."""

    def typical_errors(self, weights: Floats, means: Floats, covariances: Floats) -> Floats:
        """Median 1-sigma error of the members of each Gaussian component in each coordinate (K, D).

        Zero where there are no members, infinite where the values of most of them do not depend on the coordinate.
        """

    def sigma_profile(self, weights: Floats, means: Floats, covariances: Floats, component: int) -> SigmaProfile | None:
        """Profile likelihood of the sigma of a component (D = 1); None without members or `has_sigma_profile`."""
