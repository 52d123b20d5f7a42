"""Fit, print and write: what `xdgmm fit`, `xdgmm widths` and `xdgmm demo` share."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .catalogues import Measured, is_read_in_parts, opened, with_remarks
from .given_command import given_command
from .json_results import finite, mixture_as_json, record_as_json, table_as_json
from .options import parse_names, reading_options
from .printing import escaped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from astropy.table import QTable

    from xdgmm.fitting import FitResult, Settings
    from xdgmm.fitting.problem import AnyObservations
    from xdgmm.mixture import GaussianMixture

    from .options import Asymmetric, Correlations, OnBad, OnLimit
    from .output_files import FitFiles
    from .printing import Printer

SCREEN = 36  # rows of all tables of a report that is printed in full
MOST_WIDTHS, FEW = 20, 6  # rows of a longer one: widths along columns; those along principal axes, and other tables


@dataclass(frozen=True)
class FitReport:
    """What a command prints and writes about the fit of one set of observations.

    Attributes
    ----------
    title : str
    observations : Observations or StreamedObservations
    files : FitFiles
        The files to write.
    printer : Printer
    options : dict
        Options of `xdgmm.widths.widths`, and `rng` for its samples.
    full : bool
        Whether every row is printed; otherwise a long report is cut to a screen.
    """

    title: str
    observations: AnyObservations
    files: FitFiles
    printer: Printer
    options: dict[str, Any] = field(default_factory=dict)
    full: bool = False

    def print_data(self) -> None:
        """Print how many objects were read, with which errors, and what is missing."""
        n_objects, remarks = self.observations.n_objects, map(escaped, self.observations.remarks)
        self.printer.print(f"[b]{escaped(self.title)}[/b]")
        self.printer.print("; ".join([f"{n_objects} object{'' if n_objects == 1 else 's'}", *remarks]))

    def fit(self, n_components: Sequence[int], settings: Settings, seed: int, **options: Any) -> dict[str, Any]:
        """Fit by `xdgmm.selection.select`, which has the options; print and write; returns what to print as JSON."""
        from xdgmm.fitting import description_of_fit, with_recipe
        from xdgmm.selection import select

        self.print_data()
        chosen_by = {name: value for name, value in options.items() if name != "n_jobs"}
        everything = description_of_fit(settings, list(n_components)) | chosen_by
        with self.files.recording(self.observations, everything, seed) as observations:
            selection = select(observations, n_components, settings, seed, **options)
        result, table = with_recipe(selection.result, given_command.text), selection.table
        several = len(table) > 1
        if several:
            self.printer.print(selection.rich_table())
            self.printer.print(escaped(selection.decisiveness))
            self.files.candidates = table
        ended = f"log-likelihood {result.log_likelihood:.6f} nats; {result.outcome.value}"
        streamed = (result.passes.described(),) if self.observations.sample is not self.observations else ()
        document, sampled = self.report(result, (ended, *streamed, *selection.remarks, *result.remarks))
        document["candidates"] = {**table_as_json(table), "meta": finite(dict(table.meta))} if several else None
        return {**document, "converged": result.converged and sampled}

    def report(self, fitted: FitResult | GaussianMixture, sentences: Sequence[str]) -> tuple[dict[str, Any], bool]:
        """Print and write widths and relations, and the sentences.

        Returns
        -------
        dict
            What to print as JSON.
        bool
            Whether the samples from which errors were found converged; true if there are none.
        """
        from xdgmm import widths as reports
        from xdgmm.mixture import GaussianMixture

        options = self._with_samples(fitted)
        with self._shown_passes():
            report = reports.widths(fitted, self.observations, title=self.title, **options)
            mixture = fitted if isinstance(fitted, GaussianMixture) else fitted.mixture
            relations = None
            if sum(mixture.means.shape) > 2:
                relations = reports.relations(fitted, self.observations, **_relation_options(options))
        self._print_tables(report, relations, n_columns=mixture.means.size)
        sentences = (*sentences, *_cautions(report, self.observations))
        for sentence in sentences:
            self.printer.print(escaped(sentence))
        if mixture.record is not None and mixture.record.recipe:
            self.printer.print(f"the fit again: {escaped(mixture.record.recipe)}")
        written = self.files.write(fitted, report, self.observations, self.title)
        if self.files.chain is not None:
            written = [*written, self.files.chain]
        for path in written:
            self.printer.print(f"wrote {escaped(path)}")
        document = {
            "title": self.title,
            "n_objects": self.observations.n_objects,
            "n_sampled": self.observations.sample.n_objects,
            "data": list(self.observations.remarks),
            "model": mixture_as_json(mixture),
            "record": record_as_json(mixture.record),
            "widths": {**table_as_json(report), "meta": finite(dict(report.meta))},
            "relations": None
            if relations is None
            else {**table_as_json(relations), "meta": finite(dict(relations.meta))},
            "remarks": list(sentences),
            "written": [str(path) for path in written],
        }
        return document, getattr(options.get("samples"), "converged", True)

    @contextmanager
    def _shown_passes(self) -> Iterator[None]:
        """A terminal shows that errors and limits are found; of a catalogue in parts how far the present pass is."""
        from xdgmm.basics.progress import passes_watched, progress_bar

        what = "errors and limits"
        if self.observations.sample is self.observations:
            with self.printer.status(what):
                yield
            return
        with progress_bar(self.printer.progress) as bar, passes_watched(bar, lambda: what):
            yield

    def _print_tables(self, report: QTable, relations: QTable | None, n_columns: int) -> None:
        """Print the tables; of a long report the first rows, and how many are left out.

        The report begins with `n_columns` rows of widths along columns, which those along principal axes follow.
        """
        from xdgmm import widths as reports

        n_relations = 0 if relations is None else len(relations)
        whole = self.full or 2 * len(report) + n_relations <= SCREEN
        most, few = (len(report), len(report) + n_relations) if whole else (MOST_WIDTHS, FEW)
        rows = [*range(min(n_columns, most)), *range(n_columns, min(n_columns + few, len(report)))]
        compared = rows if whole else range(min(n_columns, few))
        self.printer.print(reports.rich_table(report[rows]))
        self.printer.print(reports.comparison_table(report[list(compared)]))
        if relations is not None:
            self.printer.print(reports.relations_table(relations[:few]))
        left_out = {
            "widths": len(report) - len(rows),
            "comparisons": len(report) - len(compared),
            "relations": max(n_relations - few, 0),
        }
        if any(left_out.values()):
            counts = ", ".join(f"{n} {what}" for what, n in left_out.items() if n)
            self.printer.print(f"not printed: {counts}; --full prints all rows, --json holds them")

    def _with_samples(self, fitted: FitResult | GaussianMixture) -> dict[str, Any]:
        """The options of the report, with the samples if its method needs some."""
        from xdgmm import uncertainty

        samplers: dict[str, Any] = {"bootstrap": uncertainty.bootstrap, "mcmc": uncertainty.sample_posterior}
        options = dict(self.options)
        rng, method = options.get("rng"), options.get("method", "information")
        if method in samplers:
            kept = {}
            if self.files.chain is not None:
                kept = {"backend": self.files.chain, "existing": "overwrite" if self.files.overwrite else "refuse"}
            sample = samplers[method]
            samples = sample(fitted, self.observations, rng=rng, progress=self.printer.progress, **kept)
            self.files.samples = samples if method == "mcmc" else None
            options["samples"] = samples
        return options


def observations_and_table(
    mixture: GaussianMixture,
    table: Path,
    columns: str | None,
    *,
    errors: str,
    correlations: Correlations,
    weights: str | None,
    memberships: str | None,
    on_bad: OnBad,
    on_limit: OnLimit,
    asymmetric: Asymmetric,
    hdu: str | None,
    readme: Path | None,
    memory: str | None = None,
    progress: str = "never",
) -> tuple[AnyObservations, QTable | None]:
    """The columns of a table that a model has, or others that are named, as observations; and the whole table.

    No table where it is read in parts.
    """
    from xdgmm.basics.progress import readings_shown
    from xdgmm.observations import Observations
    from xdgmm.tables import read_table

    names = list(mixture.names) if columns is None else parse_names(columns)
    options = reading_options(errors, correlations, weights, memberships, on_bad, on_limit, asymmetric)
    if is_read_in_parts(table, memory):
        source = opened(table, names, memory, hdu=hdu, readme=readme, **options)
        with readings_shown(progress):
            return in_units_of(mixture, source.observations()), None
    contents = read_table(table, hdu, readme)
    return in_units_of(mixture, Observations.from_table(contents, names, **options)), contents


def in_units_of(mixture: GaussianMixture, observations: Measured) -> Measured:
    """The observations, with a remark on columns without a unit, which are taken to be in that of the model."""
    units: dict[str, list[str]] = {}
    for name, own, unit in zip(observations.names, observations.units, mixture.units, strict=False):
        if own is None and unit is not None:
            units.setdefault(str(unit), []).append(name)
    sentences = [f"{', '.join(names)} taken to be in {unit}, as in the model" for unit, names in units.items()]
    return with_remarks(observations, *sentences)


def _relation_options(options: dict[str, Any]) -> dict[str, Any]:
    """Those options of a report that `xdgmm.widths.relations` has too."""
    method = options.get("method", "information")
    method = method if method in ("sandwich", "profile") else "information"
    shared: dict[str, Any] = {name: options[name] for name in ("samples", "level", "limit_level") if name in options}
    return {"method": method, **shared}


def _cautions(report: QTable, observations: AnyObservations) -> Iterator[str]:
    """What a reader of the numbers should know."""
    if observations.n_dimensions > 1:
        for component, directions in enumerate(report.meta["singular"]):
            if directions:
                plural = "s" if directions > 1 else ""
                yield (
                    f"component {component} has no intrinsic width in {directions} direction{plural} across the "
                    "columns: the errors explain all the scatter there"
                )
