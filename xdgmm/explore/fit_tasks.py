"""What the process of a page computes for its second tab: mixtures on their way, and what they say of the objects."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.fitting import Problem, Settings, StoppingRule, fit, start_from
from xdgmm.fitting.progress import ALL_OBJECTS

from . import tasks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xdgmm.fitting import FitResult, Model
    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations

    from .tasks import Iteration
    from .worker import Reporter

    Floats = NDArray[np.float64]

BETWEEN, SHARE = 0.1, 4.0  # seconds between two looks at the objects, and in units of what the last one took
CLUSTERED = 10_000  # objects from which k-means learns its centres
INTRINSIC = "Intrinsic widths: what is left behind the errors."
MEASURED = (
    "The scatter as measured (s), and the naive width, s less the mean error in squares: both beside the intrinsic "
    "sigma, as differences in units of their own standard errors (off by)."
)
MANY = 100_000  # objects from which on these are looked at in the end only


@dataclass(frozen=True, eq=False)
class Objects:
    """What a mixture says of each object.

    Attributes
    ----------
    memberships : ndarray (N, K)
    true_values, true_errors : ndarray (N, D)
        Means and standard deviations of the posterior of the true values.
    """

    memberships: Floats
    true_values: Floats
    true_errors: Floats


@dataclass(frozen=True, eq=False)
class Shown:
    """A mixture on its way.

    Attributes
    ----------
    passes : int
        Over all the data, that of the start included; those over samples are not counted.
    mixture : GaussianMixture
        In the units of the data.
    log_likelihood : float
        Of all objects, in nats.
    predicted_gain : float
        Nats that remain to the maximum, by the slopes and the information with known labels
        (`xdgmm.fitting.solvers.gain_lower_bound`).
    objects : Objects or None
        None where there was no time to look at them.
    """

    passes: int
    mixture: GaussianMixture
    log_likelihood: float
    predicted_gain: float
    objects: Objects | None = None


@dataclass(frozen=True, eq=False)
class Ended:
    """The end of a fit, and its mixture as it is shown."""

    result: FitResult
    shown: Shown


class Viewer:
    """Looks at mixtures of one problem.

    Parameters
    ----------
    observations : Observations
    n_components : int
    model : Model
    """

    def __init__(self, observations: Observations, n_components: int, model: Model) -> None:
        self.observations = observations
        self.problem = Problem(observations, n_components, model)
        self._cost, self._last = 0.0, time.monotonic()

    def at(self, passes: int, mixture: GaussianMixture, *, objects: bool = True) -> Shown:
        """A mixture as it is shown after so many passes, with what it says of the objects where that is wanted.

        Raises
        ------
        DegenerateError
            If a component of the mixture has no width where values have no noise.
        """
        from xdgmm.fitting.solvers import gain_lower_bound

        iterate = self.problem.at(mixture).iterate
        log_likelihood = iterate.statistics.log_likelihood + self.problem.log_jacobian
        found = self._objects(mixture) if objects else None
        return Shown(passes, mixture, log_likelihood, gain_lower_bound(iterate), found)

    @property
    def objects_are_due(self) -> bool:
        """Was the last look at the objects long enough ago?"""
        due = self._last + max(BETWEEN, SHARE * self._cost)
        return self.observations.n_objects <= MANY and time.monotonic() > due

    def _objects(self, mixture: GaussianMixture) -> Objects:
        from xdgmm.objects import denoise, memberships

        begun = time.monotonic()
        denoised = denoise(mixture, self.observations, progress="never")
        found = Objects(memberships(mixture, self.observations), denoised.means, denoised.standard_deviations)
        self._last = time.monotonic()
        self._cost = self._last - begun
        return found


class _Showing:
    """A `Reporter` for `tasks.run` that sends mixtures as they are shown."""

    def __init__(self, report: Reporter, viewer: Viewer) -> None:
        self._report, self._viewer = report, viewer
        self._highest = -np.inf
        self.n_before = 0  # 1 where samples lead from the start to the first pass over all objects
        self.check, self.wait = report.check, report.wait

    def __call__(self, iteration: Iteration) -> None:
        if iteration.phase != ALL_OBJECTS:
            self.n_before = 1
            return
        if iteration.mean_log_likelihood < self._highest:
            return  # a step that turned out to be too long
        self._highest = iteration.mean_log_likelihood
        viewer = self._viewer
        number = self.n_before + iteration.number
        self._report(viewer.at(number, iteration.mixture, objects=viewer.objects_are_due))


def begin(
    _report: Reporter, observations: Observations, n_components: int, model: Model, means: Floats | None, seed: int
) -> tuple[Floats, Shown]:
    """Starting means, those of k-means++ where none are given, and the mixture that starts from them."""
    if means is None:
        means = rounded(kmeans_means(observations, n_components, seed), observations)
    start = start_from(observations, n_components, means=means, model=model)
    return means, Viewer(observations, n_components, model).at(1, imposed(start, observations, model))


def step(
    _report: Reporter, observations: Observations, mixture: GaussianMixture, passes: int, settings: Settings
) -> Shown:
    """One iteration from a mixture that so many passes have reached."""
    result = tasks.step(_report, observations, mixture, settings)
    viewer = Viewer(observations, mixture.n_components, settings.model)
    rose = result.history.max() > result.history[0]
    return viewer.at(passes + result.history.size - 1 if rose else passes, result.mixture)


def run(
    report: Reporter, observations: Observations, n_components: int, settings: Settings, pace: float = 0.0
) -> Ended:
    """A fit from its start; reports what it has reached as `Shown`."""
    viewer = Viewer(observations, n_components, settings.model)
    showing = _Showing(report, viewer)
    result = tasks.run(showing, observations, n_components, settings, 0, pace)  # type: ignore[arg-type]
    return Ended(result, viewer.at(showing.n_before + result.history.size, result.mixture))


def kmeans(_report: Reporter, observations: Observations, n_components: int, seed: int) -> NDArray[np.intp]:
    """Clusters of k-means (N,), which knows no errors and no widths; -1 where a value is missing."""
    from sklearn.cluster import KMeans

    values = np.asarray(observations.values)
    complete = np.flatnonzero(observations.present.all(axis=1))
    scale = values[complete].std(axis=0)
    points = values[complete] / np.where(scale > 0, scale, 1.0)
    if complete.size < n_components:
        return np.full(len(values), -1)
    some = points[np.random.default_rng(seed).permutation(complete.size)[:CLUSTERED]]
    model = KMeans(n_components, n_init=3, random_state=seed).fit(some)
    labels = np.full(len(values), -1)
    labels[complete] = model.predict(points)
    return labels


def width_report(_report: Reporter, result: FitResult, observations: Observations, title: str) -> str:
    """The report of intrinsic widths as tables of HTML, in which the text of files is escaped."""
    from xdgmm.tables.printing import as_html
    from xdgmm.widths import comparison_table, rich_table, widths

    report = widths(result, observations, title=title)
    tables = INTRINSIC, rich_table(report), MEASURED, comparison_table(report)
    return as_html(*tables, *result.remarks)


def kmeans_means(observations: Observations, n_components: int, seed: int) -> Floats:
    """The means (K, D) of a start by k-means++, the first of a fit with this seed."""
    first = Settings(n_init=1, callback=lambda _: True)  # which stops it there
    return fit(observations, n_components, first, seed).mixture.means


def rounded(means: Floats, observations: Observations) -> Floats:
    """Means (K, D) to a thousandth of the scatter of each column, so that they can be read and written down."""
    scatter = np.nanstd(np.where(observations.present, observations.values, np.nan), axis=0)
    scatter = np.where(scatter > 0, scatter, np.maximum(np.abs(means).max(axis=0), 1.0))
    decimals = 3 - np.floor(np.log10(scatter)).astype(int)
    return np.array([[round(float(m), int(d)) for m, d in zip(mean, decimals, strict=True)] for mean in means])


def imposed(start: GaussianMixture, observations: Observations, model: Model) -> GaussianMixture:
    """A start with the covariance type of the model, as a fit begins with it."""
    settings = settings_of(model, "em", start, tolerance=0.0, max_passes=1)
    return fit(observations, start.n_components, settings).mixture


def settings_of(model: Model, solver: str, start: GaussianMixture, **stopping: Any) -> Settings:
    """Settings of a fit that starts from a mixture."""
    return Settings(model=model, solver=solver, start=start, stopping=StoppingRule(**stopping))
