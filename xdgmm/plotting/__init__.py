"""Pictures.

`plot_fit` draws a mixture over its observations, `save` writes a figure to a file.  Figures are made without pyplot,
so nothing global changes and no display is needed.
"""

from .fit import LARGEST, PLOT_SUFFIXES, plot_fit, save

__all__ = ["LARGEST", "PLOT_SUFFIXES", "plot_fit", "save"]
