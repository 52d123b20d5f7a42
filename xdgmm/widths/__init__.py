"""How wide intrinsically?

`widths` makes the report that most people come for: weight, mean, intrinsic sigma and FWHM of every component, with
errors, limits and units, beside the raw scatter and the naive correction.  `rich_table` prints it.
"""

from .rendering import rich_table
from .report import widths

__all__ = ["rich_table", "widths"]
