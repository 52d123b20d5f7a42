"""Factors on errors and floors beneath them: independent answers, laws, and what cannot be told."""

import numpy as np
import pytest
from astropy import units as u
from astropy.table import MaskedColumn, Table
from scipy.optimize import brentq, minimize, minimize_scalar
from scipy.stats import chi2

from xdgmm import XDGMM, Background, Fixed, InputError, InverseWishart, Observations, Prior
from xdgmm.diagnostics import error_scale
from xdgmm.errors import DegenerateError, KindError, NotFittedError

ONE_SIGMA = chi2.ppf(0.6827, 1)


def measured(rng, n, sigma=1.0, factor=1.0, spread=1.5):
    """Values of one Gaussian, and their errors, which are too small by a factor."""
    e = np.exp(rng.uniform(-spread, spread, n))
    return sigma * rng.normal(size=n) + factor * e * rng.normal(size=n), e


def log_likelihood(v, variances, mean):
    return -0.5 * float(np.sum((v - mean) ** 2 / variances + np.log(2 * np.pi * variances)))


def brute_profile(v, e, factor):
    """The likelihood of one Gaussian maximised over mean and sigma by Nelder and Mead."""

    def fall(p):
        return -log_likelihood(v, p[1] ** 2 + (factor * e) ** 2, p[0])

    options = {"xatol": 1e-10, "fatol": 1e-12, "maxiter": 4000}
    return -min(minimize(fall, [v.mean(), s], method="Nelder-Mead", options=options).fun for s in (0.1, 1.0))


@pytest.mark.parametrize("seed", range(3))
def test_factor_interval_and_gain_are_those_of_brute_force(seed):
    rng = np.random.default_rng([17, seed])
    v, e = measured(rng, 40, factor=(0.5, 1.0, 2.0)[seed])
    found = error_scale(XDGMM().fit(v, Xerr=e), v, Xerr=e)
    best = minimize_scalar(
        lambda f: -brute_profile(v, e, f), bounds=(0.1, 4.0), method="bounded", options={"xatol": 1e-7}
    )
    assert found.factor == pytest.approx(best.x, abs=1e-4)
    assert found.gain == pytest.approx(-best.fun - brute_profile(v, e, 1.0), abs=1e-6)

    def fallen(f):
        return 2 * (-best.fun - brute_profile(v, e, f)) - ONE_SIGMA

    assert found.factor_high == pytest.approx(brentq(fallen, best.x, 8.0, xtol=1e-7), abs=1e-5)
    low = brentq(fallen, 0.0, best.x, xtol=1e-7) if fallen(0.0) > 0 else 0.0
    assert found.factor_low == pytest.approx(low, abs=1e-5)


def test_without_a_width_the_factor_is_the_reduced_chi_squared():
    rng = np.random.default_rng(18)
    e = rng.uniform(0.5, 2.0, 50)
    v = 1.7 * e * rng.normal(size=50)
    fixed = XDGMM(fixed=Fixed(means=[0], covariances=[0]), means_init=[[0.0]], covariances_init=[[[0.0]]])
    found = error_scale(fixed.fit(v, Xerr=e), v, Xerr=e)
    phi = np.mean((v / e) ** 2)
    assert found.factor == pytest.approx(np.sqrt(phi), rel=1e-6)
    assert found.gain == pytest.approx(25.0 * (phi - 1.0 - np.log(phi)), rel=1e-8)
    ends = [brentq(lambda x: 50 * (1 / x - 1 + np.log(x)) - ONE_SIGMA, *pair) for pair in ((0.2, 1.0), (1.0, 5.0))]
    assert [found.factor_low, found.factor_high] == pytest.approx(list(np.sqrt(phi * np.array(ends))), rel=1e-6)


def two_sizes(rng, n=60):
    """Values of mean zero with two variances, and a model whose mean is fixed at zero."""
    g = np.repeat(["B", "A"], [n, n + 10])
    v = np.where(g == "A", 1.2, 2.0) * rng.normal(size=g.size)
    return v, g, XDGMM(fixed=Fixed(means=[0]), means_init=[[0.0]])


