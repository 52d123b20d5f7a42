"""What can be measured is accepted as it is; what cannot is refused in one sentence that says where and what to do."""

import numpy as np
import pytest
from astropy import units as u
from astropy.table import MaskedColumn, QTable, Table
from astropy.utils.masked import Masked

import xdgmm.observations
from xdgmm import InputError, Observations, kernels
from xdgmm.errors import XdgmmDeprecationWarning
from xdgmm.fitting import fit

VALUES = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
ERRORS = np.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])
COVARIANCES = np.array([[[1.0, 0.5], [0.5, 2.0]]] * 3)


def everyone(**given):
    """The same arguments through every constructor: one set of checks serves all."""
    values = given.pop("values", VALUES)
    shape = np.shape(getattr(values, "value", values))
    n, d = shape[0], shape[1] if len(shape) > 1 else 1
    yield lambda: Observations.exact(values, **given)
    yield lambda: Observations.with_standard_errors(values, np.ones(shape), **given)
    yield lambda: Observations.with_covariances(values, np.tile(np.eye(d), (n, 1, 1)), **given)


def refused(message, **given):
    for construct in everyone(**given):
        with pytest.raises(InputError, match=message):
            construct()


def test_exact_values_are_held_as_they_are():
    obs = Observations.exact(VALUES)
    np.testing.assert_array_equal(obs.values, VALUES)
    assert obs.noise is None
    assert obs.weights is None
    assert obs.names == ("x1", "x2")
    assert obs.units == (None, None)
    assert obs.remarks == ()
    assert len(obs) == obs.n_objects == obs.total_weight == 3
    assert obs.n_dimensions == 2
    np.testing.assert_array_equal(obs.noise_covariances, np.zeros((3, 2, 2)))


def test_standard_errors_are_one_sigma():
    obs = Observations.with_standard_errors(VALUES, ERRORS)
    np.testing.assert_array_equal(obs.noise, ERRORS)
    np.testing.assert_array_equal(obs.variances, ERRORS**2)
    np.testing.assert_array_equal(obs.noise_covariances[1], np.diag(ERRORS[1] ** 2))


def test_covariances_are_covariances():
    obs = Observations.with_covariances(VALUES, COVARIANCES)
    np.testing.assert_array_equal(obs.noise_covariances, COVARIANCES)
    np.testing.assert_array_equal(obs.variances, [[1.0, 2.0]] * 3)


