"""Many lines: mean and scatter of the intrinsic variance, unbiased, with the instrument's own error."""

import numpy as np
import pytest
from astropy import units as u
from scipy.optimize import minimize_scalar
from scipy.stats import chi2, lognorm, norm

from xdgmm import InputError, lines
from xdgmm.errors import XdgmmDeprecationWarning
from xdgmm.fitting import fit
from xdgmm.lines.joint_likelihood import JointLikelihood
from xdgmm.lines.profile_likelihood import SignedRoot


def sample(rng, n, intrinsic=0.41, spread=0.0, r=0.07, lsf=1.0):
    """Observed widths and errors of lines whose relative error is r."""
    true = np.hypot(np.abs(intrinsic * (1 + spread * rng.normal(size=n))), lsf)
    observed = true * (1 + r * rng.normal(size=n))
    return observed, r * observed


def likelihood(observed, errors, mean, scatter):
    """Log-likelihood of lines behind an instrument of 1: SciPy's densities, a plain sum over the true variances."""
    r = errors[:, None] / observed[:, None]
    pooled, expected = 1 + 0.5 * (mean + np.hypot(mean, 0.02)), np.exp(r**2)
    size = np.hypot(pooled, scatter)
    z = lognorm(2 * r, scale=np.exp(-(r**2)))
    V = mean + scatter * np.linspace(-9, 9, 3001)
    noise = observed[:, None] ** 2 - 1 - V - pooled * (expected - 1)
    return np.log(np.mean(18 * norm.pdf((V - mean) / scatter) * z.pdf(expected + noise / size) / size, axis=1)).sum()


def profile_of_mean(observed, errors, mean):
    """The same with the scatter left to choose."""
    bounds = {"bounds": (1e-4, 2.0), "method": "bounded", "options": {"xatol": 1e-7}}
    return -minimize_scalar(lambda scatter: -likelihood(observed, errors, mean, scatter), **bounds).fun


@pytest.mark.parametrize(
    ("peak", "allowed", "missed"), [(15, 0.02, 0.08), pytest.param(30, 0.01, 0.025, marks=pytest.mark.slow)]
)
def test_the_mean_of_fitted_lines_is_right_where_errors_as_reported_are_not(simulation, peak, allowed, missed):
    answers = simulation.population_answers(peak, 20_000)
    found, plug_in = answers["population"] / 0.41, answers["plug-in"] / 0.41
    assert abs(found - 1) < allowed  # four standard errors are 1.8% and 1%
    assert plug_in < 1 - missed


def test_scatter_is_found_too():
    rng = np.random.default_rng(1)
    observed, errors = sample(rng, 20_000, intrinsic=1.0, spread=0.3, r=0.05)
    true = np.var((1 + 0.3 * rng.normal(size=10**6)) ** 2) ** 0.5
    found = lines.population(lines.deconvolve(observed, errors, lsf=1.0))
    assert found.scatter == pytest.approx(true, rel=0.04)  # the variances are not quite normal
    low, high = found.scatter_interval(0.9999)
    assert low < true < high


@pytest.mark.parametrize("r", [0.07, 0.3])
def test_intervals_are_those_of_a_brute_force_profile(r):
    rng = np.random.default_rng(3)
    observed, errors = sample(rng, 12, intrinsic=0.8, spread=0.5, r=r * rng.uniform(0.2, 1.5, 12))
    found = lines.population(lines.deconvolve(observed, errors, lsf=1.0))
    top = likelihood(observed, errors, found.mean_variance, found.scatter)
    step = 0.1 * found.mean_variance_error
    assert top > likelihood(observed, errors, found.mean_variance + step, found.scatter)
    assert top > likelihood(observed, errors, found.mean_variance - step, found.scatter)
    assert top > likelihood(observed, errors, found.mean_variance, 1.1 * found.scatter)
    assert top > likelihood(observed, errors, found.mean_variance, 0.9 * found.scatter)
    for level in (0.6827, 0.95):
        for end in found.interval(level):
            fall = 2 * (top - profile_of_mean(observed, errors, end**2))
            assert fall == pytest.approx(chi2.ppf(level, 1), rel=3e-3)  # a curve through nodes
    at_zero = top - profile_of_mean(observed, errors, 0.0)
    assert found.resolved_pvalue == pytest.approx(norm.sf(np.sqrt(2 * at_zero)), rel=0.02)
    high = found.scatter_interval(0.95)[1]
    held = minimize_scalar(lambda m: -likelihood(observed, errors, m, high), bounds=(-2, 4), method="bounded")
    assert 2 * (top + held.fun) == pytest.approx(chi2.ppf(0.95, 1), rel=1e-4)


