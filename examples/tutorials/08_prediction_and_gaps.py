r"""
Prediction, denoising, and missing values
=========================================

A mixture of all columns is also a prediction of one column from the others, a prior for the true values of each
object, and a way to use objects with gaps. Simulated galaxies have a redshift and two colours; the colours have
errors of 0.05 to 0.3.
"""

import matplotlib.pyplot as plt
import numpy as np

from xdgmm import XDGMM, GaussianMixture, Observations

NAMES = ["g_r", "r_i", "redshift"]
rng = np.random.default_rng(4)
truth = GaussianMixture(
    [0.6, 0.4],
    [[0.6, 0.3, 0.25], [1.3, 0.6, 0.5]],
    [
        [[0.04, 0.015, 0.012], [0.015, 0.01, 0.005], [0.012, 0.005, 0.006]],
        [[0.03, 0.01, 0.018], [0.01, 0.012, 0.008], [0.018, 0.008, 0.016]],
    ],
    NAMES,
)
true_values, _ = truth.sample(1000, rng)
errors = np.column_stack([rng.uniform(0.05, 0.3, (1000, 2)), np.full(1000, 0.001)])
values = true_values + errors * rng.standard_normal((1000, 3))

# %%
# Gaps
# ----
#
# Four of ten galaxies have no redshift, two of ten lack a colour. They stay in the fit: what is missing is
# integrated out, and nothing is imputed. Widths come out right although no column is complete.

values[rng.random(1000) < 0.4, 2] = np.nan
values[rng.random(1000) < 0.2, 1] = np.nan
galaxies = Observations.with_standard_errors(values, errors, names=NAMES)
print(galaxies)
model = XDGMM(2, random_state=0).fit(galaxies)
complete = np.isfinite(values).all(axis=1)
of_complete = XDGMM(2, random_state=0).fit(values[complete], Xerr=errors[complete])
for name, mixture in (("true", truth), ("all objects", model.mixture_), ("complete ones alone", of_complete.mixture_)):
    print(f"{name:20s} sigmas of the first component {mixture.sigmas[0].round(3)}")
print("with errors of     ", np.asarray(model.widths(galaxies)["sigma_error"][:3]).round(3), "for all objects")

# %%
# A photometric redshift
# ----------------------
#
# Given the colours of an object *and their errors*, `condition` returns the mixture of the redshift. For the
# galaxies without redshift:

unknown = np.isnan(values[:, 2]) & np.isfinite(values[:, 1])
given = {"g_r": (values[unknown, 0], errors[unknown, 0]), "r_i": (values[unknown, 1], errors[unknown, 1])}
predicted = model.mixture_.condition(given)
redshift, error = predicted.mean[:, 0], predicted.standard_deviation[:, 0]
pulls = (redshift - true_values[unknown, 2]) / error
print(
    f"{unknown.sum()} redshifts predicted, typical error {np.median(error):.3f}, scatter of the pulls {pulls.std():.2f}"
)

# %%
# A scatter of the pulls of one says that the predicted errors are right: ``1.04``.
#
# Denoised colours
# ----------------
#
# The posterior of the true colours of each object lies between its measurement and the population. Arrows lead from
# the one to the other.

figure, (left, right) = plt.subplots(1, 2, figsize=(12, 5), layout="constrained")
order = rng.permutation(np.flatnonzero(complete))[:80]
left.errorbar(true_values[unknown, 2], redshift, error, fmt=".", ms=3, lw=0.4, color="0.5")
left.axline((0.3, 0.3), slope=1.0, color="black", lw=1.0)
left.set(xlabel="true redshift", ylabel="predicted redshift")
few = Observations.with_standard_errors(values[order], errors[order], names=NAMES)
model.plot(few, kind="denoising", columns=["g_r", "r_i"], ax=right)

# %%
# How much is gained? The distance to the true colours, before and after:

denoised = model.denoise(galaxies)
for i, name in enumerate(NAMES[:2]):
    measured = np.isfinite(values[:, i])
    before = np.std(values[measured, i] - true_values[measured, i])
    after = np.std(denoised.means[measured, i] - true_values[measured, i])
    print(f"{name}: {before:.3f} as measured, {after:.3f} denoised")
