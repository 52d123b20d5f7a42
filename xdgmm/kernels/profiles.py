"""Profiles of spectral lines, averaged over pixels, and their derivatives: one compiled call for all lines.

A line is a Gaussian or, with a natural width, a Voigt profile.  The instrument is a mixture of J Gaussians, so that the
profile that is measured is a sum of J profiles with variances V + S_j.  A variance of zero is a number like others: it
puts the flux of a Gaussian into one pixel.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xdgmm.errors import InputError

from .compiling import inlined, kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

ROUNDING = 1e-12  # a total variance that is negative by so much of the instrument's is zero
FARTHEST = 9.5  # sigmas from the mean where a Gaussian, its slope and curvature end: 1e-18 of their largest values
NARROW = 0.5  # sigmas: averages over narrower pixels are power series in the width
SQRT_HALF = math.sqrt(0.5)
SQRT_PI = math.sqrt(math.pi)
DENSITY_AT_ZERO = 1.0 / math.sqrt(2.0 * math.pi)
SERIES = np.array([0.25**k / math.factorial(2 * k + 1) for k in range(9)])  # the mean of (u/2)^2k / (2k)! over |u| < 1

# Voigt profiles: w(z) by the rational approximation of Weideman (1994, SIAM J. Numer. Anal. 31, 1497) near the mean,
# by its asymptotic series far from it or where the natural width dominates.  Both have closed antiderivatives.
N_TERMS = 40  # error 2e-15
LENGTH = math.sqrt(N_TERMS / math.sqrt(2.0))
FAR = 2.0 * 8.5**2  # |z|^2 = 8.5^2 in units of x^2 / sigma^2
VERY_FAR = 500.0  # here 8 terms of the series are enough
N_FAR = 18
DOUBLE_FACTORIALS = np.array([math.prod(range(1, 2 * k, 2)) for k in range(N_FAR + 1)], dtype=float)  # (2k - 1)!!
FAR_DENSITY = DOUBLE_FACTORIALS[:N_FAR]
FAR_SLOPE = DOUBLE_FACTORIALS[1:]
FAR_CURVATURE = FAR_SLOPE * (2.0 * np.arange(N_FAR) + 2.0)
FAR_CUMULATIVE = FAR_DENSITY / np.maximum(2.0 * np.arange(N_FAR), 1.0)
VOIGT_NARROW = 0.02  # widths: averages over narrower pixels are a sum of three values
THREE = math.sqrt(0.6)  # nodes of Gauss and Legendre: -, 0 and +, with weights 5/18, 8/18 and 5/18

DEGREE = 5  # of the splines between the elements of a row of a resolution matrix
ORDER = DEGREE + 1  # splines that are not zero in a cell between two centres
BAND = 4  # elements beside the diagonal of the matrix of splines at centres
GAUSS_LEGENDRE = np.polynomial.legendre.leggauss(8)
NODES, NODE_WEIGHTS = 0.5 * GAUSS_LEGENDRE[0], 0.5 * GAUSS_LEGENDRE[1]  # on an interval of length 1 around 0
PIECE = 1.0  # sigmas: the longest piece of a Gaussian that is integrated at once
VOIGT_PIECE = 0.5  # widths: such a piece of a Voigt profile near its mean; further off half the distance

NO_HALF_WIDTHS = np.zeros(0)


def _rational() -> Floats:
    """Coefficients of Weideman's polynomial, the constant first."""
    M = 2 * N_TERMS
    t = LENGTH * np.tan(0.5 * np.pi / M * np.arange(1 - M, M))
    values = np.concatenate([[0.0], np.exp(-(t**2)) * (LENGTH**2 + t**2)])
    return np.ascontiguousarray(np.fft.fft(np.fft.fftshift(values)).real[1 : N_TERMS + 1] / (2 * M))


RATIONAL = _rational()
INTEGRATED = RATIONAL / np.arange(1.0, N_TERMS + 1.0)
AT_INFINITY = float(np.sum(INTEGRATED * (-1.0) ** np.arange(1, N_TERMS + 1)))