def test_the_same_noise_given_in_two_forms_is_the_same_noise():
    one = Observations.with_standard_errors(VALUES, ERRORS)
    other = Observations.with_covariances(VALUES, one.noise_covariances)
    mixture = np.ones(1), np.zeros((1, 2)), np.array([[[2.0, 0.5], [0.5, 1.0]]])
    sums = [vars(obs.pack().accumulate_with_information(*mixture)).values() for obs in (one, other)]
    for mine, its in zip(*sums, strict=True):  # three objects, two ways through the same elimination
        if mine is not None:
            np.testing.assert_allclose(mine, its, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize(
    "values", [[1, 2, 3], (1.0, 2.0, 3.0), np.array([1, 2, 3]), np.float32([1, 2, 3]), range(1, 4)]
)
def test_one_dimension_may_be_given_without_its_axis(values):
    assert Observations.exact(values).values.tolist() == [[1.0], [2.0], [3.0]]
    assert Observations.with_standard_errors(values, [4, 5, 6]).noise.tolist() == [[4.0], [5.0], [6.0]]
    assert Observations.exact(values).values.dtype == np.float64


def test_one_error_serves_for_all():
    np.testing.assert_array_equal(Observations.with_standard_errors(VALUES, 0.5).noise, np.full((3, 2), 0.5))
    np.testing.assert_array_equal(
        Observations.with_standard_errors(VALUES * u.km, 500 * u.m).noise, np.full((3, 2), 0.5)
    )


def test_an_error_of_zero_means_exact():
    obs = Observations.with_standard_errors([1.0, 2.0], [0.0, 1.0])
    assert obs.variances.tolist() == [[0.0], [1.0]]


def test_the_arrays_cannot_be_written_to():
    obs = Observations.with_covariances(VALUES, COVARIANCES, weights=[1.0, 2.0, 3.0])
    for array in (obs.values, obs.noise, obs.weights):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 7.0


def test_the_observations_cannot_be_changed():
    with pytest.raises(AttributeError):
        Observations.exact(VALUES).values = VALUES


def test_contiguous_float64_is_viewed_and_not_copied():
    weights = np.ones(3)
    one = Observations.with_standard_errors(VALUES, ERRORS, weights=weights)
    assert np.shares_memory(one.values, VALUES)
    assert np.shares_memory(one.noise, ERRORS)
    assert np.shares_memory(one.weights, weights)
    assert np.shares_memory(Observations.with_covariances(VALUES, COVARIANCES).noise, COVARIANCES)
    column = np.arange(3.0)
    assert np.shares_memory(Observations.with_standard_errors(column, column).noise, column)


@pytest.mark.parametrize(
    "change", [np.asfortranarray, lambda a: a.astype(np.float32), lambda a: np.repeat(a, 2, 0)[::2]]
)
def test_other_layouts_are_copied_into_the_usual_one(change):
    obs = Observations.exact(change(VALUES))
    np.testing.assert_array_equal(obs.values, VALUES)
    assert obs.values.flags.c_contiguous
    assert obs.values.dtype == np.float64


def test_the_byte_order_of_a_fits_file_is_turned():
    obs = Observations.exact(VALUES.astype(">f8"))
    assert obs.values.dtype.isnative
    np.testing.assert_array_equal(obs.values, VALUES)


def test_the_callers_arrays_are_never_modified():
    values, errors = np.array([[1.0, np.nan], [3.0, 4.0]]), np.array([[np.inf, np.nan], [1.0, 2.0]])
    weights = np.array([1.0, 2.0])
    before = [array.copy() for array in (values, errors, weights)]
    obs = Observations.with_standard_errors(values, errors, weights=weights)
    obs.pack()
    obs.rescaled(np.ones(2), np.full(2, 2.0))
    obs.select([0])
    for array, copy in zip((values, errors, weights), before, strict=True):
        np.testing.assert_array_equal(array, copy)
        assert array.flags.writeable


def test_nan_means_missing():
    obs = Observations.exact([[np.nan, 1.0], [2.0, np.nan], [3.0, 4.0]])
    np.testing.assert_array_equal(obs.present, [[False, True], [True, False], [True, True]])
    assert obs.n_objects == 3


def test_a_row_without_any_value_is_left_out_and_said_so():
    obs = Observations.exact([[np.nan, np.nan], [2.0, np.nan], [3.0, 4.0]])
    assert (len(obs), obs.n_objects, obs.total_weight) == (3, 2, 2.0)
    np.testing.assert_array_equal(obs.counts, [False, True, True])
    assert obs.remarks == ("1 row without any value left out",)
    two = Observations.exact([np.nan, np.nan, 1.0])
    assert two.remarks == ("2 rows without any value left out",)


def test_an_object_of_weight_zero_does_not_count():
    obs = Observations.exact(VALUES, weights=[1.0, 0.0, 2.5])
    assert (obs.n_objects, obs.total_weight) == (2, 3.5)
    np.testing.assert_array_equal(obs.counts, [True, False, True])


def test_the_weight_of_a_row_without_value_does_not_count():
    assert Observations.exact([np.nan, 1.0], weights=[5.0, 2.0]).total_weight == 2.0


@pytest.mark.parametrize("masked", [np.ma.MaskedArray, lambda data, mask: Masked(data, mask=mask)])
def test_masked_values_are_missing(masked):
    mask = np.array([[True, False], [False, False], [False, True]])
    obs = Observations.exact(masked(VALUES.copy(), mask))
    np.testing.assert_array_equal(obs.present, ~mask)
    np.testing.assert_array_equal(obs.values[~mask], VALUES[~mask])


def test_what_lies_under_a_mask_is_of_no_consequence():
    values = np.ma.MaskedArray([np.inf, 1.0, 2.0], [True, False, False])
    errors = np.ma.MaskedArray([-1.0, 0.5, 0.5], [True, False, False])
    np.testing.assert_array_equal(Observations.with_standard_errors(values, errors).present[:, 0], [False, True, True])


def test_masked_integers_are_missing():
    np.testing.assert_array_equal(
        Observations.exact(np.ma.MaskedArray([1, 2, 3], [False, True, False])).values[:, 0], [1.0, np.nan, 3.0]
    )


def test_a_masked_quantity_keeps_its_unit():
    obs = Observations.exact(Masked([1.0, 2.0] * u.km, mask=[False, True]))
    np.testing.assert_array_equal(obs.values[:, 0], [1.0, np.nan])
    assert obs.units == (u.km,)


def test_a_masked_column_of_a_table_is_taken_as_it_is():
    column = MaskedColumn([1.0, 2.0, 3.0], mask=[False, True, False], unit="km")
    obs = Observations.exact(column)
    np.testing.assert_array_equal(obs.values[:, 0], [1.0, np.nan, 3.0])
    assert obs.units == (u.km,)


@pytest.mark.parametrize("table", [Table, QTable])
def test_columns_of_a_table_with_units_are_converted(table):
    stars = table({"v": [1.0, 2.0] * u.km / u.s, "e": [100.0, 200.0] * u.m / u.s})
    obs = Observations.with_standard_errors(stars["v"], stars["e"])
    np.testing.assert_allclose(obs.noise[:, 0], [0.1, 0.2], rtol=1e-15)
    assert obs.units == (u.km / u.s,)


def test_a_masked_error_of_a_present_value_is_refused():
    with pytest.raises(InputError, match=r"`standard_errors`.* row 1;"):
        Observations.with_standard_errors([1.0, 2.0], np.ma.MaskedArray([1.0, 1.0], [False, True]))


def test_an_infinite_error_means_a_missing_value_and_is_counted():
    obs = Observations.with_standard_errors(VALUES, [[np.inf, 0.2], [0.3, 0.4], [0.5, np.inf]])
    np.testing.assert_array_equal(obs.present, [[False, True], [True, True], [True, False]])
    assert obs.remarks == ("2 values with an infinite error count as missing",)
    one = Observations.with_standard_errors([1.0, 2.0], [np.inf, 1.0])
    assert one.remarks[0] == "1 value with an infinite error counts as missing"
    assert one.n_objects == 1


def test_an_error_too_large_to_be_squared_is_infinite():
    obs = Observations.with_standard_errors([1.0, 2.0, 3.0], [0.1, 1e155, 1e300])
    assert obs.remarks[0] == "2 values with an infinite error count as missing"
    assert np.isfinite(obs.variances[obs.present]).all()


def test_an_infinite_variance_means_a_missing_value_and_is_counted():
    covariances = COVARIANCES.copy()
    covariances[1] = [[np.inf, np.nan], [np.nan, 2.0]]
    covariances[2] = [[1.0, np.inf], [np.inf, np.inf]]
    obs = Observations.with_covariances(VALUES, covariances)
    np.testing.assert_array_equal(obs.present, [[True, True], [False, True], [True, False]])
    assert obs.remarks == ("2 values with an infinite error count as missing",)
    sums = kernels.accumulate(obs.pack(), np.ones(1), np.zeros((1, 2)), np.eye(2)[None])
    assert np.isfinite(sums.log_likelihood)


def test_an_infinite_error_of_a_missing_value_is_not_counted():
    assert Observations.with_standard_errors([np.nan, 2.0, 3.0], [np.inf, 1.0, 1.0]).remarks == (
        "1 row without any value left out",
    )


@pytest.mark.parametrize("error", [np.nan, -1.0, -np.inf])
def test_the_error_of_a_missing_value_is_of_no_consequence(error):
    obs = Observations.with_standard_errors([np.nan, 2.0], [error, 1.0])
    assert kernels.accumulate(obs.pack(), np.ones(1), np.zeros((1, 1)), np.ones((1, 1, 1))).n_members == [1.0]


def test_the_covariance_of_a_missing_value_is_of_no_consequence():
    covariances = COVARIANCES.copy()
    covariances[0] = [[np.nan, -7.0], [9.0, 2.0]]
    obs = Observations.with_covariances([[np.nan, 1.0], [1.0, 1.0], [2.0, 3.0]], covariances)
    sums = kernels.accumulate(obs.pack(), np.ones(1), np.zeros((1, 2)), np.eye(2)[None])
    assert np.isfinite(sums.log_likelihood)


@pytest.mark.parametrize("infinity", [np.inf, -np.inf])
def test_infinite_values_are_refused(infinity):
    values = VALUES.copy()
    values[1, 0] = infinity
    refused(r"`values` is infinite in row 1; use NaN or a mask for missing values", values=values)


def test_a_message_on_values_names_the_column_where_columns_have_names():
    values = np.ones((4, 2))
    values[[1, 3], 1] = np.inf
    with pytest.raises(InputError, match="column 'b' is infinite in rows 1, 3;"):
        Observations.exact(values, names=["a", "b"])
    with pytest.raises(InputError, match="`values` is infinite in rows 1, 3;"):
        Observations.with_standard_errors(values, 1.0, names=["x", "y", "z"], projections=np.ones((2, 3)))


@pytest.mark.parametrize("value", [1e155, -1e300])
def test_a_value_too_large_to_be_squared_is_refused(value):
    with pytest.raises(InputError, match=r"`values`.* 1e\+150 in row 1; .*NaN or a mask"):
        Observations.with_standard_errors([1.0, value], 1.0)


def test_a_message_lists_the_first_rows_and_how_many_there_are():
    values = np.ones(20)
    values[[3, 4, 6, 7, 11, 12, 19]] = np.inf
    with pytest.raises(InputError, match=r"rows 3, 4, 6, 7, 11, \.\.\. \(7 in all\)"):
        Observations.exact(values)
    values[:] = np.where(np.isin(np.arange(20), [2, 5]), np.inf, 1.0)
    with pytest.raises(InputError, match=r"rows 2, 5;"):
        Observations.exact(values)


@pytest.mark.parametrize("bad", [-0.1, np.nan, -np.inf])
def test_a_negative_or_unknown_error_is_refused(bad):
    errors = ERRORS.copy()
    errors[2, 1] = bad
    with pytest.raises(InputError, match=r"`standard_errors`.* row 2;"):
        Observations.with_standard_errors(VALUES, errors)


def test_one_negative_error_for_all_is_refused():
    with pytest.raises(InputError, match=r"`standard_errors`.* rows 0, 1, 2;"):
        Observations.with_standard_errors(VALUES, -1.0)


def test_all_missing_is_refused():
    refused("every value is missing", values=np.full((3, 2), np.nan))


def test_a_column_without_any_value_can_be_judged_but_not_fitted():
    values = VALUES.copy()
    values[:, 1] = np.nan
    observations = Observations.exact(values, names=["v", "colour"])
    assert observations.n_objects == len(VALUES)
    with pytest.raises(InputError, match="colour is missing"):
        fit(observations)


def test_infinite_errors_are_blamed_where_they_alone_leave_nothing_to_fit():
    with pytest.raises(InputError, match=r"infinite error.*check the errors"):
        Observations.with_standard_errors([1.0, 2.0], np.inf)


@pytest.mark.parametrize("values", [[], np.empty((0, 2)), np.empty((3, 0)), [[]]])
def test_an_empty_array_is_refused(values):
    with pytest.raises(InputError, match="`values` is empty"):
        Observations.exact(values)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1.0", "2.0"], "strings"),
        ([b"1.0", b"2.0"], "strings"),
        ([True, False], "booleans"),
        ([1j, 2.0], "complex numbers"),
        (np.array(["2020-01-01"], "M8[D]"), "dates"),
        ([None, 1.0], "values of type object"),
        ([{}, []], "numbers|ragged"),
        ("12", "strings"),
        (None, "values of type object"),
    ],
)
def test_what_is_not_a_number_is_refused(values, kind):
    with pytest.raises(InputError, match=kind):
        Observations.exact(values)


