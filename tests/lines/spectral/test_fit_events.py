"""Lines in single events."""

import numpy as np
import pytest
from astropy import units as u
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.stats import chi2, kstest, norm

from xdgmm import Observations, datasets, lines
from xdgmm.errors import InputError, XdgmmWarning
from xdgmm.fitting import fit as core_fit
from xdgmm.lines.spectral.events_background import EventBackground
from xdgmm.lines.spectral.events_model import ErrorNodes, Events
from xdgmm.uncertainty import profile_interval, width_limit

LIGHT = 299792.458
FE, Z = 6700.4, 0.01726
SEEN = FE / (1 + Z)
WINDOW = (6490.0, 6625.0)


def group(**options):
    return lines.Group("Fe", [(FE, "w"), (6682.3, "x"), (6667.6, "x", 0.8)], z=Z, **options)


def drawn(seed=1, *, sigma=170.0, velocity=20.0, n=(500, 150), background=350, errors=(1.5, 3.0)):
    """Three tied lines over a uniform background that goes on beyond the window: energies and errors."""
    rng = np.random.default_rng(seed)
    parts = [rng.uniform(WINDOW[0] - 40, WINDOW[1] + 40, rng.poisson(background * 215 / 135))]
    for rest, number in ((FE, n[0]), (6682.3, n[1]), (6667.6, 0.8 * n[1])):
        mean = rest / (1 + Z) * (1 - velocity / LIGHT)
        parts.append(mean + mean * sigma / LIGHT * rng.normal(size=rng.poisson(number)))
    true = np.concatenate(parts)
    e = rng.uniform(*errors, true.size)
    return true + e * rng.normal(size=true.size), e


@pytest.fixture(scope="module")
def events():
    return drawn()


@pytest.fixture(scope="module")
def fit(events):
    x, e = events
    return lines.fit_events(x, sigma=e, groups=group(), window=WINDOW, background="uniform")


def test_what_was_put_in_comes_out(fit, events):
    assert fit.converged
    for value, error, truth in (
        (fit.velocity[0], fit.velocity_error[0], 20.0),
        (fit.intrinsic_variance[0], fit.intrinsic_variance_error[0], 170.0**2),
        *zip(fit.lines["flux"], fit.lines["flux_error"], (500, 150, 120), strict=True),
        (*(each[0] for each in fit.solution.background[0]), 350),
    ):
        assert abs(value - truth) < 4 * error
    inside = (events[0] >= WINDOW[0]) & (events[0] <= WINDOW[1])
    total = fit.lines["flux"].sum() + fit.solution.background[0].values[0]
    assert total == pytest.approx(inside.sum(), rel=1e-4)  # the lines lie in the window but for a few events
    assert f"{(~inside).sum()} events outside the window" in repr(fit)
    assert 0.01 < fit.goodness.probability < 0.99


def test_one_line_without_a_background_is_the_fit_of_one_gaussian():
    """Hydrus I: two independent optimisers found 80.525735 and 2.7252541 km/s, lnL -79.3484699."""
    stars = datasets.load("hydrus1")
    v, e = (np.asarray(stars[name], dtype=float) for name in ("v", "e_v"))
    galaxy = lines.Group("Hydrus I", [80.0 * u.km / u.s])
    fit = lines.fit_events(v * u.km / u.s, sigma=e, groups=galaxy)
    core = core_fit(Observations.with_standard_errors(v[:, None], e[:, None]))
    assert fit.lines["position"][0].value == pytest.approx(80.525735, abs=2e-6)
    assert fit.intrinsic_sigma[0].value == pytest.approx(2.7252541, abs=2e-7)
    assert fit.log_likelihood == pytest.approx(-79.3484699, abs=2e-7)
    assert fit.intrinsic_variance[0].value == pytest.approx(core.mixture.covariances[0, 0, 0], rel=1e-8)
    assert fit.log_likelihood == pytest.approx(core.log_likelihood, rel=1e-12)
    assert fit.lines["flux"][0] == pytest.approx(len(v))
    assert fit.lines["flux_error"][0] == pytest.approx(np.sqrt(len(v)))


