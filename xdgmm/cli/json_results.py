"""Results as JSON: tables, mixtures and records of fits as dicts and lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from astropy.table import QTable

    from xdgmm.mixture import FitRecord, GaussianMixture


def table_as_json(table: QTable) -> dict[str, Any]:
    """The rows of a table as dicts, and the units of its columns; masked and infinite values are null."""
    units = {name: str(table[name].unit) for name in table.colnames if getattr(table[name], "unit", None)}
    return {"units": units, "rows": [{name: _plain(row[name]) for name in table.colnames} for row in table]}


def mixture_as_json(mixture: GaussianMixture) -> dict[str, Any]:
    """Names, units and parameters of a mixture."""
    document: dict[str, Any] = {
        "columns": list(mixture.names),
        "units": [None if unit is None else str(unit) for unit in mixture.units],
        "weights": mixture.weights.tolist(),
        "means": mixture.means.tolist(),
        "covariances": mixture.covariances.tolist(),
        "background": None,
    }
    if mixture.dof is not None:
        document["dof"] = finite(mixture.dof.tolist())
    if mixture.flat is not None:
        low, high = mixture.flat.box
        of_flat = {"columns": list(mixture.flat.columns), "low": low.tolist(), "high": high.tolist()}
        document["flat"] = {**of_flat, "components": np.flatnonzero(mixture.flat_components).tolist()}
    if mixture.background is not None:
        low, high = mixture.background.box
        box = {"low": low.tolist(), "high": high.tolist()}
        meaning = {"of": mixture.background.of, "fitted_edges": mixture.background.fitted_edges}
        document["background"] = {"fraction": mixture.background.fraction, **box, **meaning}
    return document


def record_as_json(record: FitRecord | None) -> Any:
    """The record of a fit; None where there is none."""
    if record is None:
        return None
    plain = {name: value for name, value in vars(record).items() if name != "covariance"}
    from xdgmm.mixture.selection_functions import SELECTION, described

    if SELECTION in record.model:
        plain["model"] = {**record.model, SELECTION: described(record.model[SELECTION])}
    return finite({**plain, "covariance": None if record.covariance is None else record.covariance.tolist()})


def finite(value: Any) -> Any:
    """The same value with null for numbers that are not finite, which JSON does not have."""
    if isinstance(value, dict):
        return {str(name): finite(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(part) for part in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _plain(cell: Any) -> Any:
    """One cell: a number, a list of numbers, a text, or None."""
    mask, cell = np.asarray(getattr(cell, "mask", False)), getattr(cell, "unmasked", cell)
    if mask.ndim == 0 and mask:
        return None
    return finite(np.asarray(getattr(cell, "value", cell)).tolist())
