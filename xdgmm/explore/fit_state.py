"""What the second tab knows: choices, a mixture on its way, and how it came there; free of bokeh."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from xdgmm.fitting import Model, Settings, start_from

from .advice import on_the_page
from .fit_tasks import settings_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xdgmm.fitting import FitResult
    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations

    from .data_sets import DataSet
    from .fit_tasks import Shown

    Floats = NDArray[np.float64]

SOLVERS = {"em": "EM", "implicit": "implicit EM", "auto": "auto (fast, no single steps)"}
COVARIANCES = ("full", "tied", "diag", "spherical")
MOST_COMPONENTS = 12
NARROW, ALONE = 0.05, 0.5  # width relative to all objects, and members beyond D + 1, of a component that shrinks
COLOURS = ("blue", "vermilion", "green", "pink", "orange", "light blue", "brown")  # of components, in words
WITHOUT_MAXIMUM = "the fit has ended without a maximum"
SINGULAR_MEANS = ((0.0,), (2.5,))  # from which EM ends on one point of the singular data set


@dataclass(frozen=True)
class Choices:
    """What the user chose for a fit.

    Attributes
    ----------
    n_components : int
    covariance_type : str
    solver : str
        One of `SOLVERS`.
    seed : int
        Of k-means++ and k-means.
    """

    n_components: int = 3
    covariance_type: str = "full"
    solver: str = "em"
    seed: int = 0

    @property
    def model(self) -> Model:
        """What is fitted."""
        return Model(self.covariance_type)

    @property
    def stepper(self) -> str:
        """The solver of single steps."""
        return "implicit" if self.solver == "auto" else self.solver


@dataclass
class FitState:
    """A fit on the page.

    Attributes
    ----------
    data : DataSet
    choices : Choices
    means : ndarray (K, D) or None
        From which the fit starts; None until k-means++ has found some.
    shown : Shown or None
        The mixture on its way.
    first : Shown or None
        The start.
    passes, log_likelihoods, gains : list
        Its history, one entry for each mixture that was shown.
    result : FitResult or None
        Of a run that has ended.
    stepped : str
        The solver that made the history.
    labels : ndarray (N,) or None
        Clusters of k-means.
    ended : str
        Why the last fit ended, in words.
    """

    data: DataSet
    choices: Choices = field(default_factory=Choices)
    means: Floats | None = None
    shown: Shown | None = None
    first: Shown | None = None
    passes: list[int] = field(default_factory=list)
    log_likelihoods: list[float] = field(default_factory=list)
    gains: list[float] = field(default_factory=list)
    result: FitResult | None = None
    stepped: str = "em"
    labels: NDArray[np.intp] | None = None
    ended: str = ""
    _start: tuple[Floats, Choices, GaussianMixture] | None = field(default=None, repr=False)

    @property
    def observations(self) -> Observations:
        """What was measured."""
        return self.data.observations

    @property
    def with_errors(self) -> bool:
        """Are the errors of the data used?"""
        return self.data.errors != "none"

    @property
    def start(self) -> GaussianMixture | None:
        """The mixture from which the fit starts; None before its means are known.

        Raises
        ------
        InputError
            If a component cannot start at its mean.
        """
        if self.means is None:
            return None
        of = self.means, self.choices
        if self._start is None or self._start[0] is not of[0] or self._start[1] != of[1]:
            K, model = self.choices.n_components, self.choices.model
            self._start = *of, start_from(self.observations, K, means=self.means, model=model)
        return self._start[2]

    def prepare(self) -> None:
        """Make the start before somebody waits for it."""
        _ = self.start

    def settings(self, solver: str, start: GaussianMixture) -> Settings:
        """Settings of a fit, or of one step, from a mixture."""
        return settings_of(self.choices.model, solver, start)

    def begin_again(self, means: Floats | None = None) -> None:
        """Forget the fit; the next one starts from these means, or from those of k-means++."""
        self.means, self.result, self.ended = means, None, ""
        self.forget()

    def restart(self) -> None:
        """Forget everything but the start, at which the history begins."""
        first = self.first
        self.forget()
        if first is not None:
            self.show(first)

    def forget(self) -> None:
        """Forget the mixture on its way, and its history."""
        self.shown, self.first, self.result = None, None, None
        self.passes, self.log_likelihoods, self.gains = [], [], []

    def show(self, shown: Shown) -> None:
        """Take the next mixture on its way; objects that were not looked at keep what was last said of them."""
        if shown.objects is None and self.shown is not None:
            shown = type(shown)(**{**vars(shown), "objects": self.shown.objects})
        self.shown = shown
        self.first = self.first or shown
        if self.passes and shown.passes <= self.passes[-1]:
            return  # no step was left to make
        self.passes.append(shown.passes)
        self.log_likelihoods.append(shown.log_likelihood)
        self.gains.append(shown.predicted_gain if self.shrinking is None else np.nan)

    def end(self, result: FitResult, shown: Shown) -> None:
        """Take the end of a run; the history gets every pass, as the highest likelihood that was reached by then."""
        self.show(shown)
        self.result, self.ended = result, on_the_page(result.outcome.value)
        gains = dict(zip(self.passes, self.gains, strict=True)) | {shown.passes: shown.predicted_gain}
        history = result.history
        if shown.passes > history.size:  # samples lead from the start to the first pass over all objects
            history = np.append(self.log_likelihoods[:1], history)
        reached = np.minimum(np.maximum.accumulate(history), shown.log_likelihood).tolist()  # but for rounding
        self.passes, self.log_likelihoods = list(range(1, len(reached) + 1)), reached
        self.gains = [gains.get(number, np.nan) for number in self.passes]

    @property
    def in_words(self) -> str:
        """Where the fit is, in one sentence."""
        if self.shown is None:
            return "no mixture yet"
        n = self.shown.passes - 1
        made = "the start" if n == 0 else f"{n} pass{'es' if n > 1 else ''} after the start"
        gain = f"{self.shown.predicted_gain:.2g} nats predicted to remain"
        if self.shrinking is not None:
            gain = "no gain is predicted, because the likelihood has no bound"
        return f"{made}: lnL = {self.shown.log_likelihood:.4f} nats; {self.ended or gain}"

    @property
    def shrinking(self) -> int | None:
        """The component that shrinks onto values without errors, where there is one."""
        if self.shown is None or self.shown.mixture.n_components == 1 or self.observations.variances.any():
            return None
        mixture, objects = self.shown.mixture, self.shown.objects
        total = float(self.observations.total_weight)
        for k, V in enumerate(mixture.covariances):
            values, vectors = np.linalg.eigh(V)
            across = vectors[:, 0]
            relative = np.sqrt(max(values[0], 0.0) / max(across @ mixture.covariance @ across, 1e-300))
            members = mixture.weights[k] * total if objects is None else objects.memberships[:, k].sum()
            if relative < NARROW and members < mixture.n_dimensions + ALONE:
                return k
        return None

    @property
    def collapse_in_words(self) -> str:
        """What happens where a component shrinks, and what helps; empty where none does."""
        k = self.shrinking
        if k is None or self.shown is None:
            return ""
        mixture = self.shown.mixture
        names = self.observations.names
        place = ", ".join(f"{name} = {mean:.4g}" for name, mean in zip(names, mixture.means[k], strict=True))
        smallest = float(np.sqrt(max(np.linalg.eigvalsh(mixture.covariances[k])[0], 0.0)))
        return (
            f"Component {called(k)} is collapsing onto a single object at {place}: its sigma is {smallest:.2g}. The "
            "density at that object grows as one over sigma, so that the likelihood has no bound and no maximum: "
            "what a fit ends with here means nothing. It happens because the values have no errors, and nothing else "
            "says how narrow a component can be. Errors prevent it, as do fewer components or another start; in "
            "Python also a prior on the covariances."
        )


def called(k: int) -> str:
    """A component by its number and its colour: '1 (vermilion)'."""
    return f"{k} ({COLOURS[k % len(COLOURS)]})"


def hard_labels(memberships: Floats) -> NDArray[np.intp]:
    """The most probable component of each object (N,)."""
    return np.asarray(memberships.argmax(axis=1))


def soft_colours(memberships: Floats) -> NDArray[np.uint8]:
    """Colours (N, 3) of objects: those of the components, mixed by their memberships (N, K)."""
    mixed = memberships @ component_colours(memberships.shape[1])
    return np.asarray(np.clip(np.round(mixed), 0, 255).astype(np.uint8))


def hard_colours(labels: NDArray[np.intp], n_components: int) -> NDArray[np.uint8]:
    """Colours (N, 3) of objects with a label each; grey where it is -1."""
    colours = np.vstack([component_colours(n_components), [[150.0, 150.0, 150.0]]])
    return np.asarray(colours[np.where(labels < 0, n_components, labels)].astype(np.uint8))


def component_colours(n_components: int) -> Floats:
    """Red, green and blue (K, 3), 0 to 255, of components as they have them in every picture."""
    from xdgmm.plotting.colours import component_colour

    texts = [component_colour(k) for k in range(n_components)]
    return np.array([[int(text[i : i + 2], 16) for i in (1, 3, 5)] for text in texts], dtype=float)


def matched(labels: NDArray[np.intp], values: Floats, means: Floats) -> NDArray[np.intp]:
    """Clusters (N,) renumbered like the components whose means (K, D) are nearest to theirs, one to one."""
    from scipy.optimize import linear_sum_assignment

    K = len(means)
    scale = np.nanstd(values, axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    far = np.full((K, K), 1e12)
    for cluster in range(K):
        rows = labels == cluster
        if rows.any():
            far[cluster] = (((values[rows].mean(axis=0) - means) / scale) ** 2).sum(axis=1)
    clusters, components = linear_sum_assignment(far)
    new = np.empty(K + 1, dtype=np.intp)
    new[clusters], new[K] = components, -1
    return np.asarray(new[np.where((labels < 0) | (labels >= K), K, labels)])


def standard_errors(observations: Observations) -> Floats:
    """Standard errors (N, D); NaN where nothing was measured."""
    return np.asarray(np.where(observations.present, np.sqrt(observations.variances), np.nan))


def names_of_objects(data: DataSet) -> Sequence[str]:
    """What the objects are called: the column that names them, or their rows."""
    from xdgmm.tables import named_columns
    from xdgmm.tables.identifiers import identifiers

    found = identifiers(named_columns(data.table))
    if found is None or len(found) != len(data.observations):
        return [f"row {i}" for i in range(len(data.observations))]
    return [str(name) for name in found]
