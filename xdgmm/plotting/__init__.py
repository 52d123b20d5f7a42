"""Pictures.

`plot_fit` draws a mixture over its observations, `plot_check` the residuals and tests of a check, `plot_candidates` a
choice of the number of components; `save` writes a figure to a file.  Figures are made without pyplot:
no global state changes, and no display is needed.
"""

from xdgmm.errors import deprecated_names

from .candidates import plot_candidates
from .check import plot_check
from .fit import MOST_COORDINATES, PLOT_SUFFIXES, plot_fit, save

__all__ = ["MOST_COORDINATES", "PLOT_SUFFIXES", "plot_candidates", "plot_check", "plot_fit", "save"]

deprecated_names(__name__, {"LARGEST": "MOST_COORDINATES"})
