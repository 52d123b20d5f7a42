"""`xdgmm fit`: fit a table and report widths."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xdgmm.errors import InputError

from .catalogues import is_read_in_parts, opened
from .fit_report import FitReport
from .options import (
    Asymmetric,
    AsymmetricChoice,
    CacheNoise,
    Correlations,
    CorrelationsChoice,
    CovarianceType,
    Criterion,
    DeviceChoice,
    Errors,
    Family,
    Full,
    Hdu,
    Json,
    Memberships,
    Memory,
    OnBad,
    OnBadChoice,
    OnLimit,
    OnLimitChoice,
    Overwrite,
    Quiet,
    Readme,
    Report,
    Solver,
    Weights,
    flag,
    make_passes_on,
    parse_components,
    parse_cuts,
    parse_dof,
    parse_means,
    parse_names,
    reading_options,
)
from .output_files import FitFiles
from .printing import Printer

if TYPE_CHECKING:
    from xdgmm.fitting.problem import AnyObservations


def fit(
    table: Annotated[
        Path,
        typer.Argument(
            help="Table to fit: FITS, ECSV, CSV, Parquet, anything astropy reads; or a pattern or folder of such files."
        ),
    ],
    columns: Annotated[str, typer.Option(help="Columns to fit, separated by commas.", metavar="NAME[,NAME...]")],
    errors: Errors = "auto",
    correlations: CorrelationsChoice = Correlations.AUTO,
    weights: Weights = None,
    memberships: Memberships = None,
    components: Annotated[
        str, typer.Option(help="How many: 2, or 1:4 to let the criterion choose.", metavar="K|K:K")
    ] = "1",
    covariance_type: Annotated[
        list[CovarianceType],
        typer.Option(
            help="Covariances: one for each component, one for all, diagonal, or spherical; several times to choose."
        ),
    ] = [CovarianceType.FULL],  # noqa: B006 - typer copies it
    family: Annotated[
        Family, typer.Option(help="Components: Gaussians, or Student-t distributions, whose tails are heavier.")
    ] = Family.GAUSSIAN,
    dof: Annotated[
        str | None,
        typer.Option(
            help="Degrees of freedom of --family t: fitted for each component ([b]fit[/b], the default), one for all "
            "([b]shared[/b]), or numbers.",
            metavar="fit|shared|N[,N...]",
        ),
    ] = None,
    cut: Annotated[
        list[str],
        typer.Option(
            help="Only objects inside this limit are in the table: the fit is that of all objects. Several times for "
            "several limits.",
            metavar="'NAME < NUMBER'",
        ),
    ] = [],  # noqa: B006 - typer copies it
    criterion: Annotated[
        Criterion,
        typer.Option(
            help="What chooses: an information criterion, held-out objects ([b]cv[/b]), or a test of K against K + 1."
        ),
    ] = Criterion.BIC,
    on_bad: OnBadChoice = OnBad.RAISE,
    on_limit: OnLimitChoice = OnLimit.MISSING,
    asymmetric: AsymmetricChoice = Asymmetric.MOMENTS,
    hdu: Hdu = None,
    readme: Readme = None,
    memory: Memory = None,
    output: Annotated[Path | None, typer.Option(help="Write the model here (.fits or .ecsv).")] = None,
    report: Report = None,
    plot: Annotated[Path | None, typer.Option(help="Write a picture here (.png, .pdf, .svg).")] = None,
    candidates: Annotated[
        Path | None, typer.Option("--table", help="Write the candidates with all criteria here (.ecsv or .fits).")
    ] = None,
    starts: Annotated[
        int | None,
        typer.Option(help="Random starts that are compared: 10, or 3 of each of several candidates.", min=1),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the random starts.", min=0)] = 0,
    means: Annotated[
        str | None,
        typer.Option(
            help="Start from these means, in the units of the columns, and not at random: columns separated by commas, "
            "components by semicolons.",
            metavar="'X,Y;X,Y'",
        ),
    ] = None,
    solver: Annotated[
        Solver, typer.Option(help="How the likelihood is maximised: all reach the same maximum from one start.")
    ] = Solver.AUTO,
    passes: Annotated[
        int | None,
        typer.Option(
            help="Make exactly so many passes from each start, at a maximum or not: to watch a solver.", min=1
        ),
    ] = None,
    jobs: Annotated[int, typer.Option(help="Processes that fit candidates; -1 for all processors.")] = 1,
    device: DeviceChoice = None,
    *,
    background: Annotated[
        bool, flag("--background", help="Add a uniform component for outliers, over a box whose edges are fitted.")
    ] = False,
    mcmc: Annotated[
        bool, flag("--mcmc", help="Find errors from samples of the posterior (emcee), not from the curvature.")
    ] = False,
    chain: Annotated[
        Path | None, typer.Option(help="Keep the chain of --mcmc here while it is sampled (.h5 or .hdf5).")
    ] = None,
    corner: Annotated[
        Path | None, typer.Option(help="Draw every pair of parameters of --mcmc here (.png, .pdf, .svg).")
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Keep the passes of a long fit here, so that --resume goes on from them.")
    ] = None,
    resume: Annotated[bool, flag("--resume", help="Go on from --checkpoint, to the same result.")] = False,
    cache: Annotated[
        Path | None,
        typer.Option(help="Keep packed blocks of a catalogue in parts in this folder, for later passes and fits."),
    ] = None,
    cache_noise: Annotated[
        CacheNoise, typer.Option(help="With how many bits noise is held there: 32 take half of the space.")
    ] = CacheNoise.FLOAT64,
    full: Full = False,
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Fit a table's columns and report their intrinsic widths.

    Example: xdgmm fit stars.fits --columns v --errors e_v --components 1:3 --report widths.ecsv

    Files larger than memory: xdgmm fit 'gaia/*.parquet' --columns v --errors e_v --memory 1GB
    """
    printer = Printer(json, quiet)
    make_passes_on(device)
    if not mcmc and (chain or corner):
        raise InputError(f"{'--corner' if chain is None else '--chain'} is of samples of the posterior; add --mcmc")
    if mcmc and family is Family.T:
        raise InputError("--mcmc does not sample Student-t components; leave it out, or leave out --family t")
    if resume and checkpoint is None:
        raise InputError("--resume needs the file from which the fit goes on; add --checkpoint FILE")
    if checkpoint is not None and jobs != 1:
        raise InputError("a checkpoint is written by one process; leave out --jobs, or --checkpoint")
    files = FitFiles(output, report, plot, candidates, chain=chain, corner=corner, overwrite=overwrite)
    files.checkpoint, files.resume = checkpoint, resume
    names = parse_names(columns)
    reading = reading_options(errors, correlations, weights, memberships, on_bad, on_limit, asymmetric)
    source = None
    if is_read_in_parts(table, memory):
        _refuse_in_parts({"--cut": cut, "--background": background, "--mcmc": mcmc})
        in_cache = {"cache": cache, "cache_noise": cache_noise.value}
        source = opened(table, names, memory, hdu=hdu, readme=readme, **reading, **in_cache)
    elif cache is not None:
        raise InputError("--cache keeps blocks of catalogues that are read in parts; add --memory, as --memory 1GB")
    files.check(*((path, "the table") for path in ([table] if source is None else source.paths)))
    centres = parse_means(means)
    numbers, types = parse_components(components), list(dict.fromkeys(each.value for each in covariance_type))
    several = len(numbers) * len(types) > 1
    if candidates is not None and not several:
        raise InputError("--table holds several candidates, but there is one; give a range, as --components 1:4")
    if criterion is not Criterion.BIC and not several:
        raise InputError(
            f"--criterion {criterion.value} chooses among candidates, but there is one; give a range, as --components "
            "1:4"
        )
    from xdgmm.basics.progress import readings_shown
    from xdgmm.fitting import Fixed, Model, Settings, StoppingRule, start_from
    from xdgmm.mixture import Background, SelectionFunction
    from xdgmm.observations import Observations
    from xdgmm.selection import N_INIT
    from xdgmm.tables import read_table

    selection = SelectionFunction.box(*parse_cuts(cut)) if cut else None
    observations: AnyObservations
    if source is None:
        observations = Observations.from_table(read_table(table, hdu, readme), names, **reading)
    else:
        with readings_shown(printer.progress):
            observations = source.observations()
    files.check_dimensions(observations)
    box = Background() if background else None
    of_family = family.value, parse_dof(dof)
    model = Model(types[0], Fixed(), None, box, *of_family, selection_function=selection)
    n_init = starts or (N_INIT if several else Settings().n_init)
    stopping = StoppingRule() if passes is None else StoppingRule(0.0, passes)
    start = None if centres is None else start_from(observations.sample, numbers[0], means=centres, model=model)
    progress = printer.progress
    settings = Settings(
        model=model, solver=solver.value, stopping=stopping, n_init=n_init, start=start, progress=progress
    )
    options = {"method": "mcmc", "rng": seed} if mcmc else {}
    title = table.name if source is None else str(table)
    report_of_fit = FitReport(title, observations, files, printer, options, full=full)
    chosen_by = {"covariance_types": types, "criterion": criterion.value, "n_jobs": jobs}
    document = report_of_fit.fit(numbers, settings, seed, **chosen_by)
    printer.print_json(document)
    raise typer.Exit(0 if document["converged"] else 1)


def _refuse_in_parts(given: dict[str, Any]) -> None:
    """Refuse options that need all objects in memory."""
    needed = [option for option, value in given.items() if value]
    if needed:
        raise InputError(
            f"{needed[0]} needs all objects in memory, but the table is read in parts; leave it out, or give one file "
            "without --memory"
        )
