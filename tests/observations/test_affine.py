"""Linear combinations of what was measured are observations too, with the noise that they then have."""

import numpy as np
import pytest
from astropy import units as u
from hypothesis import given
from hypothesis import strategies as st

from xdgmm import InputError, Observations

N, D = 8, 3
RNG = np.random.default_rng(21)
VALUES = RNG.standard_normal((N, D))
ERRORS = RNG.uniform(0.1, 0.5, (N, D))
ROOTS = RNG.standard_normal((N, D, D))
COVARIANCES = ROOTS @ ROOTS.transpose(0, 2, 1)
COVARIANCES = (COVARIANCES + COVARIANCES.transpose(0, 2, 1)) / 2
MEAN = np.array([0.3, -0.2, 0.5])
V = np.array([[1.0, 0.3, 0.0], [0.3, 2.0, -0.4], [0.0, -0.4, 0.5]])
A = np.array([[1.0, -1.0, 0.0], [0.5, 0.5, 1.0], [0.0, 2.0, -1.0]])
B = np.array([1.0, -2.0, 3.0])
COLOURS = np.array([[1.0, -1.0, 0.0], [0.0, 1.0, -1.0], [0.0, 1.0, 0.0]])


def observed(**given):
    """Three forms of noise, two of projections: everything that can be transformed."""
    own = np.random.default_rng(22).standard_normal((N, 2, D))
    yield Observations.exact(VALUES, **given)
    yield Observations.with_standard_errors(VALUES, ERRORS, **given)
    yield Observations.with_covariances(VALUES, COVARIANCES, **given)
    yield Observations.with_standard_errors(VALUES[:, :2], ERRORS[:, :2], projections=own, **given)
    yield Observations.with_standard_errors(VALUES[:, :2], ERRORS[:, :2], projections=own[0], **given)


def test_the_densities_of_an_invertible_map_differ_by_its_determinant(log_densities):
    mean, covariance = A @ MEAN + B, A @ V @ A.T
    for obs in observed():
        jacobian = 0.0 if obs.projections is not None else np.linalg.slogdet(A)[1]
        found = log_densities(obs.transform(A, B), mean, covariance)
        # conditions below 1e3, and densities of order ten
        np.testing.assert_allclose(found, log_densities(obs, MEAN, V) - jacobian, rtol=0, atol=1e-11)


def test_a_map_of_another_determinant_would_be_noticed(log_densities):
    obs = Observations.exact(VALUES)
    found = log_densities(obs.transform(1.001 * A, B), A @ MEAN + B, A @ V @ A.T)
    assert np.abs(found - log_densities(obs, MEAN, V) + np.linalg.slogdet(A)[1]).max() > 1e-4


@pytest.mark.parametrize("singular", [[[1.0, 1.0, 0.0], [1.0, 1.0, 0.0]], [[1.0, 2.0, 3.0]], np.ones((4, 3))])
def test_noise_becomes_that_of_the_results(singular):
    singular = np.array(singular)
    for obs in list(observed())[:3]:
        found = obs.transform(singular, 2.0)
        # sums of three products of order one
        np.testing.assert_allclose(found.values, VALUES @ singular.T + 2.0, rtol=1e-14, atol=1e-14)
        expected = np.einsum("ai,nij,bj->nab", singular, obs.noise_covariances, singular)
        np.testing.assert_allclose(found.noise_covariances, expected, rtol=1e-13, atol=1e-14)


def test_exact_values_stay_exact():
    assert Observations.exact(VALUES).transform(A).noise is None


@given(st.integers(0, 1000))
def test_covariances_are_exactly_symmetric(seed):
    matrix = np.random.default_rng(seed).standard_normal((4, D)) * 10.0 ** np.random.default_rng(seed).integers(-9, 9)
    for obs in list(observed())[1:3]:
        noise = obs.transform(matrix).noise
        np.testing.assert_array_equal(noise, noise.transpose(0, 2, 1))
        Observations.with_covariances(np.zeros((N, 4)), noise)  # semi-definite, or it were refused


def test_long_tables_are_transformed_row_by_row(monkeypatch):
    values = VALUES.copy()
    values[3, 1] = np.nan
    obs = Observations.with_covariances(values, COVARIANCES)
    whole = obs.transform(A, B)
    monkeypatch.setattr("xdgmm.kernels.noise.CHUNK", 3)
    np.testing.assert_array_equal(obs.transform(A, B).noise, whole.noise)


