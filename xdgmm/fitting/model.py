"""What is fitted: the type of the covariances, what is held fixed, the prior, and the background.

`Model` is the setting, checked against K and D when both are known; `Constraints` is what the solvers ask.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from xdgmm import kernels
from xdgmm.errors import InputError
from xdgmm.mixture import Background, GaussianMixture

from .covariance_types import COVARIANCE_TYPES
from .priors import Prior, Terms

CONFORMING = 1e-10  # relative difference between a covariance and one of its type


@dataclass(frozen=True)
class Fixed:
    """Parameters that keep their starting values, by the index of the component.

    Parameters
    ----------
    weights : tuple of int
        The other components share what is left; K stands for the background.
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

    def masks(self, n_components, n_shares):
        """Boolean arrays: fixed shares (n_shares,), means and covariances (K,)."""
        result = []
        for name, size in (("weights", n_shares), ("means", n_components), ("covariances", n_components)):
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
        fixed = start.shares[list(self.fixed.weights)].sum()
        some_free = len(self.fixed.weights) < start.shares.size
        if self.fixed.weights and some_free and fixed >= 1.0:
            raise InputError(
                f"the fixed weights sum to {fixed:g}, which leaves nothing for the other components; make it less than "
                "1"
            )
        if self.prior is not None and self.prior.weights is not None:
            impossible = (start.shares <= 0) & (self.prior.weights.arrays(start.shares.size) > 1)
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


@dataclass(frozen=True)
class Pinned:
    """One intrinsic variance held at a value: that of `component` along coordinate `axis`."""

    component: int
    axis: int
    variance: float


