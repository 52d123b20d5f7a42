"""How is it learned?

`expect` turns a mixture and packed observations into `Statistics`; the solvers (`em`, `implicit`, `quasi_newton`,
`newton`, one file each) turn statistics into better mixtures; `fit` starts them, compares them and reports.  To add
a solver, write a module with ``advance(mixture, statistics, likelihood)`` and name it in `solvers`.  What is fitted
(covariance type, what is fixed, priors, a background) is a `Model`; the solvers meet it as `Constraints`, in
`coordinates`, `em` and `implicit`.  `recording` keeps what was fitted with the mixture.
"""

from .covariance_types import COVARIANCE_TYPES
from .fit import Settings, fit
from .initialisation import STARTS, label_start, start_from
from .model import Fixed, Model
from .priors import Dirichlet, InverseWishart, Normal, Prior
from .recording import model_of
from .result import FitResult, Outcome, StoppingRule
from .shrinkage import shrinkage_prior
from .statistics import Statistics, expect, log_likelihoods, responsibilities
from .watching import Progress

__all__ = [
    "COVARIANCE_TYPES",
    "STARTS",
    "Dirichlet",
    "FitResult",
    "Fixed",
    "InverseWishart",
    "Model",
    "Normal",
    "Outcome",
    "Prior",
    "Progress",
    "Settings",
    "Statistics",
    "StoppingRule",
    "expect",
    "fit",
    "label_start",
    "log_likelihoods",
    "model_of",
    "responsibilities",
    "shrinkage_prior",
    "start_from",
]
