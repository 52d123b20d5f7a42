"""The result of a fit: the mixture, how it was reached, and whether it is the maximum."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.basics.arrays import list_rows
from xdgmm.errors import DeprecatedAlias, InputError
from xdgmm.mixture import GaussianMixture

from .model import Model
from .progress import Passes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xdgmm.mixture import FitRecord
    from xdgmm.observations import Observations

    Floats = NDArray[np.float64]

NARROW, FEW = 0.05, 10.0  # relative width, and objects for each parameter of a mean, of a component of chance
METHODS = ("information", "sandwich", "bootstrap", "mcmc")
NOT_COUNTED = Passes()  # of results of version 0.1 in pickles
FEW_SEEN = 0.01  # completeness below which a mixture is extrapolated
ILL_POSED = 3.0  # errors of so many intrinsic widths


# The sentences of version 0.1.
OLD_OUTCOMES = {
    "a maximum was reached: less is predicted to remain than the tolerance in nats": "CONVERGED",
    "a maximum was reached, to rounding": "ROUNDING",
    "max_iter passes came first; raise max_iter, or loosen tol": "OUT_OF_PASSES",
    "no step raises the likelihood any more, but more than tol nats are predicted to remain; loosen tol": "STALLED",
}


class Outcome(Enum):
    """Why the fit ended; the value is the sentence for the user."""

    CONVERGED = "converged: the predicted gain is below tol"
    ROUNDING = "converged, to rounding"
    OUT_OF_PASSES = "not converged: max_iter passes were made; raise max_iter, or raise tol"
    STALLED = "not converged: no step raises the likelihood, but the predicted gain is above tol; raise tol"
    ALL_PASSES = "max_iter passes were made, as tol=0 requires"
    INTERRUPTED = "interrupted: this is the best mixture so far, not a maximum"
    STOPPED = "stopped by the callback: this is the best mixture so far, not a maximum"

    @classmethod
    def _missing_(cls, value: object) -> Outcome | None:
        """The outcomes of fits of version 0.1, in pickles and files."""
        return cls[OLD_OUTCOMES[value]] if isinstance(value, str) and value in OLD_OUTCOMES else None

    @property
    def converged(self) -> bool:
        """Is this a maximum?"""
        return self in (Outcome.CONVERGED, Outcome.ROUNDING)


@dataclass(frozen=True, eq=False)
class FitResult:
    """A fitted mixture and how it was reached.

    Attributes
    ----------
    mixture : GaussianMixture
        In the user's coordinates.
    log_likelihood : float
        Total, in nats, weights counted as frequencies.
    log_priors : dict
        Log-density of the parts of the prior at the mixture, in the user's units: "weights", "means" and
        "covariances", each zero where that part is flat.  Empty without a prior.
    model : Model
        What was fitted: covariance type, fixed parameters, prior, background.
    n_objects : int
        Rows that took part.
    total_weight : float
        Sum of their weights.
    outcome : Outcome
    predicted_gain : float
        Predicted further gain in nats, by a quadratic model restricted to covariances that stay valid; a lower bound
        where the passes ran out.
    residual : float
        Largest component of the gradient in units of one over the standard error: zero at the maximum.
    singular : ndarray of int (K,)
        In how many directions each component's covariance is exactly singular (a boundary optimum: there the
        noise explains all the scatter).
    smallest_eigenvalues : ndarray (K,)
        Smallest eigenvalue of each covariance, in the units of the data squared.
    effective_sizes : ndarray (K,)
        ``(sum omega r)^2 / sum (omega r)^2``: the effective sample size of each component.
    noise_ratio : ndarray (K, D)
        Median error of the members of each component over its intrinsic sigma, column by column: where it is much
        larger than one, deconvolution is ill-posed and the shape of the component is poorly known; infinite where sigma
        is zero.
    unmeasured_pairs : tuple of pairs of str
        Columns whose covariance does not enter the likelihood, so that its reported value has no meaning.
    history : ndarray
        Objective of every pass over all objects from the winning start: log-likelihood, plus log-prior if there is one.
    gain_history : ndarray (n, 2)
        Where the further gain was predicted: after how many of these passes, and the gain in nats; the last one is
        `predicted_gain`.  Empty in results of version 0.1.
    n_starts : int
        Number of starts.
    rows_beyond_background : tuple of int
        Rows more than 8 standard errors outside the box of the background, which hardly gives them a density.
    rows_beyond_flat : tuple of int
        Rows more than 8 standard errors outside the box of the flat components, in the columns in which they are flat.
    passes : Passes
        In each phase, of all starts, in full-data equivalents.
    completeness : float or None
        Fraction of all objects, seen and unseen, that the sample has: ``sum omega / sum (omega / Z_i)``.  None without
        a selection function.  `xdgmm.uncertainty.selection_errors` gives its error.
    """

    mixture: GaussianMixture
    log_likelihood: float
    log_priors: dict[str, float]
    model: Model
    n_objects: int
    total_weight: float
    outcome: Outcome
    predicted_gain: float
    residual: float
    singular: NDArray[np.intp]
    smallest_eigenvalues: Floats
    effective_sizes: Floats
    noise_ratio: Floats
    unmeasured_pairs: tuple[tuple[str, str], ...]
    history: Floats = field(repr=False)
    n_starts: int
    rows_beyond_background: tuple[int, ...] = ()
    passes: Passes = NOT_COUNTED
    gain_history: Floats | tuple[()] = field(default=(), repr=False)
    completeness: float | None = None
    rows_beyond_flat: tuple[int, ...] = ()

    effective_objects = DeprecatedAlias("effective_sizes")
    unmeasured = DeprecatedAlias("unmeasured_pairs")

    @property
    def n_passes(self) -> float:
        """All passes, over samples too, in full-data equivalents: the sum of `passes`."""
        return self.passes.total

    @property
    def record(self) -> FitRecord | None:
        """The record of the fit, in plain values: the source of the metadata of all reports."""
        return self.mixture.record

    def uncertainty(self, observations: Observations, method: str = "information", **options: Any) -> Any:
        """Uncertainty of the parameters; its method `propagate` gives that of any function of the mixture.

        The Hessian is computed once for one fit and the same `Observations`: width reports, relations and files share
        it.

        Parameters
        ----------
        observations : Observations
            Those that were fitted.
        method : {"information", "sandwich", "bootstrap", "mcmc"}
        **options
            Of `xdgmm.uncertainty.laplace`, `bootstrap` or `sample_posterior`.

        Returns
        -------
        Laplace, BootstrapSamples or PosteriorSamples

        Raises
        ------
        InputError
            If `method` is none of these, or the observations do not fit.

        Examples
        --------
        >>> from xdgmm import XDGMM, Observations, datasets
        >>> stars = Observations.from_table(datasets.load("hydrus1"), "v")
        >>> sigma = XDGMM().fit(stars).result_.uncertainty(stars).propagate(lambda mixture: mixture.sigmas[0, 0])
        >>> print(f"{sigma.value:.2f} +- {sigma.error:.2f} km/s")
        2.73 +- 0.43 km/s
        """
        from xdgmm import uncertainty

        if method not in METHODS:
            raise InputError(f"`method` is {method!r}, but it must be one of {', '.join(METHODS)}")
        if method in ("information", "sandwich"):
            return uncertainty.laplace(self.mixture, observations, kind=method, model=self.model, **options)
        sampler = uncertainty.bootstrap if method == "bootstrap" else uncertainty.sample_posterior
        return sampler(self, observations, **options)

    @property
    def log_posterior(self) -> float:
        """The objective: log-likelihood plus log-prior (which is zero without a prior), in nats."""
        return self.log_likelihood + sum(self.log_priors.values())

    @property
    def n_parameters(self) -> int:
        """Number of free parameters."""
        return self.model.n_parameters(self.mixture.n_components, self.mixture.n_dimensions)

    @property
    def converged(self) -> bool:
        """Was a maximum reached?"""
        return self.outcome.converged

    @property
    def near_singular(self) -> dict[int, float]:
        """Components that can follow chance, and their relative width.

        Where errors do not limit how narrow a component can be, the likelihood has spurious maxima: components of few
        objects that lie close together, or nearly in a plane, by chance (McLachlan & Peel 2000, *Finite Mixture
        Models*, sec. 3.10).  They are judged by their narrowest direction: its sigma relative to that of the whole
        mixture.
        """
        D = self.mixture.n_dimensions
        if self.mixture.n_components == 1 or self.model.prior is not None:
            return {}
        scales = replace(self.mixture.gaussians, dof=None)  # the covariance of a t distribution can be infinite
        whole, found = scales.covariance, {}
        for k, V in enumerate(self.mixture.covariances):
            values, vectors = np.linalg.eigh(V)
            across = vectors[:, 0]
            relative = float(np.sqrt(max(values[0], 0.0) / max(across @ whole @ across, 1e-300)))
            unlimited = self.noise_ratio[k].min() < 1.0 and values[0] > 0
            if relative < NARROW and self.effective_sizes[k] < FEW * (D + 1) and unlimited:
                found[k] = relative
        return found

    @property
    def remarks(self) -> tuple[str, ...]:
        """Remarks on components that are poorly determined, one sentence each."""
        return (
            *self._few_objects(),
            *self._pairs_not_measured(),
            *self._narrow(),
            *self._large_errors(),
            *_beyond(self.rows_beyond_background, "the background", self.n_objects),
            *_beyond(self.rows_beyond_flat, "the flat components", self.n_objects),
            *self.doubts_about_completeness,
        )

    def _few_objects(self) -> list[str]:
        needed = self.mixture.n_dimensions + 1
        return [
            f"component {k} has an effective sample size of {self.effective_sizes[k]:.1f} objects, but its covariance "
            f"needs {needed}: fit fewer components, or look at these objects"
            for k in np.flatnonzero(self.effective_sizes < needed)
        ]

    def _pairs_not_measured(self) -> list[str]:
        if not self.unmeasured_pairs:
            return []
        pairs = "; ".join(" and ".join(pair) for pair in self.unmeasured_pairs)
        sentence = (
            f"no object shows how these vary together, so their correlations are not measured: {pairs}; a covariance "
            "type without correlations leaves them out"
        )
        return [sentence]

    def _narrow(self) -> list[str]:
        return [
            f"component {k} is {narrow:.2g} times as wide as all objects together across its narrowest direction, and "
            f"has an effective sample size of {self.effective_sizes[k]:.1f}: so narrow a component of so few objects, "
            "with errors that do not limit it, can follow chance (a spurious maximum); compare with fewer components"
            for k, narrow in self.near_singular.items()
        ]

    @property
    def doubts_about_completeness(self) -> list[str]:
        """A sentence where next to nothing of the population is in the sample, by this fit; empty otherwise."""
        if self.completeness is None or self.completeness >= FEW_SEEN:
            return []
        sentence = (
            f"by this fit only a fraction of {self.completeness:.2g} of all objects is in the sample, so that the "
            "mixture is extrapolated from its tail: fix a parameter, or give a prior"
        )
        return [sentence]

    def _large_errors(self) -> list[str]:
        large = (self.noise_ratio > ILL_POSED) & (self.noise_ratio < np.inf)
        if not large.any():
            return []
        names = ", ".join(f"{self.mixture.names[i]} of component {k}" for k, i in np.argwhere(large))
        sentence = (
            f"the errors are more than {ILL_POSED:g} times the intrinsic width in {names}: such a width is only as "
            "good as the errors, and the shape behind it is poorly known"
        )
        return [sentence]


def _beyond(rows: tuple[int, ...], what: str, n_objects: int) -> list[str]:
    """A remark on rows outside the box of something."""
    if not rows:
        return []
    n, one, listed = len(rows), len(rows) == 1, list_rows(np.array(rows))
    sentence = (
        f"{n} of {n_objects} objects ({listed}) {'lies' if one else 'lie'} more than 8 standard errors "
        f"outside the box of {what}, so that the other components have to explain {'it' if one else 'them'}: widen the "
        f"box, or look at {'this object' if one else 'these objects'}"
    )
    return [sentence]
