"""What does a fit of lines cost, beside SciPy's `curve_fit` with numerical derivatives?  CPU seconds, one thread."""

import time

import numpy as np
from scipy.optimize import curve_fit
from scipy.special import erf

from xdgmm import lines

from .report import Table

LIGHT = 299792.458
STEP, LSF, NOISE, Z = 1.25, 1.1, 0.4, 0.01
GROUPS = {
    "ionised": (80.0, 30.0, ((6564.61, 100.0), (6585.27, 60.0), (6549.86, 60.0 / 3.05))),
    "sulphur": (50.0, -20.0, ((6718.29, 40.0), (6732.67, 35.0))),
}
PROBLEMS = {"one group, 90 pixels": (("ionised",), 6640.0, 90), "two groups, 200 pixels": (tuple(GROUPS), 6720.0, 200)}
REPETITIONS, QUICK = 40, 3
STACK, QUICK_STACK = 500, 6
MANY = 10_000


def measure(*, quick):
    """One spectrum, beside SciPy, and a stack."""
    number = QUICK if quick else REPETITIONS
    yield Table(
        "One spectrum",
        "CPU ms of the fit, search for starts included; of the table with intervals and limits; of curve_fit for the "
        "same model, started at the truth, without limits; difference: the largest of a variance to SciPy's, in errors",
        [{"problem": name, **_one(*problem, number)} for name, problem in PROBLEMS.items()],
    )
    size = QUICK_STACK if quick else STACK
    yield Table(
        f"A stack of {size} spectra",
        f"CPU ms of each, intervals and limits included; minutes: for {MANY} spectra on two processors",
        [{"problem": name, **_stack(*problem, size)} for name, problem in PROBLEMS.items()],
    )


def _one(names, centre, n, number):
    x = centre + STEP * (np.arange(n) - n / 2)
    groups = _groups(names)
    fits, limits, others, differences = [], [], [], []
    for seed in range(number + 1):  # the first compiles
        flux = _simulated(names, x, seed)
        start = time.process_time()
        fit = lines.fit_lines(x, flux, np.full(n, NOISE), groups=groups, lsf=_lsf(), z=Z)
        fits.append(time.process_time() - start)
        start = time.process_time()
        fit.table  # noqa: B018 - intervals, limits and p-values are computed when asked for
        limits.append(time.process_time() - start)
        start = time.process_time()
        variances = _by_scipy(names, x, flux)
        others.append(time.process_time() - start)
        differences.append(np.max(np.abs(variances - fit.intrinsic_variance) / fit.intrinsic_variance_error))
    ours, further, theirs = (1e3 * float(np.median(times[1:])) for times in (fits, limits, others))
    return {"fit": ours, "table": further, "SciPy": theirs, "difference": float(np.max(differences))}


def _stack(names, centre, n, size):
    x = centre + STEP * (np.arange(n) - n / 2)
    fluxes = np.array([_simulated(names, x, seed) for seed in range(size)])
    settings = {"groups": _groups(names), "lsf": _lsf(), "z": Z}
    lines.fit_lines(x, fluxes[:1], NOISE, **settings)
    start = time.process_time()
    fits = lines.fit_lines(x, fluxes, NOISE, **settings)
    each = (time.process_time() - start) / size
    return {"each": 1e3 * each, "minutes": MANY * each / 2 / 60, "failed": fits.n_failed}


def _lsf():
    return lines.LSF(sigma=LSF, includes_pixel=False)


def _groups(names):
    ionised = [6564.61, (6585.27, "NII"), (6549.86, "NII", 1 / 3.05)]
    of_name = {"ionised": ionised, "sulphur": [6718.29, 6732.67]}
    return [lines.Group(name, of_name[name]) for name in names]


def _edges(x):
    return np.append(x - 0.5 * STEP, x[-1] + 0.5 * STEP)


def _profile(edges, rest, velocity, variance):
    """A line with a flux of 1, averaged over pixels."""
    mean = rest * (1 + Z) * (1 + velocity / LIGHT)
    sigma = np.sqrt(np.maximum(variance * (rest * (1 + Z) / LIGHT) ** 2 + LSF**2, 1e-6))
    return np.diff(0.5 * erf((edges - mean) / (np.sqrt(2.0) * sigma))) / STEP


def _simulated(names, x, seed):
    flux = 5.0 + 0.01 * (x - x.mean()) + NOISE * np.random.default_rng(seed).normal(size=x.size)
    for name in names:
        sigma, velocity, entries = GROUPS[name]
        flux += sum(amount * _profile(_edges(x), rest, velocity, sigma**2) for rest, amount in entries)
    return flux


def _by_scipy(names, x, flux):
    """Intrinsic variances of the groups from `curve_fit`."""
    edges, t = _edges(x), (x - x.mean()) / (x[-1] - x[0])

    def model(_, level, slope, *parameters):
        result, rest = level + slope * t, list(parameters)
        for name in names:
            velocity, variance = rest.pop(0), 1e3 * rest.pop(0)
            fluxes = [rest.pop(0), rest.pop(0)]
            if name == "ionised":
                fluxes.append(fluxes[1] / 3.05)
            for (position, _amount), amount in zip(GROUPS[name][2], fluxes, strict=True):
                result = result + amount * _profile(edges, position, velocity, variance)
        return result

    start = [5.0, 0.01 * (x[-1] - x[0])]
    for name in names:
        sigma, velocity, entries = GROUPS[name]
        start += [velocity, 1e-3 * sigma**2, entries[0][1], entries[1][1]]
    found = curve_fit(model, x, flux, start, np.full(x.size, NOISE), absolute_sigma=True)[0]
    return 1e3 * found[3::4][: len(names)]
