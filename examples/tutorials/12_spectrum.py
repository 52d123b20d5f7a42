r"""
From a spectrum to intrinsic widths
===================================

A spectrum of a star-forming galaxy, in the format of SDSS, whose instrument has a sigma of about 70 km/s. How wide are
the lines by themselves, and what can be said of a line that is no wider than the instrument?
"""

from xdgmm import datasets, lines
from xdgmm.tables import read_spectrum

spectrum = read_spectrum(datasets.path("simulated_sdss"))
z = 0.0231
groups = [
    lines.Group("ionised", [(6564.61, "Ha"), (6585.27, "NII"), (6549.86, "NII", 1 / 3.05)], z=z, medium="vacuum"),
    lines.Group("[O III]", [(5008.24, "OIII"), (4960.30, "OIII", 1 / 3)], z=z, medium="vacuum"),
    lines.Group("[O I]", [(6302.05, "OI")], z=z, medium="vacuum"),
]
windows = [(5040, 5170), (6400, 6500), (6640, 6790)]
fit = lines.fit_lines(spectrum, groups=groups, windows=windows)
print(fit.report())

# %%
# A group is a set of lines with one velocity and one intrinsic width. The ratio of the two [N II] lines is fixed by
# atomic physics, so that they share one flux. Each window has a continuum of its own, and the instrument's width comes
# from the file: profiles are convolved with it and integrated over the pixels before they are compared with the fluxes.
#
# The spectrum is simulated, so that the answers are known: 58 km/s for the first group, 84 for the second, and 25 for
# [O I], which no pixel of this instrument can show. Its variance comes out negative, by chance, and the report gives an
# upper limit: the 95% limit is ``54.4`` km/s. The error of the variance belongs to a line as narrow as was
# fitted, and is too small here; the limit comes from the profile likelihood and does not use it.

fit.plot()

# %%
# What was seen, the instrument, and what is left of the line without it:

fit.plot("profile", group="ionised")

# %%
# Where data say little, an error bar says little too. The profile likelihood of the intrinsic variance shows what is
# excluded; it is what intervals, limits and the probability of no width at all are read from.

fit.plot("likelihood", group="[O I]")

# %%
# The instrument is not known exactly
# -----------------------------------
#
# If its width is known to 5%, shared by all lines, the intervals grow, and most where a line is hardly wider than the
# instrument. The factor on its width is fitted too, within its error.

uncertain = lines.fit_lines(spectrum, groups=groups, windows=windows, lsf=spectrum.lsf.with_error(0.05))
print(uncertain.table["group", "sigma", "sigma_low", "sigma_high", "sigma_limit"])

# %%
# Is there a second component?
# ----------------------------
#
# A broad component below the narrow one is another group at the same line. Its likelihood ratio has no chi-squared
# distribution, because the component has no width where it has no flux; so the ratio is simulated.

narrow = groups[0]
broad = lines.Group("broad", [(6564.61, "Ha broad")], z=z, sigma=(150, 1000), medium="vacuum")
one = lines.fit_lines(spectrum, groups=[narrow], windows=windows[2:])
two = lines.fit_lines(spectrum, groups=[narrow, broad], windows=windows[2:])
print(two.compare(one, 39, random_state=1))

# %%
# There is none, and none was simulated.
#
# Other ways to the interval
# --------------------------
#
# The profile likelihood, fits to simulated spectra (parametric bootstrap), and the posterior with flat priors agree
# where data decide.

one.bootstrap(200, random_state=1).interval(), one.interval()

# %%
# Widths go on to `population`, which finds the mean width of many galaxies and its scatter, with those lines that are
# not resolved one by one. Only the width and its error go on, not the profile, so that limits of single faint lines are
# better taken from the fit:

print(fit.to_widths())
