"""A mixture some of whose coordinates are given: what is left of it, and reading what the user gave."""

import numpy as np

from xdgmm.basics.arrays import LARGEST, as_floats, list_rows, too_large
from xdgmm.basics.units import difference_unit
from xdgmm.errors import InputError

from .conditional import ConditionalMixtures
from .conditioning import component_weights, conditioned


def condition(mixture, given):
    """The other coordinates of a mixture: a mixture where numbers are given, `ConditionalMixtures` where arrays are."""
    places, values, errors, of_many = given_values(mixture, given)
    others = [i for i in range(mixture.n_dimensions) if i not in places]
    errors = errors[:1] if (errors == errors[:1]).all() else errors
    noise = np.eye(len(places)) * errors[:, :, None] ** 2
    R = np.eye(mixture.n_dimensions)[places]
    parts = [conditioned(m, V, values, noise, R) for m, V in zip(mixture.means, mixture.covariances, strict=True)]
    means = [part.means[:, others] for part in parts]
    covariances = [part.covariances[:, others][:, :, others] for part in parts]
    log_densities, n_flat = [part.log_densities for part in parts], [part.n_flat for part in parts]
    background = mixture.background
    if background is not None:
        rest = background.marginal(others)
        means.append(np.broadcast_to(rest.mean, means[0].shape))
        covariances.append(np.diag(rest.variances)[None])
        log_densities.append(background.marginal(places).log_density_of_seen(values))
        n_flat.append(np.zeros(1))
    with np.errstate(divide="ignore"):
        log_weights = np.log(mixture.shares) + np.stack(log_densities, axis=1)
    weights = component_weights(log_weights, np.stack(np.broadcast_arrays(*n_flat), axis=1))
    covariances = np.stack(np.broadcast_arrays(*covariances), axis=1)
    result = ConditionalMixtures(
        weights,
        np.stack(means, axis=1),
        np.broadcast_to(covariances, (len(values), *covariances.shape[1:])),
        tuple(mixture.names[i] for i in others),
        tuple(mixture.units[i] for i in others),
        None if background is None else np.ones((len(values), len(others)), bool),
    )
    return result if of_many else result[0]


def given_values(mixture, given):
    """What is known of a mixture's coordinates: their places, values and 1-sigma errors (N, M), and whether of many.

    Raises
    ------
    InputError
        If a name is not known, all are given, or a value or error cannot be used.
    """
    if not isinstance(given, dict):
        raise InputError(f'`given` is {given!r}, but a dict of names and values is needed, as {{"redshift": 0.5}}')
    places = chosen(mixture.names, given)
    if len(places) == mixture.n_dimensions:
        raise InputError("every coordinate is given, so none is left to describe; leave out at least one")
    pairs = [_value_and_error(name, given[name], mixture.units[i]) for i, name in zip(places, given, strict=True)]
    try:
        arrays = np.broadcast_arrays(*(array for pair in pairs for array in pair))
    except ValueError:
        sizes = [f"{name}: {value.size} and {error.size}" for name, (value, error) in zip(given, pairs, strict=True)]
        raise InputError(
            f"the given values and errors have different lengths ({', '.join(sizes)}); give one number, or one for "
            "each object"
        ) from None
    columns = np.atleast_2d(np.stack(arrays, axis=-1))
    return places, *_checked(given, columns[:, 0::2], columns[:, 1::2]), arrays[0].ndim > 0


def _value_and_error(name, entry, unit):
    value, error = entry if isinstance(entry, tuple) and len(entry) == 2 else (entry, 0.0)
    value = _numbers(value, f"the given '{name}'", unit)
    return value, _numbers(error, f"the error of the given '{name}'", difference_unit(unit))


def _checked(names, values, errors):
    """Values and errors (N, M); NaN and 0 where a value is missing, by its own mark or an infinite error."""
    for name, value, error in zip(names, values.T, errors.T, strict=True):
        infinite = np.abs(value) > LARGEST
        if infinite.any():
            what = f"the given '{name}' is {too_large(value)} in {_rows(infinite)}"
            raise InputError(f"{what}; use NaN if it is not known")
        bad = np.isfinite(value) & ~(error >= 0)
        if bad.any():
            raise InputError(
                f"the error of the given '{name}' is negative or NaN in {_rows(bad)}; give its 1-sigma error"
            )
    missing = np.isnan(values) | (errors > LARGEST)
    return np.where(missing, np.nan, values), np.where(missing, 0.0, errors)


def _rows(bad):
    return list_rows(np.flatnonzero(bad))


def _numbers(value, called, unit):
    own = getattr(value, "unit", None)
    if own is not None and unit is None:
        raise InputError(f"{called} has the unit {own}, but the coordinate has none; give plain numbers")
    numbers = as_floats(value, called, unit)[0]
    if numbers.ndim > 1 or numbers.size == 0:
        raise InputError(f"{called} has shape {numbers.shape}, but one number is needed, or one for each object")
    return numbers


def chosen(names, wanted):
    """Where the wanted names (one, or several) stand among the names.

    Raises
    ------
    InputError
        If one is not there, is repeated, or there is none.
    """
    if not np.iterable(wanted):
        raise InputError(f"{wanted!r} is no name of a coordinate; name some of {', '.join(names)}")
    wanted = (wanted,) if isinstance(wanted, str) else tuple(wanted)
    for name in wanted:
        if name not in names:
            raise InputError(f"the mixture has no coordinate {name!r}; its coordinates are {', '.join(names)}")
    if not wanted or len(set(wanted)) < len(wanted):
        raise InputError(f"name at least one coordinate, and each once, of {', '.join(names)}")
    return [names.index(name) for name in wanted]
