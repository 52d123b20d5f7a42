"""How kernels are compiled, where the compiled code is stored, and the message while it is compiled.

It is stored in the user's cache folder (or in the folder NUMBA_CACHE_DIR), not beside the source: an installer does not
know these files, so they would remain when the package is removed, and hide a later version.
"""

from __future__ import annotations

import hashlib
import logging
from contextlib import suppress
from pathlib import Path
from pickle import load, loads
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, TypeVar, cast

from numba import config, njit
from numba.core import event
from numba.core.caching import IndexDataCacheFile
from platformdirs import user_cache_dir

from xdgmm.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

Function = TypeVar("Function", bound="Callable[..., Any]")
OPTIONS: dict[str, Any] = {"error_model": "numpy", "nogil": True}
# Reassociation lets scalar sums use vector registers; NaN and infinity keep their meaning.
REASSOCIATED = {"contract", "reassoc", "nsz", "arcp"}
DIGEST_SIZE = 16  # bytes

if config.DISABLE_JIT:
    raise InputError(
        "the environment variable NUMBA_DISABLE_JIT is set, but the passes of xdgmm exist only as compiled code; "
        "unset it"
    )


def kernel(function: Function, **options: Any) -> Function:
    """Compile a function when it is first called; later processes read the code from disk."""
    folder = config.CACHE_DIR or user_cache_dir("xdgmm", appauthor=False)
    if not _writable(folder):  # compile again in every process
        return _jit(function, **options)
    before, config.CACHE_DIR = config.CACHE_DIR, folder  # numba reads it when a function is decorated
    try:
        compiled: Any = _jit(function, cache=True, **options)
    finally:
        config.CACHE_DIR = before
    compiled._cache = _SafeCache(compiled._cache)  # noqa: SLF001 - numba has no public way
    return cast("Function", compiled)


def _jit(function: Function, **options: Any) -> Function:
    """Numba's compiled function, typed as the function itself."""
    return cast("Function", njit(**OPTIONS, **options)(function))


def _writable(folder: str) -> bool:
    """Can files be written there?  If not, numba would use the folder of the source."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


class _SafeCache:
    """Numba's cache without its errors: code that cannot be read is compiled, code that cannot be written is not."""

    def __init__(self, cache: Any) -> None:
        self._cache = cache
        cache._cache_file = CheckedFiles(  # noqa: SLF001
            cache.cache_path,
            cache._impl.filename_base,  # noqa: SLF001
            cache._impl.locator.get_source_stamp(),  # noqa: SLF001
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)

    def load_overload(self, *arguments: Any) -> Any:
        """The compiled code, or None where there is none or it is damaged."""
        with suppress(Exception):  # damaged files can hold anything
            return self._cache.load_overload(*arguments)
        return None

    def save_overload(self, *arguments: Any) -> None:
        """Write compiled code to disk where there is space for it."""
        with suppress(Exception):
            self._cache.save_overload(*arguments)


class CheckedFiles(IndexDataCacheFile):
    """Files of compiled code with a digest: machine code with one wrong bit can end the process.

    Numba numbers the files.  Two processes that compile at the same time then take the same number for different
    types, and the code for the one is run with the other.  Here the name of a file is made from the types.
    """

    def save(self, key: Any, data: Any) -> None:
        """Write the code for a signature and a processor, and then its name to the index."""
        name = f"{self._index_name.removesuffix('.nbi')}.{_digest(repr(key[:2]).encode()).hex()}.nbc"
        self._save_data(name, data)
        self._save_index({**self._load_index(), key: name})

    def _dump(self, obj: Any) -> bytes:
        content: bytes = super()._dump(obj)
        return _digest(content) + content

    def _load_index(self) -> dict[Any, str]:
        """Which file holds which code; nothing where the index is damaged, so that it is made anew."""
        with suppress(Exception), Path(self._index_path).open("rb") as stream:
            if load(stream) == self._version:
                stamp, files = _checked(stream.read())
                return dict(files) if stamp == self._source_stamp else {}
        return {}

    def _load_data(self, name: str) -> Any:
        return _checked(Path(self._data_path(name)).read_bytes())


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=DIGEST_SIZE).digest()


def _checked(content: bytes) -> Any:
    """What was written behind its digest; ValueError if it is something else."""
    digest, content = content[:DIGEST_SIZE], content[DIGEST_SIZE:]
    if digest != _digest(content):
        raise ValueError("the file of compiled code is damaged")
    return loads(content)


def reduction(function: Function) -> Function:
    """`kernel` for plain loops over objects whose sums may be computed in any order."""
    return kernel(function, fastmath=REASSOCIATED)


def inlined(function: Function) -> Function:
    """Compile a function into every kernel that calls it."""
    return _jit(function, forceinline=True)


class _Announcement(event.Listener):
    """Log once per process that kernels are compiled: numba reports this only when it does not find the code."""

    announced = False

    def on_start(self, compilation: Any) -> None:
        """Numba calls this where it compiles a function, of this package or another."""
        module = str(compilation.data["dispatcher"].py_func.__module__)  # that of a function of others may be None
        if not self.announced and module.startswith(f"{__package__.partition('.')[0]}."):
            self.announced = True
            logging.getLogger("xdgmm").warning(
                "xdgmm compiles kernels for fits like this: some seconds, once on this machine"
            )

    def on_end(self, _: Any) -> None:
        """Numba calls this too; there is nothing to do."""


event.register("numba:compile", _Announcement())