class LineProfiles(NamedTuple):
    """Profiles of L lines on n pixels, each (L, n), of lines with a flux of 1; see `line_profiles`."""

    density: Floats  # flux per unit of x
    by_mean: Floats  # its derivative with respect to the mean
    by_variance: Floats  # its derivative with respect to the intrinsic variance
    by_log_scale: Floats  # its derivative with respect to ln f, where all sigmas of the instrument are f times as large


def line_profiles(
    low: Floats,
    high: Floats,
    means: Floats,
    variances: Floats,
    weights: Floats,
    instrument_variances: Floats,
    half_widths: Floats | None = None,
) -> LineProfiles:
    """Average each line over each pixel.

    Parameters
    ----------
    low, high : array (n,)
        Edges of the pixels.  Where both are equal, the profile is sampled at this point.
    means : array (L,)
    variances : array (L,)
        Intrinsic variances V.  They may be negative, but no sum of them and a variance of the instrument.
    weights, instrument_variances : array (L, J)
        The instrument at each line: a mixture of J Gaussians, whose weights add up to 1.
    half_widths : array (L,), optional
        Half widths at half maximum of a Lorentzian (natural widths), with which lines are convolved; 0 for none.

    Returns
    -------
    LineProfiles
        Derivatives are exact.  Of a line without any width, all flux is in one pixel, or shared by two if it lies on
        their edge, and the derivatives are zero.

    Raises
    ------
    InputError
        If shapes differ, an upper edge is below the lower one, a number is not finite, a total variance or a half width
        is negative, or a line without any width is sampled at points.

    Notes
    -----
    Gaussians are accurate to about 1e-14 of their peak, however their sigma compares with the pixels: differences of
    erfc at the edges, and where they would cancel, the power series in the width of the pixel.  Further than 9.5 sigma
    from their mean they are zero.  A Voigt profile is the real part of ``w(z) / sqrt(2 pi s^2)`` with
    ``z = (x - m + i gamma) / sqrt(2 s^2)`` and the Faddeeva function w, whose rational approximation and asymptotic
    series are integrated term by term.
    """
    low, high, means, variances = _prepared(low), _prepared(high), _prepared(means), _prepared(variances)
    weights, instrument_variances = _prepared(weights), _prepared(instrument_variances)
    half_widths = NO_HALF_WIDTHS if half_widths is None else _prepared(half_widths)
    out = np.zeros((4, len(means), len(low)))
    if not _line_profiles(low, high, means, variances, weights, instrument_variances, half_widths, out):
        _refuse_pixels(low, high)
        _refuse_lines(means, variances, weights, instrument_variances, half_widths)
        raise InputError("a line without any width cannot be sampled at points; give the edges of the pixels")
    return LineProfiles(out[0], out[1], out[2], out[3])


