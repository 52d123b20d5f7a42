"""The least probable objects: their p-values against integrals, and how small these are by chance."""

import numpy as np
import pytest
from astropy.table import Table
from scipy import stats
from scipy.integrate import quad
from scipy.optimize import brentq

from xdgmm import XDGMM, Background, GaussianMixture, Observations
from xdgmm.diagnostics import residuals, unusual_objects
from xdgmm.diagnostics.printing import unusual_table
from xdgmm.errors import InputError
from xdgmm.prediction import draw_observations

TWO = GaussianMixture([0.5, 0.5], [[-6.0], [6.0]], [[[1.0]], [[1.0]]])


def test_p_values_of_one_component_are_those_of_chi_squared():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(50, 2))
    values[3] = np.nan
    values[5] = 9.0, -8.0
    values[7, 0] = np.nan
    observations = Observations.with_standard_errors(values, 0.5)
    found = unusual_objects(GaussianMixture([1.0], [[0.0, 0.0]], [np.eye(2)]), observations)
    assert found["row"][0] == 5
    assert (np.diff(found["p_value"]) >= 0).all()
    for row in found:
        seen = np.isfinite(values[row["row"]])
        chi_squared = (values[row["row"]][seen] ** 2).sum() / 1.25
        assert row["n_values"] == seen.sum()
        assert row["chi_squared"] == pytest.approx(chi_squared, rel=1e-9)
        assert row["p_value"] == pytest.approx(stats.chi2.sf(chi_squared, seen.sum()), rel=1e-9)
    np.testing.assert_allclose(found["expected"], np.arange(1, 11) / 50)  # of 49 objects with values


def test_an_object_between_two_components_is_unusual_although_its_residual_is_not():
    """Its p-value is an integral over the density that is lower: between the clumps, and beyond them."""
    values = np.concatenate([np.linspace(-8.0, -4.0, 20), np.linspace(4.0, 8.0, 20), [2.0]])
    errors = np.full(41, 0.5)
    found = unusual_objects(TWO, Observations.with_standard_errors(values, errors))
    assert found["row"][0] == 40
    scale = np.hypot(1.0, 0.5)

    def density(x):
        return 0.5 * stats.norm.pdf(x, -6.0, scale) + 0.5 * stats.norm.pdf(x, 6.0, scale)

    end = brentq(lambda x: density(x) - density(2.0), 6.0, 30.0)
    likely = 2.0 * quad(density, 2.0, end, epsabs=1e-13)[0]
    assert found["p_value"][0] == pytest.approx(1.0 - likely, rel=5 / np.sqrt(40_000 * (1.0 - likely)))
    assert abs(residuals(TWO, Observations.with_standard_errors([2.0], 0.5))[0, 0]) < 1.0


def test_far_out_p_values_go_on_below_the_draws():
    found = unusual_objects(TWO, Observations.exact(np.r_[np.linspace(5.0, 7.0, 30), 16.0, 14.0]))
    assert found["row"][:2].tolist() == [30, 31]
    np.testing.assert_allclose(found["p_value"][:2], stats.chi2.sf([100.0, 64.0], 1), rtol=1e-9)


def test_smallest_p_values_of_samples_are_as_expected():
    rng = np.random.default_rng(1)
    template = Observations.with_standard_errors(np.zeros(60), rng.uniform(0.2, 1.0, 60))
    ranks = []
    for seed in range(30):
        drawn = draw_observations(TWO, template, 1, rng)
        smallest = unusual_objects(TWO, drawn, n_largest=1, rng=seed)["p_value"][0]
        ranks.append(1.0 - (1.0 - smallest) ** 60)
    assert stats.kstest(ranks, "uniform").pvalue > 1e-3


