r"""
Shapes of covariances, restarts, and k-means
============================================

Five hundred objects in two dimensions with errors, from three clumps of different shapes. Which form of covariance
should a mixture have? How much does it matter where a fit starts? And what does a mixture say that k-means does
not?
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Ellipse
from sklearn.cluster import KMeans

from xdgmm import XDGMM, GaussianMixture, select

COLOURS = np.array([[0.0, 0.45, 0.7], [0.9, 0.6, 0.0], [0.0, 0.62, 0.45]])

rng = np.random.default_rng(12)
truth = GaussianMixture(
    [0.45, 0.35, 0.2],
    [[0.0, 0.0], [3.0, 1.0], [1.5, 4.0]],
    [[[1.0, 0.8], [0.8, 1.0]], [[0.4, -0.2], [-0.2, 0.5]], [[1.6, 0.0], [0.0, 0.1]]],
)
true_values, labels = truth.sample(500, rng)
errors = rng.uniform(0.1, 0.6, (500, 2))
x = true_values + errors * rng.standard_normal((500, 2))


def draw_ellipses(axes, mixture, colours=COLOURS):
    """Ellipses at one and two sigma of each component."""
    for mean, covariance, colour in zip(mixture.means, mixture.covariances, colours, strict=True):
        variances, vectors = np.linalg.eigh(covariance)
        angle = np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1]))
        for n in (2, 4):
            width, height = n * np.sqrt(variances[::-1])
            axes.add_patch(Ellipse(mean, width, height, angle=angle, fill=False, lw=1.5, color=colour))


# %%
# Full, tied, diagonal, spherical
# -------------------------------
#
# The type is a statement about the *intrinsic* distribution. Errors may have any shape beside it.

figure, panels = plt.subplots(1, 4, figsize=(15, 4), sharex=True, sharey=True, layout="constrained")
for axes, kind in zip(panels, ("full", "tied", "diag", "spherical"), strict=True):
    model = XDGMM(3, covariance_type=kind, random_state=0).fit(x, Xerr=errors)
    axes.plot(*x.T, ".", ms=2, color="0.7")
    draw_ellipses(axes, model.mixture_)
    axes.set(title=f"{kind}: {model.result_.n_parameters} parameters", xlabel="x", aspect="equal")
panels[0].set_ylabel("y")

# %%
# All types, and all numbers of components, can be compared at once. The fits of such a table start from each other,
# so that a type with more freedom is never lower than its special cases.

kinds = ("full", "tied", "diag", "spherical")
found = select(x, Xerr=errors, n_components=range(1, 6), covariance_types=kinds, random_state=0)
lowest = found.table[np.argsort(found.table["bic"])[:4]]
for row in lowest:
    print(f"{row['n_components']} components, {row['covariance_type']}: BIC {row['bic']:.1f}")
print(found.decisiveness)

# %%
# Three components with full covariances, as the truth has.
#
# Restarts
# --------
#
# A mixture has many maxima, the more the more components it has. Here are thirty fits of five components from one
# random start each.

starts = [XDGMM(5, init="random", n_init=1, random_state=seed).fit(x, Xerr=errors) for seed in range(30)]
reached = np.array([fit.result_.log_likelihood for fit in starts])
print(f"lnL: highest {reached.max():.1f}, median {np.median(reached):.1f}, lowest {reached.min():.1f}")
print(f"{(reached > reached.max() - 0.01).sum()} of 30 starts end at the highest")

# %%
# All of them converged. That a fit has converged says that it is at *a* maximum, not that there is no higher one.
#
# By default ten starts are compared, the best of them are improved by splitting and merging components, and the
# best again by the full solver: :doc:`what is done about it </convergence>`.
#
# Hard and soft assignment
# ------------------------
#
# k-means gives each object to the nearest centre. It knows no widths, no weights, and no errors: its borders lie
# half-way between the centres. A mixture gives probabilities, which take the error of the object into account. On
# the right colours are mixed accordingly, and objects that are not certain (less than 90%) are open circles.

model = found.estimator
nearest = KMeans(3, n_init=10, random_state=0).fit(x)
memberships = model.predict_proba(x, Xerr=errors)
certain = memberships.max(axis=1) > 0.9
print(f"not certain: {(~certain).sum()} of {len(x)} objects")


def agreement(assigned):
    """Fraction of the objects whose clump is found, with the best names for the clumps."""
    table = np.array([[np.sum((assigned == i) & (labels == j)) for j in range(3)] for i in range(3)])
    return table.max(axis=1).sum() / len(labels)


for name, assigned in (("k-means", nearest.labels_), ("mixture", memberships.argmax(axis=1))):
    print(f"{name}: {100 * agreement(assigned):.1f}% right")

order = np.argsort(np.argsort(nearest.cluster_centers_ @ [1.0, 2.0]))
by_mean = np.argsort(np.argsort(model.means_ @ [1.0, 2.0]))
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 5), sharex=True, sharey=True, layout="constrained")
left.scatter(*x.T, s=12, c=COLOURS[order[nearest.labels_]])
left.set(title="k-means: hard", xlabel="x", ylabel="y", aspect="equal")
mixed = np.clip(memberships @ COLOURS[by_mean], 0.0, 1.0)
right.scatter(*x[certain].T, s=12, c=mixed[certain])
right.scatter(*x[~certain].T, s=16, facecolors="none", edgecolors=mixed[~certain])
draw_ellipses(right, model.mixture_, COLOURS[by_mean])
right.set(title="mixture: soft", xlabel="x", aspect="equal")

# %%
# k-means puts ``90.8%`` of the objects into the right clump, the mixture ``95.0%``. The elongated clumps make the
# difference: half-way between two centres is the wrong border where one clump is wide and the other is narrow.
