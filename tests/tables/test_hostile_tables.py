"""What tables in the wild hold that a careful author would not write."""

import gzip
import random

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Column, QTable, Table

from xdgmm.errors import InputError, OutputError
from xdgmm.tables import observations_from_table, read_table, write_table

VALUES = [1.0, 2.0, 4.0]


def with_units(unit, error_unit):
    return Table({"v": Column(VALUES, unit=unit), "e_v": Column([0.1, 0.2, 0.4], unit=error_unit)})


@pytest.mark.parametrize(("unit", "error_unit"), [("mag(AB)", "mag"), ("dex(cm/s2)", "dex"), ("mag(AB)", "mag(AB)")])
def test_errors_of_a_logarithmic_value_are_differences_in_its_logarithm(unit, error_unit):
    observations = observations_from_table(QTable(with_units(unit, error_unit)), "v")
    assert observations.noise[:, 0].tolist() == [0.1, 0.2, 0.4]
    assert observations.units == (u.Unit(unit),)


def test_an_error_in_dex_of_a_value_in_mag_is_positive():
    # 1 dex is a factor 10, which is 2.5 mag; astropy converts it to -2.5
    noise = observations_from_table(with_units("mag", "dex"), "v").noise[:, 0]
    assert noise == pytest.approx([0.25, 0.5, 1.0], rel=1e-14)


@pytest.mark.parametrize(("unit", "error_unit"), [("m/s", "kmps"), ("kmps", "m/s"), ("kmps", "mps")])
def test_a_unit_that_astropy_does_not_know_is_not_converted(unit, error_unit):
    with pytest.raises(InputError, match=f"'e_v' .*convert to the {unit.replace('/', ' / ')} "):
        observations_from_table(with_units(unit, error_unit), "v")


def test_an_unknown_unit_common_to_value_and_error_is_left_out_with_a_remark():
    observations = observations_from_table(with_units("kmps", "kmps"), "v")
    assert observations.units == (None,)
    assert "the unit 'kmps' of v is not known to astropy and left out" in observations.remarks


@pytest.mark.parametrize(
    ("unit", "error_unit", "sentence"),
    [
        ("km/s", "", "'e_v' is dimensionless, .*km / s of column 'v'"),
        ("", "km/s", "'e_v' is in km / s, .*dimensionless .*column 'v'"),
    ],
)
def test_a_dimensionless_column_is_called_so(unit, error_unit, sentence):
    with pytest.raises(InputError, match=sentence):
        observations_from_table(with_units(unit, error_unit), "v")


@pytest.mark.parametrize("holder", [dict, Table, lambda columns: Table(columns).as_array()])
def test_none_is_a_missing_value(holder):
    table = holder({"v": [1.0, None, 4], "e_v": [0.1, 0.2, 0.4]})
    np.testing.assert_array_equal(observations_from_table(table, "v").values[:, 0], [1.0, np.nan, 4.0])
    with pytest.raises(InputError, match="column 'v' holds"):
        observations_from_table(holder({"v": [1.0, None, [2]], "e_v": [0.1, 0.2, 0.4]}), "v")


@pytest.mark.parametrize("errors", ["auto", ["e_v", "e_e_v"]])
def test_a_column_to_fit_is_not_the_error_of_another(errors):
    table = Table({"v": VALUES, "e_v": VALUES, "e_e_v": VALUES})
    with pytest.raises(InputError, match=r"'e_v' .*both .*'v'"):
        observations_from_table(table, ["v", "e_v"], errors=errors)


def test_without_columns_two_candidates_are_an_error_and_weights_are_no_value():
    table = Table({"v": VALUES, "e_v": VALUES, "p": VALUES, "e_p": VALUES})
    assert observations_from_table(table, weights="p").names == ("v",)
    table["v_err"] = VALUES
    with pytest.raises(InputError, match="'e_v' and 'v_err'"):
        observations_from_table(table)
    with pytest.raises(InputError, match="`columns`"):
        observations_from_table(table, errors="e_v")


@pytest.mark.parametrize("arguments", [{"columns": 0}, {"columns": "v", "weights": [1, 2, 3]}, {"columns": [None]}])
def test_columns_are_given_by_name(arguments):
    with pytest.raises(InputError, match=r"given by its name|no column '0'; its columns are v, e_v"):
        observations_from_table(Table({"v": VALUES, "e_v": VALUES}), **arguments)


