"""Whatever way a catalogue writes its errors, the same observations come out."""

import itertools
import warnings

import astropy.units as u
import numpy as np
import pytest
from astropy.table import QTable, Table
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.integrate import quad

from xdgmm import XDGMM, InputError, Observations
from xdgmm.errors import XdgmmWarning
from xdgmm.tables import observations_from_table

SINGLE = {
    "e_{}": lambda e: e,
    "{}_err": lambda e: e,
    "{}_error": lambda e: e,
    "{}Err": lambda e: e,
    "sigma_{}": lambda e: e,
    "{}_unc": lambda e: e,
    "{}_ivar": lambda e: e**-2.0,
    "{}_var": lambda e: e**2,
    "var_{}": lambda e: e**2,
    "cov_{0}_{0}": lambda e: e**2,
}
PAIRS = [
    ("E_{}", "e_{}"),
    ("{}_errp", "{}_errm"),
    ("{}_err_p", "{}_err_m"),
    ("{}_err1", "{}_err2"),
    ("{}err1", "{}err2"),
    ("{}_err_up", "{}_err_low"),
    ("{}_err_upper", "{}_err_lower"),
    ("{}_upper_err", "{}_lower_err"),
    ("{}_error_upper", "{}_error_lower"),
    ("{}_err_hi", "{}_err_lo"),
    ("{}_err_plus", "{}_err_minus"),
    ("{}_err_pos", "{}_err_neg"),
]
CORRELATIONS = ["{}_{}_corr", "corr_{}_{}", "rho_{}_{}", "{}{}cor"]
COVARIANCES = ["cov_{}_{}", "{}_{}_cov"]
NAMES = ("ra", "V_mag", "[Fe/H]")


@st.composite
def measurements(draw):
    """Values, errors and correlations of a few objects in three columns."""
    n = draw(st.integers(1, 5))
    finite = st.floats(-1e3, 1e3).map(lambda value: round(value, 100))  # a spread below 1e-150 is refused
    values = draw(arrays(float, (n, 3), elements=finite))
    errors = draw(arrays(float, (n, 3), elements=st.floats(0.01, 100)))
    # rows of unit vectors in three dimensions: any matrix of their products is one of correlations
    axes = draw(arrays(float, (n, 3, 3), elements=st.floats(-1, 1))) + 2 * np.eye(3)
    axes /= np.linalg.norm(axes, axis=2, keepdims=True)
    return values, errors, axes @ axes.transpose(0, 2, 1)


def catalogue(values, errors, correlations, error_way, correlation_way, *, swapped=False):
    table = Table()
    for i, name in enumerate(NAMES):
        table[name] = values[:, i]
        table[error_way.format(name)] = SINGLE[error_way](errors[:, i])
    for i, j in itertools.combinations(range(3), 2):
        pair = (NAMES[j], NAMES[i]) if swapped else (NAMES[i], NAMES[j])
        column = correlations[:, i, j]
        if correlation_way in COVARIANCES:
            column = column * errors[:, i] * errors[:, j]
        table[correlation_way.format(*pair)] = column
    return table


def same(observations, expected):
    assert observations.names == expected.names
    np.testing.assert_array_equal(observations.values, expected.values)
    # a square root, a quotient and a product or two of rounding each
    scale = np.sqrt(np.einsum("nii->ni", expected.noise_covariances))
    off = (observations.noise_covariances - expected.noise_covariances) / scale[:, :, None] / scale[:, None, :]
    assert np.abs(off).max() < 1e-14


@settings(max_examples=150)
@given(
    error_way=st.sampled_from(sorted(SINGLE)),
    correlation_way=st.sampled_from(CORRELATIONS + COVARIANCES),
    measured=measurements(),
    swapped=st.booleans(),
)
def test_every_convention_gives_what_the_constructor_gives(error_way, correlation_way, measured, swapped):
    values, errors, correlations = measured
    table = catalogue(values, errors, correlations, error_way, correlation_way, swapped=swapped)
    covariances = correlations * errors[:, :, None] * errors[:, None, :]
    same(observations_from_table(table, NAMES), Observations.with_covariances(values, covariances, names=NAMES))


