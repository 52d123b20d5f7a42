"""How kernels are compiled, and where the compiled code is kept.

It is kept in the user's cache folder (or where NUMBA_CACHE_DIR says), not beside the source: files that an installer
does not know would stay behind when the package is removed, and shadow the next one.
"""

from contextlib import contextmanager

from numba import config, njit
from platformdirs import user_cache_dir

# Reassociation lets sums over lanes use vector registers; NaN and infinity keep their meaning.
OPTIONS = {"fastmath": {"contract", "reassoc", "nsz", "arcp"}, "error_model": "numpy", "nogil": True}


def kernel(function):
    """Compile a function when it is first called; later processes take the code from disk."""
    with _cache_folder():
        try:
            return njit(cache=True, **OPTIONS)(function)
        except RuntimeError:  # no folder can be written to: compile anew in every process
            return njit(**OPTIONS)(function)


@contextmanager
def _cache_folder():
    """Numba looks at its setting while a function is decorated; it is ours only for that moment."""
    before = config.CACHE_DIR
    config.CACHE_DIR = before or user_cache_dir("xdgmm", appauthor=False)
    try:
        yield
    finally:
        config.CACHE_DIR = before
