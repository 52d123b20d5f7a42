"""Asymmetric errors and errors that follow the true value: the picture of docs/non_gaussian_errors.md.

Run it:  python examples/non_gaussian_errors.py [FOLDER]     (writes the picture there)
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from xdgmm import XDGMM, Observations
from xdgmm.plotting import save

MEASURED, RIGHT, WRONG, TRUTH = "#999999", "#0072b2", "#d55e00", "black"


def ages(rng, n=1000):
    """Ages of 10 ± 1, measured with errors of +1.5 and -0.5: the true age is often above the measured one."""
    above = rng.random(n) < 0.75
    size = np.abs(rng.standard_normal(n))
    return rng.normal(10.0, 1.0, n) + np.where(above, -1.5 * size, 0.5 * size)


def fluxes(rng, n=1000):
    """Fluxes of 10 ± 2, with errors of a quarter of the true flux."""
    truth = rng.normal(10.0, 2.0, n)
    return truth * (1.0 + 0.25 * rng.standard_normal(n))


def compare(axes, values, truth, models, names, unit):
    """What was measured, the true distribution, and two fits."""
    low, high = np.quantile(values, [0.001, 0.999])
    grid = np.linspace(low, high, 400)
    axes.hist(values, 50, range=(low, high), density=True, color=MEASURED, alpha=0.5, label="measured")
    density = np.exp(-0.5 * ((grid - truth[0]) / truth[1]) ** 2) / truth[1] / np.sqrt(2.0 * np.pi)
    axes.plot(grid, density, color=TRUTH, lw=1.2, ls=":", label="true")
    for model, colour, name in zip(models, (WRONG, RIGHT), names, strict=True):
        mixture = model.mixture_
        label = f"{name}: {mixture.means[0, 0]:.1f} ± {mixture.sigmas[0, 0]:.1f}"
        axes.plot(grid, np.exp(mixture.log_density(grid[:, None])), color=colour, lw=1.8, label=label)
    axes.set(xlabel=unit, ylabel="density")
    axes.set_ylim(0.0, 1.45 * axes.get_ylim()[1])
    axes.legend(frameon=False, fontsize="small", loc="upper left")


def main(folder):
    """Draw it; return the means of the four fits."""
    rng = np.random.default_rng(3)
    age, flux = ages(rng), fluxes(rng)
    fits = [
        XDGMM().fit(Observations.with_standard_errors(age, 1.0)),
        XDGMM().fit(Observations.with_asymmetric_errors(age, 0.5, 1.5)),
        XDGMM().fit(Observations.with_standard_errors(flux, 0.25 * np.abs(flux))),
        XDGMM().fit(Observations.with_error_function(flux, 0.25, between=(1.0, 40.0))),
    ]
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    compare(left, age, (10.0, 1.0), fits[:2], ("errors ±1", "errors +1.5 −0.5"), "age [Gyr]")
    compare(right, flux, (10.0, 2.0), fits[2:], ("25% of measured", "25% of true"), "flux [mJy]")
    save(figure, folder / "non_gaussian_errors.png", overwrite=True)
    return [float(model.mixture_.means[0, 0]) for model in fits]


if __name__ == "__main__":
    print(main(Path(sys.argv[1] if len(sys.argv) > 1 else ".")))