@pytest.mark.parametrize(
    ("name", "construct"),
    [
        ("standard_errors", lambda: Observations.with_standard_errors([1.0, 2.0], ["a", "b"])),
        ("covariances", lambda: Observations.with_covariances([1.0, 2.0], ["a", "b"])),
        ("weights", lambda: Observations.exact([1.0, 2.0], weights=["a", "b"])),
    ],
)
def test_the_argument_that_holds_strings_is_named(name, construct):
    with pytest.raises(InputError, match=f"`{name}` holds strings"):
        construct()


def test_ragged_rows_are_refused():
    with pytest.raises(InputError, match="`values` is ragged"):
        Observations.exact([[1.0, 2.0], [3.0]])


@pytest.mark.parametrize("values", [1.0, np.ones((2, 2, 2)), np.float64(3.0)])
def test_values_need_one_row_per_object(values):
    with pytest.raises(InputError, match=r"`values` has shape .*row per object"):
        Observations.exact(values)


@pytest.mark.parametrize("shape", [(2,), (4,), (2, 3), (3, 1), (1, 2), (3, 3), (3, 2, 2)])
def test_standard_errors_of_another_shape_are_refused(shape):
    with pytest.raises(InputError, match=r"`standard_errors` has shape \(.*`values`.*\(3, 2\)"):
        Observations.with_standard_errors(VALUES, np.ones(shape))


