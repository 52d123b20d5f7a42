"""Checkpoints: a long fit writes the results of its passes to a file, and goes on from there when it is run again.

A checkpoint is the log of the passes over all objects.  A fit that is resumed runs from its beginning and takes from
the log what was computed before: it ends with the same result as one that was never ended, whatever the solver and
the source of the data.  Starts and iterations on samples are computed again; they need no pass over all objects.

The file is a line of JSON (format, version, data, settings, seed), the log, and a checksum of everything before it.
"""

from __future__ import annotations

import hashlib
import json
import time
import warnings
from contextlib import contextmanager, suppress
from dataclasses import fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from xdgmm.basics.digests import SIZE, digest
from xdgmm.errors import InputError, OutputError, XdgmmWarning
from xdgmm.files import atomic_write, check_output, write_lock
from xdgmm.files.writing import remove
from xdgmm.observations import Observations

from .problem import PASS_LOG

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from os import PathLike

    from xdgmm.mixture import GaussianMixture

    from .problem import AnyObservations
    from .settings import Settings

FORMAT, VERSION = "xdgmm checkpoint", 1
T = TypeVar("T", bound="AnyObservations")
INTERVAL = 120.0  # seconds between two writings
BEGIN_ANEW = "or begin anew with another name"


class Checkpoint:
    """The log of the passes of a fit, in a file: a `PassLog`.

    Parameters
    ----------
    path : Path
    header : dict
        What the fit is of: data, settings, seed, version.
    passes : dict
        Results of passes so far, by their keys.
    """

    def __init__(self, path: Path, header: dict[str, Any], passes: dict[bytes, bytes] | None = None) -> None:
        self.path, self.header = path, header
        self.passes = {} if passes is None else passes
        self._n_written, self._written = len(self.passes), time.monotonic()

    @property
    def seed(self) -> int:
        """Seed of the random starts."""
        return int(self.header["seed"])

    def get(self, key: bytes) -> bytes | None:
        """The result of a pass, or None if it was not made yet."""
        return self.passes.get(key)

    def add(self, key: bytes, result: bytes) -> None:
        """Keep the result of a pass; the file is written if the last time is long ago."""
        self.passes[key] = result
        if time.monotonic() - self._written >= INTERVAL:
            self.save()

    def save(self) -> None:
        """Write what is new; where that fails, a warning says so, and the file remains as it was."""
        if len(self.passes) == self._n_written:
            return
        try:
            self.write()
        except OutputError as error:
            warnings.warn(
                f"{error}; the fit goes on, and the checkpoint stays as it was last written", XdgmmWarning, stacklevel=2
            )
            self._written = time.monotonic()

    def write(self) -> None:
        """Write the file, whole or not at all.

        Raises
        ------
        OutputError
            If that fails.
        """
        checksum = hashlib.blake2b(digest_size=SIZE)
        with atomic_write(self.path, overwrite=True) as temporary, temporary.open("wb") as stream:
            for piece in self._pieces():
                checksum.update(piece)
                stream.write(piece)
            stream.write(checksum.digest())
        self._n_written, self._written = len(self.passes), time.monotonic()

    def _pieces(self) -> Iterator[bytes]:
        yield json.dumps(self.header).encode() + b"\n"
        for key, result in self.passes.items():
            yield key + len(result).to_bytes(8, "little") + result

    @classmethod
    def read(cls, path: Path) -> Checkpoint:
        """Read a file.

        Raises
        ------
        InputError
            If it cannot be read, is damaged, no checkpoint, or of a newer format.
        """
        try:
            content = path.read_bytes()
        except OSError as error:
            raise InputError(f"cannot read the checkpoint '{path}': {error.strerror or error}") from None
        line, _, _ = content.partition(b"\n")
        header: dict[str, Any] = {}
        with suppress(ValueError):
            header = json.loads(line)
        if not isinstance(header, dict) or header.get("format") != FORMAT:
            raise InputError(f"'{path}' is no checkpoint of xdgmm, or its beginning is damaged; give another file")
        if header.get("format_version") != VERSION:
            raise InputError(
                f"the checkpoint '{path}' has format {header.get('format_version')}, and this version of xdgmm reads "
                f"{VERSION}; resume with the version that wrote it ({header.get('xdgmm')})"
            )
        body, checksum = content[:-SIZE], content[-SIZE:]
        if hashlib.blake2b(body, digest_size=SIZE).digest() != checksum:
            raise InputError(f"the checkpoint '{path}' is damaged or incomplete; remove it and begin anew")
        return cls(path, header, dict(_passes(body[len(line) + 1 :])))

    def check(self, header: Mapping[str, Any]) -> None:
        """Refuse to resume another fit.

        Raises
        ------
        InputError
            That says in what it differs.
        """
        mine = self.header
        if mine["xdgmm"] != header["xdgmm"]:
            raise InputError(
                f"the checkpoint '{self.path}' was written by xdgmm {mine['xdgmm']}, and this is {header['xdgmm']}, "
                f"whose fits may take another way; resume with that version, {BEGIN_ANEW}"
            )
        if mine["data"] != header["data"]:
            raise InputError(
                f"the checkpoint '{self.path}' is of other data; give those that it was written for, {BEGIN_ANEW}"
            )
        own, given = mine["settings"], header["settings"]
        other = [f"`{name}`" for name in sorted({*own, *given}) if own.get(name) != given.get(name)]
        if header["seed"] not in (None, mine["seed"]):
            other.append("`random_state`")
        if other:
            raise InputError(
                f"the checkpoint '{self.path}' is of a fit with other {', '.join(other)}; give the same values, "
                f"{BEGIN_ANEW}"
            )


