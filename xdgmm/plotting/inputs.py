"""What a picture is made of: a mixture, what was measured, and the columns to show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtr

from xdgmm.diagnostics.inputs import mixture_and_model
from xdgmm.errors import InputError
from xdgmm.kernels import NoiseMixture
from xdgmm.observations.inputs import as_observations
from xdgmm.text import printable

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations
    from xdgmm.observations.inputs import Measurements

    Floats = NDArray[np.float64]

TAIL = 0.15865525393145707  # probability below one standard deviation under the mean of a Gaussian
FAR, HALVINGS = 10.0, 50  # standard deviations from the mean that an error bar may reach, and steps to its end


def drawn(
    model: Any,
    X: Measurements,
    Xerr: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    columns: str | Sequence[str] | None = None,
    numbers: tuple[int, ...] = (),
    measured: str | None = None,
) -> tuple[GaussianMixture, Observations, list[int]]:
    """The mixture, what was measured, and the places of the columns to show.

    Parameters
    ----------
    model, X, Xerr, sample_weight, columns
        As the functions that draw pictures take them.
    numbers : tuple of int
        How many columns the picture can show; any number by default.
    measured : str, optional
        What the picture shows that needs measured columns, which projections have not.

    Raises
    ------
    InputError
        If it cannot be drawn: see `mixture_of`, `drawn_observations` and `chosen_columns`; or because of projections.
    """
    mixture = mixture_of(model)
    observations = drawn_observations(mixture, X, Xerr, sample_weight)
    if measured is not None and observations.projections is not None:
        raise InputError(
            f"the observations are projections: the columns were not measured, so {measured} cannot be drawn"
        )
    return mixture, observations, chosen_columns(columns, mixture, numbers)


def mixture_of(model: Any) -> GaussianMixture:
    """The mixture of a fitted estimator, of a fit's result, or itself.

    Raises
    ------
    InputError
        If the estimator is not fitted, or it is none of these.
    """
    return mixture_and_model(model)[0]


def drawn_observations(
    mixture: GaussianMixture, X: Measurements, Xerr: ArrayLike | None, sample_weight: ArrayLike | None
) -> Observations:
    """The rows that count in a fit, in the units of the mixture.

    Raises
    ------
    InputError
        If X cannot be used, has not the coordinates of the mixture, or has units that do not convert to those of the
        mixture.
    """
    observations = as_observations(X, Xerr, sample_weight, mixture.names)
    D = mixture.n_dimensions
    if observations.n_dimensions != D:
        raise InputError(
            f"X has {observations.n_dimensions} coordinates, but the mixture has {D} ({', '.join(mixture.names)}); "
            "give the data it was fitted to"
        )
    return observations.select(observations.counts).in_units(mixture.units)


def measured_values(observations: Observations, place: int) -> tuple[Floats, Floats, Floats]:
    """Values, noise variances and weights of the objects that have a value; none where there are projections."""
    if observations.projections is not None:
        return (np.empty(0),) * 3
    seen = observations.present[:, place]
    return (
        observations.values[seen, place],
        observations.variances_of(place)[seen],
        observations.object_weights[seen],
    )


def rows_of_noise(observations: Observations, place: int) -> tuple[Floats, Floats, Floats] | None:
    """Means, variances and weights of the Gaussians of the noise of one column; None where each object has one.

    Likelihoods that are no noise have none either: their variances are shown.
    """
    noise = observations.noise_model
    if not isinstance(noise, NoiseMixture) or not noise.can_be_drawn:
        return None
    seen = observations.present[:, place]
    noise, weights = noise.select(seen), observations.object_weights[seen]
    return noise.shifts[:, place], noise.parts.variances_of(place), noise.weights * weights[noise.owners]


def error_bars(observations: Observations, place: int) -> Floats:
    """Lengths of the error bars below and above each value (2, N).

    They end where the measurement alone leaves 16% for the true value, on each side; of Gaussian noise they are its
    standard errors.
    """
    noise = observations.noise_model
    if not isinstance(noise, NoiseMixture):
        errors = np.sqrt(observations.variances_of(place))
        return np.stack([errors, errors])
    means, sigmas = -noise.shifts[:, place], np.sqrt(noise.parts.variances_of(place))
    reach = FAR * np.sqrt(np.where(observations.present[:, place], noise.variances_of(place), 0.0))
    low, high = np.stack([-reach, -reach]), np.stack([reach, reach])
    tails, owners = np.array([[TAIL], [1.0 - TAIL]]), noise.owners
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        with np.errstate(divide="ignore", invalid="ignore"):
            below = ndtr(np.nan_to_num((middle[:, owners] - means) / sigmas))
        reached = np.stack([noise.averages(each) for each in below]) >= tails
        low, high = np.where(reached, low, middle), np.where(reached, middle, high)
    return np.asarray(np.maximum(high * [[-1.0], [1.0]], 0.0))


def chosen_columns(
    columns: str | Sequence[str] | None, mixture: GaussianMixture, numbers: tuple[int, ...] = ()
) -> list[int]:
    """Places of the columns to show: those that are named, or all; `numbers` are how many there may be.

    Raises
    ------
    InputError
        If a name is not one of the mixture, is repeated, or there are not so many.
    """
    names = mixture.names
    wanted = list(names) if columns is None else [columns] if isinstance(columns, str) else list(columns)
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise InputError(
            f"`columns` names {printable(repr(unknown[0]))}, but the mixture has {printable(', '.join(names))}"
        )
    if len(set(wanted)) < len(wanted) or not wanted:
        raise InputError(f"`columns` is {wanted}, but it must name each column once")
    if numbers and len(wanted) not in numbers:
        how_many = " or ".join("one column" if number == 1 else f"{number} columns" for number in numbers)
        raise InputError(
            f"this picture shows {how_many}, but `columns` names {len(wanted)}; choose among "
            f"{printable(', '.join(names))}"
            if columns is not None
            else f"this picture shows {how_many}, but the mixture has {len(wanted)}; choose with `columns`, among "
            f"{printable(', '.join(names))}"
        )
    return [names.index(name) for name in wanted]


def typical_noise(observations: Observations, places: Sequence[int]) -> Floats | None:
    """Noise covariance of a typical object: median errors and median correlations; None where all are exact.

    Parameters
    ----------
    observations : Observations
        Without projections.
    places : sequence of int
        Of the columns.
    """
    rows = observations.present[:, list(places)].all(axis=1)
    if not rows.any():
        return None
    covariances = observations.select(rows).noise_covariances[:, places][:, :, places]
    errors = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
    if not errors.any():
        return None
    products = errors[:, :, None] * errors[:, None, :]
    correlations = np.divide(covariances, products, out=np.zeros_like(covariances), where=products > 0)
    typical, correlation = np.median(errors, axis=0), np.median(correlations, axis=0)
    np.fill_diagonal(correlation, 1.0)
    covariance: Floats = correlation * typical[:, None] * typical
    return covariance
