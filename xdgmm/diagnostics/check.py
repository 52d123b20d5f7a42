"""`check`: does the model fit?  Tests of the residuals whose p-values come from samples of the fitted model itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import log_ndtr, ndtr

from xdgmm.basics.parameters import as_generator
from xdgmm.basics.progress import progress_bar
from xdgmm.errors import InputError
from xdgmm.fitting import FitResult, Problem, solvers
from xdgmm.prediction import draw_observations
from xdgmm.tables.printing import as_text, empty_table
from xdgmm.tables.report import Column, build_table
from xdgmm.uncertainty.refitted import in_single_objects

from .measures import Measure, measure, shown
from .quick import MOST, evenly_chosen

if TYPE_CHECKING:
    from astropy.table import QTable
    from numpy.typing import NDArray
    from rich.table import Table

    from xdgmm.fitting import Model
    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations

    Floats = NDArray[np.float64]

LEVEL = 0.05  # probability that a right model does not pass
FEWEST_SIMULATIONS = 19
TOLERANCE, PASSES = 1e-6, 2000  # of each fit
SEED = 0
DISTANCES = 2  # statistics of the distribution come first
COLUMNS = (
    Column("name", "of the test, and of its column"),
    Column("statistic", "how far out, in standard deviations of samples of the model"),
    Column("p_value", "fraction of samples of the model that are as far out, two-sided"),
    Column("effect", "excess kurtosis, skewness, correlation, or largest distance of the distribution functions"),
    Column("sentence", "what it says"),
)


@dataclass(frozen=True, eq=False)
class Check:
    """The verdict on a fit; ``print(check)`` shows it.

    Attributes
    ----------
    passed : bool
        Is nothing farther out than in 95% of samples of the model, all tests together?
    p_value : float
        Fraction of the samples whose most extreme test is as far out as that of the observations.
    table : QTable
        One row for each test: name, statistic, p_value, effect, sentence.
    n_simulations : int
        Samples that were drawn and fitted.
    """

    passed: bool
    p_value: float
    table: QTable
    n_simulations: int

    def __str__(self) -> str:
        """The verdict, and the tests as a table."""
        return as_text(self.rich_table(), self.verdict)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(str(self))}</pre>"

    @property
    def verdict(self) -> str:
        """One sentence, and one more for each test that does not pass."""
        if self.passed:
            return f"nothing speaks against the model (p = {self.p_value:.2g}, {self.n_simulations} samples of it)"
        found = [row["sentence"] for row in self.table if row["sentence"] != AS_EXPECTED]
        return "\n".join([f"the model does not fit ({shown(self.p_value)}, all tests together):", *found])

    def rich_table(self) -> Table:
        """The tests as a `rich.table.Table`."""
        from rich.markup import escape

        table = empty_table(("test", "effect", "p", ""), left=("test", ""))
        for row in self.table:
            mark = "" if row["sentence"] == AS_EXPECTED else "!"
            table.add_row(escape(row["name"]), f"{row['effect']:.3g}", f"{row['p_value']:.2g}", mark)
        return table


AS_EXPECTED = "as expected"


def check(
    fitted: FitResult | GaussianMixture,
    observations: Observations,
    *,
    model: Model | None = None,
    n_simulations: int = 199,
    rng: np.random.Generator | int | None = None,
    n_jobs: int = 1,
    progress: str = "auto",
) -> Check:
    """Test whether a fit describes its observations.

    Parameters
    ----------
    fitted : FitResult or GaussianMixture
        The maximum for these observations.
    observations : Observations
    model : Model, optional
        Of a bare mixture: what was fitted.
    n_simulations : int
        Samples of the model that are drawn and fitted, at least 19.
    rng : numpy Generator, int or None
        Source of the samples; None is a fixed seed.
    n_jobs : int
        Processes (joblib); -1 for all processors.
    progress : {"auto", "always", "never"}
        Whether a progress bar is shown.

    Returns
    -------
    Check

    Raises
    ------
    InputError
        If there are fewer than 20 values, a number is not possible, or there are no residuals (a background beside
        errors that are correlated).

    Notes
    -----
    The tests are those of `quick_checks`, and two of the distribution of all `residuals`: the largest distance of
    Kolmogorov and Smirnov, and the statistic of Anderson and Darling (1952, Ann. Math. Stat. 23, 193).  Since the
    parameters were fitted, textbook p-values of these would be too large: samples of the fitted model, with the noise,
    gaps and weights of the observations, are fitted and measured in the same way (parametric bootstrap; Stute,
    Gonzales Manteiga & Presedo Quindimil 1993, Metrika 40, 243).  The p-value of the whole is that of the test that is
    farthest out, so that 5% of right models do not pass.  Of more than 20,000 objects so many, evenly over the
    rows, are fitted again and tested.

    Examples
    --------
    >>> from xdgmm import Observations, datasets
    >>> from xdgmm.diagnostics import check
    >>> from xdgmm.fitting import fit
    >>> stars = Observations.from_table(datasets.load("hydrus1"), "v")
    >>> check(fit(stars), stars, n_simulations=39).passed
    True
    """
    if isinstance(n_simulations, bool) or not isinstance(n_simulations, (int, np.integer)):
        raise InputError(f"`n_simulations` is {n_simulations!r}, but it must be a whole number")
    if n_simulations < FEWEST_SIMULATIONS:
        raise InputError(f"`n_simulations` is {n_simulations}, but at least {FEWEST_SIMULATIONS} are needed")
    mixture, model = (fitted.mixture, fitted.model) if isinstance(fitted, FitResult) else (fitted, model)
    samples = _Samples(mixture, observations, model)
    observed, measures = samples.of_observations()
    seeds = [int(seed) for seed in as_generator(SEED if rng is None else rng).integers(2**63, size=n_simulations)]
    with progress_bar(progress, "samples", n_simulations) as bar:
        drawn = []
        for each in _each(samples, seeds, n_jobs):
            drawn.append(each)
            if bar is not None:
                bar.update()
    simulated = np.array([each for each in drawn if each is not None])
    if len(simulated) < FEWEST_SIMULATIONS:
        raise InputError(
            "the likelihood has no maximum in most samples of the model, since a component collapses there; fit fewer "
            "components, or give a prior on the covariances"
        )
    return _verdict(observed, simulated, measures)


def _each(samples: _Samples, seeds: list[int], n_jobs: int) -> Iterable[Floats | None]:
    if n_jobs == 1:
        return map(samples.statistics, seeds)
    from joblib import Parallel, delayed

    statistics = delayed(samples.statistics)
    results: Iterable[Floats | None] = Parallel(n_jobs=n_jobs, return_as="generator")(statistics(s) for s in seeds)
    return results


class _Samples:
    """Samples of a fitted model, each fitted and measured; can be sent to another process."""

    def __init__(self, mixture: GaussianMixture, observations: Observations, model: Model | None) -> None:
        problem = Problem.of(mixture, observations, model)
        chosen = evenly_chosen(problem.observations, MOST)
        whole = len(chosen) == np.count_nonzero(problem.observations.counts)
        self.model = replace(problem.model, background=mixture.background)
        self.observations = in_single_objects(chosen)
        self.mixture = mixture if whole else self._refitted(self.observations, mixture)

    def of_observations(self) -> tuple[Floats, list[Measure]]:
        """Statistics of the observations, and their measures."""
        scores, weights, measures = measure(self.mixture, self.observations)
        if not measures:
            raise InputError("a fit can be checked with 20 values or more; these are fewer, or they are all equal")
        return _statistics(scores, weights, measures), measures

    def statistics(self, seed: int) -> Floats | None:
        """Statistics of one sample; None if its likelihood has no maximum."""
        drawn = draw_observations(self.mixture, self.observations, 1, np.random.default_rng(seed))
        try:
            refitted = self._refitted(drawn, self.mixture)
        except solvers.CollapseError:
            return None
        return _statistics(*measure(refitted, drawn))

    def _refitted(self, observations: Observations, start: GaussianMixture) -> GaussianMixture:
        problem = Problem(observations, start.n_components, self.model)
        first = problem.constraints.impose_type(problem.standardised(start))
        return problem.original(problem.maximise(first, TOLERANCE, PASSES).mixture)


def _statistics(scores: Floats, weights: Floats, measures: list[Measure]) -> Floats:
    return np.array([*_of_distribution(scores, weights), *(each.effect for each in measures)])


def _of_distribution(scores: Floats, weights: Floats) -> tuple[float, float]:
    """Kolmogorov and Smirnov's distance, and Anderson and Darling's statistic per value, with weights."""
    order = np.argsort(scores)
    z, w = scores[order], weights[order] / weights.sum()
    above = np.cumsum(w)
    below = above - w
    F = ndtr(z)
    distance = float(max((above - F).max(), (F - below).max()))
    steps = w * (above + below)
    A2 = -1.0 - float((steps * log_ndtr(z) + (2.0 * w - steps) * log_ndtr(-z)).sum())
    return distance, A2


def _verdict(observed: Floats, simulated: Floats, measures: list[Measure]) -> Check:
    pool = np.vstack([observed, simulated])
    p_values = np.array([_p_values(column, two_sided=i >= DISTANCES)[0] for i, column in enumerate(pool.T)])
    extremes = _extremes(pool)
    largest = extremes.max(axis=1)
    p_value = float((largest >= largest[0]).mean())
    passed = p_value > LEVEL
    critical = min(np.quantile(largest, 1.0 - LEVEL), largest[0])
    names = ["distribution", "tails of the distribution", *(_name(each) for each in measures)]
    sentences = [
        _sentence(i, name, p, measures) if not passed and extreme >= critical else AS_EXPECTED
        for i, (name, p, extreme) in enumerate(zip(names, p_values, extremes[0], strict=True))
    ]
    values: dict[str, Any] = {
        "name": np.array(names),
        "statistic": extremes[0],
        "p_value": p_values,
        "effect": np.array([*observed[:DISTANCES], *(each.effect for each in measures)]),
        "sentence": np.array(sentences),
    }
    meta = {"passed": passed, "p_value": p_value, "n_simulations": len(simulated)}
    return Check(passed, p_value, build_table(COLUMNS, values, meta=meta), len(simulated))


def _extremes(pool: Floats) -> Floats:
    """How far out each statistic is, in standard deviations of the pool: of distances upwards, of others both ways."""
    values = pool.copy()
    values[:, :DISTANCES] = np.log(np.maximum(values[:, :DISTANCES], 1e-300))
    spread = values.std(axis=0)
    result: Floats = (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    result[:, DISTANCES:] = np.abs(result[:, DISTANCES:])
    return result


def _sentence(i: int, name: str, p_value: float, measures: list[Measure]) -> str:
    if i >= DISTANCES:
        return measures[i - DISTANCES].sentence(p_value)
    return f"residuals are not normal ({name}, {shown(p_value)})"


def _p_values(values: Floats, *, two_sided: bool) -> Floats:
    """Of each value among all of them: the fraction that is as large, or of the smaller tail twice."""
    order = np.sort(values)
    n = values.size
    as_large = (n - np.searchsorted(order, values, side="left")) / n
    if not two_sided:
        return np.asarray(as_large)
    as_small = np.searchsorted(order, values, side="right") / n
    return np.minimum(2.0 * np.minimum(as_large, as_small), 1.0)


def _name(one: Measure) -> str:
    return f"{one.name} of {one.column}" if one.column else one.name
