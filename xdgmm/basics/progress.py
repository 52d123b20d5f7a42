"""Progress bars, and what may be asked of them."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from xdgmm.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tqdm import tqdm

DELAY = 1.0  # seconds that work may take before its bar appears
SHOW = ("auto", "always", "never")


def check_progress(progress: str, callback: object = None) -> None:
    """Refuse what cannot be shown or called."""
    if progress not in SHOW:
        raise InputError(f"`progress` is {progress!r}, but it must be one of {', '.join(SHOW)}")
    if callback is not None and not callable(callback):
        raise InputError(f"`callback` is {callback!r}, but it must be a function of one argument, or None")


@contextmanager
def progress_bar(progress: str, unit: str = "passes", total: int | None = None) -> Iterator[tqdm | None]:
    """A bar on the standard error stream, which stays only if it was asked for; none where it is not wanted."""
    if progress == "never" or (progress == "auto" and not sys.stderr.isatty()):
        yield None
        return
    from tqdm import tqdm

    asked = progress == "always"
    with tqdm(total=total, unit=f" {unit}", leave=asked, delay=0.0 if asked else DELAY, file=sys.stderr) as bar:
        yield bar
