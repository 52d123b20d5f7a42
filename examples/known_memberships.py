"""A dwarf galaxy before the Milky Way, membership probabilities given: the picture of docs/known_memberships.md.

Run it:  python examples/known_memberships.py [FOLDER]     (writes the picture there)
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from xdgmm import XDGMM, Observations
from xdgmm.plotting import save

MEMBERS, OTHERS, TRUTH = "#0072b2", "#d55e00", "black"
SIGMA = 10.0  # km/s, of the galaxy
CUTS = np.array([0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95])


def stars(rng, n=3000):
    """Velocities, their errors, and how probably each star is a member by its distance from the centre."""
    radius = rng.uniform(0.0, 3.0, n)
    p = 1.0 / (1.0 + 0.015 * np.exp(2.5 * radius))
    member = rng.random(n) < p
    errors = rng.uniform(0.8, 3.0, n)
    v = np.where(member, rng.normal(53.0, SIGMA, n), rng.normal(40.0, 35.0, n))
    return v + errors * rng.standard_normal(n), errors, p, member


def main(folder):
    """Draw it; return sigma and its error from known memberships, from weights, and after each cut."""
    v, errors, p, member = stars(np.random.default_rng(5))
    known = Observations.with_standard_errors(v, errors, names="v", units="km/s").with_memberships(p)
    joint = XDGMM(2).fit(known)
    report = joint.widths(known)
    sigma, error = float(report["sigma"][0].value), float(report["sigma_error"][0].value)
    weighted = float(XDGMM().fit(v, Xerr=errors, sample_weight=p).mixture_.sigmas[0, 0])
    cut = np.array([XDGMM().fit(v[p > c], Xerr=errors[p > c]).mixture_.sigmas[0, 0] for c in CUTS])
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    bins = np.linspace(-80.0, 160.0, 61)
    for rows, colour, label in ((member, MEMBERS, "the galaxy (true)"), (~member, OTHERS, "the Milky Way (true)")):
        left.hist(v[rows], bins, color=colour, alpha=0.4, label=label)
    x = np.linspace(-80.0, 160.0, 400)
    for k, colour in enumerate((MEMBERS, OTHERS)):
        width = np.sqrt(joint.mixture_.covariances[k, 0, 0] + np.mean(errors**2))
        density = np.exp(-0.5 * ((x - joint.means_[k, 0]) / width) ** 2) / width / np.sqrt(2.0 * np.pi)
        left.plot(x, joint.weights_[k] * len(v) * 4.0 * density, color=colour, lw=1.8)
    left.set(xlabel="v [km/s]", ylabel="stars")
    left.legend(frameon=False, fontsize="small")
    right.axhline(SIGMA, color=TRUTH, lw=1.2, ls=":", label="true")
    right.axhspan(sigma - error, sigma + error, color=MEMBERS, alpha=0.3, label="p in the density")
    right.plot(CUTS, cut, "o-", color=OTHERS, label="p above a cut")
    right.axhline(weighted, color=OTHERS, lw=1.2, ls="--", label="p as a weight")
    right.set(xlabel="cut in p", ylabel="sigma of the galaxy [km/s]")
    right.legend(frameon=False, fontsize="small")
    save(figure, folder / "known_memberships.png", overwrite=True)
    return {"joint": (sigma, error), "weighted": weighted, **dict(zip(CUTS.tolist(), cut.tolist(), strict=True))}


if __name__ == "__main__":
    print(main(Path(sys.argv[1] if len(sys.argv) > 1 else ".")))
