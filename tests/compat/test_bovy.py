"""`extreme_deconvolution` with the original's arguments, beside the paper's equations written out object by object."""

import inspect

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from xdgmm import XDGMM, DegenerateError, InputError, datasets
from xdgmm.compat import extreme_deconvolution
from xdgmm.errors import OutputError


def paper(y, S, amp, mean, covar, R=None, weight=None, fixed=((), (), ()), tol=1e-6, maxiter=10**9, w=0.0):
    """Bovy, Hogg & Roweis 2011, eqs 16 and 17, and sec. 3.2 for w; returns what the original does."""
    N, (K, D) = len(y), mean.shape
    R = np.tile(np.eye(D), (N, 1, 1)) if R is None else R
    weight = np.ones(N) if weight is None else weight
    amp, mean, covar, before = amp.copy(), mean.copy(), covar.copy(), None
    for _ in range(maxiter):
        log_p, b, B = np.empty((N, K)), np.empty((N, K, D)), np.empty((N, K, D, D))
        for i in range(N):
            for k in range(K):
                T = R[i] @ covar[k] @ R[i].T + S[i]
                log_p[i, k] = np.log(amp[k]) + multivariate_normal(R[i] @ mean[k], T).logpdf(y[i])
                gain = covar[k] @ R[i].T @ np.linalg.inv(T)
                b[i, k] = mean[k] + gain @ (y[i] - R[i] @ mean[k])
                B[i, k] = covar[k] - gain @ R[i] @ covar[k]
        lnL = weight @ logsumexp(log_p, axis=1) / N
        q = weight[:, None] * np.exp(log_p - logsumexp(log_p, axis=1, keepdims=True))
        free = [k for k in range(K) if k not in fixed[0]]
        rest = 1.0 - sum(amp[k] for k in fixed[0])
        if free:
            amp[free] = rest * q.sum(axis=0)[free] / q.sum(axis=0)[free].sum()
        for k in range(K):
            if k not in fixed[1]:
                mean[k] = q[:, k] @ b[:, k] / q[:, k].sum()
            if k not in fixed[2]:
                d = mean[k] - b[:, k]
                total = np.einsum("n,nij->ij", q[:, k], d[:, :, None] * d[:, None, :] + B[:, k])
                covar[k] = (total + w * np.eye(D)) / (q[:, k].sum() + 1) if w else total / q[:, k].sum()
        if before is not None and lnL - before <= tol:
            break
        before = lnL
    return lnL, amp, mean, covar


def problem(seed=0, N=60):
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(N, 2, 2)) * 0.4
    S = A @ A.transpose(0, 2, 1) + 0.05 * np.eye(2)
    centres = np.array([[0.0, 0.0], [3.0, 2.0]])[rng.integers(0, 2, N)]
    y = centres + rng.normal(size=(N, 2)) + np.array([rng.multivariate_normal([0, 0], s) for s in S])
    start = np.array([0.4, 0.6]), np.array([[-0.5, 0.3], [2.0, 2.5]]), np.array([np.eye(2), [[2.0, 0.5], [0.5, 1.0]]])
    return y, S, start, rng