@pytest.mark.parametrize("shape", [(), (3,), (2, 2), (3, 2), (2, 2, 2), (3, 3, 3), (1, 2, 2), (3, 2, 2, 1)])
def test_covariances_of_another_shape_are_refused(shape):
    with pytest.raises(InputError, match=r"`covariances` has shape \(.*\(3, 2, 2\)"):
        Observations.with_covariances(VALUES, np.ones(shape))


def test_a_covariance_that_is_not_symmetric_is_refused_with_its_row():
    covariances = COVARIANCES.copy()
    covariances[2, 0, 1] = 0.4
    with pytest.raises(InputError, match=r"`covariances` is not symmetric in row 2;"):
        Observations.with_covariances(VALUES, covariances)


@pytest.mark.parametrize(
    "matrix",
    [[[1.0, 2.0], [2.0, 1.0]], [[-1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 1.0]], [[0.0, 1e-3], [1e-3, 0.0]]],
)
def test_a_covariance_that_is_not_positive_semidefinite_is_refused_with_its_row(matrix):
    covariances = COVARIANCES.copy()
    covariances[1] = matrix
    with pytest.raises(InputError, match=r"`covariances` is not positive semi-definite in row 1;"):
        Observations.with_covariances(VALUES, covariances)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_covariance_with_an_element_that_is_not_finite_is_refused_with_its_row(bad):
    covariances = COVARIANCES.copy()
    covariances[0, 0, 1] = covariances[0, 1, 0] = bad
    with pytest.raises(InputError, match=r"`covariances` is NaN or infinite .* row 0;"):
        Observations.with_covariances(VALUES, covariances)


