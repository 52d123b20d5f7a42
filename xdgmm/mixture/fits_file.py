"""A mixture as a FITS file: the table of components comes first, its cards are the header.

Numbers are 64-bit floats.  The covariance of the parameters is a second table, with the name, the value and the
standard error of each parameter beside its row of the matrix.
"""

import io
import warnings

import numpy as np

from xdgmm.files import unpacked

from .storage import CARDS, Contents

COMMENTS = {"XDGMMFMT": "version of this file format", "NDIM": "number of coordinates"}


def write(contents, path):
    """Write `Contents` to a file."""
    from astropy.io import fits

    columns = [
        fits.Column(label, "D", unit, array=contents.rows[:, i])
        for i, (label, unit) in enumerate(zip(contents.labels, contents.units, strict=True))
    ]
    table = fits.BinTableHDU.from_columns(columns, name="MIXTURE")
    for key, value in contents.cards.items():
        table.header[key] = (value, COMMENTS[key]) if key in COMMENTS else value
    hdus = [fits.PrimaryHDU(), table]
    if contents.covariance is not None:
        hdus.append(_parameters(contents))
    fits.HDUList(hdus).writeto(path, overwrite=True)


def _parameters(contents):
    from astropy.io import fits

    size = len(contents.covariance)
    errors = np.sqrt(np.maximum(np.diag(contents.covariance), 0.0))
    columns = [
        fits.Column("parameter", "40A", array=list(_parameter_names(contents, size))),
        fits.Column("error", "D", array=errors),
        fits.Column("covariance", f"{size}D", array=contents.covariance),
    ]
    return fits.BinTableHDU.from_columns(columns, name="PARAMETER_COVARIANCE")


def _parameter_names(contents, size):
    """A name for each row of the covariance, as column and component: 'mean_v of 0'."""
    K = len(contents.rows)
    exact = [label for label in contents.labels if label.startswith(("mean_", "cov_"))]
    named = [f"weight of {k}" for k in range(K)] + (["background"] if "BGLOW" in contents.cards else [])
    for kind in ("mean_", "cov_"):
        named += [f"{label} of {k}" for k in range(K) for label in exact if label.startswith(kind)]
    return named if len(named) == size else [""] * size


def read(path):
    """`Contents` of a file; None where it holds no mixture."""
    from astropy.io import fits

    content = unpacked(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # astropy only warns of a file that ends too early
        with fits.open(io.BytesIO(content)) as hdus:
            for hdu in hdus:
                if "XDGMMFMT" in hdu.header:
                    return _contents(hdu, hdus)
    return None


def _contents(hdu, hdus):
    cards = {key: hdu.header[key] for key in CARDS if key in hdu.header}
    rows = np.stack([np.asarray(hdu.data.field(i), dtype=float) for i in range(len(hdu.columns))], axis=1)
    covariance = None
    if "PARAMETER_COVARIANCE" in hdus:
        covariance = np.array(hdus["PARAMETER_COVARIANCE"].data["covariance"], dtype=float)
        covariance = covariance.reshape(len(covariance), -1)
    return Contents(cards, tuple(hdu.columns.names), tuple(hdu.columns.units), rows, covariance)
