"""Reports of Student-t components: scale, half-width of 68%, full width and dof, each with its interval."""

import numpy as np
import pytest
from astropy.table import QTable
from scipy.integrate import quad
from scipy.stats import t as student

from xdgmm import XDGMM, GaussianMixture, InputError, Observations
from xdgmm.mixture.families import fwhm_factors, half_width_factors
from xdgmm.uncertainty import function_interval, gaussian_deficit, profile_interval, width_limit

ONE = GaussianMixture([1.0], [[3.0]], [[[4.0]]], names=["v"], units="km/s", dof=3.0)
TWO = GaussianMixture(
    [0.6, 0.4], [[0.0, 0.0], [9.0, 1.0]], [[[1.0, 0.2], [0.2, 0.5]], np.diag([2.0, 1.0])], dof=[3.0, np.inf]
)


def observed(mixture, n, seed, error=0.5):
    rng = np.random.default_rng(seed)
    errors = error * rng.uniform(0.5, 1.5, (n, mixture.n_dimensions))
    values = mixture.sample(n, rng)[0] + errors * rng.normal(size=errors.shape)
    return Observations.with_standard_errors(values, errors, names=mixture.names, units=mixture.units)


def test_factors_of_the_scale_are_those_of_the_distribution():
    dof = np.array([1.0, 3.0, 50.0, np.inf])
    for nu, half, full in zip(dof[:3], half_width_factors(dof), fwhm_factors(dof), strict=False):
        assert quad(student(nu).pdf, -half, half)[0] == pytest.approx(0.6826895, rel=1e-6)
        assert student(nu).pdf(full / 2) == pytest.approx(student(nu).pdf(0) / 2, rel=1e-10)
    assert half_width_factors(dof)[3] == 1.0
    assert fwhm_factors(dof)[3] == pytest.approx(2.3548200, rel=1e-7)


def test_a_report_holds_scale_half_width_and_dof():
    observations = observed(ONE, 400, 1)
    model = XDGMM(family="t").fit(observations)
    row = model.widths(observations)[0]
    mixture, nu = model.mixture_, model.dof_[0]
    assert row["sigma"].value == pytest.approx(mixture.sigmas[0, 0])
    assert row["half_width"].value == pytest.approx(mixture.sigmas[0, 0] * student.ppf(0.8413447, nu), rel=1e-6)
    assert row["dof"] == pytest.approx(nu)
    assert row["fwhm"].value == pytest.approx(mixture.sigmas[0, 0] * fwhm_factors(nu), rel=1e-12)
    assert row["dof_low"] < nu < row["dof_high"]
    # interval symmetric in 1 / dof, with the error of that
    assert 1 / row["dof_low"] - 1 / nu == pytest.approx(1 / nu - 1 / row["dof_high"], rel=1e-6)
    # the half-width is better known than the scale, which the tails are traded for
    assert row["half_width_error"] < row["sigma_error"] * row["half_width"] / row["sigma"]


def test_a_report_prints_and_writes_the_new_columns(tmp_path):
    observations = observed(TWO, 600, 2)
    model = XDGMM(2, family="t", random_state=1).fit(observations)
    report = model.widths(observations)
    text = " ".join(str(report).split())
    assert "half-width" in text
    assert "Gaussian" in text
    assert "component 1 is indistinguishable from a Gaussian" in text
    assert r"Half-width (68\%) & dof" in report.to_latex()
    assert "68% half-width" in report.summary()
    assert "dof Gaussian" in report.summary()
    report.write(tmp_path / "widths.ecsv")
    read = QTable.read(tmp_path / "widths.ecsv")
    np.testing.assert_allclose(read["half_width"].value, report["half_width"].value)
    assert np.isinf(read["dof"][2])


def test_a_report_of_gaussians_has_no_such_columns():
    report = XDGMM().fit([1.0, 2.0, 4.0, 5.0], Xerr=0.1).widths([1.0, 2.0, 4.0, 5.0], Xerr=0.1)
    assert not {"dof", "half_width"} & set(report.colnames)
    with pytest.raises(InputError, match="`columns`"):
        report.to_latex(columns=["dof"])


