"""Tholoien's class as its clients call it, beside likelihoods and conditional distributions computed independently."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.base import clone
from sklearn.model_selection import ShuffleSplit, validation_curve

import xdgmm
from xdgmm import ConvergenceWarning, DegenerateError, GaussianMixture, InputError
from xdgmm.compat.tholoien import XDGMM
from xdgmm.errors import NotFittedError, OutputError

WEIGHTS = np.array([0.3, 0.5, 0.2])
MU = np.array([[0.0, 1.0], [5.0, 4.0], [2.0, 4.0]])
V = np.array([[[2.0, -0.6], [-0.6, 1.0]], [[1.0, 0.2], [0.2, 1.0]], [[0.3, 0.0], [0.0, 0.5]]])


def given(**options):
    """A model whose parameters are known; copies, since they may be changed."""
    return XDGMM(3, V=V.copy(), mu=MU.copy(), weights=WEIGHTS.copy(), **options)


def catalogue(N=200, seed=5):
    """Measured values of the mixture above, and the covariances of their errors."""
    rng = np.random.default_rng(seed)
    A = 0.4 * rng.standard_normal((N, 2, 2))
    Xerr = A @ A.transpose(0, 2, 1) + 0.02 * np.eye(2)
    k = rng.choice(3, N, p=WEIGHTS)
    X = np.array([rng.multivariate_normal(m, T) for m, T in zip(MU[k], V[k] + Xerr, strict=True)])
    return X, Xerr


def log_terms(X, Xerr, weights=WEIGHTS, mu=MU, V=V):
    """ln of weight times density (N, K), object by object."""
    rows = zip(X, Xerr, strict=True)
    return np.array(
        [
            [np.log(a) + multivariate_normal(m, C + S).logpdf(x) for a, m, C in zip(weights, mu, V, strict=True)]
            for x, S in rows
        ]
    )


def demo(N=2000):
    """The data of the original's demonstration (after astroML's), number by number."""
    rng = np.random.RandomState(0)
    x = (1.4 + 2 * rng.random_sample(N)) ** 2
    y = 0.1 * x**2
    scatter = 0.1 + 4.0 / x**2, 0.1 + 10.0 / x**2
    x, y = x + rng.normal(0, scatter[0], N), y + rng.normal(0, scatter[1], N)
    errors = [0.2 + 0.5 * rng.random_sample(N) for _ in range(2)]
    X = np.stack([x + rng.normal(0, errors[0]), y + rng.normal(0, errors[1])], axis=1)
    return X, np.eye(2) * np.stack(errors, axis=1)[:, :, None] ** 2


# What the original does, and what it should have done.


def test_the_published_demonstration_is_reached_or_surpassed():
    X, Xerr = demo()
    published = [17315.9224389, 16130.5772176, 15886.9897856, 15852.0976101]  # Demo.ipynb, K = 1, 2, 3, 4
    bics, best, lowest = XDGMM(random_state=0).bic_test(X, Xerr, np.array([1, 2, 3, 4]))
    assert bics[0] == pytest.approx(published[0], abs=1e-4)  # theirs stops at steps of 1e-5 nats
    assert (bics < np.array(published) + 1e-4).all()
    assert (best, lowest) == (4, bics.min())


def test_clients_find_the_optimum_and_fit_it():
    X, Xerr = catalogue()
    model = XDGMM(random_state=1)
    _, best, _ = model.bic_test(X, Xerr, range(1, 5))  # as tcup does
    model.n_components = best
    model = model.fit(X, Xerr)
    assert model.weights.shape == (best,)
    assert model.mu.shape == (best, 2)
    assert model.V.shape == (best, 2, 2)


def test_the_best_fit_is_kept_and_not_the_last():
    X, Xerr = catalogue()
    model = XDGMM(random_state=1)
    bics, best, lowest = model.bic_test(X, Xerr, [1, 3, 6])
    assert best == 3
    assert model.n_components == len(model.mu) == best
    assert model.bic(X, Xerr) == pytest.approx(lowest, rel=1e-12) == bics[1]


def test_the_criteria_are_those_of_the_formula():
    X, Xerr = catalogue()
    lnL = logsumexp(log_terms(X, Xerr), axis=1).sum()
    p = 3 * 3 + 3 * 2 + 2
    assert given().bic(X, Xerr) == pytest.approx(p * np.log(200) - 2 * lnL, rel=1e-12)
    assert given().aic(X, Xerr) == pytest.approx(2 * p - 2 * lnL, rel=1e-12)


def test_criteria_without_errors_are_those_of_exact_values():
    X, Xerr = catalogue()
    model = XDGMM(random_state=1)
    aics, best, lowest = model.aic_test(X, Xerr, [2], no_err=True)
    lnL = logsumexp(log_terms(X, 0 * Xerr, model.weights, model.mu, model.V), axis=1).sum()
    assert aics[0] == lowest == pytest.approx(2 * 11 - 2 * lnL, rel=1e-12)
    assert best == 2


def test_numbers_without_a_maximum_are_infinitely_bad():
    X = np.random.default_rng(2).standard_normal((6, 1))
    bics, best, _ = XDGMM(random_state=1).bic_test(X, np.zeros((6, 1, 1)), [1, 5])
    assert best == 1
    assert np.isfinite(bics[0])
    assert bics[1] == np.inf


def test_likelihoods_are_those_of_convolved_gaussians():
    X, Xerr = catalogue(50)
    terms = log_terms(X, Xerr)
    log_likelihoods, probabilities = given().score_samples(X, Xerr)
    np.testing.assert_allclose(given().logprob_a(X, Xerr), terms, rtol=1e-12)
    np.testing.assert_allclose(log_likelihoods, logsumexp(terms, axis=1), rtol=1e-12)
    np.testing.assert_allclose(probabilities, np.exp(terms - logsumexp(terms, axis=1)[:, None]), rtol=1e-9)
    np.testing.assert_array_equal(given().predict_proba(X, Xerr), probabilities)
    np.testing.assert_array_equal(given().predict(X, Xerr), terms.argmax(axis=1))
    assert given().logL(X, Xerr) == pytest.approx(logsumexp(terms, axis=1).sum(), rel=1e-12)
    assert given().score(X, Xerr) == pytest.approx(logsumexp(terms, axis=1).mean(), rel=1e-12)


def test_likelihoods_of_far_components_do_not_underflow():
    x, S = np.array([[500.0, -500.0]]), np.eye(2)[None]
    np.testing.assert_allclose(given().logprob_a(x, S), log_terms(x, S), rtol=1e-12)


def closed_form(x, error):
    """The second column given the first: weights, means and variances of each component, one after the other."""
    terms = []
    for weight, m, C in zip(WEIGHTS, MU, V, strict=True):
        T = C[0, 0] + error**2
        density = weight * np.exp(-0.5 * (x - m[0]) ** 2 / T) / np.sqrt(2 * np.pi * T)
        terms.append((density, m[1] + C[1, 0] / T * (x - m[0]), C[1, 1] - C[1, 0] ** 2 / T))
    weights, means, variances = np.array(terms).T
    return weights / weights.sum(), means, variances


@pytest.mark.parametrize("error", [0.0, 0.7])
def test_conditions_are_those_of_the_closed_form(error):
    rest = given().condition(np.array([3.0, np.nan]), np.array([error, 0.0]))
    weights, means, variances = closed_form(3.0, error)
    np.testing.assert_allclose(rest.weights, weights, rtol=1e-12)
    np.testing.assert_allclose(rest.mu[:, 0], means, rtol=1e-12)
    np.testing.assert_allclose(rest.V[:, 0, 0], variances, rtol=1e-12)


def test_a_condition_is_the_integral_over_the_true_value():
    a, b = np.linspace(-4, 10, 1401), np.linspace(-6, 12, 1801)
    joint = sum(
        weight * multivariate_normal(m, C).pdf(np.stack(np.broadcast_arrays(a[:, None], b), axis=-1))
        for weight, m, C in zip(WEIGHTS, MU, V, strict=True)
    )
    given_b = (joint * np.exp(-0.5 * ((a - 3.0) / 0.7) ** 2)[:, None]).sum(axis=0)
    given_b /= given_b.sum() * (b[1] - b[0])
    rest = given().condition(X_input=[3.0, np.nan], Xerr_input=[0.7, 0.0])
    np.testing.assert_allclose(np.exp(rest.score_samples(b[:, None], np.zeros((b.size, 1, 1)))[0]), given_b, atol=1e-9)
    as_variance = given().condition([3.0, np.nan], [np.sqrt(0.7), 0.0])  # what the original does with 0.7
    difference = np.exp(as_variance.score_samples(b[:, None], np.zeros((b.size, 1, 1)))[0]) - given_b
    assert abs(difference).max() > 1e-3


def test_labels_say_what_is_known():
    model = given(labels=["mass", "age"])
    rest = model.condition(X_dict={"mass": (3, 0.7)})
    same = model.condition([3.0, np.nan], [0.7, 0.0])
    assert rest.labels.tolist() == ["age"]
    for name in ("weights", "mu", "V"):
        np.testing.assert_array_equal(getattr(rest, name), getattr(same, name))
    exact = model.condition(X_dict={"mass": 3, "age": np.nan})
    np.testing.assert_array_equal(exact.mu, model.condition([3.0, np.nan]).mu)


def test_conditioned_models_keep_the_settings_but_not_the_seed():
    model = given(n_iter=7, tol=0.5, method="Bovy", w=2.0, random_state=3)
    rest = model.condition([3.0, np.nan])
    assert (rest.n_components, rest.n_iter, rest.tol, rest.method, rest.w) == (3, 7, 0.5, "Bovy", 2.0)
    assert rest.random_state is None
    assert rest.sample().shape == (1, 1)
    assert rest.labels is None


def test_samples_have_the_mean_and_covariance_of_the_mixture():
    points, N = given(random_state=8).sample(20_000), 20_000
    mean = WEIGHTS @ MU
    covariance = np.einsum("k,kij->ij", WEIGHTS, V + (MU - mean)[:, :, None] * (MU - mean)[:, None, :])
    assert points.shape == (N, 2)
    assert (abs(points.mean(axis=0) - mean) < 4 * np.sqrt(np.diagonal(covariance) / N)).all()
    np.testing.assert_allclose(np.cov(points.T), covariance, atol=0.15)  # errors of some 0.03


def test_seeds_make_samples_repeatable():
    model = given(random_state=8)
    np.testing.assert_array_equal(model.sample(5), model.sample(5))
    assert (model.sample(5, random_state=9) != model.sample(5)).all()
    one, other = (given().sample(5, random_state=np.random.RandomState(1)) for _ in range(2))
    np.testing.assert_array_equal(one, other)


# Fits.


@pytest.mark.parametrize("method", ["astroML", "Bovy"])
def test_a_fit_is_that_of_the_package(method):
    X, Xerr = catalogue()
    model = XDGMM(3, tol=1e-10, method=method, random_state=1).fit(X, Xerr)
    other = xdgmm.XDGMM(3, random_state=2).fit(X, Xerr=Xerr)
    np.testing.assert_allclose(model.mu, other.means_, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(model.V, other.covariances_, rtol=1e-4, atol=1e-5)
    assert model.result_.mixture is model.mixture_
    assert model.mixture_.record is not None


def test_regularisation_leaves_a_step_of_em_without_effect():
    """Bovy, Hogg & Roweis 2011, eqs 16 and 17, with the covariances of their sec. 3.2."""
    X, Xerr = catalogue(60)
    w = 3.0
    model = XDGMM(2, tol=1e-12, method="Bovy", random_state=1, w=w).fit(X, Xerr)
    terms = log_terms(X, Xerr, model.weights, model.mu, model.V)
    r = np.exp(terms - logsumexp(terms, axis=1)[:, None])
    for k in range(2):
        gain = model.V[k] @ np.linalg.inv(model.V[k] + Xerr)
        b = model.mu[k] + np.einsum("nij,nj->ni", gain, X - model.mu[k])
        B = model.V[k] - gain @ model.V[k]
        q, d = r[:, k].sum(), b - r[:, k] @ b / r[:, k].sum()
        total = np.einsum("n,nij->ij", r[:, k], d[:, :, None] * d[:, None, :] + B)
        np.testing.assert_allclose((total + w * np.eye(2)) / (q + 1), model.V[k], atol=1e-6)
    plain, other = (XDGMM(2, method="astroML", random_state=1, w=each).fit(X, Xerr) for each in (w, 0.0))
    np.testing.assert_array_equal(plain.V, other.V)  # there w counts for nothing
    assert abs(plain.V - model.V).max() > 0.1


def test_regularisation_makes_fits_of_exact_values_possible():
    X = np.random.default_rng(2).standard_normal((6, 1))
    with pytest.raises(DegenerateError, match="method='Bovy'"):
        XDGMM(5, random_state=1).fit(X, np.zeros((6, 1, 1)))
    assert (XDGMM(5, method="Bovy", w=0.1, random_state=1).fit(X, np.zeros((6, 1, 1))).V > 0).all()


def test_fits_that_end_early_warn():
    X, Xerr = catalogue()
    with pytest.warns(ConvergenceWarning, match="n_iter"):
        XDGMM(3, n_iter=3, random_state=1).fit(X, Xerr)
    with pytest.warns(ConvergenceWarning, match=r"n_components = 2, 3: .*n_iter"):
        XDGMM(n_iter=3, random_state=1).bic_test(X, Xerr, [2, 3])


def test_columns_of_data_frames_become_labels():
    X, Xerr = catalogue()
    frame = pd.DataFrame(X, columns=["mass", "age"])
    model = XDGMM(1).fit(frame, Xerr)
    assert model.labels.tolist() == ["mass", "age"]
    assert model.logL(frame, Xerr) == model.logL(X, Xerr)
    assert model.condition(X_dict={"age": 3.0}).labels.tolist() == ["mass"]


def test_missing_values_are_left_out():
    X, Xerr = catalogue(20)
    X[3, 1] = np.nan
    expected = [
        np.log(a) + multivariate_normal(m[0], C[0, 0] + Xerr[3, 0, 0]).logpdf(X[3, 0])
        for a, m, C in zip(WEIGHTS, MU, V, strict=True)
    ]
    assert given().score_samples(X, Xerr)[0][3] == pytest.approx(logsumexp(expected), rel=1e-12)


def test_parameters_that_are_changed_count_everywhere():
    X, Xerr = catalogue(20)
    model = XDGMM(3, random_state=1).fit(X, Xerr)
    model.GMM.alpha, model.mu, model.V = WEIGHTS, MU, V
    np.testing.assert_array_equal(model.weights, WEIGHTS)
    assert model.logL(X, Xerr) == given().logL(X, Xerr)
    assert model.GMM.logL(X, Xerr) == given().logL(X, Xerr)
    assert model.mixture_.record is None


def test_errors_take_the_place_of_y_in_validation_curves():
    X, Xerr = catalogue()
    splits = ShuffleSplit(2, test_size=0.3, random_state=0)
    train, test = validation_curve(
        XDGMM(random_state=1), X=X, y=Xerr, param_name="n_components", param_range=[1, 3], cv=splits
    )
    assert (train[1] > train[0]).all()
    chosen, left = next(splits.split(X))
    assert test[1, 0] == XDGMM(3, random_state=1).fit(X[chosen], Xerr[chosen]).score(X[left], Xerr[left])


# Files.


@pytest.mark.parametrize("name", ["model.fit", "model.txt", "model.ecsv", "model.fits"])
@pytest.mark.parametrize("labels", [None, ["mass", "age"]])
def test_models_come_back_to_the_last_bit(tmp_path, name, labels):
    X, Xerr = catalogue()
    model = XDGMM(3, random_state=1, labels=labels).fit(X, Xerr)
    model.save_model(tmp_path / name)
    model.save_model(tmp_path / name)  # replaces the first, as the original does
    again = XDGMM(filename=tmp_path / name)
    for parameter in ("weights", "mu", "V"):
        np.testing.assert_array_equal(getattr(again, parameter), getattr(model, parameter))
    assert again.n_components == 3
    assert (None if again.labels is None else again.labels.tolist()) == labels
    assert again.logL(X, Xerr) == model.logL(X, Xerr)


def test_settings_come_back_from_text(tmp_path):
    given(n_iter=70, tol=3e-7, method="Bovy", random_state=4).save_model(tmp_path / "model.fit")
    again = XDGMM()
    again.read_model(tmp_path / "model.fit")
    assert (again.n_iter, again.tol, again.method, again.random_state) == (70, 3e-7, "Bovy", 4)


def test_own_files_keep_the_record_of_the_fit(tmp_path):
    X, Xerr = catalogue()
    XDGMM(2, random_state=1).fit(X, Xerr).save_model(tmp_path / "model.ecsv")
    assert GaussianMixture.read(tmp_path / "model.ecsv").record.n_objects == 200
    again = XDGMM(filename=tmp_path / "model.ecsv")
    again.save_model(tmp_path / "again.fits")
    assert GaussianMixture.read(tmp_path / "again.fits").record.n_objects == 200


def test_text_has_its_lines_where_the_original_looks_for_them(tmp_path):
    given(labels=["mass", "age"], random_state=np.random.default_rng(1)).save_model(tmp_path / "model.fit")
    lines = (tmp_path / "model.fit").read_text().splitlines()
    assert lines[0] == "# XDGMM Model"
    assert lines[2] == "3,2000,1e-05,astroML,None"
    assert lines[4] == "mass,age"
    assert [float(number) for number in lines[6].split(",")] == WEIGHTS.tolist()
    end = lines.index("# covars")
    assert [[float(number) for number in line.split(",")] for line in lines[8:end]] == MU.tolist()
    blocks = "\n".join(lines[end + 1 :]).split("\n#\n")
    assert [[list(map(float, row.split(","))) for row in block.split("\n")] for block in blocks] == V.tolist()


OLD = """# XDGMM Model
# n_components  n_iter  tol  method   random_state
2,100,1e-05,astroML,None
# labels
No labels
# weights
0.333333333333,0.666666666666
# means
0.123456789012,1.0
5.0,4e-05
# covars
1.0,0.333333333333
0.333333333334,2.0
#
1.0,0.999999999999
0.999999999999,1.0
"""


@pytest.mark.parametrize("text", [OLD, OLD.replace("# labels\nNo labels\n", "")])
def test_files_of_the_original_are_read_with_their_twelve_digits(tmp_path, text):
    (tmp_path / "xdgmm.fit").write_text(text)
    model = XDGMM(filename=tmp_path / "xdgmm.fit", w=2.0)
    assert (model.n_components, model.n_iter, model.labels, model.random_state, model.w) == (2, 100, None, None, 2.0)
    assert model.mu.tolist() == [[0.123456789012, 1.0], [5.0, 4e-05]]
    assert model.mixture_.weights.sum() == pytest.approx(1.0, abs=1e-15)
    assert np.isfinite(model.logL(np.array([[1.0, 2.0]]), np.eye(2)[None]))


@pytest.mark.parametrize("n_lines", range(1, 16))
def test_files_that_were_cut_are_refused(tmp_path, n_lines):
    path = tmp_path / "xdgmm.fit"
    path.write_text("\n".join(OLD.splitlines()[:n_lines]))
    with pytest.raises(InputError, match="damaged"):
        XDGMM(filename=path)


@pytest.mark.parametrize(
    ("was", "became"),
    [
        ("0.666666666666", "0.7"),
        ("0.123456789012", "nan"),
        ("0.123456789012", "x"),
        ("1.0,0.999999999999", "-1.0,0.999999999999"),
        ("2,100", "3,100"),
        ("2,100", "2"),
        ("astroML", "EM"),
        ("No labels", "a,b,c"),
        ("5.0,4e-05", "5.0"),
    ],
)
def test_files_that_were_changed_are_refused(tmp_path, was, became):
    path = tmp_path / "xdgmm.fit"
    path.write_text(OLD.replace(was, became, 1))
    with pytest.raises(InputError, match="damaged"):
        XDGMM(filename=path)


def test_a_file_that_is_refused_changes_nothing(tmp_path):
    (tmp_path / "xdgmm.fit").write_text(OLD.replace("0.666666666666", "0.7"))
    model = given()
    with pytest.raises(InputError):
        model.read_model(tmp_path / "xdgmm.fit")
    np.testing.assert_array_equal(model.mu, MU)


@pytest.mark.parametrize("content", [b"", b"# XDGMM Model", b"\x80\x81\x82", b"# XDGMM Model\n\xff\xfe", b"a,b\n1,2\n"])
@pytest.mark.parametrize("name", ["xdgmm.fit", "xdgmm.txt", "xdgmm.ecsv"])
def test_files_that_hold_something_else_are_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError):
        XDGMM(filename=tmp_path / name)


def test_files_with_a_background_are_refused(tmp_path):
    background = xdgmm.Background([-5.0], [5.0]).with_fraction(0.1)
    GaussianMixture([0.9], [[0.0]], [[[1.0]]], background=background).write(tmp_path / "model.ecsv")
    with pytest.raises(InputError, match="background"):
        XDGMM(filename=tmp_path / "model.ecsv")


def test_models_that_were_read_can_be_cloned(tmp_path):
    given().save_model(tmp_path / "model.fit")
    again = clone(XDGMM(filename=tmp_path / "model.fit"))
    np.testing.assert_array_equal(again.mu, MU)


@pytest.mark.parametrize("label", ["a,b", "a b", "#a", "", "a\n"])
def test_labels_that_text_does_not_keep_are_refused(tmp_path, label):
    with pytest.raises(InputError, match="label"):
        given(labels=[label, "c"]).save_model(tmp_path / "model.fit")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(OutputError, match="exist"):
        given().save_model(tmp_path / "none" / "model.fit")
    with pytest.raises(InputError, match="no file"):
        XDGMM(filename=tmp_path / "none.fit")


# What cannot be used.


@pytest.mark.parametrize("shape", [(), (200, 2), (200, 3, 3), (199, 2, 2), (2, 2)])
def test_errors_that_are_no_covariances_are_refused(shape):
    X, _ = catalogue()
    for method in (given().fit, given().logL, given().score_samples):
        with pytest.raises(InputError, match="`Xerr`"):
            method(X, np.ones(shape))


@pytest.mark.parametrize("call", ["sample", "save_model", "condition", "logL", "bic", "logprob_a", "predict", "score"])
def test_a_model_without_parameters_says_so(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = () if call in ("sample", "save_model", "condition") else catalogue()
    with pytest.raises(NotFittedError, match=r"fit\(X, Xerr\)"):
        getattr(XDGMM(), call)(*arguments)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({}, "X_input"),
        ({"X_input": [np.nan, np.nan]}, "NaN"),
        ({"X_input": [1.0, 2.0]}, "leave out"),
        ({"X_input": [1.0]}, "X_input"),
        ({"X_input": ["heavy", np.nan]}, "X_input"),
        ({"X_input": [[1.0, np.nan]]}, "X_input"),
        ({"X_input": [1.0, np.nan], "Xerr_input": [1.0]}, "Xerr_input"),
        ({"X_input": [1.0, np.nan], "Xerr_input": [-1.0, 0.0]}, "negative"),
        ({"X_input": [np.inf, np.nan]}, "inf"),
        ({"X_dict": {"mass": 1.0, "size": 2.0}}, "size"),
        ({"X_dict": {"mass": (1.0, -2.0)}}, "negative"),
        ({"X_dict": {"mass": "heavy"}}, "mass"),
        ({"X_dict": {"mass": [1.0, 2.0]}}, "several"),
        ({"X_dict": {"mass": np.nan}}, "NaN"),
        ({"X_dict": {}}, "NaN"),
        ({"X_dict": ["mass"]}, "X_dict"),
    ],
)
def test_conditions_that_cannot_be_used_are_refused(arguments, named):
    with pytest.raises(InputError, match=named):
        given(labels=["mass", "age"]).condition(**arguments)


def test_labels_are_needed_where_columns_are_named():
    with pytest.raises(InputError, match="labels"):
        given().condition(X_dict={"mass": 1.0})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("method", "EM"),
        ("n_iter", -1),
        ("n_iter", 1.5),
        ("tol", "small"),
        ("tol", -1.0),
        ("w", -1.0),
        ("w", np.nan),
        ("w", "0"),
        ("random_state", "seed"),
        ("n_components", 0),
        ("n_components", 1.5),
        ("labels", ["a"]),
        ("labels", ["a", "a"]),
    ],
)
def test_parameters_that_cannot_be_used_are_named(name, value):
    model = XDGMM().set_params(**{name: value})
    with pytest.raises(InputError, match=f"`{name}`"):
        model.fit(*catalogue(20))


def test_a_method_is_checked_when_the_model_is_made():
    with pytest.raises(ValueError, match="`method`"):
        XDGMM(method="EM")


@pytest.mark.parametrize(
    ("name", "value"), [("mu", [0.0, 1.0]), ("V", V[:2]), ("weights", [0.5, 0.2, 0.1]), ("weights", [0.5, 0.5])]
)
def test_parameters_that_make_no_mixture_are_named(name, value):
    model = given()
    setattr(model, name, value)
    with pytest.raises(InputError, match=f"`{name}`"):
        model.sample()


@pytest.mark.parametrize("param_range", [[], [0], [201], ["two"]])
def test_numbers_of_components_that_cannot_be_are_refused(param_range):
    with pytest.raises(InputError, match="components"):
        XDGMM().bic_test(*catalogue(), param_range)
