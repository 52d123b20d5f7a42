"""The width of an instrument is the same however it is given, and on whatever axis it is asked for."""

import pickle

import numpy as np
import pytest
from astropy import constants
from astropy import units as u
from scipy.sparse import dia_matrix
from scipy.stats import norm

from xdgmm import InputError, lines
from xdgmm.spectra import LSF

FWHM = 2.0 * np.sqrt(2.0 * np.log(2.0))
C = constants.c.to_value("km/s")


def sigma_at(lsf, position, unit=None):
    weights, sigmas = lsf.at([position], unit)
    assert weights.shape == sigmas.shape == (1, 1)
    assert weights[0, 0] == 1.0
    return sigmas[0, 0]


@pytest.mark.parametrize(
    "lsf",
    [
        LSF(1.5 * u.AA, includes_pixel=True),
        LSF(sigma=1.5, unit="AA", includes_pixel=True),
        LSF(sigma=0.15 * u.nm, includes_pixel=True),
        LSF(fwhm=1.5 * FWHM * u.AA, includes_pixel=True),
        LSF(R=6000.0 / (1.5 * FWHM), includes_pixel=True),
        LSF(sigma_kms=1.5 / 6000.0 * C, includes_pixel=True),
        LSF(sigma=1.5e3 / 6000.0 * constants.c / 1e3, includes_pixel=True),
        LSF(fwhm=1.5 * FWHM / 6000.0 * constants.c, includes_pixel=True),
        LSF(sigma=lambda x: x / 4000.0, unit="AA", includes_pixel=True),
        LSF(sigma=lambda x: x / 4000.0 * u.AA, unit="AA", includes_pixel=True),
        LSF(R=lambda x: 6000.0 / (1.5 * FWHM) + 0.0 * x, includes_pixel=True),
        LSF(sigma=[1.0, 2.0] * u.AA, x=[5000.0, 7000.0] * u.AA, includes_pixel=True),
        LSF(sigma=[2.0, 1.0], x=[7000.0, 5000.0], unit="AA", includes_pixel=True),
        LSF(sigma=[0.1, 0.2] * u.nm, x=[5000.0, 7000.0] * u.AA, includes_pixel=True),
        LSF(sigma=[0.1, 0.2], x=[5000.0, 7000.0] * u.AA, unit="nm", includes_pixel=True),
        LSF(sigma=[0.1, 0.2] * u.nm, x=[5000.0, 7000.0], unit="AA", includes_pixel=True),
        LSF(sigma_kms=[1.5 / 6000.0 * C] * 2, x=[5000.0, 7000.0] * u.AA, includes_pixel=True),
    ],
    ids=range(17),
)
def test_the_same_width_given_in_many_ways(lsf):
    assert sigma_at(lsf, 6000.0, u.AA) == pytest.approx(1.5, rel=1e-12)
    assert sigma_at(lsf, 600.0, "nm") == pytest.approx(0.15, rel=1e-12)
    energy = (6000.0 * u.AA).to_value("eV", u.spectral())
    # |dE / d lambda| = E / lambda
    assert sigma_at(lsf, energy, "eV") == pytest.approx(1.5 * energy / 6000.0, rel=1e-9)


def test_widths_on_an_axis_of_velocities():
    assert sigma_at(LSF(sigma_kms=70.0, includes_pixel=True), -100.0, "km/s") == 70.0
    assert sigma_at(LSF(70.0 * u.km / u.s, includes_pixel=True), -100.0, "m/s") == pytest.approx(70e3)
    assert sigma_at(LSF(R=2700, includes_pixel=True), 0.0, "km/s") == pytest.approx(C / 2700 / FWHM)
    lsf = LSF(sigma=[60.0, 80.0] * u.km / u.s, x=[-1.0, 1.0] * u.Mm / u.s, includes_pixel=True)
    assert sigma_at(lsf, 0.0, "km/s") == 70.0
    with pytest.raises(InputError, match=r"km / s, which does not convert to Angstrom"):
        LSF(1.5 * u.AA, includes_pixel=True).at([100.0], "km/s")


