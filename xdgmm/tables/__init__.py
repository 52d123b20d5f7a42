"""Where from, where to?

`read_table` reads the file formats that astropy reads, and `read_spectrum` spectra of surveys and tables of pixels;
`observations_from_table` finds the columns, their errors, correlations and units, and makes `Observations`;
`report.build_table` builds the tables of results, from columns that are declared once, `write_table` writes them, and
`append_columns` a user's table with more columns.  A new convention for the names of columns is one line in
`conventions`, or for spectra one name in `spectrum_columns`; a new kind of table is one function in `table_types`; a
new format for reports is one suffix in `writing.REPORT_SUFFIXES`.
"""

from xdgmm.errors import deprecated_names

from .fits_append import MISSING
from .fits_blocks import FitsRows, fits_rows
from .from_table import names_read, observations_from_table
from .parquet_append import arrow_of_table, chosen_names, parquet_writer, with_columns
from .plain import PlainReading
from .reading import read_blocks, read_table
from .report import Column
from .spectra import read_spectrum
from .table_types import named_columns
from .writing import REPORT_SUFFIXES, append_columns, check_fits_names, check_new_names, is_fits_name, write_table

__all__ = [
    "MISSING",
    "REPORT_SUFFIXES",
    "Column",
    "FitsRows",
    "PlainReading",
    "append_columns",
    "arrow_of_table",
    "check_fits_names",
    "check_new_names",
    "chosen_names",
    "fits_rows",
    "is_fits_name",
    "named_columns",
    "names_read",
    "observations_from_table",
    "parquet_writer",
    "read_blocks",
    "read_spectrum",
    "read_table",
    "with_columns",
    "write_table",
]

deprecated_names(__name__, {"NewColumn": "Column", "as_catalogue": "named_columns"})
