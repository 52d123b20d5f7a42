"""Write a report: ECSV keeps units, masks and metadata; FITS for those who need it."""

import warnings

from xdgmm.errors import OutputError
from xdgmm.files import check_output, written_whole

FORMATS = {".ecsv": "ascii.ecsv", ".fits": "fits"}
REPORT_SUFFIXES = tuple(FORMATS)


def write_table(table, path, *, overwrite=False):
    """Write a QTable to .ecsv or .fits, whole or not at all.

    Raises
    ------
    OutputError
        If the path cannot be written, ends otherwise, or exists and `overwrite` is false.
    """
    path = check_output(path, overwrite=overwrite, suffixes=REPORT_SUFFIXES)
    if path.suffix.lower() == ".fits":
        table = _with_comments(table)
    with written_whole(path, overwrite=overwrite) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd units and metadata, which FITS keeps in its own way or drops
        try:
            table.write(temporary, format=FORMATS[path.suffix.lower()], overwrite=True)
        except (ValueError, TypeError) as error:
            raise OutputError(f"cannot write '{path}' ({error}); .ecsv holds any table") from error


def _with_comments(table):
    """The table with its remarks where FITS keeps sentences: as comments."""
    remarks = table.meta.get("remarks")
    if not remarks or not isinstance(remarks, list):
        return table
    table = table.copy(copy_data=False)
    table.meta["comments"] = [*table.meta.get("comments", ()), *remarks]
    return table
