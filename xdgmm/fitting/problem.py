"""`Problem`: this model, these observations, in the coordinates of the solvers.

Fits, and errors, limits, resamples and posteriors after them, need the same things: units converted, coordinates
standardised, constraints and prior in these coordinates, data packed, and the map back to the user's units.  A
`Problem` makes each of them once.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from xdgmm.basics.blas import one_blas_thread
from xdgmm.basics.digests import digest
from xdgmm.errors import DegenerateError, InputError
from xdgmm.kernels import RecordedData
from xdgmm.mixture import GaussianMixture, pack_beside
from xdgmm.observations import discovered, unmeasured_coordinates
from xdgmm.observations.checks import check_columns_present

from . import solvers
from .newton import quadratic_model
from .objective import UNLIMITED, Objective
from .optimality import Iterate
from .record import model_of
from .selector import Selector
from .standardisation import Standardisation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xdgmm.kernels import Data, Statistics
    from xdgmm.mixture import Background, Flat, SelectionFunction
    from xdgmm.observations import Observations, ObservationSource, StreamedObservations

    AnyObservations: TypeAlias = Observations | StreamedObservations

    from .constraints import Constraints
    from .model import Model
    from .progress import Monitor, PassCounter

KEPT = "problem"  # name under which observations keep the last problem made of them
PASS_LOG = "passes"  # and the log of passes over them, while there is one


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A problem at one mixture.

    Attributes
    ----------
    problem : Problem
    mixture : GaussianMixture
        In the user's coordinates.
    iterate : Iterate
        The same in the coordinates of the solvers, with its statistics.
    memo : dict
        Results that others computed from it (normal approximations), kept so that they are computed once.
    """

    problem: Problem
    mixture: GaussianMixture
    iterate: Iterate
    memo: dict[Any, Any] = field(default_factory=dict, repr=False)

    @property
    def statistics(self) -> Statistics:
        """Sums of the pass at the mixture."""
        return self.iterate.statistics

    @cached_property
    @one_blas_thread()
    def hessian(self) -> NDArray[np.float64]:
        """Second derivatives of the objective in the free coordinates, by central differences of its gradient."""
        iterate, objective = self.iterate, self.problem.objective()
        return quadratic_model(iterate.mixture, iterate.statistics, objective, iterate.singular, central=True).hessian


@dataclass(frozen=True)
class Packing:
    """Packs observations in the user's units as `Data` for the solvers; small, so that it can be sent elsewhere.

    Attributes
    ----------
    scaling : Standardisation
    background : Background or None
    flat : Flat or None
    """

    scaling: Standardisation
    background: Background | None
    flat: Flat | None

    def __call__(self, observations: Observations) -> Data:
        """`Data` of observations, standardised."""
        return self.scaling.pack(observations, self.background, self.flat)