@pytest.mark.parametrize("table", ["stars.fits", np.ones(3), None, [VALUES]])
def test_only_a_table_is_a_table(table):
    with pytest.raises(InputError, match=r"astropy Table.*pandas"):
        observations_from_table(table, "v")


def test_missing_values_are_counted_for_each_column():
    table = Table({"v": [1.0, np.nan], "w": [1.0, 2.0], "e_v": [1.0, 1.0], "e_w": [1.0, 1.0]})
    remarks = observations_from_table(table, ["v", "w"]).remarks
    assert [remark for remark in remarks if "missing" in remark] == ["1 of 2 values of v missing"]


def test_text_is_read_compressed_and_with_the_mark_of_spreadsheets(tmp_path):
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"v,e_v\n1,2\n3,4\n"))
    (tmp_path / "t.csv").write_text("v,e_v\n1,2\n3,4\n", encoding="utf-8-sig")
    for name in ("t.csv.gz", "t.csv"):
        assert read_table(tmp_path / name).colnames == ["v", "e_v"]


@pytest.mark.parametrize("content", [b"hello\nworld\n", bytes(1000), b"some words here\nand more words\nat the end\n"])
def test_text_without_numbers_and_zeros_are_no_table(tmp_path, content):
    (tmp_path / "t.txt").write_bytes(content)
    with pytest.raises(InputError, match="cannot be read"):
        read_table(tmp_path / "t.txt")


def test_a_name_that_stands_twice_in_a_file_is_refused(tmp_path):
    (tmp_path / "twice.csv").write_text("v,v,e_v\n1,2,3\n4,5,6\n")
    with pytest.raises(InputError, match="several columns named 'v'"):
        read_table(tmp_path / "twice.csv")
    (tmp_path / "once.csv").write_text("v,v_1,e_v\n1,2,3\n4,5,6\n")
    assert read_table(tmp_path / "once.csv").colnames == ["v", "v_1", "e_v"]


def test_a_binary_file_may_number_its_names(tmp_path):
    Table({"v": VALUES, "v_1": VALUES}).write(tmp_path / "t.fits")
    assert read_table(tmp_path / "t.fits").colnames == ["v", "v_1"]


def test_a_file_with_flipped_bytes_is_read_or_refused(tmp_path):
    Table({"v": np.arange(50.0), "e_v": np.ones(50)}).write(tmp_path / "good.fits")
    good, rng, refused = (tmp_path / "good.fits").read_bytes(), random.Random(1), 0
    for _ in range(200):
        content = bytearray(good)
        for _ in range(20):
            content[rng.randrange(len(content))] = rng.randrange(256)
        (tmp_path / "bad.fits").write_bytes(content)
        try:
            read_table(tmp_path / "bad.fits")
        except InputError:
            refused += 1
    assert refused > 0


def test_what_fits_cannot_hold_is_said_and_leaves_no_file(tmp_path):
    with pytest.raises(OutputError, match=r"\.ecsv"):
        write_table(QTable({"größe": VALUES}), tmp_path / "t.fits")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("meta", [{"d": {"a": 1}}, {"n": "two\nlines"}, {"a long keyword": "x"}])
def test_odd_units_and_metadata_do_not_warn(tmp_path, meta):
    write_table(QTable({"v": VALUES * u.dex(u.cm / u.s**2)}, meta=meta), tmp_path / "t.fits")
    assert len(fits.getdata(tmp_path / "t.fits", 1)) == 3


ELSEWHERE = """<?xml version="1.0"?>
<VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">
<RESOURCE><TABLE><FIELD name="v" datatype="double"/>
<DATA><{kind}><STREAM href="{address}" encoding="base64"/></{kind}></DATA></TABLE></RESOURCE></VOTABLE>
"""


@pytest.mark.parametrize("address", ["file:///etc/hostname", "http://127.0.0.1:9/rows", "https://example.org/rows"])
@pytest.mark.parametrize("kind", ["BINARY", "BINARY2", "FITS", "PARQUET"])
def test_a_votable_whose_rows_lie_elsewhere_is_not_followed(address, kind, tmp_path, monkeypatch):
    followed = []
    monkeypatch.setattr("urllib.request.urlopen", followed.append)
    text = ELSEWHERE.format(kind=kind, address=address).encode()
    (tmp_path / "t.vot").write_bytes(text)
    (tmp_path / "t.vot.gz").write_bytes(gzip.compress(text))
    for name in ("t.vot", "t.vot.gz"):
        with pytest.raises(InputError, match=f"takes its rows from '{address}', which is not followed"):
            read_table(tmp_path / name)
    assert followed == []
