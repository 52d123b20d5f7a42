"""Files for the user's browser, as the package writes them.

They lie in a folder of their own while they are written.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from xdgmm.fitting import FitResult
    from xdgmm.mixture import GaussianMixture

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
    """The table with memberships and denoised values in further columns, as ``xdgmm apply`` writes it, in FITS."""
    from xdgmm.objects import ObjectColumns
    from xdgmm.tables import append_columns, write_table

    new = ObjectColumns(mixture, data.observations)

    def write(path: Path) -> None:
        source = path.with_name("read.fits")
        write_table(data.table, source)
        append_columns(source, path, new.columns, new.blocks("never"))

    return written("members.fits", "application/fits", write)


def picture_file(_report: Reporter | None, mixture: GaussianMixture, data: DataSet) -> Download:
    """The picture of the fit, as ``xdgmm fit --plot`` draws it, in PNG; of more than six columns the first six."""
    from xdgmm.plotting import MOST_COORDINATES, new_figure, plot_fit, save

    columns = list(mixture.names[:MOST_COORDINATES])
    figure = plot_fit(mixture, data.observations, data.name, columns=columns, figure=new_figure())
    return written("fit.png", "image/png", lambda path: save(figure, path))


def written(name: str, kind: str, write: Callable[[Path], object]) -> Download:
    """What a function writes to a path, which exists for as long as it does."""
    with TemporaryDirectory(prefix="xdgmm-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / name
        write(path)
        return Download(name, kind, path.read_bytes())
