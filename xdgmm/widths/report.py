"""The intrinsic-width report: one row per component and axis, as an astropy QTable that prints well."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.diagnostics import quick_checks
from xdgmm.errors import InputError, XdgmmWarning
from xdgmm.fitting import FitResult, Model, Problem
from xdgmm.mixture import GaussianMixture
from xdgmm.observations import Observations, StreamedObservations, discovered
from xdgmm.prediction import doubts_about_samples
from xdgmm.tables.printing import with_error
from xdgmm.tables.report import metadata
from xdgmm.uncertainty import (
    ParameterErrors,
    SampledMixtures,
    background_limit,
    bootstrap,
    gaussian_deficit,
    laplace,
    parameter_errors,
    sample_posterior,
    selection_errors,
)
from xdgmm.uncertainty.information import warn_unless_maximum
from xdgmm.uncertainty.simulated import FEW, Simulation
from xdgmm.uncertainty.tails import CLEAR, INDISTINGUISHABLE

from .inputs import SAMPLED, check_widths, checked_velocity, mixture_and_model
from .parameters import ParameterEstimates
from .rows import Row, Rows
from .table import WidthReport, width_report

if TYPE_CHECKING:
    from astropy.units import Quantity

    from xdgmm.fitting.problem import AnyObservations
    from xdgmm.observations.inputs import Catalogue

LARGE_MONTE_CARLO = 1.0 / 3.0  # standard errors of a width, from importance samples alone


def widths(
    fitted: FitResult | GaussianMixture,
    observations: Catalogue,
    *,
    method: str = "information",
    information: str = "observed",
    level: float = 0.6827,
    limit_level: float = 0.95,
    limit: str = "auto",
    samples: SampledMixtures | None = None,
    rng: np.random.Generator | int | None = None,
    n_jobs: int = 1,
    distance: Quantity | None = None,
    distance_error: Quantity | None = None,
    rest: Quantity | None = None,
    convention: str = "optical",
    title: str | None = None,
) -> WidthReport:
    """Report the intrinsic widths of a fitted mixture.

    Parameters
    ----------
    fitted : FitResult or GaussianMixture
        The maximum-likelihood (with a prior, maximum-posterior) mixture of these observations.  Of a bare mixture the
        record of its fit tells what was fitted; without one the model is inferred from the parameters: its background,
        the narrowest covariance type, nothing fixed, no prior.
    observations : Observations, StreamedObservations or a source of them
    method : {"information", "sandwich", "profile", "bootstrap", "mcmc"}
        Where the errors come from: the curvature of the likelihood; the same, robust against a wrong model; for
        weights, means and sigmas of named columns the profile likelihood (the rest as "information"); refits of
        resampled objects; the posterior, whose medians are then the values, and whose quantiles the limits.
    information : {"observed", "expected"}
        Which information matrix; "expected" for one component only.
    level : float
        Probability that an error bar and the interval from low to high stand for.
    limit_level : float
        Level at which a width is called consistent with zero, and of the upper limit given then.
    limit : {"auto", "likelihood", "simulated"}
        What limits, and the intervals of "profile", are based on: the quantile of the likelihood ratio for many
        objects, or simulations of such samples, for all widths of a component.  "auto" simulates for a single
        component where few objects determine a width: limits with fewer than 10, intervals with up to 20.  "simulated"
        gives resolved widths a limit too; with several components or a background it takes minutes.
    samples : optional
        What `xdgmm.uncertainty.bootstrap` or `sample_posterior` returned; made here with default settings where it is
        missing.
    rng : numpy Generator, int or None
        Source of randomness where samples are made here; simulations have a fixed seed where it is None.
    n_jobs : int
        Processes for simulations of several components; -1 for all processors.
    distance, distance_error : Quantity, optional
        Turn proper motions into km/s, with the relative error of the distance in every error.
    rest : Quantity, optional
        Rest wavelength, frequency or energy: turn positions and widths of lines into km/s.
    convention : {"optical", "radio", "relativistic"}
        The Doppler formula for `rest`.
    title : str, optional
        Kept in the metadata.

    Returns
    -------
    WidthReport
        A QTable.  First one row per component and named column, then, from two columns on, one per component and
        principal axis, widest first, with its direction.  See `xdgmm.widths.columns.COLUMNS`.  What does not exist is
        masked: the error of a width consistent with zero or of what was fixed, the limit of one that is not, the
        scatter as measured behind projections.  ``meta`` holds the options, what was fitted and how that ended (from
        the record of the fit), remarks, and the background's fraction.

    Raises
    ------
    InputError
        If a level is out of range, the numbers of coordinates differ, or an option does not apply; for "bootstrap" and
        "mcmc", and simulated limits, if the objects are not all in memory.

    Warns
    -----
    XdgmmWarning
        If the mixture is not the maximum for these data, or a sample that a selection function has left determines
        the mixture so badly that it is extrapolated: the completeness is below 1%, or its error more than half of it.

    Notes
    -----
    Full width at half maximum: ``sqrt(8 ln 2) sigma``.  Of Student-t components sigma is the scale, the full width is
    their own, and there are columns half_width (half of the central 68.27%, with which observed and naive sigma are
    then compared) and dof, whose interval is symmetric in 1 / dof.  The observed and the naive sigma weight every
    object with its membership: for one component and no weights, they are the textbook numbers.  With a prior no width
    has a limit: an inverse-Wishart prior excludes zero, and any other makes the profile one of the posterior.  Remarks
    tell what `xdgmm.diagnostics.quick_checks` finds in the residuals at p < 0.001.

    Of a catalogue that is read in parts, all objects determine weights, means, widths, their errors, intervals and
    limits.  The observed, instrumental and naive sigma, the effective number of objects and the quick checks are those
    of a random sample, which a remark states.
    """
    observations = discovered(observations)
    mixture, given_model = mixture_and_model(fitted)
    check_widths(
        mixture,
        observations,
        method=method,
        level=level,
        limit_level=limit_level,
        samples=samples,
        convention=convention,
    )
    velocity = checked_velocity(
        mixture, distance=distance, distance_error=distance_error, rest=rest, convention=convention, level=level
    )
    model = Problem.of(mixture, observations, given_model).model
    errors = parameter_errors(mixture, observations, information, given_model)
    warn_unless_maximum(errors, model)
    if method in SAMPLED and samples is None:
        samples = _sampled(fitted, observations, method, rng)
    simulation = Simulation.of(limit, rng, n_jobs)
    estimates = _estimates(fitted, observations, method, information, level, samples, simulation)
    make_rows = Rows(mixture, observations, given_model, errors, estimates, limit_level, simulation)
    # principal axes of positions of lines are not those of their velocities
    rows = [*make_rows.named(), *(make_rows.principal() if velocity is None or rest is None else ())]
    background = _background(mixture, observations, given_model, estimates, limit_level)
    remarks = [
        *([] if background is None else [_background_sentence(background, limit_level)]),
        *_remarks(model),
        *_of_selection(mixture, observations, model, given_model, errors),
        *_of_tails(mixture, observations, given_model, errors),
        *_of_sample(observations),
        *_of_residuals(mixture, observations.sample),
        *doubts_about_samples(mixture, observations),
        *estimates.remarks,
        *([velocity.sentence] if velocity else []),
        *_of_few(rows, make_rows, method),
        *_of_simulations(make_rows.simulated, rows, method),
        *_of_weights(observations.sample),
    ]
    meta = metadata(
        mixture.record,
        method=method,
        information=information,
        level=float(level),
        limit_level=float(limit_level),
        limit=limit,
        n_objects=observations.n_objects,
        total_weight=observations.total_weight,
        weighted=observations.sample.weights is not None,
        singular=[int(n) for n in errors.singular],
        covariance_type=model.covariance_type,
        remarks=remarks,
        background=background,
        title=title,
    )
    return width_report(rows, mixture, meta, velocity)


def _estimates(
    fitted: FitResult | GaussianMixture,
    observations: AnyObservations,
    method: str,
    information: str,
    level: float,
    samples: SampledMixtures | None,
    simulation: Simulation,
) -> ParameterEstimates:
    """Values and intervals of all parameters by one method."""
    if samples is not None:
        return ParameterEstimates.from_samples(samples, level)
    mixture, model = mixture_and_model(fitted)
    kind = "sandwich" if method == "sandwich" else "information"
    approximation = laplace(mixture, observations, kind=kind, information=information, model=model)
    estimates = ParameterEstimates.from_laplace(approximation, level)
    if method != "profile":
        return estimates
    return estimates.with_profiles(mixture, observations, model, level, simulation)


def _of_tails(
    mixture: GaussianMixture, observations: AnyObservations, given_model: Model | None, errors: ParameterErrors
) -> Iterator[str]:
    """What widths of Student-t components mean, and which of these components a Gaussian would describe as well."""
    if mixture.dof is None or errors.dof is None:
        return
    model = Problem.of(mixture, observations, given_model).model
    if np.isfinite(mixture.dof).any():
        yield (
            "components are Student-t distributions: sigma is their scale, the half-width holds 68% of a component, "
            "and s and the naive sigma are compared with the half-width"
        )
    fitted = isinstance(model.dof, str)
    for k in range(mixture.n_components if fitted else 0):
        if np.isinf(mixture.dof[k]):
            yield f"component {k} is indistinguishable from a Gaussian: its degrees of freedom reach their upper bound"
        elif errors.dof[k] * CLEAR > mixture.dof[k]:  # the error of 1 / dof is that over dof^2
            deficit = gaussian_deficit(mixture, observations, k, given_model)
            if deficit < INDISTINGUISHABLE:
                yield (
                    f"component {k} is indistinguishable from a Gaussian, which is less likely by only "
                    f"{deficit:.2f} nats"
                )


def _of_selection(
    mixture: GaussianMixture,
    observations: AnyObservations,
    model: Model,
    given_model: Model | None,
    errors: ParameterErrors,
) -> Iterator[str]:
    """What a selection function did, with the Monte Carlo error of every width; warnings where these are doubtful."""
    if model.selection_function is None:
        return
    found = selection_errors(mixture, observations, model=given_model)
    complete, description = found.completeness, model.selection_function.description
    shown = with_error(100 * complete.value, 100 * complete.error)
    yield f"the mixture is that of all objects, of which the sample has {shown}% (selection function: {description})"
    if found.extrapolated:
        sentence = (
            f"the sample hardly determines the population outside the selection (completeness {shown}%): means and "
            "widths are extrapolated; fix a parameter, give a prior, or use a sample that reaches the other side of "
            "the maximum of the density"
        )
        warnings.warn(sentence, XdgmmWarning, stacklevel=4)
        yield sentence
    if not found.moves.deviations.size:
        return
    of_widths = np.asarray(found.monte_carlo(lambda each: each.sigmas))
    names = [f"{mixture.names[i]} of component {k} {of_widths[k, i]:.2g}" for k, i in np.ndindex(of_widths.shape)]
    yield f"Monte Carlo errors of the widths, from importance samples: {', '.join(names)}"
    known = np.isfinite(errors.sigmas) & (errors.sigmas > 0)
    largest = float((of_widths[known] / errors.sigmas[known]).max(initial=0.0))
    if largest > LARGE_MONTE_CARLO:
        warnings.warn(
            f"importance samples of the selection function add up to {largest:.2g} times its standard error to a "
            "width; raise `n_samples` of the selection function",
            XdgmmWarning,
            stacklevel=4,
        )


def _of_weights(observations: Observations) -> Iterator[str]:
    if observations.weights is not None:
        yield "weights count as numbers of objects: N is their sum, and all errors scale with them"


def _of_few(rows: Iterable[Row], made_by: Rows, method: str) -> Iterator[str]:
    """A remark on widths that few objects determine, whose intervals hold less often than they say."""
    few = [row for row in rows if row.n_informative < FEW]
    if not few:
        return
    listed = ", ".join(f"{row.axis} of component {row.component} ({row.n_informative:.1f})" for row in few)
    sentence = f"few objects determine these widths (their effective number in brackets): {listed}"
    if not all(row.component in made_by.simulated for row in few):
        sentence += "; intervals and limits then cover the truth less often than they say"
        if made_by.holds_all:
            sentence += ", which `limit='simulated'` mends for limits, with method 'profile' for intervals too"
    elif method != "profile":
        sentence += "; their intervals then cover the truth less often than they say, which method 'profile' mends"
    yield sentence


def _of_simulations(simulated: Collection[int], rows: Sequence[Row], method: str) -> Iterator[str]:
    """Which numbers were calibrated by simulation."""
    limits = {row.component for row in rows if row.component in simulated and not np.isnan(row.sigma_limit)}
    calibrated = sorted(simulated if method == "profile" else limits)
    if calibrated:
        what = "intervals of means and sigmas, and limits," if method == "profile" else "limits"
        yield (
            f"{what} of component{'s' if len(calibrated) > 1 else ''} {', '.join(map(str, calibrated))} are calibrated "
            "by simulation of samples like this one"
        )


def _of_sample(observations: AnyObservations) -> Iterator[str]:
    """What comes from a random sample of a catalogue that is read in parts."""
    n = observations.sample.n_objects
    if isinstance(observations, StreamedObservations) and n < observations.n_objects:
        yield (
            "observed (s), instrumental and naive sigma, effective numbers of objects (n_informative), and checks of "
            f"residuals are those of a random sample of {n} of the {observations.n_objects} objects; all else is that "
            "of all objects, also N; 's off by' and 'naive off by' count errors of the sample, which a larger sample "
            "makes smaller"
        )


def _of_residuals(mixture: GaussianMixture, observations: Observations) -> list[str]:
    """What quick checks find; that there are none where errors follow the true values."""
    if not observations.noise_model.can_be_drawn:
        return ["residuals not checked, since errors follow the true values"]
    return [finding.sentence for finding in quick_checks(mixture, observations)]


def _sampled(
    fitted: FitResult | GaussianMixture,
    observations: AnyObservations,
    method: str,
    rng: np.random.Generator | int | None,
) -> SampledMixtures:
    if not isinstance(fitted, FitResult):
        raise InputError(f"`method='{method}'` needs the result of the fit (`model.result_`), or `samples`")
    return (bootstrap if method == "bootstrap" else sample_posterior)(fitted, observations, rng=rng)


def _background(
    mixture: GaussianMixture,
    observations: AnyObservations,
    given_model: Model | None,
    estimates: ParameterEstimates,
    limit_level: float,
) -> dict[str, Any] | None:
    """Fraction of the background with its error, its upper limit where none was found, and its box."""
    if mixture.background is None:
        return None
    limit = None
    if mixture.background.fraction == 0 and Problem.of(mixture, observations, given_model).model.prior is None:
        limit = background_limit(mixture, observations, limit_level, given_model)
    low, high = ([float(end) for end in corner] for corner in mixture.background.box)
    return {
        "fraction": float(estimates.value["background"][0]),
        "fraction_error": float(estimates.error["background"][0]),
        "fraction_limit": limit,
        "low": low,
        "high": high,
        "of": mixture.background.of,
        "fitted_edges": mixture.background.fitted_edges,
    }


def _background_sentence(background: dict[str, Any], limit_level: float) -> str:
    shown = with_error(100 * background["fraction"], 100 * background["fraction_error"]) + "%"
    if background["fraction_limit"] is not None:
        shown = f"none found (less than {100 * background['fraction_limit']:.2g}% at {100 * limit_level:g}%)"
    if background["of"] == "measured values":
        return f"background: {shown} of the objects, uniform over its box; their errors play no part in it"
    edges = "; its edges are fitted, and all errors are those for these edges" if background["fitted_edges"] else ""
    return f"background: {shown} of the objects, their true values uniform over its box{edges}"


def _remarks(model: Model) -> Iterator[str]:
    """What a reader of the widths should know about the model, one sentence each."""
    if model.prior is not None:
        reason = (
            "the inverse-Wishart prior excludes a width of zero"
            if model.prior.covariances is not None
            else "the profile is one of the posterior"
        )
        yield f"maximum of the posterior: no width has an upper limit, since {reason}"
    if model.flat is not None:
        several = "component is" if model.flat.n_components == 1 else f"{model.flat.n_components} components are"
        yield f"the last {several} flat in {', '.join(model.flat.columns)}, with no mean and no width there"
    fixed = model.fixed
    if model.known_memberships:
        yield "weights are means of the memberships, which were known beforehand, so without errors"
        fixed = replace(fixed, weights=())
    held = {name: getattr(fixed, name) for name in ("weights", "means", "covariances")}
    if fixed.anything:
        listed = "; ".join(f"{name} of {', '.join(map(str, which))}" for name, which in held.items() if which)
        yield f"held fixed, so without errors: {listed}"
