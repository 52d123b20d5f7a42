"""Lines in counts: Poisson's likelihood of profiles that are integrated over bins."""

import numpy as np
import pytest
from astropy import units as u
from scipy.optimize import minimize
from scipy.special import erf

from xdgmm import datasets, lines
from xdgmm.errors import InputError, XdgmmWarning
from xdgmm.lines.spectral.posterior import LinePosterior

LIGHT = 299792.458
REST = 6600.0
LSF = lines.LSF(sigma=2.0, includes_pixel=False)
EDGES = np.arange(6550.0, 6650.5, 0.5)
IRON = [6700.4, 6682.3, 6667.6, 6636.6, 6644.7, 6653.0, 6661.9, 6676.6]
Z = 0.01726


def integrated(edges, mean, sigma):
    return np.diff(0.5 * erf((edges - mean) / (sigma * np.sqrt(2))))


def expected(edges=EDGES, *, flux=400.0, sigma=3.3, level=2.0, slope=0.0, mean=REST):
    """Counts of one line of an intrinsic sigma, seen with 2 eV, over a line of counts per eV."""
    centres = 0.5 * (edges[1:] + edges[:-1])
    below = (level + slope * (centres - REST)) * np.diff(edges)
    return flux * integrated(edges, mean, np.hypot(2.0, sigma)) + below


def drawn(seed=1, **options):
    return np.random.default_rng(seed).poisson(expected(**options))


def group(**options):
    return lines.Group("Fe", [REST], **options)


@pytest.fixture(scope="module")
def fit():
    return lines.fit_counts(EDGES, drawn(), groups=group(), lsf=LSF)


@pytest.fixture(scope="module")
def perseus(test_data):
    """Edges and counts of Hitomi's spectrum, in bins of any width."""
    low, high, counts = np.loadtxt(
        test_data / "lines" / "hitomi_perseus_counts.csv", delimiter=",", skiprows=1, unpack=True
    )
    seen = (low >= 6490) & (high <= 6625)
    edges = np.append(low[seen], high[seen][-1])

    def binned(width):
        k = round(width / 0.5)
        n = seen.sum() // k * k
        return edges[: n + 1 : k], counts[seen][:n].reshape(-1, k).sum(axis=1)

    return binned


def fit_iron(binned, fwhm=4.9, **options):
    lsf = options.pop("lsf", lines.LSF(fwhm=fwhm, includes_pixel=False))
    iron = lines.Group("Fe XXV", IRON, z=Z, element="Fe")
    return lines.fit_counts(*binned, groups=iron, lsf=lsf, background=0, thermal=(4.05e3, "eV"), **options)


def test_what_was_put_in_comes_out(fit):
    assert fit.converged
    truth = (3.3 / REST * LIGHT) ** 2
    for value, error, true in (
        (fit.velocity[0], fit.velocity_error[0], 0.0),
        (fit.intrinsic_variance[0], fit.intrinsic_variance_error[0], truth),
        (fit.lines["flux"][0], fit.lines["flux_error"][0], 400.0),
        (fit.lines["equivalent_width"][0], fit.lines["equivalent_width_error"][0], 200.0),
    ):
        assert abs(value - true) < 4 * error
    assert fit.goodness.name == "deviance"
    assert 0.01 < fit.goodness.probability < 0.99
    assert fit.goodness.dof == 200 - 1 - 2 - 2


def test_turbulence_in_the_perseus_cluster_is_as_published(perseus):
    """174.4 km/s, 68%: 168 to 181 (Hitomi Collaboration 2016, with their thermal width), whatever the bins."""
    fit = fit_iron(perseus(0.5))
    assert perseus(0.5)[1].sum() == 4204
    assert fit.intrinsic_sigma[0] == pytest.approx(174.4, abs=1.0)
    low, high = fit.interval()
    assert (low[0], high[0]) == (pytest.approx(168, abs=1.0), pytest.approx(181, abs=1.0))
    assert fit_iron(perseus(0.5), 5.10).intrinsic_sigma[0] == pytest.approx(172.2, abs=0.5)
    assert fit_iron(perseus(2)).intrinsic_sigma[0] == pytest.approx(174.7, abs=0.2)
    assert fit_iron(perseus(5)).intrinsic_sigma[0] == pytest.approx(178.1, abs=0.2)
    centres = lines.LSF(fwhm=4.9, includes_pixel=True)
    assert fit_iron(perseus(5), lsf=centres).intrinsic_sigma[0] == pytest.approx(190.2, abs=0.2)


