"""Spectra of surveys and tables of pixels, read with units, errors, masks and the width of their instrument."""

import gzip
import warnings

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import QTable, Table
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import curve_fit
from scipy.stats import norm

from xdgmm import InputError
from xdgmm.errors import XdgmmWarning
from xdgmm.spectra import Spectrum
from xdgmm.tables import read_spectrum

N = 60
FLUX_UNIT = u.Unit("1e-17 erg / (s cm2 AA)")
RNG = np.random.default_rng(11)


def sdss_columns():
    loglam = 3.8 + 1e-4 * np.arange(N)
    flux, ivar = RNG.normal(10.0, 1.0, N), RNG.uniform(1.0, 2.0, N)
    ivar[[5, 6]] = 0.0
    wdisp = np.linspace(0.9, 1.1, N)
    columns = {"flux": flux, "loglam": loglam, "ivar": ivar, "and_mask": np.zeros(N), "or_mask": np.arange(N)}
    return {**columns, "wdisp": wdisp, "sky": flux, "model": flux}


def write_sdss(path, columns, *, upper=False):
    """The parts of spec-PLATE-MJD-FIBER.fits, in single precision as the survey writes them."""
    table = Table({(name.upper() if upper else name): values.astype("f4") for name, values in columns.items()})
    primary = fits.PrimaryHDU()
    primary.header.update({"PLATEID": 266, "MJD": 51602, "FIBERID": 1, "COEFF0": 3.8, "COEFF1": 1e-4})
    parts = [fits.BinTableHDU(table, name="COADD"), fits.BinTableHDU(Table({"Z": [0.02]}), name="SPALL")]
    lines = Table({"LINENAME": ["Ha"], "LINEWAVE": [6564.6]})
    fits.HDUList([primary, *parts, fits.BinTableHDU(lines, name="SPZLINE")]).writeto(path, overwrite=True)
    return path


@pytest.mark.parametrize("upper", [False, True], ids=["SDSS I to IV", "SDSS V"])
def test_a_spectrum_of_sdss(tmp_path, upper):
    columns = sdss_columns()
    spectrum = read_spectrum(write_sdss(tmp_path / "spec-0266-51602-0001.fits", columns, upper=upper))
    wave = 10.0 ** columns["loglam"]
    assert_allclose(spectrum.wave, wave, rtol=1e-14)  # not that of single precision, 1e-7
    assert (spectrum.wave_unit, spectrum.flux_unit) == (u.AA, FLUX_UNIT)
    assert_allclose(spectrum.flux, columns["flux"], rtol=1e-6)
    assert_array_equal(np.flatnonzero(~spectrum.good), [5, 6])
    assert_allclose(spectrum.err[spectrum.good], columns["ivar"][spectrum.good] ** -0.5, rtol=1e-6)
    # edges of pixels of 1e-4 dex, to 1e-4 of a pixel: they are in the middle of wavelengths, not of logarithms
    assert_allclose(spectrum.low, 10.0 ** (columns["loglam"] - 0.5e-4), atol=1.4e-4, rtol=0)
    assert_allclose(spectrum.high, 10.0 ** (columns["loglam"] + 0.5e-4), atol=1.4e-4, rtol=0)
    # one pixel of 1e-4 dex is 69.03 km/s wide
    assert_allclose(spectrum.lsf.at(wave, "AA")[1][:, 0] / wave * 299792.458, 69.03 * columns["wdisp"], rtol=1e-4)
    assert spectrum.lsf.includes_pixel is False
    assert (spectrum.name, spectrum.medium) == ("spec-0266-51602-0001", "vacuum")


