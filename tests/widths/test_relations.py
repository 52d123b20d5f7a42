"""Relations of two columns against general optimisers and the laws that they must follow."""

import warnings

import numpy as np
import pytest
from rich.console import Console
from scipy import stats
from scipy.optimize import brentq, minimize

from xdgmm import XDGMM, Observations, datasets
from xdgmm.errors import XdgmmDeprecationWarning
from xdgmm.uncertainty import conditional_limit
from xdgmm.widths import relations_table

QUANTILE = 2.705543454095404


@pytest.fixture(scope="module")
def galaxies():
    return Observations.from_table(datasets.load("tully_fisher"), ["logW20", "B"])


def by_quantity(table):
    return {row["quantity"]: row for row in table}


def test_the_limit_on_the_scatter_of_y_given_x_is_that_of_a_search_over_all_lines(galaxies):
    x, S = galaxies.values, galaxies.noise_covariances
    spread = x.std(axis=0)

    def fall(parameters, least):
        # V of a line with slope b, x scatter a, and scatter of y given x of at least `least`
        a, b, more = parameters * [spread[0], spread[1] / spread[0], spread[1]]
        V = np.array([[a**2, b * a**2], [b * a**2, b**2 * a**2 + least**2 + more**2]])
        P = np.linalg.inv(V + S)
        mean = np.linalg.solve(P.sum(axis=0), np.einsum("nij,nj->i", P, x))
        return 0.5 * np.sum(np.einsum("ni,nij,nj->n", x - mean, P, x - mean) - np.linalg.slogdet(P)[1])

    def profile(least):
        options = {"xatol": 1e-7, "fatol": 1e-9, "maxiter": 4000}
        return -min(
            minimize(fall, [1.0, -1.0, more], args=(least,), method="Nelder-Mead", options=options).fun
            for more in (0.01, 0.2)
        )

    expected = brentq(lambda s: 2 * (profile(0.0) - profile(s)) - QUANTILE, 0.1, 1.0, rtol=1e-5)
    found = conditional_limit(XDGMM().fit(galaxies).mixture_, galaxies, 0, 1)
    assert found.consistent_with_zero
    assert found.upper == pytest.approx(expected, rel=1e-3)


def test_y_given_x_does_not_depend_on_the_unit_of_x(galaxies):
    # log, ln and 10 log of the same width: only the major axis changes its meaning
    scales = np.array([1.0, np.log(10.0), 10.0])
    found = []
    for scale in scales:
        scaled = galaxies.transform(np.diag([scale, 1.0]), names=galaxies.names, units=galaxies.units)
        found.append(by_quantity(XDGMM().fit(scaled).relations(scaled)))
    for name, power in (("correlation", 0), ("slope of y given x", -1), ("scatter of y given x", 0)):
        for column in ("value", "limit" if name.startswith("scatter") else "low"):
            numbers = np.array([float(each[name][column]) for each in found]) * scales**-power
            assert numbers == pytest.approx(numbers[0], rel=2e-3, abs=1e-4), name
    across = [float(each["scatter across the major axis"]["limit"]) for each in found]
    assert across[2] > 1.5 * across[0]


def test_x_given_y_is_y_given_x_with_the_columns_exchanged():
    rng = np.random.default_rng(2)
    x = rng.standard_normal(300)
    values = np.column_stack([x, 2.0 * x + 1.0 + 0.7 * rng.standard_normal(300)]) + 0.3 * rng.standard_normal((300, 2))
    one, other = (Observations.with_standard_errors(values[:, order], 0.3) for order in ([0, 1], [1, 0]))
    mine, its = (by_quantity(XDGMM().fit(each).relations(each)) for each in (one, other))
    assert mine["scatter of x given y"]["value"] == pytest.approx(its["scatter of y given x"]["value"], rel=1e-4)
    assert mine["scatter of x given y"]["error"] == pytest.approx(its["scatter of y given x"]["error"], rel=1e-3)
    assert mine["slope of x given y"]["value"] == pytest.approx(1.0 / its["slope of y given x"]["value"], rel=1e-4)
    assert not mine["scatter of y given x"]["is_limit"]
    assert abs(mine["scatter of y given x"]["value"] - 0.7) < 4 * mine["scatter of y given x"]["error"]


@pytest.mark.parametrize("level", [0.6827, 0.95, 0.9999])
def test_intervals_of_correlations_stay_within_their_range(galaxies, level):
    row = by_quantity(XDGMM().fit(galaxies).relations(galaxies, level=level))["correlation"]
    assert -1.0 < row["low"] < row["value"] < row["high"] < 1.0
    z = np.arctanh([row["low"], row["value"], row["high"]])
    assert z[2] - z[1] == pytest.approx(z[1] - z[0], rel=1e-9)


def test_components_without_width_have_no_separation_and_say_so():
    observations = Observations.with_standard_errors([1, 1.5, 2, 8, 8.5, 9, 10], np.ones(7))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = XDGMM(2, random_state=0).fit(observations).relations(observations)
    assert table["value"].mask.tolist() == [True]
    assert any("separation" in remark for remark in table.meta["remarks"])
    console = Console(width=100, record=True)
    console.print(relations_table(table))
    printed = console.export_text()
    assert "none" in printed
    assert "nan" not in printed


def test_without_any_width_only_the_scatters_are_defined():
    rng = np.random.default_rng(0)
    y = 0.5 * rng.normal(size=(60, 2))
    table = XDGMM().fit(y, Xerr=0.7).relations(y, Xerr=0.7)
    scatter = np.array([name.startswith("scatter") for name in table["quantity"]])
    assert table["is_limit"][scatter].all()
    assert np.ma.getmaskarray(table["value"])[~scatter].all()
    assert any("not defined" in remark for remark in table.meta["remarks"])


def test_the_profile_of_a_slope_of_exact_values_is_that_of_linear_regression():
    rng = np.random.default_rng(40)
    x = rng.normal(0, 2, 25)
    xy = np.column_stack([x, 1 + 0.5 * x + rng.normal(0, 0.3, 25)])
    model = XDGMM().fit(xy)
    table = model.relations(xy, method="profile", level=0.95)
    row = table[table["quantity"] == "slope of y given x"][0]
    line = stats.linregress(xy[:, 0], xy[:, 1])
    half = line.stderr * np.sqrt(23 * np.expm1(stats.chi2.ppf(0.95, 1) / 25))
    assert row["value"] == pytest.approx(line.slope, rel=1e-6)
    assert row["high"] - row["value"] == pytest.approx(half, rel=1e-4)
    assert row["value"] - row["low"] == pytest.approx(half, rel=1e-4)
    correlation = table[table["quantity"] == "correlation"][0]
    assert -1 < correlation["low"] < correlation["value"] < correlation["high"] < 1
    assert table.meta["method"] == "profile"


def test_the_old_name_of_the_method_of_relations_is_still_taken():
    xy = np.random.default_rng(41).normal(size=(30, 2))
    model = XDGMM().fit(xy)
    with pytest.warns(XdgmmDeprecationWarning, match="method="):
        old = model.relations(xy, kind="sandwich")
    assert old["error"].tolist() == model.relations(xy, method="sandwich")["error"].tolist()