@given(measured=measurements(), order=st.permutations(range(3)), columns=st.randoms(use_true_random=False))
def test_the_order_of_columns_does_not_matter(measured, order, columns):
    table = catalogue(*measured, "{}_error", "{}_{}_corr")
    shuffled = list(table.colnames)
    columns.shuffle(shuffled)
    first = observations_from_table(table, NAMES)
    again = observations_from_table(table[shuffled], [NAMES[i] for i in order])
    np.testing.assert_array_equal(again.values, first.values[:, order])
    np.testing.assert_allclose(again.noise, first.noise[:, order][:, :, order], rtol=1e-15, atol=1e-300)


@pytest.mark.parametrize(("error_way", "power"), [("e_{}", 1), ("{}_var", 2), ("{}_ivar", -2)])
@given(measured=measurements(), factors=st.tuples(*[st.sampled_from(["m/s", "km/s", "pc/Myr"])] * 3))
def test_units_of_errors_and_covariances_are_converted(error_way, power, measured, factors):
    values, errors, correlations = measured
    plain = catalogue(values, errors, correlations, error_way, "cov_{}_{}")
    table = QTable()
    for name in plain.colnames:
        owner = [unit for column, unit in zip(NAMES, factors, strict=True) if name == error_way.format(column)]
        unit = u.km / u.s if name in NAMES else (u.km / u.s) ** (power if owner else 2)
        table[name] = plain[name] * unit
        if owner:
            table[name] = table[name].to(u.Unit(owner[0]) ** power)
        elif name not in NAMES:
            table[name] = table[name].to(u.Unit(factors[0]) * u.Unit(factors[1]))
    observations = observations_from_table(table, NAMES)
    assert observations.units == (u.km / u.s,) * 3
    expected = Observations.with_covariances(
        values, correlations * errors[:, :, None] * errors[:, None, :], names=NAMES, units="km/s"
    )
    scale = np.sqrt(np.einsum("nii->ni", expected.noise))
    off = (observations.noise - expected.noise) / scale[:, :, None] / scale[:, None, :]
    assert np.abs(off).max() < 1e-13  # conversions there and back


@pytest.mark.parametrize(("upper", "lower"), PAIRS)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_pair_of_errors_is_a_split_normal_whose_mode_is_the_value(upper, lower, sign):
    above, below = np.array([0.5, 1.0]), np.array([0.45, 0.9])
    table = Table({"v": [1.0, 2.0], upper.format("v"): above, lower.format("v"): sign * below})
    observations = observations_from_table(table, "v")
    expected = [split_normal_by_integration(*each) for each in zip(table["v"], above, below, strict=True)]
    assert observations.values[:, 0] == pytest.approx([mean for mean, _ in expected], rel=1e-9)
    assert observations.noise[:, 0] == pytest.approx([sd for _, sd in expected], rel=1e-9)
    found, moved = observations.remarks
    assert found == f"errors of v taken from {upper.format('v')} and {lower.format('v')} (upper and lower)"
    assert moved.startswith("2 values of v with unequal upper and lower errors moved to the mean of their split normal")
    assert moved.endswith("(by +0.0399 to +0.0798)")


def split_normal_by_integration(mode, upper, lower):
    """Mean and standard deviation of the density that is a Gaussian of another width on each side of its mode."""

    def moment(power, origin):
        def integrand(x):
            return (x - origin) ** power * np.exp(-0.5 * ((x - mode) / (upper if x > mode else lower)) ** 2)

        sides = ((mode - 40 * lower, mode), (mode, mode + 40 * upper))
        return sum(quad(integrand, *side, epsabs=0, epsrel=1e-12, limit=200)[0] for side in sides)

    area = moment(0, mode)
    mean = mode + moment(1, mode) / area
    return mean, np.sqrt(moment(2, mean) / area)