def test_dispersions_that_were_not_measured_are_interpolated(tmp_path):
    columns = sdss_columns()
    expected = columns["wdisp"].copy()
    columns["wdisp"][[0, 20, 21]] = 0.0
    spectrum = read_spectrum(write_sdss(tmp_path / "s.fits", columns))
    wave = spectrum.wave[20]
    assert spectrum.lsf.at([wave], "AA")[1][0, 0] == pytest.approx(expected[20] * 1e-4 * np.log(10) * wave, rel=1e-4)
    with pytest.raises(InputError, match=r"it is needed at 6309.57 Angstrom"):
        spectrum.lsf.at(spectrum.wave[:1], "AA")
    columns["wdisp"][:] = 0.0
    assert read_spectrum(write_sdss(tmp_path / "s.fits", columns)).lsf is None


def test_wavelengths_on_another_grid_are_those_of_the_file(tmp_path):
    columns = sdss_columns()
    columns["loglam"] = np.log10(np.linspace(4000.0, 4060.0, N))
    spectrum = read_spectrum(write_sdss(tmp_path / "s.fits", columns))
    assert_array_equal(spectrum.wave, 10.0 ** columns["loglam"].astype("f4").astype("f8"))


def test_a_gaussian_averaged_over_pixels_measures_the_width_before_the_pixels():
    """What the pipeline of SDSS does with arc lines, so that wdisp does not contain the pixel."""
    x, fifths = np.arange(-12.0, 13.0), np.arange(-0.4, 0.5, 0.2)
    line = norm.cdf(x + 0.8, scale=0.9) - norm.cdf(x - 0.2, scale=0.9)  # 0.9 pixels, integrated

    def averaged(x, area, centre, sigma):
        return area * norm.pdf(x[:, None] + fifths, centre, sigma).mean(axis=1)

    def sampled(x, area, centre, sigma):
        return area * norm.pdf(x, centre, sigma)

    width, with_pixel = (curve_fit(model, x, line, [1.0, 0.0, 1.0])[0][2] for model in (averaged, sampled))
    assert width == pytest.approx(0.9, rel=0.003)
    assert with_pixel == pytest.approx(np.sqrt(0.9**2 + 1 / 12), rel=0.003)


TARGETS = np.array([39628, 39627, 39630], dtype=np.int64)


def desi_arrays():
    arrays, n_rows = {}, 3
    for camera, start, n, n_diagonals in (("B", 3600.0, 40, 11), ("R", 3620.0, 50, 11), ("Z", 7520.0, 30, 13)):
        arrays[f"{camera}_WAVELENGTH"] = start + 0.8 * np.arange(n)
        arrays[f"{camera}_FLUX"] = RNG.normal(size=(n_rows, n)).astype("f4")
        arrays[f"{camera}_IVAR"] = RNG.uniform(1.0, 2.0, (n_rows, n)).astype("f4")
        arrays[f"{camera}_MASK"] = np.zeros((n_rows, n), np.uint32)
        arrays[f"{camera}_RESOLUTION"] = RNG.uniform(0.0, 0.1, (n_rows, n_diagonals, n)).astype("f4")
    arrays["B_IVAR"][1, 3] = 0.0
    arrays["B_MASK"][1, 7] = 2**20
    return arrays


def write_desi(path, arrays, targets=TARGETS):
    units = {"WAVELENGTH": "Angstrom", "FLUX": "10**-17 erg/(s cm2 Angstrom)"}
    parts = [fits.PrimaryHDU()]
    if targets is not None:
        parts.append(fits.BinTableHDU(Table({"TARGETID": targets}), name="FIBERMAP"))
        parts.append(fits.BinTableHDU(Table({"TARGETID": np.repeat(targets, 2)}), name="EXP_FIBERMAP"))
    for name, values in arrays.items():
        hdu = fits.ImageHDU(values, name=name)
        if name[2:] in units:
            hdu.header["BUNIT"] = units[name[2:]]
        parts.append(hdu)
    fits.HDUList(parts).writeto(path, overwrite=True)
    return path