def test_magnitudes_become_colours():
    # by hand: var(g - r) = var g + var r, cov(g - r, r - i) = -var r, cov(g - r, r) = -var r, cov(r - i, r) = var r
    obs = Observations.with_standard_errors(
        [[20.25, 19.5, 19.25]], [[0.5, 0.25, 1.0]], names=["g", "r", "i"], units=[u.ABmag] * 3
    )
    colours = obs.transform(COLOURS, names=["g-r", "r-i", "r"])
    assert colours.values.tolist() == [[0.75, 0.25, 19.5]]
    assert colours.noise[0].tolist() == [
        [0.3125, -0.0625, -0.0625],
        [-0.0625, 1.0625, 0.0625],
        [-0.0625, 0.0625, 0.0625],
    ]
    assert colours.units == (u.mag, u.mag, u.ABmag)
    assert colours.names == ("g-r", "r-i", "r")


def test_two_maps_one_after_the_other_are_their_product():
    other = RNG.standard_normal((D, D))
    for obs in observed():
        one = obs.transform(A, B).transform(other, 1.0)
        both = obs.transform(other @ A, other @ B + 1.0)
        # conditions below 1e2, numbers of order ten
        np.testing.assert_allclose(one.values, both.values, rtol=0, atol=1e-12)
        np.testing.assert_allclose(one.noise_covariances, both.noise_covariances, rtol=0, atol=1e-12)
        if obs.projections is not None:
            np.testing.assert_allclose(one.projections, both.projections, rtol=0, atol=1e-12)


def test_the_inverse_map_leads_back():
    back = np.linalg.inv(A)
    for obs in observed():
        again = obs.transform(A, B).transform(back, -back @ B)
        np.testing.assert_allclose(again.values, obs.values, rtol=0, atol=1e-13)
        np.testing.assert_allclose(again.noise_covariances, obs.noise_covariances, rtol=0, atol=1e-12)
        if obs.projections is not None:
            np.testing.assert_allclose(again.projections, obs.projections, rtol=0, atol=1e-13)


def test_the_identity_changes_no_bit_of_the_values():
    for obs in observed(names=["a", "b", "c"], units=["km", None, "s"]):
        same = obs.transform(np.eye(D))
        np.testing.assert_array_equal(same.values, obs.values)
        assert (same.names, same.units) == (obs.names, obs.units)


def test_what_needs_a_missing_value_is_missing():
    values, errors = VALUES.copy(), ERRORS.copy()
    values[0, 0] = values[1, 1] = values[2, 2] = np.nan
    errors[0, 0] = np.nan  # under a missing value nothing matters
    covariances = COVARIANCES.copy()
    covariances[0, 0] = covariances[0, :, 0] = np.nan
    obs = Observations.with_standard_errors(values, errors), Observations.with_covariances(values, covariances)
    for transformed in (one.transform(COLOURS) for one in obs):
        missing = [[True, False, False], [True, True, True], [False, True, False]]
        np.testing.assert_array_equal(~transformed.present[:3], missing)
        assert transformed.present[3:].all()
        assert np.isfinite(transformed.noise).all()


def test_a_result_of_present_values_is_that_of_complete_observations():
    values = VALUES.copy()
    values[:, 0] = np.nan
    some = Observations.with_covariances(values, COVARIANCES).transform(COLOURS)
    whole = Observations.with_covariances(VALUES, COVARIANCES).transform(COLOURS)
    np.testing.assert_array_equal(some.values[:, 1:], whole.values[:, 1:])
    # sums of at most nine products of order ten, with zeros in other places
    np.testing.assert_allclose(some.noise[:, 1:, 1:], whole.noise[:, 1:, 1:], rtol=0, atol=1e-14)


def test_missing_projected_values_stay_missing():
    values = VALUES[:, :1].copy()
    values[4] = np.nan
    obs = Observations.with_standard_errors(values, 0.5, projections=np.ones((N, 1, D)))
    np.testing.assert_array_equal(obs.transform(A, B).present, obs.present)


def test_objects_of_which_nothing_is_left_are_said():
    values = VALUES.copy()
    values[[1, 2], 1] = np.nan
    obs = Observations.exact(values).with_remarks("before").transform(COLOURS)
    assert obs.n_objects == N - 2
    assert obs.remarks == ("before", "2 objects without any transformed value left out")
    values[:, 1] = np.nan
    with pytest.raises(InputError, match=r"`matrix`.*missing"):
        Observations.exact(values).transform(COLOURS)


def test_weights_and_remarks_are_carried():
    for obs in observed(weights=np.arange(N) + 1.0):
        transformed = obs.with_remarks("one").transform(A)
        np.testing.assert_array_equal(transformed.weights, obs.weights)
        assert transformed.remarks == ("one",)