def test_two_sizes_of_errors_solve_for_width_and_factor():
    v, g, model = two_sizes(np.random.default_rng(19))
    e = np.where(g == "A", 0.5, 1.0)
    found = error_scale(model.fit(v, Xerr=e), v, Xerr=e)
    T_A, T_B = (np.mean(v[g == name] ** 2) for name in "AB")
    phi = (T_B - T_A) / (1.0 - 0.25)
    assert found.factor == pytest.approx(np.sqrt(phi), rel=1e-5)
    assert found.widths["changed_sigma"][0] == pytest.approx(np.sqrt(T_A - 0.25 * phi), rel=1e-5)


def test_equal_errors_in_two_groups_solve_for_factor_and_floor():
    v, g, model = two_sizes(np.random.default_rng(20))
    model.fit(v, Xerr=0.7)
    T_A, T_B = (np.mean(v[g == name] ** 2) for name in "AB")
    gain = sum(-0.5 * n * np.log(T) for n, T in ((70, T_A), (60, T_B))) + 65 * np.log((70 * T_A + 60 * T_B) / 130)
    factor = error_scale(model, v, Xerr=0.7, by=g)
    assert factor.reference == "A"  # the larger group
    assert list(factor.table["group"]) == ["A", "B"]
    assert factor.factor == pytest.approx([1.0, np.sqrt((T_B - T_A + 0.49) / 0.49)], rel=1e-5)
    floor = error_scale(model, v, Xerr=0.7, by=g, kind="jitter")
    assert floor.jitter == pytest.approx([0.0, np.sqrt(T_B - T_A)], rel=1e-5, abs=1e-9)
    assert factor.gain == pytest.approx(gain, rel=1e-7)
    assert floor.gain == pytest.approx(gain, rel=1e-7)
    assert floor.table["jitter_limit"].mask.all()
    other = error_scale(model, v, Xerr=0.7, by=g, kind="jitter", reference="B")  # A needs none
    assert other.jitter == pytest.approx([0.0, 0.0])
    assert other.jitter_low[0] == 0.0
    limit = other.table["jitter_limit"][0]

    def profile(j):  # of the floor of A, by the variance that it has beside B
        V = minimize_scalar(
            lambda V: 70 * (T_A / (V + j**2) + np.log(V + j**2)) + 60 * (T_B / V + np.log(V)),
            bounds=(0.5, 6.0),
            method="bounded",
            options={"xatol": 1e-10},
        )
        return V.fun

    assert profile(limit) - profile(0.0) == pytest.approx(2.7055, abs=1e-3)


def test_a_mixture_of_two_and_a_group_factor_are_a_joint_maximum():
    rng = np.random.default_rng(21)
    g = rng.integers(2, size=120)
    e = np.exp(rng.uniform(-1, 1, 120))
    v = rng.choice([0.0, 6.0], 120) + 0.7 * rng.normal(size=120) + np.where(g == 1, 1.6, 1.0) * e * rng.normal(size=120)
    found = error_scale(XDGMM(2, random_state=0).fit(v, Xerr=e), v, Xerr=e, by=g, reference=0)

    def fall(p):
        variances = p[3:5, None] ** 2 + np.where(g == 1, p[5] * e, e) ** 2
        parts = np.exp(-0.5 * (v - p[1:3, None]) ** 2 / variances) / np.sqrt(2 * np.pi * variances)
        return -np.sum(np.log(p[0] * parts[0] + (1 - p[0]) * parts[1]))

    mixture = found.mixture
    start = np.array([mixture.weights[0], *mixture.means[:, 0], *mixture.sigmas[:, 0], found.factor[1]])
    best = minimize(fall, start * 1.02, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-11, "maxiter": 20000})
    assert best.x == pytest.approx(start, abs=2e-4)
    assert found.observations.noise[g == 1, 0] == pytest.approx(e[g == 1] * found.factor[1])
    assert (found.observations.noise[g == 0, 0] == e[g == 0]).all()
    again = XDGMM(init=mixture, n_components=2).fit(found.observations)
    assert again.result_.log_likelihood == pytest.approx(-best.fun, abs=1e-6)
    assert again.mixture_.sigmas == pytest.approx(mixture.sigmas, rel=1e-3)


