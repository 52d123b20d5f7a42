"""The table of candidates: as a QTable, on the screen, and in the record of the fit that was chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.tables.printing import brief, empty_table
from xdgmm.tables.report import Column, build_table

if TYPE_CHECKING:
    from astropy.table import QTable
    from rich.table import Table

    from xdgmm.mixture import GaussianMixture

COLUMNS = (
    Column("n_components", "number of components", heading="K"),
    Column("covariance_type", "what the covariances have in common", heading="type"),
    Column("log_likelihood", "total, in nats", keeps_nan=True, heading="lnL", format=".6f"),
    Column("n_parameters", "free parameters", heading="p"),
    Column("bic", "Bayesian information criterion: the lower the better", keeps_nan=True, heading="BIC", format=".4f"),
    Column("aic", "Akaike's information criterion", keeps_nan=True, heading="AIC", format=".4f"),
    Column("aicc", "Akaike's information criterion for few objects", keeps_nan=True, heading="AICc", format=".4f"),
    Column("icl", "BIC plus twice the entropy of the memberships", keeps_nan=True, heading="ICL", format=".4f"),
    Column(
        "cv", "log-likelihood of held-out objects, in nats: the higher the better", keeps_nan=True, heading="cv lnL"
    ),
    Column("cv_error", "standard error of its difference to the highest", keeps_nan=True, heading="±"),
    Column(
        "p_value", "of the likelihood ratio against the next larger number, simulated", keeps_nan=True, heading="p(K+1)"
    ),
    Column("evidence_weight", "exp(-BIC/2) over its sum", keeps_nan=True, heading="weight", format=".4g"),
    Column("smallest_component", "objects in the smallest component", keeps_nan=True, heading="smallest", format=".4g"),
    Column(
        "narrowest_width",
        "smallest intrinsic sigma along a column, over the median error of the members",
        keeps_nan=True,
        heading="σ/error",
        format=".4g",
    ),
    Column("status", "how the fit ended", heading="status"),
)
EXACT = {"log_likelihood": 2, "bic": 2, "aic": 2, "aicc": 2, "icl": 2, "cv": 2, "cv_error": 2}  # decimals on the screen
KEPT = "columns"  # of the record


def candidate_table(values: Mapping[str, Any], meta: Mapping[str, Any]) -> QTable:
    """The table of candidates from its numbers, by the names of `COLUMNS`."""
    return build_table(COLUMNS, values, meta=meta)


def as_record(table: QTable) -> dict[str, Any]:
    """A table of candidates in plain values: None for NaN."""
    columns = {name: [_plain(cell) for cell in table[name].tolist()] for name in table.colnames}
    return {**table.meta, KEPT: columns}


def _plain(cell: Any) -> Any:
    return None if isinstance(cell, float) and np.isnan(cell) else cell


def table_of(mixture: GaussianMixture) -> QTable | None:
    """The table of candidates from which a fitted mixture was chosen, also after it was read from a file.

    Parameters
    ----------
    mixture : GaussianMixture

    Returns
    -------
    QTable or None
        As `ModelSelection.table`; None for a mixture that was not chosen among candidates.

    Examples
    --------
    >>> from xdgmm import datasets, select
    >>> found = select(datasets.load("neutron_stars")["m", "e_m"], n_components=range(1, 4), random_state=0)
    >>> table_of(found.estimator.mixture_)["bic"].round(2).tolist()
    [13.25, 5.14, 14.2]
    """
    record = None if mixture.record is None else mixture.record.selection
    if record is None:
        return None
    kept = record[KEPT]
    floats = {column.name for column in COLUMNS if column.keeps_nan}
    values = {
        column.name: np.array(kept[column.name], dtype=float if column.name in floats else None) for column in COLUMNS
    }
    return candidate_table(values, {name: value for name, value in record.items() if name != KEPT})


def rich_candidates(table: QTable) -> Table:
    """A table of candidates for the screen, without columns that say nothing; the chosen one is marked."""
    from rich.markup import escape

    shown = [column for column in COLUMNS if _says_something(table, column)]
    screen = empty_table([column.heading for column in shown], left=("type", "status"))
    for i, row in enumerate(table):
        mark = ", chosen" if i == table.meta["chosen"] else ""
        screen.add_row(
            *(escape(_shown(row[column.name], column)) + mark * (column.name == "status") for column in shown)
        )
    return screen


def _says_something(table: QTable, column: Column) -> bool:
    if column.name == "covariance_type":
        return len(set(table[column.name])) > 1
    return not (column.keeps_nan and np.isnan(table[column.name]).all())


def _shown(cell: Any, column: Column) -> str:
    if not column.keeps_nan:
        return str(cell)
    if np.isnan(cell):
        return ""
    decimals = EXACT.get(column.name)
    return brief(float(cell)) if decimals is None else f"{cell:.{decimals}f}"
