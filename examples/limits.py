"""A relation of which the faint half is known only as upper limits: the picture of docs/limits.md.

Run it:  python examples/limits.py [FOLDER]     (writes the picture there)
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from xdgmm import XDGMM, Observations
from xdgmm.plotting import save

TRUTH, COLOURS = "black", {"limits": "#0072b2", "detections alone": "#d55e00", "limits as values": "#cc79a7"}
SLOPE, ZERO, SCATTER, ERROR, THRESHOLD, N = 1.2, 0.5, 0.4, 0.3, 0.4, 400


def catalogue(rng):
    """Logarithms of mass and luminosity, in units of their own, and which luminosities are below the threshold."""
    mass = rng.normal(size=N)
    luminosity = ZERO + SLOPE * mass + SCATTER * rng.normal(size=N)
    measured = np.column_stack([mass, luminosity]) + ERROR * rng.normal(size=(N, 2))
    undetected = measured[:, 1] < THRESHOLD
    measured[undetected, 1] = THRESHOLD
    return measured, undetected


def fits(measured, undetected):
    """The Gaussian of all objects, of the detections alone, and with limits taken as values."""
    upper = np.column_stack([np.zeros(N, bool), undetected])
    errors = np.full((N, 2), ERROR)
    samples = {
        "limits": Observations.with_limits(measured, errors, upper=upper),
        "detections alone": Observations.with_standard_errors(measured[~undetected], errors[~undetected]),
        "limits as values": Observations.with_standard_errors(measured, errors),
    }
    return {name: XDGMM().fit(sample).mixture_ for name, sample in samples.items()}


def line(mixture):
    """Slope and zero point of the luminosity at given mass."""
    mean, V = mixture.means[0], mixture.covariances[0]
    slope = V[0, 1] / V[0, 0]
    return slope, mean[1] - slope * mean[0]


def relation(axes, measured, undetected, found):
    """Detections, limits, and the lines of the fits."""
    axes.plot(*measured[~undetected].T, ".", color="0.55", ms=4, label="detections")
    axes.plot(*measured[undetected].T, ls="none", marker="$\\downarrow$", color="0.55", ms=7, label="upper limits")
    x = np.array([-3.0, 3.0])
    axes.plot(x, ZERO + SLOPE * x, color=TRUTH, ls=":", lw=1.6, label=f"truth: slope {SLOPE:g}")
    for name, mixture in found.items():
        slope, zero = line(mixture)
        axes.plot(x, zero + slope * x, color=COLOURS[name], lw=1.8, label=f"{name}: {slope:.2f}")
    axes.set(xlabel="log mass", ylabel="log luminosity", xlim=(-3, 3), ylim=(-3.2, 4.2))
    axes.legend(frameon=False, fontsize="small", loc="upper left")


def distributions(axes, found):
    """Intrinsic distributions of the luminosity."""
    y = np.linspace(-4.5, 5.5, 401)

    def density(mean, sigma):
        return np.exp(-0.5 * ((y - mean) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))

    width = np.hypot(SLOPE, SCATTER)
    axes.plot(y, density(ZERO, width), color=TRUTH, ls=":", lw=1.6, label=f"truth: sigma {width:.2f}")
    for name, mixture in found.items():
        sigma = mixture.sigmas[0, 1]
        axes.plot(y, density(mixture.means[0, 1], sigma), color=COLOURS[name], lw=1.8, label=f"{name}: {sigma:.2f}")
    axes.axvline(THRESHOLD, color="0.7", lw=0.8)
    axes.set(xlabel="log luminosity", ylabel="intrinsic density", xlim=(-4.5, 5.5), ylim=(0, 0.75))
    axes.legend(frameon=False, fontsize="small", loc="upper left")


def main(folder):
    """Draw it; return the slope of each fit."""
    measured, undetected = catalogue(np.random.default_rng(3))
    found = fits(measured, undetected)
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    relation(left, measured, undetected, found)
    distributions(right, found)
    save(figure, folder / "limits.png", overwrite=True)
    return {name: line(mixture)[0] for name, mixture in found.items()}


if __name__ == "__main__":
    print(main(Path(sys.argv[1] if len(sys.argv) > 1 else ".")))