def em_of_iron(edges, counts, steps=3000):
    """EM for grouped data (McLachlan & Jones 1988): fluxes, velocity and turbulent variance, and what they expect.

    The photons of a bin are shared among lines and background; of each share, the energies are those of a Gaussian
    within the bin.  No line reaches the ends of the window.
    """
    rest = np.array(IRON) / (1 + Z)
    per_kms = rest / LIGHT
    other = (4.9 / 2.3548200450309493) ** 2 + 4.05e3 / (55.845 * 931494.10372e3) * rest**2
    flux, level, velocity, V = np.full(8, 0.08 * counts.sum()), counts.sum() / 400, 0.0, 150.0**2
    for _ in range(steps):
        mean, variance = rest - velocity * per_kms, V * per_kms**2 + other
        z = (edges - mean[:, None]) / np.sqrt(variance)[:, None]
        density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
        inside = np.diff(0.5 * erf(z / np.sqrt(2)))
        mu = flux @ inside + level * np.diff(edges)
        photons = flux[:, None] * counts / mu  # of which `inside` is the share of each line
        off = -(photons * np.diff(density)).sum(axis=1) * np.sqrt(variance)
        square = (photons * (inside - np.diff(z * density))).sum(axis=1) * variance
        flux = (photons * inside).sum(axis=1)
        level *= (counts / mu * np.diff(edges)).sum() / (edges[-1] - edges[0])
        velocity -= (off * per_kms / variance).sum() / (flux * per_kms**2 / variance).sum()
        slope = ((square / variance**2 - flux / variance) * per_kms**2).sum()
        V += slope / (flux * per_kms**4 / variance**2).sum()
    return mu, velocity, V


def log_likelihood(counts, mu):
    return counts @ np.log(mu) - mu.sum()


def test_em_for_grouped_data_reaches_the_same_likelihood(perseus):
    edges, counts = perseus(2)
    fit = fit_iron((edges, counts))
    mu, velocity, V = em_of_iron(edges, counts)
    assert log_likelihood(counts, fit.data.expected[0]) == pytest.approx(log_likelihood(counts, mu), abs=1e-6)
    assert fit.velocity[0] == pytest.approx(velocity, abs=0.01)
    assert fit.intrinsic_variance[0] == pytest.approx(V, rel=1e-4)


@pytest.mark.parametrize("options", [{}, {"flux": 25.0, "level": 0.05}, {"flux": -60.0, "level": 20.0}])
def test_a_general_optimiser_finds_nothing_better(options):
    counts = drawn(5, **options)
    fit = lines.fit_counts(EDGES, counts, groups=group(), lsf=LSF)
    centres = 0.5 * (EDGES[1:] + EDGES[:-1])

    def fall(p):
        sigma2 = 4.0 + p[1]
        if sigma2 <= 0.01:
            return np.inf
        mu = p[2] * integrated(EDGES, REST + p[0], np.sqrt(sigma2)) + 0.5 * (p[3] + p[4] * (centres - REST) / 50)
        if (mu <= 0).any() or p[3] < abs(p[4] * 49.75 / 50):
            return np.inf
        return -log_likelihood(counts, mu)

    per_kms = REST / LIGHT
    level = fit.solution.coefficients[1:]
    start = [-fit.velocity[0] * per_kms, fit.intrinsic_variance[0] * per_kms**2, fit.lines["flux"][0], *level]
    best = -log_likelihood(counts, fit.data.expected[0])
    for shift in (1.0, 0.9):
        found = minimize(
            fall,
            np.array(start) * shift,
            method="Nelder-Mead",
            options={"xatol": 1e-7, "fatol": 1e-10, "maxiter": 4000},
        )
        assert found.fun > best - 1e-6
    assert fall(start) == pytest.approx(best, abs=1e-3)