def interpolated_profiles(
    centres: Floats,
    means: Floats,
    variances: Floats,
    weights: Floats,
    instrument_variances: Floats,
    half_widths: Floats | None = None,
) -> LineProfiles:
    """Lines as they are multiplied by a resolution matrix that is interpolated between the centres of the pixels.

    Parameters
    ----------
    centres : array (n,)
        Centres of the pixels, which increase; at least six.
    means, variances, weights, instrument_variances, half_widths
        As in `line_profiles`: a Gaussian beside the matrix has variances of its own; without one these are zero.

    Returns
    -------
    LineProfiles
        Densities h_j such that ``R @ h`` is what the instrument makes of the line, and their exact derivatives.  The
        flux between the first and the last centre is ``sum_j h_j D_j``, with D_j the width of pixel j,
        ``numpy.gradient(centres)``.

    Raises
    ------
    InputError
        If there are fewer than six centres or they do not increase, and as in `line_profiles`.

    Notes
    -----
    Element R_ij of the matrix is the response of pixel i to a line at the centre of pixel j.  Between centres it is
    interpolated by a spline of degree 5 without knots at the second and third centre from each end (de Boor, *A
    Practical Guide to Splines*, ch. XIII), ``R_i(x) = sum_j R_ij l_j(x)``.  The integral of R_i times a line g then is
    ``sum_j R_ij D_j h_j`` with ``D_j h_j`` the integral of l_j g; without any width it is ``l_j(m)``.  Densities are
    negative in places, and reach further than the line: columns of R must not be left out.  No average over pixels is
    applied: a matrix such as that of DESI contains it (Bolton & Schlegel 2010, PASP 122, 248).

    Rows of R are narrow functions: of a Gaussian with a sigma of one pixel, cubics through the nearest four centres
    would make the variance too large by 0.1 of a squared pixel, more than an average over pixels does (1/12); the
    spline by 0.006.  Rounding errors of the derivative by the variance grow as the square of the width in pixels: from
    1e-14 of the largest value to 1e-10 at 100 pixels.
    """
    centres, means, variances = _prepared(centres), _prepared(means), _prepared(variances)
    weights, instrument_variances = _prepared(weights), _prepared(instrument_variances)
    half_widths = NO_HALF_WIDTHS if half_widths is None else _prepared(half_widths)
    out = np.zeros((4, len(means), len(centres)))
    if not _interpolated_profiles(centres, means, variances, weights, instrument_variances, half_widths, out):
        _refuse_centres(centres)
        _refuse_lines(means, variances, weights, instrument_variances, half_widths)
    return LineProfiles(out[0], out[1], out[2], out[3])


def _prepared(array: Floats) -> Floats:
    """The array as the kernels are compiled for it: of double precision, in C order and writable."""
    array = np.asarray(array, dtype=float)
    flags = array.flags
    return array if flags.c_contiguous and flags.writeable else np.array(array, order="C")


def _refuse_pixels(low: Floats, high: Floats) -> None:
    """Say what is wrong with edges of pixels, if anything is."""
    if low.shape != high.shape:
        raise InputError(f"pixels have {len(low)} lower and {len(high)} upper edges; give both of each")
    _refuse_not_finite(low=low, high=high)
    if (high < low).any():
        i = int(np.argmax(high < low))
        raise InputError(f"pixel {i} ends at {high[i]:g}, before it begins at {low[i]:g}; exchange its edges")


def _refuse_centres(centres: Floats) -> None:
    """Say what is wrong with the centres of pixels, if anything is."""
    if len(centres) < ORDER:
        raise InputError(f"a resolution matrix is interpolated over {ORDER} pixels or more; there are {len(centres)}")
    _refuse_not_finite(centres=centres)
    if (np.diff(centres) <= 0.0).any():
        raise InputError("`centres` of pixels must increase; sort the pixels, and leave out the second of equal ones")


def _refuse_lines(
    means: Floats, variances: Floats, weights: Floats, instrument_variances: Floats, half_widths: Floats
) -> None:
    """Say what is wrong with lines, if anything is."""
    L = len(means)
    if not (len(variances) == len(weights) == len(instrument_variances) == L and half_widths.size in (0, L)):
        raise InputError(
            f"there are {L} means, {len(variances)} variances, {len(weights)} rows of weights, "
            f"{len(instrument_variances)} of variances of the instrument and {half_widths.size} half widths; "
            "give one of each for each line"
        )
    if weights.shape != instrument_variances.shape:
        raise InputError(
            f"`weights` have the shape {weights.shape} and `instrument_variances` {instrument_variances.shape}; "
            "give a variance for each weight"
        )
    _refuse_not_finite(means=means, variances=variances, weights=weights, half_widths=half_widths)
    _refuse_not_finite(instrument_variances=instrument_variances[weights != 0.0])
    if (half_widths < 0.0).any():
        raise InputError(f"half widths of lines must be 0 or more; one is {half_widths.min():g}")
    total = variances[:, None] + instrument_variances
    negative = (total < -ROUNDING * instrument_variances) & (weights != 0.0)
    if negative.any():
        line, j = np.argwhere(negative)[0]
        raise InputError(
            f"the intrinsic variance {variances[line]:g} of line {line} is negative and larger than the instrument's, "
            f"{instrument_variances[line, j]:g}; the sum must be 0 or more"
        )