def compared(theirs, ours, start):
    """Ours changed the arrays; theirs came back.  Both are the same sums, rounded in another order."""
    assert ours == pytest.approx(theirs[0], rel=1e-10)
    for array, expected in zip(start, theirs[1:], strict=True):
        np.testing.assert_allclose(array, expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(
    ("ours", "fixed"),
    [
        ({}, ((), (), ())),
        ({"fixamp": True}, ((0, 1), (), ())),
        ({"fixmean": [True, False]}, ((), (0,), ())),
        ({"fixcovar": np.array([False, True])}, ((), (), (1,))),
        ({"fixmean": [True], "fixcovar": True}, ((), (0, 1), (0, 1))),
        ({"fixamp": [False, True], "fixmean": [False, True], "fixcovar": [False, True]}, ((1,), (1,), (1,))),
    ],
)
@pytest.mark.parametrize("w", [0.0, 0.7])
def test_every_step_is_that_of_the_paper_whatever_is_fixed(ours, fixed, w):
    y, S, start, _ = problem()
    before = [array.copy() for array in start]
    theirs = paper(y, S, *start, fixed=fixed, w=w, maxiter=7, tol=0)
    compared(theirs, extreme_deconvolution(y, S, *start, w=w, maxiter=7, tol=0, **ours), start)
    for array, old, held in zip(start, before, fixed, strict=True):
        assert (array[list(held)] == old[list(held)]).all()  # fixed to the last bit


def test_it_stops_where_the_original_stops():
    y, S, start, _ = problem()
    theirs = paper(y, S, *start, tol=1e-4)
    compared(theirs, extreme_deconvolution(y, S, *start, tol=1e-4), start)


def test_errors_without_a_third_axis_are_variances():
    y, S, start, _ = problem()
    variances = np.diagonal(S, axis1=1, axis2=2).copy()
    theirs = paper(y, variances[:, :, None] * np.eye(2), *start, maxiter=5, tol=0)
    compared(theirs, extreme_deconvolution(y, variances, *start, maxiter=5, tol=0), start)


def test_projections_are_those_of_the_paper():
    y, _, start, rng = problem()
    R, seen = rng.normal(size=(60, 1, 2)), y[:, :1]
    variances = rng.uniform(0.05, 0.5, (60, 1))
    theirs = paper(seen, variances[:, :, None], *start, R=R, maxiter=5, tol=0)
    compared(theirs, extreme_deconvolution(seen, variances, *start, projection=R, maxiter=5, tol=0), start)


@pytest.mark.parametrize("logweight", [False, True])
@pytest.mark.parametrize("w", [0.0, 0.3])
def test_weights_count_but_the_mean_is_over_rows(logweight, w):
    y, S, start, rng = problem()
    weight = rng.uniform(0.2, 3.0, 60)
    theirs = paper(y, S, *start, weight=weight, w=w, maxiter=5, tol=0)
    given = np.log(weight) if logweight else weight
    ours = extreme_deconvolution(y, S, *start, weight=given, logweight=logweight, w=w, maxiter=5, tol=0)
    compared(theirs, ours, start)


def test_likeonly_changes_nothing():
    y, S, start, _ = problem()
    before = [array.copy() for array in start]
    value = extreme_deconvolution(y, S, *start, likeonly=True)
    assert value == pytest.approx(paper(y, S, *start, maxiter=1)[0], rel=1e-12)
    assert all((array == old).all() for array, old in zip(start, before, strict=True))


def blocks(path):
    """The runs in a log: numbers between empty lines and comments."""
    text = "\n".join("" if line.startswith("#") else line for line in path.read_text().splitlines())
    return [[float(line) for line in block.split()] for block in text.split("\n\n") if block.split()]


def test_logs_hold_the_likelihood_before_every_step(tmp_path):
    y, S, start, _ = problem()
    expected = []
    for steps in range(1, 7):
        first = [array.copy() for array in start]
        expected.append(extreme_deconvolution(y, S, *first, maxiter=steps, tol=0))
    returned = extreme_deconvolution(y, S, *start, maxiter=6, tol=0, logfile=str(tmp_path / "fit"))
    lines = (tmp_path / "fit_loglike.log").read_text().split("\n")
    assert [float(line) for line in lines[:6]] == expected
    assert lines[6:] == ["", "", ""]  # an empty line after the run, and one at the end, as in the original
    assert expected[-1] == returned
    assert blocks(tmp_path / "fit_c.log") == [expected]
    assert f"# mean {start[1][1].tolist()}" in (tmp_path / "fit_c.log").read_text()
    extreme_deconvolution(y, S, *start, maxiter=2, tol=0, logfile=tmp_path / "fit")  # its 7th and 8th step
    assert len(blocks(tmp_path / "fit_loglike.log")[0]) == 2
    first, second = blocks(tmp_path / "fit_c.log")
    assert first == expected
    assert second == blocks(tmp_path / "fit_loglike.log")[0]


def test_the_log_of_split_and_merge_says_what_was_kept(tmp_path):
    rng = np.random.default_rng(3)
    y = np.concatenate([rng.normal(m, 1.0, (200, 1)) for m in (-3.0, 3.0, 30.0)])
    start = np.ones(3) / 3, np.array([[0.0], [29.5], [30.5]]), np.array([[[10.0]], [[1.0]], [[1.0]]])
    returned = extreme_deconvolution(y, np.full(y.shape, 0.2), *start, maxsnm=True, logfile=tmp_path / "snm")
    kept, every = blocks(tmp_path / "snm_loglike.log"), blocks(tmp_path / "snm_c.log")
    assert len(every) > len(kept) >= 2
    assert kept[-1][-1] == returned
    ends = [run[-1] for run in kept]
    assert ends == sorted(ends)
    assert max(run[-1] for run in every) < returned + 0.1 / 600
    text = (tmp_path / "snm_c.log").read_text()
    assert text.count("# accepted") == len(kept) - 1
    assert text.count("# no higher likelihood") == len(every) - len(kept)


def test_no_log_is_written_where_only_the_likelihood_is_asked_for_or_nothing_can_be_written(tmp_path):
    y, S, start, _ = problem()
    before = [array.copy() for array in start]
    extreme_deconvolution(y, S, *start, likeonly=True, logfile=tmp_path / "fit")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OutputError, match="folder"):
        extreme_deconvolution(y, S, *start, logfile=tmp_path / "missing" / "fit")
    assert all((array == old).all() for array, old in zip(start, before, strict=True))


