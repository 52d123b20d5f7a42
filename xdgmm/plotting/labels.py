"""Labels of axes, from the names and units of columns, and axes as readers of the sky expect them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from xdgmm.text import latex, printable

if TYPE_CHECKING:
    from astropy.units import UnitBase
    from matplotlib.axes import Axes

    from xdgmm.mixture import GaussianMixture

SUFFIX = r"(_?(j?2000|icrs|fk5|fk4|b?1950|deg|epoch\d*|obs|corr|median|mean))*"
RIGHT_ASCENSION = re.compile(rf"_?(ra|alpha|right_?ascension){SUFFIX}", re.IGNORECASE)
OF_SKY = ("deg", "hourangle")


def is_right_ascension(name: str, unit: UnitBase | None) -> bool:
    """Is this a right ascension: in degrees or hours, and called ra, RAJ2000, ra_icrs, ALPHA_J2000 or the like?"""
    return str(unit) in OF_SKY and RIGHT_ASCENSION.fullmatch(name) is not None


def label_x(ax: Axes, name: str, unit: UnitBase | None) -> None:
    """Label the horizontal axis; right ascension increases to the left."""
    text, has_math = axis_label(name, unit)
    ax.set_xlabel(text, parse_math=has_math)
    if is_right_ascension(name, unit) and not ax.xaxis_inverted():
        ax.invert_xaxis()


def label_y(ax: Axes, name: str, unit: UnitBase | None) -> None:
    """Label the vertical axis."""
    text, has_math = axis_label(name, unit)
    ax.set_ylabel(text, parse_math=has_math)


def label_both(ax: Axes, mixture: GaussianMixture, x: int, y: int) -> None:
    """Label both axes with the columns of a mixture that they show."""
    label_x(ax, mixture.names[x], mixture.units[x])
    label_y(ax, mixture.names[y], mixture.units[y])


def log_x(ax: Axes) -> None:
    """A logarithmic horizontal axis with plain numbers, at 1, 2 and 5 times powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())


def axis_label(name: str, unit: UnitBase | None) -> tuple[str, bool]:
    """The text of a label, and whether its dollar signs stand for mathematics, as those of units do.

    Names are shown as they are, also where LaTeX sets the text (``rcParams["text.usetex"]``).
    """
    import matplotlib as mpl

    usetex = mpl.rcParams["text.usetex"]
    shown = latex(name) if usetex else printable(name)
    if unit is None or str(unit) == "":
        return shown, False
    return f"{shown if usetex else _without_math(shown)} [{unit_text(unit)}]", True


def unit_text(unit: UnitBase) -> str:
    """A unit in the mathematics of matplotlib; as plain text where it cannot be drawn so."""
    from matplotlib.mathtext import MathTextParser

    text = str(unit.to_string("latex_inline")).replace("$$", "").replace(r"\mathrm{1 \times 10^", r"\mathrm{10^")
    try:
        MathTextParser("path").parse(text)
    except ValueError:
        return _without_math(printable(unit.to_string("unicode")))
    return text


def _without_math(text: str) -> str:
    r"""The text with dollar signs that begin no mathematics."""
    return text.replace("$", r"\$")
