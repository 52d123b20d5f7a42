"""The picture of class probabilities: which component does a value belong to?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import densities
from .colours import colours_of, component_hatch, labels_of
from .figures import legend_above, prepared_axes
from .inputs import drawn, measured_values
from .labels import label_x

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

    from xdgmm.observations.inputs import Measurements


def plot_memberships(
    model: Any,
    X: Measurements,
    *,
    Xerr: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    columns: str | list[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the probability of each component for a value of one column, stacked: p(component | x).

    Parameters
    ----------
    model, X, Xerr, sample_weight, columns, ax
        As for `plot_density`.

    Returns
    -------
    matplotlib.axes.Axes
        For values measured with the median error of X, the first component at the bottom.  Of several columns only the
        one that is drawn is taken to be known.

    Raises
    ------
    InputError
        As `plot_density`; or if the columns themselves were not measured (projections).

    Examples
    --------
    >>> from xdgmm import XDGMM, datasets
    >>> from xdgmm.plotting import plot_memberships
    >>> stars = datasets.load("neutron_stars")["m", "e_m"]
    >>> ax = plot_memberships(XDGMM(2, random_state=0).fit(stars), stars)
    """
    mixture, observations, (place,) = drawn(model, X, Xerr, sample_weight, columns, (1,), "their memberships")
    ax = prepared_axes(ax)
    values, variances, _ = measured_values(observations, place)
    ends = densities.view(mixture, place, values, variances)
    x = np.linspace(*ends, densities.POINTS)
    colours, labels = colours_of(mixture), labels_of(mixture)
    hatches = [component_hatch(k) for k in range(mixture.n_components)] + [""] * (mixture.background is not None)
    each = densities.class_probabilities(mixture, place, x, densities.typical_variance(variances))
    ax.stackplot(x, *each, colors=colours, labels=labels, hatch=hatches, alpha=0.75, edgecolor="white", lw=0.8)
    ax.set(xlim=ends, ylim=(0.0, 1.0))
    label_x(ax, mixture.names[place], mixture.units[place])
    ax.set_ylabel("probability of the component")
    legend_above(ax, min(len(labels), 4))
    return ax
