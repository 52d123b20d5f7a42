"""Probabilities of noisy boxes are those of numerical integration, and so are slopes, moments and draws."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.special import log_ndtr, logsumexp, ndtr
from scipy.stats import kstest, multivariate_normal, norm

from xdgmm.kernels import Correlated, Exact, Independent
from xdgmm.mixture import TruncatedNormals, noisy_boxes

LOW, HIGH = np.array([-1.0, -1.5]), np.array([1.5, 1.0])
NODES, WEIGHTS = np.polynomial.legendre.leggauss(6)


def random_pairs(seed, N, farthest=4.0):
    """Values (N, 2) and strongly to weakly correlated covariances of errors from 0.1 to 2 (the box is 2.5 wide)."""
    rng = np.random.default_rng(seed)
    values, sigmas = rng.uniform(-farthest, farthest, (N, 2)), 10 ** rng.uniform(-1.0, 0.3, (N, 2))
    rho = rng.choice([-1, 1], N) * (1 - 10 ** rng.uniform(-4, 0, N))
    return values, covariances_of(sigmas, rho)


def covariances_of(sigmas, rho):
    S = sigmas[:, :, None] * sigmas[:, None]
    S[:, 0, 1] *= rho
    S[:, 1, 0] *= rho
    return S


def fine_grid(low, high, n=40_000):
    """Nodes and weights of six points on each of n panels."""
    ends = np.linspace(low, high, n + 1)
    lengths = np.diff(ends)[:, None]
    return (ends[:-1, None] + 0.5 * lengths * (NODES + 1)).ravel(), (0.5 * lengths * WEIGHTS).ravel()


def on_grid(w, S, low, high):
    """Points of the first coordinate, log of their weights, and the interval of the second one given them."""
    x, weights = fine_grid(low[0], high[0])
    mean = w[1] + S[0, 1] / S[0, 0] * (x - w[0])
    sigma = np.sqrt(S[1, 1] - S[0, 1] ** 2 / S[0, 0])
    a, b = (low[1] - mean) / sigma, (high[1] - mean) / sigma
    flipped = a > 0
    lower, upper = np.where(flipped, -b, a), np.where(flipped, -a, b)
    of_second = log_ndtr(upper) + np.log1p(-np.exp(log_ndtr(lower) - log_ndtr(upper)))
    return x, np.log(weights) + norm.logpdf(x, w[0], np.sqrt(S[0, 0])) + of_second, mean, sigma


def differences(function, x, step):
    """Central differences (N, M) of a function of arrays (M,) or (N, M)."""
    columns = [(function(x + step * e) - function(x - step * e)) / (2 * step) for e in np.eye(x.shape[-1])]
    return np.stack(columns, axis=-1)


def test_one_column_has_the_difference_of_two_normal_distributions():
    rng = np.random.default_rng(1)
    w, e = rng.uniform(-3, 3, (200, 1)), 10 ** rng.uniform(-1, 1, (200, 1))
    found = noisy_boxes.log_probabilities(w, Independent(e), LOW[:1], HIGH[:1])
    a, b = ((edge - w[:, 0]) / e[:, 0] for edge in (LOW[0], HIGH[0]))
    # on the side where nothing cancels
    expected = np.where(a > 0, ndtr(-a) - ndtr(-b), ndtr(b) - ndtr(a))
    assert_allclose(np.exp(found), expected, rtol=1e-11)


@pytest.mark.parametrize(("a", "b"), [(30.0, 30.1), (-200.0, -199.0), (5.0, np.inf), (-1e-4, 2e-4), (40.0, 40.0001)])
def test_intervals_far_out_and_narrow_ones_lose_no_digits(a, b):
    mode = min(max(0.0, a), b)
    last = min(b, mode + 10.0)
    first = max(a, mode - 10.0)

    def integral(power, centre=0.0):
        def integrand(x):
            return (x - centre) ** power * np.exp(-0.5 * (x - mode) * (x + mode))

        return quad(integrand, first, last, epsabs=0, epsrel=1e-12, limit=200, points=[first + (last - first) / 50])[0]

    total = integral(0)
    found = noisy_boxes.log_interval(np.array([a]), np.array([b]))[0]
    assert found == pytest.approx(np.log(total) - 0.5 * mode**2 - 0.5 * np.log(2 * np.pi), abs=1e-10)
    mean, variance = noisy_boxes.interval_moments(np.array([a]), np.array([b]))
    assert mean[0] == pytest.approx(mode + integral(1, mode) / total, rel=1e-10)
    assert variance[0] == pytest.approx(integral(2, mean[0]) / total, rel=1e-8)


def test_independent_columns_have_the_product():
    rng = np.random.default_rng(2)
    w, e = rng.uniform(-2, 2, (50, 2)), rng.uniform(0.1, 2.0, (50, 2))
    found = noisy_boxes.log_probabilities(w, Independent(e), LOW, HIGH)
    columns = [noisy_boxes.log_probabilities(w[:, [i]], Independent(e[:, [i]]), LOW[i], HIGH[i]) for i in range(2)]
    assert_allclose(found, sum(columns), rtol=1e-13, atol=1e-15)
    diagonal = Correlated(e[:, :, None] ** 2 * np.eye(2))
    assert_allclose(noisy_boxes.log_probabilities(w, diagonal, LOW, HIGH), found, rtol=1e-13, atol=1e-15)


def test_two_correlated_columns_have_the_integral_of_a_fine_grid():
    values, S = random_pairs(3, 60)
    found = noisy_boxes.log_probabilities(values, Correlated(S), LOW, HIGH)
    expected = np.array([logsumexp(on_grid(w, each, LOW, HIGH)[1]) for w, each in zip(values, S, strict=True)])
    resolved = expected > -200  # farther out the grid does not resolve the integrand
    assert resolved.sum() > 40
    assert expected[resolved].min() < -50
    assert_allclose(found[resolved], expected[resolved], rtol=0, atol=1e-9)
    assert np.isfinite(found).all()


def test_three_correlated_columns_have_the_integral_of_scipy():
    rng = np.random.default_rng(4)
    A = rng.standard_normal((12, 3, 3))
    S, w = 0.3 * A @ A.transpose(0, 2, 1) + 0.05 * np.eye(3), rng.uniform(-1.5, 1.5, (12, 3))
    low, high = np.array([-1.0, -1.5, -1.0]), np.array([1.5, 1.0, 2.0])
    found = noisy_boxes.log_probabilities(w, Correlated(S), low, high)
    # SciPy's rule is random, with this error
    settings = {"abseps": 1e-7, "releps": 1e-6, "maxpts": 1_000_000, "seed": 1}
    expected = [multivariate_normal(m, V, **settings).cdf(high, lower_limit=low) for m, V in zip(w, S, strict=True)]
    assert_allclose(np.exp(found), expected, rtol=2e-4)


def test_a_column_far_from_its_edges_drops_out():
    w, S = np.array([[1.0, 0.0]]), covariances_of(np.array([[0.3, 0.1]]), np.array([0.9]))
    found = noisy_boxes.log_probabilities(w, Correlated(S), LOW, HIGH)
    alone = noisy_boxes.log_probabilities(w[:, :1], Independent(np.array([[0.3]])), LOW[0], HIGH[0])
    assert_allclose(found, alone, rtol=1e-14)


def test_an_object_far_outside_in_one_column_may_leave_the_box_in_another():
    """Given that its first value lies in the box, 20 standard errors away, the second one lies 18 away from its own."""
    w, S = np.array([[3.5, 0.0]]), covariances_of(np.array([[0.1, 0.1]]), np.array([0.9]))
    found = noisy_boxes.log_probabilities(w, Correlated(S), LOW, HIGH)[0]
    assert found == pytest.approx(logsumexp(on_grid(w[0], S[0], LOW, HIGH)[1]), abs=1e-8)
    alone = noisy_boxes.log_probabilities(w[:, :1], Independent(np.array([[0.1]])), LOW[0], HIGH[0])[0]
    assert found < alone - 10


def test_exact_and_missing_values_have_probability_one_in_the_box_and_zero_outside():
    values = np.array([[1.5, 0.0], [1.5000001, 0.0], [np.nan, 0.5], [np.nan, -2.0], [np.nan, np.nan]])
    expected = [0.0, -np.inf, 0.0, -np.inf, 0.0]
    for noise in (Exact(values.shape), Independent(np.zeros((5, 2))), Correlated(np.zeros((5, 2, 2)))):
        assert noisy_boxes.log_probabilities(values, noise, LOW, HIGH).tolist() == expected
        assert not np.any(noisy_boxes.slopes(values, noise, LOW, HIGH))
        outside = noisy_boxes.standard_errors_outside(values, noise, LOW, HIGH)
        assert outside.tolist() == [0.0, np.inf, 0.0, np.inf, 0.0]
    errors = np.full((5, 2), np.nan)
    errors[:, 1] = 0.5
    noisy = noisy_boxes.log_probabilities(values[2:3], Independent(errors[2:3]), LOW, HIGH)
    assert noisy[0] == pytest.approx(np.log(ndtr(1.0) - ndtr(-4.0)), rel=1e-13)


def test_one_exact_column_leaves_the_other_to_its_noise():
    S = np.array([[[0.0, 0.0], [0.0, 0.25]]])
    found = noisy_boxes.log_probabilities(np.array([[1.5, 1.0]]), Correlated(S), LOW, HIGH)
    assert found[0] == pytest.approx(np.log(0.5 - ndtr(-5.0)), rel=1e-13)


def test_without_scatter_across_their_line_two_columns_share_one_interval():
    """w2 - w1 has no error: of the first value only the part remains for which both lie in the box."""
    S = covariances_of(np.array([[0.5, 0.5]]), np.array([1.0]))
    found = noisy_boxes.log_probabilities(np.array([[0.2, 0.4]]), Correlated(S), LOW, HIGH)
    assert np.exp(found[0]) == pytest.approx(ndtr((0.8 - 0.2) / 0.5) - ndtr((-1.0 - 0.2) / 0.5), rel=1e-6)


@pytest.mark.parametrize("correlated", [False, True])
def test_slopes_are_differences_of_the_probability(correlated):
    values, S = random_pairs(5, 200, farthest=2.0)
    noise = Correlated(S) if correlated else Independent(np.sqrt(np.diagonal(S, axis1=1, axis2=2)))
    by_low, by_high = noisy_boxes.slopes(values, noise, LOW, HIGH)
    step = 1e-5
    expected_low = differences(lambda low: noisy_boxes.log_probabilities(values, noise, low, HIGH), LOW, step)
    expected_high = differences(lambda high: noisy_boxes.log_probabilities(values, noise, LOW, high), HIGH, step)
    for found, expected in ((by_low, expected_low), (by_high, expected_high)):
        # truncation h^2 f''' with f''' up to (slope)^3
        assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_moments_are_those_of_a_fine_grid():
    values, S = random_pairs(6, 12, farthest=2.0)
    means, covariances = noisy_boxes.moments(values, Correlated(S), LOW, HIGH)
    for w, noise, mean, covariance in zip(values, S, means, covariances, strict=True):
        x, log_weights, of_second, sigma = on_grid(w, noise, LOW, HIGH)
        weights = np.exp(log_weights - logsumexp(log_weights))
        y, variance = noisy_boxes.interval_moments((LOW[1] - of_second) / sigma, (HIGH[1] - of_second) / sigma)
        y, variance = of_second + sigma * y, sigma**2 * variance  # tested above
        expected = np.array([weights @ x, weights @ y])
        assert_allclose(mean, expected, rtol=0, atol=1e-8)
        d = np.stack([x, y]) - expected[:, None]
        assert_allclose(covariance, (weights * d) @ d.T + np.diag([0.0, weights @ variance]), rtol=0, atol=1e-8)


def test_means_are_the_score_of_the_probability():
    """Tweedie's formula, E[v | w] = w + S d ln P / dw: a second way to the means, of three columns too."""
    rng = np.random.default_rng(7)
    A = rng.standard_normal((20, 3, 3))
    S, w = 0.1 * A @ A.transpose(0, 2, 1) + 0.02 * np.eye(3), rng.uniform(-1.5, 1.5, (20, 3))
    S[:5, 0, 1:] = S[:5, 1:, 0] = 0.0
    w[5:8, 1] = np.nan
    low, high = np.array([-1.0, -1.5, -1.0]), np.array([1.5, 1.0, 2.0])
    noise = Correlated(S)
    means, covariances = noisy_boxes.moments(w, noise, low, high)
    seen = np.isfinite(w)
    score = -sum(noisy_boxes.slopes(w, noise, low, high))
    within = np.where(seen[:, :, None] & seen[:, None], S, 0.0)
    expected = np.where(seen, w + np.einsum("nij,nj->ni", within, score), 0.5 * (low + high))
    assert_allclose(means, expected, rtol=0, atol=2e-3)  # the lattice rule
    assert_allclose(means[:8], expected[:8], rtol=0, atol=1e-8)  # at most two correlated columns
    assert_allclose(np.diagonal(covariances, axis1=1, axis2=2)[5:8, 1], 2.5**2 / 12)
    assert (np.linalg.eigvalsh(covariances) > 0).all()