@pytest.mark.parametrize(
    ("mode", "upper", "lower"), [(0.0, 1.5, 0.5), (-3.0, 0.1, 4.0), (1e6, 2.0, 2.5), (0.0, 1e-8, 1.0)]
)
def test_unequal_pairs_agree_with_numerical_integration(mode, upper, lower):
    table = Table({"v": [mode, 5.0], "E_v": [upper, 2.0], "e_v": [lower, 2.0]})
    with pytest.warns(XdgmmWarning, match="but not its skewness"):
        observations = observations_from_table(table, "v")
    mean, sd = split_normal_by_integration(mode, upper, lower)
    assert observations.values[0, 0] == pytest.approx(mean, rel=1e-9)
    assert observations.noise[0, 0] == pytest.approx(sd, rel=1e-9)
    assert observations.values[1, 0] == 5.0  # equal errors change nothing, to the last bit
    assert observations.noise[1, 0] == 2.0


def test_equal_pairs_are_the_symmetric_errors_to_the_last_bit():
    errors = np.random.default_rng(3).lognormal(0, 50, 1000)
    values = np.arange(1000.0)
    observations = observations_from_table({"v": values, "E_v": errors, "e_v": errors}, "v")
    assert (observations.noise[:, 0] == errors).all()
    assert (observations.values[:, 0] == values).all()
    assert observations.remarks == ("errors of v taken from E_v and e_v (upper and lower)",)


def test_units_and_missing_values_of_pairs():
    table = QTable({"v": [1.0, np.nan, 3.0] * u.km / u.s})
    table["E_v"], table["e_v"] = [500.0, 900.0, np.inf] * u.m / u.s, [400.0, 100.0, 2.0] * u.m / u.s
    with pytest.warns(XdgmmWarning, match=r"1 row \(most in row 0: \+0.5 -0.4"):
        observations = observations_from_table(table, "v")
    mean, sd = split_normal_by_integration(1.0, 0.5, 0.4)
    np.testing.assert_allclose(observations.values[:, 0], [mean, np.nan, np.nan], rtol=1e-9)
    assert observations.noise[0, 0] == pytest.approx(sd, rel=1e-9)


def test_the_truth_behind_skewed_errors_is_found():
    rng = np.random.default_rng(1)
    n, upper, lower = 4000, 1.5, 0.5
    # Of a split normal the side above the mode has the probability upper / (upper + lower).
    side = np.where(rng.random(n) < upper / (upper + lower), upper, -lower)
    truth = rng.normal(10.0, 1.0, n)
    table = {"v": truth - side * np.abs(rng.normal(size=n)), "E_v": np.full(n, upper), "e_v": np.full(n, lower)}
    with pytest.warns(XdgmmWarning, match="split normal"):
        observations = Observations.from_table(table, "v")
    report = XDGMM(1).fit(observations).widths(observations)
    assert report["mean"][0] == pytest.approx(10.0, abs=3 * report["mean_error"][0])
    assert report["sigma"][0] == pytest.approx(1.0, abs=3 * report["sigma_error"][0])


@pytest.mark.parametrize("columns", [("teff_upper", "teff_lower"), ("E_teff", "e_teff")])
def test_ends_of_intervals_in_the_place_of_errors_are_warned_of(columns):
    teff = np.linspace(4000.0, 6000.0, 10)
    upper, lower = columns
    table = Table({"teff": teff, upper: teff + 50, lower: teff - 50})
    with pytest.warns(XdgmmWarning) as caught:
        observations_from_table(table, "teff", errors=f"pair:{upper}:{lower}")
    assert any(f"{lower} <= teff <= {upper} in all 10 rows" in str(warning.message) for warning in caught)
    table[lower], table[upper] = 50.0, 50.0
    assert observations_from_table(table, "teff", errors=f"pair:{upper}:{lower}").noise[0, 0] == 50.0


