"""Chains on disk: one HDF5 file, which is replaced by a complete new one each time the chain is saved.

The file has the layout of emcee's own backend (`emcee.backends.HDFBackend` reads it), and a hash of what was sampled:
the data, the model, the fit and the prior.  The user block, which HDF5 leaves to its users, stands before the file
proper and holds a digest of all bytes after it: a file that was cut or changed is refused before HDF5 reads it, which
does not end for some kinds of damage.  The chain is written to a temporary file that then takes the place of the old
one, so that a run which is killed leaves a complete file.  Two processes cannot write the same chain.

Files of version 0.1 have no digest: their shapes and numbers are checked, and the log-posterior of some of their steps.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xdgmm.errors import InputError, XdgmmWarning, reraise_lack_of_memory
from xdgmm.files import atomic_write, check_output, write_lock
from xdgmm.fitting import FitResult
from xdgmm.kernels import NoiseMixture
from xdgmm.mixture.selection_functions import described
from xdgmm.observations import Observations

from .priors import ResolvedPrior

if TYPE_CHECKING:
    from .memory import Memory

EXISTING = ("refuse", "resume", "overwrite")
CHAIN_SUFFIXES = (".h5", ".hdf5")
GROUP = "mcmc"
HDF5 = b"\x89HDF\r\n\x1a\n"  # what a file without a user block begins with
USER_BLOCK, TITLE = 512, b"chain of xdgmm, digest "  # length, and what it begins with
N_COMPARED = 10  # steps of a chain without a digest whose log-posterior is computed again
SAME = 1e-6  # relative difference of log-posteriors that is rounding

Density = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def hash_of_posterior(result: FitResult, observations: Observations, prior: ResolvedPrior) -> str:
    """SHA-256 of everything that decides the posterior, as text.

    Files of version 0.1 have it: what goes into it, and how the prior prints itself, must not change.
    """
    found = hashlib.sha256()
    model, mixture = result.model, result.mixture
    background = None if mixture.background is None else mixture.background.box
    texts = (observations.names, observations.units, model.covariance_type, model.fixed, str(prior), prior.sigmas)
    found.update(repr([str(text) for text in texts]).encode())
    arrays = (observations.values, observations.noise, observations.weights, observations.projections)
    prior_arrays = (prior.concentration, prior.centre, prior.covariance, *vars(prior.sigmas).values())
    edges = () if background is None else background
    known = () if observations.memberships is None else (observations.memberships,)
    if mixture.background is not None and mixture.background.of == "true values":  # which version 0.1 did not have
        found.update(mixture.background.of.encode())
    if model.selection_function is not None:
        found.update(str(described(model.selection_function)).encode())
    limits = () if observations.limits is None else (observations.limits,)
    noise, present = observations.noise_model, observations.present
    rows = noise.arrays_where_present(present) if isinstance(noise, NoiseMixture) else ()
    beside = (*limits, *known, *rows)
    for array in (*arrays, *beside, mixture.all_weights, mixture.means, mixture.covariances, *prior_arrays, *edges):
        _add(found, array)
    return found.hexdigest()


def _add(found: Any, array: NDArray[Any] | None) -> None:
    if array is None:
        found.update(b"none")
        return
    found.update(str(array.shape).encode())
    found.update(np.ascontiguousarray(array, dtype=float))


@dataclass(frozen=True, eq=False)
class Contents:
    """What a file of a chain holds.

    Attributes
    ----------
    chain : ndarray (n_steps, W, P)
    log_posterior : ndarray (n_steps, W)
    accepted : ndarray (W,)
        How many proposals of each walker were accepted.
    random_state : tuple
        State of a ``numpy.random.RandomState``, with which a resumed chain is the one it would have been uninterrupted.
    posterior_hash : str
        `hash_of_posterior` of what was sampled.
    """

    chain: NDArray[np.float64]
    log_posterior: NDArray[np.float64]
    accepted: NDArray[np.float64]
    random_state: tuple[str, NDArray[Any], int, int, float]
    posterior_hash: str

    def check(self) -> None:
        """Raise ValueError where the parts cannot be those of a chain."""
        if self.chain.ndim != 3 or 0 in self.chain.shape:
            raise ValueError(f"its chain has shape {self.chain.shape}")
        n_steps, n_walkers, _ = self.chain.shape
        if self.log_posterior.shape != (n_steps, n_walkers) or self.accepted.shape != (n_walkers,):
            raise ValueError("its parts are of different numbers of steps or walkers")
        if not all(np.isfinite(array).all() for array in (self.chain, self.log_posterior)):
            raise ValueError("its numbers are not finite")
        if not ((self.accepted >= 0) & (self.accepted <= n_steps)).all():
            raise ValueError("more proposals were accepted than made")
        np.random.RandomState().set_state(self.random_state)  # raises ValueError or TypeError


def read_contents(path: Path) -> tuple[Contents, bool]:
    """Contents of a file, and whether it has a digest.

    Raises
    ------
    Exception
        Of any kind, if the file is damaged or something else.
    """
    content = path.read_bytes()
    has_digest = not content.startswith(HDF5)
    if has_digest and content[:USER_BLOCK] != _user_block(content[USER_BLOCK:]):
        raise ValueError("its bytes are not those that were written")
    with _h5py().File(io.BytesIO(content), "r") as file:
        group = file[GROUP]
        attributes = dict(group.attrs)
        chain, log_posterior, accepted = (
            _array(group[name], len(content)) for name in ("chain", "log_prob", "accepted")
        )
    parts = [attributes[f"random_state_{i}"] for i in range(5)]
    state = (str(parts[0]), np.asarray(parts[1]), int(parts[2]), int(parts[3]), float(parts[4]))
    return Contents(chain, log_posterior, accepted, state, str(attributes["xdgmm_hash"])), has_digest


def _user_block(rest: bytes) -> bytes:
    """What stands before these bytes of a file."""
    return (TITLE + hashlib.blake2b(rest, digest_size=16).hexdigest().encode() + b"\n").ljust(USER_BLOCK, b"\0")


def _array(dataset: Any, most: int) -> NDArray[np.float64]:
    """The numbers of a dataset, which cannot take more bytes than the file."""
    if dataset.nbytes > most:
        raise ValueError(f"its array '{dataset.name}' is larger than the file")
    return np.asarray(dataset[...], dtype=np.float64)


@contextmanager
def chain_file(path: str | PathLike[str], existing: str, posterior_hash: str, prior: str) -> Iterator[ChainFile]:
    """Context with a `ChainFile`, which no other process can have at the same time.

    Parameters
    ----------
    path : path
    existing : str
        What to do with a file that exists: "refuse", "resume" or "overwrite".
    posterior_hash : str
        `hash_of_posterior` of what is sampled.
    prior : str
        In words, for those who read the file.

    Raises
    ------
    InputError
        If the file cannot be written, exists and must not, another process writes it, or h5py is missing.
    """
    if existing not in EXISTING:
        raise InputError(f"`existing` is {existing!r}, but it must be one of {', '.join(EXISTING)}")
    _h5py()
    check_output(path, overwrite=True, suffixes=CHAIN_SUFFIXES)
    with write_lock(path):
        yield ChainFile(Path(path), existing, posterior_hash, prior)


class ChainFile:
    """A chain in a file; see `chain_file`."""

    def __init__(self, path: Path, existing: str, posterior_hash: str, prior: str) -> None:
        if path.exists() and existing == "refuse":
            raise InputError(
                f"`backend` '{path}' exists already; continue it with `existing='resume'`, replace it with "
                "`existing='overwrite'`, or choose another name"
            )
        self.path, self.hash, self.prior = path, posterior_hash, prior
        self.overwrite = path.exists()
        self.resuming = self.overwrite and existing == "resume"

    def load(self, memory: Memory, size: int, log_posterior: Density) -> None:
        """Fill the memory with the chain of the file, of P = `size` coordinates.

        Raises
        ------
        InputError
            If the file is damaged, was not written by xdgmm, or holds the chain of something else.
        """
        from .memory import Progress

        try:
            contents, has_digest = read_contents(self.path)
            contents.check()
        except Exception as error:
            reraise_lack_of_memory(error)
            reason = " ".join(str(error).split())[:150]
            raise InputError(
                f"`backend` '{self.path}' is no chain of xdgmm, or it is damaged ({reason}); give another name, or "
                "replace it with `existing='overwrite'`"
            ) from error
        if contents.posterior_hash != self.hash or contents.chain.shape[2] != size:
            raise InputError(
                f"`backend` '{self.path}' holds the chain of other data, another model, fit or prior; give "
                "another name (fits from random starts differ in their last digits: set `random_state`)"
            )
        if not has_digest:
            self._compare(contents, log_posterior)
        progress = Progress(len(contents.chain), contents.accepted, contents.random_state)
        memory.fill(contents.chain, contents.log_posterior, progress)

    def _compare(self, contents: Contents, log_posterior: Density) -> None:
        """Compute the log-posterior of some steps again, where nothing else tells whether the file was changed."""
        for step in np.unique(np.linspace(0, len(contents.chain) - 1, N_COMPARED).astype(int)):
            stored, computed = contents.log_posterior[step], log_posterior(contents.chain[step])
            if not (np.abs(stored - computed) <= SAME * (1.0 + np.abs(stored))).all():
                raise InputError(
                    f"`backend` '{self.path}' is damaged (the log-posterior of step {step} is not that of its "
                    "coordinates); give another name, or replace it with `existing='overwrite'`"
                )
        warnings.warn(
            f"`backend` '{self.path}' was written by version 0.1, whose files have no digest: only some of its steps "
            "were checked; it has one when it is saved again",
            XdgmmWarning,
            stacklevel=2,
        )

    def save(self, memory: Memory) -> None:
        """Write the chain so far; an interrupted run leaves the file as it was."""
        n, accepted, state = memory.progress
        contents = Contents(memory.chain[:n], memory.log_prob[:n], accepted, state, self.hash)
        with atomic_write(self.path, overwrite=self.overwrite) as temporary:
            temporary.write_bytes(_as_hdf5(contents, self.prior))
        self.overwrite = True  # it is ours now


def _as_hdf5(contents: Contents, prior: str) -> bytes:
    """The bytes of a file: made in memory, since HDF5 itself does not report every error of a disk."""
    stream = io.BytesIO()
    with _h5py().File(stream, "w", userblock_size=USER_BLOCK) as file:
        group = file.create_group(GROUP)
        group["chain"], group["log_prob"] = contents.chain, contents.log_posterior
        group["accepted"] = contents.accepted
        n_steps, n_walkers, size = contents.chain.shape
        group.attrs.update(version="3", nwalkers=n_walkers, ndim=size, has_blobs=False, iteration=n_steps)
        group.attrs.update(xdgmm_hash=contents.posterior_hash, prior=prior)
        for i, part in enumerate(contents.random_state):
            group.attrs[f"random_state_{i}"] = part
    rest = stream.getvalue()[USER_BLOCK:]
    return _user_block(rest) + rest


def _h5py() -> Any:
    try:
        import h5py
    except ImportError:
        raise InputError("`backend` needs h5py, which is not installed; pip install 'xdgmm[mcmc]'") from None
    return h5py
