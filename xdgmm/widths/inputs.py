"""The inputs of reports: a fit or a bare mixture, methods, levels, samples; refused where it cannot be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.basics.parameters import check_level
from xdgmm.errors import InputError
from xdgmm.fitting import FitResult, Model
from xdgmm.mixture import GaussianMixture
from xdgmm.uncertainty import BootstrapSamples, PosteriorSamples, SampledMixtures

from .velocity import CONVENTIONS, ToVelocity

if TYPE_CHECKING:
    from xdgmm.fitting.problem import AnyObservations

METHODS = ("information", "sandwich", "profile", "bootstrap", "mcmc")
SAMPLED = ("bootstrap", "mcmc")


def mixture_and_model(fitted: FitResult | GaussianMixture) -> tuple[GaussianMixture, Model | None]:
    """Mixture and model of a fit; of a bare mixture no model: uncertainties then follow its record (`model_of`).

    All uncertainties of a report are computed with this model, so that they share one `Problem` and its Hessian.
    """
    return (fitted.mixture, fitted.model) if isinstance(fitted, FitResult) else (fitted, None)


def check_widths(
    mixture: GaussianMixture,
    observations: AnyObservations,
    *,
    method: str,
    level: float,
    limit_level: float,
    samples: SampledMixtures | None,
    convention: str,
) -> None:
    """Refuse a width report that cannot be made."""
    if method not in METHODS:
        raise InputError(f"`method` is {method!r}, but it must be one of {', '.join(METHODS)}")
    check_level(level)
    check_level(limit_level, "limit_level", 0.5)
    if mixture.n_dimensions != observations.n_dimensions:
        raise InputError(
            f"the mixture has {mixture.n_dimensions} coordinates, but the observations have {observations.n_dimensions}"
        )
    if convention not in CONVENTIONS:
        raise InputError(f"`convention` is {convention!r}, but it must be one of {', '.join(CONVENTIONS)}")
    if samples is None:
        return
    if method not in SAMPLED:
        raise InputError(f"`samples` were given, but `method='{method}'` uses none; say 'bootstrap' or 'mcmc'")
    check_samples(samples, mixture, BootstrapSamples if method == "bootstrap" else PosteriorSamples)


def check_samples(samples: object, mixture: GaussianMixture, kind: type[SampledMixtures]) -> None:
    """Refuse samples of another kind, or of another fit."""
    if not isinstance(samples, kind):
        raise InputError(
            f"`samples` is {samples!r}, but this needs {kind.__name__}: what `bootstrap` or `sample_posterior` returned"
        )
    of = samples.mixture
    same = of.means.shape == mixture.means.shape and of.names == mixture.names
    if not (same and np.allclose(of.means, mixture.means) and np.allclose(of.covariances, mixture.covariances)):
        raise InputError("`samples` are those of another fit; give this fit's own")


def checked_velocity(mixture: GaussianMixture, **settings: Any) -> ToVelocity | None:
    """The conversion to km/s, where a distance or a rest value is given; otherwise None."""
    if settings["distance"] is None and settings["rest"] is None:
        if settings["distance_error"] is not None:
            raise InputError("`distance_error` was given without a `distance`")
        return None
    if len(set(mixture.units)) > 1:
        raise InputError("velocities need columns of one unit; fit those that become velocities by themselves")
    return ToVelocity(mixture.units[0], **settings)
