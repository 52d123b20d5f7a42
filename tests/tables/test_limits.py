"""Values that a column of flags marks as limits are counted, said, and never fitted as measurements without a word."""

import warnings

import numpy as np
import pandas as pd
import pytest
from astropy.table import MaskedColumn, Table

from xdgmm import InputError, Observations
from xdgmm.errors import XdgmmWarning
from xdgmm.tables import observations_from_table, read_table

VALUES = [12.0, 5.0, 6.0, 30.0]


def flagged(flags, name="l_v", **columns):
    return Table({"v": VALUES, name: flags, "e_v": [0.3] * 4, **columns})


TEXT = {
    "VizieR": ["<", "", "", ">"],
    "bytes": np.array([b"<", b"", b" ", b">"]),
    "masked": MaskedColumn(["<", "", "x", ">"], mask=[False, True, True, False]),
    "equal": ["<", "=", "~", "≥"],
    "letters": ["U", "-", "", "L"],
    "words": ["yes", "no", "false", "true"],
}
NUMBERS = {
    "NASA Exoplanet Archive": [1, 0, 0, -1],
    "booleans": [True, False, False, True],
    "floats": [1.0, 0.0, np.nan, 1.0],
    "masked": MaskedColumn([1, 0, 1, 1], mask=[False, False, True, False]),
}
NAMES = ["l_v", "vlim", "v_lim", "v_limit", "v_limit_flag", "is_limit_v", "v_ul", "v_upper_limit", "L_V", "VLIM"]


@pytest.mark.parametrize("flags", [*TEXT.values(), *NUMBERS.values()], ids=[*TEXT, *(f"{name}, 1" for name in NUMBERS)])
@pytest.mark.parametrize("kind", [Table, pd.DataFrame])
def test_limits_are_missing_by_default_and_said(flags, kind):
    table = flagged(flags)
    table = table if kind is Table else table.to_pandas()
    with pytest.warns(XdgmmWarning, match=r"2 of 4 values of v are limits \('l_v' is .*taken as missing.*`on_limit`"):
        observations = observations_from_table(table, "v")
    assert observations.counts.tolist() == [False, True, True, False]
    assert any(
        "2 of 4 values of v are limits" in remark and "detections alone" in remark for remark in observations.remarks
    )


@pytest.mark.parametrize("name", NAMES)
def test_flags_are_found_by_many_names(name):
    with pytest.warns(XdgmmWarning, match=f"'{name}' is '1'"):
        assert observations_from_table(flagged([1, 0, 0, 0], name), "v").n_objects == 3


@pytest.mark.parametrize("name", ["v_flag", "f_v", "n_v", "u_v", "q_v", "v_sign"])
def test_signs_of_limits_count_in_columns_of_other_remarks_too(name):
    with pytest.warns(XdgmmWarning, match=f"1 of 4 values of v is a limit .'{name}' is '<'"):
        assert observations_from_table(flagged(["<", ":", "A", ""], name), "v").n_objects == 3


@pytest.mark.parametrize("dtype", ["category", "boolean", "string", object])
def test_flags_of_every_type_of_pandas(dtype):
    flags = [True, False, None, False] if dtype == "boolean" else ["<", "", None, ""]
    frame = pd.DataFrame({"v": VALUES, "e_v": [0.3] * 4, "l_v": pd.Series(flags, dtype=dtype)})
    with pytest.warns(XdgmmWarning, match="1 of 4 values of v is a limit"):
        assert observations_from_table(frame, "v").n_objects == 3


