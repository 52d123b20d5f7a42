"""Real measurements with answers found independently: published, or by general optimisers on the same numbers.

"Exact" values are maximum-likelihood solutions that two independent optimisers agree on, printed to the digits given
here; they are met to half a unit of the last digit.  Published values carry their own errors and are met within those.
"""

import csv

import numpy as np
import pytest
from scipy.optimize import minimize, minimize_scalar

from xdgmm import Observations, datasets
from xdgmm.fitting import fit
from xdgmm.tables import read_table


def column(table, name):
    return np.asarray(getattr(table[name], "value", table[name]))


def bundled(name, value, error):
    table = datasets.load(name)
    return Observations.with_standard_errors(column(table, value), column(table, error))


def neutron_stars(kind=""):
    table = datasets.load("neutron_stars")
    table = table[np.isfinite(table["m"]) & np.array([kind in row for row in table["type"]])]
    return Observations.with_standard_errors(table["m"], table["e_m"])


def dwarf_galaxy(folder, name):
    with (folder / "dwarf_galaxies" / f"walker2009_{name}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    v, error, member = (np.array([float(row[key]) for row in rows]) for key in ("v", "e_v", "p_mem"))
    return Observations.with_standard_errors(v, error, weights=member, units="km/s")


def half_a_unit(text):
    """The number that was printed, and the tolerance its last digit leaves."""
    decimals = len(text.partition(".")[2])
    return pytest.approx(float(text), abs=0.501 * 10.0**-decimals)


def independent_optimum(observations):
    """Mean, variance and lnL of one Gaussian in one dimension, by Brent's search over ln variance; V = 0 competes."""
    x, e2 = observations.values[observations.counts, 0], observations.variances[observations.counts, 0]
    w = observations.object_weights[observations.counts]

    def profile(variance):
        p = w / (variance + e2)
        mean = (p @ x) / p.sum()
        return mean, -0.5 * w @ (np.log(2 * np.pi * (variance + e2)) + (x - mean) ** 2 / (variance + e2))

    top = np.log(np.ptp(x) ** 2)
    found = minimize_scalar(lambda s: -profile(np.exp(s))[1], (top - 4, top - 2), options={"xtol": 1e-12})
    variance = max((0.0, np.exp(found.x)), key=lambda v: profile(v)[1])
    return profile(variance)[0], variance, profile(variance)[1]


ONE_DIMENSION = {
    "bcg": (("bcg", "y", "e_y"), "-0.711199", "0.2800281", "-12.66508"),
    "eight schools": (("eight_schools", "y", "e_y"), "7.6856", "0", "-29.67424"),
    "hydrus1": (("hydrus1", "v", "e_v"), "80.525735", None, "-79.3484699"),
    "neutron stars": (("neutron_stars", "m", "e_m"), None, None, "-2.5814"),
    "Tully-Fisher B": (("tully_fisher", "B", "e_B"), "-20.4111506138", None, None),
    "Tully-Fisher H": (("tully_fisher", "H", "e_H"), "-22.5507515362", None, None),
    "Tully-Fisher log W20": (("tully_fisher", "logW20", "e_logW20"), "2.5858068959", None, None),
}


@pytest.mark.parametrize("name", ONE_DIMENSION)
def test_one_dimension_has_the_exact_maximum(name):
    source, mean, variance, log_likelihood = ONE_DIMENSION[name]
    result = fit(bundled(*source))
    assert result.converged
    if mean is not None:
        assert result.mixture.means[0, 0] == half_a_unit(mean)
    if variance is not None:
        assert result.mixture.covariances[0, 0, 0] == half_a_unit(variance)
    if log_likelihood is not None:
        assert result.log_likelihood == half_a_unit(log_likelihood)


@pytest.mark.parametrize("name", ONE_DIMENSION)
def test_one_dimension_agrees_with_an_independent_optimiser(name):
    observations = bundled(*ONE_DIMENSION[name][0])
    mean, variance, log_likelihood = independent_optimum(observations)
    result = fit(observations)
    # Brent compares values of lnL, so its variance is good to the root of rounding, 1e-7 or so, lnL to rounding.
    assert result.mixture.means[0, 0] == pytest.approx(mean, rel=1e-6)
    assert result.mixture.covariances[0, 0, 0] == pytest.approx(variance, rel=1e-6)
    assert result.log_likelihood == pytest.approx(log_likelihood, abs=1e-10)


@pytest.mark.parametrize(
    ("band", "sigma", "per_galaxy"),
    [
        ("B", "0.8798686600", "-1.3176910672"),
        ("H", "1.3023177561", "-1.6876088062"),
        ("logW20", "0.1080338951", "0.7298732194"),
    ],
)
def test_one_column_of_tully_fisher_has_the_exact_width(band, sigma, per_galaxy):
    result = fit(bundled("tully_fisher", band, f"e_{band}"))
    # the tenth decimal of sigma needs a tolerance of 5e-11, reached because small problems end with Newton steps
    assert result.mixture.sigmas[0, 0] == half_a_unit(sigma)
    assert result.log_likelihood / result.n_objects == half_a_unit(per_galaxy)


def test_bcg_has_the_published_heterogeneity():
    result = fit(bundled("bcg", "y", "e_y"))
    assert result.mixture.covariances[0, 0, 0] == half_a_unit("0.2800")
    assert result.log_likelihood == half_a_unit("-12.6651")
    # mean and variance: two parameters, thirteen trials
    assert 2 * 2 - 2 * result.log_likelihood == half_a_unit("29.3302")
    assert 2 * np.log(13) - 2 * result.log_likelihood == half_a_unit("30.4601")


def test_eight_schools_have_no_heterogeneity_at_all():
    result = fit(bundled("eight_schools", "y", "e_y"))
    assert result.converged
    assert result.mixture.covariances[0, 0, 0] == 0.0
    assert result.singular.tolist() == [1]


def test_hydrus1_has_the_exact_and_the_published_dispersion():
    result = fit(bundled("hydrus1", "v", "e_v"))
    sigma = result.mixture.sigmas[0, 0]
    assert sigma == half_a_unit("2.7252541")
    # Koposov et al. 2018: 80.4 +- 0.6 and 2.69 +0.51 -0.43 km/s
    assert abs(result.mixture.means[0, 0] - 80.4) < 0.6
    assert 2.69 - 0.43 < sigma < 2.69 + 0.51


def test_berkey_has_the_exact_and_the_published_covariance():
    result = fit(Observations.from_table(datasets.load("berkey"), ["pd", "al"]))
    V = result.mixture.covariances[0]
    assert result.converged
    assert result.mixture.means[0, 0] == half_a_unit("0.3448392")
    assert result.mixture.means[0, 1] == half_a_unit("-0.3379381")
    assert V[0, 0] == half_a_unit("0.007002")
    assert V[0, 1] == half_a_unit("0.00946066")
    assert V[1, 1] == half_a_unit("0.02614452")
    assert result.log_likelihood == half_a_unit("5.84065688")
    # Berkey et al. 1998
    assert V[1, 1] == half_a_unit("0.0261")
    assert V[0, 1] / np.sqrt(V[0, 0] * V[1, 1]) == half_a_unit("0.6992")
    assert 2 * 5 - 2 * result.log_likelihood == half_a_unit("-1.6813")


# Sakai et al. 2000; Bovy et al. 2011: slope and zero point with jackknife errors; exact slope, zero point, lnL
TULLY_FISHER = {
    "B": ((-8.04, 0.63), (-19.77, 0.11), "-8.0474", "-19.7752", 5.0453825, 0),
    "V": ((-8.86, 0.57), (-20.33, 0.08), "-8.8718", "-20.3319", 9.2780419, 1),
    "R": ((-8.79, 0.50), (-20.64, 0.07), "-8.7861", "-20.6456", 8.9312070, 1),
    "I": ((-9.26, 0.57), (-21.12, 0.07), "-9.2452", "-21.1183", 7.2741819, 1),
    "H": ((-11.03, 0.75), (-21.73, 0.07), "-11.0482", "-21.7306", 4.9926727, 1),
}


def tully_fisher(band):
    """The galaxies that were measured in a band: log W20 and magnitude with their errors."""
    table = datasets.load("tully_fisher")
    values = np.stack([column(table, "logW20"), column(table, band)], axis=1)
    errors = np.stack([column(table, "e_logW20"), column(table, f"e_{band}")], axis=1)
    measured = np.isfinite(values).all(axis=1)
    return Observations.with_standard_errors(values[measured], errors[measured], names=["logW20", band])


@pytest.mark.parametrize("band", TULLY_FISHER)
def test_a_tully_fisher_band_has_the_exact_and_the_published_line(band):
    published_slope, published_zero, slope, zero, log_likelihood, singular = TULLY_FISHER[band]
    result = fit(tully_fisher(band))
    m, V = result.mixture.means[0], result.mixture.covariances[0]
    variances, axes = np.linalg.eigh(V)
    found = axes[1, 1] / axes[0, 1]
    found_zero = m[1] + found * (2.5 - m[0])
    assert result.converged
    assert found == half_a_unit(slope)
    assert found_zero == half_a_unit(zero)
    assert abs(found - published_slope[0]) < published_slope[1]
    assert abs(found_zero - published_zero[0]) < published_zero[1]
    # on either side: an indefinite covariance would reach above the maximum
    assert result.log_likelihood == pytest.approx(log_likelihood, abs=1e-6)
    assert result.singular.tolist() == [singular]
    # a matrix whose elements are rounded is positive semi-definite to a few units of rounding of the largest
    assert variances[0] >= -1e-15 * variances[1]
    if singular:
        assert variances[0] == pytest.approx(0.0, abs=1e-15 * variances[1])


@pytest.mark.parametrize("band", TULLY_FISHER)
def test_a_tully_fisher_band_agrees_with_an_independent_optimiser(band):
    observations = tully_fisher(band)
    x, S = observations.values, observations.noise_covariances
    centre, unit = x.mean(axis=0), x.std(axis=0)

    def minus_log_likelihood(parameters):
        root = np.array([[parameters[2], 0.0], [parameters[3], parameters[4]]]) * unit[:, None]
        T = root @ root.T + S
        d = x - centre - parameters[:2] * unit
        return 0.5 * np.sum(
            np.linalg.slogdet(2 * np.pi * T)[1] + np.einsum("ni,ni->n", d, np.linalg.solve(T, d[..., None])[..., 0])
        )

    best = min(
        minimize(minus_log_likelihood, start, method="BFGS", options={"gtol": 1e-9}).fun
        for start in ([0, 0, 1, -0.9, 0.3], [0, 0, 1, -0.9, 0.0])
    )
    # numerical derivatives, 1e-8 relative, leave the optimum of lnL far more exactly than 1e-7
    assert fit(observations).log_likelihood == pytest.approx(-best, abs=1e-7)


def test_two_populations_of_neutron_stars_are_found():
    result = fit(neutron_stars(), 2, rng=0)
    mixture = result.mixture
    low, high = np.argsort(mixture.means[:, 0])
    assert result.converged
    assert result.n_objects == 57
    assert result.log_likelihood == half_a_unit("7.5401")
    assert mixture.weights[low] == half_a_unit("0.7203")
    assert mixture.means[low, 0] == half_a_unit("1.3457")
    assert mixture.means[high, 0] == half_a_unit("1.7821")
    assert mixture.sigmas[low, 0] == half_a_unit("0.0784")
    assert mixture.sigmas[high, 0] == half_a_unit("0.1439")
    # Farr & Chatziioannou 2020 give posterior means under their priors; a maximum lies within two of their errors
    for found, published, error in (
        (mixture.means[low, 0], 1.352, 0.020),
        (mixture.sigmas[low, 0], 0.080, 0.017),
        (mixture.means[high, 0], 1.880, 0.224),
        (mixture.sigmas[high, 0], 0.300, 0.132),
    ):
        assert abs(found - published) < 2 * error


@pytest.mark.parametrize("seed", range(5))
def test_the_bic_chooses_two_populations_of_neutron_stars(seed):
    observations = neutron_stars()
    results = [fit(observations, K, rng=seed) for K in (1, 2, 3)]
    bic = [(3 * K - 1) * np.log(57) - 2 * result.log_likelihood for K, result in enumerate(results, start=1)]
    assert bic[1] == half_a_unit("5.14")
    assert np.argmin(bic) == 1
    # the best that is known for three, one of them a spike
    assert results[2].log_likelihood < 13.17394 + 1e-5
    # and no fit with more components is worse
    assert results[0].log_likelihood < results[1].log_likelihood < results[2].log_likelihood


def test_three_populations_of_neutron_stars_from_the_best_known_start():
    from xdgmm import GaussianMixture
    from xdgmm.fitting import Settings

    start = GaussianMixture(
        [0.1189, 0.5892, 0.2919], [[1.4398], [1.3216], [1.7721]], [[[1e-5]], [[0.06428**2]], [[0.14894**2]]]
    )
    result = fit(neutron_stars(), 3, Settings(start=start))
    assert result.converged
    assert result.log_likelihood == half_a_unit("13.17394")
    assert result.mixture.covariances[0, 0, 0] == 0.0
    assert result.singular.tolist() == [1, 0, 0]
    assert result.mixture.sigmas[1, 0] == half_a_unit("0.06428")
    assert result.mixture.sigmas[2, 0] == half_a_unit("0.14894")


@pytest.mark.parametrize("K", [2, 3])
def test_the_precise_masses_of_double_neutron_stars_leave_a_spike_that_is_reported(K):
    observations = neutron_stars("NS-NS")
    result = fit(observations, K, rng=0)
    assert observations.n_objects > 10
    assert np.isfinite(result.log_likelihood)
    assert result.converged
    assert result.singular.max() == 1
    assert result.mixture.covariances[result.singular == 1].max() == 0.0


@pytest.mark.parametrize(
    ("name", "mean", "sigma", "published_mean", "published_sigma"),
    [
        ("sculptor", "111.476", "9.179", (111.4, 0.1), (9.2, 1.1)),
        # The published mean of Carina, 222.9 +- 0.1, comes from a model that also removes perspective and
        # foreground; the weighted maximum on the same stars is elsewhere, so only the dispersion is compared.
        ("carina", "223.178", "6.652", None, (6.6, 1.2)),
    ],
)
def test_a_dwarf_galaxy_has_the_exact_and_the_published_dispersion(
    test_data, name, mean, sigma, published_mean, published_sigma
):
    observations = dwarf_galaxy(test_data, name)
    result = fit(observations)
    found_mean, found = result.mixture.means[0, 0], result.mixture.sigmas[0, 0]
    assert result.converged
    assert found_mean == half_a_unit(mean)
    assert found == half_a_unit(sigma)
    assert abs(found - published_sigma[0]) < published_sigma[1]
    if published_mean is not None:
        assert abs(found_mean - published_mean[0]) < published_mean[1]
    best_mean, best_variance, best = independent_optimum(observations)
    # six digits, as elsewhere; lnL of 5000 nats to rounding, which N additions lose
    assert found_mean == pytest.approx(best_mean, rel=1e-6)
    assert found == pytest.approx(np.sqrt(best_variance), rel=1e-6)
    assert result.log_likelihood == pytest.approx(best, abs=1e-8)


def test_praesepe_has_a_core_and_a_halo(test_data):
    praesepe = read_table(test_data / "praesepe" / "praesepe_gaia_dr2.csv")
    observations = Observations.from_table(praesepe, ["parallax", "pmra", "pmdec"])
    assert observations.remarks == (
        "errors of parallax, pmra, pmdec taken from X_error",
        "correlations taken from X_Y_corr",
    )
    result = fit(observations, 2, rng=0)
    core = np.argmin(result.mixture.sigmas[:, 0])
    assert result.converged
    assert result.mixture.weights[core] == half_a_unit("0.709")
    for found, expected in zip(result.mixture.means[core], ("5.3562", "-36.054", "-12.856"), strict=True):
        assert found == half_a_unit(expected)
    for found, expected in zip(result.mixture.sigmas[core], ("0.069", "0.935", "0.840"), strict=True):
        assert found == half_a_unit(expected)
    assert result.log_likelihood / len(observations) == half_a_unit("-2.5094063")
