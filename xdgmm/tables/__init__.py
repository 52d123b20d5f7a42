"""Where from, where to?  Files and astropy tables become `Observations`, and reports become files.

`read_table` reads what astropy's unified I/O reads, `observations_from_table` finds the columns and their errors and
checks them, `write_table` writes a report.  To accept one more way of naming an error column, add it to
``columns.ERROR_NAMES``; to treat bad errors in one more way, add a function to ``bad_errors.TREATMENTS``; to write
one more format, add its suffix to ``writing.FORMATS``.
"""

from .measurements import observations_from_table
from .reading import read_table
from .writing import REPORT_SUFFIXES, write_table

__all__ = ["REPORT_SUFFIXES", "observations_from_table", "read_table", "write_table"]
