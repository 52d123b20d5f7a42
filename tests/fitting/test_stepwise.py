"""Stepwise expectation maximisation: data that arrive in batches."""

import astropy.units as u
import numpy as np
import pytest
from astropy.table import QTable

from xdgmm import (
    XDGMM,
    Background,
    Fixed,
    Flat,
    GaussianMixture,
    InputError,
    InverseWishart,
    Observations,
    Prior,
    SelectionFunction,
)
from xdgmm.errors import NotFittedError
from xdgmm.fitting import Model, Problem, StepwiseFit, em, expect
from xdgmm.fitting.stepwise import Moments

TRUTH = GaussianMixture([0.35, 0.65], [[-2.0], [3.0]], [[[1.0]], [[4.0]]])


def drawn(n, rng, mixture=TRUTH, largest=2.0):
    """Values and errors (n, D) of objects of a mixture."""
    errors = rng.uniform(0.2, largest, (n, mixture.n_dimensions))
    return mixture.sample(n, rng)[0] + errors * rng.standard_normal(errors.shape), errors


def in_two_dimensions():
    """A mixture that is not the maximum, and observations with errors, missing values and limits."""
    rng = np.random.default_rng(8)
    covariances = [[[1.0, 0.4], [0.4, 2.0]], [[3.0, -1.0], [-1.0, 1.0]]]
    mixture = GaussianMixture([0.4, 0.6], [[0.0, 1.0], [4.0, 7.0]], covariances)
    values, errors = drawn(300, rng, mixture)
    values[rng.random(values.shape) < 0.1] = np.nan
    return mixture, Observations.with_standard_errors(values, errors, rng.integers(0, 3, 300))


@pytest.mark.parametrize("kind", ["full", "tied", "diag"])
def test_a_step_of_size_one_is_a_step_of_expectation_maximisation(kind):
    mixture, observations = in_two_dimensions()
    problem = Problem(observations, 2, Model(kind))
    start = problem.constraints.impose_type(problem.standardised(mixture))
    fit = StepwiseFit.start(problem.original(start), observations, problem.model, 100.0, 0.0)
    for _ in range(2):  # of the same batch, one after the other
        fit = fit.updated(observations, step=1.0)
        start = em.step(start, expect(start, problem.data), problem.constraints)
    np.testing.assert_allclose(fit.iterate.all_weights, start.all_weights, rtol=1e-12)
    np.testing.assert_allclose(fit.iterate.means, start.means, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(fit.iterate.covariances, start.covariances, rtol=1e-10, atol=1e-12)


def test_moments_are_those_of_the_posteriors_of_the_true_values():
    mixture, observations = in_two_dimensions()
    data = Problem(observations, 2, Model()).data  # its scaling does not matter: any mixture is as good
    found = Moments.expected(mixture, expect(mixture, data))
    arrays = mixture.weights, mixture.means, mixture.covariances
    r = data.object_weights[:, None] * data.responsibilities(*arrays)
    each = data.posteriors(*arrays, of_each=True)
    b, B = each.means_of_each, each.covariances_of_each
    total = r.sum()
    np.testing.assert_allclose(found.weights, r.sum(axis=0) / total, rtol=1e-12)
    np.testing.assert_allclose(found.firsts, np.einsum("nk,nki->ki", r, b) / total, rtol=1e-10)
    seconds = np.einsum("nk,nkij->kij", r, b[..., :, None] * b[..., None, :] + B) / total
    np.testing.assert_allclose(found.seconds, seconds, rtol=1e-10, atol=1e-10)


def test_the_maximum_is_a_fixed_point():
    rng = np.random.default_rng(2)
    values, errors = drawn(2000, rng)
    observations = Observations.with_standard_errors(values, errors)
    model = XDGMM(2, random_state=0).fit(observations)
    fit = StepwiseFit.start(model.mixture_, observations, Model(), 2000.0, 0.0).updated(observations)
    np.testing.assert_allclose(fit.mixture.means, model.means_, atol=1e-5)  # tol is 1e-8 nats: 1e-4 standard errors
    np.testing.assert_allclose(fit.mixture.covariances, model.mixture_.covariances, atol=1e-4)
    assert fit.mean_log_likelihood == pytest.approx(model.lower_bound_, abs=1e-9)


def test_batches_lead_to_the_maximum_within_its_errors_and_warm_starts_to_the_maximum_itself():
    rng = np.random.default_rng(5)
    batches = [drawn(500, rng, largest=0.8) for _ in range(60)]
    everything = Observations.with_standard_errors(*(np.concatenate(each) for each in zip(*batches, strict=True)))
    whole = XDGMM(2, random_state=0).fit(everything)
    errors = whole.result_.uncertainty(everything).propagate(lambda mixture: np.append(mixture.means, mixture.sigmas))
    model = XDGMM(2, random_state=0, warm_start=True)
    for values, own in batches:
        model.partial_fit(values, Xerr=own)
    order = np.argsort(-model.weights_)
    found = np.append(model.means_[order], model.mixture_.sigmas[order])
    # one standard error of the maximum itself: the average over the batches has hardly more scatter than that
    assert (np.abs(found - errors.value) < errors.error).all()
    assert model.n_iter_ == 60
    assert not model.converged_
    last = dict(zip(("X", "Xerr"), batches[-1], strict=True))
    assert model.lower_bound_ == pytest.approx(whole.score(**last), abs=0.02)
    model.fit(everything)
    assert model.converged_
    np.testing.assert_allclose(model.means_[np.argsort(-model.weights_)], whole.means_, atol=1e-5)


def test_a_fit_counts_as_the_first_batch():
    rng = np.random.default_rng(1)
    first, second = (Observations.with_standard_errors(*drawn(400, rng)) for _ in range(2))
    one = XDGMM(2, random_state=3).fit(first).partial_fit(second)
    other = XDGMM(2, random_state=3).partial_fit(first).partial_fit(second)
    np.testing.assert_allclose(one.means_, other.means_, rtol=1e-12)
    assert one.n_iter_ == other.n_iter_ == 2
    assert one.stepwise_.total_weight == 800


def test_units_are_converted_and_columns_must_be_the_same():
    rng = np.random.default_rng(4)
    values, errors = (array[:, 0] for array in drawn(600, rng))
    tables = [QTable({"v": values * u.km / u.s, "e_v": errors * u.km / u.s}) for _ in range(2)]
    in_metres = QTable({"v": tables[1]["v"].to("m/s"), "e_v": tables[1]["e_v"].to("m/s")})
    same = XDGMM(random_state=0).partial_fit(tables[0]).partial_fit(tables[1])
    model = XDGMM(random_state=0).partial_fit(tables[0]).partial_fit(in_metres)
    np.testing.assert_allclose(model.means_, same.means_, rtol=1e-12)
    assert model.mixture_.units == (u.km / u.s,)
    with pytest.raises(InputError, match="feature names should match"):
        model.partial_fit(QTable({"w": values, "e_w": errors}))
    with pytest.raises(InputError, match="features"):
        model.partial_fit(np.zeros((3, 2)), Xerr=1.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"family": "t"}, "Student-t"),
        ({"flat": Flat("x1", -9.0, 9.0), "n_components": 2}, "flat"),
        ({"background": Background([-20.0], [20.0])}, "background"),
        ({"selection_function": SelectionFunction.box(high={"x1": 30.0})}, "selection function"),
        ({"prior": Prior(covariances=InverseWishart(0.1))}, "prior"),
        ({"fixed": Fixed(means=(0,)), "means_init": [[0.0]]}, "fixed"),
    ],
)
def test_models_that_need_more_than_moments_are_refused(options, message):
    values, errors = drawn(50, np.random.default_rng(0))
    with pytest.raises(InputError, match=f"data in batches cannot be fitted with .*{message}"):
        XDGMM(**options).partial_fit(Observations.with_standard_errors(values, errors))


