r"""
Is my line resolved?
====================

A spectrograph has a line-spread function with a sigma of 60 km/s, known to 3%. Emission lines of six galaxies were
measured. Which of them are wider than the instrument, how wide are they by themselves, and what is their typical
width?
"""

import matplotlib.pyplot as plt
import numpy as np

from xdgmm import lines

observed = np.array([150.0, 88.0, 71.0, 66.0, 62.0, 58.0])  # km/s, sigma
errors = np.array([4.0, 2.5, 2.0, 3.0, 2.0, 2.5])
widths = lines.deconvolve(observed, errors, lsf=60.0, lsf_error=0.03)
print(widths)

# %%
# The last line is narrower than the instrument. Subtraction has no answer there, but the data have one: an upper
# limit. The error of the instrument's width is shared by all lines, and it decides for lines that are barely
# resolved: without it the intervals would be too short.

low, high = widths.interval(0.68)
limit = widths.upper_limit(0.95)
resolved = widths.resolved_pvalue < 0.05
figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
sigma = widths.intrinsic_sigma
axes.errorbar(
    observed[resolved], sigma[resolved], [(sigma - low)[resolved], (high - sigma)[resolved]], fmt="o", label="resolved"
)
axes.errorbar(observed[~resolved], limit[~resolved], 6.0, uplims=True, fmt="_", label="95% limit")
axes.axvline(60.0, color="0.5", lw=1.0)
axes.set(xlabel="observed σ [km/s]", ylabel="intrinsic σ [km/s]", xscale="log")
axes.legend(frameon=False)

# %%
# Many lines together
# -------------------
#
# Two hundred galaxies with intrinsic widths of 25 +- 8 km/s, each below the instrument. Single lines are hardly
# resolved, but together they say much, if none is left out: not those that are narrower than the instrument either.

rng = np.random.default_rng(3)
true = np.abs(rng.normal(25.0, 8.0, 200))
measured = np.hypot(true, 60.0) * (1.0 + 0.04 * rng.standard_normal(200))
many = lines.deconvolve(measured, 0.04 * measured, lsf=60.0)
print(
    f"resolved: {(many.resolved_pvalue < 0.05).sum()} of 200; narrower than the instrument: {(measured < 60.0).sum()}"
)
print(lines.population(many))
print(f"root mean square of the true widths: {np.sqrt(np.mean(true**2)):.1f}")

# %%
# The population has an intrinsic width of ``26.85`` km/s, where the true root mean square is ``26.7``. An average
# of the resolved lines alone would be too large, since these are the widest ones.
