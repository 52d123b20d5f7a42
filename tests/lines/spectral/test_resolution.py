"""Resolution matrices: what the instrument does to each pixel, in place of a width."""

import numpy as np
import pytest
from scipy.special import erf

from xdgmm import lines
from xdgmm.errors import InputError

STEP, LSF = 0.8, 1.0
X = 6530.0 + STEP * np.arange(100)
EDGES = np.append(X - 0.5 * STEP, X[-1] + 0.5 * STEP)
LIGHT = 299792.458


def integral(sigma, mean, edges):
    return np.diff(0.5 * erf((edges - mean) / (sigma * np.sqrt(2))))


def matrix(sigma):
    """What a pixel sees of light at each pixel's centre: the Gaussian of the instrument, integrated over the pixel."""
    return np.array([integral(sigma, centre, EDGES) for centre in X]).T


def spectrum(sigma, mean=6570.13):
    total = np.hypot(sigma, LSF)
    return 3.0 + 100.0 * integral(total, mean, EDGES) / STEP


def fitted(lsf, sigma, **options):
    group = lines.Group("line", [6570.0])
    err = np.full(X.size, 0.2)
    return lines.fit_lines(X, spectrum(sigma), err, groups=group, lsf=lsf, continuum=0, **options)


@pytest.mark.parametrize("sigma", [2.0, 0.8, 0.3])
def test_a_matrix_that_contains_the_pixel_gives_the_width_of_the_line(sigma):
    """Also where the line is much narrower than a pixel: nothing is sampled at centres."""
    fit = fitted(lines.LSF(matrix=matrix(LSF), includes_pixel=True), sigma)
    by_width = fitted(lines.LSF(sigma=LSF, includes_pixel=False), sigma)
    assert by_width.intrinsic_sigma[0] == pytest.approx(sigma / 6570.0 * LIGHT, rel=1e-4)
    error = by_width.intrinsic_variance_error[0]
    assert fit.intrinsic_variance[0] == pytest.approx(by_width.intrinsic_variance[0], abs=0.1 * error, rel=2e-3)
    assert fit.velocity[0] == pytest.approx(by_width.velocity[0], abs=0.02 * fit.velocity_error[0])
    assert fit.intrinsic_variance_error[0] == pytest.approx(error, rel=0.02)
    with_pixel = np.sqrt(LSF**2 + STEP**2 / 12)  # the matrix contains it
    assert fit.lines["instrumental_sigma"][0] == pytest.approx(with_pixel, rel=0.01)
    assert fit.lines["observed_sigma"][0] == pytest.approx(np.hypot(sigma, with_pixel), rel=0.01)


def test_pixels_in_decreasing_order_take_their_matrix_along():
    uneven = matrix(LSF) * np.linspace(0.9, 1.1, X.size)[:, None]
    arguments = {"groups": lines.Group("line", [6570.0]), "continuum": 0}
    err = np.full(X.size, 0.2)
    for full in (matrix(LSF), uneven):
        one = lines.fit_lines(X, spectrum(1.5), err, lsf=lines.LSF(matrix=full, includes_pixel=True), **arguments)
        backwards = lines.LSF(matrix=full[::-1, ::-1], includes_pixel=True)
        other = lines.fit_lines(X[::-1], spectrum(1.5)[::-1], err, lsf=backwards, **arguments)
        np.testing.assert_allclose(other.table["variance"], one.table["variance"], rtol=1e-9)


def test_a_matrix_has_no_error_of_its_width():
    with pytest.raises(InputError, match="resolution matrix has no single width"):
        fitted(lines.LSF(matrix=matrix(LSF), includes_pixel=True, error=0.05), 1.0)


def test_a_matrix_after_the_pixels_acts_on_pixels():
    blur = np.array([np.exp(-0.5 * ((X - centre) / LSF) ** 2) for centre in X])
    blur /= blur.sum(axis=1, keepdims=True)
    flux = 3.0 + blur @ (100.0 * integral(1.5, 6570.13, EDGES) / STEP)
    lsf = lines.LSF(matrix=blur, includes_pixel=False)
    fit = lines.fit_lines(X, flux, np.full(X.size, 0.2), groups=lines.Group("line", [6570.0]), lsf=lsf, continuum=0)
    assert fit.intrinsic_sigma[0] == pytest.approx(1.5 / 6570.0 * LIGHT, rel=1e-5)


def test_diagonals_and_masked_pixels_and_windows():
    """As DESI keeps them; pixels near a window count, also where they are masked."""
    full = matrix(LSF)
    offsets = np.arange(5, -6, -1)
    data = np.array([[full[j - o, j] if 0 <= j - o < X.size else 0.0 for j in range(X.size)] for o in offsets])
    lsf = lines.LSF.from_diagonals(data, offsets, includes_pixel=True)
    masked = np.zeros(X.size, bool)
    masked[[45, 52]] = True
    fit = fitted(lsf, 1.2, mask=masked, windows=[(6555.0, 6586.0)])
    assert fit.intrinsic_sigma[0] == pytest.approx(1.2 / 6570.0 * LIGHT, rel=2e-3)
    assert fit.goodness.dof == ((X >= 6555) & (X <= 6586) & ~masked).sum() - 4