class Problem:
    """A model and observations, in the coordinates of the solvers.

    Parameters
    ----------
    observations : Observations or StreamedObservations
    n_components : int
        K.
    model : Model

    Attributes
    ----------
    all_observations : Observations or StreamedObservations
        All that were measured, in the user's units.
    observations : Observations
        Those that are in memory: all, or the sample of a stream.
    packing : Packing
        How observations become `Data`.
    model : Model
        With the box of its background, if it has one, and with all weights fixed where memberships are known.
    scaling : Standardisation
        From the user's coordinates to those of the solvers.
    constraints : Constraints
        In the coordinates of the solvers.
    selector : Selector or None
        Of the selection function, if the model has one.

    Raises
    ------
    InputError
        If the model does not fit the observations, or some coordinate is not measured.
    """

    def __init__(self, all_observations: AnyObservations, n_components: int, model: Model) -> None:
        observations = all_observations.sample
        if observations is not all_observations:
            _check_streams(model)
        if model.background is not None:
            model = replace(model, background=model.background.resolved(observations))
        model = model.with_memberships(observations, n_components).with_flat(observations, n_components)
        self.all_observations, self.observations = all_observations, observations
        self.n_components, self.model = n_components, model
        constraints = model.constraints(n_components, observations.n_dimensions, observations.units)
        _check_sampled(all_observations)
        _check_identified(observations, model, constraints)
        self.scaling = Standardisation.of(observations, isotropic=model.covariance_type == "spherical")
        self.constraints = constraints.standardised(self.scaling)
        self.packing = Packing(self.scaling, model.background, model.flat)
        self.selector = None if model.selection_function is None else self._selector(model.selection_function)
        self._evaluated: Evaluation | None = None

    @property
    def streams(self) -> bool:
        """Is the catalogue read in parts?"""
        return self.observations is not self.all_observations

    def _selector(self, selection: SelectionFunction) -> Selector:
        """The selection function for these observations; the model holds it with the density of its samples."""
        selector = Selector(
            selection.resolved(self.observations), self.model.background, self.scaling, self.observations
        )
        self.model = replace(self.model, selection_function=selector.selection)
        return selector

    @classmethod
    def of(
        cls, mixture: GaussianMixture, observations: AnyObservations | ObservationSource, model: Model | None = None
    ) -> Problem:
        """The problem that a mixture solves; observations are converted to its units.

        Observations keep the last problem made of them, so that several questions about one fit share its data and its
        derivatives.

        Parameters
        ----------
        mixture : GaussianMixture
        observations : Observations, StreamedObservations or a source of them
        model : Model, optional
            What was fitted; by default that of the mixture's record, or else inferred from the mixture.

        Raises
        ------
        InputError
            If the numbers of coordinates differ, or a unit does not convert.
        """
        found, key = discovered(observations), (mixture, model)
        kept = found.memo.get(KEPT)
        if kept is not None and all(mine is its for mine, its in zip(key, kept[0], strict=True)):
            problem: Problem = kept[1]
            return problem
        if mixture.n_dimensions != found.n_dimensions:
            raise InputError(
                f"the mixture has {mixture.n_dimensions} coordinates, but the observations have "
                f"{found.n_dimensions}; pass those it was fitted to"
            )
        model = model_of(mixture) if model is None else model
        model = replace(model, background=mixture.background, flat=mixture.flat)
        problem = cls(found.in_units(mixture.units), mixture.n_components, model)
        found.memo[KEPT] = key, problem
        return problem

    @cached_property
    def data(self) -> Data:
        """All objects, standardised; if the observations have a log of passes, those over all objects are recorded."""
        log = self.all_observations.memo.get(PASS_LOG)
        if log is None:
            return self.packed
        return RecordedData(self.packed, log, digest(self.packing, self.model.selection_function))

    @cached_property
    def packed(self) -> Data:
        """All objects, standardised, without a log of passes."""
        return self.all_observations.packed(self.pack if self.selector is not None else self.packing)

    @cached_property
    def sample(self) -> Data:
        """The objects that are in memory, standardised: all, or the random sample of a stream."""
        return self.data if self.observations is self.all_observations else self.pack(self.observations)

    @property
    def holds_all(self) -> bool:
        """Are all objects that are used in memory?"""
        return self.observations.n_objects == self.all_observations.n_objects

    def pack(self, observations: Observations) -> Data:
        """`Data` of observations in the user's units, for the solvers: of these, or of resamples and simulations."""
        data = self.packing(observations)
        return data if self.selector is None else self.selector.pack(data, observations)

    def pack_standardised(self, observations: Observations) -> Data:
        """`Data` of observations that are standardised already: samples, on which starts are compared."""
        beside = self.scaling.background(self.model.background), self.scaling.flat(self.model.flat)
        data = pack_beside(observations, *beside)
        return data if self.selector is None else self.selector.pack(data, self.selector.original(observations))

    def with_samples_around(self, mixture: GaussianMixture) -> Problem:
        """The same problem with importance samples of its selection function around a mixture, standardised."""
        assert self.selector is not None
        selection = self.selector.around(self.original(mixture))
        return Problem(self.all_observations, self.n_components, replace(self.model, selection_function=selection))

    @cached_property
    def log_jacobian(self) -> float:
        """Added to the standardised log-likelihood to get that of the user's observations, in nats."""
        return self.scaling.log_jacobian(self.all_observations)

    def __getstate__(self) -> dict[str, Any]:
        """The problem without its packed data, which another process packs again."""
        made = "data", "packed", "sample"
        return {**{name: value for name, value in vars(self).items() if name not in made}, "_evaluated": None}

    def standardised(self, mixture: GaussianMixture) -> GaussianMixture:
        """A mixture of the user's coordinates in those of the solvers."""
        return self.scaling.mixture(mixture)

    def original(self, mixture: GaussianMixture) -> GaussianMixture:
        """A mixture of the solvers' coordinates in the user's, boxes exact to the last bit."""
        result = self.scaling.original(mixture, self.observations.names, self.observations.units)
        if self.model.flat is not None:
            result = replace(result, flat=self.model.flat)
        if result.background is None or self.model.background is None:
            return result
        return replace(result, background=self.model.background.with_fraction(result.background.fraction))

    def objective(
        self,
        max_passes: int = UNLIMITED,
        monitor: Monitor | None = None,
        *,
        data: Data | None = None,
        constraints: Constraints | None = None,
    ) -> Objective:
        """The objective over all objects or over other data, with the prior to the power of their fraction of all.

        Parameters
        ----------
        max_passes : int
        monitor : Monitor, optional
        data : Data, optional
            All objects by default.
        constraints : Constraints, optional
            Those of the problem by default.
        """
        data = self.data if data is None else data
        constraints = self.constraints if constraints is None else constraints
        fraction = data.total_weight / self.all_observations.total_weight
        if fraction != 1.0:
            constraints = constraints.tempered(fraction)
        return Objective(data, max_passes, monitor, constraints)

    @one_blas_thread()
    def maximise(
        self,
        start: GaussianMixture,
        tolerance: float,
        max_passes: int,
        *,
        data: Data | None = None,
        constraints: Constraints | None = None,
        near: bool = False,
        counter: PassCounter | None = None,
    ) -> solvers.Solution:
        """Maximise the objective from a start, both in the solvers' coordinates; `near` as in `solvers.run`.

        Raises
        ------
        solvers.CollapseError
            If a component collapses on exact objects.
        """
        objective = self.objective(max_passes, data=data, constraints=constraints)
        objective.counter = counter
        return solvers.run("auto", start, objective, tolerance, near=near)

    def at(self, mixture: GaussianMixture) -> Evaluation:
        """The problem at a mixture of the user's coordinates; the last one is kept.

        Raises
        ------
        DegenerateError
            If a component of the mixture has no width in a direction in which values have no noise.
        """
        if self._evaluated is None or self._evaluated.mixture is not mixture:
            standard = self.standardised(mixture)
            statistics = self.objective().expect(standard)
            if not np.isfinite(statistics.log_likelihood):
                raise DegenerateError(
                    "a component of the mixture has no width in a direction in which values have no noise, so its "
                    "likelihood has no maximum; give the errors with which the mixture was fitted, or fit these values"
                )
            iterate = Iterate.at(standard, statistics, self.constraints)
            self._evaluated = Evaluation(self, mixture, iterate)
        return self._evaluated