def test_below_the_instrument_there_is_a_limit_by_the_rule():
    observed, errors = sample(np.random.default_rng(8), 30, intrinsic=0.0)
    observed, errors = observed * 0.985, errors * 0.985
    found = lines.population(lines.deconvolve(observed, errors, lsf=1.0))
    assert found.mean_variance < 0
    assert found.intrinsic_sigma == 0
    assert found.is_limit
    at_zero = profile_of_mean(observed, errors, 0.0)
    fall = 2 * (at_zero - profile_of_mean(observed, errors, found.upper_limit() ** 2))
    assert fall == pytest.approx(chi2.ppf(0.90, 1), rel=3e-3)
    assert found.interval()[0] == 0
    assert "<" in repr(found)


def test_small_errors_give_the_extreme_deconvolution_of_the_variances():
    observed, errors = sample(np.random.default_rng(4), 60, intrinsic=1.0, spread=0.3, r=0.01)
    for kind in ("relative", "absolute"):
        found = lines.population(lines.deconvolve(observed, errors, lsf=1.0), errors=kind)
        plain = fit(found.observations, 1).mixture
        assert found.mean_variance == pytest.approx(plain.means[0, 0], abs=0.01 * found.mean_variance_error)
        assert found.scatter == pytest.approx(plain.sigmas[0, 0], rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(("error", "spread"), [(1 / 15, 0.0), (1 / 15, 0.5), (1 / 30, 0.0)])
def test_errors_that_do_not_scale_with_the_width_leave_the_mean_right(error, spread):
    rng, n = np.random.default_rng(17), 40_000
    V = 0.41**2 * np.maximum(1 + spread * rng.normal(size=n), 0)
    errors = error * rng.uniform(0.5, 1.5, n)
    observed = np.sqrt(1 + V) + errors * rng.normal(size=n)
    widths = lines.deconvolve(observed, errors, lsf=1.0)
    every = lines.population(widths, errors="absolute")
    assert abs(every.mean_variance - V.mean()) < 4 * every.mean_variance_error
    assert every.scatter == pytest.approx(V.std(), abs=0.1 * 0.41**2)
    assert lines.population(widths).mean_variance > V.mean() + 6 * every.mean_variance_error


def test_a_shared_error_of_the_instrument_does_not_average_out_and_one_for_each_line_does():
    observed, errors = sample(np.random.default_rng(5), 900, r=0.05)
    known, shared, each = (
        lines.population(lines.deconvolve(observed, errors, lsf=1.0, lsf_error=error))
        for error in (0.0, 0.03, np.full(900, 0.03))
    )
    assert shared.mean_shift == pytest.approx(2 * 0.03, rel=0.01)
    assert shared.mean_variance_error == pytest.approx(np.hypot(known.mean_variance_error, 0.06), rel=0.01)
    # Each line's own: 2 L^2 f beside 2 s^2 r, over all lines.
    s2 = 1 + 0.41**2
    assert each.mean_variance_error == pytest.approx(2 * np.hypot(s2 * 0.05, 0.03) / 30, rel=0.05)


def test_a_shift_is_profiled_out_of_any_profile():
    """Against the infimal convolution on a grid, for a profile that is no parabola."""

    def profile(m):
        return -((m - 1.0) ** 2) / (1 + 0.2 * m**2)

    root = SignedRoot(profile, 1.0, 0.8, shift=0.5)
    shifts = np.linspace(-4, 4, 200_001)
    for m in (-0.5, 0.3, 2.0):
        least = np.min(-2 * profile(m - shifts) + (shifts / 0.5) ** 2)
        assert root.at(m) == pytest.approx(np.sign(m - 1) * np.sqrt(least), rel=3e-3)  # a curve through 13 nodes


@pytest.mark.slow
@pytest.mark.parametrize(("n", "lsf_error"), [(20, 0.0), (60, 0.02)])
def test_intervals_of_populations_cover(n, lsf_error):
    rng = np.random.default_rng([n, round(1000 * lsf_error)])
    tries, held, rms = 100, 0, 0.41 * np.sqrt(1 + 0.3**2)
    for _ in range(tries):
        observed, errors = sample(rng, n, spread=0.3, lsf=1 + lsf_error * rng.normal())
        low, high = lines.population(lines.deconvolve(observed, errors, lsf=1.0, lsf_error=lsf_error)).interval(0.95)
        held += low <= rms <= high
    assert held / tries > 0.88  # three binomial errors are 6.5%


def test_order_and_units_do_not_matter():
    observed, errors = sample(np.random.default_rng(6), 40, r=0.1)
    errors *= np.random.default_rng(7).uniform(0.5, 1.5, 40)
    here = lines.population(lines.deconvolve(observed, errors, lsf=1.0, lsf_error=0.02))
    backwards = lines.population(lines.deconvolve(observed[::-1], errors[::-1], lsf=1.0, lsf_error=0.02))
    scaled = lines.population(
        lines.deconvolve(60 * observed * u.km / u.s, 60 * errors * u.km / u.s, lsf=60 * u.km / u.s, lsf_error=0.02)
    )
    assert backwards.intrinsic_sigma == pytest.approx(here.intrinsic_sigma, rel=1e-6)
    assert scaled.intrinsic_sigma.to_value("km/s") == pytest.approx(60 * here.intrinsic_sigma, rel=1e-6)
    assert scaled.scatter.to_value("km2/s2") == pytest.approx(3600 * here.scatter, rel=1e-4, abs=1e-3)
    assert scaled.upper_limit().to_value("m/s") == pytest.approx(60_000 * here.upper_limit(), rel=1e-4)


def test_missing_widths_are_left_out():
    observed, errors = sample(np.random.default_rng(9), 30)
    with_gaps = np.append(observed, [np.nan, np.nan])
    found = lines.population(lines.deconvolve(with_gaps, np.append(errors, [0.1, np.nan]), lsf=1.0))
    assert len(found) == 30
    assert found.intrinsic_sigma == lines.population(lines.deconvolve(observed, errors, lsf=1.0)).intrinsic_sigma


def test_what_is_no_population_gets_one_sentence():
    with pytest.raises(InputError, match=r"list.*lines\.deconvolve"):
        lines.population([1.0, 2.0, 3.0])
    with pytest.raises(InputError, match="'relative' or 'absolute'"):
        lines.population(lines.deconvolve([70.0, 65.0, 66.0], 2.0, lsf=60.0), errors="constant")
    with pytest.raises(InputError, match="at least 3 widths"):
        lines.population(lines.deconvolve([70.0, 65.0], 2.0, lsf=60.0))
    with pytest.raises(InputError, match="between"):
        lines.population(lines.deconvolve([70.0, 65.0, 66.0], 2.0, lsf=60.0)).interval(2)


def test_the_sentences_say_observed_instrumental_and_intrinsic():
    observed, errors = sample(np.random.default_rng(2), 200, r=0.05)
    widths = lines.deconvolve(60 * observed * u.km / u.s, 60 * errors * u.km / u.s, lsf=60 * u.km / u.s, lsf_error=0.02)
    text = repr(lines.population(widths))
    for part in (
        "200 lines",
        "observed sigma",
        "instrumental sigma  median 60 km/s",
        "intrinsic sigma",
        "FWHM",
        "scatter",
    ):
        assert part in text
    assert "(rms over lines)" in text
    assert "\nmean of variances   " in text
    assert "of the squared error of the mean" in text


def test_the_table_of_a_population_holds_what_its_properties_do_with_units_and_velocities():
    observed, errors = sample(np.random.default_rng(2), 200, r=0.05)
    at = {"lsf": 2 * u.AA, "lsf_error": 0.01, "rest": 6562.8 * u.AA}
    every = lines.population(lines.deconvolve(2 * observed * u.AA, 2 * errors * u.AA, **at))
    row = every.table(0.9, 0.99)[0]
    assert (row["n_lines"], row["n_resolved"]) == (200, every.widths.n_resolved)
    assert (row["intrinsic_sigma_low"], row["intrinsic_sigma_high"]) == every.interval(0.9)
    assert row["intrinsic_sigma_limit"] == every.upper_limit(0.99)
    assert row["intrinsic_fwhm"] == every.intrinsic_fwhm
    assert (row["scatter_low"], row["scatter_high"]) == every.scatter_interval(0.9)
    assert row["scatter_limit"] == every.scatter_limit(0.99)
    assert row["mean_variance"].unit == u.AA**2
    assert row["intrinsic_fwhm_kms"].to_value("km/s") == pytest.approx(every.intrinsic_fwhm.value / 6562.8 * 299792.458)
    plain = lines.population(lines.deconvolve(observed, errors, lsf=1.0)).table()
    assert plain["intrinsic_sigma"].unit is None
    assert "intrinsic_sigma_kms" not in plain.colnames
    with pytest.raises(InputError, match="limit_level"):
        every.table(limit_level=0.3)


def vague(seed):
    """Sixty lines whose errors are about 30% of their widths, of some far more."""
    rng = np.random.default_rng(seed)
    r = np.minimum(0.3 * np.exp(0.5 * rng.normal(size=60)), 0.9)
    return np.hypot(1.0, 0.6) * np.exp(r * rng.normal(size=60)), r


@pytest.mark.parametrize("seed", [3, 11, 16, 35])
def test_no_errors_are_too_large(seed):
    observed, r = vague(seed)
    widths = lines.deconvolve(observed, r * observed, lsf=1.0)
    for errors in ("relative", "absolute"):
        every = lines.population(widths, errors=errors)
        low, high = every.interval(0.95)
        assert low <= every.intrinsic_sigma <= every.upper_limit(0.95) <= high < 3
        assert every.scatter_interval()[1] > every.scatter


@pytest.mark.parametrize("errors", ["relative", "absolute"])
@pytest.mark.parametrize("seed", range(4, 14))
@pytest.mark.filterwarnings("ignore::xdgmm.errors.XdgmmWarning")  # errors as large as the widths
def test_errors_of_any_size_give_finite_answers(seed, errors):
    rng = np.random.default_rng(seed)
    n, unit = rng.choice([3, 7, 20]), 10.0 ** rng.integers(-15, 16)
    r = np.exp(rng.uniform(np.log(1e-4), np.log(300.0), n))
    true = np.hypot(rng.choice([0.0, 0.3, 30.0]) * np.abs(1 + 0.5 * rng.normal(size=n)), 1.0)
    observed = unit * true * np.exp(np.minimum(r, 1.0) * rng.normal(size=n))
    own = rng.choice([0.0, 0.1]) * np.ones(n)
    every = lines.population(lines.deconvolve(observed, r * observed, lsf=unit, lsf_error=own), errors=errors)
    low, high = every.interval(0.95)
    assert low <= every.intrinsic_sigma * (1 + 1e-9)
    assert every.intrinsic_sigma <= high < np.inf
    low, high = every.scatter_interval(0.95)
    assert low <= every.scatter <= high < np.inf
    assert np.isfinite(
        [every.resolved_pvalue, every.mean_variance_error, every.upper_limit(), every.scatter_limit()]
    ).all()


@pytest.mark.filterwarnings("ignore::xdgmm.errors.XdgmmWarning")  # errors as large as the widths
def test_a_line_with_a_huge_error_changes_next_to_nothing():
    observed, errors = sample(np.random.default_rng(4), 40, r=0.1)

    def found(*relative):
        more = lines.deconvolve([*observed, *[1.1] * len(relative)], [*errors, *(1.1 * np.array(relative))], lsf=1.0)
        return lines.population(more)

    without, huge = found(), found(250.0)
    assert huge.mean_variance == found(3.0).mean_variance
    assert huge.mean_variance == pytest.approx(without.mean_variance, abs=0.15 * without.mean_variance_error)
    assert huge.mean_variance_error == pytest.approx(without.mean_variance_error, rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "intrinsic"), [(10, 0.0), (40, 0.41), (10, 3.0)])  # more: python -m benchmarks lines
