"""The numbers in columns of correlations and covariances, as matrices that are possible."""

from itertools import combinations

import numpy as np

from xdgmm.basics.arrays import CHUNK, list_rows
from xdgmm.basics.linalg import negative_eigenvalues

from .units import Belonging, converted

ROUNDING = 1e-6  # correlations are often float32; a matrix of up to ten of them is off by less
WHAT = {"corr": "correlation column", "cov": "covariance column"}


def correlation_matrices(catalogue, names, units, matches, errors, present):
    """Correlations (N, D, D): zero where one of the two values is missing, NaN where only the correlation is.

    Parameters
    ----------
    catalogue : Catalogue
    names, units : sequence
        The columns of the values, and their units (D).
    matches : dict
        What `correlation_columns` found.
    errors : ndarray (N, D)
        The 1-sigma errors, in the units of the values.
    present : ndarray (N, D) of bool
        Where there is a value whose error is known.
    """
    n_rows, n_columns = errors.shape
    result = np.zeros((n_rows, n_columns, n_columns))
    result[:, range(n_columns), range(n_columns)] = 1.0
    for (i, j), match in matches.items():
        covariance = match.kind == "cov"
        belonging = Belonging(WHAT[match.kind], (names[i], names[j]), (units[i], units[j]) if covariance else ())
        column = converted(catalogue, match.columns[0], belonging)
        column = _over(column, errors[:, i] * errors[:, j]) if covariance else column
        result[:, i, j] = result[:, j, i] = np.where(present[:, i] & present[:, j], column, 0.0)
    return result


def _over(covariance, product):
    """A correlation; infinite where a value without error has a covariance."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(covariance == 0, 0.0, covariance / product)


def without_missing(matrices, matches):
    """Where a correlation is missing (N, D), of both values, and a sentence for each column; it becomes zero."""
    lost, sentences = np.zeros(matrices.shape[:2], dtype=bool), []
    for (i, j), match in matches.items():
        rows = np.isnan(matrices[:, i, j])
        if rows.any():
            lost[rows, i] = lost[rows, j] = True
            matrices[rows, i, j] = matrices[rows, j, i] = 0.0
            sentences.append(f"{WHAT[match.kind]} '{match.columns[0]}' is missing in {list_rows(np.flatnonzero(rows))}")
    return lost, sentences


def without_impossible(matrices, matches, names):
    """Rows whose correlations cannot be (N,), and a sentence for each reason; what is only rounded is mended in place.

    Notes
    -----
    Where the smallest eigenvalue of a matrix of correlations C is -d, with d within rounding, it becomes
    ``(C + d I) / (1 + d)``, which has none below zero and the same variances.
    """
    impossible, sentences = np.zeros(len(matrices), dtype=bool), []
    for (i, j), match in matches.items():
        outside = np.abs(matrices[:, i, j]) > 1.0 + ROUNDING
        if outside.any():
            impossible |= outside
            what = "is outside [-1, 1]" if match.kind == "corr" else "exceeds the product of the two errors"
            sentences.append(f"{WHAT[match.kind]} '{match.columns[0]}' {what} in {list_rows(np.flatnonzero(outside))}")
    matrices[impossible] = np.eye(matrices.shape[1])
    indefinite = _indefinite(matrices)
    if indefinite.any():
        sentences.append(
            f"the correlations of {', '.join(names)} together give no positive semi-definite matrix in "
            f"{list_rows(np.flatnonzero(indefinite))}"
        )
    return impossible | indefinite, sentences


def _indefinite(matrices):
    result = np.zeros(len(matrices), dtype=bool)
    for start in range(0, len(matrices), CHUNK):
        C = matrices[start : start + CHUNK]
        lowest = negative_eigenvalues(C)
        result[start : start + CHUNK] = lowest < -ROUNDING
        _mend(C, np.flatnonzero((lowest < 0) & (lowest >= -ROUNDING)), lowest)
    return result


def _mend(C, rows, lowest):
    d = -lowest[rows, None, None]
    C[rows] = (C[rows] + d * np.eye(C.shape[1])) / (1.0 + d)


def scaled(matrices, errors):
    """Covariances (N, D, D) of errors (N, D) with these correlations, in place of them."""
    known = np.where(np.isfinite(errors), errors, 0.0)
    n_columns = errors.shape[1]
    for i, j in combinations(range(n_columns), 2):
        matrices[:, i, j] = matrices[:, j, i] = matrices[:, i, j] * known[:, i] * known[:, j]
    matrices[:, range(n_columns), range(n_columns)] = errors**2
    return matrices
