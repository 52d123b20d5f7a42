"""Units of errors that only some parsers know, or none: converted where that is plain, otherwise refused."""

import astropy.units as u
import numpy as np
import pytest
from astropy.table import QTable, Table
from astropy.units import UnrecognizedUnit

from xdgmm import InputError
from xdgmm.tables import observations_from_table, read_table

ERRORS = np.array([0.5, 2.0, 0.25])


def in_file(path, unit, error_unit, name="v_ivar", numbers=ERRORS**-2):
    """A FITS file whose units are what its header says, known to astropy or not."""
    from astropy.io import fits

    columns = [
        fits.Column("v", "D", unit=unit, array=[1.0, 2.0, 4.0]),
        fits.Column(name, "D", unit=error_unit, array=numbers),
    ]
    fits.BinTableHDU.from_columns(columns).writeto(path / "t.fits", overwrite=True)
    return read_table(path / "t.fits")


@pytest.mark.parametrize(
    ("unit", "error_unit", "factor"),
    [
        ("deg", "1/deg^2", 1.0),
        ("deg", "deg-2", 1.0),
        ("deg", "deg^-2", 1.0),
        ("deg", "arcmin-2", 1 / 3600),
        ("mas", "1/uas^2", 1e-6),
        ("km/s", "(km/s)^-2", 1.0),
        ("km/s", "1/(km/s)^2", 1.0),
        ("nanomaggies", "(nanomaggies)**(-2)", 1.0),
        ("km/s", "s2 km-2", 1.0),
        ("10^-17 erg/s/cm^2", "1/(10^-17 erg/s/cm^2)^2", 1.0),
        ("mag", "1/mag**2", 1.0),
        ("nanomaggy", "1/nanomaggy^2", 1.0),
        ("nmgy", "nmgy-2", 1.0),
        ("nanomaggies", "1/nanomaggies^2", 1.0),
        ("nanomaggies", "nanomaggies^-2", 1.0),
        ("nanomaggies", "nanomaggies-2", 1.0),
        ("nanomaggies", "nanomaggies**(-2)", 1.0),
        ("kmps", "1/kmps^2", 1.0),
        ("widgets/s", "s2/widgets^2", 1.0),
        ("widgets/s", "min2/widgets^2", 1 / 3600),
    ],
)
def test_inverse_variances_in_the_inverse_square_of_any_unit(tmp_path, unit, error_unit, factor):
    table = in_file(tmp_path, unit, error_unit, numbers=ERRORS**-2 * factor)
    observations = observations_from_table(table, "v")
    np.testing.assert_allclose(observations.noise[:, 0], ERRORS, rtol=1e-12)


def test_what_is_assumed_of_an_unknown_unit_is_said(tmp_path):
    remarks = observations_from_table(in_file(tmp_path, "nanomaggies", "1/nanomaggies^2"), "v").remarks
    assert "the unit 'nanomaggies' of v is not known to astropy and left out" in remarks
    assert "errors of v taken to be in the unit 'nanomaggies', variances in its square" in remarks


@pytest.mark.parametrize(
    ("unit", "error_unit", "name"),
    [
        ("nanomaggies", "1/nanomaggies", "v_ivar"),
        ("nanomaggies", "nanomaggies^2", "v_ivar"),
        ("nanomaggies", "1/widgets^2", "v_ivar"),
        ("nanomaggies", "1/mag^2", "v_ivar"),
        ("nanomaggies", "1/nanomaggies^2", "v_var"),
        ("nanomaggies", "percent", "e_v"),
        ("deg", "1/km^2", "v_ivar"),
        ("nanomaggies", "?!", "v_ivar"),
    ],
)
def test_units_that_do_not_belong_together_are_refused_with_the_column(tmp_path, unit, error_unit, name):
    with pytest.raises(InputError, match=f"'{name}' is in .* does not convert to the .* of column 'v'"):
        observations_from_table(in_file(tmp_path, unit, error_unit, name), "v")


@pytest.mark.parametrize(
    ("unit", "error_unit", "factor"), [("mas", "uas", 1e-3), ("uas", "mas", 1e3), ("uas", "uas", 1.0)]
)
def test_units_that_the_parser_of_fits_does_not_know_convert(tmp_path, unit, error_unit, factor):
    observations = observations_from_table(in_file(tmp_path, unit, error_unit, "e_v", ERRORS), "v")
    np.testing.assert_allclose(observations.noise[:, 0], ERRORS * factor, rtol=1e-15)
    assert observations.units == (u.Unit(unit),)


def test_units_are_read_again_in_tables_of_the_user_too():
    table = Table({"v": [1.0, 2.0, 4.0], "v_ivar": ERRORS**-2})
    table["v"].unit, table["v_ivar"].unit = u.deg, UnrecognizedUnit("1/deg^2")
    np.testing.assert_allclose(observations_from_table(table, "v").noise[:, 0], ERRORS, rtol=1e-15)


def test_covariances_of_unknown_units_convert_too():
    table = QTable({"a": [1.0, 2.0], "b": [1.0, 3.0], "e_a": [0.5, 0.5], "e_b": [0.5, 0.5], "cov_a_b": [0.1, -0.1]})
    table = Table(table)
    table["a"].unit, table["b"].unit, table["cov_a_b"].unit = map(UnrecognizedUnit, ("wid", "gets", "gets wid"))
    observations = observations_from_table(table, ["a", "b"])
    assert observations.noise[:, 0, 1].tolist() == [0.1, -0.1]


VOTABLE = """<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE><TABLE>
<FIELD name="v" datatype="double" unit="mas"/><FIELD name="e_v" datatype="float" unit="uas"/>
<FIELD name="f" datatype="double" unit="nanomaggies"/><FIELD name="f_ivar" datatype="double" unit="1/nanomaggies^2"/>
<DATA><TABLEDATA>
<TR><TD>1.5</TD><TD>500</TD><TD>1</TD><TD>4</TD></TR>
<TR><TD>WORD</TD><TD>500</TD><TD>2</TD><TD>16</TD></TR>
</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"""


@pytest.mark.parametrize("word", ["", "NaN", "null", "NA", "-", "N/A"])
def test_units_and_words_for_missing_values_of_votables(tmp_path, word):
    (tmp_path / "t.vot").write_text(VOTABLE.replace("WORD", word))
    table = read_table(tmp_path / "t.vot")
    observations = observations_from_table(table, "v")
    np.testing.assert_array_equal(observations.values[:, 0], [1.5, np.nan])
    assert observations.noise[0, 0] == 0.5
    observations = observations_from_table(table, "f")
    assert observations.noise[:, 0].tolist() == [0.5, 0.25]
    assert observations.units == (None,)
    assert "the unit 'nanomaggies' of f is not known to astropy and left out" in observations.remarks
