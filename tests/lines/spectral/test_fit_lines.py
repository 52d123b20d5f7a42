"""Lines in spectra with normal errors."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from astropy import units as u
from scipy.optimize import minimize
from scipy.special import erf

from xdgmm import datasets, lines
from xdgmm.errors import ConvergenceWarning, InputError, XdgmmWarning
from xdgmm.lines import LineFit

LIGHT = 299792.458
HA, NII = 6564.61, 6585.27


def spectrum(seed=1, *, sigma=80.0, velocity=30.0, n=90, error=0.4, z=0.01, lsf=1.1, step=1.25):
    """Two tied lines and one of its own over a slope, integrated over pixels: wavelengths, fluxes, errors."""
    rng = np.random.default_rng(seed)
    x = HA * (1 + z) + 8.0 + step * (np.arange(n) - n / 2)
    edges = np.append(x - 0.5 * step, x[-1] + 0.5 * step)
    flux = 5.0 + 0.01 * (x - x.mean())
    for rest, amount in ((HA, 100.0), (NII, 60.0), (6549.86, 60.0 / 3.05)):
        mean = rest * (1 + z) * (1 + velocity / LIGHT)
        width = np.hypot(rest * (1 + z) * sigma / LIGHT, lsf)
        flux = flux + amount * np.diff(0.5 * erf((edges - mean) / (width * np.sqrt(2)))) / step
    return x, flux + error * rng.normal(size=n), np.full(n, error)


def group(z=0.01, **options):
    return lines.Group("ionised", [HA, (NII, "NII"), (6549.86, "NII", 1 / 3.05)], z=z, **options)


LSF = lines.LSF(sigma=1.1, includes_pixel=False)


@pytest.fixture(scope="module")
def fit():
    return lines.fit_lines(*spectrum(), groups=group(), lsf=LSF)


def test_what_was_put_in_comes_out(fit):
    assert fit.converged
    for value, error, truth in (
        (fit.velocity[0], fit.velocity_error[0], 30.0),
        (fit.intrinsic_variance[0], fit.intrinsic_variance_error[0], 80.0**2),
        *zip(fit.lines["flux"], fit.lines["flux_error"], (100.0, 60.0, 60.0 / 3.05), strict=True),
    ):
        assert abs(value - truth) < 4 * error
    assert 0.01 < fit.goodness.probability < 0.99
    assert fit.goodness.dof == 90 - 2 - 2 - 2
    assert fit.lines["flux"][2] / fit.lines["flux"][1] == pytest.approx(1 / 3.05)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_answers_that_nist_certifies(number):
    """NIST StRD Gauss1 to Gauss3: 11 digits, from 250 points of two Gaussians over an exponential."""
    table = datasets.load(f"nist_gauss{number}")
    values = np.array([table.meta[f"b{i}"] for i in range(1, 9)])
    errors = np.array([table.meta[f"b{i}_sd"] for i in range(1, 9)])
    near = [
        lines.Group(name, [round(values[i]) + shift]) for name, i, shift in (("first", 3, 3.0), ("second", 6, -2.0))
    ]
    none = lines.LSF(sigma=0.0, includes_pixel=True)
    fit = lines.fit_lines(
        np.asarray(table["x"]),
        np.asarray(table["y"]),
        noise="estimate",
        axis="velocity",
        groups=near,
        lsf=none,
        continuum="exponential",
    )
    found = fit.lines
    for row, at in enumerate((2, 5)):
        sigma, sigma_error = (
            fit.intrinsic_sigma[row],
            0.5 * fit.intrinsic_variance_error[row] / fit.intrinsic_sigma[row],
        )
        height = found["flux"][row] / (sigma * np.sqrt(2 * np.pi))
        np.testing.assert_allclose([height, found["position"][row], sigma * np.sqrt(2)], values[at : at + 3], rtol=1e-7)
        ours = [found["position_error"][row], sigma_error * np.sqrt(2)]
        np.testing.assert_allclose(ours, errors[at + 1 : at + 3], rtol=1e-5)


def test_the_published_answer_of_lmfit(test_data):
    """The example of lmfit's documentation: one Gaussian, no baseline, errors from the residuals."""
    x, y = np.loadtxt(test_data / "lines" / "lmfit_test_peak.dat", comments="#").T
    peak = lines.Group("peak", [9.0])
    none = lines.LSF(sigma=0.0, includes_pixel=True)
    fit = lines.fit_lines(x, y, noise="estimate", axis="velocity", groups=peak, lsf=none, continuum=None)
    assert fit.lines["flux"][0] == pytest.approx(30.31353, abs=2e-5)  # the least-squares value is 30.313544
    assert fit.lines["position"][0] == pytest.approx(9.242771, abs=1e-6)
    assert fit.intrinsic_sigma[0] == pytest.approx(1.232181, abs=2e-6)  # and this 1.2321821
    assert 0.5 * fit.intrinsic_variance_error[0] / fit.intrinsic_sigma[0] == pytest.approx(0.007375, abs=1e-6)
    units = lines.fit_lines(x, y, np.ones(x.size), axis="velocity", groups=peak, lsf=none, continuum=None)
    assert units.goodness.statistic == pytest.approx(29.994316, abs=1e-6)


