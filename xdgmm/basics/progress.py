"""Progress bars, and the check of their settings."""

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
    """InputError if `progress` is not one of `SHOW`, or `callback` is not callable."""
    if progress not in SHOW:
        raise InputError(f"`progress` is {progress!r}, but it must be one of {', '.join(SHOW)}")
    if callback is not None and not callable(callback):
        raise InputError(f"`callback` is {callback!r}, but it must be a function of one argument, or None")


@contextmanager
def progress_bar(progress: str, unit: str = "passes", total: int | None = None) -> Iterator[tqdm | None]:
    """A bar on the standard error stream, or None; it remains on the screen only with "always"."""
    if progress == "never" or (progress == "auto" and not sys.stderr.isatty()):
        yield None
        return
    from tqdm import tqdm

    always = progress == "always"
    with tqdm(total=total, unit=f" {unit}", leave=always, delay=0.0 if always else DELAY, file=sys.stderr) as bar:
        yield bar
