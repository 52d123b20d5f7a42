"""BLAS has one thread during a fit, and its own number again afterwards."""

import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from xdgmm import Observations
from xdgmm.basics.blas import one_blas_thread
from xdgmm.fitting import Settings, fit


def n_threads():
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


@pytest.fixture(autouse=True)
def _two_threads():
    with threadpool_limits(2, user_api="blas"):
        yield


def test_a_fit_uses_one_thread_and_restores_two():
    seen, stars = set(), Observations.with_standard_errors(np.random.default_rng(0).normal(size=50), 0.3)
    fit(stars, 2, Settings(callback=lambda _: seen.update(n_threads()) or False), rng=0)
    assert seen == {1}
    assert n_threads() == {2}


def test_an_error_restores_them_too():
    with pytest.raises(ZeroDivisionError), one_blas_thread():
        1 / 0  # noqa: B018
    assert n_threads() == {2}


def test_fits_in_other_threads_leave_it_as_it_is():
    stars = Observations.with_standard_errors(np.random.default_rng(0).normal(size=50), 0.3)
    fitted = []
    threads = [threading.Thread(target=lambda: fitted.append(fit(stars, 2, rng=0))) for _ in range(2)]
    with one_blas_thread():
        for thread in threads:
            thread.start()
    for thread in threads:
        thread.join()
    assert len(fitted) == 2
    assert n_threads() == {2}


def test_functions_can_be_decorated():
    @one_blas_thread()
    def inner(n):
        return n_threads() if n == 0 else inner(n - 1)

    assert inner(2) == {1}
    assert n_threads() == {2}
