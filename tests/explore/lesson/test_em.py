"""Expectation maximisation in JavaScript."""

import numpy as np
import pytest
from scipy.stats import norm

from xdgmm import XDGMM, GaussianMixture, Observations
from xdgmm.explore.lesson.em_lesson import data_sets
from xdgmm.plotting.colours import COMPONENTS, object_colours

FILES = ["random.js", "mixture.js", "em.js"]
SETS = data_sets()
STEPS = """(components, values, errors, n) => {
  const likelihoods = [expect(components, values, errors).logLikelihood]
  for (let i = 0; i < n; i++) {
    components = step(components, values, errors)
    likelihoods.push(expect(components, values, errors).logLikelihood)
  }
  return {components, likelihoods}
}"""


def start_of(values, n):
    """Components that overlap, as JavaScript and as the package know them."""
    means = np.quantile(values, (np.arange(n) + 0.5) / n)
    components = [{"weight": 1 / n, "mean": mean, "variance": np.var(values) / n**2} for mean in means.tolist()]
    weights, variances = np.full(n, 1 / n), np.full(n, np.var(values) / n**2)
    return components, GaussianMixture(weights, means[:, None], variances[:, None, None])


def measured(name, *, with_errors):
    values, errors = SETS[name]["values"], SETS[name]["errors"]
    return values, (errors if with_errors else [0.0] * len(errors))


@pytest.mark.parametrize("with_errors", [True, False])
@pytest.mark.parametrize("name", SETS)
def test_steps_agree_with_the_package(javascript, name, with_errors):
    values, errors = measured(name, with_errors=with_errors)
    components, start = start_of(values, 2)
    n = 12
    found = javascript(FILES, STEPS, components, values, errors, n)
    options = {"solver": "em", "tol": 0.0, "max_iter": n + 1}
    model = XDGMM(2, init=start, **options).fit(np.array(values), Xerr=errors if with_errors else None)
    np.testing.assert_allclose([each["weight"] for each in found["components"]], model.weights_, rtol=1e-10)
    np.testing.assert_allclose([each["mean"] for each in found["components"]], model.means_[:, 0], rtol=1e-10)
    np.testing.assert_allclose(
        [each["variance"] for each in found["components"]], model.covariances_[:, 0, 0], rtol=1e-9
    )
    np.testing.assert_allclose(found["likelihoods"], model.result_.history, rtol=1e-10)


def test_no_step_lowers_the_likelihood(javascript):
    values, errors = measured("masses of neutron stars", with_errors=True)
    found = javascript(FILES, STEPS, start_of(values, 3)[0], values, errors, 60)
    assert (np.diff(found["likelihoods"]) >= -1e-10).all()


@pytest.mark.parametrize("name", SETS)
def test_expectation_is_that_of_normal_distributions(javascript, name):
    values, errors = measured(name, with_errors=True)
    components, start = start_of(values, 3)
    found = javascript(FILES, "expect", components, values, errors)
    spread = np.hypot(start.covariances[:, 0, 0] ** 0.5, np.array(errors)[:, None])
    densities = start.weights * norm.pdf(np.array(values)[:, None], start.means[:, 0], spread)
    np.testing.assert_allclose(found["logLikelihood"], np.log(densities.sum(1)).sum(), rtol=1e-10)
    expected = densities / densities.sum(1, keepdims=True)
    np.testing.assert_allclose(found["responsibilities"], expected, rtol=1e-10)


def test_a_value_far_from_everything_still_belongs_somewhere(javascript):
    components = [{"weight": 0.5, "mean": mean, "variance": 1.0} for mean in (0.0, 1.0)]
    found = javascript(FILES, "expect", components, [1e3], [0.0])
    assert found["responsibilities"] == [[pytest.approx(0.0, abs=1e-200), pytest.approx(1.0)]]
    assert found["logLikelihood"] == pytest.approx(np.log(0.5) + norm.logpdf(1e3, 1.0), rel=1e-12)


def test_errors_that_are_used_make_the_components_narrower(javascript):
    widths = []
    for with_errors in (True, False):
        values, errors = measured("two groups behind large errors", with_errors=with_errors)
        found = javascript(FILES, STEPS, start_of(values, 2)[0], values, errors, 300)
        widths.append([each["variance"] ** 0.5 for each in found["components"]])
    # The true widths are 0.45 and 0.55, the errors 0.3 to 1.2.
    assert (np.array(widths[0]) < 0.7).all()
    assert (np.array(widths[1]) > 0.8).all()


def test_the_gain_that_is_predicted_is_the_one_that_comes(javascript):
    values, errors = measured("two groups behind large errors", with_errors=True)
    history = javascript(FILES, STEPS, start_of(values, 2)[0], values, errors, 120)["likelihoods"]
    highest = XDGMM(2, random_state=0).fit(np.array(values), Xerr=errors).result_.log_likelihood
    predicted = javascript(FILES, "predictedGain", history)
    assert predicted == pytest.approx(highest - history[-1], rel=0.1)  # an extrapolation, 120 steps of 170 done


