"""Do the intervals of sigma cover?  Simulated samples of one Gaussian behind errors of a known law.

An interval of the profile likelihood holds the truth where ``2 (m - p(truth))`` is below its quantile, so that its ends
need not be found; an upper limit, where the truth is below the fit or that difference below 2.7055.
"""

import warnings
from dataclasses import replace

import numpy as np
from scipy.stats import chi2, norm

from xdgmm import Flat, GaussianMixture, Observations, SelectionFunction
from xdgmm.diagnostics import check
from xdgmm.diagnostics.error_profile import ErrorProfile, HigherPointError
from xdgmm.diagnostics.groups import groups_by, one_group
from xdgmm.diagnostics.noise_parameters import NoiseParameters
from xdgmm.errors import XdgmmWarning
from xdgmm.fitting import Model, Problem, Settings, fit
from xdgmm.uncertainty import bootstrap, laplace, width_limit
from xdgmm.uncertainty.function_profile import FunctionProfile, Range
from xdgmm.uncertainty.profile import WidthProfile
from xdgmm.uncertainty.simulated import Simulation, mean_roots, width_roots

from .report import Table

RATIOS = (0.2, 0.5, 1.0, 2.0, 5.0)  # sigma over the median error, which is one
SIZES = (20, 50, 200, 1000)
WIDE = 3.0  # largest error over smallest
LEVELS = {"68": 0.6827, "95": 0.95}
LIMIT = 2.7055  # of the one-sided 95% limit
SAMPLES, RESAMPLED_SIZES, RESAMPLED_SAMPLES, RESAMPLES = 400, (20, 200), 50, 100
FEW_SIZES, FEW_RATIOS = (5, 8, 20), (1.0, 3.0)
PRECISE = np.array([0.3] * 2 + [4.0] * 6)  # errors of eight objects, of which two carry the information on a sigma of 2
SIMULATED = 4000  # samples behind each answer whether an interval or a limit covers
SCALE_CELLS = [
    (what, truth, N)
    for N in (50, 200)
    for what, truth in (("factor", 1.5), ("factor of half", 1.5), ("floor of half", 1.0), ("floor of half", 0.0))
]
MEMBERSHIP_SIZES, FLAT_SIZES = (200, 1000), (300, 1000)
HEAVY_CELLS = [(3.0, 0.5, 200), (3.0, 0.5, 1000), (6.0, 0.5, 1000)]  # dof, median error over scale, objects
CENSORED_CELLS = [(0.3, 50), (0.3, 200), (0.6, 200), (0.6, 1000)]  # fraction of upper limits, objects
OTHER_SIZES = (50, 500)
SELECTION_CELLS = [  # where the limit lies, in sigma above the mean; objects before the cut; the kind of selection
    (0.5, 400, "cut"),
    (0.5, 2000, "cut"),
    (-0.5, 2000, "cut"),
    (0.5, 400, "function"),
]
SEED = 68_95


