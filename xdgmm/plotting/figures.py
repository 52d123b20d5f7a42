"""Figures and axes: new ones where none are given, and how they are written to files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xdgmm.errors import KindError
from xdgmm.files import atomic_write, check_output
from xdgmm.text import printable

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PLOT_SUFFIXES = (".png", ".pdf", ".svg")
ONE_PANEL = (5.6, 4.2)  # inches
DOTS_PER_INCH = 150


def new_figure() -> Figure:
    """A figure that pyplot does not know, of the size that its picture needs.

    For programs that write many pictures to files: such figures need no display, and are forgotten when they are no
    longer used.

    Examples
    --------
    >>> from xdgmm import XDGMM, datasets
    >>> from xdgmm.plotting import new_figure, plot_fit
    >>> stars = datasets.load("hydrus1")
    >>> model = XDGMM().fit(stars["v"], Xerr=stars["e_v"])
    >>> figure = plot_fit(model, stars["v"], Xerr=stars["e_v"], figure=new_figure())
    """
    from .picture import Picture

    return Picture(layout="constrained")


def prepared_figure(figure: Figure | None, size: tuple[float, float]) -> Figure:
    """The figure to draw in: a new one of pyplot where none is given; `new_figure` gets the size (in inches).

    A SubFigure of matplotlib is a figure too.
    """
    from .picture import Picture

    if figure is None:
        import matplotlib.pyplot as plt

        return plt.figure(FigureClass=Picture, figsize=size, layout="constrained")
    if not hasattr(figure, "add_subplot"):
        raise KindError(f"`figure` is of type {type(figure).__name__}, but it must be a Figure of matplotlib")
    if isinstance(figure, Picture) and not figure.axes:
        figure.set_size_inches(size)
    return figure


def prepared_axes(ax: Axes | None, size: tuple[float, float] = ONE_PANEL) -> Axes:
    """The axes to draw in: those of a new figure of pyplot where none are given."""
    if ax is None:
        return prepared_figure(None, size).add_subplot()
    if not hasattr(ax, "get_xlim"):
        raise KindError(f"`ax` is of type {type(ax).__name__}, but it must be Axes of matplotlib")
    _fit_size(ax, size)
    return ax


def _fit_size(ax: Axes, size: tuple[float, float]) -> None:
    """Give `new_figure` the size of its only picture."""
    from .picture import Picture

    figure = ax.get_figure()
    if isinstance(figure, Picture) and figure.axes == [ax] and not ax.has_data():
        figure.set_size_inches(size)


def set_title(figure: Figure, title: str | None) -> None:
    """Write a title, if there is one, above all panels: as it is, without mathematics."""
    if title:
        figure.suptitle(printable(title), parse_math=False)


def legend_above(ax: Axes, ncols: int = 2) -> None:
    """A legend above the panel, where it covers nothing."""
    ax.legend(
        frameon=False, fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=ncols, columnspacing=1.0
    )


def save(picture: Figure | Axes, path: str | Path, *, overwrite: bool = False) -> None:
    """Write a picture in the format of the file name's ending; a failed run leaves no incomplete file.

    Parameters
    ----------
    picture : Figure or Axes
        What a function of this module returned; of Axes, their whole figure.
    path : str or Path
        Ends in .png, .pdf or .svg.
    overwrite : bool
        Whether a file that exists may be replaced.

    Raises
    ------
    OutputError
        If the path cannot be written, ends otherwise, or exists and `overwrite` is false.
    """
    check_output(path, overwrite=overwrite, suffixes=PLOT_SUFFIXES)
    figure: Any = picture if hasattr(picture, "savefig") else picture.get_figure(root=True)
    with atomic_write(path, overwrite=overwrite) as temporary:
        figure.savefig(temporary, dpi=DOTS_PER_INCH)
