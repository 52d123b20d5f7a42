"""`GaussianMixture.read` and `.write`, joined to astropy's unified reading and writing of data."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astropy.io import registry

from xdgmm.errors import InputError, reraise_lack_of_memory
from xdgmm.files import atomic_write, check_output, read_bytes

from .formats import FORMATS, Format
from .storage import contents_of, mixture_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike
    from typing import BinaryIO

    from .mixture import GaussianMixture

MODEL_SUFFIXES = {suffix: name for name, each in FORMATS.items() for suffix in each.written}


class MixtureRead(registry.UnifiedReadWrite):
    """Read a mixture from a FITS or ECSV file that `write` wrote, gzipped or not.

    Parameters
    ----------
    path : str or path-like
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

    """  # astropy adds a list of formats, which the empty line keeps apart from the example

    def __init__(self, instance: GaussianMixture | None, cls: type[GaussianMixture]) -> None:
        super().__init__(instance, cls, "read")

    def __call__(self, path: str | PathLike[str], *, format: str | None = None) -> GaussianMixture:  # noqa: A002 - astropy's name
        """Read."""
        path = Path(path)
        beginning = _beginning(path)
        if format is None:
            format = _format_of(beginning, path)  # noqa: A001
        _check_format(format)
        mixture: GaussianMixture = self.registry.read(self._cls, path, format=format)
        return mixture


class MixtureWrite(registry.UnifiedReadWrite):
    """Write a mixture, with the record of its fit, to a FITS or ECSV file, whole or not at all.

    Parameters
    ----------
    path : str or path-like
    format : {"fits", "ascii.ecsv"}, optional
        By default what the name ends in tells: .fits, .fit or .ecsv.
    overwrite : bool
        Whether a file that exists may be replaced.

    Raises
    ------
    OutputError
        If the file cannot be written, or exists.
    """

    def __init__(self, instance: GaussianMixture | None, cls: type[GaussianMixture]) -> None:
        super().__init__(instance, cls, "write")

    def __call__(
        self,
        path: str | PathLike[str],
        *,
        format: str | None = None,  # noqa: A002 - astropy's name
        overwrite: bool = False,
    ) -> None:
        """Write."""
        path = Path(check_output(path, overwrite=overwrite, suffixes=tuple(MODEL_SUFFIXES) if format is None else ()))
        if format is None:
            format = MODEL_SUFFIXES[path.suffix.lower()]  # noqa: A001
        _check_format(format)
        self.registry.write(self._instance, path, format=format, overwrite=overwrite)


def register(cls: type[GaussianMixture]) -> None:
    """Make the formats known to astropy for the class of mixtures."""
    for name, file_format in FORMATS.items():
        registry.register_reader(name, cls, _reader(file_format, cls))
        registry.register_writer(name, cls, _writer(file_format))
        registry.register_identifier(name, cls, _identifier(name))


def _reader(file_format: Format, cls: type[GaussianMixture]) -> Callable[[str | Path], GaussianMixture]:
    description = file_format.description

    def read(path: str | PathLike[str]) -> GaussianMixture:
        path = Path(path)
        try:
            contents = file_format.read(path)
        except Exception as error:
            reraise_lack_of_memory(error)
            reason = " ".join(str(error).split())[:150]
            raise InputError(
                f"'{path}' cannot be read as {description}: it is damaged, or something else ({reason})"
            ) from error
        if contents is None:
            raise InputError(
                f"'{path}' is {description}, but not a mixture written by xdgmm; give a file that "
                "`GaussianMixture.write` or `xdgmm fit` has written"
            )
        return mixture_of(contents, path, cls)

    read.__doc__ = f"Read a mixture from a path, as {description}."
    return read


def _writer(file_format: Format) -> Callable[..., None]:
    def write(mixture: GaussianMixture, path: str | PathLike[str], *, overwrite: bool = False) -> None:
        with atomic_write(path, overwrite=overwrite) as temporary:
            file_format.write(contents_of(mixture), temporary)

    write.__doc__ = f"Write a mixture to a path, as {file_format.description}; `overwrite` allows replacing a file."
    return write


def _identifier(name: str) -> Callable[..., bool]:
    def identify(origin: str, path: str | None, fileobj: BinaryIO | None, *_args: Any, **_kwargs: Any) -> bool:
        if origin == "read" and fileobj is not None:
            start = fileobj.read(max(len(each.signature) for each in FORMATS.values()))
            fileobj.seek(0)
            return _by_signature(start) == name
        return path is not None and _by_suffix(path) == name

    return identify


def _by_signature(start: bytes) -> str | None:
    return next((name for name, each in FORMATS.items() if start.startswith(each.signature)), None)


def _by_suffix(path: str | PathLike[str]) -> str | None:
    return next((name for name, each in FORMATS.items() if str(path).lower().endswith(each.suffixes)), None)


def _beginning(path: Path) -> bytes:
    try:
        beginning: bytes = read_bytes(path, 80)
    except (FileNotFoundError, IsADirectoryError):
        raise InputError(f"there is no file '{path}'; check the name") from None
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"'{path}' cannot be read: {getattr(error, 'strerror', None) or error}") from error
    return beginning


def _format_of(beginning: bytes, path: Path) -> str:
    name = _by_signature(beginning) or _by_suffix(path)
    if name is None:
        raise InputError(f"'{path}' is neither FITS nor ECSV, so it is no mixture written by xdgmm; check the name")
    return name


def _check_format(name: str) -> None:
    if name not in FORMATS:
        raise InputError(f"`format` is {name!r}, but it must be one of {', '.join(FORMATS)}")