def _refuse_not_finite(**arrays: Floats) -> None:
    for name, values in arrays.items():
        if not np.isfinite(values).all():
            raise InputError(f"`{name}` of line profiles must be finite numbers; one of them is not")


@kernel
def _line_profiles(
    low: Floats,
    high: Floats,
    means: Floats,
    variances: Floats,
    weights: Floats,
    instrument_variances: Floats,
    half_widths: Floats,
    out: Floats,
) -> bool:
    """Add all lines to out (4, L, n); False if an argument cannot be used."""
    if len(high) != len(low) or not _are_lines(means, variances, weights, instrument_variances, half_widths):
        return False
    has_points = False
    for i in range(len(low)):
        width = high[i] - low[i]
        if not 0.0 <= width < math.inf:
            return False
        has_points = has_points or width == 0.0
    for line in range(len(means)):
        half_width = half_widths[line] if half_widths.size > 0 else 0.0
        for j in range(weights.shape[1]):
            weight, instrument = weights[line, j], instrument_variances[line, j]
            sigma = _sigma(variances[line], instrument)
            if weight == 0.0:
                continue
            if half_width > 0.0:
                _add_voigt(low, high, means[line], sigma, half_width, weight, instrument, out[:, line])
            elif sigma > 0.0:
                _add_gaussian(low, high, means[line], sigma, weight, instrument, out[:, line])
            elif has_points:
                return False
            else:
                _add_one_pixel(low, high, means[line], weight, out[0, line])
    return True


@kernel
def _are_lines(
    means: Floats, variances: Floats, weights: Floats, instrument_variances: Floats, half_widths: Floats
) -> bool:
    """Do the arrays belong together, and are all numbers those of lines?"""
    L, J = len(means), weights.shape[1]
    if len(variances) != L or len(weights) != L or (half_widths.size != 0 and half_widths.size != L):
        return False
    if len(instrument_variances) != L or instrument_variances.shape[1] != J:
        return False
    for line in range(L):
        if not (math.isfinite(means[line]) and math.isfinite(variances[line])):
            return False
        if half_widths.size > 0 and not 0.0 <= half_widths[line] < math.inf:
            return False
        for j in range(J):
            sigma = _sigma(variances[line], instrument_variances[line, j])
            if not (math.isfinite(weights[line, j]) and (weights[line, j] == 0.0 or 0.0 <= sigma < math.inf)):
                return False
    return True


@inlined
def _sigma(variance: float, instrument: float) -> float:
    """Of the measured profile; NaN if the variance is negative, but 0 where only by rounding."""
    total = variance + instrument
    return 0.0 if -ROUNDING * instrument <= total < 0.0 else math.sqrt(total)


@inlined
def _add(
    i: int, weight: float, instrument: float, density: float, by_mean: float, by_variance: float, out: Floats
) -> None:
    """Add the profile of a line at pixel i, and its derivatives, to out (4, n)."""
    out[0, i] += weight * density
    out[1, i] += weight * by_mean
    out[2, i] += weight * by_variance
    out[3, i] += weight * by_variance * 2.0 * instrument


@kernel
def _add_one_pixel(low: Floats, high: Floats, mean: float, weight: float, density: Floats) -> None:
    """A line without width."""
    for i in range(len(low)):
        if low[i] <= mean <= high[i]:
            share = 1.0 if low[i] < mean < high[i] else 0.5
            density[i] += share * weight / (high[i] - low[i])