def test_derivatives_are_those_of_differences(fit):
    scattered = replace(fit.solution.model.pieces[0], error=0.05, scatter=0.02)
    bounded = lines.Group("a", [HA, (NII, "N"), (6549.86, "N", (0.2, 0.5))], z=0.01)
    model = lines.fit_lines(*spectrum(), groups=bounded, lsf=LSF, continuum="exponential").solution.model
    model = model.with_pieces([scattered])
    theta = np.zeros(model.layout.size) + 0.01
    theta[:3] = 20.0, 4000.0, 0.3
    coefficients = np.arange(1.0, model.n_coefficients + 1)

    def expected(at):
        columns, offset = model.columns(at)
        return coefficients @ columns + offset

    slopes = model.derivatives(theta, coefficients)
    for i, step in enumerate(np.where(np.abs(theta) > 1, 1e-3 * np.abs(theta), 1e-4)):
        unit = step * np.eye(theta.size)[i]
        difference = (expected(theta + unit) - expected(theta - unit)) / (2 * step)
        np.testing.assert_allclose(slopes[i], difference, atol=2e-6 * np.abs(slopes[i]).max() + 1e-14)


def test_the_profile_is_the_likelihood_maximised_over_everything_else(fit):
    x, flux, err = spectrum()
    edges = np.append(x - 0.625, x[-1] + 0.625)

    def chi2(variance, velocity):
        columns = [np.ones(x.size), (x - x.mean()) / 50]
        widths, means = {}, {}
        for rest in (HA, NII, 6549.86):
            means[rest] = rest * 1.01 * (1 + velocity / LIGHT)
            widths[rest] = np.sqrt(variance * (rest * 1.01 / LIGHT) ** 2 + 1.1**2)
        shapes = {r: np.diff(0.5 * erf((edges - means[r]) / (widths[r] * np.sqrt(2)))) / 1.25 for r in means}
        columns += [shapes[HA], shapes[NII] + shapes[6549.86] / 3.05]
        design = np.array(columns).T / err[:, None]
        return np.linalg.lstsq(design, flux / err, rcond=None)[1][0]

    for variance in (0.0, 5000.0, 7500.0):
        best = minimize(
            lambda v, V=variance: chi2(V, v[0]), [30.0], method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-9}
        )
        fall = fit.solution.profile(0, variance).fall
        assert 2 * fall == pytest.approx(best.fun - fit.goodness.statistic, abs=1e-5, rel=1e-6)


def test_ends_of_intervals_are_where_the_profile_has_fallen(fit):
    profile = fit.profiles[0]
    low, high = fit.interval(0.6827)
    for end in (low[0], high[0]):
        assert abs(profile.root(float(end) ** 2)[0]) == pytest.approx(1.0, abs=1e-3)
    assert profile.root(float(fit.upper_limit(0.95)[0]) ** 2)[0] == pytest.approx(1.6449, abs=1e-3)


def test_fluxes_in_other_units_change_nothing_else(fit):
    x, flux, err = spectrum()
    other = lines.fit_lines(x, 1e-17 * flux, 1e-17 * err, groups=group(), lsf=LSF)
    for name in ("velocity", "velocity_error", "variance", "variance_error", "sigma_limit", "sigma_low"):
        np.testing.assert_allclose(other.table[name], fit.table[name], rtol=1e-6)
    np.testing.assert_allclose(other.lines["flux"], 1e-17 * fit.lines["flux"], rtol=1e-6)