def measure(*, quick):
    """One table of the methods that are cheap, one of the bootstrap."""
    tries, resampled, resamples = (5, 2, 10) if quick else (SAMPLES, RESAMPLED_SAMPLES, RESAMPLES)
    cells = [(ratio, N) for ratio in RATIOS for N in SIZES]
    resampled_cells = [(ratio, N) for ratio in RATIOS for N in RESAMPLED_SIZES]
    if quick:
        cells, resampled_cells = [(0.5, 20), (2.0, 50)], [(2.0, 20)]
    yield Table(
        f"Coverage in percent of intervals of sigma, {tries} samples each",
        f"errors log-uniform over a factor of {WIDE:g}, with the median e; columns end in the level; at 0: samples "
        "whose width is zero, where information and sandwich have infinite errors, which cover; limit: one-sided, 95%",
        [_row(ratio, N, tries, _covered_cheaply) for ratio, N in cells],
        markdown=True,
    )
    yield Table(
        f"Coverage in percent for few objects, {tries} samples each",
        "mean and sigma of one Gaussian; info: information, prof: profile with the quantile of chi-squared, sim: "
        "profile calibrated by simulation; limit: one-sided, 95%; errors as above",
        [_row_of_few(ratio, N, tries) for ratio in FEW_RATIOS for N in FEW_SIZES],
        markdown=True,
    )
    yield Table(
        f"Coverage in percent of the 95% limit where two of eight objects carry the information, {tries} samples",
        "sigma 2, errors .3, .3 and six of 4; printed: samples whose width is consistent with zero by that rule",
        [_row_of_precise(tries)],
        markdown=True,
    )
    yield Table(
        f"Right models that `check` does not pass, in percent of {tries} samples",
        "one Gaussian: N 60, sigma 2, errors log-uniform over a factor of four; two in two columns: N 150, four sigma "
        "apart, errors of half a sigma and more, residuals also tested along a further column; 79 simulations each; "
        "5 are promised",
        [_row_of_checks(tries), _row_of_checks_of_two(tries)],
        markdown=True,
    )
    yield Table(
        f"Coverage in percent of intervals of `error_scale`, {tries} samples each",
        "one Gaussian of sigma 1, errors log-uniform from .3 to 3; factor 1.5 on all, or on those of half the objects, "
        "or a floor of 1 or of 0 beneath these; at 0: the best factor or floor is zero; limit: one-sided, 95%",
        [_row_of_error_scale(*cell, tries) for cell in (SCALE_CELLS[:4] if quick else SCALE_CELLS)],
        markdown=True,
    )
    yield Table(
        f"Coverage in percent of intervals of sigma with known memberships, {tries} samples each",
        "a component of sigma 1 beside one of sigma 5, p from a beta distribution (.6, .6), errors of .1 to .4; "
        "information; cut, weights: one Gaussian fitted to the objects of p above .9, or with p as weights",
        [_row_of_memberships(N, tries) for N in (MEMBERSHIP_SIZES[:1] if quick else MEMBERSHIP_SIZES)],
        markdown=True,
    )
    yield Table(
        f"Coverage in percent of intervals beside a flat component, {tries} samples each",
        "two columns, flat in one over a box of length 3; a cluster of weight .3; information",
        [_row_of_flat(N, tries) for N in (FLAT_SIZES[:1] if quick else FLAT_SIZES)],
        markdown=True,
    )
    yield Table(
        f"Coverage in percent of intervals of Student-t components, {tries} samples each",
        "one component of scale 1, errors log-uniform over a factor of three with the median e; half-width of 68% and "
        "dof; information (in 1 / dof); Gaussian: the intervals of the sigma of a Gaussian, against the half-width",
        [_row_of_heavy_tails(*cell, tries) for cell in (HEAVY_CELLS[:1] if quick else HEAVY_CELLS)],
        markdown=True,
    )
    yield Table(
        f"Coverage in percent of intervals beside upper limits, {tries} samples each",
        "one Gaussian of sigma 1, errors log-uniform from .3 to .9; noisy values below a threshold are known only as "
        "limits; information and profile; detections: the intervals of sigma from the measured values alone",
        [_row_of_limits(*cell, tries) for cell in (CENSORED_CELLS[:1] if quick else CENSORED_CELLS)],
        markdown=True,
    )
    yield Table(
        f"Coverage in percent where errors are not Gaussian, {tries} samples each",
        "mean 10 and sigma of one Gaussian; upper and lower: errors of +1.5 and -0.5, sigma 1; a quarter: errors of "
        "25% of the true value, sigma 2; naive: of a Gaussian of error 1, or of 25% of the measured value",
        [_row_of_other_errors(kind, N, tries) for kind in OTHER_ERRORS for N in OTHER_SIZES[: 1 if quick else None]],
        markdown=True,
    )
    yield Table(
        f"Coverage in percent of intervals of flux-limited samples, {tries} samples each",
        "one Gaussian of sigma 1, N objects with errors log-uniform over a factor of three with the median .5, of "
        "which those measured below a limit (in sigma above the mean) are seen, or as many as a soft edge lets in; "
        "mean and sigma, information; naive: intervals of the mean without the selection",
        [_row_of_selection(*cell, tries) for cell in (SELECTION_CELLS[:1] if quick else SELECTION_CELLS)],
        markdown=True,
    )
    yield Table(
        f"Coverage in percent of the percentile bootstrap, {resampled} samples, {resamples} resamples each",
        "the same samples as far as they go",
        [
            _row(ratio, N, resampled, lambda *sample: _covered_by_bootstrap(*sample, resamples))
            for ratio, N in resampled_cells
        ],
        markdown=True,
    )


