"""One law for every function of a mixture and observations: units are converted to the mixture's, or refused."""

import inspect
from importlib import import_module

import numpy as np
import pytest
from astropy.table import Table

from xdgmm import (
    XDGMM,
    Background,
    InputError,
    Observations,
    SelectionFunction,
    diagnostics,
    objects,
    plotting,
    prediction,
    uncertainty,
)
from xdgmm import widths as width_reports
from xdgmm.fitting import Model, Problem, Settings, fit

RNG = np.random.default_rng(12)
VALUES = RNG.standard_normal((60, 2)) * [2.0, 0.3] + RNG.standard_normal((60, 2)) * [0.5, 0.8]
STARS = Observations.with_standard_errors(VALUES, [0.5, 0.8] * np.ones((60, 2)), names=["u", "v"], units="km/s")
RESULT = fit(STARS)
MIXTURE = RESULT.mixture
BOX = Background([-30.0, -30.0], [30.0, 30.0], fraction=0.1)
WITH_BACKGROUND = fit(STARS, 1, Settings(model=Model(background=BOX)))


def numbers(found):
    """Every number of an answer that has no unit, or is in the unit of the mixture, in one row."""
    if isinstance(found, Table):
        columns = [found[name] for name in found.colnames]
        return np.concatenate(
            [numbers(np.ma.filled(getattr(c, "value", c), -1.0)) for c in columns if c.dtype.kind == "f"]
        )
    if isinstance(found, (tuple, list)):
        return np.concatenate([numbers(each) for each in found])
    found = np.asarray(getattr(found, "value", found), dtype=float)
    return np.atleast_1d(found).ravel()


TWO = fit(STARS, 2).mixture
SAMPLED = [rng.normal(m, [0.5, 0.8], (400, 2)) for rng, m in zip(RNG.spawn(60), VALUES, strict=True)]
SAMPLES = Observations.from_samples(SAMPLED, names=["u", "v"], units="km/s")
CUT = SelectionFunction.box(high=[VALUES[:, 0].max() + 0.5, None])
SELECTED = fit(STARS, 1, Settings(model=Model(selection_function=CUT))).mixture
HEAVY = fit(STARS, 1, Settings(model=Model(family="t", dof=3.0))).mixture


def _slope(mixture):
    return mixture.covariances[0, 0, 1] / mixture.covariances[0, 0, 0]


FUNCTIONS = {
    "uncertainty.width_limit": lambda o: uncertainty.width_limit(MIXTURE, o, 0, 1).deviance,
    "uncertainty.principal_limit": lambda o: uncertainty.principal_limit(MIXTURE, o, 0).upper,
    "uncertainty.conditional_limit": lambda o: uncertainty.conditional_limit(MIXTURE, o, 0, 1).upper,
    "uncertainty.background_limit": lambda o: uncertainty.background_limit(WITH_BACKGROUND.mixture, o),
    "uncertainty.profile_interval": lambda o: uncertainty.profile_interval(MIXTURE, o, 0, 0).high,
    "uncertainty.mean_interval": lambda o: uncertainty.mean_interval(MIXTURE, o, 0, 1).high,
    "uncertainty.weight_interval": lambda o: uncertainty.weight_interval(TWO, o, 0).high,
    "uncertainty.function_interval": lambda o: uncertainty.function_interval(_slope, MIXTURE, o).high,
    "uncertainty.gaussian_deficit": lambda o: uncertainty.gaussian_deficit(HEAVY, o, 0),
    "uncertainty.selection_errors": lambda o: uncertainty.selection_errors(SELECTED, o).completeness,
    "uncertainty.laplace": lambda o: uncertainty.laplace(MIXTURE, o, kind="sandwich").covariance,
    "uncertainty.parameter_errors": lambda o: uncertainty.parameter_errors(MIXTURE, o).covariance,
    "uncertainty.with_errors": lambda o: uncertainty.with_errors(RESULT, o).record.covariance,
    "uncertainty.bootstrap": lambda o: uncertainty.bootstrap(RESULT, o, n_resamples=5, rng=1).means,
    "diagnostics.residuals": lambda o: diagnostics.residuals(MIXTURE, o),
    "diagnostics.chi_squared": lambda o: diagnostics.chi_squared(MIXTURE, o),
    "diagnostics.unusual_objects": lambda o: diagnostics.unusual_objects(MIXTURE, o),
    "diagnostics.influence": lambda o: diagnostics.influence(RESULT, o),
    "diagnostics.leave_one_out_residuals": lambda o: diagnostics.leave_one_out_residuals(RESULT, o),
    "diagnostics.simulate": lambda o: (
        diagnostics.simulate(MIXTURE, o, parameters="fixed", rng=1)[0].in_units(STARS.units).values
    ),
    "diagnostics.quick_checks": lambda o: [each.effect for each in diagnostics.quick_checks(MIXTURE, o, level=2.0)],
    "diagnostics.check": lambda o: diagnostics.check(RESULT, o, n_simulations=19, progress="never").table,
    "diagnostics.error_scale": lambda o: diagnostics.error_scale(RESULT, o, by=np.arange(60) % 2, kind="jitter").table,
    "widths.widths": lambda o: width_reports.widths(RESULT, o),
    "widths.relations": lambda o: width_reports.relations(RESULT, o),
    "prediction.memberships": lambda o: prediction.memberships(WITH_BACKGROUND.mixture, o),
    "prediction.log_likelihoods": lambda o: prediction.log_likelihoods(MIXTURE, o),
    "prediction.total_log_likelihood": lambda o: prediction.total_log_likelihood(MIXTURE, o),
    "prediction.distances": lambda o: prediction.distances(MIXTURE, o),
    "prediction.component_distances": lambda o: prediction.component_distances(TWO, o),
    "prediction.nearest_tail": lambda o: prediction.nearest_tail(HEAVY, o),
    "prediction.outlier_weights": lambda o: prediction.outlier_weights(HEAVY, o),
    "prediction.outlyingness": lambda o: prediction.outlyingness(MIXTURE, o),
    "objects.effective_samples": lambda o: objects.effective_samples(
        MIXTURE, SAMPLES if o.units == STARS.units else SAMPLES.in_units(o.units)
    ),
    "objects.denoise": lambda o: objects.denoise(MIXTURE, o).means,
    "XDGMM.score": lambda o: XDGMM().fit(STARS).score(o),
    "fitting.Problem.of": lambda o: Problem.of(MIXTURE, o).at(MIXTURE).statistics.log_likelihood,
}
# Of a mixture and observations too, but told the observations of others, or made of functions above.
ELSEWHERE = {
    "prediction.checked_observations",  # the conversion itself
    "prediction.draw_true_values",  # of observations that `checked_observations` gave
    "prediction.has_exact_outlyingness",  # yes or no, of the kinds of mixture and observations
    "prediction.doubts_about_samples",  # sentences about `effective_samples`
    "prediction.completed",  # likewise of observations that it gave
    "prediction.draw_observations",  # of observations that `checked_observations` gave
    "prediction.posteriors",  # likewise
    "prediction.known",  # likewise
    "uncertainty.sample_posterior",  # below: it is slow
    "uncertainty.refine",
    "plotting.plot_fit",  # below: it draws
}