@dataclass(frozen=True, eq=False)
class Constraints:
    """What the solvers ask: which parameters are free, and the prior on them, if any.

    Attributes
    ----------
    type : object
        One of `COVARIANCE_TYPES`.
    fixed_shares : ndarray of bool (K,) or (K + 1,)
    fixed_means, fixed_covariances : ndarray of bool (K,)
    prior : Terms or None
        In the coordinates of the solvers.
    pinned : Pinned or None
    floor : ndarray (K, D, D) or None
        Smallest covariances: only what is above them has coordinates.
    flat : int or None
        A component whose narrowest principal axis has no width, and gets none.
    """

    type: object
    fixed_shares: np.ndarray
    fixed_means: np.ndarray
    fixed_covariances: np.ndarray
    prior: Terms | None = None
    pinned: Pinned | None = None
    floor: np.ndarray | None = None
    flat: int | None = None

    @classmethod
    def none(cls, mixture):
        """All parameters of a mixture are free."""
        K = mixture.n_components
        return cls(COVARIANCE_TYPES["full"], np.zeros(mixture.shares.size, bool), np.zeros(K, bool), np.zeros(K, bool))

    @property
    def keeps_order(self):
        """Does it matter which component is which?"""
        fixed = self.fixed_shares.any() or self.fixed_means.any() or self.fixed_covariances.any()
        return bool(fixed) or (self.prior is not None and not self.prior.symmetric)

    @property
    def separable(self):
        """Is each component, given the labels, maximised by itself, without a prior or anything fixed?"""
        tied = self.type is COVARIANCE_TYPES["tied"] and len(self.fixed_means) > 1
        fixed = self.fixed_means.any() or self.fixed_covariances.any()
        return not (tied or fixed or self.prior is not None)

    @property
    def unheld(self):
        """Is there neither a pin nor a floor nor a flat component, which the steps of EM would not respect?"""
        return self.pinned is None and self.floor is None and self.flat is None

    @property
    def regular(self):
        """Does the prior keep covariances from becoming singular?"""
        return self.prior is not None and self.prior.bounds_covariances

    @property
    def movable(self):
        """Components of which nothing but the covariances' type is prescribed (K,)."""
        K = len(self.fixed_means)
        return ~(self.fixed_shares[:K] | self.fixed_means | self.fixed_covariances)

    def n_parameters(self, n_dimensions):
        """Number of free parameters: weights, but for their sum, means, and covariances."""
        owners = self.owners(*kernels.triangle(n_dimensions))
        free_means = np.count_nonzero(~self.fixed_means) * n_dimensions
        return max(np.count_nonzero(~self.fixed_shares) - 1, 0) + free_means + np.unique(owners[owners >= 0]).size

    def pin(self, component, axis, variance):
        """The same constraints with one variance held at a value."""
        return replace(self, pinned=Pinned(component, axis, variance))

    def above(self, floor):
        """The same constraints with covariances no smaller than these (K, D, D) in any direction."""
        return replace(self, floor=floor)

    def flattened(self, component):
        """The same constraints with a component that has no width along its narrowest axis, and gets none."""
        return replace(self, flat=component)

    def excess(self, covariances):
        """What covariances (K, D, D) have above the floor."""
        return covariances if self.floor is None else covariances - self.floor

    def standardised(self, scaling):
        """The same constraints on the mixture of standardised values."""
        return self if self.prior is None else replace(self, prior=self.prior.standardised(scaling))

    def tempered(self, fraction):
        """The constraints for this fraction of the objects: the prior counts only so much."""
        return self if self.prior is None else replace(self, prior=self.prior.tempered(fraction))

    def ordered(self, order):
        """The constraints of components in another order (K,)."""
        K = len(order)
        shares = np.concatenate([self.fixed_shares[:K][order], self.fixed_shares[K:]])
        prior = self.prior and self.prior.ordered(order)
        return replace(
            self,
            fixed_shares=shares,
            fixed_means=self.fixed_means[order],
            fixed_covariances=self.fixed_covariances[order],
            prior=prior,
        )

    def shares(self, now, counts):
        """Shares proportional to the counts, both (S,): fixed ones stay, and the others divide the rest."""
        free = ~self.fixed_shares
        rest = 1.0 - now[self.fixed_shares].sum()
        total = counts[free].sum()
        result = now.copy()
        if free.any() and total > 0:
            result[free] = rest * (counts[free] / total)
        return result

    def covariances(self, now, matrices, counts):
        """Covariances (K, D, D) of the type nearest to matrices that count so much (K,); fixed ones stay."""
        combined = self.type.combined(matrices, np.maximum(counts, 1e-300))
        return np.where(self.fixed_covariances[:, None, None], now, combined)

    def metric(self, information, counts):
        """Roots of the type (K, D, D) for information per object (K, D, D) of components that count so much (K,)."""
        return self.type.metric(self.type.combined(information, np.maximum(counts, 1e-300)))

    def owners(self, rows, columns):
        """Which factor parameter each packed element of each component belongs to (K, n); -1 where it is held."""
        owners = self.type.owners(len(self.fixed_means), rows, columns)
        owners[self.fixed_covariances] = -1
        if self.flat is not None:  # factors are turned, so that its last column is that of the narrowest axis
            owners[np.isin(owners, owners[self.flat][columns == columns.max()])] = -1
        if self.pinned is not None:
            owners[np.isin(owners, self._pinned_owners(owners, rows, columns))] = -1
        return owners

    def _pinned_owners(self, owners, rows, columns):
        """Parameters that would change the variance pinned; its axis comes first in factors that are turned."""
        k, axis = self.pinned.component, self.pinned.axis
        first = (columns == 0) & ((rows == 0) | (self.pinned.variance == 0.0))
        held = owners[k][first if self.type.turned else (rows == axis) & (columns == axis)]
        return held[held >= 0]

    def is_pinned(self, k):
        """Is a variance of component k held, so that its factor starts with that axis?"""
        if self.pinned is None or not self.type.turned:
            return False
        return self.type is COVARIANCE_TYPES["tied"] or self.pinned.component == k

    def conforming(self, mixture):
        """The mixture with covariances of the type, counted by weight."""
        covariances = self.covariances(mixture.covariances, mixture.covariances, mixture.weights)
        return mixture.with_parameters(mixture.shares, mixture.means, covariances)


def with_background(mixture, background):
    """A mixture of Gaussians (K,) beside a background that takes its fraction of the weight."""
    if background is None:
        return mixture
    weights = (1.0 - background.fraction) * mixture.weights
    return GaussianMixture(weights, mixture.means, mixture.covariances, mixture.names, mixture.units, background)
