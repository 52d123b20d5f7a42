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
SAMPLES, QUICK_SAMPLES = 200, 4  # of populations
SPREAD = 0.5  # standard deviation of the logarithm of intrinsic widths that differ
UNEQUAL, LARGE, EQUAL = (0.03, 0.6), (0.15, 0.6), (0.3, 0.3)  # relative errors, spread evenly in logarithm
SAME_WIDTHS = (  # errors, lines, intrinsic over instrumental sigma
    (UNEQUAL, 10, 0.0),
    (UNEQUAL, 10, 0.41),
    (UNEQUAL, 10, 3.0),
    (UNEQUAL, 30, 0.41),
    (UNEQUAL, 100, 0.41),
    (LARGE, 10, 0.41),
    (LARGE, 30, 3.0),
    (LARGE, 100, 0.0),
    (LARGE, 100, 0.41),
)
DIFFERENT_WIDTHS = (
    *((UNEQUAL, number, ratio) for number in (10, 40, 1000) for ratio in (0.41, 1.0, 3.0)),
    *((errors, 1000, ratio) for errors in ((0.15, 0.15), EQUAL) for ratio in (0.41, 1.0, 3.0)),
)
SEED = 235


def measure(*, quick):
    """Tables of populations of simulated lines, of single lines, and of populations with large and unequal errors."""
    number, samples = (QUICK_LINES, QUICK_SAMPLES) if quick else (LINES, SAMPLES)
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
    yield from large_errors(samples)


def large_errors(samples):
    """One table for lines that have the same intrinsic width, one for lines that differ."""
    yield Table(
        f"Populations of lines of one intrinsic width, {samples} samples each",
        "errors: relative ones, spread evenly in logarithm; bias and sd (standard deviation over samples): of the mean "
        "variance V, in units of V + L^2; percent of 95% intervals that hold the truth, of 95% upper limits above it",
        [_same(case, population_samples(*case, 0.0, samples)) for case in SAME_WIDTHS],
        markdown=True,
    )
    yield Table(
        f"Populations of lines whose widths differ by {100 * SPREAD:.0f}% (log-normal), {samples} samples each",
        "s/L: of the median width; mean variance and its scatter: averages over samples, as ratios to the truth; "
        "error: of this mean; percent of 95% intervals that hold the truth, of 95% upper limits above it",
        [_different(case, population_samples(*case, SPREAD, samples)) for case in DIFFERENT_WIDTHS],
        markdown=True,
    )


def _same(case, found):
    unit = 1.0 + found["mean"]
    return _case(case) | {
        "bias": f"{np.mean(found['means'] - found['mean']) / unit:.3f}",
        "sd": f"{np.std(found['means']) / unit:.3f}",
        **_held(found),
    }


def _different(case, found):
    ratios = found["means"] / found["mean"]
    return _case(case) | {
        "mean": f"{ratios.mean():.3f}",
        "error": f"{ratios.std() / np.sqrt(ratios.size):.3f}",
        "scatter": f"{np.mean(found['scatters']) / found['scatter']:.2f}",
        **_held(found),
    }


def _case(case):
    (low, high), number, ratio = case
    return {"errors": f"{low:g} to {high:g}" if high > low else f"{low:g}", "lines": number, "s/L": f"{ratio:g}"}


def _held(found):
    """Percentages of intervals and limits of the rms width that hold the truth."""
    truth, (low, high) = np.sqrt(found["mean"]), found["intervals"].T
    return _percent({"interval": np.mean((low <= truth) & (truth <= high)), "limit": np.mean(truth <= found["limits"])})


def population_samples(errors, n_lines, ratio, spread, samples):
    """What `population` finds in samples of lines behind an instrument of 1, and the true mean and scatter of V.

    Intrinsic widths are log-normal around `ratio`, relative errors log-uniform between the two `errors`.
    """
    rng = np.random.default_rng([SEED, n_lines, *(round(100 * number) for number in (*errors, ratio, spread))])
    found = [_population(errors, n_lines, ratio, spread, rng) for _ in range(samples)]
    mean = ratio**2 * np.exp(2.0 * spread**2)
    return {
        "mean": mean,
        "scatter": mean * np.sqrt(np.expm1(4.0 * spread**2)),
        "means": np.array([each.mean_variance for each in found]),
        "scatters": np.array([each.scatter for each in found]),
        "intervals": np.array([each.interval(0.95) for each in found]),
        "limits": np.array([each.upper_limit(0.95) for each in found]),
    }


def _population(errors, n_lines, ratio, spread, rng):
    relative = np.exp(rng.uniform(*np.log(errors), n_lines))
    intrinsic = ratio * np.exp(spread * rng.normal(size=n_lines))
    noise = np.exp(relative * rng.normal(size=n_lines) - 0.5 * relative**2)
    observed = np.hypot(intrinsic, 1.0) * noise
    return lines.population(lines.deconvolve(observed, relative * observed, lsf=1.0))


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
