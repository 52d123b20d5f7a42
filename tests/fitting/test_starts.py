"""Where fits start, how poor basins are left, and what is said of the components that result."""

import numpy as np
import pytest

from xdgmm import XDGMM, GaussianMixture, InputError, Observations
from xdgmm.fitting import Settings, expect, fit, search
from xdgmm.fitting.split_merge import examine, improve, split, split_and_merge


def three_in_a_row(N=1500, seed=0):
    """Two neighbours and one apart; the start puts two components on the one apart and one on the neighbours."""
    rng = np.random.default_rng(seed)
    centres = np.array([[-3.0, 0.0], [3.0, 0.0], [30.0, 0.0]])
    errors = rng.uniform(0.3, 1.0, (N, 2))
    values = centres[rng.integers(0, 3, N)] + rng.standard_normal((N, 2)) * np.sqrt(1 + errors**2)
    start = GaussianMixture(
        [1 / 3] * 3, [[0.0, 0.0], [29.5, 0.0], [30.5, 0.0]], [np.diag([10.0, 1.0]), np.eye(2), np.eye(2)]
    )
    return Observations.with_standard_errors(values, errors), start


def solver(observations):
    blocks = observations.pack()

    def solve(mixture):
        from xdgmm.fitting import solvers
        from xdgmm.fitting.objective import Objective

        solution = solvers.run("em", mixture, Objective(blocks, 60), 1e-3)
        return solution.statistics.log_likelihood, solution.mixture

    return solve


def test_split_and_merge_leaves_a_basin_that_em_cannot():
    observations, start = three_in_a_row()
    stuck = fit(observations, 3, Settings(start=start, solver="em"))
    assert sorted(stuck.mixture.means[:, 0])[1] > 20.0
    mixture, reached = improve(stuck.mixture, stuck.log_likelihood, observations, solver(observations))
    np.testing.assert_allclose(sorted(mixture.means[:, 0]), [-3.0, 3.0, 30.0], atol=0.2)
    assert reached > stuck.log_likelihood + 100.0
    assert reached == pytest.approx(expect(mixture, observations.pack()).log_likelihood, abs=1e-9)


def test_the_best_basin_is_left_alone():
    observations, _ = three_in_a_row()
    best = fit(observations, 3, rng=0)
    mixture, reached = improve(best.mixture, best.log_likelihood, observations, solver(observations))
    assert mixture is best.mixture
    assert reached == best.log_likelihood


def test_the_score_of_a_gaussian_is_standard_normal_whatever_the_noise():
    scores = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        errors = rng.uniform(0.0, 3.0, 300)
        values = rng.standard_normal(300) * np.sqrt(1 + errors**2)
        sample = Observations.with_standard_errors(values, errors)
        scores.append(examine(GaussianMixture([1.0], [[0.0]], [[[1.0]]]), sample)[1][0])
    # 200 draws: the mean is known to 0.07 and the deviation to 0.05 (fourth moments have heavy tails: allow thrice)
    assert abs(np.mean(scores)) < 0.25
    assert abs(np.std(scores) - 1.0) < 0.2


def test_two_humps_lower_the_score_and_nested_widths_raise_it():
    rng = np.random.default_rng(1)
    errors = np.full(4000, 0.5)
    humps = rng.choice([-2.0, 2.0], 4000) + rng.standard_normal(4000) * np.sqrt(1.25)
    nested = rng.choice([0.3, 3.0], 4000) * rng.standard_normal(4000) + errors * rng.standard_normal(4000)
    for values, sign in ((humps, -1), (nested, 1)):
        sample = Observations.with_standard_errors(values, errors)
        single = GaussianMixture([1.0], [[values.mean()]], [[[values.var() - 0.25]]])
        assert sign * examine(single, sample)[1][0] > 10.0


