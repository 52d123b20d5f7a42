"""Values may be any linear combinations of the coordinates, each object's its own."""

import numpy as np
import pytest
from astropy import units as u

from xdgmm import InputError, Observations, kernels
from xdgmm.basics.arrays import CHUNK

N, M, D = 6, 2, 3
RNG = np.random.default_rng(20)
VALUES = RNG.standard_normal((N, M))
ERRORS = RNG.uniform(0.1, 0.5, (N, M))
COVARIANCES = np.array([[[0.5, 0.2], [0.2, 0.3]]] * N) * RNG.uniform(0.5, 2.0, (N, 1, 1))
OWN = RNG.standard_normal((N, M, D))
COMMON = OWN[0]
MEAN = np.array([0.3, -0.2, 0.5])
V = np.array([[1.0, 0.3, 0.0], [0.3, 2.0, -0.4], [0.0, -0.4, 0.5]])


def constructors(projections, values=VALUES, **given):
    """The same projections through both constructors."""
    given["projections"] = projections
    yield lambda: Observations.with_standard_errors(values, ERRORS[: len(values), : values.shape[1]], **given)
    yield lambda: Observations.with_covariances(values, np.tile(np.eye(values.shape[1]), (len(values), 1, 1)), **given)


def refused(message, projections, **given):
    for construct in constructors(projections, **given):
        with pytest.raises(InputError, match=message):
            construct()


@pytest.mark.parametrize("projections", [COMMON, OWN], ids=["common", "own"])
def test_names_and_units_are_those_of_the_coordinates(projections):
    for construct in constructors(projections, names=["x", "y", "z"], units=["km", None, "s"]):
        obs = construct()
        assert (obs.n_dimensions, obs.n_measured, len(obs)) == (D, M, N)
        assert obs.names == ("x", "y", "z")
        assert obs.units == (u.km, None, u.s)
        assert obs.present.shape == obs.variances.shape == (N, M)
        assert obs.noise_covariances.shape == (N, M, M)
        assert obs.counts.all()


def test_names_are_made_up_for_every_coordinate():
    assert Observations.with_standard_errors(VALUES, ERRORS, projections=OWN).names == ("x1", "x2", "x3")


def test_without_projections_as_many_values_are_measured_as_there_are_coordinates():
    obs = Observations.exact(VALUES)
    assert obs.projections is None
    assert obs.n_measured == obs.n_dimensions == M


def test_variances_are_those_of_the_measured_columns():
    obs = Observations.with_covariances(VALUES, COVARIANCES, OWN)
    for column in range(M):
        np.testing.assert_array_equal(obs.variances_of(column), COVARIANCES[:, column, column])
        np.testing.assert_array_equal(obs.variances[:, column], COVARIANCES[:, column, column])


def test_there_may_be_more_values_than_coordinates():
    obs = Observations.with_standard_errors(VALUES, ERRORS, projections=[[1.0], [2.0]])
    assert (obs.n_dimensions, obs.n_measured) == (1, 2)


def test_one_value_of_each_object_needs_no_axis_of_its_own():
    obs = Observations.with_standard_errors(VALUES[:, 0], ERRORS[:, 0], projections=OWN[:, :1])
    assert (obs.n_dimensions, obs.n_measured) == (D, 1)


def test_projections_are_viewed_and_cannot_be_written_to():
    for projections in (COMMON.copy(), OWN):
        obs = Observations.with_standard_errors(VALUES, ERRORS, projections=projections)
        assert np.shares_memory(obs.projections, projections)
        assert projections.flags.writeable
        for derived in (obs, obs.select([0, 1]), obs.rescaled(np.zeros(D), np.ones(D))):
            with pytest.raises(ValueError, match="read-only"):
                derived.projections[0] = 1.0


@pytest.mark.parametrize("shape", [(), (D,), (M + 1, D), (N, M + 1, D), (N - 1, M, D), (M, 0), (1, N, M, D)])
def test_projections_of_another_shape_are_refused(shape):
    refused(r"`projections` has shape \(.*`values`.*\(6, 2\); \(2, D\) for all", np.ones(shape))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_projection_that_is_not_finite_is_refused_with_its_rows(bad):
    own = OWN.copy()
    own[[1, 4], 0, 2] = bad
    refused("`projections` is NaN or infinite .* rows 1, 4;", own)


