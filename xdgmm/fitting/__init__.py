"""How is it learned?

`expect` turns a mixture and packed observations into `Statistics`; the solvers (`em`, `implicit`, `quasi_newton`,
`newton`, one file each) turn statistics into better mixtures; `fit` starts them, compares them and reports.  To add
a solver, write a module with ``advance(mixture, statistics, likelihood)`` and name it in `solvers`.
"""

from .fit import Settings, fit
from .initialisation import STARTS, label_start, start_from
from .result import FitResult, Outcome, StoppingRule
from .statistics import Statistics, expect, log_likelihoods, responsibilities
from .watching import Progress

__all__ = [
    "STARTS",
    "FitResult",
    "Outcome",
    "Progress",
    "Settings",
    "Statistics",
    "StoppingRule",
    "expect",
    "fit",
    "label_start",
    "log_likelihoods",
    "responsibilities",
    "start_from",
]