def test_arguments_stand_where_they_stand_in_the_original():
    names = list(inspect.signature(extreme_deconvolution).parameters)
    assert names == [
        "ydata",
        "ycovar",
        "xamp",
        "xmean",
        "xcovar",
        "projection",
        "weight",
        "fixamp",
        "fixmean",
        "fixcovar",
        "tol",
        "maxiter",
        "w",
        "logfile",
        "splitnmerge",
        "maxsnm",
        "likeonly",
        "logweight",
        "assignments",
    ]
    y, S, start, _ = problem()
    with pytest.raises(InputError, match="`assignments` are not available"):
        extreme_deconvolution(y, S, *start, assignments=np.ones((60, 2)))


def test_single_precision_arrays_are_filled_too():
    y, S, start, _ = problem()
    single = [array.astype(np.float32) for array in start]
    extreme_deconvolution(y, S, *start, maxiter=5)
    extreme_deconvolution(y, S, *single, maxiter=5)
    for array, expected in zip(single, start, strict=True):
        assert array.dtype == np.float32
        np.testing.assert_allclose(array, expected, rtol=1e-4, atol=1e-5)


def test_regularisation_is_in_the_units_of_the_data():
    y, S, start, _ = problem()
    large = [start[0].copy(), 100 * start[1], 1e4 * start[2]]
    extreme_deconvolution(y, S, *start, w=0.7, maxiter=5)
    extreme_deconvolution(100 * y, 1e4 * S, *large, w=0.7e4, maxiter=5)
    np.testing.assert_allclose(large[2], 1e4 * start[2], rtol=1e-9)


def test_a_long_run_ends_at_the_maximum_that_the_model_finds():
    table = datasets.load("hydrus1")
    v, e = table["v"].value[:, None], table["e_v"].value[:, None]
    xamp, xmean, xcovar = np.ones(1), np.array([[70.0]]), np.array([[[30.0]]])
    mean = extreme_deconvolution(v, e**2, xamp, xmean, xcovar, tol=1e-13)
    model = XDGMM().fit(v, Xerr=e)
    assert mean == pytest.approx(model.lower_bound_, abs=1e-10)
    assert xcovar[0, 0, 0] == pytest.approx(model.covariances_[0, 0, 0], rel=1e-4)