def test_limits_are_kept_dropped_or_refused_by_choice():
    table = flagged(["<", "", "", ""], w=[1.0, 2.0, 3.0, 4.0], e_w=[0.1] * 4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kept = observations_from_table(table, ["v", "w"], on_limit="keep")
    assert kept.present.all()
    assert "1 of 4 values of v is a limit ('l_v' is '<'), but fitted as a measurement" in kept.remarks
    with pytest.raises(InputError, match=r"is a limit .'l_v' is '<'. in row 0; set `on_limit`"):
        observations_from_table(table, ["v", "w"], on_limit="raise")
    with pytest.warns(XdgmmWarning, match="dropped with the whole row"):
        dropped = Observations.from_table(table, ["v", "w"], on_limit="drop")
    assert dropped.present.tolist() == [[False, False], *[[True, True]] * 3]
    with pytest.warns(XdgmmWarning, match="taken as missing"):
        missing = observations_from_table(table, ["v", "w"])
    assert missing.present.tolist() == [[False, True], *[[True, True]] * 3]
    with pytest.raises(InputError, match=r"`on_limit` is 'ignore', .* one of missing, use, drop, keep, raise"):
        observations_from_table(table, "v", on_limit="ignore")


def test_a_limit_needs_no_error():
    table = flagged(["<", "", "", ""])
    table["e_v"][0] = np.nan
    with pytest.warns(XdgmmWarning, match="limit"):
        assert observations_from_table(table, "v").n_objects == 3


def test_nothing_but_limits_is_nothing_to_fit():
    with pytest.raises(InputError, match=r"4 of 4 values of v are limits .* `on_limit` to 'keep'"):
        observations_from_table(flagged(["<"] * 4), "v")


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("v_limit", [20.5, 20.4, 20.6, 20.5]),  # limiting magnitudes
        ("l_v", [100.0, 200.0, 1.0, 0.0]),
        ("l_v", ["", "", "=", "~"]),
        ("l_v", [0, 0, 0, 0]),
        ("l_w", ["<", "<", "", ""]),
        ("limv_", [1, 1, 1, 1]),
    ],
)
def test_other_columns_are_no_flags(name, column):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert observations_from_table(flagged(column, name), "v").n_objects == 4


def test_errors_that_are_limits_are_said():
    table = flagged(["", "", "", ""], l_e_v=["", "<", "", ""])
    assert "1 error in e_v marked as limits ('l_e_v' is '<')" in observations_from_table(table, "v").remarks


def test_limits_in_the_cells_of_values_become_flags(tmp_path):
    (tmp_path / "t.csv").write_text("name,v,e_v\na,<12.0,\nb,5.0,0.3\nc,≥ 6,0.2\nd,6.5,0.1\n", encoding="utf-8")
    with pytest.warns(XdgmmWarning, match="column 'v' holds limits among its values .'<12.0'.; read as v and l_v"):
        table = read_table(tmp_path / "t.csv")
    assert table["v"].tolist() == [12.0, 5.0, 6.0, 6.5]
    with pytest.warns(XdgmmWarning, match="2 of 4 values of v are limits .'l_v' is '<' or '≥'"):
        assert observations_from_table(table, "v").values[~np.isnan([np.nan, 1, np.nan, 1]), 0].tolist() == [5.0, 6.5]


KINDS = {
    "signs": ("l_v", ["<", "", "", ">"], [-1, 0, 0, 1]),
    "others": ("v_flag", ["≤", "x", "", "~>"], [-1, 0, 0, 1]),
    "words": ("v_limit", ["upper", "", "no", "LL"], [-1, 0, 0, 1]),
    "archive": ("vlim", [1, 0, 0, -1], [-1, 0, 0, 1]),
    "upper": ("v_ul", [True, False, False, True], [-1, 0, 0, -1]),
    "lower": ("v_lower_limit", ["x", "", "", "x"], [1, 0, 0, 1]),
}


@pytest.mark.parametrize(("name", "flags", "kinds"), KINDS.values(), ids=KINDS)
def test_limits_can_be_used_as_what_they_are(name, flags, kinds):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        observations = observations_from_table(flagged(flags, name), "v", on_limit="use")
    assert observations.limits[:, 0].tolist() == kinds
    np.testing.assert_array_equal(observations.values[:, 0], VALUES)
    np.testing.assert_array_equal(observations.noise[:, 0], [0.3] * 4)
    assert any(remark.startswith("2 of 4 values of v are limits") for remark in observations.remarks)
    assert any(remark.endswith("used as such") for remark in observations.remarks)


