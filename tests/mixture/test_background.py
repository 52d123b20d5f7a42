"""Some objects belong to no Gaussian: they are spread evenly over a box."""

import pickle

import numpy as np
import pytest
from astropy import units as u
from scipy.special import ndtr
from scipy.stats import kstest

from xdgmm import GaussianMixture, InputError, Observations, kernels
from xdgmm.kernels import Independent
from xdgmm.mixture import Background, pack_beside

LOW, HIGH = np.array([-10.0, 0.0]), np.array([10.0, 5.0])
WEIGHTS = np.array([0.3, 0.5])
MEANS = np.array([[0.0, 1.0], [3.0, -1.0]])
COVARIANCES = np.array([[[1.0, 0.6], [0.6, 2.0]], [[0.5, -0.1], [-0.1, 0.2]]])
VALUES = np.random.default_rng(41).uniform(LOW, HIGH, (30, 2))


def mixture(**changed):
    given = {
        "weights": WEIGHTS, "means": MEANS, "covariances": COVARIANCES, "background": Background(LOW, HIGH, 0.2),
    }  # fmt: skip
    return GaussianMixture(**given | changed)


def box(background):
    return [edge.tolist() for edge in background.box]


def test_a_background_integrates_to_its_fraction():
    model = GaussianMixture([0.8], [[4.0]], [[[0.25]]], background=Background(0.0, 10.0, 0.2))
    step = 1 / 512
    x = np.arange(-2.0, 12.0, step) + step / 2  # midpoints: exact for a step at multiples of the step
    assert step * np.exp(model.log_density(x[:, None])).sum() == pytest.approx(1.0, abs=1e-13)


def test_the_density_is_the_sum_of_that_of_the_gaussians_and_the_background():
    x = np.random.default_rng(42).uniform(LOW - 2, HIGH + 2, (200, 2))
    inside = ((x > LOW) & (x < HIGH)).all(axis=1)
    assert 0 < inside.sum() < 200
    expected = 0.8 * np.exp(mixture().gaussians.log_density(x)) + 0.2 * inside / 100.0
    np.testing.assert_allclose(mixture().log_density(x), np.log(expected), rtol=0, atol=1e-13)


def test_the_edges_belong_to_the_box():
    background = Background(LOW, HIGH)
    assert background.contains(np.array([LOW, HIGH])).all()
    assert not background.contains(np.array([np.nextafter(LOW, -np.inf), np.nextafter(HIGH, np.inf)])).any()
    assert background.log_density == pytest.approx(-np.log(100.0), rel=1e-15)


def test_far_from_all_gaussians_the_background_is_what_is_left():
    model = GaussianMixture([0.8], [[0.0]], [[[1.0]]], background=Background(-1e9, 1e9, 0.2))
    assert model.log_density([1e8]) == pytest.approx(np.log(0.2 / 2e9), rel=1e-15)
    assert model.log_density([1e10]) < -1e18


def test_a_background_of_fraction_zero_changes_nothing():
    plain = GaussianMixture(WEIGHTS / 0.8, MEANS, COVARIANCES)
    model = mixture(weights=WEIGHTS / 0.8, background=Background(LOW, HIGH, 0.0))
    np.testing.assert_array_equal(model.log_density(VALUES), plain.log_density(VALUES))
    np.testing.assert_array_equal(model.sample(20, 1)[1], plain.sample(20, 1)[1])


def test_a_background_with_all_the_weight_is_uniform():
    model = mixture().with_parameters(np.array([0.0, 0.0, 1.0]), MEANS, COVARIANCES)
    np.testing.assert_allclose(model.log_density(VALUES), -np.log(100.0), rtol=1e-15)
    assert (model.sample(10, 1)[1] == 2).all()
    with pytest.raises(InputError, match=r"weight.*background"):
        model.gaussians  # noqa: B018


def test_a_sample_has_uniform_points_in_its_share():
    points, labels = mixture().sample(20_000, 5)
    own = points[labels == 2]
    # binomial, at four standard deviations
    assert len(own) / 20_000 == pytest.approx(0.2, abs=4 * np.sqrt(0.16 / 20_000))
    for i in range(2):
        assert kstest(own[:, i], "uniform", (LOW[i], HIGH[i] - LOW[i])).pvalue > 1e-3
        assert kstest(own[:, i] * 1.1, "uniform", (LOW[i], HIGH[i] - LOW[i])).pvalue < 1e-3
    for k in range(2):
        own = points[labels == k]
        # at five standard errors of each mean
        np.testing.assert_allclose(own.mean(axis=0), MEANS[k], atol=5 * np.sqrt(2.0 / len(own)))


