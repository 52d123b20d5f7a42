"""A report becomes a file, whole or not at all."""

import warnings

from xdgmm.errors import OutputError
from xdgmm.files import check_output, written_whole

FORMATS = {".ecsv": "ascii.ecsv", ".fits": "fits"}
REPORT_SUFFIXES = tuple(FORMATS)


def write_table(table, path, *, overwrite=False):
    """Write a table as ECSV or FITS, whichever the suffix says.

    Units, masks and descriptions are kept; a masked quantity is written as a plain column with blank cells (NaN in
    FITS), which `astropy.table.QTable.read` turns back into a masked quantity.

    Parameters
    ----------
    table : astropy.table.Table or QTable
        What to write; it is left as it is.
    path : str or path-like
        Must end in one of `REPORT_SUFFIXES`.
    overwrite : bool
        Whether a file that exists may be replaced.

    Raises
    ------
    OutputError
        If the suffix is another one, the folder is missing or not writable, the file exists, or the format cannot
        hold the table.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from astropy.table import QTable
    >>> from xdgmm import datasets
    >>> from xdgmm.tables import write_table
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "stars.ecsv")
    ...     write_table(datasets.load("hydrus1"), path)
    ...     str(QTable.read(path)["v"].unit)
    'km / s'
    """
    path = check_output(path, overwrite=overwrite, suffixes=REPORT_SUFFIXES)
    plain = _plain(table)
    with written_whole(path, overwrite=overwrite) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about units and long keywords that FITS holds in a form of its own
        try:
            plain.write(temporary, format=FORMATS[path.suffix.lower()], overwrite=True)
        except Exception as error:  # what a format cannot hold is said in many ways
            raise OutputError(f"cannot write '{path}' ({error}); try a name ending in .ecsv, or .fits") from error


def _plain(table):
    """The same table whose quantities are plain columns with a unit, masked where they were."""
    from astropy.table import Table
    from astropy.units import Quantity

    plain = Table(table, copy=False)
    for name in table.colnames:
        if isinstance(table[name], Quantity):
            plain.replace_column(name, _column(table[name], name))
    return plain


def _column(quantity, name):
    from astropy.table import Column, MaskedColumn

    about = {"name": name, "unit": quantity.unit, "description": quantity.info.description}
    about |= {"format": quantity.info.format, "meta": quantity.info.meta}
    mask = getattr(quantity, "mask", None)
    if mask is None:
        return Column(quantity.value, **about)
    return MaskedColumn(quantity.unmasked.value, mask=mask, **about)
