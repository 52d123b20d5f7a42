"""Tables in and out: columns, errors, units, masks, and what cannot be read."""

import gzip
import warnings

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import MaskedColumn, QTable, Table
from astropy.utils.masked import Masked

from xdgmm import InputError, Observations, datasets
from xdgmm.tables import observations_from_table, read_table, write_table


@pytest.fixture
def stars():
    return QTable({"v": [1.0, 2.0, 4.0] * u.km / u.s, "e_v": [0.1, 0.2, 0.3] * u.km / u.s, "p": [1.0, 0.5, 0.0]})


def test_values_errors_weights_and_units_are_taken_from_their_columns(stars):
    observations = observations_from_table(stars, "v", weights="p")
    assert observations.values[:, 0].tolist() == [1.0, 2.0, 4.0]
    assert observations.noise[:, 0].tolist() == [0.1, 0.2, 0.3]
    assert observations.weights.tolist() == [1.0, 0.5, 0.0]
    assert observations.units == (u.km / u.s,)
    assert observations.names == ("v",)
    assert observations.remarks == ("errors of v taken from e_v", "weights taken from p")


def test_the_method_of_observations_is_the_same(stars):
    assert (Observations.from_table(stars, "v").values == observations_from_table(stars, "v").values).all()


@pytest.mark.parametrize("name", ["e_v", "v_err", "v_error", "E_V", "V_ERR", "v_Error"])
def test_error_columns_are_found_by_their_usual_names(stars, name):
    stars.rename_column("e_v", name)
    assert f"errors of v taken from {name}" in observations_from_table(stars, "v").remarks


def test_without_columns_every_one_with_an_error_is_taken(stars):
    stars["w"], stars["w_err"] = [1.0, 2.0, 3.0], [1.0, 1.0, 1.0]
    assert observations_from_table(stars).names == ("v", "w")


def test_two_candidates_are_named(stars):
    stars["v_err"] = stars["e_v"]
    with pytest.raises(InputError, match=r"'e_v' and 'v_err' .*'v'"):
        observations_from_table(stars, "v")


def test_errors_are_converted_to_the_unit_of_the_values(stars):
    stars["e_v"] = stars["e_v"].to("m/s")
    assert observations_from_table(stars, "v").noise[:, 0] == pytest.approx([0.1, 0.2, 0.3], rel=1e-14)


def test_errors_without_a_unit_are_in_that_of_the_values(stars):
    stars["e_v"] = stars["e_v"].value
    assert observations_from_table(stars, "v").noise[:, 0].tolist() == [0.1, 0.2, 0.3]


@pytest.mark.parametrize(("unit", "sentence"), [(u.kg, "does not convert"), (None, "has none")])
def test_units_that_clash_are_refused_with_both_columns(stars, unit, sentence):
    if unit is None:
        stars["v"] = stars["v"].value
    else:
        stars["e_v"] = stars["e_v"].value * unit
    with pytest.raises(InputError, match=f"'e_v'.*{sentence}|{sentence}.*'v'"):
        observations_from_table(stars, "v")


@pytest.mark.parametrize("unit", ["mag", "dex"])
def test_errors_of_magnitudes_are_differences_of_magnitudes(unit):
    table = QTable({"v": u.Magnitude([20.0, 21.0], u.ABmag), "e_v": [1.0, 1.0] * u.Unit(unit)})
    # A factor of ten is 2.5 magnitudes.
    factor = 2.5 if unit == "dex" else 1.0
    assert observations_from_table(table, "v").noise[:, 0] == pytest.approx([factor, factor], rel=1e-12)


@pytest.mark.parametrize("unit", ["mag", "dex", "", "Msun", "deg"])
def test_units_of_all_kinds_come_along(unit):
    table = QTable({"v": [1.0, 2.0] * u.Unit(unit), "e_v": [1.0, 1.0] * u.Unit(unit)})
    assert observations_from_table(table, "v").units == (u.Unit(unit),)


def masked_columns():
    values, mask = [1.0, 2.0, 4.0], [False, True, False]
    yield MaskedColumn(values, mask=mask)
    yield Masked(np.array(values) * u.km / u.s, mask=mask)
    yield MaskedColumn(np.array(values, dtype=">f4"), mask=mask)
    yield MaskedColumn([1, 2, 4], mask=mask)
    yield np.array([1.0, np.nan, 4.0])


