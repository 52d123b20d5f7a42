"""scikit-learn's contract: its own checks, its tools with errors carried along, names, copies and files."""

import pickle
from contextlib import nullcontext

import astropy.units as u
import joblib
import numpy as np
import pytest
import sklearn
from astropy.table import QTable
from scipy.stats import multivariate_normal
from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning
from sklearn.exceptions import NotFittedError as SklearnNotFittedError
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    train_test_split,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from xdgmm import XDGMM, Background, DegenerateError, InputError, InverseWishart, Observations, Prior
from xdgmm.errors import XdgmmWarning

WEAK = Prior(covariances=InverseWishart(0.01))  # the checks fit several components to a few repeated exact values
MODELS = [XDGMM(), XDGMM(2, covariance_type="tied", n_init=3, prior=WEAK)]
IN_BATCHES = {"check_fit_score_takes_y", "check_n_features_in_after_fitting"}  # call partial_fit, which takes no prior


@pytest.mark.filterwarnings("ignore:.*do not scatter in all 30 directions")  # 15 exact values in one of the checks
@parametrize_with_checks(MODELS)
def test_every_check_of_scikit_learn_passes(estimator, check):
    refused = estimator.prior is not None and check.func.__name__ in IN_BATCHES
    with pytest.raises(InputError, match=r"batches .* prior") if refused else nullcontext():
        check(estimator)


routed = pytest.mark.usefixtures("routing")


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.fixture(scope="module")
def noisy():
    """Two groups with errors from far below to far above their widths: X (N, 1), e (N, 1)."""
    rng = np.random.default_rng(0)
    e = rng.uniform(0.1, 2.0, (300, 1))
    x = np.where(rng.random((300, 1)) < 0.4, rng.normal(0, 1, (300, 1)), rng.normal(8, 0.5, (300, 1)))
    return x + e * rng.standard_normal(x.shape), e


@pytest.fixture(scope="module")
def correlated():
    """One Gaussian in two columns of very different scale: X (N, 2), e (N, 2)."""
    rng = np.random.default_rng(1)
    e = rng.uniform(0.2, 1.0, (400, 2)) * [1, 100]
    V = np.array([[1, 80], [80, 1e4]])
    return rng.multivariate_normal([3, 500], V, 400) + e * rng.standard_normal(e.shape), e


def by_hand(X, e, folds, K):
    """Mean log-likelihood of each fold under the fit to the others."""
    scores = []
    for train, test in folds.split(X):
        model = XDGMM(K, random_state=0).fit(X[train], Xerr=e[train])
        scores.append(model.score(X[test], Xerr=e[test]))
    return scores


@routed
def test_cross_validation_carries_errors_to_fit_and_to_score(noisy):
    X, e = noisy
    folds = KFold(3, shuffle=True, random_state=0)
    scores = cross_val_score(XDGMM(2, random_state=0), X, cv=folds, params={"Xerr": e})
    np.testing.assert_allclose(scores, by_hand(X, e, folds, 2), rtol=1e-12)


@routed
def test_cross_validation_carries_units_masks_and_covariances(noisy):
    X, e = noisy
    plain = cross_val_score(XDGMM(), X, params={"Xerr": e})
    metres = cross_val_score(XDGMM(), X * u.km, params={"Xerr": (1000 * e) * u.m})
    np.testing.assert_allclose(metres, plain, rtol=1e-9)
    covariances = cross_val_score(XDGMM(), X, params={"Xerr": (e**2)[:, :, None]})
    np.testing.assert_allclose(covariances, plain, rtol=1e-9)
    masked = np.ma.MaskedArray(X, np.arange(300)[:, None] % 7 == 0)
    missing = np.where(masked.mask, np.nan, X)
    by_mask, by_nan = (cross_val_score(XDGMM(), each, params={"Xerr": e}) for each in (masked, missing))
    np.testing.assert_allclose(by_mask, by_nan, rtol=1e-12)
    assert np.abs(by_mask - plain).max() > 1e-3


@routed
def test_weights_are_carried_too(noisy):
    X, e = noisy
    w = np.random.default_rng(2).integers(0, 3, 300)
    folds = KFold(3)
    scores = cross_val_score(XDGMM(), X, cv=folds, params={"Xerr": e, "sample_weight": w})
    repeated = []
    for train, test in folds.split(X):
        some, other = (rows.repeat(w[rows]) for rows in (train, test))
        repeated.append(XDGMM().fit(X[some], Xerr=e[some]).score(X[other], Xerr=e[other]))
    np.testing.assert_allclose(scores, repeated, rtol=1e-9)


