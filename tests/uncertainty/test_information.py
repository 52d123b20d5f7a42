"""Standard errors against published numbers, closed forms and simulation."""

import numpy as np
import pytest

from xdgmm import DegenerateError, GaussianMixture, InputError, Observations, datasets
from xdgmm.fitting import fit
from xdgmm.uncertainty import laplace, parameter_errors


def column(table, name):
    return np.asarray(getattr(table[name], "value", table[name]), dtype=float)


def fitted(observations, n_components=1):
    return fit(observations, n_components, rng=0).mixture


@pytest.fixture(scope="module")
def bcg():
    table = datasets.load("bcg")
    return Observations.with_standard_errors(column(table, "y"), np.sqrt(column(table, "var_y")))


@pytest.mark.parametrize(
    ("information", "mean", "variance"),
    # Viechtbauer's published ML standard error of tau^2 is 0.1443 (expected information).
    [("expected", 0.171897, 0.1443), ("observed", 0.172650, 0.146473)],
)
def test_bcg_standard_errors_are_the_published_ones(bcg, information, mean, variance):
    errors = parameter_errors(fitted(bcg), bcg, information)
    assert errors.means[0, 0] == pytest.approx(mean, abs=6e-7)
    # The published digits end at the fourth or sixth place.
    assert errors.variances[0, 0] == pytest.approx(variance, abs=6e-5 if information == "expected" else 6e-7)


def test_eight_schools_mean_has_the_error_of_a_common_mean():
    table = datasets.load("eight_schools")
    y, e = column(table, "y"), column(table, "e_y")
    schools = Observations.with_standard_errors(y, e)
    for information in ("observed", "expected"):
        errors = parameter_errors(fitted(schools), schools, information)
        assert errors.means[0, 0] == pytest.approx(np.sum(e**-2.0) ** -0.5, rel=1e-9)
        assert errors.singular.tolist() == [1]
        assert np.isinf(errors.sigmas[0, 0])


def test_berkey_expected_errors_are_the_published_ones():
    table = datasets.load("berkey")
    S = np.array(
        [[column(table, "var_pd"), column(table, "cov_pd_al")], [column(table, "cov_pd_al"), column(table, "var_al")]]
    )
    observations = Observations.with_covariances(
        np.stack([column(table, "pd"), column(table, "al")], 1), S.transpose(2, 0, 1)
    )
    errors = parameter_errors(fitted(observations), observations, "expected")
    assert errors.means[0] == pytest.approx([0.0495, 0.0798], abs=5.1e-5)


@pytest.mark.parametrize(
    ("name", "error", "mean", "expected", "observed"),
    [
        ("B", "e_B", 0.195975, 0.248734, 0.251536),
        ("H", "e_H", 0.292433, 0.540842, 0.541182),
        ("logW20", "e_logW20", 0.025155, 0.004090, 0.004171),
    ],
)
def test_tully_fisher_columns_have_their_standard_errors(name, error, mean, expected, observed):
    table = datasets.load("tully_fisher")
    y, e = column(table, name), column(table, error)
    seen = np.isfinite(y)
    observations = Observations.with_standard_errors(y[seen], e[seen])
    mixture = fitted(observations)
    of_expected = parameter_errors(mixture, observations, "expected")
    assert of_expected.means[0, 0] == pytest.approx(mean, abs=6e-7)
    assert of_expected.variances[0, 0] == pytest.approx(expected, abs=6e-7)
    assert parameter_errors(mixture, observations).variances[0, 0] == pytest.approx(observed, abs=6e-7)


def test_exact_values_give_the_textbook_errors_of_mean_and_variance():
    x = np.random.default_rng(1).normal(5, 2, 400)
    errors = parameter_errors(fitted(Observations.exact(x)), Observations.exact(x))
    variance = x.var()
    # Closed forms; the differences of the gradient are good to about 1e-8.
    assert errors.means[0, 0] == pytest.approx(np.sqrt(variance / x.size), rel=1e-6)
    assert errors.variances[0, 0] == pytest.approx(variance * np.sqrt(2 / x.size), rel=1e-6)
    assert errors.sigmas[0, 0] == pytest.approx(np.sqrt(variance / (2 * x.size)), rel=1e-6)


def numerical_hessian(function, point, steps):
    n = len(point)
    result = np.empty((n, n))
    for i in range(n):
        for j in range(n):
            total = 0.0
            for a, b in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
                moved = point.copy()
                moved[i] += a * steps[i]
                moved[j] += b * steps[j]
                total += a * b * function(moved)
            result[i, j] = total / (4 * steps[i] * steps[j])
    return result


