"""`xdgmm widths`: the widths of a fitted model, with errors found in another way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from xdgmm.errors import InputError

from .fit_report import FitReport, observations_and_table
from .options import (
    Asymmetric,
    AsymmetricChoice,
    Convention,
    Correlations,
    CorrelationsChoice,
    DeviceChoice,
    Errors,
    FittedTable,
    Full,
    Hdu,
    Json,
    Limit,
    LimitChoice,
    Memberships,
    Memory,
    Method,
    Model,
    ModelColumns,
    OnBad,
    OnBadChoice,
    OnLimit,
    OnLimitChoice,
    Overwrite,
    Quiet,
    Readme,
    Report,
    Weights,
    make_passes_on,
    parse_quantity,
)
from .output_files import FitFiles
from .printing import Printer

if TYPE_CHECKING:
    from xdgmm.fitting import FitResult
    from xdgmm.fitting.problem import AnyObservations
    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations

SAME_MAXIMUM = 1e-3  # nats


def widths(
    model: Model,
    table: FittedTable,
    columns: ModelColumns = None,
    errors: Errors = "auto",
    correlations: CorrelationsChoice = Correlations.AUTO,
    weights: Weights = None,
    memberships: Memberships = None,
    on_bad: OnBadChoice = OnBad.RAISE,
    on_limit: OnLimitChoice = OnLimit.MISSING,
    asymmetric: AsymmetricChoice = Asymmetric.MOMENTS,
    hdu: Hdu = None,
    readme: Readme = None,
    memory: Memory = None,
    method: Annotated[Method, typer.Option(help="Where the errors come from.")] = Method.INFORMATION,
    level: Annotated[float, typer.Option(help="Probability of an error bar.")] = 0.6827,
    limit_level: Annotated[float, typer.Option(help="Level of upper limits.")] = 0.95,
    limit: LimitChoice = Limit.AUTO,
    distance: Annotated[str | None, typer.Option(help="Proper motions in km/s, at this distance: '30 kpc'.")] = None,
    distance_error: Annotated[str | None, typer.Option(help="Its error: '1 kpc'.")] = None,
    rest: Annotated[str | None, typer.Option(help="Lines in km/s, from this rest value: '6562.8 AA'.")] = None,
    convention: Annotated[Convention, typer.Option(help="Doppler formula for --rest.")] = Convention.OPTICAL,
    report: Report = None,
    seed: Annotated[int, typer.Option(help="Seed of simulations, bootstrap and posterior samples.", min=0)] = 0,
    device: DeviceChoice = None,
    *,
    full: Full = False,
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Report the intrinsic widths of a fitted model, with errors found in another way.

    Example: xdgmm widths model.fits stars.fits --method profile
    """
    printer = Printer(json, quiet)
    make_passes_on(device)
    files = FitFiles(None, report, None, overwrite=overwrite)
    files.check((table, "the table"), (model, "the model"))
    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import all_in_memory

    mixture = GaussianMixture.read(model)
    observations = observations_and_table(
        mixture,
        table,
        columns,
        errors=errors,
        correlations=correlations,
        weights=weights,
        memberships=memberships,
        on_bad=on_bad,
        on_limit=on_limit,
        asymmetric=asymmetric,
        hdu=hdu,
        readme=readme,
        memory=memory,
        progress=printer.progress,
    )[0]
    options = {
        "method": method.value,
        "level": level,
        "limit_level": limit_level,
        "limit": limit.value,
        "rng": seed,
        "distance": parse_quantity(distance, "--distance", "30 kpc"),
        "distance_error": parse_quantity(distance_error, "--distance-error", "1 kpc"),
        "rest": parse_quantity(rest, "--rest", "6562.8 AA"),
        "convention": convention.value,
    }
    widths_report = FitReport(f"{model.name}, {table.name}", observations, files, printer, options, full=full)
    widths_report.print_data()
    fitted: FitResult | GaussianMixture = mixture
    if method.value in ("bootstrap", "mcmc"):
        fitted = _refitted(mixture, all_in_memory(observations, f"`method='{method.value}'` needs all objects"))
    document, converged = widths_report.report(fitted, _other_data(mixture, observations))
    printer.print_json({**document, "converged": converged})
    raise typer.Exit(0 if converged else 1)


def _other_data(mixture: GaussianMixture, observations: AnyObservations) -> tuple[str, ...]:
    """One sentence if the model was fitted to other data, or this cannot be told, otherwise none."""
    from xdgmm.observations.fingerprint import PARTITIONS

    record = mixture.record
    if record is None or record.data_hash == observations.data_hash:
        return ()
    in_partitions = [each.startswith(PARTITIONS) for each in (record.data_hash, observations.data_hash)]
    if in_partitions[0] != in_partitions[1] and record.n_objects == observations.n_objects:
        unknown = (
            "the model was fitted to partitions of Dask, whose hash is not that of a table: whether these are the same "
            f"{record.n_objects} objects cannot be told"
        )
        return (unknown,)
    sentence = (
        f"these are not the values, errors and weights that the model was fitted to ({record.n_objects} objects, "
        f"{record.date[:10]}), or not in their order{_remarks_of_fit(mixture, observations)}: the report is on the "
        "model with the data given"
    )
    return (sentence,)


def _remarks_of_fit(mixture: GaussianMixture, observations: AnyObservations) -> str:
    """The remarks on the data at the fit that are not made now, such as the column of the weights."""
    remarks = () if mixture.record is None else mixture.record.remarks
    missing = [remark for remark in remarks if remark not in observations.remarks]
    return f" (at the fit: {'; '.join(missing)})" if missing else ""


def _refitted(mixture: GaussianMixture, observations: Observations) -> FitResult:
    """The result of a fit that starts at the mixture; refused if its maximum is another one."""
    from xdgmm import prediction
    from xdgmm.fitting import Settings, fit, model_of

    model = model_of(mixture)
    result = fit(observations, mixture.n_components, Settings(start=mixture, model=model))
    before = sum(model.log_priors(mixture).values()) + prediction.total_log_likelihood(mixture, observations)
    gain = result.log_posterior - before
    if gain > SAME_MAXIMUM:
        raised = "log-likelihood" if model.prior is None else "log-posterior"
        raise InputError(
            f"the model is not the maximum for this table: fitting raises the {raised} by {gain:.3g} nats; give the "
            f"table it was fitted to, with the same options{_remarks_of_fit(mixture, observations)}"
        )
    return result
