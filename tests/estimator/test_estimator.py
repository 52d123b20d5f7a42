"""`XDGMM`: scikit-learn's conventions, and the traps it does not set."""

import astropy.units as u
import numpy as np
import pytest
from scipy.stats import norm
from sklearn.base import clone
from sklearn.mixture import GaussianMixture as SklearnMixture

from xdgmm import XDGMM, ConvergenceWarning, GaussianMixture, InputError, Observations, datasets, objects
from xdgmm.errors import NotFittedError
from xdgmm.uncertainty import sample_posterior

JUDGING = ["score", "score_samples", "predict", "predict_proba", "aic", "bic", "widths", "denoise", "outlyingness"]


@pytest.fixture(scope="module")
def table():
    return datasets.load("hydrus1")


@pytest.fixture(scope="module")
def fitted(table):
    return XDGMM().fit(table["v"], Xerr=table["e_v"])


def two_groups(N=400, seed=0):
    rng = np.random.default_rng(seed)
    e = rng.uniform(0.1, 1, N)
    return np.where(rng.random(N) < 0.4, rng.normal(0, 1, N), rng.normal(6, 0.5, N)) + e * rng.normal(size=N), e


@pytest.mark.parametrize("how", ["observations", "table", "quantity", "arrays", "columns", "covariances"])
def test_every_way_to_pass_the_data_gives_the_same_fit(table, fitted, how):
    v, e = table["v"].value, table["e_v"].value
    ways = {
        "observations": lambda m: m.fit(Observations.from_table(table, "v")),
        "table": lambda m: m.fit(table),
        "quantity": lambda m: m.fit(table["v"].to("m/s"), Xerr=table["e_v"]),
        "arrays": lambda m: m.fit(v, Xerr=e),
        "columns": lambda m: m.fit(v[:, None], Xerr=e[:, None]),
        "covariances": lambda m: m.fit(v[:, None], Xerr=(e**2)[:, None, None]),
    }
    model = ways[how](XDGMM())
    factor = 1000 if how == "quantity" else 1
    assert model.mixture_.sigmas[0, 0] == pytest.approx(factor * fitted.mixture_.sigmas[0, 0], rel=1e-8)
    assert model.mixture_.units[0] == {"quantity": u.m / u.s}.get(
        how, None if how in "arrays columns covariances" else u.km / u.s
    )


def test_what_is_fitted_is_what_is_reported(table, fitted):
    v, e = table["v"].value, table["e_v"].value
    T = np.sqrt(fitted.covariances_[0, 0, 0] + e**2)
    log_likelihood = norm.logpdf(v, fitted.means_[0, 0], T).sum()
    assert fitted.result_.log_likelihood == pytest.approx(log_likelihood, rel=1e-12)
    assert fitted.result_.log_likelihood == pytest.approx(-79.3484699, rel=1e-8)
    assert fitted.score(v, Xerr=e) == pytest.approx(log_likelihood / 31, rel=1e-12)
    assert fitted.lower_bound_ == pytest.approx(log_likelihood / 31, rel=1e-12)
    assert fitted.score_samples(v, Xerr=e) == pytest.approx(norm.logpdf(v, fitted.means_[0, 0], T), rel=1e-12)
    assert fitted.bic(v, Xerr=e) == pytest.approx(2 * np.log(31) - 2 * log_likelihood, rel=1e-12)
    assert fitted.aic(v, Xerr=e) == pytest.approx(4 - 2 * log_likelihood, rel=1e-12)
    assert fitted.converged_
    assert 1 <= fitted.n_iter_ <= fitted.max_iter


def test_the_score_is_the_mean_over_what_was_seen_and_weighted(fitted):
    score = fitted.score([80.0, np.nan, 85.0], Xerr=[1, 1, 1], sample_weight=[2, 1, 1])
    one = fitted.score_samples([80.0, 85.0], Xerr=1)
    assert score == pytest.approx((2 * one[0] + one[1]) / 3, rel=1e-12)


