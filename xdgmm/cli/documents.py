"""Results for machines: tables and numbers as what JSON can hold."""

import numpy as np


def of_table(table):
    """A QTable: its rows as dicts, and the unit of each column that has one; what is masked or not finite is null."""
    units = {name: str(table[name].unit) for name in table.colnames if getattr(table[name], "unit", None)}
    return {"units": units, "rows": [{name: _plain(row[name]) for name in table.colnames} for row in table]}


def of_mixture(mixture):
    """Names, units and parameters of a mixture."""
    document = {
        "columns": list(mixture.names),
        "units": [None if unit is None else str(unit) for unit in mixture.units],
        "weights": mixture.weights.tolist(),
        "means": mixture.means.tolist(),
        "covariances": mixture.covariances.tolist(),
        "background": None,
    }
    if mixture.background is not None:
        low, high = mixture.background.box
        box = {"low": low.tolist(), "high": high.tolist()}
        document["background"] = {"fraction": mixture.background.fraction, **box}
    return document


def of_record(record):
    """The record of a fit; None where there is none."""
    if record is None:
        return None
    plain = {name: value for name, value in vars(record).items() if name != "covariance"}
    return finite({**plain, "covariance": None if record.covariance is None else record.covariance.tolist()})


def finite(value):
    """The same with null for numbers that are not finite, which JSON does not know."""
    if isinstance(value, dict):
        return {str(name): finite(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(part) for part in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _plain(cell):
    """One cell: a number, a list of numbers, a text, or None."""
    mask, cell = np.asarray(getattr(cell, "mask", False)), getattr(cell, "unmasked", cell)
    if mask.ndim == 0 and mask:
        return None
    return finite(np.asarray(getattr(cell, "value", cell)).tolist())