def made(kind, rng):
    """Observations of a kind, a model for them, and what can be asked about them."""
    n = 70
    x = 1.5 * rng.normal(size=(n, 2))
    e = np.exp(rng.uniform(-1, 1, (n, 2)))
    x += e * rng.normal(size=(n, 2))
    matrices = e[:, :, None] * e[:, None] * np.array([[1.0, 0.4], [0.4, 1.0]])
    if kind == "gaps":
        x[rng.random((n, 2)) < 0.2] = np.nan
        x[:2] = [[0.0, np.nan], [np.nan, 0.0]]
    if kind == "projections":
        R = rng.normal(size=(n, 1, 2))
        return Observations.with_standard_errors(np.einsum("nij,nj->ni", R, x), e[:, :1], projections=R), XDGMM()
    if kind == "correlated":
        return Observations.with_covariances(x, matrices, weights=rng.uniform(0, 2, n)), XDGMM()
    if kind == "background":
        x[:20] = rng.uniform(-10, 10, (20, 2))
        return Observations.with_standard_errors(x, e), XDGMM(background=Background([-10.0] * 2, [10.0] * 2))
    if kind == "prior":
        return Observations.with_standard_errors(x, e), XDGMM(prior=Prior(covariances=InverseWishart(np.eye(2), 5.0)))
    types = {"gaps": "tied", "tied": "tied"}
    return Observations.with_standard_errors(x, e), XDGMM(2, covariance_type=types.get(kind, kind), random_state=0)


KINDS = ("full", "tied", "diag", "spherical", "gaps", "projections", "correlated", "background", "prior")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", ["factor", "jitter"])
def test_slopes_are_those_of_the_likelihood(kind, what):
    from xdgmm.diagnostics.groups import groups_by
    from xdgmm.diagnostics.noise_parameters import NoiseParameters
    from xdgmm.fitting import Problem

    rng = np.random.default_rng(22)
    observations, model = made(kind, rng)
    result = model.fit(observations).result_
    problem = Problem.of(result.mixture, observations, result.model)
    labels = rng.integers(3, size=len(observations))
    parameters = NoiseParameters(problem, groups_by(labels, observations.counts), what)
    mixture = problem.standardised(result.mixture)
    phi = rng.uniform(0.5, 1.5, parameters.size)

    def height(at):
        return problem.objective(data=parameters.pack(parameters.observations(at))).expect(mixture).log_likelihood

    step = 1e-5 * np.eye(parameters.size)
    expected = [(height(phi + h) - height(phi - h)) / 2e-5 for h in step]
    assert parameters.slopes(mixture, phi) == pytest.approx(expected, rel=1e-5, abs=1e-5)  # of the differences


@pytest.mark.parametrize("kind", KINDS)
def test_no_noise_nearby_is_better_and_ends_have_fallen_by_half_a_quantile(kind):
    observations, model = made(kind, np.random.default_rng(23))
    model.fit(observations)
    found = error_scale(model, observations)

    def height(factor):
        changed = Observations(
            observations.values,
            observations.noise_model.adjusted(np.full(len(observations), factor), np.zeros(observations.values.shape)),
            observations.weights,
            observations.names,
            observations.units,
            projections=observations.projections,
        )
        again = XDGMM(**{**model.get_params(), "init": found.mixture}).fit(changed)
        return again.result_.log_likelihood + sum(again.result_.log_priors.values())

    top = height(found.factor)
    assert top - height(1.0) == pytest.approx(found.gain, abs=2e-5)
    for near in (0.98, 1.02):
        assert height(near * found.factor) < top
    if found.factor_low > 0:
        assert 2 * (top - height(found.factor_low)) == pytest.approx(ONE_SIGMA, abs=1e-4)
    assert 2 * (top - height(found.factor_high)) == pytest.approx(ONE_SIGMA, abs=1e-4)