def _row(ratio, n_objects, tries, covered):
    """Fractions of samples in percent, with their binomial errors."""
    rng = np.random.default_rng([SEED, n_objects, round(10 * ratio)])
    each = []
    for _ in range(tries):
        e = np.exp(rng.uniform(-0.5, 0.5, n_objects) * np.log(WIDE))
        values = ratio * rng.normal(size=n_objects) + e * rng.normal(size=n_objects)
        each.append(covered(Observations.with_standard_errors(values, e), ratio))
    counts = {name: sum(one[name] for one in each) for name in each[0]}
    return {"sigma/e": ratio, "N": n_objects, **{name: percent(count, tries) for name, count in counts.items()}}


def percent(count, tries):
    """A fraction in percent, with its binomial error."""
    middle = (count + 1) / (tries + 2)  # keeps the error of all or none from being zero
    return f"{100 * count / tries:.0f}±{100 * np.sqrt(middle * (1 - middle) / tries):.0f}"


def _covered_cheaply(observations, truth):
    """Which intervals of one sample hold the truth."""
    result = fit(observations)
    found = {"at 0": result.mixture.sigmas[0, 0] == 0}
    for name in ("information", "sandwich"):
        uncertainty = laplace(result.mixture, observations, kind=name)
        for label, level in LEVELS.items():
            estimate = uncertainty.propagate(_sigma, level)
            found[f"{name[:4]} {label}"] = not abs(truth - estimate.value) > estimate.high - estimate.value
    profile = WidthProfile(Problem.of(result.mixture, observations, Model()), result.mixture, 0, 0)
    deviance = 2 * (profile.maximum - profile.at(truth / profile.unit))
    for label, level in LEVELS.items():
        found[f"prof {label}"] = deviance < chi2.ppf(level, 1)
    found["limit"] = truth < result.mixture.sigmas[0, 0] or deviance < LIMIT
    return found


def _covered_by_bootstrap(observations, truth, n_resamples):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", XdgmmWarning)  # that it is inconsistent at the boundary is what is shown
        samples = bootstrap(fit(observations), observations, n_resamples=n_resamples, rng=0, progress="never")
    ends = {label: samples.propagate(_sigma, level) for label, level in LEVELS.items()}
    return {f"boot {label}": bool(estimate.low <= truth <= estimate.high) for label, estimate in ends.items()}


def _row_of_few(ratio, n_objects, tries):
    """Intervals of mean and sigma."""
    rng = np.random.default_rng([SEED, n_objects, round(10 * ratio), 1])
    each = []
    for _ in range(tries):
        e = np.exp(rng.uniform(-0.5, 0.5, n_objects) * np.log(WIDE))
        values = ratio * rng.normal(size=n_objects) + e * rng.normal(size=n_objects)
        each.append(_covered_for_few(Observations.with_standard_errors(values, e), ratio, rng))
    counts = {name: sum(one[name] for one in each) for name in each[0]}
    return {"sigma/e": ratio, "N": n_objects, **{name: percent(count, tries) for name, count in counts.items()}}


def _covered_for_few(observations, truth, rng):
    result = fit(observations)
    problem = Problem.of(result.mixture, observations, result.model)
    normal = laplace(result.mixture, observations)
    simulation = Simulation.of("simulated", 0)
    of_sigma = WidthProfile(problem, result.mixture, 0, 0)
    of_mean = FunctionProfile(problem, result.mixture, _mean, Range())
    sigma = _Quantity("sigma", _sigma, truth, of_sigma, width_roots(of_sigma, simulation), truth / of_sigma.unit)
    mean = _Quantity("mean", _mean, 0.0, of_mean, mean_roots(of_mean, 0, simulation), 0.0)
    found = {}
    for each in (mean, sigma):
        found |= each.covered(normal, rng)
    deviance = 2 * (of_sigma.highest()[0] - of_sigma.at(sigma.place))
    above = result.mixture.sigmas[0, 0] >= truth
    found["limit"] = above or deviance < LIMIT
    found["sim limit"] = found["limit"] or sigma.tails[0] >= 0.05
    return found


