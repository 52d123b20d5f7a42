r"""
A component that collapses
==========================

The likelihood of a Gaussian mixture has no upper bound where values have no errors. Put one component on a single
value, :math:`\mu_k = x_j`, and let its width shrink: the density at that value grows as :math:`1/\sigma_k`, all
other values are explained by the other components, and so

.. math::

   \ln L \to -\ln \sigma_k + \text{constant} \to \infty .

(Day 1969, Biometrika 56, 463.) This page shows this singularity, what notices it, and what errors, priors and
restarts do.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import norm

from xdgmm import XDGMM, DegenerateError, GaussianMixture, InverseWishart, Prior

rng = np.random.default_rng(2)
x = np.concatenate([rng.normal(0.0, 1.0, 60), rng.normal(4.0, 1.0, 40)])
two = XDGMM(2, random_state=0).fit(x)
print(f"two components: lnL = {two.result_.log_likelihood:.2f}, widths {two.mixture_.sigmas.ravel().round(2)}")

# %%
# The likelihood without an upper bound
# -------------------------------------
#
# One per cent of the weight goes to a third component, placed on one of the values. Its width is the horizontal
# axis. With an error for each value the variance of the component at value *i* is :math:`\sigma^2 + e_i^2`, and
# cannot become smaller than the error allows.


def log_likelihood(width, error):
    """Of the mixture of two with a third component on the value x[0]."""
    spread = np.sqrt(two.covariances_.ravel() + error**2)
    broad = 0.99 * (two.weights_ * norm.pdf(x[:, None], two.means_.ravel(), spread)).sum(axis=1)
    return np.log(broad + 0.01 * norm.pdf(x, x[0], np.hypot(width, error))).sum()


widths = np.logspace(-12, 0, 200)
figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
for error, style in ((0.0, "-"), (0.001, "--"), (0.1, ":")):
    axes.semilogx(widths, [log_likelihood(width, error) for width in widths], ls=style, label=f"errors of {error:g}")
axes.set(xlabel="width of the component on one value", ylabel="ln L")
axes.legend(frameon=False)

# %%
# Without errors the curve rises for ever. With errors it has a bound, which is high where errors are small.
#
# What notices it
# ---------------
#
# Catalogues round their values, so that some occur twice, and a component on two equal values meets nothing that
# stops it. A fit that starts there ends with an error rather than with a number:

rounded = x.round(2)
values, counts = np.unique(rounded, return_counts=True)
twice = values[counts > 1][0]


def start_at(place):
    """Two broad components and a narrow one."""
    return GaussianMixture([0.49, 0.49, 0.02], [[0.0], [4.0], [place]], [[[1.0]], [[1.0]], [[1e-4]]])


try:
    XDGMM(3, init=start_at(twice)).fit(rounded)
except DegenerateError as error:
    print(error)

# %%
# Two values that are *nearly* equal are more dangerous. The width of the third component is then half of their
# distance, which is a proper maximum of the likelihood, and a fit converges there. Its lnL is higher by many nats,
# so that no criterion for the number of components would object. The fit has a remark:

nearest = np.sort(x)[np.argmin(np.diff(np.sort(x)))]
spurious = XDGMM(3, init=start_at(nearest)).fit(x)
gain = spurious.result_.log_likelihood - two.result_.log_likelihood
print(f"{spurious.result_.outcome.value}: lnL is {gain:.2f} higher, widths {spurious.mixture_.sigmas.ravel()}")
print(*spurious.result_.remarks, sep="\n")

# %%
# The gain of ``16.25`` nats for three parameters looks decisive, and means nothing.
#
# What helps
# ----------
#
# **Restarts.** Without a start of your own, ten starts are compared, and those that run into a singularity are
# given up. Starts from single values are rare among them. The best is a maximum with components of many values:

restarted = XDGMM(3, random_state=0).fit(x)
print(f"lnL = {restarted.result_.log_likelihood:.2f}, widths {restarted.mixture_.sigmas.ravel().round(3)}")
print(f"values in each: {(len(x) * restarted.weights_).round(1)}")

# %%
# It is *lower* than the spurious one. The highest maximum is not always the one that is wanted.
#
# **Errors.** No value is exact. With errors of 0.3 the likelihood has a bound everywhere. A width of zero is then an
# ordinary answer: it says that the scatter of these values is explained by their errors.

with_errors = XDGMM(3, init=start_at(nearest)).fit(x, Xerr=0.3)
objects = (len(x) * with_errors.weights_).round(1)
print(f"{with_errors.result_.outcome.value}: widths {with_errors.mixture_.sigmas.ravel().round(3)}, {objects} values")

# %%
# **A prior.** An inverse-Wishart prior on the variances, with its parameter :math:`w`, adds :math:`w` to the sum of
# squares of each component and one to its count (Bovy, Hogg & Roweis 2011, section 3.2): :math:`V = (\text{sum} +
# w) / (q + 1)`. No width can vanish.

with_prior = XDGMM(3, init=start_at(nearest), prior=Prior(covariances=InverseWishart(0.1))).fit(x)
print(f"{with_prior.result_.outcome.value}: widths {with_prior.mixture_.sigmas.ravel().round(3)}")

# %%
# **Fewer components.** Two are enough here: they are what the values were drawn from.
#
# In short: give errors if there are some; read the remarks; and do not take a higher likelihood for a better answer
# where a component rests on two or three values. :doc:`What can be fitted </models>` describes priors.
