"""A mixture as an ECSV file: text with one line per component, its cards in the header above.

Numbers are written with as many digits as it takes to read the same bits back.
"""

import json

import numpy as np

from .storage import CARDS, Contents

COVARIANCE = "PARCOV"


def write(contents, path):
    """Write `Contents` to a file."""
    from astropy.table import Table
    from astropy.units import Unit

    table = Table(contents.rows, names=contents.labels, meta=dict(contents.cards))
    for label, unit in zip(contents.labels, contents.units, strict=True):
        table[label].unit = None if unit is None else Unit(unit, parse_strict="silent")
    if contents.covariance is not None:
        table.meta[COVARIANCE] = json.dumps(contents.covariance.tolist())
    table.write(path, format="ascii.ecsv", overwrite=True)


def read(path):
    """`Contents` of a file; None where it holds no mixture."""
    from astropy.table import Table

    table = Table.read(path, format="ascii.ecsv")
    if "XDGMMFMT" not in table.meta:
        return None
    cards = {key: table.meta[key] for key in CARDS if key in table.meta}
    rows = np.stack([np.ma.getdata(column).astype(float) for column in table.itercols()], axis=1)
    covariance = table.meta.get(COVARIANCE)
    covariance = None if covariance is None else np.array(json.loads(covariance), dtype=float)
    units = tuple(None if column.unit is None else str(column.unit) for column in table.itercols())
    return Contents(cards, tuple(table.colnames), units, rows, covariance)
