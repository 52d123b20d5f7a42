"""What is fitted: the type of the covariances, what is held fixed, the prior, and the background."""

from dataclasses import dataclass, field, replace

import numpy as np

from xdgmm.errors import InputError
from xdgmm.mixture import Background, GaussianMixture

from .constraints import Constraints
from .covariance_types import COVARIANCE_TYPES
from .priors import Prior

CONFORMING = 1e-10  # relative difference between a covariance and one of its type


@dataclass(frozen=True)
class Fixed:
    """Parameters that keep their starting values, by the index of the component.

    Parameters
    ----------
    weights : tuple of int
        The other components divide the rest; K stands for the background.
    means, covariances : tuple of int

    Examples
    --------
    >>> from xdgmm import Fixed
    >>> Fixed(means=(1,), covariances=(1,))
    Fixed(weights=(), means=(1,), covariances=(1,))
    """

    weights: tuple = ()
    means: tuple = ()
    covariances: tuple = ()

    def __post_init__(self):
        """Tuples of different whole numbers."""
        for name in ("weights", "means", "covariances"):
            given = getattr(self, name)
            indices = tuple(given) if isinstance(given, (list, tuple, range, np.ndarray)) else (given,)
            whole = all(isinstance(k, (int, np.integer)) and not isinstance(k, (bool, np.bool_)) for k in indices)
            if not whole or len(set(indices)) < len(indices):
                raise InputError(
                    f"`{name}` of Fixed is {given!r}, but it must be a tuple of different component indices"
                )
            object.__setattr__(self, name, tuple(int(k) for k in indices))

    @property
    def anything(self):
        """Is there anything fixed?"""
        return bool(self.weights or self.means or self.covariances)

    def masks(self, n_components, n_weights):
        """Boolean arrays: fixed weights (n_weights,), means and covariances (K,)."""
        result = []
        for name, size in (("weights", n_weights), ("means", n_components), ("covariances", n_components)):
            wrong = [k for k in getattr(self, name) if not 0 <= k < size]
            if wrong:
                last = f"{size - 1}, the background's" if size > n_components else f"{size - 1}"
                raise InputError(
                    f"`{name}` of Fixed names component {wrong[0]}, but with `n_components` {n_components} the indices "
                    f"run from 0 to {last}"
                )
            mask = np.zeros(size, bool)
            mask[list(getattr(self, name))] = True
            result.append(mask)
        return result


@dataclass(frozen=True)
class Model:
    """What is fitted.

    Attributes
    ----------
    covariance_type : str
        "full", "tied", "diag" or "spherical".
    fixed : Fixed
    prior : Prior or None
    background : Background or None
        Resolved: with a box in the units of the observations.
    """

    covariance_type: str = "full"
    fixed: Fixed = field(default_factory=Fixed)
    prior: Prior | None = None
    background: Background | None = None

    def __post_init__(self):
        """Refuse what is no setting."""
        if not isinstance(self.covariance_type, str) or self.covariance_type not in COVARIANCE_TYPES:
            raise InputError(
                f"`covariance_type` is {self.covariance_type!r}, but it must be one of {', '.join(COVARIANCE_TYPES)}"
            )
        for name, kind in (("fixed", Fixed), ("prior", Prior), ("background", Background)):
            part = getattr(self, name)
            if not isinstance(part, kind) and not (part is None and name != "fixed"):
                raise InputError(f"`{name}` is {part!r}, but it must be a {kind.__name__}, or None")

    @classmethod
    def shown_by(cls, mixture):
        """The model that a mixture looks like: its background, and the narrowest type that its covariances have."""
        V = mixture.covariances
        K, D = mixture.means.shape
        kind = "full"
        for name in ("spherical", "diag") if D > 1 else ():
            conforming = COVARIANCE_TYPES[name].combined(V, np.ones(K))
            if kind == "full" and np.array_equal(conforming, V):
                kind = name
        if kind == "full" and K > 1 and (V[0] == V).all():
            kind = "tied"
        return cls(kind, background=mixture.background)

    @property
    def type(self):
        """The covariance type."""
        return COVARIANCE_TYPES[self.covariance_type]

    def n_parameters(self, n_components, n_dimensions):
        """Number of free parameters: what AIC and BIC count."""
        unhindered = replace(self, prior=None)  # which fixes nothing, and whose units are not known here
        return unhindered.constraints(n_components, n_dimensions).n_parameters(n_dimensions)

    def constraints(self, n_components, n_dimensions, units=None):
        """What the solvers ask, for K components in D dimensions, in the caller's units.

        Raises
        ------
        InputError
            If a fixed component does not exist, or a part of the prior has a wrong shape or value.
        """
        background = self.background is not None
        masks = self.fixed.masks(n_components, n_components + background)
        if self.covariance_type == "tied" and masks[2].any() and not masks[2].all():
            raise InputError(
                "`fixed` holds some covariances only, but with covariance_type='tied' all are the same one: fix all or "
                "none"
            )
        prior = self.prior and self.prior.terms(
            n_components, n_dimensions, units, background=background, tied=self.covariance_type == "tied"
        )
        return Constraints(self.type, *masks, prior)

    def log_priors(self, mixture):
        """Log-density of each part of the prior at a mixture, in its units; empty without a prior."""
        if self.prior is None:
            return {}
        terms = self.constraints(*mixture.means.shape, mixture.units).prior
        constants = terms.log_constants(self.prior)
        return {name: value + constants[name] for name, value in terms.log_densities(mixture).items()}

    def check_start(self, start):
        """Refuse a start that fixed parameters or the covariance type contradict."""
        fixed = start.all_weights[list(self.fixed.weights)].sum()
        some_free = len(self.fixed.weights) < start.all_weights.size
        if self.fixed.weights and some_free and fixed >= 1.0:
            raise InputError(
                f"the fixed weights sum to {fixed:g}, which leaves nothing for the other components; make it less than "
                "1"
            )
        if self.prior is not None and self.prior.weights is not None:
            impossible = (start.all_weights <= 0) & (self.prior.weights.arrays(start.all_weights.size) > 1)
            if impossible.any():
                raise InputError(
                    f"component {np.argmax(impossible)} starts with weight 0, where the prior on the weights is zero; "
                    "start with more"
                )
        if self.prior is not None and self.prior.covariances is not None:
            singular = np.flatnonzero(np.linalg.eigvalsh(start.covariances)[:, 0] <= 0)
            if singular.size:
                raise InputError(
                    f"the covariance of component {singular[0]} is singular at the start, where the prior on the "
                    "covariances is zero; start from a positive definite one"
                )
        conform = self.type.combined(start.covariances, np.ones(start.n_components))
        size = np.abs(start.covariances).max(axis=(1, 2))
        for k in self.fixed.covariances:
            if np.abs(conform[k] - start.covariances[k]).max() > CONFORMING * size[k]:
                raise InputError(
                    f"the fixed covariance of component {k} is not of covariance_type='{self.covariance_type}'; give "
                    "one that is, or use 'full'"
                )


def with_background(mixture, background):
    """A mixture of Gaussians (K,) beside a background that takes its fraction of the weight."""
    if background is None:
        return mixture
    weights = (1.0 - background.fraction) * mixture.weights
    return GaussianMixture(weights, mixture.means, mixture.covariances, mixture.names, mixture.units, background)
