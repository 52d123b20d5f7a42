"""Fitting and reporting, said on the console: what `fit`, `widths` and `demo` share."""

from .consoles import asides, escaped, results


def run(observations, candidates, outputs, settings, seed, title, options=None):
    """Fit, print, write; returns whether the fit converged.  `options` are those of `xdgmm.widths.widths`."""
    from xdgmm import widths as reports
    from xdgmm.selection import search

    console = results()
    console.print(f"[b]{escaped(title)}[/b]", soft_wrap=True)
    plural = "" if observations.n_objects == 1 else "s"
    console.print(
        f"{observations.n_objects} object{plural}; " + "; ".join(map(escaped, observations.remarks)), soft_wrap=True
    )
    selection = search(observations, candidates, settings, seed)
    result = selection.result
    options = with_samples(result, observations, options or {})
    with asides().status("errors and limits"):
        report = reports.widths(result, observations, **options)
    report.meta.update(log_likelihood=result.log_likelihood, outcome=result.outcome.value, title=title)
    if len(candidates) > 1:
        console.print(_bic_sentence(selection), soft_wrap=True)
    console.print(reports.rich_table(report))
    console.print(reports.comparison_table(report))
    if sum(result.mixture.means.shape) > 2:
        console.print(reports.relations_table(reports.relations(result, observations, **_of_relations(options))))
    console.print(f"log-likelihood {result.log_likelihood:.6f} nats; {result.outcome.value}", soft_wrap=True)
    for sentence in (*result.remarks, *_cautions(report, observations)):
        console.print(sentence, soft_wrap=True)
    for path in outputs.write(result.mixture, report, observations, title):
        console.print(f"wrote {escaped(path)}", soft_wrap=True)
    console.print()
    return result.converged and getattr(options.get("samples"), "converged", True)


def report_widths(fitted, observations, outputs, title, options):
    """Print and write the widths of a model that was fitted before; returns whether samples converged."""
    from xdgmm import widths as reports

    console = results()
    console.print(f"[b]{escaped(title)}[/b]", soft_wrap=True)
    options = with_samples(fitted, observations, options)
    with asides().status("errors and limits"):
        report = reports.widths(fitted, observations, **options)
    report.meta.update(title=title)
    console.print(reports.rich_table(report))
    console.print(reports.comparison_table(report))
    mixture = getattr(fitted, "mixture", fitted)
    if sum(mixture.means.shape) > 2:
        console.print(reports.relations_table(reports.relations(fitted, observations, **_of_relations(options))))
    for sentence in _cautions(report, observations):
        console.print(sentence, soft_wrap=True)
    for path in outputs.write(mixture, report, observations, title):
        console.print(f"wrote {escaped(path)}", soft_wrap=True)
    return getattr(options.get("samples"), "converged", True)


def with_samples(result, observations, options):
    """The options of a report with the samples that its method needs, if it needs some."""
    from xdgmm import uncertainty

    method, options = options.get("method"), dict(options)
    rng = options.pop("rng", None)
    if method == "bootstrap":
        return {**options, "samples": uncertainty.bootstrap(result, observations, rng=rng)}
    if method == "mcmc":
        return {**options, "samples": uncertainty.refine(result, observations, rng=rng)}
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
