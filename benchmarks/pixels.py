"""Do intervals from spectra hold the truth?  Spectra are simulated pixel by pixel and given to `lines.fit_lines`.

Pixels of one and a half sigma of the instrument, over which profiles are integrated; noise of one for each pixel, one
line of a given peak S/N over a sloping continuum.
"""

import numpy as np
from scipy.special import erf

from xdgmm import lines

from .report import Table

SPECTRA, QUICK_SPECTRA = 2000, 20
SN = (10, 25, 100)
RATIOS = (0.0, 0.25, 0.5, 1.0, 2.0)  # intrinsic over instrumental sigma
LSF_ERROR = 0.05
LIGHT = 299792.458
WAVE, SIGMA, STEP, PIXELS = 6564.61, 1.0, 1.5, 60
SEED = 20


def measure(*, quick):
    """One table: how often intervals and limits hold the truth."""
    number = QUICK_SPECTRA if quick else SPECTRA
    yield Table(
        f"Coverage in percent of intervals from {number} simulated spectra each",
        "S/N at the peak; s/L: intrinsic over instrumental sigma; 68, 95: intervals of sigma; limit: 95% upper limit; "
        f"V: variance within one error of the truth; LSF: the instrument's width is wrong by {100 * LSF_ERROR:g}% (1 "
        "sigma), which is told",
        [{"S/N": sn, "s/L": ratio, **_percent(coverages(sn, ratio, number))} for sn in SN for ratio in RATIOS],
        markdown=True,
    )


def _percent(answers):
    return {name: f"{100 * value:.1f}" for name, value in answers.items()}


def simulated(peak, ratio, lsf_sigma, rng):
    """Wavelengths, fluxes and errors of a spectrum with one line."""
    x = WAVE + STEP * (np.arange(PIXELS) - PIXELS / 2) + rng.uniform(-0.5, 0.5) * STEP
    edges = np.append(x - 0.5 * STEP, x[-1] + 0.5 * STEP)
    sigma = np.hypot(ratio * SIGMA, lsf_sigma)
    profile = np.diff(0.5 * erf((edges - WAVE) / (sigma * np.sqrt(2)))) / STEP
    flux = peak * profile / profile.max() + 3.0 + 0.02 * (x - WAVE)
    return x, flux + rng.standard_normal(PIXELS), np.ones(PIXELS)


def coverages(peak, ratio, number):
    """How often each interval holds the truth."""
    rng = np.random.default_rng([SEED, peak, round(100 * ratio)])
    truth = ratio * SIGMA / WAVE * LIGHT
    group = lines.Group("line", [WAVE], velocity=(-300.0, 300.0))
    found = []
    for _ in range(number):
        scale = np.exp(np.log1p(LSF_ERROR) * rng.standard_normal())
        own = []
        for lsf_sigma, error in ((SIGMA, 0.0), (SIGMA * scale, LSF_ERROR)):
            spectrum = simulated(peak, ratio, lsf_sigma, rng)
            lsf = lines.LSF(sigma=SIGMA, includes_pixel=False, error=error)
            own += _covered(lines.fit_lines(*spectrum, groups=group, lsf=lsf), truth)
        found.append(own)
    names = [f"{what}{of}" for of in ("", ", LSF") for what in ("68", "95", "limit", "V")]
    return dict(zip(names, np.mean(found, axis=0), strict=True))


def _covered(fit, truth):
    held = []
    for level in (0.6827, 0.95):
        low, high = fit.interval(level)
        held.append(low[0] <= truth <= high[0])
    held.append(truth <= fit.upper_limit(0.95)[0])
    held.append(abs(fit.intrinsic_variance[0] - truth**2) <= fit.intrinsic_variance_error[0])
    return held
