"""A star cluster before a field that is uniform on the sky: the picture of docs/flat_components.md.

Run it:  python examples/flat_components.py [FOLDER]     (writes the picture there)
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from xdgmm import XDGMM, Flat, Observations
from xdgmm.plotting import save

FIELD, COLOURS = "#bbbbbb", ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
SKY = Flat(("ra", "dec"), low=[127.0, 17.0], high=[133.0, 23.0])


def stars(rng, n=2500):
    """A cluster, 15% of the stars, in five columns."""
    member = rng.random(n) < 0.15
    sky = rng.uniform([127.0, 17.0], [133.0, 23.0], (n, 2))
    covariance = [[90.0, 20.0, -6.0], [20.0, 80.0, -5.0], [-6.0, -5.0, 2.0]]
    field = np.hstack([sky, rng.multivariate_normal([-5.0, -8.0, 2.0], covariance, n)])
    cluster = rng.normal([130.0, 20.0, -36.0, -13.0, 5.4], [0.5, 0.5, 0.8, 0.8, 0.15], (n, 5))
    errors = np.column_stack([np.full((n, 2), 1e-6), rng.uniform(0.1, 0.4, (n, 2)), rng.uniform(0.05, 0.2, n)])
    v = np.where(member[:, None], cluster, field) + errors * rng.standard_normal((n, 5))
    names, units = ["ra", "dec", "pmra", "pmdec", "parallax"], ["deg", "deg", "mas/yr", "mas/yr", "mas"]
    return Observations.with_standard_errors(v, errors, names=names, units=units)


def draw(axes, observations, model, title):
    """Stars in the colour of their most probable component; a flat one is grey."""
    component = model.predict(observations)
    flat = model.mixture_.flat_components
    for k in np.argsort(model.weights_)[::-1]:
        mine = component == k
        colour, label = (FIELD, "flat") if flat[k] else (COLOURS[k % len(COLOURS)], f"component {k}")
        axes.plot(*observations.values[mine, :2].T, ".", ms=2.5, color=colour, label=f"{label}: {mine.sum()} stars")
    axes.set(xlabel="ra [deg]", ylabel="dec [deg]", title=title)
    axes.legend(frameon=True, fontsize="small", loc="upper right", markerscale=3)


def main(folder):
    """Draw it; return the BIC of both fits."""
    observations = stars(np.random.default_rng(4))
    flat = XDGMM(2, flat=SKY, random_state=0).fit(observations)
    gaussian = XDGMM(4, random_state=0).fit(observations)
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    draw(left, observations, gaussian, f"4 Gaussians, BIC {gaussian.bic(observations):.0f}")
    draw(right, observations, flat, f"a Gaussian and a flat component, BIC {flat.bic(observations):.0f}")
    save(figure, folder / "flat_components.png", overwrite=True)
    return gaussian.bic(observations), flat.bic(observations)


if __name__ == "__main__":
    print(main(Path(sys.argv[1] if len(sys.argv) > 1 else ".")))
