r"""
Three Gaussians, and where their maximum is
===========================================

A mixture of three Gaussians is the standard example of a textbook (Ivezić, Connolly, VanderPlas & Gray,
*Statistics, Data Mining, and Machine Learning in Astronomy*, figure 4.2): one thousand values, 350 of :math:`N(-1,
1.5)`, 500 of :math:`N(0, 1)` and 150 of :math:`N(3, 0.5)`, where the second number is the standard deviation. There
are no measurement errors yet. Two questions are asked: which mixture is the best, and how many components are
needed?
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import norm
from sklearn.mixture import GaussianMixture as ScikitLearnMixture

from xdgmm import XDGMM

draw = np.random.RandomState(1)
x = np.concatenate([draw.normal(-1.0, 1.5, 350), draw.normal(0.0, 1.0, 500), draw.normal(3.0, 0.5, 150)])


def show(title, weights, means, variances, mean_log_likelihood):
    """Print a mixture, components from left to right."""
    print(f"{title}: lnL/N = {mean_log_likelihood:.10f}")
    for k in np.argsort(means):
        print(f"  weight {weights[k]:.5f}, mean {means[k]:8.5f}, variance {variances[k]:.5f}")


# %%
# The maximum
# -----------
#
# `xdgmm` follows the likelihood until less than ``1e-08`` nats of the *total* log-likelihood are left to gain.

model = XDGMM(n_components=3, random_state=0).fit(x)
show("maximum", model.weights_, model.means_.ravel(), model.covariances_.ravel(), model.score(x))
print(f"{model.result_.outcome.value}; tol = {model.tol}")

# %%
# The textbook prints other numbers: means -1.437, 0.173 and 3.019, variances 1.377, 0.832 and 0.213. How likely is
# that mixture? Its log-likelihood follows from the definition, :math:`\ln L = \sum_i \ln \sum_k \alpha_k N(x_i \mid
# \mu_k, \sigma_k^2)`.

weights, means, variances = np.array([[0.293, 0.551, 0.156], [-1.437, 0.173, 3.019], [1.377, 0.832, 0.213]])
weights = weights / weights.sum()
density = (weights * norm.pdf(x[:, None], means, np.sqrt(variances))).sum(axis=1)
show("textbook", weights, means, variances, np.log(density).mean())
by_position = np.argsort(model.means_.ravel())
print("variances, as a ratio to those of the maximum:", (variances / model.covariances_.ravel()[by_position]).round(2))
print(f"the maximum is higher by {len(x) * model.score(x) - np.log(density).sum():.2f} nats")

# %%
# The printed mixture is lower than the maximum by ``2.67`` nats. Its variances are ``0.7``, ``0.72`` and ``1.26``
# times those of the maximum, although both describe the same thousand values.
#
# The reason is the stopping rule. Expectation maximisation gains less with every step, and scikit-learn ends when
# the mean log-likelihood grows by less than ``0.001`` in one step. Here is how far it comes with smaller values of
# `tol`.

for tol in (1e-3, 1e-4, 1e-5, 1e-6, 1e-8, 1e-10):
    early = ScikitLearnMixture(3, tol=tol, max_iter=100_000, random_state=1).fit(x[:, None])
    short = len(x) * (model.score(x) - early.score(x[:, None]))
    print(f"tol = {tol:g}: {early.n_iter_:4d} steps, {short:.5f} nats below the maximum")

# %%
# It does converge to the same maximum, but a small change in one step says little about what is left. (The numbers
# of an early stop also depend on where it started: the book's version of scikit-learn started elsewhere.) `xdgmm`
# predicts what is left from gradient and curvature instead: :doc:`what "converged" means </convergence>`.
#
# How many components?
# --------------------
#
# All numbers from one to ten are fitted. AIC is :math:`2p - 2\ln L`, BIC is :math:`p\ln N - 2\ln L`, where *p*
# counts the free parameters.

fits = [XDGMM(n_components, random_state=1).fit(x) for n_components in range(1, 11)]
aic, bic = np.array([fit.aic(x) for fit in fits]), np.array([fit.bic(x) for fit in fits])
doubtful = np.array([bool(fit.result_.near_singular) for fit in fits])
for fit, its_aic, its_bic in zip(fits, aic, bic, strict=True):
    remark = f", {len(fit.result_.near_singular)} nearly singular" if fit.result_.near_singular else ""
    print(f"{fit.n_components:2d}: AIC {its_aic:.2f}, BIC {its_bic:.2f}{remark}")
print("lowest without nearly singular components:", end=" ")
print(f"AIC {1 + np.argmin(np.where(doubtful, np.inf, aic))}, BIC {1 + np.argmin(np.where(doubtful, np.inf, bic))}")

# %%
# BIC is lowest for two components: ``3803.60``, against ``3812.50`` for three. AIC punishes less, and is lowest for
# three: ``3773.24``. So it is not true that both criteria find the three components that the values were drawn
# from. The two broad ones overlap so much that BIC does not regard a thousand values as sufficient evidence for
# both.
#
# Some fits of many components are marked as *nearly singular*, and take no part in the choice: they have very
# narrow components of a handful of values. Exact values allow a component to shrink onto values that are close to
# each other by chance, and its high likelihood (and low AIC) then says nothing about the distribution. The longer
# one searches, the more of these are found, also with three components. They are the subject of the :doc:`next page
# <02_collapse>`.
#
# The three panels
# ----------------
#
# Left: the histogram with the mixture of three. Middle: the criteria. Right: the probability that a value belongs
# to each component, :math:`p(k \mid x)`, one above the other.

COLOURS = ["#0072b2", "#e69f00", "#009e73"]
grid = np.linspace(-6.0, 6.0, 600)
parts = model.weights_ * norm.pdf(grid[:, None], model.means_.ravel(), np.sqrt(model.covariances_.ravel()))

figure, (left, middle, right) = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
left.hist(x, 30, density=True, histtype="stepfilled", color="0.85")
left.plot(grid, parts.sum(axis=1), color="black")
for colour, k in zip(COLOURS, by_position, strict=True):
    left.plot(grid, parts[:, k], ls="--", color=colour)
left.set(xlabel="x", ylabel="p(x)", title="the mixture of three")

middle.plot(range(1, 11), aic, "o-", color="#56b4e9", label="AIC")
middle.plot(range(1, 11), bic, "s--", color="#d55e00", label="BIC")
middle.set(xlabel="number of components", ylabel="criterion", title="the lower the better")
middle.plot(1 + np.flatnonzero(doubtful), aic[doubtful], "o", ms=9, mfc="none", color="0.4", label="nearly singular")
middle.legend(frameon=False)

memberships = model.predict_proba(grid)[:, by_position]
right.stackplot(grid, memberships.T, colors=COLOURS, alpha=0.8)
for label, position in zip("123", (-5.0, 0.0, 3.0), strict=True):
    right.text(position, 0.3, label, ha="center", color="white")
right.set(xlabel="x", ylabel="p(k | x)", xlim=(-6.0, 6.0), ylim=(0.0, 1.0), title="class probabilities")

# %%
# A value of 3 belongs to the narrow component with a probability near one. Between -3 and 2, where most values lie,
# both broad components are likely, and the assignment of single values is uncertain. The mixture of two that BIC
# prefers joins them.
#
# With measurement errors one argument is added, `Xerr`, and everything else on this page stays the same.
