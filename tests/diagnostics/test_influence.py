"""Case deletion against fits without the object."""

from dataclasses import replace

import numpy as np
import pytest

from xdgmm import XDGMM, Background, Observations
from xdgmm.diagnostics import influence, leave_one_out_residuals, residuals, unusual_objects
from xdgmm.diagnostics.influence import HEAVY, LARGE, Deletions
from xdgmm.diagnostics.refitting import refitted
from xdgmm.uncertainty import parameter_errors


def one_component(rng):
    e = rng.uniform(0.3, 1.5, 40)
    return Observations.with_standard_errors(2.0 * rng.normal(size=40) + e * rng.normal(size=40), e), {}


def weighted(rng):
    e = rng.uniform(0.3, 1.5, 40)
    x = 2.0 * rng.normal(size=40) + e * rng.normal(size=40)
    return Observations.with_standard_errors(x, e, rng.integers(1, 4, 40)), {}


def two_components(rng):
    e = rng.uniform(0.3, 1.5, 40)
    x = np.where(rng.random(40) < 0.5, -4.0, 4.0) + rng.normal(size=40)
    return Observations.with_standard_errors(x + e * rng.normal(size=40), e), {"n_components": 2}


def two_columns_with_gaps(rng):
    x = 2.0 * rng.normal(size=(40, 2))
    x[rng.random(x.shape) < 0.1] = np.nan
    return Observations.with_standard_errors(x, rng.uniform(0.2, 1.0, x.shape)), {"covariance_type": "diag"}


def tied_columns(rng):
    x = np.concatenate([rng.normal(size=(40, 2)), rng.normal(size=(40, 2)) + 5.0])
    observations = Observations.with_standard_errors(x, rng.uniform(0.2, 1.0, x.shape))
    return observations, {"n_components": 2, "covariance_type": "tied"}


def beside_a_background(rng):
    x = np.r_[rng.normal(size=40), rng.uniform(-20, 20, 10)]
    return Observations.with_standard_errors(x, 0.3), {"background": Background([-20.0], [20.0])}


CASES = [one_component, weighted, two_components, two_columns_with_gaps, tied_columns, beside_a_background]


@pytest.mark.parametrize("make", CASES)
def test_widths_without_an_object_are_those_of_a_fit_without_it(make):
    observations, options = make(np.random.default_rng(0))
    result = XDGMM(**options, random_state=0).fit(observations).result_
    model = replace(result.model, background=result.mixture.background)
    found = Deletions.of(result.mixture, observations, result.model)
    errors = parameter_errors(result.mixture, observations).sigmas
    large = (np.abs(found.in_errors).max(axis=(1, 2)) > LARGE) | (found.leverages > HEAVY)
    seen = set()
    for i in np.r_[np.flatnonzero(large)[:8], np.flatnonzero(~large)[:8]]:
        row = found.rows[i]
        without = observations.select(np.delete(np.arange(len(observations)), row))
        change = refitted(model, without, result.mixture, 1e-10).sigmas - result.mixture.sigmas
        new_fit = int(row) in found.refits
        seen.add(new_fit)
        assert (result.mixture.sigmas > 0).all()
        np.testing.assert_allclose(found.changes[i] / errors, change / errors, atol=1e-3 if new_fit else 0.03)
    assert False in seen
    assert found.leverages.sum() <= 1.5 * parameter_errors(result.mixture, observations).covariance.shape[0]


def test_leverages_of_exact_values_are_those_of_the_textbook():
    """Of the mean 1 / N each; of the variance as much."""
    observations = Observations.exact(np.random.default_rng(1).normal(size=50))
    result = XDGMM().fit(observations).result_
    found = Deletions.of(result.mixture, observations, result.model)
    np.testing.assert_allclose(found.leverages, 2.0 / 50, rtol=1e-3)


def test_the_table_begins_with_the_object_that_moves_a_width_most():
    rng = np.random.default_rng(2)
    x = np.r_[rng.normal(size=60), 8.0]
    observations = Observations.with_standard_errors(x, 0.5, names="v", units="km/s")
    result = XDGMM().fit(observations).result_
    found = influence(result, observations, names=[f"star {i}" for i in range(61)])
    without = XDGMM().fit(observations.select(np.arange(60))).mixture_.sigmas[0, 0]
    assert found["name"][0] == "star 60"
    assert found["refitted"][0]
    assert found["sigma_without"][0].to_value("km/s") == pytest.approx(without, rel=1e-4)
    error = parameter_errors(result.mixture, observations).sigmas[0, 0]
    assert found["change_in_errors"][0] == pytest.approx((without - result.mixture.sigmas[0, 0]) / error, rel=1e-3)
    assert (np.diff(np.abs(found["change_in_errors"])) <= 0).all()


def test_a_precise_object_that_draws_the_fit_to_itself_is_seen_without_it():
    e = np.r_[0.01, np.full(30, 3.0)]
    x = np.r_[8.0, np.linspace(-4.0, 4.0, 30)]
    observations = Observations.with_standard_errors(x, e)
    result = XDGMM().fit(observations).result_
    with_it = residuals(result.mixture, observations)
    without = leave_one_out_residuals(result, observations)
    alone = XDGMM().fit(observations.select(np.arange(1, 31))).mixture_
    assert abs(with_it[0, 0]) < 3.0
    assert without[0] == pytest.approx(residuals(alone, observations.select([0]))[0], rel=1e-3)
    assert abs(without[0, 0]) > 5.0
    refits = Deletions.of(result.mixture, observations, result.model).refits
    unusual = unusual_objects(result.mixture, observations, left_out=refits)
    assert unusual["row"][0] == 0
    assert unusual["left_out"][0]
    assert unusual["p_value"][0] < 1e-6


def test_a_width_of_zero_has_no_influence_and_an_indispensable_object_is_none():
    rng = np.random.default_rng(3)
    observations = Observations.with_standard_errors(0.1 * rng.normal(size=30), 1.0)
    assert len(influence(XDGMM().fit(observations).result_, observations)) == 0
    two = Observations.with_standard_errors([0.0, 1.0], 0.1)
    assert len(influence(XDGMM().fit(two).result_, two)) <= 2