def test_scaled_errors_divide_the_factor_and_keep_the_maximum():
    v, e = measured(np.random.default_rng(24), 80)
    model, small = XDGMM().fit(v, Xerr=e), XDGMM().fit(v, Xerr=e / 3.0)
    found, scaled = error_scale(model, v, Xerr=e), error_scale(small, v, Xerr=e / 3.0)
    for name in ("factor", "factor_low", "factor_high"):
        assert getattr(scaled, name) == pytest.approx(3.0 * getattr(found, name), rel=1e-5)
    lower = model.result_.log_likelihood - small.result_.log_likelihood
    assert scaled.gain == pytest.approx(found.gain + lower, abs=1e-7)
    assert scaled.mixture.sigmas == pytest.approx(found.mixture.sigmas, rel=1e-4)


def test_order_of_rows_and_units_do_not_matter_and_weights_are_copies():
    rng = np.random.default_rng(25)
    v, e = measured(rng, 60, factor=1.4)
    g = rng.integers(2, size=60)
    for kind, name in (("factor", "factor"), ("jitter", "jitter")):
        options = {"by": g, "kind": kind, "reference": 0}
        found = error_scale(XDGMM().fit(v, Xerr=e), v, Xerr=e, **options)
        order = rng.permutation(60)
        other = error_scale(
            XDGMM().fit(v[order], Xerr=e[order]), v[order], Xerr=e[order], **{**options, "by": g[order]}
        )
        assert getattr(other, name) == pytest.approx(getattr(found, name), rel=1e-4)
        quantity, errors = v * u.km / u.s, 1e3 * e * u.m / u.s
        other = error_scale(XDGMM().fit(quantity, Xerr=errors), quantity.to("m/s"), Xerr=errors, **options)
        scale = u.km / u.s if kind == "jitter" else 1.0
        assert np.allclose(
            u.Quantity(getattr(other, f"{name}_high") / scale).value, getattr(found, f"{name}_high"), rtol=1e-4
        )
        assert np.allclose(u.Quantity(other.widths["changed_sigma"] / u.km * u.s).value, found.widths["changed_sigma"])
    weights = rng.integers(1, 4, 60)
    copies = np.repeat(np.arange(60), weights)
    weighted = error_scale(XDGMM().fit(v, Xerr=e, sample_weight=weights), v, Xerr=e, sample_weight=weights)
    repeated = error_scale(XDGMM().fit(v[copies], Xerr=e[copies]), v[copies], Xerr=e[copies])
    assert weighted.gain == pytest.approx(repeated.gain, abs=1e-6)
    assert weighted.factor_low == pytest.approx(repeated.factor_low, rel=1e-4)


def test_labels_may_be_of_any_type():
    rng = np.random.default_rng(26)
    v, e = measured(rng, 40)
    place = np.repeat([0, 1], [15, 25])
    model = XDGMM().fit(v, Xerr=e)
    names = np.array(["ω Cen", "b"])[place]
    kinds = [names, names.astype(object), np.char.encode(names, "utf-8"), place, place.astype(float), list(names)]
    kinds += [
        MaskedColumn(names),
        np.array([True, False])[place],
        np.array(["2020-01-01", "2021-01-01"], "M8[D]")[place],
    ]
    found = [error_scale(model, v, Xerr=e, by=labels) for labels in kinds]
    for one in found:
        assert sorted(one.factor) == pytest.approx(sorted(found[0].factor), rel=1e-9)
        assert sorted(one.table["n_objects"]) == [15, 25]
    table = Table({"v": v, "e_v": e, "tel": names})
    of_table = error_scale(XDGMM().fit(table), table, by="tel", reference="b")
    assert of_table.factor == pytest.approx(found[0].factor, rel=1e-6)
    assert of_table.reference == "b"