@pytest.mark.filterwarnings("ignore:the `n_steps` steps")  # a short chain will do
def test_the_posterior_is_that_of_the_data_and_the_seed(table):
    v, e = table["v"].value, table["e_v"].value
    model = XDGMM(random_state=3).fit(v, Xerr=e)
    samples = model.sample_posterior(v, Xerr=e, n_steps=100)
    stars = Observations.with_standard_errors(v, e)
    same = sample_posterior(model.result_, stars, n_steps=100, rng=3)
    other = model.sample_posterior(v, Xerr=e, n_steps=100, rng=4)
    assert samples.means.tobytes() == same.means.tobytes()
    assert samples.means.tobytes() != other.means.tobytes()
    assert samples.means.mean() == pytest.approx(
        model.means_[0, 0], abs=0.3
    )  # its error is 0.57, divided by some 10 draws at least


@pytest.mark.parametrize("X", [[1.0, 2.0, 3.0], [[1.0, 2.0], [2.0, 3.0], [3.0, 5.0]]])
def test_errors_by_position_are_refused(X):
    with pytest.raises(TypeError, match="Xerr="):
        XDGMM().fit(X, np.ones_like(X))


def test_labels_by_position_are_ignored_as_scikit_learn_does():
    X = np.random.default_rng(0).normal(size=(30, 2))
    assert XDGMM().fit(X, np.zeros(30)).means_ == pytest.approx(XDGMM().fit(X).means_)


@pytest.mark.parametrize(
    "method", ["score", "score_samples", "predict", "predict_proba", "aic", "bic", "widths", "denoise"]
)
def test_a_model_fitted_with_errors_refuses_bare_arrays(table, fitted, method):
    v = table["v"].value
    with pytest.raises(InputError, match=r"of X\b"):
        getattr(fitted, method)(v)
    if method != "widths":
        getattr(fitted, method)(v, Xerr=0)  # zero is allowed and means exact


@pytest.mark.parametrize(
    "method",
    [
        "score",
        "score_samples",
        "predict",
        "predict_proba",
        "aic",
        "bic",
        "widths",
        "relations",
        "denoise",
        "sample_posterior",
    ],
)
def test_an_unfitted_model_says_so(method):
    with pytest.raises(NotFittedError, match="fit"):
        getattr(XDGMM(), method)([1.0, 2.0])


@pytest.mark.parametrize("name", ["weights_", "means_", "covariances_", "converged_", "n_iter_", "lower_bound_"])
def test_an_unfitted_model_has_no_results(name):
    assert not hasattr(XDGMM(), name)
    with pytest.raises(NotFittedError):
        getattr(XDGMM(), name)


def test_labels_and_samples_follow_the_mixture():
    x, e = two_groups()
    model = XDGMM(2, random_state=3).fit(x, Xerr=e)
    assert (model.predict(x, Xerr=e) == model.predict_proba(x, Xerr=e).argmax(1)).all()
    points, labels = model.sample(5000)
    assert points.shape == (5000, 1)
    # Binomial error of the share, times four.
    assert np.mean(labels == 0) == pytest.approx(model.weights_[0], abs=4 * 0.5 / np.sqrt(5000))


def test_fit_predict_is_fit_and_predict():
    x, e = two_groups()
    weights = np.linspace(0.5, 1.5, len(x))
    model = XDGMM(2, random_state=3)
    labels = model.fit_predict(x, Xerr=e, sample_weight=weights)
    expected = XDGMM(2, random_state=3).fit(x, Xerr=e, sample_weight=weights)
    assert (model.means_ == expected.means_).all()
    assert labels.dtype.kind == "i"
    assert (labels == expected.predict(x, Xerr=e)).all()
    assert (model.fit_predict(Observations.with_standard_errors(x, e, weights)) == labels).all()
    with pytest.raises(InputError, match="Xerr="):
        model.fit_predict(x, e)