def _check_streams(model: Model) -> None:
    """Refuse what needs all objects in memory."""
    if model.selection_function is not None:
        raise InputError(
            "a selection function cannot be fitted to a catalogue that is read in parts; fit a random sample of it, "
            "`source.observations().sample`"
        )
    if model.background is not None and model.background.fitted_edges:
        raise InputError(
            "the edges of a background cannot be fitted to a catalogue that is read in parts; give its box, "
            "`Background(low, high)`"
        )


def _check_sampled(all_observations: AnyObservations) -> None:
    """Refuse a column with values of which the random sample, where fits start, has none."""
    sample = all_observations.sample
    rare = (all_observations.column_weights() > 0) & ~(sample.column_weights() > 0)
    if sample is not all_observations and sample.projections is None and rare.any():
        names = ", ".join(name for name, is_one in zip(sample.names, rare, strict=True) if is_one)
        raise InputError(
            f"no object in the random sample of {len(sample)} has a value of {names}, though some of the catalogue "
            "have, so that a fit cannot start; leave that column out, or fit the rows that have one"
        )


def _check_some_measured(observations: Observations) -> None:
    """Refuse a coordinate of which there are only limits: they alone give it no width."""
    measured = np.asarray(observations.present[observations.counts].any(axis=0))
    if not measured.all():
        names = ", ".join(name for name, is_one in zip(observations.names, measured, strict=True) if not is_one)
        raise InputError(
            f"every value of {names} is a limit or missing, which says nothing of its width; leave that column out"
        )


def _check_identified(observations: Observations, model: Model, constraints: Constraints) -> None:
    """Every coordinate must be measured by some object, unless a prior or fixed parameters determine it."""
    if observations.projections is None:
        values, counts = observations.values, observations.counts
        check_columns_present(values if counts.all() else values[counts], observations.names)
        if observations.limits is not None:
            _check_some_measured(observations)
        return
    prior = model.prior
    by_prior = prior is not None and prior.means is not None and prior.covariances is not None
    by_fixed = constraints.fixed_means.all() and constraints.fixed_covariances.all()
    unmeasured, n_unmeasured = unmeasured_coordinates(observations)
    if n_unmeasured and not (by_prior or by_fixed):
        names = ", ".join(name for name, is_one in zip(observations.names, unmeasured, strict=True) if is_one)
        D = observations.n_dimensions
        raise InputError(
            f"the projections measure only {D - n_unmeasured} of the {D} directions, and nothing in "
            + (f"{names}" if unmeasured.sum() == n_unmeasured else f"some combination of {names}")
            + "; fit fewer coordinates, or give a prior on the means and the covariances"
        )
