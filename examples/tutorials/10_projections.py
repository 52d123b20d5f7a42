r"""
Three dimensions from one: projections
======================================

A spectrum gives the velocity along the line of sight, one number of three. Stars all over the sky are seen along
different lines, so the distribution of all three components is determined although no star has more than one:
:math:`w_i = R_i v_i + \text{noise}` with the unit vector :math:`R_i` (1 x 3) towards star i. The stars are simulated,
with dispersions of 35, 20 and 16 km/s and a tilt of the ellipsoid.
"""

import matplotlib.pyplot as plt
import numpy as np

from xdgmm import XDGMM, GaussianMixture, Observations

NAMES = ["U", "V", "W"]
rng = np.random.default_rng(10)
covariance = np.diag([35.0, 20.0, 16.0]) ** 2
covariance[0, 1] = covariance[1, 0] = 0.4 * 35.0 * 20.0
truth = GaussianMixture([1.0], [[-11.0, -25.0, -7.0]], [covariance], NAMES, "km/s")

longitude, sine = rng.uniform(0.0, 2.0 * np.pi, 2000), rng.uniform(-1.0, 1.0, 2000)
cosine = np.sqrt(1.0 - sine**2)
R = np.column_stack([cosine * np.cos(longitude), cosine * np.sin(longitude), sine])[:, None, :]
true_velocities, _ = truth.sample(2000, rng)
errors = rng.uniform(1.0, 10.0, (2000, 1))
seen = np.einsum("nmi,ni->nm", R, true_velocities) + errors * rng.standard_normal((2000, 1))
stars = Observations.with_standard_errors(seen, errors, names=NAMES, units="km/s", projections=R)
print(stars)

# %%
# The fit
# -------
#
# Nothing else changes: the same estimator, the same report.

model = XDGMM(random_state=0).fit(stars)
report = model.widths(stars)
print(report)

# %%
# The dispersions 35, 20 and 16 km/s come back from velocities along the lines of sight alone, as ``33.1``, ``19.4`` and
# ``15.9`` with errors of ``0.9``, and so does the correlation:

V = model.covariances_[0]
correlation = V[0, 1] / np.sqrt(V[0, 0] * V[1, 1])
for name, true, sigma, error in zip(
    NAMES, truth.sigmas[0], report["sigma"][:3].value, report["sigma_error"][:3].value, strict=True
):
    print(f"{name}: true {true:.0f} km/s, found {sigma:.1f} with an error of {error:.1f} km/s")
print(f"correlation of U and V: true 0.40, found {correlation:.2f}")

# %%
# It does not come from nothing. Where all stars lie in one direction, two of the dimensions are not measured, and the
# fit says so instead of inventing them:

north = np.zeros((2000, 1, 3))
north[:, 0, 2] = 1.0
one_field = Observations.with_standard_errors(seen, errors, names=NAMES, units="km/s", projections=north)
try:
    XDGMM().fit(one_field)
except ValueError as error:
    print(error)

# %%
# What is known of each star
# --------------------------
#
# ``denoise`` gives the posterior of all three components of each star: its line of sight is known to the error of the
# spectrum, what lies across it only to the width of the population, narrowed where the ellipsoid is tilted.

denoised = model.denoise(stars)
along = np.sqrt(np.einsum("nmi,nij,nmj->n", R, denoised.covariances, R))
widest = np.sqrt(np.linalg.eigvalsh(denoised.covariances)[:, -1])
pulls = np.einsum("nmi,ni->n", R, denoised.means - true_velocities) / along
print(
    f"median error along the line of sight {np.median(along):.1f} km/s, widest across it {np.median(widest):.1f} km/s"
)
print(f"scatter of the pulls along the line of sight {pulls.std():.2f}")

figure, axes = plt.subplots(1, 2, figsize=(10, 4.5), layout="constrained")
for k, ax in enumerate(axes):
    i, j = (0, 1) if k == 0 else (0, 2)
    ax.plot(true_velocities[:, i], true_velocities[:, j], ".", ms=2, color="0.8", label="true velocities")
    angle = np.linspace(0.0, 2.0 * np.pi, 200)
    for mixture, style, label in ((truth, "k--", "true ellipse"), (model.mixture_, "C0-", "from one dimension")):
        part = mixture.covariances[0][np.ix_([i, j], [i, j])]
        circle = 2.0 * np.linalg.cholesky(part) @ np.array([np.cos(angle), np.sin(angle)])
        ax.plot(mixture.means[0, i] + circle[0], mixture.means[0, j] + circle[1], style, label=label)
    ax.set(xlabel=f"{NAMES[i]} [km/s]", ylabel=f"{NAMES[j]} [km/s]")
axes[0].legend()
