"""The velocity ellipsoids of the solar neighbourhood from tangential velocities alone.

Proper motion and distance give two components of a star's velocity, those across its line of sight; the third is not
measured.  Since every star is seen in another direction, all three dimensions of the *distribution* are.  The stars are
simulated from published ellipsoids, so that the answer is known:

    Bensby, Feltzing & Lundstrom 2003, A&A 410, 527, table 1 (dispersions, asymmetric drifts and fractions of the thin
    disc, the thick disc and the halo); Schonrich, Binney & Dehnen 2010, MNRAS 403, 1829 (motion of the Sun).

Run it:  python examples/velocity_ellipsoid.py [FOLDER]     (writes ellipsoids.png and ellipsoids.ecsv there)
"""

import sys
from pathlib import Path

import numpy as np

from xdgmm import XDGMM, Fixed, GaussianMixture, Observations
from xdgmm.plotting import plot_fit, save

NAMES, UNIT = ("U", "V", "W"), "km/s"
SUN = np.array([11.1, 12.24, 7.25])  # km/s with respect to the local standard of rest
DRIFT = np.array([-15.0, -46.0, -220.0])  # thin disc, thick disc, halo
DISPERSIONS = np.array([[35.0, 20.0, 16.0], [67.0, 38.0, 35.0], [160.0, 90.0, 90.0]])
FRACTIONS = np.array([0.94, 0.06, 0.0015])


def neighbourhood():
    """Velocities with respect to the Sun."""
    means = np.stack([np.zeros(3), DRIFT, np.zeros(3)], axis=1) - SUN
    covariances = DISPERSIONS[:, :, None] ** 2 * np.eye(3)
    return GaussianMixture(FRACTIONS / FRACTIONS.sum(), means, covariances, NAMES, UNIT)


def tangents(n_stars, rng):
    """Two unit vectors across the line of sight of stars all over the sky: towards growing l and b (N, 2, 3)."""
    longitude, latitude = rng.uniform(0.0, 2.0 * np.pi, n_stars), np.arcsin(rng.uniform(-1.0, 1.0, n_stars))
    along_l = np.stack([-np.sin(longitude), np.cos(longitude), np.zeros(n_stars)], axis=1)
    along_b = np.stack(
        [-np.sin(latitude) * np.cos(longitude), -np.sin(latitude) * np.sin(longitude), np.cos(latitude)], axis=1
    )
    return np.stack([along_l, along_b], axis=1)


def observe(truth, n_stars, rng):
    """Tangential velocities with correlated errors of 0.5 to 8 km/s."""
    v, _ = truth.sample(n_stars, rng)
    R = tangents(n_stars, rng)
    errors = np.exp(rng.uniform(np.log(0.5), np.log(8.0), (n_stars, 2)))
    S = errors[:, :, None] * errors[:, None, :]
    S[:, [0, 1], [1, 0]] *= rng.uniform(-0.6, 0.6, n_stars)[:, None]
    noise = np.einsum("nij,nj->ni", np.linalg.cholesky(S), rng.standard_normal((n_stars, 2)))
    return Observations.with_covariances(np.einsum("nij,nj->ni", R, v) + noise, S, R, names=NAMES, units=UNIT)


def main(folder, n_stars=20_000):
    """Simulate, fit the two discs beside a halo that is held fixed, compare, draw."""
    rng = np.random.default_rng(1)
    truth = neighbourhood()
    stars = observe(truth, n_stars, rng)
    print(stars)

    # Two rough ellipsoids to start from.  Thirty stars of the halo cannot tell its shape, so that is held fixed; how
    # many they are is fitted.
    start = GaussianMixture(
        [0.8, 0.19, 0.01],
        [[-10.0, -20.0, -5.0], [-10.0, -40.0, -5.0], truth.means[2]],
        [900.0 * np.eye(3), 3000.0 * np.eye(3), truth.covariances[2]],
        NAMES,
        UNIT,
    )
    model = XDGMM(3, init=start, fixed=Fixed(means=(2,), covariances=(2,))).fit(stars)
    report = model.widths(stars)
    for row in report[: truth.sigmas.size]:  # U, V and W of every component; the principal axes come after them
        error = row["sigma_error"]
        known = "held fixed" if getattr(error, "mask", False) else f"+- {error.value:.2f}"
        weight = f"{row['weight']:.4f} +- {row['weight_error']:.4f}"
        sigma = f"sigma_{row['axis']} {row['sigma'].value:6.2f} {known}"
        print(f"component {row['component']}, {weight} of the stars: {sigma}")
    free = report[:6]  # of both discs
    pulls = (free["sigma"].value - truth.sigmas.ravel()[:6]) / free["sigma_error"].value
    print("dispersions, off by so many of their errors:", np.asarray(pulls).round(1))

    report.write(folder / "ellipsoids.ecsv", overwrite=True)
    picture = plot_fit(model, stars, "Velocity ellipsoids from tangential velocities")
    save(picture, folder / "ellipsoids.png", overwrite=True)
    return np.asarray(pulls)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path())
