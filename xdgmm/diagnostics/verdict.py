"""`Check`: the verdict on a fit, with its tests, how it is printed and written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.files import atomic_write, check_output
from xdgmm.tables import REPORT_SUFFIXES, write_table
from xdgmm.tables.printing import as_html, as_text, html_page
from xdgmm.tables.report import Column, build_table

from .printing import influence_table, test_table, unusual_table
from .sentences import sentence_of_distribution, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from os import PathLike

    from astropy.table import QTable
    from numpy.typing import NDArray
    from rich.table import Table

    from .samples import Statistics

    Floats = NDArray[np.float64]

LEVEL = 0.05  # probability that a right model does not pass
AS_EXPECTED = "as expected"
HTML = (".html", ".htm")
CHECK_SUFFIXES = (*REPORT_SUFFIXES, *HTML)
COLUMNS = (
    Column("name", "of the test, and of its column or component"),
    Column("statistic", "how far out, in standard deviations of samples of the model", format=".3g"),
    Column("p_value", "fraction of samples of the model that are as far out, two-sided", format=".3g"),
    Column("effect", "excess kurtosis, skewness, correlation, or distance of the distribution functions", format=".3g"),
    Column("sentence", "what it says"),
)
QUANTILES = (
    Column("expected", "normal quantile"),
    Column("residual", "the same quantile of the residuals"),
    Column("low", "of which 2.5% of samples of the model are lower"),
    Column("high", "of which 2.5% of samples of the model are higher"),
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
    n_objects : int
        Objects that were looked at: all that count, or those of a random sample.
    sampled_from : int or None
        Objects of the catalogue of which this is a random sample; None where all were in memory.
    unusual : QTable or None
        The ten least probable objects, see `unusual_objects`.
    influence : QTable or None
        The objects that move a width most, see `influence`.
    remedies : QTable or None
        Widths after a remedy, where the check does not pass: see `try_remedies`.
    quantiles : QTable or None
        For a picture: normal quantiles (expected), those of the residuals (residual), and between which (low, high)
        lie those of 95% of samples of the model.
    simulated : ndarray (n_simulations, n_tests)
        Effects of the tests in samples of the model.
    """

    passed: bool
    p_value: float
    table: QTable
    n_simulations: int
    unusual: QTable | None = None
    influence: QTable | None = None
    remedies: QTable | None = None
    quantiles: QTable | None = None
    simulated: Floats = field(default_factory=lambda: np.zeros((0, 0)), repr=False)
    n_objects: int = 0
    sampled_from: int | None = None

    def __str__(self) -> str:
        """The verdict, and the tests as a table."""
        from rich.markup import escape

        return as_text(*(escape(part) if isinstance(part, str) else part for part in self.report()))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """The same for notebooks."""
        return as_html(*self.report())

    @property
    def verdict(self) -> str:
        """One sentence, and one more for each test that does not pass, and for each remedy that was tried.

        Before them one on the objects that were looked at, where these are a random sample.
        """
        return "\n".join([*self._of_sample(), self._of_tests()])

    def _of_sample(self) -> Iterator[str]:
        if self.sampled_from is not None:
            yield f"checked: a random sample of {self.n_objects} of {self.sampled_from} objects"

    def _of_tests(self) -> str:
        if self.passed:
            return f"nothing speaks against the model (p = {self.p_value:.2g}, {self.n_simulations} samples of it)"
        found = [str(row["sentence"]) for row in self.table if row["sentence"] != AS_EXPECTED]
        tried = [] if self.remedies is None else [f"with {each}" for each in self.remedies.meta["sentences"]]
        return "\n".join([f"the model does not fit ({shown(self.p_value)}, all tests together):", *found, *tried])

    @property
    def failed(self) -> QTable:
        """The tests that do not pass."""
        return self.table[np.asarray(self.table["sentence"]) != AS_EXPECTED]

    def rich_table(self) -> Table:
        """The tests as a `rich.table.Table`."""
        return test_table(self.table, AS_EXPECTED)

    def report(self) -> list[Table | str]:
        """Tables and sentences in their order, as they are printed."""
        parts: list[Table | str] = [self.rich_table(), self.verdict]
        if self.unusual is not None and len(self.unusual):
            n, refitted = self.unusual.meta["n_objects"], any(self.unusual["left_out"])
            marks = "!: far below" + "; refitted: without the object" * refitted
            of_sample = "" if self.sampled_from is None else " of the sample"
            unusual = f"The least probable of {n} objects{of_sample}, beside the p-values expected of these ({marks}):"
            parts = [self.rich_table(), f"{self.verdict}\n\n{unusual}", unusual_table(self.unusual)]
        if self.influence is not None and len(self.influence):
            where = "" if self.sampled_from is None else ", in a fit to the sample"
            parts += [f"Widths without one object{where}:", influence_table(self.influence)]
        return parts

    def write(self, path: str | PathLike[str], *, overwrite: bool = False) -> None:
        """Write the report as .html, or the table of the tests as .ecsv or .fits, the verdict in ``meta["remarks"]``.

        Raises
        ------
        OutputError
            If the path cannot be written, ends otherwise, or exists and `overwrite` is false.
        """
        path = check_output(path, overwrite=overwrite, suffixes=CHECK_SUFFIXES)
        if path.suffix.lower() not in HTML:
            table = self.table.copy(copy_data=False)
            table.meta["remarks"] = self.verdict.splitlines()
            write_table(table, path, overwrite=overwrite)
            return
        page = html_page("Does the model fit?", *self.report())
        with atomic_write(path, overwrite=overwrite) as temporary:
            temporary.write_text(page, encoding="utf-8")