@pytest.mark.parametrize("scale", [1e-60, 1.0, 1e60])
def test_what_is_not_a_covariance_is_so_in_any_unit(scale):
    for matrix, what in (([[1, 2], [2, 1]], "semi-definite"), ([[1, 0.5], [0.4, 1]], "symmetric")):
        with pytest.raises(InputError, match=what):
            Observations.with_covariances(VALUES, np.array([matrix] * 3) * scale)


@pytest.mark.parametrize("scale", [1e-60, 1.0, 1e60])
def test_singular_covariances_are_covariances(scale):
    singular = np.array([[[1.0, 1.0], [1.0, 1.0]], [[0.0, 0.0], [0.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]]]) * scale
    np.testing.assert_array_equal(Observations.with_covariances(VALUES, singular).noise, singular)


def test_a_covariance_that_is_symmetric_to_rounding_is_accepted():
    rng = np.random.default_rng(1)
    factor = rng.standard_normal((3, 2, 2))
    rough = np.einsum("nij,nkj->nik", factor, factor)
    rough[:, 0, 1] *= 1 + 1e-15
    Observations.with_covariances(VALUES, rough)


@pytest.mark.parametrize("sign", [1, -1])
def test_correlations_of_one_in_single_precision_are_accepted_and_corrected(sign):
    rng = np.random.default_rng(2)
    errors = rng.lognormal(0, 1, (500, 2))
    covariances = errors[:, :, None] * errors[:, None, :]
    covariances[:, 0, 1] = covariances[:, 1, 0] = sign * covariances[:, 0, 1]
    single = covariances.astype(np.float32)
    assert (np.linalg.eigvalsh(single.astype(float))[:, 0] < -1e-10).any()  # else the test would show nothing
    given = single.astype(float)
    kept = given.copy()
    noise = Observations.with_covariances(rng.standard_normal((500, 2)), given).noise
    scale = np.sqrt(np.einsum("nii->ni", noise))
    correlations = noise / scale[:, :, None] / scale[:, None, :]
    assert np.linalg.eigvalsh(correlations)[:, 0].min() > -1e-13
    np.testing.assert_array_equal(np.einsum("nii->ni", noise), np.einsum("nii->ni", kept))  # variances do not change
    np.testing.assert_allclose(noise, kept, rtol=1e-6)
    np.testing.assert_array_equal(given, kept)  # nor does the user's array


