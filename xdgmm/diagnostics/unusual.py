"""`unusual_objects`: which objects does the model explain worst, and would so many be expected among so many?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from xdgmm.basics.parameters import as_generator, check_count
from xdgmm.mixture import refuse_selection
from xdgmm.prediction import (
    checked_observations,
    has_exact_outlyingness,
    memberships,
    nearest_tail,
    outlyingness,
)
from xdgmm.tables.report import Column, build_table

from .inputs import check_observations, in_rows, mixture_and_model
from .measures import column_names
from .residuals import chi_squared_of, residuals, residuals_of_row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from astropy.table import QTable
    from numpy.typing import NDArray

    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

CANDIDATES = 5000  # objects that draws are compared with
ROUNDS = ((100, 20), (2000, 20), (40_000, 1))  # draws for each, and by how much fewer objects take part in the next
SEED = 0
COLUMNS = (
    Column("row", "row of the table, from 0"),
    Column("name", "name of the object"),
    Column("weight", "weight of the object: one of little weight may be unusual in a model that fits", format=".3g"),
    Column("p_value", "probability that an object with this noise is no more likely", format=".3g"),
    Column("expected", "what the smallest, second smallest, ... of so many p-values is on average", format=".3g"),
    Column("chi_squared", "sum of the squares of the residuals", format=".3g"),
    Column("n_values", "number of values it has"),
    Column("component", "most probable component; after the last one the background, where there is one"),
    Column("membership", "probability of that component", format=".3g"),
    Column("left_out", "whether the mixture was fitted without it"),
)


def unusual_objects(
    mixture: Any,
    observations: Observations,
    *,
    n_largest: int = 10,
    names: Sequence[Any] | None = None,
    left_out: Mapping[int, GaussianMixture] | None = None,
    rng: np.random.Generator | int | None = None,
) -> QTable:
    """The objects that are least probable under a mixture, with their own noise, least probable first.

    Parameters
    ----------
    mixture : XDGMM, FitResult or GaussianMixture
    observations : Observations
    n_largest : int
        How many.
    names : sequence (N,), optional
        A name for each row.
    left_out : mapping, optional
        By row, mixtures that were fitted without it: such an object is compared with this mixture.
    rng : numpy Generator, int or None
        Source of the draws where there is no exact answer; None is a fixed seed.

    Returns
    -------
    QTable
        row, name (where names are given), weight (where weights differ), p_value, expected, chi_squared, n_values,
        component (K: the background), membership, left_out, and ``residual_X`` for each measured column X.  `p_value`
        is `xdgmm.objects.outlyingness`; `expected` is ``j / (N + 1)`` for the j-th smallest of N uniform numbers: an
        object whose p-value is much smaller does not belong to the model.

    Raises
    ------
    InputError
        As `residuals`.

    Notes
    -----
    With one component and no background p-values are exact.  Otherwise draws are made for each object, 40,000 for the
    most unusual ones.  Where none of them is as unlikely and there is no background, the p-value is at most the one of
    chi-squared of the distance from the nearest component, with Student-t components at most that of such a one.

    Examples
    --------
    >>> import numpy as np
    >>> from xdgmm import GaussianMixture, Observations
    >>> from xdgmm.diagnostics import unusual_objects
    >>> observations = Observations.exact(np.r_[np.linspace(-1.5, 1.5, 97), 5.0])
    >>> found = unusual_objects(GaussianMixture([1.0], [[0.0]], [[[1.0]]]), observations, n_largest=1)
    >>> print(f"row {found['row'][0]}: p = {found['p_value'][0]:.2g}, where {found['expected'][0]:.2g} is expected")
    row 97: p = 5.7e-07, where 0.01 is expected
    """
    check_observations(observations)
    mixture, _ = mixture_and_model(mixture)
    refuse_selection(mixture, "unusual objects")
    check_count(n_largest, "n_largest")
    names = in_rows(names, len(observations), "names")
    rng = as_generator(SEED if rng is None else rng)
    counted = np.flatnonzero(observations.counts)
    checked = checked_observations(mixture, observations)
    left_out = dict(left_out or {})
    rows = np.setdiff1d(counted, list(left_out))
    found = []
    if rows.size:
        first, p = _least_probable(mixture, checked.select(rows), n_largest, rng)
        found += [_Described.of(mixture, checked, int(rows[i]), p_value) for i, p_value in zip(first, p, strict=True)]
    for row, without in left_out.items():
        p_value = float(_least_probable(without, checked.select([row]), 1, rng)[1][0])
        found.append(_Described.of(without, checked, row, p_value))
    found = sorted(found, key=lambda each: (each.p_value, each.row))[:n_largest]
    values: dict[str, Any] = {name: np.array([getattr(each, name) for each in found]) for name in DESCRIBED}
    values |= {
        "expected": np.arange(1.0, len(found) + 1.0) / (counted.size + 1.0),
        "left_out": np.isin(values["row"], list(left_out)),
    }
    weights = observations.object_weights
    if np.ptp(weights[counted]) > 0:
        values["weight"] = weights[values["row"]]
    if names is not None:
        values["name"] = np.array([str(names[row]) for row in values["row"]], dtype=str)
    columns = [column for column in COLUMNS if column.name in values]
    names_of_columns = column_names(mixture.names, observations.n_measured)
    scores = np.array([each.residuals for each in found]).reshape(len(found), observations.n_measured)
    for name, of_column in zip(names_of_columns, scores.T, strict=True):
        columns.append(Column(f"residual_{name}", f"residual of {name}, standard normal in the model", format=".3g"))
        values[f"residual_{name}"] = of_column
    meta = {
        "n_objects": int(counted.size),
        "n_components": mixture.all_weights.size,
        "has_background": mixture.background is not None,
    }
    return build_table(columns, values, meta=meta)


class _Described(NamedTuple):
    """One object under a mixture."""

    row: int
    p_value: float
    chi_squared: float
    n_values: int
    component: int
    membership: float
    residuals: Floats

    @classmethod
    def of(cls, mixture: GaussianMixture, observations: Observations, row: int, p_value: float) -> _Described:
        """The object in a row."""
        one = observations.select([row])
        scores, members = residuals_of_row(mixture, observations, row)[None], memberships(mixture, one)[0]
        component = int(members.argmax())
        total = float(chi_squared_of(scores)[0][0])
        return cls(
            row, float(p_value), total, int(one.constrained.sum()), component, float(members[component]), scores[0]
        )


DESCRIBED = ("row", "p_value", "chi_squared", "n_values", "component", "membership")


def _least_probable(
    mixture: GaussianMixture, observations: Observations, n_largest: int, rng: np.random.Generator
) -> tuple[Indices, Floats]:
    """Rows of the least probable objects, and their p-values."""
    p_values = chi_squared_of(residuals(mixture, observations))[1]
    if has_exact_outlyingness(mixture, observations):
        if observations.limits is not None:
            p_values = outlyingness(mixture, observations)
        order = np.lexsort((np.arange(p_values.size), p_values))[:n_largest]
        return order, p_values[order]
    bound = nearest_tail(mixture, observations)
    rows = np.argsort(np.minimum(p_values, bound), kind="stable")[:CANDIDATES]
    for n_draws, fewer in ROUNDS:
        p = outlyingness(mixture, observations.select(rows), n_samples=n_draws, rng=rng, progress="never")
        order = np.lexsort((bound[rows], p))[: max(2 * n_largest, rows.size // fewer)]
        rows, p = rows[order], p[order]
    if mixture.background is None:
        p = np.where(p * (1.0 + n_draws) < 1.5, np.minimum(p, bound[rows]), p)
    order = np.argsort(p, kind="stable")[:n_largest]
    return rows[order], p[order]
