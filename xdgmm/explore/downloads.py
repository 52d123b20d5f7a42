"""Files for the user's browser, as the package writes them.

They lie in a folder of their own while they are written.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from xdgmm.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from xdgmm.diagnostics import Check
    from xdgmm.fitting import FitResult
    from xdgmm.mixture import GaussianMixture
    from xdgmm.tables import Column

    from .data_sets import DataSet
    from .worker import Reporter


@dataclass(frozen=True)
class Download:
    """A file.

    Attributes
    ----------
    name : str
    kind : str
        Its media type.
    content : bytes
    """

    name: str
    kind: str
    content: bytes

    @property
    def as_text(self) -> str:
        """The contents in base64."""
        return b64encode(self.content).decode("ascii")


def model_file(_report: Reporter | None, fitted: FitResult | GaussianMixture, data: DataSet) -> Download:
    """The model in FITS, as ``xdgmm fit --output`` writes it: after a fit with the errors of its parameters."""
    from xdgmm.mixture import GaussianMixture
    from xdgmm.uncertainty import with_errors

    mixture = fitted if isinstance(fitted, GaussianMixture) else with_errors(fitted, data.observations)
    return written("model.fits", "application/fits", mixture.write)


def table_file(_report: Reporter | None, mixture: GaussianMixture, data: DataSet) -> Download:
    """The table with memberships and denoised values in further columns, as ``xdgmm apply`` writes it."""
    from xdgmm.objects import ObjectColumns

    new = ObjectColumns(mixture, data.observations)
    return _longer_table("members", data, new.columns, new.values())


def residual_file(_report: Reporter | None, mixture: GaussianMixture, data: DataSet) -> Download:
    """The table with memberships, denoised values and the residual of each value."""
    from xdgmm.diagnostics import residuals
    from xdgmm.objects import ObjectColumns
    from xdgmm.tables import Column

    new = ObjectColumns(mixture, data.observations)
    z = residuals(mixture, data.observations)
    says = "residual of {}: standard normal if model and errors are right"
    columns = [Column(f"{new.prefix}residual_{name}", says.format(name)) for name in mixture.names]
    return _longer_table("residuals", data, [*new.columns, *columns], [*new.values(), *z.T])


def _longer_table(name: str, data: DataSet, columns: list[Column], values: list[NDArray[Any]]) -> Download:
    """The table with more columns: FITS, or ECSV, where FITS cannot hold it."""
    from xdgmm.tables import append_columns, write_table

    def write(path: Path) -> None:
        source = path.with_name(f"read{path.suffix}")
        write_table(data.table, source)
        append_columns(source, path, columns, [values])

    try:
        return written(f"{name}.fits", "application/fits", write)
    except OutputError:
        return written(f"{name}.ecsv", "application/octet-stream", write)


def picture_file(_report: Reporter | None, mixture: GaussianMixture, data: DataSet) -> Download:
    """The picture of the fit, as ``xdgmm fit --plot`` draws it, in PNG; of more than six columns the first six."""
    from xdgmm.plotting import MOST_COORDINATES, new_figure, plot_fit, save

    columns = list(mixture.names[:MOST_COORDINATES])
    figure = plot_fit(mixture, data.observations, data.name, columns=columns, figure=new_figure())
    return written("fit.png", "image/png", lambda path: save(figure, path))


def check_picture(_report: Reporter | None, mixture: GaussianMixture, data: DataSet, check: Check | None) -> Download:
    """The picture of a check, as ``xdgmm check --plot`` draws it; without one, of the residuals.

    They stand against the errors of the first column, where it has some.
    """
    from xdgmm.plotting import new_figure, plot_check, plot_pit, plot_quantiles, plot_residuals, save

    figure = new_figure()
    if check is not None:
        figure = plot_check(check, data.name, figure=figure)
    else:
        of_first = partial(plot_residuals, columns=mixture.names[0])
        has_errors = bool(data.observations.variances_of(0).any())
        pictures: list[Callable[..., Any]] = [plot_quantiles, plot_pit, *([of_first] if has_errors else [])]
        figure.set_size_inches(4.2 * len(pictures), 4.0)
        figure.set_layout_engine("constrained")
        for draw, ax in zip(pictures, figure.subplots(1, len(pictures)), strict=True):
            draw(mixture, data.observations, ax=ax)
    return written("check.png", "image/png", lambda path: save(figure, path))


def written(name: str, kind: str, write: Callable[[Path], object]) -> Download:
    """What a function writes to a path, which exists for as long as it does.

    Raises
    ------
    OutputError
        If it cannot be written; it is called by its name.
    """
    with TemporaryDirectory(prefix="xdgmm-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / name
        try:
            write(path)
        except OutputError as error:
            raise OutputError(str(error).replace(str(path.parent) + "/", "")) from None
        return Download(name, kind, path.read_bytes())
