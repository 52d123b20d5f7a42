"""Files that a command writes: their paths are checked before the work, and the files are written after it."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from xdgmm.errors import InputError, OutputError
from xdgmm.files import atomic_writes, check_output

from .catalogues import sampled
from .interrupts import interrupts
from .printing import Printer, escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from astropy.table import QTable
    from numpy.typing import NDArray

    from xdgmm.fitting import FitResult
    from xdgmm.fitting.problem import AnyObservations
    from xdgmm.mixture import GaussianMixture
    from xdgmm.observations import Observations, StreamedObservations
    from xdgmm.tables import Column
    from xdgmm.uncertainty.mcmc import PosteriorSamples
    from xdgmm.widths import WidthReport

T = TypeVar("T")
Measured = TypeVar("Measured", bound="Observations | StreamedObservations")


def check_written(output: Path, suffixes: tuple[str, ...], *read: tuple[Path, str], overwrite: bool) -> None:
    """Refuse a path that cannot be written, or is one of those that are read (`read`: path and its name)."""
    check_output(output, overwrite=overwrite, suffixes=suffixes)
    for path, what in read:
        if output.resolve() == path.resolve():
            raise OutputError(f"'{path}' is {what} that is read; write to another file")


class FitFiles:
    """The model, report, pictures, table of candidates and chain of a fit; a path is None if the file is not wanted.

    Attributes
    ----------
    checkpoint : Path or None
        Where the passes of the fit are kept.
    resume : bool
        Whether it goes on from there.
    candidates : QTable or None
        The candidates among which the fit was chosen.
    samples : PosteriorSamples or None
        What `corner` draws.
    """

    candidates: QTable | None = None
    samples: PosteriorSamples | None = None
    checkpoint: Path | None = None
    resume = False

    def __init__(
        self,
        model: Path | None,
        report: Path | None,
        plot: Path | None,
        table: Path | None = None,
        *,
        chain: Path | None = None,
        corner: Path | None = None,
        overwrite: bool,
    ) -> None:
        self.model, self.report, self.plot, self.table, self.overwrite = model, report, plot, table, overwrite
        self.chain, self.corner = chain, corner

    def check(self, *read: tuple[Path, str]) -> None:
        """Refuse paths that cannot be written, or that would destroy what is read (path and its name)."""
        from xdgmm.mixture.io import MODEL_SUFFIXES
        from xdgmm.plotting import PLOT_SUFFIXES
        from xdgmm.tables import REPORT_SUFFIXES
        from xdgmm.uncertainty.mcmc import CHAIN_SUFFIXES
        from xdgmm.widths import WIDTH_SUFFIXES

        wanted = [
            (self.model, tuple(MODEL_SUFFIXES)),
            (self.report, WIDTH_SUFFIXES),
            (self.plot, PLOT_SUFFIXES),
            (self.table, REPORT_SUFFIXES),
            (self.chain, CHAIN_SUFFIXES),
            (self.corner, PLOT_SUFFIXES),
        ]
        paths = []
        for path, suffixes in wanted:
            if path is not None:
                check_written(path, suffixes, *read, overwrite=self.overwrite)
                paths.append(path.resolve())
        if self.checkpoint is not None:
            # one that exists is refused later, by a sentence that says how to resume
            kept = self.resume or self.overwrite or self.checkpoint.is_file()
            check_written(self.checkpoint, (), *read, overwrite=kept)
            paths.append(self.checkpoint.resolve())
        if len(set(paths)) < len(paths):
            raise OutputError("two outputs have the same name; give each its own")

    @contextmanager
    def recording(self, observations: Measured, settings: Mapping[str, Any], seed: int) -> Iterator[Measured]:
        """Context with the observations, the passes over which are kept in the checkpoint, if there is one."""
        from xdgmm.fitting import recorded

        if self.checkpoint is None:
            yield observations
            return
        options = {"resume": self.resume, "overwrite": self.overwrite}
        try:
            with recorded(observations, self.checkpoint, settings, seed, **options) as (same, _):
                yield same
        finally:
            if self.checkpoint.exists():
                interrupts.written.append(self.checkpoint)

    def check_dimensions(self, observations: AnyObservations) -> None:
        """Refuse a picture of more coordinates than can be drawn."""
        from xdgmm.plotting import MOST_COORDINATES

        if self.plot is not None and observations.n_dimensions > MOST_COORDINATES:
            raise InputError(
                f"a picture shows at most {MOST_COORDINATES} coordinates; choose fewer columns, or leave --plot out"
            )

    def write(
        self, fitted: FitResult | GaussianMixture, table: WidthReport, observations: AnyObservations, title: str
    ) -> list[Path]:
        """Write the files, the model of a fit with the covariance of its parameters; returns the paths."""
        from xdgmm.mixture import GaussianMixture
        from xdgmm.plotting import new_figure, plot_fit, plot_posterior, save
        from xdgmm.tables import write_table
        from xdgmm.uncertainty import with_errors
        from xdgmm.widths import write_report

        mixture = fitted if isinstance(fitted, GaussianMixture) else fitted.mixture

        drawn = sampled(observations, title)

        def model() -> GaussianMixture:
            return fitted if isinstance(fitted, GaussianMixture) else with_errors(fitted, observations)

        writers: list[tuple[Path | None, Callable[[Path], Any]]] = [
            (self.model, lambda path: model().write(path, overwrite=True)),
            (self.report, lambda path: write_report(table, path, overwrite=True)),
            (
                self.plot,
                lambda path: save(plot_fit(mixture, *drawn, figure=new_figure()), path, overwrite=True),
            ),
        ]
        candidates, samples = self.candidates, self.samples
        if samples is not None:
            draw = partial(plot_posterior, samples)
            writers.append((self.corner, lambda path: save(draw(figure=new_figure()), path, overwrite=True)))
        if candidates is not None:
            writers.append((self.table, lambda path: write_table(candidates, path, overwrite=True)))
        return written_together(
            [(path, write) for path, write in writers if path is not None], overwrite=self.overwrite
        )


def written_together(writers: Sequence[tuple[Path, Callable[[Path], Any]]], *, overwrite: bool) -> list[Path]:
    """Write files by functions of their paths, all or none of them; returns the paths."""
    paths = [path for path, _ in writers]
    with atomic_writes(paths, overwrite=overwrite) as temporaries:
        for (path, write), temporary in zip(writers, temporaries, strict=True):
            try:
                write(temporary)
            except Exception as error:
                raise OutputError(f"{_reason(error, temporary, path)}; no output was written") from error
    interrupts.written += paths
    return paths


def _reason(error: Exception, temporary: Path, path: Path) -> str:
    """Why a file cannot be written, with the name that the user knows."""
    reason = str(error).replace(str(temporary), str(path))
    return reason if isinstance(error, OutputError) else f"cannot write '{path}': {reason}"


def _checking(blocks: Iterable[T]) -> Iterator[T]:
    """The blocks, as long as there is no interrupt."""
    for block in blocks:
        interrupts.check()
        yield block
    interrupts.check()


def column_as_json(column: Column) -> dict[str, Any]:
    """What is printed of a column that was written."""
    unit = None if column.unit is None else str(column.unit)
    return {"name": column.name, "unit": unit, "description": column.description}


class AppendedTable:
    """The table of a user with more columns, written to another file, or (None) to no file."""

    def __init__(
        self,
        table: Path,
        output: Path | None,
        hdu: str | None,
        readme: Path | None,
        *,
        overwrite: bool,
        overwrite_columns: bool,
    ) -> None:
        self.table, self.output, self.hdu, self.readme = table, output, hdu, readme
        self.overwrite, self.overwrite_columns = overwrite, overwrite_columns

    def check(self, *others: tuple[Path, str]) -> None:
        """Refuse a path that cannot be written or is read (`others`: path and its name), and a table from a pipe."""
        if self.output is None:
            return
        from xdgmm.tables import REPORT_SUFFIXES

        read = (self.table, "the table"), *others
        check_written(self.output, REPORT_SUFFIXES, *read, overwrite=self.overwrite)
        if self.table.exists() and not (self.table.is_file() or self.table.is_dir()):
            raise InputError(f"'{self.table}' can be read only once, but is needed twice; save it to a file first")

    def check_names(self, names: Sequence[str], columns: Sequence[Column]) -> None:
        """Refuse columns that the table has, unless they are to be replaced, and names that FITS cannot hold."""
        from xdgmm.tables import check_fits_names, check_new_names, is_fits_name

        if self.output is None:
            return
        check_new_names(names, columns, replace=self.overwrite_columns)
        if is_fits_name(self.output):
            check_fits_names([*names, *(column.name for column in columns)])

    def write(
        self, columns: Sequence[Column], blocks: Iterable[Sequence[NDArray[Any]]], printer: Printer
    ) -> dict[str, Any]:
        """Write the table with the columns, whose values come in blocks of rows; returns what to print as JSON."""
        from xdgmm.tables import append_columns

        if self.output is None:
            return {"appended": [], "written": []}
        hdu, readme, blocks = self.hdu, self.readme, _checking(blocks)
        append_columns(self.table, self.output, columns, blocks, hdu=hdu, readme=readme, overwrite=self.overwrite)
        interrupts.written.append(self.output)
        printer.print(f"appended {escaped(', '.join(column.name for column in columns))}")
        printer.print(f"wrote {escaped(self.output)}")
        described = [column_as_json(column) for column in columns]
        return {"appended": described, "written": [str(self.output)]}