def test_no_gain_is_predicted_from_a_start_and_none_from_steps_that_grow(javascript):
    for history in ([-3.0], [-3.0, -2.0], [-3.0, -2.5, -1.5]):
        assert javascript(FILES, "predictedGain", history) == "NaN"
    assert javascript(FILES, "predictedGain", [-3.0, -2.0, -2.0]) == 0
    assert javascript(FILES, "predictedGain", [0.0, 1.0, 1.5]) == pytest.approx(0.5)  # 1/4 + 1/8 + ...


RUN_SINGULAR = """(values, errors, choice) => {
  const used = choice === "used" ? errors : errors.map(() => 0)
  let components = singularStart(values)
  const history = [expect(components, values, used).logLikelihood]
  while (history.length < 20 && !collapsed(components, values, used).length) {
    components = step(components, values, used)
    history.push(expect(components, values, used).logLikelihood)
  }
  const last = components.map((component) => density(component, 0, [component.mean])[0])
  return {components, history, last, gone: collapsed(components, values, used),
          said: described(history, components, values, used)}
}"""


@pytest.mark.parametrize("name", SETS)
def test_a_component_on_one_value_collapses_without_errors_and_the_page_says_so(javascript, name):
    values, errors = measured(name, with_errors=True)
    found = javascript(FILES, RUN_SINGULAR, values, errors, "ignored")
    assert found["gone"] == [1]
    assert found["components"][1]["mean"] in [pytest.approx(value) for value in values]
    assert "Component 2 has collapsed" in found["said"]
    assert found["components"][0]["variance"] == pytest.approx(np.var(values), rel=0.2)
    assert float(found["history"][-1]) > float(found["history"][0]) + 3.0
    assert None not in found["last"]


@pytest.mark.parametrize("name", SETS)
def test_the_same_start_does_not_collapse_with_errors(javascript, name):
    found = javascript(FILES, RUN_SINGULAR, *measured(name, with_errors=True), "used")
    assert found["gone"] == []
    assert np.isfinite(found["history"]).all()
    assert "collapsed" not in found["said"]


def test_sentences_say_what_a_step_did(javascript):
    values, errors = measured("masses of neutron stars", with_errors=True)
    components = start_of(values, 2)[0]

    def said(history):
        return javascript(FILES, "described", history, components, values, errors)

    assert said([-5.0]).startswith("This is the start.")
    assert said([-5.0, -3.0]) == "Step 1: lnL grew by 2.0. How much is left cannot be said yet."
    assert "about 1.0 is still to come" in said([-5.0, -3.0, -2.0])
    assert said([-5.0, -3.0, -3.0]).startswith("Step 2: converged.")
    assert "given up" in said([-5.0, *np.linspace(-4.0, -3.0, 3000).tolist()])


def test_a_start_has_means_at_quantiles_or_where_they_are_given(javascript):
    values = np.random.default_rng(1).normal(size=101).tolist()
    components = javascript(FILES, "start", values, 3)
    expected = np.quantile(values, [1 / 6, 0.5, 5 / 6], method="inverted_cdf")
    np.testing.assert_allclose([each["mean"] for each in components], expected)
    np.testing.assert_allclose([each["variance"] for each in components], np.var(values) / 9, rtol=1e-12)
    given = javascript(FILES, "start", values, 2, [-1.0, 2.0])
    assert [each["mean"] for each in given] == [-1.0, 2.0]


def test_other_starts_are_different_values(javascript):
    code = "(values, n) => { const random = new RandomState(1); return [1, 2, 3].map(() => chosen(values, n, random)) }"
    values = [1.0, 2.0, 3.0, 4.0]
    starts = javascript(FILES, code, values, 3)
    assert all(len(set(start)) == 3 and set(start) <= set(values) for start in starts)
    assert len({tuple(start) for start in starts}) > 1


def test_colours_are_those_of_the_pictures(javascript):
    from matplotlib.colors import to_hex, to_rgb

    values, errors = measured("masses of neutron stars", with_errors=True)
    components, mixture = start_of(values, 3)
    code = "(components, values, errors, rgb) => mixedColours(expect(components, values, errors).responsibilities, rgb)"
    found = javascript(FILES, code, components, values, errors, [to_rgb(colour) for colour in COMPONENTS[:3]])
    observations = Observations.with_standard_errors(np.array(values)[:, None], np.array(errors)[:, None])
    assert found == [to_hex(colour) for colour in object_colours(mixture, observations)]


def test_the_density_of_what_was_measured_is_the_mean_of_widened_ones(javascript):
    values, errors = measured("masses of neutron stars", with_errors=True)
    components, start = start_of(values, 2)
    places = np.linspace(0.5, 3.0, 21)
    spread = np.hypot(start.covariances[:, 0, 0] ** 0.5, np.array(errors)[:, None])
    expected = (start.weights * norm.pdf(places[:, None, None], start.means[:, 0], spread)).sum(-1).mean(-1)
    found = javascript(FILES, "measuredDensity", components, errors, places.tolist())
    np.testing.assert_allclose(found, expected, rtol=1e-10)