def test_plain_numbers_are_in_the_unit_of_the_spectrum():
    assert sigma_at(LSF(1.5, includes_pixel=True), 6000.0) == 1.5
    assert sigma_at(LSF(1.5, includes_pixel=True), 6000.0, "AA") == 1.5
    assert sigma_at(LSF([1.0, 2.0], x=[5000.0, 7000.0], includes_pixel=True), 6000.0, "nm") == 1.5
    assert sigma_at(LSF(sigma_kms=C / 1000.0, includes_pixel=True), 6000.0) == pytest.approx(6.0)


def test_several_gaussians_keep_their_fractions():
    lsf = LSF(weights=[0.8, 0.2], sigmas=[[1.0, 2.0], [3.0, 5.0]], x=[5000.0, 7000.0], includes_pixel=False)
    weights, sigmas = lsf.at([5000.0, 5500.0, 7000.0])
    np.testing.assert_allclose(weights, [[0.8, 0.2]] * 3)
    np.testing.assert_allclose(sigmas, [[1.0, 3.0], [1.25, 3.5], [2.0, 5.0]])
    weights, sigmas = LSF(weights=[0.8, 0.2], sigmas=[1.0, 3.0] * u.AA, includes_pixel=False).at([500.0, 600.0], "nm")
    np.testing.assert_allclose(sigmas, [[0.1, 0.3]] * 2)


def test_measured_instruments_are_taken_with_their_unit():
    rng = np.random.default_rng(1)
    x = np.linspace(4000.0, 7000.0, 40)
    measured = lines.measure_lsf(x * u.AA, (1.2 + 1e-4 * (x - 5500.0) + 0.01 * rng.normal(size=40)) * u.AA, 0.01 * u.AA)
    lsf = LSF(sigma=measured, includes_pixel=True)
    assert sigma_at(lsf, 600.0, "nm") == pytest.approx(measured(6000.0).to_value("nm"), rel=1e-12)


def test_positions_beyond_the_given_ones_are_refused_from_the_edge_of_the_last_pixel():
    lsf = LSF(sigma=[1.0, 1.1, 1.3], x=[5000.0, 5002.0, 5004.0], unit="AA", includes_pixel=True)
    assert sigma_at(lsf, 5005.0, "AA") == 1.3
    assert sigma_at(lsf, 4999.0, "AA") == 1.0
    with pytest.raises(InputError, match=r"given from 5000 to 5004 Angstrom, but it is needed at 5005.1 Angstrom"):
        lsf.at([5001.0, 5005.1], "AA")


@pytest.mark.parametrize(
    ("given", "reach"),
    [
        ({"sigma": [1.0, 1.5]}, 1.5),
        ({"fwhm": [2.0, 3.0]}, 3.0 / FWHM),
        ({"R": [2000, 2000]}, 6500.0 / 2000 / FWHM),
        ({"sigma_kms": [60, 60]}, 6500.0 * 60 / C),
    ],
)
def test_a_table_with_few_positions_does_not_reach_far_beyond_them(given, reach):
    """No further than the full width of the instrument, though half a step would be 250 Angstrom."""
    lsf = LSF(**given, x=[6000.0, 6500.0], includes_pixel=True)
    assert np.isfinite(sigma_at(lsf, 6500.0 + 0.99 * FWHM * reach))
    with pytest.raises(InputError, match="given from 6000 to 6500"):
        lsf.at([6500.0 + 1.01 * FWHM * reach])


def test_velocities_along_an_axis_of_velocities_reach_as_far():
    lsf = LSF(sigma_kms=[60, 60], x=[-500, 500] * u.km / u.s, includes_pixel=True)
    assert sigma_at(lsf, 0.99 * FWHM * 60 + 500.0, "km/s") == 60
    with pytest.raises(InputError, match="given from -500 to 500"):
        lsf.at([1.01 * FWHM * 60 + 500.0], "km/s")


def gaussian_rows(n, sigma):
    """Resolution matrix of Gaussian rows, in pixels."""
    i = np.arange(n)
    return norm.pdf(i[:, None] - i, scale=sigma)


