"""One thread for BLAS where matrices are small: its other threads would wait in a loop and burn their processors."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@cache
def _libraries() -> Any:
    import scipy.linalg  # noqa: F401 - its BLAS is found only when it is loaded
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Context, or decorator, in which BLAS uses one thread; its number of threads before is restored.

    It is one number for the whole process, which OpenBLAS lets only the main thread change: in other threads nothing
    is done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with _libraries().limit(limits=1):
        yield