def test_unequal_pairs_are_warned_about_with_their_number_and_the_worst():
    # 20% of the mean: 1.1 and 0.9 are just not more than that apart, 1.2 and 0.9 are
    table = Table({"m": [1.0] * 4, "E_m": [1.0999, 1.2, 3.0, 1.0], "e_m": [0.9, 0.9, 1.0, 1.0]})
    with pytest.warns(XdgmmWarning, match=r"more than 20% .* 2 rows \(most in row 2: \+3 -1, in E_m and e_m\)"):
        remarks = observations_from_table(table, "m").remarks
    assert "upper and lower errors of m differ by more than 20% of their mean in 2 rows" in remarks
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        observations_from_table(table[[0, 3]], "m")


def test_pairs_of_missing_values_are_not_warned_about():
    table = Table({"m": [1.0, np.nan], "E_m": [1.0, 3.0], "e_m": [1.0, 1.0]})
    assert observations_from_table(table, "m").n_objects == 1


@pytest.mark.parametrize(
    ("upper", "lower", "kind"),
    [(0.1, 0.0, "missing"), (0.1, -0.2, "negative"), (np.nan, 0.1, "missing"), (0, 0, "zero")],
)
def test_half_of_a_pair_is_no_error(upper, lower, kind):
    table = Table({"m": [1.0, 2.0], "m_errp": [0.1, upper], "m_errm": [0.1, lower]})
    with pytest.raises(InputError, match=f"columns 'm_errp' and 'm_errm' have invalid errors \\(1 {kind}\\) in row 1"):
        observations_from_table(table, "m")
    if kind != "zero":
        with pytest.raises(InputError, match=kind):
            observations_from_table(table, "m", on_bad="exact")


def test_one_column_of_a_pair_is_not_enough_and_the_other_is_named():
    with pytest.raises(InputError, match=r"'m_err1'.* no 'm_err2'"):
        observations_from_table(Table({"m": [1.0], "m_err1": [0.1]}), "m")


def test_an_inverse_variance_of_zero_is_a_missing_value_and_a_negative_one_unusable():
    table = Table({"f": [1.0, 2.0, 3.0], "f_ivar": [4.0, 0.0, 1.0]})
    observations = observations_from_table(table, "f")
    assert observations.n_objects == 2
    assert observations.noise[[0, 2], 0].tolist() == [0.5, 1.0]
    table["f_ivar"][0] = -4.0
    with pytest.raises(InputError, match="'f_ivar' has invalid errors \\(1 negative\\) in row 0"):
        observations_from_table(table, "f")


ALL = [*[(way,) for way in SINGLE if way not in ("var_{}", "cov_{0}_{0}")], *PAIRS]


@pytest.mark.parametrize(
    ("one", "other"), [pair for pair in itertools.combinations(ALL, 2) if not set(pair[0]) & set(pair[1])]
)
def test_two_conventions_for_one_column_are_refused_with_both_names(one, other):
    columns = [pattern.format("v") for pattern in (*one, *other)]
    table = Table({"v": [1.0], **{column: [1.0] for column in columns}})
    with pytest.raises(InputError, match="errors of 'v'") as caught:
        observations_from_table(table, "v")
    assert all(column in str(caught.value) for column in columns)
    chosen = columns[0] if len(one) == 1 else f"pair:{columns[0]}:{columns[1]}"
    assert observations_from_table(table, "v", errors=chosen).n_objects == 1


@pytest.mark.parametrize("columns", [("e_B",), ("E_B", "e_B"), ("B_ivar",)])
def test_the_error_of_a_column_that_differs_in_case_is_not_taken(columns):
    table = Table({"B": [1.0], "b": [2.0], **{column: [0.5] for column in columns}})
    assert observations_from_table(table, "B").n_objects == 1
    with pytest.raises(InputError, match=r"no error column.*'b'"):
        observations_from_table(table, "b")
    with pytest.raises(InputError, match=r"no error column.*'b'"):
        observations_from_table(table, ["B", "b"])
    assert observations_from_table(table).names == ("B",)
    assert observations_from_table(table["b", columns[0]], "b").n_objects == 1  # there is none but b