def _passes(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 0
    while place < len(body):
        start = place + SIZE + 8
        end = start + int.from_bytes(body[start - 8 : start], "little")
        yield body[place : place + SIZE], body[start:end]
        place = end


@contextmanager
def recorded(
    observations: T,
    path: str | PathLike[str],
    settings: Mapping[str, Any],
    seed: int | None,
    *,
    resume: bool = False,
    overwrite: bool = False,
) -> Iterator[tuple[T, int]]:
    """Context in which the passes of fits are recorded in a file, which is written as often as `INTERVAL` says.

    It is written at the beginning, and when the context ends, in whatever way; one without passes is removed then.

    Parameters
    ----------
    observations : Observations or StreamedObservations
    path : path
    settings : mapping
        Everything on which the result depends besides data and seed; `description_of_fit` makes it.
    seed : int or None
        Of the random starts; None draws one, or takes that of the file.
    resume : bool
        Go on from the file?
    overwrite : bool
        Replace a file of this name when a fit begins anew?

    Yields
    ------
    observations
        The same ones: the passes over those which the context yields are recorded.
    seed : int

    Raises
    ------
    InputError
        If the file is that of another fit, or cannot be read.
    OutputError
        If it exists and may not be replaced, cannot be written, or is being written by another process.
    """
    path = Path(path)
    header = {
        "format": FORMAT,
        "format_version": VERSION,
        "xdgmm": version("xdgmm"),
        "data": _identity(observations),
        "settings": _digests({**settings, **_reading(observations)}),
        "seed": seed,
    }
    _check_file(path, resume=resume, overwrite=overwrite)
    with write_lock(path):
        _check_file(path, resume=resume, overwrite=overwrite)  # again: now no other process makes it
        if resume:
            checkpoint = Checkpoint.read(path)
            checkpoint.check(header)
        else:
            checkpoint = Checkpoint(path, {**header, "seed": _drawn() if seed is None else seed})
            checkpoint.write()
        copy = replace(observations)
        copy.memo[PASS_LOG] = checkpoint
        try:
            yield copy, checkpoint.seed
        finally:
            checkpoint.save()
            if not (checkpoint.passes or resume):
                remove(path)


def _check_file(path: Path, *, resume: bool, overwrite: bool) -> None:
    """Refuse a file that is missing, exists already, or cannot be written."""
    if resume and not path.exists():
        raise InputError(f"there is no checkpoint '{path}' to resume; correct the name, or begin without `resume`")
    if path.is_file() and not (resume or overwrite):
        raise OutputError(
            f"the checkpoint '{path}' exists already; go on from it with `resume=True`, or give another name"
        )
    check_output(path, overwrite=resume or overwrite)


def _drawn() -> int:
    return int(np.random.SeedSequence().generate_state(1)[0])


def _identity(observations: AnyObservations) -> str:
    """What the data are: values, noise and weights (their hash), names and units."""
    named = observations.names, observations.units, len(observations)
    return f"{observations.data_hash} {digest(*named).hex()}"


def _reading(observations: AnyObservations) -> dict[str, Any]:
    """Of a stream, the memory, on which its blocks and its sample depend."""
    return {} if isinstance(observations, Observations) else {"memory": float(observations.memory)}


def _digests(settings: Mapping[str, Any]) -> dict[str, str]:
    try:
        return {name: digest(value).hex() for name, value in settings.items()}
    except TypeError as error:
        raise InputError(
            f"a checkpoint cannot say whether a function of your own is the same when the fit is resumed ({error}); "
            "fit without `checkpoint`"
        ) from None


def description_of_fit(settings: Settings, n_components: Any) -> dict[str, Any]:
    """Everything in the settings of a fit on which its result depends, by the names of arguments of `XDGMM`."""
    model = {name: value for name, value in vars(settings.model).items() if name != "known_memberships"}
    return {
        "n_components": n_components,
        "solver": settings.solver,
        "tol": float(settings.stopping.tolerance),
        "max_iter": int(settings.stopping.max_passes),
        "n_init": int(settings.n_init),
        "init": (settings.init, settings.start and _of_start(settings.start)),
        **model,
    }


def _of_start(start: GaussianMixture) -> tuple[Any, ...]:
    """A mixture without the record of the fit that it may come from."""
    return tuple(getattr(start, each.name) for each in fields(start) if each.name != "record")
