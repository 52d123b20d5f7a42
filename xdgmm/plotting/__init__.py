"""Pictures.

One function for each picture.  Those of one panel take and return Axes: `plot_density`, `plot_error_bars`,
`plot_ellipses`, `plot_memberships`, `plot_denoising`, `plot_relation`, `plot_residuals`, `plot_quantiles`, `plot_pit`,
`plot_widths`, `plot_trace`.  Those of several panels take and return a Figure: `plot_fit`, `plot_corner`, `plot_check`,
`plot_candidates`, and `plot_posterior`, which takes samples of a posterior.  `plot` draws any of them but the last by
its name, and `save` writes it to a file.

Of fits of lines: `plot_line_spectrum` (a Figure), `plot_line_profile` and `plot_line_likelihood` (Axes), all three by
their names `plot_line_fit`, and many spectra at once `plot_line_grid` (a Figure).

Where no Axes or Figure is given a new figure of pyplot is made, so that ``plt.show()`` shows it and a notebook shows it
once; with ``figure=new_figure()`` pyplot is left alone.  Component k has the same colour in every picture.
"""

from xdgmm.errors import deprecated_names

from .candidates import plot_candidates
from .check import plot_check
from .colours import component_colour
from .corner import MOST_COORDINATES, plot_corner
from .denoising import plot_denoising
from .figures import PLOT_SUFFIXES, new_figure, save
from .fit import plot_fit
from .kinds import KINDS, plot
from .line_grid import plot_line_grid
from .line_kinds import plot_line_fit
from .line_likelihood import plot_line_likelihood
from .line_profile import plot_line_profile
from .line_spectrum import plot_line_spectrum
from .memberships import plot_memberships
from .one_dimension import plot_density, plot_error_bars
from .posterior import plot_posterior
from .relation import plot_relation
from .residuals import plot_pit, plot_quantiles, plot_residuals
from .trace import plot_trace
from .two_dimensions import plot_ellipses
from .widths import plot_widths

__all__ = [
    "KINDS",
    "MOST_COORDINATES",
    "PLOT_SUFFIXES",
    "component_colour",
    "new_figure",
    "plot",
    "plot_candidates",
    "plot_check",
    "plot_corner",
    "plot_denoising",
    "plot_density",
    "plot_ellipses",
    "plot_error_bars",
    "plot_fit",
    "plot_line_fit",
    "plot_line_grid",
    "plot_line_likelihood",
    "plot_line_profile",
    "plot_line_spectrum",
    "plot_memberships",
    "plot_pit",
    "plot_posterior",
    "plot_quantiles",
    "plot_relation",
    "plot_residuals",
    "plot_trace",
    "plot_widths",
    "save",
]

deprecated_names(__name__, {"LARGEST": "MOST_COORDINATES"})