def test_an_error_column_beside_a_diagonal_covariance_is_the_one_taken():
    table = Table({"v": [1.0], "e_v": [2.0], "var_v": [9.0]})
    assert observations_from_table(table, "v").noise[0, 0] == 2.0


def test_a_column_to_fit_may_be_called_like_the_error_of_another_that_has_its_own():
    table = Table({"v": [1.0], "e_v": [0.1], "sigma_v": [9.0], "e_sigma_v": [0.2]})
    for columns in (["v", "sigma_v"], None):
        observations = observations_from_table(table, columns)
        assert observations.noise.tolist() == [[0.1, 0.2]]


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ("w", 4.0),
        ("sigma:w", 4.0),
        ("var:w", 2.0),
        ("ivar:w", 0.5),
        ("pair:w:y", np.sqrt((1 - 2 / np.pi) * 0.25 + 18.0)),
        ("w_ivar", 0.25),
        ("W_VAR", 4.0),
        ("sigma:w_ivar", 16.0),
        ("odd:name", 7.0),
    ],
)
def test_the_kind_of_a_named_column_follows_from_its_name_or_is_said_before_it(errors, expected):
    table = Table({"v": [1.0], "w": [4.0], "y": [4.5], "w_ivar": [16.0], "W_VAR": [16.0], "odd:name": [7.0]})
    assert observations_from_table(table, "v", errors=errors).noise[0, 0] == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize("errors", ["var:", "pair:w", "pair:w:y:y", "ivar:w:y", "ivar:nothing", "odd:w", 3, {"v": "w"}])
def test_an_error_that_is_not_said_right_is_refused(errors):
    with pytest.raises(InputError, match=r"must have the form|no error column|given by its name"):
        observations_from_table(Table({"v": [1.0], "w": [4.0], "y": [5.0]}), "v", errors=errors)


def test_single_columns_may_be_exact_or_found_while_others_are_named():
    table = Table({"z": [0.5, 0.7], "v": [1.0, 2.0], "e_v": [0.1, 0.2], "m": [1.0, 2.0], "dm": [0.3, 0.4]})
    observations = observations_from_table(table, ["z", "v", "m"], errors=[None, "auto", "dm"])
    assert observations.noise.tolist() == [[0.0, 0.1, 0.3], [0.0, 0.2, 0.4]]
    assert observations.remarks[0] == "values of z taken as exact"


def test_what_was_matched_is_one_short_sentence_even_for_ten_columns():
    names = [f"c{i}" for i in range(10)]
    table = Table({name: [1.0] for name in names} | {f"{name}_error": [1.0] for name in names})
    for a, b in itertools.combinations(names, 2):
        table[f"{a}_{b}_corr"] = [0.0]
    remarks = observations_from_table(table, names).remarks
    assert remarks == ("errors of all 10 columns taken from X_error", "correlations taken from X_Y_corr")


@pytest.mark.parametrize(("way", "unit"), [("e_v", "kg"), ("v_ivar", "km/s"), ("v_var", "km/s"), ("v_errp", "s")])
def test_units_that_clash_name_both_columns(way, unit):
    table = Table({"v": [1.0], way: [1.0]})
    if way == "v_errp":
        table["v_errm"] = [1.0]
    table["v"].unit, table[way].unit = "km/s", unit
    with pytest.raises(InputError, match=f"column '{way}' is in {unit.replace('/', ' / ')}, .* of column 'v'"):
        observations_from_table(table, "v")


def test_a_unit_that_astropy_does_not_know_has_no_square():
    table = Table({"v": [1.0], "v_var": [1.0]})
    table["v"].unit = u.Unit("kmps", parse_strict="silent")
    assert observations_from_table(table, "v").noise[0, 0] == 1.0
    table["v_var"].unit = "km2/s2"
    with pytest.raises(InputError, match=r"variance column 'v_var' is in .*does not convert to .*kmps of column 'v'"):
        observations_from_table(table, "v")
