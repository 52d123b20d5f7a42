"""Chains on disk: one HDF5 file, which is replaced by a complete new one each time the chain is saved.

The file has the layout of emcee's own backend (`emcee.backends.HDFBackend` reads it), and a hash of what was sampled:
the data, the model, the fit and the prior.  The chain is written to a temporary file that then takes the place of the
old one, so that a run which is killed leaves a complete file.
"""

from __future__ import annotations

import hashlib
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xdgmm.errors import InputError
from xdgmm.files import atomic_write, check_output
from xdgmm.fitting import FitResult
from xdgmm.observations import Observations

from .priors import ResolvedPrior

EXISTING = ("refuse", "resume", "overwrite")
SUFFIXES = (".h5", ".hdf5")
GROUP = "mcmc"


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
    for array in (*arrays, mixture.all_weights, mixture.means, mixture.covariances, *prior_arrays, *edges):
        _add(found, array)
    return found.hexdigest()


def _add(found: Any, array: NDArray[Any] | None) -> None:
    if array is None:
        found.update(b"none")
        return
    found.update(str(array.shape).encode())
    found.update(np.ascontiguousarray(array, dtype=float))


class ChainFile:
    """A chain in a file.

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
        If the file cannot be written, exists and must not, is of something else, or h5py is missing.
    """

    def __init__(self, path: str | PathLike[str], existing: str, posterior_hash: str, prior: str) -> None:
        if existing not in EXISTING:
            raise InputError(f"`existing` is {existing!r}, but it must be one of {', '.join(EXISTING)}")
        _h5py()
        self.path, self.hash, self.prior = Path(path), posterior_hash, prior
        if self.path.is_file() and existing == "refuse":
            raise InputError(
                f"`backend` '{path}' exists already; continue it with `existing='resume'`, replace it with "
                "`existing='overwrite'`, or choose another name"
            )
        check_output(path, overwrite=True, suffixes=SUFFIXES)
        self.resuming = self.path.is_file() and existing == "resume"

    def load(self, backend: Any, size: int) -> None:
        """Fill an `emcee.backends.Backend` with the chain of the file, of P = `size` coordinates.

        Raises
        ------
        InputError
            If the file is damaged, was not written by xdgmm, or holds the chain of something else.
        """
        try:
            with _h5py().File(self.path, "r") as file:
                attributes = dict(file[GROUP].attrs)
                content = {name: file[GROUP][name][...] for name in ("chain", "log_prob", "accepted")}
                written_for = attributes["xdgmm_hash"]
        except (OSError, KeyError, ValueError) as error:
            raise InputError(f"`backend` '{self.path}' is no chain of xdgmm, or it is damaged ({error})") from None
        if written_for != self.hash or content["chain"].shape[2] != size:
            raise InputError(
                f"`backend` '{self.path}' holds the chain of other data, another model, fit or prior; give "
                "another name (fits from random starts differ in their last digits: set `random_state`)"
            )
        n_steps, n_walkers, _ = content["chain"].shape
        backend.reset(n_walkers, size)
        backend.chain, backend.log_prob, backend.accepted = content["chain"], content["log_prob"], content["accepted"]
        backend.iteration, backend.initialized = n_steps, True
        backend.random_state = _state_of(attributes)

    def save(self, backend: Any) -> None:
        """Write the chain so far; an interrupted run leaves the file as it was."""
        n = backend.iteration
        with atomic_write(self.path, overwrite=True) as temporary, _h5py().File(temporary, "w") as file:
            group = file.create_group(GROUP)
            group["chain"], group["log_prob"] = backend.chain[:n], backend.log_prob[:n]
            group["accepted"] = backend.accepted
            _, n_walkers, size = backend.chain.shape
            group.attrs.update(version="3", nwalkers=n_walkers, ndim=size, has_blobs=False, iteration=n)
            group.attrs.update(xdgmm_hash=self.hash, prior=self.prior)
            for i, part in enumerate(backend.random_state):
                group.attrs[f"random_state_{i}"] = part


def _state_of(attributes: dict[str, Any]) -> tuple[str, NDArray[Any], int, int, float]:
    """State of the random numbers, with which a resumed chain is the one it would have been uninterrupted."""
    parts = [attributes[f"random_state_{i}"] for i in range(5)]
    return (str(parts[0]), np.asarray(parts[1]), int(parts[2]), int(parts[3]), float(parts[4]))


def _h5py() -> Any:
    try:
        import h5py
    except ImportError:
        raise InputError("`backend` needs h5py, which is not installed; pip install 'xdgmm[mcmc]'") from None
    return h5py
