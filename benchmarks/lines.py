"""Are intrinsic line widths right?  Spectra are simulated and fitted, line by line, and the instrument is taken out.

Pixels of the size of the instrument's sigma, noise of one per pixel, a line of peak S/N: peak, centre, sigma and a
constant continuum are fitted by least squares to each of thousands of lines at once.
"""

import numpy as np

from xdgmm import lines
from xdgmm.fitting import fit
from xdgmm.observations import Observations

from .report import Table

LINES, QUICK_LINES = 40_000, 400
INTRINSIC = 0.41  # of the instrument's sigma
POPULATION_SN, COVERAGE_SN = (15, 30, 60), (15, 50, 100)
RATIOS = (0.0, 0.25, 0.5, 1.0)  # intrinsic over instrumental sigma
LSF_ERROR = 0.05
REACH = 6  # sigmas of spectrum on either side
STEPS = 60  # of Levenberg and Marquardt
SEED = 235


def measure(*, quick):
    """One table of populations, one of single lines."""
    number = QUICK_LINES if quick else LINES
    yield Table(
        f"Intrinsic sigma found for a population of {number} lines, all of {INTRINSIC} instrumental sigmas",
        "as a ratio to the truth, its 1-sigma error about 0.3%; plug-in: the same fit with errors as reported; ln: "
        "mean of ln sigma; drop, zeros: mean of the sigmas, lines below the instrument left out or counted as 0",
        [{"S/N": sn, **_rounded(population_answers(sn, number))} for sn in POPULATION_SN],
        markdown=True,
    )
    yield Table(
        f"Coverage in percent of the 95% interval of single lines, {number} each",
        f"s/L: intrinsic over instrumental sigma; LSF: the instrument's width scatters by {100 * LSF_ERROR:g}% between "
        "lines, which is told (lsf_error) or not",
        [{"S/N": sn, "s/L": ratio, **_percent(coverages(sn, ratio, number))} for sn in COVERAGE_SN for ratio in RATIOS],
        markdown=True,
    )


def _rounded(answers):
    return {name: f"{value / INTRINSIC:.3f}" for name, value in answers.items()}


def _percent(answers):
    return {name: f"{100 * value:.1f}" for name, value in answers.items()}


def fitted_lines(sigmas, peak, rng):
    """Widths and errors from least-squares fits of Gaussian lines (N,) of these sigmas, in pixels."""
    reach = np.ceil(REACH * sigmas.max())
    pixels = np.arange(-reach, reach + 1)
    centres = rng.uniform(-0.5, 0.5, sigmas.size)
    zeros = np.zeros(sigmas.size)
    spectra = _model(np.array([zeros + peak, centres, sigmas, zeros]), pixels)[0]
    spectra += rng.normal(size=spectra.shape)
    parameters = np.array([spectra.max(axis=1), zeros, zeros + np.mean(sigmas), zeros])
    damping = np.full(sigmas.size, 1e-3)
    chi2, normal, pull = _squares(parameters, pixels, spectra)
    for _ in range(STEPS):
        damped = normal + damping[:, None, None] * normal * np.eye(4)
        proposed = parameters + np.linalg.solve(damped, pull[..., None])[..., 0].T
        proposed[2] = np.abs(proposed[2])
        new = _squares(proposed, pixels, spectra)
        better = new[0] <= chi2
        parameters = np.where(better, proposed, parameters)
        chi2, normal, pull = (
            np.where(better.reshape(-1, *[1] * (old.ndim - 1)), now, old)
            for now, old in zip(new, (chi2, normal, pull), strict=True)
        )
        damping = np.where(better, 0.3 * damping, 10.0 * damping)
    return parameters[2], np.sqrt(np.linalg.inv(normal)[:, 2, 2])


def _model(parameters, pixels):
    """Lines (N, pixels) and their derivatives (N, pixels, 4)."""
    peak, centre, sigma, continuum = parameters[:, :, None]
    t = (pixels - centre) / sigma
    shape = np.exp(-0.5 * t**2)
    slopes = shape, peak * shape * t / sigma, peak * shape * t**2 / sigma, np.ones_like(t)
    return peak * shape + continuum, np.stack(slopes, axis=-1)


def _squares(parameters, pixels, spectra):
    """Sum of squares, normal matrix, and the pull on the parameters."""
    line, slopes = _model(parameters, pixels)
    left = spectra - line
    return (left**2).sum(axis=1), np.einsum("npi,npj->nij", slopes, slopes), np.einsum("npi,np->ni", slopes, left)


def population_answers(peak, n_lines, intrinsic=INTRINSIC):
    """Intrinsic sigma of many lines (one true value), in units of the instrument's, by five ways of averaging."""
    rng = np.random.default_rng([SEED, peak])
    sigma, error = fitted_lines(np.full(n_lines, np.hypot(1.0, intrinsic)), peak, rng)
    variance = sigma**2 - 1.0
    single = np.sqrt(np.maximum(variance, 0.0))
    plug_in = fit(Observations.with_standard_errors(variance, 2.0 * sigma * error)).mixture.means[0, 0]
    relative = error / sigma
    logarithmic = np.exp(2.0 * np.average(np.log(sigma), weights=1.0 / relative**2)) - 1.0
    return {
        "population": lines.population(lines.deconvolve(sigma, error, lsf=1.0)).intrinsic_sigma,
        "plug-in": np.sqrt(max(plug_in, 0.0)),
        "ln": np.sqrt(max(logarithmic, 0.0)),
        "drop": single[variance > 0].mean(),
        "zeros": single.mean(),
    }


def coverages(peak, ratio, n_lines):
    """How often 95% intervals of single lines hold the truth: a known instrument, one that scatters, one unknown to."""
    rng = np.random.default_rng([SEED, peak, round(100 * ratio)])
    lsf = 1.0 + LSF_ERROR * rng.normal(size=n_lines)
    exact = fitted_lines(np.full(n_lines, np.hypot(1.0, ratio)), peak, rng)
    blurred = fitted_lines(np.hypot(lsf, ratio), peak, rng)
    return {
        "known": _covered(*exact, 0.0, ratio),
        "LSF, told": _covered(*blurred, LSF_ERROR, ratio),
        "LSF, not told": _covered(*blurred, 0.0, ratio),
    }


def _covered(sigma, error, lsf_error, truth):
    low, high = lines.deconvolve(sigma, error, lsf=1.0, lsf_error=lsf_error).interval(0.95)
    return np.mean((low <= truth) & (truth <= high))