@routed
def test_a_grid_search_finds_the_two_groups(noisy):
    X, e = noisy
    search = GridSearchCV(XDGMM(random_state=0, n_init=3), {"n_components": [1, 2]}, cv=3).fit(X, Xerr=e)
    assert search.best_params_ == {"n_components": 2}
    assert search.score(X, Xerr=e) == search.best_estimator_.score(X, Xerr=e)
    with pytest.raises(InputError, match=r"of X\b"):
        search.score(X)


def test_a_score_without_the_errors_of_the_fit_refuses_instead_of_misleading(noisy):
    X, e = noisy
    with pytest.raises(InputError, match="enable_metadata_routing=True"):
        cross_val_score(XDGMM(), X, params={"Xerr": e}, error_score="raise")
    with pytest.warns(UserWarning, match=r"of X\b"):
        assert np.isnan(cross_validate(XDGMM(), X, params={"Xerr": e})["test_score"]).all()


@routed
def test_a_scaler_before_the_model_scales_the_values_alone(correlated):
    X, e = correlated
    alone = XDGMM().fit(X, Xerr=e)
    pipeline = make_pipeline(StandardScaler(), XDGMM()).fit(X, Xerr=e)
    trapped = pipeline[-1].mixture_.sigmas * pipeline[0].scale_
    assert trapped[0, 1] < 0.7 * alone.mixture_.sigmas[0, 1]  # behind errors 100 times too large
    by_hand = XDGMM().fit(StandardScaler().fit_transform(X), Xerr=e / X.std(axis=0))
    np.testing.assert_allclose(by_hand.mixture_.sigmas * X.std(axis=0), alone.mixture_.sigmas, rtol=1e-6)


@pytest.mark.parametrize("factor", [1e-12, 1e8])
def test_no_scaler_is_needed(correlated, factor):
    X, e = correlated
    alone, scaled = XDGMM().fit(X, Xerr=e), XDGMM().fit(factor * X, Xerr=factor * e)
    np.testing.assert_allclose(scaled.covariances_, factor**2 * alone.covariances_, rtol=1e-6)


@pytest.mark.parametrize("copy", ["clone", "pickle", "joblib"])
def test_a_copy_is_the_same(correlated, copy, tmp_path):
    X, e = correlated
    model = XDGMM(random_state=0).fit(Observations.with_standard_errors(X, e, names=["a", "b"], units=["km", "s"]))
    if copy == "clone":
        assert not hasattr(clone(model), "mixture_")
        same = clone(model).fit(Observations.with_standard_errors(X, e, names=["a", "b"], units=["km", "s"]))
    elif copy == "pickle":
        same = pickle.loads(pickle.dumps(model))
    else:
        joblib.dump(model, tmp_path / "model.joblib")
        same = joblib.load(tmp_path / "model.joblib")
    assert (same.score_samples(X, Xerr=e) == model.score_samples(X, Xerr=e)).all()
    assert same.mixture_.units == model.mixture_.units
    assert same.result_.outcome is model.result_.outcome
    assert same.widths(X, Xerr=e)["sigma_error"].tolist() == model.widths(X, Xerr=e)["sigma_error"].tolist()
    assert same.feature_names_in_.tolist() == ["a", "b"]


def test_a_model_whose_arrays_stay_in_the_file_is_the_same(correlated, tmp_path):
    X, e = correlated
    model = XDGMM(background=Background()).fit(X, Xerr=e)
    joblib.dump(model, tmp_path / "model.joblib")
    same = joblib.load(tmp_path / "model.joblib", mmap_mode="r")
    assert (same.predict_proba(X, Xerr=e) == model.predict_proba(X, Xerr=e)).all()


class Frame:
    """What matters of a data frame: it is array-like and has column names."""

    def __init__(self, values, columns):
        self.values, self.columns = np.asarray(values), columns

    def to_numpy(self):
        return self.values

    def __array__(self, dtype=None, copy=None):
        return self.values.astype(dtype or float)

    def __len__(self):
        return len(self.values)


def as_frame(X, e):
    return {"X": Frame(X, ["a", "b"]), "Xerr": Frame(e, ["a", "b"])}


def as_pandas(X, e):
    pandas = pytest.importorskip("pandas")
    return {"X": pandas.DataFrame(X, columns=["a", "b"]), "Xerr": pandas.DataFrame(e, columns=["a", "b"])}