@pytest.mark.filterwarnings("ignore::xdgmm.errors.XdgmmWarning")  # five resamples warn of a narrow direction
@pytest.mark.parametrize("name", FUNCTIONS)
def test_observations_in_other_units_give_the_same_answer(name):
    expected = numbers(FUNCTIONS[name](STARS))
    assert np.isfinite(expected).any()
    np.testing.assert_allclose(
        numbers(FUNCTIONS[name](STARS.in_units(["m/s", "km/s"]))), expected, rtol=1e-4, atol=1e-9
    )


@pytest.mark.parametrize("name", FUNCTIONS)
def test_units_that_do_not_convert_are_refused(name):
    other = Observations.with_standard_errors(VALUES, 0.5, names=["u", "v"], units=["mas", "km/s"])
    with pytest.raises(InputError, match="convert"):
        FUNCTIONS[name](other)


@pytest.mark.filterwarnings("ignore::xdgmm.errors.ConvergenceWarning")  # few steps are enough to see the unit
def test_a_posterior_is_in_the_units_of_the_mixture():
    options = {"n_walkers": 12, "max_steps": 20, "rng": 3, "progress": "never"}
    one, other = (uncertainty.sample_posterior(RESULT, o, **options) for o in (STARS, STARS.in_units(["m/s", "km/s"])))
    np.testing.assert_allclose(one.means.mean(axis=0), other.means.mean(axis=0), atol=1.0)


def test_a_picture_of_observations_in_other_units_is_the_same_picture():
    def limits(observations):
        figure = plotting.plot_fit(MIXTURE, observations)
        return [axes.get_xlim() for axes in figure.axes]

    assert np.allclose(limits(STARS), limits(STARS.in_units(["m/s", "km/s"])), rtol=1e-6)


@pytest.mark.parametrize("room", ["diagnostics", "uncertainty", "widths", "prediction", "objects", "plotting"])
def test_no_function_of_a_mixture_and_observations_is_left_out(room):
    module = import_module(f"xdgmm.{room}")
    for name in module.__all__:
        function = getattr(module, name)
        if not inspect.isfunction(function):
            continue
        arguments = list(inspect.signature(function).parameters)
        if "observations" in arguments and {"mixture", "result", "fitted"} & set(arguments):
            known = any(each.endswith(f".{function.__name__}") for each in (*FUNCTIONS, *ELSEWHERE))
            assert known, f"{room}.{name} has no test of units"
