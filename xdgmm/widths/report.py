"""The intrinsic-width report: one row per component and axis, as an astropy QTable that prints well."""

import warnings

import numpy as np

from xdgmm.basics.parameters import check_level
from xdgmm.errors import InputError, XdgmmWarning
from xdgmm.fitting import FitResult, responsibilities
from xdgmm.uncertainty import (
    BootstrapSamples,
    PosteriorSamples,
    background_limit,
    bootstrap,
    laplace,
    parameter_errors,
    principal_limit,
    profile_interval,
    refine,
    width_limit,
)

from .fitted import check_samples, parts
from .observed import observed_along
from .quantities import Quantities, principal_axes
from .rendering import with_error
from .table import assembled
from .velocity import CONVENTIONS, ToVelocity

METHODS = ("information", "sandwich", "profile", "bootstrap", "mcmc")
SAMPLED = ("bootstrap", "mcmc")
FWHM = np.sqrt(8.0 * np.log(2.0))
CLEARLY_RESOLVED = 6.0  # a variance this many errors from zero needs no profile
NOT_A_MAXIMUM = 0.05  # gradient, per standard error, above which the mixture is not the maximum for these data


def widths(
    fitted,
    observations,
    *,
    method="information",
    information="observed",
    level=0.6827,
    limit_level=0.95,
    samples=None,
    rng=None,
    distance=None,
    distance_error=None,
    rest=None,
    convention="optical",
):
    """Report the intrinsic widths of a fitted mixture.

    Parameters
    ----------
    fitted : FitResult or GaussianMixture
        The maximum-likelihood (with a prior, maximum-posterior) mixture of these observations.  Of a bare mixture the
        record of its fit tells what was fitted; without one it is taken for what it looks like (its background, the
        narrowest covariance type), nothing fixed, and no prior.
    observations : Observations
    method : {"information", "sandwich", "profile", "bootstrap", "mcmc"}
        Where the errors come from: the curvature of the likelihood; the same, robust against a wrong model; for the
        sigmas of named columns the profile likelihood (the rest as "information"); refits of resampled objects; the
        posterior, whose medians are then the values, and whose quantiles the limits.
    information : {"observed", "expected"}
        Which information matrix; "expected" for one component only.
    level : float
        Probability that an error bar and the interval from low to high stand for.
    limit_level : float
        Level at which a width is called consistent with zero, and of the upper limit given then.
    samples : optional
        What `xdgmm.uncertainty.bootstrap` or `refine` returned; made here with default settings where it is missing.
    rng : numpy Generator, int or None
        Source of randomness where samples are made here.
    distance, distance_error : Quantity, optional
        Turn proper motions into km/s, with the relative error of the distance in every error.
    rest : Quantity, optional
        Rest wavelength, frequency or energy: turn positions and widths of lines into km/s.
    convention : {"optical", "radio", "relativistic"}
        The Doppler formula for `rest`.

    Returns
    -------
    WidthReport
        A QTable.  First one row per component and named column, then, from two columns on, one per component and
        principal axis, widest first, with its direction.  See `xdgmm.widths.table.DESCRIPTIONS`.  What does not exist
        is masked: the error of a width consistent with zero or of what was fixed, the limit of one that is not, the
        scatter as measured behind projections.  ``meta`` holds what was fitted, remarks, and the background's fraction.

    Raises
    ------
    InputError
        If a level is out of range, the numbers of coordinates differ, or an option does not apply.

    Notes
    -----
    Full width at half maximum: ``sqrt(8 ln 2) sigma``.  The observed and the naive sigma weight every object with its
    membership: for one component and no weights, they are the textbook numbers.  With a prior no width has a limit: an
    inverse-Wishart prior excludes zero, and any other makes the profile one of the posterior.
    """
    mixture, model = parts(fitted)
    _check(mixture, observations, method, level, limit_level)
    _check_options(mixture, method, samples, convention)
    velocity = _velocity(
        mixture, distance=distance, distance_error=distance_error, rest=rest, convention=convention, level=level
    )
    observations = observations.in_units(mixture.units)
    errors = parameter_errors(mixture, observations, information, model)
    _warn_where_no_maximum(errors, model)
    spread = _Spread(fitted, observations, model, method, information, level, samples, rng)
    rows = _Rows(mixture, observations, model, errors, spread, level, limit_level)
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
        "remarks": [*_remarks(model), *spread.remarks, *([velocity.sentence] if velocity else [])],
    }
    if mixture.background is not None:
        limit = _background_limit(mixture, observations, model, limit_level)
        value, error = spread.value["background"][0], spread.error["background"][0]
        ends = ([float(end) for end in corner] for corner in mixture.background.box)
        meta["background"] = {
            "fraction": float(value),
            "fraction_error": float(error),
            "fraction_limit": limit,
            **dict(zip(("low", "high"), ends, strict=True)),
        }
        meta["remarks"].insert(0, _of_background(meta))
    straight = velocity is None or rest is None  # principal axes of positions of lines are none of their velocities
    return assembled(rows.every(principal=straight), mixture, meta, velocity)


