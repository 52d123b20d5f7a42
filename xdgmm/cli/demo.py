"""`xdgmm demo`: fits of two bundled tables."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xdgmm.errors import OutputError

from .fit_report import FitReport
from .options import DeviceChoice, Json, Overwrite, Quiet, make_passes_on
from .output_files import FitFiles
from .printing import Printer, escaped

if TYPE_CHECKING:
    from collections.abc import Iterator


def demo(
    output: Annotated[
        Path | None, typer.Option(help="Folder to write to; a new one, xdgmm-demo, by default.", metavar="DIR")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the random starts.", min=0)] = 0,
    device: DeviceChoice = None,
    *,
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Fit two bundled tables: stars of the Hydrus I dwarf galaxy, and neutron-star masses.

    Example: xdgmm demo --output my-folder
    """
    make_passes_on(device)
    folder = _new_folder() if output is None else output
    with _made(folder):
        documents = _fit_both(folder, seed, Printer(json, quiet), overwrite=overwrite)
    raise typer.Exit(0 if all(document["converged"] for document in documents.values()) else 1)


def _fit_both(folder: Path, seed: int, printer: Printer, *, overwrite: bool) -> dict[str, Any]:
    """Fit the tables, write the files and print the reports; returns what is printed as JSON."""
    jobs = {
        "hydrus1": ("v", [1], "Hydrus I: line-of-sight velocities (Koposov et al. 2018)"),
        "neutron_stars": ("m", [1, 2, 3, 4], "Neutron-star masses (Alsing, Silva & Berti 2018)"),
    }
    every = {
        name: FitFiles(
            folder / f"{name}_model.fits", folder / f"{name}_widths.ecsv", folder / f"{name}.png", overwrite=overwrite
        )
        for name in jobs
    }
    for files in every.values():
        files.check()
    from xdgmm import datasets
    from xdgmm.fitting import Settings
    from xdgmm.observations import Observations
    from xdgmm.selection import N_INIT

    documents = {}
    for name, (column, candidates, title) in jobs.items():
        observations = Observations.from_table(datasets.load(name), column)
        report = FitReport(title, observations, every[name], printer)
        n_init = N_INIT if len(candidates) > 1 else 1
        documents[name] = report.fit(candidates, Settings(n_init=n_init, progress=printer.progress), seed)
    printer.print(f"models, reports and pictures are in [b]{escaped(folder)}[/b]")
    printer.print_json(documents)
    return documents


def _new_folder() -> Path:
    """A folder that does not exist: xdgmm-demo, or xdgmm-demo-2, ..."""
    folder, number = Path("xdgmm-demo"), 1
    while folder.exists():
        number += 1
        folder = Path(f"xdgmm-demo-{number}")
    return folder


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Context with this folder; one that is made for it and stays empty is removed again."""
    existed = folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder '{folder}': {error.strerror}; choose another") from None
    try:
        yield
    finally:
        if not existed:
            with suppress(OSError):  # there are files in it
                folder.rmdir()
