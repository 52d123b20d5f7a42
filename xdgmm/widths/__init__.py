"""How wide intrinsically?

`widths` makes the report that most people come for: weight, mean, intrinsic sigma and FWHM of every component along
every column and principal axis, with errors, limits and units, beside the raw scatter and the naive correction.
`relations` gives correlations, the linear relation behind two columns, and how far components are apart.  `rich_table`
prints, `write_report` writes, also as the table of a paper.
"""

from .latex import WIDTH_SUFFIXES, write_report
from .printing import comparison_table, relations_table, rich_table
from .relations import relations
from .report import widths
from .table import WidthReport

__all__ = [
    "WIDTH_SUFFIXES",
    "WidthReport",
    "comparison_table",
    "relations",
    "relations_table",
    "rich_table",
    "widths",
    "write_report",
]
