"""`GaussianMixture.read` and `.write`, joined to astropy's unified reading and writing of data.

To add a format, write a module with ``read(path)`` and ``write(contents, path)`` and name it in `FORMATS`.
"""

import zlib
from pathlib import Path

from astropy.io import registry

from xdgmm.errors import InputError
from xdgmm.files import check_output, unpacked, written_whole

from . import ecsv_file, fits_file
from .storage import contents_of, mixture_of

FORMATS = {"fits": fits_file, "ascii.ecsv": ecsv_file}
SUFFIXES = {".fits": "fits", ".ecsv": "ascii.ecsv"}
READ_TOO = {".fits.gz": "fits", ".fit": "fits", ".ecsv.gz": "ascii.ecsv"}
SAID = {"fits": "a FITS file", "ascii.ecsv": "an ECSV file"}
SIGNATURES = {b"SIMPLE  =": "fits", b"# %ECSV": "ascii.ecsv"}


class MixtureRead(registry.UnifiedReadWrite):
    """Read a mixture from a FITS or ECSV file that `write` wrote, gzipped or not.

    Parameters
    ----------
    path : str or Path
    format : {"fits", "ascii.ecsv"}, optional
        By default what the file begins with tells, or else its name.

    Returns
    -------
    GaussianMixture
        The same to the last bit, with the record of its fit.

    Raises
    ------
    InputError
        If the file is missing, is damaged, was not written by xdgmm, or has a newer format.

    Examples
    --------
    >>> from xdgmm import GaussianMixture
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     GaussianMixture([1.0], [[80.5]], [[[7.4]]], names=["v"], units=["km/s"]).write(f"{folder}/model.ecsv")
    ...     GaussianMixture.read(f"{folder}/model.ecsv")
    <GaussianMixture: 1 component in v [km / s]>
    """

    def __init__(self, instance, cls):
        super().__init__(instance, cls, "read")

    def __call__(self, path, *, format=None):  # noqa: A002 - astropy's name
        """Read."""
        path = Path(path)
        beginning = _beginning(path)
        if format is None:
            format = _format_of(beginning, path)  # noqa: A001
        return _known(self.registry.read, format)(self._cls, path, format=format)


class MixtureWrite(registry.UnifiedReadWrite):
    """Write a mixture, with the record of its fit, to a FITS or ECSV file, whole or not at all.

    Parameters
    ----------
    path : str or Path
    format : {"fits", "ascii.ecsv"}, optional
        By default what the name ends in tells: .fits or .ecsv.
    overwrite : bool
        Whether a file that exists may be replaced.

    Raises
    ------
    OutputError
        If the file cannot be written, or exists.
    """

    def __init__(self, instance, cls):
        super().__init__(instance, cls, "write")

    def __call__(self, path, *, format=None, overwrite=False):  # noqa: A002 - astropy's name
        """Write."""
        path = check_output(path, overwrite=overwrite, suffixes=tuple(SUFFIXES) if format is None else ())
        if format is None:
            format = SUFFIXES[path.suffix.lower()]  # noqa: A001
        _known(self.registry.write, format)(self._instance, path, format=format, overwrite=overwrite)


def register(cls):
    """Make the formats known to astropy for the class of mixtures."""
    for name, module in FORMATS.items():
        registry.register_reader(name, cls, _reader(name, module))
        registry.register_writer(name, cls, _writer(name, module))
        registry.register_identifier(name, cls, _identifier(name))


def _reader(name, module):
    said = SAID[name]

    def read(path):
        path = Path(path)
        try:
            contents = module.read(path)
        except Exception as error:
            reason = " ".join(str(error).split())[:150]
            raise InputError(
                f"'{path}' cannot be read as {said}: it is damaged, or something else ({reason})"
            ) from error
        if contents is None:
            raise InputError(f"'{path}' is {said}, but not a mixture written by xdgmm; fit one with `xdgmm fit`")
        return mixture_of(contents, path)

    read.__doc__ = f"Read a mixture from a path, as {said}."
    return read


def _writer(name, module):
    def write(mixture, path, *, overwrite=False):
        with written_whole(path, overwrite=overwrite) as temporary:
            module.write(contents_of(mixture), temporary)

    write.__doc__ = f"Write a mixture to a path, as {SAID[name]}; `overwrite` allows replacing a file."
    return write


def _identifier(name):
    def identify(origin, path, fileobj, *_args, **_kwargs):
        if origin == "read" and fileobj is not None:
            start = fileobj.read(max(map(len, SIGNATURES)))
            fileobj.seek(0)
            return _by_signature(start) == name
        return path is not None and _by_name(path) == name

    return identify


def _by_signature(start):
    return next((name for signature, name in SIGNATURES.items() if start.startswith(signature)), None)


def _by_name(path):
    endings = {**SUFFIXES, **READ_TOO}
    return next((name for ending, name in endings.items() if str(path).lower().endswith(ending)), None)


def _beginning(path):
    try:
        return unpacked(path, 80)
    except (FileNotFoundError, IsADirectoryError):
        raise InputError(f"there is no file '{path}'; check the name") from None
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"'{path}' cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _format_of(beginning, path):
    name = _by_signature(beginning) or _by_name(path)
    if name is None:
        raise InputError(f"'{path}' is neither FITS nor ECSV, so it is no mixture written by xdgmm; check the name")
    return name


def _known(function, name):
    """A function of the registry; InputError for a format that it does not know."""
    if name not in FORMATS:
        raise InputError(f"`format` is {name!r}, but it must be one of {', '.join(FORMATS)}")
    return function
