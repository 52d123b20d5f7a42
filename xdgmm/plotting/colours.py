"""One colour for each component, the same in every picture, and the colours of everything else.

The colours of components are those of Okabe & Ito (2008, *Color Universal Design*), which people with any kind of
colour vision tell apart, without the yellow, which is too light for print.  From the eighth component on they repeat
with another style of line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xdgmm.prediction import memberships

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations

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
MOST_LABELLED = 7  # components in a legend


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


def labels_of(mixture: GaussianMixture) -> list[str]:
    """What a legend calls them, in the same order."""
    labels = [component_label(k) for k in range(mixture.n_components)]
    return labels if mixture.background is None else [*labels, "background"]


def object_colours(mixture: GaussianMixture, observations: Observations) -> NDArray[np.float64]:
    """Colours (N, 3) of objects: those of the components, mixed by their memberships."""
    from matplotlib.colors import to_rgb

    colours = np.array([to_rgb(colour) for colour in colours_of(mixture)])
    mixed: NDArray[np.float64] = memberships(mixture, observations) @ colours
    return np.clip(mixed, 0.0, 1.0)


def label_object_colours(ax: Axes, mixture: GaussianMixture) -> None:
    """Entries of a legend for objects in these colours: one for each component, unless there are many."""
    colours, labels = colours_of(mixture), labels_of(mixture)
    if mixture.n_components > MOST_LABELLED:
        colours, labels = ["black"], ["objects, in the colours of their components"]
    elif len(labels) == 1:
        labels = ["objects"]
    for colour, label in zip(colours, labels, strict=True):
        ax.plot([], [], "o", ms=4, color=colour, label=label)
