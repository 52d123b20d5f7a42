"""Fitting and reporting, said on the console: what `fit`, `widths` and `demo` share."""

from .consoles import escaped
from .documents import finite, of_mixture, of_record, of_table


def run(observations, candidates, outputs, settings, seed, title, options, voice):
    """Fit, print, write; returns the results for machines.  `options` are those of `xdgmm.widths.widths`."""
    from xdgmm.selection import search

    introduce(voice, title, observations)
    selection = search(observations, candidates, settings, seed)
    result = selection.result
    if len(candidates) > 1:
        voice.say(_bic_sentence(selection))
    fit = f"log-likelihood {result.log_likelihood:.6f} nats; {result.outcome.value}"
    meta = {"log_likelihood": result.log_likelihood, "outcome": result.outcome.value}
    document, sampled = _reported(result, observations, outputs, title, options, voice, meta, (fit, *result.remarks))
    criteria = zip(selection.n_components, selection.bic.tolist(), strict=True)
    return {**document, "bic": finite(dict(criteria)), "converged": result.converged and sampled}


def report_widths(fitted, observations, outputs, title, options, voice, remarks=()):
    """Print and write the widths of a model that was fitted before; returns whether samples converged."""
    document, converged = _reported(fitted, observations, outputs, title, options, voice, sentences=remarks)
    voice.tell({**document, "converged": converged})
    return converged


def in_units_of(mixture, observations):
    """The observations, with a remark on columns without a unit, which are taken to be in that of the model."""
    units = {}
    for name, own, unit in zip(observations.names, observations.units, mixture.units, strict=False):
        if own is None and unit is not None:
            units.setdefault(str(unit), []).append(name)
    sentences = [f"{', '.join(names)} taken to be in {unit}, as in the model" for unit, names in units.items()]
    return observations.remarking(*sentences)


def introduce(voice, title, observations):
    """Say what was read: how many objects, which errors, what is missing."""
    voice.say(f"[b]{escaped(title)}[/b]")
    plural = "" if observations.n_objects == 1 else "s"
    voice.say("; ".join([f"{observations.n_objects} object{plural}", *map(escaped, observations.remarks)]))


def _reported(fitted, observations, outputs, title, options, voice, meta=None, sentences=()):
    """Print and write a report; returns it as a document, and whether its samples, if any, converged."""
    from xdgmm import widths as reports

    options = with_samples(fitted, observations, options, voice)
    with voice.status("errors and limits"):
        report = reports.widths(fitted, observations, **options)
        mixture = getattr(fitted, "mixture", fitted)
        relations = None
        if sum(mixture.means.shape) > 2:
            relations = reports.relations(fitted, observations, **_of_relations(options))
    report.meta.update(meta or {}, title=title)
    voice.say(reports.rich_table(report))
    voice.say(reports.comparison_table(report))
    if relations is not None:
        voice.say(reports.relations_table(relations))
    sentences = (*sentences, *_cautions(report, observations))
    for sentence in sentences:
        voice.say(escaped(sentence))
    written = outputs.write(fitted, report, observations, title)
    for path in written:
        voice.say(f"wrote {escaped(path)}")
    document = {
        "title": title,
        "n_objects": observations.n_objects,
        "data": list(observations.remarks),
        "model": of_mixture(mixture),
        "record": of_record(mixture.record),
        "widths": {**of_table(report), "meta": finite(dict(report.meta))},
        "relations": None if relations is None else of_table(relations),
        "remarks": list(sentences),
        "written": [str(path) for path in written],
    }
    return document, getattr(options.get("samples"), "converged", True)


def with_samples(result, observations, options, voice):
    """The options of a report with the samples that its method needs, if it needs some."""
    from xdgmm import uncertainty

    method, options = options.get("method"), dict(options)
    rng = options.pop("rng", None)
    if method == "bootstrap":
        return {**options, "samples": uncertainty.bootstrap(result, observations, rng=rng, progress=voice.progress)}
    if method == "mcmc":
        return {**options, "samples": uncertainty.refine(result, observations, rng=rng, progress=voice.progress)}
    return options


def _of_relations(options):
    """Those options of a report that hold for relations too."""
    kind = "sandwich" if options.get("method") == "sandwich" else "information"
    return {"kind": kind, "samples": options.get("samples"), "level": options.get("level", 0.6827)}


def _cautions(report, observations):
    """What a reader of the numbers should know."""
    if report.meta["weighted"]:
        yield "weights count as numbers of objects: all errors scale with them"
    if observations.n_dimensions > 1:
        for component, directions in enumerate(report.meta["singular"]):
            if directions:
                plural = "s" if directions > 1 else ""
                yield (
                    f"component {component} has no intrinsic width in {directions} direction{plural} across the "
                    "columns: there the errors explain all the scatter"
                )


def _bic_sentence(selection):
    rows = zip(selection.n_components, selection.bic, strict=True)
    values = ", ".join(f"{k}: {value:.2f}" for k, value in rows)
    sentence = f"BIC by number of components: {values}; chosen: {selection.chosen}"
    if selection.degenerate:
        sentence += f" (no maximum exists for {', '.join(map(str, selection.degenerate))})"
    return sentence
