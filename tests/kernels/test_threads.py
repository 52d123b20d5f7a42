"""Threads change how long a pass takes, and nothing else: not a bit of any result."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import xdgmm
from xdgmm import kernels
from xdgmm.errors import InputError
from xdgmm.kernels import threads


@pytest.fixture(autouse=True)
def default_afterwards():
    yield
    xdgmm.set_num_threads(None)


def problem(N, D, K, missing=0.0):
    rng = np.random.default_rng([N, D, K])
    values = rng.standard_normal((N, D))
    values[rng.random((N, D)) < missing] = np.nan
    blocks = kernels.pack(values, rng.uniform(0.1, 2.0, (N, D)), rng.uniform(0.5, 2.0, N))
    return blocks, (rng.dirichlet(np.ones(K)), rng.standard_normal((K, D)), np.stack([np.eye(D)] * K))


def bits(result):
    return [np.asarray(array).tobytes() for array in result if array is not None]


@pytest.mark.parametrize("missing", [0.0, 0.1])
@pytest.mark.parametrize(
    ("N", "D", "K"),
    [
        (100_003, 2, 5),
        (200_000, 1, 3),
        (5_000, 2, 50),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in ((60_001, 6, 4), (20_001, 12, 3))),
    ],
)
def test_results_have_the_same_bits_for_any_number_of_threads(monkeypatch, N, D, K, missing):
    blocks, mixture = problem(N, D, K, missing)
    many = [np.stack([array] * 3) for array in mixture]
    seen = set()
    share_out = threads.ThreadPoolExecutor.submit

    def submit(pool, task, *ends):
        seen.add(ends)
        return share_out(pool, task, *ends)

    monkeypatch.setattr(threads.ThreadPoolExecutor, "submit", submit)
    found = []
    for n in (1, 2, 3, 7):
        xdgmm.set_num_threads(n)
        found.append(
            [
                *bits(vars(kernels.accumulate_with_information(blocks, *mixture)).values()),
                *bits([kernels.log_likelihoods(blocks, *mixture), kernels.total_log_likelihoods(blocks, *many)]),
                *bits([kernels.responsibilities(blocks, *mixture), *blocks.gradients(*many)]),
            ]
        )
    assert len(seen) > 1  # the work was really shared
    assert all(each == found[0] for each in found[1:])


def test_a_fit_has_the_same_bits_for_any_number_of_threads():
    rng = np.random.default_rng(5)
    errors = rng.uniform(0.2, 2.0, 120_000)
    values = np.where(rng.random(120_000) < 0.3, -1.0, 2.0) + rng.standard_normal(120_000) * np.sqrt(1 + errors**2)
    fits = []
    for n in (1, 4):
        xdgmm.set_num_threads(n)
        model = xdgmm.XDGMM(2, max_iter=25, tol=0, n_init=1, random_state=0).fit(values, Xerr=errors)
        fits.append(bits([model.weights_, model.means_, model.covariances_, model.result_.history]))
    assert fits[0] == fits[1]


def test_little_work_is_not_shared_out(monkeypatch):
    monkeypatch.setattr(threads.ThreadPoolExecutor, "submit", None)
    xdgmm.set_num_threads(8)
    blocks, mixture = problem(2000, 2, 3)
    assert np.isfinite(kernels.accumulate(blocks, *mixture).log_likelihood)


def test_an_error_in_a_thread_reaches_the_caller():
    xdgmm.set_num_threads(2)

    def task(first, _last):
        if first:
            raise ValueError("in the second half")

    with pytest.raises(ValueError, match="in the second half"):
        threads.run_in_threads(task, 10, nanoseconds=1e9)


@pytest.mark.parametrize("n_chunks", [1, 2, 5, 128])
@pytest.mark.parametrize("n", [1, 2, 3, 200])
def test_every_chunk_belongs_to_exactly_one_thread(n, n_chunks):
    xdgmm.set_num_threads(n)
    done, lock = [], threading.Lock()

    def task(first, last):
        with lock:
            done.extend(range(first, last))

    threads.run_in_threads(task, n_chunks, nanoseconds=1e12)
    assert sorted(done) == list(range(n_chunks))


@pytest.mark.parametrize("n", [0, -1, 1.5, "two", True, float("nan"), float("inf"), 10**400, b"3", [2]])
def test_a_number_of_threads_that_is_none_is_refused(n):
    with pytest.raises(InputError, match=r"number of threads.*at least 1"):
        xdgmm.set_num_threads(n)


def answer(code, **environment):
    names = ("XDGMM_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS")
    clean = {name: value for name, value in os.environ.items() if name not in names}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**clean, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


ASK = "import xdgmm; print(xdgmm.get_num_threads())"


def test_the_default_is_what_this_process_may_use():
    assert answer(ASK) == [str(len(os.sched_getaffinity(0)))] or not hasattr(os, "sched_getaffinity")


def test_the_environment_variable_decides():
    assert answer(ASK, XDGMM_NUM_THREADS="7", OMP_NUM_THREADS="1") == ["7"]


def test_a_senseless_environment_variable_is_named():
    code = "import xdgmm\ntry: xdgmm.get_num_threads()\nexcept xdgmm.InputError as e: print(e)"
    assert "XDGMM_NUM_THREADS" in answer(code, XDGMM_NUM_THREADS="many")


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "NUMBA_NUM_THREADS"])
def test_the_share_that_dask_or_joblib_gave_is_kept(name):
    assert answer(ASK, **{name: "1"}) == ["1"]


def test_workers_of_joblib_do_not_use_more_than_all_processors():
    code = (
        "import joblib, xdgmm\n"
        "found = joblib.Parallel(n_jobs=2)(joblib.delayed(xdgmm.get_num_threads)() for _ in range(2))\n"
        "print(sum(found) <= max(2, joblib.cpu_count()))"
    )
    assert answer(code) == ["True"]


# Windows has no fork, and on macOS a forked process may crash in the libraries of the system.
@pytest.mark.parametrize("method", ["fork", "spawn"] if sys.platform == "linux" else ["spawn"])
def test_a_worker_of_multiprocessing_uses_one_thread_and_can_fit(method, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import multiprocessing, sys\n"
        "import numpy as np, xdgmm\n"
        "rng = np.random.default_rng(0)\n"
        "values, errors = rng.standard_normal(300_000), rng.uniform(0.5, 2, 300_000)\n"
        "def fit(_):\n"
        "    model = xdgmm.XDGMM(2, max_iter=3, tol=0, n_init=1, random_state=0).fit(values, Xerr=errors)\n"
        "    return xdgmm.get_num_threads(), model.lower_bound_\n"
        "if __name__ == '__main__':\n"
        "    xdgmm.set_num_threads(2)\n"
        "    here = fit(0)[1]  # the pool of this process is at work before the others start\n"
        "    xdgmm.set_num_threads(None)\n"
        f"    with multiprocessing.get_context({method!r}).Pool(1) as pool:\n"
        "        found = pool.map(fit, range(2))\n"
        "    print([n for n, _ in found] == [1, 1], all(value == here for _, value in found))\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stdout.split() == ["True", "True"], done.stderr


def test_a_task_that_starts_tasks_runs_them_itself(monkeypatch):
    monkeypatch.setattr(threads, "LEAST_WORK", 1.0)
    xdgmm.set_num_threads(2)
    seen = []

    def inner(first, last):
        seen.append((first, last, threading.get_ident()))

    def outer(_first, _last):
        here = threading.get_ident()
        threads.run_in_threads(inner, 8, 1e9)
        assert (0, 8, here) in seen

    threads.run_in_threads(outer, 4, 1e9)
    assert len(seen) == 2
    threads.run_in_threads(inner, 8, 1e9)  # outside of tasks they are shared out again
    assert {ends[:2] for ends in seen[2:]} == {(0, 4), (4, 8)}


def test_passes_within_one_thread_start_no_others_and_leave_other_threads_alone():
    def threads_of_a_pass():
        names = set()
        kernels.run_in_threads(lambda *_: names.add(threading.get_ident()), 8, 1e9)
        return names

    xdgmm.set_num_threads(2)
    with kernels.in_this_thread():
        assert threads_of_a_pass() == {threading.get_ident()}
        with ThreadPoolExecutor(1) as other:
            assert threading.get_ident() not in other.submit(threads_of_a_pass).result()
        with kernels.in_this_thread():
            pass
        assert threads_of_a_pass() == {threading.get_ident()}
    assert threading.get_ident() not in threads_of_a_pass()