def test_intervals_cover_with_very_unequal_errors(n, intrinsic):
    rng = np.random.default_rng([n, round(100 * intrinsic)])
    tries, held = 200, 0
    for _ in range(tries):
        r = np.exp(rng.uniform(np.log(0.03), np.log(0.6), n))
        observed = np.hypot(intrinsic, 1.0) * np.exp(r * rng.normal(size=n) - 0.5 * r**2)
        low, high = lines.population(lines.deconvolve(observed, r * observed, lsf=1.0)).interval(0.95)
        held += low <= intrinsic <= high
    assert held / tries > 0.90  # three binomial errors are 4.6%


def test_derivatives_of_the_joint_likelihood_are_right():
    rng = np.random.default_rng(0)
    r = rng.uniform(0.03, 0.6, 6)
    likelihood = JointLikelihood(rng.normal(1, 1, 6), r, -0.5 * r**2, np.full(6, 1.0), rng.uniform(0, 0.1, 6))
    for mean, scatter2 in ((0.5, 0.3), (-0.3, 0.2), (0.01, 0.05)):
        here, h = likelihood.at(mean, scatter2), 1e-5
        for k, step in enumerate(np.diag([h, h])):
            up, down = (likelihood.at(*(here.numbers + sign * step)) for sign in (1, -1))
            assert here.gradient[k] == pytest.approx((up.value - down.value) / (2 * h), rel=1e-6)
            assert here.hessian[k] == pytest.approx((up.gradient - down.gradient) / (2 * h), rel=1e-6)


