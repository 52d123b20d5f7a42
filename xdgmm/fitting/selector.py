"""`Selector`: `Data` of objects that a selection function has left, in the coordinates of the solvers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.errors import InputError
from xdgmm.kernels import Correlated, PackedData, SampledNormaliser, SelectedData
from xdgmm.mixture import selection_of
from xdgmm.mixture.cut_data import CutData
from xdgmm.mixture.importance_samples import Groups, Proposal, default_number, draw
from xdgmm.mixture.measured_in_boxes import measured_distributions
from xdgmm.mixture.selected_boxes import BoxNormaliser

from .objective import parameters
from .standardisation import Standardisation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xdgmm.kernels import Data, Normaliser
    from xdgmm.mixture import Background, GaussianMixture, SelectionFunction
    from xdgmm.observations import Observations

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

REPLICATE = 1 << 32  # the seeds of other samples are this far apart
MOST_CUT = 2  # columns whose joint probability is integrated with as many digits as the likelihood needs


class Selector:
    """The selection function of a problem, with what it knows of the noise of its objects.

    Parameters
    ----------
    selection : SelectionFunction
        Resolved.
    background : Background or None
        In the user's coordinates.
    scaling : Standardisation
    observations : Observations
        Those of the problem.

    Attributes
    ----------
    selection : SelectionFunction
        With the density from which samples are drawn, if there are any.
    """

    def __init__(
        self,
        selection: SelectionFunction,
        background: Background | None,
        scaling: Standardisation,
        observations: Observations,
    ) -> None:
        self.background, self.scaling = background, scaling
        self.whole = observations.select(observations.counts)
        if selection.proposal is None and not _is_exact(selection, background, observations):
            selection = selection.with_proposal(Proposal.of(self.whole, None, background))
        self.selection = selection
        self._known: tuple[dict[bytes, int], Normaliser] | None = None
        self._n_samples = selection.n_samples

    def __getstate__(self) -> dict[str, Any]:
        """The selector without its normaliser, which another process makes again."""
        return {**vars(self), "_known": None}

    @property
    def sampled(self) -> bool:
        """Are there importance samples?"""
        return self.selection.proposal is not None

    def around(self, mixture: GaussianMixture) -> SelectionFunction:
        """The selection function with samples around a mixture of the user's coordinates."""
        return self.selection.with_proposal(Proposal.of(self.whole, mixture, self.background))

    def pack(self, data: Data, observations: Observations) -> SelectedData:
        """The data of observations in the user's units, with the probability that each is in the sample."""
        used = observations.select(data.rows)
        if self.selection.of == "true values":
            return SelectedData(self._cut(data, used), self._of_true_values(), np.zeros(data.n_objects, np.intp))
        groups = Groups.of(used)
        return SelectedData(data, self._normaliser(used.select(groups.first), groups.keys), groups.of_rows)

    def with_other_samples(self, number: int) -> Selector:
        """The same with other importance samples: independent ones for each number above zero."""
        selection = self.selection.with_seed(self.selection.seed + REPLICATE * number)
        other = Selector(selection, self.background, self.scaling, self.whole)
        other._n_samples = self._n_samples
        return other

    def normaliser(self, data: SelectedData) -> Normaliser:
        """The normaliser of all objects of a problem, group for group as in its data."""
        groups = Groups.of(self.whole)
        assert len(groups.keys) == len(data.group_weights)
        return self._normaliser(self.whole.select(groups.first), groups.keys)

    def original(self, observations: Observations) -> Observations:
        """Standardised observations in the user's units again."""
        location, scale, measured = self.scaling.location, self.scaling.scale, self.scaling.measured_scale
        return observations.rescaled(-location / scale, 1.0 / scale, 1.0 / measured)

    def _normaliser(self, observations: Observations, keys: list[bytes]) -> Normaliser:
        """The normaliser of groups with the noise of these rows: of those of the problem, if all are known."""
        if self._known is None:
            groups = Groups.of(self.whole)
            of_whole = self._made(self.whole.select(groups.first), groups.keys)
            self._known = {key: g for g, key in enumerate(groups.keys)}, of_whole
        places, normaliser = self._known
        if keys == list(places):
            return normaliser
        if all(key in places for key in keys):
            return normaliser.take(np.array([places[key] for key in keys], dtype=np.intp))
        return self._made(observations, keys)

    def _made(self, observations: Observations, keys: list[bytes]) -> Normaliser:
        if self.selection.proposal is None:
            return self._box(observations)
        return self._sampled(observations, keys)

    def _box(self, observations: Observations) -> BoxNormaliser:
        """The normaliser of a box, of objects with the noise of each row."""
        columns, (low, high) = self.selection.columns, self.selection.edges
        scale = self.scaling.measured_scale[columns]
        G, M = observations.values.shape
        if observations.projections is None:
            R, location = np.eye(M)[None, columns], self.scaling.location[columns]
        else:
            R = np.broadcast_to(observations.projections, (G, M, observations.n_dimensions))[:, columns]
            location = R @ self.scaling.location
            R = R * self.scaling.scale / scale[:, None]
        noise = observations.noise_covariances[:, columns[:, None], columns] / scale / scale[:, None]
        first, last = (np.broadcast_to((edge[columns] - location) / scale, (G, columns.size)) for edge in (low, high))
        return BoxNormaliser(first, last, noise, R, self._of_background(observations))

    def _of_background(self, observations: Observations) -> Floats:
        """Probability that an object of the background, with the noise of each row, is in the sample."""
        background, result = self.background, np.ones(len(observations))
        if background is None:
            return np.zeros(len(observations))
        for i in self.selection.columns:
            first, last = (edge[[i]] for edge in background.box)
            low, high = (float(edge[i]) for edge in self.selection.edges)
            S = observations.noise_model.variances_of(int(i))
            S = np.zeros_like(S) if background.of == "measured values" else S
            noise = Correlated(S[:, None, None])
            below = [
                np.exp(measured_distributions(np.full((len(S), 1), edge), noise, first, last)[0][:, 0])
                if np.isfinite(edge)
                else np.full(len(S), float(edge > 0))
                for edge in (low, high)
            ]
            result *= below[1] - below[0]
        return result

    def _of_true_values(self) -> BoxNormaliser:
        """The normaliser of a box of true values: one for all objects."""
        columns, (low, high) = self.selection.columns, self.selection.edges
        location, scale = self.scaling.location[columns], self.scaling.scale[columns]
        R, C = np.eye(self.scaling.location.size)[None, columns], columns.size
        lowest, highest = (((edge[columns] - location) / scale)[None] for edge in (low, high))
        of_background = np.zeros(1)
        if self.background is not None:
            first, last = (edge[columns] for edge in self.background.box)
            inside = np.minimum(last, high[columns]) - np.maximum(first, low[columns])
            of_background = np.prod(np.maximum(inside, 0.0) / (last - first), keepdims=True)
        return BoxNormaliser(lowest, highest, np.zeros((1, C, C)), R, of_background)

    def _cut(self, data: Data, observations: Observations) -> CutData:
        """Objects whose true values lie in the box."""
        columns, (low, high) = self.selection.columns, self.selection.edges
        location, scale = self.scaling.location[columns], self.scaling.scale[columns]
        lowest, highest = ((edge[columns] - location) / scale for edge in (low, high))
        of_background = None
        if self.background is not None:
            of_background = self._log_densities_in_box(observations)
        standard = self.scaling.observations(observations)
        return CutData.of(standard, data, columns, lowest, highest, of_background)

    def _log_densities_in_box(self, observations: Observations) -> Floats:
        """Log-density of a background whose true values lie in the box too (n,), standardised."""
        background = self.background
        assert background is not None
        (first, last), (low, high) = background.box, self.selection.edges
        part = background.with_edges(np.maximum(first, low), np.minimum(last, high))
        cut = part.box[0] < part.box[1]
        if not cut.all():
            return np.full(len(observations), -np.inf)
        lost = np.log((part.box[1] - part.box[0]) / (last - first))
        own = part.log_densities(observations.values, observations.noise_model) + lost.sum()
        return np.asarray(own + observations.present @ np.log(self.scaling.scale))

    def _sampled(self, observations: Observations, keys: list[bytes]) -> SampledNormaliser:
        """The normaliser of importance samples, of objects with the noise of each row."""
        selection, proposal = self.selection, self.selection.proposal
        assert proposal is not None
        if self._n_samples is None:
            costly = self.background is not None and isinstance(observations.noise_model, Correlated)
            self._n_samples = default_number(len(keys), costly=costly)
        n = self._n_samples
        values, log_densities = draw(proposal, observations, keys, n, selection.seed)
        G, _, M = values.shape
        flat = values.reshape(-1, M)
        probabilities = selection.probabilities(flat).reshape(G, n)
        empty = np.flatnonzero(~probabilities.any(axis=1))
        if empty.size:
            w = ", ".join(f"{v:g}" for v in observations.values[empty[0]])
            raise InputError(
                f"the selection function is zero at all {n} samples for an object like that at ({w}); raise "
                "`n_samples` of the selection function, or leave out objects which it hardly ever lets in"
            )
        kept = np.flatnonzero(probabilities)
        owners = kept // n
        log_scales = observations.present @ np.log(self.scaling.measured_scale)
        with np.errstate(divide="ignore"):
            factors = np.exp(np.log(probabilities / n) - log_densities - log_scales[:, None])
        starts = np.concatenate([[0], np.cumsum((probabilities > 0).sum(axis=1))])
        return SampledNormaliser(self._rows(observations, flat[kept], owners), factors.ravel()[kept], starts)

    def _rows(self, observations: Observations, values: Floats, owners: Indices) -> PackedData:
        """Samples, packed with the noise of the row that each was drawn for."""
        noise, R = observations.noise_model.select(owners), observations.projections
        background = None
        if self.background is not None:
            own = self.background.log_densities(values, noise)
            background = own + np.isfinite(values) @ np.log(self.scaling.scale)
        return PackedData.pack(
            values,
            noise,
            None,
            self.scaling.location,
            self.scaling.scale,
            projections=R[owners] if R is not None and R.ndim == 3 else R,
            measured_scale=self.scaling.measured_scale,
            background=background,
        )