class _Quantity:
    """One quantity, its truth, and what knows of its likelihood."""

    def __init__(self, name, function, truth, profile, roots, place):
        self.name, self.function, self.truth, self.profile = name, function, truth, profile
        self.roots, self.place, self.tails = roots, place, (1.0, 1.0)

    def covered(self, normal, rng):
        """Which intervals hold the truth; the simulated ends lie beyond it where its tails are large enough."""
        deviance = self.roots.observed(self.place) ** 2
        drawn, observed = self.roots.draw(self.place, SIMULATED, rng), self.roots.observed(self.place)
        self.tails = (drawn <= observed + 1e-6).mean(), (drawn >= observed - 1e-6).mean()
        found = {}
        for label, level in LEVELS.items():
            estimate = normal.propagate(self.function, level)
            found[f"{self.name} info {label}"] = not abs(self.truth - estimate.value) > estimate.high - estimate.value
            within = deviance < chi2.ppf(level, 1)
            found[f"{self.name} prof {label}"] = within
            upper = self.tails[0] >= 0.5 * (1 - level) or (within and observed < 0 and self.name == "sigma")
            found[f"{self.name} sim {label}"] = upper and self.tails[1] >= 0.5 * (1 - level)
        return found


def _row_of_precise(tries):
    """Limits by both rules."""
    rng = np.random.default_rng([SEED, 8])
    rows = []
    for _ in range(tries):
        values = 2.0 * rng.normal(size=8) + PRECISE * rng.normal(size=8)
        observations = Observations.with_standard_errors(values, PRECISE)
        mixture = fit(observations).mixture
        each = []
        for rule in ("likelihood", "simulated"):
            limit = width_limit(mixture, observations, 0, 0, limit=rule)
            each += [limit.consistent_with_zero, not limit.upper < 2.0]
        rows.append(each)
    rows = np.array(rows)
    result = {}
    for name, printed, covered in (("likelihood", *rows.T[:2]), ("simulated", *rows.T[2:])):
        printed, covered = printed.astype(bool), covered.astype(bool)
        result |= {f"{name} printed": percent(printed.sum(), tries)}
        if printed.any():
            result |= {f"{name} covers where printed": percent(covered[printed].sum(), printed.sum())}
    return result | {"simulated covers all": percent(rows[:, 3].sum(), tries)}


def _row_of_checks(tries):
    """How often a right model does not pass."""
    rng = np.random.default_rng([SEED, 60])
    refused = 0
    for seed in range(tries):
        e = np.exp(rng.uniform(-0.5, 0.5, 60) * np.log(4.0))
        observations = Observations.with_standard_errors(2.0 * rng.normal(size=60) + e * rng.normal(size=60), e)
        found = check(fit(observations), observations, n_simulations=79, rng=seed, progress="never")
        refused += not found.passed
    return {"K": 1, "D": 1, "N": 60, "not passed": percent(refused, tries)}


def _row_of_checks_of_two(tries):
    """The same with two components in two columns, and residuals along a further column."""
    rng = np.random.default_rng([SEED, 61])
    model = Settings(n_init=3)
    refused = 0
    for seed in range(tries):
        e = 0.5 * np.exp(rng.uniform(0.0, 1.0, (150, 2)))
        centres = np.where(rng.random(150) < 0.4, 4.0, 0.0)[:, None]
        observations = Observations.with_standard_errors(
            centres + rng.normal(size=(150, 2)) + e * rng.normal(size=e.shape), e
        )
        further = {"further": rng.normal(size=150)}
        result = fit(observations, 2, model, seed)
        found = check(result, observations, against=further, n_simulations=79, rng=seed, progress="never")
        refused += not found.passed
    return {"K": 2, "D": 2, "N": 150, "not passed": percent(refused, tries)}


