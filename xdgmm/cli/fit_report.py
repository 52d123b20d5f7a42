"""Fit, print and write: what `xdgmm fit`, `xdgmm widths` and `xdgmm demo` share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .json_results import finite, mixture_as_json, record_as_json, table_as_json
from .printing import Printer, escaped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from astropy.table import QTable

    from xdgmm.fitting import FitResult, Settings
    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations
    from xdgmm.selection import ModelSelection

    from .output_files import FitFiles


def fit_and_report(
    observations: Observations,
    candidates: Sequence[int],
    files: FitFiles,
    settings: Settings,
    seed: int,
    title: str,
    options: dict[str, Any],
    printer: Printer,
) -> dict[str, Any]:
    """Fit, print and write; returns what to print as JSON.  `options` are those of `xdgmm.widths.widths`."""
    from xdgmm.selection import search

    print_observations(printer, title, observations)
    selection = search(observations, candidates, settings, seed)
    result = selection.result
    if len(candidates) > 1:
        printer.print(_bic_sentence(selection))
    fit = f"log-likelihood {result.log_likelihood:.6f} nats; {result.outcome.value}"
    document, sampled = _report(result, observations, files, title, options, printer, (fit, *result.remarks))
    criteria = zip(selection.n_components, selection.bic.tolist(), strict=True)
    return {**document, "bic": finite(dict(criteria)), "converged": result.converged and sampled}


def report_widths(
    fitted: FitResult | GaussianMixture,
    observations: Observations,
    files: FitFiles,
    title: str,
    options: dict[str, Any],
    printer: Printer,
    sentences: Sequence[str] = (),
) -> bool:
    """Print and write the widths of a model that was fitted before; returns whether samples converged."""
    document, converged = _report(fitted, observations, files, title, options, printer, sentences)
    printer.print_json({**document, "converged": converged})
    return converged


def in_units_of(mixture: GaussianMixture, observations: Observations) -> Observations:
    """The observations, with a remark on columns without a unit, which are taken to be in that of the model."""
    units: dict[str, list[str]] = {}
    for name, own, unit in zip(observations.names, observations.units, mixture.units, strict=False):
        if own is None and unit is not None:
            units.setdefault(str(unit), []).append(name)
    sentences = [f"{', '.join(names)} taken to be in {unit}, as in the model" for unit, names in units.items()]
    return observations.remarking(*sentences)


def print_observations(printer: Printer, title: str, observations: Observations) -> None:
    """Print how many objects were read, with which errors, and what is missing."""
    printer.print(f"[b]{escaped(title)}[/b]")
    plural = "" if observations.n_objects == 1 else "s"
    printer.print("; ".join([f"{observations.n_objects} object{plural}", *map(escaped, observations.remarks)]))


def _report(
    fitted: FitResult | GaussianMixture,
    observations: Observations,
    files: FitFiles,
    title: str,
    options: dict[str, Any],
    printer: Printer,
    sentences: Sequence[str],
) -> tuple[dict[str, Any], bool]:
    """Print and write a report; returns it for JSON, and whether its samples, if any, converged."""
    from xdgmm import widths as reports
    from xdgmm.mixture import GaussianMixture

    options = _with_samples(fitted, observations, options, printer)
    with printer.status("errors and limits"):
        report = reports.widths(fitted, observations, title=title, **options)
        mixture = fitted if isinstance(fitted, GaussianMixture) else fitted.mixture
        relations = None
        if sum(mixture.means.shape) > 2:
            relations = reports.relations(fitted, observations, **_relation_options(options))
    printer.print(reports.rich_table(report))
    printer.print(reports.comparison_table(report))
    if relations is not None:
        printer.print(reports.relations_table(relations))
    sentences = (*sentences, *_cautions(report, observations))
    for sentence in sentences:
        printer.print(escaped(sentence))
    written = files.write(fitted, report, observations, title)
    for path in written:
        printer.print(f"wrote {escaped(path)}")
    document = {
        "title": title,
        "n_objects": observations.n_objects,
        "data": list(observations.remarks),
        "model": mixture_as_json(mixture),
        "record": record_as_json(mixture.record),
        "widths": {**table_as_json(report), "meta": finite(dict(report.meta))},
        "relations": None if relations is None else table_as_json(relations),
        "remarks": list(sentences),
        "written": [str(path) for path in written],
    }
    return document, getattr(options.get("samples"), "converged", True)


def _with_samples(
    result: FitResult | GaussianMixture, observations: Observations, options: dict[str, Any], printer: Printer
) -> dict[str, Any]:
    """The options of a report, with the samples if its method needs some."""
    from xdgmm import uncertainty

    method, options = options.get("method"), dict(options)
    rng = options.pop("rng", None)
    if method == "bootstrap":
        return {**options, "samples": uncertainty.bootstrap(result, observations, rng=rng, progress=printer.progress)}
    if method == "mcmc":
        return {
            **options,
            "samples": uncertainty.sample_posterior(result, observations, rng=rng, progress=printer.progress),
        }
    return options


def _relation_options(options: dict[str, Any]) -> dict[str, Any]:
    """Those options of a report that `xdgmm.widths.relations` has too."""
    kind = "sandwich" if options.get("method") == "sandwich" else "information"
    return {"kind": kind, "samples": options.get("samples"), "level": options.get("level", 0.6827)}


def _cautions(report: QTable, observations: Observations) -> Iterator[str]:
    """What a reader of the numbers should know."""
    if report.meta["weighted"]:
        yield "weights count as numbers of objects: all errors scale with them"
    if observations.n_dimensions > 1:
        for component, directions in enumerate(report.meta["singular"]):
            if directions:
                plural = "s" if directions > 1 else ""
                yield (
                    f"component {component} has no intrinsic width in {directions} direction{plural} across the "
                    "columns: the errors explain all the scatter there"
                )


def _bic_sentence(selection: ModelSelection) -> str:
    rows = zip(selection.n_components, selection.bic, strict=True)
    values = ", ".join(f"{k}: {value:.2f}" for k, value in rows)
    sentence = f"BIC by number of components: {values}; chosen: {selection.chosen}"
    if selection.degenerate:
        sentence += f" (no maximum exists for {', '.join(map(str, selection.degenerate))})"
    return sentence
