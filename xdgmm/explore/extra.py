"""What is said where bokeh is not installed."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from xdgmm.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

NEEDS_BOKEH = "exploring in the browser needs bokeh: pip install 'xdgmm[explore]'"


@contextmanager
def needing_bokeh() -> Iterator[None]:
    """Context in which modules that import bokeh are imported.

    Raises
    ------
    InputError
        Instead of the ImportError of a missing bokeh.
    """
    try:
        yield
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in ("bokeh", "tornado"):
            raise
        raise InputError(NEEDS_BOKEH) from None
