"""`xdgmm widths`."""

from pathlib import Path
from typing import Annotated

import typer

from xdgmm.errors import InputError, OutputError

from .consoles import Voice
from .options import (
    Convention,
    Correlations,
    CorrelationsChoice,
    Errors,
    Hdu,
    Json,
    Method,
    OnBad,
    OnBadChoice,
    Overwrite,
    Quiet,
    Report,
    Weights,
    errors_of,
    names_of,
    quantity_of,
)
from .outputs import Outputs
from .reporting import in_units_of, introduce, report_widths

SAME_MAXIMUM = 1e-3  # nats


def widths(
    model: Annotated[Path, typer.Argument(help="Model that `xdgmm fit` wrote (.fits or .ecsv).")],
    table: Annotated[Path, typer.Argument(help="The table it was fitted to.")],
    columns: Annotated[
        str | None,
        typer.Option(help="Its columns, where they are not called as in the model.", metavar="NAME[,NAME...]"),
    ] = None,
    errors: Errors = "auto",
    correlations: CorrelationsChoice = Correlations.AUTO,
    weights: Weights = None,
    on_bad: OnBadChoice = OnBad.RAISE,
    hdu: Hdu = None,
    method: Annotated[Method, typer.Option(help="Where the errors come from.")] = Method.INFORMATION,
    level: Annotated[float, typer.Option(help="Probability of an error bar.")] = 0.6827,
    limit_level: Annotated[float, typer.Option(help="Level of upper limits.")] = 0.95,
    distance: Annotated[str | None, typer.Option(help="Proper motions in km/s, at this distance: '30 kpc'.")] = None,
    distance_error: Annotated[str | None, typer.Option(help="Its error: '1 kpc'.")] = None,
    rest: Annotated[str | None, typer.Option(help="Lines in km/s, from this rest value: '6562.8 AA'.")] = None,
    convention: Annotated[Convention, typer.Option(help="Doppler formula for --rest.")] = Convention.OPTICAL,
    report: Report = None,
    seed: Annotated[int, typer.Option(help="Seed of bootstrap and posterior samples.", min=0)] = 0,
    *,
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
):
    """Report the intrinsic widths of a fitted model, with errors found in another way.

    Example: xdgmm widths model.fits stars.fits --method profile
    """
    voice = Voice(json, quiet)
    outputs = Outputs(None, report, None, overwrite=overwrite)
    outputs.check(table)
    if report is not None and report.resolve() == model.resolve():
        raise OutputError(f"'{model}' is the model; write the report to another file")
    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations
    from xdgmm.tables import read_table

    mixture = GaussianMixture.read(model)
    names = list(mixture.names) if columns is None else names_of(columns)
    observations = Observations.from_table(
        read_table(table, hdu),
        names,
        errors=errors_of(errors),
        correlations=correlations.value,
        weights=weights,
        on_bad=on_bad.value,
    )
    observations = in_units_of(mixture, observations)
    options = {
        "method": method.value,
        "level": level,
        "limit_level": limit_level,
        "rng": seed,
        "distance": quantity_of(distance, "--distance"),
        "distance_error": quantity_of(distance_error, "--distance-error"),
        "rest": quantity_of(rest, "--rest"),
        "convention": convention.value,
    }
    title = f"{model.name}, {table.name}"
    introduce(voice, title, observations)
    fitted = mixture if method.value not in ("bootstrap", "mcmc") else _found_again(mixture, observations)
    converged = report_widths(fitted, observations, outputs, title, options, voice, _other_data(mixture, observations))
    raise typer.Exit(0 if converged else 1)


def _other_data(mixture, observations):
    """What to say where the model was fitted to other data: one sentence or none."""
    from xdgmm.observations import fingerprint

    record = mixture.record
    if record is None or record.data_hash == fingerprint(observations):
        return ()
    sentence = (
        f"these are not the values, errors and weights that the model was fitted to ({record.n_objects} objects, "
        f"{record.date[:10]}), or not in their order{_said_then(mixture, observations)}: the report is on the model "
        "with the data given"
    )
    return (sentence,)


def _said_then(mixture, observations):
    """What was said of the data at the fit and is not said now, such as where the weights were."""
    remarks = () if mixture.record is None else mixture.record.remarks
    missing = [remark for remark in remarks if remark not in observations.remarks]
    return f" (at the fit: {'; '.join(missing)})" if missing else ""


def _found_again(mixture, observations):
    """The result of a fit that starts at its own maximum; refused where it leads elsewhere."""
    from xdgmm import objects
    from xdgmm.fitting import Settings, fit, model_of

    model = model_of(mixture)
    result = fit(observations, mixture.n_components, Settings(start=mixture, model=model))
    before = sum(model.log_priors(mixture).values()) + (
        observations.object_weights[observations.counts]
        @ (objects.log_likelihoods(mixture, observations)[observations.counts])
    )
    gain = result.log_posterior - before
    if gain > SAME_MAXIMUM:
        climbed = "log-likelihood" if model.prior is None else "log-posterior"
        raise InputError(
            f"the model is not the maximum for this table: fitting raises the {climbed} by {gain:.3g} nats; give the "
            f"table it was fitted to, with the same options{_said_then(mixture, observations)}"
        )
    return result
