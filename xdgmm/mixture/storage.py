"""A mixture as a FITS file: one binary table, one row per component, readable in any FITS browser.

Columns, each with its unit: ``weight``, ``mean_<name>`` for every coordinate, ``cov_<name>_<name>`` for the lower
triangle of the covariance.  The header says what it is (``XDGMMFMT``, the format's version) and keeps the names
and units of the coordinates as JSON, since FITS columns restrict characters and length.  Numbers are stored as
64-bit floats: the round trip is exact.

A mixture with a background has format 2: the header keeps the box (``BGLOW``, ``BGHIGH``, in the units of the
coordinates) and the fraction (``BGFRAC``) as JSON too.  All others have format 1, which older versions of xdgmm read.
"""

import io
import json
from pathlib import Path

import numpy as np

from xdgmm.errors import InputError
from xdgmm.files import check_output, written_whole
from xdgmm.kernels import unpack
from xdgmm.observations.validation import difference_unit

from .background import Background
from .mixture import GaussianMixture

FORMAT, WITH_BACKGROUND = 1, 2
LONGEST_LABEL = 30  # two of them and "cov_" fit into a FITS column name of 68 characters


def write(mixture, path, *, overwrite=False):
    """Write a mixture to `path`, which must end in .fits."""
    check_output(path, overwrite=overwrite, suffixes=(".fits",))
    with written_whole(path, overwrite=overwrite) as temporary:
        _table(mixture).writeto(temporary, overwrite=True)


def _table(mixture):
    from astropy.io import fits

    labels = _labels(mixture.names)
    columns = [fits.Column("weight", "D", array=mixture.weights)]
    for i, label in enumerate(labels):
        columns.append(fits.Column(f"mean_{label}", "D", _text(mixture.units[i]), array=mixture.means[:, i]))
    for i, j in zip(*np.tril_indices(mixture.n_dimensions), strict=True):
        unit = _product(mixture.units[i], mixture.units[j])
        columns.append(fits.Column(f"cov_{labels[j]}_{labels[i]}", "D", unit, array=mixture.covariances[:, i, j]))
    hdu = fits.BinTableHDU.from_columns(columns, name="MIXTURE")
    number = FORMAT if mixture.background is None else WITH_BACKGROUND
    hdu.header["XDGMMFMT"] = (number, "version of this file format")
    hdu.header["NDIM"] = (mixture.n_dimensions, "number of coordinates")
    hdu.header["NAMES"] = json.dumps(mixture.names)
    hdu.header["UNITS"] = json.dumps([_text(unit) for unit in mixture.units])
    if mixture.background is not None:
        hdu.header.update(_background_cards(mixture.background))
    return hdu


def _background_cards(background):
    low, high = background.box
    cards = {"BGLOW": low.tolist(), "BGHIGH": high.tolist(), "BGFRAC": background.fraction}
    return {key: json.dumps(value) for key, value in cards.items()}


def _labels(names):
    """Column labels of letters, digits and underscores; x1, x2, ... where names do not give distinct short ones."""
    labels = ["".join(c if c.isascii() and c.isalnum() else "_" for c in name) for name in names]
    columns = [f"{a}_{b}".lower() for i, b in enumerate(labels) for a in labels[: i + 1]]
    readable = all(label.strip("_") for label in labels) and max(map(len, labels)) <= LONGEST_LABEL
    if readable and len(set(columns)) == len(columns) and len({label.lower() for label in labels}) == len(labels):
        return labels
    return [f"x{i + 1}" for i in range(len(names))]


def _text(unit):
    """Unit in FITS notation; in astropy's own where FITS has none; None stays None."""
    if unit is None:
        return None
    try:
        return unit.to_string("fits")
    except ValueError:
        return unit.to_string()


def _product(one, other):
    """Unit of a covariance; None where there is none, or astropy does not know one of the two."""
    from astropy.units import UnrecognizedUnit

    if None in (one, other) or isinstance(one, UnrecognizedUnit) or isinstance(other, UnrecognizedUnit):
        return None
    return _text(difference_unit(one) * difference_unit(other))


def read(path):
    """Read a mixture from `path`.

    Raises
    ------
    InputError
        If the file is missing, is damaged, was not written by xdgmm, or has a newer format.
    """
    path = Path(path)
    try:
        header, rows = _contents(path.read_bytes())
    except (FileNotFoundError, IsADirectoryError):
        raise InputError(f"there is no file '{path}'; check the name") from None
    except OSError as error:
        raise InputError(f"'{path}' cannot be read: {error.strerror or error}") from error
    except Exception as error:
        raise InputError(f"'{path}' cannot be read as FITS: it is damaged, or something else ({error})") from error
    if header is None:
        raise InputError(f"'{path}' is a FITS file, but not a mixture written by xdgmm; fit one with `xdgmm fit`")
    try:
        _refuse_newer(header["XDGMMFMT"], path)
        return _mixture(header, rows)
    except _NewerFormatError:
        raise
    except Exception as error:
        raise InputError(f"'{path}' is damaged ({error}); write it again") from error


class _NewerFormatError(InputError):
    """The file was written by a later version of xdgmm."""


def _refuse_newer(version, path):
    if isinstance(version, int) and version > WITH_BACKGROUND:
        raise _NewerFormatError(f"'{path}' has format {version}, newer than this xdgmm knows; upgrade xdgmm")


def _contents(content):
    """Header and rows (K, columns) of the mixture's table; (None, None) where there is none."""
    import warnings

    from astropy.io import fits

    with warnings.catch_warnings():
        warnings.simplefilter("error")  # astropy only warns of a file that ends too early
        with fits.open(io.BytesIO(content)) as hdus:
            for hdu in hdus:
                if "XDGMMFMT" in hdu.header:
                    columns = [np.asarray(hdu.data.field(i), dtype=float) for i in range(len(hdu.columns))]
                    return hdu.header.copy(), np.stack(columns, axis=1)
    return None, None


def _mixture(header, rows):
    if header["XDGMMFMT"] not in (FORMAT, WITH_BACKGROUND):
        raise ValueError(f"format {header['XDGMMFMT']!r} does not exist")
    n_dimensions = int(header["NDIM"])
    if rows.shape[1] != 1 + n_dimensions + n_dimensions * (n_dimensions + 1) // 2:
        raise ValueError(f"{rows.shape[1]} columns do not fit {n_dimensions} coordinates")
    names, units = json.loads(header["NAMES"]), json.loads(header["UNITS"])
    if not (isinstance(names, list) and isinstance(units, list)):
        raise TypeError("names and units are no lists")
    means = rows[:, 1 : 1 + n_dimensions]
    covariances = unpack(rows[:, 1 + n_dimensions :], n_dimensions)
    background = _background(header) if header["XDGMMFMT"] == WITH_BACKGROUND else None
    return GaussianMixture(rows[:, 0], means, covariances, names, units, background)


def _background(header):
    low, high, fraction = (json.loads(header[key]) for key in ("BGLOW", "BGHIGH", "BGFRAC"))
    if not (isinstance(low, list) and isinstance(high, list) and isinstance(fraction, float)):
        raise TypeError("the background is no box with a fraction")
    return Background(low, high).with_fraction(fraction)