def test_the_result_of_the_earlier_fit_can_still_be_read():
    every = lines.population(lines.deconvolve([1.5, 1.6, 1.4, 1.7], 0.05, lsf=1.0))
    with pytest.warns(XdgmmDeprecationWarning, match="observations"):
        assert every.result.mixture.means[0, 0] == pytest.approx(every.mean_variance, rel=1e-3)


def test_no_scatter_is_printed_as_a_limit():
    observed, errors = sample(np.random.default_rng(3), 50, r=0.05)
    every = lines.population(lines.deconvolve(observed, errors, lsf=1.0))
    assert every.scatter_interval()[0] == 0
    low, high = every.mean_variance - every.scatter_limit(), every.mean_variance + every.scatter_limit()
    expected = 0.5 * (np.sqrt(high) - np.sqrt(max(low, 0.0)))
    assert every.intrinsic_sigma_scatter_limit() == pytest.approx(expected)
    assert f"intrinsic scatter   <{expected:.3g} (95%); of the variances <" in repr(every)


def test_lines_far_below_the_instrument_keep_a_limit_on_their_scatter():
    observed, errors = sample(np.random.default_rng(3), 12, intrinsic=0.0)
    every = lines.population(lines.deconvolve(0.8 * observed, 0.8 * errors, lsf=1.0))
    assert every.mean_variance + every.scatter_limit() < 0
    assert every.intrinsic_sigma_scatter_limit() == pytest.approx(0.5 * np.sqrt(every.scatter_limit()))
    assert "<0 (95%)" not in repr(every)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scatter", "own", "r", "spread"),
    [(0.15, 0, 0.03, 0), (0, 0.05, 0.03, 0.3), (0, 0.05, 0.07, 0), (0.1, 0.05, 0.05, 0)],
)
def test_instruments_that_differ_from_line_to_line_leave_the_mean_right(scatter, own, r, spread):
    """Each line its own instrument, true widths around what was given, or this around them, or both."""
    rng, n = np.random.default_rng([5, round(100 * (scatter + 7 * own))]), 40_000
    V = 0.41**2 * np.maximum(1 + spread * rng.normal(size=n), 0)
    course = rng.uniform(0.8, 1.3, n)
    true, given = course * (1 + scatter * rng.normal(size=n)), course * (1 + own * rng.normal(size=n))
    observed = np.sqrt(V + true**2) * (1 + r * rng.normal(size=n))
    widths = lines.deconvolve(observed, r * observed, lsf=given, lsf_error=np.full(n, own), lsf_scatter=scatter)
    every = lines.population(widths)
    assert abs(every.mean_variance - V.mean()) < 4 * every.mean_variance_error
    assert every.mean_variance_error < 0.012 * 0.41**2
    assert every.scatter == pytest.approx(V.std(), abs=0.2 * 0.41**2)


