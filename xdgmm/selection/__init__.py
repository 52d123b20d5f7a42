"""How many components?

`search` fits a range of K and compares the fits by the Bayesian information criterion; `criteria` has the criteria.
To add a criterion, add its formula to `criteria` and a column to `ModelSelection`.
"""

from xdgmm.errors import deprecated_names

from .criteria import aic, bic, n_parameters
from .search import ModelSelection, search

__all__ = ["ModelSelection", "aic", "bic", "n_parameters", "search"]

deprecated_names(__name__, {"Selection": "ModelSelection"})