def test_a_line_without_a_width_of_its_own_is_a_limit():
    """Its variance is negative as often as not."""
    fits = [lines.fit_counts(EDGES, drawn(seed, sigma=0.0), groups=group(), lsf=LSF) for seed in range(12)]
    variances = np.array([fit.intrinsic_variance[0] for fit in fits])
    errors = np.array([fit.intrinsic_variance_error[0] for fit in fits])
    assert 2 < (variances < 0).sum() < 10
    assert (np.abs(variances) < 3.5 * errors).all()
    assert all(0 < fit.upper_limit()[0] < 100 for fit in fits)


def test_many_counts_are_normal():
    """Errors of the square root, where counts are many, to the inverse root of the counts in a bin."""
    counts = drawn(2, flux=4e7, level=1e6)
    fit = lines.fit_counts(EDGES, counts, groups=group(), lsf=LSF)
    mu = fit.data.expected[0]
    normal = lines.fit_lines(
        0.5 * (EDGES[1:] + EDGES[:-1]),
        counts / 0.5,
        np.sqrt(mu) / 0.5,
        edges=EDGES,
        groups=group(),
        lsf=LSF,
        axis="energy",
    )
    for name in ("velocity", "variance"):
        assert abs(fit.table[name][0] - normal.table[name][0]) < 0.01 * fit.table[f"{name}_error"][0]
        assert fit.table[f"{name}_error"][0] == pytest.approx(normal.table[f"{name}_error"][0], rel=1e-4)
    assert fit.goodness.statistic == pytest.approx(normal.goodness.statistic, rel=1e-3)
    assert fit.goodness.probability == pytest.approx(normal.goodness.probability, abs=5e-3)


def test_exposures_scale_fluxes_and_nothing_else(fit):
    long = lines.fit_counts(EDGES, drawn(), groups=group(), lsf=LSF, exposure=1e3)
    for name in ("velocity", "velocity_error", "variance", "variance_error", "sigma_limit", "sigma_low"):
        np.testing.assert_allclose(long.table[name], fit.table[name], rtol=1e-6)
    for name in ("flux", "flux_error"):
        np.testing.assert_allclose(1e3 * long.lines[name], fit.lines[name], rtol=1e-6)
    assert long.goodness.statistic == pytest.approx(fit.goodness.statistic, rel=1e-9)


def test_exposures_of_one_source_add():
    """Counts of equal expectation are sufficient as their sum, but for the backgrounds, which are separate."""
    one, two = drawn(1), drawn(2)
    together = lines.fit_counts(EDGES, one + two, groups=group(), lsf=LSF, exposure=2.0, background=None, windows=LINE)
    parts = [lines.Counts(EDGES, each, exposure=1.0, lsf=LSF) for each in (one, two)]
    joint = lines.fit_counts(parts, groups=group(), background=None, windows=LINE)
    for name in ("velocity", "velocity_error", "variance", "variance_error", "sigma_limit"):
        np.testing.assert_allclose(joint.table[name], together.table[name], rtol=1e-5)
    np.testing.assert_allclose(joint.lines["flux"], 2 * [together.lines["flux"][0]], rtol=1e-6)
    separate = lines.fit_counts(parts, groups=group(), fluxes="separate")
    assert separate.velocity[0] == pytest.approx(joint.velocity[0], abs=2 * joint.velocity_error[0])


LINE = [(6590.0, 6610.0)]


def test_an_effective_area_that_varies_is_taken_out():
    centres = 0.5 * (EDGES[1:] + EDGES[:-1])
    area = np.exp(-((centres - 6620) ** 2) / 2 / 30**2)
    counts = np.random.default_rng(3).poisson(1e3 * expected(level=20.0) * area)
    fit = lines.fit_counts(EDGES, counts, groups=group(), lsf=LSF, exposure=1e3 * area)
    assert fit.velocity[0] == pytest.approx(0.0, abs=4 * fit.velocity_error[0])
    assert fit.lines["flux"][0] == pytest.approx(400.0, abs=4 * fit.lines["flux_error"][0])
    assert fit.intrinsic_sigma[0] == pytest.approx(150, abs=4)


