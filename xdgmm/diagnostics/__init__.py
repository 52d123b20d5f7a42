"""Does the model fit?  Residuals that are normal when it does, and quick checks of them.

`residuals` has one number for each measured value, standard normal where the mixture and the errors are right.
`quick_checks` looks for what makes widths wrong without a sign in the fit itself: tails, several clumps in one
component, errors that are too small or too large, errors that follow the values.  Width reports show what these find.
"""

from .quick import Finding, quick_checks
from .residuals import residuals

__all__ = ["Finding", "quick_checks", "residuals"]