def test_velocities_are_the_same_along_wavelengths_energies_and_velocities():
    x, flux, err = spectrum(n=120)
    by_wave = lines.fit_lines(
        x * u.AA, flux, err, groups=lines.Group("Ha", [HA * u.AA], z=0.01), lsf=LSF_KMS, windows=WINDOW, medium="vacuum"
    )
    nm = lines.fit_lines(
        (x * u.AA).to("nm"),
        flux,
        err,
        groups=lines.Group("Ha", [HA * u.AA], z=0.01),
        lsf=LSF_KMS,
        windows=WINDOW,
        medium="vacuum",
    )
    np.testing.assert_allclose(nm.table["variance"].value, by_wave.table["variance"].value, rtol=1e-6)
    velocity = LIGHT * (x / (HA * 1.01) - 1) * u.km / u.s
    ends = [LIGHT * (end.value / (HA * 1.01) - 1) * u.km / u.s for end in WINDOW[0]]
    by_velocity = lines.fit_lines(
        velocity, flux, err, groups=lines.Group("Ha", [0 * u.km / u.s]), lsf=LSF_KMS, windows=[ends]
    )
    for name in ("velocity", "velocity_error", "variance", "variance_error", "sigma_low", "sigma_high", "sigma_limit"):
        # at a wavelength 1 + v/c times as large a width in km/s is as much wider
        np.testing.assert_allclose(by_velocity.table[name].value, by_wave.table[name].value, rtol=2 * 30.0 / LIGHT)


LSF_KMS = lines.LSF(sigma_kms=50.0 * u.km / u.s, includes_pixel=True)
WINDOW = [(6605 * u.AA, 6642 * u.AA)]


def test_energies_give_the_widths_of_wavelengths():
    """To first order in v/c, where the two scales are linear in each other."""
    x, flux, err = spectrum(n=120, sigma=60.0)
    by_wave = lines.fit_lines(x * u.AA, flux, err, groups=group(), lsf=LSF_KMS, medium="vacuum")
    energy = (x * u.AA).to("eV", u.spectral())
    jacobian = x / energy.value  # flux per unit of energy
    by_energy = lines.fit_lines(
        energy,
        flux * jacobian,
        err * jacobian,
        groups=lines.Group("ionised", [HA * u.AA, (NII * u.AA, "NII"), (6549.86 * u.AA, "NII", 1 / 3.05)], z=0.01),
        lsf=LSF_KMS,
        continuum=3,
    )
    assert by_energy.velocity[0].value == pytest.approx(by_wave.velocity[0].value, abs=0.5)
    assert by_energy.intrinsic_sigma[0].value == pytest.approx(by_wave.intrinsic_sigma[0].value, rel=0.01)


def test_exposures_together_are_their_mean():
    x, _, err = spectrum()
    exposures = [spectrum(seed) for seed in (1, 2, 3)]
    mean = np.mean([flux for _, flux, _ in exposures], axis=0)
    alone = lines.fit_lines(x, mean, err / np.sqrt(3), groups=group(), lsf=LSF)
    spectra = [lines.Spectrum(*each) for each in exposures]
    joint = lines.fit_lines(spectra, groups=group(), lsf=LSF)
    # the mean has one continuum, exposures one each, which fluctuate
    assert joint.intrinsic_variance[0] == pytest.approx(alone.intrinsic_variance[0], rel=2e-3)
    assert joint.velocity[0] == pytest.approx(alone.velocity[0], abs=0.02 * alone.velocity_error[0])
    assert joint.intrinsic_variance_error[0] == pytest.approx(alone.intrinsic_variance_error[0], rel=5e-3)


def test_covariances_without_correlation_are_errors(fit):
    x, flux, err = spectrum()
    band = np.array([err**2, 0 * err])
    other = lines.fit_lines(x, flux, covariance=band, groups=group(), lsf=LSF)
    np.testing.assert_allclose(other.table["variance"], fit.table["variance"], rtol=1e-8)


