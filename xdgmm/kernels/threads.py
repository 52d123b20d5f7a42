"""How many threads a pass uses, and how its chunks are shared out among them.

Each thread takes one contiguous range of chunks.  Chunks are the same whatever the number of threads, and the caller
adds their sums in order: so the result has the same bits on one processor and on many.
"""

import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from numbers import Integral

from xdgmm.errors import InputError

WORTHWHILE = 5e5  # nanoseconds of work that are worth handing to a thread
MOST = 4096
VARIABLE = "XDGMM_NUM_THREADS"
# Set to their share by joblib and Dask in the processes that they start.
SHARES = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS")


class _Threads:
    """The pool of this process, made when first needed and shared by all callers, and the number chosen by name."""

    def __init__(self):
        self.chosen = None
        self.forget()

    def forget(self):
        """Threads do not survive a fork: the new process starts without a pool."""
        self.pool, self.size = None, 0

    def of_size(self, size):
        if size > self.size:  # a smaller pool that somebody still uses ends when they let go of it
            self.pool, self.size = ThreadPoolExecutor(size, thread_name_prefix="xdgmm"), size
        return self.pool


_threads = _Threads()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.forget)


def set_num_threads(n):
    """Use `n` threads for the passes of this process from now on; None returns to the default.

    Parameters
    ----------
    n : int or None
        The default is the environment variable XDGMM_NUM_THREADS, else the share that joblib or Dask gave this
        process (OMP_NUM_THREADS, NUMBA_NUM_THREADS), else one thread in a process started by `multiprocessing`, else
        the processors that this process may use.

    Raises
    ------
    InputError
        If `n` is not a whole number of at least 1.

    Notes
    -----
    Results do not depend on it, not even in their last digit.
    """
    _threads.chosen = None if n is None else _checked(n, "`n`")


def get_num_threads():
    """How many threads a pass over much data uses; see `set_num_threads`."""
    if _threads.chosen is not None:
        return _threads.chosen
    if os.environ.get(VARIABLE):
        return _checked(os.environ[VARIABLE], f"the environment variable {VARIABLE}")
    shares = [int(share) for share in map(os.environ.get, SHARES) if share and share.isdigit() and int(share) > 0]
    if not shares and multiprocessing.parent_process() is not None:
        return 1
    return min([*shares, _processors()])


def _processors():
    from joblib import cpu_count  # knows the limits of containers

    return cpu_count()


def _checked(n, name):
    number = int(n) if isinstance(n, str) and n.strip().isdigit() else n
    if isinstance(number, bool) or not isinstance(number, Integral) or not 1 <= number <= MOST:
        raise InputError(f"{name} is {n!r}, but the number of threads must be a whole number of at least 1")
    return int(number)


def share_out(task, n_chunks, nanoseconds):
    """Call ``task(first, last)`` on contiguous ranges that make up all chunks, at the same time where it pays."""
    wanted = min(int(nanoseconds / WORTHWHILE), n_chunks)
    n_tasks = min(wanted, get_num_threads()) if wanted > 1 else 1
    if n_tasks == 1:
        task(0, n_chunks)
        return
    bounds = [n_chunks * i // n_tasks for i in range(n_tasks + 1)]
    pool = _threads.of_size(get_num_threads())
    for done in [pool.submit(task, *ends) for ends in pairwise(bounds)]:
        done.result()