@pytest.mark.slow
def test_a_measured_instrument_goes_into_populations_with_an_honest_error():
    """Arcs of a simulated instrument are measured, and lines seen through the same instrument."""
    rng, pulls = np.random.default_rng(11), []
    for _ in range(60):
        x, at = np.linspace(4000.0, 7000.0, 60), rng.uniform(4000.0, 7000.0, 300)
        arcs = 1.5 * (1 + 0.02 * rng.normal(size=60)) + 0.02 * rng.normal(size=60)
        lsf = lines.measure_lsf(x, arcs, np.full(60, 0.02))
        observed = np.hypot(0.8, 1.5 * (1 + 0.02 * rng.normal(size=300))) * (1 + 0.03 * rng.normal(size=300))
        known = {"lsf": lsf(at), "lsf_error": lsf.fractional_error(5500.0), "lsf_scatter": lsf.fractional_scatter(at)}
        every = lines.population(lines.deconvolve(observed, 0.03 * observed, **known))
        pulls.append((every.mean_variance - 0.64) / every.mean_variance_error)
    assert abs(np.mean(pulls)) < 3 / np.sqrt(60)
    assert 0.75 < np.std(pulls) < 1.3  # three errors of a standard deviation of 60 numbers


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("mean_variance_err", "mean_variance_error"),
        ("sigma", "intrinsic_sigma"),
        ("fwhm", "intrinsic_fwhm"),
        ("sigma_scatter", "intrinsic_sigma_scatter"),
    ],
)
def test_old_names_still_work(old, new):
    every = lines.population(lines.deconvolve([1.5, 1.6, 1.4, 1.7], 0.05, lsf=1.0))
    with pytest.warns(XdgmmDeprecationWarning, match=new):
        assert getattr(every, old) == getattr(every, new)


@pytest.mark.parametrize(("error", "said"), [(0.05, False), (0.2, True)])
def test_large_errors_are_said_to_need_widths_of_one_size(error, said):
    widths = lines.deconvolve(np.full(20, 65.0), error * np.full(20, 65.0), lsf=60.0)
    assert ("if intrinsic widths differ by half" in repr(lines.population(widths))) == said