def verdict_on(observed: Statistics, simulated: Sequence[Statistics], probabilities: Floats) -> Check:
    """The verdict on observations, from the same statistics of samples of the model."""
    own, n_distances = observed.by_name(), len(observed.distances)
    samples = [each.by_name() for each in simulated]
    effects = np.array([[sample.get(name, 0.0) for name in own] for sample in samples])
    effect = np.array(list(own.values()))
    pool = np.vstack([effect, effects])
    p_values = np.array([_p_values(column, two_sided=i >= n_distances)[0] for i, column in enumerate(pool.T)])
    extremes = _extremes(pool, n_distances)
    largest = extremes.max(axis=1)
    p_value = float((largest >= largest[0]).mean())
    passed = p_value > LEVEL
    critical = min(np.quantile(largest, 1.0 - LEVEL), largest[0])
    found = np.zeros(effect.size, bool) if passed else extremes[0] >= critical
    sentences = [_sentence(observed, i, p) if found[i] else AS_EXPECTED for i, p in enumerate(p_values)]
    values: dict[str, Any] = {
        "name": np.array(list(own)),
        "statistic": extremes[0],
        "p_value": p_values,
        "effect": effect,
        "sentence": np.array(sentences),
    }
    meta = {"passed": passed, "p_value": p_value, "n_simulations": len(simulated)}
    table = build_table(COLUMNS, values, meta=meta)
    quantiles = _quantiles(observed, simulated, probabilities)
    return Check(passed, p_value, table, len(simulated), quantiles=quantiles, simulated=effects)


def _quantiles(observed: Statistics, simulated: Sequence[Statistics], probabilities: Floats) -> QTable:
    from scipy.special import ndtri

    low, high = np.quantile([each.quantiles for each in simulated], [0.025, 0.975], axis=0)
    values = {"expected": ndtri(probabilities), "residual": observed.quantiles, "low": low, "high": high}
    return build_table(QUANTILES, values)


def _extremes(pool: Floats, n_distances: int) -> Floats:
    """How far out each statistic is, in standard deviations of the pool: of distances upwards, of others both ways."""
    values = pool.copy()
    values[:, :n_distances] = np.log(np.maximum(values[:, :n_distances], 1e-300))
    spread = values.std(axis=0)
    result: Floats = (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    result[:, n_distances:] = np.abs(result[:, n_distances:])
    return result


def _sentence(observed: Statistics, i: int, p_value: float) -> str:
    if i >= len(observed.distances):
        return observed.measures[i - len(observed.distances)].sentence(p_value)
    name, effect = list(observed.distances.items())[i]
    return sentence_of_distribution(name, effect, p_value)


def _p_values(values: Floats, *, two_sided: bool) -> Floats:
    """Of each value among all of them: the fraction that is as large, or of the smaller tail twice."""
    order = np.sort(values)
    n = values.size
    as_large = (n - np.searchsorted(order, values, side="left")) / n
    if not two_sided:
        return np.asarray(as_large)
    as_small = np.searchsorted(order, values, side="right") / n
    return np.minimum(2.0 * np.minimum(as_large, as_small), 1.0)