def test_a_response_that_is_the_instrument_gives_the_same():
    """Fine bins, which a matrix with the instrument's Gaussian redistributes to the channels."""
    fine = np.arange(6530.0, 6670.05, 0.1)
    centres = 0.5 * (fine[1:] + fine[:-1])
    response = np.array([integrated(EDGES, x, 2.0) for x in centres]).T
    counts = drawn()
    fit = lines.fit_counts(fine, counts, groups=group(), response=response)
    direct = lines.fit_counts(EDGES, counts, groups=group(), lsf=LSF)
    assert "response of 200 channels to 1400 bins" in fit.header.instrument
    # bins of 0.1 eV add their own variance, which the integration over them takes out but for the matrix's columns
    assert fit.intrinsic_sigma[0] == pytest.approx(direct.intrinsic_sigma[0], rel=1e-3)
    assert fit.intrinsic_variance_error[0] == pytest.approx(direct.intrinsic_variance_error[0], rel=1e-2)
    assert fit.lines["flux"][0] == pytest.approx(direct.lines["flux"][0], rel=1e-3)
    assert fit.goodness.statistic == pytest.approx(direct.goodness.statistic, abs=0.05)


def test_the_width_of_a_response_is_reported():
    """As many channels as bins: its columns have a sigma of 2 eV, and of the channel."""
    centres = 0.5 * (EDGES[1:] + EDGES[:-1])
    response = np.array([integrated(EDGES, x, 2.0) for x in centres]).T
    fit = lines.fit_counts(EDGES, drawn(), groups=group(), response=response, windows=[(6560.0, 6640.0)])
    assert fit.lines["instrumental_sigma"][0] == pytest.approx(np.hypot(2.0, 0.5 / np.sqrt(12)), rel=1e-3)
    direct = lines.fit_counts(EDGES, drawn(), groups=group(), lsf=LSF, windows=[(6560.0, 6640.0)])
    # bins of 0.5 eV are as coarse as the matrix: each adds a variance of 1/12
    assert fit.intrinsic_variance[0] == pytest.approx(
        direct.intrinsic_variance[0] - (0.5 / REST * LIGHT) ** 2 / 12, rel=0.02
    )
    assert fit.data.chosen[0].size == 160


def test_a_background_that_vanishes_is_zero():
    rng = np.random.default_rng(5)
    counts = np.histogram(rng.normal(REST, 3.0, 30), EDGES)[0]
    fit = lines.fit_counts(EDGES, counts, groups=group(), lsf=LSF)
    assert fit.converged
    assert (fit.data.expected[0] >= 0).all()
    alone = lines.fit_counts(EDGES, counts, groups=group(), lsf=LSF, background=None)
    assert fit.intrinsic_variance[0] == pytest.approx(alone.intrinsic_variance[0], rel=0.05)
    assert alone.lines["flux"][0] == pytest.approx(30.0, rel=1e-6)


def test_backgrounds_that_would_be_negative_at_an_end_are_zero_there():
    counts = drawn(4, level=2.0, slope=-0.039, flux=200.0)
    counts[150:] = 0
    fit = lines.fit_counts(EDGES, counts, groups=group(), lsf=LSF)
    assert fit.converged
    assert 0 <= fit.data.expected[0][-1] < 1e-6
    curved = lines.fit_counts(EDGES, counts, groups=group(), lsf=LSF, background=3)
    assert curved.goodness.statistic < fit.goodness.statistic
    assert (curved.data.expected[0] >= 0).all()


def test_no_line_has_a_flux_of_zero_within_its_error():
    for seed in range(3):
        fit = lines.fit_counts(EDGES, drawn(seed, flux=0.0, level=5.0), groups=group(sigma=(0, 300)), lsf=LSF)
        assert abs(fit.lines["flux"][0]) < 5 * fit.lines["flux_error"][0]