def test_the_sigma_of_a_resolution_matrix_is_that_of_its_rows():
    wave = np.linspace(5000.0, 5040.0, 51)  # 0.8 each
    lsf = LSF(matrix=gaussian_rows(51, 1.7), x=wave * u.AA, includes_pixel=True)
    # a Gaussian of 1.7 pixels, sampled at the centres, has this standard deviation to 1e-10
    assert sigma_at(lsf, 5020.3, "AA") == pytest.approx(0.8 * 1.7, rel=1e-8)
    assert "sigma" in lsf.describe()
    assert sigma_at(LSF(matrix=np.eye(51), x=wave, includes_pixel=True), 5020.0) == 0.0
    decreasing = LSF(matrix=np.diag([1.0, 1.0, 0.5]) + 0.5 * np.eye(3, k=1), x=[3.0, 2.0, 1.0], includes_pixel=True)
    np.testing.assert_array_equal(decreasing.matrix.toarray(), [[0.5, 0, 0], [0.5, 1.0, 0], [0, 0.5, 1.0]])


def test_rows_of_pixels_without_data_have_no_width():
    matrix = gaussian_rows(31, 1.0)
    matrix[10:12] = 0.0
    matrix[12] = np.nan
    lsf = LSF(matrix=matrix, x=np.arange(31.0), includes_pixel=True)
    assert sigma_at(lsf, 11.0) == pytest.approx(1.0, rel=1e-6)
    assert np.isfinite(lsf.matrix.data).all()


def test_diagonals_are_those_of_scipy_and_of_desi():
    rng = np.random.default_rng(3)
    data = rng.random((5, 9))
    dense = LSF.from_diagonals(data, includes_pixel=True).matrix.toarray()
    for i in range(9):
        for j in range(9):
            # DESI writes the uppermost diagonal first, and puts an element into the column of the matrix
            assert dense[i, j] == (data[2 - (j - i), j] if abs(i - j) <= 2 else 0.0)
    offsets = [-1, 0, 3]
    found = LSF.from_diagonals(data[:3], offsets, includes_pixel=True).matrix
    np.testing.assert_array_equal(found.toarray(), dia_matrix((data[:3], offsets), shape=(9, 9)).toarray())
    with pytest.raises(InputError, match="4 diagonals, of which none is in the middle"):
        LSF.from_diagonals(data[:4], includes_pixel=True)
    with pytest.raises(InputError, match="`offsets` must hold 3 whole numbers"):
        LSF.from_diagonals(data[:3], [1, 0], includes_pixel=True)


