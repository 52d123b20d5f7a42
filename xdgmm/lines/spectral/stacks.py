"""Many spectra, fitted one by one: a stack, a cube, or a list; what happens to one does not touch the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xdgmm.basics.blas import one_blas_thread
from xdgmm.basics.parameters import check_jobs
from xdgmm.basics.progress import check_progress, progress_bar
from xdgmm.errors import InputError
from xdgmm.lines.deconvolution import IntrinsicWidths
from xdgmm.spectra import LSF, Spectrum
from xdgmm.tables.report import Column, build_table

from .conversion import fractions_of, rows_of, widths_of_rows
from .fit_report import (
    OF_GROUPS,
    OF_LINES,
    formatted,
    group_values,
    line_values,
    named_units,
    with_levels,
    write_tables,
)
from .line_fit import LEVEL, LIMIT_LEVEL, LineFit
from .plans import Plan
from .sources import Sources, Task, listed_sources, redshifts_of
from .spectra_fit import flux_unit_of

if TYPE_CHECKING:
    from astropy.table import QTable
    from astropy.units import UnitBase
    from numpy.typing import ArrayLike

    from .groups import Group
    from .spectra_fit import Window

Array = NDArray[np.float64]

MOST_AT_ONCE = 50  # spectra that a process is given together
SHARES = 8  # parts of the work that each process gets, where there are fewer spectra
FITTED, NOT_CONVERGED, FAILED = "fitted", "not converged", "failed"

TEXTS = "spectrum", "group", "line", "flag"
NUMBERS_OF_GROUPS = tuple(column.name for column in OF_GROUPS if column.name not in TEXTS)
NUMBERS_OF_LINES = tuple(column.name for column in OF_LINES if column.name not in TEXTS)
GOODNESS = "statistic", "dof", "probability"

BEFORE = (
    Column("index", "number of the source, from 0"),
    Column("y", "row of the cube"),
    Column("x", "column of the cube"),
    Column("name", "names of its spectra"),
    Column("z", "redshift of the group"),
    Column("status", "fitted, not converged, or failed"),
)
AFTER = (
    Column("statistic", "chi-squared of the fit"),
    Column("dof", "degrees of freedom"),
    Column("probability", "of a chi-squared at least as large, if the model is right"),
    Column("flag", "what to look at"),
    Column("reason", "why the fit failed"),
)


class Row(NamedTuple):
    """What is kept of the fit of one spectrum.

    Attributes
    ----------
    status, reason : str
    of_groups, of_lines : ndarray (columns, G), (columns, S L)
        Numbers of the tables, of lines in each of S spectra of a source; NaN where the fit failed.
    goodness : ndarray (3,)
    flags : tuple of str
        Of the lines (L,).
    widths : ndarray (3, G)
        Observed sigma, its error and the instrument's sigma, in km/s.
    fractions : (float, float)
        Error and scatter of the instrument's width.
    instrument : str
        What was assumed of the instrument.
    """

    status: str
    reason: str
    of_groups: Array
    of_lines: Array
    goodness: Array
    flags: tuple[str, ...]
    widths: Array
    fractions: tuple[float, float]
    instrument: str

    @classmethod
    def of(cls, fit: LineFit) -> Row:
        """Of a fit."""
        groups, lines = group_values(fit, LEVEL, LIMIT_LEVEL), line_values(fit)
        return cls(
            FITTED if fit.converged else NOT_CONVERGED,
            "",
            np.array([groups[name] for name in NUMBERS_OF_GROUPS], dtype=float),
            np.array([lines[name] for name in NUMBERS_OF_LINES], dtype=float),
            np.array([fit.goodness.statistic, fit.goodness.dof, fit.goodness.probability]),
            tuple(fit.flags),
            rows_of(fit),
            fractions_of(fit),
            fit.header.instrument,
        )

    @classmethod
    def failed(cls, reason: str, n_groups: int, n_lines: int, n_spectra: int) -> Row:
        """Of a source that could not be fitted."""
        return cls(
            FAILED,
            reason,
            np.full((len(NUMBERS_OF_GROUPS), n_groups), np.nan),
            np.full((len(NUMBERS_OF_LINES), n_spectra * n_lines), np.nan),
            np.full(3, np.nan),
            ("",) * n_lines,
            np.full((3, n_groups), np.nan),
            (np.nan, np.nan),
            "",
        )


def fit_stack(
    plan: Plan, spectra: Sequence[Spectrum], lsf: Any, z: Any, n_jobs: int = 1, progress: str = "auto"
) -> LineFits:
    """`fit_lines` for fluxes of more than one axis."""
    if len(spectra) > 1:
        raise InputError("one of several spectra holds many; give the spectra of each source by themselves: `fit_many`")
    shape = spectra[0].flux.shape[:-1]
    lsf = lsf if isinstance(lsf, LSF) or lsf is None else next(iter(lsf))
    return fitted(plan, Sources(shape, None, spectra[0], lsf, redshifts_of(z, shape)), n_jobs, progress)


def fit_many(
    sources: Sequence[Spectrum | Sequence[Spectrum]],
    *,
    groups: Group | Sequence[Group],
    lsf: LSF | Sequence[LSF] | None = None,
    z: ArrayLike | None = None,
    windows: Sequence[Window] | None = None,
    rest_windows: Sequence[Window] | None = None,
    continuum: Any = 1,
    noise: str | None = None,
    axis: str | None = None,
    convention: str | None = None,
    thermal: Any = None,
    fluxes: str = "shared",
    medium: str | None = None,
    n_jobs: int = 1,
    progress: str = "auto",
) -> LineFits:
    """Fit the same groups of lines to spectra of many sources, each by itself; pixels may differ.

    Parameters
    ----------
    sources : sequence
        A `Spectrum` for each source, or a list of several spectra of it, which share velocities and widths.
    lsf : LSF, or one for each source
        The instrument; by default that of the spectra.
    z : array (N,), or a number, optional
        Redshift of all groups, instead of their own.
    rest_windows : sequence of (low, high), optional
        Ranges at rest instead of `windows`, which are moved by the redshift of each source.
    groups, windows, continuum, noise, axis, convention, thermal, fluxes, medium
        As in `fit_lines`.
    n_jobs : int
        Processes (joblib); -1 for all processors.  Results do not depend on it.
    progress : {"auto", "always", "never"}
        Whether a progress bar is shown.

    Returns
    -------
    LineFits

    Raises
    ------
    InputError
        If an argument is wrong for all sources, or all of them fail for the same reason.

    Examples
    --------
    >>> import numpy as np
    >>> from xdgmm import lines
    >>> x, rng = np.arange(6500.0, 6700.0), np.random.default_rng(2)
    >>> redshifts = [0.0, 0.005, 0.010]
    >>> fluxes = [30 * np.exp(-0.5 * ((x / (1 + z) - 6564.6) / 2.5) ** 2) for z in redshifts]
    >>> spectra = [lines.Spectrum(x, flux + rng.normal(size=200), np.ones(200)) for flux in fluxes]
    >>> lsf = lines.LSF(sigma=1.5, includes_pixel=True)
    >>> fits = lines.fit_many(
    ...     spectra, groups=lines.Group("Ha", [6564.6]), lsf=lsf, z=redshifts, rest_windows=[(6530, 6600)]
    ... )
    >>> fits.n_fitted, fits.table["sigma"].shape
    (3, (3,))
    """
    listed = listed_sources(sources)
    plan = Plan.of(
        [spectrum for source in listed for spectrum in source],
        groups,
        windows=windows,
        rest_windows=rest_windows,
        continuum=continuum,
        noise=noise,
        axis=axis,
        convention=convention,
        thermal=thermal,
        fluxes=fluxes,
        medium=medium,
    )
    if not (lsf is None or isinstance(lsf, LSF)):
        lsf = tuple(lsf)
        if len(lsf) != len(listed):
            raise InputError(
                f"`lsf` has {len(lsf)} entries, but there are {len(listed)} sources; give one, or one for each"
            )
    shape = (len(listed),)
    return fitted(plan, Sources(shape, listed, None, lsf, redshifts_of(z, shape)), n_jobs, progress)


def fitted(plan: Plan, sources: Sources, n_jobs: int, progress: str) -> LineFits:
    """Fit each source."""
    check_jobs(n_jobs)
    check_progress(progress)
    rows: list[Row] = []
    with progress_bar(progress, "spectra", len(sources)) as bar:
        for part in _parts(plan, sources, n_jobs):
            rows += part
            if bar is not None:
                bar.update(len(part))
    reasons = {row.reason for row in rows}
    if len(reasons) == 1 and rows[0].status == FAILED:
        number = len(rows)
        every = "the spectrum" if number == 1 else f"all {number} spectra"
        raise InputError(f"{every} failed: {rows[0].reason}")
    return LineFits(plan, sources, tuple(rows))


def _parts(plan: Plan, sources: Sources, n_jobs: int) -> Iterable[list[Row]]:
    """Rows of the sources in their order, some at a time."""
    if n_jobs == 1:
        return (rows_for(plan, [sources.task(number)]) for number in range(len(sources)))
    from joblib import Parallel, cpu_count, delayed

    processes = n_jobs if n_jobs > 0 else cpu_count()
    size = max(1, min(MOST_AT_ONCE, len(sources) // (SHARES * processes)))
    work = (
        delayed(rows_for)(plan, [sources.task(number) for number in range(first, min(first + size, len(sources)))])
        for first in range(0, len(sources), size)
    )
    parts: Iterable[list[Row]] = Parallel(n_jobs=n_jobs, return_as="generator")(work)
    return parts


def rows_for(plan: Plan, tasks: Sequence[Task]) -> list[Row]:
    """Fit some sources; what goes wrong with one is kept in its row."""
    with one_blas_thread():
        return [_row(plan, task) for task in tasks]


def _row(plan: Plan, task: Task) -> Row:
    sizes = len(plan.groups), sum(len(group.lines) for group in plan.groups), len(task.source)
    try:
        return Row.of(plan.fit(*task))
    except InputError as error:
        return Row.failed(str(error), *sizes)
    except Exception as error:  # noqa: BLE001 - of a function of the user's, or of numbers: the others go on
        return Row.failed(f"{type(error).__name__}: {error}", *sizes)


@dataclass(frozen=True, eq=False, repr=False)
class LineFits:
    """Fits of the same groups of lines to many spectra; ``print`` shows how many were fitted, and what was found.

    ``fits[i]``, or ``fits[y, x]`` of a cube, is the `LineFit` of a spectrum: it is fitted again when asked for, so that
    only numbers are kept.

    Attributes
    ----------
    plan : Plan
        What was done with each spectrum.
    sources : Sources
        The spectra, in the order of ``ravel()``.
    rows : tuple of Row
        What was found.
    """

    plan: Plan
    sources: Sources
    rows: tuple[Row, ...]

    def __len__(self) -> int:
        """How many spectra there are."""
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, ...]:
        """(N,), or (ny, nx) of a cube."""
        return self.sources.shape

    @property
    def groups(self) -> list[str]:
        """Names of the groups."""
        return [group.name for group in self.plan.groups]

    @property
    def instruments(self) -> list[str]:
        """What was assumed of the instrument, in words, the most frequent first."""
        return [name for name, _ in Counter(row.instrument for row in self.rows if row.instrument).most_common()]

    @property
    def status(self) -> NDArray[np.str_]:
        """Is a spectrum "fitted", "not converged" or "failed"?  In the shape of the spectra."""
        return np.array([row.status for row in self.rows]).reshape(self.shape)

    @property
    def n_fitted(self) -> int:
        """How many spectra were fitted, those without convergence included."""
        return len(self) - self.n_failed

    @property
    def n_failed(self) -> int:
        """How many could not be fitted."""
        return sum(row.status == FAILED for row in self.rows)

    @property
    def failures(self) -> dict[str, int]:
        """How many failed for which reason, the most frequent first."""
        return dict(Counter(row.reason for row in self.rows if row.status == FAILED).most_common())

    def __getitem__(self, index: int | tuple[int, ...]) -> LineFit:
        """The fit of one spectrum, made again.

        Raises
        ------
        InputError
            If there is no such spectrum, or it could not be fitted: the message says why.
        """
        number = self._number(index)
        with one_blas_thread():
            return self.plan.fit(*self.sources.task(number))

    def __iter__(self) -> Iterator[LineFit | None]:
        """The fits of all spectra one after the other, made again; None for those that failed."""
        return (None if row.status == FAILED else self[self.sources.index(i)] for i, row in enumerate(self.rows))

    def _number(self, index: Any) -> int:
        """Number of a spectrum in the order of ``ravel()``."""
        found = np.arange(len(self)).reshape(self.shape)
        try:
            number = found[index]
        except IndexError:
            number = None
        if number is None or np.ndim(number):
            raise InputError(f"{index!r} is not the index of a spectrum; their shape is {self.shape}")
        return int(number)

    @property
    def table(self) -> QTable:
        """A QTable with a row for each group of each spectrum: the columns of `LineFit.table`, status and reason."""
        G, N = len(self.groups), len(self)
        numbers = np.array([row.of_groups for row in self.rows])
        flags = [_joined(row.flags, self._group_of_line, g) for row in self.rows for g in range(G)]
        columns = with_levels(OF_GROUPS, LEVEL, LIMIT_LEVEL)
        values = {"flag": np.array(flags), **_columns(NUMBERS_OF_GROUPS, numbers.transpose(1, 0, 2))}
        values["is_limit"] = _truths(values["is_limit"])
        return self._table(columns, values, np.repeat(np.arange(N), G), np.tile(np.arange(G), N))

    @property
    def lines(self) -> QTable:
        """A QTable with a row for each line of each spectrum: the columns of `LineFit.lines`, status and reason."""
        n_lines = self._group_of_line.size
        n_spectra = np.array([row.of_lines.shape[1] // n_lines for row in self.rows])
        line = np.tile(np.arange(n_lines), n_spectra.sum())
        labels = np.array([line.label for group in self.plan.groups for line in group.lines])
        values = {
            "spectrum": np.repeat(np.concatenate([np.arange(S) for S in n_spectra]), n_lines),
            "line": labels[line],
            "flag": np.concatenate([np.tile(row.flags, S) for row, S in zip(self.rows, n_spectra, strict=True)]),
            **_columns(NUMBERS_OF_LINES, np.concatenate([row.of_lines for row in self.rows], axis=1)),
        }
        left_out = ("flag",) if (n_spectra > 1).any() else ("flag", "spectrum")
        columns = [column for column in OF_LINES if column.name not in left_out]
        return self._table(
            columns, values, np.repeat(np.arange(len(self)), n_spectra * n_lines), self._group_of_line[line]
        )

    @cached_property
    def _group_of_line(self) -> NDArray[np.int64]:
        return np.repeat(np.arange(len(self.groups)), [len(group.lines) for group in self.plan.groups])

    def _table(self, columns: Sequence[Column], values: dict[str, Any], number: Any, group: Any) -> QTable:
        """A table of groups or lines, of which each has the number of its spectrum and of its group."""
        redshifts = np.array([each.z for each in self.plan.groups])
        common: dict[str, Any] = {
            "index": number,
            "z": redshifts[group] if self.sources.z is None else self.sources.z.ravel()[number],
            "status": self.status.ravel()[number],
            "group": np.array(self.groups)[group],
            **dict(zip(GOODNESS, np.array([row.goodness for row in self.rows])[number].T, strict=True)),
            "reason": np.array([row.reason for row in self.rows])[number],
        }
        if len(self.shape) == 2:
            common |= dict(zip("yx", np.unravel_index(number, self.shape), strict=True))
        if self.sources.names is not None:
            common["name"] = np.array(self.sources.names)[number]
        before = [column for column in BEFORE if column.name in common]
        meta = {
            "convention": self.plan.axis.convention,
            "remarks": "; ".join(self.plan.remarks),
            "level": LEVEL,
            "limit_level": LIMIT_LEVEL,
        }
        return formatted(build_table([*before, *columns, *AFTER], {**common, **values}, units=self._units, meta=meta))

    @property
    def _units(self) -> dict[str, UnitBase | None]:
        return named_units(self.plan.axis.unit, flux_unit_of(self.sources.first))

    def map(self, column: str, group: str | int = 0, line: str | int | None = None) -> Any:
        """One column of `table`, or of `lines`, in the shape of the spectra: a picture, for a cube.

        Parameters
        ----------
        column : str
            Its name: "sigma", "velocity", "flux", ...
        group : str or int
            Name or number of the group.
        line : str or int, optional
            Label, or number in the group, of a line: the column is one of `lines`.

        Returns
        -------
        Quantity or array (N,) or (ny, nx)
            Masked where there is no number.

        Raises
        ------
        InputError
            If there is no such column, group or line.
        """
        g = self._group(group)
        names = NUMBERS_OF_GROUPS if line is None else NUMBERS_OF_LINES
        if column not in (*names, *GOODNESS):
            other = " (columns of lines need `line`)" if line is None and column in NUMBERS_OF_LINES else ""
            raise InputError(
                f"there is no column of numbers '{column}'{other}; there are {', '.join((*names, *GOODNESS))}"
            )
        declared = {each.name: each for each in (*(OF_GROUPS if line is None else OF_LINES), *AFTER)}[column]
        if column in GOODNESS:
            numbers = [row.goodness[GOODNESS.index(column)] for row in self.rows]
        elif line is None:
            numbers = [row.of_groups[names.index(column), g] for row in self.rows]
        else:
            at = self._line(g, line)
            numbers = [row.of_lines[names.index(column), at] for row in self.rows]
        shaped = np.reshape(numbers, self.shape)
        return declared.in_units(self._units).cells(_truths(shaped) if column == "is_limit" else shaped)

    def _group(self, group: str | int) -> int:
        if isinstance(group, (int, np.integer)) and -len(self.groups) <= group < len(self.groups):
            return int(group) % len(self.groups)
        if group in self.groups:
            return self.groups.index(str(group))
        raise InputError(f"there is no group {group!r}; the groups are {', '.join(self.groups)}")

    def _line(self, group: int, line: str | int) -> int:
        """Number of a line among all lines."""
        labels = [each.label for each in self.plan.groups[group].lines]
        first = int(np.flatnonzero(self._group_of_line == group)[0])
        if isinstance(line, (int, np.integer)) and -len(labels) <= line < len(labels):
            return first + int(line) % len(labels)
        if line in labels:
            return first + labels.index(str(line))
        raise InputError(f"group '{self.groups[group]}' has no line {line!r}; its lines are {', '.join(labels)}")

    def to_widths(self, group: str | int | None = None) -> IntrinsicWidths:
        """Widths of one group in km/s, in the shape of the spectra, as `deconvolve` returns them, for `population`.

        Spectra that failed have no width.  The error of the instrument's width is common to all spectra, unless they
        have instruments with different errors.

        Parameters
        ----------
        group : str or int, optional
            Name or number of the group; needed where there are several.

        Raises
        ------
        InputError
            If there are several groups and none is named, or there is no such group.
        """
        if group is None and len(self.groups) > 1:
            raise InputError(
                f"`group` is missing: widths of one group are averaged; give one of {', '.join(self.groups)}"
            )
        g = self._group(0 if group is None else group)
        widths = np.array([row.widths[:, g] for row in self.rows]).T.reshape(3, *self.shape)
        fractions = np.array([row.fractions for row in self.rows]).T.reshape(2, *self.shape)
        return widths_of_rows(widths, fractions, with_unit=self.plan.axis.unit is not None)

    def write(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write `table`, and `lines` beside it (`NAME_lines`), to files (.fits, .ecsv, ...).

        Raises
        ------
        OutputError
            If a file cannot be written, or exists and `overwrite` is not set, or its suffix is not known.
        """
        write_tables(self.table, self.lines, path, overwrite=overwrite)

    def __repr__(self) -> str:
        """How many were fitted, why others failed, and what was found of each group."""
        from xdgmm.tables.printing import as_text

        from .stack_report import summary_lines, summary_table

        return "\n".join([*summary_lines(self), as_text(summary_table(self))])


def _columns(names: Sequence[str], numbers: Array) -> dict[str, Any]:
    """Columns by their names, from numbers (columns, ...)."""
    return {name: column.ravel() for name, column in zip(names, numbers, strict=True)}


def _truths(numbers: Array) -> Any:
    """Truth values, masked where numbers are missing."""
    return np.ma.MaskedArray(numbers > 0.5, mask=np.isnan(numbers))


def _joined(flags: Sequence[str], groups: NDArray[np.int64], group: int) -> str:
    """Flags of the lines of a group, each once."""
    return "; ".join(dict.fromkeys(flag for flag, g in zip(flags, groups, strict=True) if flag and g == group))