def test_intervals_and_limits_are_those_of_the_fit_of_one_gaussian():
    stars = datasets.load("hydrus1")
    v, e = (np.asarray(stars[name], dtype=float) for name in ("v", "e_v"))
    fit = lines.fit_events(v * u.km / u.s, sigma=e, groups=lines.Group("a", [80 * u.km / u.s]))
    observations = Observations.with_standard_errors(v[:, None], e[:, None])
    mixture = core_fit(observations).mixture
    interval = profile_interval(mixture, observations, 0, 0, 0.6827)
    np.testing.assert_allclose(
        np.ravel([end.value for end in fit.interval()]), [interval.low, interval.high], rtol=1e-5
    )
    upper = profile_interval(mixture, observations, 0, 0, 0.9).high
    assert fit.upper_limit(0.95)[0].value == pytest.approx(upper, rel=1e-5)
    quiet = np.linspace(-2.0, 2.0, 31)  # with errors of 1.5: no width is left
    narrow = lines.fit_events(quiet * u.km / u.s, sigma=1.5, groups=lines.Group("a", [0 * u.km / u.s]))
    observations = Observations.with_standard_errors(quiet[:, None], np.full((31, 1), 1.5))
    upper = width_limit(core_fit(observations).mixture, observations, 0, 0, 0.95).upper
    assert narrow.intrinsic_variance[0] == 0.0
    assert narrow.upper_limit(0.95)[0].value == pytest.approx(upper, rel=1e-4)


def direct(x, e):
    """The density that `drawn` has, written down again: a function of (v, V, three numbers of events)."""

    def minus_log_likelihood(p):
        velocity, variance, first, second, number = p
        density, inside = number / (WINDOW[1] - WINDOW[0]), number
        for rest, flux in ((FE, first), (6682.3, second), (6667.6, 0.8 * second)):
            mean = rest / (1 + Z) * (1 - velocity / LIGHT)
            s = np.sqrt(variance * (rest / (1 + Z) / LIGHT) ** 2 + e**2)
            density = density + flux * norm.pdf(x, mean, s)
            inside = inside + flux * np.mean(norm.cdf(WINDOW[1], mean, s) - norm.cdf(WINDOW[0], mean, s))
        n = x.size
        return -(np.log(density).sum() - inside + n - n * np.log(n))

    return minus_log_likelihood


def test_a_general_optimiser_finds_the_same_maximum(fit, events):
    x, e = (each[(events[0] >= WINDOW[0]) & (events[0] <= WINDOW[1])] for each in events)
    function = direct(x, e)
    found = [*fit.solution.theta[:2], *fit.lines["flux"][:2], fit.solution.background[0].values[0]]
    assert -function(found) == pytest.approx(fit.log_likelihood, abs=1e-7)
    scale = np.array([10.0, 3000.0, 20.0, 15.0, 20.0])
    for start in (1.0, -1.0):
        other = minimize(
            lambda p: function(np.array(found) + scale * p),
            [start, 0.5, -start, start, 0.3],
            method="L-BFGS-B",
            options={"ftol": 1e-15, "gtol": 1e-7},
        )
        assert -other.fun == pytest.approx(fit.log_likelihood, abs=2e-6)
        assert np.abs(other.x).max() < 2e-3


def test_the_profile_is_the_likelihood_maximised_over_everything_else(fit, events):
    x, e = (each[(events[0] >= WINDOW[0]) & (events[0] <= WINDOW[1])] for each in events)
    function, scale = direct(x, e), np.array([10.0, 20.0, 15.0, 20.0])
    found = np.array([fit.solution.theta[0], *fit.lines["flux"][:2], fit.solution.background[0].values[0]])
    for variance in (100.0**2, 200.0**2):
        other = minimize(lambda p, V=variance: function(np.insert(found + scale * p, 1, V)), np.zeros(4), method="BFGS")
        fall = fit.solution.profile(0, variance)
        assert fall.fall == pytest.approx(fit.log_likelihood + other.fun, abs=2e-5)
        step = 50.0
        slope = (fit.solution.profile(0, variance - step).fall - fit.solution.profile(0, variance + step).fall) / (
            2 * step
        )
        assert fall.slope == pytest.approx(slope, rel=1e-3)