def test_fit_predict_of_exact_values_is_that_of_scikit_learn():
    x = np.r_[np.random.default_rng(0).normal(0, 1, (60, 2)), np.random.default_rng(1).normal(8, 1, (40, 2))]
    theirs = SklearnMixture(2, random_state=0).fit_predict(x)
    ours = XDGMM(2, random_state=0).fit_predict(x)
    assert len(np.unique(ours)) == 2
    assert len(np.unique(np.column_stack([ours, theirs]), axis=0)) == 2  # the same groups


def test_the_same_seed_gives_the_same_bits_and_another_the_same_maximum():
    x, e = two_groups()
    one, same, other = (XDGMM(2, random_state=seed).fit(x, Xerr=e) for seed in (1, 1, np.random.default_rng(2)))
    assert (one.means_ == same.means_).all()
    assert (one.covariances_ == same.covariances_).all()
    assert other.result_.log_likelihood == pytest.approx(one.result_.log_likelihood, abs=1e-6)


def test_a_start_is_used_and_keeps_its_order():
    x, e = two_groups()
    model = XDGMM(2, means_init=[[0.0], [6.0]], weights_init=[0.5, 0.5], covariances_init=[[[1.0]], [[1.0]]])
    assert model.fit(x, Xerr=e).means_[0, 0] < model.means_[1, 0]
    by_means = XDGMM(2, means_init=[[6.0], [0.0]]).fit(x, Xerr=e)
    assert by_means.means_[0, 0] > by_means.means_[1, 0]
    by_mixture = XDGMM(2, init=by_means.mixture_).fit(x, Xerr=e)
    assert by_mixture.result_.log_likelihood == pytest.approx(model.result_.log_likelihood, abs=1e-6)


def test_no_errors_equal_scikit_learn_from_the_same_start():
    rng = np.random.default_rng(4)
    X = np.concatenate([rng.normal(0, 1, (150, 2)), rng.normal(4, 1.5, (250, 2))])
    start = {"weights_init": [0.5, 0.5], "means_init": [[0.0, 0.0], [4.0, 4.0]]}
    theirs = SklearnMixture(
        2, reg_covar=0, tol=1e-14, max_iter=5000, precisions_init=np.tile(np.eye(2), (2, 1, 1)), **start
    ).fit(X)
    ours = XDGMM(2, covariances_init=np.tile(np.eye(2), (2, 1, 1)), **start).fit(X)
    assert ours.score(X) == pytest.approx(theirs.score(X), abs=1e-8)
    assert ours.score(X) >= theirs.score(X) - 1e-12
    assert ours.covariances_ == pytest.approx(theirs.covariances_, rel=1e-4)


def test_not_converging_is_a_warning_and_a_result():
    x, e = two_groups()
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        model = XDGMM(2, solver="em", max_iter=5, random_state=0).fit(x, Xerr=e)
    assert not model.converged_
    assert model.n_iter_ == 5