def _check_options(mixture, method, samples, convention):
    if convention not in CONVENTIONS:
        raise InputError(f"`convention` is {convention!r}, but it must be one of {', '.join(CONVENTIONS)}")
    if samples is None:
        return
    if method not in SAMPLED:
        raise InputError(f"`samples` were given, but `method='{method}'` uses none; say 'bootstrap' or 'mcmc'")
    check_samples(samples, mixture, BootstrapSamples if method == "bootstrap" else PosteriorSamples)


def _velocity(mixture, **settings):
    if settings["distance"] is None and settings["rest"] is None:
        if settings["distance_error"] is not None:
            raise InputError("`distance_error` was given without a `distance`")
        return None
    if len(set(mixture.units)) > 1:
        raise InputError("velocities need columns of one unit; fit those that become velocities by themselves")
    return ToVelocity(mixture.units[0], **settings)


def _warn_where_no_maximum(errors, model):
    if errors.residual > NOT_A_MAXIMUM:
        climbed = "log-likelihood" if model.prior is None else "log-posterior"
        warnings.warn(
            f"the {climbed} still changes by {errors.residual:.2g} nats per standard error, so the mixture is not "
            "the maximum for these data: pass the data it was fitted to, or fit until it converges",
            XdgmmWarning,
            stacklevel=3,
        )


class _Spread:
    """Value, error and interval of every quantity, by the method asked for: dicts of arrays by name."""

    def __init__(self, fitted, observations, model, method, information, level, samples, rng):
        mixture = parts(fitted)[0]
        self.remarks = []
        quantities = Quantities(mixture)
        self.drawn = None
        if method in SAMPLED:
            source = samples if samples is not None else _sampled(fitted, observations, method, rng)
            rows = self._of_samples(source, quantities, method, level)
        else:
            kind = "sandwich" if method == "sandwich" else "information"
            source = laplace(mixture, observations, kind=kind, information=information, model=model)
            estimate = source.propagate(quantities, level)
            rows = estimate.value, estimate.low, estimate.high
        self.value, self.low, self.high = (quantities.of(np.array(row)) for row in rows)
        self.error = {name: 0.5 * (self.high[name] - self.low[name]) for name in self.low}
        if method == "profile":
            self._profile(mixture, observations, model, level)

    def _of_samples(self, source, quantities, method, level):
        """Value and quantiles; of a posterior the value is the median, as its peak is no property of it."""
        drawn = np.stack([quantities(each) for each in source.mixtures()])
        low, middle, high = np.quantile(drawn, [0.5 - 0.5 * level, 0.5, 0.5 + 0.5 * level], axis=0)
        if method == "bootstrap":
            return quantities(source.mixture), low, high
        self.drawn = [quantities.of(row) for row in drawn]
        self.remarks += [f"medians of the posterior, {source.outcome.value}", f"prior: {source.prior}"]
        return middle, low, high

    def posterior_limit(self, name, place, level):
        """The value below which a share of the posterior samples lies; None where there is no posterior."""
        return None if self.drawn is None else float(np.quantile([row[name][place] for row in self.drawn], level))

    def _profile(self, mixture, observations, model, level):
        if model.prior is not None:
            raise InputError("with a prior there is no profile of the likelihood; use `method='information'` or 'mcmc'")
        for k, axis in np.ndindex(mixture.means.shape):
            if k not in model.fixed.covariances:
                found = profile_interval(mixture, observations, k, axis, level, model)
                self.low["sigmas"][k, axis], self.high["sigmas"][k, axis] = found.low, found.high


def _sampled(fitted, observations, method, rng):
    if not isinstance(fitted, FitResult):
        raise InputError(f"`method='{method}'` needs the result of the fit (`model.result_`), or `samples`")
    return (bootstrap if method == "bootstrap" else refine)(fitted, observations, rng=rng)


def _background_limit(mixture, observations, model, limit_level):
    if mixture.background.fraction > 0 or model.prior is not None:
        return None
    return background_limit(mixture, observations, limit_level, model)


