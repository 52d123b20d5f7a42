"""A spectrum is the same in whatever order, unit or form it is given, and what is left out is counted."""

import pickle

import numpy as np
import pytest
from astropy import units as u
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from xdgmm import InputError
from xdgmm.spectra import LSF, Spectrum

N = 12
WAVE = 5000.0 * 1.001 ** np.arange(N)
RNG = np.random.default_rng(7)
FLUX, ERR = RNG.normal(10.0, 1.0, N), RNG.uniform(0.5, 1.0, N)
FLUX_UNIT = u.Unit("1e-17 erg / (s cm2 AA)")


def dense(banded):
    """The symmetric matrix of its lower diagonals, element by element."""
    n = banded.shape[1]
    result = np.zeros((n, n))
    for k in range(len(banded)):
        for j in range(n - k):
            result[j + k, j] = result[j, j + k] = banded[k, j]
    return result


def banded_covariance(n=N, b=2):
    rng = np.random.default_rng(8)
    result = np.zeros((b + 1, n))
    result[0] = rng.uniform(2.0, 3.0, n)
    for k in range(1, b + 1):
        result[k, : n - k] = rng.uniform(-0.4, 0.4, n - k)
    return result


def test_arrays_and_quantities_are_kept_with_their_units():
    spectrum = Spectrum(
        WAVE * u.AA, FLUX * FLUX_UNIT, ERR * 1e-17 * u.erg / u.s / u.cm**2 / u.AA, name="M 87", medium="air"
    )
    assert (spectrum.wave_unit, spectrum.flux_unit) == (u.AA, FLUX_UNIT)
    assert_array_equal(spectrum.wave, WAVE)
    assert_allclose(spectrum.err, ERR, rtol=1e-14)  # converted to the unit of the fluxes
    assert spectrum.good.all()
    assert spectrum.n_masked == 0
    assert spectrum.window(5000, 5010).medium == "air"
    assert repr(spectrum) == "<Spectrum M 87: 12 pixels, 5000 to 5055.28 Angstrom>"
    plain = Spectrum(WAVE, FLUX)
    assert plain.wave_unit is plain.flux_unit is plain.err is None
    assert "no errors" in repr(plain)


@pytest.mark.parametrize(
    ("unit", "axis"),
    [("AA", "wavelength"), ("keV", "energy"), ("GHz", "frequency"), ("1/cm", "frequency"), ("km/s", "velocity")],
)
def test_the_kind_of_axis_follows_from_the_unit(unit, axis):
    assert Spectrum(WAVE * u.Unit(unit), FLUX).axis == axis
    assert Spectrum(WAVE, FLUX).axis is None


def test_edges_are_in_the_middle_between_pixels():
    spectrum = Spectrum([1.0, 2.0, 3.2, 4.6], np.ones(4))
    assert_allclose(spectrum.low, [0.5, 1.5, 2.6, 3.9])
    assert_allclose(spectrum.high, [1.5, 2.6, 3.9, 5.3])
    given_edges = Spectrum([1.0, 2.0] * u.AA, np.ones(2), edges=[0.05, 0.18, 0.21] * u.nm)
    assert_allclose(given_edges.low, [0.5, 1.8])
    assert_allclose(given_edges.high, [1.8, 2.1])
    assert Spectrum([1.0], [3.0], edges=[0.0, 2.0]).high == 2.0


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("missing", [[4], [4, 5, 6], [3, 5], [1], [10]])
def test_pixels_beside_missing_ones_do_not_become_wider(missing, order):
    kept = ~np.isin(np.arange(N), missing)
    whole, part = (Spectrum(WAVE[which][::order], np.ones(which.sum())) for which in (kept | True, kept))
    assert_allclose(part.low, whole.low[kept], atol=0.01)  # of 5: the step before differs by 0.1%
    assert_allclose(part.high, whole.high[kept], atol=0.01)


