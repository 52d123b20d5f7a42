"""How is it learned?

`fit` joins model and observations in a `Problem`, searches for the highest maximum from several starts, and returns a
`FitResult`.  The files, from the top down:

- `fit`, `search` (which starts are solved, on how many objects), `initialisation` (random starts), `starts` (those that
  the user gives), `split_merge` (better starts), `progress` (bars, callbacks, interrupts);
- `problem` (model and observations in the coordinates of the solvers), `standardisation`, `selector` (of a sample that
  a selection function has left);
- `solvers` (run by name until the maximum): `em`, `implicit`, `quasi_newton` and `newton`, one file each, which turn a
  mixture and its `Statistics` into a better mixture; `optimality` (is it the maximum?), `coordinates` (of a mixture);
- `objective` (log-likelihood or log-posterior of `xdgmm.kernels.Data`; `expect` is one pass over the data);
- `model` (what is fitted) with `covariance_types` and `priors`; the solvers use it as `constraints`;
- `settings`, `result`, `record` (of a fit, kept with its mixture), and `checkpoint` (of a fit that takes long).

To add a solver, write a module with ``iterate(mixture, statistics, objective)`` and name it in `solvers`; to add a
covariance type, a class in `covariance_types`.
"""

from xdgmm.kernels import Statistics

from .checkpoint import Checkpoint, description_of_fit, recorded
from .covariance_types import COVARIANCE_TYPES
from .fit import fit, fit_above, fit_from
from .initialisation import STARTS
from .model import Fixed, Model, shrinkage_prior
from .objective import expect, log_likelihoods, responsibilities
from .priors import Dirichlet, InverseWishart, Normal, Prior
from .problem import Problem
from .progress import Passes, Progress
from .record import model_of, with_recipe
from .result import FitResult, Outcome
from .selector import log_selection_probabilities
from .settings import Settings, StoppingRule
from .starts import label_start, start_from
from .stepwise import StepwiseFit, check_stepwise

__all__ = [
    "COVARIANCE_TYPES",
    "STARTS",
    "Checkpoint",
    "Dirichlet",
    "FitResult",
    "Fixed",
    "InverseWishart",
    "Model",
    "Normal",
    "Outcome",
    "Passes",
    "Prior",
    "Problem",
    "Progress",
    "Settings",
    "Statistics",
    "StepwiseFit",
    "StoppingRule",
    "check_stepwise",
    "description_of_fit",
    "expect",
    "fit",
    "fit_above",
    "fit_from",
    "label_start",
    "log_likelihoods",
    "log_selection_probabilities",
    "model_of",
    "recorded",
    "responsibilities",
    "shrinkage_prior",
    "start_from",
    "with_recipe",
]
