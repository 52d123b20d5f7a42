"""The intrinsic-width report: one row per component and coordinate, as an astropy QTable."""

import warnings

import numpy as np
from scipy.stats import norm

from xdgmm.errors import InputError, XdgmmWarning
from xdgmm.fitting import Model, responsibilities
from xdgmm.observations.validation import difference_unit
from xdgmm.uncertainty import background_limit, parameter_errors, width_limit

from .rendering import with_error

METHODS = ("information",)
FWHM = np.sqrt(8.0 * np.log(2.0))
CLEARLY_RESOLVED = 6.0  # a variance this many errors from zero needs no profile
NOT_A_MAXIMUM = 0.05  # gradient, per standard error, above which the mixture is not the maximum for these data
WITH_UNIT = (
    "mean",
    "mean_error",
    "sigma",
    "sigma_error",
    "sigma_limit",
    "fwhm",
    "fwhm_error",
    "fwhm_limit",
    "observed_sigma",
    "naive_sigma",
)
DESCRIPTIONS = {
    "component": "component of the mixture, from 0",
    "axis": "coordinate",
    "n_effective": "weighted number of objects belonging to the component",
    "weight": "mixing proportion",
    "weight_error": "its standard error",
    "mean": "intrinsic mean",
    "mean_error": "its standard error",
    "sigma": "intrinsic standard deviation, errors of measurement taken out",
    "sigma_error": "its standard error; none where sigma is consistent with zero",
    "sigma_limit": "upper limit on sigma, where it is consistent with zero",
    "fwhm": "intrinsic full width at half maximum",
    "fwhm_error": "its standard error; none where sigma is consistent with zero",
    "fwhm_limit": "upper limit on the full width, where it is consistent with zero",
    "is_limit": "is sigma consistent with zero?",
    "observed_sigma": "standard deviation of the values as measured (ddof 1), members weighted",
    "naive_sigma": "sqrt(observed_sigma^2 - mean squared error); none where that is negative",
}


def widths(
    mixture,
    observations,
    *,
    model=None,
    method="information",
    information="observed",
    level=0.6827,
    limit_level=0.95,
):
    """Report the intrinsic widths of a fitted mixture.

    Parameters
    ----------
    mixture : GaussianMixture
        The maximum-likelihood (with a prior, maximum-posterior) mixture of these observations.
    observations : Observations
    model : Model, optional
        What was fitted: the `model` of the fit's result.  By default full covariances, nothing fixed, no prior.
    method : {"information"}
        Where the errors come from: the information matrix.
    information : {"observed", "expected"}
        Which information matrix the errors come from; "expected" for one component only.
    level : float
        Probability that an error bar stands for: 0.6827 is one standard error.
    limit_level : float
        Level at which a width is called consistent with zero, and of the upper limit given then.

    Returns
    -------
    QTable
        One row per component and coordinate; see `DESCRIPTIONS` for the columns.  What does not exist (the error of
        a width consistent with zero, the limit of one that is not, the error of what was fixed, the scatter as measured
        behind projections) is masked.  ``meta["remarks"]`` says what else a reader should know, and
        ``meta["background"]`` holds the background's fraction and its error.

    Raises
    ------
    InputError
        If a level is out of range, the numbers of coordinates differ, or `information` does not apply.

    Notes
    -----
    Full width at half maximum: ``sqrt(8 ln 2) sigma``.  The observed and the naive sigma weight every object with its
    membership: for one component and no weights, they are the textbook numbers.  With a prior no width has a limit: an
    inverse-Wishart prior excludes zero, and any other makes the profile one of the posterior.
    """
    _check(mixture, observations, method, level)
    observations = observations.in_units(mixture.units)
    model = Model(background=mixture.background) if model is None else model
    errors = parameter_errors(mixture, observations, information, model)
    if errors.residual > NOT_A_MAXIMUM:
        climbed = "log-likelihood" if model.prior is None else "log-posterior"
        warnings.warn(
            f"the {climbed} still changes by {errors.residual:.2g} nats per standard error, so the mixture is not "
            "the maximum for these data: pass the data it was fitted to, or fit until it converges",
            XdgmmWarning,
            stacklevel=2,
        )
    blocks = observations.pack(background=mixture.background and mixture.background.box)
    members = blocks.weights[:, None] * responsibilities(mixture, blocks)
    factor = norm.ppf(0.5 + 0.5 * level)
    rows = [
        _row(mixture, observations, model, errors, members[:, k], (k, axis), factor, limit_level)
        for k in range(mixture.n_components)
        for axis in range(mixture.n_dimensions)
    ]
    limit = None
    if mixture.background is not None and mixture.background.fraction == 0 and model.prior is None:
        limit = background_limit(mixture, observations, limit_level, model)
    meta = {
        "method": method,
        "information": information,
        "level": float(level),
        "limit_level": float(limit_level),
        "n_objects": observations.n_objects,
        "total_weight": observations.total_weight,
        "weighted": observations.weights is not None,
        "singular": [int(n) for n in errors.singular],
        "covariance_type": model.covariance_type,
        "remarks": list(_remarks(model, mixture, errors, factor, limit, limit_level)),
    }
    if mixture.background is not None:
        meta["background"] = {
            "fraction": float(mixture.background.fraction),
            "fraction_error": float(factor * errors.background),
            "fraction_limit": limit,
            "low": [float(end) for end in mixture.background.box[0]],
            "high": [float(end) for end in mixture.background.box[1]],
        }
    return _table(rows, mixture, meta)


