"""A flux-limited sample, fitted without and with its selection: the picture of docs/selection_functions.md.

Run it:  python examples/selection_functions.py [FOLDER]     (writes the picture there)
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import norm

from xdgmm import XDGMM, SelectionFunction
from xdgmm.plotting import save

ALL, SEEN, NAIVE, FITTED = "#bbbbbb", "#777777", "#d55e00", "#0072b2"
MEAN, SIGMA, N, LIMIT = 20.0, 0.6, 3000, 20.3  # mag


def catalogue(rng):
    """Magnitudes of all stars, with errors between 0.1 and 0.8 mag."""
    errors = rng.uniform(0.1, 0.8, N)
    return rng.normal(MEAN, SIGMA, N) + errors * rng.normal(size=N), errors


def draw(axes, g, seen, naive, fitted):
    """What was measured, the true population, and both fits."""
    bins = np.linspace(17.5, 22.5, 51)
    axes.hist(g, bins, color=ALL, alpha=0.6, label="measured, not in the sample")
    axes.hist(g[seen], bins, color=SEEN, label="in the sample")
    grid = np.linspace(17.5, 22.5, 400)
    width = bins[1] - bins[0]
    axes.plot(grid, N * width * norm.pdf(grid, MEAN, SIGMA), color="k", lw=1.2, ls=":", label="true population")
    for model, n_objects, colour, name in (
        (naive, seen.sum(), NAIVE, "fit of the sample"),
        (fitted, seen.sum() / fitted.result_.completeness, FITTED, "fit with its selection"),
    ):
        density = np.exp(model.mixture_.log_density(grid[:, None]))
        mean, sigma = model.means_[0, 0], model.mixture_.sigmas[0, 0]
        label = f"{name}: {mean:.2f}, sigma {sigma:.2f}"
        axes.plot(grid, n_objects * width * density, color=colour, lw=1.8, label=label)
    axes.axvline(LIMIT, color="k", lw=0.8)
    axes.set(xlabel="magnitude", ylabel="stars", xlim=(17.5, 22.5), ylim=(0, 330))
    axes.legend(frameon=False, loc="upper left", fontsize="small")


def expected(axes, g, errors, fitted):
    """The sample, and what is expected of it."""
    fitted.plot(g, Xerr=errors, ax=axes, kind="density")
    axes.set(xlabel="magnitude", ylim=(0.0, 1.2))
    axes.axvline(LIMIT, color="k", lw=0.8)


def main(folder):
    """Draw it; return the means of both fits."""
    g, errors = catalogue(np.random.default_rng(1))
    seen = g < LIMIT
    naive = XDGMM().fit(g[seen], Xerr=errors[seen])
    fitted = XDGMM(selection_function=SelectionFunction.box(high=[LIMIT])).fit(g[seen], Xerr=errors[seen])
    figure = Figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    draw(left, g, seen, naive, fitted)
    expected(right, g[seen], errors[seen], fitted)
    save(figure, folder / "selection_functions.png", overwrite=True)
    return naive.means_[0, 0], fitted.means_[0, 0]


if __name__ == "__main__":
    print(main(Path(sys.argv[1] if len(sys.argv) > 1 else ".")))