@kernel
def _add_gaussian(
    low: Floats, high: Floats, mean: float, sigma: float, weight: float, instrument: float, out: Floats
) -> None:
    """A Gaussian: numbers at an edge serve both of its pixels."""
    inverse = 1.0 / sigma
    first, last = mean - FARTHEST * sigma, mean + FARTHEST * sigma
    edge, a, at_a, above_a = math.nan, 0.0, 0.0, 0.0
    for i in range(len(low)):
        if high[i] < first or low[i] > last:
            continue
        width = high[i] - low[i]
        if width * inverse < NARROW:
            density, by_mean, by_variance = _narrow_gaussian(low[i] - mean, high[i] - mean, inverse)
        else:
            if low[i] != edge:
                a, at_a, above_a = _gaussian_edge((low[i] - mean) * inverse)
            edge = high[i]
            b, at_b, above_b = _gaussian_edge((high[i] - mean) * inverse)
            if a >= 0.0:
                inside = above_a - above_b
            elif b <= 0.0:
                inside = above_b - above_a
            else:
                inside = 1.0 - above_a - above_b
            density = inside / width
            by_mean = (at_a - at_b) * inverse / width
            by_variance = 0.5 * (a * at_a - b * at_b) * inverse * inverse / width
            a, at_a, above_a = b, at_b, above_b
        _add(i, weight, instrument, density, by_mean, by_variance, out)


@inlined
def _gaussian_edge(t: float) -> tuple[float, float, float]:
    """Of an edge at t sigmas: t, the standard normal density, and the probability beyond |t|; zeros if far away."""
    if abs(t) > FARTHEST:
        return math.copysign(FARTHEST, t), 0.0, 0.0
    return t, DENSITY_AT_ZERO * math.exp(-0.5 * t * t), 0.5 * math.erfc(SQRT_HALF * abs(t))


@inlined
def _narrow_gaussian(low: float, high: float, inverse: float) -> tuple[float, float, float]:
    """Averages over a narrow pixel, whose edges are given from the mean: Taylor's series in Hermite polynomials."""
    t, width = 0.5 * (low + high) * inverse, (high - low) * inverse
    n_terms = 1 if width == 0.0 else 5 + int(8.0 * width)
    density, slope, curvature = 0.0, 0.0, 0.0
    power, even, odd = 1.0, 1.0, t  # He_2k and He_2k+1
    for k in range(n_terms):
        following = t * odd - (2 * k + 1) * even
        term = power * SERIES[k]
        density += term * even
        slope += term * odd
        curvature += term * following
        even, odd = following, t * following - (2 * k + 2) * odd
        power *= width * width
    factor = DENSITY_AT_ZERO * math.exp(-0.5 * t * t) * inverse
    return factor * density, factor * slope * inverse, 0.5 * factor * curvature * inverse * inverse


@kernel
def _add_voigt(
    low: Floats,
    high: Floats,
    mean: float,
    sigma: float,
    half_width: float,
    weight: float,
    instrument: float,
    out: Floats,
) -> None:
    """A Voigt profile, or a Lorentzian if sigma is zero."""
    narrow = VOIGT_NARROW * math.hypot(sigma, half_width)
    edge, at_a, slope_a, below_a = math.nan, 0.0, 0.0, 0.0
    for i in range(len(low)):
        width = high[i] - low[i]
        if width < narrow:
            x = 0.5 * ((low[i] - mean) + (high[i] - mean))
            density, slope, curvature = voigt(x, sigma, half_width)
            if width > 0.0:
                first, first_slope, first_curvature = voigt(x - 0.5 * THREE * width, sigma, half_width)
                last, last_slope, last_curvature = voigt(x + 0.5 * THREE * width, sigma, half_width)
                density = (8.0 * density + 5.0 * (first + last)) / 18.0
                slope = (8.0 * slope + 5.0 * (first_slope + last_slope)) / 18.0
                curvature = (8.0 * curvature + 5.0 * (first_curvature + last_curvature)) / 18.0
        else:
            if low[i] != edge:
                at_a, slope_a, _ = voigt(low[i] - mean, sigma, half_width)
                below_a = _voigt_below(low[i] - mean, sigma, half_width)
            edge = high[i]
            at_b, slope_b, _ = voigt(high[i] - mean, sigma, half_width)
            below_b = _voigt_below(high[i] - mean, sigma, half_width)
            density = max(below_b - below_a, 0.0) / width
            slope = (at_b - at_a) / width
            curvature = (slope_b - slope_a) / width
            at_a, slope_a, below_a = at_b, slope_b, below_b
        _add(i, weight, instrument, density, -slope, 0.5 * curvature, out)


