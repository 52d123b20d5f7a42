"""Correlations and covariances of errors: found, checked, corrected for rounding, or refused."""

import astropy.units as u
import numpy as np
import pytest
from astropy.table import MaskedColumn, QTable, Table

from xdgmm import InputError, Observations, datasets
from xdgmm.tables import observations_from_table

NAMES = ["a", "b", "c"]


def three(ab=0.1, ac=0.2, bc=0.3, rows=4):
    table = Table(
        {name: np.arange(1.0, rows + 1) for name in NAMES} | {f"e_{name}": np.full(rows, 2.0) for name in NAMES}
    )
    for way, value in (("a_b_corr", ab), ("c_a_corr", ac), ("b_c_corr", bc)):
        table[way] = np.full(rows, value)
    return table


def test_the_published_covariances_of_the_trials_are_found():
    trials = datasets.load("berkey")
    observations = observations_from_table(trials, ["pd", "al"])
    expected = np.array([[trials["var_pd"], trials["cov_pd_al"]], [trials["cov_pd_al"], trials["var_al"]]])
    np.testing.assert_allclose(observations.noise, expected.transpose(2, 0, 1), rtol=1e-15)
    assert observations.remarks[-1] == "covariances taken from cov_pd_al"


def test_pairs_without_a_column_are_uncorrelated_and_a_remark_says_so():
    table = three()
    table.remove_column("c_a_corr")
    observations = observations_from_table(table, NAMES)
    assert observations.noise[0].tolist() == pytest.approx(np.array([[4, 0.4, 0], [0.4, 4, 1.2], [0, 1.2, 4]]))
    assert observations.remarks[-1] == "correlations taken from X_Y_corr (2 of 3 pairs; the others uncorrelated)"


@pytest.mark.parametrize("correlations", [None, "none"])
def test_correlations_can_be_ignored(correlations):
    table = three(ab=7.0)
    assert observations_from_table(table, NAMES, correlations=correlations).noise.ndim == 2


def test_exact_values_have_no_correlations():
    assert observations_from_table(three(), NAMES, errors=None).noise is None


def test_a_column_that_is_taken_as_exact_has_no_correlations_either():
    table = three()
    table["cov_a_b"] = 1.0
    table.remove_column("a_b_corr")
    observations = observations_from_table(table, NAMES, errors=["auto", None, "auto"])
    assert observations.noise[0].tolist() == pytest.approx(np.array([[4, 0, 0.8], [0, 0, 0], [0.8, 0, 4]]))
    assert observations.remarks[-1] == "correlations taken from c_a_corr"


def test_a_named_column_holds_covariances_where_its_name_says_so():
    table = three()
    table["cov_ab"], table["discovery"] = 0.4, 0.4
    named = {("a", "b"): "cov_ab", ("b", "c"): "discovery"}
    noise = observations_from_table(table, NAMES, correlations=named).noise
    assert noise[0, [0, 1], [1, 2]] == pytest.approx([0.4, 1.6], rel=1e-15)


def test_correlations_can_be_named():
    table = three()
    table["rho"], table["c_bc"] = 0.5, 0.4
    named = {("b", "a"): "rho", ("b", "c"): "cov:c_bc"}
    noise = observations_from_table(table, NAMES, correlations=named).noise
    assert noise[0, 0].tolist() == [4.0, 2.0, 0.0]
    assert noise[0, 1, 2] == pytest.approx(0.4, rel=1e-15)


@pytest.mark.parametrize(
    ("correlations", "sentence"),
    [
        ("all", "'auto', None, or a dict"),
        (0.5, "'auto', None, or a dict"),
        ({("a", "z"): "a_b_corr"}, "two of the columns"),
        ({("a", "a"): "a_b_corr"}, "two of the columns"),
        ({"ab": "a_b_corr"}, "two of the columns"),
        ({("a", "b"): "rho"}, "no correlation column 'rho'"),
        ({0: "a_b_corr"}, "two of the columns"),
        ({("a", "b"): "a_b_corr", ("b", "a"): "b_c_corr"}, "b and a twice"),
    ],
)
def test_correlations_that_are_not_said_right_are_refused(correlations, sentence):
    with pytest.raises(InputError, match=sentence):
        observations_from_table(three(), NAMES, correlations=correlations)


