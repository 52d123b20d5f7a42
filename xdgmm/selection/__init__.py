"""How many components?

`select` fits all candidates, numbers of components and covariance types, and compares them:

- `candidates`: the fits, which improve each other;
- `criteria`: information criteria; `cross_validation`: scores of held-out objects; `bootstrap_test`: K against K + 1;
- `model_selection`: the choice, and how decisive it is; `table`: the candidates in a table, which models and reports
  keep.

To add a criterion, add its formula to `criteria`, a column to `table`, and its name to `CRITERIA`.
"""

from xdgmm.errors import deprecated_names

from .criteria import aic, aicc, bic, icl, membership_entropy, n_parameters
from .model_selection import CRITERIA, N_INIT, ModelSelection, candidate_numbers, candidate_types, select
from .table import rich_candidates, table_of

__all__ = [
    "CRITERIA",
    "N_INIT",
    "ModelSelection",
    "aic",
    "aicc",
    "bic",
    "candidate_numbers",
    "candidate_types",
    "icl",
    "membership_entropy",
    "n_parameters",
    "rich_candidates",
    "select",
    "table_of",
]

deprecated_names(__name__, {"Selection": "ModelSelection", "search": "select"})