def _row_of_error_scale(what, truth, n_objects, tries):
    """Coverage of a factor on all errors, or of a factor or floor of one half of the objects."""
    rng = np.random.default_rng([SEED, n_objects, round(10 * truth), len(what)])
    each = []
    for _ in range(tries):
        e = np.exp(rng.uniform(np.log(0.3), np.log(3.0), n_objects))
        second = np.arange(n_objects) % 2 == 1
        true = {"factor": truth * e, "factor of half": np.where(second, truth * e, e)}
        noise = true.get(what, np.where(second, np.hypot(e, truth), e)) * rng.normal(size=n_objects)
        observations = Observations.with_standard_errors(rng.normal(size=n_objects) + noise, e)
        each.append(_covered_by_error_scale(observations, None if what == "factor" else second, what, truth))
    counts = {name: sum(one[name] for one in each) for name in each[0]}
    return {"what": what, "truth": truth, "N": n_objects, **{name: percent(n, tries) for name, n in counts.items()}}


def _covered_by_error_scale(observations, groups, what, truth):
    result = fit(observations)
    problem = Problem.of(result.mixture, observations, result.model)
    counts = observations.counts
    chosen = one_group(counts) if groups is None else groups_by(groups, counts, reference=False)
    parameters = NoiseParameters(problem, chosen, "jitter" if what == "floor of half" else "factor")
    profile = ErrorProfile(parameters, problem.standardised(result.mixture), lambda: None)
    profile.find_maximum()
    scale = problem.scaling.measured_scale[0] if what == "floor of half" else 1.0
    try:
        height = profile.of_one(0).at(truth / scale)
    except HigherPointError as higher:
        profile.find_maximum(higher.point)
        height = higher.point.height
    deviance, value = 2 * (profile.best.height - height), np.sqrt(profile.best.phi[0]) * scale
    found = {"at 0": value == 0}
    found |= {label: deviance < chi2.ppf(level, 1) for label, level in LEVELS.items()}
    return found | {"limit": truth <= value or deviance < LIMIT}


def _row_of_memberships(n_objects, tries):
    """Intervals of the sigma of the first of two components, with memberships known, cut and as weights."""
    rng = np.random.default_rng([SEED, n_objects, 5])
    counts = {f"{name} {label}": 0 for name in ("known", "cut at .9", "weights") for label in LEVELS}
    for _ in range(tries):
        p, e = rng.beta(0.6, 0.6, n_objects), rng.uniform(0.1, 0.4, n_objects)
        v = np.where(rng.random(n_objects) < p, rng.normal(0.0, 1.0, n_objects), rng.normal(-3.0, 5.0, n_objects))
        observations = Observations.with_standard_errors(v + e * rng.standard_normal(n_objects), e)
        samples = {
            "known": (observations.with_memberships(p), 2),
            "cut at .9": (observations.select(p > 0.9), 1),
            "weights": (replace(observations, weights=p), 1),
        }
        for name, (sample, K) in samples.items():
            uncertainty = laplace(fit(sample, K).mixture, sample)
            for label, level in LEVELS.items():
                found = uncertainty.propagate(_sigma, level)
                counts[f"{name} {label}"] += bool(found.low <= 1.0 <= found.high)
    return {"N": n_objects, **{name: percent(n, tries) for name, n in counts.items()}}


def _row_of_flat(n_objects, tries):
    """Intervals of the weight and of sigmas of a cluster before a flat field, and of the field's."""
    rng = np.random.default_rng([SEED, n_objects, 7])
    truth = GaussianMixture(
        [0.3, 0.7],
        [[0.5, 1.0], [0.0, -1.0]],
        [np.diag([0.2, 0.3]) ** 2, np.diag([1.0, 1.5]) ** 2],
        ["sky", "v"],
        flat=Flat("sky", -1.0, 2.0),
    )
    expected = np.array([0.3, 0.2, 0.3, 1.5])
    names = "weight", "sky", "v", "v of the field"
    counts = np.zeros((len(LEVELS), 4), int)
    for _ in range(tries):
        e = rng.uniform(0.05, 0.2, (n_objects, 2))
        values = truth.sample(n_objects, rng)[0] + e * rng.standard_normal((n_objects, 2))
        observations = Observations.with_standard_errors(values, e, names=["sky", "v"])
        result = fit(observations, 2, Settings(model=Model(flat=truth.flat), start=truth))
        uncertainty = laplace(result.mixture, observations)
        for i, level in enumerate(LEVELS.values()):
            found = uncertainty.propagate(_beside_flat, level)
            counts[i] += (found.low <= expected) & (expected <= found.high)
    cells = {f"{name} {label}": counts[i, j] for j, name in enumerate(names) for i, label in enumerate(LEVELS)}
    return {"N": n_objects, **{name: percent(int(n), tries) for name, n in cells.items()}}