@pytest.mark.parametrize("on_limit", ["use", "missing", "keep"])
def test_values_with_an_unclear_flag_are_counted(on_limit):
    observations = observations_from_table(flagged(["?", "", "=", ":"]), "v", on_limit=on_limit)
    assert observations.limits is None
    assert observations.values[:, 0].tolist() == VALUES
    said = "2 of 4 values of v are uncertain ('l_v' is ':' or '?', which names no limit) and fitted as measurements"
    assert said in observations.remarks
    one = observations_from_table(flagged(["", "?", "", ""]), "v", on_limit=on_limit)
    assert any("1 of 4 values of v is uncertain" in remark for remark in one.remarks)
    masked = flagged(MaskedColumn(["?", "", "", ""], mask=[True, False, False, False]))
    assert not any("uncertain" in remark for remark in observations_from_table(masked, "v", on_limit=on_limit).remarks)


def test_limits_without_an_error_are_sharp():
    table = Table({"v": VALUES, "l_v": ["<", "", "", ">"], "e_v": [np.nan, 0.3, 0.4, -1.0]})
    observations = observations_from_table(table, "v", on_limit="use")
    np.testing.assert_array_equal(observations.noise[:, 0], [0.0, 0.3, 0.4, 0.0])
    assert any("2 limits without an error taken as sharp" in remark for remark in observations.remarks)
    exact = observations_from_table(table, "v", errors=None, on_limit="use")
    np.testing.assert_array_equal(exact.limits[:, 0], [-1, 0, 0, 1])
    np.testing.assert_array_equal(exact.noise[:, 0], np.zeros(4))
    table["e_v"][1] = 0.0
    with pytest.raises(InputError, match="error column 'e_v' has invalid errors"):
        observations_from_table(table, "v", on_limit="use")
    dropped = observations_from_table(table, "v", on_limit="use", on_bad="drop")
    assert dropped.counts.tolist() == [True, False, True, True]


def test_asymmetric_errors_do_not_move_limits():
    upper, lower = [np.nan, 0.4, 0.4, 0.4], [np.nan, 0.4, 0.4, 0.2]
    table = Table({"v": VALUES, "l_v": ["<", "", "", ""], "E_v": upper, "e_v": lower})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        observations = observations_from_table(table, "v", on_limit="use")
    assert observations.values[0, 0] == VALUES[0]
    assert observations.values[3, 0] > VALUES[3]
    assert observations.noise[0, 0] == 0.0


def test_correlations_of_a_limit_are_left_out():
    table = flagged(["<", "", "", ""], w=VALUES, e_w=[0.2] * 4, rho_v_w=[0.5] * 4)
    observations = observations_from_table(table, ["v", "w"], on_limit="use")
    np.testing.assert_allclose(observations.noise[0], np.diag([0.09, 0.04]))
    np.testing.assert_allclose(observations.noise[1, 0, 1], 0.5 * 0.3 * 0.2)


def test_a_row_dropped_for_another_column_takes_its_limit_with_it():
    table = Table({"v": VALUES, "l_v": ["<", "", "", ""], "e_v": [0.3] * 4, "w": VALUES, "e_w": [0.0, 0.2, 0.2, 0.2]})
    observations = observations_from_table(table, ["v", "w"], on_limit="use", on_bad="drop")
    assert observations.counts.tolist() == [False, True, True, True]


def test_flags_that_do_not_say_which_limit_are_refused_for_use():
    for flags in ([True, False, False, True], ["yes", "", "", ""], [1, 0, 0, 1]):
        with pytest.raises(InputError, match=r"'is_limit_v' does not say .* in row.* v_upper_limit"):
            observations_from_table(flagged(flags, "is_limit_v"), "v", on_limit="use")
    both = flagged(["<", "", "", ""], v_lower_limit=[1, 0, 0, 0])
    with pytest.raises(InputError, match="'v_lower_limit' contradicts another flag in row 0"):
        observations_from_table(both, "v", on_limit="use")


def test_two_limits_in_a_row_are_refused_for_use():
    table = flagged(["<", "", "", ""], w=VALUES, l_w=["<", "<", "", ""], e_w=[0.1] * 4)
    with pytest.raises(InputError, match=r"v and w are both limits in row 0.* `on_limit` to 'missing'"):
        observations_from_table(table, ["v", "w"], on_limit="use")