@pytest.mark.parametrize("other", ["b_a_corr", "cov_a_b", "rho_b_a"])
def test_two_columns_for_one_pair_are_refused_with_both_names(other):
    table = three()
    table[other] = 0.1
    with pytest.raises(InputError, match="correlation of 'a' and 'b'") as caught:
        observations_from_table(table, NAMES)
    assert "a_b_corr" in str(caught.value)
    assert other in str(caught.value)
    assert observations_from_table(table, NAMES, correlations={("a", "b"): "a_b_corr"}).noise[0, 0, 1] == 0.4


def test_the_correlation_of_columns_that_differ_in_case_is_not_taken():
    table = Table({name: [1.0] for name in ("x", "X", "y", "e_x", "e_X", "e_y")})
    table["y_X_corr"] = 0.5
    assert observations_from_table(table, ["X", "y"]).noise[0, 0, 1] == 0.5
    assert observations_from_table(table, ["x", "y"]).noise.ndim == 2
    table.rename_column("y_X_corr", "Y_X_CORR")  # of none exactly
    assert observations_from_table(table, ["x", "y"]).noise[0, 0, 1] == 0.5


def test_a_correlation_outside_its_range_is_refused_with_its_rows():
    table = three(rows=6)
    table["a_b_corr"][[1, 4]] = [1.01, -1.01]
    with pytest.raises(InputError, match=r"'a_b_corr' is outside \[-1, 1\] in rows 1, 4; set `on_bad` to 'drop'"):
        observations_from_table(table, NAMES)
    dropped = observations_from_table(table, NAMES, on_bad="drop")
    assert dropped.counts.tolist() == [True, False, True, True, False, True]
    assert "2 rows with impossible correlations dropped" in dropped.remarks
    table["a"][1] = table["b"][4] = np.nan
    assert observations_from_table(table, NAMES).n_objects == 6


def test_correlations_that_cannot_be_together_are_refused_with_their_rows():
    # a with b and b with c nearly one, a with c nearly minus one
    table = three()
    table["a_b_corr"][2], table["b_c_corr"][2], table["c_a_corr"][2] = 0.9, 0.9, -0.9
    with pytest.raises(InputError, match=r"a, b, c .*semi-definite .*row 2"):
        observations_from_table(table, NAMES)
    table["b"][2] = np.nan
    assert observations_from_table(table, NAMES).n_objects == 4


def test_a_covariance_larger_than_the_errors_allow_is_refused():
    table = Table({"a": [1.0, 1.0], "b": [1.0, 1.0], "e_a": [1.0, 1.0], "e_b": [2.0, 2.0], "cov_a_b": [1.9, 2.1]})
    with pytest.raises(InputError, match=r"'cov_a_b' exceeds .*row 1"):
        observations_from_table(table, ["a", "b"])
    table["cov_a_b"], table["e_a"] = [1.0, 0.0], [0.0, 0.0]
    with pytest.raises(InputError, match=r"'cov_a_b' exceeds .*row 0"):
        observations_from_table(table, ["a", "b"], on_bad="exact")


@pytest.mark.parametrize("seed", range(5))
def test_rounding_to_float32_is_corrected_and_changes_no_variance(seed):
    # Singular matrices of correlations, rounded: about half of them become indefinite.
    rng = np.random.default_rng(seed)
    axes = rng.normal(size=(2000, 3, 2))
    axes /= np.linalg.norm(axes, axis=2, keepdims=True)
    correlations = (axes @ axes.transpose(0, 2, 1)).astype(np.float32)
    assert (np.linalg.eigvalsh(correlations.astype(float))[:, 0] < -1e-9).any()
    table = three(correlations[:, 0, 1], correlations[:, 0, 2], correlations[:, 1, 2], rows=2000)
    noise = observations_from_table(table, NAMES).noise
    assert np.linalg.eigvalsh(noise)[:, 0].min() > -1e-14
    assert (np.einsum("nii->ni", noise) == 4.0).all()
    np.testing.assert_allclose(noise / 4.0, correlations, atol=3e-7)