def test_an_eigenvalue_beyond_single_precision_is_refused_in_every_way_in():
    values, errors = np.zeros((1, 2)), {"a": [0.0], "b": [0.0], "e_a": [1.0], "e_b": [1.0]}
    for excess, accepted in ((5e-7, True), (2e-6, False)):
        matrix = [[[1.0, 1 + excess], [1 + excess, 1.0]]]
        tables = ({**errors, "a_b_corr": [1 + excess]}, {**errors, "cov_a_b": [1 + excess]})
        ways = [lambda m=matrix: Observations.with_covariances(values, m)]
        ways += [lambda t=table: Observations.from_table(t, ["a", "b"]) for table in tables]
        for way in ways:
            if accepted:
                np.testing.assert_allclose(way().noise[0, 0, 1], 1.0, rtol=1e-12)
            else:
                with pytest.raises(InputError, match=r"positive semi-definite|outside|exceeds"):
                    way()


def test_rows_are_counted_over_all_of_a_long_table():
    n = 100_003
    covariances = np.tile(np.eye(2), (n, 1, 1))
    covariances[[100_001]] = [[1.0, 5.0], [5.0, 1.0]]
    with pytest.raises(InputError, match="row 100001;"):
        Observations.with_covariances(np.zeros((n, 2)), covariances)


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_a_bad_weight_is_refused_with_its_row(bad):
    refused(r"`weights` is negative or not finite in row 1;", weights=[1.0, bad, 1.0])


def test_weights_that_are_all_zero_are_refused():
    refused("`weights` is zero for every object", weights=np.zeros(3))


@pytest.mark.parametrize("weights", [1.0, [1.0, 1.0], np.ones((3, 2)), np.ones(4)])
def test_weights_of_another_shape_are_refused(weights):
    refused(r"`weights` has shape .*, but one weight per object is needed: \(3,\)", weights=weights)


