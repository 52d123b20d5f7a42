"""`PackedCache`: packed parts of a catalogue in a folder, from which later passes and later fits map them."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xdgmm.basics.digests import digest
from xdgmm.errors import InputError, KindError, OutputError, XdgmmWarning
from xdgmm.files import MOST_MAPPED, ArrayFile, atomic_write
from xdgmm.kernels import map_part, with_rounded_noise, write_part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from os import PathLike

    from xdgmm.kernels import PackedPart

FORMAT, VERSION = "xdgmm packed cache", 1
HEADER = "header.json"
NOISES = ("float64", "float32")


def check_noise(noise: str) -> None:
    """Refuse what is none of the ways to hold noise.

    Raises
    ------
    InputError
    """
    if noise not in NOISES:
        raise InputError(f"`cache_noise` is {noise!r}, but it must be one of {', '.join(NOISES)}")


class PackedCache:
    """A folder with packed parts of catalogues: one folder below it for each catalogue and each way to pack it.

    Parameters
    ----------
    folder : path
        It is made if it does not exist; its parent must.
    noise : {"float64", "float32"}
        With how many bits noise is held: with 32 it takes half of its space, and is rounded.

    Raises
    ------
    InputError
        If `noise` is neither.
    KindError
        If `folder` is no name of one.
    OutputError
        If there is no such folder, and it cannot be made.
    """

    def __init__(self, folder: str | PathLike[str], noise: str = "float64") -> None:
        check_noise(noise)
        try:
            self.folder, self.noise = Path(folder).expanduser(), noise
        except TypeError:
            raise KindError(f"`cache` is {folder!r}, but the name of a folder is needed") from None
        try:
            self.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"the folder '{folder}' of `cache` cannot be made: {error.strerror or error}; give another"
            ) from None

    def of(self, description: dict[str, Any], *what: Any) -> CachedParts | None:
        """The parts of some data packed in some way.

        Parameters
        ----------
        description : dict
            Of the data, for a reader of the header.
        *what
            Everything on which the parts depend.

        Returns
        -------
        CachedParts or None
            None where something has no digest, so that it cannot be known whether parts in a folder are the same.
        """
        try:
            key = digest(VERSION, self.noise, description, *what).hex()
        except TypeError:
            return None
        return CachedParts(self.folder / key, self.noise == "float32", {**description, "digest": key})


class CachedParts:
    """The packed parts of one catalogue, in a folder.

    Attributes
    ----------
    files : list of ArrayFile or None
        Those of all parts, where all have been written.
    """

    def __init__(self, folder: Path, halved: bool, description: dict[str, Any]) -> None:  # noqa: FBT001
        self.folder, self.halved, self.description = folder, halved, description
        self.checked: set[int] = set()  # parts whose checksum was compared in this process
        self.mapped: dict[int, PackedPart] = {}  # to map them again would cost a tenth of a pass with ten components
        self.failed = False  # could something not be written?
        self.files = self._read_header()

    @property
    def advice(self) -> str:
        """What to do if a file is damaged."""
        return f"remove the folder '{self.folder}', and the next fit writes it anew"

    def _read_header(self) -> list[ArrayFile] | None:
        path = self.folder / HEADER
        try:
            header = json.loads(path.read_bytes())
            files = [ArrayFile(*each) for each in header["parts"]]
            same = header["format"] == FORMAT and header["digest"] == self.description["digest"]
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InputError(f"'{path}' cannot be read ({error.strerror or error}); {self.advice}") from None
        except (ValueError, KeyError, TypeError):
            same = False
        if not same:
            raise InputError(f"'{path}' is damaged; {self.advice}")
        return files

    def _path(self, number: int) -> Path:
        return self.folder / f"part-{number:06d}.xdgmm"

    def parts(self) -> Iterator[PackedPart]:
        """The parts, mapped into memory; the contents of each are compared with their checksum once.

        Raises
        ------
        InputError
            That names the file that is missing or damaged.
        """
        assert self.files is not None, "not all parts have been written"
        for number, file in enumerate(self.files):
            yield self.mapped[number] if number in self.mapped else self._map(number, file)

    def _map(self, number: int, file: ArrayFile) -> PackedPart:
        path, new = self._path(number), number not in self.checked
        part = map_part(path, checksum=new, advice=self.advice)
        if new and path.stat().st_size != file.size:
            raise InputError(f"'{path}' is damaged (its length is wrong); {self.advice}")
        self.checked.add(number)
        if not self.halved and len(self.mapped) < MOST_MAPPED:
            self.mapped[number] = part
        return part

    def written(self, read: Callable[[], Iterable[PackedPart]]) -> Iterator[PackedPart]:
        """The parts as they are read and packed, each written before it is yielded.

        Where a file cannot be written a warning says so once, and the others are not written.
        """
        files: list[ArrayFile] | None = None if self.failed else []
        try:
            self.folder.parent.mkdir(exist_ok=True)  # it may have been removed since the last fit
            self.folder.mkdir(exist_ok=True)
        except OSError as error:
            files = None
            self._fail(f"cannot make the folder '{self.folder}': {error.strerror or error}")
        for part in read():
            kept = with_rounded_noise(part) if self.halved else part
            del part
            if files is not None:
                try:
                    files.append(write_part(self._path(len(files)), kept, halved=self.halved))
                except OutputError as error:
                    files = None
                    self._fail(str(error))
            yield kept
            del kept
        if files is not None:
            self._finish(files)

    def _finish(self, files: list[ArrayFile]) -> None:
        """Write the header: only then are the parts used."""
        header = {"format": FORMAT, "format_version": VERSION, **self.description, "parts": files}
        try:
            with atomic_write(self.folder / HEADER, overwrite=True) as temporary:
                temporary.write_text(json.dumps(header, indent=1), encoding="utf-8")
        except OutputError as error:
            self._fail(str(error))
            return
        self.files, self.checked = files, set(range(len(files)))

    def _fail(self, why: str) -> None:
        """Write nothing in later passes, and warn of it once."""
        if not self.failed:
            warnings.warn(f"{why}; the fit goes on without its packed cache", XdgmmWarning, stacklevel=2)
        self.failed = True