def test_two_components_agree_with_the_hessian_of_a_likelihood_written_from_scratch():
    rng = np.random.default_rng(7)
    e = rng.uniform(0.2, 1.0, 600)
    x = np.where(rng.random(600) < 0.3, rng.normal(0, 1, 600), rng.normal(5, 1.5, 600)) + e * rng.normal(size=600)
    observations = Observations.with_standard_errors(x, e)
    mixture = fitted(observations, 2)
    errors = parameter_errors(mixture, observations)

    def log_likelihood(p):
        total = 0.0
        for weight, mean, variance in ((p[0], p[1], p[3]), (1 - p[0], p[2], p[4])):
            T = variance + e**2
            total = total + weight * np.exp(-0.5 * (x - mean) ** 2 / T) / np.sqrt(2 * np.pi * T)
        return np.log(total).sum()

    point = np.r_[mixture.weights[0], mixture.means[:, 0], mixture.covariances[:, 0, 0]]
    covariance = np.linalg.inv(-numerical_hessian(log_likelihood, point, np.full(5, 1e-3)))
    # Second differences with step 1e-3 are good to a few times 1e-6 relative.
    ours = np.r_[errors.weights[0], errors.means[:, 0], errors.variances[:, 0]]
    assert ours == pytest.approx(np.sqrt(np.diag(covariance)), rel=1e-4)
    order = [0, 2, 3, 4, 5]  # weights (2), means (2), variances (2): the second weight is one minus the first
    assert errors.covariance[np.ix_(order, order)] == pytest.approx(covariance, rel=1e-3, abs=1e-8)


def test_observed_information_agrees_with_the_expected_one_for_many_objects():
    rng = np.random.default_rng(3)
    N = 20_000
    A = rng.normal(size=(N, 2, 3))
    S = A @ A.transpose(0, 2, 1) / 3
    V = np.array([[2.0, 0.7], [0.7, 1.0]])
    x = np.einsum("nij,nj->ni", np.linalg.cholesky(S + V), rng.normal(size=(N, 2)))
    observations = Observations.with_covariances(x, S)
    mixture = fitted(observations)
    one, other = (parameter_errors(mixture, observations, kind) for kind in ("observed", "expected"))
    # They differ by O(1/sqrt(N)) relative.
    assert one.variances == pytest.approx(other.variances, rel=5 / np.sqrt(N))
    assert one.means == pytest.approx(other.means, rel=5 / np.sqrt(N))


def test_errors_follow_the_units_of_the_data(bcg):
    scaled = Observations.with_standard_errors(bcg.values * 1e6 + 3e6, bcg.noise * 1e6)
    errors = parameter_errors(fitted(scaled), scaled)
    assert errors.means == pytest.approx(1e6 * parameter_errors(fitted(bcg), bcg).means, rel=1e-6)


def test_weights_count_as_repeated_rows(bcg):
    weights = np.arange(1, 14)
    weighted = Observations.with_standard_errors(bcg.values, bcg.noise, weights=weights)
    repeated = Observations.with_standard_errors(np.repeat(bcg.values, weights, 0), np.repeat(bcg.noise, weights, 0))
    for kind in ("observed", "expected"):
        one = parameter_errors(fitted(weighted), weighted, kind)
        other = parameter_errors(fitted(repeated), repeated, kind)
        assert one.variances == pytest.approx(other.variances, rel=1e-6)


def test_a_singular_covariance_gets_errors_of_the_directions_that_remain():
    table = datasets.load("tully_fisher")
    x = np.stack([column(table, "logW20"), column(table, "H")], 1)
    e = np.stack([column(table, "e_logW20"), column(table, "e_H")], 1)
    seen = np.isfinite(x).all(axis=1)
    observations = Observations.with_standard_errors(x[seen], e[seen])
    mixture = fitted(observations)
    errors = parameter_errors(mixture, observations)
    assert errors.singular.tolist() == [1]
    assert np.isfinite(errors.variances).all()
    V = mixture.covariances[0]
    slope = np.sqrt(V[1, 1] / V[0, 0])
    # On a line V11 = s^2 V00: d slope / slope = (dV11 / V11 - dV00 / V00) / 2, by the delta method.
    gradient = np.zeros(errors.covariance.shape[0])
    gradient[[3, 5]] = -0.5 * slope / V[0, 0], 0.5 * slope / V[1, 1]
    # Bovy et al. 2011 give 11.03 +- 0.75 by a jackknife of 20 galaxies, itself uncertain by 16%: 2 sigma.
    assert np.sqrt(gradient @ errors.covariance @ gradient) == pytest.approx(0.75, rel=0.35)


@pytest.mark.parametrize(
    ("information", "sentence"), [("magic", "`information` is 'magic'"), ("expected", "one component")]
)
def test_what_cannot_be_asked_for_is_refused(bcg, information, sentence):
    with pytest.raises(InputError, match=sentence):
        parameter_errors(fitted(bcg, 2), bcg, information)


@pytest.mark.parametrize("spread", [0.0, 1e-16, 1e-13, 1e-10, 1e-6])
def test_values_closer_together_than_any_error_leave_the_error_of_their_mean(spread):
    values = 1.0 + spread * np.random.default_rng(0).normal(size=19)
    observations = Observations.with_standard_errors(values, 0.1)
    errors = parameter_errors(fit(observations).mixture, observations)
    assert errors.means[0, 0] == pytest.approx(0.1 / np.sqrt(19), rel=1e-6)


def test_a_component_without_width_beside_exact_values_is_refused():
    mixture = GaussianMixture([0.5, 0.5], [[0.0], [3.0]], [[[0.0]], [[1.0]]])
    values = np.random.default_rng(0).normal(size=60)
    with pytest.raises(DegenerateError, match="no width in a direction in which values have no noise"):
        laplace(mixture, Observations.exact(values))
    laplace(mixture, Observations.with_standard_errors(values, 0.5))  # with noise there is a likelihood