def test_decreasing_pixels_are_put_in_order_together_with_everything_else():
    covariance, matrix = banded_covariance(), RNG.random((N, N))
    mask = np.arange(N) == 3
    edges = np.concatenate([[4995.0], 0.5 * (WAVE[1:] + WAVE[:-1]), [5070.0]])
    lsf, mirrored = (LSF(matrix=each, includes_pixel=True) for each in (matrix, matrix[::-1, ::-1]))
    upwards = Spectrum(WAVE, FLUX, covariance=covariance, mask=mask, edges=edges, lsf=lsf)
    turned = dense(covariance)[::-1, ::-1]
    downwards = Spectrum(
        WAVE[::-1],
        FLUX[::-1],
        covariance=np.array([np.concatenate([np.diag(turned, -k), np.full(k, np.nan)]) for k in range(3)]),
        mask=mask[::-1],
        edges=edges[::-1],
        lsf=mirrored,
    )
    for name in ("wave", "low", "high", "flux", "err", "good", "covariance"):
        assert_array_equal(getattr(upwards, name), getattr(downwards, name), err_msg=name)
    assert_array_equal(upwards.lsf.matrix.toarray(), downwards.lsf.matrix.toarray())
    assert_array_equal(upwards.lsf.matrix.toarray(), matrix)
    assert upwards.flux.flags.c_contiguous
    assert downwards.flux.flags.c_contiguous


def test_what_is_not_fitted_is_left_out_and_counted():
    flux, ivar, mask = FLUX.copy(), ERR**-2, np.zeros(N, int)
    flux[1] = np.nan
    ivar[[2, 4]] = 0.0, np.nan
    mask[5] = 64
    spectrum = Spectrum(WAVE, np.ma.masked_array(flux, np.arange(N) == 7), ivar=ivar, mask=mask)
    assert_array_equal(np.flatnonzero(~spectrum.good), [1, 2, 4, 5, 7])
    assert spectrum.n_masked == 5
    assert spectrum.err[2] == np.inf
    assert_allclose(spectrum.err[spectrum.good], ERR[spectrum.good])
    assert "5 of them left out" in repr(spectrum)
    errors = np.where(np.arange(N) == 3, np.inf, ERR)
    assert Spectrum(WAVE, flux, errors).n_masked == 2
    errors[1] = 0.0  # where there is no flux, its error is not asked for
    assert Spectrum(WAVE, flux, errors).n_masked == 2


def test_many_spectra_with_the_same_pixels():
    fluxes = np.arange(2.0 * 3 * N).reshape(2, 3, N)
    fluxes[1, 2, 3:5] = np.nan
    cube = Spectrum(WAVE, fluxes, 0.5, mask=np.arange(N) == 0)
    assert cube.err.shape == cube.good.shape == fluxes.shape
    assert_array_equal(cube.n_masked, [[1, 1, 1], [1, 1, 3]])
    assert repr(cube) == "<Spectrum: 2 x 3 spectra of 12 pixels, 5000 to 5055.28, 8 of them left out>"
    stack = Spectrum(WAVE[::-1], fluxes[0][:, ::-1], ivar=ERR[::-1] ** -2)
    assert_array_equal(stack.flux, fluxes[0])
    assert_allclose(stack.err, np.broadcast_to(ERR, (3, N)))
    assert stack.window(5000, 5010).flux.shape == (3, 2)


def test_pixels_that_are_left_out_of_a_covariance_change_nothing_else():
    covariance = banded_covariance()
    mask = np.isin(np.arange(N), [4, 9])
    broken = covariance.copy()
    broken[:, 4], broken[0, 9] = np.nan, 0.0
    spectrum = Spectrum(WAVE, FLUX, covariance=broken, mask=mask)
    assert_allclose(spectrum.err[~mask], np.sqrt(covariance[0, ~mask]))
    found = dense(spectrum.covariance)
    residual = np.where(spectrum.good, RNG.normal(size=N), 0.0)
    kept = np.ix_(~mask, ~mask)
    expected = residual[~mask] @ np.linalg.solve(dense(covariance)[kept], residual[~mask])
    assert residual @ np.linalg.solve(found, residual) == pytest.approx(expected, rel=1e-12)
    assert np.linalg.slogdet(found)[1] == pytest.approx(np.linalg.slogdet(dense(covariance)[kept])[1], rel=1e-12)