@pytest.mark.parametrize("choice", [{"row": 1}, {"target": 39627}, {"target": np.int64(39627)}])
def test_the_cameras_of_a_target_of_desi(tmp_path, choice):
    arrays = desi_arrays()
    spectra = read_spectrum(write_desi(tmp_path / "coadd-main-dark-1.fits", arrays), **choice)
    assert [spectrum.name for spectrum in spectra] == ["39627 B", "39627 R", "39627 Z"]
    for spectrum, camera in zip(spectra, "BRZ", strict=True):
        assert_array_equal(spectrum.wave, arrays[f"{camera}_WAVELENGTH"])
        assert_array_equal(spectrum.flux, arrays[f"{camera}_FLUX"][1])
        assert_allclose(spectrum.err[spectrum.good] ** -2, arrays[f"{camera}_IVAR"][1][spectrum.good], rtol=1e-6)
        assert (spectrum.wave_unit, spectrum.flux_unit, spectrum.medium) == (u.AA, FLUX_UNIT, "vacuum")
        assert spectrum.lsf.includes_pixel is True
        matrix, diagonals = spectrum.lsf.matrix.toarray(), arrays[f"{camera}_RESOLUTION"][1]
        half = len(diagonals) // 2
        for i in range(spectrum.wave.size):
            for j in range(spectrum.wave.size):
                assert matrix[i, j] == (diagonals[half + i - j, j] if abs(i - j) <= half else 0.0)
    assert_array_equal(np.flatnonzero(~spectra[0].good), [3, 7])


def test_all_exposures_of_a_target_of_desi(tmp_path):
    arrays = desi_arrays()
    path = write_desi(tmp_path / "spectra-main-dark-1.fits", arrays, np.array([5, 6, 5]))
    spectra = read_spectrum(path, target=5)
    assert [spectrum.name for spectrum in spectra] == ["5 B", "5 B", "5 R", "5 R", "5 Z", "5 Z"]
    assert_array_equal(spectra[1].flux, arrays["B_FLUX"][2])


def test_a_file_of_desi_with_one_target_needs_no_choice(tmp_path):
    arrays = {name: values[:1] if values.ndim > 1 else values for name, values in desi_arrays().items()}
    path = write_desi(tmp_path / "one.fits", arrays, TARGETS[:1])
    with path.open("rb") as plain, gzip.open(tmp_path / "one.fits.gz", "wb") as packed:
        packed.write(plain.read())
    for each in (path, tmp_path / "one.fits.gz"):
        assert len(read_spectrum(each)) == 3
    without = {name: values for name, values in arrays.items() if not name.endswith(("MASK", "RESOLUTION"))}
    spectra = read_spectrum(write_desi(tmp_path / "bare.fits", without, None))
    assert [(spectrum.name, spectrum.lsf) for spectrum in spectra] == [("0 B", None), ("0 R", None), ("0 Z", None)]


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({}, r"has 3 spectra; choose by `row` \(0 to 2\) or `target`"),
        ({"row": 3}, "`row` is 3, but .* has the rows 0 to 2"),
        ({"row": -1}, "`row` is -1"),
        ({"target": 1}, "`target` is 1, but .* has no such TARGETID among its 3"),
        ({"row": 1, "target": 39627}, "`row` and `target` both choose"),
    ],
)
def test_a_choice_of_desi_that_is_not_there(tmp_path, choice, message):
    with pytest.raises(InputError, match=message):
        read_spectrum(write_desi(tmp_path / "c.fits", desi_arrays()), **choice)


WAVE = 5000.0 + np.arange(20.0)
FLUX, ERR = RNG.normal(10.0, 1.0, 20), RNG.uniform(0.5, 1.0, 20)