def test_correlated_pixels_are_generalised_least_squares():
    x, flux, err = spectrum()
    band = np.array([err**2, 0.4 * err**2])
    full = np.diag(band[0]) + np.diag(band[1][:-1], 1) + np.diag(band[1][:-1], -1)
    fit = lines.fit_lines(x, flux, covariance=band, groups=group(), lsf=LSF)
    model = fit.solution.model
    plain = model.with_pieces([replace(model.pieces[0], transform=None)])
    columns, _ = plain.columns(fit.solution.theta)
    left = flux - fit.solution.coefficients @ columns
    assert left @ np.linalg.solve(full, left) == pytest.approx(fit.goodness.statistic, rel=1e-9)


def test_a_line_without_a_width_of_its_own_is_a_limit():
    fit = lines.fit_lines(*spectrum(sigma=0.0, seed=4), groups=group(), lsf=LSF)
    assert fit.is_limit[0]
    assert fit.interval()[0][0] == 0.0
    assert 0 < fit.upper_limit()[0] < 40
    assert abs(fit.intrinsic_variance[0]) < 4 * fit.intrinsic_variance_error[0]


def test_the_error_of_the_instrument_is_part_of_that_of_the_width():
    """Where the instrument is known to f and everything else exactly, ``e_V = 2 f L^2``."""
    x, flux, _ = spectrum(error=1e-3)
    lsf = lines.LSF(sigma=1.1, includes_pixel=False, error=0.05)
    fit = lines.fit_lines(
        x, flux, np.full(x.size, 1e-3), groups=lines.Group("Ha", [HA], z=0.01), lsf=lsf, windows=[(6620, 6642)]
    )
    L = 1.1 / (HA * 1.01) * LIGHT
    assert fit.intrinsic_variance_error[0] == pytest.approx(2 * np.log1p(0.05) * L**2, rel=0.02)


@pytest.mark.parametrize("given", [{"error": 0.2}, {"scatter": 0.2}])
def test_the_error_of_the_instrument_is_not_in_that_of_the_width_as_observed(given):
    """One line shows the sum of both variances, however it is divided."""
    x, flux, err = spectrum(error=0.1)
    options = {"groups": lines.Group("Ha", [HA], z=0.01), "windows": [(6620, 6642)]}
    known, unknown = (
        lines.fit_lines(x, flux, err, lsf=lines.LSF(sigma=1.1, includes_pixel=False, **each), **options)
        for each in ({}, given)
    )
    assert unknown.lines["observed_sigma_error"][0] == pytest.approx(known.lines["observed_sigma_error"][0], rel=1e-5)
    assert unknown.intrinsic_variance_error[0] > 3 * known.intrinsic_variance_error[0]


def test_lines_that_are_not_there_are_flagged():
    """Where only noise is, and where the line is not where it is looked for."""
    rng = np.random.default_rng(3)
    x, flux, err = spectrum()
    fit = lines.fit_lines(x, rng.normal(size=x.size), 1.0, groups=lines.Group("Ha", [HA], z=0.01), lsf=LSF)
    assert "not detected" in fit.flags[0]
    elsewhere = lines.fit_lines(x, flux, err, groups=group(velocity=(60, 200)), lsf=LSF)
    assert all("its velocity is at a bound" in flag for flag in elsewhere.flags)


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_fluxes_whose_squares_are_no_numbers_are_refused(size):
    x, flux, err = spectrum()
    with pytest.raises(InputError, match="another unit"):
        lines.fit_lines(x, size * flux, size * err, groups=group(), lsf=LSF)


def test_absorption_has_a_negative_flux():
    x, flux, err = spectrum(error=0.1)
    fit = lines.fit_lines(x, 30.0 - flux, err, groups=group(), lsf=LSF)
    np.testing.assert_allclose(fit.lines["flux"], [-100, -60, -60 / 3.05], rtol=0.05)
    assert (fit.lines["equivalent_width"] < 0).all()


