"""Observations of which some values are limits: what is checked, and that nothing loses them."""

import pickle

import numpy as np
import pytest
from scipy.stats import truncnorm

from xdgmm import XDGMM, GaussianMixture, Observations
from xdgmm.errors import InputError
from xdgmm.objects import denoise
from xdgmm.observations import fingerprint

VALUES = np.array([[1.0, 2.0], [3.0, -1.0], [np.nan, 0.5], [2.0, 4.0]])
ERRORS = np.full((4, 2), 0.2)
UPPER = np.array([[False, True], [False, False], [False, True], [False, False]])
LOWER = np.array([[False, False], [False, False], [False, False], [True, False]])


def some(**changes):
    given = {"values": VALUES, "standard_errors": ERRORS, "upper": UPPER, "lower": LOWER, "names": ["a", "b"]}
    return Observations.with_limits(**{**given, **changes})


def test_a_limit_is_no_measured_value_but_counts():
    observations = some()
    np.testing.assert_array_equal(observations.limits, [[0, -1], [0, 0], [0, -1], [1, 0]])
    np.testing.assert_array_equal(observations.present, [[1, 0], [1, 1], [0, 0], [0, 1]])
    np.testing.assert_array_equal(observations.constrained, np.isfinite(VALUES))
    assert observations.n_objects == 4
    np.testing.assert_array_equal(observations.column_weights(), [2.0, 2.0])
    assert repr(observations) == "<Observations: 4 objects, a, b, 1-sigma errors, 2 upper limits, 1 lower limit>"


def test_one_column_has_masks_of_one_axis():
    observations = Observations.with_limits([1.0, 2.0, 3.0], 0.1, upper=[False, True, False])
    np.testing.assert_array_equal(observations.limits, [[0], [-1], [0]])
    masked = np.ma.array([False, True, True], mask=[False, False, True])
    again = Observations.with_limits([1.0, 2.0, 3.0], 0.1, upper=masked)
    np.testing.assert_array_equal(again.limits, observations.limits)


def test_masks_without_any_limit_give_ordinary_observations():
    observations = some(upper=np.zeros((4, 2), bool), lower=None)
    assert observations.limits is None
    assert fingerprint(observations) == fingerprint(Observations.with_standard_errors(VALUES, ERRORS))


def test_location_and_spread_leave_limits_out():
    far = np.where(UPPER | LOWER, 1e6, VALUES)
    location, spread = some(values=far).location_and_spread()
    measured = np.where(UPPER | LOWER, np.nan, VALUES)
    expected = Observations.with_standard_errors(measured, ERRORS).location_and_spread()
    np.testing.assert_array_equal((location, spread), expected)


@pytest.mark.parametrize("rows", [[3, 0], slice(1, None), np.array([True, False, False, True])], ids=str)
def test_rows_keep_their_limits(rows):
    observations = some()
    np.testing.assert_array_equal(observations.select(rows).limits, observations.limits[rows])
    np.testing.assert_array_equal(observations[rows].limits, observations.limits[rows])


def test_rows_without_a_limit_are_ordinary_observations():
    assert some().select([1, 1]).limits is None


def test_units_scales_and_pickles_keep_limits():
    observations = some(units="km/s")
    in_metres = observations.in_units("m/s")
    np.testing.assert_array_equal(in_metres.limits, observations.limits)
    np.testing.assert_allclose(in_metres.values, 1e3 * VALUES)
    np.testing.assert_array_equal(observations.rescaled(1.0, 2.0).limits, observations.limits)
    again = pickle.loads(pickle.dumps(observations))
    np.testing.assert_array_equal(again.limits, observations.limits)
    assert not observations.limits.flags.writeable


def test_a_fingerprint_knows_limits():
    observations = some()
    others = [some(lower=None), some(upper=None), some(upper=LOWER, lower=UPPER)]
    prints = {fingerprint(each) for each in (observations, *others)}
    assert len(prints) == 4
    assert fingerprint(some()) == fingerprint(observations)


