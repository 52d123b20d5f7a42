"""Which column holds the names of the objects?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .table_types import NamedColumns

# In this order; upper and lower case do not matter, nor do what is no letter and no digit.
IDENTIFIERS = (
    "name", "objectname", "objname", "object", "designation", "mainid", "starname", "star", "galaxy", "cluster",
    "target", "targetname", "source", "sourcename", "sourceid", "sourceidx", "objid", "objectid", "starid", "catid",
    "hostname", "plname", "pulsar", "psr", "system", "hip", "hd", "tic", "kic", "gaia", "gaiadr3", "gaiadr2", "2mass",
    "kepler", "id", "recno",
)  # fmt: skip


def identifiers(table: NamedColumns, name: str | None = None) -> NDArray[Any] | None:
    """The names of the objects as text (N,): a column that is named, or the first whose name says so.

    Such a column holds text or whole numbers, no two rows the same.  None if there is no such column.
    """
    if name is not None:
        return _as_text(table.column(name))
    plain: dict[str, str] = {}
    for each in table.names:
        plain.setdefault(re.sub(r"[\W_]", "", each).lower(), each)
    for wanted in IDENTIFIERS:
        if wanted in plain and (found := _as_text(table.column(plain[wanted]), unique=True)) is not None:
            return found
    return None


def _as_text(column: Any, *, unique: bool = False) -> NDArray[Any] | None:
    """The cells as text, empty where masked; None if they must be unique and are not, or are no names."""
    cells = np.ma.asanyarray(getattr(column, "value", column))
    data, mask = np.ma.getdata(cells), np.ma.getmaskarray(cells)
    if unique and (data.ndim != 1 or data.dtype.kind not in "SUOiu"):
        return None
    text = [each.decode(errors="replace") if isinstance(each, bytes) else str(each) for each in data.tolist()]
    names = np.array(["" if masked else each.strip() for each, masked in zip(text, mask.ravel(), strict=True)])
    return None if unique and np.unique(names).size < names.size else names