def _of_background(meta):
    found = meta["background"]
    shown = with_error(100 * found["fraction"], 100 * found["fraction_error"]) + "%"
    if found["fraction_limit"] is not None:
        shown = f"none found (less than {100 * found['fraction_limit']:.2g}% at {100 * meta['limit_level']:g}%)"
    return f"background: {shown} of the objects, uniform over its box; their errors play no part in it"


def _remarks(model):
    """What a reader of the widths should know about the model, one sentence each."""
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


def _check(mixture, observations, method, level, limit_level):
    if method not in METHODS:
        raise InputError(f"`method` is {method!r}, but it must be one of {', '.join(METHODS)}")
    check_level(level)
    check_level(limit_level, "limit_level", 0.5)
    if mixture.n_dimensions != observations.n_dimensions:
        raise InputError(
            f"the mixture has {mixture.n_dimensions} coordinates, but the observations have {observations.n_dimensions}"
        )


class _Rows:
    """The rows of a report, each a dict; lengths and velocities come later."""

    def __init__(self, mixture, observations, model, errors, spread, level, limit_level):
        self.mixture, self.observations, self.model, self.errors = mixture, observations, model, errors
        self.spread, self.level, self.limit_level = spread, level, limit_level
        blocks = observations.pack(background=mixture.background and mixture.background.box)
        self.members = blocks.object_weights[:, None] * responsibilities(mixture, blocks)

    def every(self, *, principal):
        """Named columns of all components, then their principal axes where these are wanted."""
        K, D = self.mixture.means.shape
        rows = [self._named(k, axis) for k in range(K) for axis in range(D)]
        if D > 1 and principal:
            axes = principal_axes(self.mixture)[1]
            rows += [self._principal(k, i, axes[k, i]) for k in range(K) for i in range(D)]
        return rows

    def _named(self, k, axis):
        limit = self._limit(k, axis)
        upper = limit.upper if limit is not None and limit.consistent_with_zero else None
        if upper is not None and self.spread.drawn is not None:
            upper = self.spread.posterior_limit("sigmas", (k, axis), self.limit_level)
        row = self._common(k, "sigmas", (k, axis), upper)
        mean = self._interval("means", (k, axis), held=k in self.model.fixed.means)
        direction = np.eye(self.mixture.n_dimensions)[axis]
        return {**row, "axis": self.mixture.names[axis], "mean": mean, **self._seen(k, direction)}

    def _principal(self, k, i, direction):
        upper = None
        if self._may_be_flat(k, i) and self._may_have_limit(k):
            limit = principal_limit(self.mixture, self.observations, k, self.limit_level, self.model)
            upper = limit.upper if limit.consistent_with_zero else None
        if upper is not None and self.spread.drawn is not None:
            upper = self.spread.posterior_limit("principal", (k, i), self.limit_level)
        row = self._common(k, "principal", (k, i), upper)
        return {**row, "axis": f"principal {i + 1}", "mean": None, **self._seen(k, direction)}

    def _common(self, k, name, place, upper):
        alone = self.mixture.all_weights.size == 1 or k in self.model.fixed.weights
        held = k in self.model.fixed.covariances
        return {
            "component": k,
            "n_effective": self.members[:, k].sum(),
            "weight": self._interval("weights", k, held=alone),
            "sigma": self._interval(name, place, held=held or upper is not None),
            "sigma_limit": np.nan if upper is None else upper,
            "is_limit": upper is not None,
        }

    def _interval(self, name, place, *, held):
        """Value, and the ends of its interval; none where it is held fixed or at the boundary."""
        value = self.spread.value[name][place]
        if held:
            return value, np.nan, np.nan
        return value, self.spread.low[name][place], self.spread.high[name][place]

    def _seen(self, k, direction):
        observed = observed_along(direction, self.observations, self.members[:, k])
        return {"direction": direction, "observed": observed}

    def _may_be_flat(self, k, i):
        """Is the component singular along this axis, or is this its narrowest and not clearly resolved?"""
        D = self.mixture.n_dimensions
        if i >= D - self.errors.singular[k]:
            return True
        value, error = (of["principal"][k, i] for of in (self.spread.value, self.spread.error))
        return i == D - 1 and self.model.type.rotated and not 2 * value > CLEARLY_RESOLVED * error

    def _may_have_limit(self, k):
        return self.model.prior is None and k not in self.model.fixed.covariances

    def _limit(self, k, axis):
        """The limit of one width; None where it is so far from zero that none is needed, or where there can be none."""
        if not self._may_have_limit(k):
            return None
        variance, error = self.mixture.sigmas[k, axis] ** 2, self.errors.variances[k, axis]
        if variance > CLEARLY_RESOLVED * error and np.isfinite(error):
            return None
        return width_limit(self.mixture, self.observations, k, axis, self.limit_level, self.model)