def test_a_negative_element_turns_limits_round():
    turned = some().transform([[-2.0, 0.0], [0.0, 1.0]])
    np.testing.assert_array_equal(turned.limits, [[0, -1], [0, 0], [0, -1], [-1, 0]])
    np.testing.assert_allclose(turned.values[3], [-4.0, 4.0])


def test_a_limit_is_lost_where_another_column_contributes():
    mixed = some().transform([[1.0, 1.0], [0.0, 1.0]])
    np.testing.assert_array_equal(np.isfinite(mixed.values), [[0, 1], [1, 1], [0, 1], [0, 1]])
    np.testing.assert_array_equal(mixed.limits, [[0, -1], [0, 0], [0, -1], [0, 0]])
    assert mixed.remarks[-1].startswith("1 limit lost")


def test_two_results_cannot_be_the_same_limit():
    with pytest.raises(InputError, match=r"`matrix` makes two limits of the one in rows? 0.*one row of `matrix`"):
        some().transform([[0.0, 1.0], [0.0, 2.0]])


def test_a_limit_of_infinite_error_is_missing():
    errors = ERRORS.copy()
    errors[0, 1] = np.inf
    observations = some(standard_errors=errors)
    assert np.isnan(observations.values[0, 1])
    np.testing.assert_array_equal(observations.limits, [[0, 0], [0, 0], [0, -1], [1, 0]])


def test_covariances_may_relate_measured_values_beside_a_limit():
    S = np.tile(np.array([[0.04, 0.01, 0.0], [0.01, 0.09, 0.0], [0.0, 0.0, 0.01]]), (2, 1, 1))
    S[1, :2, 2] = S[1, 2, :2] = 0.001
    values, upper = np.arange(6.0).reshape(2, 3), np.array([[False, False, True], [False, False, False]])
    observations = Observations.with_limits(values, covariances=S, upper=upper)
    np.testing.assert_array_equal(observations.noise, S)
    with pytest.raises(InputError, match=r"`covariances` relates a limit to the noise of another value in row 1"):
        Observations.with_limits(values, covariances=S, upper=upper[::-1])


def test_an_object_of_limits_only_can_be_predicted_but_not_fitted():
    mixture, limit = GaussianMixture([1.0], [[-8.0]], [[[4.0]]]), Observations.with_limits([-9.0], [0.0], upper=[True])
    found, truth = denoise(mixture, limit), truncnorm(-np.inf, -0.5, -8.0, 2.0)
    assert found.means[0, 0] == pytest.approx(truth.mean(), rel=1e-10)
    assert found.covariances[0, 0, 0] == pytest.approx(truth.var(), rel=1e-9)
    with pytest.raises(InputError, match="every value of x1 is a limit or missing, which says nothing of its width"):
        XDGMM().fit(limit)


BAD = {
    "no mask": ({"upper": None, "lower": None}, "`upper` and `lower` are both missing"),
    "numbers": ({"upper": UPPER.astype(int)}, "`upper` is of type int64, but a mask is boolean"),
    "shape": ({"upper": UPPER[:, 0]}, r"`upper` has shape \(4,\), but `values` has shape \(4, 2\)"),
    "both": ({"lower": UPPER}, "`upper` and `lower` are both True in rows 0, 2"),
    "no value": ({"lower": np.isnan(VALUES)}, "a limit has no value in row 2"),
    "two": ({"lower": np.array([[True, False]] + [[False] * 2] * 3)}, "two values or more are limits in row 0"),
    "error": ({"standard_errors": np.where(UPPER, np.nan, ERRORS)}, "negative or NaN for a limit in rows 0, 2; give 0"),
    "sign": ({"standard_errors": np.where(UPPER, -1.0, ERRORS)}, "negative or NaN for a limit in rows 0, 2; give 0"),
    "no errors": ({"standard_errors": None}, "either `standard_errors` or `covariances`"),
    "two kinds": ({"covariances": np.tile(np.eye(2), (4, 1, 1))}, "either `standard_errors` or `covariances`"),
}


@pytest.mark.parametrize(("changes", "message"), BAD.values(), ids=BAD)
def test_bad_limits_are_refused_in_one_sentence(changes, message):
    with pytest.raises(InputError, match=message):
        some(**changes)