def test_covariances_are_in_the_square_of_the_unit_of_the_fluxes():
    covariance = banded_covariance()
    spectrum = Spectrum(WAVE * u.AA, FLUX * u.mJy, covariance=covariance * 1e-6 * u.Jy**2)
    assert_allclose(spectrum.covariance, covariance, rtol=1e-12)


@given(first=st.integers(0, N - 1), last=st.integers(0, N - 1))
def test_a_window_holds_the_pixels_inside(first, last):
    first, last = sorted((first, last))
    matrix = np.arange(N * N, dtype=float).reshape(N, N)
    whole = Spectrum(WAVE, FLUX, covariance=banded_covariance(), lsf=LSF(matrix=matrix, includes_pixel=True))
    part = whole.window(WAVE[first], WAVE[last])
    inside = slice(first, last + 1)
    for name in ("wave", "low", "high", "flux", "err", "good"):
        assert_array_equal(getattr(part, name), getattr(whole, name)[inside])
    assert_array_equal(dense(part.covariance), dense(whole.covariance)[inside, inside])
    assert_array_equal(part.lsf.matrix.toarray(), matrix[inside, inside])


def test_windows_in_other_units():
    spectrum = Spectrum(WAVE * u.AA, FLUX)
    assert_array_equal(spectrum.window(500.1 * u.nm, 501.1 * u.nm).wave, WAVE[1:3])
    energies = [(each * u.AA).to("eV", u.spectral()) for each in (5001, 5011)]
    assert_array_equal(spectrum.window(*energies).wave, WAVE[1:3])
    with pytest.raises(InputError, match=r"from 6000 to 7000 Angstrom has no pixels; the spectrum goes from 5000 to"):
        spectrum.window(6000, 7000)
    with pytest.raises(InputError, match="`low` has the unit Angstrom, but the spectrum has none"):
        Spectrum(WAVE, FLUX).window(5000 * u.AA, 5010)
    with pytest.raises(InputError, match="`high` is in km / s, which does not convert to Angstrom"):
        spectrum.window(5000, 10 * u.km / u.s)
    with pytest.raises(InputError, match="`low` is nan"):
        spectrum.window(np.nan, 5000)


