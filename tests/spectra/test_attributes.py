"""Spectra of specutils are taken by their attributes."""

from types import SimpleNamespace

import numpy as np
import pytest
from astropy import units as u
from astropy.nddata import InverseVariance, StdDevUncertainty, UnknownUncertainty, VarianceUncertainty
from numpy.testing import assert_allclose, assert_array_equal

from xdgmm.errors import KindError
from xdgmm.spectra import LSF, Spectrum

WAVE = np.linspace(5000.0, 5100.0, 11)
FLUX = np.arange(11.0) * u.mJy
ERR = 0.1 + 0.01 * np.arange(11)
MASK = np.arange(11) == 4


def made_like_specutils(flux=FLUX, axis=WAVE * u.AA, **attributes):
    """The attributes of specutils.Spectrum (version 2) and of Spectrum1D (version 1) that matter here."""
    return SimpleNamespace(flux=flux, spectral_axis=axis, **attributes)


@pytest.mark.parametrize(
    "uncertainty",
    [
        StdDevUncertainty(ERR),
        StdDevUncertainty(ERR * 1e-3, unit="Jy"),
        VarianceUncertainty(ERR**2),
        VarianceUncertainty(ERR**2 * 1e-6, unit="Jy2"),
        InverseVariance(ERR**-2),
        InverseVariance(ERR**-2 * 1e6, unit="1 / Jy2"),
    ],
)
def test_every_kind_of_uncertainty_is_taken_for_what_it_is(uncertainty):
    spectrum = Spectrum.of(made_like_specutils(uncertainty=uncertainty, mask=MASK), LSF(R=2000, includes_pixel=True))
    assert_array_equal(spectrum.wave, WAVE)
    assert_array_equal(spectrum.flux, FLUX.value)
    assert_allclose(spectrum.err, ERR, rtol=1e-12)
    assert_array_equal(spectrum.good, ~MASK)
    assert (spectrum.wave_unit, spectrum.flux_unit) == (u.AA, u.mJy)
    assert spectrum.lsf.describe().startswith("R = 2000")


def test_a_spectrum_needs_no_uncertainty_and_no_mask():
    spectrum = Spectrum.of(made_like_specutils(uncertainty=None, mask=None))
    assert spectrum.err is None
    assert spectrum.n_masked == 0


def test_the_spectral_axis_may_be_any_of_the_axes():
    cube = np.arange(2.0 * 11 * 3).reshape(2, 11, 3)
    errors, mask = StdDevUncertainty(1.0 + cube), cube > 60.0
    spectrum = Spectrum.of(
        made_like_specutils(cube * u.mJy, uncertainty=errors, mask=mask, spectral_axis_index=1),
    )
    assert_array_equal(spectrum.flux, np.moveaxis(cube, 1, -1))
    assert_array_equal(spectrum.err, 1.0 + np.moveaxis(cube, 1, -1))
    assert_array_equal(spectrum.good, ~np.moveaxis(mask, 1, -1))


def test_edges_of_pixels_are_those_of_the_axis():
    class Axis(u.Quantity):
        bin_edges = np.r_[4990.0, 0.5 * (WAVE[1:] + WAVE[:-1]), 5120.0] * u.AA

    spectrum = Spectrum.of(made_like_specutils(axis=Axis(WAVE, "AA")))
    assert (spectrum.low[0], spectrum.high[-1]) == (4990.0, 5120.0)


def test_a_spectrum_of_ours_is_taken_too():
    spectrum = Spectrum(WAVE, FLUX)
    assert Spectrum.of(spectrum) is spectrum
    assert Spectrum.of(spectrum, LSF(R=10, includes_pixel=True)).lsf is not None


def test_what_is_no_spectrum_is_refused():
    with pytest.raises(KindError, match="type ndarray has no `spectral_axis` and `flux`"):
        Spectrum.of(WAVE)
    with pytest.raises(KindError, match="`uncertainty` is of the kind 'unknown'"):
        Spectrum.of(made_like_specutils(uncertainty=UnknownUncertainty(ERR)))
