r"""
The dispersion of a dwarf galaxy, with emcee
============================================

Thirty-one stars of the ultra-faint dwarf galaxy Hydrus I have measured line-of-sight velocities (Koposov et al.
2018, MNRAS 479, 5343). Their scatter holds the mass of the galaxy, and the errors of the velocities. How large is
the intrinsic dispersion?
"""

import numpy as np

from xdgmm import XDGMM, Observations, datasets

table = datasets.load("hydrus1")
stars = Observations.from_table(table, "v")
print(stars)
print(f"errors from {table['e_v'].min():.1f} to {table['e_v'].max():.1f}, as measured {np.std(table['v'], ddof=1):.2f}")

# %%
# The maximum of the likelihood
# -----------------------------

model = XDGMM(random_state=0).fit(stars)
report = model.widths(stars, method="profile")
print(report.summary())
model.plot(stars)

# %%
# The dispersion is ``2.73+0.48-0.39`` km/s, from the profile likelihood; the published value, from a posterior, is
# 2.69 +0.51 -0.43. As measured, the velocities scatter by ``3.15`` km/s.
#
# Is one Gaussian enough, and are the errors right? Nothing speaks against it:

print(model.check(stars).verdict)

# %%
# Samples of the posterior
# ------------------------
#
# With few objects the distribution of :math:`\sigma` is not symmetric. The prior matters then, so it is printed: a
# broad normal distribution for the mean, and a half-Cauchy distribution for the dispersion.

samples = model.sample_posterior(stars, rng=1)
print(samples.prior)
print(samples.outcome.value)
print(samples.summary())

# %%
# The corner picture has the two parameters and their correlation.

samples.corner()

# %%
# Any function of the mixture has a distribution too. The mass within the half-light radius is proportional to
# :math:`\sigma^2` (Wolf et al. 2010, MNRAS 406, 1220: :math:`M \approx 930\, \sigma^2 R` with solar masses, km/s
# and parsecs). With a half-light radius of 53 pc:

mass = samples.propagate(lambda mixture: 930.0 * 53.0 * mixture.covariances[0, 0, 0])
print(f"mass {mass.value:.2e} ({mass.low:.2e} to {mass.high:.2e}) solar masses")

# %%
# The table of the paper
# ----------------------

print(report.to_latex(columns=["n_members", "mean", "sigma"]))