def test_a_common_projection_that_is_not_finite_is_refused_with_the_rows_that_need_it():
    common, values = COMMON.copy(), VALUES.copy()
    common[1, 0] = np.nan
    values[[0, 1, 3, 5], 1] = np.nan
    refused("`projections` is NaN or infinite .* rows 2, 4;", common, values=values)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_the_projection_of_a_missing_value_is_of_no_consequence(bad, log_densities):
    own, values = OWN.copy(), VALUES.copy()
    own[2, 1], values[2, 1] = bad, np.nan
    obs = Observations.with_standard_errors(values, ERRORS, projections=own)
    assert np.isfinite(obs.projections).all()
    alone = Observations.with_standard_errors(values[2:3, :1], ERRORS[2:3, :1], projections=own[2:3, :1])
    scaled = obs.rescaled(np.ones(D), np.full(D, 2.0))
    np.testing.assert_array_equal(scaled.present, obs.present)
    np.testing.assert_array_equal(log_densities(obs, MEAN, V)[2:3], log_densities(alone, MEAN, V))


def test_a_masked_projection_is_none():
    own = np.ma.MaskedArray(OWN, np.zeros(OWN.shape, bool))
    own[3, 1, 1] = np.ma.masked
    refused("`projections` is NaN or infinite .* row 3;", own)


def test_an_infinite_error_makes_the_projection_of_its_value_inconsequential():
    own, errors = OWN.copy(), ERRORS.copy()
    own[2, 1], errors[2, 1] = np.nan, np.inf
    assert Observations.with_standard_errors(VALUES, errors, projections=own).present[2].tolist() == [True, False]


def test_an_object_that_sees_nothing_is_refused_with_its_row():
    own, values = OWN.copy(), VALUES.copy()
    own[1] = 0.0
    own[4, 0], values[4, 1] = 0.0, np.nan
    own[5], values[5] = 0.0, np.nan  # without any value: left out anyway
    refused("`projections` is zero .* rows 1, 4,", own, values=values)


def test_a_value_that_sees_nothing_beside_one_that_does_is_accepted():
    own = OWN.copy()
    own[:, 0] = 0.0
    assert Observations.with_standard_errors(VALUES, ERRORS, projections=own).n_objects == N


def test_common_projections_that_see_nothing_are_refused():
    refused(r"`projections` is zero .* rows 0, 1, 2, 3, 4, \.\.\. \(6 in all\)", np.zeros((M, D)))


def test_rows_are_counted_over_all_of_a_long_table():
    n = CHUNK + 3
    own = np.ones((n, 1, 2))
    own[[5, n - 2]] = np.nan
    with pytest.raises(InputError, match=f"rows 5, {n - 2};"):
        Observations.with_standard_errors(np.zeros(n), 1.0, projections=own)


def test_projections_are_plain_numbers():
    refused("`projections` holds strings", [["a"] * D] * M)
    refused("`projections` has the unit km, but plain numbers belong there; divide", COMMON * u.km)
    obs = Observations.with_standard_errors(VALUES, ERRORS, projections=COMMON * u.km / u.m)
    np.testing.assert_allclose(obs.projections, COMMON * 1000.0, rtol=1e-15)


def test_values_with_a_unit_give_it_to_all_coordinates():
    obs = Observations.with_standard_errors(VALUES * u.km, ERRORS * 1000 * u.m, projections=COMMON)
    assert obs.units == (u.km,) * D
    np.testing.assert_allclose(obs.noise, ERRORS, rtol=1e-15)
    obs = Observations.with_standard_errors(VALUES * u.km, ERRORS * u.km, projections=COMMON, units="m")
    assert obs.units == (u.m,) * D
    np.testing.assert_allclose(obs.values, VALUES * 1000, rtol=1e-15)
    with pytest.raises(InputError, match="one unit in every column"):
        Observations.with_standard_errors(VALUES * u.km, ERRORS, projections=COMMON, units=["km", "km", "s"])


@pytest.mark.parametrize("given", [{"names": ["a", "b"]}, {"units": ["km", "km"]}])
def test_names_and_units_of_the_values_are_refused(given):
    refused("has 2 entries, but there are 3 coordinates; give one for each", COMMON, **given)


def test_rows_are_selected_with_their_projections():
    for rows in ([0, 4], np.isin(np.arange(N), [0, 4])):
        own = Observations.with_standard_errors(VALUES, ERRORS, projections=OWN).select(rows)
        np.testing.assert_array_equal(own.projections, OWN[[0, 4]])
        common = Observations.with_standard_errors(VALUES, ERRORS, projections=COMMON).select(rows)
        np.testing.assert_array_equal(common.projections, COMMON)