def test_absorption_has_a_negative_flux_and_counts_that_are_not():
    black = np.maximum(expected(flux=-90.0, sigma=3.0, level=10.0), 0.0)
    counts = np.random.default_rng(1).poisson(black)
    fit = lines.fit_counts(EDGES, counts, groups=group(), lsf=LSF)
    assert fit.converged
    assert fit.lines["flux"][0] < -50
    assert fit.lines["equivalent_width"][0] < 0
    assert (fit.data.expected[0] >= 0).all()


def test_faint_absorption_converges_in_a_few_steps():
    """Its curvature is not the expected one, so that steps of scoring go too far."""
    for seed in range(30):
        fit = lines.fit_counts(EDGES, drawn(seed, flux=-15.0, level=3.0), groups=group(), lsf=LSF)
        assert fit.converged
        assert fit.solution.maximum.n_steps < 60


def test_black_absorption_converges():
    """All that is expected vanishes in the middle of the line."""
    for seed in range(5):
        mean = np.maximum(expected(flux=-400.0, sigma=6.0, level=10.0), 0.0)
        counts = np.random.default_rng(seed).poisson(mean)
        fit = lines.fit_counts(EDGES, counts, groups=group(), lsf=LSF)
        assert fit.converged
        assert fit.data.expected[0].min() < 1e-6
        low, high = fit.interval()
        assert 0 < low[0] < fit.intrinsic_sigma[0] < high[0] < np.inf


@pytest.mark.parametrize("background", ["exponential", (lambda x, a: np.full(x.size, np.exp(a)), [0.0]), 0, 2])
def test_backgrounds_of_every_kind_find_the_line(background, fit):
    other = lines.fit_counts(EDGES, drawn(), groups=group(), lsf=LSF, background=background)
    assert other.converged
    assert other.intrinsic_variance[0] == pytest.approx(
        fit.intrinsic_variance[0], abs=0.2 * fit.intrinsic_variance_error[0]
    )


def test_energies_wavelengths_and_velocities_give_the_same():
    counts = drawn()
    kev = lines.fit_counts(
        EDGES / 1e3 * u.keV,
        counts,
        groups=lines.Group("Fe", [REST * u.eV]),
        lsf=lines.LSF(sigma=2.0 * u.eV, includes_pixel=False),
    )
    plain = lines.fit_counts(EDGES, counts, groups=group(), lsf=LSF)
    np.testing.assert_allclose(kev.table["variance"].value, plain.table["variance"], rtol=1e-6)
    assert kev.flux_unit == u.ct
    rate = lines.fit_counts(
        EDGES * u.eV,
        counts,
        groups=lines.Group("Fe", [REST * u.eV]),
        lsf=lines.LSF(sigma=2.0 * u.eV, includes_pixel=False),
        exposure=100.0 * u.s,
    )
    assert rate.lines["flux"].unit == u.ct / u.s
    turned = lines.fit_counts(EDGES[::-1], counts[::-1], groups=group(), lsf=LSF)
    np.testing.assert_allclose(turned.table["variance"], plain.table["variance"], rtol=1e-9)
    velocity = (1 - EDGES / REST) * LIGHT
    fast = lines.fit_counts(
        velocity,
        counts,
        groups=lines.Group("Fe", [0.0]),
        lsf=lines.LSF(sigma=2.0 / REST * LIGHT, includes_pixel=False),
        axis="velocity",
    )
    # at an energy 1 - v/c times as large a width in km/s is as much wider
    np.testing.assert_allclose(fast.table["variance"], plain.table["variance"], rtol=1e-4)


def test_bins_that_are_missing_are_left_out_and_counted():
    counts = drawn().astype(float)
    counts[:20] = np.nan
    mask = np.arange(200) > 189
    fit = lines.fit_counts(EDGES, counts, groups=group(), lsf=LSF, mask=mask)
    assert any("30 bins left out" in remark for remark in fit.header.remarks)
    inside = lines.fit_counts(EDGES, counts, groups=group(), lsf=LSF, mask=mask, windows=[(6558.0, 6645.0)])
    assert any("4 bins left out" in remark for remark in inside.header.remarks)
    pairs = np.array([EDGES[:-1], EDGES[1:]]).T
    inner = lines.fit_counts(pairs[20:190], counts[20:190], groups=group(), lsf=LSF)
    np.testing.assert_allclose(fit.table["variance"], inner.table["variance"], rtol=1e-9)


