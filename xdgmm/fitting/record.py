"""What is kept of a fit beside its mixture: the `FitRecord`, and the model that can be made from it again."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version

import numpy as np

from xdgmm.mixture import FitRecord
from xdgmm.observations import fingerprint

from .model import Fixed, Model
from .priors import PARTS, Dirichlet, InverseWishart, Normal, Prior


def with_record(result, observations):
    """The result of a fit whose mixture has its record."""
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
        data_hash=fingerprint(observations),
        version=_version(),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return replace(result, mixture=result.mixture.with_record(record))


@cache
def _version():
    return version("xdgmm")


def model_of(mixture):
    """The model that a mixture was fitted as, by its record; without one, what it looks like (`Model.shown_by`)."""
    if mixture.record is None:
        return Model.shown_by(mixture)
    described = mixture.record.model
    fixed = Fixed(**{name: tuple(which) for name, which in described["fixed"].items()})
    return Model(described["covariance_type"], fixed, _prior(described["prior"]), mixture.background)


def _described(model, mixture):
    """A model in plain values, its prior in the units of the mixture."""
    fixed = {name: list(getattr(model.fixed, name)) for name in PARTS}
    prior = None if model.prior is None else _described_prior(model.prior, mixture)
    return {"covariance_type": model.covariance_type, "fixed": fixed, "prior": prior}


def _described_prior(prior, mixture):
    K, D = mixture.means.shape
    parts = {}
    if prior.weights is not None:
        parts["weights"] = {"concentration": prior.weights.arrays(mixture.all_weights.size)}
    if prior.means is not None:
        mean, covariance = prior.means.arrays(K, D, mixture.units)
        parts["means"] = {"mean": mean, "covariance": covariance}
    if prior.covariances is not None:
        scale, nu = prior.covariances.arrays(K, D, mixture.units)
        parts["covariances"] = {"scale": scale, "degrees_of_freedom": nu}
    return {name: {key: np.asarray(value).tolist() for key, value in part.items()} for name, part in parts.items()}


def _prior(described):
    if described is None:
        return None
    kinds = dict(zip(PARTS, (Dirichlet, Normal, InverseWishart), strict=True))
    return Prior(**{name: kinds[name](**part) for name, part in described.items()})
