"""The table that comes back with new columns: checked before the work, written after it."""

from xdgmm.errors import InputError, OutputError
from xdgmm.files import check_output

from .consoles import escaped


class Appended:
    """The table of a user, and the file that it is written to with more columns (None: to none)."""

    def __init__(self, table, output, hdu, *, overwrite, overwrite_columns):
        self.table, self.output, self.hdu = table, output, hdu
        self.overwrite, self.overwrite_columns = overwrite, overwrite_columns

    def check(self, *others):
        """Refuse what could not be written, would destroy a file that is read, or could not be read twice."""
        if self.output is None:
            return
        from xdgmm.tables import REPORT_SUFFIXES

        check_output(self.output, overwrite=self.overwrite, suffixes=REPORT_SUFFIXES)
        for path, what in ((self.table, "the table"), *others):
            if self.output.resolve() == path.resolve():
                raise OutputError(f"'{path}' is {what} that is read; write to another file")
        if self.table.exists() and not (self.table.is_file() or self.table.is_dir()):
            raise InputError(f"'{self.table}' can be read only once, but is needed twice; save it to a file first")

    def check_names(self, names, columns):
        """Refuse columns (`NewColumn`) that the table has, unless they are to be replaced, or that FITS cannot hold."""
        from xdgmm.tables import check_fits_names, check_new_names

        if self.output is None:
            return
        check_new_names(names, columns, replace=self.overwrite_columns)
        if self.output.suffix.lower() == ".fits":
            check_fits_names([*names, *(column.name for column in columns)])

    def write(self, columns, blocks, voice):
        """Write the table with the columns, whose values come in blocks of rows; returns it as a document."""
        from xdgmm.tables import append_columns

        if self.output is None:
            return {"appended": [], "written": []}
        append_columns(self.table, self.output, columns, blocks, hdu=self.hdu, overwrite=self.overwrite)
        voice.say(f"appended {escaped(', '.join(column.name for column in columns))}")
        voice.say(f"wrote {escaped(self.output)}")
        described = [
            {
                "name": column.name,
                "unit": None if column.unit is None else str(column.unit),
                "description": column.description,
            }
            for column in columns
        ]
        return {"appended": described, "written": [str(self.output)]}
