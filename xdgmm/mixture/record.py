"""`FitRecord`: what a mixture was fitted to, how, and how well, in plain values that a file can keep."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.basics.arrays import as_floats, read_only
from xdgmm.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False)
class FitRecord:
    """The record of the fit that gave a mixture; `mixture.record` of a fitted one.

    The density does not depend on it.  A mixture made from another one (a marginal, an affine map, ...) has no record.

    Attributes
    ----------
    model : dict
        What was fitted: "covariance_type", "fixed" and "prior" in plain values, in the units of the mixture;
        "memberships" is "known" where the data had them, "selection_function" is the `SelectionFunction` itself, where
        there was one.
    n_objects : int
        Objects that took part.
    total_weight : float
        Sum of their weights.
    log_likelihood : float
        Total, in nats.
    log_priors : dict
        Log-density of each part of the prior at the mixture; empty without one.
    n_parameters : int
        Free parameters.
    outcome : str
        Why the fit ended, in a sentence.
    converged : bool
        Was a maximum reached?
    remarks : tuple of str
        On the data: which columns the errors came from, what was missing.
    data_hash : str
        Hash that identifies the data (`xdgmm.observations.fingerprint`).
    version : str
        Of the package that made the fit.
    date : str
        When, in UTC (ISO 8601).
    covariance : ndarray (P, P) or None
        Of the parameters, where it was computed (`xdgmm.uncertainty.with_errors`): weights, the background's fraction
        if there is one, means, packed lower triangles of the covariances.
    selection : dict or None
        The candidates from which the fit was chosen, if it was (`xdgmm.selection.table_of` makes a table of them).
    recipe : str
        The call or the command that repeats the fit, with its seed, and the version; empty where it is not known.
    device : str
        Where the passes were made, with the name of the graphics card if there was one; "workers" where those of a
        cluster made them, each on a device of its own; "cpu" in files that do not say.
    """

    model: dict[str, Any]
    n_objects: int
    total_weight: float
    log_likelihood: float
    log_priors: dict[str, float]
    n_parameters: int
    outcome: str
    converged: bool
    remarks: tuple[str, ...]
    data_hash: str
    version: str
    date: str
    covariance: NDArray[np.float64] | None = field(default=None, repr=False)
    selection: dict[str, Any] | None = field(default=None, repr=False)
    recipe: str = ""
    device: str = "cpu"

    def __post_init__(self) -> None:
        """Make the remarks a tuple and the covariance read-only."""
        object.__setattr__(self, "remarks", tuple(self.remarks))
        if self.covariance is not None:
            object.__setattr__(self, "covariance", read_only(np.array(self.covariance, dtype=float)))

    def with_covariance(self, covariance: ArrayLike) -> FitRecord:
        """The same record with the covariance (P, P) of the parameters.

        Raises
        ------
        InputError
            If it is not a square matrix of numbers.
        """
        matrix = as_floats(covariance, "covariance")[0]
        if matrix.ndim != 2 or len(set(matrix.shape)) != 1:
            raise InputError(f"`covariance` of the parameters has shape {matrix.shape}, but it must be square")
        return replace(self, covariance=matrix)
