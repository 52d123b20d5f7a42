"""The record of a fit (`FitRecord`), and the model that is made from it again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.mixture import FitRecord
from xdgmm.observations import StreamedObservations

from .model import Fixed, Model
from .priors import PARTS, Dirichlet, InverseWishart, Normal, Prior

if TYPE_CHECKING:
    from xdgmm.kernels import DeviceWatch
    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations

    from .result import FitResult


ON_WORKERS = "workers"  # of a cluster: their devices are not known here


def with_record(result: FitResult, observations: Observations | StreamedObservations, device: DeviceWatch) -> FitResult:
    """The result of a fit, with a mixture that has its record; the device was watched since the fit began."""
    is_on_workers = isinstance(observations, StreamedObservations) and observations.is_on_workers
    record = FitRecord(
        model=_described(result.model, result.mixture),
        n_objects=result.n_objects,
        total_weight=result.total_weight,
        log_likelihood=result.log_likelihood,
        log_priors=result.log_priors,
        n_parameters=int(result.n_parameters),
        outcome=result.outcome.value,
        converged=result.converged,
        remarks=observations.remarks,
        data_hash=observations.data_hash,
        version=_version(),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        device=ON_WORKERS if is_on_workers else device.in_words(),
    )
    return replace(result, mixture=result.mixture.with_record(record))


def with_recipe(result: FitResult, call: str) -> FitResult:
    """The result of a fit, whose record says by which call or command it is repeated, and the version.

    Parameters
    ----------
    result : FitResult
    call : str
        Python code, or a command.
    """
    record = result.mixture.record
    if record is None:
        return result
    recipe = f"{call}  # xdgmm {record.version}"
    return replace(result, mixture=result.mixture.with_record(replace(record, recipe=recipe)))


@cache
def _version() -> str:
    return version("xdgmm")


def model_of(mixture: GaussianMixture) -> Model:
    """The model of a fitted mixture, from its record; without one it is inferred (`Model.inferred_from`)."""
    if mixture.record is None:
        return Model.inferred_from(mixture)
    described = mixture.record.model
    fixed = Fixed(**{name: tuple(which) for name, which in described["fixed"].items()})
    family, dof = described.get("family", "gaussian"), described.get("dof")
    dof = tuple(dof) if isinstance(dof, list) else dof
    known, prior = described.get("memberships") == "known", _prior(described["prior"])
    beside: dict[str, Any] = {
        "background": mixture.background,
        "family": family,
        "dof": dof,
        "flat": mixture.flat,
        "known_memberships": known,
        "selection_function": described.get("selection_function"),
    }
    return Model(described["covariance_type"], fixed, prior, **beside)


def _described(model: Model, mixture: GaussianMixture) -> dict[str, Any]:
    """A model in plain values, its prior in the units of the mixture."""
    fixed = {name: list(getattr(model.fixed, name)) for name in PARTS}
    prior = None if model.prior is None else _described_prior(model.prior, mixture)
    described: dict[str, Any] = {"covariance_type": model.covariance_type, "fixed": fixed, "prior": prior}
    if model.family != "gaussian":
        described |= {"family": model.family, "dof": model.dof}
    if model.selection_function is not None:
        described["selection_function"] = model.selection_function
    return {**described, "memberships": "known"} if model.known_memberships else described


def _described_prior(prior: Prior, mixture: GaussianMixture) -> dict[str, dict[str, Any]]:
    K, D = mixture.means.shape
    parts: dict[str, dict[str, Any]] = {}
    if prior.weights is not None:
        parts["weights"] = {"concentration": prior.weights.arrays(mixture.all_weights.size)}
    if prior.means is not None:
        mean, covariance = prior.means.arrays(K, D, mixture.units)
        parts["means"] = {"mean": mean, "covariance": covariance}
    if prior.covariances is not None:
        scale, nu = prior.covariances.arrays(K, D, mixture.units)
        parts["covariances"] = {"scale": scale, "degrees_of_freedom": nu}
    return {name: {key: np.asarray(value).tolist() for key, value in part.items()} for name, part in parts.items()}


def _prior(described: dict[str, Any] | None) -> Prior | None:
    if described is None:
        return None
    kinds: dict[str, Any] = dict(zip(PARTS, (Dirichlet, Normal, InverseWishart), strict=True))
    return Prior(**{name: kinds[name](**part) for name, part in described.items()})
