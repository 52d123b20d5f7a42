"""Write the FITS tables of `xdgmm.datasets` from their sources.

The numbers, units, descriptions and citations stand in ``xdgmm/datasets/source/*.ecsv``, which people read
and edit. This script turns each into ``xdgmm/datasets/data/<name>.fits``, byte for byte the same every time:
a blank becomes NaN, the description of column ``n`` the card ``TCOMMn``, and each entry of the metadata a
card of its own; the entry ``extname`` names the table, where a format asks for a name.

Usage: python tools/build_datasets.py
"""

from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table

DATASETS = Path(__file__).resolve().parents[1] / "xdgmm" / "datasets"


def build_all(sources=DATASETS / "source", target=DATASETS / "data"):
    """Write one FITS file into `target` for each ECSV file in `sources`; return their paths."""
    return [build(source, target / f"{source.stem}.fits") for source in sorted(sources.glob("*.ecsv"))]


def build(source, target):
    """Write the ECSV table `source` as the FITS file `target`; return `target`."""
    table = Table.read(source, format="ascii.ecsv")
    hdu = fits.BinTableHDU.from_columns([fits_column(column) for column in table.itercols()])
    for number, column in enumerate(table.itercols(), start=1):
        hdu.header[f"TCOMM{number}"] = column.description
    hdu.header["EXTNAME"] = table.meta.pop("extname", source.stem)
    for key, value in table.meta.items():
        hdu.header[key.upper()] = value
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(target, overwrite=True)
    return target


def fits_column(column):
    """Return a table column as a FITS column: doubles with NaN for blank, whole numbers or text."""
    unit = column.unit.to_string("fits") if column.unit else None
    if column.dtype.kind == "f":
        return fits.Column(column.name, "D", unit, array=np.ma.filled(column.data, np.nan))
    kinds = {"i": "K", "U": f"{column.dtype.itemsize // 4}A"}
    return fits.Column(column.name, kinds[column.dtype.kind], unit, array=column.data)


if __name__ == "__main__":
    for path in build_all():
        print(path)
