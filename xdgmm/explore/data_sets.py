"""What can be explored: bundled tables, blobs as in textbooks, and files, read as the command line reads them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xdgmm.errors import InputError, XdgmmWarning

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from astropy.table import QTable

    from xdgmm.observations import Observations

FIRST = "blobs"  # what is shown before anything is chosen
MOST_COLUMNS = 2  # that are taken where the user names none
BLOBS, BLOB_SEED = 300, 0  # objects, and the seed of their positions
SINGULAR = "two Gaussians, one on one point"
# Bundled tables that are no measurements of objects: spectra, and the profile of a line.
LEFT_OUT = ("mn_kalpha", "nist_gauss1", "nist_gauss2", "nist_gauss3", "simulated_sdss")


@dataclass(frozen=True, eq=False)
class DataSet:
    """A table, the columns that are explored, and what was found of their errors.

    Attributes
    ----------
    name : str
        What the page calls it: a name, or that of a file.
    table : QTable
    columns : tuple of str
        Those that are fitted.
    errors : str
        As the option ``--errors`` of the command line takes it: "auto", "none" or names of columns.
    observations : Observations
        Columns and errors as a fit takes them.
    remarks : tuple of str
        How they were read, one sentence each; text of files in them is not escaped.
    options : dict
        Further options of `Observations.from_table`.
    path : str or None
        Of a file that was named on the command line.
    origin : str
        "bundled" with the package, "made" by a function of this module, or a "file" of the user.
    reading : dict
        Options of `xdgmm.tables.read_table`, with which a file was read.
    """

    name: str
    table: QTable
    columns: tuple[str, ...]
    errors: str
    observations: Observations
    remarks: tuple[str, ...]
    options: dict[str, Any]
    path: str | None = None
    origin: str = "file"
    reading: dict[str, Any] = field(default_factory=dict)

    def with_columns(self, columns: Sequence[str], errors: str = "auto", **options: Any) -> DataSet:
        """The same table with other columns, errors or options.

        Raises
        ------
        InputError
            If a column cannot be used.
        """
        found = _data_set(self.name, self.table, columns, errors, self.options | options)
        return replace(found, path=self.path, origin=self.origin, reading=self.reading)

    @property
    def numeric_columns(self) -> tuple[str, ...]:
        """Names of all columns that hold one number for each object."""
        return numeric_columns(self.table)

    @property
    def in_words(self) -> str:
        """One sentence on objects, columns and errors."""
        n = self.observations.n_objects
        return "; ".join([f"{n} object{'' if n == 1 else 's'}", *self.remarks])


def choices() -> dict[str, Callable[[], DataSet]]:
    """What can be chosen on the page, by name, and how it is made."""
    from xdgmm import datasets

    tables = {name: partial(bundled, name) for name in datasets.names() if name not in LEFT_OUT}
    return {FIRST: blobs, "blobs with errors": partial(blobs, error=1.0), SINGULAR: singular, **tables}


def blobs(error: float = 0.0, *, n_objects: int = BLOBS, seed: int = BLOB_SEED) -> DataSet:
    """Three round blobs in the plane, as textbooks draw them to explain clusters.

    Parameters
    ----------
    error : float
        Mean standard error of both coordinates; each object has its own, between half and one and a half of it.
    n_objects : int
    seed : int
    """
    from astropy.table import QTable

    rng = np.random.default_rng(seed)
    means, sigmas = np.array([[-4.0, 0.0], [1.0, 3.5], [3.0, -2.5]]), np.array([0.8, 1.2, 0.6])
    which = rng.choice(3, n_objects, p=[0.3, 0.45, 0.25])
    values = means[which] + sigmas[which, None] * rng.standard_normal((n_objects, 2))
    table = QTable({"x": values[:, 0], "y": values[:, 1]})
    if error > 0:
        errors = error * rng.uniform(0.5, 1.5, (n_objects, 2))
        noise = errors * rng.standard_normal((n_objects, 2))
        table = QTable({name: values[:, i] + noise[:, i] for i, name in enumerate("xy")})
        table["e_x"], table["e_y"] = errors.T
    name = "blobs with errors" if error > 0 else FIRST
    return replace(_data_set(name, table, ("x", "y"), "auto" if error > 0 else "none"), origin="made")


def singular(seed: int = BLOB_SEED) -> DataSet:
    """Exact values on a line, on one of which a Gaussian can shrink: its likelihood has no bound.

    Bishop 2006, *Pattern Recognition and Machine Learning*, section 9.2.1.
    """
    from astropy.table import QTable

    rng = np.random.default_rng(seed)
    table = QTable({"x": np.append(rng.standard_normal(40), 4.0)})
    return replace(_data_set(SINGULAR, table, ("x",), "none"), origin="made")


def bundled(name: str, columns: Sequence[str] | None = None, errors: str = "auto", **options: Any) -> DataSet:
    """A table that comes with the package; see `xdgmm.datasets`.

    Raises
    ------
    InputError
        If there is none of this name, or a column cannot be used.
    """
    from xdgmm import datasets

    options = {"on_bad": "drop"} | options  # the published tables have values without an error of their own
    return replace(_data_set(name, datasets.load(name), columns, errors, options), origin="bundled")


def read_file(path: str | Path, columns: Sequence[str] | None = None, errors: str = "auto", **options: Any) -> DataSet:
    """A file, read as the command line reads it.

    Parameters
    ----------
    path : str or Path
    columns : sequence of str, optional
        By default the first two with errors, or, where none has errors, the first two of numbers.
    errors : str
        As the option ``--errors`` takes it.
    **options
        `hdu` and `readme` of `xdgmm.tables.read_table`, and options of `Observations.from_table`.

    Raises
    ------
    InputError
        If the file cannot be read, or a column cannot be used.
    """
    from xdgmm.tables import read_table

    named = {name: options.pop(name) for name in ("hdu", "readme") if name in options}
    reading: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
    path = Path(path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        table = read_table(path, **reading)
    data = _data_set(path.name, table, columns, errors, options)
    return replace(data, path=str(path), remarks=(*_sentences(caught), *data.remarks), reading=reading)


def numeric_columns(table: QTable) -> tuple[str, ...]:
    """Names of the columns that hold one number for each row."""
    return tuple(
        name
        for name in table.colnames
        if table[name].ndim == 1 and getattr(getattr(table[name], "dtype", None), "kind", "") in "iuf"
    )


def _data_set(
    name: str, table: QTable, columns: Sequence[str] | None, errors: str, options: dict[str, Any] | None = None
) -> DataSet:
    """A data set of a table; where no columns are named, they are chosen."""
    from xdgmm.observations import Observations

    options = {} if options is None else options
    if columns is None:
        columns, errors = _chosen_columns(table, errors)
    given = errors if errors == "auto" else None if errors == "none" else [each.strip() for each in errors.split(",")]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        observations = Observations.from_table(table, list(columns), errors=given, **options)
    remarks = (*observations.remarks, *_sentences(caught))
    return DataSet(name, table, tuple(observations.names), errors, observations, remarks, options)


def _chosen_columns(table: QTable, errors: str) -> tuple[Sequence[str], str]:
    """The first two columns with errors, or the first two of numbers as exact values."""
    from xdgmm.tables import named_columns
    from xdgmm.tables.error_columns import columns_with_errors

    if errors == "auto":
        try:
            return columns_with_errors(named_columns(table), None)[:MOST_COLUMNS], errors
        except InputError:
            pass
    numbers = numeric_columns(table)
    if not numbers:
        raise InputError("the table has no column of numbers; give one that has")
    return numbers[:MOST_COLUMNS], "none" if errors == "auto" else errors


def _sentences(caught: list[warnings.WarningMessage]) -> tuple[str, ...]:
    """What the package warned of; other warnings are left to whoever raised them."""
    for each in caught:
        if not issubclass(each.category, XdgmmWarning):
            warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
    return tuple(dict.fromkeys(str(each.message) for each in caught if issubclass(each.category, XdgmmWarning)))
