"""Pictures of fits of lines by their names: what `LineFit.plot` draws."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from xdgmm.errors import InputError
from xdgmm.text import printable

from .line_likelihood import plot_line_likelihood
from .line_profile import plot_line_profile
from .line_spectrum import plot_line_spectrum

if TYPE_CHECKING:
    from xdgmm.lines import LineFit

LINE_KINDS: dict[str, Callable[..., Any]] = {
    "spectrum": plot_line_spectrum,
    "profile": plot_line_profile,
    "likelihood": plot_line_likelihood,
}


def plot_line_fit(fit: LineFit, kind: str = "spectrum", **options: Any) -> Any:
    """Draw a picture of a fit of lines by its name.

    Parameters
    ----------
    fit : LineFit
    kind : {"spectrum", "profile", "likelihood"}
    **options
        Of `plot_line_spectrum`, `plot_line_profile` or `plot_line_likelihood`.

    Returns
    -------
    matplotlib.figure.Figure or matplotlib.axes.Axes
        A Figure for "spectrum", which has several panels.

    Raises
    ------
    InputError
        If there is no such kind.
    """
    if kind not in LINE_KINDS:
        raise InputError(f"`kind` is {printable(repr(kind))}, but it must be one of {', '.join(LINE_KINDS)}")
    return LINE_KINDS[kind](fit, **options)