@pytest.mark.parametrize("ends", [None, (6495.0, 6620.0)])
@pytest.mark.parametrize("background", [None, "uniform", "linear", "power law"])
@pytest.mark.parametrize("instrument", ["sigma", "lsf"])
def test_the_gradient_is_that_of_differences(events, background, instrument, ends):
    """Also of lines that the edges of the window cut, and of the instrument's scales."""
    if background is None and ends is not None:
        pytest.skip("no background, no range")
    x, e = events
    lsf = lines.LSF(weights=[0.7, 0.3], sigmas=[2.0, 4.0], includes_pixel=True, error=0.05, scatter=0.02)
    given = {"sigma": e} if instrument == "sigma" else {"lsf": lsf}
    bounded = lines.Group("Fe", [(FE, "w"), (6682.3, "x"), (6667.6, "x", (0.5, 1.2))], z=Z)
    edge = lines.Group("edge", [WINDOW[0] * (1 + Z) + 3.0], z=Z, sigma=(0, 200), velocity=(-100, 100))
    fit = lines.fit_events(
        x, groups=[bounded, edge], window=WINDOW, background=background, background_range=ends, **given
    )
    model = fit.solution.model
    theta = fit.solution.theta.copy()
    theta[model.layout.velocities] = 30.0, -20.0
    theta[model.layout.variances] = 150.0**2, 120.0**2
    theta[model.layout.ratios] = 0.7
    theta[model.layout.fluxes] = 480.0, 140.0, 30.0
    theta[model.layout.number] = 340.0
    theta[model.layout.shape] = 0.3
    theta[model.layout.scale], theta[model.layout.scatters] = 0.02, 0.01
    gradient = model.likelihood(theta).gradient
    steps = np.where(np.abs(theta) > 1, 1e-4 * np.abs(theta), 1e-5)
    for i, step in enumerate(steps):
        unit = step * np.eye(theta.size)[i]
        difference = (model.likelihood(theta + unit).value - model.likelihood(theta - unit).value) / (2 * step)
        assert gradient[i] == pytest.approx(difference, rel=2e-5, abs=2e-6 / step)
    scores = model.scores(theta) @ model.events.weights
    of_integral = model.chained(theta, model.integral(theta)[1])
    np.testing.assert_allclose(scores - of_integral - model.precision * theta, gradient, rtol=1e-8, atol=1e-7)


@pytest.mark.parametrize("ends", [None, WINDOW, (6500.0, 6700.0)])
@pytest.mark.parametrize("background", ["uniform", "linear", "power law"])
def test_the_density_integrates_to_the_number_of_events(events, background, ends):
    x, e = events
    edge = lines.Group("edge", [WINDOW[1] * (1 + Z) - 4.0], z=Z, sigma=(0, 200), velocity=(-100, 100))
    fit = lines.fit_events(
        x,
        sigma=e,
        groups=edge,
        window=WINDOW,
        background=background,
        background_range=ends,
    )
    model, theta = fit.solution.model, fit.solution.theta
    expected, _ = model.integral(theta)
    assert expected == pytest.approx(model.events.total, rel=1e-8)

    own = model.events.sigma
    nodes, _ = np.polynomial.legendre.leggauss(12)  # of the errors, to check their nodes too
    low, high = own.min(), own.max()
    found = [integrated(model, theta, error) for error in 0.5 * (low + high) + 0.5 * (high - low) * nodes]
    polynomial = np.polynomial.Legendre.fit(nodes, found, 11)
    assert polynomial(2 * (own - low) / (high - low) - 1).mean() == pytest.approx(expected, rel=1e-8)


def integrated(model, theta, error):
    """Integral of the density over the window, for events of one error, by Gauss and Legendre's rule."""
    u_, weights = np.polynomial.legendre.leggauss(20)
    edges = np.linspace(*WINDOW, 136)
    x = (edges[:-1, None] + 0.5 * (u_ + 1) * np.diff(edges)[:, None]).ravel()
    in_lines, in_background = model.densities(theta, x, np.full(x.size, error), np.full(x.size, error))
    return (in_lines.sum(axis=0) + in_background) @ (0.5 * weights[None] * np.diff(edges)[:, None]).ravel()


LOW, HIGH = 2.0, 7.0
SHAPES = [("uniform", ()), ("linear", (-1.0,)), ("linear", (0.6,)), *(("power law", (p,)) for p in (1.0, 2.7, -4.0))]


def true_density(shape, p, t):
    """Normalised from LOW to HIGH."""
    if shape == "power law":
        power = 1.0 - p[0]
        whole = np.log(HIGH / LOW) if power == 0 else (HIGH**power - LOW**power) / power
        return t ** -p[0] / whole
    return (1.0 + sum(p) * (2 * t - LOW - HIGH) / (HIGH - LOW)) / (HIGH - LOW)