@kernel
def voigt(x: float, sigma: float, half_width: float) -> tuple[float, float, float]:
    """A Voigt profile at x from its mean: density, slope and curvature; one of sigma and half width may be 0."""
    square = x * x + half_width * half_width
    if square > FAR * sigma * sigma:
        inverse = complex(x, -half_width) / square
        u = (sigma * inverse) * (sigma * inverse)
        density, slope, curvature = 0j, 0j, 0j
        for k in range(_n_far(square, sigma) - 1, -1, -1):
            density = density * u + FAR_DENSITY[k]
            slope = slope * u + FAR_SLOPE[k]
            curvature = curvature * u + FAR_CURVATURE[k]
        density *= inverse
        slope *= inverse * inverse
        curvature *= inverse * inverse * inverse
        return -density.imag / math.pi, slope.imag / math.pi, -curvature.imag / math.pi
    unit = SQRT_HALF / sigma
    z = complex(x * unit, half_width * unit)
    q, Z = _weideman(z)
    w = 0j
    for k in range(N_TERMS - 1, -1, -1):
        w = w * Z + RATIONAL[k]
    w = 2.0 * w * q * q + q / SQRT_PI
    first = complex(0.0, 2.0 / SQRT_PI) - 2.0 * z * w
    second = -2.0 * z * first - 2.0 * w
    factor = unit / SQRT_PI
    return factor * max(w.real, 0.0), factor * unit * first.real, factor * unit * unit * second.real


@kernel
def _voigt_below(x: float, sigma: float, half_width: float) -> float:
    """Probability below x from the mean under a Voigt profile, minus 1."""
    square = x * x + half_width * half_width
    if square > FAR * sigma * sigma:
        inverse = complex(x, -half_width) / square
        u = (sigma * inverse) * (sigma * inverse)
        series = 0j
        for k in range(_n_far(square, sigma) - 1, 0, -1):
            series = (series + FAR_CUMULATIVE[k]) * u
        return (series.imag - math.atan2(half_width, x)) / math.pi
    unit = SQRT_HALF / sigma
    z = complex(x * unit, half_width * unit)
    _, Z = _weideman(z)
    series = 0j
    for k in range(N_TERMS - 1, -1, -1):
        series = (series + INTEGRATED[k]) * Z
    angle = math.atan2(-z.real, LENGTH + z.imag)
    return series.imag / (LENGTH * SQRT_PI) - (angle + 0.5 * math.pi) / math.pi


@inlined
def _weideman(z: complex) -> tuple[complex, complex]:
    """``1 / (L - iz)`` and ``Z = (L + iz) / (L - iz)``."""
    real, imaginary = LENGTH + z.imag, z.real
    q = complex(real, imaginary) / (real * real + imaginary * imaginary)
    return q, complex(LENGTH - z.imag, z.real) * q


@inlined
def _n_far(square: float, sigma: float) -> int:
    """How many terms of the asymptotic series are needed."""
    return 8 if square > VERY_FAR * sigma * sigma else N_FAR


@kernel
def _interpolated_profiles(
    centres: Floats,
    means: Floats,
    variances: Floats,
    weights: Floats,
    instrument_variances: Floats,
    half_widths: Floats,
    out: Floats,
) -> bool:
    """Add all lines to out (4, L, n); False if an argument cannot be used."""
    n = len(centres)
    if n < ORDER or not _are_lines(means, variances, weights, instrument_variances, half_widths):
        return False
    for i in range(n - 1):
        if not 0.0 < centres[i + 1] - centres[i] < math.inf:
            return False
    splines, work = np.zeros((n - 1, ORDER, ORDER)), np.zeros((2, ORDER))
    for cell in range(n - 1):
        _splines(centres, cell, splines[cell], work[0], work[1])
    band = _factorised(splines)
    for line in range(len(means)):
        half_width = half_widths[line] if half_widths.size > 0 else 0.0
        for j in range(weights.shape[1]):
            weight, instrument = weights[line, j], instrument_variances[line, j]
            if weight != 0.0:
                sigma = _sigma(variances[line], instrument)
                _add_integrals(centres, splines, means[line], sigma, half_width, weight, instrument, out[:, line])
        for k in range(4):
            _solve_transposed(band, out[k, line])
    for i in range(n):
        width = centres[min(i + 1, n - 1)] - centres[max(i - 1, 0)]
        out[:, :, i] *= (1.0 if i in (0, n - 1) else 2.0) / width
    return True


