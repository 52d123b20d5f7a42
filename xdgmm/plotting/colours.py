"""One colour for each component, the same in every picture, and the colours of everything else.

The colours of components are those of Okabe & Ito (2008, *Color Universal Design*), which people with any kind of
colour vision tell apart, without the yellow, which is too light for print.  From the eighth component on they repeat
with another style of line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from xdgmm.mixture import GaussianMixture

COMPONENTS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#6A3D00")
LINE_STYLES = ("-", "--", "-.", ":")
HATCHES = ("", "//", "..", "xx")
BACKGROUND = "#7F7F7F"
INTRINSIC, CONVOLVED, DATA, BARS, NOISE, HISTOGRAM, EXPECTED = (
    "#111111",
    "#555555",
    "#6E6E6E",
    "#BDBDBD",
    "#444444",
    "#DEDEDE",
    "#C9D7E8",
)
ACCENT, OUTSIDE = COMPONENTS[0], COMPONENTS[1]
DENSITY_MAP = "Greys"


def component_colour(k: int) -> str:
    """The colour of component k, counted from 0 in the order of the model."""
    return COMPONENTS[k % len(COMPONENTS)]


def component_style(k: int) -> str:
    """The style of its lines: another one where colours repeat."""
    return LINE_STYLES[k // len(COMPONENTS) % len(LINE_STYLES)]


def component_hatch(k: int) -> str:
    """What fills its area beside the colour: something where colours repeat."""
    return HATCHES[k // len(COMPONENTS) % len(HATCHES)]


def component_label(k: int) -> str:
    """What a legend calls component k."""
    return f"component {k}"


def colours_of(mixture: GaussianMixture) -> list[str]:
    """The colours of all components, and of the background where there is one."""
    colours = [component_colour(k) for k in range(mixture.n_components)]
    return colours if mixture.background is None else [*colours, BACKGROUND]


def mixed_colours(memberships: ArrayLike, colours: list[str]) -> NDArray[np.float64]:
    """Colours (N, 3) of objects: those of the components, mixed by memberships (N, K)."""
    from matplotlib.colors import to_rgb

    mixed: NDArray[np.float64] = np.asarray(memberships) @ np.array([to_rgb(colour) for colour in colours])
    return np.clip(mixed, 0.0, 1.0)
