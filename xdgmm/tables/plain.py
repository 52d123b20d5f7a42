"""Tables that need no decisions: columns become `Observations` by arithmetic alone.

Rows of a catalogue that have been read by `observations_from_table` are read again for each pass.  Where the first
reading changed, dropped and corrected nothing, `PlainReading` gives the same observations in a fraction of the time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from xdgmm.kernels import as_noise

from . import correlations, error_columns
from .columns import read_column
from .conversions import factor_to
from .correlations import divided
from .error_columns import FORMULAS
from .from_table import matched_columns
from .table_types import UnitArray, named_columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from xdgmm.observations import Observations

    from .table_types import NamedColumns

    Floats = NDArray[np.float64]

BESIDE = ("limits", "memberships", "projections")  # what no plain table has
CHUNK = 1 << 14  # rows that are computed at a time, in the cache of a processor


class _Column(NamedTuple):
    """A column of errors or correlations: its kind, and the factor to the unit that belongs to the values."""

    kind: str
    name: str
    factor: float


@dataclass(frozen=True)
class PlainReading:
    """Makes observations of tables with the same columns, without checks.

    Attributes
    ----------
    names : tuple of str
        Columns of the values.
    errors : tuple of _Column
        That of each; of exact values there are none.
    correlations : dict
        Of pairs of values.
    weights : str or None
    like : Observations
        One row of the catalogue: names, units and remarks.
    """

    names: tuple[str, ...]
    errors: tuple[_Column, ...]
    correlations: Mapping[tuple[int, int], _Column]
    weights: str | None
    like: Observations

    @classmethod
    def of(
        cls, table: Any, names: Sequence[str], options: Mapping[str, Any], observations: Observations
    ) -> PlainReading | None:
        """How to read tables like this one, of which these observations were made; None if they need decisions."""
        table, names = named_columns(table), tuple(names)
        matches, pairs = matched_columns(table, names, options["errors"], options["correlations"])
        kinds = {match.kind for match in matches}
        if not (kinds <= set(FORMULAS) or kinds == {"exact"}):
            return None
        units = [read_column(table, name)[1] for name in names]
        columns = zip(names, units, matches, strict=True)
        errors = [
            (match, error_columns.expected_unit(name, unit, match)) for name, unit, match in columns if match.columns
        ]
        of_pairs = [(match, correlations.expected_unit(pair, match, names, units)) for pair, match in pairs.items()]
        every = [
            _Column(match.kind, match.columns[0], factor_to(expected, name, read_column(table, name)[1]))
            for match, expected in [*errors, *of_pairs]
            for name in match.columns
        ]
        of_errors, of_correlations = tuple(every[: len(errors)]), dict(zip(pairs, every[len(errors) :], strict=True))
        return cls(names, of_errors, of_correlations, options["weights"], observations.select(slice(0, 1)))

    def __call__(self, table: Any) -> Observations:
        """The observations of a table."""
        table = named_columns(table)
        read = {name: _numbers(table, name) for name in self._every()}
        n, M = table.n_rows, len(self.names)
        values = np.empty((n, M))
        noise = np.empty((n, M, M) if self.correlations else (n, M)) if self.errors else None
        with np.errstate(all="ignore"):  # numbers of missing values, which may be any
            for first in range(0, n, CHUNK):
                part = slice(first, first + CHUNK)
                columns = {name: column[part] for name, column in read.items()}
                self._fill(columns, values[part], None if noise is None else noise[part])
        weights = None if self.weights is None else read[self.weights]
        return replace(self.like, values=values, noise_model=as_noise(noise, values.shape), weights=weights)

    def _every(self) -> list[str]:
        columns = [*self.names, *(column.name for column in (*self.errors, *self.correlations.values()))]
        return [*columns, *([] if self.weights is None else [self.weights])]

    def _fill(self, read: Mapping[str, Floats], values: Floats, noise: Floats | None) -> None:
        for i, name in enumerate(self.names):
            values[:, i] = read[name]
        if noise is None:
            return
        errors = [FORMULAS[column.kind](_converted(read, column)) for column in self.errors]
        if noise.ndim == 2:
            for i, of_value in enumerate(errors):
                noise[:, i] = of_value
            return
        for i, of_value in enumerate(errors):
            np.multiply(of_value, of_value, out=noise[:, i, i])
        for i, j in combinations(range(len(errors)), 2):
            noise[:, i, j] = noise[:, j, i] = self._covariance(read, errors, (i, j))

    def _covariance(
        self, read: Mapping[str, Floats], errors: Sequence[Floats], pair: tuple[int, int]
    ) -> Floats | float:
        if pair not in self.correlations:
            return 0.0
        i, j = pair
        column = self.correlations[pair]
        number = _converted(read, column)
        if column.kind == "cov":
            number = divided(number, errors[i] * errors[j])
        covariance = number * errors[i] * errors[j]
        missing = ~np.isfinite(read[self.names[i]] + read[self.names[j]])
        if missing.any():
            covariance[missing] = 0.0
        return covariance

    def agrees(self, table: Any, observations: Observations) -> bool:
        """Whether it makes of a table the observations, to the last bit, that were made of it with all checks."""
        plain = self(table)
        beside = any(getattr(observations, name) is not None for name in BESIDE)
        if beside or type(plain.noise_model) is not type(observations.noise_model):
            return False
        return all(map(_same, _arrays(plain), _arrays(observations)))


def _numbers(table: NamedColumns, name: str) -> Floats:
    column = table.column(name)
    plain = isinstance(column, UnitArray) and column.dtype == np.float64 and column.ndim == 1
    return column.value if plain else read_column(table, name)[0]


def _converted(read: Mapping[str, Floats], column: _Column) -> Floats:
    numbers = read[column.name]
    return numbers if column.factor == 1.0 else numbers * column.factor


def _arrays(observations: Observations) -> list[Floats]:
    every = (observations.values, observations.noise_model.array, observations.weights)
    return [np.ascontiguousarray(array) for array in every if array is not None]


def _same(one: Floats, other: Floats) -> bool:
    return one.shape == other.shape and bool((one.view(np.int64) == other.view(np.int64)).all())
