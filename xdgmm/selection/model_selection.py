"""`select`: fit all candidates, compare them by a criterion, and say how decisive it is."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.basics.parameters import as_generator, check_jobs
from xdgmm.basics.progress import progress_bar, readings_shown
from xdgmm.errors import DegenerateError, DeprecatedAlias, InputError, XdgmmWarning, deprecated_arguments
from xdgmm.fitting import FitResult, Model, Settings, fit
from xdgmm.fitting.settings import check_n_components
from xdgmm.observations import all_in_memory, discovered
from xdgmm.tables.printing import as_html, as_text

from . import bootstrap_test, criteria
from .candidates import ENDED, Candidate, Fits, fit_candidates
from .cross_validation import HeldOut, cross_validate
from .table import as_record, candidate_table, rich_candidates

if TYPE_CHECKING:
    from astropy.table import QTable
    from numpy.typing import NDArray
    from rich.table import Table

    from xdgmm.fitting.problem import AnyObservations
    from xdgmm.observations.inputs import Catalogue

CRITERIA = ("bic", "aic", "aicc", "icl", "cv", "bootstrap")
NAMES = {"bic": "BIC", "aic": "AIC", "aicc": "AICc", "icl": "ICL"}
NEEDS_ALL = {"cv": "divides", "bootstrap": "simulates"}  # criteria for which all objects must be in memory
LEAST_WEIGHT = 0.5  # where all weights are smaller no object counts as one: they are relative
N_INIT = 3  # random starts of each candidate: neighbours give it more


@dataclass(frozen=True, eq=False, repr=False)
class ModelSelection:
    """Candidates, and the one that was chosen; ``print(selection)`` shows it.

    Attributes
    ----------
    n_components : int
        The chosen number.
    covariance_type : str
        The chosen covariance type.
    result : FitResult
        The chosen fit; its record keeps the table.
    results : tuple of FitResult or None
        One for each row of the table; None where there is no fit.
    table : QTable
        One row for each candidate: n_components, covariance_type, log_likelihood, n_parameters, bic, aic, aicc, icl,
        cv, cv_error, p_value, evidence_weight, smallest_component, narrowest_width, status.  What was not asked for,
        or does not exist, is NaN.  ``table.meta`` says by what was chosen, the row chosen, and the sentence.
    criterion : str
        By which was chosen.
    remarks : tuple of str
        What a reader should know, one sentence each: a choice at the end of the range, an interrupt.
    """

    result: FitResult
    results: tuple[FitResult | None, ...]
    table: QTable
    criterion: str
    remarks: tuple[str, ...] = ()

    chosen = DeprecatedAlias("n_components")
    bic = DeprecatedAlias("table['bic']", lambda self: self._fitted("bic"))
    degenerate = DeprecatedAlias("table['status']", lambda self: self._degenerate())

    @property
    def n_components(self) -> int:
        """The chosen number of components."""
        return self.result.mixture.n_components

    @property
    def covariance_type(self) -> str:
        """The chosen covariance type."""
        return self.result.model.covariance_type

    @property
    def decisiveness(self) -> str:
        """How much better the chosen candidate is than the next best, in a sentence."""
        return str(self.table.meta["sentence"])

    def __str__(self) -> str:
        """The candidates as a table, and sentences on the choice."""
        from rich.markup import escape

        return as_text(self.rich_table(), escape("\n".join((self.decisiveness, *self.remarks))))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return as_html(self.rich_table(), "\n".join((self.decisiveness, *self.remarks)))

    def rich_table(self) -> Table:
        """The candidates as a `rich.table.Table`."""
        return rich_candidates(self.table)

    def _fitted(self, column: str) -> NDArray[np.float64]:
        """A column of the table for those that were fitted, as version 0.1 had it."""
        return np.array([value for value, result in zip(self.table[column], self.results, strict=True) if result])

    def _degenerate(self) -> tuple[int, ...]:
        return tuple(int(row["n_components"]) for row in self.table if row["status"] == "degenerate")


@deprecated_arguments(candidates="n_components")
def select(
    observations: Catalogue,
    n_components: int | Iterable[int] = range(1, 11),
    settings: Settings | None = None,
    rng: np.random.Generator | int | None = None,
    *,
    covariance_types: str | Sequence[str] | None = None,
    criterion: str = "bic",
    n_folds: int = 5,
    n_simulations: int = 99,
    n_jobs: int = 1,
) -> ModelSelection:
    """Fit several numbers of components, and covariance types, and choose among them.

    Parameters
    ----------
    observations : Observations, StreamedObservations or a source of them
    n_components : int or iterable of int
        The numbers to try.
    settings : Settings, optional
        Of each fit; by default with 3 random starts where there are several candidates, which improve each other.
    rng : numpy Generator, int or None
        Source of the starts, folds and simulations: each fit has a seed of its own, so that the result does not depend
        on `n_jobs`.
    covariance_types : str or sequence of str, optional
        Those to try with each number; by default that of the settings.
    criterion : {"bic", "aic", "aicc", "icl", "cv", "bootstrap"}
        An information criterion, whose lowest value is chosen; "cv": the simplest candidate whose log-likelihood of
        held-out objects is within one standard error of the highest; "bootstrap": from the smallest number upwards, the
        first that the next larger one does not improve at p <= .05.
    n_folds : int
        Into which the objects are divided for "cv".
    n_simulations : int
        Samples for each p-value of "bootstrap", at least 19.
    n_jobs : int
        Processes (joblib); -1 for all processors.

    Returns
    -------
    ModelSelection
        Ctrl-C returns what was found until then.

    Raises
    ------
    InputError
        If there is no candidate, one is not possible, or an option does not fit: "cv" and "bootstrap" need all objects
        in memory.
    DegenerateError
        If the likelihood has no maximum for any of them.

    Warns
    -----
    XdgmmWarning
        If the model that is chosen has components that can follow chance (`FitResult.near_singular`).

    Notes
    -----
    Fits improve each other: K + 1 components start from K with one of them split, K from K + 1 with two merged, and a
    covariance type from those that are special cases of it.  Without a prior the log-likelihood therefore never falls
    with the number of components, nor from a covariance type to a more general one; degenerate candidates take no part.

    Criteria count the sum of the weights as the number of objects.  They never contain a prior.

    Examples
    --------
    >>> from xdgmm import Observations, datasets
    >>> from xdgmm.selection import select
    >>> masses = Observations.from_table(datasets.load("neutron_stars"), "m")
    >>> found = select(masses, range(1, 4), rng=0)
    >>> found.n_components, found.decisiveness
    (2, '2 components: BIC lower by 8.1 than with 1 (strong)')
    """
    settings = Settings(n_init=N_INIT) if settings is None else settings
    with readings_shown(settings.progress):
        observations = discovered(observations)
    if criterion in NEEDS_ALL:
        observations = all_in_memory(observations, f"`criterion='{criterion}'` {NEEDS_ALL[criterion]} all objects")
    numbers = candidate_numbers(n_components)
    for number in numbers:
        check_n_components(number, observations)
    types = candidate_types(covariance_types, settings.model.covariance_type)
    candidates = [Candidate(int(K), name) for K in sorted(numbers) for name in types]
    _check_options(criterion, n_folds, n_simulations, n_jobs, types, observations)
    _check_shared(settings, numbers)
    work = _Selection(observations, candidates, settings, as_generator(rng), n_jobs)
    work.fit()
    if not work.fits.results:
        raise next(iter(work.fits.degenerate.values()))
    work.compare(criterion, n_folds, n_simulations)
    selection = work.choose(criterion)
    _warn_of_chance(selection)
    return selection


class _Selection:
    """The fits of all candidates, and what is compared."""

    def __init__(
        self,
        observations: AnyObservations,
        candidates: list[Candidate],
        settings: Settings,
        rng: np.random.Generator,
        n_jobs: int,
    ) -> None:
        self.observations, self.candidates, self.settings, self.n_jobs = observations, candidates, settings, n_jobs
        self.rng = rng
        self.fits = Fits()
        self.held_out: HeldOut | None = None
        self.p_values: dict[Candidate, float] = {}
        self.remarks: list[str] = []

    @cached_property
    def seed(self) -> int:
        """Of all that is random from the second candidate on."""
        return int(self.rng.integers(2**63))

    def fit(self) -> None:
        """Fit the candidates; a single one as `xdgmm.fitting.fit` does."""
        if len(self.candidates) == 1:
            self._fit_only()
            return
        with progress_bar(self.settings.progress, "fits", len(self.candidates)) as bar:
            tick = (lambda: None) if bar is None else bar.update
            self.fits = fit_candidates(self.observations, self.candidates, self.settings, self.seed, self.n_jobs, tick)

    def _fit_only(self) -> None:
        (only,) = self.candidates
        model = replace(self.settings.model, covariance_type=only.covariance_type)
        settings = replace(self.settings, model=model)
        try:
            result = fit(self.observations, only.n_components, settings, self.rng)
        except DegenerateError as error:
            self.fits.degenerate[only] = error
            return
        self.fits.results[only] = result
        self.fits.ended = result.outcome if result.outcome in ENDED else None

    def compare(self, criterion: str, n_folds: int, n_simulations: int) -> None:
        """Find what "cv" and "bootstrap" need."""
        if self.fits.ended is not None or criterion not in ("cv", "bootstrap"):
            return
        fitted, n_jobs = sorted(self.fits.results), self.n_jobs
        total, unit = (len(fitted) * n_folds, "fits") if criterion == "cv" else (None, "samples")
        try:
            with progress_bar(self.settings.progress, unit, total) as bar:
                tick = (lambda: None) if bar is None else bar.update
                rest = self.observations.sample, self.settings, self.seed  # all objects, which are in memory
                if criterion == "cv":
                    self.held_out = cross_validate(rest[0], fitted, *rest[1:], n_folds, n_jobs, tick)
                else:
                    self.p_values = bootstrap_test.p_values(rest[0], self.fits, *rest[1:], n_simulations, n_jobs, tick)
        except KeyboardInterrupt:
            self.remarks.append(f"interrupted: `criterion='{criterion}'` was not finished, and BIC chooses instead")

    def choose(self, criterion: str) -> ModelSelection:
        """Choose by a criterion; by BIC if the user has ended the work before."""
        if (criterion == "cv" and self.held_out is None) or (criterion == "bootstrap" and not self.p_values):
            criterion = "bic"
        values = self._values()
        chosen = self._first(self._chosen(criterion, values))
        results = tuple(self.fits.results.get(each) for each in self.candidates)
        meta = {
            "criterion": criterion,
            "chosen": self.candidates.index(chosen),
            "sentence": self._sentence(criterion, chosen, values),
        }
        table = candidate_table(values, meta)
        result = self.fits.results[chosen]
        if len(self.candidates) > 1:
            result = _with_table(result, table)
            results = tuple(
                result if each == chosen else one for each, one in zip(self.candidates, results, strict=True)
            )
        return ModelSelection(result, results, table, criterion, (*self.remarks, *self._remarks(criterion, chosen)))

    def _values(self) -> dict[str, Any]:
        """The numbers of all columns of the table."""
        rows = [self._row(each) for each in self.candidates]
        values: dict[str, Any] = {name: np.array([row[name] for row in rows]) for name in rows[0]}
        again = [each in self.fits.results and self._first(each) != each for each in self.candidates]
        values["evidence_weight"] = criteria.evidence_weights(np.where(again, np.nan, values["bic"]))
        values["evidence_weight"][again] = np.nan
        values["cv"] = np.array([np.nan if (h := self.held_out) is None else h.total(c) for c in self.candidates])
        values["cv_error"] = np.array([np.nan if (h := self.held_out) is None else h.error(c) for c in self.candidates])
        values["p_value"] = np.array([self.p_values.get(each, np.nan) for each in self.candidates])
        return values

    def _row(self, candidate: Candidate) -> dict[str, Any]:
        """The numbers of one candidate by itself."""
        K, D = candidate.n_components, self.observations.n_dimensions
        model = replace(self.settings.model, covariance_type=candidate.covariance_type)
        names = ("log_likelihood", "bic", "aic", "aicc", "icl", "smallest_component", "narrowest_width")
        row: dict[str, Any] = {
            "n_components": K,
            "covariance_type": candidate.covariance_type,
            "n_parameters": criteria.n_parameters(K, D, model),
            "status": self.fits.status(candidate),
            **dict.fromkeys(names, np.nan),
        }
        result = self.fits.results.get(candidate)
        if result is None:
            return row
        lnL, p, N = result.log_likelihood, result.n_parameters, result.total_weight
        entropy = criteria.membership_entropy(result.mixture, self.observations)
        with np.errstate(divide="ignore"):
            narrowest = float(1.0 / result.noise_ratio.max())
        return row | {
            "n_parameters": p,
            "log_likelihood": lnL,
            "bic": criteria.bic(lnL, p, N),
            "aic": criteria.aic(lnL, p),
            "aicc": criteria.aicc(lnL, p, N),
            "icl": criteria.icl(lnL, p, N, entropy),
            "smallest_component": float(result.mixture.weights.min() * N),
            "narrowest_width": narrowest,
        }

    def _chosen(self, criterion: str, values: dict[str, Any]) -> Candidate:
        if criterion == "cv" and self.held_out is not None:
            return self.held_out.simplest(dict(zip(self.candidates, values["n_parameters"].tolist(), strict=True)))
        if criterion == "bootstrap":
            enough = (each for each, p in self.p_values.items() if p > bootstrap_test.LEVEL)
            return next(enough, max(self.fits.results))
        rows = zip(values[criterion].tolist(), values["n_parameters"].tolist(), self.candidates, strict=True)
        return min(row for row in rows if row[2] in self.fits.results)[2]

    def _same(self, one: Candidate, other: Candidate) -> bool:
        """Are they the same model, such as one component with its own covariance and with a common one?"""
        K, D = one.n_components, self.observations.n_dimensions
        same = {"tied": "full"} if K == 1 else {}
        same |= {"diag": "full", "spherical": "full"} if D == 1 else {}
        types = {same.get(each.covariance_type, each.covariance_type) for each in (one, other)}
        return other.n_components == K and len(types) == 1

    def _first(self, candidate: Candidate) -> Candidate:
        """The first that is the same model, since rounding decides among their log-likelihoods."""
        return next(each for each in self.candidates if each in self.fits.results and self._same(each, candidate))

    def _sentence(self, criterion: str, chosen: Candidate, values: dict[str, Any]) -> str:
        """How decisive the criterion is."""
        own = self._called(chosen)
        if all(self._same(each, chosen) for each in self.fits.results):
            alone = len(self.fits.results) == 1
            return f"{own}: {'no other candidate was fitted' if alone else 'all candidates are the same model'}"
        if criterion == "bootstrap":
            return f"{own}: {self._tests(chosen)}"
        if criterion == "cv" and self.held_out is not None:
            return f"{own}: {self._of_held_out(self.held_out, chosen)}"
        by_value = sorted(
            (value, each)
            for value, each in zip(values[criterion], self.candidates, strict=True)
            if each in self.fits.results and not self._same(each, chosen)
        )
        if np.isinf(by_value[0][0]):  # AICc
            return f"{own}: {self._of_infinite(criterion, values[criterion][self.candidates.index(chosen)])}"
        difference = by_value[0][0] - values[criterion][self.candidates.index(chosen)]
        strength = f" ({criteria.strength_of_evidence(difference)})" if criterion == "bic" else ""
        than = self._briefly(self._first(by_value[0][1]), chosen)
        return f"{own}: {NAMES[criterion]} lower by {difference:.1f} than with {than}{strength}"

    def _of_infinite(self, criterion: str, own: float) -> str:
        whose = "every" if np.isinf(own) else "every other"
        choice = ", and the simplest is taken; choose by another criterion" if np.isinf(own) else ""
        return (
            f"{NAMES[criterion]} is infinite for {whose} candidate, since the objects are too few for the parameters"
            f"{choice}"
        )

    def _tests(self, chosen: Candidate) -> str:
        tested = sorted(self.p_values)
        place = sorted(self.fits.results).index(chosen)
        sentences = []
        if chosen in self.p_values:
            more = sorted(self.fits.results)[place + 1]
            sentences.append(f"{more.n_components} are not needed (p = {self.p_values[chosen]:.2g})")
        fewer = [each for each in tested if each < chosen]
        if fewer:
            verb = "does" if fewer[-1].n_components == 1 else "do"
            sentences.append(f"{fewer[-1].n_components} {verb} not suffice (p = {self.p_values[fewer[-1]]:.2g})")
        return ", ".join(sentences)

    def _of_held_out(self, held_out: HeldOut, chosen: Candidate) -> str:
        best = held_out.best
        if not self._same(chosen, best):
            higher, error = held_out.total(best) - held_out.total(chosen), held_out.error(chosen)
            return (
                f"the simplest within one standard error of the highest held-out log-likelihood, which is higher by "
                f"{higher:.1f} ± {error:.1f} nats with {self._briefly(self._first(best), chosen)}"
            )
        others = [each for each in held_out.scores if not self._same(each, chosen)]
        if not others:
            return "no other candidate could be fitted without every fold"
        p = {each: self.fits.results[each].n_parameters for each in held_out.scores}
        others = [each for each in others if p[each] < p[chosen]] or others  # the rule judges by simpler ones
        second = max(others, key=held_out.total)
        higher, error = held_out.total(chosen) - held_out.total(second), held_out.error(second)
        than = self._briefly(self._first(second), chosen)
        return f"held-out log-likelihood higher by {higher:.1f} ± {error:.1f} nats than with {than}"

    def _called(self, candidate: Candidate) -> str:
        K, several = candidate.n_components, len({each.covariance_type for each in self.candidates}) > 1
        return f"{K} component{'' if K == 1 else 's'}" + (f", {candidate.covariance_type}" if several else "")

    def _briefly(self, other: Candidate, chosen: Candidate) -> str:
        """Another candidate, by what differs from the chosen one."""
        if other.covariance_type == chosen.covariance_type:
            return str(other.n_components)
        return f"{other.n_components}, {other.covariance_type}"

    def _remarks(self, criterion: str, chosen: Candidate) -> Iterable[str]:
        if self.fits.ended is not None and len(self.candidates) > 1:
            yield "ended before all candidates were fitted and compared: better fits, and other choices, are possible"
        sample, (n, total) = self.observations.sample, (self.observations.n_objects, self.observations.total_weight)
        if len(self.candidates) > 1 and sample.object_weights[sample.counts].max() < LEAST_WEIGHT:
            yield (
                f"the {n} weights sum to {total:.3g}, and criteria count so many objects: scale "
                "relative weights so that their mean is 1"
            )
        tried, K = {each.n_components for each in self.candidates}, chosen.n_components
        name = NAMES.get(criterion)
        if len(tried) > 1 and K == max(tried) < self.observations.n_objects:
            better = "they may not suffice" if name is None else f"{name} may be lower for more"
            yield f"{K} components are the most that were tried, and {better}: try more"
        elif len(tried) > 1 and K == min(tried) > 1:
            better = "fewer may suffice" if name is None else f"{name} may be lower for fewer"
            yield f"{K} components are the fewest that were tried, and {better}: try fewer"


def _with_table(result: FitResult, table: QTable) -> FitResult:
    """The result with the table of candidates in the record of its mixture."""
    record = result.record
    assert record is not None, "a fit leaves a record"
    return replace(result, mixture=result.mixture.with_record(replace(record, selection=as_record(table))))


def candidate_numbers(n_components: int | Iterable[int]) -> list[int]:
    """The numbers to try, each once; InputError if there is none."""
    numbers = list(n_components) if isinstance(n_components, Iterable) else [n_components]
    if not numbers:
        raise InputError("no number of components to choose from; give at least one in `n_components`")
    return list(dict.fromkeys(numbers))


def candidate_types(covariance_types: str | Iterable[str] | None, default: str = "full") -> list[str]:
    """The covariance types to try, each once; InputError if there is none."""
    if covariance_types is None:
        return [default]
    if isinstance(covariance_types, str) or not isinstance(covariance_types, Iterable):
        covariance_types = [covariance_types]
    types = list(covariance_types)
    if not types:
        raise InputError("no covariance type to choose from; give at least one in `covariance_types`")
    for name in types:
        Model(name)  # which checks it
    return list(dict.fromkeys(types))


def _check_options(
    criterion: str, n_folds: int, n_simulations: int, n_jobs: int, types: list[str], observations: AnyObservations
) -> None:
    if criterion not in CRITERIA:
        raise InputError(f"`criterion` is {criterion!r}, but it must be one of {', '.join(CRITERIA)}")
    for name, value, least in (
        ("n_folds", n_folds, 2),
        ("n_simulations", n_simulations, bootstrap_test.FEWEST_SIMULATIONS),
    ):
        whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        if not whole or value < least:
            raise InputError(f"`{name}` is {value!r}, but it must be a whole number, at least {least}")
    check_jobs(n_jobs)
    if criterion == "cv" and n_folds > observations.n_objects:
        raise InputError(f"`n_folds` is {n_folds}, but there are only {observations.n_objects} objects; ask for fewer")
    if criterion == "bootstrap" and len(types) > 1:
        raise InputError(
            "`criterion='bootstrap'` tests numbers of components of one covariance type; give one in `covariance_types`"
        )


def _check_shared(settings: Settings, numbers: list[int]) -> None:
    """Refuse what belongs to one number of components only."""
    if len(numbers) == 1:
        return
    if settings.start is not None:
        raise InputError(
            "a start has one number of components, but several are to be compared; give one in `n_components`, or no "
            "start"
        )
    if settings.model.fixed.anything:
        raise InputError(
            "`fixed` names components of a start, which has one number of them, but several are to be compared; give "
            "one in `n_components`, or fix nothing"
        )


def _warn_of_chance(selection: ModelSelection) -> None:
    if selection.result.near_singular:
        warnings.warn(
            f"the criterion chooses {selection.n_components} components, of which "
            f"{', '.join(map(str, selection.result.near_singular))} can follow chance: very narrow, with few objects, "
            "and not limited by errors; look at them, choose fewer components, or give a prior on the covariances",
            XdgmmWarning,
            stacklevel=4,
        )