@pytest.mark.parametrize("projections", [COMMON, OWN], ids=["common", "own"])
def test_other_units_of_the_coordinates_leave_the_density_of_the_values(projections, log_densities):
    obs = Observations.with_covariances(VALUES, COVARIANCES, projections, units=["km", None, "s"])
    other = obs.in_units(["m", "pc", None])
    assert other.units == (u.m, u.pc, u.s)
    assert other.values is obs.values
    factors = np.array([1000.0, 1.0, 1.0])
    # well-conditioned 2 x 2 solutions: some 1e2 roundings
    expected = log_densities(obs, MEAN, V)
    np.testing.assert_allclose(log_densities(other, MEAN * factors, V * np.outer(factors, factors)), expected, 1e-13)


@pytest.mark.parametrize("noise", [ERRORS, COVARIANCES], ids=["errors", "covariances"])
@pytest.mark.parametrize("projections", [COMMON, OWN], ids=["common", "own"])
def test_rescaling_changes_the_density_by_the_scale_of_the_values_alone(noise, projections, log_densities):
    construct = Observations.with_standard_errors if noise.ndim == 2 else Observations.with_covariances
    values = VALUES.copy()
    values[1, 0] = np.nan
    obs = construct(values, noise, projections=projections)
    location, scale, measured = np.array([1.0, -2.0, 3.0]), np.array([2.0, 0.5, 3.0]), np.array([4.0, 0.3])
    other = obs.rescaled(location, scale, measured)
    jacobian = obs.present @ np.log(measured)
    found = log_densities(other, (MEAN - location) / scale, V / np.outer(scale, scale))
    # w - R location cancels one digit, 2 x 2 solutions of condition below 1e2
    np.testing.assert_allclose(found, log_densities(obs, MEAN, V) + jacobian, rtol=0, atol=1e-12)
    assert other.units == (None,) * D


def test_projections_onto_the_axes_are_missing_values(log_densities):
    full = np.where(np.eye(D)[np.arange(N) % D].astype(bool), RNG.standard_normal((N, D)), np.nan)
    plain = Observations.with_standard_errors(full, 0.3)
    seen = np.nanmax(full, axis=1)[:, None]
    projected = Observations.with_standard_errors(seen, 0.3, projections=np.eye(D)[np.arange(N) % D][:, None, :])
    np.testing.assert_allclose(log_densities(projected, MEAN, V), log_densities(plain, MEAN, V), rtol=1e-14)


def test_the_representation_says_that_values_are_projections():
    obs = Observations.with_standard_errors(VALUES, ERRORS, names=["x", "y", "z"], projections=OWN)
    assert (
        repr(obs) == "<Observations: 6 objects, x, y, z, 1-sigma errors, through projections of 3 coordinates onto 2>"
    )


@pytest.mark.parametrize("noise", [ERRORS, COVARIANCES], ids=["errors", "covariances"])
@pytest.mark.parametrize("projections", [COMMON, OWN], ids=["common", "own"])
def test_packed_projections_have_the_densities_of_the_definition(noise, projections, log_densities):
    construct = Observations.with_standard_errors if noise.ndim == 2 else Observations.with_covariances
    values = VALUES.copy()
    values[1, 0] = np.nan
    obs = construct(values, noise, projections=projections)
    location, scale, measured = np.array([1.0, -2.0, 3.0]), np.array([2.0, 0.5, 4.0]), np.array([4.0, 0.25])
    blocks = obs.pack(location, scale, measured_scale=measured)
    model = np.ones(1), ((MEAN - location) / scale)[None], (V / np.outer(scale, scale))[None]
    expected = log_densities(obs, MEAN, V) + obs.present @ np.log(measured)
    np.testing.assert_allclose(kernels.log_likelihoods(blocks, *model), expected, rtol=0, atol=1e-12)


def test_packed_observations_carry_a_background():
    obs = Observations.with_standard_errors(VALUES, ERRORS)
    blocks = obs.pack(background=np.full(N, -np.log(100.0)))
    # a background of weight one has its density, whatever the Gaussian
    found = kernels.log_likelihoods(blocks, np.array([0.0, 1.0]), np.zeros((1, M)), np.eye(M)[None])
    np.testing.assert_allclose(found, -np.log(100.0), rtol=1e-14)
