"""Measured, instrumental and intrinsic widths: the pictures of docs/concepts.md and of the front page.

Run it:  python examples/concepts.py [FOLDER]     (writes the pictures there)
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import norm

from xdgmm import XDGMM
from xdgmm.plotting import save

MEASURED, INTRINSIC, INSTRUMENT = "#999999", "#0072b2", "#d55e00"
MEAN, SIGMA, N = 80.0, 3.0, 150  # km/s


def catalogue(rng):
    """Velocities of stars with errors between 1 and 10 km/s."""
    errors = np.sort(np.exp(rng.uniform(0.0, np.log(10.0), N)))
    return rng.normal(MEAN, SIGMA, N) + rng.normal(0.0, errors), errors


def objects(axes, v, e):
    """Each star with its error bar, the precise ones first, over the intrinsic scatter."""
    axes.errorbar(np.arange(N), v, e, fmt=".", ms=3, lw=0.6, color=MEASURED, label="measured, with errors")
    axes.axhspan(MEAN - SIGMA, MEAN + SIGMA, color=INTRINSIC, alpha=0.25, lw=0, label="intrinsic ±1σ")
    axes.set(xlabel="star, the most precise first", ylabel="velocity [km/s]", ylim=(50, 110))
    axes.legend(frameon=False, loc="upper left")


def distributions(axes, v, e, model):
    """What is measured, what the model expects to be measured, and what it says of the true velocities."""
    grid = np.linspace(50.0, 110.0, 400)
    mean, sigma = model.means_[0, 0], model.mixture_.sigmas[0, 0]
    axes.hist(
        v, 24, range=(50.0, 110.0), density=True, color=MEASURED, alpha=0.5, label=f"measured: s = {v.std(ddof=1):.1f}"
    )
    expected = norm.pdf(grid[:, None], mean, np.hypot(sigma, e)).mean(axis=1)
    axes.plot(grid, expected, color="black", lw=1.2, label="intrinsic and errors")
    axes.plot(
        grid, norm.pdf(grid, mean, sigma), color=INTRINSIC, lw=2.0, label=f"intrinsic: σ = {sigma:.1f} (true {SIGMA:g})"
    )
    axes.set(xlabel="velocity [km/s]", ylabel="density", ylim=(0.0, 0.2))
    axes.legend(frameon=False)


def widths_of_a_distribution():
    """The front page: measured scatter and intrinsic width of a catalogue."""
    v, e = catalogue(np.random.default_rng(5))
    model = XDGMM().fit(v, Xerr=e)
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    objects(left, v, e)
    distributions(right, v, e, model)
    return figure, (v.std(ddof=1), model.mixture_.sigmas[0, 0])


def widths_of_a_line():
    """A line by itself, the instrument, and what is observed."""
    grid = np.linspace(-250.0, 250.0, 400)  # km/s
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    for sigma, colour, name in (
        (40.0, INTRINSIC, "intrinsic: σ = 40"),
        (60.0, INSTRUMENT, "instrumental: σ = 60"),
        (np.hypot(40.0, 60.0), "black", f"measured: σ = {np.hypot(40.0, 60.0):.0f}"),
    ):
        axes.plot(grid, norm.pdf(grid, 0.0, sigma), color=colour, lw=1.8, label=name)
    axes.set(xlabel="velocity [km/s]", ylabel="profile")
    axes.legend(frameon=False)
    return figure


def main(folder):
    """Draw both; return the measured scatter and the intrinsic width of the catalogue."""
    figure, found = widths_of_a_distribution()
    save(figure, folder / "measured_and_intrinsic.png", overwrite=True)
    save(widths_of_a_line(), folder / "widths_of_a_line.png", overwrite=True)
    return found


if __name__ == "__main__":
    print(*main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path()))
