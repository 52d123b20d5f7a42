"""Small tables of the kinds that were misread, with the exact one-component maxima of what they hold."""

from pathlib import Path

import pytest

from xdgmm import XDGMM, InputError, Observations
from xdgmm.errors import XdgmmWarning
from xdgmm.tables import read_table

CASES = Path(__file__).parent / "cases"


def fitted(file, column, errors="auto"):
    observations = Observations.from_table(read_table(CASES / file), column, errors=errors)
    mixture = XDGMM(1).fit(observations).mixture_
    return observations.n_objects, mixture.means[0, 0], mixture.sigmas[0, 0]


# File, column to fit, its errors, objects, mean and intrinsic width: both from two independent optimisers.
RIGHT = [
    ("unit_deg_ivar.fits", "X", "auto", 40, 10.02211, 1.64224),
    ("unit_uas.fits", "X", "auto", 40, 10.02211, 1.64224),
    ("unit_nanomaggies_ivar.fits", "X", "auto", 40, 10.02211, 1.64224),
    ("infix_ivar.csv", "FLUX_G", "auto", 60, 10.0748, 2.2160),
    ("infix_ivar.csv", "FLUX_G", "FLUX_IVAR_G", 60, 10.0748, 2.2160),
    ("infix_ivar_sdss.csv", "modelFlux_r", "auto", 60, 10.0748, 2.2160),
    ("infix_ivar_sdss.csv", "modelFlux_r", "modelFluxIvar_r", 60, 10.0748, 2.2160),
    ("variance.csv", "flux", "auto", 60, 10.0748, 2.2160),
    ("variance.csv", "flux", "flux_variance", 60, 10.0748, 2.2160),
    ("ascii_tnull_nan.fits", "RV", "auto", 24, 79.27, 3.21),
    ("gaia_null.csv", "parallax", "auto", 18, 1.96166, 0.44158),
    ("bars_plain.txt", "v", "auto", 20, 49.7535, 4.3400),
    ("dexp.dat", "v", "auto", 20, 49.7535, 4.3400),
    ("units_row.csv", "v", "auto", 20, 49.7535, 4.3400),
    ("brackets.csv", "v", "auto", 20, 49.7535, 4.3400),
    ("trailing_comma.csv", "v", "auto", 20, 49.7535, 4.3400),
    ("psql.txt", "v", "auto", 20, 49.7535, 4.3400),
    ("topcat_ascii.txt", "v", "auto", 20, 49.7535, 4.3400),
    # every second value is negative; with the minus sign of ASCII the table gives the same
    ("unicode_minus.csv", "v", "auto", 20, -1.7972, 49.9313),
]
# Tables of which something is assumed, and the words that say it.
SAID = [
    ("latin1.csv", "v", "not in UTF-8", 20, 49.7535, 4.3400),
    ("euro.csv", "v", "decimal commas of v, e_v", 20, 49.7535, 4.3400),
    ("euro_comma.csv", "v", "decimal commas of v, e_v", 20, 49.7535, 4.3400),
    ("thousands.csv", "v", "separators of thousands in v left out", 20, 1049.7535, 4.3400),
    ("pm.csv", "v", "column 'v' holds values with errors", 20, 49.7535, 4.3400),
    ("limit_flags.csv", "vsini", "8 of 30 values of vsini are limits", 22, 5.983, 0.823),
]


@pytest.mark.parametrize(("file", "column", "errors", "n_objects", "mean", "sigma"), RIGHT)
def test_each_table_gives_its_right_answer(file, column, errors, n_objects, mean, sigma):
    digits = 10.0 ** -len(str(sigma).partition(".")[2])
    found = fitted(file, column, errors)
    assert found[0] == n_objects
    assert found[1] == pytest.approx(mean, abs=digits)
    assert found[2] == pytest.approx(sigma, abs=digits)


@pytest.mark.parametrize(("file", "column", "said", "n_objects", "mean", "sigma"), SAID)
def test_what_is_assumed_of_a_table_is_said(file, column, said, n_objects, mean, sigma):
    with pytest.warns(XdgmmWarning, match=said):
        test_each_table_gives_its_right_answer(file, column, "auto", n_objects, mean, sigma)


def test_every_case_is_tested():
    tested = {file for file, *_ in (*RIGHT, *SAID)} | {"scaled_null.fits", "zero_ivar.csv"}
    assert {path.name for path in CASES.iterdir()} == tested


def test_scaled_null_values_are_missing():
    table = read_table(CASES / "scaled_null.fits")
    observations = Observations.from_table(table, "V")
    assert observations.n_objects == 29
    assert observations.values[~observations.counts].size == 1
    assert "1 of 30 values of V missing" in observations.remarks


def test_inverse_variances_of_zero_are_blamed_rather_than_the_values():
    with pytest.raises(InputError, match=r"'X_ivar' holds no error of 'X' .*\(every inverse variance is zero\)"):
        fitted("zero_ivar.csv", "X")
