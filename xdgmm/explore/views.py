"""The numbers behind the panels of the second tab: ranges, curves, ellipses, histograms, images; free of bokeh."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xdgmm.plotting import densities
from xdgmm.plotting.inputs import measured_values, rows_of_noise
from xdgmm.plotting.two_dimensions import ellipse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations

    Floats = NDArray[np.float64]

IMAGE = 160  # pixels along each side of an image of many objects
FAINTEST = 0.25  # opacity of a pixel with one object
INNER, MARGIN = (0.25, 99.75), 0.12  # percentiles that a range holds, and what it has beyond them
FAR = 2.5  # times longer than that a range may be to hold all values


class Curves(NamedTuple):
    """Densities of one column at x (n,)."""

    x: Floats
    intrinsic: Floats
    observed: Floats
    components: Floats


class Bars(NamedTuple):
    """A histogram: edges (n + 1,) and densities (n,)."""

    edges: Floats
    heights: Floats


def range_of(values: Floats) -> tuple[float, float]:
    """The range that a panel shows of values (n,): all of them, or nearly all where few lie far outside."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return -1.0, 1.0
    low, high = np.percentile(finite, INNER)
    if np.ptp(finite) <= FAR * (high - low):
        low, high = finite.min(), finite.max()
    margin = MARGIN * (high - low) or max(abs(high), 1.0) * MARGIN
    return float(low - margin), float(high + margin)


def measured(observations: Observations, place: int) -> Floats:
    """One measured column (N,); NaN where nothing was measured."""
    return np.asarray(np.where(observations.present[:, place], observations.values[:, place], np.nan))


def histogram(observations: Observations, place: int, ends: tuple[float, float]) -> Bars:
    """The histogram of one column, whose area is the fraction of the objects between the ends."""
    values, _, weights = measured_values(observations, place)
    edges = densities.bin_edges(values, ends)
    counts = np.histogram(values, edges, weights=weights)[0]
    return Bars(edges, counts / max(weights.sum(), 1e-300) / np.diff(edges))


def histogram_of(rows: NDArray[np.intp], observations: Observations, place: int, edges: Floats) -> Bars:
    """The part of that histogram that some rows make."""
    values, _, weights = measured_values(observations, place)
    chosen = observations.select(rows)
    part, _, its_weights = measured_values(chosen, place)
    counts = np.histogram(part, edges, weights=its_weights)[0] if values.size else np.zeros(len(edges) - 1)
    return Bars(edges, counts / max(weights.sum(), 1e-300) / np.diff(edges))


def curves(mixture: GaussianMixture, observations: Observations, place: int, ends: tuple[float, float]) -> Curves:
    """The intrinsic density of one column, that of each component, and what is expected of measured values."""
    _, variances, weights = measured_values(observations, place)
    x = densities.grid(mixture, place, ends, variances)
    each = densities.component_densities(mixture, place, x)
    rows = rows_of_noise(observations, place)
    if rows is not None:
        observed = densities.density_of_rows(mixture, place, x, *rows)
    elif variances.size:
        observed = densities.convolved_density(mixture, place, x, variances, weights)
    else:
        observed = each.sum(axis=0)
    return Curves(x, each.sum(axis=0), observed, each)


def ellipses(mixture: GaussianMixture, x: int, y: int, radius: float) -> list[Floats]:
    """An ellipse (2, n) at so many sigmas of each component in two columns."""
    places = np.ix_([x, y], [x, y])
    pairs = zip(mixture.means, mixture.covariances, strict=True)
    return [ellipse(mean[[x, y]], covariance[places], radius) for mean, covariance in pairs]


def image_of(
    points: tuple[Floats, Floats],
    ends: tuple[tuple[float, float], tuple[float, float]],
    colours: NDArray[np.uint8] | None = None,
) -> NDArray[np.uint32]:
    """An image (n, n) of many points: opacity by the logarithm of their number, their mean colour.

    Parameters
    ----------
    points : pair of ndarray (N,)
    ends : pair of ranges
        What the image covers.
    colours : ndarray (N, 3), optional
        Dark grey by default.
    """
    x, y = points
    sides = [np.linspace(min(end), max(end), IMAGE + 1) for end in ends]
    seen = np.isfinite(x) & np.isfinite(y)
    places = [np.searchsorted(side, each[seen], side="right") - 1 for side, each in zip(sides, points, strict=True)]
    inside = np.all([(place >= 0) & (place < IMAGE) for place in places], axis=0)
    pixels = (places[1] * IMAGE + places[0])[inside]
    counts = np.bincount(pixels, minlength=IMAGE**2).astype(float)
    opacity = np.log1p(counts) / max(np.log1p(counts.max()), 1e-300)
    opacity = np.where(counts > 0, FAINTEST + (1.0 - FAINTEST) * opacity, 0.0)
    image = np.zeros((IMAGE**2, 4), dtype=np.uint8)
    image[:, 3] = np.round(255 * opacity)
    if colours is None:
        image[:, :3] = 40
    else:
        of_points = colours[seen][inside].astype(float)
        for channel in range(3):
            sums = np.bincount(pixels, of_points[:, channel], minlength=IMAGE**2)
            image[:, channel] = np.round(sums / np.maximum(counts, 1.0))
    return np.asarray(image.view(np.uint32).reshape(IMAGE, IMAGE))


def packed(colours: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Colours (N, 3) as the numbers that bokeh takes: red in the highest byte, opaque."""
    places = np.array([1 << 24, 1 << 16, 1 << 8], dtype=np.uint32)
    return np.asarray((colours.astype(np.uint32) * places).sum(axis=1, dtype=np.uint32) + np.uint32(255))
