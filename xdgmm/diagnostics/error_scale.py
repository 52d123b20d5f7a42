"""`error_scale`: are the error bars right?  A factor on them, or a floor, fitted together with the mixture."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import gammaincc

from xdgmm.basics.parameters import check_level
from xdgmm.basics.progress import check_progress, progress_bar
from xdgmm.errors import DegenerateError, InputError
from xdgmm.fitting import Problem
from xdgmm.kernels import NoiseMixture
from xdgmm.mixture import refuse_selection
from xdgmm.observations.inputs import as_observations, column_names, holds_errors
from xdgmm.tables.columns import find_column
from xdgmm.tables.table_types import named_columns
from xdgmm.text import printable

from .error_profile import RESTARTS, ErrorProfile, HigherPointError
from .error_result import ErrorScale, names_of_measured, table_of, widths_of
from .groups import Groups, groups_by, one_group
from .inputs import mixture_and_model
from .noise_parameters import NoiseParameters

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations
    from xdgmm.observations.inputs import Measurements

KINDS = ("factor", "jitter")
SAME = 1e-12  # of the information on a parameter, were the widths known, that must remain where they are not
LEAST = 1e-5  # the same times the number of values: about the nats by which the likelihood then changes
FEWEST = 2  # objects whose errors can be scaled
LOCAL = 1e-3  # nats by which a fit may lie below its maximum without a remark
UNBOUNDED = (
    "the likelihood has no maximum, since a component collapses on values without errors; fit fewer components, give a "
    "prior on the covariances, or leave exact values out"
)


def error_scale(
    model: Any,
    X: Measurements,
    *,
    Xerr: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    by: Any = None,
    reference: Any = None,
    kind: str = "factor",
    level: float = 0.6827,
    limit_level: float = 0.95,
    progress: str = "auto",
) -> ErrorScale:
    """Find by which factor the errors are too small or too large, or which floor they lack.

    Parameters
    ----------
    model : XDGMM, FitResult or GaussianMixture
        Fitted to these data.
    X : Observations, Table, data frame, Quantity or array (N,) or (N, D)
        What was fitted, as for `XDGMM.fit`.
    Xerr, sample_weight : optional
        Errors and weights, as for `XDGMM.fit`, of an X that holds none.
    by : str or array (N,), optional
        Column of a table X, or one label for each object: each group gets a factor or a floor of its own, beside that
        of a reference group, whose errors are taken to be right.
    reference : optional
        Label of the reference group; by default the largest one.
    kind : {"factor", "jitter"}
        A factor on all errors of an object; or a floor added to them in quadrature, one for each column.
    level : float
        Probability of the intervals.
    limit_level : float
        Probability of the one-sided upper limits on floors that are consistent with zero.
    progress : {"auto", "always", "never"}
        Whether a progress bar is shown.

    Returns
    -------
    ErrorScale
        With ``.factor, .factor_low, .factor_high, .gain``, or ``.jitter, .jitter_low, .jitter_high``: numbers, or with
        `by` one for each row of its table.

    Raises
    ------
    InputError
        If an argument cannot be used, or the data cannot tell the errors from the intrinsic widths: a factor where all
        errors are the same, a floor common to all objects (which is an intrinsic width).
    DegenerateError
        If the likelihood has no maximum.

    Notes
    -----
    At each value of the factors or floors the whole mixture (with its covariance type, fixed parameters, prior,
    background, weights, missing values and projections; the edges of a background are held) is maximised again.  Of
    this profile likelihood the maximum is found with its slope, which is that with the mixture held (envelope theorem),
    and the interval is that of all values with ``2 (lnL_max - lnL)`` below the quantile of chi-squared with one degree
    of freedom (Wilks 1938, Ann. Math. Stat. 9, 60), out to the outermost where there are several pieces.  It begins at
    0 where zero is not excluded.  Upper limits have the half-half mixture of chi-squared with zero and one degrees of
    freedom (Self & Liang 1987, J. Am. Stat. Assoc. 82, 605).  With a prior the posterior takes the place of the
    likelihood.

    A floor for each instrument is the "jitter" of radial velocities (Wright 2005, PASP 117, 657).  Whether the errors
    can be told from the widths is decided by the information matrix: what remains of the information on a factor or a
    floor when the intrinsic covariances are free.  Where the errors of all objects are nearly the same this is little,
    and the interval is wide.

    Examples
    --------
    Errors that are 1.5 times too small:

    >>> import numpy as np
    >>> from xdgmm import XDGMM
    >>> from xdgmm.diagnostics import error_scale
    >>> rng = np.random.default_rng(1)
    >>> e = np.exp(rng.uniform(-1.5, 1.5, 300))
    >>> v = rng.normal(0.0, 1.0, 300) + 1.5 * e * rng.normal(size=300)
    >>> scale = error_scale(XDGMM().fit(v, Xerr=e), v, Xerr=e)
    >>> print(f"{scale.factor:.2f}, from {scale.factor_low:.2f} to {scale.factor_high:.2f}")
    1.43, from 1.33 to 1.53
    """
    check_level(level)
    check_level(limit_level, "limit_level", 0.5)
    check_progress(progress)
    if not isinstance(kind, str) or kind not in KINDS:
        raise InputError(f"`kind` is {kind!r}, but it must be one of {', '.join(KINDS)}")
    if by is None and reference is not None:
        raise InputError("`reference` names a group, but there are none; name them with `by`")
    mixture, of_fit = mixture_and_model(model)
    refuse_selection(mixture, "a factor on the errors")
    problem = Problem.of(mixture, _observations(mixture, X, Xerr, sample_weight), of_fit)
    counts = problem.observations.counts
    groups = one_group(counts) if by is None else groups_by(_labels(X, by), counts, reference)
    if problem.observations.limits is not None:
        raise InputError(
            "the size of errors cannot be found beside limits, whose errors are those of thresholds; leave the objects "
            "with limits out"
        )
    parameters = NoiseParameters(problem, groups, kind)
    _check_errors(parameters)
    start = problem.standardised(mixture)
    with progress_bar(progress, "fits") as bar:
        profile = ErrorProfile(parameters, start, (lambda: None) if bar is None else bar.update)
        if not np.isfinite(profile.unchanged.height):
            raise DegenerateError(UNBOUNDED)
        _check_identified(profile)
        profile.find_maximum()
        rows = _with_restarts(profile, level, limit_level)
    return _result(profile, rows, level=level, limit_level=limit_level)


def _observations(
    mixture: GaussianMixture, X: Measurements, Xerr: ArrayLike | None, sample_weight: ArrayLike | None
) -> Observations:
    if Xerr is None and not holds_errors(X):
        raise InputError("give the errors of X too, as Xerr=...: they are what is examined")
    observations = as_observations(X, Xerr, sample_weight, mixture.names)
    if observations.n_dimensions != mixture.n_dimensions:
        raise InputError(
            f"X has {observations.n_dimensions} coordinates, but the mixture has {mixture.n_dimensions} "
            f"({printable(', '.join(mixture.names))}); give the data it was fitted to"
        )
    names = column_names(X, observations)
    if names is not None and names != mixture.names and set(names) == set(mixture.names):
        raise InputError(
            f"the columns of X are {printable(', '.join(names))}, but those of the mixture are "
            f"{printable(', '.join(mixture.names))}; put them in this order"
        )
    return observations


def _labels(X: Any, by: Any) -> Any:
    """The labels of the objects: those given, or a column of a table."""
    if not isinstance(by, str):
        return by
    if not (hasattr(X, "columns") and (hasattr(X, "colnames") or hasattr(X, "to_numpy"))):
        raise InputError(
            f"`by` is {by!r}, but X has no columns to look it up in; give one label for each object, as an array"
        )
    return X[find_column(named_columns(X), by)]


def _check_errors(parameters: NoiseParameters) -> None:
    """Refuse errors that are not Gaussian, and groups without errors, or with one object, which cannot be scaled."""
    if isinstance(parameters.problem.observations.noise_model, NoiseMixture):
        raise InputError(
            "the scale of errors is found for Gaussian errors only, and those of X are mixtures; give their standard "
            "deviations (Observations.with_standard_errors) to examine their size"
        )
    if parameters.kind != "factor":
        return
    observations, groups = parameters.problem.observations, parameters.groups
    noisy = np.any(np.where(observations.present, observations.variances, 0.0) > 0, axis=1)
    for place in groups.free:
        mine = np.asarray(groups.members == place)
        if not noisy[mine].any():
            whose = "X has" if groups.reference is None else f"the objects of group {_quoted(groups, place)} have"
            raise InputError(f"{whose} no errors, so there is nothing to scale; give errors, or use kind='jitter'")
        if mine.sum() < FEWEST:
            whose = "X" if groups.reference is None else f"group {_quoted(groups, place)}"
            raise InputError(
                f"{whose} has only one object, and its error cannot be told from its distance; join groups, or leave "
                "it out"
            )


def _quoted(groups: Groups, place: int) -> str:
    return f"'{printable(groups.labels[place])}'"


def _check_identified(profile: ErrorProfile) -> None:
    """Refuse parameters that the data cannot tell from the widths."""
    parameters, point = profile.parameters, profile.unchanged
    information, held = parameters.information(point.mixture, point.phi)
    size = np.sqrt(np.maximum(np.diag(held), 1e-300))
    values, vectors = np.linalg.eigh(information / size[:, None] / size)
    remaining = 1.0 / (vectors**2 @ (1.0 / np.maximum(values, 1e-14)))
    n_values = float(parameters.problem.observations.column_weights().sum())
    lost = remaining < max(SAME, LEAST / n_values)
    if lost.any():
        raise InputError(_not_identified(parameters, int(np.argmax(lost))))


def _not_identified(parameters: NoiseParameters, place: int) -> str:
    """Why a parameter cannot be found."""
    groups = parameters.groups
    if groups.reference is None and parameters.kind == "jitter":
        return (
            "a floor common to all objects is an intrinsic width, which the fit has found already; name groups of "
            "objects with `by`"
        )
    if groups.reference is None:
        return (
            "all objects have the same errors, or so nearly, that a factor on them cannot be told from the intrinsic "
            "widths: the data show only the sum of both variances; compare groups of objects (`by`), fix the "
            "covariances (`fixed`), or measure the errors otherwise"
        )
    group = groups.free[place // parameters.n_parts]
    where = f" in {names_of_measured(parameters)[place % parameters.n_parts]}" if parameters.n_parts > 1 else ""
    return (
        f"the {'factor' if parameters.kind == 'factor' else 'floor'} of group {_quoted(groups, group)}{where} cannot "
        f"be told from the intrinsic widths, since the other groups do not determine these; choose another `reference`"
    )


def _with_restarts(profile: ErrorProfile, level: float, limit_level: float) -> list[dict[str, float]]:
    """Value, interval and gain of each parameter; from the start again where a profile rises above the maximum."""
    for _ in range(RESTARTS):
        try:
            return _rows(profile, level, limit_level)
        except HigherPointError as found:
            profile.find_maximum(found.point)
    raise DegenerateError(UNBOUNDED)


def _rows(profile: ErrorProfile, level: float, limit_level: float) -> list[dict[str, float]]:
    parameters = profile.parameters
    rows = []
    for place in range(parameters.size):
        one = profile.of_one(place)
        low, high = one.interval(level)
        if parameters.kind == "factor" and not high > 0:  # a spike of the likelihood at errors of zero
            raise DegenerateError(UNBOUNDED)
        gain = profile.best.height - one.at(float(parameters.unchanged[place]))
        row = {"value": one.value, "low": low, "high": high, "gain": max(gain, 0.0), "limit": np.nan}
        if parameters.kind == "jitter":
            row["limit"] = one.limit(limit_level)
        rows.append(row)
    return rows


def _result(profile: ErrorProfile, rows: list[dict[str, float]], *, level: float, limit_level: float) -> ErrorScale:
    parameters, best = profile.parameters, profile.best
    problem, groups = parameters.problem, parameters.groups
    gain = max(best.height - profile.unchanged.height, 0.0)
    mixture, before = problem.original(best.mixture), problem.original(profile.unchanged.mixture)
    reference = None if groups.reference is None else groups.labels[groups.reference]
    p_value = float(gammaincc(0.5 * parameters.size, gain))
    meta = {"kind": parameters.kind, "gain": gain, "p_value": p_value, "level": level, "limit_level": limit_level}
    meta |= {} if reference is None else {"reference": str(reference)}
    return ErrorScale(
        kind=parameters.kind,
        gain=gain,
        p_value=p_value,
        table=table_of(parameters, rows, meta),
        widths=widths_of(before, mixture),
        observations=parameters.observations(best.phi),
        mixture=mixture,
        reference=reference,
        level=level,
        limit_level=limit_level,
        remarks=tuple(_remarks(profile)),
    )


def _remarks(profile: ErrorProfile) -> Iterator[str]:
    problem = profile.parameters.problem
    lower = profile.unchanged.height - problem.objective().expect(profile.fitted).objective
    if lower > LOCAL:
        yield f"the model lies {lower:.3g} nats below the maximum for these data: was it fitted to others?"
    if profile.collapses:
        yield (
            "with some of the errors that were tried a component collapses on too few objects, and intervals end "
            "there; fit fewer components"
        )
    if problem.model.prior is not None:
        yield "ln L stands for the logarithm of the posterior, since there is a prior"
