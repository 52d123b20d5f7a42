"""How sure are we?

From a fitted mixture and its observations:

- standard errors: `laplace` makes a normal approximation from the information matrix or the sandwich,
  `parameter_errors` are the errors of weights, means and covariances, `with_errors` puts their covariance into the
  record of the mixture;
- samples of mixtures: `bootstrap` refits resampled rows, `sample_posterior` (also called `refine`) samples the
  posterior with emcee (`mcmc`);
- likelihood ratios: `profile_interval` of one width, `mean_interval`, `weight_interval`, and `function_interval` of
  any function of the mixture; the upper limits `width_limit`, `principal_limit`, `conditional_limit` and
  `background_limit` of quantities that may be zero.  Each is a `Profile` of `likelihood_ratio`, which maximises the
  likelihood with one quantity fixed.  Where few objects carry the information, simulations take the place of the
  quantiles of chi-squared (`calibration`, `simulated`).  `gaussian_deficit` says whether a Student-t component can be
  told from a Gaussian;
- `selection_errors`: how complete a sample is, and what the importance samples of a selection function add to errors.

What `laplace`, `bootstrap` and `sample_posterior` return has a method ``propagate(function)``, which gives an
`Estimate` of any function of the mixture.  To add a way to find errors, write a function of a mixture and its
observations whose result has this method.  All start from a `xdgmm.fitting.Problem`.
"""

from xdgmm.errors import deprecated_names

from .bootstrap import BootstrapSamples, bootstrap
from .completeness import SelectionErrors, selection_errors
from .estimates import Estimate, SampledMixtures
from .function_profile import function_interval
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
from .profile import mean_interval, profile_interval, weight_interval
from .simulated import SimulatedLimit
from .tails import gaussian_deficit

deprecated_names(__name__, {"check_level": "xdgmm.basics.parameters.check_level"})

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
    "SelectionErrors",
    "SimulatedLimit",
    "Uniform",
    "WidthLimit",
    "background_limit",
    "bootstrap",
    "conditional_limit",
    "function_interval",
    "gaussian_deficit",
    "laplace",
    "mean_interval",
    "parameter_errors",
    "principal_limit",
    "profile_interval",
    "refine",
    "sample_posterior",
    "selection_errors",
    "weight_interval",
    "width_limit",
    "with_errors",
]