@inlined
def _first_spline(n: int, cell: int) -> int:
    """The first of the six splines that are not zero in a cell."""
    return min(max(cell - 2, 0), n - ORDER)


@kernel
def _splines(centres: Floats, cell: int, splines: Floats, saved: Floats, part: Floats) -> None:
    """Coefficients (6, 6) of the B-splines in a cell: of powers of v, which is -1/2 to 1/2 there; work space (6,).

    The recurrence of Cox and de Boor, in the order of Piegl & Tiller (*The NURBS Book*, algorithm A2.2).
    """
    n = len(centres)
    last_knot = _first_spline(n, cell) + DEGREE
    width, middle = centres[cell + 1] - centres[cell], 0.5 * (centres[cell] + centres[cell + 1])
    splines[0, 0] = 1.0
    for degree in range(1, ORDER):
        saved[:] = 0.0
        for r in range(degree):
            left, right = _knot(centres, last_knot + 1 - degree + r), _knot(centres, last_knot + r + 1)
            for p in range(degree):
                part[p] = splines[r, p] * width / (right - left)
            splines[r, 0] = saved[0] + (right - middle) / width * part[0]
            for p in range(1, degree + 1):
                splines[r, p] = saved[p] - part[p - 1] + (right - middle) / width * (part[p] if p < degree else 0.0)
            saved[0] = (middle - left) / width * part[0]
            for p in range(1, degree + 1):
                saved[p] = part[p - 1] + (middle - left) / width * (part[p] if p < degree else 0.0)
        splines[degree] = saved


@inlined
def _knot(centres: Floats, i: int) -> float:
    """Knot i: the ends six times, and between them all centres but two at each end."""
    n = len(centres)
    position = 0 if i < ORDER else n - 1 if i >= n else i - DEGREE // 2 - 1
    return float(centres[position])


@kernel
def _factorised(splines: Floats) -> Floats:
    """Factors L and U (n, 9) of the matrix of splines at centres, by diagonals; it is totally positive: no pivots."""
    n = len(splines) + 1
    band = np.zeros((n, 2 * BAND + 1))
    for i in range(n):
        cell = min(i, n - 2)
        first, v = _first_spline(n, cell), -0.5 if i < n - 1 else 0.5
        for k in range(ORDER):
            if abs(first + k - i) <= BAND:  # the others are zero at this centre
                band[i, first + k - i + BAND] = _value(splines[cell, k], v)
    for i in range(n):
        for row in range(i + 1, min(i + BAND + 1, n)):
            factor = band[row, i - row + BAND] / band[i, BAND]
            band[row, i - row + BAND] = factor
            for k in range(1, BAND + 1):
                if i + k < n:
                    band[row, i + k - row + BAND] -= factor * band[i, k + BAND]
    return band


@kernel
def _solve_transposed(band: Floats, x: Floats) -> None:
    """Replace x by the solution h of ``(L U)' h = x``."""
    n = len(x)
    for i in range(n):
        for k in range(max(i - BAND, 0), i):
            x[i] -= band[k, i - k + BAND] * x[k]
        x[i] /= band[i, BAND]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, min(i + BAND + 1, n)):
            x[i] -= band[k, i - k + BAND] * x[k]


@inlined
def _value(polynomial: Floats, v: float) -> float:
    value = 0.0
    for p in range(DEGREE, -1, -1):
        value = value * v + polynomial[p]
    return value


