"""Catalogues in files of several formats."""

from itertools import pairwise

import numpy as np
import pytest
from astropy.table import Table

N = 3000


def catalogue(n=N, seed=4):
    """Velocities and colours of two groups, with errors, their correlations, weights and missing values."""
    rng = np.random.default_rng(seed)
    group = rng.random(n) < 0.4
    truth = np.where(group[:, None], [-20.0, 0.3], [15.0, 1.2]) + rng.standard_normal((n, 2)) * [6.0, 0.2]
    errors = rng.uniform([1.0, 0.05], [8.0, 0.3], (n, 2))
    values = truth + errors * rng.standard_normal((n, 2))
    values[rng.random((n, 2)) < 0.05] = np.nan
    table = Table({"source_id": np.arange(n), "v": values[:, 0], "c": values[:, 1]})
    table["e_v"], table["e_c"] = errors[:, 0], errors[:, 1].astype(np.float32)
    table["v_c_corr"] = rng.uniform(-0.6, 0.6, n)
    table["n"] = rng.integers(1, 3, n)
    table["g"] = rng.uniform(14, 21, n)
    table["name"] = np.array(["a", "b"])[rng.integers(0, 2, n)]
    for name, unit in (("v", "km/s"), ("e_v", "km/s"), ("c", "mag"), ("e_c", "mag")):
        table[name].unit = unit
    return table


@pytest.fixture
def stars():
    return catalogue()


def as_arrow(table, **changes):
    """The table as one of Arrow, with null where it is NaN, and units in the metadata of the fields."""
    import pyarrow as pa

    fields, arrays = [], []
    for name in table.colnames:
        column = changes.get(name, table[name])
        array = pa.array(np.asarray(column), from_pandas=True)
        unit = getattr(column, "unit", None)
        fields.append(pa.field(name, array.type, metadata={"unit": str(unit)} if unit is not None else None))
        arrays.append(array)
    return pa.table(arrays, pa.schema(fields))


def write_parquet(folder, table, n_files=3, **options):
    """The table in several Parquet files of a folder."""
    from pyarrow import parquet

    folder.mkdir(exist_ok=True)
    bounds = np.linspace(0, len(table), n_files + 1).astype(int)
    for number, (first, last) in enumerate(pairwise(bounds)):
        parquet.write_table(as_arrow(table[first:last]), folder / f"part{number}.parquet", **options)
    return folder