def test_a_masked_weight_is_refused():
    refused("`weights` is negative or not finite in row 2;", weights=np.ma.MaskedArray([1.0, 1.0, 1.0], [0, 0, 1]))


def test_weights_may_be_a_column():
    np.testing.assert_array_equal(Observations.exact(VALUES, weights=[[1], [2], [3]]).weights, [1.0, 2.0, 3.0])


def test_weight_only_where_there_is_no_value_is_refused():
    with pytest.raises(InputError, match="weight above zero"):
        Observations.exact([np.nan, 1.0], weights=[1.0, 0.0])


def test_names_and_units_are_held():
    obs = Observations.exact(VALUES, names=["parallax", "μ"], units=["mas", u.km / u.s])
    assert obs.names == ("parallax", "μ")
    assert obs.units == (u.mas, u.km / u.s)
    assert Observations.exact([1.0], names="v", units="km/s").names == ("v",)
    assert Observations.exact(VALUES, units="km").units == (u.km, u.km)
    assert Observations.exact(VALUES, units=[None, "km"]).units == (None, u.km)


@pytest.mark.parametrize("names", [["a"], ["a", "b", "c"], "ab"])
def test_another_number_of_names_is_refused(names):
    refused(r"`names` has \d entries, but there are 2 columns", names=names)


def test_repeated_names_are_refused():
    refused("`names` repeats a name: v, v", names=["v", "v"])


def test_another_number_of_units_is_refused():
    refused(r"`units` has 3 entries, but there are 2 columns", units=["km", "km", "km"])


@pytest.mark.parametrize("units", [["km", "parsnip"], "parsnip", [object(), "km"]])
def test_units_that_astropy_does_not_know_are_refused(units):
    refused("`units` holds something astropy does not know as a unit", units=units)


def test_errors_are_converted_to_the_unit_of_the_values():
    obs = Observations.with_standard_errors([1.0, 2.0] * u.km / u.s, [100.0, 200.0] * u.m / u.s)
    np.testing.assert_allclose(obs.noise[:, 0], [0.1, 0.2], rtol=1e-15)
    assert obs.units == (u.km / u.s,)


def test_covariances_are_converted_to_the_squared_unit_of_the_values():
    obs = Observations.with_covariances(VALUES * u.km, COVARIANCES * 1e6 * u.m**2)
    np.testing.assert_allclose(obs.noise, COVARIANCES, rtol=1e-15)


def test_errors_without_a_unit_are_in_that_of_the_values():
    assert Observations.with_standard_errors([1.0] * u.km, [0.3]).noise == [[0.3]]


def test_errors_with_a_unit_are_converted_to_the_unit_that_is_named_for_the_values():
    obs = Observations.with_standard_errors([1.0, 2.0], [100.0, 200.0] * u.m, units="km")
    np.testing.assert_allclose(obs.noise[:, 0], [0.1, 0.2], rtol=1e-15)


def test_values_with_a_unit_are_converted_to_the_unit_that_is_asked_for():
    # To relabel 1 km as 1 m would be wrong by a thousand, without a word.
    obs = Observations.with_standard_errors([1.0, 2.0] * u.km, [0.1, 0.2] * u.km, units="m")
    assert obs.units == (u.m,)
    np.testing.assert_allclose(obs.values[:, 0], [1000.0, 2000.0], rtol=1e-15)
    np.testing.assert_allclose(obs.noise[:, 0], [100.0, 200.0], rtol=1e-15)


def test_values_in_a_unit_that_does_not_convert_to_the_one_asked_for_are_refused():
    with pytest.raises(InputError, match=r"`values`.* km, .*convert to s"):
        Observations.exact([1.0, 2.0] * u.km, units="s")


