"""Can I trust this fit?  Four data sets that give a wrong width without a sign in the fit, and how it is found out.

Run it:  python examples/trust.py [FOLDER]     (writes the pictures of docs/trust.md there)
"""

import sys
from pathlib import Path

import numpy as np
from astropy.table import Table

from xdgmm import XDGMM, Background, Observations, datasets, select
from xdgmm.diagnostics import error_scale
from xdgmm.plotting import plot_candidates, plot_check, plot_fit, save

N = 400


def catalogue(values, errors):
    """Velocities with their errors."""
    return Table({"v": values, "e_v": errors})


def contaminated(rng):
    """6% of the objects do not belong to the rest: true sigma 3."""
    errors = rng.uniform(0.5, 2.0, N)
    scatter = np.where(rng.random(N) < 0.06, 25.0, 3.0)
    return catalogue(rng.normal(0.0, scatter) + rng.normal(0.0, errors), errors)


def errors_too_small(rng):
    """True errors are 1.5 times the stated ones: true sigma 0.4."""
    errors = np.exp(rng.uniform(np.log(0.4), np.log(3.0), N))
    return catalogue(rng.normal(0.0, 0.4, N) + 1.5 * rng.normal(0.0, errors), errors)


def two_clumps(rng):
    """Two clumps of sigma 1, 12 apart."""
    errors = np.full(N, 0.5)
    clump = np.where(rng.random(N) < 0.5, -6.0, 6.0)
    return catalogue(clump + rng.normal(0.0, 1.0, N) + rng.normal(0.0, errors), errors)


def errors_of_measured_values(rng):
    """Errors are 20% of the measured value, where they are 20% of the true one: true mean 50."""
    true = rng.normal(50.0, 5.0, N)
    measured = true + rng.normal(0.0, 0.2 * true)
    return catalogue(measured, 0.2 * np.abs(measured))


EXAMPLES = {
    "outliers": contaminated,
    "errors_too_small": errors_too_small,
    "two_clumps": two_clumps,
    "errors_follow_values": errors_of_measured_values,
}


def main(folder, n_simulations=199):
    """Fit, check and draw each; return the checks by name."""
    catalogues = {name: make(np.random.default_rng(3)) for name, make in EXAMPLES.items()}
    checks = {}
    for name, table in {"hydrus1": datasets.load("hydrus1"), **catalogues}.items():
        stars = Observations.from_table(table, "v")
        checks[name] = XDGMM().fit(stars).check(stars, n_simulations=n_simulations)
        print(f"{name}: {checks[name].verdict}\n")
        save(plot_check(checks[name]), folder / f"check_{name}.png", overwrite=True)

    outliers = catalogues["outliers"]
    for name, background in (("alone", None), ("with_background", Background())):
        model = XDGMM(background=background).fit(outliers)
        save(plot_fit(model, outliers), folder / f"fit_{name}.png", overwrite=True)

    print(error_scale(XDGMM().fit(catalogues["errors_too_small"]), catalogues["errors_too_small"]))

    found = select(catalogues["two_clumps"], n_components=range(1, 6), criterion="cv", random_state=0)
    print(found)
    save(plot_candidates(found), folder / "candidates.png", overwrite=True)
    return checks


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path())