@pytest.mark.parametrize("score", [-1.0, 1.0])
def test_a_move_keeps_weights_and_valid_covariances(score):
    rng = np.random.default_rng(2)
    A = rng.standard_normal((4, 3, 3))
    mixture = GaussianMixture(rng.dirichlet(np.ones(4)), rng.standard_normal((4, 3)), A @ A.transpose(0, 2, 1))
    direction = np.linalg.eigh(mixture.covariances[3])[1][:, 0]
    moved = split_and_merge(mixture, 1, 0, 3, direction, score)
    assert moved.weights.sum() == pytest.approx(1.0, rel=1e-15)
    assert np.linalg.eigvalsh(moved.covariances).min() >= -1e-12
    # the merged pair has its joint mean and covariance
    pair = mixture.weights[[0, 1]] / mixture.weights[[0, 1]].sum()
    mean = pair @ mixture.means[[0, 1]]
    second = np.einsum("k,kij->ij", pair, mixture.covariances[:2]) + np.einsum(
        "k,ki,kj->ij", pair, mixture.means[:2] - mean, mixture.means[:2] - mean
    )
    np.testing.assert_allclose(moved.means[1], mean, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(moved.covariances[1], second, rtol=1e-12, atol=1e-14)
    if score < 0:  # splitting a mean keeps mean and covariance of the whole
        np.testing.assert_allclose(moved.means[[0, 3]].mean(axis=0), mixture.means[3], atol=1e-14)
        half = 0.5 * (moved.means[0] - moved.means[3])
        np.testing.assert_allclose(moved.covariances[0] + np.outer(half, half), mixture.covariances[3], atol=1e-12)


@pytest.mark.parametrize("init", ["kmeans++", "random"])
def test_every_kind_of_start_finds_the_three(init):
    observations, _ = three_in_a_row()
    model = XDGMM(3, init=init, random_state=0).fit(observations)
    np.testing.assert_allclose(sorted(model.means_[:, 0]), [-3.0, 3.0, 30.0], atol=0.2)


def test_labels_are_a_start():
    observations, _ = three_in_a_row()
    labels = np.digitize(observations.values[:, 0], [0.0, 15.0])
    model = XDGMM(3, init=labels).fit(observations)
    np.testing.assert_allclose(model.means_[:, 0], [-3.0, 3.0, 30.0], atol=0.2)  # in the order of the labels


@pytest.mark.parametrize(
    ("labels", "match"),
    [
        ([0, 1], "each of the 3 rows"),
        ([0.0, 1.0, 1.0], "whole numbers"),
        ([0, 2, 2], "label 1"),
        ([-1, 0, 1], "0 on"),
    ],
)
def test_labels_that_are_none_are_refused(labels, match):
    with pytest.raises(InputError, match=match):
        XDGMM(2, init=labels).fit([1.0, 2.0, 3.0], Xerr=0.5)


def test_many_objects_end_where_all_of_them_lead_and_few_passes_go_over_all():
    rng = np.random.default_rng(4)
    errors = rng.uniform(0.5, 3.0, 120_000)
    values = np.where(rng.random(120_000) < 0.3, -1.0, 2.0) + rng.standard_normal(120_000) * np.sqrt(1 + errors**2)
    observations = Observations.with_standard_errors(values, errors)
    result = fit(observations, 2, rng=0)
    straight = fit(observations, 2, Settings(solver="quasi-newton", start=result.mixture))
    assert result.converged
    assert result.log_likelihood == pytest.approx(straight.log_likelihood, abs=1e-6)
    assert result.history.size < 60


def test_effective_sizes_and_noise_ratios_are_those_of_the_members():
    # Two clusters far apart: responsibilities are 0 and 1, so counts and medians are those of the clusters.
    rng = np.random.default_rng(5)
    errors = np.concatenate([rng.uniform(1.0, 2.0, 30), rng.uniform(0.1, 0.2, 71)])
    values = np.concatenate([np.zeros(30), np.full(71, 1000.0)]) + np.sqrt(4 + errors**2) * rng.standard_normal(101)
    weights = rng.uniform(0.5, 2.0, 101)
    result = fit(Observations.with_standard_errors(values, errors, weights=weights), 2, rng=0)
    order = np.argsort(result.mixture.means[:, 0])
    for k, part in zip(order, (slice(30), slice(30, 101)), strict=True):
        w = weights[part]
        assert result.effective_sizes[k] == pytest.approx(w.sum() ** 2 / (w**2).sum(), rel=1e-9)
        ranked = np.argsort(errors[part])
        median = errors[part][ranked][np.searchsorted(np.cumsum(w[ranked]), 0.5 * w.sum())]
        assert result.noise_ratio[k, 0] == pytest.approx(median / result.mixture.sigmas[k, 0], rel=1e-9)
        assert result.smallest_eigenvalues[k] == pytest.approx(result.mixture.covariances[k, 0, 0])
    assert result.remarks == ()


def test_a_component_on_too_few_objects_is_remarked_upon():
    values = np.array([[0.0, 0.1], [0.3, -0.2], [-0.2, 0.0], [0.1, 0.3], [-0.3, -0.1], [50.0, 50.0]])
    result = fit(Observations.with_standard_errors(values, 0.2), 2, rng=0)
    assert any("effective sample size of 1.0" in remark for remark in result.remarks)


def test_errors_that_hide_the_width_are_remarked_upon():
    rng = np.random.default_rng(6)
    observations = Observations.with_standard_errors(rng.standard_normal(4000) * np.sqrt(1 + 25.0), 5.0, names="v")
    result = fit(observations)
    assert result.noise_ratio[0, 0] == pytest.approx(5.0 / result.mixture.sigmas[0, 0])
    assert result.singular[0] or any(
        "errors are more than 3 times the intrinsic width in v" in r for r in result.remarks
    )


@pytest.mark.parametrize("N", [7, 8])
def test_location_and_spread_count_weights_as_repeated_rows(N):
    rng = np.random.default_rng(N)
    for _ in range(30):
        values, errors = np.round(rng.standard_normal((N, 2)), 1), rng.uniform(0.1, 1.0, (N, 2))
        w = rng.integers(0, 4, N)
        w[0] += 1
        weighted = Observations.with_standard_errors(values, errors, weights=w)
        repeated = Observations.with_standard_errors(values.repeat(w, axis=0), errors.repeat(w, axis=0))
        for mine, its in zip(weighted.location_and_spread(), repeated.location_and_spread(), strict=True):
            np.testing.assert_allclose(mine, its, rtol=1e-14)  # standard deviations are summed in another order


def test_integer_weights_give_the_fit_of_repeated_rows():
    rng = np.random.default_rng(6)
    values, w = rng.uniform(size=(15, 8)), rng.integers(0, 5, 15)  # a different local maximum behind every start
    weighted, repeated = (
        XDGMM(2, random_state=0).fit(values, Xerr=0.2, sample_weight=w),
        XDGMM(2, random_state=0).fit(values.repeat(w, axis=0), Xerr=0.2),
    )
    np.testing.assert_allclose(weighted.means_, repeated.means_, rtol=1e-7)
    assert weighted.result_.log_likelihood == pytest.approx(repeated.result_.log_likelihood, rel=1e-12)


@pytest.mark.parametrize("kind", ["full", "spherical"])
def test_one_gaussian_is_at_the_highest_maximum_of_few_objects(kind):
    """One object is much better measured than the others: a maximum around it, and one around all of them."""
    X = np.array([[3.9, -0.39], [4.91, 0.38], [-7.72, -2.45], [3.51, 8.27], [np.nan, -4.01]])
    E = np.array([[0.1, 4.0, 4.0, 4.0, 4.0]] * 2).T
    sigmas = [(s, t) for s in (1e-3, 0.1, 1.0, 5.0) for t in (1e-3, 0.1, 1.0, 5.0) if kind == "full" or s == t]
    heights = []
    for of in sigmas:
        start = {"means_init": X[:1], "covariances_init": np.diag(of)[None] ** 2}
        heights.append(XDGMM(1, covariance_type=kind, **start).fit(X, Xerr=E).result_.log_likelihood)
    assert XDGMM(1, covariance_type=kind).fit(X, Xerr=E).result_.log_likelihood > max(heights) - 1e-6


@pytest.mark.parametrize("covariance_type", ["full", "diag", "spherical"])
def test_one_gaussian_of_few_objects_is_the_highest_of_many_starts(covariance_type):
    for seed in range(8):
        rng = np.random.default_rng(seed)
        N, D = int(rng.integers(3, 12)), int(rng.integers(2, 4))
        e = 10 ** rng.uniform(-1, 1, (N, 1)) * np.ones((1, D))
        X = 3 * rng.normal(size=(N, D)) + e * rng.normal(size=(N, D))
        found = XDGMM(1, covariance_type=covariance_type).fit(X, Xerr=e).result_.log_likelihood
        for _ in range(4):
            mean, V = rng.dirichlet(np.ones(N)) @ X, 10 ** rng.uniform(-3, 2) * np.eye(D)
            model = XDGMM(1, covariance_type=covariance_type, means_init=[mean], covariances_init=[V])
            assert model.fit(X, Xerr=e).result_.log_likelihood < found + 1e-5


@pytest.mark.parametrize("n_collapsing", [0, 3, 5])
def test_a_fit_fails_only_if_a_component_collapses_from_every_start(monkeypatch, n_collapsing):
    rng = np.random.default_rng(4)
    values = np.concatenate([rng.normal(0, 1, 100), rng.normal(6, 1, 60)])
    observations = Observations.with_standard_errors(values, 0.5)
    expected = fit(observations, 2, rng=1).log_likelihood
    run, tried = search.solvers.run, []

    def collapsing(name, start, objective, tolerance, *, near=False):
        if objective.max_passes > search.TRIAL_PASSES:
            tried.append(start)
            if len(tried) <= n_collapsing:
                raise search.solvers.CollapseError(1)
        return run(name, start, objective, tolerance, near=near)

    monkeypatch.setattr(search.solvers, "run", collapsing)
    assert fit(observations, 2, rng=1).log_likelihood == pytest.approx(expected, abs=1e-9)
    assert len(tried) == (3 if n_collapsing < 3 else 6)


@pytest.mark.parametrize("angle", np.linspace(0.1, 3.0, 8))
def test_a_component_is_never_split_across_a_direction_without_width(angle):
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.linalg.eigh(5.0 * np.outer(along, along))[1][:, 0]
    mixture = GaussianMixture([1.0], np.zeros((1, 2)), 5.0 * np.outer(along, along)[None])
    halves = split(mixture, 0, across, -3.0)
    assert np.abs(halves.means).max() <= 5.0
    assert np.abs(halves.covariances).max() <= 10.0
    assert np.linalg.eigvalsh(halves.covariances).min() >= -1e-12
