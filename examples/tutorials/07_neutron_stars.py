r"""
The masses of neutron stars
===========================

Masses of neutron stars in binaries are known to 0.0002 solar masses in some systems, and to 0.7 in others
(compilation of Alsing, Silva & Berti 2018). Is there one population or are there more?
"""

import matplotlib.pyplot as plt

from xdgmm import XDGMM, Observations, datasets, select

table = datasets.load("neutron_stars")
known = table[table["e_m"] > 0 * table["e_m"].unit]  # some systems have no individual mass
masses = Observations.from_table(known, "m")
print(masses)

# %%
# How many components?
# --------------------

found = select(masses, n_components=range(1, 5), random_state=0)
print(found)
found.estimator.plot(kind="candidates")

# %%
# BIC prefers two components. With three or four, one of them has fewer than two stars and no width at all (columns
# `smallest` and `σ/error`): where some masses are known to 0.0002, a component can sit on a few of them.
#
# Two populations
# ---------------

model = XDGMM(2, random_state=0).fit(masses)
report = model.widths(masses)
print(report.summary())
print(f"{100 * model.weights_[0]:.1f}% in the lighter component")

figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.5), layout="constrained")
model.plot(masses, kind="density", ax=left)
model.plot(masses, kind="memberships", ax=right)

# %%
# The lighter component has ``72.0%`` of the stars, ``1.346`` solar masses, with little scatter; the others are
# heavier. Farr & Chatziioannou (2020) found 1.352 +- 0.020 with a scatter of 0.080 +- 0.017, and 1.880 +- 0.224
# with 0.300 +- 0.132.
#
# Which stars are heavy?
# ----------------------

memberships = model.predict_proba(masses)[:, 1]
denoised = model.denoise(masses)
for i in memberships.argsort()[::-1][:5]:
    measured = f"{masses.values[i, 0]:.2f} +- {masses.noise[i, 0]:.2f}"
    mass = f"{denoised.means[i, 0]:.2f} +- {denoised.standard_deviations[i, 0]:.2f}"
    print(f"{known['name'][i]:12s} measured {measured}, heavy with probability {memberships[i]:.3f}, denoised {mass}")

# %%
# The mass of Vela X-1 was measured as 2.12 +- 0.16. Denoised it is smaller and better known, because few neutron
# stars are so heavy.