def test_the_results_cannot_be_written_to():
    for obs in observed():
        with pytest.raises(ValueError, match="read-only"):
            obs.transform(A).values[0] = 1.0


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ([[0, 0, 1], [1, 0, 0]], ("c", "a")),
        ([[1, -1, 0], [0, 1, -1], [0, 1, 0]], ("x1", "x2", "b")),
        ([[1, 0, 0], [1, 0, 0]], ("a", "x2")),
        ([[2, 0, 0], [-1, 0, 0]], ("x1", "x2")),
    ],
)
def test_rows_that_pick_a_coordinate_keep_its_name(matrix, expected):
    assert Observations.exact(VALUES, names=["a", "b", "c"]).transform(matrix).names == expected


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ([[1, 1, 0], [1, 0, 0], [0, 1, 1]], ("x2", "x1", "x3")),
        ([[1, 1, 0], [0, 1, 1], [1, 0, 0], [0, 1, 0]], ("x3", "x4", "x1", "x2")),
        ([[1, 0, 0], [1, 0, 0], [1, 0, 0]], ("x1", "x2", "x3")),
    ],
)
def test_made_up_names_are_different_from_all_others(matrix, expected):
    found = Observations.exact(VALUES).transform(matrix).names
    assert found == expected
    assert len(set(found)) == len(matrix)


MAG, AB = u.mag, u.ABmag
ROWS = [[0, 1, 0], [1 / 3, 1 / 3, 1 / 3], [1, -1, 0], [0, 2, 0], [0, 0, -1]]


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        ([None] * 3, (None,) * 5),
        (["km"] * 3, (u.km,) * 5),
        ([AB] * 3, (AB, AB, MAG, MAG, MAG)),
        (["km", "s", None], (u.s, None, None, None, None)),
        (["km", "km", "m"], (u.km, None, None, None, None)),
    ],
)
def test_units_follow_from_the_rows(units, expected):
    assert Observations.exact(VALUES, units=units).transform(ROWS).units == expected


def test_names_and_units_that_are_given_are_taken():
    obs = Observations.exact(VALUES, units="km").transform(A[:2], names=["p", "q"], units=["km", "pc"])
    assert obs.names == ("p", "q")
    assert obs.units == (u.km, u.pc)


def test_an_offset_with_a_unit_is_converted():
    obs = Observations.exact(VALUES, units="km")
    expected = obs.transform(A, B)
    np.testing.assert_allclose(obs.transform(A, B * 1000 * u.m).values, expected.values, rtol=1e-14)
    with pytest.raises(InputError, match=r"`offset`.*unit m\b"):
        Observations.exact(VALUES).transform(A, B * u.m)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((A[0],), r"`matrix`.*\(3,\).*a, b, c"),
        ((A[:, :2],), r"`matrix`.*\(3, 2\)"),
        ((np.empty((0, 3)),), r"`matrix`.*\(0, 3\)"),
        ((A * np.nan,), "`matrix` holds NaN or infinity"),
        ((A * [[1], [0], [1]],), "`matrix` is zero in row 1,"),
        ((A * u.km,), "`matrix`.*unit km"),
        (([["a", "b", "c"]],), "`matrix` holds strings"),
        ((A, B[:2]), r"`offset`.*\(2,\).*`matrix` has 3"),
        ((A, np.inf), "`offset` holds NaN or infinity"),
        ((A, "1"), "`offset` holds strings"),
        ((A, None, ["p"]), "`names` has 1 .*3 rows"),
        ((A, None, ["p", "p", "q"]), "`names` repeats"),
        ((A, None, None, ["km"]), "`units` has 1 .*3 rows"),
        ((A, None, None, "parsnip"), "`units`.*astropy"),
    ],
)
def test_what_is_no_map_is_refused(arguments, message):
    for obs in observed(names=["a", "b", "c"]):
        with pytest.raises(InputError, match=message):
            obs.transform(*arguments)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (A[:2], r"`matrix`.*\(2, 3\).*square"),
        (np.vstack([A, A]), r"`matrix`.*\(6, 3\).*square"),
        (np.ones((3, 3)), "`matrix` is singular.*invertible"),
        (np.array([[1.0, 2.0, 0.0]] * 3) * [[1], [1e9], [1e-9]], "`matrix` is singular"),
    ],
)
def test_projections_need_an_invertible_map(matrix, message):
    for obs in list(observed())[3:]:
        with pytest.raises(InputError, match=message):
            obs.transform(matrix)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_units_do_not_decide_what_is_singular(scale):
    for obs in list(observed())[3:]:
        again = obs.transform(A * [[1.0], [scale], [1.0]]).transform(np.linalg.inv(A) * [1.0, 1 / scale, 1.0])
        np.testing.assert_allclose(again.projections, obs.projections, rtol=0, atol=1e-12)