def test_parameters_survive_cloning():
    model = XDGMM(3, solver="em", tol=1e-3, random_state=5)
    assert clone(model).get_params() == model.get_params()


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"n_components": 0}, "`n_components` is 0"),
        ({"n_components": -2}, "`n_components` is -2"),
        ({"n_components": 4}, "3 objects"),
        ({"n_components": 1.5}, "`n_components` is 1.5"),
        ({"n_components": "2"}, "`n_components` is '2'"),
        ({"n_components": True}, "`n_components` is True"),
        ({"solver": "magic"}, "`solver`.*auto"),
        ({"tol": -1}, "`tol` is -1"),
        ({"tol": float("nan")}, "`tol` is nan"),
        ({"tol": "small"}, "`tol`.*number"),
        ({"max_iter": 0}, "`max_iter` is 0"),
        ({"n_init": 0, "n_components": 2}, "`n_init` is 0"),
        ({"init": "zeros"}, "kmeans"),
        ({"means_init": [[0.0, 1.0]]}, "`means_init` has shape"),
        ({"means_init": [[np.nan]]}, "`means_init`"),
        ({"means_init": "here"}, "`means_init`"),
        ({"weights_init": [2.0]}, "sum to 1"),
        ({"covariances_init": [[[-1.0]]]}, "negative eigenvalue"),
        ({"n_components": 2, "weights_init": [0.5, 0.5]}, "`means_init` is needed"),
        ({"init": GaussianMixture([0.5, 0.5], [[0.0], [1.0]], [[[1.0]], [[1.0]]])}, "2 components"),
        ({"init": GaussianMixture([1.0], [[0.0, 0.0]], [np.eye(2)])}, "2 coordinates"),
    ],
)
def test_parameters_that_cannot_be_are_refused_in_one_sentence(parameters, sentence):
    with pytest.raises(InputError, match=sentence):
        XDGMM(**parameters).fit([1.0, 2.0, 4.0], Xerr=0.1)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"X": [1.0, 2.0], "Xerr": [1.0, 1.0, 1.0]}, "`values` has shape"),
        ({"X": [1.0, 2.0], "Xerr": [1.0, -1.0]}, "row 1"),
        ({"X": [1.0, 2.0], "Xerr": [1.0, np.nan]}, "row 1"),
        ({"X": [1.0, np.inf]}, "infinite in row 1"),
        ({"X": ["a", "b"]}, "strings"),
        ({"X": []}, "empty"),
        ({"X": [np.nan, np.nan]}, "missing"),
        ({"X": [1.0, 2.0], "sample_weight": [0, 0]}, "zero"),
        ({"X": [1.0, 2.0], "sample_weight": [1, -1]}, "row 1"),
        ({"X": np.zeros((2, 2, 2))}, "row per object"),
        ({"X": Observations.exact([1.0]), "Xerr": 1.0}, "holds its own"),
    ],
)
def test_data_that_cannot_be_used_are_refused_in_one_sentence(arguments, sentence):
    with pytest.raises(InputError, match=sentence):
        XDGMM().fit(**arguments)


def test_other_numbers_of_columns_are_refused(fitted):
    with pytest.raises(InputError, match=r"2 features.*expecting 1"):
        fitted.score([[1.0, 2.0]], Xerr=0)


@pytest.mark.parametrize(
    ("X", "y"),
    [
        (np.ones((3, 1)), np.array([0.1, 0.2, 0.3])),
        (np.ones((3, 2)), 0.5),
        (Observations.with_standard_errors([1.0, 2.0], 0.1), [0.1, 0.1]),
    ],
)
def test_whatever_looks_like_errors_by_position_is_refused(X, y):
    with pytest.raises(TypeError, match="Xerr="):
        XDGMM().fit(X, y)


def test_data_in_other_units_are_converted_to_those_of_the_fit(table, fitted):
    v, e = table["v"], table["e_v"]
    there = fitted.score(v, Xerr=e)
    assert fitted.score(v.to("m/s"), Xerr=e.to("m/s")) == pytest.approx(there, rel=1e-12)
    assert fitted.bic(v.to("m/s"), Xerr=e) == pytest.approx(fitted.bic(v, Xerr=e), rel=1e-12)
    row = fitted.widths(v.to("m/s"), Xerr=e)[0]
    assert row["observed_sigma"].to_value("km/s") == pytest.approx(3.147, abs=5e-4)
    with pytest.raises(InputError, match="does not convert"):
        fitted.score(v.value * u.kg, Xerr=e.value)


def test_starts_are_converted_to_the_units_of_the_data(table, fitted):
    v, e = table["v"].to("m/s"), table["e_v"]
    by_mixture = XDGMM(init=fitted.mixture_, max_iter=50).fit(v, Xerr=e)
    by_parts = XDGMM(means_init=[[80.0]] * u.km / u.s, covariances_init=[[[9.0]]] * (u.km / u.s) ** 2).fit(v, Xerr=e)
    for model in (by_mixture, by_parts):
        assert model.mixture_.sigmas[0, 0] == pytest.approx(2725.2541, rel=1e-6)
    assert abs(by_mixture.result_.history[0] - by_mixture.result_.log_likelihood) < 1e-9


