"""How many threads a pass uses, and how its chunks are divided among them.

Each thread takes one contiguous range of chunks.  Chunks do not depend on the number of threads, and the caller adds
their sums in order, so that the result has the same bits for any number of processors.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import copy_context
from itertools import pairwise
from numbers import Integral
from typing import TYPE_CHECKING

from xdgmm.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LEAST_WORK = 5e5  # nanoseconds of work for which a thread is worth its overhead
MOST = 4096
VARIABLE = "XDGMM_NUM_THREADS"
# joblib and Dask set these in the processes that they start, to the number of threads for each.
LIMITS = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS")


class _Threads:
    """The pool of this process, made when first needed and shared by all callers, and the number set by the user."""

    pool: ThreadPoolExecutor | None
    size: int

    def __init__(self) -> None:
        self.chosen: int | None = None
        self.forget()

    def forget(self) -> None:
        """Threads do not survive a fork: the new process starts without a pool."""
        self.pool, self.size = None, 0

    def of_size(self, size: int) -> ThreadPoolExecutor:
        if self.pool is None or size > self.size:  # a smaller pool ends when its last caller is done
            self.pool, self.size = ThreadPoolExecutor(size, thread_name_prefix="xdgmm"), size
        return self.pool


_threads = _Threads()
_current = threading.local()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.forget)


def set_num_threads(n: int | None) -> None:
    """Use `n` threads for the passes of this process from now on; None returns to the default.

    Parameters
    ----------
    n : int or None
        The default is the environment variable XDGMM_NUM_THREADS, else the number that joblib or Dask set for this
        process (OMP_NUM_THREADS, NUMBA_NUM_THREADS), else one thread in a process started by `multiprocessing`, else
        the number of processors that this process may use.

    Raises
    ------
    InputError
        If `n` is not a whole number of at least 1.

    Notes
    -----
    Results do not depend on it: they have the same bits for any number of threads.
    """
    _threads.chosen = None if n is None else _checked(n, "`n`")


def get_num_threads() -> int:
    """How many threads a pass over many objects uses; see `set_num_threads`."""
    if _threads.chosen is not None:
        return _threads.chosen
    if os.environ.get(VARIABLE):
        return _checked(os.environ[VARIABLE], f"the environment variable {VARIABLE}")
    limits = [int(limit) for limit in map(os.environ.get, LIMITS) if limit and limit.isdigit() and int(limit) > 0]
    if not limits and multiprocessing.parent_process() is not None:
        return 1
    return min([*limits, _n_processors()])


def _n_processors() -> int:
    from joblib import cpu_count  # respects the limits of containers

    return int(cpu_count())


def _checked(n: object, name: str) -> int:
    number = int(n) if isinstance(n, str) and n.strip().isdigit() else n
    if isinstance(number, bool) or not isinstance(number, Integral) or not 1 <= int(number) <= MOST:
        raise InputError(f"{name} is {n!r}, but the number of threads must be a whole number of at least 1")
    return int(number)


def run_in_threads(task: Callable[[int, int], object], n_chunks: int, nanoseconds: float) -> None:
    """Call ``task(first, last)`` on contiguous ranges that make up all chunks, in several threads where that is faster.

    Parameters
    ----------
    task : callable
    n_chunks : int
    nanoseconds : float
        About how long all chunks take on one thread.

    Notes
    -----
    A task that calls it again runs all that in its own thread: tasks that wait for others could wait for ever.
    """
    if getattr(_current, "is_busy", False):
        task(0, n_chunks)
        return
    wanted = min(int(nanoseconds / LEAST_WORK), n_chunks)
    n_tasks = min(wanted, get_num_threads()) if wanted > 1 else 1
    if n_tasks == 1:
        task(0, n_chunks)
        return
    bounds = [n_chunks * i // n_tasks for i in range(n_tasks + 1)]
    pool = _threads.of_size(get_num_threads())
    running = [pool.submit(_alone(task), *ends) for ends in pairwise(bounds)]
    try:
        for each in running:
            each.result()
    finally:  # after an interrupt, or an error of one, no thread goes on by itself
        for each in running:
            each.cancel()
        wait(running)


def _alone(task: Callable[[int, int], object]) -> Callable[[int, int], None]:
    """The task for a thread of the pool, which starts no others meanwhile.

    It sees the context of this thread: on which device passes are made is part of it.
    """
    context = copy_context()

    def run(first: int, last: int) -> None:
        with in_this_thread():
            context.run(task, first, last)

    return run


@contextmanager
def in_this_thread() -> Iterator[None]:
    """Passes of this thread use no others meanwhile; those of other threads are as before."""
    before = getattr(_current, "is_busy", False)
    _current.is_busy = True
    try:
        yield
    finally:
        _current.is_busy = before