def test_the_profile_gives_intervals_of_all():
    observations = observed(ONE, 200, 3)
    model = XDGMM(family="t").fit(observations)
    row = model.widths(observations, method="profile")[0]
    expected = function_interval(
        lambda m: m.half_widths[0, 0], model.mixture_, observations, model=model.result_.model, within=(0.0, np.inf)
    )
    assert row["half_width_low"].value == pytest.approx(expected.low, rel=1e-6)
    assert row["dof_low"] < model.dof_[0] < row["dof_high"]
    sigma = profile_interval(model.mixture_, observations, 0, 0)
    assert row["sigma_high"].value == pytest.approx(sigma.high, rel=1e-6)


@pytest.mark.parametrize("method", ["sandwich", "bootstrap"])
def test_other_errors_are_near_those_of_the_curvature(method):
    observations = observed(ONE, 600, 4)
    model = XDGMM(family="t").fit(observations)
    rows = [model.widths(observations, method=each, rng=1)[0] for each in ("information", method)]
    for name in ("sigma_error", "half_width_error"):
        assert rows[1][name].value == pytest.approx(rows[0][name].value, rel=0.3)


def test_a_width_of_zero_has_a_limit_beside_free_dof():
    rng = np.random.default_rng(5)
    observations = Observations.with_standard_errors(rng.normal(size=80), 1.0)
    model = XDGMM(family="t").fit(observations)
    limit = width_limit(model.mixture_, observations, 0, 0)
    assert limit.consistent_with_zero
    assert 0.2 < limit.upper < 1.0
    report = model.widths(observations)
    assert report["is_limit"][0]
    assert np.ma.is_masked(report["half_width_error"][0])


def test_the_deficit_of_a_gaussian_is_that_of_its_own_fit():
    observations = observed(ONE, 60, 6)
    of_t, of_gaussian = (XDGMM(family=family).fit(observations) for family in ("t", "gaussian"))
    expected = of_t.result_.log_likelihood - of_gaussian.result_.log_likelihood
    assert gaussian_deficit(of_t.mixture_, observations, 0) == pytest.approx(expected, abs=1e-4)


def test_what_cannot_be_told_from_a_gaussian_says_so():
    gaussian = GaussianMixture([1.0], [[0.0]], [[[4.0]]])
    for seed in range(20):
        observations = observed(gaussian, 100, seed)
        model = XDGMM(family="t").fit(observations)
        if np.isfinite(model.dof_[0]) and gaussian_deficit(model.mixture_, observations, 0) < 0.5:
            break
    assert np.isfinite(model.dof_[0])
    remarks = model.widths(observations).meta["remarks"]
    assert any("indistinguishable from a Gaussian, which is less likely by only" in each for each in remarks)


def test_velocities_scale_half_widths_too():
    from astropy import units as u

    motions = GaussianMixture([1.0], [[3.0]], [[[4.0]]], names=["pm"], units="mas/yr", dof=3.0)
    observations = observed(motions, 200, 7)
    model = XDGMM(family="t").fit(observations)
    plain, velocity = model.widths(observations)[0], model.widths(observations, distance=10 * u.kpc)[0]
    factor = velocity["sigma"].value / plain["sigma"].value
    for name in ("half_width", "fwhm", "half_width_error"):
        assert velocity[name].value == pytest.approx(factor * plain[name].value, rel=1e-9)
    assert velocity["dof"] == plain["dof"]


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say():
    """200 samples of 300 objects: 68% and 95% within three binomial errors, of scale, half-width and dof."""
    truth = GaussianMixture([1.0], [[0.0]], [[[1.0]]], dof=4.0)
    held = {name: np.zeros(2) for name in ("sigma", "half_width", "dof")}
    expected = {"sigma": 1.0, "half_width": truth.half_widths[0, 0], "dof": 4.0}
    n = 200
    for seed in range(n):
        observations = observed(truth, 300, seed)
        model = XDGMM(family="t").fit(observations)
        for place, level in enumerate((0.6827, 0.95)):
            row = model.widths(observations, level=level)[0]
            for name, value in expected.items():
                held[name][place] += row[f"{name}_low"] <= value <= row[f"{name}_high"]
    for name, counts in held.items():
        for count, level in zip(counts, (0.6827, 0.95), strict=True):
            assert abs(count / n - level) < 3 * np.sqrt(level * (1 - level) / n) + 0.01, name