def test_shares_are_the_weights_and_the_fraction():
    assert mixture().all_weights.tolist() == [0.3, 0.5, 0.2]
    assert not mixture().all_weights.flags.writeable
    plain = GaussianMixture(WEIGHTS / 0.8, MEANS, COVARIANCES)
    np.testing.assert_array_equal(plain.all_weights, plain.weights)
    assert mixture().n_components == 2


def test_the_gaussians_alone_are_a_mixture():
    alone = mixture(names=["a", "b"], units="km").gaussians
    np.testing.assert_allclose(alone.weights, WEIGHTS / 0.8, rtol=1e-15)
    assert (alone.background, alone.names, alone.units) == (None, ("a", "b"), (u.km, u.km))
    assert alone.gaussians is alone


def test_other_shares_give_the_background_its_fraction():
    model = mixture(names=["a", "b"])
    other = model.with_parameters(np.array([0.5, 0.5]), np.zeros((1, 2)), np.eye(2)[None])
    assert (other.weights.tolist(), other.background.fraction, other.names) == ([0.5], 0.5, ("a", "b"))
    assert box(other.background) == box(model.background)
    kept = model.with_parameters(np.array([0.8]), np.zeros((1, 2)), np.eye(2)[None])
    assert (kept.weights.tolist(), kept.background.fraction) == ([0.8], 0.2)
    same = model.with_parameters(model.all_weights, model.means, model.covariances)
    np.testing.assert_array_equal(same.all_weights, model.all_weights)


def test_another_order_keeps_the_background():
    model = mixture().ordered([1, 0])
    assert model.all_weights.tolist() == [0.5, 0.3, 0.2]
    np.testing.assert_array_equal(model.log_density(VALUES), mixture().log_density(VALUES))


def test_rescaling_maps_the_box():
    location, scale = np.array([1.0, -2.0]), np.array([2.0, -0.5])
    model = mixture().rescaled(location, scale)
    assert box(model.background) == [[-19.0, -4.5], [21.0, -2.0]]
    found = model.log_density(VALUES * scale + location)
    np.testing.assert_allclose(found, mixture().log_density(VALUES), rtol=0, atol=1e-13)  # |scale| is 1


def test_other_units_map_the_box():
    model = mixture(units=["km", None]).in_units([u.m, None])
    assert box(model.background) == [[-10_000.0, 0.0], [10_000.0, 5.0]]
    expected = mixture().log_density(VALUES) - np.log(1000.0)
    np.testing.assert_allclose(model.log_density(VALUES * [1000.0, 1.0]), expected, rtol=0, atol=1e-13)


def test_values_at_the_edge_stay_inside_in_any_units():
    obs = Observations.exact(np.random.default_rng(43).standard_normal((1000, 2)) / 3, units=["km/s", "arcsec"])
    model = mixture(units=obs.units, background=Background(fraction=0.2).resolved(obs))
    units = u.Unit("pc/Myr"), u.Unit("deg")
    model.in_units(units).background.resolved(obs.in_units(units))  # raises where one lies outside


def test_the_representation_says_that_there_is_a_background():
    assert repr(mixture(names=["v", "r"])) == "<GaussianMixture: 2 components and a background in v, r>"
    assert repr(Background()) == "<Background: a fraction of 0.1, uniform in a box whose edges are fitted>"
    of_measured = Background(of="measured values")
    assert repr(of_measured) == "<Background: a fraction of 0.1, measured values uniform in the box of the data>"
    assert repr(Background(0, 5, 1 / 3)) == "<Background: a fraction of 0.3333, uniform in the box from 0.0 to 5.0>"


def test_a_pickle_of_version_0_1_has_a_background_of_measured_values():
    old = object.__new__(Background)
    vars(old).update(low=LOW, high=HIGH, fraction=0.25)
    again = pickle.loads(pickle.dumps(old))
    assert (again.of, again.fitted_edges) == ("measured values", False)
    values = VALUES[:1] + 100.0
    assert again.log_densities(values, Independent(np.full((1, 2), 50.0))).tolist() == [-np.inf]


