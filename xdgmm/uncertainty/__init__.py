"""How sure are we?

`laplace` (information matrix or sandwich), `profile_interval` (one width, from its profile likelihood) and `bootstrap`
(rows resampled) say how far the truth may be from a fitted mixture, and `sample_posterior` (also called `refine`)
samples its posterior with emcee (see `mcmc`); `width_limit` says whether a width is consistent with zero, and how large
it may be, `principal_limit` the same of a direction without width, and `background_limit` of a background that was not
found; `parameter_errors` are the standard errors of weights, means and covariances, and `with_errors` puts them into
the record of the mixture.  What `laplace`, `bootstrap` and `sample_posterior` return carries its uncertainty to any
function of the mixture: ``propagate(function)``, an `Estimate`.  To add a method, write a function of a mixture and its
observations whose result has that one.
"""

from .bootstrap import BootstrapSamples, bootstrap
from .estimates import Estimate, SampledMixtures
from .information import Laplace, ParameterErrors, laplace, parameter_errors, with_errors
from .likelihood_ratio import WidthLimit
from .limits import background_limit, conditional_limit, principal_limit, width_limit
from .mcmc import (
    LKJ,
    HalfCauchy,
    LogUniform,
    PosteriorPrior,
    PosteriorSamples,
    SamplingOutcome,
    Uniform,
    refine,
    sample_posterior,
)
from .profile import profile_interval

__all__ = [
    "LKJ",
    "BootstrapSamples",
    "Estimate",
    "HalfCauchy",
    "Laplace",
    "LogUniform",
    "ParameterErrors",
    "PosteriorPrior",
    "PosteriorSamples",
    "SampledMixtures",
    "SamplingOutcome",
    "Uniform",
    "WidthLimit",
    "background_limit",
    "bootstrap",
    "conditional_limit",
    "laplace",
    "parameter_errors",
    "principal_limit",
    "profile_interval",
    "refine",
    "sample_posterior",
    "width_limit",
    "with_errors",
]