def _beside_flat(mixture):
    return np.array([mixture.weights[0], *mixture.sigmas[0], mixture.sigmas[1, 1]])


def _row_of_heavy_tails(dof, error, n_objects, tries):
    """Intervals of scale, half-width and degrees of freedom."""
    rng = np.random.default_rng([SEED, n_objects, round(10 * error), round(dof)])
    truth = GaussianMixture([1.0], [[0.0]], [[[1.0]]], dof=dof)
    expected = {"scale": 1.0, "half-width": truth.half_widths[0, 0], "dof": 1.0 / dof}
    counts = {f"{name} {label}": 0 for name in (*expected, "Gaussian") for label in LEVELS}
    for _ in range(tries):
        e = error * np.exp(rng.uniform(-0.5, 0.5, n_objects) * np.log(WIDE))
        values = truth.sample(n_objects, rng)[0] + (e * rng.normal(size=n_objects))[:, None]
        observations = Observations.with_standard_errors(values, e[:, None])
        result = fit(observations, 1, Settings(model=Model(family="t")))
        uncertainty, normal = laplace(result.mixture, observations), laplace(fit(observations).mixture, observations)
        for label, level in LEVELS.items():
            found = uncertainty.propagate(_of_heavy_tails, level)
            for name, value, low, high in zip(expected, expected.values(), found.low, found.high, strict=True):
                counts[f"{name} {label}"] += bool(low <= value <= high)
            of_gaussian = normal.propagate(_sigma, level)
            counts[f"Gaussian {label}"] += bool(of_gaussian.low <= expected["half-width"] <= of_gaussian.high)
    return {"dof": dof, "e": error, "N": n_objects, **{name: percent(n, tries) for name, n in counts.items()}}


def _upper_and_lower(n_objects, rng):
    """The truth, observations with errors of +1.5 and -0.5, and the same values with errors of 1."""
    below, size = rng.random(n_objects) < 0.75, np.abs(rng.normal(size=n_objects))
    values = rng.normal(10.0, 1.0, n_objects) + np.where(below, -1.5 * size, 0.5 * size)
    right = Observations.with_asymmetric_errors(values, 0.5, 1.5)
    return 1.0, right, Observations.with_standard_errors(values, 1.0)


def _a_quarter(n_objects, rng):
    """The truth, observations with errors of a quarter of the true value, and of the measured one."""
    values = rng.normal(10.0, 2.0, n_objects) * (1.0 + 0.25 * rng.normal(size=n_objects))
    right = Observations.with_error_function(values, 0.25, between=(0.5, 60.0))
    return 2.0, right, Observations.with_standard_errors(values, 0.25 * np.abs(values))


OTHER_ERRORS = {"upper and lower": _upper_and_lower, "a quarter": _a_quarter}


def _row_of_other_errors(kind, n_objects, tries):
    """Intervals of mean and sigma from the curvature, and of the mean with naive errors."""
    rng = np.random.default_rng([SEED, n_objects, list(OTHER_ERRORS).index(kind)])
    counts = {f"{name} {label}": 0 for name in ("mean", "sigma", "naive mean") for label in LEVELS}
    for _ in range(tries):
        sigma, right, naive = OTHER_ERRORS[kind](n_objects, rng)
        for prefix, observations in (("", right), ("naive ", naive)):
            uncertainty = laplace(fit(observations).mixture, observations)
            for label, level in LEVELS.items():
                for name, function, truth in (("mean", _mean, 10.0), ("sigma", _sigma, sigma)):
                    if f"{prefix}{name} {label}" in counts:
                        found = uncertainty.propagate(function, level)
                        counts[f"{prefix}{name} {label}"] += bool(found.low <= truth <= found.high)
    return {"errors": kind, "N": n_objects, **{name: percent(n, tries) for name, n in counts.items()}}