@pytest.mark.parametrize(
    ("factor", "says"), [(1.0, "nothing says"), (2.0, "times too small"), (0.3, "times too large")]
)
def test_the_verdict_says_what_is_wrong_and_the_width(factor, says):
    v, e = measured(np.random.default_rng(27), 200, sigma=0.5, factor=factor)
    found = error_scale(XDGMM().fit(v, Xerr=e), v, Xerr=e)
    assert says in found.verdict
    assert "sigma is then" in found.verdict
    assert found.factor_low < factor < found.factor_high or abs(found.factor - factor) < 0.2 * factor
    assert str(found).startswith("\n group")
    assert "<table" in found._repr_html_()
    with pytest.raises(AttributeError, match="kind='factor'"):
        found.jitter  # noqa: B018


def test_errors_that_are_much_too_large_have_an_interval_from_zero():
    rng = np.random.default_rng(28)
    e = np.exp(rng.uniform(1.0, 2.0, 60))
    v = 3.0 / e * rng.normal(size=60)  # as if there were no errors at all
    found = error_scale(XDGMM().fit(v, Xerr=e), v, Xerr=e)
    assert found.factor_low == 0.0
    assert 0 < found.factor_high < 1
    assert "times too large" in found.verdict
    assert found.widths["changed_sigma"][0] > found.widths["sigma"][0]
    assert found.factor > 0 or "without any errors the data fit best" in found.verdict


def test_nearly_equal_errors_have_a_wide_interval():
    rng = np.random.default_rng(29)
    e = 1.0 + 0.001 * rng.random(100)
    v = 1.5 * rng.normal(size=100) + e * rng.normal(size=100)
    found = error_scale(XDGMM().fit(v, Xerr=e), v, Xerr=e)
    assert found.factor_low == 0.0
    assert found.factor_high > 1.5
    assert "hardly determine" in found.verdict


def test_the_higher_of_two_maxima_and_the_outermost_ends_are_found():
    # with a factor of 2 there is a width, with one of 9 there is none
    e = np.repeat([0.1, 0.2, 6.12], [17, 13, 7])
    v = np.repeat([0.7, 2.5, 12.0], [17, 13, 7])
    model = XDGMM(fixed=Fixed(means=[0]), means_init=[[0.0]]).fit(v, Xerr=e)
    found = error_scale(model, v, Xerr=e)
    V = np.concatenate([[0.0], np.geomspace(1e-3, 1e3, 4000)])

    def profile(f):
        return max(-0.5 * (v**2 / (V[:, None] + (f * e) ** 2) + np.log(V[:, None] + (f * e) ** 2)).sum(axis=1))

    factors = np.geomspace(0.5, 100, 300)
    heights = np.array([profile(f) for f in factors])
    within = factors[heights > heights.max() - 0.5 * ONE_SIGMA]
    is_maximum = (heights[1:-1] > heights[:-2]) & (heights[1:-1] > heights[2:])
    assert is_maximum.sum() == 2
    assert np.diff(np.flatnonzero(heights > heights.max() - 0.5 * ONE_SIGMA)).max() > 1  # two pieces
    assert profile(found.factor) >= heights.max() - 1e-4
    step = factors[1] / factors[0]
    assert within[0] / step <= found.factor_low <= within[0]
    assert within[-1] <= found.factor_high <= within[-1] * step


EQUAL = {
    "one column": (lambda rng: rng.normal(size=(30, 1)), 0.5, {}),
    "two columns": (lambda rng: rng.normal(size=(30, 2)), [0.5, 0.2], {}),
    "two columns, diag": (lambda rng: rng.normal(size=(30, 2)), [0.5, 0.2], {"covariance_type": "diag"}),
    "two components, tied": (lambda rng: rng.normal(size=(60, 1)), 0.5, {"covariance_type": "tied", "n_components": 2}),
}


@pytest.mark.parametrize("name", EQUAL)
def test_equal_errors_are_refused(name):
    make, e, options = EQUAL[name]
    v = make(np.random.default_rng(30))
    e = np.broadcast_to(e, v.shape)
    with pytest.raises(InputError, match="all objects have the same errors"):
        error_scale(XDGMM(random_state=0, **options).fit(v, Xerr=e), v, Xerr=e)


