"""Where from, where to?

`read_table` reads whatever astropy reads; `observations_from_table` finds the columns, their errors, correlations and
units, and makes `Observations`; `write_table` writes a report, `append_columns` a user's table with more columns.  A
new convention for the names of columns is one line in `conventions`; a new kind of table is one function in
`catalogue`; a new format for reports is one suffix in `writing.REPORT_SUFFIXES`.
"""

from .appending import MISSING, NewColumn, append_columns, check_fits_names, check_new_names
from .catalogue import as_catalogue
from .observing import observations_from_table
from .reading import read_table
from .writing import REPORT_SUFFIXES, write_table

__all__ = [
    "MISSING",
    "REPORT_SUFFIXES",
    "NewColumn",
    "append_columns",
    "as_catalogue",
    "check_fits_names",
    "check_new_names",
    "observations_from_table",
    "read_table",
    "write_table",
]
