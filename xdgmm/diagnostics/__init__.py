"""Does the model fit?  Residuals that are normal when it does, quick checks of them, and a test of the whole.

`residuals` has one number for each measured value, standard normal where the mixture and the errors are right,
`chi_squared` one for each object.  `quick_checks` looks for what makes widths wrong without a sign in the fit itself:
tails, several clumps in one component, errors that are too small or too large, errors that follow the values.  Width
reports show what these find.  `check` compares the same numbers, and the distribution of the residuals, with samples of
the fitted model, and lists the objects that fit worst (`unusual_objects`)
and those that move widths most (`influence`).  `simulate` makes such samples for other tests.  `error_scale` fits a
factor on the errors, or a floor for groups of objects, together with the mixture.
"""

from .check import check
from .error_result import ErrorScale
from .error_scale import error_scale
from .influence import influence, leave_one_out_residuals
from .quick import Finding, quick_checks
from .residuals import chi_squared, residuals
from .simulate import simulate
from .unusual import unusual_objects
from .verdict import Check

__all__ = [
    "Check",
    "ErrorScale",
    "Finding",
    "check",
    "chi_squared",
    "error_scale",
    "influence",
    "leave_one_out_residuals",
    "quick_checks",
    "residuals",
    "simulate",
    "unusual_objects",
]
