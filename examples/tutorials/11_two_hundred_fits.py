r"""
Two hundred small fits
======================

A catalogue often falls into groups: clusters of galaxies, fields, lines. Each gets a fit of its own, and then the
question is what the whole of them says. Two hundred simulated clusters have 15 to 60 members and dispersions from 300
to 1200 km/s; every velocity has its own error. Some 20 groups are chance alignments without any intrinsic scatter.
"""

import matplotlib.pyplot as plt
import numpy as np
from astropy.table import QTable, vstack
from joblib import Parallel, delayed

from xdgmm import XDGMM

rng = np.random.default_rng(11)
dispersions = np.where(np.arange(200) < 20, 0.0, rng.uniform(300.0, 1200.0, 200))
tables = []
for number, sigma in enumerate(dispersions):
    n = int(rng.integers(15, 61))
    errors = rng.uniform(50.0, 400.0, n)
    velocities = rng.uniform(5000.0, 30000.0) + sigma * rng.standard_normal(n) + errors * rng.standard_normal(n)
    tables.append(
        QTable({"cluster": np.full(n, number), "v": velocities, "e_v": errors}, units={"v": "km/s", "e_v": "km/s"})
    )
catalogue = vstack(tables)
print(len(catalogue), "galaxies in", len(tables), "clusters")

# %%
# One function fits one cluster and returns numbers, not models: they are small, and any process can send them. Where a
# width is consistent with zero the report gives an upper limit instead of an error.


def fit_one(members):
    """Width, its error and its limit, in km/s."""
    report = XDGMM(random_state=0).fit(members["v", "e_v"]).widths(members["v", "e_v"])
    numbers = {name: float(report[name][0].value) for name in ("sigma", "sigma_error", "sigma_limit")}
    return {**numbers, "is_limit": bool(report["is_limit"][0])}


# %%
# joblib shares the clusters among processes; each process takes one thread.

groups = catalogue.group_by("cluster").groups
results = Parallel(n_jobs=2)(delayed(fit_one)(members) for members in groups)
found = {name: np.array([result[name] for result in results]) for name in results[0]}

# %%
# Are the intervals right?
# ------------------------
#
# The truth is known here: it lies within one error of about 68% of the widths, somewhat fewer for such small samples
# (the profile likelihood mends that, and takes seconds for each), and below about 95% of the limits. Here it is
# ``61%`` of the widths. Of the 20 chance alignments ``19`` have a limit, and one follows chance to a width, as one in
# 20 will.

real = dispersions > 0
limited = found["is_limit"]
measured = ~limited
inside = np.abs(found["sigma"] - dispersions) < found["sigma_error"]
print(f"{(measured & real).sum()} of {real.sum()} real clusters have a width,")
print(f"{inside[measured & real].mean():.0%} of them within one error of the true one")
below = dispersions[limited] < found["sigma_limit"][limited]
print(f"{limited.sum()} limits, {(limited & ~real).sum()} of them of chance alignments;")
print(f"{below.mean():.0%} of the limits lie above the truth")

# %%
# What was skipped? Subtracting the mean square error from the scatter needs no fit, but gives too narrow a width, or
# none, for many of them:

naive = np.array([np.var(g["v"].value, ddof=1) - np.mean(g["e_v"].value ** 2) for g in groups])
print(f"{(naive < 0).sum()} clusters have a negative variance by subtraction")

figure, ax = plt.subplots(figsize=(6.5, 5.5), layout="constrained")
ax.errorbar(
    dispersions[measured], found["sigma"][measured], found["sigma_error"][measured], fmt=".", lw=0.6, label="fits"
)
ax.plot(dispersions[limited], found["sigma_limit"][limited], "v", color="C1", label="95% upper limits")
ax.axline((500.0, 500.0), slope=1.0, color="black", lw=1.0)
ax.set(xlabel="true dispersion [km/s]", ylabel="fitted dispersion [km/s]")
ax.legend(loc="upper left")
