"""A Gaussian and a Student-t distribution behind velocities with outliers: the picture of docs/heavy_tails.md.

Run it:  python examples/heavy_tails.py [FOLDER]     (writes the picture there)
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from xdgmm import XDGMM
from xdgmm.plotting import save

MEASURED, HEAVY, GAUSSIAN = "#999999", "#0072b2", "#d55e00"
MEAN, SIGMA, N = 80.0, 3.0, 1000  # km/s


def catalogue(rng):
    """Velocities of stars, one in twenty of which has a tenfold scatter, with errors between 0.5 and 2 km/s."""
    errors = rng.uniform(0.5, 2.0, N)
    scatter = np.where(rng.random(N) < 0.05, 10.0 * SIGMA, SIGMA)
    return MEAN + scatter * rng.normal(size=N) + errors * rng.normal(size=N), errors


def distributions(axes, v, gaussian, heavy):
    """Measured velocities, and both intrinsic distributions, on a logarithmic scale."""
    grid = np.linspace(-20.0, 180.0, 801)
    axes.hist(v, 80, range=(-20.0, 180.0), density=True, color=MEASURED, alpha=0.5, label="measured")
    for model, colour, name in ((gaussian, GAUSSIAN, "Gaussian"), (heavy, HEAVY, "Student-t")):
        half = model.mixture_.half_widths[0, 0]
        label = f"{name}: 68% within ±{half:.1f}"
        axes.plot(grid, np.exp(model.mixture_.log_density(grid[:, None])), color=colour, lw=1.8, label=label)
    axes.set(xlabel="velocity [km/s]", ylabel="density", yscale="log", ylim=(1e-5, 0.3), xlim=(-20, 180))
    axes.legend(frameon=False, loc="upper left", fontsize="small")


def weights(axes, v, e, heavy):
    """How much each star counts in the fit."""
    axes.scatter(v, heavy.outlier_weights(v, Xerr=e), s=8, color=HEAVY, lw=0)
    axes.set(xlabel="velocity [km/s]", ylabel="outlier weight", xlim=(-20, 180), ylim=(0.0, None))


def main(folder):
    """Draw it; return the half-widths of 68% of the Gaussian and of the Student-t distribution."""
    v, e = catalogue(np.random.default_rng(11))
    gaussian, heavy = XDGMM().fit(v, Xerr=e), XDGMM(family="t").fit(v, Xerr=e)
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    distributions(left, v, gaussian, heavy)
    weights(right, v, e, heavy)
    save(figure, folder / "heavy_tails.png", overwrite=True)
    return gaussian.mixture_.half_widths[0, 0], heavy.mixture_.half_widths[0, 0]


if __name__ == "__main__":
    print(main(Path(sys.argv[1] if len(sys.argv) > 1 else ".")))