def log_selection_probabilities(mixture: GaussianMixture, observations: Observations) -> Floats:
    """``ln Z_i`` (N,) of a mixture that was fitted with a selection function of measured values.

    Z_i is the probability that an object with the noise of row i is in the sample; rows without any value have zero.

    Parameters
    ----------
    mixture : GaussianMixture
    observations : Observations
        In the units of the mixture, inside the selection.

    Raises
    ------
    InputError
        If an object cannot be in the sample, or a file held only the name of the selection function.
    """
    selection = selection_of(mixture)
    assert selection is not None
    D, M = mixture.n_dimensions, observations.n_measured
    unchanged = Standardisation(np.zeros(D), np.ones(D), np.ones(M))
    selector = Selector(selection.resolved(observations), mixture.background, unchanged, observations)
    data = selector.pack(Standardisation.pack(unchanged, observations, mixture.background), observations)
    result = np.zeros(len(observations))
    result[data.rows] = data.log_probabilities(*parameters(mixture))
    return result


def _is_exact(selection: SelectionFunction, background: Background | None, observations: Observations) -> bool:
    """Does a box need no samples?"""
    if not selection.is_box:
        return False
    n_cut = selection.columns.size
    linked = background is not None and isinstance(observations.noise_model, Correlated)
    return selection.of == "true values" or n_cut == 1 or (n_cut <= MOST_CUT and not linked)