def test_the_report_says_what_deviance_is_expected(fit):
    text = repr(fit)
    assert "deviance" in text
    assert "a right model has a deviance of" in text
    assert "photons" not in text
    few = lines.fit_counts(EDGES, drawn(flux=20.0, level=0.1), groups=group(), lsf=LSF, background=0)
    assert "'Fe' has 13 photons" in repr(few)


def test_widths_go_to_the_population(fit):
    widths = fit.to_widths()
    assert widths.intrinsic_variance[0] == pytest.approx(fit.intrinsic_variance[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"counts": np.full(200, 0.5)}, "`counts` is no whole number in bins 0.*fit_lines"),
        ({"counts": np.full(200, -1.0)}, "`counts` is negative"),
        ({"counts": np.full(200, np.nan)}, "no bin is left"),
        ({"counts": np.zeros(200)}, "all counts are zero"),
        ({"counts": np.zeros(199)}, "`counts` has shape"),
        ({"counts": None}, "`counts` is missing"),
        ({"edges": EDGES[np.argsort(np.sin(EDGES))]}, "not sorted"),
        ({"edges": np.zeros((2, 3))}, "`edges` has shape"),
        ({"lsf": None}, "`lsf` is missing"),
        ({"lsf": lines.LSF(matrix=np.eye(200), x=EDGES[1:], includes_pixel=True)}, "`response`"),
        ({"exposure": -1.0}, "`exposure` is negative"),
        ({"exposure": np.ones(3)}, "`exposure` has shape"),
        ({"response": np.ones((200, 7))}, "`response` has shape"),
        ({"response": -np.eye(200)}, "`response` has elements"),
        ({"response": np.zeros((200, 200))}, "`response` is zero everywhere"),
        ({"counts": np.ones(200) * u.Jy}, "`counts` is in Jy"),
        ({"background": (lambda x, a, b: a + b * x, [1.0])}, "`background` cannot be called"),
        ({"mask": np.ones(3, bool)}, "`mask`"),
        ({"background": "cubic"}, "`background` is 'cubic'"),
        ({"background": (lambda x, a: a * x, [-1.0])}, "not positive"),
        ({"windows": [(5000, 5100)]}, "no pixels"),
        ({"windows": [(6599, 6601)]}, "too few"),
        ({"groups": lines.Group("a", [7000.0])}, "outside the windows"),
        ({"fluxes": "free"}, "`fluxes`"),
    ],
)
def test_bad_input_is_one_sentence(change, message):
    arguments = {"edges": EDGES, "counts": drawn(), "groups": group(), "lsf": LSF, **change}
    with pytest.raises(InputError, match=message):
        lines.fit_counts(arguments.pop("edges"), arguments.pop("counts"), **arguments)


def test_channels_without_positions_have_no_windows():
    with pytest.raises(InputError, match="`mask`"):
        lines.fit_counts(EDGES, np.ones(7), groups=group(), response=np.ones((7, 200)), windows=LINE)


def manganese(*, lorentzian=True):
    """The K-alpha complex: eight lines with one flux."""
    table = datasets.load("mn_kalpha")
    energies, widths = table["energy"].value, table["natural_fwhm"].value
    fluxes = widths * np.asarray(table["peak_height"])
    entries = [(e, "Mn", f) for e, f in zip(energies[1:], fluxes[1:] / fluxes[0], strict=True)]
    return lines.Group("Mn", [(energies[0], "Mn"), *entries], natural_width=widths if lorentzian else 0.0)


