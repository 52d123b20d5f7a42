"""What is fitted: the type of the covariances, what is fixed, the prior, and the background."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from xdgmm.errors import DeprecatedAlias, InputError
from xdgmm.mixture import Background, Flat, GaussianMixture, SelectionFunction, check_memberships
from xdgmm.mixture.families import check_dof

from .constraints import Constraints
from .covariance_types import COVARIANCE_TYPES, CovarianceType
from .priors import InverseWishart, Prior

if TYPE_CHECKING:
    from astropy.units import UnitBase
    from numpy.typing import NDArray

    from xdgmm.observations import Observations

    from .priors import PriorTerms

SAME_TYPE = 1e-10  # largest relative difference between a fixed covariance and the nearest one of the type
FAMILIES = ("gaussian", "t")
FITTED_DOF = ("fit", "shared")
STARTING_DOF = 5.0
SHRINKAGE = 1e-6  # fraction of the covariance of exact values that comes from a shrinkage prior


@dataclass(frozen=True)
class Fixed:
    """Parameters that keep their starting values, by the index of the component.

    Parameters
    ----------
    weights : tuple of int
        The other weights sum to one less these; K is the index of the background.
    means, covariances : tuple of int

    Examples
    --------
    >>> from xdgmm import Fixed
    >>> Fixed(means=(1,), covariances=(1,))
    Fixed(weights=(), means=(1,), covariances=(1,))
    """

    weights: tuple[int, ...] = ()
    means: tuple[int, ...] = ()
    covariances: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Make tuples of different whole numbers."""
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
    def anything(self) -> bool:
        """Is any parameter fixed?"""
        return bool(self.weights or self.means or self.covariances)

    def masks(
        self, n_components: int, n_weights: int
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
        """Boolean arrays: fixed weights (n_weights,), means and covariances (K,)."""
        weights = self._mask("weights", n_weights, n_components)
        means, covariances = (self._mask(name, n_components, n_components) for name in ("means", "covariances"))
        return weights, means, covariances

    def _mask(self, name: str, size: int, n_components: int) -> NDArray[np.bool_]:
        indices = getattr(self, name)
        wrong = [k for k in indices if not 0 <= k < size]
        if wrong:
            last = f"{size - 1}, the background's" if size > n_components else f"{size - 1}"
            raise InputError(
                f"`{name}` of Fixed names component {wrong[0]}, but with `n_components` {n_components} the indices "
                f"run from 0 to {last}"
            )
        mask = np.zeros(size, bool)
        mask[list(indices)] = True
        return mask


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
        In a fit's result and in a `Problem` with a box, in the units of the observations.
    family : str
        What the components are: "gaussian" or "t".
    dof : float, sequence of float, str or None
        Degrees of freedom of the family "t": one number, or one for each component, which are fixed; "fit" fits those
        of each component, "shared" one number for all.
    flat : Flat or None
        Which columns the last components are flat in; in a `Problem` in the units of the observations.
    known_memberships : bool
        Do the observations say to which component each object belongs, and with which probability?  The weights are
        then not fitted.  A `Problem` sets it.
    selection_function : SelectionFunction or None
        Which objects the sample has.
    """

    covariance_type: str = "full"
    fixed: Fixed = field(default_factory=Fixed)
    prior: Prior | None = None
    background: Background | None = None
    family: str = "gaussian"
    dof: float | tuple[float, ...] | str | None = None
    flat: Flat | None = None
    known_memberships: bool = False
    selection_function: SelectionFunction | None = None

    shown_by = DeprecatedAlias("inferred_from")

    def __post_init__(self) -> None:
        """Refuse settings of another type."""
        if not isinstance(self.covariance_type, str) or self.covariance_type not in COVARIANCE_TYPES:
            raise InputError(
                f"`covariance_type` is {self.covariance_type!r}, but it must be one of {', '.join(COVARIANCE_TYPES)}"
            )
        kinds = {"fixed": Fixed, "prior": Prior, "background": Background, "flat": Flat}
        for name, kind in {**kinds, "selection_function": SelectionFunction}.items():
            part = getattr(self, name)
            if not isinstance(part, kind) and not (part is None and name != "fixed"):
                raise InputError(f"`{name}` is {part!r}, but it must be a {kind.__name__}, or None")
        self._check_family()
        self._check_selection()

    def _check_selection(self) -> None:
        """Refuse what cannot be combined with a selection function."""
        if self.selection_function is None:
            return
        if self.family != "gaussian":
            raise InputError("`selection_function` and `family='t'` cannot be combined yet; use Gaussian components")
        if self.background is not None and self.background.fitted_edges:
            raise InputError(
                "beside a selection function the edges of a background cannot be fitted; give it `low` and `high`"
            )

    def _check_family(self) -> None:
        """Refuse an unknown family, and degrees of freedom that do not go with it; a sequence becomes a tuple."""
        if not isinstance(self.family, str) or self.family not in FAMILIES:
            raise InputError(f"`family` is {self.family!r}, but it must be one of {', '.join(FAMILIES)}")
        if self.family != "t":
            if self.dof is not None:
                raise InputError(f"`dof` is {self.dof!r}, but Gaussian components have none; give `family='t'` with it")
            return
        if self.dof is None:
            object.__setattr__(self, "dof", "fit")
        elif isinstance(self.dof, str):
            if self.dof not in FITTED_DOF:
                raise InputError(f"`dof` is {self.dof!r}, but it must be numbers, or one of {', '.join(FITTED_DOF)}")
        else:
            several = np.ndim(self.dof) > 0
            values = check_dof(self.dof, len(self.dof) if several else 1)  # type: ignore[arg-type]
            assert values is not None
            object.__setattr__(self, "dof", tuple(values.tolist()) if several else float(values[0]))

    @classmethod
    def inferred_from(cls, mixture: GaussianMixture) -> Model:
        """The model of a mixture without a record: its background, and the simplest type that its covariances have."""
        V = mixture.covariances
        K, D = mixture.means.shape
        kind = "full"
        for name in ("spherical", "diag") if D > 1 else ():
            if kind == "full" and np.array_equal(COVARIANCE_TYPES[name].combined(V, np.ones(K)), V):
                kind = name
        if kind == "full" and K > 1 and (V[0] == V).all():
            kind = "tied"
        family, dof = ("gaussian", None) if mixture.dof is None else ("t", "fit")
        return cls(kind, background=mixture.background, family=family, dof=dof, flat=mixture.flat)

    @property
    def of_gaussians(self) -> Model:
        """The same model with Gaussian components."""
        return replace(self, family="gaussian", dof=None)

    @property
    def type(self) -> CovarianceType:
        """The covariance type."""
        return COVARIANCE_TYPES[self.covariance_type]

    def n_parameters(self, n_components: int, n_dimensions: int) -> int:
        """Number of free parameters, as AIC and BIC count them."""
        without_prior = replace(self, prior=None)  # which fixes nothing, and whose units are not known here
        of_box = 2 * n_dimensions if self.background is not None and self.background.fitted_edges else 0
        return of_box + without_prior.constraints(n_components, n_dimensions).n_parameters(n_dimensions)

    def constraints(
        self, n_components: int, n_dimensions: int, units: tuple[UnitBase | None, ...] | None = None
    ) -> Constraints:
        """The model for K components in D dimensions as the solvers use it, in the user's units.

        Raises
        ------
        InputError
            If a fixed component does not exist, or a part of the prior has a wrong shape or value.
        """
        masks = self.fixed.masks(n_components, n_components + (self.background is not None))
        if self.covariance_type == "tied" and masks[2].any() and not masks[2].all():
            raise InputError(
                "`fixed` holds some covariances only, but with covariance_type='tied' all are the same one: fix all or "
                "none"
            )
        prior = None if self.prior is None else self._terms(self.prior, n_components, n_dimensions, units)
        dof, indices = self._dof(n_components)
        absent = None if self.flat is None else self.flat.mask(n_components, n_dimensions)
        return Constraints(self.type, *masks, prior=prior, dof=dof, dof_indices=indices, absent=absent)

    def _dof(self, n_components: int) -> tuple[NDArray[np.float64] | None, NDArray[np.intp] | None]:
        """Degrees of freedom (K,) at the start, and which free parameter each is (K,), -1 where it is fixed."""
        if self.dof is None:
            return None, None
        if isinstance(self.dof, str):
            indices = np.arange(n_components) if self.dof == "fit" else np.zeros(n_components, int)
            return np.full(n_components, STARTING_DOF), indices
        if isinstance(self.dof, tuple) and len(self.dof) != n_components:
            raise InputError(
                f"`dof` holds {len(self.dof)} numbers, but `n_components` is {n_components}; give one for each, or one "
                "for all"
            )
        return np.broadcast_to(np.asarray(self.dof, dtype=float), (n_components,)), np.full(n_components, -1)

    def _terms(
        self, prior: Prior, n_components: int, n_dimensions: int, units: tuple[UnitBase | None, ...] | None
    ) -> PriorTerms:
        background, tied = self.background is not None, self.covariance_type == "tied"
        return prior.terms(n_components, n_dimensions, units, background=background, tied=tied)

    def with_memberships(self, observations: Observations, n_components: int) -> Model:
        """The model for these observations: where they have known memberships all weights are fixed.

        Raises
        ------
        InputError
            If there are not as many memberships as components, there is a prior on the weights, or the model needs
            memberships and the observations have none.
        """
        if observations.memberships is None:
            if self.known_memberships:
                raise InputError(
                    "the model was fitted with `memberships` known beforehand, but these observations have none; give "
                    "them, as Observations.with_memberships does"
                )
            return self
        n_weights = n_components + (self.background is not None)
        check_memberships(observations, n_weights, self.background, self.family)
        if self.prior is not None and self.prior.weights is not None:
            raise InputError(
                "`prior` has a part on the weights, but memberships known beforehand take their place; leave one of "
                "the two out"
            )
        fixed = replace(self.fixed, weights=tuple(range(n_weights)))
        return replace(self, fixed=fixed, known_memberships=True)

    def with_flat(self, observations: Observations, n_components: int) -> Model:
        """The model with its flat components in the coordinates of observations.

        Raises
        ------
        InputError
            If these do not fit the observations, the number of components or the rest of the model.
        """
        if self.flat is None:
            return self
        if n_components <= self.flat.n_components:
            n_flat = self.flat.n_components
            counted = "flat component" if n_flat == 1 else f"{n_flat} flat components"
            raise InputError(
                f"`n_components` is {n_components}, but it counts the {counted} too; give at least {n_flat + 1}"
            )
        self._check_flat()
        self.flat.check_measured(observations)
        return replace(self, flat=self.flat.in_coordinates(observations.names, observations.units))

    def _check_flat(self) -> None:
        if self.covariance_type not in ("full", "diag"):
            raise InputError(
                f"`covariance_type` is {self.covariance_type!r}, but flat components have another shape than "
                "others; use 'full' or 'diag'"
            )
        if self.family != "gaussian":
            raise InputError("`flat` cannot be combined with `family='t'`; leave one of the two out")
        if self.selection_function is not None:
            raise InputError("`flat` cannot be combined with `selection_function`; leave one of the two out")
        if self.prior is not None and (self.prior.means is not None or self.prior.covariances is not None):
            raise InputError(
                "`prior` has a part on means or covariances, which flat components do not have in all columns; give "
                "one on the weights alone, or leave `flat` out"
            )

    def log_priors(self, mixture: GaussianMixture) -> dict[str, float]:
        """Log-density of each part of the prior at a mixture, in its units; empty without a prior."""
        if self.prior is None:
            return {}
        terms = self._terms(self.prior, mixture.n_components, mixture.n_dimensions, mixture.units)
        constants = terms.log_constants(self.prior)
        return {name: value + constants[name] for name, value in terms.log_densities(mixture).items()}

    def check_start(self, start: GaussianMixture) -> None:
        """Refuse a start that contradicts fixed parameters, the prior or the covariance type.

        Raises
        ------
        InputError
            If it does.
        """
        self._check_starting_weights(start)
        if self.prior is not None and self.prior.covariances is not None:
            singular = np.flatnonzero(np.linalg.eigvalsh(start.covariances)[:, 0] <= 0)
            if singular.size:
                raise InputError(
                    f"the covariance of component {singular[0]} is singular at the start, where the prior on the "
                    "covariances is zero; start from a positive definite one"
                )
        of_type = self.type.combined(start.covariances, np.ones(start.n_components))
        size = np.abs(start.covariances).max(axis=(1, 2))
        for k in self.fixed.covariances:
            if np.abs(of_type[k] - start.covariances[k]).max() > SAME_TYPE * size[k]:
                raise InputError(
                    f"the fixed covariance of component {k} is not of covariance_type='{self.covariance_type}'; give "
                    "one that is, or use 'full'"
                )

    def _check_starting_weights(self, start: GaussianMixture) -> None:
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


def with_background(mixture: GaussianMixture, background: Background | None) -> GaussianMixture:
    """A mixture of Gaussians (K,) beside a background, whose fraction is taken from all weights."""
    if background is None:
        return mixture
    weights = (1.0 - background.fraction) * mixture.weights
    coordinates = mixture.names, mixture.units
    arrays, dof, flat = (weights, mixture.means, mixture.covariances), mixture.dof, mixture.flat
    return GaussianMixture(*arrays, *coordinates, background, dof, flat)


def shrinkage_prior(observations: Observations, n_components: int, model: Model) -> Prior | None:
    """The prior by which one Gaussian for exact values gets a small width in directions without scatter.

    Its covariance is then ``(1 - c) S + c diag(S)`` with c = 1e-6 and S the scatter of the values.  One Gaussian
    follows S for any rank, so that the answer does not depend on where a component collapses, as with several ones.

    Returns
    -------
    Prior or None
        None for several components, where values are noisy, missing or the same in all of a column, or if the model is
        more than a covariance type.

    Notes
    -----
    The maximum of the posterior is ``(N S + Psi) / (N + nu + D + 1)``, with the density of `InverseWishart`.  With a
    fixed c this is linear shrinkage to the diagonal (Schaefer & Strimmer 2005, Stat. Appl. Genet. Mol. Biol. 4, 32).
    """
    counted = observations.select(observations.counts)
    single = n_components == 1 and model == Model(model.covariance_type) and counted.projections is None
    if not single or counted.variances.any() or not counted.present.all():
        return None
    weights, total = counted.weights, counted.total_weight
    about = counted.values - np.average(counted.values, axis=0, weights=weights)
    scatter = np.average(about**2, axis=0, weights=weights)
    if (scatter <= np.finfo(float).eps ** 2 * (counted.values**2).max(axis=0)).any():
        return None
    strength = total * SHRINKAGE / (1.0 - SHRINKAGE)
    return Prior(covariances=InverseWishart(np.diag(strength * scatter), strength - observations.n_dimensions - 1))
