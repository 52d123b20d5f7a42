"""The command line.  No mathematics here: it reads, calls, prints and writes."""

import sys
import warnings
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from xdgmm.errors import InputError, OutputError, XdgmmError, XdgmmWarning
from xdgmm.files import check_output, written_whole

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Extreme deconvolution: the intrinsic widths behind measurements that each have their own error.",
)


MOST_CANDIDATES = 100
SAME_MAXIMUM = 1e-3  # nats


class CovarianceType(StrEnum):
    """Which covariances the components may have."""

    FULL = "full"
    TIED = "tied"
    DIAG = "diag"
    SPHERICAL = "spherical"


class Method(StrEnum):
    """Where the errors of a report come from."""

    INFORMATION = "information"
    SANDWICH = "sandwich"
    PROFILE = "profile"
    BOOTSTRAP = "bootstrap"
    MCMC = "mcmc"


class Convention(StrEnum):
    """Which Doppler formula."""

    OPTICAL = "optical"
    RADIO = "radio"
    RELATIVISTIC = "relativistic"


class OnBad(StrEnum):
    """What to do with a value whose error is zero, negative or missing."""

    RAISE = "raise"
    DROP = "drop"
    MISSING = "missing"
    EXACT = "exact"


@app.command()
def fit(
    table: Annotated[Path, typer.Argument(help="Table to fit: FITS, ECSV, CSV, anything astropy reads.")],
    columns: Annotated[str, typer.Option(help="Columns to fit, separated by commas.", metavar="NAME[,NAME...]")],
    errors: Annotated[
        str, typer.Option(help="Columns of the 1-sigma errors, one for each; [b]none[/b] for exact values.")
    ] = "auto",
    weights: Annotated[str | None, typer.Option(help="Column of the object weights.", metavar="NAME")] = None,
    components: Annotated[str, typer.Option(help="How many: 2, or 1:4 to let BIC choose.", metavar="K|K:K")] = "1",
    covariance_type: Annotated[
        CovarianceType, typer.Option(help="Each component its own, one for all, no correlations, or round.")
    ] = CovarianceType.FULL,
    on_bad: Annotated[OnBad, typer.Option(help="What to do where a value has no usable error.")] = OnBad.RAISE,
    output: Annotated[Path | None, typer.Option(help="Write the model here (.fits).")] = None,
    report: Annotated[Path | None, typer.Option(help="Write the width report here (.ecsv or .fits).")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw a picture here (.png, .pdf, .svg).")] = None,
    starts: Annotated[int, typer.Option(help="How many random starts are compared.", min=1)] = 10,
    seed: Annotated[int, typer.Option(help="Seed of the random starts.", min=0)] = 0,
    *,
    background: Annotated[
        bool, typer.Option("--background", help="Add a uniform component over the box of the data, for outliers.")
    ] = False,
    mcmc: Annotated[
        bool, typer.Option("--mcmc", help="Errors from samples of the posterior (emcee), not from the curvature.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace outputs that exist.")] = False,
):
    """Fit a table's columns and report their intrinsic widths.

    Example: xdgmm fit stars.fits --columns v --errors e_v --components 1:3 --report widths.ecsv
    """
    outputs = Outputs(output, report, plot, overwrite=overwrite)
    outputs.check(table)
    candidates = parse_components(components)
    from xdgmm.fitting import Model, Settings
    from xdgmm.mixture import Background
    from xdgmm.observations import Observations
    from xdgmm.tables import read_table

    names = _names(columns)
    observations = Observations.from_table(
        read_table(table), names, errors=_errors(errors), weights=weights, on_bad=on_bad.value
    )
    outputs.check_picture(observations)
    model = Model(covariance_type.value, background=Background() if background else None)
    settings = Settings(model=model, n_init=starts, progress="auto")
    options = {"method": "mcmc", "rng": seed} if mcmc else {}
    converged = run(observations, candidates, outputs, settings, seed, table.name, options)
    raise typer.Exit(0 if converged else 1)


@app.command()
def widths(
    model: Annotated[Path, typer.Argument(help="Model that `xdgmm fit` wrote (.fits).")],
    table: Annotated[Path, typer.Argument(help="The table it was fitted to.")],
    columns: Annotated[
        str | None,
        typer.Option(help="Its columns, where they are not called as in the model.", metavar="NAME[,NAME...]"),
    ] = None,
    errors: Annotated[
        str, typer.Option(help="Columns of the 1-sigma errors, one for each; [b]none[/b] for exact values.")
    ] = "auto",
    weights: Annotated[str | None, typer.Option(help="Column of the object weights.", metavar="NAME")] = None,
    on_bad: Annotated[OnBad, typer.Option(help="What to do where a value has no usable error.")] = OnBad.RAISE,
    method: Annotated[Method, typer.Option(help="Where the errors come from.")] = Method.INFORMATION,
    level: Annotated[float, typer.Option(help="Probability of an error bar.")] = 0.6827,
    limit_level: Annotated[float, typer.Option(help="Level of upper limits.")] = 0.95,
    distance: Annotated[str | None, typer.Option(help="Proper motions in km/s, at this distance: '30 kpc'.")] = None,
    distance_error: Annotated[str | None, typer.Option(help="Its error: '1 kpc'.")] = None,
    rest: Annotated[str | None, typer.Option(help="Lines in km/s, from this rest value: '6562.8 AA'.")] = None,
    convention: Annotated[Convention, typer.Option(help="Doppler formula for --rest.")] = Convention.OPTICAL,
    report: Annotated[Path | None, typer.Option(help="Write the width report here (.ecsv or .fits).")] = None,
    seed: Annotated[int, typer.Option(help="Seed of bootstrap and posterior samples.", min=0)] = 0,
    *,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace outputs that exist.")] = False,
):
    """Report the intrinsic widths of a fitted model, with errors found in another way.

    Example: xdgmm widths model.fits stars.fits --method profile
    """
    outputs = Outputs(None, report, None, overwrite=overwrite)
    outputs.check(table)
    if report is not None and report.resolve() == model.resolve():
        raise OutputError(f"'{model}' is the model; write the report to another file")
    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations
    from xdgmm.tables import read_table

    mixture = GaussianMixture.read(model)
    names = list(mixture.names) if columns is None else _names(columns)
    observations = Observations.from_table(
        read_table(table), names, errors=_errors(errors), weights=weights, on_bad=on_bad.value
    )
    options = {
        "method": method.value,
        "level": level,
        "limit_level": limit_level,
        "rng": seed,
        "distance": _quantity(distance, "--distance"),
        "distance_error": _quantity(distance_error, "--distance-error"),
        "rest": _quantity(rest, "--rest"),
        "convention": convention.value,
    }
    fitted = mixture if method.value not in ("bootstrap", "mcmc") else _found_again(mixture, observations)
    converged = report_widths(fitted, observations, outputs, f"{model.name}, {table.name}", options)
    raise typer.Exit(0 if converged else 1)


def _found_again(mixture, observations):
    """The result of a fit that starts at its own maximum; refused where it leads elsewhere."""
    from xdgmm import objects
    from xdgmm.fitting import Model, Settings, fit

    result = fit(observations, mixture.n_components, Settings(start=mixture, model=Model.shown_by(mixture)))
    before = (
        observations.object_weights[observations.counts]
        @ (objects.log_likelihoods(mixture, observations)[observations.counts])
    )
    if result.log_likelihood - before > SAME_MAXIMUM:
        raise InputError(
            f"the model is not the maximum for this table: fitting raises the log-likelihood by "
            f"{result.log_likelihood - before:.3g} nats; give the table it was fitted to (models with priors or fixed "
            "parameters need Python for this method)"
        )
    return result


def report_widths(fitted, observations, outputs, title, options):
    """Print and write the widths of a model that was fitted before; returns whether samples converged."""
    from xdgmm import widths as reports

    out = _out()
    out.print(f"[b]{_escaped(title)}[/b]", soft_wrap=True)
    options = _with_samples(fitted, observations, options)
    with _err().status("errors and limits"):
        report = reports.widths(fitted, observations, **options)
    report.meta.update(title=title)
    out.print(reports.rich_table(report))
    out.print(reports.comparison_table(report))
    mixture = getattr(fitted, "mixture", fitted)
    if sum(mixture.means.shape) > 2:
        out.print(reports.relations_table(reports.relations(fitted, observations, **_of_relations(options))))
    for sentence in _cautions(report, observations):
        out.print(sentence, soft_wrap=True)
    for path in outputs.write(mixture, report, observations, title):
        out.print(f"wrote {_escaped(path)}", soft_wrap=True)
    return getattr(options.get("samples"), "converged", True)


@app.command()
def demo(
    output: Annotated[
        Path | None, typer.Option(help="Folder to write to; a new one, xdgmm-demo, by default.", metavar="DIR")
    ] = None,
    *,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace outputs that exist.")] = False,
):
    """Fit two bundled tables: stars of the Hydrus I dwarf galaxy, and neutron-star masses.

    Example: xdgmm demo --output my-folder
    """
    folder = _new_folder() if output is None else output
    _make(folder)
    jobs = {
        "hydrus1": ("v", [1], "Hydrus I: line-of-sight velocities (Koposov et al. 2018)"),
        "neutron_stars": ("m", [1, 2, 3, 4], "Neutron-star masses (Alsing, Silva & Berti 2018)"),
    }
    every = {
        name: Outputs(
            folder / f"{name}_model.fits", folder / f"{name}_widths.ecsv", folder / f"{name}.png", overwrite=overwrite
        )
        for name in jobs
    }
    for outputs in every.values():
        outputs.check()
    from xdgmm import datasets
    from xdgmm.observations import Observations

    converged = [
        run(Observations.from_table(datasets.load(name), column), candidates, every[name], None, 0, title)
        for name, (column, candidates, title) in jobs.items()
    ]
    _out().print(f"models, reports and pictures are in [b]{_escaped(folder)}[/b]", soft_wrap=True)
    raise typer.Exit(0 if all(converged) else 1)


class Outputs:
    """The files that a fit is asked to write, checked before the work and written after it."""

    def __init__(self, model, report, plot, *, overwrite):
        self.model, self.report, self.plot, self.overwrite = model, report, plot, overwrite

    def check(self, source=None):
        """Refuse what could not be written, or would destroy the table that is read."""
        from xdgmm.plotting import PLOT_SUFFIXES
        from xdgmm.tables import REPORT_SUFFIXES

        wanted = [(self.model, (".fits",)), (self.report, REPORT_SUFFIXES), (self.plot, PLOT_SUFFIXES)]
        wanted = [(path, suffixes) for path, suffixes in wanted if path is not None]
        for path, suffixes in wanted:
            check_output(path, overwrite=self.overwrite, suffixes=suffixes)
        paths = [path.resolve() for path, _ in wanted]
        if len(set(paths)) < len(paths):
            raise OutputError("two outputs have the same name; give each its own")
        if source is not None and source.resolve() in paths:
            raise OutputError(f"'{source}' is the table to be fitted; write to another file")

    def check_picture(self, observations):
        """Refuse a picture of more coordinates than can be drawn."""
        from xdgmm.plotting import LARGEST

        if self.plot is not None and observations.n_dimensions > LARGEST:
            raise InputError(
                f"a picture shows at most {LARGEST} coordinates; choose fewer columns, or leave --plot out"
            )

    def write(self, mixture, table, observations, title):
        """Write what was asked for; returns the paths."""
        from xdgmm.plotting import plot_fit, save
        from xdgmm.tables import write_table

        writers = {
            self.model: lambda path: mixture.write(path, overwrite=True),
            self.report: lambda path: write_table(table, path, overwrite=True),
            self.plot: lambda path: save(plot_fit(mixture, observations, title), path, overwrite=True),
        }
        wanted = [(path, write) for path, write in writers.items() if path is not None]
        with ExitStack() as every:  # all are complete before the first gets its name
            for path, write in wanted:
                temporary = every.enter_context(written_whole(path, overwrite=self.overwrite))
                try:
                    write(temporary)
                except Exception as error:
                    raise OutputError(f"cannot write '{path}': {error}; no output was written") from error
        return [path for path in (self.model, self.report, self.plot) if path is not None]


def run(observations, candidates, outputs, settings, seed, title, options=None):
    """Fit, print, write; returns whether the fit converged.  `options` are those of `xdgmm.widths.widths`."""
    from xdgmm import widths as reports
    from xdgmm.selection import search

    out = _out()
    out.print(f"[b]{_escaped(title)}[/b]", soft_wrap=True)
    plural = "" if observations.n_objects == 1 else "s"
    out.print(
        f"{observations.n_objects} object{plural}; " + "; ".join(map(_escaped, observations.remarks)), soft_wrap=True
    )
    selection = search(observations, candidates, settings, seed)
    result = selection.result
    options = _with_samples(result, observations, options or {})
    with _err().status("errors and limits"):
        report = reports.widths(result, observations, **options)
    report.meta.update(log_likelihood=result.log_likelihood, outcome=result.outcome.value, title=title)
    if len(candidates) > 1:
        out.print(_bic_sentence(selection), soft_wrap=True)
    out.print(reports.rich_table(report))
    out.print(reports.comparison_table(report))
    if sum(result.mixture.means.shape) > 2:
        out.print(reports.relations_table(reports.relations(result, observations, **_of_relations(options))))
    out.print(f"log-likelihood {result.log_likelihood:.6f} nats; {result.outcome.value}", soft_wrap=True)
    for sentence in (*result.remarks, *_cautions(report, observations)):
        out.print(sentence, soft_wrap=True)
    for path in outputs.write(result.mixture, report, observations, title):
        out.print(f"wrote {_escaped(path)}", soft_wrap=True)
    out.print()
    return result.converged and getattr(options.get("samples"), "converged", True)


def _with_samples(result, observations, options):
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


def parse_components(text):
    """Numbers of components from '2' or '1:4'."""
    first, colon, last = text.partition(":")
    try:
        low = int(first)
        high = int(last) if colon else low
    except ValueError:
        raise InputError(f"--components is '{text}', but it must be a number like 2, or a range like 1:4") from None
    if high - low >= MOST_CANDIDATES:
        raise InputError(f"--components is '{text}', which is more than {MOST_CANDIDATES} numbers; narrow the range")
    if low < 1 or high < low:
        raise InputError(f"--components is '{text}', but it must be at least 1, and a range must not run backwards")
    return list(range(low, high + 1))


def _names(text):
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise InputError(f"'{text}' holds an empty name; separate column names by single commas")
    return names


def _errors(text):
    if text == "auto":
        return "auto"
    return None if text == "none" else _names(text)


def _quantity(text, option):
    """A number with a unit, as '30 kpc'."""
    if text is None:
        return None
    from astropy.units import Quantity

    try:
        return Quantity(text)
    except (TypeError, ValueError) as error:
        raise InputError(f"{option} is '{text}', but it must be a number with a unit, as '30 kpc'") from error


def _new_folder():
    """xdgmm-demo, or xdgmm-demo-2, ... where it exists already."""
    folder, number = Path("xdgmm-demo"), 1
    while folder.exists():
        number += 1
        folder = Path(f"xdgmm-demo-{number}")
    return folder


def _make(folder):
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder '{folder}': {error.strerror}; choose another") from None


def _out():
    from rich.console import Console

    console = Console(highlight=False, emoji=False)
    return console if console.is_terminal else Console(highlight=False, emoji=False, width=max(console.width, 120))


def _err():
    from rich.console import Console

    return Console(stderr=True, highlight=False, emoji=False)


def _escaped(text):
    from rich.markup import escape

    return escape(str(text))


def _show_warning(message, category, *_rest, **_more):
    kind = "warning" if issubclass(category, XdgmmWarning) else category.__name__
    _err().print(f"[yellow]{kind}:[/yellow] {_escaped(message)}", soft_wrap=True)


def main():
    """Entry point: exit code 0; 1 if the fit did not converge; 2 and one sentence if the input cannot be used."""
    warnings.showwarning = _show_warning
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # a terminal that knows no Greek gets question marks, not a failure
    try:
        app()
    except (XdgmmError, OSError) as error:
        _err().print(f"[red]error:[/red] {_escaped(error)}", soft_wrap=True)
        sys.exit(2)
