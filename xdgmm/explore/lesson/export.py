"""Both lessons in one HTML file, which needs neither a server nor a network."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from xdgmm.explore.extra import needing_bokeh
from xdgmm.files import atomic_write, check_output

if TYPE_CHECKING:
    from os import PathLike

TITLE = "Gaussian mixtures, and data with errors"
SUFFIXES = (".html", ".htm")


def lesson_html() -> str:
    """The page with a mixture that is moved by hand, and expectation maximisation step by step.

    Returns
    -------
    str
        HTML with all scripts in it, some 2 MB.

    Raises
    ------
    InputError
        If bokeh is not installed.
    """
    with needing_bokeh():
        from bokeh.embed import file_html
        from bokeh.resources import INLINE

        from .em_lesson import build_em_lesson
        from .mixture_lesson import build_mixture_lesson

    template = (files("xdgmm.explore.lesson") / "lesson.html").read_text(encoding="utf-8")
    lessons = [build_mixture_lesson().layout, build_em_lesson()]
    html: str = file_html(lessons, INLINE, TITLE, template=template)
    return html


def export_lesson(path: str | PathLike[str], *, overwrite: bool = False) -> Path:
    """Write that page into one file, which any browser opens without a server and without a network.

    Parameters
    ----------
    path : path-like
        Ends in ".html" or ".htm".
    overwrite : bool
        Whether a file that exists is replaced.

    Returns
    -------
    Path
        That of the file.

    Raises
    ------
    InputError
        If bokeh is not installed.
    OutputError
        If the file exists, has another suffix, or cannot be written.

    Examples
    --------
    >>> from xdgmm.explore import export_lesson
    >>> print(export_lesson("lesson.html"))
    lesson.html
    """
    output = check_output(path, overwrite=overwrite, suffixes=SUFFIXES)
    with atomic_write(output, overwrite=overwrite) as temporary:
        temporary.write_text(lesson_html(), encoding="utf-8")
    return output
