"""Tables without decisions, read without checks, are what they are with all checks."""

import numpy as np
import pytest
from astropy.table import QTable, Table

from xdgmm import Observations
from xdgmm.tables import PlainReading

DEFAULTS = {"errors": "auto", "correlations": "auto", "weights": None}
N = 20_000  # more than a chunk
SOME = np.where(np.arange(N) % 3, 1.5, np.nan)


def table(**changes):
    rng = np.random.default_rng(2)
    columns = {
        "x": rng.standard_normal(N),
        "y": rng.standard_normal(N).astype(np.float32),
        "z": rng.integers(0, 9, N),
        "e_x": rng.uniform(0.1, 1.0, N),
        "y_var": rng.uniform(0.1, 1.0, N),
        "z_ivar": rng.uniform(1.0, 2.0, N),
        "x_y_corr": rng.uniform(-0.5, 0.5, N),
        "cov_y_z": rng.uniform(-0.05, 0.05, N),
        "n": rng.uniform(0.0, 2.0, N),
    }
    return Table(columns | changes)


def with_units():
    found = table()
    for name, unit in (
        ("x", "km/s"),
        ("e_x", "m/s"),
        ("y", "mag"),
        ("y_var", "mag2"),
        ("z", "pc"),
        ("z_ivar", "kpc-2"),
    ):
        found[name].unit = unit
    found["cov_y_z"].unit = "mag kpc"
    found["e_x"], found["z_ivar"] = found["e_x"] * 1e3, found["z_ivar"] * 1e6
    found["cov_y_z"] = found["cov_y_z"] / 1e3
    return QTable(found)


def reading(of, names, **options):
    options = DEFAULTS | options
    whole = Observations.from_table(of, names, **options)
    return PlainReading.of(of, names, options, whole), whole


@pytest.mark.parametrize(
    ("make", "names", "options"),
    [
        (table, ["x"], {}),
        (table, ["x", "y"], {}),
        (table, ["z", "y", "x"], {"weights": "n"}),
        (table, ["x", "y"], {"errors": None}),
        (table, ["x", "y"], {"correlations": None}),
        (with_units, ["x", "y", "z"], {}),
        (lambda: table(x=SOME), ["x", "y"], {}),
        (
            lambda: table(x=np.where(np.arange(N) % 3, 1.5, np.nan), e_x=np.where(np.arange(N) % 3, 1, np.nan)),
            ["x", "y"],
            {},
        ),
        (lambda: table().to_pandas(), ["x", "y"], {}),
    ],
)
def test_it_gives_the_same_observations(make, names, options):
    rows = make()
    plain, whole = reading(rows, names, **options)
    found = plain(rows)
    np.testing.assert_array_equal(found.values, whole.values)
    np.testing.assert_array_equal(found.noise_covariances, whole.noise_covariances)
    np.testing.assert_array_equal(found.object_weights, whole.object_weights)
    assert (found.names, found.units, found.data_hash) == (whole.names, whole.units, whole.data_hash)
    assert plain.agrees(rows, whole)


@pytest.mark.parametrize(
    ("changes", "options"),
    [
        ({"e_x": np.where(np.arange(N) == 7, -1.0, 0.5)}, {"on_bad": "missing"}),
        ({"e_x": np.where(np.arange(N) == 7, np.inf, 0.5)}, {}),
        ({"z_ivar": np.where(np.arange(N) == 7, 0.0, 0.5)}, {}),
        ({"x_y_corr": np.where(np.arange(N) == 7, 1.0 + 1e-7, 0.5), "cov_y_z": np.zeros(N)}, {}),
        ({"l_x": np.where(np.arange(N) == 7, "<", "")}, {"on_limit": "use"}),
    ],
)
def test_decisions_are_noticed(changes, options):
    rows = table(**changes)
    names = ["x", "y", "z"]
    whole = Observations.from_table(rows, names, **options)
    plain = PlainReading.of(rows, names, DEFAULTS, whole)
    assert not plain.agrees(rows, whole)


@pytest.mark.parametrize("errors", [["sigma:e_x", None], ["pair:e_x:n", "var:y_var"]])
def test_what_is_not_plain_is_not_read_so(errors):
    plain, _ = reading(table(n=np.ones(N), e_x=np.ones(N)), ["x", "y"], errors=errors)
    assert plain is None
