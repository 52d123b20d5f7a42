"""How kernels are compiled, where the compiled code is kept, and what is said while it is made.

It is kept in the user's cache folder (or where NUMBA_CACHE_DIR says), not beside the source: files that an installer
does not know would stay behind when the package is removed, and shadow the next one.
"""

import logging
from contextlib import contextmanager

from numba import config, njit
from numba.core import event
from platformdirs import user_cache_dir

OPTIONS = {"error_model": "numpy", "nogil": True}
# Reassociation lets scalar sums use vector registers; NaN and infinity keep their meaning.
REASSOCIATED = {"contract", "reassoc", "nsz", "arcp"}


def kernel(function, **options):
    """Compile a function when it is first called; later processes take the code from disk."""
    with _cache_folder():
        try:
            return njit(cache=True, **OPTIONS, **options)(function)
        except RuntimeError:  # no folder can be written to: compile anew in every process
            return njit(**OPTIONS, **options)(function)


def reduction(function):
    """`kernel` for plain loops over objects whose sums may be taken in any order."""
    return kernel(function, fastmath=REASSOCIATED)


def inlined(function):
    """Compile a function into every kernel that calls it."""
    return njit(forceinline=True, **OPTIONS)(function)


@contextmanager
def _cache_folder():
    """Numba looks at its setting while a function is decorated; it is ours only for that moment."""
    before = config.CACHE_DIR
    config.CACHE_DIR = before or user_cache_dir("xdgmm", appauthor=False)
    try:
        yield
    finally:
        config.CACHE_DIR = before


class _Announcement(event.Listener):
    """Say once per process that there is something to wait for: only numba knows, when it does not find the code."""

    said = False

    def on_start(self, _):
        if not self.said:
            _Announcement.said = True
            logging.getLogger("xdgmm").warning("xdgmm compiles its kernels: once on this machine, some seconds")

    def on_end(self, _):
        """Nothing to say."""


@contextmanager
def announced():
    """Within this context the first compilation of the process is announced through the logger "xdgmm"."""
    with event.install_listener("numba:compile", _Announcement()):
        yield