def _of_heavy_tails(mixture):
    return np.array([mixture.sigmas[0, 0], mixture.half_widths[0, 0], 1.0 / mixture.dof[0]])


def _row_of_limits(fraction, n_objects, tries):
    """Intervals of mean and sigma where a fraction of the values are upper limits."""
    rng = np.random.default_rng([SEED, n_objects, round(10 * fraction), 3])
    threshold = norm.ppf(fraction) * np.sqrt(1.0 + 0.33)  # of the noisy values, whose mean variance this is
    each = []
    for _ in range(tries):
        e = np.exp(rng.uniform(np.log(0.3), np.log(0.9), n_objects))
        values = rng.normal(size=n_objects) + e * rng.normal(size=n_objects)
        upper = values < threshold
        observations = Observations.with_limits(np.maximum(values, threshold), e, upper=upper)
        each.append(_covered_beside_limits(observations, observations.select(~upper)))
    counts = {name: sum(one[name] for one in each) for name in each[0]}
    return {"limits": fraction, "N": n_objects, **{name: percent(count, tries) for name, count in counts.items()}}


def _covered_beside_limits(observations, detections):
    result, alone = fit(observations), fit(detections)
    normal, of_detections = laplace(result.mixture, observations), laplace(alone.mixture, detections)
    profile = WidthProfile(Problem.of(result.mixture, observations, Model()), result.mixture, 0, 0)
    deviance, found = 2 * (profile.maximum - profile.at(1.0 / profile.unit)), {}
    for name, quantity, truth in (("mean", _mean, 0.0), ("sigma", _sigma, 1.0)):
        for label, level in LEVELS.items():
            estimate = normal.propagate(quantity, level)
            found[f"{name} {label}"] = bool(estimate.low <= truth <= estimate.high)
    for label, level in LEVELS.items():
        found[f"profile {label}"] = deviance < chi2.ppf(level, 1)
    for label, level in LEVELS.items():
        estimate = of_detections.propagate(_sigma, level)
        found[f"detections {label}"] = bool(estimate.low <= 1.0 <= estimate.high)
    return found


def _row_of_selection(limit, n_objects, kind, tries):
    """Intervals of mean and sigma of a population of which the faint part is not seen."""
    rng = np.random.default_rng([SEED, n_objects, round(10 * (limit + 5)), len(kind)])

    def soft(values):
        return norm.cdf((limit - values[:, 0]) / 0.3)

    selection = SelectionFunction.box(high=[limit]) if kind == "cut" else SelectionFunction(soft, 64)
    counts = {f"{name} {label}": 0 for name in ("mean", "sigma", "naive") for label in LEVELS}
    for _ in range(tries):
        e = 0.5 * np.exp(rng.uniform(-0.5, 0.5, n_objects) * np.log(WIDE))
        values = rng.normal(size=n_objects) + e * rng.normal(size=n_objects)
        seen = values < limit if kind == "cut" else rng.random(n_objects) < soft(values[:, None])
        observations = Observations.with_standard_errors(values[seen], e[seen])
        result = fit(observations, 1, Settings(model=Model(selection_function=selection)))
        uncertainty, naive = laplace(result.mixture, observations), laplace(fit(observations).mixture, observations)
        for label, level in LEVELS.items():
            for name, function, truth in (("mean", _mean, 0.0), ("sigma", _sigma, 1.0)):
                found = uncertainty.propagate(function, level)
                counts[f"{name} {label}"] += bool(found.low <= truth <= found.high)
            found = naive.propagate(_mean, level)
            counts[f"naive {label}"] += bool(found.low <= 0.0 <= found.high)
    found = {name: percent(n, tries) for name, n in counts.items()}
    return {"selection": kind, "limit": limit, "N": n_objects, **found}


def _mean(mixture):
    return mixture.means[0, 0]


def _sigma(mixture):
    return mixture.sigmas[0, 0]