def test_reports_that_need_a_maximum_are_refused_and_predictions_are_not():
    values, errors = drawn(300, np.random.default_rng(0))
    model = XDGMM(2, random_state=0).partial_fit(values, Xerr=errors)
    assert model.predict(values, Xerr=errors).shape == (300,)
    assert model.covariances_.shape == (2, 1, 1)
    for report in (model.widths, model.check, model.bic):
        with pytest.raises(NotFittedError, match="warm_start=True"):
            report(values, Xerr=errors)
    assert not hasattr(model.fit(values, Xerr=errors), "stepwise_")


def test_the_step_size_is_that_of_the_documents():
    values, errors = drawn(400, np.random.default_rng(0))
    fit = XDGMM(2, random_state=0).partial_fit(values, Xerr=errors).stepwise_
    assert fit.step_size(400.0) == pytest.approx(400 / (400 + 20 * 5), rel=1e-12)  # five parameters
    assert fit.step_size(1e-3) == pytest.approx(1e-3 / (1e-3 + 100), rel=1e-12)
    assert fit.step_size(20.0) == pytest.approx(20 / 120, rel=1e-12)
    many = StepwiseFit.start(fit.mixture, Observations.with_standard_errors(values, errors), Model(), 1e6, 0.0)
    assert many.step_size(1000.0) == pytest.approx(5 * (1000 / 1_001_000) ** 0.6, rel=1e-12)


def test_a_batch_without_values_is_refused_and_known_memberships_are():
    values, errors = drawn(50, np.random.default_rng(0))
    observations = Observations.with_standard_errors(values, errors)
    model = XDGMM(random_state=0).partial_fit(observations)
    with pytest.raises(InputError, match="none of the 0 rows"):
        model.partial_fit(observations.select(slice(0, 0)))
    with pytest.raises(InputError, match="memberships"):
        model.partial_fit(observations.with_memberships(np.full((50, 1), 1.0)))
