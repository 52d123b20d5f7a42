"""How many components?

`search` fits a range of K and compares the fits by the Bayesian information criterion; `criteria` says what each
parameter costs.  To add a criterion, add its formula to `criteria` and a column to `Selection`.
"""

from .criteria import aic, bic, n_parameters
from .search import Selection, search

__all__ = ["Selection", "aic", "bic", "n_parameters", "search"]