def photons_of_manganese(seed, n, sigma):
    """Energies of photons of the complex as a Gaussian detector measures them, counted in bins of 0.5 eV."""
    rng = np.random.default_rng(seed)
    table = datasets.load("mn_kalpha")
    energies, widths = table["energy"].value, table["natural_fwhm"].value
    fluxes = widths * np.asarray(table["peak_height"])
    line = rng.choice(8, size=rng.poisson(n), p=fluxes / fluxes.sum())
    measured = energies[line] + 0.5 * widths[line] * rng.standard_cauchy(line.size) + sigma * rng.normal(size=line.size)
    edges = np.arange(5860.0, 5925.1, 0.5)
    return edges, np.histogram(measured, edges)[0]


DETECTOR = 1.06  # eV: an FWHM of 2.5 eV
TO_KMS = LIGHT / 5895.5


def fit_manganese(edges, counts, **options):
    """The detector's width is the intrinsic one of the fit."""
    none = lines.LSF(sigma=0.0, includes_pixel=False)
    return lines.fit_counts(edges, counts, groups=manganese(**options), lsf=none, background=None)


def test_a_detector_is_measured_on_the_natural_profile_of_manganese():
    edges, counts = photons_of_manganese(1, 20000, DETECTOR)
    fit = fit_manganese(edges, counts)
    low, high = fit.interval(0.997)
    assert low[0] < DETECTOR * TO_KMS < high[0]
    assert fit.intrinsic_variance_error[0] < 0.1 * fit.intrinsic_variance[0]
    assert fit.goodness.probability > 0.01
    # Gaussians take the natural widths for the detector's, and their wings for photons that cannot be
    gaussian = lines.fit_counts(edges, counts, groups=manganese(lorentzian=False), lsf=NO_LSF)
    assert gaussian.intrinsic_sigma[0] > high[0] * 1.2
    assert gaussian.goodness.probability < 1e-6


NO_LSF = lines.LSF(sigma=0.0, includes_pixel=False)


@pytest.mark.slow
def test_intervals_of_the_detector_cover_it():
    """68% of them, within three standard deviations of the number of trials."""
    inside = 0
    for seed in range(120):
        low, high = fit_manganese(*photons_of_manganese(seed, 3000, DETECTOR)).interval()
        inside += bool(low[0] < DETECTOR * TO_KMS < high[0])
    assert abs(inside / 120 - 0.6827) < 3 * np.sqrt(0.6827 * 0.3173 / 120)


@pytest.mark.parametrize("seed", [49, 57])
def test_steps_that_go_on_beyond_what_can_be_seen_have_converged(seed):
    """Scoring converges slowly where photons are few; after its last step no visible gain is left."""
    counts = np.random.default_rng(seed).poisson(expected(flux=20.0, sigma=4.0, level=0.05))
    fit = lines.fit_counts(EDGES, counts, groups=group(velocity=(-400, 400)), lsf=LSF, background=0)
    assert fit.converged
    v, error = fit.intrinsic_variance[0], fit.intrinsic_variance_error[0]
    for other in v + 0.01 * error * np.array([-1.0, 1.0]):
        assert fit.solution.profile(0, other).fall > 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("sigma", [0.0, 4.0])
def test_intervals_and_limits_cover_with_twenty_photons(sigma):
    """Twenty photons of a line over a background of 0.05 per eV: intervals hold the truth at least nearly as often."""
    truth = sigma / REST * LIGHT
    mean = expected(flux=20.0, sigma=sigma, level=0.05)
    inside, below = 0, 0
    trials = 400
    for seed in range(trials):
        counts = np.random.default_rng(seed).poisson(mean)
        fit = lines.fit_counts(EDGES, counts, groups=group(velocity=(-400, 400)), lsf=LSF, background=0)
        low, high = fit.interval()
        inside += bool(low[0] <= truth <= high[0])
        below += bool(truth <= fit.upper_limit()[0])
    assert inside / trials > 0.6827 - 0.07
    assert below / trials > 0.95 - 0.05