def test_an_object_that_no_component_can_have_made_has_no_nan():
    mixture = GaussianMixture([0.4, 0.6], [[0.0], [1.0]], np.zeros((2, 1, 1)))
    model = XDGMM(2, init=mixture, max_iter=30).fit([0.0, 0.1, 0.9, 1.0], Xerr=1.0)
    model.mixture_ = mixture
    assert model.predict_proba([0.5], Xerr=0) == pytest.approx(np.array([[0.4, 0.6]]))
    assert model.score_samples([0.5], Xerr=0)[0] == -np.inf


def test_one_object_with_a_missing_coordinate_can_be_judged():
    X = np.random.default_rng(0).normal(size=(40, 2))
    model = XDGMM().fit(X, Xerr=0.1)
    expected = norm.logpdf(0.3, model.means_[0, 0], np.sqrt(model.covariances_[0, 0, 0] + 0.01))
    assert model.score_samples([[0.3, np.nan]], Xerr=0.1)[0] == pytest.approx(expected, rel=1e-12)


def test_a_missing_value_may_have_an_infinite_error_in_any_dimension():
    X = np.random.default_rng(0).normal(size=(40, 2))
    e = np.full((40, 2), 0.1)
    e[3, 1] = np.inf
    missing = X.copy()
    missing[3, 1] = np.nan
    one, other = XDGMM().fit(X, Xerr=e), XDGMM().fit(missing, Xerr=0.1)
    assert one.covariances_ == pytest.approx(other.covariances_, rel=1e-9)
    assert np.isfinite(one.widths(X, Xerr=e)["sigma_error"]).all()


def test_magnitudes_are_fitted_and_reported():
    rng = np.random.default_rng(0)
    brightness = u.Magnitude(rng.normal(20, 1, 50), u.ABmag)
    model = XDGMM().fit(brightness, Xerr=np.full(50, 0.1) * u.mag)
    report = model.widths(brightness, Xerr=np.full(50, 0.1) * u.mag)
    assert report["sigma"].unit == u.mag


def test_columns_of_a_data_frame_like_object_are_arrays():
    class Series:
        """What matters of a pandas Series: it is array-like, and `mask` is a method."""

        def __init__(self, values):
            self.values = np.asarray(values)

        def __array__(self, dtype=None, copy=None):
            return self.values.astype(dtype) if dtype else self.values

        def __len__(self):
            return len(self.values)

        def mask(self):
            """Pandas' method."""

    v, e = [1.0, 2.0, 4.0, 8.0], [0.1, 0.1, 0.2, 0.2]
    assert XDGMM().fit(Series(v), Xerr=Series(e)).means_ == pytest.approx(XDGMM().fit(v, Xerr=e).means_)


def test_answers_for_each_object_are_those_of_the_fitted_mixture(table, fitted):
    stars = Observations.from_table(table, "v")
    assert (fitted.denoise(stars).means == objects.denoise(fitted.mixture_, stars).means).all()
    assert (fitted.outlyingness(stars) == objects.outlyingness(fitted.mixture_, stars)).all()
    two = XDGMM(2, random_state=0).fit(stars)
    with pytest.raises(InputError, match="draws"):
        two.outlyingness(stars)
    assert (two.outlyingness(stars, n_samples=20) == two.outlyingness(stars, n_samples=20)).all()


@pytest.mark.parametrize("seed", ["one", -1, 1.5])
def test_seeds_that_are_none_get_one_sentence(fitted, seed):
    said = r"` is .*, but it must be a numpy Generator, a seed"
    with pytest.raises(InputError, match="`random_state" + said):
        XDGMM(random_state=seed).fit([1.0, 2.0, 4.0], Xerr=1.0)
    with pytest.raises(InputError, match="`rng" + said):
        fitted.mixture_.sample(3, rng=seed)