def test_the_density_of_an_object_is_that_of_its_values_with_its_noise():
    errors = np.full(VALUES.shape, 3.0)
    a, b = ((edge - VALUES) / errors for edge in (LOW, HIGH))
    expected = np.log(ndtr(b) - ndtr(a)).sum(axis=1) - np.log(100.0)
    np.testing.assert_allclose(Background(LOW, HIGH).log_densities(VALUES, Independent(errors)), expected, rtol=1e-12)
    measured = Background(LOW, HIGH, of="measured values").log_densities(VALUES, Independent(errors))
    np.testing.assert_allclose(measured, -np.log(100.0), rtol=1e-14)
    np.testing.assert_allclose(Background(LOW, HIGH).log_densities(VALUES), -np.log(100.0), rtol=1e-14)


def test_the_densities_of_all_objects_with_the_same_noise_integrate_to_one():
    x = np.linspace(-60.0, 60.0, 40_001)[:, None]  # a step of .003
    for sigma in (0.01, 1.0, 5.0):
        density = np.exp(Background([-10.0], [10.0]).log_densities(x, Independent(np.full(x.shape, sigma))))
        assert np.trapezoid(density, x[:, 0]) == pytest.approx(1.0, abs=1e-6)


def test_what_is_uniform_is_kept_by_every_map():
    for of in ("true values", "measured values"):
        made = GaussianMixture(WEIGHTS, MEANS, COVARIANCES, ["a", "b"], background=Background(LOW, HIGH, 0.2, of=of))
        others = [
            made.marginal("a"),
            made.affine([[2.0, 0.0], [0.0, 1.0]]),
            made.rescaled(np.ones(2), np.full(2, 3.0)),
            made.ordered([1, 0]),
            made.condition({"b": 1.0}),
        ]
        assert {other.background.of for other in others} == {of}


def test_something_else_that_is_uniform_is_refused():
    with pytest.raises(InputError, match=r"`of` .*'errors'.* true values, measured values"):
        Background(0.0, 1.0, of="errors")


def test_a_background_is_a_value_of_its_own():
    low = LOW.copy()
    background = Background(low, HIGH)
    low[0] = 99.0
    assert background.low.tolist() == LOW.tolist()
    for edge in (*background.box, *mixture().background.box):
        with pytest.raises(ValueError, match="read-only"):
            edge[0] = 1.0
    with pytest.raises(AttributeError):
        background.fraction = 0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.0,), "both `low` and `high`"),
        ((None, 1.0), "both `low` and `high`"),
        ((0.0, 1.0, 1.0), "`fraction` of the background is 1.0,.* below 1"),
        ((0.0, 1.0, -0.1), "`fraction` of the background is -0.1"),
        ((0.0, 1.0, np.nan), "`fraction` of the background is nan"),
        ((0.0, 1.0, [0.1]), r"`fraction` of the background is \[0.1\]"),
        ((0.0, 1.0, "a"), "`fraction` holds strings"),
        ((1.0, 1.0), "`low` .*below `high`.* 1.0 and 1.0"),
        (([0.0, 2.0], 1.0), "`low` .*below `high`"),
        ((0.0, np.inf), "`low` and `high` .*finite"),
        ((np.nan, 1.0), "`low` and `high` .*finite"),
        (([0.0, 0.0], [1.0, 1.0, 1.0]), "`low` .*2 entries, .*`high` has 3"),
        (([[0.0, 0.0]], 1.0), r"`low` of the background has shape \(1, 2\)"),
        ((0.0, "b"), "`high` holds strings"),
    ],
)
def test_what_is_no_background_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        Background(*arguments)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"background": Background(LOW, HIGH, 0.3)}, "sum to 1 .*fraction 0.3 of the background"),
        ({"background": None}, "`weights` must not be negative .*sum to 1"),
        ({"background": Background(fraction=0.2)}, "box; give it `low` and `high`"),
        ({"background": Background([0.0] * 3, 1.0, 0.2)}, "`low` .*3 entries, .* 2"),
        ({"background": Background(0 * u.km, 1 * u.km, 0.2)}, "unit km, .*'x1'"),
        ({"background": (LOW, HIGH)}, "`Background`"),
    ],
)
def test_a_background_that_does_not_fit_is_refused(changed, message):
    with pytest.raises(InputError, match=message):
        mixture(**changed)


def test_a_number_serves_for_all_coordinates():
    assert box(mixture(background=Background(0, [1, 2], 0.2)).background) == [[0.0, 0.0], [1.0, 2.0]]