@pytest.mark.parametrize("column", list(masked_columns()), ids=["column", "quantity", "big-endian", "integers", "NaN"])
@pytest.mark.parametrize("kind", [Table, QTable])
def test_masked_and_nan_values_are_missing(column, kind):
    observations = observations_from_table(kind({"v": column, "e_v": [0.1, 0.1, 0.1]}), "v")
    assert observations.n_objects == 2
    assert observations.values[[0, 2], 0].tolist() == [1.0, 4.0]
    assert "1 row without any value left out" in observations.remarks


def test_rows_left_out_count_missing_and_dropped_ones():
    table = Table({"v": [np.nan, 1.0, 2.0, 3.0], "e_v": [0.1, np.nan, 0.1, 0.1]})
    dropped = observations_from_table(table, "v", on_bad="drop").remarks
    assert dropped[-1] == "in all, 2 rows without any value left out"
    table["e_v"][1] = np.inf
    assert observations_from_table(table, "v").remarks[-1] == "in all, 2 rows without any value left out"
    table["e_v"][1] = 0.1
    assert observations_from_table(table, "v").remarks[-1] == "1 row without any value left out"


def test_an_infinite_error_is_a_missing_value(stars):
    stars["e_v"][1] = np.inf * u.km / u.s
    observations = observations_from_table(stars, "v")
    assert observations.n_objects == 2
    assert "1 value with an infinite error counts as missing" in observations.remarks


@pytest.mark.parametrize("correlated", [False, True])
def test_an_error_too_large_to_be_squared_is_infinite(correlated):
    table = Table({"a": [1.0, 2.0, 3.0], "b": [1.0, 3.0, 2.0], "e_a": [0.1, 1e200, 0.3], "e_b": [0.2, 0.2, 0.2]})
    if correlated:
        table["a_b_corr"] = 0.5
    observations = observations_from_table(table, ["a", "b"])
    assert observations.present.tolist() == [[True, True], [False, True], [True, True]]


def test_a_value_too_large_to_be_squared_is_refused():
    with pytest.raises(InputError, match=r"column 'a' is beyond 1e\+150 in row 1; use NaN or a mask"):
        observations_from_table(Table({"a": [1.0, 1e200], "e_a": [0.1, 0.2]}), "a")


@pytest.fixture
def poor():
    return Table({"v": [1.0, 2.0, 3.0, 4.0, np.nan], "e_v": [0.0, -1.0, np.nan, 1.0, 0.0]})


def test_unusable_errors_are_counted_and_located(poor):
    with pytest.raises(InputError) as caught:
        observations_from_table(poor, "v")
    for part in ("'e_v'", "1 zero, 1 negative, 1 missing", "rows 0, 1, 2", "`on_bad` to 'drop', 'missing' or 'exact'"):
        assert part in str(caught.value)


def test_a_masked_error_of_a_present_value_is_unusable():
    table = Table({"v": [1.0, 2.0], "e_v": MaskedColumn([1.0, 1.0], mask=[False, True])})
    with pytest.raises(InputError, match="1 missing\\) in row 1"):
        observations_from_table(table, "v")


def test_drop_leaves_whole_rows_out_and_missing_only_the_value(poor):
    poor["w"], poor["e_w"] = np.arange(5.0), np.ones(5)
    dropped = observations_from_table(poor, ["v", "w"], on_bad="drop")
    assert dropped.present.tolist() == [[False] * 2] * 3 + [[True, True], [False, True]]
    assert any("3 rows" in remark and "dropped" in remark for remark in dropped.remarks)
    missing = observations_from_table(poor, ["v", "w"], on_bad="missing")
    assert missing.present[:, 0].tolist() == [False, False, False, True, False]
    assert missing.present[:, 1].all()
    assert any("3 values" in remark for remark in missing.remarks)


