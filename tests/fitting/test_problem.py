"""One problem: units converted once, derivatives computed once, data seen only through the protocol."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from xdgmm import InputError, Observations, datasets
from xdgmm.errors import XdgmmDeprecationWarning
from xdgmm.fitting import Model, Problem, Settings, fit, model_of
from xdgmm.kernels.reference import ReferenceData
from xdgmm.uncertainty import laplace, parameter_errors, principal_limit, width_limit


class ReferenceObservations(Observations):
    """Observations whose data are in plain NumPy."""

    def pack(self, location=0.0, scale=1.0, *, measured_scale=1.0, background=None, memberships=None):
        projected = {"projections": self.projections, "measured_scale": measured_scale}
        given = self.values, self.noise, self.weights, location, scale
        return ReferenceData.pack(*given, **projected, background=background, memberships=memberships)


@pytest.fixture(scope="module")
def stars():
    return Observations.from_table(datasets.load("hydrus1"), "v")


@pytest.mark.parametrize("solver", ["auto", "em", "implicit", "quasi-newton"])
@pytest.mark.parametrize(("D", "K"), [(1, 2), (2, 1)])
def test_a_fit_needs_nothing_of_the_data_but_the_protocol(solver, D, K):
    rng = np.random.default_rng(3)
    values = rng.standard_normal((80, D)) + 4.0 * rng.integers(0, 2, (80, 1))
    errors = rng.uniform(0.2, 0.6, (80, D))
    packed = Observations.with_standard_errors(values, errors)
    plain = ReferenceObservations(packed.values, packed.noise_model, None, packed.names, packed.units)
    one, other = (fit(each, K, Settings(solver=solver, n_init=2), rng=1) for each in (packed, plain))
    assert one.converged
    assert one.log_likelihood == pytest.approx(other.log_likelihood, abs=1e-7)
    np.testing.assert_allclose(one.mixture.means, other.mixture.means, atol=1e-4)
    np.testing.assert_allclose(one.effective_sizes, other.effective_sizes, rtol=1e-3)


def test_errors_and_limits_need_nothing_of_the_data_but_the_protocol(stars):
    plain = ReferenceObservations(stars.values, stars.noise_model, None, stars.names, stars.units)
    mixture = fit(stars).mixture
    one, other = (parameter_errors(mixture, each, kind="sandwich") for each in (stars, plain))
    np.testing.assert_allclose(one.covariance, other.covariance, rtol=1e-5)
    assert width_limit(mixture, plain, 0, 0).deviance == pytest.approx(width_limit(mixture, stars, 0, 0).deviance, 1e-6)


def test_limits_convert_units(stars):
    # In m/s beside a mixture in km/s nothing may change but the unit that the data are in.
    mixture, in_metres = fit(stars).mixture, stars.in_units(["m/s"])
    for question in (
        lambda observations: width_limit(mixture, observations, 0, 0).deviance,
        lambda observations: principal_limit(mixture, observations, 0).deviance,
    ):
        assert question(in_metres) == pytest.approx(question(stars), rel=1e-6)
    assert width_limit(mixture, in_metres, 0, 0).deviance > 100


def test_questions_about_one_fit_share_one_hessian(stars, monkeypatch):
    formed = []
    monkeypatch.setattr(
        "xdgmm.fitting.problem.quadratic_model",
        lambda *arguments, **options: formed.append(1) or quadratic_model(*arguments, **options),
    )
    from xdgmm.fitting.newton import quadratic_model

    result = fit(stars)
    laplace(result.mixture, stars, model=result.model)
    parameter_errors(result.mixture, stars, model=result.model)
    laplace(result.mixture, stars, kind="sandwich", model=result.model)
    assert len(formed) == 1
    other = fit(stars.select(np.arange(20)))
    laplace(other.mixture, stars, model=other.model)
    assert len(formed) == 2  # of another mixture


def test_the_memo_of_observations_is_neither_copied_nor_pickled(stars):
    result = fit(stars)
    parameter_errors(result.mixture, stars)
    assert stars.memo
    assert not replace(stars).memo
    assert not pickle.loads(pickle.dumps(stars)).memo


def test_a_problem_that_was_pickled_gives_the_same_bits(stars):
    result = fit(stars)
    problem = Problem.of(result.mixture, stars)
    problem.at(result.mixture)
    again = pickle.loads(pickle.dumps(problem))
    assert again.at(result.mixture).statistics.log_likelihood == problem.at(result.mixture).statistics.log_likelihood


def test_other_coordinates_are_refused(stars):
    two = Observations.exact(np.random.default_rng(0).standard_normal((9, 2)))
    with pytest.raises(InputError, match="1 coordinates"):
        Problem.of(fit(stars).mixture, two)


def test_the_model_is_that_of_the_record(stars):
    mixture = fit(stars).mixture
    assert Problem.of(mixture, stars).model == model_of(mixture)


def test_old_names_of_version_0_1_still_work(stars):
    result = fit(stars)
    with pytest.warns(XdgmmDeprecationWarning, match="effective_sizes"):
        assert result.effective_objects is result.effective_sizes
    with pytest.warns(XdgmmDeprecationWarning, match="unmeasured_pairs"):
        assert result.unmeasured is result.unmeasured_pairs
    with pytest.warns(XdgmmDeprecationWarning, match="inferred_from"):
        assert Model.shown_by(result.mixture) == Model.inferred_from(result.mixture)
    with pytest.warns(XdgmmDeprecationWarning, match="all_weights"):
        np.testing.assert_array_equal(result.mixture.shares, result.mixture.all_weights)
