"""How kernels are compiled, where the compiled code is kept, and what is said while it is made.

It is kept in the user's cache folder (or where NUMBA_CACHE_DIR says), not beside the source: files that an installer
does not know would stay behind when the package is removed, and shadow the next one.
"""

import logging
from contextlib import contextmanager, suppress
from pathlib import Path
from pickle import UnpicklingError
from tempfile import TemporaryFile

from numba import config, njit
from numba.core import event
from platformdirs import user_cache_dir

OPTIONS = {"error_model": "numpy", "nogil": True}
# Reassociation lets scalar sums use vector registers; NaN and infinity keep their meaning.
REASSOCIATED = {"contract", "reassoc", "nsz", "arcp"}


def kernel(function, **options):
    """Compile a function when it is first called; later processes take the code from disk."""
    folder = config.CACHE_DIR or user_cache_dir("xdgmm", appauthor=False)
    if not _writable(folder):  # compile anew in every process
        return njit(**OPTIONS, **options)(function)
    before, config.CACHE_DIR = config.CACHE_DIR, folder  # numba looks at it while a function is decorated
    try:
        compiled = njit(cache=True, **OPTIONS, **options)(function)
    finally:
        config.CACHE_DIR = before
    compiled._cache = _Forgiving(compiled._cache)  # noqa: SLF001 - numba offers no other way in
    return compiled


def _writable(folder):
    """Can files be made there?  Numba would go on to the folder of the source."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


class _Forgiving:
    """Numba's cache, which cannot stop the program: what cannot be read is compiled, what cannot be kept is not."""

    def __init__(self, cache):
        self._cache = cache

    def __getattr__(self, name):
        return getattr(self._cache, name)

    def load_overload(self, *arguments):
        """The compiled code, or None where there is none or it is damaged."""
        with suppress(OSError, EOFError, UnpicklingError, ValueError):
            return self._cache.load_overload(*arguments)
        return None

    def save_overload(self, *arguments):
        """Keep compiled code where there is room for it."""
        with suppress(OSError, EOFError, UnpicklingError, ValueError):
            self._cache.save_overload(*arguments)


def reduction(function):
    """`kernel` for plain loops over objects whose sums may be taken in any order."""
    return kernel(function, fastmath=REASSOCIATED)


def inlined(function):
    """Compile a function into every kernel that calls it."""
    return njit(forceinline=True, **OPTIONS)(function)


class _Announcement(event.Listener):
    """Say once per process that there is something to wait for: only numba knows, when it does not find the code."""

    said = False

    def on_start(self, _):
        if not self.said:
            _Announcement.said = True
            logging.getLogger("xdgmm").warning(
                "xdgmm compiles kernels for fits like this: some seconds, once on this machine"
            )

    def on_end(self, _):
        """Nothing to say."""


@contextmanager
def announced():
    """Within this context the first compilation of the process is announced through the logger "xdgmm"."""
    with event.install_listener("numba:compile", _Announcement()):
        yield