@pytest.mark.parametrize("suffix", ["ecsv", "fits", "csv", "txt"])
@pytest.mark.parametrize(
    "columns",
    [
        {"wave": WAVE, "flux": FLUX, "err": ERR},
        {"Wavelength": WAVE, "Flux": FLUX, "Flux_Error": ERR},
        {"LAMBDA": WAVE, "FLUX": FLUX, "IVAR": ERR**-2},
        {"lam": WAVE, "counts": FLUX, "e_counts": ERR},
        {"energy": WAVE, "flux": FLUX, "flux_ivar": ERR**-2},
        {"freq": WAVE, "f_nu": FLUX, "variance": ERR**2},
        {"loglam": np.log10(WAVE), "flux": FLUX, "sigma": ERR, "sky": FLUX},
    ],
    ids=range(7),
)
def test_columns_are_found_by_their_names(tmp_path, columns, suffix):
    path = tmp_path / f"galaxy.{suffix}"
    Table(columns).write(path, format={"csv": "ascii.csv", "txt": "ascii.basic"}.get(suffix))
    spectrum = read_spectrum(path)
    assert_allclose(spectrum.wave, WAVE, rtol=1e-14)
    assert_allclose(spectrum.flux, FLUX, rtol=1e-14)
    assert_allclose(spectrum.err, ERR, rtol=1e-13)
    assert (spectrum.name, spectrum.medium) == ("galaxy", None)
    assert spectrum.wave_unit == (u.AA if "loglam" in columns else None)
    assert spectrum.flux_unit is None


@pytest.mark.parametrize("suffix", ["ecsv", "fits"])
def test_units_are_those_of_the_columns(tmp_path, suffix):
    table = QTable({"energy": WAVE * u.eV, "flux": FLUX * u.mJy, "ivar": ERR**-2 * 1e6 / u.Jy**2})
    table.write(tmp_path / f"s.{suffix}")
    spectrum = read_spectrum(tmp_path / f"s.{suffix}")
    assert (spectrum.axis, spectrum.wave_unit, spectrum.flux_unit) == ("energy", u.eV, u.mJy)
    assert_allclose(spectrum.err, ERR, rtol=1e-12)


def test_errors_without_a_unit_are_in_that_of_the_fluxes(tmp_path):
    QTable({"wave": WAVE * u.nm, "flux": FLUX * u.mJy, "err": ERR}).write(tmp_path / "s.ecsv")
    spectrum = read_spectrum(tmp_path / "s.ecsv")
    assert_allclose(spectrum.err, ERR)
    assert spectrum.flux_unit == u.mJy


def test_missing_values_masks_and_inverse_variances_of_zero_are_left_out(tmp_path):
    flux = np.ma.masked_array(FLUX, np.arange(20) == 2)
    ivar = np.where(np.arange(20) == 4, 0.0, ERR**-2)
    Table({"wave": WAVE, "flux": flux, "ivar": ivar, "mask": (np.arange(20) == 6).astype(int)}).write(
        tmp_path / "s.fits"
    )
    spectrum = read_spectrum(tmp_path / "s.fits")
    assert_array_equal(np.flatnonzero(~spectrum.good), [2, 4, 6])


def test_a_table_of_fluxes_alone_has_no_errors(tmp_path):
    Table({"wave": WAVE, "flux": FLUX}).write(tmp_path / "s.csv", format="ascii.csv")
    assert read_spectrum(tmp_path / "s.csv").err is None


