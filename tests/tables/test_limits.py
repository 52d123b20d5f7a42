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
    with pytest.raises(InputError, match="`on_limit` is 'ignore', but it must be one of missing, drop, keep, raise"):
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
