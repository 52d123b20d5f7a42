"""Null values of FITS tables are compared with what the file stores, not with scaled numbers."""

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from xdgmm.tables import observations_from_table, read_table


def with_raw(path, column, raw, **keywords):
    """A binary table whose first column holds these stored numbers, with TNULL1 and the like in its header."""
    hdu = fits.BinTableHDU(np.rec.fromarrays([raw, np.full(len(raw), 0.5)], names=[column, f"e_{column}"]))
    for name, value in keywords.items():
        hdu.header[f"{name}1"] = value
    hdu.writeto(path, overwrite=True, output_verify="ignore")
    return path


def expected(raw, null, scale=1.0, zero=0.0):
    return np.where(raw == null, np.nan, zero + scale * raw.astype(float))


@pytest.mark.parametrize("dtype", ["u1", ">i2", ">i4", ">i8"])
@pytest.mark.parametrize(("scale", "zero"), [(1.0, 0.0), (0.01, 0.0), (1.0, 100.0), (-2.0, 0.5)])
@pytest.mark.parametrize("from_records", [False, True])
def test_null_values_of_every_integer_are_missing(tmp_path, dtype, scale, zero, from_records):
    if from_records and dtype == ">i8" and zero:
        pytest.skip("astropy makes no table of such records")
    raw = np.array([1, 2, 99, 4, 0], dtype)
    path = with_raw(tmp_path / "t.fits", "v", raw, TNULL=99, TSCAL=scale, TZERO=zero)
    table = fits.getdata(path, 1) if from_records else read_table(path)
    found = observations_from_table(table, "v").values[:, 0]
    np.testing.assert_allclose(found, expected(raw, 99, scale, zero), rtol=1e-15)


def test_a_scaled_number_that_equals_the_null_value_is_a_number(tmp_path):
    path = with_raw(tmp_path / "t.fits", "v", np.array([1, 9, -9, 4], ">i2"), TNULL=-9, TSCAL=-1.0)
    found = observations_from_table(read_table(path), "v").values[:, 0]
    np.testing.assert_array_equal(found, [-1.0, -9.0, np.nan, -4.0])


@pytest.mark.parametrize(("dtype", "zero"), [(">i2", 2**15), (">i4", 2**31)])
def test_null_values_of_unsigned_integers_are_missing(tmp_path, dtype, zero):
    raw = np.array([-5, 0, -zero, 7], dtype)
    path = with_raw(tmp_path / "t.fits", "v", raw, TNULL=-zero, TZERO=zero)
    found = observations_from_table(read_table(path), "v").values[:, 0]
    np.testing.assert_array_equal(found, [zero - 5, zero, np.nan, zero + 7])


@given(
    raw=st.lists(st.integers(-(2**15), 2**15 - 1), min_size=2, max_size=20),
    null=st.integers(-(2**15), 2**15 - 1),
    scale=st.sampled_from([1.0, 0.5, -0.25, 3.0]),
    zero=st.sampled_from([0.0, 1.0, -100.0]),
)
def test_any_null_value_and_scale(tmp_path_factory, raw, null, scale, zero):
    raw = np.array([*raw, null, null - 1 if null > 0 else null + 1], ">i2")
    path = with_raw(tmp_path_factory.mktemp("t") / "t.fits", "v", raw, TNULL=null, TSCAL=scale, TZERO=zero)
    found = observations_from_table(read_table(path), "v").values[:, 0]
    np.testing.assert_array_equal(found, expected(raw, null, scale, zero))


@pytest.mark.parametrize("null", ["NaN", "***", "-", "-99.9", "INDEF", ""])
@pytest.mark.parametrize("form", ["F8.3", "E10.2", "D10.2", "I6"])
def test_the_null_text_of_ascii_tables_is_missing(tmp_path, null, form):
    columns = [
        fits.Column("name", "A3", array=["a", "b", "c"]),
        fits.Column("v", form, array=np.array([1, 2, 3] if form == "I6" else [1.5, 2.5, 3.5]), null=null or None),
        fits.Column("e_v", "F6.3", array=[0.5, 0.25, 0.125]),
    ]
    path = tmp_path / "t.fits"
    fits.TableHDU.from_columns(columns).writeto(path)
    with fits.open(path) as file:
        header, data = file[1].header, file[1].fileinfo()["datLoc"]
    at, width = data + header["NAXIS1"] + header["TBCOL2"] - 1, int(form[1:].partition(".")[0])
    content = path.read_bytes()
    path.write_bytes(content[:at] + null.encode().rjust(width) + content[at + width :])
    found = observations_from_table(read_table(tmp_path / "t.fits"), "v")
    assert found.n_objects == 2
    assert np.isnan(found.values[1, 0])
    assert found.noise[:, 0].tolist() == [0.5, 0.25, 0.125]
