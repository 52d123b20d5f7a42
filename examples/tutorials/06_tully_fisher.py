r"""
The Tully-Fisher relation, and a scatter of zero
================================================

Galaxies that rotate faster are brighter. Sakai et al. (2000, ApJ 529, 698) calibrated the relation with 21
galaxies, in five bands. Both coordinates have errors: the logarithm of the line width *W*, and the absolute
magnitude. Bovy, Hogg & Roweis (2011) used these galaxies for the first application of extreme deconvolution.
"""

import matplotlib.pyplot as plt
import numpy as np

from xdgmm import XDGMM, Observations, datasets

table = datasets.load("tully_fisher")

# %%
# A Gaussian is fitted to the true values of (log W, magnitude). The relation is the major axis of its covariance;
# the zero point is the magnitude at log W = 2.5. Galaxies that were not observed in a band are left out, as the
# published analysis does. (They could stay: their line widths would still help to know the distribution of log W.)

fits = {}
for band in "BVRIH":
    galaxies = Observations.from_table(table[np.isfinite(table[band])], ["logW20", band])
    model = XDGMM(random_state=0).fit(galaxies)
    fits[band] = model, galaxies
    relations = model.relations(galaxies, pivot=2.5)
    row = {quantity: relations[relations["quantity"] == quantity][0] for quantity in relations["quantity"]}
    slope, zero = row["slope of the major axis"], row["zero point of the major axis"]
    across = row["scatter across the major axis"]
    scatter = f"below {across['limit']:.3f}" if across["is_limit"] else f"{across['value']:.3f}"
    print(
        f"{band}: slope {slope['value']:.2f} +- {slope['error']:.2f}, "
        f"zero point {zero['value']:.2f} +- {zero['error']:.2f}, "
        f"scatter across it {scatter}, directions without width: {model.result_.singular[0]}"
    )

# %%
# The published values (Bovy et al. 2011, jackknife errors) are slopes of -8.04, -8.86, -8.79, -9.26 and -11.03. The
# fits agree: the slope in B is ``-8.05``, in H ``-11.05``.
#
# In V, R, I and H the best covariance has no width across the relation. The errors explain all of the scatter: an
# exact line would have given such data. This is a maximum on the boundary of the valid covariances. EM approaches
# it as one over the number of steps, so that iterations with a loose tolerance end with some small scatter that
# means nothing. Here the scatter is exactly zero, and the report says which scatter would be too large.

model, galaxies = fits["H"]
relations = model.relations(galaxies, pivot=2.5)
for row in relations:
    error = "" if np.ma.is_masked(row["error"]) else f" +- {row['error']:.3f}"
    shown = f"below {row['limit']:.3f} at 95%" if row["is_limit"] else f"{row['value']:.3f}{error}"
    print(f"{row['quantity']:31s}{shown}")

# %%
# Which of the three lines is the relation depends on the purpose: *y given x* predicts magnitudes (and so
# distances), *x given y* line widths, and the major axis treats both alike, as long as the units are comparable.

figure, panels = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
for axes, band in zip(panels, "BH", strict=True):
    model, galaxies = fits[band]
    model.plot(galaxies, kind="relation", ax=axes)
    axes.set_title(f"{band} band")