def test_speed_counts_steps_not_seconds(fit):
    assert fit.solution.maximum.n_steps < 10


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lsf": None}, "`lsf` is missing"),
        ({"err": None}, "errors are missing.*noise='estimate'"),
        ({"windows": [(5000, 5100)]}, "no pixels"),
        ({"windows": [(6600, 6650), (6640, 6660)]}, "overlaps"),
        ({"groups": lines.Group("a", [HA], z=0.2)}, "outside the windows"),
        ({"groups": []}, "`groups`"),
        ({"groups": [lines.Group("a", [HA], z=0.01), lines.Group("a", [NII], z=0.01)]}, "different names"),
        ({"continuum": "cubic"}, "`continuum`"),
        ({"noise": "guess"}, "`noise`"),
        ({"fluxes": "free"}, "`fluxes`"),
        ({"axis": "time"}, "`axis`"),
        ({"convention": "none"}, "`convention`"),
        ({"thermal": (1e4, "K")}, "needs the mass"),
        ({"windows": [(6628, 6634)]}, "too few for"),
        ({"windows": [(6600, np.inf)]}, "ends must be finite"),
        ({"z": "high"}, "`z` is 'high'"),
        ({"continuum": (np.polyval, "a")}, "`continuum`"),
        ({"lsf": 1.1}, "`lsf` is 1.1, but it must be a lines.LSF"),
        ({"lsf": 1.1 * u.AA}, "`lsf` is .*, but it must be a lines.LSF"),
        ({"continuum": (lambda x, a: a + 0 * x, (4.0, 0.0))}, "`continuum` cannot be called .* with 2 parameters"),
        ({"continuum": (lambda x, a: a * x[:3], (4.0,))}, "one number for each"),
        ({"continuum": (lambda x, a: np.log(a) + 0 * x, (-4.0,))}, "`continuum` is not finite"),
    ],
)
def test_bad_input_is_one_sentence(change, message):
    x, flux, err = spectrum()
    arguments = {"err": err, "groups": lines.Group("a", [HA], z=0.01), "lsf": LSF, **change}
    with pytest.raises(InputError, match=message):
        lines.fit_lines(x, flux, **arguments)


def test_air_and_vacuum_are_asked_about_and_never_converted():
    x, flux, err = spectrum()
    in_air = lines.Group("Ha", [HA * u.AA], z=0.01, medium="air")
    with pytest.warns(XdgmmWarning, match="air or in vacuum"):
        fit = lines.fit_lines(x * u.AA, flux, err, groups=lines.Group("Ha", [HA * u.AA], z=0.01), lsf=LSF_KMS)
    assert any("air" in remark for remark in fit.header.remarks)
    stated = lines.fit_lines(x * u.AA, flux, err, groups=in_air, lsf=LSF_KMS)
    assert stated.velocity[0] == fit.velocity[0]
    assert "in air" in repr(stated)
    with pytest.raises(InputError, match="different media"):
        lines.fit_lines(lines.Spectrum(x * u.AA, flux, err, medium="vacuum"), groups=in_air, lsf=LSF_KMS)


def test_pixels_without_a_row_of_the_resolution_matrix_are_left_out():
    """Rows of zeros or NaN are of pixels without data: a model without a line there would be compared with one."""
    x, flux, err = spectrum()
    rows = np.exp(-0.5 * ((x[:, None] - x) / 1.1) ** 2)
    rows /= rows.sum(axis=1, keepdims=True)
    empty = np.abs(x - HA * 1.01) < 2.0
    masked = lines.fit_lines(x, flux, err, mask=empty, groups=group(), lsf=lines.LSF(matrix=rows, includes_pixel=False))
    rows[empty] = np.where(np.arange(x.size) % 2, 0.0, np.nan)
    without = lines.fit_lines(x, flux, err, groups=group(), lsf=lines.LSF(matrix=rows, includes_pixel=False))
    assert without.intrinsic_variance[0] == masked.intrinsic_variance[0]
    assert f"{empty.sum()} masked pixels left out" in without.header.remarks
    rows[:] = 0.0
    with pytest.raises(InputError, match="no pixel is left"):
        lines.fit_lines(x, flux, err, groups=group(), lsf=lines.LSF(matrix=rows, includes_pixel=False))


def test_a_fit_that_reached_no_maximum_warns(monkeypatch):
    """Of one spectrum; of many, the table says so."""
    monkeypatch.setattr(LineFit, "converged", False)
    with pytest.warns(ConvergenceWarning, match="did not reach a maximum") as caught:
        lines.fit_lines(*spectrum(), groups=group(), lsf=LSF)
    assert caught[0].filename == __file__