def test_quantities_are_kept_until_the_coordinates_are_known():
    background = Background([-1, 0] * u.km, 2000 * u.m, 0.2)
    with pytest.raises(InputError, match="no box"):
        background.box  # noqa: B018
    obs = Observations.exact([[0.5, 1.0], [1.0, 1.5]], units="km")
    assert box(background.resolved(obs)) == [[-1.0, 0.0], [2.0, 2.0]]
    assert box(background.resolved(obs.in_units([u.m, u.m]))) == [[-1000.0, 0.0], [2000.0, 2000.0]]
    assert box(mixture(background=background, units=["m", "km"]).background) == [[-1000.0, 0.0], [2000.0, 2.0]]


def test_every_coordinate_may_have_a_unit_of_its_own():
    obs = Observations.exact([[0.5, 1.0], [1.0, 1.5]], units=["km", None])
    background = Background([0 * u.m, -1.0], (3000 * u.m, 5.0), 0.2)
    assert box(background.resolved(obs)) == [[0.0, -1.0], [3.0, 5.0]]


@pytest.mark.parametrize(
    ("background", "message"),
    [
        (Background(0 * u.s, 1 * u.s), "`low` .*unit s, .*convert to km"),
        (Background(5 * u.km, 1 * u.km), r"`low` .*below `high`.* \[5.0, 5.0\]"),
        (Background(0 * u.km, np.inf * u.km), "`low` and `high` .*finite"),
        (Background([0, 0, 0], 9.0), "`low` of the background has 3 entries, but there are 2 coordinates"),
        (Background([[0, 0]] * u.km, 9.0), "`low` of the background has 1 entries"),
        (Background([[0, 0], [0, 0]] * u.km, 9.0), "`low` of the background holds an array for 'x1'"),
    ],
)
def test_corners_that_do_not_fit_the_observations_are_refused(background, message):
    with pytest.raises(InputError, match=message):
        background.resolved(Observations.exact(VALUES, units="km"))


def test_the_box_of_the_data_is_the_smallest_around_what_counts():
    values = VALUES.copy()
    values[0], values[1, 0], values[2] = 1e6, np.nan, np.nan
    weights = np.ones(len(values))
    weights[0] = 0.0
    background = Background(fraction=0.3).resolved(Observations.exact(values, weights=weights))
    expected = values[1:]
    assert box(background) == [np.nanmin(expected, axis=0).tolist(), np.nanmax(expected, axis=0).tolist()]
    assert background.fraction == 0.3


def test_data_without_spread_have_no_box():
    values = np.column_stack([VALUES, np.ones(30), np.full(30, np.nan)])
    obs = Observations.exact(values, names=["a", "b", "c", "d"])
    with pytest.raises(InputError, match="c, d are all equal"):
        Background().resolved(obs)


def test_values_outside_the_box_are_refused_with_their_rows():
    values = VALUES.copy()
    values[[3, 7, 8], 0] = HIGH[0] + 1e-9
    values[9, 1] = LOW[1] - 1.0
    values[10] = np.nan
    weights = np.ones(len(values))
    weights[8] = 0.0
    obs = Observations.exact(values, weights=weights)
    message = "rows 3, 7, 9; widen `low` and `high`"
    of_measured = Background(LOW, HIGH, of="measured values")
    with pytest.raises(InputError, match=message):
        of_measured.resolved(obs)
    of_measured.resolved(obs.select(np.setdiff1d(np.arange(30), [3, 7, 9])))
    assert Background(LOW, HIGH).resolved(obs).rows_beyond(obs).tolist() == [3, 7, 9]


def test_resolving_twice_is_resolving_once():
    obs = Observations.exact(VALUES)
    once = Background(fraction=0.4).resolved(obs)
    twice = once.resolved(obs)
    assert (box(twice), twice.fraction) == (box(once), 0.4)


def test_a_background_of_projections_is_refused():
    obs = Observations.with_standard_errors(VALUES, 0.1, projections=np.eye(2))
    with pytest.raises(InputError, match="projections"):
        Background(LOW, HIGH).resolved(obs)


def test_another_fraction_keeps_the_box():
    background = Background(LOW, HIGH).with_fraction(0.7)
    assert (box(background), background.fraction) == ([LOW.tolist(), HIGH.tolist()], 0.7)
    assert Background().with_fraction(0.7).low is None


def test_packed_exact_observations_have_the_density_of_the_mixture():
    obs, model = Observations.exact(VALUES), mixture()
    parameters = model.all_weights, model.means, model.covariances
    found = kernels.log_likelihoods(pack_beside(obs, model.background), *parameters)
    # conditions below 1e2, densities of order ten
    np.testing.assert_allclose(found, model.log_density(VALUES), rtol=0, atol=1e-12)
