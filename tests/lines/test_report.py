"""What is printed and what is written: observed, instrumental, intrinsic; sigma and FWHM; units; limits."""

import numpy as np
import pytest
from astropy import units as u

from xdgmm import lines

FWHM = np.sqrt(8 * np.log(2))


@pytest.fixture
def widths():
    observed = np.ma.masked_invalid([2.5, 1.1, np.nan]) * 1.0
    return lines.deconvolve(
        np.ma.filled(observed, np.nan) * u.AA, 0.1 * u.AA, lsf=1.2 * u.AA, lsf_error=0.03, rest=6562.8 * u.AA
    )


def test_a_row_says_observed_instrumental_and_intrinsic_as_sigma_and_fwhm_in_both_units(widths):
    table = widths.table()
    for what in ("observed_{}", "observed_{}_error", "instrumental_{}", "intrinsic_{}", "intrinsic_{}_limit"):
        sigma, fwhm = table[what.format("sigma")], table[what.format("fwhm")]
        assert fwhm[0].to_value("AA") == pytest.approx(FWHM * sigma[0].to_value("AA"), rel=1e-14)
        assert sigma.unit == u.AA
        velocity = table[what.format("sigma") + "_kms"]
        assert velocity.unit == u.km / u.s
        assert velocity[0].value == pytest.approx(sigma[0].value / 6562.8 * 299792.458, rel=1e-12)
        assert sigma.info.description
    assert table["is_limit"].tolist() == [False, True, None]
    assert table["intrinsic_sigma"].mask.tolist() == [False, False, True]


def test_the_table_survives_a_file(widths, tmp_path):
    from astropy.table import QTable

    table = widths.table(limit_level=0.9)
    table.write(tmp_path / "w.ecsv")
    back = QTable.read(tmp_path / "w.ecsv")
    assert back.meta["limit_level"] == 0.9
    assert (back["intrinsic_sigma_limit"][:2] == table["intrinsic_sigma_limit"][:2]).all()
    assert "90% upper limit" in back["intrinsic_sigma_limit"].info.description


def test_print_shows_values_with_errors_and_limits_as_limits(widths):
    text = repr(widths)
    for part in ("observed", "instrumental", "intrinsic", "FWHM", "[Angstrom]", "[km/s]", "2.50±0.10", "(95%)", "none"):
        assert part in text
    assert "1 of 2 lines are resolved" in " ".join(text.split())
    assert "1 without a width" in text
    assert "optical convention" in text
    assert "3%, shared by all lines" in " ".join(text.split())


def test_p_values_and_limits_are_explained_where_they_are_printed(widths):
    text = repr(widths)
    heading = " ".join(text.split("─")[0].split())
    assert "p-value of" in heading
    assert "zero width" in heading
    text = " ".join(text.split())
    assert "lines are resolved (p-value of zero intrinsic width below 0.05)" in text
    assert "< marks upper limits (95%)" in text
    assert "marks upper limits" not in repr(lines.deconvolve([150.0], 2.0, lsf=60.0))
    rng = np.random.default_rng(0)
    observed = rng.normal(100.0, 20.0, 50)
    together = repr(lines.population(lines.deconvolve(observed, 2.0, lsf=60.0)))
    assert "zero width p-value < 1e-09: the probability of these widths, had no line one of its own" in " ".join(
        together.split()
    )
    assert ", its 68% interval " in together


def test_print_stays_short_for_many_lines():
    text = repr(lines.deconvolve(np.full(100_000, 70.0), 2.0, lsf=60.0))
    assert len(text.splitlines()) < 32
    assert "99999" in text
    assert "100000 of 100000 lines" in text


def test_numbers_of_thousands_are_printed_in_full():
    text = repr(lines.deconvolve([1000.0, 61_000.0, 4e7], [500.0, 2000.0, 1e6], lsf=[1000.0, 60_000.0, 3e7]))
    for part in ("1000±500", "61000±2000", "<2040 (95%)", "<23300 (95%)", "2.65e+07±1.5e+06"):
        assert part in text