@pytest.mark.parametrize(("shape", "p"), SHAPES)
@pytest.mark.parametrize(
    ("ends", "error"), [(None, 0.05), (None, 0.15), *(((LOW, HIGH), e) for e in (0.0, 0.01, 0.15, 0.8))]
)
def test_a_background_is_the_convolution_with_the_error(shape, p, ends, error):
    background = EventBackground.of(shape, (LOW, HIGH), ends, 0.15)
    parameters = np.array(p, dtype=float)
    x = np.array([1.8, 2.0, 2.05, 2.5, 4.0, 6.9, 7.0, 7.3])
    errors = np.full(x.size, error)
    a, b = (x - 10 * error, x + 10 * error) if ends is None else (np.full(x.size, end) for end in ends)

    def exact(at, low, high):
        if error == 0:
            return true_density(shape, p, at) * (low <= at <= high)
        inner = [at + k * error for k in (-8, -2, 0, 2, 8) if low < at + k * error < high]
        convolved = quad(lambda t: true_density(shape, p, t) * norm.pdf(at, t, error), low, high, points=inner or None)
        return convolved[0]

    found = background.densities(x, errors, parameters)
    np.testing.assert_allclose(found, [exact(*each) for each in zip(x, a, b, strict=True)], rtol=1e-9, atol=1e-11)
    for functions, at in (
        ((background.densities, background.densities_by), (x, errors)),
        ((background.between, background.between_by), (np.full(x.size, 2.2), x, errors)),
    ):
        if parameters.size:
            ahead, behind = (functions[0](*at, parameters + step) for step in (1e-5, -1e-5))
            slopes = functions[1](*at, parameters)[0]
            np.testing.assert_allclose(slopes, (ahead - behind) / 2e-5, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(("shape", "p"), SHAPES)
@pytest.mark.parametrize("ends", [None, (LOW, HIGH)])
def test_what_is_between_two_positions_is_the_integral_of_the_density(shape, p, ends):
    background = EventBackground.of(shape, (LOW, HIGH), ends, 0.15)
    error, parameters = np.array([0.15]), np.array(p, dtype=float)
    exact = quad(lambda x: background.densities(np.array([x]), error, parameters)[0], 2.5, 6.8, points=[6.0])[0]
    found = background.between(np.array([2.5]), np.array([6.8]), error, parameters)[0]
    assert found == pytest.approx(exact, rel=1e-9)


def test_hitomi(test_data):
    """The turbulent velocity in Perseus that is published for these counts, at two widths of the instrument."""
    table = np.genfromtxt(test_data / "lines" / "hitomi_perseus_counts.csv", delimiter=",", names=True)
    x, counts = 0.5 * (table["energy_low_eV"] + table["energy_high_eV"]), table["counts"]
    rest = [6700.4, 6682.3, 6667.6, 6636.6, 6644.7, 6653.0, 6661.9, 6676.6]
    complex_ = lines.Group("Fe XXV", rest, z=Z, element="Fe")
    for fwhm, published in ((4.9, 174.4), (5.10, 172.2)):
        fit = lines.fit_events(
            x * u.eV,
            sigma=fwhm / 2.3548200450309493,
            groups=complex_,
            window=WINDOW * u.eV,
            background="uniform",
            thermal=(4.05e3, "eV"),
            weights=counts,
        )
        assert fit.intrinsic_sigma[0].value == pytest.approx(published, abs=0.1)
        if fwhm == 4.9:
            np.testing.assert_allclose([end[0].value for end in fit.interval()], [168, 181], atol=0.6)
    assert "4204 events" in repr(fit)
    assert np.isnan(fit.goodness.probability)


def test_units_change_nothing(fit, events):
    x, e = events
    by_energy = lines.Group(
        "Fe", [(FE * u.eV, "w"), (6682.3 * u.eV, "x"), (6667.6 * u.eV, "x", 0.8)], z=Z, velocity=(-500, 500)
    )
    window = (6.49 * u.keV, 6.625 * u.keV)
    other = lines.fit_events(
        (x * u.eV).to("keV"), sigma=e * u.eV, groups=by_energy, window=window, background="uniform"
    )
    for name in ("velocity", "velocity_error", "variance", "variance_error", "sigma_low", "sigma_high", "sigma_limit"):
        np.testing.assert_allclose(other.table[name].value, fit.table[name], rtol=1e-6)
    np.testing.assert_allclose(other.lines["flux"], fit.lines["flux"], rtol=1e-6)
    assert other.log_likelihood == pytest.approx(fit.log_likelihood + np.log(1e3) * other.solution.model.events.total)
    in_kms = lines.fit_events(
        x * u.eV, sigma=e / x * LIGHT * u.km / u.s, groups=by_energy, window=window, background="uniform"
    )
    np.testing.assert_allclose(in_kms.table["variance"].value, fit.table["variance"], rtol=1e-6)


def test_wavelengths_and_velocities_give_the_same_widths():
    """To first order in v/c, where the axes are linear in each other."""
    rng = np.random.default_rng(3)
    velocity, error = 100.0 * rng.normal(size=2000), rng.uniform(30.0, 60.0, 2000)
    seen = velocity + error * rng.normal(size=2000)
    by_velocity = lines.fit_events(
        seen * u.km / u.s, sigma=error * u.km / u.s, groups=lines.Group("a", [0 * u.km / u.s])
    )
    by_wave = lines.fit_events(
        5000.0 * (1 + seen / LIGHT) * u.AA,
        sigma=5000.0 * error / LIGHT * u.AA,
        groups=lines.Group("a", [5000 * u.AA], medium="vacuum"),
    )
    plain = lines.fit_events(
        5000.0 * (1 + seen / LIGHT), sigma=5000.0 * error / LIGHT, groups=lines.Group("a", [5000]), axis="wavelength"
    )
    assert by_wave.velocity[0].value == pytest.approx(by_velocity.velocity[0].value, rel=1e-6)
    assert by_wave.intrinsic_sigma[0].value == pytest.approx(by_velocity.intrinsic_sigma[0].value, rel=1e-6)
    assert plain.intrinsic_sigma[0] == pytest.approx(by_wave.intrinsic_sigma[0].value, rel=1e-9)


def test_an_instrument_at_the_line_is_an_error_of_all_events():
    x, _ = drawn(errors=(2.0, 2.0))
    by_error = lines.fit_events(x, sigma=2.0, groups=group(), window=WINDOW, background="linear")
    by_lsf = lines.fit_events(
        x, lsf=lines.LSF(sigma=2.0, includes_pixel=False), groups=group(), window=WINDOW, background="linear"
    )
    twice = lines.LSF(weights=[0.5, 0.5], sigmas=[2.0, 2.0], includes_pixel=True)
    by_two = lines.fit_events(x, lsf=twice, groups=group(), window=WINDOW, background="linear")
    for other in (by_lsf, by_two):
        np.testing.assert_allclose(other.solution.theta, by_error.solution.theta, rtol=1e-6, atol=1e-6)
        assert other.log_likelihood == pytest.approx(by_error.log_likelihood, abs=1e-8)
        np.testing.assert_allclose(other.lines["instrumental_sigma"], by_error.lines["instrumental_sigma"])
    assert "pixel" not in repr(by_lsf)


@pytest.mark.filterwarnings("ignore::xdgmm.errors.ConvergenceWarning")  # 200 steps end 1e-3 of an error from it
def test_the_error_of_the_instrument_is_part_of_that_of_the_width():
    """Where nothing else is uncertain, ``e_V = 2 f L^2``."""
    rng = np.random.default_rng(5)
    x = SEEN + np.hypot(3.0, 4.0) * rng.normal(size=200_000)
    known = lines.LSF(sigma=4.0, includes_pixel=True)
    uncertain = lines.LSF(sigma=4.0, includes_pixel=True, error=0.1)
    one = lines.Group("Fe", [FE], z=Z)
    alone, joint = (lines.fit_events(x, lsf=each, groups=one) for each in (known, uncertain))
    L2 = (4.0 / SEEN * LIGHT) ** 2
    added = np.sqrt(joint.intrinsic_variance_error[0] ** 2 - alone.intrinsic_variance_error[0] ** 2)
    assert added == pytest.approx(2 * np.log1p(0.1) * L2, rel=0.02)
    assert joint.to_widths().intrinsic_variance[0] == pytest.approx(joint.intrinsic_variance[0], rel=1e-9)
    assert joint.lines["observed_sigma_error"][0] == pytest.approx(alone.lines["observed_sigma_error"][0], rel=0.01)


def test_without_an_instrument_widths_are_as_observed():
    x = SEEN + 3.0 * np.random.default_rng(6).normal(size=400)
    fit = lines.fit_events(x, lsf=lines.LSF(sigma=0.0, includes_pixel=False), groups=lines.Group("Fe", [FE], z=Z))
    mean = fit.lines["position"][0]
    assert mean == pytest.approx(x.mean(), abs=1e-7)
    assert fit.intrinsic_variance[0] * (SEEN / LIGHT) ** 2 == pytest.approx(x.var(), rel=1e-8)
    assert fit.log_likelihood == pytest.approx(norm.logpdf(x, x.mean(), x.std()).sum(), rel=1e-12)


def test_heat_is_taken_out():
    x, e = drawn()
    hot = lines.fit_events(
        x, sigma=e, groups=group(element="Fe"), window=WINDOW, background="uniform", thermal=(4.0, "keV")
    )
    cold = lines.fit_events(x, sigma=e, groups=group(element="Fe"), window=WINDOW, background="uniform")
    thermal = 4.0e3 / (55.845 * 931494.10372e3) * LIGHT**2
    assert hot.intrinsic_variance[0] == pytest.approx(cold.intrinsic_variance[0] - thermal, rel=1e-7)


def test_widths_go_on_to_populations(fit):
    widths = fit.to_widths()
    assert widths.intrinsic_variance[0] == pytest.approx(fit.intrinsic_variance[0], rel=1e-9)
    assert widths.intrinsic_variance_error[0] == pytest.approx(fit.intrinsic_variance_error[0], rel=1e-6)


def test_a_ratio_may_go_to_zero():
    """A line that is not there, with a ratio between 0 and 1; the fit is that without it."""
    rng = np.random.default_rng(11)
    x = np.append(SEEN + 4.0 * rng.normal(size=400), rng.uniform(SEEN - 80.0, SEEN + 80.0, 100))
    given = {"sigma": 2.0, "window": (SEEN - 80.0, SEEN + 80.0), "background": "uniform"}
    without = lines.fit_events(x, groups=lines.Group("Fe", [FE], z=Z), **given)
    second = (FE - 40.0, "w", (0, 1))
    absent = lines.fit_events(x, groups=lines.Group("Fe", [(FE, "w"), second], z=Z), **given)
    assert absent.converged
    assert 0.0 <= absent.lines["flux"][1] < 2.0 * absent.lines["flux_error"][1]
    assert absent.intrinsic_variance[0] == pytest.approx(without.intrinsic_variance[0], rel=0.05)
    assert absent.log_likelihood >= without.log_likelihood - 1e-6


def test_a_line_without_a_width_of_its_own_is_a_limit():
    rng = np.random.default_rng(8)
    x = np.append(SEEN + 2.0 * rng.normal(size=300), rng.uniform(*WINDOW, 200))  # narrower than the errors say
    e = np.full(x.size, 2.6)
    fit = lines.fit_events(x, sigma=e, groups=lines.Group("Fe", [FE], z=Z), window=WINDOW, background="uniform")
    assert fit.intrinsic_variance[0] == 0.0
    assert fit.is_limit[0]
    assert fit.resolved_pvalue[0] == pytest.approx(0.5)
    assert fit.interval()[0][0] == 0.0
    limit = fit.upper_limit(0.95)[0]
    fall = fit.solution.profile(0, float(limit) ** 2).fall
    assert 2 * fall == pytest.approx(1.6449**2, rel=1e-3)


def test_a_narrow_and_a_broad_component_are_told_apart():
    rng = np.random.default_rng(4)
    velocity = np.concatenate([80.0 * rng.normal(size=600), 50.0 + 600.0 * rng.normal(size=500)])
    x = 5000.0 * (1 + velocity / LIGHT) + 0.8 * rng.normal(size=1100)
    both = [lines.Group("narrow", [5000.0], sigma=(0, 200)), lines.Group("broad", [5000.0], sigma=(200, 2000))]
    fit = lines.fit_events(x, sigma=0.8, groups=both, axis="wavelength")
    model, truth = fit.solution.model, [0.0, 50.0, 80.0**2, 600.0**2, 600.0, 500.0]
    assert 0 < fit.log_likelihood - model.likelihood(np.array(truth)).value < 12
    np.testing.assert_allclose(fit.intrinsic_sigma, [80.0, 600.0], rtol=0.2)


def test_many_events_are_fitted_as_few_are():
    """Above 20,000 events steps are taken with second derivatives of a sample."""
    x, e = (np.concatenate(each) for each in zip(*(drawn(seed) for seed in range(40)), strict=True))
    fit = lines.fit_events(x, sigma=e, groups=group(), window=WINDOW, background="linear")
    model, solution = fit.solution.model, fit.solution
    assert model.events.x.size > 30_000
    assert fit.converged
    assert solution.optimum.n_steps < 20
    errors = np.sqrt(solution.covariance.diagonal())
    assert np.abs(model.likelihood(solution.theta).gradient * errors).max() < 1e-4


def test_weights_count_events():
    x, e = drawn(n=(60, 20), background=30)
    counts = np.random.default_rng(2).integers(0, 4, x.size)
    given = {"groups": group(), "window": WINDOW, "background": "uniform"}
    weighted = lines.fit_events(x, sigma=e, weights=counts, **given)
    repeated = lines.fit_events(np.repeat(x, counts), sigma=np.repeat(e, counts), **given)
    np.testing.assert_allclose(weighted.table["variance"], repeated.table["variance"], rtol=1e-5)
    np.testing.assert_allclose(weighted.lines["flux_error"], repeated.lines["flux_error"], rtol=1e-5)
    assert weighted.log_likelihood == pytest.approx(repeated.log_likelihood, abs=1e-8)


def test_nodes_of_errors_give_means_over_errors():
    rng = np.random.default_rng(0)
    errors, weights = np.exp(rng.normal(size=500)), rng.uniform(size=500)
    nodes = ErrorNodes.of(errors, weights)
    for function in (lambda e: e, lambda e: norm.cdf(3 / np.hypot(1.0, e)), lambda e: 1 / (1 + e * e)):
        exact = (weights * function(errors)).sum() / weights.sum()
        assert function(nodes.errors) @ nodes.weights == pytest.approx(exact, rel=1e-8)
    assert Events(errors, errors, errors, weights).sample(100).total == pytest.approx(weights.sum())


def test_events_that_say_nothing_are_left_out_and_counted(fit, events):
    x, e = (each.copy() for each in events)
    x, e = np.append(x, [np.nan, 6580.0]), np.append(e, [2.0, np.nan])
    other = lines.fit_events(np.ma.masked_invalid(x), sigma=e, groups=group(), window=WINDOW, background="uniform")
    assert "2 events without a position or an error left out" in repr(other)
    np.testing.assert_array_equal(other.table["variance"], fit.table["variance"])


BAD = [
    ({"sigma": None}, "`sigma`.*both are missing"),
    ({"lsf": lines.LSF(sigma=2.0, includes_pixel=True)}, "both were given"),
    ({"sigma": -1.0}, "`sigma` is not positive"),
    ({"sigma": [1.0, 2.0]}, r"`sigma` has shape \(2,\)"),
    ({"sigma": 2.0 * u.eV}, "`energy` has no unit"),
    ({"window": (7000.0, 7100.0)}, "no event in the window from 7000 to 7100"),
    ({"window": (6600.0, 6625.0)}, "line 'w' of group 'Fe' is expected at 6586.71, outside the window"),
    ({"window": 5.0}, "`window`.*pair"),
    ({"window": (6490.0, np.inf)}, "ends must be finite"),
    ({"window": None}, "a background needs `window`"),
    ({"background": "cubic"}, "`background` is 'cubic'"),
    ({"background": None, "background_range": WINDOW}, "without a `background`"),
    ({"weights": [1.0]}, "`weights` has shape"),
    ({"weights": -1.0}, "`weights` has shape"),
    ({"axis": "size"}, "`axis`"),
    ({"thermal": (4.0, "keV")}, "needs the mass"),
    ({"groups": lines.Group("Fe", [FE], z=Z, natural_width=0.3)}, "natural width.*fit_counts"),
    ({"groups": lines.Group("Fe", [(FE, "w"), (6682.3, "w", 0.0)], z=Z)}, "ratio 0.0 of 'w' in group 'Fe'"),
    ({"groups": lines.Group("Fe", [(FE, "w"), (6682.3, "w", (-1, 1))], z=Z)}, "no positive number of events"),
    ({"groups": []}, "`groups`"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_input_is_named(events, change, message):
    x, e = events
    given = {"sigma": e, "groups": group(), "window": WINDOW, "background": "uniform", **change}
    with pytest.raises(InputError, match=message):
        lines.fit_events(x, **given)


def test_other_bad_input_is_named(events):
    x, e = events
    given = {"groups": group(), "window": WINDOW, "background": "uniform"}
    with pytest.raises(InputError, match="too few for 5 parameters"):
        lines.fit_events([6550.0, 6580.0, 6600.0], sigma=2.0, **given)
    with pytest.raises(InputError, match="one number for each event"):
        lines.fit_events(x[None], sigma=2.0, **given)
    with pytest.raises(InputError, match="no event has a finite"):
        lines.fit_events(np.full(9, np.nan), sigma=2.0, **given)
    with pytest.raises(InputError, match="negative or not finite in row"):
        lines.fit_events(x, sigma=e, weights=np.where(np.arange(x.size) == 3, -1.0, 1.0), **given)
    with pytest.raises(InputError, match="no end before zero"):
        lines.fit_events(x - 6480, sigma=e, groups=lines.Group("a", [100.0]), window=(9, 145), background="power law")
    matrix = lines.LSF(matrix=np.eye(4), includes_pixel=True)
    with pytest.raises(InputError, match="resolution matrix"):
        lines.fit_events(x, lsf=matrix, **given)


def test_air_or_vacuum_is_asked_of_wavelengths():
    x = 5000.0 + 2.0 * np.random.default_rng(1).normal(size=50)
    given = {"sigma": 1.0 * u.AA, "groups": lines.Group("a", [5000 * u.AA], medium="air")}
    assert "in air" in repr(lines.fit_events(x * u.AA, **given))
    with pytest.raises(InputError, match="in different media"):
        lines.fit_events(x * u.AA, **given, medium="vacuum")
    with pytest.warns(XdgmmWarning, match="air or in vacuum"):
        lines.fit_events(x * u.AA, sigma=1.0 * u.AA, groups=lines.Group("a", [5000 * u.AA]))


def test_what_needs_pixels_is_refused(fit):
    with pytest.raises(InputError, match="only fits of spectra and counts can be resampled"):
        fit.bootstrap()


@pytest.mark.slow
@pytest.mark.parametrize("ends", [None, WINDOW])
def test_coverage_of_intervals_and_pulls_of_fluxes(ends):
    """Whether background goes on or ends at the window; lines near an edge of it included."""
    inside, pulls, probabilities = 0, [], []
    n = 30
    two = [lines.Group("Fe", [FE], z=Z), lines.Group("edge", [(WINDOW[0] + 3.0) * (1 + Z)], z=Z, sigma=(0, 300))]
    for seed in range(n):
        rng = np.random.default_rng(seed)
        low, high = WINDOW if ends else (WINDOW[0] - 40, WINDOW[1] + 40)
        true = np.concatenate(
            [
                SEEN + SEEN * 150.0 / LIGHT * rng.normal(size=rng.poisson(300)),
                WINDOW[0] + 3.0 + WINDOW[0] * 100.0 / LIGHT * rng.normal(size=rng.poisson(300)),
                rng.uniform(low, high, rng.poisson(4.0 * (high - low))),
            ]
        )
        e = rng.uniform(1.0, 4.0, true.size)
        fit = lines.fit_events(
            true + e * rng.normal(size=true.size),
            sigma=e,
            groups=two,
            window=WINDOW,
            background="uniform",
            background_range=ends,
        )
        low_end, high_end = (end[0] for end in fit.interval())
        inside += low_end <= 150.0 <= high_end
        number, error = (each[0] for each in fit.solution.background[0])
        fluxes = fit.solution.fluxes
        pulls.append([*((fluxes.values - 300.0) / fluxes.errors), (number - 540.0) / error])
        probabilities.append(fit.goodness.probability)
    assert abs(inside - 0.6827 * n) < 3.5 * np.sqrt(n * 0.6827 * 0.3173)
    squares = (np.array(pulls) ** 2).sum(axis=0)
    assert (squares > chi2.ppf(1e-4, n)).all()
    assert (squares < chi2.ppf(1 - 1e-4, n)).all()
    assert (np.abs(np.mean(pulls, axis=0)) < 4 / np.sqrt(n)).all()
    assert kstest(probabilities, "uniform").pvalue > 1e-4
