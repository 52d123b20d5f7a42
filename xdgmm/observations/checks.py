"""Checks of the arrays that make up observations, once, when these are made."""

import numpy as np

from xdgmm.basics.arrays import CHUNK, LARGEST, label, list_rows
from xdgmm.basics.linalg import negative_eigenvalues
from xdgmm.errors import InputError

ROUNDING = 1e-8  # how far from symmetric or positive semi-definite a covariance may be, relative to its scale


def check_something_seen(values):
    """There must be a value somewhere."""
    if not np.isfinite(values).any():
        raise InputError("every value is missing (NaN or masked), so there is nothing to fit; check the columns")


def check_columns_seen(values, names):
    """Every column must have a value somewhere, or nothing can be learned about it."""
    seen = np.isfinite(values).any(axis=0)
    if not seen.all():
        empty = ", ".join(name for name, any_seen in zip(names, seen, strict=True) if not any_seen)
        raise InputError(f"every value of {empty} is missing (NaN or masked); leave that column out")


def check_weights(weights, n_objects, name="weights"):
    """Object weights (N,): finite, not negative, not all zero; `name` is what messages call them."""
    if weights.ndim == 2 and weights.shape[1] == 1:
        weights = weights[:, 0]
    name = label(name)
    if weights.shape != (n_objects,):
        raise InputError(f"{name} has shape {weights.shape}, but one weight per object is needed: ({n_objects},)")
    bad = ~(np.isfinite(weights) & (weights >= 0))
    if bad.any():
        raise InputError(
            f"{name} is negative or not finite in {list_rows(np.flatnonzero(bad))}; use 0 to leave an object out"
        )
    if not weights.any():
        raise InputError(f"{name} is zero for every object, so there is nothing to fit; give some a weight")
    return weights


def unusable_errors(standard_errors, present):
    """Where a value that is present has an error that is negative or NaN."""
    return present & ~(standard_errors >= 0)


def too_large_as_infinite(standard_errors):
    """The errors, with infinity for those that cannot be squared."""
    too_large = standard_errors > LARGEST
    return np.where(too_large, np.inf, standard_errors) if too_large.any() else standard_errors


def check_standard_errors(standard_errors, values):
    """1-sigma errors (N, D) of the values; returns (errors, values) with values of infinite error missing."""
    if standard_errors.ndim == 1 and values.shape == (standard_errors.size, 1):
        standard_errors = standard_errors[:, None]
    if standard_errors.ndim == 0:
        standard_errors = np.full(values.shape, float(standard_errors))
    if standard_errors.shape != values.shape:
        raise InputError(
            f"`standard_errors` has shape {standard_errors.shape}, but `values` has shape {values.shape}; "
            "they must be equal"
        )
    present = np.isfinite(values)
    bad = unusable_errors(standard_errors, present)
    if bad.any():
        raise InputError(
            f"`standard_errors` is negative or NaN for a value that is present in "
            f"{list_rows(np.flatnonzero(bad.any(axis=1)))}; give its 1-sigma error, or NaN as its value"
        )
    standard_errors = too_large_as_infinite(standard_errors)
    return _drop_infinite(standard_errors, values, np.isinf(standard_errors) & present)


def check_covariances(covariances, values):
    """Noise covariances (N, D, D); returns (covariances, values) with values of infinite variance missing."""
    n_objects, n_dimensions = values.shape
    if covariances.shape != (n_objects, n_dimensions, n_dimensions):
        raise InputError(
            f"`covariances` has shape {covariances.shape}, but `values` has shape {values.shape}; "
            f"({n_objects}, {n_dimensions}, {n_dimensions}) is needed"
        )
    variances = np.diagonal(covariances, axis1=1, axis2=2)
    covariances, values = _drop_infinite(covariances, values, np.isposinf(variances) & np.isfinite(values))
    for start in range(0, n_objects, CHUNK):
        part = slice(start, start + CHUNK)
        _check_covariance_rows(covariances[part], np.isfinite(values[part]), start)
    return covariances, values


def _drop_infinite(noise, values, infinite):
    if not infinite.any():
        return noise, values
    return noise, np.where(infinite, np.nan, values)


def _check_covariance_rows(covariances, seen, start):
    both = seen[:, :, None] & seen[:, None, :]
    C = np.where(both, covariances, np.eye(seen.shape[1]))
    _refuse(~np.isfinite(C).all(axis=(1, 2)), "NaN or infinite for a value that is present", start)
    variances = np.diagonal(C, axis1=1, axis2=2)
    scale = np.sqrt(np.where(variances > 0, variances, 1.0))
    exact = (variances == 0)[:, :, None] & ~np.eye(C.shape[1], dtype=bool)
    _refuse((exact & (C != 0)).any(axis=(1, 2)), "not positive semi-definite", start)
    C = C / scale[:, :, None] / scale[:, None, :]
    _refuse((np.abs(C - C.transpose(0, 2, 1)) > ROUNDING).any(axis=(1, 2)), "not symmetric", start)
    _refuse(negative_eigenvalues(C, ROUNDING) < -ROUNDING, "not positive semi-definite", start)


def _refuse(bad, what, start):
    if bad.any():
        raise InputError(
            f"`covariances` is {what} in {list_rows(start + np.flatnonzero(bad))}; "
            "give a symmetric matrix without negative eigenvalues (variances, not 1-sigma errors, on its diagonal)"
        )


def check_projection_shape(projections, shape):
    """Projections (M, D) or (N, M, D) of values of shape (N, M)."""
    axes = projections.ndim
    if axes not in (2, 3) or projections.shape[:-1] != shape[3 - axes :] or projections.shape[-1] == 0:
        raise InputError(
            f"`projections` has shape {projections.shape}, but `values` has shape {shape}; ({shape[1]}, D) for all "
            f"objects or ({shape[0]}, {shape[1]}, D) is needed"
        )


def check_projections(projections, values):
    """Projections of the values; rows of missing values that are not finite become zero.

    Raises
    ------
    InputError
        If the row of a value that is present is not finite, or all of an object's are zero (rows are listed).
    """
    flags = []
    for start in range(0, len(values), CHUNK):
        part = slice(start, start + CHUNK)
        R = projections if projections.ndim == 2 else projections[part]
        flags.append(_projection_flags(R, np.isfinite(values[part])))
    unknown, blind, unused = np.concatenate(flags, axis=1)
    if unknown.any():
        raise InputError(
            f"`projections` is NaN or infinite for a value that is present in {list_rows(np.flatnonzero(unknown))}; "
            "give finite numbers, or NaN as its value"
        )
    if blind.any():
        raise InputError(
            f"`projections` is zero for every value that is present in {list_rows(np.flatnonzero(blind))}, so nothing "
            "is seen there; leave such objects out"
        )
    return np.nan_to_num(projections, nan=0.0, posinf=0.0, neginf=0.0) if unused.any() else projections


def _projection_flags(R, seen):
    """Of each object (3, N): a seen row that is not finite; seen rows that are all zero; any row not finite."""
    finite = np.broadcast_to(np.isfinite(R).all(axis=-1), seen.shape)
    looks = seen & (R != 0).any(axis=-1)
    return np.array(
        [(seen & ~finite).any(axis=1), seen.any(axis=1) & ~looks.any(axis=1), ~finite.all(axis=1)],
    )