def test_another_instrument_can_be_put_in_place():
    spectrum = Spectrum(WAVE * u.AA, FLUX, lsf=LSF(R=1000, includes_pixel=True))
    assert spectrum.with_lsf(LSF(matrix=np.eye(N), includes_pixel=True)).lsf.at([5010.0], "AA")[1] == 0.0
    with pytest.raises(InputError, match="`matrix` is for 3 pixels, but there are 12"):
        spectrum.with_lsf(LSF(matrix=np.eye(3), includes_pixel=True))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"err": np.where(np.arange(N) == 3, 0.0, ERR)}, 'zero or negative in pixel 3; .*`noise="estimate"`'),
        ({"err": -ERR}, r"zero or negative in pixels 0, 1, 2, 3, 4, \.\.\. \(12 in all\)"),
        ({"ivar": -ERR}, "zero or negative"),
        (
            {"flux": np.ones((2, 3, N)), "err": np.where(np.arange(6 * N).reshape(2, 3, N) == 5 * N + 7, 0.0, 1.0)},
            "zero or negative in pixel 7 of spectrum 1, 2; ",
        ),
        ({"flux": 1e120 * FLUX}, r"`flux` is .*e\+12.*another unit"),
        ({"err": 1e-120 * ERR}, "an error of `flux` is .*e-1.*another unit"),
        ({"covariance": -banded_covariance()}, "zero or negative"),
        ({"err": ERR, "ivar": ERR}, "`err` and `ivar` both say"),
        ({"err": ERR, "covariance": banded_covariance()}, "`err` and `covariance` both say"),
        ({"err": ERR[:-1]}, r"`err` has shape \(11,\), but `flux` has \(12,\)"),
        ({"err": ERR * u.Jy}, "`err` has the unit Jy, but `flux` has none"),
        ({"flux": FLUX * u.Jy, "err": ERR}, "`flux` has the unit Jy, but `err` has none"),
        ({"flux": FLUX * u.Jy, "err": ERR * u.AA}, "does not convert to Jy"),
        ({"flux": FLUX * u.Jy, "ivar": ERR * u.Jy}, "does not convert to 1 / Jy2"),
        ({"flux": FLUX * u.Jy, "covariance": banded_covariance()}, "one of `flux` and `covariance` has a unit"),
        ({"flux": FLUX[:-1]}, r"`flux` has shape \(11,\), but `wave` has 12 pixels"),
        ({"flux": np.full(N, np.nan)}, "no pixel is left"),
        ({"mask": np.ones(N, bool)}, "no pixel is left"),
        ({"mask": np.ones(N)}, "`mask` holds values of type float64"),
        ({"mask": np.ones(N - 1, bool)}, r"`mask` has shape \(11,\)"),
        ({"wave": np.r_[WAVE[:3], WAVE[1], WAVE[4:]]}, "`wave` is not sorted, or has a value twice, after pixel 2;"),
        ({"wave": np.r_[WAVE[:3], WAVE[2], WAVE[4:]]}, "`wave` is not sorted, or has a value twice, after pixel 2;"),
        ({"wave": np.r_[WAVE[:3], np.nan, WAVE[4:]]}, "`wave` is missing or infinite in pixel 3"),
        ({"wave": WAVE[:, None]}, r"`wave` has shape \(12, 1\)"),
        ({"wave": (WAVE - 5010.0) * u.AA}, "`wave` is -10 Angstrom, but it is positive on this axis"),
        ({"wave": WAVE * u.s}, "`wave` is in s, which is no wavelength, energy, frequency or velocity"),
        ({"wave": WAVE * u.AA, "edges": WAVE}, "`wave` has the unit Angstrom, but `edges` has none"),
        ({"edges": WAVE}, r"`edges` has shape \(12,\), but 12 pixels have 13 edges"),
        ({"edges": np.r_[WAVE, 6000.0]}, "`edges` do not enclose `wave` in pixels 0, 1,"),
        ({"wave": [5000.0], "flux": [1.0]}, "`wave` is one pixel"),
        ({"covariance": np.ones((2, N - 1))}, r"`covariance` has shape \(2, 11\)"),
        ({"covariance": np.ones((2, N))}, "not positive definite"),
        ({"covariance": banded_covariance() * [[1.0], [np.nan], [1.0]]}, "missing or infinite between"),
        ({"medium": "water"}, "`medium` is 'water', but wavelengths are in 'air' or in 'vacuum'"),
        ({"lsf": 1.5}, "`lsf` is of type float, but it must be an LSF"),
        ({"lsf": LSF(matrix=np.eye(3), includes_pixel=True)}, "`matrix` is for 3 pixels"),
        ({"lsf": LSF(1.0 * u.AA, includes_pixel=True)}, "the LSF is in Angstrom, but the spectrum has no unit"),
        ({"wave": WAVE * u.km / u.s, "lsf": LSF(1.0 * u.AA, includes_pixel=True)}, "does not convert to Angstrom"),
    ],
    ids=range(38),
)
def test_bad_spectra_are_refused_in_one_sentence(arguments, message):
    with pytest.raises(InputError, match=message) as caught:
        Spectrum(**{"wave": WAVE, "flux": FLUX} | arguments)
    assert len(str(caught.value).splitlines()) == 1


def test_a_spectrum_is_frozen_and_can_be_sent_to_other_processes():
    spectrum = Spectrum(WAVE * u.AA, FLUX, ERR, lsf=LSF(R=1000, includes_pixel=True))
    with pytest.raises(AttributeError):
        spectrum.flux = FLUX
    with pytest.raises(ValueError, match="read-only"):
        spectrum.flux[0] = 1.0
    assert repr(pickle.loads(pickle.dumps(spectrum))) == repr(spectrum)
