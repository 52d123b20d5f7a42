"""Write a report: ECSV keeps units, masks and metadata; FITS for those who need it."""

import warnings

from xdgmm.files import check_output, written_whole

REPORT_SUFFIXES = (".ecsv", ".fits")


def write_table(table, path, *, overwrite=False):
    """Write a QTable to .ecsv or .fits, whole or not at all.

    Raises
    ------
    OutputError
        If the path cannot be written, ends otherwise, or exists and `overwrite` is false.
    """
    check_output(path, overwrite=overwrite, suffixes=REPORT_SUFFIXES)
    from astropy.io.fits.verify import VerifyWarning

    with written_whole(path, overwrite=overwrite) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore", VerifyWarning)  # long names of metadata become HIERARCH cards
        table.write(temporary, overwrite=True)