def test_exact_takes_zero_as_exact_and_refuses_the_rest(poor):
    with pytest.raises(InputError, match="1 negative, 1 missing"):
        observations_from_table(poor, "v", on_bad="exact")
    some = poor[[0, 3]]
    assert observations_from_table(some, "v", on_bad="exact").noise[:, 0].tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"columns": "w"}, "no column 'w'"),
        ({"columns": "V"}, "did you mean 'v'"),
        ({"columns": []}, "`columns` is empty"),
        ({"columns": ["v", "v"]}, "repeats a name"),
        ({"columns": "name"}, "strings"),
        ({"columns": "name", "errors": None}, "column 'name' holds strings"),
        ({"columns": "flag", "errors": None}, "booleans"),
        ({"columns": "many", "errors": None}, "arrays of shape \\(2,\\)"),
        ({"columns": "endless", "errors": None}, "column 'endless' is infinite in row 2"),
        ({"columns": "alone"}, "looked for e_alone, alone_err, alone_error"),
        ({"columns": "v", "errors": "sigma"}, "no error column 'sigma'"),
        ({"columns": "v", "errors": ["e_v", "p"]}, "name one for each"),
        ({"columns": "v", "errors": "v"}, "its own error"),
        ({"columns": "v", "errors": "name"}, "column 'name' holds strings"),
        ({"columns": "v", "weights": "mass"}, "no weights column 'mass'"),
        ({"columns": "v", "weights": "minus"}, "weights column 'minus' is negative or not finite in row 0"),
        ({"columns": "v", "weights": "nothing"}, "weights column 'nothing' is zero for every object"),
        ({"columns": "v", "weights": "blank"}, "weights column 'blank' is negative or not finite in row 1"),
        ({"columns": "v", "on_bad": "ignore"}, "must be one of raise, drop, missing, exact"),
        ({"columns": "blank3", "errors": None}, "every value is missing"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_sentence(stars, change, sentence):
    more = {
        "name": ["a", "b", "c"],
        "e_name": [1.0, 1.0, 1.0],
        "flag": [True, False, True],
        "many": np.ones((3, 2)),
        "endless": [1.0, 2.0, np.inf],
        "alone": [1.0, 2.0, 3.0],
        "minus": [-1.0, 1.0, 1.0],
        "nothing": np.zeros(3),
        "blank": [1.0, np.nan, 1.0],
        "blank3": np.full(3, np.nan),
    }
    for name, column in more.items():
        stars[name] = column
    if change["columns"] == "name" and "errors" not in change:
        change = {**change, "errors": "e_name"}
    with pytest.raises(InputError, match=sentence):
        observations_from_table(stars, **change)


@pytest.mark.parametrize(
    "made",
    [np.array, iter, lambda names: pytest.importorskip("pandas").Index(names)],
    ids=["array", "iterator", "index"],
)
def test_names_of_columns_come_in_any_sequence(made):
    table = Table({"v": [1.0], "w": [2.0], "e_v": [0.1], "e_w": [0.2]})
    assert observations_from_table(table, made(["w", "v"])).names == ("w", "v")


def test_errors_of_temperatures_are_differences():
    """A degree of Celsius is a kelvin, though the scales begin elsewhere."""
    table = QTable({"T": [20.0, 30.0] * u.deg_C, "e_T": [500.0, 700.0] * u.mK})
    observations = observations_from_table(table, "T")
    assert observations.units == (u.deg_C,)
    assert np.sqrt(observations.variances[:, 0]) == pytest.approx([0.5, 0.7])


def test_many_columns_are_not_all_listed():
    table = Table({f"c{i}": [1.0] for i in range(500)})
    with pytest.raises(InputError, match="500 in all") as caught:
        observations_from_table(table, "missing")
    assert len(str(caught.value)) < 400


def test_a_table_without_errors_says_what_to_do():
    with pytest.raises(InputError, match="no column"):
        observations_from_table(Table({"v": [1.0]}))


def test_a_table_without_rows_is_refused():
    with pytest.raises(InputError, match="no rows"):
        observations_from_table(Table({"v": [], "e_v": []}), "v")


@pytest.mark.parametrize("name", ["t.fits", "t.fits.gz", "t.ecsv", "t.csv", "t.vot", "t.txt"])
def test_every_usual_format_is_read(tmp_path, name):
    table = Table({"v": [1.0, 2.5, 4.0], "e_v": [0.1, 0.2, 0.3]})
    path = tmp_path / name
    if name.endswith(".gz"):
        table.write(tmp_path / "plain.fits")
        path.write_bytes(gzip.compress((tmp_path / "plain.fits").read_bytes()))
    elif name.endswith(".txt"):
        table.write(path, format="ascii.commented_header")
    elif name.endswith(".vot"):
        table.write(path, format="votable")
    else:
        table.write(path)
    assert observations_from_table(read_table(path), "v").values[:, 0].tolist() == [1.0, 2.5, 4.0]


def test_a_published_table_survives_the_way_through_fits(tmp_path):
    table = datasets.load("tully_fisher")
    table.write(tmp_path / "t.fits")
    again = observations_from_table(read_table(tmp_path / "t.fits"), ["logW20", "V"])
    first = observations_from_table(table, ["logW20", "V"])
    assert again.values == pytest.approx(first.values, nan_ok=True)
    assert again.units[1] == u.mag


def test_blank_cells_and_odd_names_in_a_csv(tmp_path):
    (tmp_path / "t.csv").write_text("größe,e_größe\n1.5,0.1\n,\n2.5,0.2\n", encoding="utf-8")
    observations = observations_from_table(read_table(tmp_path / "t.csv"), "größe")
    assert observations.n_objects == 2


def test_a_cell_that_is_no_number_is_named(tmp_path):
    (tmp_path / "t.csv").write_text("v,e_v\n1.5,0.1\n2.0,0.1\nunknown,0.1\n")
    with pytest.raises(InputError, match="row 2: 'unknown'"):
        observations_from_table(read_table(tmp_path / "t.csv"), "v")


def test_an_unknown_unit_does_no_harm(tmp_path):
    columns = [
        fits.Column("v", "D", "furlongs", array=[1.0, 2.0]),
        fits.Column("e_v", "D", "furlongs", array=[1.0, 1.0]),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "t.fits")
    assert observations_from_table(read_table(tmp_path / "t.fits"), "v").n_objects == 2


@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.7, 0.9, 0.999])
def test_a_file_that_was_cut_off_is_refused(tmp_path, share):
    path = tmp_path / "t.fits"
    Table({"v": np.arange(5000.0), "e_v": np.ones(5000)}).write(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match="cannot be read"):
        read_table(path)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("t.fits", b"", "is empty"),
        ("t.csv", b"", "is empty"),
        ("t.fits", np.random.default_rng(0).bytes(9000), "cannot be read"),
        ("t.dat", np.random.default_rng(0).bytes(9000), "cannot be read"),
        ("t.csv", b"v,e_v\n", "no rows"),
        ("t.ecsv", b"# %ECSV 1.0\n# ---\n# datatype:\n", "cannot be read"),
        ("t.vot", b"<VOTABLE>", "cannot be read"),
        ("t.fits.gz", b"\x1f\x8b\x08not gzip", "cannot be read"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, name, content, sentence):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=sentence):
        read_table(tmp_path / name)