def test_what_is_no_other_fit_or_no_margin_is_refused(fit):
    with pytest.raises(InputError, match="`simpler` is of type NoneType"):
        fit.compare(None)
    for margin in (-1, np.nan, "wide"):
        with pytest.raises(InputError, match="`margin`"):
            fit.curves(margin)


def of_pixels():
    return lines.fit_lines(*spectrum(), groups=group(), lsf=lines.LSF(sigma=1.1, includes_pixel=False, error=0.05))


def of_correlated_pixels():
    x, flux, err = spectrum()
    return lines.fit_lines(x, flux, covariance=np.stack([err**2, 0.3 * err**2]), groups=group(), lsf=LSF)


def through_a_matrix():
    x, flux, err = spectrum()
    rows = np.exp(-0.5 * ((x[:, None] - x) / 1.1) ** 2)
    matrix = lines.LSF(matrix=rows / rows.sum(axis=1, keepdims=True), includes_pixel=False)
    return lines.fit_lines(lines.Spectrum(x, flux, err, lsf=matrix), groups=group())


def of_counts(response=None):
    rng = np.random.default_rng(4)
    counts, edges = np.histogram(6600 + 3.5 * rng.normal(size=500), np.arange(6570.0, 6630.5, 1.0))
    lsf = lines.LSF(sigma=2.0, includes_pixel=False)
    options = {"groups": lines.Group("Fe", [6600.0]), "lsf": lsf, "background": 0, "response": response}
    return lines.fit_counts(edges, counts, **options)


def through_a_response():
    return of_counts(np.eye(60))


def of_events():
    x = 6600 + 3.5 * np.random.default_rng(4).normal(size=500)
    return lines.fit_events(x, sigma=2.0, groups=lines.Group("Fe", [6600.0]))


@pytest.mark.parametrize(
    "fitted", [of_pixels, of_correlated_pixels, through_a_matrix, of_counts, through_a_response, of_events]
)
def test_fits_can_be_kept_with_pickle(fitted):
    """Also after intervals were asked for; and the copy still computes."""
    fit = fitted()
    text = repr(fit.report())
    copy = pickle.loads(pickle.dumps(fit))
    assert repr(copy.report()) == text
    assert copy.upper_limit(0.9) == fit.upper_limit(0.9)


def test_the_report_says_what_is_assumed_and_found(fit):
    text = repr(fit.report())
    for part in ("sigma = 1.1", "chi-squared", "optical convention", "ionised", "NII", "p-value", "limit"):
        assert part in text


def test_widths_go_to_the_population(fit):
    widths = fit.to_widths()
    assert widths.intrinsic_variance[0] == pytest.approx(fit.intrinsic_variance[0])
    assert widths.intrinsic_variance_error[0] == pytest.approx(fit.intrinsic_variance_error[0])
    many = [lines.fit_lines(*spectrum(seed), groups=group(), lsf=LSF).to_widths() for seed in range(3)]
    assert all(each.is_limit[0] == np.False_ for each in many)


def test_spectra_of_a_source_need_not_reach_every_window():
    """As the cameras of a spectrograph: each window is fitted where there are pixels."""
    x, flux, err = spectrum(n=120)
    red, blue, other = slice(60, None), slice(None, 60), np.linspace(5000, 5100, 50)
    ends = [(x[5], x[55]), (x[65], x[115])]
    whole = lines.fit_lines(x, flux, err, groups=group(), lsf=LSF, windows=ends)
    cameras = [lines.Spectrum(x[part], flux[part], err[part]) for part in (blue, red)]
    far = lines.Spectrum(other, np.ones(50), np.ones(50))
    parts = lines.fit_lines([far, *cameras], groups=group(), lsf=LSF, windows=ends)
    np.testing.assert_allclose(parts.intrinsic_variance, whole.intrinsic_variance, rtol=1e-6)
    assert parts.goodness.dof == whole.goodness.dof
    assert "1 of 3 spectra have no pixels in the windows" in repr(parts)
    with pytest.raises(InputError, match="the window from 7000 to 7100 has no pixels"):
        lines.fit_lines([far, *cameras], groups=group(), lsf=LSF, windows=[*ends, (7000.0, 7100.0)])