def test_equal_correlated_errors_projections_and_gaps_are_refused():
    rng = np.random.default_rng(31)
    x = rng.normal(size=(40, 2))
    with_gaps = np.where(rng.random((40, 2)) < 0.3, np.nan, x)
    R = rng.normal(size=(40, 1, 2))
    R /= np.linalg.norm(R, axis=2, keepdims=True)
    same = [
        Observations.with_covariances(x, np.tile([[0.5, 0.2], [0.2, 0.4]], (40, 1, 1))),
        Observations.with_standard_errors(with_gaps, 0.3),
        Observations.with_standard_errors(np.einsum("nij,nj->ni", R, x), 0.3, projections=R),  # a disc of any width
    ]
    for observations in same:
        with pytest.raises(InputError, match="all objects have the same errors"):
            error_scale(XDGMM().fit(observations), observations)


def test_equal_errors_beside_a_fixed_width_have_a_factor():
    rng = np.random.default_rng(32)
    v = 1.0 * rng.normal(size=80) + 1.5 * 0.6 * rng.normal(size=80)
    model = XDGMM(fixed=Fixed(means=[0], covariances=[0]), means_init=[[0.0]], covariances_init=[[[1.0]]])
    found = error_scale(model.fit(v, Xerr=0.6), v, Xerr=0.6)
    assert found.factor == pytest.approx(np.sqrt((np.mean(v**2) - 1.0) / 0.36), rel=1e-6)


def test_a_group_that_the_reference_does_not_help_is_refused():
    rng = np.random.default_rng(33)
    v, e = rng.normal(size=(60, 2)), np.full((60, 2), 0.3)
    g = np.repeat(["A", "B"], 30)
    v[:30, 1] = np.nan  # A does not measure the second column
    model = XDGMM().fit(v, Xerr=e)
    with pytest.raises(InputError, match=r"floor of group 'B' in x2 cannot be told.*`reference`"):
        error_scale(model, v, Xerr=e, by=g, kind="jitter", reference="A")


