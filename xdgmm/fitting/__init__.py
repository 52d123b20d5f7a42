"""How is it learned?

`expect` turns a mixture and packed observations into `Statistics`; the solvers (`em`, `implicit`, `quasi_newton`,
`newton`, one file each) turn statistics into better mixtures; `fit` starts them, compares them and reports.  To add
a solver, write a module with ``iterate(mixture, statistics, objective)`` and name it in `solvers`.  What is fitted
(covariance type, what is fixed, priors, a background) is a `Model`; the solvers see it as `Constraints`, in
`coordinates`, `em` and `implicit`.  `recording` keeps what was fitted with the mixture.
"""

from xdgmm.kernels import Statistics

from .covariance_types import COVARIANCE_TYPES
from .fit import fit
from .initialisation import STARTS
from .model import Fixed, Model, shrinkage_prior
from .objective import expect, log_likelihoods, responsibilities
from .priors import Dirichlet, InverseWishart, Normal, Prior
from .problem import Problem
from .progress import Progress
from .record import model_of
from .result import FitResult, Outcome
from .settings import Settings, StoppingRule
from .starts import label_start, start_from

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
    "Problem",
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