def test_objects_of_a_background_are_not_unusual():
    mixture = GaussianMixture([0.9], [[0.0]], [[[1.0]]], background=Background([-50.0], [50.0], 0.1))
    values = np.r_[np.linspace(-2.0, 2.0, 90), np.linspace(-45.0, 45.0, 10)]
    found = unusual_objects(mixture, Observations.with_standard_errors(values, 0.5))
    assert found["p_value"][0] > 0.005
    assert found["component"][0] == 1
    table = unusual_table(found)
    shown = {str(column.header): list(column.cells) for column in table.columns}
    assert shown["component"] == ["background" if k == 1 else "0" for k in found["component"]]
    without = unusual_objects(
        GaussianMixture([0.5, 0.5], [[0.0], [0.0]], [[[1.0]], [[99.0]]]), Observations.exact(values)
    )
    assert "background" not in list(unusual_table(without).columns[5].cells)


def test_a_star_alone_in_its_component_is_marked_as_compared_with_the_model_without_it():
    """Its numbers are those of the model that was fitted without it, as the table and the line above it say."""
    values = np.r_[np.random.default_rng(3).normal(0.0, 3.0, 60), 25.0]
    observations = Observations.with_standard_errors(values, 1.0)
    model = XDGMM(2, random_state=0).fit(observations)
    found = model.check(observations, n_simulations=19, progress="never")
    first = found.unusual[0]
    assert first["row"] == 60
    assert first["left_out"]
    without = XDGMM(1).fit(observations.select(np.arange(60)))  # the other component has no object then
    scale = np.sqrt(without.covariances_[0, 0, 0] + 1.0)
    assert first["residual_x1"] > 5.0
    assert first["residual_x1"] == pytest.approx((25.0 - without.means_[0, 0]) / scale, rel=0.05)
    text = str(found)
    assert "(!: far below; refitted: without the object):" in " ".join(text.split())
    line = next(line for line in text.splitlines() if line.strip().startswith("60 "))
    assert line.split()[-2:] == ["!", "refitted"]
    plain = unusual_objects(model, observations)
    assert plain["residual_x1"][plain["row"] == 60] < 4.0  # under the model with it
    assert "refitted" not in list(unusual_table(plain).columns[-1].cells)


def test_weights_that_differ_stand_beside_the_objects():
    values = np.r_[np.random.default_rng(3).normal(size=40), 9.0]
    for weights in (np.r_[np.ones(40), 0.01], np.full(41, 2.0)):
        observations = Observations.with_standard_errors(values, 0.5, weights=weights)
        found = XDGMM().fit(observations).check(observations, n_simulations=19, progress="never")
        assert ("weight" in found.unusual.colnames) is bool(np.ptp(weights))
        assert (" weight " in str(found)) is bool(np.ptp(weights))
    unusual = unusual_objects(TWO, Observations.with_standard_errors(values, 0.5, weights=np.r_[np.ones(40), 0.01]))
    assert unusual["weight"].tolist() == [0.01 if row == 40 else 1.0 for row in unusual["row"]]


def test_names_come_from_the_table_or_are_given():
    rng = np.random.default_rng(2)
    e = rng.uniform(0.5, 1.0, 40)
    table = Table({"Star": [f"S{i}" for i in range(40)], "v": rng.normal(size=40), "v_error": e})
    model = XDGMM().fit(table)
    options = {"n_simulations": 19, "progress": "never"}
    for names, expected in ((None, "S{}"), ("Star", "S{}"), ([f"n{i}" for i in range(40)], "n{}")):
        unusual = model.check(table, object_names=names, **options).unusual
        assert list(unusual["name"]) == [expected.format(row) for row in unusual["row"]]
    bare = model.check(Observations.from_table(table), **options)
    assert "name" not in bare.unusual.colnames
    assert "row" in str(bare)
    with pytest.raises(InputError, match="one name for each of 40 rows"):
        model.check(table, object_names=["a"], **options)
    with pytest.raises(InputError, match="did you mean 'Star'"):
        model.check(table, object_names="Starr", **options)