V, E = measured(np.random.default_rng(34), 30)
MODEL = XDGMM().fit(V, Xerr=E)
GROUPS = np.repeat(["A", "B"], 15)
REFUSED = {
    "kind": ({"kind": "floor"}, "`kind` is 'floor'"),
    "no errors given": ({"Xerr": None}, "Xerr="),
    "exact": ({"Xerr": 0.0}, "X has no errors"),
    "common floor": ({"kind": "jitter"}, "is an intrinsic width"),
    "one group": ({"by": ["A"] * 30}, "same label for all objects"),
    "too few labels": ({"by": GROUPS[:10]}, "shape \\(10,\\)"),
    "two columns of labels": ({"by": np.c_[GROUPS, GROUPS]}, "one label for each"),
    "masked labels": ({"by": np.ma.array(GROUPS, mask=[True, *[False] * 29])}, "no label .* in row 0"),
    "NaN labels": ({"by": [np.nan, *range(29)]}, "row 0"),
    "empty labels": ({"by": ["", *GROUPS[1:]]}, "row 0"),
    "a name": ({"by": "instrument"}, "no columns to look it up in"),
    "a number": ({"by": 3}, "one label for each object"),
    "group of one": ({"by": ["A", *["B"] * 29]}, "only one object"),
    "reference": ({"by": GROUPS, "reference": "C"}, "`reference` is 'C'.*A, B"),
    "reference alone": ({"reference": "A"}, "name them with `by`"),
    "group without errors": (
        {"by": GROUPS, "Xerr": np.where(GROUPS == "A", 0.0, E), "reference": "B"},
        "'A' have no errors",
    ),
    "level": ({"level": 68}, "`level` is 68"),
    "limit": ({"limit_level": 0.2}, "`limit_level`"),
    "progress": ({"progress": True}, "`progress`"),
    "columns": ({"X": np.c_[V, V], "Xerr": np.c_[E, E]}, "2 coordinates, but the mixture has 1"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused(name):
    options, message = REFUSED[name]
    options = {"Xerr": E, "X": V, **options}
    with pytest.raises(InputError, match=message):
        error_scale(MODEL, options.pop("X"), **options)


def test_too_many_groups_and_unknown_columns_are_refused():
    v, e = measured(np.random.default_rng(35), 120)
    table = Table({"v": v, "e_v": e, "name": [f"star {i // 2}" for i in range(120)]})
    model = XDGMM().fit(table)
    with pytest.raises(InputError, match="60 different labels"):
        error_scale(model, table, by="name")
    with pytest.raises(InputError, match=r"no column 'telescope'.*v, e_v, name"):
        error_scale(model, table, by="telescope")


def test_models_of_another_type_or_without_a_fit_are_refused():
    with pytest.raises(KindError, match="fitted XDGMM"):
        error_scale("model.fits", V, Xerr=E)
    with pytest.raises(NotFittedError, match="not fitted yet"):
        error_scale(XDGMM(), V, Xerr=E)


def test_estimators_results_and_mixtures_give_the_same():
    observations = Observations.with_standard_errors(V, E)
    expected = error_scale(MODEL, V, Xerr=E).factor
    for model in (MODEL.result_, MODEL.mixture_):
        assert error_scale(model, observations).factor == pytest.approx(expected, rel=1e-9)


def test_a_mixture_of_other_data_is_noticed():
    found = error_scale(MODEL, V + 3.0, Xerr=E)
    assert any("nats below the maximum" in remark for remark in found.remarks)
    assert "was it fitted to others?" in str(found)


def test_labels_that_look_like_markup_or_control_a_terminal_are_shown_as_they_are():
    found = str(error_scale(MODEL, V, Xerr=9.0 * E, by=np.where(GROUPS == "A", "a\x1b[31m", "b[red]")))
    assert found.count("b[red]") == 2
    assert found.count(r"a\x1b[31m") == 2
    assert "\x1b" not in found


def test_equal_values_have_no_maximum_and_one_sentence_says_so():
    v = np.ones(20)
    with pytest.raises(DegenerateError, match=r"no maximum.*fit fewer"):
        error_scale(XDGMM().fit(v, Xerr=E[:20]), v, Xerr=E[:20])


def test_floors_of_columns_with_different_units_have_theirs():
    rng = np.random.default_rng(36)
    n = 120
    g = rng.integers(2, size=n)
    e = np.exp(rng.uniform(-1, 0, (n, 2)))
    x = rng.normal(size=(n, 2)) + np.where(g[:, None] == 1, np.hypot(e, [2.0, 0.0]), e) * rng.normal(size=(n, 2))
    observations = Observations.with_standard_errors(x, e, names=["v", "m"], units=["km/s", "mag"])
    found = error_scale(XDGMM().fit(observations), observations, by=g, kind="jitter", reference=0)
    assert list(found.table["column"]) == ["v", "m", "v", "m"]
    assert list(found.table["unit"]) == ["km / s", "mag"] * 2
    assert found.jitter_low[2] < 2.0 < found.jitter_high[2]
    assert np.isfinite(found.table["jitter_limit"][3])
    assert "km/s in v" in found.verdict
    assert found.observations.noise[g == 1, 0] == pytest.approx(np.hypot(e[g == 1, 0], found.jitter[2]))


@pytest.mark.parametrize("kind", ["factor", "jitter"])
def test_a_reference_of_one_object_is_refused(kind):
    rng = np.random.default_rng(40)
    values, errors = rng.normal(0.0, 2.0, 30), rng.uniform(0.5, 1.5, 30)
    model = XDGMM().fit(values, Xerr=errors)
    groups = np.where(np.arange(30) == 3, "lone", "rest")
    with pytest.raises(InputError, match=r"reference group of `by` \(lone\) has one object"):
        error_scale(model, values, Xerr=errors, by=groups, reference="lone", kind=kind)
    with pytest.raises(InputError, match="has one object"):
        error_scale(model, values, Xerr=errors, by=np.arange(30), kind=kind)