@pytest.mark.parametrize("how", [{"splitnmerge": 1}, {"splitnmerge": True}, {"maxsnm": True}])
def test_split_and_merge_leaves_a_poor_maximum(how):
    rng = np.random.default_rng(3)
    y = np.concatenate([rng.normal(m, 1.0, (200, 1)) for m in (-3.0, 3.0, 30.0)])
    variances = rng.uniform(0.1, 0.5, y.shape)
    y = y + np.sqrt(variances) * rng.standard_normal(y.shape)

    def run(**options):
        start = np.ones(3) / 3, np.array([[0.0], [29.5], [30.5]]), np.array([[[10.0]], [[1.0]], [[1.0]]])
        return extreme_deconvolution(y, variances, *start, **options), np.sort(start[1].ravel())

    stuck, helped = run(), run(**how)
    assert helped[0] > stuck[0] + 0.1  # two of the groups apart: of the order of ln 2 for two thirds of the objects
    np.testing.assert_allclose(helped[1], [-3.0, 3.0, 30.0], atol=0.5)


def test_a_collapse_is_refused_leaves_the_arrays_and_is_cured_by_w():
    y = np.array([[0.0], [0.0], [0.0], [5.0], [6.0], [7.0]])
    start = np.array([0.5, 0.5]), np.array([[0.0], [6.0]]), np.ones((2, 1, 1))
    before = [array.copy() for array in start]
    with pytest.raises(DegenerateError, match="`w`"):
        extreme_deconvolution(y, np.zeros((6, 1)), *start)
    assert all((array == old).all() for array, old in zip(start, before, strict=True))
    extreme_deconvolution(y, np.zeros((6, 1)), *start, w=0.1)
    np.testing.assert_allclose(start[2].ravel(), [0.1 / 4, (2.0 + 0.1) / 4], rtol=1e-3)


def test_missing_values_are_left_out():
    y, _, start, _ = problem()
    missing, huge = y.copy(), np.full((60, 2), 0.1)
    missing[::3, 1], huge[::3, 1] = np.nan, 1e12
    other = [array.copy() for array in start]
    extreme_deconvolution(missing, np.full((60, 2), 0.1), *start, maxiter=5)
    extreme_deconvolution(np.nan_to_num(missing), huge, *other, maxiter=5)  # what the original needs
    np.testing.assert_allclose(start[1], other[1], rtol=1e-6)


def changed(position, value):
    def change(arguments):
        arguments[position] = value(arguments[position])

    return change


@pytest.mark.parametrize(
    ("change", "options", "sentence"),
    [
        (changed(4, lambda V: V), {"fixamp": [True] * 3}, "`fixamp` has shape"),
        (changed(1, lambda S: S[:, 0, :1]), {}, "`ycovar` has shape"),
        (changed(1, lambda S: -np.diagonal(S, axis1=1, axis2=2)), {}, "`ycovar`.* rows 0, 1"),
        (changed(1, lambda S: np.nan * S[:, 0]), {}, "`ycovar`.* rows 0, 1"),
        (changed(3, lambda mean: mean[:, :1]), {}, "`xmean` has shape .* 2 coordinates"),
        (changed(4, lambda V: V), {"splitnmerge": "3"}, "`splitnmerge` is '3'"),
        (changed(2, lambda amp: 2 * amp), {}, "`xamp` sums to 2"),
        (changed(2, list), {}, "`xamp`.*writeable array of floats"),
        (changed(3, lambda mean: mean.astype(int)), {}, "`xmean`.*writeable array of floats"),
        (changed(3, lambda mean: mean[:1]), {}, "`xmean` has shape"),
        (changed(4, lambda V: -V), {}, "negative eigenvalue"),
        (changed(4, lambda V: V + np.triu(np.ones((2, 2)), 1)), {}, "`xcovar` must be symmetric"),
        (changed(4, lambda V: V), {"w": -1.0}, "`w` is -1.0"),
        (changed(4, lambda V: V), {"tol": "small"}, "`tol` is 'small'"),
        (changed(4, lambda V: V), {"maxiter": 0}, "`maxiter` is 0"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(change, options, sentence):
    y, S, start, _ = problem()
    arguments = [y, S, *start]
    change(arguments)
    with pytest.raises(InputError, match=sentence):
        extreme_deconvolution(*arguments, **options)
