"""Catalogues of LSDB come in through their partitions."""

import numpy as np
import pandas as pd
import pytest

from xdgmm import XDGMM, Observations
from xdgmm.streaming import DaskSource

lsdb = pytest.importorskip("lsdb", reason="LSDB needs versions of other packages that are not installed here")


def frame(n=300):
    rng = np.random.default_rng(5)
    e = rng.uniform(0.5, 2.0, n)
    return pd.DataFrame(
        {
            "ra": rng.uniform(0.0, 90.0, n),
            "dec": rng.uniform(-30.0, 30.0, n),
            "pm": rng.normal(4.0, 2.0, n) + e * rng.standard_normal(n),
            "pm_error": e,
            "name": "star",
        }
    )


def catalogue(rows):
    options = {"lowest_order": 0, "highest_order": 2, "margin_threshold": None}
    return lsdb.from_dataframe(rows, ra_column="ra", dec_column="dec", **options)


@pytest.mark.filterwarnings("ignore")  # of LSDB
def test_a_catalogue_of_lsdb_is_that_of_its_rows():
    rows = frame()
    source = DaskSource(catalogue(rows), "pm", units={"pm": "mas/yr"})
    assert source.reading.columns == ["pm"]
    assert len(source.delayed) > 1
    model = XDGMM().fit(source)
    whole = XDGMM().fit(Observations.from_table(rows, "pm"))
    assert model.result_.n_objects == len(rows)
    np.testing.assert_allclose(model.means_, whole.means_, rtol=1e-9)
    np.testing.assert_allclose(model.covariances_, whole.covariances_, rtol=1e-7)
    assert str(model.mixture_.units[0]) == "mas / yr"


@pytest.mark.filterwarnings("ignore")  # of LSDB
def test_nested_columns_are_left_out():
    nested_pandas = pytest.importorskip("nested_pandas", reason="LSDB brings it")
    rows = frame()
    light_curves = pd.DataFrame({"time": np.arange(600.0), "flux": 1.0}, index=np.repeat(rows.index, 2))
    nested = nested_pandas.NestedFrame(rows).join_nested(light_curves, "light_curve")
    source = DaskSource(catalogue(nested))
    found = source.observations()
    assert (found.names, found.n_objects) == (("pm",), len(rows))
