"""The picture of the linear relation of two columns, with its intrinsic scatter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.errors import InputError

from .colours import MOST_LABELLED, component_colour, component_style
from .figures import prepared_axes
from .inputs import drawn
from .labels import label_both
from .two_dimensions import add_colour_bar, begin_plane, draw_mean

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray

    from xdgmm.observations.inputs import Measurements

    Floats = NDArray[np.float64]

KINDS = ("y given x", "x given y", "major axis")
REACH = 2.5  # sigmas of a component along which its relation is drawn
INVISIBLE = 1e-6  # of the length of the line: a narrower band is not seen
NO_WIDTH = 1e-12  # of the variance of the other column


def plot_relation(
    model: Any,
    X: Measurements,
    *,
    Xerr: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    columns: Sequence[str] | None = None,
    relation: str = "y given x",
    ax: Axes | None = None,
) -> Axes:
    """Draw the linear relation behind two columns, with a band of one intrinsic scatter to either side.

    Parameters
    ----------
    model : XDGMM, FitResult or GaussianMixture
    X, Xerr, sample_weight
        What was measured, as for `XDGMM.fit`.
    columns : sequence of two str, optional
        x and y; needed where the mixture has not two columns.
    relation : {"y given x", "x given y", "major axis"}
        The mean of y at given x, that of x at given y, or the first principal axis of the covariance; see
        `xdgmm.widths.relations`, which has the errors of slopes and scatters.
    ax : Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        A line for each component, over 2.5 of its sigmas to either side of its mean, in its colour.  The band is the
        standard deviation of y at given x, of x at given y, or across the axis, errors of measurement taken out.

    Raises
    ------
    InputError
        If X cannot be used or does not fit the mixture, there are not two columns, `relation` is another one, or no
        component has a width along x (y).

    Examples
    --------
    >>> import numpy as np
    >>> from xdgmm import XDGMM
    >>> from xdgmm.plotting import plot_relation
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 2)) @ [[2.0, 1.0], [0.0, 0.3]] + rng.normal(0.0, 0.2, (200, 2))
    >>> ax = plot_relation(XDGMM().fit(X, Xerr=0.2), X, Xerr=0.2)
    """
    if relation not in KINDS:
        raise InputError(f"`relation` is {relation!r}, but it must be one of {', '.join(map(repr, KINDS))}")
    mixture, observations, places = drawn(model, X, Xerr, sample_weight, columns, (2,))
    blocks = zip(mixture.means[:, places], mixture.covariances[:, places][:, :, places], strict=True)
    flat = mixture.flat_components
    lines = [None if is_flat else _line(mean, V, relation) for is_flat, (mean, V) in zip(flat, blocks, strict=True)]
    if all(line is None for line in lines):
        raise InputError(f"no component has a width from which the relation {relation!r} follows")
    ax = prepared_axes(ax)
    ends = begin_plane(ax, mixture, observations, *places)
    for k, line in enumerate(lines):
        draw_mean(ax, mixture.means[k, places], k)
        if line is not None:
            _draw(ax, *line, k, labelled=mixture.n_components <= MOST_LABELLED, several=mixture.n_components > 1)
    ax.set(xlim=ends[0], ylim=ends[1])
    label_both(ax, mixture, *places)
    add_colour_bar(ax)
    ax.legend(frameon=False, fontsize="small")
    return ax


def _line(mean: Floats, V: Floats, relation: str) -> tuple[Floats, Floats] | None:
    """Ends (2, 2) of a relation, and the intrinsic scatter as a vector (2,); None where it has no width along it."""
    if relation == "major axis":
        values, vectors = np.linalg.eigh(V)
        if values[1] <= 0:
            return None
        along, scatter = vectors[:, 1] * np.sqrt(values[1]), vectors[:, 0] * np.sqrt(max(values[0], 0.0))
        return mean + REACH * np.array([-along, along]), scatter
    given = 0 if relation == "y given x" else 1
    other = 1 - given
    if V[given, given] <= NO_WIDTH * V[other, other] or V[given, given] <= 0:
        return None
    along, scatter = np.zeros(2), np.zeros(2)
    along[given], along[other] = 1.0, V[other, given] / V[given, given]
    scatter[other] = np.sqrt(max(V[other, other] - V[other, given] ** 2 / V[given, given], 0.0))
    along *= REACH * np.sqrt(V[given, given])
    return mean + np.array([-along, along]), scatter


def _draw(ax: Axes, ends: Floats, scatter: Floats, k: int, *, labelled: bool, several: bool) -> None:
    which = f", component {k}" if several else ""
    colour = component_colour(k)
    band = np.concatenate([ends + scatter, (ends - scatter)[::-1]])
    narrow = np.linalg.norm(scatter) <= INVISIBLE * np.linalg.norm(ends[1] - ends[0])
    label = f"intrinsic scatter{which}" if labelled and not narrow else "_nolegend_"
    ax.fill(*band.T, color=colour, alpha=0.25, lw=0.0, zorder=3, label=label)
    label = f"relation{which}{', no intrinsic scatter' if narrow else ''}" if labelled else "_nolegend_"
    ax.plot(*ends.T, color=colour, lw=2.0, ls=component_style(k), zorder=4, label=label)