def test_a_correlation_of_one_plus_rounding_is_one():
    table = three(ab=np.nextafter(np.float32(1.0), np.float32(2.0)), ac=0.0, bc=0.0)
    assert observations_from_table(table, NAMES).noise[0, 0, 1] == pytest.approx(4.0, rel=1e-12)


def test_a_missing_correlation_of_present_values_is_refused_or_dealt_with():
    table = three()
    table["a_b_corr"] = MaskedColumn(table["a_b_corr"], mask=[False, True, True, False])
    table["b"][2] = np.nan  # its correlation is of no consequence
    with pytest.raises(InputError, match=r"'a_b_corr' is missing in row 1; set `on_bad` to 'drop' or 'missing'"):
        observations_from_table(table, NAMES)
    assert observations_from_table(table, NAMES, on_bad="drop").counts.tolist() == [True, False, True, True]
    seen = observations_from_table(table, NAMES, on_bad="missing").present
    assert seen.tolist() == [[True] * 3, [False, False, True], [True, False, True], [True] * 3]


def test_an_infinite_error_takes_its_correlations_with_it():
    table = three()
    table["e_a"][0] = np.inf
    observations = observations_from_table(table, NAMES)
    assert observations.present[0].tolist() == [False, True, True]
    assert observations.noise[0, 1:, 1:].tolist() == [[4.0, 0.3 * 4.0], [0.3 * 4.0, 4.0]]


@pytest.mark.parametrize(("unit", "sentence"), [("km", "does not convert to the .* of a correlation"), ("%", None)])
def test_a_correlation_has_no_unit(unit, sentence):
    table = three()
    table["a_b_corr"].unit = unit
    if sentence is None:
        assert observations_from_table(table, NAMES).noise[0, 0, 1] == pytest.approx(0.001 * 4, rel=1e-14)
    else:
        with pytest.raises(InputError, match=sentence):
            observations_from_table(table, NAMES)


def test_a_covariance_has_the_product_of_two_units():
    table = QTable({"a": [1.0] * u.km, "b": [1.0] * u.s, "e_a": [2.0] * u.km, "e_b": [3.0] * u.s})
    table["cov_a_b"] = [3000.0] * u.m * u.s
    assert observations_from_table(table, ["a", "b"]).noise[0, 0, 1] == pytest.approx(3.0, rel=1e-15)
    table["cov_a_b"] = [3.0] * u.km
    with pytest.raises(InputError, match=r"covariance column 'cov_a_b' is in km, .* km s of columns 'a' and 'b'"):
        observations_from_table(table, ["a", "b"])
    table["b"], table["e_b"] = [1.0], [3.0]
    with pytest.raises(InputError, match=r"'cov_a_b' .*unit km, .*'a' and 'b'"):
        observations_from_table(table, ["a", "b"])


def test_covariances_in_dex_of_values_in_magnitudes_change_their_sign():
    # 1 dex is -2.5 mag: what is brighter is larger
    table = Table({"m": [20.0], "b": [1.0], "e_m": [1.0], "e_b": [1.0], "cov_m_b": [0.2]})
    table["m"].unit, table["cov_m_b"].unit, table["b"].unit = "mag", u.dex * u.s, "s"
    assert observations_from_table(table, ["m", "b"]).noise[0, 0, 1] == pytest.approx(-0.5, rel=1e-14)


def test_a_million_rows_are_checked_in_parts():
    rng = np.random.default_rng(0)
    rows = 250_000  # more than two parts
    values, errors = rng.normal(size=(rows, 2)), rng.uniform(1, 2, (rows, 2))
    correlation = rng.uniform(-1, 1, rows)
    table = Table(
        {"a": values[:, 0], "b": values[:, 1], "e_a": errors[:, 0], "e_b": errors[:, 1], "a_b_corr": correlation}
    )
    covariances = errors[:, :, None] * errors[:, None, :]
    covariances[:, 0, 1] = covariances[:, 1, 0] = correlation * covariances[:, 0, 1]
    expected = Observations.with_covariances(values, covariances)
    np.testing.assert_allclose(observations_from_table(table, ["a", "b"]).noise, expected.noise, rtol=1e-15)
    table["a_b_corr"][240_000] = -1.1
    with pytest.raises(InputError, match="in row 240000"):
        observations_from_table(table, ["a", "b"])