def as_table(X, e):
    return {"X": QTable([*X.T, *e.T], names=["a", "b", "e_a", "e_b"])}


def as_named(X, e):
    return {"X": Observations.with_standard_errors(X, e, names=["a", "b"])}


@pytest.mark.parametrize("made", [as_frame, as_pandas, as_table, as_named])
def test_names_are_kept_and_compared(correlated, made):
    X, e = correlated
    model = XDGMM().fit(**made(X, e))
    assert model.feature_names_in_.tolist() == ["a", "b"]
    assert model.feature_names_in_.dtype == object
    assert model.n_features_in_ == 2
    assert model.mixture_.names == ("a", "b")
    assert model.score(**made(X, e)) == model.score(X, Xerr=e)  # bare arrays have no names to compare
    with pytest.raises(InputError, match=r"columns b, a, .*fitted to a, b"):
        model.score(Observations.with_standard_errors(X[:, ::-1], e[:, ::-1], names=["b", "a"]))
    assert not hasattr(model.fit(X, Xerr=e), "feature_names_in_")


def test_columns_without_names_of_their_own_get_none(correlated):
    X, e = correlated
    assert not hasattr(XDGMM().fit(Observations.with_standard_errors(X, e)), "feature_names_in_")
    assert not hasattr(XDGMM().fit(Frame(X, [0, 1]), Xerr=e), "feature_names_in_")
    with pytest.raises(TypeError, match="only some column names are strings"):
        XDGMM().fit(Frame(X, ["a", 1]), Xerr=e)


def test_nulls_of_a_data_frame_are_missing(correlated):
    pandas = pytest.importorskip("pandas")
    X, e = correlated[0].copy(), correlated[1]
    X[::5, 1] = np.nan
    nullable = pandas.DataFrame(X, columns=["a", "b"]).convert_dtypes()
    assert nullable.isna().to_numpy().sum() == 80
    assert (XDGMM().fit(nullable, Xerr=e).means_ == XDGMM().fit(X, Xerr=e).means_).all()


def test_columns_named_like_errors_are_fitted_with_a_warning(correlated):
    X, e = correlated
    both = np.column_stack([X, e])
    with pytest.warns(XdgmmWarning, match=r"'e_a' .*errors of 'a' \(and 1 more\).* Xerr="):
        model = XDGMM().fit(Frame(both, ["a", "b", "e_a", "b_err"]))
    assert model.n_features_in_ == 4
    XDGMM().fit(Frame(both, ["a", "b", "ea", "eb"]))


def test_rows_of_errors_in_another_order_are_refused(correlated):
    frames = as_pandas(*correlated)
    with pytest.raises(InputError, match=r"Xerr\.loc\[X\.index\]"):
        XDGMM().fit(frames["X"], Xerr=frames["Xerr"][::-1])
    with pytest.raises(InputError, match="order"):
        XDGMM().fit(frames["X"]["a"], Xerr=frames["Xerr"]["a"][::-1])
    XDGMM().fit(frames["X"][50:], Xerr=frames["Xerr"][50:].reset_index(drop=True))  # other labels say nothing


def test_errors_in_another_order_than_the_values_are_refused(correlated):
    X, e = correlated
    with pytest.raises(InputError, match=r"X are a, b, .*Xerr are b, a"):
        XDGMM().fit(Frame(X, ["a", "b"]), Xerr=Frame(e, ["b", "a"]))
    XDGMM().fit(Frame(X, ["a", "b"]), Xerr=Frame(e, ["e_a", "e_b"]))


def test_an_unfitted_model_is_one_for_scikit_learn_too():
    with pytest.raises(SklearnNotFittedError, match="call fit"):
        XDGMM().predict([1.0])


def test_score_is_the_mean_over_objects_and_score_samples_has_each(correlated):
    X, e = correlated
    model = XDGMM().fit(X, Xerr=e)
    m, V = model.means_[0], model.covariances_[0]
    expected = [multivariate_normal(m, V + np.diag(s**2)).logpdf(x) for x, s in zip(X, e, strict=True)]
    np.testing.assert_allclose(model.score_samples(X, Xerr=e), expected, rtol=1e-10)
    assert model.score(X, Xerr=e) == pytest.approx(np.mean(expected), rel=1e-12)