@inlined
def _slope(polynomial: Floats, v: float) -> float:
    slope = 0.0
    for p in range(DEGREE, 0, -1):
        slope = slope * v + p * polynomial[p]
    return slope


@kernel
def _add_integrals(
    centres: Floats,
    splines: Floats,
    mean: float,
    sigma: float,
    half_width: float,
    weight: float,
    instrument: float,
    out: Floats,
) -> None:
    """Integrals of a line times each spline, and their derivatives: those of the line, after partial integration."""
    n = len(centres)
    reach = math.inf if half_width > 0.0 else FARTHEST * sigma
    moments = np.zeros(ORDER)
    for cell in range(n - 1):
        low, high = centres[cell] - mean, centres[cell + 1] - mean
        if high < -reach or low > reach:
            continue
        _moments(low, high, sigma, half_width, reach, moments)
        width, first = high - low, _first_spline(n, cell)
        for k in range(ORDER):
            density, by_mean, curvature = splines[cell, k, 0] * moments[0], 0.0, 0.0
            for p in range(1, ORDER):
                density += splines[cell, k, p] * moments[p]
                by_mean += p * splines[cell, k, p] * moments[p - 1]
            for p in range(2, ORDER):
                curvature += p * (p - 1) * splines[cell, k, p] * moments[p - 2]
            _add(first + k, weight, instrument, density, by_mean / width, 0.5 * curvature / width**2, out)
    for cell, v, sign in ((0, -0.5, 1.0), (n - 2, 0.5, -1.0)):  # the range of integration ends
        end = centres[0 if cell == 0 else n - 1] - mean
        density, slope, _ = _shape(end, sigma, half_width)
        width, first = centres[cell + 1] - centres[cell], _first_spline(n, cell)
        for k in range(ORDER):
            value = sign * _value(splines[cell, k], v)
            curvature = sign * _slope(splines[cell, k], v) / width * density - value * slope
            _add(first + k, weight, instrument, 0.0, value * density, 0.5 * curvature, out)


@kernel
def _moments(low: float, high: float, sigma: float, half_width: float, reach: float, moments: Floats) -> None:
    """Integrals (6,) of a line times powers of v, which is -1/2 to 1/2 in the cell; this is given from the mean."""
    moments[:] = 0.0
    width, middle = high - low, 0.5 * (low + high)
    if sigma == 0.0 and half_width == 0.0:
        _add_powers(1.0 if low < 0.0 < high else 0.5, -middle / width, moments)
        return
    x, last = max(low, -reach), min(high, reach)
    longest = PIECE * sigma if half_width == 0.0 else VOIGT_PIECE * math.hypot(sigma, half_width)
    while x < last:
        step = longest
        if half_width > 0.0:
            step = max(step, -x / 3.0 if x < 0.0 else x / 2.0)
        following = min(x + step, 0.0 if x < 0.0 else last, last)
        for k in range(NODES.size):
            node = 0.5 * (x + following) + (following - x) * NODES[k]
            density, _, _ = _shape(node, sigma, half_width)
            _add_powers((following - x) * NODE_WEIGHTS[k] * density, (node - middle) / width, moments)
        x = following


@inlined
def _add_powers(amount: float, v: float, moments: Floats) -> None:
    for p in range(ORDER):
        moments[p] += amount
        amount *= v


@inlined
def _shape(x: float, sigma: float, half_width: float) -> tuple[float, float, float]:
    """Density, slope and curvature of a line at x from its mean; zeros where it has no width."""
    if half_width > 0.0:
        return voigt(x, sigma, half_width)
    if abs(x) > FARTHEST * sigma or sigma == 0.0:
        return 0.0, 0.0, 0.0
    inverse = 1.0 / sigma
    t = x * inverse
    density = DENSITY_AT_ZERO * math.exp(-0.5 * t * t) * inverse
    return density, -t * density * inverse, (t * t - 1.0) * density * inverse * inverse