def _remarks(model, mixture, errors, factor, limit, limit_level):
    """What a reader of the widths should know about the model, one sentence each."""
    if mixture.background is not None:
        shown = with_error(100 * mixture.background.fraction, 100 * factor * errors.background) + "%"
        if limit is not None:
            shown = f"none found (less than {100 * limit:.2g}% at {100 * limit_level:g}%)"
        yield f"background: {shown} of the objects, uniform over its box; their errors play no part in it"
    if model.prior is not None:
        reason = (
            "the inverse-Wishart prior excludes a width of zero"
            if model.prior.covariances is not None
            else "the profile is one of the posterior"
        )
        yield f"maximum of the posterior: no width has an upper limit, since {reason}"
    held = {name: getattr(model.fixed, name) for name in ("weights", "means", "covariances")}
    if model.fixed.anything:
        listed = "; ".join(f"{name} of {', '.join(map(str, which))}" for name, which in held.items() if which)
        yield f"held fixed, so without errors: {listed}"


def _check(mixture, observations, method, level):
    if method not in METHODS:
        raise InputError(f"`method` is {method!r}, but it must be one of {', '.join(METHODS)}")
    if not 0 < level < 1:
        raise InputError(f"`level` is {level!r}, but it must be between 0 and 1 (0.6827 for one standard error)")
    if mixture.n_dimensions != observations.n_dimensions:
        raise InputError(
            f"the mixture has {mixture.n_dimensions} coordinates, but the observations have {observations.n_dimensions}"
        )


def _row(mixture, observations, model, errors, members, place, factor, limit_level):
    k, axis = place
    fixed = model.fixed
    sigma, sigma_error = mixture.sigmas[k, axis], errors.sigmas[k, axis]
    limit = _limit(mixture, observations, model, errors, place, limit_level)
    is_limit = limit is not None and limit.consistent_with_zero
    sigma_error = np.nan if is_limit or k in fixed.covariances else factor * sigma_error
    alone = mixture.shares.size == 1 or k in fixed.weights
    upper = limit.upper if is_limit else np.nan
    observed, naive = uncorrected_sigmas(observations, axis, members)
    return {
        "component": k,
        "axis": mixture.names[axis],
        "n_effective": members.sum(),
        "weight": mixture.weights[k],
        "weight_error": np.nan if alone or errors.weights[k] == 0 else factor * errors.weights[k],
        "mean": mixture.means[k, axis],
        "mean_error": np.nan if k in fixed.means else factor * errors.means[k, axis],
        "sigma": sigma,
        "sigma_error": sigma_error,
        "sigma_limit": upper,
        "fwhm": FWHM * sigma,
        "fwhm_error": FWHM * sigma_error,
        "fwhm_limit": FWHM * upper,
        "is_limit": is_limit,
        "observed_sigma": observed,
        "naive_sigma": naive,
    }


def _limit(mixture, observations, model, errors, place, limit_level):
    """The limit of one width, or None where it is so far from zero that none is needed, or where there can be none."""
    if model.prior is not None or place[0] in model.fixed.covariances:
        return None
    variance, error = mixture.sigmas[place] ** 2, errors.variances[place]
    if variance > CLEARLY_RESOLVED * error and np.isfinite(error):
        return None
    return width_limit(mixture, observations, *place, limit_level, model)


def uncorrected_sigmas(observations, axis, members):
    """Standard deviation as measured, and with the mean squared error subtracted; NaN where that is negative.

    Behind projections nothing was measured, so both are NaN.
    """
    if observations.projections is not None:
        return np.nan, np.nan
    seen = observations.present[observations.counts, axis]
    values = observations.values[observations.counts, axis][seen]
    variances = observations.variances[observations.counts, axis][seen]
    members = members[seen]
    total = members.sum()
    if total <= 1:
        return np.nan, np.nan
    mean = members @ values / total
    observed = members @ (values - mean) ** 2 / (total - 1)
    naive = observed - members @ variances / total
    return np.sqrt(observed), np.sqrt(naive) if naive >= 0 else np.nan


def _table(rows, mixture, meta):
    from astropy.table import QTable

    units = set(mixture.units)
    table = QTable(meta=meta)
    for name, description in DESCRIPTIONS.items():
        column = np.array([row[name] for row in rows])
        unit = mixture.units[0] if name in WITH_UNIT and len(units) == 1 else None
        table[name] = _column(column, unit)
        table[name].info.description = description
    if len(units) > 1:
        table["unit"] = [str(mixture.units[mixture.names.index(row["axis"])] or "") for row in rows]
        table["unit"].info.description = "unit of the mean and of every width in the row"
    return table


def _column(column, unit):
    """A column in which what is not finite is masked; fully masked ones keep their type."""
    from astropy.table import Column, MaskedColumn
    from astropy.units import Quantity
    from astropy.utils.masked import Masked

    missing = ~np.isfinite(column) if column.dtype.kind == "f" else np.zeros(column.shape, bool)
    column = np.where(missing, 0.0, column) if missing.any() else column
    if unit is not None:
        quantity = Quantity(column, difference_unit(unit))
        return Masked(quantity, mask=missing) if missing.any() else quantity
    return MaskedColumn(column, mask=missing) if missing.any() else Column(column)