@pytest.mark.parametrize(
    ("lsf", "sentence"),
    [
        (LSF(R=2700, includes_pixel=True, error=0.05), "R = 2700 (sigma 47.2 km/s), contains the pixel, error 5%"),
        (LSF(1.2 * u.AA, includes_pixel=False), "sigma = 1.2 Angstrom, does not contain the pixel"),
        (
            LSF(fwhm=4.9, includes_pixel=True, scatter=3 * u.percent),
            "FWHM = 4.9, contains the pixel, scatter from line to line 3%",
        ),
        (LSF(sigma_kms=[60, 70], x=[1, 2] * u.um, includes_pixel=True), "sigma = 60 to 70 km/s, contains the pixel"),
        (
            LSF(weights=[0.8, 0.2], sigmas=[1, 3] * u.AA, includes_pixel=True),
            "2 Gaussians of 80% and 20%, sigma = 1 and 3 Angstrom, contains the pixel",
        ),
        (LSF(sigma=np.sqrt, includes_pixel=True), "sigma as a function of the position, contains the pixel"),
        (LSF(matrix=np.eye(4), includes_pixel=True), "resolution matrix of 4 pixels, contains the pixel"),
    ],
    ids=range(7),
)
def test_one_line_says_what_is_assumed(lsf, sentence):
    assert lsf.describe() == sentence
    assert repr(lsf) == f"<LSF: {sentence}>"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sigma": 1.0}, "`includes_pixel` is missing: give True if"),
        ({"sigma": 1.0, "includes_pixel": "yes"}, "`includes_pixel` is 'yes'"),
        ({}, "none was given"),
        ({"sigma": 1.0, "R": 2000.0}, "`sigma` and `R` were given"),
        ({"sigma": -1.0}, "`sigma` is -1, but a width must be positive"),
        ({"R": np.inf}, "`R` is inf"),
        ({"sigma": [1.0, np.nan], "x": [1.0, 2.0]}, "`sigma` is nan"),
        ({"sigma": [1.0, 2.0]}, r"`sigma` has shape \(2,\), so `x` is needed"),
        ({"sigma": [1.0, 2.0], "x": [1.0, 2.0, 3.0]}, "one width for each position"),
        ({"sigma": [1.0, 2.0], "x": [1.0, 1.0]}, "the same"),
        ({"sigma": [1.0, 2.0] * u.AA, "x": [1.0, 2.0]}, "`sigma` is in Angstrom, but `x` has no unit"),
        ({"sigma": [1.0, 2.0], "x": [1.0, 2.0] * u.AA}, "`x` is in Angstrom, but `sigma` has no unit"),
        ({"sigma": 1.0 * u.AA, "unit": "eV"}, "`sigma` is in Angstrom, which does not convert to eV"),
        ({"sigma": 1.0 * u.s}, "`sigma` is in s, which is no wavelength"),
        ({"sigma": np.sqrt, "x": [1.0, 2.0]}, "leave `x` out"),
        ({"weights": [0.5, 0.5]}, "none was given"),
        ({"sigmas": [0.5, 0.5]}, "`weights` and `sigmas` belong together"),
        ({"weights": [0.5, 0.6], "sigmas": [1.0, 2.0]}, "sum to 1"),
        ({"weights": [1.0], "sigmas": [1.0, 2.0]}, r"`weights` has shape \(1,\), but `sigmas` 2 rows"),
        ({"sigma": 1.0, "error": 5.0}, "0.05 for 5%"),
        ({"sigma": 1.0, "scatter": -0.1}, "`scatter` is -0.1"),
        ({"matrix": np.ones((3, 4))}, "a resolution matrix is square"),
        ({"matrix": np.full((3, 3), np.inf)}, "infinite elements"),
        ({"matrix": np.eye(3), "x": [1.0, 2.0]}, "`matrix` is for 3 pixels, but there are 2 positions"),
    ],
    ids=range(24),
)
def test_bad_instruments_are_refused_in_one_sentence(arguments, message):
    with pytest.raises(InputError, match=message) as caught:
        LSF(**{"includes_pixel": None if message.startswith("`includes_pixel` is m") else True} | arguments)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("lsf", "message"),
    [
        (LSF(sigma=np.zeros_like, includes_pixel=True), "`sigma` at these positions is 0"),
        (LSF(sigma=lambda x: x[:1], includes_pixel=True), r"has shape \(1,\), but one width for each of 2"),
        (LSF(sigma=lambda x: x * u.AA, includes_pixel=True), "the spectrum has no unit"),
        (LSF(1.0 * u.AA, includes_pixel=True), "the LSF is in Angstrom, but the spectrum has no unit"),
        (LSF(matrix=np.eye(2), includes_pixel=True), "the resolution matrix has no positions"),
        (LSF(R=1000, includes_pixel=True), "a position is -5"),
    ],
    ids=range(6),
)
def test_what_cannot_be_evaluated_is_said_in_one_sentence(lsf, message):
    with pytest.raises(InputError, match=message) as caught:
        lsf.at([-5.0, 5.0])
    assert len(str(caught.value).splitlines()) == 1


def test_an_lsf_is_frozen_and_can_be_sent_to_other_processes():
    lsf = LSF(sigma=[1.0, 2.0] * u.AA, x=[5000.0, 7000.0] * u.AA, includes_pixel=True, error=0.1)
    with pytest.raises(AttributeError):
        lsf.error = 0.2
    for array in (lsf.x, lsf.widths.numbers, LSF(matrix=np.eye(3), includes_pixel=True).matrix.data):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 3.0
    copy = pickle.loads(pickle.dumps(lsf))
    assert copy.describe() == lsf.describe()
    np.testing.assert_array_equal(copy.at([6000.0], "AA")[1], lsf.at([6000.0], "AA")[1])