def test_one_gaussian_of_exact_values_in_a_plane_is_shrunk_to_its_diagonal_and_says_so():
    X = np.random.default_rng(3).normal(size=(4, 6)) * 10.0 ** np.arange(6)
    with pytest.warns(XdgmmWarning, match=r"4 exact values .*6 directions"):
        model = XDGMM().fit(X)
    S = np.cov(X.T, bias=True)
    # its rank is 3: all other directions live from the millionth that is taken from the diagonal
    unit = np.sqrt(np.outer(np.diag(S), np.diag(S)))
    expected = S + 1e-6 * (np.diag(np.diag(S)) - S)
    np.testing.assert_allclose(model.covariances_[0] / unit, expected / unit, atol=1e-9)
    np.testing.assert_allclose(model.means_[0], X.mean(axis=0), rtol=1e-6)
    assert np.isfinite(model.score(X))
    assert model.result_.model.prior is not None


def test_shrinkage_counts_weights_as_repeated_rows():
    X, w = np.random.default_rng(4).normal(size=(4, 6)), np.array([1, 0, 2, 3])
    with pytest.warns(XdgmmWarning, match="do not scatter"):
        weighted, repeated = XDGMM().fit(X, sample_weight=w), XDGMM().fit(X.repeat(w, axis=0))
    np.testing.assert_allclose(weighted.covariances_, repeated.covariances_, rtol=1e-6, atol=1e-12)


def test_what_shrinkage_does_not_cure_is_still_refused():
    x = np.random.default_rng(5).normal(size=20)
    with pytest.raises(DegenerateError):
        XDGMM().fit(np.column_stack([x, np.ones(20)]))  # a column without any scatter
    with pytest.raises(DegenerateError):
        XDGMM(2, random_state=0).fit([0.0, 0.0, 0.0, 5.0, 6.0, 7.0])
    with pytest.raises(InputError, match="only 1 sample"):
        XDGMM().fit([[1.0, 2.0]])


def test_a_fold_without_maximum_does_not_end_the_search():
    X = np.repeat([0.0, 1.0, 2.0, 5.0], 5)[:, None]
    with pytest.warns(FitFailedWarning, match="no maximum"), pytest.warns(UserWarning, match="non-finite"):
        search = GridSearchCV(XDGMM(random_state=0), {"n_components": [1, 4]}, cv=2).fit(X)
    assert search.best_params_ == {"n_components": 1}


# --- Observations hold their errors through every tool ---------------------------------------------------------------


def test_observations_are_split_with_their_errors_and_weights():
    rng = np.random.default_rng(8)
    X, e, w = rng.normal(size=(90, 2)), rng.uniform(0.1, 2.0, (90, 2)), rng.uniform(0.5, 2.0, 90)
    whole = Observations.with_standard_errors(X, e, w, names=["a", "b"])
    folds = KFold(3, shuffle=True, random_state=0)
    expected = [
        XDGMM().fit(X[fit], Xerr=e[fit], sample_weight=w[fit]).score(whole.select(score))
        for fit, score in folds.split(X)
    ]
    assert cross_val_score(XDGMM(), whole, cv=folds) == pytest.approx(expected, rel=1e-12)
    train, test = train_test_split(whole, random_state=0)
    assert (train.shape, test.shape) == ((67, 2), (23, 2))
    found = GridSearchCV(XDGMM(), {"covariance_type": ["full", "diag"]}, cv=folds).fit(whole)
    assert found.predict(test).tolist() == [0] * 23
    probabilities = cross_val_predict(XDGMM(2, random_state=0), whole, cv=folds, method="predict_proba")
    (fit, judged), *_ = folds.split(X)
    assert probabilities[judged] == pytest.approx(XDGMM(2, random_state=0).fit(whole[fit]).predict_proba(whole[judged]))


def test_observations_never_become_an_array_without_errors():
    observations = Observations.with_standard_errors([1.0, 2.0, 4.0], 1.0)
    with pytest.raises(InputError, match="errors"):
        np.asarray(observations)
    with pytest.raises(InputError, match="errors"):
        make_pipeline(StandardScaler(), XDGMM()).fit(observations)


def test_rows_of_observations_are_observations():
    observations = Observations.with_standard_errors([1.0, 2.0, 4.0], [0.1, 0.2, 0.3], names="v")
    for rows, expected in ((slice(1, None), [2.0, 4.0]), (-1, [4.0]), ([True, False, True], [1.0, 4.0])):
        part = observations[rows]
        assert (part.values[:, 0].tolist(), part.names) == (expected, ("v",))
    assert [one.noise[0, 0] for one in observations] == [0.1, 0.2, 0.3]
    assert repr(observations[0]) == "<Observations: 1 object, v, 1-sigma errors>"