def test_draws_have_the_distribution_of_the_part_in_the_box():
    values, S = random_pairs(8, 6, farthest=2.0)
    values[3, 0] = np.nan
    noise = Correlated(S)
    drawn = noisy_boxes.draw(values, noise, LOW, HIGH, 2000, np.random.default_rng(9))
    assert ((drawn >= LOW) & (drawn <= HIGH)).all()
    truncated = TruncatedNormals(values, noise, LOW, HIGH)
    covariances = truncated.moments[1]
    for k in range(6):
        for i in range(2):
            if np.isnan(values[k, i]):
                assert kstest(drawn[k, :, i], "uniform", (LOW[i], HIGH[i] - LOW[i])).pvalue > 1e-3
                continue

            def below(x, k=k, i=i):
                return truncated[np.full(len(x), k)].distribution(i, x)[0]

            assert kstest(drawn[k, :, i], below).pvalue > 1e-3
        spread = np.sqrt(np.outer(np.diag(covariances[k]), np.diag(covariances[k])))
        assert_allclose((np.cov(drawn[k].T) - covariances[k]) / spread, 0.0, atol=0.15)  # at 4 standard errors


def test_the_distribution_is_the_integral_of_its_density():
    values, S = random_pairs(10, 7, farthest=2.0)
    truncated = TruncatedNormals(values, Correlated(S), LOW, HIGH)
    x, weights = fine_grid(LOW[0], HIGH[0], 300)
    for k in range(1, 7):  # the first one is narrower than the grid resolves
        of_one = truncated[np.full(len(x), k)]
        below, density = of_one.distribution(0, x)
        assert weights @ density == pytest.approx(1.0, abs=1e-6)
        half = 900
        step = below[half + 1] - below[half - 1]
        assert weights[:half] @ density[:half] == pytest.approx(below[half], abs=step + 1e-6)
        assert weights @ (x * density) == pytest.approx(truncated.moments[0][k, 0], abs=1e-6)
