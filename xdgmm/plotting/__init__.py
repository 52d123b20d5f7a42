"""Pictures.

`plot_fit` draws a mixture over its observations, `save` writes a figure to a file.  Figures are made without pyplot,
so nothing global changes and no display is needed.
"""

from .fit import LARGEST, plot_fit, plot_suffixes, save

__all__ = ["LARGEST", "plot_fit", "plot_suffixes", "save"]