@pytest.mark.slow
@pytest.mark.parametrize(("flux", "level"), [(20.0, 0.05), (200.0, 1.0), (2000.0, 20.0)])
def test_probabilities_of_the_deviance_are_uniform(flux, level):
    """Whether there are twenty photons or thousands."""
    mean = expected(flux=flux, level=level)
    fits = (
        lines.fit_counts(EDGES, np.random.default_rng(seed).poisson(mean), groups=group(), lsf=LSF, background=0)
        for seed in range(200)
    )
    found = np.array([(f.goodness.statistic - f.data.deviance.mean) / f.data.deviance.sigma for f in fits])
    assert abs(found.mean()) < 0.25
    assert 0.8 < found.std() < 1.15


@pytest.mark.parametrize("level", [2.0, 0.02])
def test_the_posterior_integrates_over_flux_and_background(level):
    """Its density at points, against sums over a grid; also where the best background vanishes."""
    counts = drawn(2, flux=20.0, level=level)
    fit = lines.fit_counts(EDGES, counts, groups=group(), lsf=LSF, background=0)
    posterior = LinePosterior(fit.solution)
    flux, below = np.linspace(0.05, 80, 100), np.linspace(5e-4, 4 * level + 0.2, 200)
    points = [(0.0, 100.0), (100.0, 250.0), (-60.0, 20.0), (30.0, 400.0)]
    ours, grid = [], []
    for velocity, sigma in points:
        ours.append(posterior(np.array([velocity, sigma])))
        width = np.hypot(2.0, sigma / LIGHT * REST)
        shape = integrated(EDGES, REST * (1 - velocity / LIGHT), width)
        log = np.zeros((flux.size, below.size))
        for n, s in zip(counts, shape, strict=True):
            mu = flux[:, None] * s + 0.5 * below
            log += n * np.log(mu) - mu
        grid.append(np.log(np.exp(log - log.max()).sum()) + log.max())
    np.testing.assert_allclose(np.diff(ours), np.diff(grid), atol=0.25)


@pytest.mark.slow
def test_resamples_and_posterior_agree_with_the_profile():
    fit = lines.fit_counts(EDGES, drawn(flux=1500.0), groups=group(), lsf=LSF, background=0)
    resamples = fit.bootstrap(200, random_state=1)
    assert resamples.variances.std() == pytest.approx(fit.intrinsic_variance_error[0], rel=0.15)
    posterior = fit.sample_posterior(n_steps=300, random_state=1)
    np.testing.assert_allclose(posterior.interval(), fit.interval(), rtol=0.03)


@pytest.mark.slow
def test_a_second_component_is_tested_by_simulated_counts():
    narrow, broad = lines.Group("narrow", [REST]), lines.Group("broad", [REST], sigma=(400.0, 1500.0))
    found = []
    for flux in (0.0, 300.0):
        counts = np.random.default_rng(7).poisson(expected(flux=200.0) + expected(flux=flux, sigma=12.0, level=0.0))
        one = lines.fit_counts(EDGES, counts, groups=narrow, lsf=LSF, background=0)
        two = lines.fit_counts(EDGES, counts, groups=[narrow, broad], lsf=LSF, background=0)
        found.append(two.compare(one, 19, random_state=1).p_value)
    assert found[0] > 0.05
    assert found[1] == 0.05


def test_air_and_vacuum_are_asked_about_at_wavelengths():
    edges = np.arange(5000.0, 5060.0, 0.5) * u.AA
    counts = np.random.default_rng(1).poisson(5.0 + 50 * np.exp(-0.5 * ((edges[:-1].value - 5030.0) / 2.0) ** 2))
    given = {
        "groups": lines.Group("a", [5030.0 * u.AA], medium="air"),
        "lsf": lines.LSF(sigma=1.0 * u.AA, includes_pixel=False),
    }
    assert "in air" in repr(lines.fit_counts(edges, counts, **given))
    with pytest.raises(InputError, match="in different media"):
        lines.fit_counts(edges, counts, **given, medium="vacuum")
    with pytest.warns(XdgmmWarning, match="air or in vacuum"):
        lines.fit_counts(edges, counts, groups=lines.Group("a", [5030.0 * u.AA]), lsf=given["lsf"])
