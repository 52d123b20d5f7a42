"""The files that a command writes: checked before the work, all or none after it."""

from contextlib import ExitStack

from xdgmm.errors import InputError, OutputError
from xdgmm.files import atomic_write, check_output


class Outputs:
    """The files that a fit is asked to write, checked before the work and written after it."""

    def __init__(self, model, report, plot, *, overwrite):
        self.model, self.report, self.plot, self.overwrite = model, report, plot, overwrite

    def check(self, source=None):
        """Refuse what could not be written, or would destroy the table that is read."""
        from xdgmm.plotting import PLOT_SUFFIXES
        from xdgmm.tables import REPORT_SUFFIXES

        wanted = [(self.model, (".fits", ".ecsv")), (self.report, REPORT_SUFFIXES), (self.plot, PLOT_SUFFIXES)]
        wanted = [(path, suffixes) for path, suffixes in wanted if path is not None]
        for path, suffixes in wanted:
            check_output(path, overwrite=self.overwrite, suffixes=suffixes)
        paths = [path.resolve() for path, _ in wanted]
        if len(set(paths)) < len(paths):
            raise OutputError("two outputs have the same name; give each its own")
        if source is not None and source.resolve() in paths:
            raise OutputError(f"'{source}' is the table to be fitted; write to another file")

    def check_picture(self, observations):
        """Refuse a picture of more coordinates than can be drawn."""
        from xdgmm.plotting import LARGEST

        if self.plot is not None and observations.n_dimensions > LARGEST:
            raise InputError(
                f"a picture shows at most {LARGEST} coordinates; choose fewer columns, or leave --plot out"
            )

    def write(self, fitted, table, observations, title):
        """Write what was asked for, the model of a fit with the covariance of its parameters; returns the paths."""
        from xdgmm.plotting import plot_fit, save
        from xdgmm.tables import write_table
        from xdgmm.uncertainty import with_errors

        mixture = getattr(fitted, "mixture", fitted)
        writers = {
            self.model: lambda path: with_errors(fitted, observations).write(path, overwrite=True),
            self.report: lambda path: write_table(table, path, overwrite=True),
            self.plot: lambda path: save(plot_fit(mixture, observations, title), path, overwrite=True),
        }
        wanted = [(path, write) for path, write in writers.items() if path is not None]
        with ExitStack() as every:  # all are complete before the first gets its name
            for path, write in wanted:
                temporary = every.enter_context(atomic_write(path, overwrite=self.overwrite))
                try:
                    write(temporary)
                except Exception as error:
                    raise OutputError(f"cannot write '{path}': {error}; no output was written") from error
        return [path for path in (self.model, self.report, self.plot) if path is not None]
