"""A random sample of a catalogue that is read in parts, which is checked in its place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.errors import InputError
from xdgmm.fitting import Problem, solvers
from xdgmm.observations import StreamedObservations

from .inputs import mixture_and_model
from .quick import MOST, chosen_rows
from .refitting import refitted

if TYPE_CHECKING:
    from astropy.table import QTable
    from numpy.typing import NDArray

    from xdgmm.fitting import Model
    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations, ObservationSource

    from .verdict import Check


@dataclass(frozen=True, eq=False)
class RandomSample:
    """Random objects of a catalogue, with the mixture that is the maximum for them.

    Attributes
    ----------
    mixture : GaussianMixture
        That of the catalogue where the sample has all of its objects, otherwise fitted from it.
    model : Model
    observations : Observations
    rows : ndarray of int (n,)
        Which rows of the catalogue they are.
    n_objects : int
        Objects of the catalogue.
    """

    mixture: GaussianMixture
    model: Model
    observations: Observations
    rows: NDArray[np.intp]
    n_objects: int

    @classmethod
    def of(cls, fitted: Any, catalogue: StreamedObservations | ObservationSource, model: Model | None) -> RandomSample:
        """At most `MOST` of the objects in the sample of a catalogue.

        Raises
        ------
        InputError
            If a component collapses on exact objects of the sample.
        """
        mixture, model = mixture_and_model(fitted, model)
        catalogue = catalogue if isinstance(catalogue, StreamedObservations) else catalogue.observations()
        problem = Problem.of(mixture, catalogue, model)
        model = replace(problem.model, background=mixture.background)
        observations, rows = problem.observations, catalogue.sample_rows
        if not problem.holds_all:
            chosen = chosen_rows(observations, MOST)
            observations, rows = observations.select(chosen), rows[chosen]
            mixture = _fitted_to(observations, model, mixture)
        return cls(mixture, model, observations, rows, catalogue.n_objects)

    def described(self, check: Check) -> Check:
        """The check of the sample, with the rows of the catalogue, and from how many objects the sample is."""
        sampled_from = self.n_objects if len(self.rows) < self.n_objects else None
        unusual, influence = self._in_catalogue(check.unusual), self._in_catalogue(check.influence)
        return replace(check, sampled_from=sampled_from, unusual=unusual, influence=influence)

    def _in_catalogue(self, table: QTable | None) -> QTable | None:
        if table is not None:
            description = table["row"].info.description
            table["row"] = self.rows[np.asarray(table["row"], dtype=int)]
            table["row"].info.description = description
        return table


def _fitted_to(observations: Observations, model: Model, start: GaussianMixture) -> GaussianMixture:
    try:
        return refitted(model, observations, start)
    except solvers.CollapseError:
        raise InputError(
            f"a component collapses on the random sample of {len(observations)} objects that is checked; fit fewer "
            "components, or give a prior on the covariances"
        ) from None


def refuse_columns(**given: object) -> None:
    """Refuse arguments that hold something for each row.

    Raises
    ------
    InputError
        If one was given.
    """
    for name, value in given.items():
        if value is not None:
            raise InputError(
                f"`{name}` holds something for each row, but the catalogue is read in parts, of which a random sample "
                "is checked; make Observations of a part of the catalogue, and check these with it"
            )
