"""Many lines: mean and scatter of the intrinsic variance, unbiased, with the instrument's own error."""

import numpy as np
import pytest
from astropy import units as u
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import chi2, norm

from xdgmm import InputError, lines
from xdgmm.errors import XdgmmDeprecationWarning
from xdgmm.lines.profile_likelihood import SignedRoot


def sample(rng, n, intrinsic=0.41, spread=0.0, r=0.07, lsf=1.0):
    """Observed widths and errors of lines whose relative error is r."""
    true = np.hypot(np.abs(intrinsic * (1 + spread * rng.normal(size=n))), lsf)
    observed = true * (1 + r * rng.normal(size=n))
    return observed, r * observed


def profile_of_mean(V, E, mean):
    """Log-likelihood of a normal population at a mean, its variance left to choose: SciPy's own densities."""

    def minus(scatter):
        return -norm.logpdf(V, mean, np.hypot(scatter, E)).sum()

    found = minimize_scalar(minus, bounds=(0, 5 * np.abs(V - mean).max()), method="bounded", options={"xatol": 1e-10})
    return -min(found.fun, minus(0.0))


def _beyond(V, E, top, quantile):
    """How far twice the profile has fallen beyond a quantile."""
    return lambda mean: 2 * (top - profile_of_mean(V, E, mean)) - quantile


@pytest.mark.parametrize(("peak", "allowed", "missed"), [(15, 0.02, 0.08), (30, 0.01, 0.025)])
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


def test_intervals_are_those_of_a_brute_force_profile():
    observed, errors = sample(np.random.default_rng(3), 25, spread=0.5)
    found = lines.population(lines.deconvolve(observed, errors, lsf=1.0))
    V, E = found.observations.values[:, 0], np.sqrt(found.observations.variances[:, 0])
    best = minimize_scalar(lambda m: -profile_of_mean(V, E, m), bounds=(-1, 2), method="bounded")
    assert found.mean_variance == pytest.approx(best.x, abs=1e-5)
    for level in (0.6827, 0.95):
        quantile = chi2.ppf(level, 1)
        end = brentq(_beyond(V, E, -best.fun, quantile), best.x, best.x + 2, xtol=1e-9)
        assert found.interval(level)[1] == pytest.approx(np.sqrt(end), rel=1e-3)  # a curve through 13 nodes
    at_zero = -best.fun - profile_of_mean(V, E, 0.0)
    assert found.resolved_pvalue == pytest.approx(norm.sf(np.sqrt(2 * at_zero)), rel=0.01)


def test_below_the_instrument_there_is_a_limit_by_the_rule():
    observed, errors = sample(np.random.default_rng(8), 30, intrinsic=0.0)
    found = lines.population(lines.deconvolve(observed * 0.985, errors, lsf=1.0))
    assert found.mean_variance < 0
    assert found.intrinsic_sigma == 0
    assert found.is_limit
    V, E = found.observations.values[:, 0], np.sqrt(found.observations.variances[:, 0])
    at_zero = profile_of_mean(V, E, 0.0)
    end = brentq(_beyond(V, E, at_zero, chi2.ppf(0.90, 1)), 0.0, 2.0)
    assert found.upper_limit() == pytest.approx(np.sqrt(end), rel=2e-3)
    assert found.interval()[0] == 0
    assert "<" in repr(found)


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
    with pytest.raises(InputError, match="'relative' or 'absolute'"):
        lines.population(widths, errors="constant")


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


@pytest.mark.parametrize("seed", [11, 16, 35])
def test_large_errors_that_overshoot_converge_to_errors_at_the_pooled_width(seed):
    observed, r = vague(seed)
    every = lines.population(lines.deconvolve(observed, r * observed, lsf=1.0))
    pooled2 = max(every.mean_variance, 0.0) + 1.0
    noise = 4 * r**2 * (1 + r**2 / 2) * (pooled2**2 + every.scatter**2)
    assert every.observations.variances[:, 0] == pytest.approx(noise, rel=1e-5)


def test_errors_too_large_for_a_population_get_a_sentence_and_its_way_out():
    observed, r = vague(3)
    with pytest.raises(InputError, match=r"90%.*leave out"):
        lines.population(lines.deconvolve(observed, r * observed, lsf=1.0))
    clear = r < 0.3
    assert lines.population(lines.deconvolve(observed[clear], (r * observed)[clear], lsf=1.0)).intrinsic_sigma > 0


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
