r"""
Measured and intrinsic widths
=============================

The scatter of measured values contains the errors. With one error :math:`e` for all objects, the intrinsic width
follows from subtraction in quadrature, :math:`\sigma_*^2 = \sigma^2 - e^2`. This page shows where that is right,
two ways in which it fails, and how the maximum of the likelihood is found instead, step by step.
"""

import matplotlib.pyplot as plt
import numpy as np

from xdgmm import XDGMM

rng = np.random.default_rng(8)


def subtracted(x, e):
    """Scatter (with N in the denominator) minus the mean squared error: an intrinsic variance, if it is positive."""
    return x.var() - np.mean(np.square(e))


# %%
# Equal errors: subtraction is the maximum
# ----------------------------------------
#
# Two hundred objects with a true width of 2 and errors of 1.

x = rng.normal(0.0, 2.0, 200) + rng.normal(0.0, 1.0, 200)
model = XDGMM().fit(x, Xerr=1.0)
print(f"measured {x.std():.6f}, subtracted {subtracted(x, 1.0) ** 0.5:.6f}, fitted {model.mixture_.sigmas[0, 0]:.6f}")

# %%
# Subtraction and fit agree: ``2.002441`` both times. With equal errors the maximum of the likelihood *is* the
# subtraction (:doc:`theory </theory>`).
#
# A width smaller than the errors
# -------------------------------
#
# Now the true width is 0.3, the errors are 1, and there are fifty objects. In how many of a thousand such samples
# is the scatter smaller than the errors?

samples = rng.normal(0.0, np.hypot(0.3, 1.0), (1000, 50))
negative = (samples.var(axis=1) < 1.0).mean()
print(f"no result of the subtraction: {100 * negative:.0f}% of the samples")

# %%
# In ``42%`` of the samples the difference is negative, and subtraction has no answer. Leaving these out, or calling
# them zero, biases every mean over many objects. In a fit the answer is a width of exactly zero, with an upper limit:

unlucky = samples[np.argmax(samples.var(axis=1) < 1.0)]
report = XDGMM().fit(unlucky, Xerr=1.0).widths(unlucky, Xerr=1.0)
print(f"sigma = {report['sigma'][0]}, below {report['sigma_limit'][0]:.2f} at 95%")

# %%
# Unequal errors
# --------------
#
# Errors of real catalogues differ, often by a factor of ten. Subtracting the *mean* squared error is still right on
# average, but the objects with large errors dominate it, and they know least. A true width of 1, errors between 0.2
# and 4, a hundred objects, two hundred samples:

errors = np.exp(rng.uniform(np.log(0.2), np.log(4.0), 100))
found = []
for _ in range(200):
    x = rng.normal(0.0, 1.0, 100) + rng.normal(0.0, errors)
    found.append([max(subtracted(x, errors), 0.0) ** 0.5, XDGMM().fit(x, Xerr=errors).mixture_.sigmas[0, 0]])
by_subtraction, by_fit = np.array(found).T
for name, widths in (("subtracted", by_subtraction), ("fitted", by_fit)):
    print(f"{name:10s} mean {widths.mean():.2f}, scatter {widths.std():.2f}, zero in {(widths == 0).sum()} of 200")
print(f"ratio of the squared scatters: {(by_subtraction.std() / by_fit.std()) ** 2:.0f}")

figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
bins = np.linspace(0.0, 3.0, 31)
axes.hist(by_subtraction, bins, color="#d55e00", alpha=0.6, label="mean squared error subtracted")
axes.hist(by_fit, bins, color="#0072b2", alpha=0.8, label="fitted")
axes.axvline(1.0, color="black", lw=1.0, label="truth")
axes.set(xlabel="intrinsic width found", ylabel="samples")
axes.legend(frameon=False)

# %%
# The fit scatters by ``0.12`` about the truth, the subtraction by ``0.44``. Since errors fall with the root of the
# number of objects, the subtraction would need ``14`` times as many objects to know as much.
#
# The implicit update, step by step
# ---------------------------------
#
# With unequal errors there is no formula for the best width. For a mean :math:`\mu` and a width :math:`\sigma` two
# equations have to hold,
#
# .. math::
#
#    \mu = \frac{\sum x_i / (\sigma^2 + e_i^2)}{\sum 1 / (\sigma^2 + e_i^2)}, \qquad
#    \sum \frac{1}{\sigma^2 + e_i^2} = \sum \frac{(x_i - \mu)^2}{(\sigma^2 + e_i^2)^2},
#
# and :math:`\sigma` stands on both sides of them. Newton's idea, with the expected curvature, gives the update
# :math:`\sigma^2 \leftarrow \sigma^2 + (C - A) / B`, where :math:`C` is the right-hand side of the second equation,
# :math:`A` its left-hand side, and :math:`B = \sum 1 / (\sigma^2 + e_i^2)^2`.

variance = x.var()
for iteration in range(8):
    T = variance + errors**2
    mean = np.average(x, weights=1 / T)
    A, B, C = (1 / T).sum(), (1 / T**2).sum(), ((x - mean) ** 2 / T**2).sum()
    print(f"{iteration}: mean {mean:.6f}, sigma {variance**0.5:.6f}, C - A = {C - A:.1e}")
    variance = max(variance + (C - A) / B, 0.0)
print(f"fit: mean {XDGMM().fit(x, Xerr=errors).means_[0, 0]:.6f}, sigma {by_fit[-1]:.6f}")

# %%
# How many steps do the solvers need? `tol=0` makes exactly `max_iter` passes over the data, so that each solver can
# be stopped on the way. Where errors are larger than the width, EM is slow.

x = rng.normal(0.0, 0.5, 100) + rng.normal(0.0, errors)
best = XDGMM().fit(x, Xerr=errors)
passes = np.unique(np.geomspace(1, 300, 25).astype(int))
figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
for solver, style in (("em", "o-"), ("implicit", "s-")):
    below = []
    for n in passes:
        stopped = XDGMM(solver=solver, tol=0.0, max_iter=int(n)).fit(x, Xerr=errors)
        below.append(100 * (best.score(x, Xerr=errors) - stopped.score(x, Xerr=errors)))
    axes.loglog(passes, np.maximum(below, 1e-13), style, ms=4, label=f'solver="{solver}"')
axes.set(xlabel="passes over the data", ylabel="nats below the maximum")
axes.legend(frameon=False)

# %%
# Both end at the same maximum. For one component the implicit solver needs one pass, in which it solves the two
# equations to the last digit. The default, `solver="auto"`, begins with such steps and goes on with quasi-Newton
# and Newton steps, so that it also gets along with many components and dimensions.