def test_a_unit_of_fluxes_that_is_not_known_is_left_out_with_a_warning(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of astropy
        table = Table({"wave": WAVE, "flux": FLUX, "err": ERR})
        table["flux"].unit = table["err"].unit = u.Unit("nanomaggies", parse_strict="silent")
        table.write(tmp_path / "s.ecsv")
    with pytest.warns(XdgmmWarning, match="the unit 'nanomaggies' of column 'flux' is not known, and is left out"):
        spectrum = read_spectrum(tmp_path / "s.ecsv")
    assert spectrum.flux_unit is None
    assert_array_equal(spectrum.err, ERR)


@pytest.mark.parametrize("masked", [False, True])
def test_arrays_in_a_single_row_are_pixels(tmp_path, masked):
    """As in the archives of ESO and of HST."""
    flux = np.ma.masked_array(FLUX, np.arange(20) == 3) if masked else FLUX
    table = Table({"WAVE": WAVE[None], "FLUX": flux[None], "ERR": ERR[None], "SNR": [12.0], "OTHER": np.ones((1, 3))})
    table["WAVE"].unit, table["FLUX"].unit = "angstrom", "mJy"
    table.write(tmp_path / "s.fits")
    spectrum = read_spectrum(tmp_path / "s.fits")
    assert_array_equal(spectrum.wave, WAVE)
    assert_array_equal(spectrum.err, ERR)
    assert spectrum.n_masked == masked
    assert (spectrum.wave_unit, spectrum.flux_unit) == (u.AA, u.mJy)
    many = Table({"WAVE": [WAVE] * 2, "FLUX": [FLUX] * 2})
    many.write(tmp_path / "many.fits")
    with pytest.raises(InputError, match=r"column 'FLUX' holds arrays of shape \(20,\) in each row"):
        read_spectrum(tmp_path / "many.fits")


def test_the_extracted_spectra_of_jwst(tmp_path):
    """The table EXTRACT1D of x1d files has variances of several kinds beside the errors."""
    names = ["WAVELENGTH", "FLUX", "FLUX_ERROR", "FLUX_VAR_POISSON", "FLUX_VAR_RNOISE", "SURF_BRIGHT", "SB_ERROR", "DQ"]
    table = Table(dict(zip(names, [WAVE * 1e-4, FLUX, ERR, ERR, ERR, FLUX, ERR, np.zeros(20, int)], strict=True)))
    table["WAVELENGTH"].unit, table["FLUX"].unit, table["FLUX_ERROR"].unit = "um", "Jy", "Jy"
    asdf = fits.BinTableHDU(Table({"ASDF_METADATA": [[1, 2]]}), name="ASDF")
    parts = [fits.PrimaryHDU(), fits.BinTableHDU(table, name="EXTRACT1D"), asdf]
    fits.HDUList(parts).writeto(tmp_path / "x1d.fits")
    with pytest.raises(InputError, match=r"several tables; choose one with `hdu`: 1 \(EXTRACT1D\), 2 \(ASDF\)"):
        read_spectrum(tmp_path / "x1d.fits")
    spectrum = read_spectrum(tmp_path / "x1d.fits", hdu="EXTRACT1D")
    assert_array_equal(spectrum.err, ERR)
    assert (spectrum.wave_unit, spectrum.flux_unit) == (u.um, u.Jy)


def test_units_in_brackets_behind_names(tmp_path):
    text = "Wavelength (nm),Flux [nanomaggies],Err [nanomaggies]\n1.0,5.0,1.0\n2.0,6.0,3.0\n"
    (tmp_path / "s.csv").write_text(text)
    spectrum = read_spectrum(tmp_path / "s.csv")
    assert spectrum.wave_unit == u.nm
    assert_array_equal(spectrum.err, [1.0, 3.0])


def test_one_of_several_tables_is_read_as_a_table(tmp_path):
    columns = sdss_columns()
    path = write_sdss(tmp_path / "s.fits", columns)
    spectrum = read_spectrum(path, hdu="COADD")
    assert spectrum.lsf is None
    assert spectrum.name == "s"
    assert spectrum.flux_unit is None
    assert_allclose(spectrum.wave, 10.0 ** columns["loglam"], rtol=1e-6)


@pytest.mark.parametrize(
    ("columns", "arguments", "message"),
    [
        ({"x": WAVE, "flux": FLUX}, {}, "'s' has no column of wavelengths.* the columns are x, flux"),
        ({"wave": WAVE, "y": FLUX}, {}, "'s' has no column of fluxes"),
        ({"wave": WAVE, "energy": WAVE, "flux": FLUX}, {}, "several columns of wavelengths.* 'wave' and 'energy'"),
        ({"wave": WAVE, "flux": FLUX, "err": ERR, "ivar": ERR}, {}, "several columns of errors, 'err' and 'ivar'"),
        ({"wave": WAVE, "flux": FLUX, "flux_errp": ERR, "flux_errm": ERR}, {}, "upper and lower errors of 'flux'"),
        ({"wave": WAVE, "flux": FLUX, "err": 0 * ERR}, {}, "error of `flux` is zero or negative in pixels 0, 1"),
        ({"wave": WAVE[::-1] % 3, "flux": FLUX}, {}, "`wave` is not sorted"),
        ({"wave": WAVE, "flux": FLUX}, {"format": "apogee"}, "`format` is 'apogee', but it must be one of sdss"),
        ({"wave": WAVE, "flux": FLUX}, {"format": "sdss"}, "has no table COADD"),
        ({"wave": WAVE, "flux": FLUX}, {"format": "desi"}, "no part named B_WAVELENGTH"),
        ({"wave": WAVE, "flux": FLUX}, {"row": 0}, "`row` chooses a spectrum of DESI"),
        ({"wave": WAVE, "flux": FLUX}, {"target": 7}, "`target` chooses a spectrum of DESI"),
        ({"wave": WAVE, "flux": FLUX}, {"hdu": 1, "format": "sdss"}, "`hdu` chooses a table"),
        ({"wave": WAVE, "flux": FLUX}, {"hdu": 4}, "holds no table 4"),
    ],
    ids=range(14),
)
def test_tables_that_are_no_spectra_are_refused_in_one_sentence(tmp_path, columns, arguments, message):
    Table(columns).write(tmp_path / "s.fits")
    with pytest.raises(InputError, match=message) as caught:
        read_spectrum(tmp_path / "s.fits", **arguments)
    assert len(str(caught.value).splitlines()) == 1


def test_files_that_are_no_spectra_are_refused_in_one_sentence(tmp_path):
    columns = sdss_columns()
    del columns["wdisp"]
    path = write_sdss(tmp_path / "s.fits", columns)
    with pytest.raises(InputError, match=r"the table COADD of .* has no column 'wdisp'; read it with format='table'"):
        read_spectrum(path, "sdss")
    (tmp_path / "broken.fits").write_bytes(path.read_bytes()[:6000])
    for name, message in (("broken.fits", "cannot be read"), ("none.fits", "there is no file"), ("", "is a folder")):
        with pytest.raises(InputError, match=message) as caught:
            read_spectrum(tmp_path / name)
        assert len(str(caught.value).splitlines()) == 1
    (tmp_path / "empty.txt").write_text("")
    with pytest.raises(InputError, match="is empty"):
        read_spectrum(tmp_path / "empty.txt")


def test_a_spectrum_of_the_library_is_what_is_read(tmp_path):
    Table({"wave": WAVE, "flux": FLUX}).write(tmp_path / "s.ecsv")
    assert type(read_spectrum(str(tmp_path / "s.ecsv"), "table")) is Spectrum


@pytest.mark.parametrize("writer", ["sdss", "desi", "table"])
def test_broken_files_are_refused_in_one_sentence_or_read(tmp_path, writer):
    """Bytes changed anywhere, in headers above all, and files cut short."""
    path = tmp_path / "whole.fits"
    if writer == "sdss":
        write_sdss(path, sdss_columns())
    elif writer == "desi":
        write_desi(path, desi_arrays())
    else:
        Table({"wave": WAVE, "flux": FLUX, "ivar": ERR**-2}).write(path)
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    rng = np.random.default_rng(5)
    places = np.flatnonzero(np.isin(whole, np.frombuffer(b"0123456789'=", np.uint8)))
    for _ in range(40):
        content = whole.copy()
        content[rng.choice(places, 3)] = rng.choice(np.frombuffer(b"0123456789- EXTNAME'\xff", np.uint8), 3)
        end = rng.choice([len(content), rng.integers(len(content))])
        (tmp_path / "broken.fits").write_bytes(content.tobytes()[:end])
        sentence = refusal(tmp_path / "broken.fits", **({"row": 1} if writer == "desi" else {}))
        assert len(sentence.splitlines()) <= 1


def refusal(path, **choice):
    """Why a spectrum is not read; nothing where it is."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", XdgmmWarning)
        try:
            read_spectrum(path, **choice)
        except InputError as error:
            return str(error)
    return ""
