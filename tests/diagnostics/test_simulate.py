"""Simulated catalogues: like the user's in all but the values, which have the distribution of the model."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from astropy import units as u
from astropy.table import MaskedColumn, QTable, Table
from scipy import stats

from xdgmm import XDGMM, Background, GaussianMixture, Observations
from xdgmm.diagnostics import residuals, simulate
from xdgmm.errors import InputError
from xdgmm.uncertainty import bootstrap

PLANE = GaussianMixture([0.4, 0.6], [[0.0, 1.0], [3.0, -1.0]], [[[1.0, 0.6], [0.6, 2.0]], [[0.5, -0.2], [-0.2, 0.3]]])


def noisy(rng, N=300, D=2):
    values = rng.normal(size=(N, D))
    values[rng.random((N, D)) < 0.2] = np.nan
    return values, rng.uniform(0.2, 1.5, (N, D))


@pytest.mark.parametrize("projected", [False, True])
def test_catalogues_have_the_distribution_of_the_model_and_all_else_of_the_observations(projected):
    rng = np.random.default_rng(0)
    values, errors = noisy(rng)
    R = rng.normal(size=(300, 2, 2)) if projected else None
    observations = Observations.with_standard_errors(
        values, errors, rng.integers(1, 3, 300), names=["a", "b"], units=["km/s", "m/s"], projections=R
    )
    mixture = GaussianMixture(PLANE.weights, PLANE.means, PLANE.covariances, ["a", "b"], ["km/s", "m/s"])
    drawn = simulate(mixture, observations, 5, rng, parameters="fixed")
    assert len(drawn) == 5
    scores = []
    for each in drawn:
        assert each.names == observations.names
        assert each.units == observations.units
        assert (each.noise == observations.noise).all()
        assert (each.weights == observations.weights).all()
        assert (each.present == observations.present).all()
        scores.append(residuals(mixture, each)[each.present])
    assert stats.kstest(np.concatenate(scores), "norm").pvalue > 1e-3


def test_other_units_than_those_of_the_mixture_stay():
    values = np.random.default_rng(1).normal(0.0, 2000.0, 400)
    observations = Observations.with_standard_errors(values, 100.0, names="v", units="m/s")
    mixture = GaussianMixture([1.0], [[7.0]], [[[4.0]]], names=["v"], units=["km/s"])
    (drawn,) = simulate(mixture, observations, 1, 0, parameters="fixed")
    assert drawn.units == observations.units
    assert drawn.values.mean() == pytest.approx(7000.0, abs=5 * 2002.5 / 20)
    assert drawn.values.std() == pytest.approx(2002.5, rel=5 / np.sqrt(800))


def test_means_of_catalogues_scatter_as_in_the_posterior_predictive_distribution():
    """By sigma / sqrt(N) about the fit, and with the parameters drawn from their errors by sqrt(2) times as much."""
    observations = Observations.exact(np.random.default_rng(2).normal(size=40))
    result = XDGMM().fit(observations).result_
    sampling = result.mixture.covariances[0, 0, 0] / 40
    resampled = bootstrap(result, observations, n_resamples=200, rng=0)
    expected = {"fixed": sampling, "normal": 2.0 * sampling, "bootstrap": sampling + resampled.means.var()}
    for parameters, variance in expected.items():
        given = resampled if parameters == "bootstrap" else parameters
        means = [each.values.mean() for each in simulate(result.mixture, observations, 3000, 1, parameters=given)]
        assert np.var(means) == pytest.approx(variance, rel=5 * np.sqrt(2 / 3000))


def test_a_background_takes_part():
    mixture = GaussianMixture([0.6], [[0.0]], [[[1.0]]], background=Background([-100.0], [100.0], 0.4))
    observations = Observations.with_standard_errors(np.zeros(2000), 0.5)
    (drawn,) = simulate(mixture, observations, 1, 3, parameters="fixed")
    far = (np.abs(drawn.values) > 5).mean()
    assert far == pytest.approx(0.4 * 0.95, abs=5 * np.sqrt(0.38 * 0.62 / 2000))


def test_catalogues_of_a_table_are_tables_that_give_the_same_observations():
    rng = np.random.default_rng(4)
    values, errors = noisy(rng, 50)
    lower = errors * rng.uniform(0.9, 1.0, errors.shape)
    table = QTable({"name": [f"s{i}" for i in range(50)]})
    table["a"] = MaskedColumn(np.nan_to_num(values[:, 0]), mask=np.isnan(values[:, 0]), unit="km/s", description="A")
    table["a_errp"], table["a_errm"] = errors[:, 0] * u.km / u.s, lower[:, 0] * u.km / u.s
    table["b"], table["b_err"] = values[:, 1] * u.mag, errors[:, 1] * u.mag
    table["other"] = np.arange(50)
    before = table.copy()
    model = XDGMM().fit(table)
    (drawn,) = model.simulate(table, rng=5)
    (expected,) = simulate(model.mixture_, Observations.from_table(table), 1, 5, model=model.result_.model)
    assert drawn.colnames == table.colnames
    assert type(drawn) is type(table)
    again = Observations.from_table(drawn)
    np.testing.assert_allclose(again.values, expected.values, rtol=1e-12)
    np.testing.assert_allclose(again.noise, expected.noise, rtol=1e-12)
    assert again.units == expected.units
    assert (drawn["other"] == table["other"]).all()
    assert (drawn["name"] == table["name"]).all()
    assert not np.allclose(again.values, Observations.from_table(table).values, equal_nan=True)
    for name in ("a", "b"):  # the user's table is as it was
        assert np.array_equal(np.asarray(table[name]), np.asarray(before[name]), equal_nan=True)


def test_whole_numbers_and_plain_tables():
    table = Table({"v": np.arange(30), "v_err": np.ones(30)})
    (drawn,) = XDGMM().fit(table).simulate(table, rng=6)
    assert drawn["v"].dtype == float
    assert np.std(drawn["v"]) > 3


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_catalogues_of_frames_and_arrays_are_of_their_kind(frame):
    rng = np.random.default_rng(7)
    values, errors = noisy(rng, 60)
    model = XDGMM().fit(values, Xerr=errors)
    of_arrays = model.simulate(values, Xerr=errors, n=2, rng=8)
    assert np.array_equal(np.isnan(of_arrays[0]), np.isnan(values))
    X = frame({"a": values[:, 0], "b": values[:, 1]})
    of_frames = XDGMM().fit(X, Xerr=errors).simulate(X, Xerr=errors, n=2, rng=8)
    for one, other in zip(of_frames, of_arrays, strict=True):
        assert type(one) is frame
        np.testing.assert_allclose(one.to_numpy(), other)
    quantity = values[:, 0] * u.km
    (drawn,) = XDGMM().fit(quantity, Xerr=errors[:, 0] * u.m).simulate(quantity, Xerr=errors[:, 0] * u.m, rng=9)
    assert drawn.unit == u.km
    assert drawn.shape == (60,)


def test_the_seed_decides():
    values, errors = noisy(np.random.default_rng(10), 40)
    model = XDGMM(random_state=3).fit(values, Xerr=errors)
    first, again = (model.simulate(values, Xerr=errors)[0] for _ in range(2))
    assert np.array_equal(first, again, equal_nan=True)
    assert not np.array_equal(first, model.simulate(values, Xerr=errors, rng=4)[0], equal_nan=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"n": -1}, "zero or positive"), ({"n": 2.0}, "whole number"), ({"parameters": "wild"}, "one of normal, fixed")],
)
def test_what_cannot_be_simulated_is_refused(options, message):
    observations = Observations.exact(np.random.default_rng(11).normal(size=40))
    with pytest.raises(InputError, match=message):
        simulate(XDGMM().fit(observations).mixture_, observations, **options)