def test_an_image_is_no_table(tmp_path):
    fits.PrimaryHDU(np.zeros((4, 4))).writeto(tmp_path / "image.fits")
    with pytest.raises(InputError, match="cannot be read"):
        read_table(tmp_path / "image.fits")


def test_a_folder_or_nothing_is_refused(tmp_path):
    with pytest.raises(InputError, match="folder"):
        read_table(tmp_path)
    with pytest.raises(InputError, match="no file"):
        read_table(tmp_path / "nothing.fits")


@pytest.mark.parametrize("suffix", [".ecsv", ".fits"])
def test_masked_quantities_survive_being_written(tmp_path, suffix):
    table = QTable({"sigma": Masked([1.0, 2.0] * u.km / u.s, mask=[False, True])}, meta={"outcome": "fine"})
    path = tmp_path / f"t{suffix}"
    write_table(table, path)
    again = QTable.read(path)["sigma"]
    assert again.unit == u.km / u.s
    assert again.mask.tolist() == [False, True]
    with pytest.raises(InputError, match="exists"):
        write_table(table, path)


def test_remarks_of_a_report_are_comments_of_its_fits_file(tmp_path):
    report = QTable({"sigma": [1.0] * u.km / u.s}, meta={"remarks": ["one", "two " * 40], "comments": ["zero"]})
    write_table(report, tmp_path / "r.fits")
    assert " ".join(QTable.read(tmp_path / "r.fits").meta["comments"]).split() == ["zero", "one", *["two"] * 40]
    assert report.meta["comments"] == ["zero"]


def test_signs_that_fits_cannot_hold_are_written_in_ascii(tmp_path):
    report = QTable({"sigma": [1.0]}, meta={"remarks": ["a fraction of 4.3±0.7%", "Åström"]})
    write_table(report, tmp_path / "r.fits")
    assert QTable.read(tmp_path / "r.fits").meta["comments"] == ["a fraction of 4.3+-0.7%", "\\xc5str\\xf6m"]


def test_other_formats_of_reports_are_refused(tmp_path):
    with pytest.raises(InputError, match="end in"):
        write_table(QTable({"a": [1]}), tmp_path / "t.xlsx")