def test_errors_in_a_unit_that_does_not_convert_are_refused():
    with pytest.raises(InputError, match=r"`standard_errors`.* s, .*convert to km"):
        Observations.with_standard_errors([1.0] * u.km, [1.0] * u.s)
    with pytest.raises(InputError, match=r"`covariances`.* km, .*convert to km2"):
        Observations.with_covariances(VALUES * u.km, COVARIANCES * u.km)


@pytest.mark.parametrize("units", [None, ["km", "s"]])
def test_errors_with_a_unit_need_values_with_one(units):
    with pytest.raises(InputError, match=r"unit km\b"):
        Observations.with_standard_errors(VALUES, ERRORS * u.km, units=units)


def test_the_callers_quantity_is_not_modified_by_conversion():
    errors = ERRORS * u.m
    Observations.with_standard_errors(VALUES * u.km, errors)
    np.testing.assert_array_equal(errors.value, ERRORS)
    assert errors.unit == u.m


def test_rows_are_selected_with_their_noise_and_weights():
    obs = Observations.with_standard_errors(VALUES, ERRORS, weights=[1.0, 2.0, 3.0], names=["a", "b"], units="km")
    for rows in ([0, 2], np.array([True, False, True])):
        part = obs.select(rows)
        np.testing.assert_array_equal(part.values, VALUES[[0, 2]])
        np.testing.assert_array_equal(part.noise, ERRORS[[0, 2]])
        np.testing.assert_array_equal(part.weights, [1.0, 3.0])
        assert (part.names, part.units) == (obs.names, obs.units)


def test_rescaling_carries_the_noise_along():
    location, scale = np.array([1.0, -2.0]), np.array([2.0, 4.0])
    one = Observations.with_standard_errors(VALUES, ERRORS).rescaled(location, scale)
    full = Observations.with_covariances(VALUES, COVARIANCES).rescaled(location, scale)
    np.testing.assert_array_equal(one.values, (VALUES - location) / scale)
    np.testing.assert_array_equal(one.noise, ERRORS / scale)
    np.testing.assert_array_equal(full.noise, COVARIANCES / np.outer(scale, scale))


def test_the_representation_says_what_was_measured():
    obs = Observations.with_covariances(VALUES, COVARIANCES, names=["a", "b"], units=["km", None], weights=[1, 1, 0])
    assert repr(obs) == "<Observations: 2 objects, a [km], b, full error covariances, weighted>"
    assert repr(Observations.exact([1.0])) == "<Observations: 1 object, x1, no errors>"


def test_remarks_are_added_and_the_rest_is_kept():
    obs = Observations.exact(VALUES)
    more = obs.with_remarks("one", "two")
    assert more.remarks == ("one", "two")
    assert obs.remarks == ()
    assert more.values is obs.values


def test_an_array_is_no_noise_model():
    with pytest.raises(TypeError, match=r"`noise_model` is of type ndarray.*with_standard_errors"):
        Observations(VALUES, ERRORS, None, ("a", "b"), (None, None))


def test_the_weight_of_a_column_is_that_of_the_objects_that_have_a_value_there():
    values = np.where([[True, False], [True, True], [False, True]], VALUES, np.nan)
    assert Observations.exact(values).column_weights().tolist() == [2.0, 2.0]
    assert Observations.exact(values, weights=[0.5, 2.0, 3.0]).column_weights().tolist() == [2.5, 5.0]


def test_old_names_give_the_new_ones_and_say_so():
    obs = Observations.with_standard_errors(VALUES, ERRORS)
    with pytest.warns(XdgmmDeprecationWarning, match="with_remarks"):
        assert obs.remarking("one").remarks == ("one",)
    with pytest.warns(XdgmmDeprecationWarning, match="column_weights"):
        assert obs.seen_weights().tolist() == [3.0, 3.0]
    with pytest.warns(XdgmmDeprecationWarning, match="unmeasured_coordinates"):
        assert xdgmm.observations.unseen_coordinates is xdgmm.observations.unmeasured_coordinates
